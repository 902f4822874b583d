//! Producer `kafka`: messages to explicit partitions, at least once, in order per partition.
//!
//! A batch's messages are copied into librdkafka's queue, whose bound in bytes is the back-pressure: `send` waits while it is
//! full. Delivery never gives up by itself (`message.timeout.ms=0`), so a broker that is away only makes everything wait. The
//! first batch that is refused, or message that runs into a time-out which the user has set, ends the client: everything
//! queued is purged, all batches in flight fail, and the daemon makes a new producer and sends again from the resume point.
//! Nothing that follows a failed message can therefore overtake it (without idempotence the library may send one request more of the
//! partition before the purge), nor a partition's first message of a client (`proof`, `ahead`).
//!
//! What may be refused goes alone (`alone`), after everything before it is answered: a message above its topic's limit, which
//! may still pass if it compresses well, and the messages of a batch that was refused. What is refused alone becomes a dead
//! letter, is left out, or stops the daemon (`letters`). `learned` outlives clients, so that the next one knows.
//!
//! `transactions` sends the same batches exactly once, with `book`, `record`, `position_topic`, and `trial` for what may be refused.
//! `settings` (with `java`, `security`, `jaas` and `oauth`) translates the user's keys; `client` owns the library and the thread that reads its
//! events; `ffi` is the only unsafe code; `delivery` counts what is in flight; `topics` knows partition counts and limits, and has
//! topics made (`admin`); `cluster` knows whether brokers can be reached; `statistics` reads what the library measures; `refusal` says what a failed message means; `probe` asks
//! for `binlogd check`.

mod admin;
mod ahead;
mod alone;
pub mod book;
mod client;
mod cluster;
mod delivery;
mod ffi;
mod jaas;
mod java;
pub mod learned;
mod letters;
mod oauth;
pub mod position_topic;
pub mod probe;
mod proof;
pub mod record;
mod refusal;
mod security;
mod settings;
mod statistics;
mod topics;
pub mod transactions;
pub mod trial;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rdkafka_sys::rd_kafka_resp_err_t as E;
use tokio::sync::watch;

use crate::encode::batch::{Batch, Message, TopicId, Topics};
use crate::error::{Error, Result};
use crate::metrics::Metrics;

use super::{Completion, Producer};
use admin::Admin;
use ahead::{Offered, offer};
use client::{Client, Thread, fatal_failure};
use delivery::{Failure, Opaque, Slot};
use ffi::{Code, Native};
use letters::Place;
use proof::Proofs;
use refusal::{Refused, record_bytes_max};
use topics::{TopicHandle, TopicTable, check_name};

pub use settings::{DeadLetters, Fault, KafkaOptions, Settings, TopicCreation, Transactional};
pub use topics::partition_of;

/// One question at the start, and while there is trouble, may take so long.
const ASK: Duration = Duration::from_secs(1);

/// A full queue is looked at again after so long even if nothing was told.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// While no broker can be reached and nothing is sent, somebody must find out when that is over.
const TROUBLE_PROBE: Duration = Duration::from_secs(5);

/// A topic that was changed or deleted under us is asked for anew so many times per message.
const TOPIC_TRIES: u32 = 3;

/// How long the reports of a purge, and the end of the client, may take at a stop.
const LAST_STEPS: Duration = Duration::from_secs(1);

/// Asks the brokers for a sign of life. Does not keep the client alive.
#[derive(Clone)]
pub struct Probe {
    native: std::sync::Weak<Native>,
    /// `kafka.bootstrap.servers`
    pub brokers: Arc<str>,
}

impl Probe {
    /// Waits for one broker's answer, at most so long.
    pub async fn ask(&self, wait: Duration) -> Result<()> {
        let native = self.native.clone();
        let ask = move || match native.upgrade() {
            Some(native) => native.metadata(None, wait).map(drop).map_err(|code| code.text()),
            None => Err("the producer was closed".to_owned()),
        };
        let answer = tokio::task::spawn_blocking(ask).await.map_err(|e| Error::bug("the question to the brokers failed").source(e))?;
        answer.map_err(|why| Error::transient("no broker answers").detail(why))
    }
}

