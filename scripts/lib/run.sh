# shellcheck shell=bash
# One run of tests, demo or bench: a folder of its own, its servers and daemons, parts with their times, and an end that leaves nothing behind.
. "$scripts/lib/process.sh"

run_failed=0
run_parts=()
run_started=$SECONDS

# claim_run NAME: target/run/NAME-PID, exported for servers.sh; cleared at any exit, Ctrl-C and TERM included.
claim_run() {
  once_per_run
  "$scripts/servers.sh" reap
  run=$target/run/$1-$$
  mkdir -p "$run"
  printf '%s %s\n' $$ "$(process_started $$)" >"$run/owner"
  export BINLOGD_TEST_RUN_DIR=$run
  trap release_run EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# release_run: a failed run keeps its logs (not the data) until the next run.
release_run() {
  local status=$? daemon
  trap '' INT TERM
  set +e
  for daemon in "$run"/daemon-*/pid; do [ ! -e "$daemon" ] || process_stop "$(dirname "$daemon")"; done
  if [ $status -eq 0 ]; then
    "$scripts/servers.sh" clean >"$target/run/last-stop.log" 2>&1 || cat "$target/run/last-stop.log" >&2
  else
    "$scripts/servers.sh" stop >"$run/stop.log" 2>&1
    rm -rf "$run"/*/data
    note "logs of this run: $run"
  fi
  forget_run
  exit $status
}

# server_environment: the BINLOGD_TEST_… variables of what runs now.
server_environment() { eval "$("$scripts/servers.sh" env)"; }

# start_daemon NAME COMMAND…: in the background, with a folder for its pid and log; stopped with the run.
start_daemon() {
  local folder=$run/daemon-$1; shift
  mkdir -p "$folder"
  process_launch "$folder" "$@"
}
stop_daemon() { process_stop "$run/daemon-$1" "${2:-}"; }

# part TITLE COMMAND…: runs it, prints its time; a failure is remembered and the next part runs all the same.
part() {
  local title=$1 start=$SECONDS result=ok; shift
  say ""
  say "== $title"
  "$@" || { result=FAILED; run_failed=1; }
  run_parts+=("$(printf '%-8s %12s  %s' "$result" "$(human_time $((SECONDS - start)))" "$title")")
  say "-- $title: $result, $(human_time $((SECONDS - start)))"
  [ $result = ok ]
}

# summary: all parts with their times; the status of the whole.
summary() {
  say ""
  say "== summary"
  printf '%s\n' "${run_parts[@]}"
  say "$([ $run_failed -eq 0 ] && echo PASSED || echo FAILED) in $(human_time $((SECONDS - run_started)))"
  return $run_failed
}
