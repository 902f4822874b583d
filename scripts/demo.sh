#!/usr/bin/env bash
# A first look: a real MySQL and a real Kafka, a small shop, and what binlogd writes about it. Leaves nothing behind.
# DEMO_DAEMON=COMMAND runs another daemon instead (COMMAND --config=FILE).
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
cd "$repo"

step() { say ""; say "[$1/7] $2"; }
indent() { sed 's/^/      /'; }

claim_run demo

step 1 "MySQL 9.7 and Kafka 4.0, in $run"
"$scripts/servers.sh" start mysql97 kafka | indent
server_environment
"$scripts/servers.sh" topic kafka shop 3 2>&1 | indent

daemon=${DEMO_DAEMON:-$target/release/binlogd}
if [ -z "${DEMO_DAEMON:-}" ]; then
  step 2 "building binlogd (the first time takes some minutes)"
  need_build_tools
  cargo build --locked --release --bin binlogd 2>&1 | tail -3 | indent
else
  step 2 "no build: running $daemon"
fi

step 3 "checking before the start, with this config.properties"
cat >"$run/config.properties" <<CONFIG
# where the binlog is, and where binlogd keeps its own tables (database maxwell)
host=127.0.0.1
port=$BINLOGD_TEST_MYSQL97_PORT
user=maxwell
password=maxwell

# where the changes go
producer=kafka
kafka.bootstrap.servers=$BINLOGD_TEST_KAFKA
kafka_topic=shop
# all changes of one row go to one partition, so they stay in order
producer_partition_by=primary_key

# what is sent, and with what besides the row
filter=exclude: *.*, include: shop.*
output_binlog_position=true
output_primary_keys=true
${DEMO_EXTRA_CONFIG:-}
CONFIG
grep -v -e '^#' -e '^$' "$run/config.properties" | indent
sql() { "$scripts/servers.sh" sql mysql97 "$@"; }

# Another daemon (DEMO_DAEMON) has no such command.
if [ -z "${DEMO_DAEMON:-}" ]; then
  check() { "$daemon" check --config="$run/config.properties" >"$run/check.txt"; }
  say ""
  say "      binlogd check:"
  check || { indent <"$run/check.txt" >&2; die "the check does not pass"; }
  tail -1 "$run/check.txt" | indent
  say ""
  say "      and after: revoke replication slave on *.* from maxwell"
  sql -e "revoke replication slave on *.* from maxwell"
  code=0; check || code=$?
  [ $code -eq 2 ] || die "the check ended with $code, and not with 2: the server would refuse the binlog"
  grep -A1 '^fault' "$run/check.txt" | indent
  tail -1 "$run/check.txt" | indent
  # The statement as it was printed, and nothing else.
  statement=$(grep -A1 '^fault' "$run/check.txt" | sed -n 's/^ *sql: *//p')
  say ""
  say "      and after running what it says: $statement"
  sql -e "$statement"
  check || { indent <"$run/check.txt" >&2; die "what the check printed did not mend it"; }
  tail -1 "$run/check.txt" | indent
else
  say "      no check: that is a command of binlogd's"
fi

step 4 "starting it"
start_daemon binlogd "$daemon" --config="$run/config.properties"

# The start position is fixed once the definitions are stored: whatever is committed from then on is sent.
captured() {
  process_gone "$run/daemon-binlogd" || [ "$(sql -N -B -e 'select count(*) from maxwell.schemas' 2>/dev/null || echo 0)" -gt 0 ]
}
failed() {
  tail -20 "$run/daemon-binlogd/server.log" | indent >&2
  die "$1"
}
wait_until 60 captured || failed "the daemon did not begin within 60 s"
process_alive "$run/daemon-binlogd" || failed "the daemon stopped"
say "      follows the binlog, pid $(cat "$run/daemon-binlogd/pid")"

step 5 "a small shop at work (scripts/demo-workload.sql)"
sql <"$scripts/demo-workload.sql"
grep '^-- [0-9]' "$scripts/demo-workload.sql" | sed 's/^-- //' | indent
expected=$(sed -n 's/^-- messages: //p' "$scripts/demo-workload.sql")

step 6 "reading topic shop back with kcat: $expected messages, one per row"
arrived() {
  local count
  # Offsets one past the last message, summed over the partitions.
  count=$(kcat -b "$BINLOGD_TEST_KAFKA" -Q -t shop:0:-1 -t shop:1:-1 -t shop:2:-1 2>/dev/null | awk '{ n += $NF } END { print n + 0 }')
  [ "$count" -ge "$expected" ] || process_gone "$run/daemon-binlogd"
}
wait_until 60 arrived || failed "they did not arrive within 60 s"
process_alive "$run/daemon-binlogd" || failed "the daemon stopped"
kcat -b "$BINLOGD_TEST_KAFKA" -C -t shop -o beginning -e -q -f '%p\t%o\t%k\t%s\n' 2>/dev/null >"$run/messages"
sort -n -k1,1 -k2,2 "$run/messages" | awk -F '\t' '{ printf "partition %s, offset %s, key %s\n  %s\n", $1, $2, $3, $4 }' | indent

step 7 "looking at them"
count=$(wc -l <"$run/messages")
problems=0
looks() { if [ "$2" -eq "$3" ]; then say "      ok      $1"; else say "      WRONG   $1: $2 instead of $3"; problems=1; fi; }
has() { cut -f4 "$run/messages" | grep -c -e "$1" || true; }
looks "$expected messages arrived" "$count" "$expected"
looks "the rolled back order is not among them" "$(has 'never sold')" 0
looks "updates carry the new row and, under old, what they replaced" "$(has '"type":"update".*"old":{"status":"new"}')" 2
looks "the last row of each transaction says so (commit)" "$(has '"commit":true')" "$(sed -n 's/^-- transactions: //p' "$scripts/demo-workload.sql")"
looks "the row after the ALTER has the new column" "$(has '"table":"orders","type":"insert".*"note":"ring twice"')" 1
looks "the customer who left is there a last time" "$(has '"table":"customers","type":"delete"')" 1

stop_daemon binlogd
say "      binlogd stopped; it would go on from $(sql -N -B -e "select concat(binlog_file, ':', binlog_position) from maxwell.positions limit 1")"
[ $problems -eq 0 ] || failed "the topic does not hold what the shop did"
say ""
say "That is all it does: every committed change, in order per key, as JSON. config/config.properties.example lists the options."
