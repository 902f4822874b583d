//! A log that is read once more from a place on: over a connection of its own, or from a recorded file.

use std::sync::Arc;

use crate::assemble::groups::GroupScanner;
use crate::assemble::is_outside_file;
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

/// From a server. Never ends by itself: it is for what is known to stand in the log.
pub struct DumpLog {
    stream: DumpStream,
    events: std::vec::IntoIter<RawEvent>,
    passing: Passing,
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
        Ok(DumpLog { stream, events, passing: Passing::to(start), board, shutdown, waker })
    }

    pub fn server_uuid(&self) -> Option<&str> {
        self.stream.server().uuid.as_deref()
    }
}

/// Passes over what lies before a place, and what lies in no file.
struct Passing {
    start: BinlogPosition,
    /// Places in the file, until the start is reached.
    scanner: Option<GroupScanner>,
}

impl Passing {
    fn to(start: &BinlogPosition) -> Self {
        Passing { start: start.clone(), scanner: Some(GroupScanner::new()) }
    }

    fn passes(&mut self, event: &RawEvent) -> Result<bool> {
        if matches!(event.event_type(), Some(EventType::Heartbeat | EventType::HeartbeatV2)) {
            return Ok(true);
        }
        let Some(scanner) = &mut self.scanner else { return Ok(false) };
        let at = scanner.at();
        if !is_outside_file(&event.header) {
            if at == self.start {
                self.scanner = None;
                return Ok(false);
            }
            if at.file != self.start.file || at.offset > self.start.offset {
                return Err(Error::definite("the server's log has no event where a transaction began").detail(&self.start));
            }
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
            for event in self.events.by_ref() {
                if !self.passing.passes(&event)? {
                    return Ok(Some(event));
                }
            }
            let board = self.board.clone();
            let _waiting = board.pulses.pipeline.waits();
            match self.stream.next_block()? {
                Some(block) => self.events = block.events.into_iter(),
                None if self.shutdown.is_requested() => return Err(Error::transient("stopped")),
                // What is read here was in the log to its end, so it is the server that stops, or somebody's KILL.
                None => {
                    return Err(Error::transient("the server ended the dump inside a transaction").detail(&self.passing.start));
                }
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
    /// A file that was just opened.
    pub fn from(mut file: BinlogFile, start: u64) -> Result<Self> {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::binlog::event::{EventHeader, FLAG_ARTIFICIAL};

    fn event(type_code: u8, size: u32, next_position: u32) -> RawEvent {
        let header = EventHeader { timestamp: 1, type_code, server_id: 1, size, next_position, flags: 0 };
        RawEvent { header, body: Bytes::from_static(&[0; 8]) }
    }

    fn rotate(offset: u64) -> RawEvent {
        let body = [&offset.to_le_bytes()[..], b"m.000007"].concat();
        let header = EventHeader { timestamp: 0, type_code: 4, server_id: 1, size: 43, next_position: 0, flags: FLAG_ARTIFICIAL };
        RawEvent { header, body: body.into() }
    }

    /// Which of the events are given.
    fn given(start: u64, events: &[RawEvent]) -> Result<Vec<usize>> {
        let mut passing = Passing::to(&BinlogPosition::new("m.000007", start));
        let mut given = Vec::new();
        for (i, event) in events.iter().enumerate() {
            if !passing.passes(event)? {
                given.push(i);
            }
        }
        Ok(given)
    }

    #[test]
    fn what_is_sent_from_the_start_on() {
        // Rotate and format description as for a place in the middle, a heartbeat between.
        let events = [rotate(500), event(15, 122, 0), event(28, 100, 600), event(27, 40, 600), event(28, 100, 700)];
        assert_eq!(given(500, &events).unwrap(), [2, 4]);
        // MariaDB tells there that the file is encrypted, too.
        let mut encrypted = events.to_vec();
        encrypted.insert(2, event(164, 40, 0));
        assert_eq!(given(500, &encrypted).unwrap(), [3, 5]);
        assert!(given(550, &events).unwrap_err().to_string().contains("has no event"), "events end at 600 and at 700");
        let mut other = events.to_vec();
        other[0].body = Bytes::from_static(b"\xf4\x01\0\0\0\0\0\0m.000008");
        assert!(given(500, &other).unwrap_err().to_string().contains("m.000007:500"));
    }

    /// A place that the protocol cannot ask for is reached from the file's beginning.
    #[test]
    fn a_place_beyond_4_gib() {
        let (a, b) = (3_000_000_000u32, 2_000_000_000u32);
        let end = u64::from(a) + u64::from(b) + 126;
        let low = |offset: u64| offset as u32;
        let events = [
            rotate(4),
            event(15, 122, 126),
            event(28, a, low(u64::from(a) + 126)),
            event(28, b, low(end)),
            event(28, 100, low(end + 100)),
            event(28, 100, low(end + 200)),
        ];
        assert!(end > 1 << 32);
        assert_eq!(given(end, &events).unwrap(), [4, 5]);
        assert!(given(end - (1 << 32), &events).is_err(), "the same low bits are another place");
    }
}
