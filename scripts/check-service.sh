#!/usr/bin/env bash
# Checks config/binlogd.service with systemd's own tools: that it is understood to the last word, and how exposed it is. No
# service is started. Where the tool is missing it is unpacked into target/, without being installed on this host.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
cd "$repo"
# systemd's own points of "how exposed", 0 to 10. Ours has 1.4 with systemd 252.
exposure_max=2.0

tool=$(command -v systemd-analyze || true)
libraries=
if [ -z "$tool" ]; then
  command -v apt-get >/dev/null || { say "SKIPPED: no systemd-analyze, and no apt-get to get it"; exit 0; }
  tree=$target/systemd
  if [ ! -x "$tree/usr/bin/systemd-analyze" ]; then
    mkdir -p "$tree"
    (cd "$tree" && apt-get download -q systemd libsystemd-shared libsystemd0 >/dev/null 2>&1) || { say "SKIPPED: the package systemd cannot be had"; exit 0; }
    for package in "$tree"/*.deb; do dpkg-deb -x "$package" "$tree"; done
  fi
  tool=$tree/usr/bin/systemd-analyze
  libraries=$(find "$tree/usr/lib" -type d -name systemd | paste -sd:):$(find "$tree/usr/lib" -maxdepth 1 -type d -name '*-linux-gnu' | paste -sd:)
fi
analyze() { LD_LIBRARY_PATH=$libraries "$tool" "$@"; }

work=$(mktemp -d "${TMPDIR:-/tmp}/binlogd-service-XXXXXX")
trap 'rm -rf "$work"' EXIT
# The program that the unit names has to be there for systemd to be content.
mkdir -p "$work/bin"
printf '#!/bin/sh\n' >"$work/bin/binlogd"
chmod +x "$work/bin/binlogd"
sed "s|^ExecStart=/usr/bin/binlogd |ExecStart=$work/bin/binlogd |" config/binlogd.service >"$work/binlogd.service"
grep -q "^ExecStart=$work/bin/binlogd " "$work/binlogd.service" || die "the unit does not start /usr/bin/binlogd"

# Warnings are faults here. Other units of this host are not our business.
told=$(analyze verify --man=no "$work/binlogd.service" 2>&1) || die "systemd refuses the unit: $told"
if grep -F "$work/binlogd.service" <<<"$told" >&2; then die "systemd has something to say about the unit"; fi
say "systemd-analyze verify ($(analyze --version | head -1)): nothing to say"

# What the unit promises, as systemd reads it.
for line in Type=notify WatchdogSec=60 Restart=on-failure NoNewPrivileges=yes ProtectSystem=strict StateDirectory=binlogd 'ExecReload=/bin/kill -HUP $MAINPID'; do
  grep -qxF "$line" config/binlogd.service || die "the unit has no line $line"
done
# The options in it are real ones.
for option in $(sed -n 's/^ExecStart=//p' config/binlogd.service | grep -o -e '--[a-z_]*'); do
  grep -q "^| \`${option#--}\`" docs/configuration.md || die "$option is no option of binlogd"
done
if exposed=$(analyze security --offline=true --threshold=100 "$work/binlogd.service" 2>&1); then
  points=$(sed -n 's/.*Overall exposure level for binlogd.service: \([0-9.]*\).*/\1/p' <<<"$exposed")
  [ -n "$points" ] || die "systemd-analyze security does not tell the exposure: $exposed"
  awk -v p="$points" -v m="$exposure_max" 'BEGIN { exit !(p <= m) }' || die "exposure $points is above $exposure_max"
  say "systemd-analyze security: exposure $points of 10 (at most $exposure_max)"
else
  say "systemd-analyze security is not in this version: $(head -1 <<<"$exposed")"
fi
