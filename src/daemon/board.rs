//! The notice board: everything that metrics and health say of the running daemon is posted here. Posting never waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use prometheus::IntGauge;
use tokio::sync::{Notify, watch};

use crate::encode::batch::Batch;
use crate::metrics::{ErrorKind, Metrics, PositionOf};
use crate::position::{BinlogPosition, Position};
use crate::producer::kafka::Probe;
use crate::status::{CauseKind, LastError, State, Status};

use super::pulse::Pulses;
use super::sender::Acks;

/// Maxwell takes this off a message's age where the producer acknowledges later.
const AGE_ALLOWANCE_US: u64 = 500_000;

/// How Maxwell's metrics are counted.
#[derive(Debug, Clone, Copy)]
pub struct Counting {
    /// `metrics_age_slo`
    pub late_after_us: u64,
    /// Whether the producer acknowledges later (Kafka).
    pub acknowledges_later: bool,
}

impl Default for Counting {
    fn default() -> Self {
        Counting { late_after_us: u64::MAX, acknowledges_later: true }
    }
}

/// The writing end of status and metrics.
pub struct Board {
    pub metrics: Arc<Metrics>,
    /// Which of the loops still move.
    pub pulses: Pulses,
    status: watch::Sender<Status>,
    saves: AtomicU64,
    batch_queue: IntGauge,
    counting: Counting,
    /// Time of the oldest thing that is read but not worked through, microseconds since the epoch; 0 while the pipeline waits.
    working_on_us: AtomicU64,
    run: Mutex<Run>,
    /// Rung when somebody wants a heartbeat now.
    pub beat_wanted: Notify,
}

/// What belongs to the run at work.
#[derive(Default)]
struct Run {
    acks: Option<Arc<Acks>>,
    kafka: Option<Probe>,
    since: Option<Instant>,
}

/// A batch on its way through the producer.
pub struct Flight {
    commit_us: u64,
    transactions: u64,
    since: Instant,
}

impl Board {
    pub fn new(metrics: Arc<Metrics>) -> (Arc<Self>, watch::Receiver<Status>) {
        Self::counting(metrics, Counting::default())
    }

    pub fn counting(metrics: Arc<Metrics>, counting: Counting) -> (Arc<Self>, watch::Receiver<Status>) {
        let (status, watched) = Status::channel();
        metrics.healthy.set(1);
        for kind in CauseKind::ALL {
            metrics.unhealthy(kind.as_str(), false);
        }
        metrics.started_seconds.set(epoch_us() as f64 / 1e6);
        let batch_queue = metrics.queue("batches");
        let board = Board {
            metrics,
            pulses: Pulses::default(),
            status,
            saves: AtomicU64::new(0),
            batch_queue,
            counting,
            working_on_us: AtomicU64::new(0),
            run: Mutex::default(),
            beat_wanted: Notify::new(),
        };
        (Arc::new(board), watched)
    }

