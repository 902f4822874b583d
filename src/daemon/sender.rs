//! The task that owns the producer: takes batches in order, opens a ticket for each, hands them over.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

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

/// After a failed batch the producer's work at hand may go on for so long: it may say more than the batch did.
const LAST_WORD: Duration = Duration::from_secs(5);

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
            if self.has_failed() || self.tracker().held() < HELD_MAX {
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

    fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(|e| e.into_inner()).is_some()
    }

    /// Waits until a batch has failed, and then for as long as its cause may still come from elsewhere.
    async fn failed_for_good(&self) {
        loop {
            let failed = self.failed.notified();
            tokio::pin!(failed);
            // Registered before the look, so that what happens in between is not missed.
            failed.as_mut().enable();
            if self.has_failed() {
                break;
            }
            failed.await;
        }
        tokio::time::sleep(LAST_WORD).await;
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
                let settled = finished(producer.settle(), &acks, &mut shutdown).await;
                match settled {
                    Some(Ok(())) => continue,
                    Some(Err(error)) => return (producer, Err(error)),
                    None => return (producer, Ok(())),
                }
            }
        };
        let sent = finished(send_one(&mut *producer, queued, &acks, &board), &acks, &mut shutdown).await;
        match sent {
            Some(Ok(())) => {}
            Some(Err(error)) => return (producer, Err(error)),
            None => return (producer, Ok(())),
        }
    }
}

/// Waits for the producer's work at hand; `None` if a stop is requested meanwhile. A full producer must not keep the daemon from
/// stopping, nor one that waits for what has failed; what was handed over half way is replayed.
async fn finished(work: impl Future<Output = Result<()>>, acks: &Acks, shutdown: &mut Shutdown) -> Option<Result<()>> {
    let given_up = || Error::transient("a batch failed while the next one was handed over");
    let result = tokio::select! { biased;
        () = shutdown.requested() => return None,
        result = work => result,
        () = acks.failed_for_good() => Err(given_up()),
    };
    Some(match result {
        Err(error) => Err(acks.cause_of(error)),
        // Whoever waited here may have been told in the place of `run`.
        Ok(()) => acks.take_failure().map_or(Ok(()), Err),
    })
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

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::budget::Budget;
    use crate::daemon::shutdown;
    use crate::metrics::Metrics;
    use crate::producer::testing::lines;

    /// Fails the first batch while it works on the second, whose `send` never ends.
    #[derive(Default)]
    struct Stuck {
        first: Option<Completion>,
        second: Option<Completion>,
    }

    impl Producer for Stuck {
        fn send(&mut self, _: Batch, done: Completion) -> BoxFuture<'_, Result<()>> {
            match self.first.take() {
                None => self.first = Some(done),
                Some(first) => {
                    self.second = Some(done);
                    return Box::pin(async move {
                        first.failed(Error::transient("the first one failed"));
                        std::future::pending().await
                    });
                }
            }
            Box::pin(std::future::ready(Ok(())))
        }

        fn close(&mut self, _: Duration) -> BoxFuture<'_, Result<()>> {
            Box::pin(std::future::ready(Ok(())))
        }

        fn name(&self) -> &'static str {
            "stuck"
        }

        fn wants_keys(&self) -> bool {
            false
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_batch_ends_the_wait_for_a_send_that_hangs() {
        let (queue, batches) = mpsc::channel(2);
        let budget = Budget::new(1000);
        for _ in 0..2 {
            let permit = budget.reserve(1).await.unwrap();
            queue.send(QueuedBatch { batch: lines(&["x"]), permit }).await.ok().unwrap();
        }
        let (board, _watched) = Board::new(Arc::new(Metrics::new()));
        let (_trigger, shutdown) = shutdown::channel();
        let running = pin!(run(Box::new(Stuck::default()), batches, Arc::default(), board, shutdown));
        let (_, result) = tokio::time::timeout(LAST_WORD * 2, running).await.expect("the sender ends");
        assert!(result.unwrap_err().to_string().contains("the first one failed"));
    }
}
