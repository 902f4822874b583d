//! What is known of the cluster's reachability: errors of brokers told once and then counted, whether anything can be reached
//! at all, and what to do about it. Never here: messages, or a decision to stop.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka_sys::rd_kafka_resp_err_t as E;
use tokio::sync::watch;

use crate::error::Error;
use crate::metrics::{ErrorKind, Metrics};

use super::ffi::Code;

/// A repeated error is told again after so long, with its count.
const REPEAT: Duration = Duration::from_secs(60);

/// Distinct errors remembered; beyond it all are forgotten, so that a broker that words each error anew costs no memory.
const REMEMBERED_MAX: usize = 256;

/// How librdkafka's error begins when there is no token for SASL/OAUTHBEARER.
const NO_TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token: ";

/// Why a cluster cannot be used, as far as its errors tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The login was refused.
    Login,
    /// There is no token to log in with: the provider cannot be reached, or refuses.
    Token,
    /// TLS could not be agreed on: certificates.
    Tls,
    /// The connection ended while TLS was being agreed on: a port that does not speak it, or a broker that is being stopped.
    Handshake,
    /// A name does not resolve.
    Name,
    /// No connection: refused, no route, time-out, closed.
    Connection,
}

impl Obstacle {
    fn of(code: Code, reason: &str, tls: bool) -> Option<Obstacle> {
        let is = |of: E| code == Code::of(of);
        if is(E::RD_KAFKA_RESP_ERR__AUTHENTICATION) && reason.starts_with(NO_TOKEN) {
            Some(Obstacle::Token)
        } else if is(E::RD_KAFKA_RESP_ERR__AUTHENTICATION) || is(E::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED) {
            Some(Obstacle::Login)
        } else if is(E::RD_KAFKA_RESP_ERR__RESOLVE) {
            Some(Obstacle::Name)
        } else if is(E::RD_KAFKA_RESP_ERR__SSL) || (is(E::RD_KAFKA_RESP_ERR__TRANSPORT) && tls && reason.contains("SSL")) {
            Some(if reason.contains("isconnect") { Obstacle::Handshake } else { Obstacle::Tls })
        } else if is(E::RD_KAFKA_RESP_ERR__TRANSPORT) || is(E::RD_KAFKA_RESP_ERR__TIMED_OUT) {
            Some(Obstacle::Connection)
        } else {
            None
        }
    }

    /// Whether waiting can help. A refused login or certificate stays refused.
    pub fn is_lasting(self) -> bool {
        matches!(self, Obstacle::Login | Obstacle::Tls)
    }

    fn hint(self, tls: bool) -> &'static str {
        match self {
            Obstacle::Login => {
                "check kafka.sasl.mechanism, user and password (kafka.sasl.jaas.config; with OAUTHBEARER kafka.sasl.oauthbearer.*), and that \
                 the broker's listener uses SASL"
            }
            Obstacle::Token => {
                "check kafka.sasl.oauthbearer.token.endpoint.url, client id and secret, and for https the provider's authority \
                 (ssl.truststore.location in kafka.sasl.jaas.config, or kafka.https.ca.location)"
            }
            Obstacle::Tls => {
                "check kafka.ssl.truststore.location, whether the broker's certificate has expired or is for another host name, and if brokers \
                 ask for a certificate kafka.ssl.keystore.location"
            }
            Obstacle::Handshake => "check that this port speaks TLS (kafka.security.protocol), and that the broker is well",
            Obstacle::Name => {
                "check the host names in kafka.bootstrap.servers, and those that the brokers advertise (advertised.listeners)"
            }
            Obstacle::Connection if tls => {
                "check that a broker runs there, that the port is right, and that it speaks TLS (kafka.security.protocol)"
            }
            Obstacle::Connection => {
                "check that a broker runs there and that the port is right; if the port wants TLS or a login, set kafka.security.protocol"
            }
        }
    }

    fn sentence(self, reason: &str) -> String {
        match self {
            Obstacle::Login => format!("Kafka refuses the login: {reason}"),
            Obstacle::Token => format!("no token for the login to Kafka: {}", reason.strip_prefix(NO_TOKEN).unwrap_or(reason)),
            Obstacle::Tls | Obstacle::Handshake => format!("no TLS connection to Kafka: {reason}"),
            Obstacle::Name | Obstacle::Connection => format!("no Kafka broker can be reached: {reason}"),
        }
    }
}

/// Errors of one client's brokers.
pub struct Cluster {
    brokers: String,
    tls: bool,
    /// Where tokens for the login come from. Until the first one has come no broker is asked, and the library tries for most of a
    /// minute before it says a word.
    provider: Option<String>,
    /// Set while there is trouble, so that a success costs one load in the usual case.
    troubled: AtomicBool,
    state: Mutex<State>,
    trouble: watch::Sender<Option<Arc<str>>>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    seen: HashMap<(Code, String), Seen>,
    /// The newest error that says why.
    last: Option<(Obstacle, String)>,
    /// The trouble was told before any error had said why.
    unexplained: bool,
    reached_once: bool,
}

