//! What the Kafka client measures of itself and of each broker. The only label is a broker's id, and a broker that has left the
//! cluster loses its numbers, so there are as many series as there are brokers.

use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::{
    KAFKA_BROKER_CONNECTED, KAFKA_BROKER_ERRORS, KAFKA_BROKER_IN_FLIGHT, KAFKA_BROKER_LATENCY, KAFKA_BROKER_LATENCY_P99,
    KAFKA_BROKER_REQUESTS, KAFKA_BROKER_RETRIES, KAFKA_BROKER_THROTTLE, KAFKA_QUEUE_BYTES, KAFKA_QUEUE_MESSAGES, labels, options, register,
};

pub struct KafkaMetrics {
    queue_messages: IntGauge,
    queue_bytes: IntGauge,
    connected: IntGaugeVec,
    in_flight: IntGaugeVec,
    latency: GaugeVec,
    latency_p99: GaugeVec,
    throttle: GaugeVec,
    requests: IntCounterVec,
    errors: IntCounterVec,
    retries: IntCounterVec,
}

/// One broker now, and what was counted since the last time.
pub struct BrokerNumbers {
    pub connected: bool,
    pub in_flight: i64,
    /// In seconds; `None`: nothing was answered since the last time, and the last value stays.
    pub latency: Option<f64>,
    pub latency_p99: Option<f64>,
    pub throttle: f64,
    pub new_requests: u64,
    pub new_errors: u64,
    pub new_retries: u64,
}

impl KafkaMetrics {
    pub(super) fn new(r: &Registry) -> Self {
        let gauge = |family| register(r, GaugeVec::new(options(family), &labels(family)));
        let number = |family| register(r, IntGaugeVec::new(options(family), &labels(family)));
        let counter = |family| register(r, IntCounterVec::new(options(family), &labels(family)));
        KafkaMetrics {
            queue_messages: register(r, IntGauge::with_opts(options(&KAFKA_QUEUE_MESSAGES))),
            queue_bytes: register(r, IntGauge::with_opts(options(&KAFKA_QUEUE_BYTES))),
            connected: number(&KAFKA_BROKER_CONNECTED),
            in_flight: number(&KAFKA_BROKER_IN_FLIGHT),
            latency: gauge(&KAFKA_BROKER_LATENCY),
            latency_p99: gauge(&KAFKA_BROKER_LATENCY_P99),
            throttle: gauge(&KAFKA_BROKER_THROTTLE),
            requests: counter(&KAFKA_BROKER_REQUESTS),
            errors: counter(&KAFKA_BROKER_ERRORS),
            retries: counter(&KAFKA_BROKER_RETRIES),
        }
    }

    pub fn queue(&self, messages: u64, bytes: u64) {
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.queue_messages.set(clamp(messages));
        self.queue_bytes.set(clamp(bytes));
    }

    pub fn broker(&self, id: i64, now: &BrokerNumbers) {
        let id = id.to_string();
        let label = &[id.as_str()];
        self.connected.with_label_values(label).set(now.connected.into());
        self.in_flight.with_label_values(label).set(now.in_flight);
        for (gauge, value) in [(&self.latency, now.latency), (&self.latency_p99, now.latency_p99), (&self.throttle, Some(now.throttle))] {
            if let Some(value) = value {
                gauge.with_label_values(label).set(value);
            }
        }
        self.requests.with_label_values(label).inc_by(now.new_requests);
        self.errors.with_label_values(label).inc_by(now.new_errors);
        self.retries.with_label_values(label).inc_by(now.new_retries);
    }

    /// Forgets what is measured of a broker. What was counted stays, because the next client may meet it again.
    pub fn gone(&self, id: i64) {
        let id = id.to_string();
        let label = &[id.as_str()];
        // Fails only for a broker that has no such number.
        let _ = (self.connected.remove_label_values(label), self.in_flight.remove_label_values(label));
        for gauge in [&self.latency, &self.latency_p99, &self.throttle] {
            let _ = gauge.remove_label_values(label);
        }
    }
}
