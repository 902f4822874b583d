"""record.py BINLOG-FILE FOLDER OUT [NUMBER]: runs the combinations through Maxwell, and writes what came of them as JSON.

Random parts are masked, which nothing else is: `_uuid` in keys, and keys of DDL messages, have zeros for their digits. Equal texts are
written once: a message is the numbers of its key and its value in `texts`.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from combinations import all_of_them

START, ARRIVE = 240, 120
FINISH = b'{"database":"finish"'
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BROKERS = os.environ["BINLOGD_TEST_KAFKA"]


def properties(combination, file, number):
    common = {
        "host": "127.0.0.1", "port": os.environ["BINLOGD_TEST_MYSQL97_PORT"], "user": "maxwell", "password": "maxwell",
        "jdbc_options": "useSSL=false&allowPublicKeyRetrieval=true",
        "replication_host": "127.0.0.1", "replication_port": os.environ["BINLOGD_TEST_MYSQL97_FILE_PORT"],
        "replication_user": "maxwell", "replication_password": "maxwell",
        "replication_jdbc_options": "useSSL=false&allowPublicKeyRetrieval=true",
        "client_id": combination["name"], "replica_server_id": 5000 + number,
        "producer": "kafka", "kafka.bootstrap.servers": BROKERS, "bootstrapper": "none", "kafka.linger.ms": 0,
        # A refused message ends it, and the recording with it.
        "ignore_producer_error": "false",
    }
    # A blank at a value's beginning would be dropped.
    escaped = lambda value: re.sub(r"^ ", r"\\ ", str(value).replace("\\", "\\\\"))
    return "".join(f"{name}={escaped(value)}\n" for name, value in (common | combination["options"]).items())


class Reader:
    """All topics of one combination, from their beginning."""

    def __init__(self, topics):
        self.partitions = [TopicPartition(topic, n) for topic, count in topics.items() for n in range(count)]
        self.consumer = KafkaConsumer(bootstrap_servers=BROKERS, enable_auto_commit=False, auto_offset_reset="earliest")
        self.consumer.assign(self.partitions)
        self.messages, self.finished = {}, False

    def poll(self):
        for partition, records in self.consumer.poll(timeout_ms=300).items():
            for record in records:
                key = UUID.sub("00000000-0000-0000-0000-000000000000", record.key.decode())
                self.messages.setdefault(f"{partition.topic}/{partition.partition}", []).append((key, record.value.decode()))
                self.finished |= record.value.startswith(FINISH) and b'"type":"insert"' in record.value

    def rest(self):
        ends = self.consumer.end_offsets(self.partitions)
        while any(self.consumer.position(partition) < end for partition, end in ends.items()):
            self.poll()
        self.consumer.close()


def record(combination, file, number, folder):
    config, log = f"{folder}/{combination['name']}.properties", f"{folder}/{combination['name']}.log"
    with open(config, "w") as out:
        out.write(properties(combination, file, number))
    environment = {name: value for name, value in os.environ.items() if name != "GTID_MODE"}
    with open(log, "w") as out:
        command = [os.environ["MAXWELL_RUN"], f"--config={config}", f"--init_position={file}:4"]
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment, cwd=folder)
    try:
        reader, until = Reader(combination["topics"]), time.monotonic() + START + ARRIVE
        while not reader.finished:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{combination['name']} has not come to the end: {combination['options']}\n{open(log).read()[-3000:]}")
            reader.poll()
        # An orderly stop sends what the last row has overtaken.
        process.terminate()
        process.wait(60)
        reader.rest()
        return reader.messages
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def main():
    file, folder, out = sys.argv[1:4]
    combinations = all_of_them()[: int(sys.argv[4]) if sys.argv[4:5] not in ([], [""]) else None]
    admin = KafkaAdminClient(bootstrap_servers=BROKERS)
    wanted = [(topic, {"num_partitions": n, "replication_factor": 1}) for c in combinations for topic, n in c["topics"].items()]
    for first in range(0, len(wanted), 50):
        admin.create_topics(dict(wanted[first : first + 50]), timeout_ms=60_000, wait_for_metadata=True)
    print(f"{len(wanted)} topics are made", flush=True)

    started, results, failures, lock = time.monotonic(), {}, [], threading.Lock()
    todo = list(enumerate(combinations))

    def work():
        while True:
            with lock:
                if not todo:
                    return
                number, combination = todo.pop(0)
            try:
                messages = record(combination, file, number, folder)
            except Exception as failure:  # noqa: BLE001 the others go on, and it is told at the end
                failures.append(combination["name"])
                print(f"{combination['name']}: {failure}", flush=True)
                continue
            with lock:
                results[number] = messages
                if len(results) % 20 == 0:
                    print(f"{len(results)} of {len(combinations)} after {time.monotonic() - started:.0f} s", flush=True)

    # The first makes the schema database, and the archive of classes that the others start with.
    first, rest = [threading.Thread(target=work)], [threading.Thread(target=work) for _ in range(int(os.environ.get("RECORD_AT_ONCE", "3")))]
    others, todo = todo[1:], todo[:1]
    for threads in (first, rest):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        todo = others

    texts, recorded = {}, []
    number_of = lambda text: texts.setdefault(text, len(texts))
    for number, combination in [(number, combinations[number]) for number in sorted(results)]:
        messages = {
            place: [number_of(text) for message in results[number][place] for text in message] for place in sorted(results[number])
        }
        recorded.append(combination | {"messages": messages})
    with open(out, "w") as stream:
        json.dump({"binlog_file": file, "combinations": recorded, "texts": list(texts)}, stream, ensure_ascii=False, separators=(",", ":"))
    count = sum(len(numbers) // 2 for c in recorded for numbers in c["messages"].values())
    print(f"{len(recorded)} combinations, {count} messages, {len(texts)} texts in {time.monotonic() - started:.0f} s")
    if failures:
        sys.exit(f"{len(failures)} are missing: {' '.join(failures)}")


main()
