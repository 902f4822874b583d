//! Where raw events come from: a server's dump connection, or recorded files. Blocking, on a thread of its own.
//!
//! Events leave here cut, joined, checksum-verified and undecoded. What they mean is for `assemble`.

pub mod commands;
pub mod dump;
pub mod file;
pub mod large;
pub mod mariadb;
pub mod mysql;
pub mod reader;
pub mod reconnect;
pub mod refusal;

pub use crate::server::{login, packet, wire};
pub use dump::{DumpOptions, DumpStream, EventBlock, Start, Stopper};
