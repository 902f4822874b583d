//! One transaction's raw events: in memory up to a bound, later ones in a file of the spill folder, back in order.
//!
//! What is spilled is what was received, undecoded; table slots stay in memory and records carry their index. The file
//! is never read by another process: it is gone with this one, because the binlog still has everything.
//! Never here: decoding of rows, clocks, sockets.

mod dir;
mod record;

use std::collections::{HashMap, VecDeque};
use std::io::{self, SeekFrom};
use std::sync::Arc;

use crate::error::{Error, Result};

pub use dir::{SpillDir, SpillFile, SpillFiles, is_in_memory};

use super::transaction::{TableSlot, TxnEvent};
use super::undone::Undone;

/// Bytes that are gathered before they are written, and read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// From this size on an event is not copied out of its read buffer.
const COMPACT_BYTES_MAX: usize = 64 << 10;

/// What an event costs in memory beside its bytes.
const EVENT_OVERHEAD_BYTES: u64 = size_of::<TxnEvent>() as u64;

/// Where a pushed event went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an event that was not taken must not be forgotten"]
pub enum Pushed {
    /// It is kept in memory.
    Memory,
    /// It was appended to the file.
    File,
    /// It was not taken, because the bound of the spill folder (or of a buffer without one) is reached. The buffer
    /// still holds what it had; the transaction can only go on by streaming (design §8).
    Full,
}

/// The events of one transaction. Filled by `push`, then read once by `next`. Can be handed to another thread.
#[derive(Debug)]
pub struct SpillBuffer {
    /// Where the rest goes when memory is used up; `None` keeps to memory.
    dir: Option<SpillDir>,
    memory_bytes_max: u64,
    memory: VecDeque<TxnEvent>,
    /// Events at the front of `memory` that own their bytes already.
    compacted: usize,
    memory_bytes: u64,
    /// Events in memory and in the file that were not read yet.
    len: usize,
    /// How many events were pushed, and how many of them were passed.
    pushed: u64,
    passed: u64,
    /// Numbers of events that were taken back.
    undone: Undone,
    tail: Option<Tail>,
}

/// The part of a transaction that is in a file. Once it exists all later events follow it there, so order holds.
#[derive(Debug)]
struct Tail {
    file: Box<dyn SpillFile>,
    dir: SpillDir,
    /// Tables that spilled rows belong to, by the index in their records.
    slots: Vec<Arc<TableSlot>>,
    slot_index: HashMap<u64, u32>,
    /// Written but not yet in the file, or read from the file but not yet handed out (from `chunk_start` on).
    chunk: Vec<u8>,
    chunk_start: usize,
    /// Bytes of records, in the file and in the chunk that waits to be written; taken from the folder's bound.
    bytes: u64,
    /// Bytes read back from the file so far.
    read_bytes: u64,
    reading: bool,
}

impl Default for SpillBuffer {
    fn default() -> Self {
        Self::in_memory()
    }
}

impl SpillBuffer {
    /// Keeps up to `memory_bytes_max` bytes in memory and the rest in `dir`.
    pub fn new(dir: SpillDir, memory_bytes_max: u64) -> Self {
        SpillBuffer { dir: Some(dir), memory_bytes_max, ..Self::in_memory() }
    }

    /// Keeps everything in memory, without a bound: for tests and for transactions that are known to be small.
    pub fn in_memory() -> Self {
        SpillBuffer {
            dir: None,
            memory_bytes_max: u64::MAX,
            memory: VecDeque::new(),
            compacted: 0,
            memory_bytes: 0,
            len: 0,
            pushed: 0,
            passed: 0,
            undone: Undone::default(),
            tail: None,
        }
    }

    /// Changes the memory bound for events that are still to come; what is kept stays.
    pub fn set_memory_bytes_max(&mut self, bytes: u64) {
        self.memory_bytes_max = bytes;
    }

