//! The notice board: everything that metrics and health say of the running daemon is posted here. Posting never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::IntGauge;
use tokio::sync::watch;

use crate::encode::batch::Batch;
use crate::metrics::{ErrorKind, Metrics, PositionOf};
use crate::position::{BinlogPosition, Position};
use crate::status::{CauseKind, LastError, State, Status};

use super::pulse::Pulses;

/// The writing end of status and metrics.
pub struct Board {
    pub metrics: Arc<Metrics>,
    /// Which of the loops still move.
    pub pulses: Pulses,
    status: watch::Sender<Status>,
    saves: AtomicU64,
    batch_queue: IntGauge,
}

impl Board {
    pub fn new(metrics: Arc<Metrics>) -> (Arc<Self>, watch::Receiver<Status>) {
        let (status, watched) = Status::channel();
        metrics.healthy.set(1);
        metrics.started_seconds.set(epoch_us() as f64 / 1e6);
        let batch_queue = metrics.queue("batches");
        (Arc::new(Board { metrics, pulses: Pulses::default(), status, saves: AtomicU64::new(0), batch_queue }), watched)
    }

    /// Another reader of what is posted.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub fn state(&self, state: State) {
        self.status.send_if_modified(|s| std::mem::replace(&mut s.state, state) != state);
    }

    /// Something keeps data from flowing; why, in a sentence.
    pub fn ill(&self, kind: CauseKind, sentence: impl Into<String>) {
        let sentence = sentence.into();
        self.status.send_modify(|s| {
            s.last_error = Some(LastError { text: sentence.clone(), at_ms: epoch_us() / 1000 });
            s.set_cause(kind, sentence, epoch_us() / 1000);
        });
        self.metrics.healthy.set(0);
    }

    /// The cause is over.
    pub fn well(&self, kind: CauseKind) {
        self.status.send_if_modified(|s| s.clear_cause(kind).is_some());
        self.metrics.healthy.set(i64::from(self.status.borrow().is_healthy()));
    }

    pub fn error(&self, kind: ErrorKind) {
        self.metrics.error(kind);
    }

    /// How far the binlog was read.
    pub fn read(&self, at: &BinlogPosition) {
        self.metrics.position(PositionOf::Read, at.file_number().unwrap_or(0), at.offset);
        self.status.send_modify(|s| {
            s.state = State::Streaming;
            s.read = Some(Position::new(at.clone()));
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

    pub fn batch_taken(&self, batch: &Batch) {
        self.batch_queue.sub(i64::try_from(batch.bytes()).unwrap_or(0));
        let m = &self.metrics;
        m.rows.inc_by(batch.rows);
        m.transactions.inc_by(batch.transactions);
        m.bytes.inc_by(batch.arena.len() as u64);
        m.batches.inc();
    }

    /// Everything of a batch is acknowledged; its newest transaction committed at `commit_us`.
    pub fn batch_acknowledged(&self, commit_us: u64) {
        if commit_us > 0 {
            let age_us = epoch_us().saturating_sub(commit_us);
            // The server gives whole seconds where the fraction is zero; a smaller number would be invented then.
            let lag = if commit_us.is_multiple_of(1_000_000) { (age_us / 1_000_000) as f64 } else { age_us as f64 / 1e6 };
            self.metrics.lag_seconds.set(lag);
        }
    }
}

/// Microseconds since the epoch.
pub fn epoch_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
