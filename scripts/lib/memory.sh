# shellcheck shell=bash
# Data of a run's servers in memory, where there is room. Needs run.sh, and `claim_run` before.

memory=

# in_memory NAME SERVER…: folders of these servers; called before their start.
in_memory() {
  local name=$1 stale pid server; shift
  for stale in /dev/shm/binlogd-"$name"-*; do
    pid=${stale##*-}
    [ ! -d "$stale" ] || kill -0 "$pid" 2>/dev/null || rm -rf "$stale"
  done
  [ -w /dev/shm ] && [ "$(df --output=avail -k /dev/shm | tail -1)" -gt 6000000 ] || return 0
  memory=/dev/shm/binlogd-$name-$$
  for server in "$@"; do
    mkdir -p "$memory/$server"
    ln -s "$memory/$server" "$run/$server"
  done
  trap release_memory EXIT
}

release_memory() {
  local status=$?
  ( (exit "$status"); release_run ) || status=$?
  [ -z "$memory" ] || rm -rf "$memory"
  exit "$status"
}
