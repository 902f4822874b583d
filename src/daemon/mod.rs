//! Wires the chain together and keeps it running: `source` → `assemble` → `encode` → `producer` → `store`.
//!
//! Threads of a running daemon: the reader (blocking socket), the pipeline (assembling and encoding, in order), the
//! producer's own, and a small tokio runtime for SQL, HTTP, signals, sending and keeping. Every hand-over between them
//! is bounded in bytes.

pub mod board;
pub mod chain;
pub mod keeper;
pub mod logging;
pub mod pipeline;
pub mod quarantine_watch;
pub mod read;
pub mod reader;
pub mod run;
pub mod schema_command;
mod schema_resolve;
mod schema_text;
pub mod sender;
pub mod shutdown;
pub mod start;
pub mod supervise;
pub mod tables;
pub mod wire;

use std::sync::Arc;

use crate::assemble::spill::SpillDir;
use crate::config::{Config, ReadConfig, SchemaConfig};
use crate::error::{Error, Result};

/// The daemon, from start to stop. Returns when a stop was requested and everything is put away, or with the error that
/// ends the process.
pub fn run_daemon(config: Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::definite("the runtime cannot be started").source(e))?;
    let result = runtime.block_on(supervise::daemon(config));
    // Threads that still wait for a dead network are not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}

/// `binlogd schema`: what is to be printed, and the exit status.
pub fn run_schema(config: SchemaConfig) -> Result<schema_command::Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::definite("the runtime cannot be started").source(e))?;
    runtime.block_on(schema_command::run(config))
}

/// `binlogd read`.
pub fn run_read(config: ReadConfig) -> Result<()> {
    let spill = SpillDir::open(&config.memory.spill_dir, config.memory.spill_bytes_max)?;
    let options = read::ReadOptions {
        files: config.files,
        binlog_name: config.binlog_name,
        charset: "utf8mb4".into(),
        output: wire::shown(&config.output),
        filter: Arc::new(config.filter),
        schema_database: config.schema_database,
        client_id: config.client_id,
        row_queries: config.output.row_query,
        gtid_mode: config.gtid_mode,
        memory_bytes: config.memory.limit_bytes / 4,
        event_bytes_max: wire::event_bytes_max(config.memory.row_bytes_max),
    };
    let stdout = std::io::stdout();
    read::read(options, spill, &mut stdout.lock())
}
