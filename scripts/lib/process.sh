# shellcheck shell=bash
# Server processes: started in a session of their own, known by pid and start time, stopped by pid and nothing else.

# process_started PID: the kernel's start time of a process; with the pid it is its identity (pids are used again).
process_started() {
  local stat fields threads
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # After the name in brackets, which may hold anything: the state is field 3 of the file, the start time field 22.
  read -ra fields <<<"${stat##*) }"
  # A zombie has ended, though nobody may be there to collect it; but not before its last thread has let go of files and ports.
  if [ "${fields[0]}" = Z ]; then
    threads=("/proc/$1/task/"*)
    [ ${#threads[@]} -gt 1 ] || return 1
  fi
  printf '%s' "${fields[19]}"
}

# process_alive DIR: is the process that DIR/pid names still the one that was started?
process_alive() {
  local pid started
  { read -r pid <"$1/pid"; } 2>/dev/null || return 1
  started=$(process_started "$pid") || return 1
  [ "$started" = "$(cat "$1/pid.started" 2>/dev/null)" ]
}
process_gone() { ! process_alive "$1"; }

# process_launch DIR COMMAND…: output goes to DIR/server.log; nothing of ours stays open in the child (locks, pipes to a test runner).
process_launch() {
  local dir=$1 pid; shift
  ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec setsid "$@"
  ) </dev/null >>"$dir/server.log" 2>&1 &
  pid=$!
  disown
  # Written under another name first: a reader never sees half a file.
  process_started "$pid" >"$dir/pid.started" || true
  printf '%s\n' "$pid" >"$dir/pid.new"
  mv "$dir/pid.new" "$dir/pid"
}

# process_stop DIR [hard]: TERM, and KILL only after a minute; hard is KILL at once.
process_stop() {
  local dir=$1 pid
  if process_alive "$dir"; then
    pid=$(cat "$dir/pid")
    if [ "${2:-}" = hard ]; then
      kill -KILL "$pid"
    else
      # A process paused by a test would never see TERM.
      kill -TERM "$pid"; kill -CONT "$pid"
      wait_until 60 process_gone "$dir" || kill -KILL "$pid"
    fi
    wait_until 20 process_gone "$dir" || die "process $pid does not end"
  fi
  rm -f "$dir/pid" "$dir/pid.started"
}

# ---- ports ----

# A port is reserved by a file that says which server folder it belongs to; the reservation is void when that folder is gone.
port_book=${TMPDIR:-/tmp}/binlogd-ports-$(id -u)

port_listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# reserve_port FILE: writes a free port number into FILE (FILE names its owner).
reserve_port() {
  local file=$1 port low high owner
  mkdir -p "$port_book"
  # Below the range that the kernel gives to outgoing connections, or one of those could take it while our server is down.
  read -r high _ </proc/sys/net/ipv4/ip_local_port_range
  low=20000
  [ "$high" -gt 22000 ] || { low=22000; high=60000; }
  (
    flock 8
    while :; do
      port=$((low + (RANDOM * 32768 + RANDOM) % (high - low)))
      if [ -e "$port_book/$port" ]; then
        owner=$(cat "$port_book/$port")
        [ "$(cat "$owner" 2>/dev/null)" != "$port" ] || continue
      fi
      port_listens "$port" && continue
      printf '%s\n' "$file" >"$port_book/$port"
      printf '%s\n' "$port" >"$file"
      break
    done
  ) 8>"$port_book/.lock"
}
