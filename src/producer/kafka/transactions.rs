//! Delivery exactly once: batches in Kafka transactions, each with a position record in it.
//!
//! A transaction gathers what comes until the source falls silent, or until a time, a number of bytes or of messages is
//! reached; then the record is sent and all is committed. Completions answer after the commit, so everything that is stored
//! elsewhere is behind the record. A transaction of the binlog that is too large for one of Kafka's is several: the record
//! then names the last place that a start can begin from, and how many rows behind it are done.
//!
//! Whatever fails ends this client; the daemon makes a new one, which ends what is open and reads the record. What was in a
//! transaction that failed is seen by no reader of committed messages, and is sent again.
//!
//! Never here: which place to start from (`daemon::exactly_once`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use crate::encode::batch::{Batch, Message, MessageKind, RawRows, Span, TopicId, Topics};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::position::{BinlogPosition, Position};

use super::super::{Completion, Producer};
use super::KafkaProducer;
use super::book::Book;
use super::ffi::{Native, TransactionError, TransactionStep};
use super::learned::Learned;
use super::record::{PositionRecord, RecordFacts};
use super::settings::Settings;

/// Nothing came for so long: the source is silent, and what is there is committed.
const QUIET: Duration = Duration::from_millis(5);
/// A transaction that would hold nothing but a position record waits so long.
const ENDS_EVERY: Duration = Duration::from_secs(1);
/// Messages and ends in one transaction, at most: whoever opens tickets remembers them until the commit.
const WEIGHT_MAX: usize = 100_000;
/// What a batch weighs beside its messages and GTIDs.
const BATCH_WEIGHT: usize = 4;
/// Pause before a step is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// Shares of the time for closing: a commit, and the client's own end.
const COMMIT_SHARE: f32 = 0.7;
/// So long an abort may take when there is no time left; without it the coordinator ends the transaction by its time-out.
const ABORT_MIN: Duration = Duration::from_millis(500);

/// When a transaction is committed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// While more keeps coming.
    pub interval: Duration,
    /// Bytes of messages in one.
    pub bytes: usize,
    /// Whether the place is recorded also where nothing is sent, because it is stored nowhere else.
    pub records_ends: bool,
}

/// A client that sends in transactions. It is made, then `init` takes the transactional id over, then `begin_at` says where
/// the run starts; only then batches come.
pub struct TransactionalProducer {
    inner: KafkaProducer,
    /// Of position records.
    topic: TopicId,
    limits: Limits,
    timeout: Duration,
    facts: Arc<RecordFacts>,
    metrics: Arc<Metrics>,
    book: Option<Book>,
    open: Option<Open>,
    /// Whether it was committed.
    committing: Option<JoinHandle<bool>>,
    /// Something is in the open transaction only in part: it must not be committed.
    torn: bool,
}

/// A transaction that is being filled.
struct Open {
    begun: Instant,
    /// When the last batch came.
    last: Instant,
    messages: usize,
    bytes: usize,
    weight: usize,
    /// Where its last message stands.
    last_sent: Option<BinlogPosition>,
    held: Vec<Held>,
}

/// A completion that answers after the commit, or at once if its batch fails.
#[derive(Clone)]
struct Held(Arc<Mutex<Option<Completion>>>);

impl Held {
    fn new(done: Completion) -> Self {
        Held(Arc::new(Mutex::new(Some(done))))
    }

    fn take(&self) -> Option<Completion> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).take()
    }

    /// It will fail: with this, or with what is told later. Never does it answer "durable".
    fn spoil(&self, error: Error) {
        let mut held = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(done) = held.take() {
            *held = Some(Completion::new(|later| done.failed(later.err().unwrap_or(error))));
        }
    }
}

