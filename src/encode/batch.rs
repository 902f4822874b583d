//! The unit that goes from encoding to a producer: one arena of bytes, and messages as ranges in it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::position::{Gtid, ResumePoint};

use super::dead_letter::KeyNames;

/// A range of a batch's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: u32,
    pub len: u32,
}

impl Span {
    pub fn of(self, arena: &[u8]) -> &[u8] {
        &arena[self.start as usize..(self.start + self.len) as usize]
    }
}

/// Index of a topic name in `Topics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicId(pub u32);

/// What a message is, for metrics and for the rules that differ (DDL is never dead-lettered with row fields).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    Row,
    Ddl,
    /// A key without a value, behind the row that made an earlier message of that key old.
    Tombstone,
    /// A record of ours about what was sent, beside the messages.
    Position,
    /// What is sent in the place of a message that Kafka refuses.
    DeadLetter,
}

/// One finished message. `partition_hash` is the 32-bit hash of the partition string (contract §5.4); the producer
/// knows the topic's partition count and takes `abs(hash % n)`.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub topic: TopicId,
    pub partition_hash: i32,
    pub kind: MessageKind,
    /// Empty when the producer takes no keys.
    pub key: Span,
    pub value: Span,
    /// Start offset of the event that the message comes from, in `Batch::file`.
    pub offset: u64,
}

/// Messages in stream order. A batch never spans two binlog files. A large transaction is several batches, of which
/// only the last has an `end`; a batch of many small transactions has the end of the last of them, and in `gtids` the
/// GTIDs of all transactions that end in it, in order.
#[derive(Debug, Clone)]
pub struct Batch {
    pub file: Arc<str>,
    pub arena: Bytes,
    pub messages: Vec<Message>,
    pub end: Option<ResumePoint>,
    pub gtids: Vec<Gtid>,
    /// Row messages, for metrics.
    pub rows: u64,
    /// Transactions that end in this batch, for metrics.
    pub transactions: u64,
    /// Commit time of the newest transaction in it, microseconds since the epoch (whole seconds where the server gives
    /// no more), 0 if unknown; for lag.
    pub commit_us: u64,
    /// Rows of the binlog that were worked through for it.
    pub raw: RawRows,
}

/// Rows as they stand in the binlog, whether a message came of them or not, with one for each change of a DDL statement:
/// a measure of the stream that no filter changes, in which a place inside a transaction can be told and found again. Rows
/// that are skipped because an earlier life has sent them are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RawRows {
    /// All in the batch.
    pub all: u64,
    /// If the batch has an `end`: those behind it, with the rows there that an earlier life has sent.
    pub behind_end: u64,
}

impl Batch {
    pub fn bytes(&self) -> usize {
        self.arena.len() + self.messages.len() * std::mem::size_of::<Message>()
    }
}

/// Topic names, interned once so that messages carry a number. Shared by the encoder (which resolves templates when it
/// compiles a table's plan) and the producer (which keeps a handle per number).
#[derive(Debug, Default)]
pub struct Topics {
    names: Mutex<Vec<Arc<str>>>,
    /// Beside the names, because it goes the same way: from compiled plans to the producer.
    pub key_names: KeyNames,
}

impl Topics {
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of this name; a new name gets the next number. Called when a plan is compiled, not per row.
    pub fn intern(&self, name: &str) -> TopicId {
        let mut names = self.lock();
        match names.iter().position(|n| &**n == name) {
            Some(i) => TopicId(i as u32),
            None => {
                names.push(name.into());
                TopicId((names.len() - 1) as u32)
            }
        }
    }

    /// All names so far.
    pub fn all(&self) -> Vec<Arc<str>> {
        self.lock().clone()
    }

    pub fn name(&self, id: TopicId) -> Arc<str> {
        self.lock()[id.0 as usize].clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<str>>> {
        // A panic while the lock is held cannot leave the list half changed, so a poisoned lock is still good.
        self.names.lock().unwrap_or_else(|e| e.into_inner())
    }
}
