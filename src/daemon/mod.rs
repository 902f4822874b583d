//! Wires the chain together and keeps it running: `source` → `assemble` → `encode` → `producer` → `store`.
//!
//! Threads of a running daemon: the reader (blocking socket), the pipeline (assembling and encoding, in order), the
//! producer's own, and a small tokio runtime for SQL, HTTP, signals, sending and keeping. Every hand-over between them
//! is bounded in bytes.

pub mod chain;
pub mod keeper;
pub mod pipeline;
pub mod read;
pub mod reader;
pub mod run;
pub mod sender;
pub mod shutdown;
pub mod start;
pub mod supervise;
pub mod tables;
pub mod wire;