impl TransactionalProducer {
    /// Connects. The settings must have a transactional id.
    pub async fn connect(
        settings: Settings,
        position_topic: &str,
        limits: Limits,
        facts: Arc<RecordFacts>,
        topics: Arc<Topics>,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let Some(transactional) = settings.transactional.clone() else { return Err(Error::bug("no transactional id is set")) };
        let topic = topics.intern(position_topic);
        let inner = KafkaProducer::connect(settings, topics, metrics.clone()).await?;
        Ok(TransactionalProducer {
            inner,
            topic,
            limits,
            timeout: transactional.timeout,
            facts,
            metrics,
            book: None,
            open: None,
            committing: None,
            torn: false,
        })
    }

    /// The client inside, for questions about the cluster.
    pub fn client(&self) -> &KafkaProducer {
        &self.inner
    }

    /// Takes the transactional id over: what an older client has open is ended, and it is locked out. Waits for the
    /// coordinator at most `kafka.max.block.ms`.
    pub async fn init(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let Err(error) = self.step(TransactionStep::Init, Some(Duration::from_secs(1))).await? else {
                tracing::info!(transactional_id = self.id(), "kafka: transactions are ready; an older client with this id is locked out");
                return Ok(());
            };
            if !error.retriable || begun.elapsed() >= self.inner.settings.block {
                let doing = "the transactional id cannot be taken over";
                return Err(judged(doing, &error).detail(format!("kafka.transactional.id={}", self.id())));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn id(&self) -> &str {
        self.inner.settings.transactional.as_ref().map_or("", |t| &t.id)
    }

    /// Commits a record in a transaction of its own, and waits for it.
    pub async fn write(&mut self, record: &PositionRecord) -> Result<()> {
        self.committed().await?;
        self.begin().await?;
        let failure = Arc::new(Mutex::new(None));
        let told = failure.clone();
        let done = Completion::new(move |result: Result<()>| {
            if let Err(error) = result {
                told.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
            }
        });
        if let Some(open) = &mut self.open {
            open.held.push(Held::new(done));
        }
        self.commit_with(record).await?;
        let ended = self.committed().await;
        match failure.lock().unwrap_or_else(|e| e.into_inner()).take() {
            Some(error) => Err(error),
            None => ended,
        }
    }

    /// Says where the run starts: everything before it, and so many rows behind it, were committed.
    pub fn begin_at(&mut self, position: Position, rows_done: u64) {
        self.book = Some(Book::new(position, rows_done));
    }

    async fn take(&mut self, mut batch: Batch, done: Completion) -> Result<()> {
        self.committed().await?;
        let Some(book) = &mut self.book else { return Err(Error::bug("a batch came before the start was told")) };
        let saves = batch.end.as_ref().is_some_and(|end| end.saves);
        let weight = batch.messages.len() + batch.gtids.len() + BATCH_WEIGHT;
        // Its messages are sent below or the transaction fails as a whole, so the order does not matter.
        book.take(batch.end.take(), std::mem::take(&mut batch.gtids), batch.raw)?;
        if batch.messages.is_empty() && self.open.is_none() && !(self.limits.records_ends && saves) {
            // Nothing was sent; the place is stored elsewhere, or with the next messages.
            done.done();
            return Ok(());
        }
        if self.open.is_none() {
            self.begin().await?;
        }
        let Some(open) = &mut self.open else { return Err(Error::bug("no transaction is open")) };
        open.last = Instant::now();
        open.messages += batch.messages.len();
        open.bytes += batch.arena.len();
        open.weight += weight;
        if let Some(message) = batch.messages.last() {
            open.last_sent = Some(BinlogPosition::new(batch.file.clone(), message.offset));
        }
        let held = Held::new(done);
        open.held.push(held.clone());
        let begun = open.begun;
        if !batch.messages.is_empty() {
            self.send_inside(batch, held, begun).await?;
        }
        let Some(open) = &self.open else { return Err(Error::bug("no transaction is open")) };
        let full = open.weight >= WEIGHT_MAX || open.bytes >= self.limits.bytes;
        if full || (open.messages > 0 && open.begun.elapsed() >= self.limits.interval) {
            self.commit().await?;
        }
        Ok(())
    }

    /// Sends a batch inside the open transaction. If this is given up half way, the transaction is torn.
    async fn send_inside(&mut self, batch: Batch, held: Held, begun: Instant) -> Result<()> {
        self.torn = true;
        let (native, timeout) = (Arc::downgrade(&self.inner.client.native), self.timeout);
        let answer = held.clone();
        let done = Completion::new(move |result| {
            let Err(error) = result else { return };
            let error = match native.upgrade() {
                Some(native) => replaced_or(&native, begun, timeout, error),
                None => error,
            };
            if error.is_transient() {
                // Of a transaction that fails the messages are only given up: its end, which is near, says why.
                answer.spoil(error);
            } else if let Some(done) = answer.take() {
                done.failed(error);
            }
        });
        if let Err(error) = self.inner.send(batch, done).await {
            return Err(self.reason(error, begun).await);
        }
        self.torn = false;
        Ok(())
    }

    /// Why sending fails: if the transaction has failed, the library knows more than it says about a message.
    async fn reason(&mut self, error: Error, begun: Instant) -> Error {
        if !error.is_transient() {
            return error;
        }
        // In a transaction that can go on this changes nothing; in one that cannot it tells the reason.
        let told = match self.step(TransactionStep::Begin, None).await {
            Ok(Err(told)) if told.name != "_STATE" => judged("the Kafka transaction failed", &told),
            _ => error,
        };
        replaced_or(&self.inner.client.native, begun, self.timeout, told)
    }

    async fn begin(&mut self) -> Result<()> {
        self.torn = true;
        let begun = Instant::now();
        if let Err(error) = self.step(TransactionStep::Begin, None).await? {
            let error = judged("no Kafka transaction can be begun", &error);
            return Err(replaced_or(&self.inner.client.native, begun, self.timeout, error));
        }
        self.torn = false;
        self.open = Some(Open { begun, last: begun, messages: 0, bytes: 0, weight: 0, last_sent: None, held: Vec::new() });
        Ok(())
    }

    /// Begins to commit what is open. The end is waited for by `committed`.
    async fn commit(&mut self) -> Result<()> {
        let Some(book) = &self.book else { return Err(Error::bug("a commit before the start was told")) };
        let record = self.facts.record(book.position.clone(), book.rows_done);
        self.commit_with(&record).await
    }

    async fn commit_with(&mut self, record: &PositionRecord) -> Result<()> {
        let Some(begun) = self.open.as_ref().map(|open| open.begun) else { return Ok(()) };
        // Readers of committed messages would wait for it too.
        self.inner.trial.end().await.map_err(|failure| failure.error())?;
        let batch = record_batch(self.topic, &self.facts.client_id, record);
        let held = Held::new(Completion::new(|_| ()));
        if let Some(open) = &mut self.open {
            open.held.push(held.clone());
        }
        self.send_inside(batch, held, begun).await?;
        let Some(open) = self.open.take() else { return Ok(()) };
        let commit = Commit {
            native: self.inner.client.native.clone(),
            metrics: self.metrics.clone(),
            begun: open.begun,
            timeout: self.timeout,
            learned: self.inner.settings.learned.clone(),
            last_sent: open.last_sent,
            held: open.held,
        };
        self.committing = Some(tokio::task::spawn_blocking(move || commit.run()));
        Ok(())
    }

    /// Waits until nothing is being committed. Why it failed is told by the completions.
    async fn committed(&mut self) -> Result<()> {
        let Some(committing) = &mut self.committing else { return Ok(()) };
        let ended = committing.await;
        self.committing = None;
        match ended {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::transient("the Kafka transaction before this one failed")),
            Err(error) => Err(Error::bug("the task that commits failed").source(error)),
        }
    }

    async fn step(&self, step: TransactionStep, wait: Option<Duration>) -> Result<Result<(), TransactionError>> {
        let native = self.inner.client.native.clone();
        let done = tokio::task::spawn_blocking(move || native.transaction(step, wait)).await;
        done.map_err(|e| Error::bug("a step of a Kafka transaction failed").source(e))
    }

    async fn close_within(&mut self, deadline: Duration) -> Result<()> {
        let end = Instant::now() + deadline;
        let left = || end.saturating_duration_since(Instant::now());
        let whole = !self.torn && self.inner.client.shared.broken().is_none();
        let mut result = Ok(());
        let committing = async {
            self.committed().await?;
            if whole && self.open.is_some() {
                self.commit().await?;
                self.committed().await?;
            }
            Ok(())
        };
        match tokio::time::timeout(left().mul_f32(COMMIT_SHARE), committing).await {
            Ok(ended) => result = ended,
            Err(_) => tracing::warn!("kafka: the transaction was not committed in time"),
        }
        if self.open.is_some() || self.torn {
            // Readers of committed messages would wait for its time-out.
            self.metrics.kafka_aborted.inc();
            // The library gives up what is in it.
            self.inner.client.shared.closing.store(true, Ordering::Release);
            let wait = left().mul_f32(COMMIT_SHARE).max(ABORT_MIN);
            match tokio::time::timeout(wait, self.step(TransactionStep::Abort, Some(wait))).await {
                Ok(Ok(Ok(()))) => tracing::info!("kafka: aborted the open transaction; what was in it is sent again"),
                Ok(Ok(Err(error))) => tracing::debug!(name = error.name, "kafka: no abort: {}", error.reason),
                Ok(Err(error)) => tracing::debug!(%error, "kafka: no abort"),
                Err(_) => tracing::warn!("kafka: the open transaction was not aborted in time; the cluster ends it by its time-out"),
            }
            self.open = None;
        }
        let closed = self.inner.close(left()).await;
        result.and(closed)
    }
}

impl Producer for TransactionalProducer {
    fn send(&mut self, batch: Batch, done: Completion) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.take(batch, done))
    }

    fn close(&mut self, deadline: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.close_within(deadline))
    }

    fn name(&self) -> &'static str {
        "kafka"
    }

    fn wants_keys(&self) -> bool {
        true
    }

    fn wants_all_ends(&self) -> bool {
        true
    }

    fn due(&self) -> Option<Instant> {
        let open = self.open.as_ref()?;
        Some(if open.messages == 0 { open.begun + ENDS_EVERY } else { (open.last + QUIET).min(open.begun + self.limits.interval) })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.commit())
    }
}

