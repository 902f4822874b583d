//! The metrics in Prometheus's text format 0.0.4. Maxwell's appear as its own exporter writes them (contract §10.2): counters as
//! gauges, meters as counters named `_total`, histograms and timers as summaries. Never here: the metrics themselves.

use std::fmt::Write;

use prometheus::proto::MetricFamily;
use prometheus::{Encoder, TextEncoder};

use crate::metrics::maxwell::{Name, Shape, Value};
use crate::metrics::sample::{QUANTILES, Spread};

use super::export::Export;

/// Content type of `prometheus`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The families named, or all if none is.
pub fn prometheus(export: &Export, names: &[String]) -> Vec<u8> {
    let wanted = |family: &str| names.is_empty() || names.iter().any(|n| n == family);
    let chosen: Vec<MetricFamily> = export.ours.iter().filter(|f| wanted(f.name())).cloned().collect();
    let mut text = Vec::new();
    // Writing to memory cannot fail, and the families come from a registry that has checked them.
    if let Err(error) = TextEncoder::new().encode(&chosen, &mut text) {
        tracing::error!(%error, "the metrics cannot be written");
    }
    let mut maxwell = String::new();
    for (full, name, value) in &export.maxwell {
        let family = family_name(full, name.shape);
        if wanted(&family) {
            write_maxwell(&mut maxwell, &family, full, name, value);
        }
    }
    text.extend_from_slice(maxwell.as_bytes());
    text
}

/// Every character that Prometheus does not allow is an underscore; a digit cannot come first.
fn family_name(full: &str, shape: Shape) -> String {
    let mut name: String = full.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, ':' | '_') { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if shape == Shape::Meter { name + "_total" } else { name }
}

fn write_maxwell(out: &mut String, family: &str, full: &str, name: &Name, value: &Value) {
    let (kind, class) = match name.shape {
        Shape::Gauge => ("gauge", "Gauge"),
        Shape::Counter => ("gauge", "Counter"),
        Shape::Histogram => ("summary", "Histogram"),
        Shape::Meter => ("counter", "Meter"),
        Shape::Timer => ("summary", "Timer"),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "# HELP {family} Generated from Dropwizard metric import (metric={full}, type=com.codahale.metrics.{class})\n# TYPE {family} {kind}"
    );
    let _ = match value {
        Value::Gauge(v) => writeln!(out, "{family} {:?}", *v as f64),
        Value::Counter(v) => writeln!(out, "{family} {:?}", *v as f64),
        Value::Meter(rates) => writeln!(out, "{family} {:?}", rates.count as f64),
        Value::Histogram(count, spread) => write_summary(out, family, *count, spread),
        Value::Timer(rates, spread) => write_summary(out, family, rates.count, spread),
    };
}

fn write_summary(out: &mut String, family: &str, count: u64, spread: &Spread) -> std::fmt::Result {
    for (quantile, value) in QUANTILES.iter().zip(spread.quantiles) {
        writeln!(out, "{family}{{quantile=\"{quantile}\",}} {value:?}")?;
    }
    writeln!(out, "{family}_count {:?}", count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::export::MaxwellNames;
    use crate::metrics::Metrics;

    #[test]
    fn text_and_filter() {
        let metrics = Metrics::new();
        metrics.rows.inc_by(3);
        metrics.messages_succeeded.inc_by(2);
        metrics.maxwell.queue_time.record(1_500, 1);
        let export = Export::take(&metrics, &MaxwellNames { prefix: "a-b".into(), with_flight: false }, 0.0);
        let all = String::from_utf8(prometheus(&export, &[])).unwrap();
        for part in [
            "# TYPE binlogd_rows_total counter\nbinlogd_rows_total 3\n",
            "binlogd_lag_seconds NaN\n",
            "# HELP a_b_messages_succeeded Generated from Dropwizard metric import (metric=a-b.messages.succeeded, type=com.codahale.metrics.Counter)\n\
             # TYPE a_b_messages_succeeded gauge\na_b_messages_succeeded 2.0\n",
            "# TYPE a_b_messages_succeeded_meter_total counter\na_b_messages_succeeded_meter_total 2.0\n",
            "# TYPE a_b_replication_queue_time summary\na_b_replication_queue_time{quantile=\"0.5\",} 0.0015",
            "a_b_replication_queue_time_count 1.0\n",
        ] {
            assert!(all.contains(part), "{part} is missing in\n{all}");
        }
        assert!(!all.contains("inflight"));
        for name in ["binlogd_rows_total", "a_b_row_meter_total"] {
            let one = String::from_utf8(prometheus(&export, &[name.into()])).unwrap();
            assert_eq!(one.lines().count(), 3, "{one}");
        }
        assert_eq!(prometheus(&export, &["none".into()]), b"");
        assert_eq!(family_name("9.x", Shape::Gauge), "_9_x");
    }
}