/// Sends batches to Kafka.
pub struct KafkaProducer {
    settings: Settings,
    client: Client,
    thread: Thread,
    topics: TopicTable,
    proofs: Proofs,
    names: Arc<Topics>,
    admin: Admin,
    /// For messages that go one at a time.
    alone: alone::Kept,
    /// The same inside transactions.
    trial: trial::Kept,
    /// The client's `batch.size`.
    batch_bytes: usize,
    metrics: Arc<Metrics>,
    /// Asks for partition counts now and then.
    refresher: tokio::task::JoinHandle<()>,
    closed: bool,
}

impl KafkaProducer {
    /// Makes the client and waits until a broker has answered, at most `kafka.max.block.ms`. A refused login or certificate
    /// ends the wait at once. The error names the brokers, the reason and what to look at.
    pub async fn connect(settings: Settings, topics: Arc<Topics>, metrics: Arc<Metrics>) -> Result<Self> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        ffi::give_memory_back();
        let mut batch_bytes = settings.batch_bytes();
        let (mut client, mut thread) = started(&settings, &metrics).await?;
        let admin = Admin::new(&settings);
        let known: Vec<Arc<str>> = topics.all().into_iter().filter(|name| check_name(name).is_ok()).collect();
        for (name, bytes) in admin.limits(&known).await {
            settings.learned.told(&name, bytes);
        }
        if settings.batch_bytes() < batch_bytes {
            // Nothing was sent yet.
            thread.stop(&client.native);
            batch_bytes = settings.batch_bytes();
            tracing::info!(batch_bytes, "kafka: batches are made smaller, because a topic takes no larger ones");
            (client, thread) = started(&settings, &metrics).await?;
        }
        let table = TopicTable::new(topics.clone());
        let refreshed =
            Refreshed { client: client.clone(), handles: table.handles(), admin: admin.clone(), learned: settings.learned.clone() };
        let refresher = tokio::spawn(refresh(refreshed, settings.metadata_refresh));
        tracing::info!(brokers = %settings.brokers, "kafka: connected");
        Ok(KafkaProducer {
            proofs: Proofs::new(settings.requests_could_overtake()),
            settings,
            client,
            thread,
            topics: table,
            names: topics,
            admin,
            alone: alone::Kept::default(),
            trial: trial::Kept::default(),
            batch_bytes,
            metrics,
            refresher,
            closed: false,
        })
    }

    /// A sentence while no broker can be reached, for health; `None` while all is well.
    pub fn trouble(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.client.shared.cluster.trouble()
    }

    /// The way to the brokers, for who wants to know whether they answer.
    pub fn probe(&self) -> Probe {
        Probe { native: Arc::downgrade(&self.client.native), brokers: self.settings.brokers.as_str().into() }
    }

    async fn send_batch(&mut self, batch: Batch, done: Completion) -> Result<()> {
        if let Some(failure) = self.client.shared.broken() {
            done.failed(failure.error());
            return Err(failure.error());
        }
        let Batch { file, arena, messages, .. } = batch;
        let slot = match self.client.shared.in_flight.open(file, messages, done) {
            Ok(slot) => slot,
            Err(done) => {
                let failure = Failure::definite("a batch holds more messages than can be counted");
                done.failed(failure.error());
                return Err(failure.error());
            }
        };
        self.proofs.age(Instant::now(), &self.client.shared.firsts);
        let mut sending = Sending {
            shared: self.client.shared.clone(),
            slot,
            next: 0,
            ahead: HashSet::new(),
            skipped: 0,
            asked: (None, 0),
            untold: 0,
            untold_bytes: 0,
        };
        match self.send_messages(&arena, &mut sending).await {
            Ok(()) => Ok(()),
            Err(failure) => {
                sending.slot.fail(&failure);
                if self.client.shared.break_with(&failure) {
                    self.client.native.purge();
                }
                Err(failure.error())
            }
        }
    }

    async fn send_messages(&mut self, arena: &[u8], sending: &mut Sending) -> Result<(), Failure> {
        let slot = sending.slot.clone();
        while let Some(message) = slot.messages.get(sending.next as usize) {
            if sending.was_ahead() {
                continue;
            }
            let (key, value) = (message.key.of(arena), message.value.of(arena));
            let size = record_bytes_max(key, value);
            if size > self.settings.request_bytes_max {
                sending.account();
                self.too_large(&Place { slot: &slot, message, key, value }, size).await?;
                sending.passed_over();
                continue;
            }
            let opaque = Opaque { slot: slot.number(), index: sending.next }.pack();
            // The usual case stays in this function without a wait.
            let code = match self.topics.get(message.topic) {
                Some(handle) => {
                    let partition = handle.partition(message.partition_hash);
                    let keeps = self.settings.transactional.is_some();
                    let suspect = || self.settings.learned.goes_alone(&handle.name, partition, &slot.file, message.offset, keeps);
                    if !handle.takes(size) || suspect() {
                        let handle = handle.clone();
                        sending.account();
                        self.send_alone(&handle, partition, &Place { slot: &slot, message, key, value }).await?;
                        sending.passed_over();
                        continue;
                    }
                    match offer(&mut self.proofs, &self.client.shared.firsts, handle, message, key, value, opaque) {
                        Offered::Queued => {
                            sending.queued(key.len() + value.len());
                            continue;
                        }
                        Offered::Later(first) => {
                            self.wait_for_proof(first, arena, sending).await?;
                            continue;
                        }
                        Offered::Refused(code) => code,
                    }
                }
                None => Code::of(E::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC),
            };
            sending.account();
            self.make_way(code, opaque, message, key, value, sending).await?;
        }
        Ok(())
    }

    /// The library did not take a message. Waits for or mends what stands in the way, so that it can be tried again.
    async fn make_way(
        &mut self,
        code: Code,
        opaque: usize,
        message: &Message,
        key: &[u8],
        value: &[u8],
        sending: &mut Sending,
    ) -> Result<(), Failure> {
        if code == Code::of(E::RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            return self.wait_for_room(opaque, message, key, value, sending).await;
        }
        if code == Code::of(E::RD_KAFKA_RESP_ERR__FATAL) {
            return Err(self.wait_for_reason().await);
        }
        let known = self.topics.get(message.topic).is_some();
        if !known || code == Code::of(E::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) || code == Code::of(E::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
            if let Err(failure) = check_name(&self.topics.name(message.topic)) {
                let slot = sending.slot.clone();
                self.refused(Refused::Topic, &failure, &Place { slot: &slot, message, key, value }).await?;
                sending.passed_over();
                return Ok(());
            }
            sending.tries(message.topic, known)?;
            // Fewer partitions than before, or none: the topic was deleted, and perhaps made anew.
            self.topics.forget(message.topic);
            self.proofs.forget(message.topic);
            let others = sending.slot.messages.get(sending.next as usize..).unwrap_or_default();
            let ids = self.topics.missing(message.topic, others);
            return self.open(&ids).await;
        }
        if code == Code::of(E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            // Our own check stands before the library's and is the stricter one; the user may have lowered the latter.
            let slot = sending.slot.clone();
            self.too_large(&Place { slot: &slot, message, key, value }, record_bytes_max(key, value)).await?;
            sending.passed_over();
            return Ok(());
        }
        Err(Failure::transient(format!("the Kafka client did not take a message: {}", code.text())))
    }

    /// Opens topics. If one of them takes only smaller batches than this client makes, another client is needed.
    async fn open(&mut self, ids: &[TopicId]) -> Result<(), Failure> {
        self.topics.open(ids, &self.client, &self.admin, &self.settings).await?;
        let now = self.settings.batch_bytes();
        if now >= self.batch_bytes {
            return Ok(());
        }
        let topic = ids.first().map(|id| self.topics.name(*id)).unwrap_or_default();
        let what = format!("topic {topic} takes batches of {now} bytes at most, and this client makes larger ones");
        Err(Failure::transient(what).hint("a new client makes smaller ones"))
    }

    /// The back-pressure: waits until reports have made room in the library's queue. Tries once more after it has registered
    /// for being told, so that room made in between is not missed.
    async fn wait_for_room(
        &mut self,
        opaque: usize,
        message: &Message,
        key: &[u8],
        value: &[u8],
        sending: &mut Sending,
    ) -> Result<(), Failure> {
        let shared = self.client.shared.clone();
        let room = shared.room.notified();
        tokio::pin!(room);
        room.as_mut().enable();
        if let Some(failure) = shared.broken() {
            return Err(failure);
        }
        if let Some(handle) = self.topics.get(message.topic)
            && let Offered::Queued = offer(&mut self.proofs, &shared.firsts, handle, message, key, value, opaque)
        {
            sending.queued(key.len() + value.len());
            return Ok(());
        }
        let _ = tokio::time::timeout(LOOK_AGAIN, room).await;
        match shared.broken() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// The library has declared the client dead. The reports of the messages that caused it say more than it does.
    async fn wait_for_reason(&self) -> Failure {
        let told = self.client.shared.failed_told.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        if self.client.shared.broken().is_none() {
            let _ = tokio::time::timeout(LOOK_AGAIN, told).await;
        }
        let stopped = || (Code::of(E::RD_KAFKA_RESP_ERR__FATAL), "it is stopped".into());
        self.client.shared.broken().unwrap_or_else(|| {
            let (code, reason) = self.client.native.fatal_error().unwrap_or_else(stopped);
            fatal_failure(code, &reason)
        })
    }

    async fn close_within(&mut self, deadline: Duration) -> Result<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let end = Instant::now() + deadline;
        self.refresher.abort();
        let in_flight = &self.client.shared.in_flight;
        if !in_flight.is_empty() && self.client.shared.broken().is_none() {
            // Only so that a long linger does not hold back the last messages; it ends by itself.
            let native = self.client.native.clone();
            let flushed = tokio::task::spawn_blocking(move || native.flush(deadline));
            let _ = tokio::time::timeout(deadline, in_flight.wait_empty()).await;
            drop(flushed);
        }
        let (batches, messages) = in_flight.unanswered();
        if batches > 0 {
            self.client.shared.closing.store(true, Ordering::Release);
            self.client.native.purge();
            let _ = tokio::time::timeout(LAST_STEPS, in_flight.wait_empty()).await;
        }
        self.topics.clear();
        self.alone.end();
        self.trial.close(end.saturating_duration_since(Instant::now()).max(LAST_STEPS)).await;
        self.thread.stop(&self.client.native);
        let left = end.saturating_duration_since(Instant::now()).max(LAST_STEPS);
        self.thread.ended(left).await;
        match (batches, self.client.shared.broken()) {
            (0, _) => Ok(()),
            (_, Some(failure)) => Err(failure.error()),
            (_, None) => Err(Error::transient(format!("{messages} messages were not acknowledged within {} ms", deadline.as_millis()))
                .hint("they are sent again at the next start")),
        }
    }
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        self.refresher.abort();
        if !self.closed {
            self.client.shared.closing.store(true, Ordering::Release);
            self.client.native.purge();
            self.thread.stop(&self.client.native);
        }
    }
}