struct Seen {
    told: Instant,
    since_told: u64,
}

impl Cluster {
    pub fn new(brokers: String, tls: bool, metrics: Arc<Metrics>) -> Self {
        let (trouble, _) = watch::channel(None);
        Cluster { brokers, tls, provider: None, troubled: AtomicBool::new(false), state: Mutex::default(), trouble, metrics }
    }

    pub fn with_provider(self, provider: Option<&str>) -> Self {
        Cluster { provider: provider.map(str::to_owned), ..self }
    }

    /// A sentence while no broker can be reached, for health; `None` while all is well.
    pub fn trouble(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.trouble.subscribe()
    }

    /// An error that the client library reports. `now` is only for not telling the same thing too often.
    pub fn error(&self, code: Code, reason: &str, now: Instant) {
        self.metrics.error(ErrorKind::Broker);
        let mut state = self.lock();
        if code == Code::of(E::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            state.unexplained = state.last.is_none();
            match &state.last {
                Some((obstacle, reason)) => self.set_trouble(&obstacle.sentence(reason)),
                None => self.set_trouble("no Kafka broker can be reached"),
            }
            return;
        }
        let plain = plain(reason);
        if let Some(obstacle) = Obstacle::of(code, reason, self.tls) {
            state.last = Some((obstacle, plain.to_owned()));
            let silent = self.trouble.borrow().is_none();
            if (obstacle.is_lasting() && silent) || std::mem::take(&mut state.unexplained) {
                self.set_trouble(&obstacle.sentence(plain));
            }
        }
        if let Some(count) = state.count(code, plain, now) {
            let repeated = if count > 1 { format!(" ({count} times)") } else { String::new() };
            tracing::warn!(code = %code.text(), "kafka: {plain}{repeated}");
        }
    }

    /// A broker has answered, so it can be reached.
    pub fn reached(&self) {
        if !self.troubled.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut state = self.lock();
        state.seen.clear();
        state.last = None;
        state.unexplained = false;
        let first = !std::mem::replace(&mut state.reached_once, true);
        drop(state);
        self.trouble.send_replace(None);
        if !first {
            self.metrics.reconnected("kafka");
        }
        tracing::info!("kafka: the brokers can be reached again");
    }

    /// The first answer of the cluster: from here on a loss is a loss.
    pub fn connected(&self) {
        let mut state = self.lock();
        state.reached_once = true;
        state.last = None;
        state.unexplained = false;
        drop(state);
        if self.troubled.swap(false, Ordering::Relaxed) {
            self.trouble.send_replace(None);
        }
    }

    /// What stands in the way, if an error has told.
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.lock().last.as_ref().map(|(obstacle, _)| *obstacle)
    }

    /// The error for a start that has waited in vain: transient where waiting longer can help (a broker that restarts), so
    /// that only the first start of a process ends with it.
    pub fn unreachable(&self, waited: Duration) -> Error {
        let waited = format!("kafka.bootstrap.servers={}, waited {} ms", self.brokers, waited.as_millis());
        match &self.lock().last {
            Some((obstacle, reason)) if obstacle.is_lasting() => Error::definite(obstacle.sentence(reason))
                .hint(obstacle.hint(self.tls))
                .detail(format!("kafka.bootstrap.servers={}", self.brokers)),
            Some((obstacle, reason)) => Error::transient(obstacle.sentence(reason)).hint(obstacle.hint(self.tls)).detail(waited),
            None if self.provider.is_some() => {
                let what = format!("no token for the login to Kafka has come from {}", self.provider.as_deref().unwrap_or_default());
                Error::transient(what).detail(waited).hint(Obstacle::Token.hint(self.tls))
            }
            None => Error::transient("no Kafka broker has answered").detail(waited).hint(Obstacle::Connection.hint(self.tls)),
        }
    }

    fn set_trouble(&self, sentence: &str) {
        self.troubled.store(true, Ordering::Relaxed);
        let new = self.trouble.send_replace(Some(sentence.into())).is_none();
        if new {
            tracing::error!("{sentence}; trying on");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    /// Counts an error. Answers how often it came since it was last told, if it is to be told now.
    fn count(&mut self, code: Code, plain: &str, now: Instant) -> Option<u64> {
        if self.seen.len() >= REMEMBERED_MAX {
            self.seen.clear();
        }
        match self.seen.entry((code, plain.to_owned())) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(Seen { told: now, since_told: 0 });
                Some(1)
            }
            std::collections::hash_map::Entry::Occupied(mut place) => {
                let seen = place.get_mut();
                seen.since_told += 1;
                if now.saturating_duration_since(seen.told) < REPEAT {
                    return None;
                }
                seen.told = now;
                Some(std::mem::take(&mut seen.since_told))
            }
        }
    }
}

