//! Metrics, health and the HTTP server.

use super::super::settings::{DatadogSettings, HttpSettings, MetricsSettings};
use super::Reader;

/// Maxwell looks for these words anywhere in the option.
const REPORTERS: [&str; 5] = [HTTP, LOG, DATADOG, "jmx", "stackdriver"];
const HTTP: &str = "http";
const LOG: &str = "slf4j";
const DATADOG: &str = "datadog";

/// When there is an HTTP server (contract §10.1): `metrics_type`, `http_config` or `http_diagnostic` asks for it, or the first is
/// unset and another `http_` option is not at its default.
pub(super) fn http(reader: &mut Reader) -> Option<HttpSettings> {
    let port = reader.number("http_port");
    let path_prefix = match reader.text("http_path_prefix") {
        Some(prefix) if prefix.starts_with('/') => prefix,
        prefix => format!("/{}", prefix.unwrap_or_default()),
    };
    let bind_address = reader.text("http_bind_address");
    let metrics = match reader.given("metrics_type") {
        Some(metrics_type) => metrics_type.contains(HTTP),
        None => {
            let asked = port != 8080 || path_prefix != "/" || bind_address.is_some();
            if asked {
                reader.findings.info("Found HTTP server configuration, enabling HTTP-based metrics");
            }
            asked
        }
    };
    let config = reader.flag("http_config");
    let diagnostic_ms = reader.flag("http_diagnostic").then(|| reader.millis("http_diagnostic_timeout"));
    (metrics || config || diagnostic_ms.is_some()).then_some(HttpSettings {
        port,
        path_prefix,
        bind_address,
        metrics,
        config,
        diagnostic_ms,
    })
}

/// The reporters, and what is counted for them.
pub(super) fn metrics(reader: &mut Reader) -> MetricsSettings {
    let wanted: Vec<&str> =
        reader.given("metrics_type").map(|t| REPORTERS.into_iter().filter(|r| t.contains(r)).collect()).unwrap_or_default();
    for reporter in ["jmx", "stackdriver"].into_iter().filter(|r| wanted.contains(r)) {
        let why = if reporter == "jmx" { "there is no Java machine to ask" } else { "binlogd has no client for it" };
        let what = format!("metrics_type={reporter} is not supported: {why}");
        reader.fault("metrics_type", what, "set metrics_type=http and let its agent read /prometheus");
    }
    if let Some(metrics_type) = reader.given("metrics_type")
        && wanted.is_empty()
    {
        reader.findings.warn(format!("metrics_type={metrics_type} names no reporter: no metrics are shown; `http` does"));
    }
    if wanted.contains(&DATADOG) && reader.text("metrics_datadog_type").is_some_and(|t| t.contains(HTTP)) {
        let what = "metrics_datadog_type=http is not supported: binlogd sends metrics to a Datadog agent only";
        reader.fault("metrics_datadog_type", what, "run a Datadog agent, set metrics_datadog_type=udp and metrics_datadog_host");
    }
    MetricsSettings {
        prefix: reader.filled("metrics_prefix"),
        age_slo_s: reader.number("metrics_age_slo"),
        log_interval_s: wanted.contains(&LOG).then(|| reader.number("metrics_slf4j_interval")),
        datadog: wanted.contains(&DATADOG).then(|| datadog(reader)),
        lag_limit_ms: Some(reader.millis("lag_limit")).filter(|ms| *ms > 0),
        purge_warning_ms: reader.millis("purge_warning"),
    }
}

fn datadog(reader: &mut Reader) -> DatadogSettings {
    let tags = reader.text("metrics_datadog_tags").unwrap_or_default();
    DatadogSettings {
        host: reader.filled("metrics_datadog_host"),
        port: reader.number("metrics_datadog_port"),
        tags: tags.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect(),
        interval_s: reader.number("metrics_datadog_interval"),
    }
}

/// Maxwell checks this even when Datadog is not used.
pub(super) fn check_datadog(reader: &mut Reader) {
    if reader.text("metrics_datadog_type").is_some_and(|t| t.contains(HTTP)) && !reader.is_given("metrics_datadog_apikey") {
        let hint = "remove metrics_datadog_type";
        reader.fault("metrics_datadog_type", "please specify metrics_datadog_apikey when metrics_datadog_type = http", hint);
    }
}
