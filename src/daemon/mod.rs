//! Wires the chain together and keeps it running: `source` → `assemble` → `encode` → `producer` → `store`.
//!
//! Threads of a running daemon: the reader (blocking socket), the pipeline (assembling and encoding, in order), the
//! producer's own, and a small tokio runtime for SQL, HTTP, signals, sending and keeping. Every hand-over between them
//! is bounded in bytes.

pub mod background;
pub mod board;
pub mod chain;
pub mod check;
pub mod diagnose;
pub mod exactly_once;
pub mod keeper;
mod log_format;
pub mod log_from;
pub mod logging;
pub mod notify;
pub mod pipeline;
pub mod position_command;
pub mod progress;
pub mod pulse;
pub mod purge;
pub mod quarantine_watch;
pub mod read;
pub mod reader;
pub mod reload;
pub mod report;
pub mod run;
pub mod schema_command;
mod schema_resolve;
mod schema_text;
pub mod seek;
pub mod sender;
pub mod service;
pub mod shutdown;
pub mod start;
pub mod supervise;
pub mod tables;
pub mod takeover;
pub mod tidy;
mod view;
pub mod watch;
pub mod wire;

use std::sync::Arc;

use crate::assemble::spill::SpillDir;
use crate::config::{Config, PositionConfig, ReadConfig, SchemaConfig};
use crate::encode::OutputOptions;
use crate::error::{Error, Result};

use logging::Logging;
use reload::ReadAgain;

/// The daemon, from start to stop. SIGHUP calls `read_again` for the configuration as it stands then. Returns when a stop was
/// requested and everything is put away, or with the error that ends the process.
pub fn run_daemon(config: Config, logging: Logging, read_again: ReadAgain) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::definite("the runtime cannot be started").source(e))?;
    let result = runtime.block_on(supervise::daemon(config, logging, read_again));
    // Threads that still wait for a dead network are not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}

/// `binlogd schema`: what is to be printed, and the exit status.
pub fn run_schema(config: SchemaConfig) -> Result<schema_command::Outcome> {
    small_runtime()?.block_on(schema_command::run(config))
}

/// `binlogd position`.
pub fn run_position(config: PositionConfig) -> Result<()> {
    let text = small_runtime()?.block_on(position_command::run(&config))?;
    print(&text)
}

/// For commands that ask a few questions.
fn small_runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::definite("the runtime cannot be started").source(e))
}

/// A command's answer on standard output. A reader that has enough is no failure of ours.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::definite("standard output cannot be written").source(e)),
        _ => Ok(()),
    }
}

/// `binlogd read`.
pub fn run_read(config: ReadConfig) -> Result<()> {
    let spill = SpillDir::open(&config.memory.spill_dir, config.memory.spill_bytes_max)?;
    let options = read::ReadOptions {
        files: config.files,
        binlog_name: config.binlog_name,
        charset: "utf8mb4".into(),
        output: OutputOptions { row_bytes_max: config.memory.row_bytes_max, path: config.path, ..wire::shown(&config.output) },
        filter: Arc::new(config.filter),
        schema_database: config.schema_database,
        client_id: config.client_id,
        row_queries: config.output.row_query,
        gtid_mode: config.gtid_mode,
        memory_bytes: config.memory.limit_bytes / 4,
        event_bytes_max: wire::event_bytes_max(config.memory.row_bytes_max),
    };
    read::to_reader(|out| read::read(options, spill, out))
}
