//! From the user's `kafka.*` keys (Java's names or librdkafka's) to librdkafka's configuration, with our defaults. All faults
//! are reported at once. Never here: the network, or values of secrets in any text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::encode::KeyFormat;

use super::alone::MESSAGE_BYTES_MAX;
use super::java::{self, Rule};
use super::learned::Learned;
use super::security;

/// What the configuration hands over.
#[derive(Clone, Default)]
pub struct KafkaOptions {
    /// Every `kafka.*` key without its `kafka.`, with its value.
    pub properties: Vec<(String, String)>,
    /// Bytes that messages may take inside the client library, from the memory budget. Half of it is for keys' and values'
    /// bytes, the other half for what each message costs on top (250 bytes, measured).
    pub queue_bytes_max: u64,
    /// Leave out messages that Kafka refuses instead of stopping (Maxwell's `ignore_producer_error`).
    pub ignore_producer_error: bool,
    /// Send a record about each refused message instead.
    pub dead_letters: Option<DeadLetters>,
    /// Make topics that do not exist; `None` leaves that to the broker.
    pub creation: Option<TopicCreation>,
}

/// What becomes of messages that Kafka refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    /// `dead_letter_topic`, with `%{database}` and `%{table}`.
    pub topic: String,
    /// The original bytes instead of Maxwell's fallback record.
    pub full: bool,
    /// The form of keys, for those that are random.
    pub keys: KeyFormat,
}

/// How topics are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicCreation {
    /// `None`: the broker's default, for both.
    pub partitions: Option<i32>,
    pub replication: Option<i32>,
    /// The topic's own settings.
    pub configs: Vec<(String, String)>,
}

impl fmt::Debug for KafkaOptions {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaOptions").field("properties", &names).finish_non_exhaustive()
    }
}

/// One thing that is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key without `kafka.`.
    pub key: String,
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka.{}: {}", self.key, self.text)
    }
}

/// A checked configuration.
#[derive(Clone)]
pub struct Settings {
    client: BTreeMap<String, String>,
    /// For messages to the user.
    pub brokers: String,
    /// Java's `max.request.size`: bytes of one message by Java's formula.
    pub request_bytes_max: usize,
    /// How long to wait for the first broker and for an unknown topic.
    pub block: Duration,
    /// How often partition counts are asked for.
    pub metadata_refresh: Duration,
    pub ignore_producer_error: bool,
    pub dead_letters: Option<DeadLetters>,
    pub creation: Option<TopicCreation>,
    /// What clients with these settings have found out; each new one begins with it.
    pub learned: Arc<Learned>,
    /// Set for delivery exactly once.
    pub transactional: Option<Transactional>,
    /// Sentences for the log at the start.
    pub warnings: Vec<String>,
}

/// Settings of a client that sends in transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transactional {
    /// `transactional.id`: of two clients with the same one the later locks the earlier out.
    pub id: String,
    /// `transaction.timeout.ms`: the coordinator ends a transaction that is open for so long.
    pub timeout: Duration,
}

/// Java's default of `max.request.size`.
const REQUEST_BYTES_MAX: u64 = 1_048_576;
/// librdkafka's default of `batch.size`.
const BATCH_BYTES: usize = 1_000_000;
const BLOCK_MS: u64 = 60_000;
const METADATA_AGE_MS: u64 = 300_000;
/// Our default of `request.timeout.ms` and `socket.timeout.ms`.
const REQUEST_MS: u64 = 30_000;
/// Java's default of `transaction.timeout.ms`.
const TRANSACTION_MS: u64 = 60_000;
/// A request must end so long before its transaction does.
const REQUEST_MARGIN_MS: u64 = 100;
/// What a message costs inside librdkafka beside its bytes.
const MESSAGE_COST_BYTES: u64 = 250;
/// librdkafka's limit with idempotence.
const IDEMPOTENT_IN_FLIGHT_MAX: u64 = 5;

