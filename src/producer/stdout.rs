//! Producer `stdout`: one JSON line per message on the standard output (logs go to stderr). A message counts as delivered
//! when the operating system has taken it; what the reader of a pipe does with it is the reader's affair.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::encode::batch::Batch;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

use super::lines::{LineWriter, Sink, is_out_of_space};
use super::{Completion, Producer};

/// Writes lines to the process's standard output.
pub struct StdoutProducer {
    lines: LineWriter,
}

impl StdoutProducer {
    pub fn start(metrics: Arc<Metrics>) -> Result<Self> {
        Ok(StdoutProducer { lines: LineWriter::start("stdout", Stream(io::stdout()), metrics)? })
    }
}

impl Producer for StdoutProducer {
    fn send(&mut self, batch: Batch, done: Completion) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.lines.send(batch, done))
    }

    fn close(&mut self, deadline: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.lines.close(deadline))
    }

    fn name(&self) -> &'static str {
        "stdout"
    }

    fn wants_keys(&self) -> bool {
        false
    }
}

struct Stream<W>(W);

impl<W: Write + Send + 'static> Sink for Stream<W> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(classify)
    }

    fn end_batch(&mut self) -> Result<()> {
        self.0.flush().map_err(classify)
    }
}

/// Rust programs ignore SIGPIPE, so a closed pipe arrives here as an error. It is definite: the pipe does not come back,
/// and the position stands before what was not read. A stream that is redirected to a file may only be out of space, but
/// half a line may be written, which cannot be taken back here; so that is definite too.
fn classify(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::definite("the standard output was closed by its reader").hint("start again with a reader; nothing is lost");
    }
    let full = is_out_of_space(&error);
    let classified = Error::definite("the standard output cannot be written").source(error);
    if full { classified.hint("free some space, or use producer=file, which waits for space") } else { classified }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_pipe_is_a_definite_error_with_a_sentence() {
        use crate::producer::testing::{Answers, lines};
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let answers = Answers::new();
        let mut lines_out = LineWriter::start("test", Stream(writer), Arc::default()).unwrap();
        lines_out.send(lines(&["a"]), answers.completion(0)).await.unwrap();
        let (_, result) = answers.next();
        let error = result.unwrap_err();
        assert!(!error.is_transient());
        assert_eq!(error.message(), "the standard output was closed by its reader");
    }

    #[tokio::test]
    async fn a_pipe_gets_the_lines() {
        use crate::producer::testing::{Answers, lines};
        let (mut reader, writer) = io::pipe().unwrap();
        let answers = Answers::new();
        let mut lines_out = LineWriter::start("test", Stream(writer), Arc::default()).unwrap();
        lines_out.send(lines(&["{\"a\":1}", "{\"a\":2}"]), answers.completion(0)).await.unwrap();
        lines_out.close(Duration::from_secs(60)).await.unwrap();
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
        assert!(answers.next().1.is_ok());
    }
}
