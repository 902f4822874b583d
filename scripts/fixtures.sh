#!/usr/bin/env bash
# Unpacks the recorded cases (tests/fixtures/golden.tar.zst) into target/fixtures/golden; does nothing when they are there already.
#   fixtures.sh             unpack
#   fixtures.sh pack DIR    make the archive anew from DIR, always the same bytes for the same files
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"

archive=$repo/tests/fixtures/golden.tar.zst
to=$target/fixtures
command -v zstd >/dev/null || { once_per_run; need_packages zstd; }

if [ "${1:-}" = pack ]; then
  from=$(cd "${2:?pack which folder?}" && pwd)
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --transform='s,^\.,golden,' -C "$from" -cf - . |
    zstd -19 --long=27 --quiet --force -o "$archive"
  say "$(stat -c %s "$archive") bytes: $archive"
  exit
fi

mkdir -p "$to"
stamp=$(sha256sum <"$archive")
(
  flock 9
  [ "$(cat "$to/golden.stamp" 2>/dev/null)" != "$stamp" ] || exit 0
  # In a folder beside it first: tests never see half of the cases.
  rm -rf "$to/golden" "$to/unpacking" "$to/golden.stamp"
  mkdir "$to/unpacking"
  zstd --decompress --long=27 --quiet --stdout "$archive" | tar -xf - --no-same-owner -C "$to/unpacking"
  mv "$to/unpacking/golden" "$to/golden"
  rmdir "$to/unpacking"
  printf '%s\n' "$stamp" >"$to/golden.stamp"
) 9>"$to/lock"
