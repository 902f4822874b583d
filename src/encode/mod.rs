//! Transactions to finished message bytes. Invariant: no I/O, no async, no clock but `push_ts`.
pub mod batch;