impl Producer for KafkaProducer {
    fn send(&mut self, batch: Batch, done: Completion) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.send_batch(batch, done))
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
}

/// A `send` at work. Dropping it, also half way, settles what was not queued: the batch then fails, and its slot becomes free
/// with the last report of what was.
struct Sending {
    shared: Arc<client::Shared>,
    slot: Arc<Slot>,
    /// Index of the next message.
    next: u32,
    /// Messages behind that one that are queued already.
    ahead: HashSet<u32>,
    /// Messages that were not queued: left out, or sent alone.
    skipped: u32,
    /// The topic that was last asked for anew, and how often in a row.
    asked: (Option<TopicId>, u32),
    /// Queued since metrics and `Shared::queued` were told.
    untold: i64,
    untold_bytes: i64,
}

impl Sending {
    /// Counts how often a topic was not as known; a topic that changes again and again is left to a new client.
    fn tries(&mut self, topic: TopicId, known: bool) -> Result<(), Failure> {
        let (last, count) = &mut self.asked;
        if *last != Some(topic) {
            (*last, *count) = (Some(topic), 0);
        }
        *count += u32::from(known);
        if *count > TOPIC_TRIES {
            return Err(Failure::transient("a topic is not there, though the cluster says that it is"));
        }
        Ok(())
    }

