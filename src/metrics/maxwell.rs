//! Maxwell's metrics by name, kind and meaning (contract §10.2), and the numbers behind those that binlogd's own families do
//! not have. Existing dashboards read these. Never here: clocks (times come in), formats; `admin::export` writes them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::Metrics;
use super::sample::{Histogram, Meter, Rates, Spread};

/// Microseconds, as timers keep their values, in seconds.
const MICRO: f64 = 1e-6;

/// What a metric is, as Dropwizard names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Gauge,
    Counter,
    Histogram,
    Meter,
    Timer,
}

impl Shape {
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::Gauge => "gauge",
            Shape::Counter => "counter",
            Shape::Histogram => "histogram",
            Shape::Meter => "meter",
            Shape::Timer => "timer",
        }
    }
}

/// One of Maxwell's metrics.
#[derive(Debug)]
pub struct Name {
    /// Without the prefix.
    pub name: &'static str,
    pub shape: Shape,
    pub help: &'static str,
}

macro_rules! names {
    ($($id:ident: $shape:ident $name:literal, $help:literal;)+) => {
        $(const $id: Name = Name { name: $name, shape: Shape::$shape, help: $help };)+

        /// All of them, sorted by name.
        pub const NAMES: &[&Name] = &[$(&$id),+];
    };
}

names! {
    IN_FLIGHT: Gauge "inflightmessages.count", "Transactions handed to the producer and not yet acknowledged; with Kafka only.";
    AGE: Timer "message.publish.age", "Age of a transaction when it was acknowledged; one sample a batch, of its newest transaction.";
    LATE: Counter "message.publish.age.slo_violation", "Transactions that were older than `metrics_age_slo` seconds when they were acknowledged.";
    PUBLISH: Timer "message.publish.time", "From handing a batch to the producer to its acknowledgement.";
    FAILED: Counter "messages.failed", "Messages that the sink has refused or given up.";
    FAILED_METER: Meter "messages.failed.meter", "The same as a rate.";
    SUCCEEDED: Counter "messages.succeeded", "Messages that the sink has acknowledged.";
    SUCCEEDED_METER: Meter "messages.succeeded.meter", "The same as a rate.";
    LAG: Gauge "replication.lag", "Milliseconds between the commit of the last transaction that was read and its arrival here.";
    QUEUE: Timer "replication.queue.time", "How long what was read waited to be worked on; one sample a block of events, counted by transactions.";
    ROWS: Counter "row.count", "Rows that passed the filter's table rules, and our heartbeats.";
    ROWS_METER: Meter "row.meter", "The same as a rate.";
    EXECUTION: Histogram "transaction.execution_time", "Milliseconds between a transaction's begin and its last row, in the binlog's whole seconds.";
    TXN_ROWS: Histogram "transaction.row_count", "Rows of each transaction that has any.";
}

/// The numbers. What is counted per message is taken from binlogd's own counters.
#[derive(Default)]
pub struct MaxwellMetrics {
    pub publish_age: Histogram,
    pub publish_time: Histogram,
    pub queue_time: Histogram,
    pub execution_ms: Histogram,
    pub transaction_rows: Histogram,
    pub late: AtomicU64,
    pub rows: AtomicU64,
    pub lag_ms: AtomicU64,
    pub in_flight: AtomicI64,
    meters: Meters,
}

#[derive(Default)]
struct Meters {
    age: Meter,
    publish: Meter,
    queue: Meter,
    failed: Meter,
    succeeded: Meter,
    rows: Meter,
}

/// What one metric is worth now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Gauge(i64),
    Counter(u64),
    Histogram(u64, Spread),
    Meter(Rates),
    /// In seconds.
    Timer(Rates, Spread),
}

impl MaxwellMetrics {
    /// One transaction was read: its rows, and the time that it took on the server.
    #[inline]
    pub fn transaction(&self, rows: u64, execution_ms: u64) {
        if rows > 0 {
            self.rows.fetch_add(rows, Ordering::Relaxed);
            self.transaction_rows.record(rows, 1);
            self.execution_ms.record(execution_ms, 1);
        }
    }

    /// To be called every `sample::TICK_SECONDS`.
    pub(super) fn tick(&self, succeeded: u64, failed: u64) {
        let m = &self.meters;
        m.age.tick(self.publish_age.count());
        m.publish.tick(self.publish_time.count());
        m.queue.tick(self.queue_time.count());
        m.rows.tick(self.rows.load(Ordering::Relaxed));
        m.succeeded.tick(succeeded);
        m.failed.tick(failed);
    }
}

