//! Events to transactions: begin and commit, table maps, DDL, one byte-budgeted buffer. Invariant: pure but for the
//! spill file; no async, no sockets, no clock.

pub mod again;
mod assembler;
pub mod boundary;
mod doubt;
pub mod groups;
mod inner;
mod left_out;
mod mend;
mod metadata;
mod offset;
mod open;
pub mod own_tables;
pub mod quarantine;
mod savepoints;
pub mod spill;
mod statement;
mod tables;
pub mod transaction;
mod undone;
pub mod xa;

#[cfg(test)]
mod tests;

pub use again::{Again, AgainReader};
pub use assembler::{AssembleOptions, Assembler, SchemaStep, Step, TableRequest, is_outside_file};
pub use doubt::{Bound, Captured, Cause, TableName};
pub use quarantine::{First, HeldRows, HeldTable, Quarantine};
pub use transaction::{TableRole, TableSlot, Transaction, TxnEvent, TxnMeta};
pub use xa::{XaRead, XaReader, XaRequest};
