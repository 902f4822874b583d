#!/usr/bin/env bash
# How fast, how small, how late: catch-up of the orders workload to a topic of four partitions, then latency at a steady rate,
# beside kcat (librdkafka sending the same finished lines: what broker and client leave possible) and, with MAXWELL_RUN, the real Maxwell.
# Sizes: BENCH_BATCHES (transactions of 1,000 rows), BENCH_SINGLES, BENCH_RUNS, BENCH_RATE, BENCH_SECONDS.
# BENCH_DAEMON=COMMAND measures another build. The report lies in target/bench/.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
cd "$repo"

batches=${BENCH_BATCHES:-2000} singles=${BENCH_SINGLES:-300000} runs=${BENCH_RUNS:-1} rate=${BENCH_RATE:-500} seconds=${BENCH_SECONDS:-20}
rows=$((batches * 1000 + singles))
daemon=${BENCH_DAEMON:-$target/release/binlogd}
export MAXWELL_LIB=${MAXWELL_LIB:-$target/maxwell-lib} MAXWELL_JAVA_OPTS=${MAXWELL_JAVA_OPTS:--Xmx512m}

claim_run bench
figures=$run/figures.jsonl
senders=(binlogd)
if [ -n "${MAXWELL_RUN:-}" ]; then senders+=(maxwell); else note "MAXWELL_RUN is not set: no figures of the real Maxwell"; fi

say "== preparing"
need_build_tools
[ -n "${BENCH_DAEMON:-}" ] || cargo build --locked --release --bin binlogd
python=$target/bench-venv/bin/python
if [ ! -e "$target/bench-venv/.complete" ]; then
  python3 -c 'import ensurepip' 2>/dev/null || need_packages python3 python3-venv
  rm -rf "$target/bench-venv"
  python3 -m venv "$target/bench-venv"
  "$python" -m pip install --quiet pymysql confluent-kafka
  touch "$target/bench-venv/.complete"
fi
# Without fsync: loading takes a tenth of the time, and nothing is killed here.
"$scripts/servers.sh" start mysql97 kafka --fast
server_environment
sql() { "$scripts/servers.sh" sql mysql97 "$@"; }
topic() { "$scripts/servers.sh" topic kafka "$@" >"$run/topic.log" 2>&1 || { cat "$run/topic.log" >&2; die "no topic $1"; }; }
sql <"$scripts/bench/workload.sql"

command_of() { if [ "$1" = binlogd ]; then printf '%s' "$daemon"; else printf '%s' "$MAXWELL_RUN"; fi; }
title_of() { if [ "$1" = binlogd ]; then echo binlogd; else echo Maxwell; fi; }

# config SENDER TOPIC FILTER: the same for both; each has its own schema database, so that neither sees the other's work.
config() {
  cat <<CONFIG
host=127.0.0.1
port=$BINLOGD_TEST_MYSQL97_PORT
user=maxwell
password=maxwell
schema_database=bench_$1
client_id=bench_$1
replica_server_id=$(if [ "$1" = binlogd ]; then echo 7001; else echo 7002; fi)
producer=kafka
kafka.bootstrap.servers=$BINLOGD_TEST_KAFKA
kafka.acks=all
kafka.compression.type=lz4
kafka_topic=$2
producer_partition_by=primary_key
filter=exclude: *.*, include: $3
CONFIG
  # Its driver wants to be told that there is no TLS.
  if [ "$1" = maxwell ] || [ -n "${BENCH_DAEMON:-}" ]; then echo 'jdbc_options=useSSL=false&allowPublicKeyRetrieval=true'; fi
}
start_sender() { start_daemon "$1" "$(command_of "$1")" --config="$2"; }
has_position() { process_gone "$run/daemon-$1" || [ "$(sql -N -B -e "select (select count(*) from bench_$1.schemas) and (select count(*) from bench_$1.positions)" 2>/dev/null || echo 0)" -gt 0 ]; }

# Each begins once before the data are there: so its start position is in the same place, and its definitions are stored.
for sender in "${senders[@]}"; do
  sql -e "grant all on bench_$sender.* to 'maxwell'@'%'"
  config "$sender" "catchup-$sender-1" shop.orders >"$run/$sender.properties"
  start_sender "$sender" "$run/$sender.properties"
  wait_until 300 has_position "$sender" || die "$(title_of "$sender") stores no position"
  process_alive "$run/daemon-$sender" || { tail -5 "$run/daemon-$sender/server.log" >&2; die "$(title_of "$sender") stopped"; }
  stop_daemon "$sender"
  sql -e "create table lat.start_$sender as select * from bench_$sender.positions"
