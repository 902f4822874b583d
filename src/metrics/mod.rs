//! Every metric, by name, unit and help, and the handles with which the daemon counts. The registry belongs to a `Metrics`
//! value, so two daemons in one process (tests) do not share numbers. Never here: clocks, I/O, or a metric that costs more
//! than one addition per batch.
//!
//! Names follow Prometheus's rules: base units last (`_seconds`, `_bytes`), `_total` for what only grows. Maxwell's metrics
//! (`maxwell`) are other names, mostly over the same numbers.

pub mod kafka;
pub mod maxwell;
pub mod sample;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What a family's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// One family: its name in the export, what it counts and in which unit, and its label if it has one.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: &'static str,
    pub help: &'static str,
    pub label: Option<&'static str>,
}

/// The table: one constant per family, and `ALL` in the order of the documentation.
macro_rules! families {
    ($($id:ident: $kind:ident $name:literal $([$label:literal])?, $unit:literal, $help:literal;)+) => {
        $(pub const $id: Family = Family {
            name: concat!("binlogd_", $name),
            kind: Kind::$kind,
            unit: $unit,
            help: $help,
            label: families!(@label $($label)?),
        };)+

        /// Every family, in the order of the documentation.
        pub const ALL: &[&Family] = &[$(&$id),+];
    };
    (@label $label:literal) => { Some($label) };
    (@label) => { None };
}

