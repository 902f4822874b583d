//! Bytes to borrowed events. Invariant: no I/O, no clock, no schema; sockets, files and fuzzers feed the same code.

pub mod checkpoint;
pub mod codec;
pub mod compressed;
pub mod cursor;
pub mod event;
pub mod format;
pub mod gtid;
pub mod heartbeat;
pub mod incident;
pub mod mariadb_gtid;
pub mod payload;
pub mod previous_gtids;
pub mod query;
pub mod rotate;
pub mod rows;
pub mod rows_query;
pub mod status_vars;
pub mod table_map;
mod table_metadata;
mod wire_type;
pub mod xa_prepare;
pub mod xid;

#[cfg(test)]
mod test_events;

pub use cursor::{Cursor, DecodeError};
pub use event::{EventHeader, EventType, RawEvent};
pub use format::{ChecksumAlgorithm, Flavor, FormatDescription};
pub use rows::{ColumnBits, RowsEvent, RowsKind};
pub use table_map::TableMap;
