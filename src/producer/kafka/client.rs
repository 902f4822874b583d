//! One librdkafka client and the thread that reads its events: delivery reports to the batches in flight, errors to the
//! cluster's state, its log to ours. Never here: sending, topics, configuration.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, ProducerContext};
use rdkafka_sys::rd_kafka_resp_err_t as E;
use tokio::sync::{Notify, oneshot};

use crate::error::{Error, Result};
use crate::metrics::{ErrorKind, Metrics};

use super::cluster::Cluster;
use super::delivery::{Failure, InFlight, Opaque, Slot};
use super::ffi::{Code, Deliveries, EventKind, Native, Report};
use super::learned::Learned;
use super::oauth::unsigned_token;
use super::proof::Firsts;
use super::refusal::{Refused, Undelivered, classify, is_purged, lasting, record_overhead, refused_batch};
use super::settings::Settings;
use super::statistics::Statistics;

/// The thread looks up this often when nothing happens; events wake it at once.
const IDLE_POLL: Duration = Duration::from_secs(1);

/// How long the thread serves the reports of a purge before it gives up what has none.
const LAST_REPORTS: Duration = Duration::from_millis(500);

/// What the sending side and the thread share.
pub struct Shared {
    pub in_flight: InFlight,
    /// Told whenever the library's queue may have room again.
    pub room: Notify,
    /// Messages that were the first of this client in their partition.
    pub firsts: Firsts,
    pub cluster: Cluster,
    pub metrics: Arc<Metrics>,
    learned: Arc<Learned>,
    /// Messages that were queued, and those that have their report: equal when nothing is on its way. Told to `room`.
    pub queued: AtomicU64,
    pub reported: AtomicU64,
    /// Why this client takes no more; set once, but a definite reason replaces a transient one.
    failure: Mutex<Option<Failure>>,
    /// Quick look whether `failure` is set.
    failed: AtomicBool,
    /// Told when `failure` is set.
    pub failed_told: Notify,
    /// The library has declared the client dead; the delivery reports that follow say why.
    pub fatal: AtomicBool,
    /// Messages are given up because the producer ends, and for no other reason. Set before they are.
    pub closing: AtomicBool,
    /// `failure` is only what is known while no report has told the reason.
    unexplained: AtomicBool,
}

impl Shared {
    /// Why this client takes no more messages, if so.
    #[inline]
    pub fn broken(&self) -> Option<Failure> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.lock_failure().clone()
    }

    /// Takes no more from here on. Answers whether this is news.
    pub fn break_with(&self, failure: &Failure) -> bool {
        let mut place = self.lock_failure();
        let news = place.is_none();
        if place.as_ref().is_none_or(|f| f.class == crate::error::Class::Transient) {
            *place = Some(failure.clone());
        }
        drop(place);
        self.failed.store(true, Ordering::Release);
        self.failed_told.notify_waiters();
        self.room.notify_waiters();
        self.firsts.answered.notify_waiters();
        news
    }

    fn lock_failure(&self) -> std::sync::MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// One event's reports. Those of one batch mostly follow each other, so they are settled by the run.
    fn deliveries(&self, native: &Native, mut reports: Deliveries<'_>) {
        let mut run = Run { shared: self, slot: None, count: 0 };
        let (mut answered, mut succeeded, mut failed, mut bytes) = (0u64, 0u64, 0u64, 0u64);
        let mut refused = RefusedBatch::default();
        while let Some(report) = reports.next_report() {
            let opaque = Opaque::unpack(report.opaque());
            answered += 1;
            bytes += report.bytes() as u64;
            let code = report.code();
            let Some(slot) = run.at(opaque.slot) else {
                tracing::error!(opaque = report.opaque(), "kafka: a delivery report for a message that was never sent");
                continue;
            };
            if code == Code::NONE {
                // Records of ours are no messages.
                succeeded += u64::from(!slot.is_record());
                self.firsts.acknowledged(report.opaque());
            } else {
                failed += 1;
                self.undelivered(native, slot, opaque.index, code, &report, &mut refused);
            }
            run.count += 1;
        }
        run.end();
        refused.learn(&self.learned);
        self.reported.fetch_add(answered, Ordering::Release);
        self.metrics.messages_succeeded.inc_by(succeeded);
        self.metrics.messages_failed.inc_by(failed);
        self.metrics.in_flight_messages.sub(answered as i64);
        self.metrics.in_flight_bytes.sub(bytes as i64);
        if succeeded > 0 {
            self.cluster.reached();
        }
    }

    /// The first message that fails for a reason of its own ends this client: what follows could overtake it. If it was only
    /// in a batch that was refused, all messages of that batch are remembered as suspects, for the next client.
    fn undelivered(&self, native: &Native, slot: &Slot, index: u32, code: Code, report: &Report<'_>, refused: &mut RefusedBatch) {
        if is_purged(code) || code == Code::of(E::RD_KAFKA_RESP_ERR__FATAL) {
            slot.fail(&self.given_up(native));
            return;
        }
        let topic = report.topic();
        let message = Undelivered {
            file: &slot.file,
            offset: slot.messages.get(index as usize).map_or(0, |m| m.offset),
            topic: &topic,
            partition: report.partition(),
            key: report.key(),
            bytes: report.bytes(),
        };
        let failure = match Refused::of(code) {
            Some(_) if slot.may_be_suspect() => {
                self.learned.suspect(&topic, message.partition, &slot.file, message.offset);
                refused.add(&self.learned, code, &message);
                refused_batch(&report.reason(), &message)
            }
            _ => classify(code, &report.reason(), &message),
        };
        slot.fail(&failure);
        let news = self.break_with(&failure);
        if self.unexplained.swap(false, Ordering::AcqRel) || news {
            self.metrics.error(ErrorKind::Producer);
            tracing::error!("{}", message.log_line(&code.text()));
            native.purge();
        }
    }

    /// Why a message was given up without an answer of its own.
    fn given_up(&self, native: &Native) -> Failure {
        let because = |cause: String| Failure::transient("messages were given up before Kafka had answered for them").detail(cause);
        let failure = match self.broken() {
            Some(failure) => failure,
            None if self.closing.load(Ordering::Acquire) => return because("the producer was stopped".into()),
            None => {
                // Nobody here has asked for it: the library throws away what it holds when a transaction or the whole client has
                // failed. It need not say so in any other way, and whoever waits for one of these messages would wait for ever.
                let failed = || Failure::transient("the Kafka client has given up what it had not sent, because the transaction failed");
                let failure = native.fatal_error().map_or_else(failed, |(code, reason)| fatal_failure(code, &reason));
                self.unexplained.store(true, Ordering::Release);
                self.break_with(&failure);
                failure
            }
        };
        if failure.class == crate::error::Class::Definite { failure } else { because(failure.message) }
    }

    fn error(&self, native: &Native, code: Code, reason: &str, fatal: bool) {
        if !fatal {
            self.cluster.error(code, reason, Instant::now());
            return;
        }
        let (code, reason) = native.fatal_error().unwrap_or_else(|| (code, reason.to_owned()));
        self.metrics.error(ErrorKind::Producer);
        self.fatal.store(true, Ordering::Release);
        let failure = fatal_failure(code, &reason);
        let lasts = failure.class == crate::error::Class::Definite;
        if lasts || self.in_flight.is_empty() {
            // No report will come that says more.
            self.break_with(&failure);
        }
        if !lasts {
            tracing::error!("kafka: {}", failure.message);
        }
        self.room.notify_waiters();
        self.firsts.answered.notify_waiters();
    }
}