families! {
    ROWS: Counter "rows_total", "rows", "Row messages handed to the producer.";
    TRANSACTIONS: Counter "transactions_total", "transactions", "Transactions handed to the producer completely.";
    BYTES: Counter "bytes_total", "bytes", "Bytes of keys and values handed to the producer.";
    BATCHES: Counter "batches_total", "batches", "Batches handed to the producer.";
    MESSAGES_SUCCEEDED: Counter "messages_succeeded_total", "messages", "Messages that the sink has acknowledged.";
    MESSAGES_FAILED: Counter "messages_failed_total", "messages", "Messages that the sink has refused or given up.";
    MESSAGES_DROPPED: Counter "messages_dropped_total", "messages", "Refused messages that were left out because ignore_producer_error is set.";
    MESSAGES_DEAD_LETTERED: Counter "messages_dead_lettered_total", "messages", "Refused messages for which a dead letter was sent and acknowledged.";
    KAFKA_COMMITTED: Counter "kafka_transactions_committed_total", "transactions", "Kafka transactions committed (delivery=exactly_once), each of one or more transactions of the binlog or a part of one.";
    KAFKA_ABORTED: Counter "kafka_transactions_aborted_total", "transactions", "Kafka transactions that failed or were given up; what was in them is sent again.";
    KAFKA_QUEUE_MESSAGES: Gauge "kafka_queue_messages", "messages", "Messages inside the Kafka client: queued, or sent and not answered.";
    KAFKA_QUEUE_BYTES: Gauge "kafka_queue_bytes", "bytes", "Their keys and values.";
    KAFKA_BROKER_CONNECTED: Gauge "kafka_broker_connected" ["broker"], "0 or 1", "Whether there is a connection to the broker, by its id; these families are told every kafka.statistics.interval.ms.";
    KAFKA_BROKER_IN_FLIGHT: Gauge "kafka_broker_requests_in_flight" ["broker"], "requests", "Requests that wait to be sent to the broker or to be answered by it.";
    KAFKA_BROKER_LATENCY: Gauge "kafka_broker_latency_seconds" ["broker"], "seconds", "Mean time between a request and its answer.";
    KAFKA_BROKER_LATENCY_P99: Gauge "kafka_broker_latency_p99_seconds" ["broker"], "seconds", "The same for the slowest hundredth.";
    KAFKA_BROKER_THROTTLE: Gauge "kafka_broker_throttle_seconds" ["broker"], "seconds", "Mean time for which the broker holds answers back because of a quota.";
    KAFKA_BROKER_REQUESTS: Counter "kafka_broker_requests_total" ["broker"], "requests", "Requests sent to the broker.";
    KAFKA_BROKER_ERRORS: Counter "kafka_broker_errors_total" ["broker"], "requests", "Requests that could not be sent or were not answered in time.";
    KAFKA_BROKER_RETRIES: Counter "kafka_broker_retries_total" ["broker"], "requests", "Requests sent again.";
    HEARTBEATS: Counter "heartbeats_total", "heartbeats", "Heartbeats written to the schema database.";
    SCHEMA_CHANGES: Counter "schema_changes_total", "statements", "DDL statements that changed a tracked definition.";
    QUARANTINED_TABLES: Gauge "quarantined_tables", "tables", "Tables whose rows are held back because their definition is not proved.";
    QUARANTINED_ROWS: Gauge "quarantined_rows", "rows", "Rows that are held back.";
    QUARANTINED_BYTES: Gauge "quarantined_bytes", "bytes", "Memory and spill space that they take.";
    RECONNECTS: Counter "reconnects_total" ["to"], "connections", "Connections made anew after a loss, by whom they lead to.";
    ERRORS: Counter "errors_total" ["kind"], "errors", "Errors met, also those overcome by trying again, by where they came from.";
    LAG: Gauge "lag_seconds", "seconds", "Age of the newest acknowledged transaction when it was acknowledged; whole seconds where the server gives no finer time; NaN before the first.";
    BEHIND: Gauge "behind_seconds", "seconds", "Age of the oldest transaction that is not read through or not acknowledged; 0 while nothing waits.";
    RESUME_PURGE: Gauge "resume_purge_seconds", "seconds", "Estimated time until the server purges the binlog file of the stored position; NaN while that is not foreseeable.";
    BINLOG_FILES: Gauge "binlog_files" ["than_resume"], "files", "Binlog files on the server that are older or younger than the one of the stored position.";
    IN_FLIGHT_MESSAGES: Gauge "in_flight_messages", "messages", "Messages handed to the producer and not yet answered.";
    IN_FLIGHT_BYTES: Gauge "in_flight_bytes", "bytes", "Keys and values of the messages in flight.";
    QUEUE_BYTES: Gauge "queue_bytes" ["queue"], "bytes", "Bytes that wait in one of the daemon's own queues.";
    POSITION_FILE: Gauge "position_file_number" ["of"], "number", "Digits of the binlog file's name.";
    POSITION_OFFSET: Gauge "position_offset_bytes" ["of"], "bytes", "Offset in that file.";
    LAST_SAVE: Gauge "last_save_timestamp_seconds", "seconds since 1970", "When a position was last stored; 0 before the first.";
    STARTED: Gauge "start_timestamp_seconds", "seconds since 1970", "When the daemon started.";
    HEALTHY: Gauge "healthy", "0 or 1", "Whether data flows as it should; /healthcheck says why not.";
    UNHEALTHY: Gauge "unhealthy" ["cause"], "0 or 1", "The same by cause.";
    BUILD: Gauge "build_info" ["version"], "1", "The running version, as a label.";
}

/// Values of the label `kind` of `ERRORS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The replication connection.
    Source,
    /// Bytes of the binlog that could not be decoded.
    Decode,
    /// Definitions: DDL, capture, a table map that does not agree.
    Schema,
    /// The sink refused or gave up messages.
    Producer,
    /// A broker of the sink: connections, logins, certificates.
    Broker,
    /// Positions, heartbeats and schema versions.
    Store,
}

impl ErrorKind {
    pub const ALL: [ErrorKind; 6] =
        [ErrorKind::Source, ErrorKind::Decode, ErrorKind::Schema, ErrorKind::Producer, ErrorKind::Broker, ErrorKind::Store];

    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Source => "source",
            ErrorKind::Decode => "decode",
            ErrorKind::Schema => "schema",
            ErrorKind::Producer => "producer",
            ErrorKind::Broker => "broker",
            ErrorKind::Store => "store",
        }
    }
}

