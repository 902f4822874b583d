//! Where events come from: our own dump connection, or recorded binlog files.

pub mod file;
