//! The task that owns the producer: takes batches in order, opens a ticket for each, hands them over.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

use crate::budget::Permit;
use crate::encode::batch::Batch;
use crate::error::{Error, Result};
use crate::position::ack::{AckTracker, Reached, Ticket};
use crate::producer::{Completion, Producer};

use super::board::Board;
use super::shutdown::Shutdown;

/// Bound of `AckTracker::held`: some 20 MB.
const HELD_MAX: usize = 400_000;

/// A batch with the permit for its bytes, given back when the producer has accepted it.
pub struct QueuedBatch {
    pub batch: Batch,
    pub permit: Permit,
}

/// Tickets in stream order, and the first failure. Shared by the sender (opens tickets), the producer's threads
/// (answer them) and the keeper (takes what is reached).
#[derive(Default)]
pub struct Acks {
    tracker: Mutex<AckTracker>,
    failure: Mutex<Option<Error>>,
    /// Rung at every failure.
    pub failed: Notify,
    /// Rung when the watermark may have less to remember.
    moved: Notify,
}

impl Acks {
    pub fn tracker(&self) -> MutexGuard<'_, AckTracker> {
        // The tracker's own asserts are the only panics under this lock; after one the process is on its way out.
        self.tracker.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn take_reached(&self) -> Option<Reached> {
        let reached = self.tracker().reached();
        self.moved.notify_waiters();
        reached
    }

    fn done(&self, ticket: Ticket) {
        self.tracker().done(ticket);
        self.moved.notify_waiters();
    }

    /// Waits until the watermark may remember one more batch, or something has failed.
    async fn room(&self) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Registered before the look, so that what happens in between is not missed.
            moved.as_mut().enable();
            let failed = self.failure.lock().unwrap_or_else(|e| e.into_inner()).is_some();
            if failed || self.tracker().held() < HELD_MAX {
                return;
            }
            moved.await;
        }
    }

    pub fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
        self.failed.notify_waiters();
        self.moved.notify_waiters();
        self.failed.notify_one();
    }

    /// A batch that failed before may say more than what failed because of it.
    fn cause_of(&self, error: Error) -> Error {
        match self.take_failure() {
            Some(cause) if error.is_transient() => cause,
            _ => error,
        }
    }

    pub fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(|e| e.into_inner()).take()
    }
}

/// Runs until the queue ends, a stop is requested or the producer fails. The producer is given back to be closed.
pub async fn run(
    mut producer: Box<dyn Producer>,
    mut batches: mpsc::Receiver<QueuedBatch>,
    acks: Arc<Acks>,
    board: Arc<Board>,
    mut shutdown: Shutdown,
) -> (Box<dyn Producer>, Result<()>) {
    loop {
        let queued = tokio::select! { biased;
            () = shutdown.requested() => return (producer, Ok(())),
            () = acks.failed.notified() => match acks.take_failure() {
                Some(error) => return (producer, Err(error)),
                None => continue,
            },
            queued = batches.recv() => match queued {
                Some(queued) => queued,
                None => return (producer, Ok(())),
            },
            () = reached(producer.due()) => {
                let settled = tokio::select! { biased;
                    () = shutdown.requested() => Ok(()),
                    settled = producer.settle() => settled,
                };
                if let Err(error) = settled {
                    return (producer, Err(acks.cause_of(error)));
                }
                continue;
            }
        };
        let sent = tokio::select! { biased;
            // A full producer must not keep the daemon from stopping; what was handed over half way is replayed.
            () = shutdown.requested() => None,
            result = send_one(&mut *producer, queued, &acks, &board) => Some(result),
        };
        let Some(sent) = sent else { return (producer, Ok(())) };
        if let Err(error) = sent {
            return (producer, Err(acks.cause_of(error)));
        }
    }
}

/// Waits until then; without a time for ever.
async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

async fn send_one(producer: &mut dyn Producer, queued: QueuedBatch, acks: &Arc<Acks>, board: &Arc<Board>) -> Result<()> {
    let QueuedBatch { batch, permit } = queued;
    acks.room().await;
    let flight = board.batch_taken(&batch);
    let ticket = acks.tracker().open_dated(batch.end.clone(), batch.gtids.clone(), Instant::now(), batch.commit_us);
    if batch.messages.is_empty() && !producer.wants_all_ends() {
        board.batch_answered(&flight, false);
        acks.done(ticket);
        return Ok(());
    }
    let (acks, board) = (acks.clone(), board.clone());
    let done = Completion::new(move |result| {
        board.batch_answered(&flight, result.is_ok());
        match result {
            Ok(()) => acks.done(ticket),
            Err(error) => acks.fail(error),
        }
    });
    let result = producer.send(batch, done).await;
    drop(permit);
    result
}
