//! The metrics as text: Prometheus's format 0.0.4, and the JSON shape of Dropwizard's servlet (contract §10.2). Never here:
//! the metrics themselves.

use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use serde_json::{Map, Value, json};

/// Content type of `prometheus_text`.
pub const PROMETHEUS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The families named, or all if none is.
pub fn prometheus_text(families: &[MetricFamily], names: &[String]) -> Vec<u8> {
    let chosen: Vec<MetricFamily> = families.iter().filter(|f| names.is_empty() || names.iter().any(|n| n == f.name())).cloned().collect();
    let mut text = Vec::new();
    // Writing to memory cannot fail, and the families come from a registry that has checked them.
    if let Err(error) = TextEncoder::new().encode(&chosen, &mut text) {
        tracing::error!(%error, "the metrics cannot be written");
    }
    text
}

/// `{"version":"4.0.0","gauges":{…},"counters":{…},…}`, names sorted; a number that is not known is null.
pub fn dropwizard_json(families: &[MetricFamily], pretty: bool) -> String {
    let (mut gauges, mut counters) = (Map::new(), Map::new());
    for family in families {
        for metric in family.get_metric() {
            let name = full_name(family.name(), metric);
            match family.get_field_type() {
                MetricType::COUNTER => counters.insert(name, json!({ "count": number(metric.get_counter().get_value()) })),
                MetricType::GAUGE => gauges.insert(name, json!({ "value": number(metric.get_gauge().get_value()) })),
                _ => None,
            };
        }
    }
    gauges.sort_keys();
    counters.sort_keys();
    let all = json!({ "version": "4.0.0", "gauges": gauges, "counters": counters, "histograms": {}, "meters": {}, "timers": {} });
    if pretty { format!("{all:#}") } else { all.to_string() }
}

/// Whole numbers as such, NaN and infinity as null.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { json!(value as i64) } else { json!(value) }
}

fn full_name(name: &str, metric: &Metric) -> String {
    let labels: Vec<String> = metric.get_label().iter().map(|l| format!("{}={:?}", l.name(), l.value())).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn text_and_filter() {
        let metrics = Metrics::new();
        metrics.rows.inc_by(3);
        let families = metrics.gather();
        let all = String::from_utf8(prometheus_text(&families, &[])).unwrap();
        assert!(all.contains("# TYPE binlogd_rows_total counter\nbinlogd_rows_total 3\n"), "{all}");
        assert!(all.contains("binlogd_lag_seconds NaN\n"));
        let one = String::from_utf8(prometheus_text(&families, &["binlogd_rows_total".into()])).unwrap();
        assert_eq!(one.lines().count(), 3, "{one}");
        assert_eq!(prometheus_text(&families, &["none".into()]), b"");
    }

    #[test]
    fn json() {
        let metrics = Metrics::new();
        metrics.rows.inc_by(3);
        metrics.lag_seconds.set(1.5);
        let text = dropwizard_json(&metrics.gather(), false);
        assert!(text.starts_with(r#"{"version":"4.0.0","gauges":{"#), "{text}");
        assert!(text.contains(r#""binlogd_rows_total":{"count":3}"#) && text.contains(r#""binlogd_lag_seconds":{"value":1.5}"#), "{text}");
        assert!(text.contains(r#""binlogd_errors_total{kind=\"source\"}":{"count":0}"#), "{text}");
        metrics.lag_seconds.set(f64::NAN);
        assert!(dropwizard_json(&metrics.gather(), false).contains(r#""binlogd_lag_seconds":{"value":null}"#));
        assert!(dropwizard_json(&metrics.gather(), true).contains("\n  \"version\""));
    }
}