/// The client library has given up. A new client starts again from the resume point, unless it would meet the same.
pub fn fatal_failure(code: Code, reason: &str) -> Failure {
    match lasting(code) {
        Some(hint) => Failure::definite(format!("Kafka lets this user send nothing: {reason}")).hint(hint),
        None => Failure::transient(format!("the Kafka client can do nothing more: {reason}")),
    }
}

/// The size of a batch that was refused as too large, from the reports of its messages.
#[derive(Default)]
struct RefusedBatch {
    topic: String,
    partition: i32,
    bytes: usize,
}

impl RefusedBatch {
    fn add(&mut self, learned: &Learned, code: Code, message: &Undelivered<'_>) {
        if Refused::of(code) != Some(Refused::TooLarge) {
            return;
        }
        if self.topic != message.topic || self.partition != message.partition {
            std::mem::take(self).learn(learned);
            (self.topic, self.partition) = (message.topic.to_owned(), message.partition);
        }
        self.bytes += message.bytes + record_overhead();
    }

    fn learn(self, learned: &Learned) {
        if self.bytes > 0 {
            learned.refused_as_too_large(&self.topic, self.bytes);
        }
    }
}

/// Messages of one batch answered one after the other.
struct Run<'a> {
    shared: &'a Shared,
    slot: Option<Arc<Slot>>,
    count: u32,
}

impl Run<'_> {
    /// The batch in this slot; settles the run so far if that was another one.
    #[inline]
    fn at(&mut self, number: u32) -> Option<&Slot> {
        if self.slot.as_ref().is_none_or(|s| s.number() != number) {
            self.end();
            self.slot = self.shared.in_flight.get(number);
        }
        self.slot.as_deref()
    }

    fn end(&mut self) {
        if let Some(slot) = self.slot.take()
            && self.count > 0
        {
            self.shared.in_flight.settle(&slot, self.count);
        }
        self.count = 0;
    }
}

/// The client and its thread.
#[derive(Clone)]
pub struct Client {
    pub native: Arc<Native>,
    pub shared: Arc<Shared>,
}

/// Ends the thread.
pub struct Thread {
    stop: Arc<AtomicBool>,
    /// Closed when the thread has given its part of the client back.
    ended: Option<oneshot::Receiver<()>>,
}