/// Values of the label `of` of the positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionOf {
    Read,
    Acknowledged,
    Stored,
}

impl PositionOf {
    pub fn as_str(self) -> &'static str {
        match self {
            PositionOf::Read => "read",
            PositionOf::Acknowledged => "acknowledged",
            PositionOf::Stored => "stored",
        }
    }
}

/// The handles. Each is an atomic number; cloning one is cheap, looking one up by label is not, so what is counted often
/// has its own field.
pub struct Metrics {
    registry: Registry,
    pub rows: IntCounter,
    pub transactions: IntCounter,
    pub bytes: IntCounter,
    pub batches: IntCounter,
    pub messages_succeeded: IntCounter,
    pub messages_failed: IntCounter,
    pub messages_dropped: IntCounter,
    pub messages_dead_lettered: IntCounter,
    pub kafka_committed: IntCounter,
    pub kafka_aborted: IntCounter,
    pub heartbeats: IntCounter,
    pub schema_changes: IntCounter,
    quarantined: [IntGauge; 3],
    reconnects: IntCounterVec,
    errors: IntCounterVec,
    pub lag_seconds: Gauge,
    pub behind_seconds: Gauge,
    pub resume_purge_seconds: Gauge,
    binlog_files: IntGaugeVec,
    pub in_flight_messages: IntGauge,
    pub in_flight_bytes: IntGauge,
    queue_bytes: IntGaugeVec,
    position_file: IntGaugeVec,
    position_offset: IntGaugeVec,
    pub last_save_seconds: Gauge,
    pub started_seconds: Gauge,
    pub healthy: IntGauge,
    unhealthy: IntGaugeVec,
    pub kafka: kafka::KafkaMetrics,
    pub maxwell: maxwell::MaxwellMetrics,
}

