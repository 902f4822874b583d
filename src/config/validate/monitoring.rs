//! Metrics, health and the HTTP server.

use super::super::settings::HttpSettings;
use super::Reader;

/// Maxwell's other reporters; it looks for these words anywhere in the option.
const REPORTERS: [&str; 4] = ["slf4j", "jmx", "datadog", "stackdriver"];
const HTTP: &str = "http";

/// When there is an HTTP server (contract §10.1): `metrics_type` asks for it, or it is unset and an `http_` option is
/// not at its default.
pub(super) fn http(reader: &mut Reader) -> Option<HttpSettings> {
    let settings = HttpSettings {
        port: reader.number("http_port"),
        path_prefix: match reader.text("http_path_prefix") {
            Some(prefix) if prefix.starts_with('/') => prefix,
            prefix => format!("/{}", prefix.unwrap_or_default()),
        },
        bind_address: reader.text("http_bind_address"),
    };
    let Some(metrics_type) = reader.given("metrics_type") else {
        let default = HttpSettings { port: 8080, path_prefix: "/".into(), bind_address: None };
        if settings == default {
            return None;
        }
        reader.findings.info("Found HTTP server configuration, enabling HTTP-based metrics");
        return Some(settings);
    };
    let wanted: Vec<&str> = REPORTERS.into_iter().filter(|r| metrics_type.contains(r)).collect();
    for reporter in &wanted {
        let what = format!("metrics_type={reporter} is not supported: this reporter is not built yet");
        reader.fault("metrics_type", what, "set metrics_type=http and let Prometheus read /metrics");
    }
    let over_http = metrics_type.contains(HTTP);
    if !over_http && wanted.is_empty() {
        reader.findings.warn(format!("metrics_type={metrics_type} names no reporter: no metrics are shown; `http` does"));
    }
    over_http.then_some(settings)
}

/// Maxwell checks this even when Datadog is not used.
pub(super) fn check_datadog(reader: &mut Reader) {
    if reader.text("metrics_datadog_type").is_some_and(|t| t.contains(HTTP)) && !reader.is_given("metrics_datadog_apikey") {
        let hint = "remove metrics_datadog_type";
        reader.fault("metrics_datadog_type", "please specify metrics_datadog_apikey when metrics_datadog_type = http", hint);
    }
}
