# shellcheck shell=bash
# A private Debian tree of another release, for servers that this host's release does not have.
# Its programs run straight from the tree with its own loader and libraries: only making the tree needs root, running them does not,
# and data folders may lie anywhere.

# make_root DIR PACKAGES SUITE…: the first suite that has the packages wins.
make_root() {
  local dir=$1 packages=$2 suite mirror log=$1.log proxy; shift 2
  need_packages debootstrap
  mirror=$(debian_mirror)
  # debootstrap fetches by wget, which knows nothing of apt's settings.
  proxy=$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null || true)
  [ -z "$proxy" ] || export http_proxy=${http_proxy:-$proxy}
  for suite in "$@"; do
    remove_root "$dir"
    if as_root debootstrap --variant=minbase --include="$packages" "$suite" "$dir" "$mirror" >"$log" 2>&1; then
      # Downloaded packages and lists are half of the tree and never used again.
      as_root rm -rf "$dir/var/cache/apt" "$dir/var/lib/apt/lists"
      return
    fi
    note "  Debian $suite did not give $packages: $(grep -E '^(E:|W:)' "$log" | tail -1)"
  done
  die "could not unpack $packages, see $log (it needs root or sudo, and a Debian mirror)"
}

# remove_root DIR: an interrupted debootstrap may have left /proc and others mounted inside.
remove_root() {
  [ -e "$1" ] || return 0
  local mount
  awk -v dir="$1/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do as_root umount -l "$mount"; done
  as_root rm -rf --one-file-system "$1"
}

# root_program ROOT PROGRAM WRAPPER [ARGUMENT…]: writes a command that runs ROOT/PROGRAM with the tree's own loader.
# It replaces itself by the program, so the process id stays.
root_program() {
  local root=$1 program=$2 wrapper=$3 loader libraries; shift 3
  loader=$(find "$root"/usr/lib*/ -maxdepth 2 -name 'ld-linux*.so.*' | sort | head -1)
  [ -n "$loader" ] || die "no dynamic loader in $root"
  libraries=$(find "$root/usr/lib" -maxdepth 1 -type d -name '*-linux-gnu*' | head -1)
  mkdir -p "$(dirname "$wrapper")"
  {
    printf '#!/bin/sh\n'
    printf 'exec %q --library-path %q --argv0 %q %q ' "$loader" "$libraries" "$(basename "$program")" "$root/$program"
    [ $# -eq 0 ] || printf '%q ' "$@"
    printf '"$@"\n'
  } >"$wrapper"
  chmod +x "$wrapper"
}
