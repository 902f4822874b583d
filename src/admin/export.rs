//! What an export shows: binlogd's own families and Maxwell's metrics under their prefix, as they are at one moment. `text`
//! and `json` write it. Never here: formats.

use prometheus::proto::MetricFamily;

use crate::metrics::Metrics;
use crate::metrics::maxwell::{Name, Value};

/// How Maxwell's metrics are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxwellNames {
    /// `metrics_prefix`
    pub prefix: String,
    /// Whether the producer acknowledges later (Kafka): Maxwell counts what is in flight only then.
    pub with_flight: bool,
}

impl Default for MaxwellNames {
    fn default() -> Self {
        MaxwellNames { prefix: "MaxwellMetrics".into(), with_flight: true }
    }
}

impl MaxwellNames {
    pub fn full(&self, name: &Name) -> String {
        format!("{}.{}", self.prefix, name.name)
    }
}

/// All numbers of one moment.
pub struct Export {
    pub ours: Vec<MetricFamily>,
    /// With their full names, sorted.
    pub maxwell: Vec<(String, &'static Name, Value)>,
}

impl Export {
    /// `now` is in seconds since the epoch.
    pub fn take(metrics: &Metrics, names: &MaxwellNames, now: f64) -> Export {
        // Without a start there is no daemon, and no mean rate.
        let started = metrics.started_seconds.get();
        let uptime = if started > 0.0 { (now - started).max(0.0) } else { 0.0 };
        let values = metrics.maxwell_values(uptime, names.with_flight);
        let maxwell = values.into_iter().map(|(name, value)| (names.full(name), name, value)).collect();
        Export { ours: metrics.gather(), maxwell }
    }
}
