//! Where finished messages go. One file per sink, chosen once; dynamic dispatch once per batch.

pub mod file;
pub mod hash;
pub mod kafka;
pub mod stdout;

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::encode::batch::Batch;
use crate::error::{Error, Result};

/// Answers for one batch, once. Dropping it unanswered counts as a failure, and a failure replays from the last
/// resume point, so a producer that loses track of a batch can never make the position move.
pub struct Completion {
    answer: Option<Box<dyn FnOnce(Result<()>) + Send>>,
}

impl Completion {
    pub fn new(answer: impl FnOnce(Result<()>) + Send + 'static) -> Self {
        Completion { answer: Some(Box::new(answer)) }
    }

    /// Every message of the batch is durable, or was disposed of as the configuration says.
    pub fn done(mut self) {
        self.answer(Ok(()));
    }

    pub fn failed(mut self, error: Error) {
        self.answer(Err(error));
    }

    fn answer(&mut self, result: Result<()>) {
        if let Some(answer) = self.answer.take() {
            answer(result);
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.answer(Err(Error::transient("the producer gave up a batch without an answer")));
    }
}

/// Takes batches in order and keeps that order per partition. `Ok` from `send` means accepted, not durable; it may
/// wait, and that is the back-pressure. Each completion answers for its own batch, in any order, from any thread.
/// Dropping the future of a `send` half way may have handed over some messages and fails the completion.
pub trait Producer: Send {
    fn send(&mut self, batch: Batch, done: Completion) -> BoxFuture<'_, Result<()>>;

    /// Waits until everything sent is answered, at most `deadline`; what is left then fails. Called once, at stop.
    fn close(&mut self, deadline: Duration) -> BoxFuture<'_, Result<()>>;

    /// One word for logs and metrics: "kafka", "stdout", "file".
    fn name(&self) -> &'static str;

    /// Whether keys and partition hashes are used; if not, encoding leaves them out.
    fn wants_keys(&self) -> bool;
}
