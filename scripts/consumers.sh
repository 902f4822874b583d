#!/usr/bin/env bash
# Readers of Kafka topics as people have them: Java's kafka-clients, Python's kafka-python (no librdkafka), kcat. Each reads what is
# committed, all partitions to their present end, and prints a line a message: TOPIC, PARTITION, KEY and VALUE with tabs between.
#   consumers.sh install                          what they need, under target/ (java and kcat from Debian)
#   consumers.sh java|python|kcat BROKERS TOPIC…
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/python.sh"
home=$target/consumers
once_per_run
trap forget_run EXIT

# The broker of the tests brings the client's jars along; where it is a container, Maven fetches them.
libraries() {
  local broker=${BINLOGD_SERVERS_DIR:-$target/servers}/kafka
  if [ -e "$broker/.complete" ] && [ -e "$broker/libs/kafka-clients-4.0.0.jar" ]; then libs=$broker/libs; else libs=$home/libs; fi
}

fetch_libraries() {
  command -v mvn >/dev/null || need_packages maven
  mkdir -p "$home/pom"
  cat >"$home/pom/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>binlogd.test</groupId><artifactId>reader</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId><version>4.0.0</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
  mvn -q -B -Dstyle.color=never -f "$home/pom/pom.xml" dependency:copy-dependencies -DoutputDirectory="$home/libs" >&2
}

# A runtime alone does not compile; Debian's maven and the broker bring no more than that.
compile() {
  local stamp
  stamp=$(cat "$scripts/consumers/Reader.java" <(java --version) | sha256sum)
  [ "$(cat "$home/.compiled" 2>/dev/null)" != "$stamp" ] || return 0
  { java --list-modules 2>/dev/null | grep -q '^jdk.compiler'; } || need_packages openjdk-17-jdk-headless
  rm -rf "$home/classes"
  java -m jdk.compiler/com.sun.tools.javac.Main -d "$home/classes" -cp "$libs/kafka-clients-4.0.0.jar" "$scripts/consumers/Reader.java" >&2
  printf '%s\n' "$stamp" >"$home/.compiled"
}

install_java() {
  mkdir -p "$home"
  (
    flock 9
    libraries
    [ "$libs" != "$home/libs" ] || [ -e "$libs/kafka-clients-4.0.0.jar" ] || fetch_libraries
    compile
  ) 9>"$home/lock"
  libraries
}
install_kcat() { command -v kcat >/dev/null || need_packages kafkacat; }

verb=${1:-}
[ $# -eq 0 ] || shift
if [ "$verb" != install ] && [ $# -lt 2 ]; then die "consumers.sh install, or consumers.sh java|python|kcat BROKERS TOPIC…"; fi
case $verb in
  install) install_java; need_kafka_python; install_kcat ;;
  java)
    install_java
    java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$home/classes:$libs/*" Reader "$@"
    ;;
  python)
    need_kafka_python
    PYTHONDONTWRITEBYTECODE=1 "$python" "$scripts/consumers/reader.py" "$@"
    ;;
  kcat)
    install_kcat
    brokers=$1; shift
    # A group of its own reads many topics at once. -q: no lines about the ends of partitions.
    kcat -b "$brokers" -q -e -f '%t\t%p\t%k\t%s\n' -X isolation.level=read_committed -X auto.offset.reset=earliest -X enable.auto.commit=false \
      -G "binlogd-kcat-$$-$RANDOM" "$@"
    ;;
  *) die "no reader called $verb" ;;
esac