/// A commit at work. It goes on if nobody waits for it any more.
struct Commit {
    native: Arc<Native>,
    metrics: Arc<Metrics>,
    begun: Instant,
    timeout: Duration,
    learned: Arc<Learned>,
    last_sent: Option<BinlogPosition>,
    held: Vec<Held>,
}

impl Commit {
    /// Answers whether it was committed.
    #[allow(clippy::disallowed_methods, reason = "a thread of the pool that may block; the library does not tell when to try again")]
    fn run(self) -> bool {
        let error = loop {
            match self.native.transaction(TransactionStep::Commit, None) {
                Ok(()) => {
                    self.metrics.kafka_committed.inc();
                    if let Some(place) = &self.last_sent {
                        self.learned.committed(place);
                    }
                    self.held.iter().filter_map(Held::take).for_each(Completion::done);
                    return true;
                }
                // The library goes on where it was. Once the time is over the coordinator has ended the transaction.
                Err(error) if error.retriable && self.begun.elapsed() < self.timeout * 2 => std::thread::sleep(AGAIN),
                Err(error) => break error,
            }
        };
        self.metrics.kafka_aborted.inc();
        for done in self.held.iter().filter_map(Held::take) {
            let failed = judged("the Kafka transaction was not committed", &error);
            done.failed(replaced_or(&self.native, self.begun, self.timeout, failed));
        }
        // Readers of committed messages wait for its end.
        if let Err(error) = self.native.transaction(TransactionStep::Abort, Some(ABORT_MIN)) {
            tracing::debug!(name = error.name, "kafka: no abort: {}", error.reason);
        }
        false
    }
}

