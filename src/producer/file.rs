//! Producer `file`: appends one JSON line per message to `output_file`, each batch complete in the file (not necessarily on
//! the disk: no fsync, as Maxwell) before it counts as delivered.
//!
//! A full disk is transient: space may be freed while the daemon waits, and it then goes on from the resume point. For that
//! the file is cut back to where the failed batch began, so that no half line is left in it. A half line that a kill -9 left
//! is closed with a line end at the next start; its row is sent again whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::encode::batch::Batch;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

use super::lines::{LineWriter, Sink, is_out_of_space};
use super::{Completion, Producer};

/// Appends lines to one file.
pub struct FileProducer {
    lines: LineWriter,
}

impl FileProducer {
    /// Opens or makes the file. Definite error if that is not allowed or the folder is missing.
    pub fn open(path: &Path, metrics: Arc<Metrics>) -> Result<Self> {
        Ok(FileProducer { lines: LineWriter::start("file", Appender::open(path)?, metrics)? })
    }
}

impl Producer for FileProducer {
    fn send(&mut self, batch: Batch, done: Completion) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.lines.send(batch, done))
    }

    fn close(&mut self, deadline: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.lines.close(deadline))
    }

    fn name(&self) -> &'static str {
        "file"
    }

    fn wants_keys(&self) -> bool {
        false
    }
}

struct Appender {
    file: File,
    path: PathBuf,
    /// Whether it can be cut back: a named pipe or a terminal cannot.
    regular: bool,
    /// Bytes written since the last complete batch.
    pending_bytes: u64,
}

impl Appender {
    fn open(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| {
            Error::definite(format!("output_file {} cannot be opened for writing", path.display()))
                .hint("give a file in a folder that exists and that this user may write to")
                .source(e)
        };
        // Reading is only for the look at the last byte; a file that may be written but not read is good too.
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
        let regular = file.metadata().map_err(failed)?.is_file();
        let mut appender = Appender { file, path: path.to_owned(), regular, pending_bytes: 0 };
        if regular && last_byte(path).is_some_and(|b| b != b'\n') {
            tracing::warn!(file = %path.display(), "the file ends within a line, which is closed here; its row is sent again whole");
            appender.file.write_all(b"\n").map_err(failed)?;
        }
        Ok(appender)
    }

    fn classify(&self, error: io::Error) -> Error {
        let message = format!("output_file {} cannot be written", self.path.display());
        if is_out_of_space(&error) {
            return Error::transient(message).hint("free some space; the daemon goes on by itself then").source(error);
        }
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Error::definite(format!("the reader of output_file {} has closed it", self.path.display()));
        }
        Error::definite(message).source(error)
    }
}

impl Sink for Appender {
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(self.classify(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    self.pending_bytes += n as u64;
                    bytes = bytes.get(n..).unwrap_or_default();
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.classify(e)),
            }
        }
        Ok(())
    }

    fn end_batch(&mut self) -> Result<()> {
        self.pending_bytes = 0;
        Ok(())
    }

    fn abandon_batch(&mut self) {
        if !self.regular || self.pending_bytes == 0 {
            return;
        }
        let cut = self.file.metadata().and_then(|m| self.file.set_len(m.len().saturating_sub(self.pending_bytes)));
        if let Err(error) = cut {
            tracing::warn!(file = %self.path.display(), %error, "the file could not be cut back to the last complete batch");
        }
        self.pending_bytes = 0;
    }
}

/// The last byte of a file that can be read and is not empty.
fn last_byte(path: &Path) -> Option<u8> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::End(-1)).ok()?;
    let mut byte = [0];
    file.read_exact(&mut byte).ok()?;
    Some(byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::testing::{Answers, lines};

    #[tokio::test]
    async fn appends_and_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        std::fs::write(&path, "old\n").unwrap();
        let answers = Answers::new();
        let mut producer = FileProducer::open(&path, Arc::default()).unwrap();
        producer.send(lines(&["a", "b"]), answers.completion(0)).await.unwrap();
        assert!(answers.next().1.is_ok());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\na\nb\n");
        producer.close(Duration::from_secs(60)).await.unwrap();
    }

    #[test]
    fn a_half_line_is_closed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        std::fs::write(&path, "whole\nhal").unwrap();
        drop(Appender::open(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nhal\n");
        drop(Appender::open(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nhal\n");
    }

    #[test]
    fn a_failed_batch_leaves_no_half_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        let mut appender = Appender::open(&path).unwrap();
        appender.write_all(b"one\n").unwrap();
        appender.end_batch().unwrap();
        appender.write_all(b"two\nthr").unwrap();
        appender.abandon_batch();
        appender.write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[tokio::test]
    async fn a_full_disk_is_transient_and_a_missing_folder_definite() {
        let error = Appender::open(Path::new("/no/such/folder/out.json")).err().unwrap();
        assert!(!error.is_transient() && error.to_string().contains("/no/such/folder/out.json"), "{error}");
        // Linux's own always full device.
        if let Ok(mut full) = Appender::open(Path::new("/dev/full")) {
            let error = full.write_all(b"x\n").unwrap_err();
            assert!(error.is_transient(), "{error:?}");
        }
    }
}