impl Metrics {
    /// Maxwell's metrics as they are now, sorted by name. `uptime_seconds` is for the mean rates; `with_flight` as Maxwell
    /// shows what is in flight: with producers that acknowledge later.
    pub fn maxwell_values(&self, uptime_seconds: f64, with_flight: bool) -> Vec<(&'static Name, Value)> {
        let (m, meters) = (&self.maxwell, &self.maxwell.meters);
        let (succeeded, failed) = (self.messages_succeeded.get(), self.messages_failed.get());
        let rows = m.rows.load(Ordering::Relaxed);
        let meter = |meter: &Meter, count: u64| meter.rates(count, uptime_seconds);
        let timer = |of: &Meter, histogram: &Histogram| Value::Timer(meter(of, histogram.count()), histogram.spread(MICRO));
        let value = |name: &'static Name| match name.name {
            n if n == IN_FLIGHT.name => Value::Gauge(m.in_flight.load(Ordering::Relaxed)),
            n if n == AGE.name => timer(&meters.age, &m.publish_age),
            n if n == LATE.name => Value::Counter(m.late.load(Ordering::Relaxed)),
            n if n == PUBLISH.name => timer(&meters.publish, &m.publish_time),
            n if n == FAILED.name => Value::Counter(failed),
            n if n == FAILED_METER.name => Value::Meter(meter(&meters.failed, failed)),
            n if n == SUCCEEDED.name => Value::Counter(succeeded),
            n if n == SUCCEEDED_METER.name => Value::Meter(meter(&meters.succeeded, succeeded)),
            n if n == LAG.name => Value::Gauge(i64::try_from(m.lag_ms.load(Ordering::Relaxed)).unwrap_or(i64::MAX)),
            n if n == QUEUE.name => timer(&meters.queue, &m.queue_time),
            n if n == ROWS.name => Value::Counter(rows),
            n if n == ROWS_METER.name => Value::Meter(meter(&meters.rows, rows)),
            n if n == EXECUTION.name => Value::Histogram(m.execution_ms.count(), m.execution_ms.spread(1.0)),
            _ => Value::Histogram(m.transaction_rows.count(), m.transaction_rows.spread(1.0)),
        };
        NAMES.iter().filter(|n| with_flight || n.name != IN_FLIGHT.name).map(|n| (*n, value(n))).collect()
    }

    /// Keeps the moving averages; to be called every `sample::TICK_SECONDS`.
    pub fn tick(&self) {
        self.maxwell.tick(self.messages_succeeded.get(), self.messages_failed.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_value_of_its_shape() {
        let metrics = Metrics::new();
        metrics.messages_succeeded.inc_by(10);
        metrics.maxwell.transaction(4, 2000);
        metrics.maxwell.transaction(0, 9000);
        metrics.maxwell.publish_age.record(1_500_000, 2);
        metrics.tick();
        let values = metrics.maxwell_values(5.0, true);
        assert_eq!(values.len(), 14);
        assert!(values.is_sorted_by_key(|(name, _)| name.name));
        for (name, value) in &values {
            let shape = match value {
                Value::Gauge(_) => Shape::Gauge,
                Value::Counter(_) => Shape::Counter,
                Value::Histogram(..) => Shape::Histogram,
                Value::Meter(_) => Shape::Meter,
                Value::Timer(..) => Shape::Timer,
            };
            assert_eq!(shape, name.shape, "{}", name.name);
        }
        let of = |wanted: &str| values.iter().find(|(n, _)| n.name == wanted).unwrap().1;
        assert_eq!(of("messages.succeeded"), Value::Counter(10));
        assert_eq!(of("row.count"), Value::Counter(4));
        let Value::Meter(rates) = of("messages.succeeded.meter") else { panic!() };
        assert_eq!((rates.count, rates.mean, rates.m1), (10, 2.0, 2.0));
        let Value::Timer(rates, spread) = of("message.publish.age") else { panic!() };
        assert_eq!((rates.count, spread.max), (2, 1.5));
        let Value::Histogram(count, spread) = of("transaction.execution_time") else { panic!() };
        assert_eq!((count, spread.max), (1, 2000.0), "a transaction without rows does not count");
        assert_eq!(metrics.maxwell_values(5.0, false).len(), 13);
    }
}
