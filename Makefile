# The commands of this project. Each is a script under scripts/ that also runs alone.
.DEFAULT_GOAL := help
.PHONY: help demo check test test-long fuzz bench build clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: ## a real MySQL and Kafka, a small shop, and its changes as JSON (some minutes the first time)
	@scripts/demo.sh

check: ## format, clippy, unit and fixture tests: no server, fast
	@scripts/check.sh

test: ## everything: check, then all servers and the live tests
	@scripts/test.sh

test-long: ## as test with the sizes that take long (10,000 tables, 10 million random rows per server, 3 minutes without a broker), the container image, and the DDL of the servers' own test suites
	@BINLOGD_BROKER_OUTAGE=180 BINLOGD_TEST_TABLES=10000 BINLOGD_TEST_SEED=clock scripts/test.sh
	@scripts/random-rows.sh
	@scripts/check-container.sh
	@scripts/ddl-sweep.sh

fuzz: ## mutated binlogs without end (BINLOGD_FUZZ_SECONDS, BINLOGD_FUZZ_TARGETS=rows,json …); failures in target/fuzz
	@scripts/fuzz.sh

bench: ## catch-up speed, memory and latency beside kcat (and Maxwell, if MAXWELL_RUN names it)
	@scripts/bench.sh

build: ## target/release/binlogd
	cargo build --locked --release

clean: ## remove build output, test data and downloaded servers (target/)
	@scripts/servers.sh reap
	@scripts/servers.sh clean
	cargo clean
