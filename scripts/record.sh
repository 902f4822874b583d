#!/usr/bin/env bash
# Records what the real Maxwell makes of one binlog under many combinations of options: topic, partition, key and value of every
# message, into tests/fixtures/recorded.tar.zst, which tests/recorded_messages.rs holds our own against.
#   MAXWELL_RUN=COMMAND scripts/record.sh            all
#   MAXWELL_RUN=COMMAND scripts/record.sh NUMBER     only the first ones, into target/recorded.tar.zst
# COMMAND starts Maxwell when it is called with --config=FILE. One process a combination, RECORD_AT_ONCE (3) side by side; they have one
# schema database, on another server than the one they follow, so that their own writes are not in its binlog.
# The statements are scripts/record/workload.sql, the combinations are in scripts/record/combinations.py. A quarter of an hour on two cores.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
. "$scripts/lib/python.sh"
cd "$repo"
[ -n "${MAXWELL_RUN:-}" ] || die "MAXWELL_RUN must name a command that starts Maxwell: COMMAND --config=FILE"

claim_run record
command -v zstd >/dev/null || need_packages zstd
need_kafka_python
# Its files are read from here, so no container. No fsync: nothing is killed here.
export BINLOGD_SERVERS_BACKEND=packages
"$scripts/servers.sh" start mysql97 mysql97-file kafka --fast
# A server that has nothing to send does not notice that a reader of its binlog is gone.
for server in mysql97 mysql97-file; do "$scripts/servers.sh" sql $server -e 'set global max_connections = 5000'; done
server_environment
sql() { "$scripts/servers.sh" sql mysql97-file "$@"; }

# The binlog file that holds the statements and nothing else. Afterwards everything is dropped again (not in the binlog), so that a
# Maxwell that starts at its beginning finds the definitions of then: none.
sql -e 'flush binary logs'
file=$(sql --batch --skip-column-names -e 'show binary log status' | cut -f 1)
csplit --quiet --elide-empty-files --prefix="$run/statements-" --suffix-format=%03d.sql "$scripts/record/workload.sql" '/^-- @conn/' '{*}'
for part in "$run"/statements-*.sql; do sql --default-character-set=utf8mb4 <"$part"; done
sql -e 'flush binary logs'
for database in shop sets odd quirks finish; do sql -e "set sql_log_bin = 0; drop database $database"; done

mkdir "$run/recorded"
cp "$BINLOGD_TEST_MYSQL97_FILE_DATADIR/$file" "$run/recorded/binlog"
cp "$scripts/record/workload.sql" "$run/recorded/"
# Small and quick to start: what is loaded by the first is shared by the others.
export MAXWELL_LIB=${MAXWELL_LIB:-$target/maxwell-lib}
export MAXWELL_JAVA_OPTS=${MAXWELL_JAVA_OPTS:--Xmx160m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+AutoCreateSharedArchive -XX:SharedArchiveFile=$run/maxwell.jsa}
PYTHONDONTWRITEBYTECODE=1 "$python" "$scripts/record/record.py" "$file" "$run" "$run/recorded/combinations.json" "${1:-}"

archive=$repo/tests/fixtures/recorded.tar.zst
[ -z "${1:-}" ] || archive=$target/recorded.tar.zst
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --transform='s,^\./,,' -C "$run/recorded" -cf - ./binlog ./combinations.json ./workload.sql |
  zstd -19 --long=27 --quiet --force -o "$archive"
say "$(stat -c %s "$archive") bytes: $archive"