/// Our defaults where the user says nothing. Beside them `acks=all` and idempotence (see `order`).
/// A message is sent at once (`linger.ms=0`): under load batches form by themselves while requests are in flight, and Nagle's
/// algorithm would hold small requests back. Delivery never gives up by itself, because a later message could then overtake.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "binlogd"),
    ("compression.type", "lz4"),
    ("linger.ms", "0"),
    ("log.connection.close", "false"),
    ("message.timeout.ms", "0"),
    ("reconnect.backoff.max.ms", "1000"),
    ("reconnect.backoff.ms", "50"),
    ("request.timeout.ms", "30000"),
    ("socket.keepalive.enable", "true"),
    ("socket.nagle.disable", "true"),
    ("socket.timeout.ms", "30000"),
    // What the library measures becomes metrics. Its text grows with the partitions in use.
    ("statistics.interval.ms", "5000"),
];

impl Settings {
    /// For delivery at least once.
    pub fn build(options: &KafkaOptions) -> Result<Settings, Vec<Fault>> {
        Self::build_for(options, None)
    }

    /// With a transactional id, which the user may replace, for delivery exactly once.
    pub fn build_for(options: &KafkaOptions, transactional_id: Option<&str>) -> Result<Settings, Vec<Fault>> {
        let mut builder = Builder::default();
        builder.take(options);
        builder.order();
        builder.sizes(options.queue_bytes_max);
        builder.compression_level();
        let block = builder.number("max.block.ms").unwrap_or(BLOCK_MS);
        let age = builder.number("metadata.max.age.ms").unwrap_or(METADATA_AGE_MS);
        builder.set("metadata.max.age.ms", "topic.metadata.refresh.interval.ms", age);
        builder.timeouts();
        let transactional = builder.transactions(transactional_id);
        security::apply(&mut builder);
        if transactional.is_some() && options.dead_letters.as_ref().is_some_and(|letters| letters.full) {
            // Ours is the check of messages; whole messages as dead letters may be larger.
            builder
                .client
                .insert("message.max.bytes".into(), Value { text: MESSAGE_BYTES_MAX.to_string(), from: "max.request.size".into() });
        }
        // In a transaction it is the transaction's.
        let of_no_use = |name: &str| transactional.is_some() && name == "message.timeout.ms";
        for (name, value) in DEFAULTS.iter().filter(|(name, _)| !of_no_use(name)) {
            builder.client.entry((*name).to_owned()).or_insert_with(|| Value { text: (*value).to_owned(), from: (*name).to_owned() });
        }
        builder.check();
        if !builder.faults.is_empty() {
            return Err(builder.faults);
        }
        Ok(Settings {
            brokers: builder.client.get("bootstrap.servers").map(|v| v.text.clone()).unwrap_or_default(),
            request_bytes_max: usize::try_from(builder.request_bytes_max).unwrap_or(usize::MAX),
            block: Duration::from_millis(block),
            metadata_refresh: Duration::from_millis(age.max(1000)),
            ignore_producer_error: options.ignore_producer_error,
            dead_letters: options.dead_letters.clone(),
            creation: options.creation.clone(),
            learned: Arc::default(),
            transactional,
            warnings: builder.warnings,
            client: builder.client.into_iter().map(|(name, value)| (name, value.text)).collect(),
        })
    }

