//! librdkafka's own measurements, which come as JSON every `statistics.interval.ms`, as metrics. The text has a part for each
//! partition in use, which is passed over unread. Never here: anything per message.
//!
//! Source of names and units: librdkafka's `STATISTICS.md` (round trips in microseconds, throttling in milliseconds).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use crate::metrics::Metrics;
use crate::metrics::kafka::BrokerNumbers;

#[derive(Deserialize)]
struct Measured {
    msg_cnt: u64,
    msg_size: u64,
    #[serde(default)]
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    /// -1 for a place of `bootstrap.servers`, which is some broker's under another name.
    nodeid: i64,
    state: String,
    outbuf_cnt: i64,
    waitresp_cnt: i64,
    tx: u64,
    txerrs: u64,
    txretries: u64,
    req_timeouts: u64,
    rtt: Window,
    throttle: Window,
}

/// Values since the last time.
#[derive(Deserialize)]
struct Window {
    avg: i64,
    p99: i64,
    cnt: i64,
}

/// What only grows, as it was last told.
#[derive(Clone, Copy, Default)]
struct Told {
    requests: u64,
    errors: u64,
    retries: u64,
}

/// Takes one client's measurements. When it is dropped, what is measured now (not what is counted) is forgotten.
pub struct Statistics {
    metrics: Arc<Metrics>,
    told: HashMap<i64, Told>,
    complained: bool,
}

impl Statistics {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Statistics { metrics, told: HashMap::new(), complained: false }
    }

    pub fn take(&mut self, json: &[u8]) {
        let measured: Measured = match serde_json::from_slice(json) {
            Ok(measured) => measured,
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::warn!(%error, "kafka: the client's statistics are not understood; their metrics stay as they are");
                }
                return;
            }
        };
        let kafka = &self.metrics.kafka;
        kafka.queue(measured.msg_cnt, measured.msg_size);
        let brokers: Vec<&Broker> = measured.brokers.values().filter(|b| b.nodeid >= 0).collect();
        let present: HashSet<i64> = brokers.iter().map(|b| b.nodeid).collect();
        self.told.retain(|id, _| {
            let stays = present.contains(id);
            if !stays {
                kafka.gone(*id);
            }
            stays
        });
        for broker in brokers {
            let now = Told { requests: broker.tx, errors: broker.txerrs + broker.req_timeouts, retries: broker.txretries };
            let before = self.told.insert(broker.nodeid, now).unwrap_or_default();
            let in_window = |value: i64, window: &Window, per_second: f64| (window.cnt > 0).then(|| value as f64 / per_second);
            kafka.broker(
                broker.nodeid,
                &BrokerNumbers {
                    connected: broker.state == "UP",
                    in_flight: broker.outbuf_cnt.max(0) + broker.waitresp_cnt.max(0),
                    latency: in_window(broker.rtt.avg, &broker.rtt, 1e6),
                    latency_p99: in_window(broker.rtt.p99, &broker.rtt, 1e6),
                    throttle: if broker.throttle.cnt > 0 { broker.throttle.avg as f64 / 1e3 } else { 0.0 },
                    new_requests: now.requests.saturating_sub(before.requests),
                    new_errors: now.errors.saturating_sub(before.errors),
                    new_retries: now.retries.saturating_sub(before.retries),
                },
            );
        }
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        self.metrics.kafka.queue(0, 0);
        self.told.keys().for_each(|id| self.metrics.kafka.gone(*id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from a broker with one topic.
    const RECORDED: &str = include_str!("../../../tests/fixtures/kafka-statistics.json");

    fn value(metrics: &Metrics, name: &str, broker: Option<&str>) -> Option<f64> {
        let families = metrics.gather();
        let family = families.iter().find(|f| f.name() == name)?;
        let of = |m: &&prometheus::proto::Metric| broker.is_none_or(|id| m.get_label().iter().any(|l| l.value() == id));
        let metric = family.get_metric().iter().find(of)?;
        Some(if name.ends_with("_total") { metric.get_counter().get_value() } else { metric.get_gauge().get_value() })
    }

    #[test]
    fn a_recorded_text_becomes_metrics() {
        let metrics = Arc::new(Metrics::new());
        let mut statistics = Statistics::new(metrics.clone());
        statistics.take(RECORDED.as_bytes());
        let parsed: serde_json::Value = serde_json::from_str(RECORDED).unwrap();
        let broker = parsed["brokers"].as_object().unwrap().values().find(|b| b["nodeid"] == 1).unwrap();
        let number = |v: &serde_json::Value| v.as_f64().unwrap();
        assert!(number(&broker["rtt"]["cnt"]) > 0.0 && number(&broker["tx"]) > 0.0, "a recording that says something");
        for (name, wanted) in [
            ("binlogd_kafka_broker_connected", 1.0),
            ("binlogd_kafka_broker_latency_seconds", number(&broker["rtt"]["avg"]) / 1e6),
            ("binlogd_kafka_broker_latency_p99_seconds", number(&broker["rtt"]["p99"]) / 1e6),
            ("binlogd_kafka_broker_requests_total", number(&broker["tx"])),
            ("binlogd_kafka_broker_retries_total", number(&broker["txretries"])),
            ("binlogd_kafka_broker_requests_in_flight", number(&broker["waitresp_cnt"]) + number(&broker["outbuf_cnt"])),
        ] {
            assert_eq!(value(&metrics, name, Some("1")), Some(wanted), "{name}");
        }
        assert_eq!(value(&metrics, "binlogd_kafka_queue_messages", None), Some(number(&parsed["msg_cnt"])));
        assert_eq!(value(&metrics, "binlogd_kafka_queue_bytes", None), Some(number(&parsed["msg_size"])));
        // The places of bootstrap.servers are no brokers.
        assert_eq!(value(&metrics, "binlogd_kafka_broker_connected", Some("-1")), None);
        // The same again: nothing was added to what is counted.
        let before = value(&metrics, "binlogd_kafka_broker_requests_total", Some("1"));
        statistics.take(RECORDED.as_bytes());
        assert_eq!(value(&metrics, "binlogd_kafka_broker_requests_total", Some("1")), before);
        // A broker that has left the cluster, and a client that has ended.
        statistics.take(br#"{"msg_cnt":3,"msg_size":30,"brokers":{}}"#);
        assert_eq!(value(&metrics, "binlogd_kafka_broker_connected", Some("1")), None);
        assert_eq!(value(&metrics, "binlogd_kafka_queue_messages", None), Some(3.0));
        statistics.take(b"not JSON");
        drop(statistics);
        assert_eq!(value(&metrics, "binlogd_kafka_queue_messages", None), Some(0.0));
    }
}
