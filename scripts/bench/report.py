#!/usr/bin/env python3
"""Turns the figures of one bench run (JSON lines) into Markdown for BENCHMARKS.md: report.py FIGURES, with facts as KEY=VALUE arguments."""
import json
import sys

figures = [json.loads(line) for line in open(sys.argv[1])]
facts = dict(fact.split("=", 1) for fact in sys.argv[2:])
catchup = [f for f in figures if f["kind"] == "catchup"]
latency = [f for f in figures if f["kind"] == "latency"]


def best(name):
    """The fastest run of a sender: what disturbs a run only makes it slower."""
    return max((f for f in catchup if f["name"] == name), key=lambda f: f["rate"], default=None)


print(f"## {facts.pop('date')}\n")
for key, value in facts.items():
    print(f"- {key}: {value}")
ours = best("binlogd")
if catchup:
    print(f"\nCatch-up of {catchup[0]['rows']:,} rows to Kafka:\n")
    print("| sender | wall | rows/s | CPU µs/row | peak RSS | start-up | rows/s, binlogd = 1 |")
    print("|---|---|---|---|---|---|---|")
    for f in catchup:
        ratio = f"{f['rate'] / ours['rate']:.2f}" if ours else ""
        startup = f"{f['startup']:.1f} s" if "startup" in f else ""
        more = "" if f["messages"] == f["rows"] else f" ({f['messages'] - f['rows']:,} messages more than rows)"
        print(f"| {f['name']}{more} | {f['wall']:.1f} s | {f['rate']:,.0f} | {f['cpu'] / f['rows'] * 1e6:.2f} | {f['peak']:.0f} MiB | {startup} | {ratio} |")
    kcat, maxwell = best("kcat"), best("Maxwell")
    if ours and kcat:
        print(f"\nbinlogd reaches {ours['rate'] / kcat['rate']:.2f} of kcat's rate, which sends the same finished lines from a file.")
    if ours and maxwell:
        print(f"binlogd is {ours['rate'] / maxwell['rate']:.1f} times as fast as Maxwell, with {ours['cpu'] / maxwell['cpu']:.2f} of its CPU time and {ours['peak'] / maxwell['peak']:.2f} of its memory.")
if latency:
    print(f"\nCommit to consumer, single-row transactions at {latency[0]['wanted']} a second:\n")
    print("| sender | tx/s | p50 | p99 | p99.9 | max |")
    print("|---|---|---|---|---|---|")
    for f in latency:
        print(f"| {f['name']} | {f['rate']:.0f} | {f['p50']:.2f} ms | {f['p99']:.2f} ms | {f['p999']:.2f} ms | {f['max']:.1f} ms |")