/// The error of a client that was locked out by a younger one with the same transactional id. The coordinator ends a
/// transaction that is open for too long in the same way; then the error stays as it is, and the next start finds out whose
/// the last record is.
fn replaced_or(native: &Native, begun: Instant, timeout: Duration, error: Error) -> Error {
    if native.is_fenced() && begun.elapsed() < timeout { replaced() } else { error }
}

/// Another process has taken over.
pub fn replaced() -> Error {
    Error::definite("another process with this transactional id has taken over: this one stops")
        .hint("run one daemon for each client_id of a Kafka cluster; if the other one is no successor of this one, give it a client_id (or kafka.transactional.id) of its own")
        .exit_code(1)
}

/// What a failed step means.
pub(super) fn judged(doing: &str, error: &TransactionError) -> Error {
    let hints: &[(&str, &str)] = &[
        ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "grant this user WRITE and DESCRIBE on the transactional id"),
        ("TOPIC_AUTHORIZATION_FAILED", "grant this user WRITE and DESCRIBE on the topic, and READ too on the position topic"),
        ("CLUSTER_AUTHORIZATION_FAILED", "grant this user IDEMPOTENT_WRITE on the cluster"),
        ("INVALID_TRANSACTION_TIMEOUT", "lower kafka.transaction.timeout.ms to the brokers' transaction.max.timeout.ms"),
        ("_UNSUPPORTED_FEATURE", "these brokers are too old for transactions: use delivery=at_least_once"),
    ];
    let what = format!("{doing}: {}", error.reason);
    match hints.iter().find(|(name, _)| *name == error.name) {
        Some((_, hint)) => Error::definite(what).hint(*hint),
        None if error.name == "_TIMED_OUT" => Error::transient(what).hint(
            "it is sent again; if this comes again and again while the brokers are well, lower exactly_once_bytes or raise \
             kafka.transaction.timeout.ms",
        ),
        None => Error::transient(what).detail(&error.name),
    }
}

