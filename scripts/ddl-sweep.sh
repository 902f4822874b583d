#!/usr/bin/env bash
# The DDL of the servers' own test suites against running servers and our parser (tests/live_ddl_sweep.rs).
#   ddl-sweep.sh unpack    only fetches the texts, into target/testsuite
#   ddl-sweep.sh           fetches them, starts mysql97 and mariadb1011 in a run of its own, and sweeps, both at the same time
# BINLOGD_SWEEP_SECONDS=N stops after N seconds; BINLOGD_SWEEP_ONLY=a,b takes files with `a` or `b` in their path only.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
. "$scripts/lib/memory.sh"
. "$scripts/lib/testsuite.sh"
cd "$repo"

unpack() {
  testsuite "$target/testsuite/mysql" sid mysql-testsuite
  testsuite "$target/testsuite/mariadb" bookworm mariadb-test-data
}

case ${1:-} in
  unpack) unpack; exit ;;
  '') ;;
  *) die "usage: $0 [unpack]" ;;
esac

claim_run sweep
need_build_tools
servers=(mysql97 mariadb1011)

sweep() {
  server_environment
  export BINLOGD_SWEEP_DIR=$target/testsuite BINLOGD_TEST_ALL=1
  cargo test --locked --quiet --no-run --test live_ddl_sweep || return 1
  local server job jobs=() failed=0
  for server in "${servers[@]}"; do
    cargo test --locked --quiet --test live_ddl_sweep -- --exact "$server" --nocapture >"$run/sweep-$server.log" 2>&1 &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  for server in "${servers[@]}"; do cat "$run/sweep-$server.log"; done
  return $failed
}
# Thousands of partitions are files, and making those is what takes the time.
in_memory sweep "${servers[@]}"
fast=(--fast --flag=innodb-flush-method=nosync --flag=innodb-doublewrite=0)
if part "test suites unpacked" unpack && part "servers: start" "$scripts/servers.sh" start "${servers[@]}" "${fast[@]}"; then
  part "sweep" sweep || true
fi
summary
