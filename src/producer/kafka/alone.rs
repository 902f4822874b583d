//! Messages that go one at a time: what may be too large for its topic, what was in a refused batch, and dead letters. A client
//! of its own, made when the first such message comes, because a refusal must not end the other one: there it is fatal by
//! `enable.gapless.guarantee`, here nothing stands behind the message. Never here: when a message has to go alone.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::util::IntoOpaque;
use rdkafka_sys::rd_kafka_resp_err_t as E;
use tokio::sync::oneshot;

use crate::error::{Error, Result};

use super::client::{log, plain};
use super::ffi::{Code, TransactionError, TransactionStep};
use super::oauth::unsigned_token;
use super::settings::Settings;

/// A full queue can only hold a message that was given up by its sender; it is looked at again after so long.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The client is let go when it was not used for so long.
const KEEP: Duration = Duration::from_secs(10);

/// librdkafka's own largest value. Original bytes in a dead letter may be larger than what rows may have.
pub const MESSAGE_BYTES_MAX: u64 = 1_000_000_000;

/// Where this client differs from the main one.
const SETTINGS: &[(&str, &str)] = &[
    ("batch.num.messages", "1"),
    ("enable.gapless.guarantee", "false"),
    ("linger.ms", "0"),
    ("max.in.flight.requests.per.connection", "1"),
    // Java's: a dead letter's partition comes from its key. All other messages name theirs.
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.kbytes", "1048576"),
    ("queue.buffering.max.messages", "10"),
    ("statistics.interval.ms", "0"),
];

/// One message.
pub struct Letter<'a> {
    pub topic: &'a str,
    /// `None`: chosen by the key, as Java does.
    pub partition: Option<i32>,
    /// Empty: none.
    pub key: &'a [u8],
    /// Empty: a null value.
    pub value: &'a [u8],
    pub headers: &'a [(&'a str, String)],
}

impl Letter<'_> {
    /// For the library.
    pub fn record<D: IntoOpaque>(&self, opaque: D) -> BaseRecord<'_, [u8], [u8], D> {
        let mut record = BaseRecord::<[u8], [u8], D>::with_opaque_to(self.topic, opaque);
        record.partition = self.partition;
        record.key = Some(self.key).filter(|key| !key.is_empty());
        record.payload = Some(self.value).filter(|value| !value.is_empty());
        if !self.headers.is_empty() {
            let headers = self.headers.iter().fold(OwnedHeaders::new_with_capacity(self.headers.len()), |all, (key, value)| {
                all.insert(Header { key, value: Some(value) })
            });
            record.headers = Some(headers);
        }
        record
    }
}

/// Why a message was not taken.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: Code,
    pub reason: String,
}

pub struct Alone {
    producer: ThreadedProducer<Context>,
}

impl Alone {
    /// Makes the client, with these settings beside its own. Touches no network yet.
    pub fn start(settings: &Settings, more: &[(&str, &str)]) -> Result<Self> {
        let mut config = settings.client_config();
        config.set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in SETTINGS.iter().chain(more) {
            config.set(*name, *value);
        }
        config.set("message.max.bytes", MESSAGE_BYTES_MAX.to_string());
        let producer = config.create_with_context(Context).map_err(|e| {
            Error::definite("the Kafka client for single messages does not accept its configuration")
                .detail(plain(&e))
                .hint("see the kafka.* keys")
        })?;
        Ok(Alone { producer })
    }

    /// One step of a transaction, if it has a transactional id. Blocks, at most so long.
    pub fn step(&self, step: TransactionStep, wait: Duration) -> Result<(), TransactionError> {
        let done = match step {
            TransactionStep::Init => self.producer.init_transactions(wait),
            TransactionStep::Begin => self.producer.begin_transaction(),
            TransactionStep::Commit => self.producer.commit_transaction(wait),
            TransactionStep::Abort => self.producer.abort_transaction(wait),
        };
        done.map_err(|e| TransactionError::of(&e))
    }

    /// Sends one message and waits for its answer, however long that takes.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), Refusal> {
        loop {
            let (answer, answered) = oneshot::channel();
            let record = letter.record::<Answer>(Box::new(answer));
            match self.producer.send(record) {
                Ok(()) => {
                    let lost = Refusal { code: Code::of(E::RD_KAFKA_RESP_ERR__DESTROY), reason: "the client was closed".into() };
                    return answered.await.unwrap_or(Err(lost));
                }
                Err((error, _)) => {
                    let refusal = refusal(&error);
                    if refusal.code != Code::of(E::RD_KAFKA_RESP_ERR__QUEUE_FULL) {
                        return Err(refusal);
                    }
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// The client, and when it was last asked for.
type Held = Option<(Arc<Alone>, Instant)>;

/// The client while it is needed: made at the first message, let go when none came for a while, because it has a thread that
/// never sleeps long.
#[derive(Clone, Default)]
pub struct Kept {
    held: Arc<Mutex<Held>>,
}

impl Kept {
    pub fn client(&self, settings: &Settings) -> Result<Arc<Alone>> {
        let mut held = self.lock();
        if let Some((alone, used)) = &mut *held {
            *used = Instant::now();
            return Ok(alone.clone());
        }
        let alone = Arc::new(Alone::start(settings, &[])?);
        *held = Some((alone.clone(), Instant::now()));
        tokio::spawn(self.clone().let_go());
        Ok(alone)
    }

    /// Ends the client, if there is one. Waits for nothing.
    pub fn end(&self) {
        if let Some((alone, _)) = self.lock().take() {
            // The client's end waits for its thread.
            tokio::task::spawn_blocking(move || drop(alone));
        }
    }

    async fn let_go(self) {
        loop {
            tokio::time::sleep(KEEP).await;
            match &*self.lock() {
                None => return,
                // Whoever waits for an answer holds it too.
                Some((alone, used)) if Arc::strong_count(alone) > 1 || used.elapsed() < KEEP => continue,
                Some(_) => {}
            }
            self.end();
            return;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // A panic while the lock is held leaves a complete value behind.
        self.held.lock().unwrap_or_else(|e| e.into_inner())
    }
}

pub fn refusal(error: &KafkaError) -> Refusal {
    match error {
        KafkaError::MessageProduction(code) => {
            let code = Code(*code as i32);
            Refusal { code, reason: code.text() }
        }
        other => Refusal { code: Code::of(E::RD_KAFKA_RESP_ERR__FAIL), reason: other.to_string() },
    }
}

type Answer = Box<oneshot::Sender<Result<(), Refusal>>>;

/// What the `rdkafka` crate calls back.
pub struct Context;

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> std::result::Result<OAuthToken, Box<dyn std::error::Error>> {
        Ok(unsigned_token(config)?)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level as i32, facility, text);
    }

    /// The main client has the same brokers and tells of them.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "kafka: {reason}");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Answer;

    fn delivery(&self, result: &DeliveryResult<'_>, answer: Answer) {
        // Nobody waits any more if the sender was stopped; the message is then sent again at the next start.
        let _ = answer.send(result.as_ref().map(drop).map_err(|(error, _)| refusal(error)));
    }
}
