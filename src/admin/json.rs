//! The metrics in the JSON shape of Dropwizard's servlet (contract §10.2), names sorted. Never here: the metrics themselves.

use prometheus::proto::{Metric, MetricType};
use serde_json::{Map, Value as Json, json};

use crate::metrics::maxwell::Value;
use crate::metrics::sample::{Rates, Spread};

use super::export::Export;

/// `{"version":"4.0.0","gauges":{…},"counters":{…},…}`; a number that is not known is null.
pub fn dropwizard(export: &Export, pretty: bool) -> String {
    let (mut gauges, mut counters, mut histograms, mut meters, mut timers) = (Map::new(), Map::new(), Map::new(), Map::new(), Map::new());
    for family in &export.ours {
        for metric in family.get_metric() {
            let name = full_name(family.name(), metric);
            match family.get_field_type() {
                MetricType::COUNTER => counters.insert(name, json!({ "count": number(metric.get_counter().get_value()) })),
                MetricType::GAUGE => gauges.insert(name, json!({ "value": number(metric.get_gauge().get_value()) })),
                _ => None,
            };
        }
    }
    for (name, _, value) in &export.maxwell {
        let name = name.clone();
        match value {
            Value::Gauge(v) => gauges.insert(name, json!({ "value": v })),
            Value::Counter(v) => counters.insert(name, json!({ "count": v })),
            Value::Histogram(count, spread) => histograms.insert(name, histogram(*count, spread)),
            Value::Meter(rates) => meters.insert(name, meter(rates)),
            Value::Timer(rates, spread) => timers.insert(name, timer(rates, spread)),
        };
    }
    for map in [&mut gauges, &mut counters, &mut histograms, &mut meters, &mut timers] {
        map.sort_keys();
    }
    let all = json!({
        "version": "4.0.0", "gauges": gauges, "counters": counters, "histograms": histograms, "meters": meters, "timers": timers,
    });
    if pretty { format!("{all:#}") } else { all.to_string() }
}

fn histogram(count: u64, spread: &Spread) -> Json {
    let [p50, p75, p95, p98, p99, p999] = spread.quantiles;
    json!({
        "count": count, "max": spread.max as u64, "mean": spread.mean, "min": spread.min as u64,
        "p50": p50, "p75": p75, "p95": p95, "p98": p98, "p99": p99, "p999": p999, "stddev": spread.stddev,
    })
}

fn meter(rates: &Rates) -> Json {
    json!({
        "count": rates.count, "m15_rate": rates.m15, "m1_rate": rates.m1, "m5_rate": rates.m5, "mean_rate": rates.mean,
        "units": "events/second",
    })
}

fn timer(rates: &Rates, spread: &Spread) -> Json {
    let [p50, p75, p95, p98, p99, p999] = spread.quantiles;
    json!({
        "count": rates.count, "max": spread.max, "mean": spread.mean, "min": spread.min,
        "p50": p50, "p75": p75, "p95": p95, "p98": p98, "p99": p99, "p999": p999, "stddev": spread.stddev,
        "m15_rate": rates.m15, "m1_rate": rates.m1, "m5_rate": rates.m5, "mean_rate": rates.mean,
        "duration_units": "seconds", "rate_units": "calls/second",
    })
}

/// Whole numbers as such, NaN and infinity as null.
fn number(value: f64) -> Json {
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
    use crate::admin::export::MaxwellNames;
    use crate::metrics::Metrics;

    #[test]
    fn shapes() {
        let metrics = Metrics::new();
        metrics.rows.inc_by(3);
        metrics.lag_seconds.set(1.5);
        metrics.maxwell.transaction(3, 0);
        let names = MaxwellNames::default();
        let text = dropwizard(&Export::take(&metrics, &names, 0.0), false);
        for part in [
            r#"{"version":"4.0.0","gauges":{"MaxwellMetrics.inflightmessages.count":{"value":0},"MaxwellMetrics.replication.lag":{"value":0},"#,
            r#""binlogd_rows_total":{"count":3}"#,
            r#""binlogd_lag_seconds":{"value":1.5}"#,
            r#""binlogd_errors_total{kind=\"source\"}":{"count":0}"#,
            r#""MaxwellMetrics.row.count":{"count":3}"#,
            r#""MaxwellMetrics.transaction.row_count":{"count":1,"max":3,"mean":3.0,"min":3,"p50":3.0,"p75":3.0,"p95":3.0,"p98":3.0,"p99":3.0,"p999":3.0,"stddev":0.0}"#,
            r#""MaxwellMetrics.row.meter":{"count":3,"m15_rate":0.0,"m1_rate":0.0,"m5_rate":0.0,"mean_rate":0.0,"units":"events/second"}"#,
            r#""MaxwellMetrics.message.publish.age":{"count":0,"max":0.0,"mean":0.0,"min":0.0,"p50":0.0,"#,
            r#""stddev":0.0,"m15_rate":0.0,"m1_rate":0.0,"m5_rate":0.0,"mean_rate":0.0,"duration_units":"seconds","rate_units":"calls/second"}"#,
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        metrics.lag_seconds.set(f64::NAN);
        let export = Export::take(&metrics, &names, 0.0);
        assert!(dropwizard(&export, false).contains(r#""binlogd_lag_seconds":{"value":null}"#));
        assert!(dropwizard(&export, true).contains("\n  \"version\""));
    }
}
