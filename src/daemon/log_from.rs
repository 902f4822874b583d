//! A log that is read once more from a place on: over a connection of its own, or from a recorded file.

use std::path::Path;
use std::sync::Arc;

use crate::assemble::groups::GroupScanner;
use crate::binlog::{EventType, RawEvent};
use crate::error::{Error, Result};
use crate::position::BinlogPosition;
use crate::position::place::FIRST_EVENT;
use crate::source::dump::{DumpOptions, DumpStream, Start};
use crate::source::file::BinlogFile;

use super::board::Board;
use super::shutdown::Shutdown;

/// The events of one file from a place on, without those that a dump thread makes up.
pub trait LogFrom {
    /// The next event; `None` at the end of the log.
    fn next_event(&mut self) -> Result<Option<RawEvent>>;
}

/// From a server.
pub struct DumpLog {
    stream: DumpStream,
    events: std::vec::IntoIter<RawEvent>,
    start: BinlogPosition,
    /// Places in the file, until the start is passed.
    scanner: Option<GroupScanner>,
    board: Arc<Board>,
    shutdown: Shutdown,
    waker: tokio::task::JoinHandle<()>,
}

impl DumpLog {
    /// `options` are those of a reader that is not the daemon's own.
    ///
    /// # Errors
    /// As for any dump; the server refuses a file that it does not have any more.
    pub fn open(
        options: &DumpOptions,
        start: &BinlogPosition,
        runtime: &tokio::runtime::Handle,
        board: Arc<Board>,
        shutdown: Shutdown,
    ) -> Result<Self> {
        // The protocol has 32 bits; a place behind is reached from the file's beginning.
        let is_far = start.offset > u64::from(u32::MAX);
        let from = if is_far { BinlogPosition::new(start.file.clone(), FIRST_EVENT) } else { start.clone() };
        let waiting = board.pulses.pipeline.waits();
        let stream = DumpStream::open(options, &Start::File(from))?;
        drop(waiting);
        let stopper = stream.stopper()?;
        let mut stopped = shutdown.clone();
        // A thread that waits for the network cannot see the stop.
        let waker = runtime.spawn(async move {
            stopped.requested().await;
            stopper.stop();
        });
        let events = Vec::new().into_iter();
        Ok(DumpLog { stream, events, start: start.clone(), scanner: Some(GroupScanner::new()), board, shutdown, waker })
    }

    pub fn server_uuid(&self) -> Option<&str> {
        self.stream.server().uuid.as_deref()
    }

    /// Whether the event lies before the start, or in no file.
    fn passes(&mut self, event: &RawEvent) -> Result<bool> {
        let Some(scanner) = &mut self.scanner else { return Ok(false) };
        let at = scanner.at();
        let is_in_file = !event.header.is_artificial() && event.event_type() != Some(EventType::Rotate);
        // As a server sends it before an event in the middle of a file.
        let is_format = event.event_type() == Some(EventType::FormatDescription) && self.start.offset > FIRST_EVENT;
        if is_in_file && !is_format && at == self.start {
            self.scanner = None;
            return Ok(false);
        }
        if is_in_file && !is_format && (at.file != self.start.file || at.offset > self.start.offset) {
            return Err(Error::definite("the server's log has no event where a transaction began").detail(&self.start));
        }
        scanner.push(event).map_err(|e| Error::definite("an event of the binlog cannot be read").source(e).detail(&at))?;
        Ok(true)
    }
}

impl LogFrom for DumpLog {
    fn next_event(&mut self) -> Result<Option<RawEvent>> {
        loop {
            if self.shutdown.is_requested() {
                return Err(Error::transient("stopped"));
            }
            while let Some(event) = self.events.next() {
                if matches!(event.event_type(), Some(EventType::Heartbeat | EventType::HeartbeatV2)) || self.passes(&event)? {
                    continue;
                }
                return Ok(Some(event));
            }
            let board = self.board.clone();
            let _waiting = board.pulses.pipeline.waits();
            match self.stream.next_block()? {
                Some(block) => self.events = block.events.into_iter(),
                None if self.shutdown.is_requested() => return Err(Error::transient("stopped")),
                None => return Ok(None),
            }
        }
    }
}

impl Drop for DumpLog {
    fn drop(&mut self) {
        self.waker.abort();
    }
}

/// From a recorded file.
pub struct FileLog(BinlogFile);

impl FileLog {
    pub fn open(path: &Path, start: u64, event_bytes_max: u32) -> Result<Self> {
        let mut file = BinlogFile::open_with_limit(path, event_bytes_max)?;
        // Its first event says how to read the others.
        if start > FIRST_EVENT && file.next_event()?.is_some() {
            file.seek(start)?;
        }
        Ok(FileLog(file))
    }
}

impl LogFrom for FileLog {
    fn next_event(&mut self) -> Result<Option<RawEvent>> {
        self.0.next_event()
    }
}