    /// Appends an event.
    ///
    /// # Errors
    /// Transient when the disk is full or fails, because nothing is lost: the transaction is read again. Definite when
    /// the folder cannot be written at all. Bug when events were already read.
    pub fn push(&mut self, event: TxnEvent) -> Result<Pushed> {
        let cost = memory_cost(&event);
        if self.tail.is_none() && self.memory_bytes.saturating_add(cost) <= self.memory_bytes_max {
            self.memory.push_back(event);
            self.memory_bytes += cost;
            self.len += 1;
            self.pushed += 1;
            return Ok(Pushed::Memory);
        }
        let Some(dir) = &self.dir else { return Ok(Pushed::Full) };
        if self.tail.as_ref().is_some_and(|t| t.reading) {
            return Err(Error::bug("an event came for a transaction that is already being read"));
        }
        let size = record::size(&event)?;
        if !dir.take(size) {
            return Ok(Pushed::Full);
        }
        let tail = match &mut self.tail {
            Some(tail) => tail,
            None => match Tail::create(dir) {
                Ok(tail) => self.tail.insert(tail),
                Err(e) => {
                    dir.give_back(size);
                    return Err(e);
                }
            },
        };
        // From here on the tail owns these bytes of the bound: they are given back when it is dropped.
        tail.bytes += size;
        tail.append(&event)?;
        self.len += 1;
        self.pushed += 1;
        Ok(Pushed::File)
    }