impl Metrics {
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let build = register(r, GaugeVec::new(options(&BUILD), &labels(&BUILD)));
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let metrics = Metrics {
            rows: counter(r, &ROWS),
            transactions: counter(r, &TRANSACTIONS),
            bytes: counter(r, &BYTES),
            batches: counter(r, &BATCHES),
            messages_succeeded: counter(r, &MESSAGES_SUCCEEDED),
            messages_failed: counter(r, &MESSAGES_FAILED),
            messages_dropped: counter(r, &MESSAGES_DROPPED),
            messages_dead_lettered: counter(r, &MESSAGES_DEAD_LETTERED),
            kafka_committed: counter(r, &KAFKA_COMMITTED),
            kafka_aborted: counter(r, &KAFKA_ABORTED),
            heartbeats: counter(r, &HEARTBEATS),
            schema_changes: counter(r, &SCHEMA_CHANGES),
            quarantined: [&QUARANTINED_TABLES, &QUARANTINED_ROWS, &QUARANTINED_BYTES].map(|f| register(r, IntGauge::with_opts(options(f)))),
            reconnects: register(r, IntCounterVec::new(options(&RECONNECTS), &labels(&RECONNECTS))),
            errors: register(r, IntCounterVec::new(options(&ERRORS), &labels(&ERRORS))),
            lag_seconds: register(r, Gauge::with_opts(options(&LAG))),
            behind_seconds: register(r, Gauge::with_opts(options(&BEHIND))),
            resume_purge_seconds: register(r, Gauge::with_opts(options(&RESUME_PURGE))),
            binlog_files: register(r, IntGaugeVec::new(options(&BINLOG_FILES), &labels(&BINLOG_FILES))),
            in_flight_messages: register(r, IntGauge::with_opts(options(&IN_FLIGHT_MESSAGES))),
            in_flight_bytes: register(r, IntGauge::with_opts(options(&IN_FLIGHT_BYTES))),
            queue_bytes: register(r, IntGaugeVec::new(options(&QUEUE_BYTES), &labels(&QUEUE_BYTES))),
            position_file: register(r, IntGaugeVec::new(options(&POSITION_FILE), &labels(&POSITION_FILE))),
            position_offset: register(r, IntGaugeVec::new(options(&POSITION_OFFSET), &labels(&POSITION_OFFSET))),
            last_save_seconds: register(r, Gauge::with_opts(options(&LAST_SAVE))),
            started_seconds: register(r, Gauge::with_opts(options(&STARTED))),
            healthy: register(r, IntGauge::with_opts(options(&HEALTHY))),
            unhealthy: register(r, IntGaugeVec::new(options(&UNHEALTHY), &labels(&UNHEALTHY))),
            kafka: kafka::KafkaMetrics::new(r),
            maxwell: maxwell::MaxwellMetrics::default(),
            registry,
        };
        metrics.lag_seconds.set(f64::NAN);
        metrics.resume_purge_seconds.set(f64::NAN);
        for kind in ErrorKind::ALL {
            // Present from the start, so that a rate over them begins at 0.
            metrics.errors.with_label_values(&[kind.as_str()]);
        }
        metrics
    }

    /// Counts a connection made anew, to "source", "store" or "kafka".
    pub fn reconnected(&self, to: &'static str) {
        self.reconnects.with_label_values(&[to]).inc();
    }

    /// Whether one cause of ill health is there.
    pub fn unhealthy(&self, cause: &'static str, is: bool) {
        self.unhealthy.with_label_values(&[cause]).set(is.into());
    }

    /// What is held back now.
    pub fn quarantined(&self, tables: u64, rows: u64, bytes: u64) {
        for (gauge, number) in self.quarantined.iter().zip([tables, rows, bytes]) {
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    pub fn error(&self, kind: ErrorKind) {
        self.errors.with_label_values(&[kind.as_str()]).inc();
    }

    /// The gauge of one queue; to be kept by whoever owns the queue.
    pub fn queue(&self, name: &'static str) -> IntGauge {
        self.queue_bytes.with_label_values(&[name])
    }

    /// A place in the binlog: the digits of the file's name (0 if it has none) and the offset in bytes.
    pub fn position(&self, of: PositionOf, file_number: u64, offset: u64) {
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.position_file.with_label_values(&[of.as_str()]).set(clamp(file_number));
        self.position_offset.with_label_values(&[of.as_str()]).set(clamp(offset));
    }

    /// Binlog files before and behind the one of the stored position.
    pub fn binlog_files(&self, older: usize, younger: usize) {
        for (side, count) in [("older", older), ("younger", younger)] {
            self.binlog_files.with_label_values(&[side]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// All numbers as they are now, families sorted by name.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn options(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn labels(family: &Family) -> Vec<&'static str> {
    family.label.into_iter().collect()
}

fn counter(registry: &Registry, family: &Family) -> IntCounter {
    register(registry, IntCounter::with_opts(options(family)))
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    // Both can fail only for a malformed or doubled name; the names are the constants above, and the tests make them all.
    #[allow(clippy::expect_used)]
    let collector = made.expect("metric names are well formed");
    #[allow(clippy::expect_used)]
    registry.register(Box::new(collector.clone())).expect("metric names are unique");
    collector
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_and_the_registry_agree() {
        let metrics = Metrics::new();
        metrics.reconnected("source");
        metrics.queue("reader").set(1);
        metrics.binlog_files(1, 2);
        metrics.unhealthy("source", true);
        metrics.position(PositionOf::Read, 12, 4);
        let (latency, latency_p99) = (Some(0.001), Some(0.002));
        let broker = kafka::BrokerNumbers {
            connected: true,
            in_flight: 1,
            latency,
            latency_p99,
            throttle: 0.0,
            new_requests: 1,
            new_errors: 0,
            new_retries: 0,
        };
        metrics.kafka.broker(1, &broker);
        let exported: BTreeSet<String> = metrics.gather().iter().map(|f| f.name().to_owned()).collect();
        let table: BTreeSet<String> = ALL.iter().map(|f| f.name.to_owned()).collect();
        assert_eq!(exported, table);
        for family in ALL {
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
        }
    }
}
