//! Questions and orders about topics that only Kafka's administration requests know: limits of topics, making topics. A client of
//! its own, made when it is needed and let go when it is not. Never here: what follows from the answers.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys::rd_kafka_resp_err_t as E;

use super::alone::Context;
use super::client::plain;
use super::ffi::Code;
use super::settings::{Settings, TopicCreation};

/// The client is let go when it was not used for so long.
const KEEP: Duration = Duration::from_secs(10);

/// The question for limits may take so long: it is not worth holding messages back for longer. The mock cluster of the unit tests
/// does not know it and never answers.
const ASK: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(2) };

/// The order to make topics may take so long.
const MAKE: Duration = Duration::from_secs(30);

/// After a request that failed as a whole nothing is asked for so long.
const PAUSE: Duration = Duration::from_secs(60);

/// Topics per request: an answer has some 4 kB for each.
const TOPICS_PER_REQUEST: usize = 500;

/// The topic's setting that bounds a batch.
const LIMIT: &str = "max.message.bytes";

/// What came of the order to make a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// It is there now, whoever made it.
    There,
    Refused(Code),
}

/// Whether an order to make a topic was refused for a reason that passes by itself: it is given again.
pub fn passes(code: Code) -> bool {
    let rows = [
        // The controller moves, or is busy. What timed out may have been made all the same, which the next order tells.
        E::RD_KAFKA_RESP_ERR_NOT_CONTROLLER,
        E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        E::RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
        E::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
        E::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
        E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        E::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        // The client library's own.
        E::RD_KAFKA_RESP_ERR__TIMED_OUT,
        E::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
        E::RD_KAFKA_RESP_ERR__TRANSPORT,
        E::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
    ];
    rows.iter().any(|of| Code::of(*of) == code)
}

#[derive(Clone)]
pub struct Admin {
    config: ClientConfig,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    client: Option<Arc<AdminClient<Context>>>,
    used: Option<Instant>,
    /// No more questions before this.
    pause: Option<Instant>,
    /// The missing right was told.
    told: bool,
}

impl Admin {
    pub fn new(settings: &Settings) -> Self {
        let mut config = settings.client_config();
        for name in ["enable.idempotence", "enable.gapless.guarantee"] {
            config.set(name, "false");
        }
        // Without idempotence the library refuses a client that has them.
        for name in ["transactional.id", "transaction.timeout.ms"] {
            config.remove(name);
        }
        config.set("statistics.interval.ms", "0");
        Admin { config, held: Arc::default() }
    }

    /// `max.message.bytes` of these topics. Best effort: what cannot be learned is left out, and the log says so once.
    pub async fn limits(&self, topics: &[Arc<str>]) -> Vec<(Arc<str>, usize)> {
        let mut limits = Vec::new();
        for some in topics.chunks(TOPICS_PER_REQUEST) {
            if lock(&self.held).pause.is_some_and(|until| Instant::now() < until) {
                break;
            }
            let asked: Vec<ResourceSpecifier<'_>> = some.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
            let answer = match self.client().await {
                Ok(client) => client.describe_configs(&asked, &options(ASK)).await.map_err(|e| plain(&e)),
                Err(why) => Err(why),
            };
            match answer {
                Ok(answers) => {
                    for (name, answer) in some.iter().zip(answers) {
                        match answer {
                            Ok(config) => {
                                let value = config.get(LIMIT).and_then(|entry| entry.value.as_deref()?.parse().ok());
                                limits.extend(value.map(|bytes| (name.clone(), bytes)));
                            }
                            Err(code) => self.unknown(name, &code.to_string()),
                        }
                    }
                }
                Err(why) => {
                    lock(&self.held).pause = Some(Instant::now() + PAUSE);
                    self.unknown(some.first().map_or("", |name| name), &why);
                }
            }
        }
        limits
    }

    /// Only a convenience is missing: a batch that is refused is sent again one by one.
    fn unknown(&self, topic: &str, why: &str) {
        if !std::mem::replace(&mut lock(&self.held).told, true) {
            tracing::info!(
                topic,
                "kafka: {LIMIT} of a topic cannot be learned ({why}); if a batch is refused as too large, its messages are sent again one by one"
            );
        }
    }

    /// Makes topics that are not there yet. `Err`: the request failed as a whole, and may be tried again.
    pub async fn create(&self, topics: &[Arc<str>], how: &TopicCreation) -> Result<Vec<(Arc<str>, Made)>, String> {
        let mut made = Vec::with_capacity(topics.len());
        for some in topics.chunks(TOPICS_PER_REQUEST) {
            let orders: Vec<NewTopic<'_>> = some
                .iter()
                .map(|name| {
                    // -1 is the broker's own default, for both.
                    let topic = NewTopic::new(name, how.partitions.unwrap_or(-1), TopicReplication::Fixed(how.replication.unwrap_or(-1)));
                    how.configs.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
                })
                .collect();
            let answers = self.client().await?.create_topics(&orders, &options(MAKE)).await.map_err(|e| plain(&e))?;
            made.extend(some.iter().cloned().zip(answers.into_iter().map(|answer| match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Made::There,
                Err((_, code)) => Made::Refused(Code(code as i32)),
            })));
        }
        Ok(made)
    }

    async fn client(&self) -> Result<Arc<AdminClient<Context>>, String> {
        let mut held = lock(&self.held);
        held.used = Some(Instant::now());
        if let Some(client) = &held.client {
            return Ok(client.clone());
        }
        // No network yet, so this takes no time worth speaking of.
        let client: AdminClient<Context> = self.config.create_with_context(Context).map_err(|e: KafkaError| plain(&e))?;
        let client = Arc::new(client);
        held.client = Some(client.clone());
        tokio::spawn(let_go(self.held.clone()));
        Ok(client)
    }
}

/// Ends the client when it is not needed any more: it has threads that never sleep long.
async fn let_go(held: Arc<Mutex<Held>>) {
    loop {
        tokio::time::sleep(KEEP).await;
        let mut held = lock(&held);
        if held.used.is_none_or(|used| used.elapsed() >= KEEP) {
            let client = held.client.take();
            // Waits for its threads.
            tokio::task::spawn_blocking(move || drop(client));
            return;
        }
    }
}

fn options(wait: Duration) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(wait)).operation_timeout(Some(wait))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while one of these is held leaves complete values behind, so a poisoned lock is still good.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