    /// The next event in order, or `None` after the last. What was handed out is no longer kept.
    ///
    /// # Errors
    /// Transient when the file cannot be read or is damaged: the transaction is still in the binlog.
    #[allow(clippy::should_implement_trait, reason = "an iterator of results would go on after an error")]
    pub fn next(&mut self) -> Result<Option<TxnEvent>> {
        while let Some(event) = self.next_pushed()? {
            let number = self.passed;
            self.passed += 1;
            if !self.undone.passes(number) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// A place between what was pushed and what comes.
    pub fn mark(&self) -> u64 {
        self.pushed
    }

    /// Takes back what was pushed since the mark: it is not given out. Its room stays taken until it was passed.
    pub fn undo_since(&mut self, mark: u64) {
        self.undone.since(mark, self.pushed);
    }

    fn next_pushed(&mut self) -> Result<Option<TxnEvent>> {
        if let Some(event) = self.memory.pop_front() {
            self.memory_bytes = self.memory_bytes.saturating_sub(memory_cost(&event));
            self.len -= 1;
            return Ok(Some(event));
        }
        let Some(tail) = &mut self.tail else { return Ok(None) };
        let event = tail.next()?;
        match event {
            Some(_) => self.len = self.len.saturating_sub(1),
            None if self.len > 0 => return Err(damaged("it ended early")),
            None => {}
        }
        Ok(event)
    }

    /// Gives events in memory bytes of their own, so that they do not keep whole read buffers alive. Called when the
    /// buffer that they are slices of has been worked through; an event of `COMPACT_BYTES_MAX` or more is mostly its
    /// own buffer anyway and stays.
    pub fn compact(&mut self) {
        for event in self.memory.range_mut(self.compacted.min(self.memory.len())..) {
            let bytes = match event {
                TxnEvent::Rows { event, .. } => &mut event.body,
                TxnEvent::RowQuery(text) => text,
                TxnEvent::LeftOut(_) => continue,
            };
            if bytes.len() < COMPACT_BYTES_MAX {
                *bytes = bytes::Bytes::copy_from_slice(bytes);
            }
        }
        self.compacted = self.memory.len();
    }

    /// Forgets everything (a rollback, a lost connection) and gives file and bytes back.
    pub fn clear(&mut self) {
        self.memory.clear();
        self.compacted = 0;
        self.memory_bytes = 0;
        self.len = 0;
        (self.pushed, self.passed) = (0, 0);
        self.undone = Undone::default();
        self.tail = None;
    }

    /// Bytes held: in memory with their overhead, and in the file.
    pub fn bytes(&self) -> u64 {
        self.memory_bytes + self.spilled_bytes()
    }

    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    pub fn spilled_bytes(&self) -> u64 {
        self.tail.as_ref().map_or(0, |t| t.bytes)
    }

    /// Events that `next` has still to give.
    pub fn len(&self) -> usize {
        let undone = self.undone.from(self.passed);
        self.len.saturating_sub(usize::try_from(undone).unwrap_or(usize::MAX))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn memory_cost(event: &TxnEvent) -> u64 {
    let bytes = match event {
        TxnEvent::Rows { event, .. } => event.body.len(),
        TxnEvent::RowQuery(text) => text.len(),
        TxnEvent::LeftOut(_) => 8,
    };
    bytes as u64 + EVENT_OVERHEAD_BYTES
}

impl Tail {
    fn create(dir: &SpillDir) -> Result<Self> {
        Ok(Tail {
            file: dir.create()?,
            dir: dir.clone(),
            slots: Vec::new(),
            slot_index: HashMap::new(),
            chunk: Vec::with_capacity(CHUNK_BYTES),
            chunk_start: 0,
            bytes: 0,
            read_bytes: 0,
            reading: false,
        })
    }

    fn append(&mut self, event: &TxnEvent) -> Result<()> {
        let slot = match event {
            TxnEvent::Rows { slot, .. } => self.index_of(slot)?,
            TxnEvent::RowQuery(_) | TxnEvent::LeftOut(_) => 0,
        };
        let (head, body) = record::encode(event, slot)?;
        if self.chunk.len() + head.len() + body.len() > CHUNK_BYTES {
            self.flush()?;
        }
        self.chunk.extend_from_slice(&head);
        if body.len() >= CHUNK_BYTES {
            self.flush()?;
            return self.write(body);
        }
        self.chunk.extend_from_slice(body);
        Ok(())
    }

    fn index_of(&mut self, slot: &Arc<TableSlot>) -> Result<u32> {
        if let Some(index) = self.slot_index.get(&slot.id) {
            return Ok(*index);
        }
        let index = u32::try_from(self.slots.len()).map_err(|_| Error::bug("more than 2^32 table maps in one transaction"))?;
        self.slots.push(Arc::clone(slot));
        self.slot_index.insert(slot.id, index);
        Ok(index)
    }

    fn flush(&mut self) -> Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        let written = self.write(&chunk);
        self.chunk = chunk;
        self.chunk.clear();
        written
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| self.dir.write_error(e))
    }

    fn next(&mut self) -> Result<Option<TxnEvent>> {
        if !self.reading {
            self.flush()?;
            self.reading = true;
            self.file.seek(SeekFrom::Start(0)).map_err(read_error)?;
        }
        if self.waiting() == 0 && self.read_bytes >= self.bytes {
            return Ok(None);
        }
        let Some(frame) = record::Frame::parse(self.want(record::FRAME_BYTES)?) else { return Err(damaged("its record has no head")) };
        self.chunk_start += record::FRAME_BYTES;
        // What is left of the file bounds what a damaged length can make us allocate.
        let left = self.waiting() as u64 + self.bytes.saturating_sub(self.read_bytes);
        if frame.len as u64 > left {
            return Err(damaged("its record is longer than the file"));
        }
        let payload = self.take(frame.len)?;
        record::decode(frame, payload, &self.slots).map(Some)
    }

    /// Bytes in the chunk that were read and not handed out.
    fn waiting(&self) -> usize {
        self.chunk.len() - self.chunk_start
    }

    /// The next `len` bytes (`len` is small), reading a chunk when needed.
    fn want(&mut self, len: usize) -> Result<&[u8]> {
        while self.waiting() < len {
            self.chunk.drain(..self.chunk_start);
            self.chunk_start = 0;
            let have = self.chunk.len();
            let left = usize::try_from(self.bytes.saturating_sub(self.read_bytes)).unwrap_or(usize::MAX);
            self.chunk.resize(have + left.min(CHUNK_BYTES), 0);
            let read = self.file.read(&mut self.chunk[have..]);
            let got = match read {
                Ok(0) => Err(damaged("it ended early")),
                Ok(n) => Ok(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(0),
                Err(e) => Err(read_error(e)),
            };
            self.chunk.truncate(have + *got.as_ref().unwrap_or(&0));
            self.read_bytes += got? as u64;
        }
        Ok(&self.chunk[self.chunk_start..self.chunk_start + len])
    }

    /// The next `len` bytes as a buffer of their own: first from the chunk, the rest straight from the file.
    fn take(&mut self, len: usize) -> Result<Vec<u8>> {
        let from_chunk = len.min(self.waiting());
        let mut payload = vec![0; len];
        let (head, rest) = payload.split_at_mut(from_chunk);
        head.copy_from_slice(&self.chunk[self.chunk_start..self.chunk_start + from_chunk]);
        self.chunk_start += from_chunk;
        self.file.read_exact(rest).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it ended early"),
            _ => read_error(e),
        })?;
        self.read_bytes += rest.len() as u64;
        Ok(payload)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.dir.give_back(self.bytes);
    }
}

fn read_error(e: io::Error) -> Error {
    Error::transient("a spill file could not be read back").source(e).hint("check the disk under `spill_dir`")
}

fn damaged(how: &str) -> Error {
    Error::transient(format!("a spill file is damaged: {how}"))
        .hint("check the disk under `spill_dir`; the transaction is read again from the server")
}

#[cfg(test)]
mod tests;
