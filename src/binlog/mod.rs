//! Bytes to borrowed events. Invariant: no I/O, no clock, no schema; sockets, files and fuzzers feed the same code.

pub mod codec;
pub mod cursor;
pub mod event;
pub mod format;
pub mod gtid;
pub mod heartbeat;
pub mod query;
pub mod rotate;
pub mod rows;
pub mod rows_query;
pub mod table_map;
pub mod xid;

pub use cursor::{Cursor, DecodeError};
pub use event::{EventHeader, EventType, RawEvent};
pub use format::{ChecksumAlgorithm, FormatDescription};
pub use rows::{ColumnBits, RowsEvent, RowsKind};
pub use table_map::TableMap;