/// The reason without what differs each time: "(after 3ms in state CONNECT, 5 identical error(s) suppressed)".
fn plain(reason: &str) -> &str {
    reason.split(" (after ").next().unwrap_or(reason).trim_end_matches([':', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        Cluster::new("a:1,b:2".into(), false, Arc::default())
    }

    #[test]
    fn an_error_is_told_once_and_then_counted() {
        let mut state = State::default();
        let start = Instant::now();
        let code = Code::of(E::RD_KAFKA_RESP_ERR__TRANSPORT);
        assert_eq!(state.count(code, "a: refused", start), Some(1));
        assert_eq!(state.count(code, "a: refused", start + Duration::from_secs(1)), None);
        assert_eq!(state.count(code, "b: refused", start), Some(1));
        assert_eq!(state.count(code, "a: refused", start + REPEAT), Some(2));
        assert_eq!(state.count(code, "a: refused", start + REPEAT), None);
        for i in 0..1000 {
            state.count(code, &i.to_string(), start);
        }
        assert!(state.seen.len() <= REMEMBERED_MAX);
    }

    #[test]
    fn one_broker_down_is_no_trouble_all_down_is_and_an_answer_ends_it() {
        let cluster = cluster();
        let trouble = cluster.trouble();
        cluster.connected();
        let now = Instant::now();
        cluster.error(
            Code::of(E::RD_KAFKA_RESP_ERR__TRANSPORT),
            "a:1/1: Connect to ipv4#1.2.3.4:1 failed: Connection refused (after 1ms in state CONNECT)",
            now,
        );
        assert!(trouble.borrow().is_none());
        cluster.error(Code::of(E::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN), "2/2 brokers are down", now);
        assert_eq!(
            trouble.borrow().as_deref(),
            Some("no Kafka broker can be reached: a:1/1: Connect to ipv4#1.2.3.4:1 failed: Connection refused")
        );
        cluster.reached();
        assert!(trouble.borrow().is_none());
        // The other way round: the reason comes after the fact.
        cluster.error(Code::of(E::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN), "2/2 brokers are down", now);
        assert_eq!(trouble.borrow().as_deref(), Some("no Kafka broker can be reached"));
        cluster.error(Code::of(E::RD_KAFKA_RESP_ERR__RESOLVE), "a:1/1: Failed to resolve 'a:1' (after 9ms in state TRY_CONNECT)", now);
        assert_eq!(trouble.borrow().as_deref(), Some("no Kafka broker can be reached: a:1/1: Failed to resolve 'a:1'"));
    }

    #[test]
    fn a_token_that_does_not_come() {
        let cluster = cluster().with_provider(Some("https://idp/token"));
        let text = cluster.unreachable(Duration::from_secs(60)).to_string();
        assert!(text.starts_with("no token for the login to Kafka has come from https://idp/token"), "{text}");
        let reason = "Failed to acquire SASL OAUTHBEARER token: who are you";
        cluster.error(Code::of(E::RD_KAFKA_RESP_ERR__AUTHENTICATION), reason, Instant::now());
        let error = cluster.unreachable(Duration::from_secs(60));
        assert!(error.is_transient() && error.to_string().starts_with("no token for the login to Kafka: who are you"), "{error}");
    }

    #[test]
    fn what_to_do_depends_on_what_is_wrong() {
        let rows = [
            (E::RD_KAFKA_RESP_ERR__TRANSPORT, "a:1: Connection refused", "check that a broker runs there", true),
            (E::RD_KAFKA_RESP_ERR__RESOLVE, "a:1: Failed to resolve", "check the host names", true),
            (E::RD_KAFKA_RESP_ERR__SSL, "a:1: SSL handshake failed", "ssl.truststore", false),
            (E::RD_KAFKA_RESP_ERR__AUTHENTICATION, "a:1: SASL authentication error", "check kafka.sasl.mechanism", false),
            (E::RD_KAFKA_RESP_ERR__SSL, "a:1: Disconnected: connecting to a PLAINTEXT broker listener?", "that this port speaks TLS", true),
            // A client without TLS is told this of any broker that goes away.
            (E::RD_KAFKA_RESP_ERR__TRANSPORT, "a:1: Disconnected (connecting to a SSL listener?)", "set kafka.security.protocol", true),
        ];
        for (code, reason, words, passes) in rows {
            let cluster = cluster();
            cluster.error(Code::of(code), reason, Instant::now());
            let error = cluster.unreachable(Duration::from_secs(60));
            let text = error.to_string();
            assert_eq!(error.is_transient(), passes, "{text}");
            assert!(text.contains(words) && text.contains(reason) && text.contains("kafka.bootstrap.servers=a:1,b:2"), "{text}");
        }
    }
}
