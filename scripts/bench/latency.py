#!/usr/bin/env python3
"""Commit-to-consumer latency: single-row transactions at a steady rate from one connection; the time from the end of a commit to its message at a consumer.

With --floor there is no daemon: the writer itself produces a message of that size at the commit (acks=all, linger 0),
the least that this broker, consumer and machine allow. Else a daemon must already write database `lat` to the topic.
"""
import argparse
import json
import sys
import threading
import time

import pymysql
from confluent_kafka import Consumer, Producer, TopicPartition


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="how the report calls it")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--port", type=int, required=True, help="of MySQL on 127.0.0.1; root without a password")
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=5, help="seconds at the same rate before it counts")
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--out", required=True)
    o = parser.parse_args()

    cursor = pymysql.connect(host="127.0.0.1", port=o.port, user="root", database="lat", autocommit=True).cursor()
    consumer = Consumer({"bootstrap.servers": o.kafka, "group.id": f"bench-{time.time_ns()}", "fetch.wait.max.ms": 5, "fetch.min.bytes": 1})
    partitions = consumer.list_topics(o.topic, timeout=10).topics[o.topic].partitions
    consumer.assign([TopicPartition(o.topic, p, consumer.get_watermark_offsets(TopicPartition(o.topic, p))[1]) for p in partitions])

    committed, early, latencies = {}, {}, []
    lock = threading.Lock()
    stop = threading.Event()

    def read():
        while not stop.is_set():
            # One by one: consume(n) would wait for n messages.
            message = consumer.poll(0.05)
            if message is None or message.error():
                continue
            now = time.perf_counter_ns()
            row = json.loads(message.value())
            if row["database"] != "lat":
                continue
            key = row["data"]["n"]
            with lock:
                if key in committed:
                    latencies.append((key, now - committed.pop(key)))
                else:
                    early[key] = now

    reader = threading.Thread(target=read)
    reader.start()
    producer = Producer({"bootstrap.servers": o.kafka, "acks": "all", "linger.ms": 0}) if o.floor else None
    run = time.time_ns()

    def write(seconds, label):
        begun, sent = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            sent += 1
            key = f"{label}-{run}-{sent}"
            cursor.execute("insert into t (n, f) values (%s, %s)", (key, "x" * 80))
            now = time.perf_counter_ns()
            if producer:
                producer.produce(o.topic, json.dumps({"database": "lat", "data": {"n": key}, "pad": "x" * 250}))
                producer.poll(0)
            with lock:
                # The message may be there before the client hears of its own commit.
                if key in early:
                    latencies.append((key, max(0, early.pop(key) - now)))
                else:
                    committed[key] = now
            pause = begun + sent / o.rate - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
        return sent

    write(o.warmup, "w")
    sent = write(o.seconds, "m")
    if producer:
        producer.flush(10)
    end = time.monotonic() + 20
    while committed and time.monotonic() < end:
        time.sleep(0.05)
    stop.set()
    reader.join()
    measured = sorted(t for key, t in latencies if key.startswith("m"))
    if len(measured) < sent:
        sys.exit(f"{o.name}: {sent - len(measured)} of {sent} messages did not arrive")

    def quantile(q):
        return measured[min(len(measured) - 1, int(len(measured) * q))] / 1e6

    figures = {"kind": "latency", "name": o.name, "rate": sent / o.seconds, "wanted": o.rate, "p50": quantile(0.5), "p99": quantile(0.99), "p999": quantile(0.999), "max": measured[-1] / 1e6}
    with open(o.out, "a") as out:
        out.write(json.dumps(figures) + "\n")
    print(f"{figures['rate']:.0f} tx/s: p50 {figures['p50']:.2f} ms, p99 {figures['p99']:.2f} ms, p99.9 {figures['p999']:.2f} ms, max {figures['max']:.1f} ms")


main()