impl Client {
    /// Makes the client and starts the thread. Touches no network yet: librdkafka connects by itself.
    pub fn start(settings: &Settings, metrics: Arc<Metrics>) -> Result<(Client, Thread)> {
        let shared = Arc::new(Shared {
            in_flight: InFlight::default(),
            room: Notify::new(),
            firsts: Firsts::default(),
            cluster: Cluster::new(settings.brokers.clone(), settings.uses_tls(), metrics.clone())
                .with_provider(settings.get("sasl.oauthbearer.token.endpoint.url")),
            metrics,
            learned: settings.learned.clone(),
            queued: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            failure: Mutex::new(None),
            failed: AtomicBool::new(false),
            failed_told: Notify::new(),
            fatal: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            unexplained: AtomicBool::new(false),
        });
        let mut config = settings.client_config();
        config.set_log_level(RDKafkaLogLevel::Info);
        let producer: BaseProducer<Context> = config.create_with_context(Context { shared: shared.clone() }).map_err(|e| {
            Error::definite("the Kafka client does not accept its configuration").detail(plain(&e)).hint("see the kafka.* keys")
        })?;
        let native = Arc::new(Native::new(Arc::new(producer)));
        let stop = Arc::new(AtomicBool::new(false));
        let (end, ended) = oneshot::channel();
        let statistics = Statistics::new(shared.metrics.clone());
        let serve = Serve { native: native.clone(), shared: shared.clone(), stop: stop.clone(), statistics };
        std::thread::Builder::new()
            .name("kafka-events".into())
            .spawn(move || {
                serve.run();
                drop(end);
            })
            .map_err(|e| Error::definite("the Kafka event thread cannot be started").source(e))?;
        Ok((Client { native, shared }, Thread { stop, ended: Some(ended) }))
    }
}

impl Thread {
    /// Asks the thread to end, after the reports of a purge.
    pub fn stop(&self, native: &Native) {
        self.stop.store(true, Ordering::Release);
        native.wake();
    }

    /// Waits for the end, which includes the client's own if nobody else holds it.
    pub async fn ended(&mut self, deadline: Duration) {
        if let Some(ended) = self.ended.take()
            && tokio::time::timeout(deadline, ended).await.is_err()
        {
            tracing::warn!("kafka: the client has not ended in time");
        }
    }
}

struct Serve {
    native: Arc<Native>,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    statistics: Statistics,
}

impl Serve {
    fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            self.serve_one(IDLE_POLL);
        }
        let end = Instant::now() + LAST_REPORTS;
        while !self.shared.in_flight.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.serve_one(left);
        }
        self.shared.in_flight.fail_all(&Failure::transient("the Kafka producer was stopped before this was acknowledged"));
    }

    fn serve_one(&mut self, wait: Duration) {
        let Some(mut event) = self.native.poll(wait) else { return };
        match event.kind() {
            EventKind::Deliveries(reports) => {
                self.shared.deliveries(&self.native, reports);
                // The library counts messages as queued until their event is gone.
                drop(event);
                self.shared.room.notify_waiters();
            }
            EventKind::Error { code, reason, fatal } => self.shared.error(&self.native, code, &reason, fatal),
            EventKind::Log { level, facility, text } => log(level, &facility, &text),
            EventKind::Statistics(json) => self.statistics.take(json),
            EventKind::TokenWanted(config) => {
                if let Err(why) = self.native.set_token(unsigned_token(config.as_deref())) {
                    tracing::warn!("kafka: no token for the next login: {why}");
                }
            }
            EventKind::Other => {}
        }
    }
}

/// librdkafka's log lines. What it says of connections comes as an error event too and is told from there.
pub fn log(level: i32, facility: &str, text: &str) {
    match (level, facility) {
        (_, "FAIL" | "ERROR") | (7, _) => tracing::debug!(target: "librdkafka", "{facility}: {text}"),
        (0..=4, _) => tracing::warn!(target: "librdkafka", "{facility}: {text}"),
        _ => tracing::info!(target: "librdkafka", "{facility}: {text}"),
    }
}

/// Without values of settings, which may be secrets.
pub fn plain(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientCreation(text) => text.clone(),
        // Others may hold a value.
        KafkaError::ClientConfig(_, _, name, _) => name.clone(),
        other => other.to_string(),
    }
}

/// What the `rdkafka` crate calls back. Events are read by our own thread; only the crate's `drop` still polls for itself,
/// after it has purged, and may bring reports here.
pub struct Context {
    shared: Arc<Shared>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level as i32, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "kafka: {reason}");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let Some(slot) = self.shared.in_flight.get(Opaque::unpack(opaque).slot) else { return };
        let message = match result {
            Ok(message) => message,
            Err((_, message)) => {
                slot.fail(&Failure::transient("messages were given up before Kafka had answered for them"));
                message
            }
        };
        let bytes = message.payload_len() + message.key_len();
        self.shared.in_flight.settle(&slot, 1);
        self.shared.metrics.in_flight_messages.dec();
        self.shared.metrics.in_flight_bytes.sub(bytes as i64);
    }
}
