//! Where finished messages go. One file per sink, chosen once; dynamic dispatch once per batch.

pub mod file;
pub mod kafka;
mod lines;
pub mod stdout;

use std::time::{Duration, Instant};

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

    /// Whether batches without messages are sent too, because the places in them are recorded.
    fn wants_all_ends(&self) -> bool {
        false
    }

    /// When `settle` is to be called if nothing was sent by then; `None`: it need not be.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Ends what waits for more. As with `send`, completions answer later.
    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Batches and completions for the tests of every sink.

    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use bytes::Bytes;

    use super::Completion;
    use crate::encode::batch::{Batch, Message, MessageKind, RawRows, Span, TopicId};
    use crate::error::Result;

    /// A batch of (topic, partition hash, key, value).
    pub fn batch(messages: &[(TopicId, i32, &str, &str)]) -> Batch {
        let mut arena = Vec::new();
        let mut span = |text: &str| {
            let start = arena.len() as u32;
            arena.extend_from_slice(text.as_bytes());
            Span { start, len: text.len() as u32 }
        };
        let messages: Vec<Message> = messages
            .iter()
            .enumerate()
            .map(|(i, &(topic, partition_hash, key, value))| Message {
                topic,
                partition_hash,
                kind: MessageKind::Row,
                key: span(key),
                value: span(value),
                offset: 100 + i as u64,
            })
            .collect();
        let rows = messages.len() as u64;
        let file = Arc::from("master.000001");
        Batch {
            file,
            arena: Bytes::from(arena),
            messages,
            end: None,
            gtids: Vec::new(),
            rows,
            transactions: 1,
            commit_us: 0,
            raw: RawRows::default(),
        }
    }

    /// A batch of lines, for sinks without topics.
    pub fn lines(values: &[&str]) -> Batch {
        batch(&values.iter().map(|v| (TopicId(0), 0, "", *v)).collect::<Vec<_>>())
    }

    /// Completions that answer into one channel, each with its number.
    pub struct Answers {
        sender: SyncSender<(usize, Result<()>)>,
        pub receiver: Receiver<(usize, Result<()>)>,
    }

    impl Answers {
        pub fn new() -> Self {
            let (sender, receiver) = sync_channel(100_000);
            Answers { sender, receiver }
        }

        pub fn completion(&self, number: usize) -> Completion {
            let sender = self.sender.clone();
            Completion::new(move |result| drop(sender.try_send((number, result))))
        }

        /// The next answer; a test that waits longer than this hangs for a reason worth seeing.
        pub fn next(&self) -> (usize, Result<()>) {
            self.receiver.recv_timeout(std::time::Duration::from_secs(60)).expect("an answer")
        }

        /// What is answered by now.
        pub fn so_far(&self) -> Vec<(usize, Result<()>)> {
            self.receiver.try_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Answers;

    #[test]
    fn a_completion_answers_once_and_dropping_it_is_a_failure() {
        let answers = Answers::new();
        answers.completion(1).done();
        answers.completion(2).failed(crate::error::Error::definite("no"));
        drop(answers.completion(3));
        let seen: Vec<_> = answers.so_far().into_iter().map(|(n, r)| (n, r.map_err(|e| e.is_transient()))).collect();
        assert_eq!(seen, [(1, Ok(())), (2, Err(false)), (3, Err(true))]);
    }
}
