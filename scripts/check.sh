#!/usr/bin/env bash
# What needs no server: format, clippy, unit tests, and the tests over recorded binlogs.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
cd "$repo"
once_per_run
trap forget_run EXIT
need_build_tools

# All integration tests but those that talk to servers (tests/live*.rs).
offline=()
for file in tests/*.rs; do
  case $file in tests/live* | 'tests/*.rs') ;; *) offline+=(--test "$(basename "$file" .rs)") ;; esac
done

part "format" cargo fmt --check || true
part "clippy" cargo clippy --locked --quiet --all-targets -- -D warnings || true
part "recorded cases unpacked" "$scripts/fixtures.sh" || true
part "unit and fixture tests" cargo test --locked --quiet --lib --bins ${offline[@]+"${offline[@]}"} || true
summary
