//! Metrics, health, logs, and the HTTP server that shows them.

use super::Group::Monitoring as G;
use super::Opt;

const I32: i64 = i32::MAX as i64;
const DATADOG: (&str, &str) = ("metrics_type", "datadog");

const fn datadog(name: &'static str, default: &'static str, help: &'static str) -> Opt {
    Opt::text(G, name, help).default(default).only_with(DATADOG.0, DATADOG.1)
}

pub(super) static OPTIONS: &[Opt] = &[
    Opt::text(G, "metrics_prefix", "first part of the names of Maxwell's metrics; binlogd's own begin with `binlogd_`")
        .default("MaxwellMetrics"),
    Opt::text(G, "metrics_type", "who is told of metrics: `http`, `slf4j` (the log), `datadog` (an agent, by UDP), with commas between"),
    Opt::int(G, "metrics_slf4j_interval", 1, i64::MAX, "seconds between logged metrics").default("60").only_with("metrics_type", "slf4j"),
    Opt::int(G, "metrics_age_slo", 0, I32, "seconds after which an acknowledged message counts as late").default("2147483647"),
    Opt::flag(G, "metrics_jvm", "add metrics of the Java machine").no_effect("there is no Java machine"),
    Opt::choice(
        G,
        "metrics_datadog_type",
        &["udp", "http"],
        "please specify --metrics_datadog_type=udp: {} is not known",
        "`udp`, to an agent; sending to Datadog by http is not supported",
    )
    .default("udp")
    .only_with(DATADOG.0, DATADOG.1),
    datadog("metrics_datadog_tags", "", "tags, with commas between"),
    Opt::int(G, "metrics_datadog_interval", 1, i64::MAX, "seconds between reports").default("60").only_with(DATADOG.0, DATADOG.1),
    Opt::secret(G, "metrics_datadog_apikey", "API key of metrics_datadog_type=http")
        .default("")
        .only_with(DATADOG.0, DATADOG.1)
        .no_effect("the agent has the key"),
    datadog("metrics_datadog_site", "us", "us or eu, of metrics_datadog_type=http").no_effect("the agent knows its site"),
    datadog("metrics_datadog_host", "localhost", "host of the agent"),
    Opt::int(G, "metrics_datadog_port", 0, 65_535, "port of the agent").default("8125").only_with(DATADOG.0, DATADOG.1),
    Opt::text(G, "custom_health.factory", "Java class of a health check of your own")
        .refused("Java classes cannot be loaded: there is no Java in binlogd"),
    Opt::int(G, "http_port", 0, 65_535, "port of the HTTP server").default("8080"),
    Opt::text(G, "http_path_prefix", "path under which everything is served").default("/"),
    Opt::text(G, "http_bind_address", "address to listen on").default_words("all addresses"),
    Opt::flag(G, "http_diagnostic", "serve `/diagnostic`, which tests the whole way"),
    Opt::millis(G, "http_diagnostic_timeout", "how long a diagnostic may take").default("10000").only_with("http_diagnostic", "true"),
    Opt::flag(G, "http_config", "serve `/config`, which shows and changes the filter"),
    Opt::millis(G, "lag_limit", "health turns red when the oldest transaction that is not delivered is older than this")
        .ours()
        .default_words("never"),
    Opt::millis(G, "purge_warning", "health turns red when the server will remove the stored position's binlog file sooner than this")
        .ours()
        .default("24h"),
];