/// The record as a batch of one message.
fn record_batch(topic: TopicId, key: &str, record: &PositionRecord) -> Batch {
    let value = record.to_json();
    let span = |start: usize, len: usize| Span { start: start as u32, len: len as u32 };
    let message = Message {
        topic,
        // Partition 0, however many there are.
        partition_hash: 0,
        kind: MessageKind::Position,
        key: span(value.len(), key.len()),
        value: span(0, value.len()),
        offset: record.position.at.offset,
    };
    Batch {
        file: record.position.at.file.clone(),
        arena: Bytes::from(value + key),
        messages: vec![message],
        end: None,
        gtids: Vec::new(),
        rows: 0,
        transactions: 0,
        commit_us: 0,
        raw: RawRows::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::BinlogPosition;

    #[test]
    fn what_passes_and_what_does_not() {
        let error = |name: &str| TransactionError { name: name.into(), reason: "Broker: no".into(), retriable: false };
        for (name, passes) in [
            ("_TIMED_OUT", true),
            ("INVALID_PRODUCER_ID_MAPPING", true),
            ("_FENCED", true),
            ("TOPIC_AUTHORIZATION_FAILED", false),
            ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", false),
            ("INVALID_TRANSACTION_TIMEOUT", false),
        ] {
            let judged = judged("x", &error(name));
            assert_eq!(judged.is_transient(), passes, "{judged}");
            assert_eq!(judged.hint_text().is_some(), !passes || name == "_TIMED_OUT", "{judged}");
        }
        assert!(!replaced().is_transient() && replaced().to_string().contains("client_id"));
    }

    #[test]
    fn a_record_is_one_message_under_the_clients_name() {
        let facts = RecordFacts::new("né", 1, None);
        let record = facts.record(Position::new(BinlogPosition::new("m.000001", 99)), 3);
        let batch = record_batch(TopicId(5), &facts.client_id, &record);
        let message = batch.messages[0];
        assert_eq!(message.key.of(&batch.arena), "né".as_bytes());
        assert_eq!(PositionRecord::parse(message.value.of(&batch.arena)).unwrap(), record);
    }
}
