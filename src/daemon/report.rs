//! Maxwell's reporters beside HTTP: its metrics in the log (`slf4j`), and as datagrams to a DogStatsD agent (`datadog`). Both
//! tell of the same names. Never here: counting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::admin::export::{Export, MaxwellNames};
use crate::metrics::maxwell::Value;
use crate::metrics::sample::{Rates, Spread};

use super::board::{Board, epoch_us};
use super::shutdown::Shutdown;

/// Datadog's agent reads datagrams of 8 KiB; one that fits an Ethernet frame arrives everywhere.
const DATAGRAM_MAX: usize = 1432;

/// One line a metric, every interval and once more at the end, as Dropwizard's reporter for SLF4J writes them: rates a second,
/// durations in milliseconds.
pub async fn log(board: Arc<Board>, names: MaxwellNames, every: Duration, mut stop: Shutdown) {
    loop {
        let stopped = stop.sleep(every).await;
        for (name, _, value) in &Export::take(&board.metrics, &names, epoch_us() as f64 / 1e6).maxwell {
            // The last part is the name of Maxwell's logger; the first lets it through the filter of levels.
            tracing::info!(target: "binlogd::MaxwellMetrics", "{}", log_line(name, value));
        }
        if stopped {
            return;
        }
    }
}

fn log_line(name: &str, value: &Value) -> String {
    let spread = |s: &Spread, unit: f64| {
        let [p50, p75, p95, p98, p99, p999] = s.quantiles.map(|q| q * unit);
        format!(
            "mean={:?}, stddev={:?}, p50={p50:?}, p75={p75:?}, p95={p95:?}, p98={p98:?}, p99={p99:?}, p999={p999:?}",
            s.mean * unit,
            s.stddev * unit
        )
    };
    let rates = |r: &Rates| {
        format!("m1_rate={:?}, m5_rate={:?}, m15_rate={:?}, mean_rate={:?}, rate_unit=events/second", r.m1, r.m5, r.m15, r.mean)
    };
    match value {
        Value::Gauge(v) => format!("type=GAUGE, name={name}, value={v}"),
        Value::Counter(v) => format!("type=COUNTER, name={name}, count={v}"),
        Value::Histogram(count, s) => {
            format!("type=HISTOGRAM, name={name}, count={count}, min={}, max={}, {}", s.min as u64, s.max as u64, spread(s, 1.0))
        }
        Value::Meter(r) => format!("type=METER, name={name}, count={}, {}", r.count, rates(r)),
        Value::Timer(r, s) => format!(
            "type=TIMER, name={name}, count={}, min={:?}, max={:?}, {}, {}, duration_unit=milliseconds",
            r.count,
            s.min * 1000.0,
            s.max * 1000.0,
            spread(s, 1000.0),
            rates(r)
        ),
    }
}

/// Where a DogStatsD agent listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datadog {
    pub host: String,
    pub port: u16,
    pub tags: Vec<String>,
    pub every: Duration,
}

/// Sends all metrics every interval. An agent that is away costs one warning, until it is back.
pub async fn datadog(board: Arc<Board>, names: MaxwellNames, agent: Datadog, mut stop: Shutdown) {
    let (mut last, mut failing) = (HashMap::new(), false);
    while !stop.sleep(agent.every).await {
        let export = Export::take(&board.metrics, &names, epoch_us() as f64 / 1e6);
        let sent = send(&agent, &datagrams(&export, &agent.tags, &mut last)).await;
        match &sent {
            Err(error) if !failing => {
                tracing::warn!(%error, "metrics cannot be sent to the Datadog agent at {}:{}; see metrics_datadog_host and metrics_datadog_port", agent.host, agent.port);
            }
            Ok(()) if failing => tracing::info!("metrics are sent to the Datadog agent again"),
            _ => {}
        }
        failing = sent.is_err();
    }
}

async fn send(agent: &Datadog, datagrams: &[String]) -> std::io::Result<()> {
    // The name is resolved anew each time, for an agent that moved.
    let Some(address) = tokio::net::lookup_host((agent.host.as_str(), agent.port)).await?.next() else {
        return Err(std::io::Error::other("the host has no address"));
    };
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    for datagram in datagrams {
        socket.send(datagram.as_bytes()).await?;
    }
    Ok(())
}