    /// The next message is in the library's queue.
    #[inline]
    fn queued(&mut self, bytes: usize) {
        self.next += 1;
        self.untold += 1;
        self.untold_bytes += bytes as i64;
    }

    /// A message behind the next one is in the library's queue.
    fn queued_ahead(&mut self, index: u32, bytes: usize) {
        self.ahead.insert(index);
        self.untold += 1;
        self.untold_bytes += bytes as i64;
    }

    /// Whether the next message was queued ahead; then it is passed.
    #[inline]
    fn was_ahead(&mut self) -> bool {
        let was = !self.ahead.is_empty() && self.ahead.remove(&self.next);
        self.next += u32::from(was);
        was
    }

    /// The next message has its answer without having been queued.
    fn passed_over(&mut self) {
        self.next += 1;
        self.skipped += 1;
    }

    /// Tells what was queued, once in a while.
    fn account(&mut self) {
        self.shared.queued.fetch_add(self.untold as u64, Ordering::Relaxed);
        self.shared.metrics.in_flight_messages.add(std::mem::take(&mut self.untold));
        self.shared.metrics.in_flight_bytes.add(std::mem::take(&mut self.untold_bytes));
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.account();
        let unsent = (self.slot.messages.len() as u32).saturating_sub(self.next + self.ahead.len() as u32);
        if unsent > 0 {
            self.slot.fail(&Failure::transient("a batch was handed over only in part"));
        }
        self.shared.in_flight.settle(&self.slot, unsent + self.skipped + 1);
    }
}

