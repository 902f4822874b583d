//! Events to transactions: begin and commit, table maps, DDL, one byte-budgeted buffer. Invariant: pure but for the
//! spill file; no async, no sockets, no clock.

pub mod spill;
pub mod transaction;

pub use transaction::{TableRole, TableSlot, Transaction, TxnEvent, TxnMeta};