done

say "== loading $rows rows"
start=$(now_ms)
sql shop -e "call load_batches($batches); call load_singles($singles)"
say "loaded in $(seconds_since "$start") s"

catch_up() {
  local sender=$1 number=$2 topic_name=catchup-$1-$2
  topic "$topic_name" 4
  config "$sender" "$topic_name" shop.orders >"$run/$sender.properties"
  sql -e "replace into bench_$sender.positions select * from lat.start_$sender"
  start_sender "$sender" "$run/$sender.properties"
  printf '%s: ' "$(title_of "$sender")"
  "$python" "$scripts/bench/measure.py" follow --name "$(title_of "$sender")" --rows "$rows" --out "$figures" \
    --kafka "$BINLOGD_TEST_KAFKA" --topic "$topic_name" --pid "$(cat "$run/daemon-$sender/pid")" ||
    { tail -5 "$run/daemon-$sender/server.log" >&2; die "no figures for $(title_of "$sender")"; }
  stop_daemon "$sender"
}

send_by_kcat() {
  local topic_name=catchup-kcat-$1
  # The same keys and values, as one line each, from binlogd's own topic.
  [ -e "$run/lines" ] || kcat -b "$BINLOGD_TEST_KAFKA" -C -t catchup-binlogd-1 -K '\t' -o beginning -e -q >"$run/lines"
  topic "$topic_name" 4
  printf 'kcat: '
  "$python" "$scripts/bench/measure.py" run --name kcat --rows "$rows" --out "$figures" -- \
    kcat -b "$BINLOGD_TEST_KAFKA" -P -t "$topic_name" -K '\t' -l "$run/lines" -z lz4 -X acks=all -X enable.idempotence=true -X linger.ms=20 \
    -X queue.buffering.max.messages=500000 -X batch.num.messages=100000 -X batch.size=1000000
}

say "== catch-up"
for number in $(seq "$runs"); do
  catch_up binlogd "$number"
  send_by_kcat "$number"
  if [ -n "${MAXWELL_RUN:-}" ]; then catch_up maxwell "$number"; fi
done
rm -f "$run/lines"

say "== latency at $rate transactions a second"
latency() {
  printf '%s: ' "$1"
  "$python" "$scripts/bench/latency.py" --name "$1" --topic "$2" --kafka "$BINLOGD_TEST_KAFKA" --port "$BINLOGD_TEST_MYSQL97_PORT" \
    --rate "$rate" --seconds "$seconds" --out "$figures" "${@:3}"
}
topic latency-floor 4
latency 'floor (the writer itself sends)' latency-floor --floor
for sender in "${senders[@]}"; do
  topic "latency-$sender" 4
  config "$sender" "latency-$sender" lat.t >"$run/$sender.properties"
  start_sender "$sender" "$run/$sender.properties"
  # It first reads over what it has not seen (the floor's rows among it); warm-up begins when a row of now arrives.
  sql -e "insert into lat.t (n) values ('begin $sender')"
  begun() {
    process_gone "$run/daemon-$sender" ||
      [ "$(kcat -b "$BINLOGD_TEST_KAFKA" -C -t "latency-$sender" -o beginning -e -q 2>/dev/null | grep -c "\"n\":\"begin $sender\"")" -gt 0 ]
  }
  wait_until 120 begun || die "$(title_of "$sender") sends nothing"
  latency "$(title_of "$sender")" "latency-$sender"
  stop_daemon "$sender"
done

report=$target/bench/$(date +%Y-%m-%d-%H%M).md
mkdir -p "$target/bench"
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
"$python" "$scripts/bench/report.py" "$figures" "date=$(date '+%d %b %Y')" \
  "commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD 2>/dev/null || echo ', with local changes')" \
  "machine=$(nproc) × $processor, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), shared by MySQL, broker and sender; Linux $(uname -r)" \
  "servers=MySQL $(sql -N -B -e 'select version()'), Kafka 4.0.0 (one broker), acks=all, lz4, topic of 4 partitions" \
  "workload=scripts/bench/workload.sql: $((batches * 1000)) rows in transactions of 1,000, then $singles of one row" \
  "command=\`BENCH_BATCHES=$batches BENCH_SINGLES=$singles BENCH_RUNS=$runs BENCH_RATE=$rate BENCH_SECONDS=$seconds make bench\`" >"$report"
say ""
cat "$report"
say ""
say "also in $report"