/// A client that a broker has answered.
async fn started(settings: &Settings, metrics: &Arc<Metrics>) -> Result<(Client, Thread)> {
    let (client, thread) = Client::start(settings, metrics.clone())?;
    match wait_for_cluster(&client, settings.block).await {
        Ok(()) => Ok((client, thread)),
        Err(error) => {
            thread.stop(&client.native);
            Err(error)
        }
    }
}

/// Waits for the first answer of a broker.
async fn wait_for_cluster(client: &Client, block: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        let left = block.saturating_sub(start.elapsed());
        let (native, wait) = (client.native.clone(), ASK.min(left.max(Duration::from_millis(1))));
        let answer = tokio::task::spawn_blocking(move || native.metadata(None, wait)).await;
        if matches!(answer, Ok(Ok(_))) {
            client.shared.cluster.connected();
            return Ok(());
        }
        if let Some(failure) = client.shared.broken() {
            return Err(failure.error());
        }
        let lasting = client.shared.cluster.obstacle().is_some_and(|o| o.is_lasting());
        if lasting || client.shared.fatal.load(Ordering::Acquire) || start.elapsed() >= block {
            return Err(client.shared.cluster.unreachable(start.elapsed()));
        }
        // The question comes back early when there is no broker to ask.
        tokio::time::sleep(Duration::from_millis(50).min(left)).await;
    }
}

/// What `refresh` keeps up to date, and with what.
struct Refreshed {
    client: Client,
    handles: Arc<std::sync::Mutex<Vec<Arc<TopicHandle>>>>,
    admin: Admin,
    learned: Arc<learned::Learned>,
}

/// Asks for partition counts and limits at intervals, and for a sign of life while there is trouble.
async fn refresh(what: Refreshed, every: Duration) {
    let mut trouble = what.client.shared.cluster.trouble();
    let mut asked = tokio::time::Instant::now();
    loop {
        let pause = if trouble.borrow_and_update().is_some() { TROUBLE_PROBE.min(every) } else { every };
        tokio::select! {
            _ = tokio::time::sleep_until(asked + pause) => {
                what.client.refresh_all(&what.handles, &what.admin, &what.learned).await;
                asked = tokio::time::Instant::now();
            }
            changed = trouble.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
