//! Transactions to finished message bytes. Invariant: no I/O, no async, no clock but `push_ts`.
//!
//! `plan` compiles a table's encoder once; `encoder` walks transactions, `image` cuts rows, `fast` writes messages and
//! `open` keeps the batch that is being filled. `row` is the slow path, by owned values; `path` chooses. Never here: producers, positions' storage, configuration text.

pub mod batch;
mod columns;
mod ddl;
pub mod dead_letter;
mod encoder;
mod envelope;
mod fast;
pub mod hash;
mod image;
mod key;
mod names;
mod open;
pub mod options;
mod partial;
mod partition;
pub mod path;
mod plan;
pub mod quirks;
pub mod row;
mod row_key;
mod verdict;

pub use columns::decode_columns;
pub use ddl::DdlMessage;
pub use encoder::{EncodeStats, Encoder};
pub use fast::Oddities;
pub use hash::HashFunction;
pub use names::Naming;
pub use open::Sink;
pub use options::{ColumnPattern, KeyFormat, OutputOptions, PartitionBy, Partitioning};
pub use path::Path;
pub use plan::topic_name;