/// Lines of `name:value|type|#tags`, as many in a datagram as fit. A counter tells what it grew by since the last time; of the
/// others the expansions that Maxwell chooses are gauges of their own; durations are in milliseconds.
fn datagrams(export: &Export, tags: &[String], last: &mut HashMap<String, u64>) -> Vec<String> {
    let tags = if tags.is_empty() { String::new() } else { format!("|#{}", tags.join(",")) };
    let mut lines = Vec::new();
    for (name, _, value) in &export.maxwell {
        let mut gauge = |suffix: &str, value: f64| lines.push(format!("{name}{suffix}:{value}|g{tags}"));
        let rates = |gauge: &mut dyn FnMut(&str, f64), r: &Rates| {
            gauge(".count", r.count as f64);
            gauge(".1MinuteRate", r.m1);
            gauge(".15MinuteRate", r.m15);
        };
        let spread = |gauge: &mut dyn FnMut(&str, f64), s: &Spread, unit: f64| {
            let [median, _, p95, _, p99, _] = s.quantiles.map(|q| q * unit);
            gauge(".median", median);
            gauge(".p95", p95);
            gauge(".p99", p99);
        };
        match value {
            Value::Gauge(v) => gauge("", *v as f64),
            Value::Counter(v) => {
                let grown = v - last.insert(name.clone(), *v).unwrap_or(0).min(*v);
                lines.push(format!("{name}:{grown}|c{tags}"));
            }
            Value::Histogram(count, s) => {
                gauge(".count", *count as f64);
                spread(&mut gauge, s, 1.0);
            }
            Value::Meter(r) => rates(&mut gauge, r),
            Value::Timer(r, s) => {
                rates(&mut gauge, r);
                spread(&mut gauge, s, 1000.0);
            }
        }
    }
    let mut packed: Vec<String> = Vec::new();
    for line in lines {
        match packed.last_mut() {
            Some(open) if open.len() + 1 + line.len() <= DATAGRAM_MAX => {
                open.push('\n');
                open.push_str(&line);
            }
            _ => packed.push(line),
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn export(metrics: &Metrics) -> Export {
        Export::take(metrics, &MaxwellNames { prefix: "p".into(), with_flight: true }, 0.0)
    }

    #[test]
    fn lines_of_the_log() {
        let metrics = Metrics::new();
        metrics.messages_succeeded.inc_by(7);
        metrics.maxwell.transaction(3, 1000);
        metrics.maxwell.queue_time.record(2_500, 1);
        let lines: Vec<String> = export(&metrics).maxwell.iter().map(|(name, _, value)| log_line(name, value)).collect();
        assert_eq!(lines.len(), 14);
        for wanted in [
            "type=GAUGE, name=p.replication.lag, value=0",
            "type=COUNTER, name=p.messages.succeeded, count=7",
            "type=METER, name=p.row.meter, count=3, m1_rate=0.0, m5_rate=0.0, m15_rate=0.0, mean_rate=0.0, rate_unit=events/second",
            "type=HISTOGRAM, name=p.transaction.execution_time, count=1, min=1000, max=1000, mean=1000.0, stddev=0.0, p50=1000.0, p75=1000.0, p95=1000.0, p98=1000.0, p99=1000.0, p999=1000.0",
        ] {
            assert!(lines.iter().any(|l| l == wanted), "{wanted} is missing in {lines:#?}");
        }
        let timer = lines.iter().find(|l| l.contains("queue.time")).unwrap();
        assert!(timer.starts_with("type=TIMER, name=p.replication.queue.time, count=1, min=2.5, max=2.5, mean=2.5,"), "{timer}");
        assert!(timer.ends_with("rate_unit=events/second, duration_unit=milliseconds"), "{timer}");
    }

    #[tokio::test]
    async fn datagrams_reach_an_agent() {
        let metrics = Metrics::new();
        metrics.messages_succeeded.inc_by(7);
        metrics.maxwell.publish_time.record(1_500, 2);
        let agent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = agent.local_addr().unwrap().port();
        let settings = Datadog { host: "127.0.0.1".into(), port, tags: vec!["a:b".into(), "c".into()], every: Duration::from_secs(1) };
        let mut last = HashMap::new();
        let first = datagrams(&export(&metrics), &settings.tags, &mut last);
        assert!(first.len() > 1 && first.iter().all(|d| d.len() <= DATAGRAM_MAX), "{first:?}");
        send(&settings, &first).await.unwrap();
        let mut buffer = [0; 2048];
        let mut text = String::new();
        for _ in 0..first.len() {
            let read = tokio::time::timeout(Duration::from_secs(5), agent.recv(&mut buffer)).await.unwrap().unwrap();
            text += std::str::from_utf8(&buffer[..read]).unwrap();
            text.push('\n');
        }
        for line in [
            "p.messages.succeeded:7|c|#a:b,c",
            "p.inflightmessages.count:0|g|#a:b,c",
            "p.message.publish.time.count:2|g|#a:b,c",
            "p.message.publish.time.median:1.5|g|#a:b,c",
            "p.row.meter.15MinuteRate:0|g|#a:b,c",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        metrics.messages_succeeded.inc_by(2);
        let second = datagrams(&export(&metrics), &[], &mut last).join("\n");
        assert!(second.lines().any(|l| l == "p.messages.succeeded:2|c"), "a counter tells its growth\n{second}");
    }
}
