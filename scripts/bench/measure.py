#!/usr/bin/env python3
"""Measures one sender of messages and appends a JSON line with the figures.

measure.py follow --pid PID --topic T --rows N   watches a running daemon until topic T holds N messages
measure.py run --rows N -- COMMAND…              runs a command to its end
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time


def process_figures(pid):
    """CPU seconds so far and peak memory in MiB of a running process, from /proc."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    peak = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM"))
    return cpu, peak / 1024


def follow(o):
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": o.kafka, "group.id": "bench-measure"})
    partitions = [TopicPartition(o.topic, p) for p in consumer.list_topics(o.topic, timeout=10).topics[o.topic].partitions]

    def messages():
        return sum(consumer.get_watermark_offsets(p, timeout=10)[1] for p in partitions)

    begun = time.monotonic()
    first = None
    last_count, last_change = 0, begun
    while True:
        count, now = messages(), time.monotonic()
        if first is None and count > 0:
            first, first_count = now, count
        if count != last_count:
            last_count, last_change = count, now
        try:
            cpu, peak = process_figures(o.pid)
        except (FileNotFoundError, StopIteration):
            sys.exit(f"{o.name} stopped after {count} messages")
        if count >= o.rows:
            break
        if now - last_change > 120:
            sys.exit(f"{o.name} sends nothing any more, {count} of {o.rows} messages arrived")
        # Ten times a second: fine enough for runs of seconds, and no load beside the broker's.
        time.sleep(0.1)
    # From the first messages seen on: what start-up costs stands apart.
    wall = max(now - first, 1e-9)
    return {"wall": wall, "rate": (count - first_count) / wall, "startup": first - begun, "messages": count, "cpu": cpu, "peak": peak}


def run(o):
    begun = time.monotonic()
    if subprocess.run(o.command, stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit(f"{o.name} failed")
    wall = time.monotonic() - begun
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": wall, "rate": o.rows / wall, "messages": o.rows, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("how", choices=["follow", "run"])
    parser.add_argument("--name", required=True, help="how the report calls it")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--kafka")
    parser.add_argument("--topic")
    parser.add_argument("--pid", type=int)
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    o = parser.parse_args(arguments[:cut])
    o.command = arguments[cut + 1 :]
    figures = follow(o) if o.how == "follow" else run(o)
    figures = {"kind": "catchup", "name": o.name, "rows": o.rows, **figures}
    with open(o.out, "a") as out:
        out.write(json.dumps(figures) + "\n")
    print(f"{figures['rate']:,.0f} rows/s, {figures['wall']:.1f} s, {figures['cpu'] / o.rows * 1e6:.2f} µs CPU a row, peak {figures['peak']:.0f} MiB")


main()
