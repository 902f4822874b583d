"""reader.py BROKERS TOPIC…: what is committed in these topics, to their present end, a line a message."""

import sys

from kafka import KafkaConsumer, TopicPartition

consumer = KafkaConsumer(
    bootstrap_servers=sys.argv[1], isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
)
partitions = [TopicPartition(topic, n) for topic in sys.argv[2:] for n in sorted(consumer.partitions_for_topic(topic))]
consumer.assign(partitions)
ends = consumer.end_offsets(partitions)
while any(consumer.position(partition) < end for partition, end in ends.items()):
    for partition, records in consumer.poll(timeout_ms=200).items():
        place = f"{partition.topic}\t{partition.partition}\t".encode()
        for record in records:
            sys.stdout.buffer.write(place + record.key + b"\t" + record.value + b"\n")
sys.stdout.buffer.flush()
consumer.close()
