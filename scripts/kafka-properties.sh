#!/usr/bin/env bash
# Writes tests/fixtures/kafka-producer-properties.txt: every public property of the Java producer in these versions of
# kafka-clients, as ProducerConfig itself lists them. Needs Java and Maven. A test sees that none is unknown to binlogd.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"

versions=(3.0.2 3.3.2 3.6.2 3.9.1 4.0.0 4.1.1)
logger=1.7.36
file=$repo/tests/fixtures/kafka-producer-properties.txt
libs=$target/kafka-clients

command -v java >/dev/null || need_packages openjdk-17-jre-headless
command -v mvn >/dev/null || need_packages maven

fetch() { [ -e "$libs/$2-$3.jar" ] || mvn -q -B dependency:copy -Dartifact="$1:$2:$3" -DoutputDirectory="$libs" -Dmdep.useBaseVersion=true; }
# ProducerConfig's own main prints its page of documentation, in which every property has an anchor of its name.
names() { java -cp "$libs/kafka-clients-$1.jar:$libs/slf4j-nop-$logger.jar:$libs/slf4j-api-$logger.jar" org.apache.kafka.clients.producer.ProducerConfig | grep -oE 'id="(producerconfigs_)?[a-z0-9._]+"' | sed -E 's/^id="(producerconfigs_)?//; s/"$//'; }

for part in slf4j-api slf4j-nop; do fetch org.slf4j $part $logger; done
for version in "${versions[@]}"; do fetch org.apache.kafka kafka-clients "$version"; done
{
  printf '# Properties of ProducerConfig in kafka-clients %s. Written by scripts/kafka-properties.sh.\n' "${versions[*]}"
  for version in "${versions[@]}"; do names "$version"; done | LC_ALL=C sort -u
} >"$file.new"
[ "$(wc -l <"$file.new")" -gt 80 ] || die "too few names: the form of the page has changed, see $file.new"
mv "$file.new" "$file"
say "$(($(wc -l <"$file") - 1)) properties: $file"