    /// The value that librdkafka gets, for tests and the log; never call it for a secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.client.get(name).map(String::as_str)
    }

    /// What librdkafka gets: the settings, and batches no larger than the smallest topic takes.
    pub fn client_config(&self) -> ClientConfig {
        let mut config: ClientConfig = self.client.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        config.set("batch.size", self.batch_bytes().to_string());
        config
    }

    /// `batch.size` of a client that is made now.
    pub fn batch_bytes(&self) -> usize {
        let wanted = self.get("batch.size").and_then(|bytes| bytes.parse().ok()).unwrap_or(BATCH_BYTES);
        wanted.min(self.learned.batch_bytes().unwrap_or(usize::MAX)).max(1)
    }

    /// For a client that reads: what says where the brokers are and who we are.
    pub fn reader_config(&self) -> ClientConfig {
        let about_connections = |name: &str| {
            const EXACT: &[&str] = &["bootstrap.servers", "client.id", "client.dns.lookup"];
            const PREFIXES: &[&str] =
                &["broker.", "connections.", "enable.sasl.", "https.", "log.", "reconnect.", "sasl.", "security.", "socket.", "ssl."];
            EXACT.contains(&name) || PREFIXES.iter().any(|p| name.starts_with(p))
        };
        self.client.iter().filter(|(name, _)| about_connections(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Whether several requests for one partition may be on their way, and nothing else keeps their order when a client begins
    /// (`proof`). That holds inside a transaction too: what the library takes for delivered is committed.
    pub fn requests_could_overtake(&self) -> bool {
        let is = |name: &str, value: &str| self.get(name) == Some(value);
        is("enable.idempotence", "true") && !is("max.in.flight.requests.per.connection", "1")
    }

    /// Whether the client talks TLS, for hints.
    pub fn uses_tls(&self) -> bool {
        self.get("security.protocol").is_some_and(|p| p.ends_with("ssl"))
    }
}

impl fmt::Debug for Settings {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("brokers", &self.brokers).field("set", &self.client.keys()).finish_non_exhaustive()
    }
}

struct Value {
    text: String,
    /// The key under which the user gave it, for faults.
    from: String,
}

/// What has been gathered so far.
#[derive(Default)]
pub(super) struct Builder {
    /// The user's values of properties that need code, by Java's name.
    given: BTreeMap<String, Value>,
    /// librdkafka's configuration.
    client: BTreeMap<String, Value>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
    request_bytes_max: u64,
}

impl Builder {
    /// Sorts the user's keys by what becomes of them.
    fn take(&mut self, options: &KafkaOptions) {
        for (key, value) in &options.properties {
            let value = value.trim();
            let name = java::OTHER_NAMES.iter().find(|(native, _)| native == key).map_or(key.as_str(), |(_, java)| java);
            match java::rule(name) {
                Some(Rule::Same) => self.set(key, name, value),
                Some(Rule::Named(native)) => self.set(key, native, value),
                Some(Rule::Buffer(native)) => self.set(key, native, if value == "-1" { "0" } else { value }),
                Some(Rule::Only(values, why)) => {
                    let plain = value.replace(' ', "");
                    if !values.iter().any(|v| v.eq_ignore_ascii_case(&plain)) {
                        self.fault(key, format!("{value} cannot be had: {why}; use {}", values.join(" or ")));
                    }
                }
                Some(Rule::Refused(instead)) => self.fault(key, format!("has no equivalent here: {instead}")),
                Some(Rule::Ours(_)) => {
                    let value = Value { text: value.to_owned(), from: key.clone() };
                    if let Some(other) = self.given.insert(name.to_owned(), value) {
                        self.fault(key, format!("is the same as kafka.{}; give one of them", other.from));
                    }
                }
                None => self.native(key, value),
            }
        }
        if !self.client.contains_key("bootstrap.servers") {
            self.fault("bootstrap.servers", "Please specify kafka.bootstrap.servers");
        }
    }

    /// A name that Java does not know.
    fn native(&mut self, key: &str, value: &str) {
        if let Some((_, instead)) = java::REFUSED_NATIVE.iter().find(|(name, _)| *name == key) {
            self.fault(key, format!("cannot be set: {instead}"));
        } else if java::CONSUMER_ONLY.contains(&key) {
            self.fault(key, "is a setting of consumers; remove it");
        } else {
            self.set(key, key, value);
        }
    }

    /// Sets librdkafka's `name`, which the user wrote as `key`.
    pub(super) fn set(&mut self, key: &str, name: &str, value: impl fmt::Display) {
        let value = Value { text: value.to_string(), from: key.to_owned() };
        if let Some(other) = self.client.insert(name.to_owned(), value)
            && other.from != key
        {
            self.fault(key, format!("is the same as kafka.{}; give one of them", other.from));
        }
    }

    pub(super) fn fault(&mut self, key: &str, text: impl Into<String>) {
        self.faults.push(Fault { key: key.to_owned(), text: text.into() });
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Whether librdkafka gets this.
    pub(super) fn has(&self, name: &str) -> bool {
        self.client.contains_key(name)
    }

    /// The user's value of a property of ours.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.given.get(name).map(|v| v.text.clone())
    }

    fn number(&mut self, name: &str) -> Option<u64> {
        let value = self.given.get(name)?;
        match value.text.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                let (key, text) = (value.from.clone(), value.text.clone());
                self.fault(&key, format!("{text} is not a whole number of 0 or more"));
                None
            }
        }
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.given.get(name)?;
        match value.text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                let key = value.from.clone();
                self.fault(&key, "must be true or false");
                None
            }
        }
    }

    /// acks, idempotence, retries and requests in flight: together they decide whether the order survives a retry.
    fn order(&mut self) {
        let acks = match self.text("acks").as_deref() {
            None | Some("all" | "-1") => "all".to_owned(),
            Some(other) => {
                if !matches!(other, "0" | "1") {
                    self.fault("acks", "must be all, -1, 0 or 1");
                }
                other.to_owned()
            }
        };
        let wanted = self.flag("enable.idempotence");
        let retries = self.number("retries");
        let in_flight = self.number("max.in.flight.requests.per.connection");
        let weak = if acks != "all" {
            Some(format!("kafka.acks={acks}: a broker that fails may lose messages that it has acknowledged"))
        } else if retries == Some(0) {
            Some("kafka.retries=0: a request that fails is sent again from the last stored position only".to_owned())
        } else {
            None
        };
        let idempotent = match (wanted, &weak) {
            (Some(true), Some(_)) => {
                self.fault("enable.idempotence", "needs kafka.acks=all and kafka.retries above 0");
                false
            }
            (Some(wanted), _) => wanted,
            (None, Some(sentence)) => {
                self.warn(format!(
                    "{sentence}; without idempotence one request at a time is sent, to keep the order; but if Kafka refuses a request, the \
                     next one may arrive before it"
                ));
                false
            }
            (None, None) => true,
        };
        let in_flight = match in_flight {
            Some(n) if idempotent && n > IDEMPOTENT_IN_FLIGHT_MAX => {
                self.warn(format!(
                    "kafka.max.in.flight.requests.per.connection={n} is lowered to {IDEMPOTENT_IN_FLIGHT_MAX}: more would give up the order"
                ));
                IDEMPOTENT_IN_FLIGHT_MAX
            }
            Some(n) if !idempotent && n > 1 && wanted == Some(false) => {
                self.warn(format!(
                    "without idempotence and with {n} requests in flight, a retry or a refused request can change the order of messages"
                ));
                n
            }
            Some(n) if idempotent || wanted == Some(false) => n,
            _ if idempotent => IDEMPOTENT_IN_FLIGHT_MAX,
            _ => 1,
        };
        self.set("acks", "acks", acks);
        self.set("enable.idempotence", "enable.idempotence", idempotent);
        if !self.client.contains_key("enable.gapless.guarantee") {
            self.set("enable.idempotence", "enable.gapless.guarantee", idempotent);
        }
        self.set("max.in.flight.requests.per.connection", "max.in.flight.requests.per.connection", in_flight);
        if let Some(retries) = retries {
            self.set("retries", "retries", retries);
        }
    }

    /// How large a message, a batch and the queue may be.
    fn sizes(&mut self, budget: u64) {
        self.request_bytes_max = self.number("max.request.size").unwrap_or(REQUEST_BYTES_MAX);
        self.set("max.request.size", "message.max.bytes", self.request_bytes_max);
        if let Some(bytes) = self.number("batch.size") {
            self.set("batch.size", "batch.size", bytes.max(1));
        }
        // The largest message must fit, or it would wait for room for ever.
        let least = self.request_bytes_max.div_ceil(1024) + 1;
        let allowed = (budget / 2 / 1024).max(least);
        let wanted = match (self.client.remove("queue.buffering.max.kbytes"), self.number("buffer.memory")) {
            (Some(v), Some(_)) => {
                self.fault(&v.from, "is the same as kafka.buffer.memory; give one of them");
                None
            }
            (Some(v), None) => Some((v.text.parse().unwrap_or(0), v.from)),
            (None, Some(bytes)) => Some((bytes.div_ceil(1024), "buffer.memory".to_owned())),
            (None, None) => None,
        };
        let kbytes = match &wanted {
            Some((0, key)) => {
                self.fault(key, "must be a number above 0");
                allowed
            }
            Some((n, key)) if *n > allowed => {
                self.warn(format!("kafka.{key} is lowered to {allowed} KiB, what memory_limit leaves for it"));
                allowed
            }
            Some((n, key)) if *n < least => {
                self.warn(format!("kafka.{key} is raised to {least} KiB, so that the largest allowed message fits"));
                least
            }
            Some((n, _)) => *n,
            None => allowed,
        };
        self.set("buffer.memory", "queue.buffering.max.kbytes", kbytes);
        if !self.client.contains_key("queue.buffering.max.messages") {
            let messages = (budget / 2 / MESSAGE_COST_BYTES).clamp(1000, 10_000_000);
            self.set("buffer.memory", "queue.buffering.max.messages", messages);
        }
    }

    fn timeouts(&mut self) {
        if let Some(ms) = self.number("request.timeout.ms") {
            self.set("request.timeout.ms", "request.timeout.ms", ms);
            if !self.client.contains_key("socket.timeout.ms") {
                self.set("request.timeout.ms", "socket.timeout.ms", ms);
            }
        }
        if let Some(ms) = self.number("delivery.timeout.ms") {
            self.set("delivery.timeout.ms", "message.timeout.ms", ms);
        }
    }

    /// What a transactional client needs; without an id nothing of it may be set.
    fn transactions(&mut self, id: Option<&str>) -> Option<Transactional> {
        let Some(id) = id else {
            for name in ["transactional.id", "transaction.timeout.ms"] {
                if self.given.contains_key(name) {
                    self.fault(name, "transactions are for delivery=exactly_once; set that, or remove it");
                }
            }
            return None;
        };
        let id = self.text("transactional.id").filter(|id| !id.is_empty()).unwrap_or_else(|| id.to_owned());
        let timeout = self.number("transaction.timeout.ms").unwrap_or(TRANSACTION_MS);
        self.set("transactional.id", "transactional.id", &id);
        self.set("transaction.timeout.ms", "transaction.timeout.ms", timeout);
        // Java's: the partition of a dead letter comes from its key. All other messages name theirs.
        self.set("transactional.id", "partitioner", "murmur2_random");
        if self.client.get("enable.idempotence").is_none_or(|v| v.text != "true") {
            let given = ["enable.idempotence", "acks", "retries"].into_iter().find(|name| self.given.contains_key(*name));
            self.fault(
                given.unwrap_or("enable.idempotence"),
                "delivery=exactly_once needs kafka.acks=all, kafka.enable.idempotence=true and kafka.retries above 0; leave them out",
            );
        }
        // Whatever makes a gap ends the transaction, and all of it is sent again.
        if self.client.get("enable.gapless.guarantee").is_some_and(|v| v.from != "enable.gapless.guarantee") {
            self.client.remove("enable.gapless.guarantee");
        }
        let delivery = self.client.get("message.timeout.ms").and_then(|v| v.text.parse::<u64>().ok());
        if delivery.is_some_and(|ms| ms == 0 || ms > timeout) {
            self.fault("delivery.timeout.ms", format!("must be above 0 and at most kafka.transaction.timeout.ms={timeout}"));
        }
        let request = timeout.saturating_sub(REQUEST_MARGIN_MS).max(1);
        for name in ["request.timeout.ms", "socket.timeout.ms"] {
            match self.client.get(name).map(|v| (v.text.parse::<u64>(), v.from.clone())) {
                Some((Ok(ms), from)) if ms > request => {
                    self.fault(&from, format!("must be at most {request}, kafka.transaction.timeout.ms less {REQUEST_MARGIN_MS}"));
                }
                Some(_) => {}
                None => self.set("transaction.timeout.ms", name, request.min(REQUEST_MS)),
            }
        }
        Some(Transactional { id, timeout: Duration::from_millis(timeout) })
    }

    /// Java has a level per codec, librdkafka one for the codec in use.
    fn compression_level(&mut self) {
        let codec = self.client.get("compression.type").map_or("lz4".to_owned(), |v| v.text.to_ascii_lowercase());
        for of in ["gzip", "lz4", "zstd"] {
            let name = format!("compression.{of}.level");
            let Some(level) = self.text(&name) else { continue };
            if of == codec {
                self.set(&name, "compression.level", level);
            } else {
                self.warn(format!("kafka.{name} has no effect, because kafka.compression.type is {codec}"));
            }
        }
    }

    /// Asks librdkafka about every name and value.
    fn check(&mut self) {
        let mut faults = Vec::new();
        for (name, value) in &self.client {
            let mut one = ClientConfig::new();
            one.set(name.clone(), value.text.clone());
            let error = match one.create_native_config() {
                Ok(taken) => {
                    // The library reads "5s" as 5.
                    let is_number = |text: &str| text.parse::<f64>().is_ok();
                    let begins_so = value.text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
                    if begins_so && !is_secret(name) && !is_number(&value.text) && taken.get(name).is_ok_and(|t| is_number(&t)) {
                        faults.push(Fault { key: value.from.clone(), text: format!("{} is not a number", value.text) });
                    }
                    continue;
                }
                Err(error) => error,
            };
            let text = match error {
                KafkaError::ClientConfig(_, text, ..) if text.starts_with("No such") => {
                    "is a setting of neither the Java producer nor librdkafka; correct the name or remove it".to_owned()
                }
                // The library's words hold the value.
                KafkaError::ClientConfig(_, text, ..) if !is_secret(name) => text,
                _ => "has a value that is not valid".to_owned(),
            };
            faults.push(Fault { key: value.from.clone(), text });
        }
        self.faults.append(&mut faults);
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "pem", "secret", "jaas", "key"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(properties: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let mut all = vec![("bootstrap.servers".to_owned(), "a:9092,b:9092".to_owned())];
        all.extend(properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let options = KafkaOptions { properties: all, queue_bytes_max: 32 << 20, ..KafkaOptions::default() };
        Settings::build(&options).map_err(|faults| faults.iter().map(Fault::to_string).collect())
    }

    #[test]
    fn defaults() {
        let s = build(&[]).unwrap();
        for (name, value) in [
            ("bootstrap.servers", "a:9092,b:9092"),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("enable.gapless.guarantee", "true"),
            ("max.in.flight.requests.per.connection", "5"),
            ("compression.type", "lz4"),
            ("message.max.bytes", "1048576"),
            ("message.timeout.ms", "0"),
            ("queue.buffering.max.kbytes", "16384"),
            ("queue.buffering.max.messages", "67108"),
            ("topic.metadata.refresh.interval.ms", "300000"),
        ] {
            assert_eq!(s.get(name), Some(value), "{name}");
        }
        assert_eq!((s.request_bytes_max, s.block.as_secs(), s.warnings.len()), (1_048_576, 60, 0));
        assert_eq!(s.brokers, "a:9092,b:9092");
    }

    type Pairs = &'static [(&'static str, &'static str)];

    /// Each row: what the user writes, what librdkafka gets, how many warnings.
    #[test]
    fn mapped() {
        let rows: &[(Pairs, Pairs, usize)] = &[
            (&[("acks", "-1")], &[("acks", "all"), ("enable.idempotence", "true")], 0),
            (
                &[("acks", "1")],
                &[
                    ("acks", "1"),
                    ("enable.idempotence", "false"),
                    ("enable.gapless.guarantee", "false"),
                    ("max.in.flight.requests.per.connection", "1"),
                ],
                1,
            ),
            (
                &[("request.required.acks", "0"), ("max.in.flight", "3")],
                &[("acks", "0"), ("max.in.flight.requests.per.connection", "1")],
                1,
            ),
            (&[("retries", "0")], &[("retries", "0"), ("enable.idempotence", "false")], 1),
            (&[("retries", "3")], &[("retries", "3"), ("enable.idempotence", "true")], 0),
            (&[("enable.idempotence", "false")], &[("enable.idempotence", "false"), ("max.in.flight.requests.per.connection", "1")], 0),
            (
                &[("enable.idempotence", "false"), ("max.in.flight.requests.per.connection", "4")],
                &[("max.in.flight.requests.per.connection", "4")],
                1,
            ),
            (&[("max.in.flight.requests.per.connection", "10")], &[("max.in.flight.requests.per.connection", "5")], 1),
            (&[("max.in.flight.requests.per.connection", "2")], &[("max.in.flight.requests.per.connection", "2")], 0),
            (&[("batch.size", "0")], &[("batch.size", "1")], 0),
            (&[("linger.ms", "20"), ("client.id", "x")], &[("linger.ms", "20"), ("client.id", "x")], 0),
            (&[("buffer.memory", "4194304")], &[("queue.buffering.max.kbytes", "4096")], 0),
            (&[("buffer.memory", "999999999")], &[("queue.buffering.max.kbytes", "16384")], 1),
            (&[("buffer.memory", "1000")], &[("queue.buffering.max.kbytes", "1025")], 1),
            (&[("max.request.size", "50000000")], &[("message.max.bytes", "50000000"), ("queue.buffering.max.kbytes", "48830")], 0),
            (&[("request.timeout.ms", "5000")], &[("request.timeout.ms", "5000"), ("socket.timeout.ms", "5000")], 0),
            (&[("delivery.timeout.ms", "120000")], &[("message.timeout.ms", "120000")], 0),
            (&[("message.timeout.ms", "7000")], &[("message.timeout.ms", "7000")], 0),
            (&[("metadata.max.age.ms", "60000")], &[("topic.metadata.refresh.interval.ms", "60000")], 0),
            (
                &[("compression.type", "zstd"), ("compression.zstd.level", "5")],
                &[("compression.type", "zstd"), ("compression.level", "5")],
                0,
            ),
            (&[("compression.codec", "gzip"), ("compression.lz4.level", "9")], &[("compression.type", "gzip")], 1),
            (
                &[("receive.buffer.bytes", "-1"), ("send.buffer.bytes", "65536")],
                &[("socket.receive.buffer.bytes", "0"), ("socket.send.buffer.bytes", "65536")],
                0,
            ),
            (&[("key.serializer", "org.apache.kafka.common.serialization.StringSerializer")], &[], 0),
            (&[("ssl.enabled.protocols", "TLSv1.2, TLSv1.3")], &[], 0),
            (&[("batch.num.messages", "777"), ("debug", "broker")], &[("batch.num.messages", "777"), ("debug", "broker")], 0),
        ];
        for (given, wanted, warnings) in rows {
            let s = build(given).unwrap_or_else(|e| panic!("{given:?}: {e:?}"));
            for (name, value) in *wanted {
                assert_eq!(s.get(name), Some(*value), "{given:?}: {name}");
            }
            assert_eq!(s.warnings.len(), *warnings, "{given:?}: {:?}", s.warnings);
        }
    }

    /// Each row: what the user writes, and words of the warning.
    #[test]
    fn what_the_order_is_worth_without_idempotence_is_told() {
        let rows: &[(Pairs, &str)] = &[
            (&[("acks", "1")], "if Kafka refuses a request, the next one may arrive before it"),
            (&[("retries", "0")], "if Kafka refuses a request, the next one may arrive before it"),
            (
                &[("enable.idempotence", "false"), ("max.in.flight.requests.per.connection", "3")],
                "with 3 requests in flight, a retry or a refused request can change the order",
            ),
        ];
        for (given, words) in rows {
            let warnings = build(given).unwrap_or_else(|e| panic!("{given:?}: {e:?}")).warnings;
            assert!(warnings.iter().any(|w| w.contains(words)), "{given:?}: {warnings:?}");
        }
    }

    /// Each row: what the user writes, and words that the fault must hold.
    #[test]
    fn refused() {
        let rows: &[(Pairs, &str)] = &[
            (&[("acks", "2x")], "kafka.acks: "),
            (&[("linger.ms", "soon")], "kafka.linger.ms: "),
            (&[("reconnect.backoff.ms", "5s")], "kafka.reconnect.backoff.ms: 5s is not a number"),
            (&[("enable.idempotence", "true"), ("acks", "1")], "needs kafka.acks=all"),
            (&[("enable.idempotence", "yes")], "true or false"),
            (&[("retries", "-1")], "not a whole number"),
            (&[("linger.ms", "1"), ("queue.buffering.max.ms", "2")], "is the same as kafka.linger.ms"),
            (&[("max.request.size", "2000"), ("message.max.bytes", "3000")], "is the same as kafka.max.request.size"),
            (&[("interceptor.classes", "a.B")], "kafka.interceptor.classes: has no equivalent here: it names a Java class"),
            (&[("partitioner.class", "a.B")], "producer_partition_by"),
            (&[("transactional.id", "x")], "transactions"),
            (&[("value.serializer", "io.confluent.KafkaAvroSerializer")], "values are UTF-8 text"),
            (&[("delivery.report.only.error", "true")], "cannot be set"),
            (&[("group.id", "x")], "setting of consumers"),
            (&[("lingerms", "x")], "neither the Java producer nor librdkafka"),
            (&[("compression.type", "brotli")], "kafka.compression.type: "),
            (&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "GSSAPI")], "Kerberos"),
        ];
        for (given, words) in rows {
            let faults = build(given).map(drop).expect_err(&format!("{given:?}"));
            assert!(faults.iter().any(|f| f.contains(words)), "{given:?}: {faults:?}");
        }
    }

    /// Each row: what the user writes, what the library gets, or words of the fault.
    #[test]
    fn exactly_once() {
        let build = |properties: &[(&str, &str)]| {
            let mut all = vec![("bootstrap.servers".to_owned(), "a:9092".to_owned())];
            all.extend(properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
            let options = KafkaOptions {
                properties: all,
                queue_bytes_max: 32 << 20,
                ignore_producer_error: false,
                dead_letters: None,
                creation: None,
            };
            Settings::build_for(&options, Some("binlogd-m")).map_err(|faults| faults.iter().map(Fault::to_string).collect::<Vec<_>>())
        };
        let rows: &[(Pairs, Pairs)] = &[
            (&[], &[("transactional.id", "binlogd-m"), ("transaction.timeout.ms", "60000"), ("socket.timeout.ms", "30000")]),
            (&[("transactional.id", "x")], &[("transactional.id", "x"), ("enable.idempotence", "true"), ("acks", "all")]),
            (
                &[("transaction.timeout.ms", "5000")],
                &[("transaction.timeout.ms", "5000"), ("socket.timeout.ms", "4900"), ("request.timeout.ms", "4900")],
            ),
            (&[("delivery.timeout.ms", "60000")], &[("message.timeout.ms", "60000")]),
        ];
        for (given, wanted) in rows {
            let s = build(given).unwrap_or_else(|e| panic!("{given:?}: {e:?}"));
            for (name, value) in *wanted {
                assert_eq!(s.get(name), Some(*value), "{given:?}: {name}");
            }
            assert_eq!(s.get("enable.gapless.guarantee"), None);
            let taken = s.client_config().create::<rdkafka::producer::BaseProducer>();
            assert!(taken.is_ok(), "{given:?}: {:?}", taken.err());
            assert!(s.reader_config().get("transactional.id").is_none());
        }
        let refused: &[(Pairs, &str)] = &[
            (&[("acks", "1")], "kafka.acks: delivery=exactly_once needs"),
            (&[("enable.idempotence", "false")], "kafka.enable.idempotence: delivery=exactly_once needs"),
            (&[("retries", "0")], "kafka.retries: delivery=exactly_once needs"),
            (&[("delivery.timeout.ms", "60001")], "kafka.delivery.timeout.ms: must be above 0 and at most"),
            (&[("transaction.timeout.ms", "5000"), ("request.timeout.ms", "5000")], "kafka.request.timeout.ms: must be at most 4900"),
            (&[("transaction.timeout.ms", "soon")], "kafka.transaction.timeout.ms: soon is not a whole number"),
        ];
        for (given, words) in refused {
            let faults = build(given).map(drop).expect_err(&format!("{given:?}"));
            assert!(faults.iter().any(|f| f.contains(words)), "{given:?}: {faults:?}");
        }
    }

    #[test]
    fn all_faults_at_once_and_no_secret_in_them() {
        let faults =
            build(&[("lingerms", "1"), ("group.id", "g"), ("ssl.key.pem", "hunter2"), ("batch.size", "-5")]).map(drop).unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(!faults.join(" ").contains("hunter2"));
        let none = Settings::build(&KafkaOptions::default()).map(drop).unwrap_err();
        assert_eq!(none[0].text, "Please specify kafka.bootstrap.servers");
    }
}
