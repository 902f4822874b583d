//! What stdout and file have in common: one line per message, written by a thread of its own, so that a reader who has
//! stopped reading holds up this thread and not the daemon's signals and heartbeats. A batch's completion answers when the
//! operating system has taken all of its bytes. Never here: which stream it is, or what its errors mean.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::encode::batch::Batch;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

use super::Completion;

/// Bytes gathered for one write: large enough that the system call costs nothing per line.
const WRITE_BYTES: usize = 256 * 1024;

/// Batches that may wait for the thread; the encoder's own bound in bytes holds what a batch may be.
const WAITING_BATCHES: usize = 2;

/// The stream behind the lines.
pub trait Sink: Send + 'static {
    /// Writes all of these bytes, or says with class and hint why it cannot.
    fn write_all(&mut self, bytes: &[u8]) -> Result<()>;

    /// A batch is complete: whatever is buffered goes to the operating system now. Called after every batch.
    fn end_batch(&mut self) -> Result<()>;

    /// A batch could not be written completely: leave no half line behind, if that can be done.
    fn abandon_batch(&mut self) {}
}

/// Hands batches to the writing thread.
pub struct LineWriter {
    batches: Option<mpsc::Sender<(Batch, Completion)>>,
    /// Closed when the thread has ended.
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LineWriter {
    pub fn start(name: &'static str, sink: impl Sink, metrics: Arc<Metrics>) -> Result<Self> {
        let (batches, receiver) = mpsc::channel(WAITING_BATCHES);
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("{name}-writer"))
            .spawn(move || {
                write_batches(receiver, sink, &metrics);
                drop(end);
            })
            .map_err(|e| Error::definite("the writing thread cannot be started").source(e))?;
        Ok(LineWriter { batches: Some(batches), ended: Some(ended), thread: Some(thread) })
    }

    pub async fn send(&mut self, batch: Batch, done: Completion) -> Result<()> {
        let Some(batches) = &self.batches else {
            return Err(Error::bug("a batch was sent to a producer that is closed"));
        };
        // The thread ends early only after an error, which the completion of the failed batch has told already.
        batches.send((batch, done)).await.map_err(|_| Error::transient("the output has failed and takes no more"))
    }

    pub async fn close(&mut self, deadline: Duration) -> Result<()> {
        self.batches = None;
        let Some(ended) = self.ended.take() else { return Ok(()) };
        match tokio::time::timeout(deadline, ended).await {
            Ok(_) => {
                if let Some(thread) = self.thread.take() {
                    // It is past its last statement; a panic in it was reported by the panic hook.
                    let _ = thread.join();
                }
                Ok(())
            }
            // The thread hangs in a write. It holds the batch, and its completion fails when the process ends.
            Err(_) => Err(Error::transient(format!("the output did not take the last lines within {} ms", deadline.as_millis()))),
        }
    }
}

fn write_batches(mut batches: mpsc::Receiver<(Batch, Completion)>, mut sink: impl Sink, metrics: &Metrics) {
    let mut buffer = Vec::with_capacity(WRITE_BYTES);
    while let Some((batch, done)) = batches.blocking_recv() {
        let messages = batch.messages.len() as u64;
        match write_batch(&batch, &mut buffer, &mut sink) {
            Ok(()) => {
                metrics.messages_succeeded.inc_by(messages);
                done.done();
            }
            Err(error) => {
                sink.abandon_batch();
                metrics.messages_failed.inc_by(messages);
                done.failed(error);
                // Order: nothing may follow what was not written. Batches that wait fail by being dropped.
                return;
            }
        }
    }
}

fn write_batch(batch: &Batch, buffer: &mut Vec<u8>, sink: &mut impl Sink) -> Result<()> {
    buffer.clear();
    for message in &batch.messages {
        let value = message.value.of(&batch.arena);
        if !buffer.is_empty() && buffer.len() + value.len() + 1 > WRITE_BYTES {
            sink.write_all(buffer)?;
            buffer.clear();
        }
        buffer.extend_from_slice(value);
        buffer.push(b'\n');
    }
    if !buffer.is_empty() {
        sink.write_all(buffer)?;
    }
    // One huge row must not keep its memory for ever.
    buffer.truncate(0);
    buffer.shrink_to(WRITE_BYTES);
    sink.end_batch()
}

/// Whether the error says that there is no room now but may be later.
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::testing::{Answers, lines};
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Memory {
        written: Arc<Mutex<Vec<Vec<u8>>>>,
        fail_at: Option<usize>,
        ends: Arc<Mutex<usize>>,
    }

    impl Sink for Memory {
        fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
            let mut written = self.written.lock().unwrap();
            if Some(written.len()) == self.fail_at {
                return Err(Error::definite("full"));
            }
            written.push(bytes.to_vec());
            Ok(())
        }

        fn end_batch(&mut self) -> Result<()> {
            *self.ends.lock().unwrap() += 1;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_batch_is_few_writes_and_one_flush() {
        let sink = Memory::default();
        let answers = Answers::new();
        let mut writer = LineWriter::start("test", sink.clone(), Arc::default()).unwrap();
        let long = "x".repeat(WRITE_BYTES - 2);
        writer.send(lines(&["a", "b", &long, "c"]), answers.completion(0)).await.unwrap();
        writer.send(lines(&[]), answers.completion(1)).await.unwrap();
        writer.close(Duration::from_secs(60)).await.unwrap();
        let written = sink.written.lock().unwrap();
        assert_eq!(written.len(), 3);
        assert_eq!(written[0], b"a\nb\n");
        assert_eq!(written[2], b"c\n");
        assert_eq!(*sink.ends.lock().unwrap(), 2);
        assert_eq!(answers.so_far().into_iter().map(|(n, r)| (n, r.is_ok())).collect::<Vec<_>>(), [(0, true), (1, true)]);
    }

    #[tokio::test]
    async fn nothing_is_written_after_a_failure_and_every_batch_is_answered() {
        let sink = Memory { fail_at: Some(1), ..Memory::default() };
        let answers = Answers::new();
        let mut writer = LineWriter::start("test", sink.clone(), Arc::default()).unwrap();
        for (i, line) in ["a", "b", "c"].iter().enumerate() {
            // The third may already be refused here; its completion fails all the same.
            let _ = writer.send(lines(&[line]), answers.completion(i)).await;
        }
        writer.close(Duration::from_secs(60)).await.unwrap();
        let mut seen: Vec<_> = answers.so_far().into_iter().map(|(n, r)| (n, r.map_err(|e| e.is_transient()))).collect();
        seen.sort_by_key(|s| s.0);
        assert_eq!(seen, [(0, Ok(())), (1, Err(false)), (2, Err(true))]);
        assert_eq!(sink.written.lock().unwrap().concat(), b"a\n");
    }
}
