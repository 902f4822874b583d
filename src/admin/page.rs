//! `docs/metrics.md`, made from the tables of families, of Maxwell's names and of the causes of ill health. The test that keeps it
//! true is `tests/metrics.rs` (`UPDATE_DOCS=1 cargo test --test metrics` writes it). Never here: numbers.

use std::fmt::Write;

use crate::metrics::{self, ErrorKind, Kind, maxwell};
use crate::status::CauseKind;

const HEAD: &str = r#"# Metrics and health over HTTP

<!-- Made by src/admin/page.rs: UPDATE_DOCS=1 cargo test --test metrics -->

The HTTP server runs under Maxwell's options: `metrics_type=http`, `http_config=true`, `http_diagnostic=true`, or, while `metrics_type` is
not set, any of `http_port`, `http_path_prefix`, `http_bind_address` set to something else than its default. It listens on every address
unless `http_bind_address` names one, and all paths lie under `http_path_prefix`. If the port is taken, the daemon does not start.

| path | there with | answer |
|---|---|---|
| `/metrics` | metrics | Maxwell's JSON, with `?pretty=true` indented; to a client that names `text/plain` or OpenMetrics in `Accept`, as every Prometheus server does, the text of `/prometheus` |
| `/prometheus` | metrics | Prometheus text, format 0.0.4 |
| `/healthcheck` | metrics | JSON; status 200 while data flows as it should, 500 with the reasons while it does not |
| `/ping` | metrics | `pong` |
| `/config` | `http_config` | the filter; PUT, POST or PATCH replaces it |
| `/diagnostic`, `/diagnostics` | `http_diagnostic` | JSON of checks of the whole way; status 200, or 503 if one failed |
| any other | always | an HTML list of what is there |

Both text paths take `?name[]=FAMILY`, repeated as often as you like, and then answer with those families only.

## Health

```json
{"MaxwellHealth":{"healthy":true,"duration":0,"timestamp":"2025-01-01T00:00:00.000Z"}}
{"MaxwellHealth":{"healthy":false,"message":"no Kafka broker can be reached: Connection refused (since 2025-01-01T00:00:00Z): see whether …","duration":0,"timestamp":"2025-01-01T00:00:05.000Z"}}
```

Health is red while and only while something keeps data from flowing as it should; each cause has a sentence, the time since when, and what
to do, here and in the log. **Difference from Maxwell:** its health is red after a message that failed, for far longer than the fifteen
minutes it speaks of, and green whatever else happens; here a message that fails is sent again, and health tells of now.

| cause | red while |
|---|---|
"#;

const CONFIG: &str = r#"
`purge` is looked at every minute by SQL (oftener where the server keeps its binlog for minutes only). The estimate is the shorter of: the
retention time less the age of the stored position's transaction, and the room under `max_binlog_total_size` at the speed of the last minutes.
Red means less than `purge_warning` (at most half of the retention time), or a position held back for a minute in the oldest tenth of at least
four files. A server that does not let us list its files is named once in the log. In GTID mode a file that the server does not
have means nothing, because another server may have had it.

## The filter, live

`GET /config` shows `{"filter":"…"}`, or null when there are no rules. PUT, POST or PATCH of `{"filter":"exclude: a.*"}` replaces all rules; `""` takes
them away; null or nothing changes nothing. What cannot be read is answered with 400 and the reason, and the old rules stay. The new rules
hold from the next transaction boundary on, for rows and DDL messages; they are not stored, and a restart goes back to the
configured ones. **Difference from Maxwell:** tables that were seen before are judged anew too; Maxwell keeps its earlier verdict on them until
the next binlog file. A table that comes from a `blacklist` is read from the server again, because its statements were passed over.

## Diagnostics

`binlog-connector` has a heartbeat written and waits until it comes back through the binlog; where the schema database is on another server
it asks the followed server where its log ends and waits until that is read. `kafka-producer` asks a broker for a sign of life and waits
until everything that was in flight is acknowledged. **Difference from Maxwell:** it sends a record that consumers see (table `dummy` of the
schema database); here nothing is sent. Each check may take `http_diagnostic_timeout`, all run at once, and all are mandatory.

## Families of binlogd

| family | kind | unit | meaning |
|---|---|---|---|
"#;

const MAXWELL: &str = r#"
## Maxwell's metrics

The same dashboards as before keep working: these names, after `metrics_prefix` and a dot, with Maxwell's kinds and shapes. In Prometheus's text every character
but letters, digits and colons becomes an underscore, counters are of type gauge, meters are counters that end in `_total`, histograms and timers
are summaries with a `_count`; all as Maxwell has it. Timers are in seconds there and in the JSON.

| name | kind | meaning |
|---|---|---|
"#;

const TAIL: &str = r#"
**Differences from Maxwell.** The spread of histograms and timers is that of the last 1,024 samples (Maxwell: as many, of about five minutes). Timers and ages have one
sample a batch, which stands for all transactions in it. `metrics_age_slo` counts what is older than so many seconds; in Maxwell its default overflows
and counts everything. `row.count` leaves out the rows of the schema database other than heartbeats. `metrics_jvm` has no effect.

Other reporters of `metrics_type`, several with commas between: `slf4j` logs one line a metric every `metrics_slf4j_interval` seconds and at the end; `datadog` sends
them to a DogStatsD agent by UDP every `metrics_datadog_interval` seconds, counters as what they grew by, meters as `.count`, `.1MinuteRate`,
`.15MinuteRate`, histograms and timers (milliseconds) also as `.median`, `.p95`, `.p99`. Sending to Datadog over http, `jmx` and `stackdriver` are refused.

## JSON

`{"version":"4.0.0","gauges":{NAME:{"value":N}},"counters":{NAME:{"count":N}},"histograms":{…},"meters":{…},"timers":{…}}`, names sorted, both families in one document.
A name of binlogd with a label is written as in the text format, `binlogd_errors_total{kind="source"}`. A number that is not known (NaN in the text) is `null`.
"#;

pub fn page() -> String {
    let mut page = HEAD.to_owned();
    // Writing to a string cannot fail.
    for cause in CauseKind::ALL {
        let _ = writeln!(page, "| `{}` | {} |", cause.as_str(), cause.meaning());
    }
    page += CONFIG;
    for family in metrics::ALL {
        let label = family.label.map(|l| format!("{{{l}}}")).unwrap_or_default();
        let kind = if family.kind == Kind::Counter { "counter" } else { "gauge" };
        let _ = writeln!(page, "| `{}{label}` | {kind} | {} | {} |", family.name, family.unit, family.help);
    }
    let words = |of: &mut dyn Iterator<Item = &'static str>| of.map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        page,
        "\n`of` is `read`, `acknowledged` or `stored`; `to` is `source`, `store` or `kafka`; `than_resume` is `older` or `younger`; `kind` is one of {}; `cause` one of {}.",
        words(&mut ErrorKind::ALL.into_iter().map(ErrorKind::as_str)),
        words(&mut CauseKind::ALL.into_iter().map(CauseKind::as_str)),
    );
    page += MAXWELL;
    for name in maxwell::NAMES {
        let _ = writeln!(page, "| `{}` | {} | {} |", name.name, name.shape.as_str(), name.help);
    }
    page + TAIL
}