    /// Another reader of what is posted.
    pub fn watched(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub fn state(&self, state: State) {
        self.status.send_if_modified(|s| std::mem::replace(&mut s.state, state) != state);
    }

    /// Something keeps data from flowing; why, in a sentence.
    pub fn ill(&self, kind: CauseKind, sentence: impl Into<String>) {
        let sentence = sentence.into();
        let mut new = false;
        self.status.send_modify(|s| {
            s.last_error = Some(LastError { text: sentence.clone(), at_ms: epoch_us() / 1000 });
            new = s.set_cause(kind, sentence.as_str(), epoch_us() / 1000);
        });
        if new {
            tracing::warn!(cause = kind.as_str(), "unhealthy: {sentence}; what to do: {}", kind.advice());
        }
        self.metrics.unhealthy(kind.as_str(), true);
        self.metrics.healthy.set(0);
    }

    /// The cause is over.
    pub fn well(&self, kind: CauseKind) {
        if !self.status.send_if_modified(|s| s.clear_cause(kind).is_some()) {
            return;
        }
        let healthy = self.status.borrow().is_healthy();
        tracing::info!(cause = kind.as_str(), healthy, "over: this cause of ill health is gone");
        self.metrics.unhealthy(kind.as_str(), false);
        self.metrics.healthy.set(healthy.into());
    }

    pub fn error(&self, kind: ErrorKind) {
        self.metrics.error(kind);
    }

    /// A run begins at this position, which counts as the stored one until another is.
    pub fn run_begins(&self, acks: Arc<Acks>, position: &Position) {
        {
            let mut run = self.run();
            run.acks = Some(acks);
            run.since = Some(Instant::now());
        }
        self.metrics.position(PositionOf::Stored, position.at.file_number().unwrap_or(0), position.at.offset);
        self.status.send_modify(|s| s.stored = Some(position.clone()));
    }

    /// It is over, and with it everything in flight.
    pub fn run_ends(&self) {
        *self.run() = Run::default();
        self.working_on_us.store(0, Ordering::Relaxed);
    }

    /// The way to the brokers of this run.
    pub fn kafka(&self, probe: Probe) {
        self.run().kafka = Some(probe);
    }

    pub fn acks(&self) -> Option<Arc<Acks>> {
        self.run().acks.clone()
    }

    pub fn kafka_probe(&self) -> Option<Probe> {
        self.run().kafka.clone()
    }

    /// How long the run at work has stood.
    pub fn run_age(&self) -> Option<Duration> {
        self.run().since.map(|since| since.elapsed())
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        // Single values: whole whatever happened under the lock.
        self.run.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The pipeline has begun with something that the server wrote at this time (0: unknown).
    pub fn works_on(&self, us: u64) {
        self.working_on_us.store(us, Ordering::Relaxed);
    }

    /// The pipeline has worked through everything and waits for the server.
    pub fn waits(&self) {
        self.works_on(0);
    }

    /// Age of the oldest transaction that is not worked through or not acknowledged; zero when nothing waits.
    pub fn behind(&self, now_us: u64) -> Duration {
        let working = Some(self.working_on_us.load(Ordering::Relaxed)).filter(|us| *us > 0);
        let in_flight = self.acks().and_then(|acks| acks.tracker().oldest_open_commit_us());
        let oldest = working.into_iter().chain(in_flight).min();
        Duration::from_micros(oldest.map_or(0, |us| now_us.saturating_sub(us)))
    }

    /// How far the binlog was read, and the newest heartbeat in it.
    pub fn read(&self, at: &BinlogPosition, heartbeat: i64) {
        self.metrics.position(PositionOf::Read, at.file_number().unwrap_or(0), at.offset);
        self.status.send_modify(|s| {
            s.state = State::Streaming;
            s.read = Some(Position { heartbeat, ..Position::new(at.clone()) });
        });
    }

    pub fn reached(&self, position: &Position) {
        self.metrics.position(PositionOf::Acknowledged, position.at.file_number().unwrap_or(0), position.at.offset);
        self.status.send_modify(|s| s.acknowledged = Some(position.clone()));
    }

    pub fn saved(&self, position: &Position) {
        self.saves.fetch_add(1, Ordering::Relaxed);
        self.metrics.last_save_seconds.set(epoch_us() as f64 / 1e6);
        self.metrics.position(PositionOf::Stored, position.at.file_number().unwrap_or(0), position.at.offset);
        self.status.send_modify(|s| s.stored = Some(position.clone()));
    }

    /// How often a position was saved since the start; tells progress.
    pub fn saves(&self) -> u64 {
        self.saves.load(Ordering::Relaxed)
    }

    pub fn batch_queued(&self, bytes: usize) {
        self.batch_queue.add(i64::try_from(bytes).unwrap_or(0));
    }

    /// The batch is handed to the producer now.
    pub fn batch_taken(&self, batch: &Batch) -> Flight {
        self.batch_queue.sub(i64::try_from(batch.bytes()).unwrap_or(0));
        let m = &self.metrics;
        m.rows.inc_by(batch.rows);
        m.transactions.inc_by(batch.transactions);
        m.bytes.inc_by(batch.arena.len() as u64);
        m.batches.inc();
        m.maxwell.in_flight.fetch_add(count(batch.transactions), Ordering::Relaxed);
        Flight { commit_us: batch.commit_us, transactions: batch.transactions, since: Instant::now() }
    }

    /// Everything of a batch is acknowledged, or it failed, or nothing of it had to be sent.
    pub fn batch_answered(&self, flight: &Flight, acknowledged: bool) {
        let m = &self.metrics;
        m.maxwell.in_flight.fetch_sub(count(flight.transactions), Ordering::Relaxed);
        if !acknowledged || flight.commit_us == 0 {
            return;
        }
        let (commit_us, transactions) = (flight.commit_us, flight.transactions);
        let age_us = epoch_us().saturating_sub(commit_us);
        // The server gives whole seconds where the fraction is zero; a smaller number would be invented then.
        let lag = if commit_us.is_multiple_of(1_000_000) { (age_us / 1_000_000) as f64 } else { age_us as f64 / 1e6 };
        m.lag_seconds.set(lag);
        let allowance = if self.counting.acknowledges_later { AGE_ALLOWANCE_US } else { 0 };
        m.maxwell.publish_age.record(age_us.saturating_sub(allowance), transactions);
        m.maxwell.publish_time.record(u64::try_from(flight.since.elapsed().as_micros()).unwrap_or(u64::MAX), transactions);
        if age_us.saturating_sub(allowance) > self.counting.late_after_us {
            m.maxwell.late.fetch_add(transactions, Ordering::Relaxed);
        }
    }
}

fn count(transactions: u64) -> i64 {
    i64::try_from(transactions).unwrap_or(i64::MAX)
}

/// Microseconds since the epoch.
pub fn epoch_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
