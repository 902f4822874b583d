# shellcheck shell=bash
# What every script here needs: the project's folders, plain messages, timing, and the host's packages.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export repo
target=${CARGO_TARGET_DIR:-$repo/target}
case $target in /*) ;; *) target=$repo/$target ;; esac

say()  { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

# now_ms: a clock for durations, without starting a process.
now_ms() { local t=${EPOCHREALTIME/[.,]/}; printf '%s' "${t%???}"; }

# seconds_since MS: "3.1"
seconds_since() { local d=$(( $(now_ms) - $1 )); printf '%d.%d' $((d / 1000)) $((d % 1000 / 100)); }

# human_time SECONDS: "48 s", "7 min 05 s"
human_time() { if [ "$1" -lt 100 ]; then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi; }

# wait_until SECONDS COMMAND…: asks again until the command succeeds; fails when the time is over.
wait_until() {
  local end=$(( $(now_ms) + $1 * 1000 )); shift
  until "$@"; do
    [ "$(now_ms)" -lt "$end" ] || return 1
    sleep 0.05
  done
}

# as_root COMMAND…: as it is for root, through sudo for others.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo --preserve-env=http_proxy,https_proxy,DEBIAN_FRONTEND "$@"
  else return 127
  fi
}

package_installed() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = 'ii ' ]; }

# need_packages PACKAGE…: installs those Debian packages that are missing, and says what to do where it may not.
need_packages() {
  local package missing=()
  for package in "$@"; do package_installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || die "these programs are needed and there is no apt-get to install them: ${missing[*]} (Debian's names)"
  note "installing Debian packages: ${missing[*]}"
  mkdir -p "$target"
  local log=$target/apt.log
  # Two runs on one machine take turns: apt's own lock fails instead of waiting while it updates.
  (
    flock 9
    # One update per run of the outermost script (it exports the variable); a broken third-party source is not our business.
    if [ -z "${BINLOGD_APT_UPDATED:-}" ] || [ ! -e "$BINLOGD_APT_UPDATED" ]; then
      DEBIAN_FRONTEND=noninteractive as_root apt-get update -q >"$log" 2>&1 9>&- || note "apt-get update was not clean, see $log"
      [ -z "${BINLOGD_APT_UPDATED:-}" ] || : >"$BINLOGD_APT_UPDATED"
    fi
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 "${missing[@]}" >>"$log" 2>&1 9>&-
  ) 9>"${TMPDIR:-/tmp}/binlogd-apt-$(id -u).lock" || {
    tail -5 "$log" >&2 2>/dev/null || true
    die "could not install packages; as root: apt-get install -y ${missing[*]}"
  }
}

# once_per_run: gives all scripts that this one calls the same marker, so that apt-get update runs at most once; forget_run at its end.
once_per_run() {
  [ -n "${BINLOGD_APT_UPDATED:-}" ] && return
  mkdir -p "$target"
  export BINLOGD_APT_UPDATED=$target/.apt-updated-$$
  apt_marker=$BINLOGD_APT_UPDATED
}
apt_marker=
forget_run() { [ -z "$apt_marker" ] || rm -f "$apt_marker"; }

# What cargo needs to build librdkafka, OpenSSL bindings and zstd on a bare machine.
need_build_tools() {
  command -v cargo >/dev/null || die "cargo is missing: install a Rust toolchain (rustup) first; rust-toolchain.toml names the version"
  command -v apt-get >/dev/null || return 0
  need_packages build-essential pkg-config libssl-dev libcurl4-openssl-dev zlib1g-dev python3-minimal
}

# debian_mirror: the address of the Debian archive that this host itself uses.
debian_mirror() {
  local uri
  uri=$(
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      sed -nE 's/^[[:space:]]*deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]]+([^[:space:]]+)[[:space:]].*\bmain\b.*/\2 \3/p'
    # deb822: one stanza of Types, URIs, Suites and Components per source
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk 'BEGIN { RS = ""; FS = "\n" } {
      types = uris = suites = parts = ""
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^Types:/) types = $i; if ($i ~ /^Suites:/) suites = $i; if ($i ~ /^Components:/) parts = $i
        if ($i ~ /^URIs:/) { sub(/^URIs:[ \t]*/, "", $i); uris = $i }
      }
      if (types ~ /deb( |$)/ && parts ~ /main/) { split(uris, u, /[ \t]+/); sub(/^Suites:[ \t]*/, "", suites); split(suites, s, /[ \t]+/); print u[1], s[1] }
    }'
  )
  # Security archives and third parties do not carry the base system; Debian's own suites have known names.
  uri=$(awk '$2 ~ /^(bookworm|trixie|forky|sid|bullseye|stable|testing|unstable)$/ { print $1; exit }' <<<"$uri")
  # Cloud images name a file that lists the mirrors.
  case $uri in mirror+file:*) uri=$(awk 'NF && $1 !~ /^#/ { print $1; exit }' "${uri#mirror+file:}") ;; esac
  [ -n "$uri" ] || die "no Debian archive in this host's apt sources: these servers need Debian (or a Docker engine)"
  printf '%s' "$uri"
}
