#!/usr/bin/env bash
# Everything: check.sh, then real servers and the tests that talk to them (tests/live*.rs).
#   test.sh              all of it
#   test.sh FILTER…      only the live tests whose names contain one of these
# MAXWELL_RUN=COMMAND (starts the real Maxwell: COMMAND --config=FILE) turns on the tests that compare with it.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
cd "$repo"
servers=(mysql97 mysql97-file mysql56 mariadb1011 mariadb118 kafka)

claim_run test
need_build_tools
. "$scripts/lib/docker.sh"
if docker_usable; then servers+=(mysql80); fi

if [ $# -eq 0 ]; then part "check" "$scripts/check.sh" || true; fi

live_tests() {
  local file
  server_environment
  # The daemon under test is the release build; the tests themselves are built as `check` already built them. Every server is
  # there, so a test that finds none has failed.
  export BINLOGD_TEST_BINARY=$target/release/binlogd BINLOGD_TEST_ALL=1 RUST_BACKTRACE=${RUST_BACKTRACE:-1}
  for file in tests/live*.rs; do
    [ -e "$file" ] || continue
    # One at a time: they kill servers that others would be using.
    part "live tests: $(basename "$file" .rs)" \
      cargo test --locked --quiet --test "$(basename "$file" .rs)" -- --test-threads=1 --nocapture "$@" || true
  done
}

part "recorded cases unpacked" "$scripts/fixtures.sh" || true
part "systemd unit" "$scripts/check-service.sh" || true
if part "build (release)" cargo build --locked --quiet --release --bin binlogd &&
  part "servers: install" "$scripts/servers.sh" install "${servers[@]}" &&
  { part "consumers: install" "$scripts/consumers.sh" install || true; } &&
  part "servers: start" "$scripts/servers.sh" start "${servers[@]}"; then
  [ -n "${MAXWELL_RUN:-}" ] || say "MAXWELL_RUN is not set: tests that compare with the real Maxwell are skipped"
  live_tests "$@"
fi
summary
