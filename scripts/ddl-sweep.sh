#!/usr/bin/env bash
# The DDL of the servers' own test suites against running servers and our parser (tests/live_ddl_sweep.rs).
#   ddl-sweep.sh unpack    only fetches the texts, into target/testsuite
#   ddl-sweep.sh           fetches them, starts mysql97 and mariadb1011 in a run of its own, and sweeps
# BINLOGD_SWEEP_FILES=N stops after N files of each suite.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
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
sweep() {
  server_environment
  export BINLOGD_SWEEP_DIR=$target/testsuite BINLOGD_TEST_ALL=1
  cargo test --locked --quiet --test live_ddl_sweep -- --test-threads=1 --nocapture
}
if part "test suites unpacked" unpack && part "servers: start" "$scripts/servers.sh" start mysql97 mariadb1011 --fast; then
  part "sweep" sweep || true
fi
summary
