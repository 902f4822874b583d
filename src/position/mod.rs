//! Places in the binlog: `BinlogPosition` (file and offset), `Gtids` (sets typed by server flavor), `Position` (both, and
//! the last heartbeat read) and `ResumePoint`, the only thing that a store accepts.
//!
//! "Newer" is decided by `ResumePoint::seq`, the stream order, never by comparing GTIDs.

pub mod ack;
mod bound;
pub mod gtid;
pub mod place;
pub mod xa;

use std::fmt;
use std::sync::Arc;

pub use bound::Bound;
pub use gtid::{Gtid, GtidPosition, GtidSet, Gtids};
pub use place::{Moment, Place};

/// A file of the binlog and a byte offset in it, where the next read starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BinlogPosition {
    pub file: Arc<str>,
    pub offset: u64,
}

impl BinlogPosition {
    pub fn new(file: impl Into<Arc<str>>, offset: u64) -> Self {
        BinlogPosition { file: file.into(), offset }
    }

    /// The digits after the last dot of the file name (`master.000012` is 12), by which files are ordered.
    pub fn file_number(&self) -> Option<u64> {
        self.file.rsplit_once('.').and_then(|(_, digits)| digits.parse().ok())
    }

    /// Whether this place lies before `other` in the same series of files. Files without a number compare as text.
    pub fn is_before(&self, other: &BinlogPosition) -> bool {
        match (self.file_number(), other.file_number()) {
            (Some(a), Some(b)) => (a, self.offset) < (b, other.offset),
            _ => (&*self.file, self.offset) < (&*other.file, other.offset),
        }
    }
}

impl fmt::Display for BinlogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// A complete description of where to go on: file and offset, the executed GTIDs if they are known completely, and the
/// value of our own heartbeat row that was last seen in the stream (epoch ms, 0 for none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub at: BinlogPosition,
    pub gtids: Option<Gtids>,
    pub heartbeat: i64,
}

impl Position {
    pub fn new(at: BinlogPosition) -> Self {
        Position { at, gtids: None, heartbeat: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.gtids {
            Some(gtids) => write!(f, "Position[BinlogPosition[{gtids}], lastHeartbeat={}]", self.heartbeat),
            None => write!(f, "Position[BinlogPosition[{}], lastHeartbeat={}]", self.at, self.heartbeat),
        }
    }
}

/// A position at a transaction's end (or a DDL statement's, a file's) with its number in the stream. Made only by
/// `assemble`, and by a store when it loads one.
///
/// The GTIDs of the transactions that end here are carried as a delta, not as the whole executed set, so that making a
/// resume point costs the same however long the set is; `daemon::chain` and `daemon::keeper` add them in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePoint {
    /// Number in stream order, counted from 1 at each start; larger is later.
    pub seq: u64,
    pub at: BinlogPosition,
    /// The GTID of the transaction that ends here.
    pub gtid: Option<Gtid>,
    /// Last heartbeat of ours that was read at or before this point (epoch ms, 0 for none).
    pub heartbeat: i64,
    /// Whether passing this point is a reason to store it: false when the transaction touched only our own schema
    /// database, our heartbeat excepted.
    pub saves: bool,
    /// Definitions are in doubt that the store knows nothing of: a process that began here would believe the old ones, so
    /// this point is passed over, and the one behind the proof is stored.
    pub held: bool,
}
