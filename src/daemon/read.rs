//! `binlogd read FILE…`: what the daemon would emit for recorded binlog files, to stdout, one line a message. No server
//! is needed: the schema starts empty, and grows by the statements in the files and by what table maps state (row metadata).
//! Rows whose definition is not proved by either are an error with its place.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::assemble::spill::SpillDir;
use crate::assemble::{AssembleOptions, Assembler, Bound, Captured, TableRequest, XaReader, XaRequest};
use crate::binlog::payload::WINDOW_BYTES_MIN;
use crate::encode::batch::{Batch, Topics};
use crate::encode::{Encoder, OutputOptions};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::position::{BinlogPosition, Position};
use crate::schema::delta::SchemaChange;
use crate::schema::{Schema, SchemaId};
use crate::source::file::BinlogFile;

use super::chain::{Chain, Flow, Hooks, PreparedRows};
use super::log_from::{FileLog, LogFrom};

/// An open transaction takes its events out of the file's read buffers after so many bytes.
const BLOCK_BYTES: usize = 256 << 10;

/// What is read, and how it is shown.
pub struct ReadOptions {
    pub files: Vec<PathBuf>,
    /// File name shown in positions; by default the file's own.
    pub binlog_name: Option<String>,
    /// The server's default character set, for `CREATE DATABASE` in events that do not tell it.
    pub charset: String,
    pub output: OutputOptions,
    pub filter: Arc<Filter>,
    pub schema_database: String,
    pub client_id: String,
    pub row_queries: bool,
    pub gtid_mode: bool,
    pub memory_bytes: u64,
    pub event_bytes_max: u32,
}

/// The name that means standard input.
const STDIN: &str = "-";

/// Runs with standard output. A reader that has had enough (`| head`) is no failure: the end is quiet.
pub fn to_reader(run: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    struct Quiet<'a> {
        out: std::io::StdoutLock<'a>,
        gone: bool,
    }
    impl Write for Quiet<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.out.write(bytes).inspect_err(|e| self.gone |= e.kind() == std::io::ErrorKind::BrokenPipe)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            self.out.flush().inspect_err(|e| self.gone |= e.kind() == std::io::ErrorKind::BrokenPipe)
        }
    }
    let mut out = Quiet { out: std::io::stdout().lock(), gone: false };
    let result = run(&mut out).and_then(|()| out.flush().map_err(written));
    if out.gone { Ok(()) } else { result }
}

/// Writes a text to standard output.
pub fn to_stdout(text: &[u8]) -> Result<()> {
    to_reader(|out| out.write_all(text).map_err(written))
}

/// Reads all files in order. Ends at the end of the last one.
pub fn read(options: ReadOptions, spill: SpillDir, out: &mut dyn Write) -> Result<()> {
    read_unpacking(options, spill, out, None)
}

/// The same; compressed transactions above so many bytes are unpacked while they are read (`None`: those above 16 MiB).
pub fn read_unpacking(options: ReadOptions, spill: SpillDir, out: &mut dyn Write, above: Option<u32>) -> Result<()> {
    let topics = Arc::new(Topics::new());
    let schema = Schema { charset: options.charset.clone(), ..Schema::default() };
    let assemble = AssembleOptions {
        schema_database: options.schema_database.clone(),
        client_id: options.client_id.clone(),
        filter: options.filter.clone(),
        row_queries: options.row_queries,
        memory_bytes: options.memory_bytes,
        gtid_mode: options.gtid_mode,
        event_bytes_max: options.event_bytes_max,
    };
    let first = options.files.first().map(|f| shown_name(f, &options)).unwrap_or_default();
    let mut assembler = Assembler::new(assemble, spill, schema, None, BinlogPosition::new(first, 4), 0);
    if options.output.maxwell_quirks {
        assembler.see_as_maxwell();
    }
    // Nothing can be read twice here; the spill folder bounds it.
    assembler.keep_prepared(u64::MAX);
    let output_ddl = options.output.ddl;
    let encoder = Encoder::new(options.output.clone(), topics);
    let mut chain = Chain::new(assembler, encoder, options.filter.clone(), output_ddl, None);
    let opening = Opening {
        event_bytes_max: options.event_bytes_max,
        window_bytes_max: options.memory_bytes.saturating_mul(2).max(WINDOW_BYTES_MIN),
        above,
    };
    let mut hooks = Printer { out, next_schema_id: 1, files: Vec::new(), opening };
    for path in &options.files {
        if let Err(error) = read_file(path, &options, &mut chain, &mut hooks) {
            // What stands before the place of the error is shown all the same.
            chain.hand_on_complete(&mut hooks)?;
            hooks.out.flush().map_err(written)?;
            return Err(error);
        }
        chain.flush(&mut hooks)?;
    }
    hooks.out.flush().map_err(written)
}

fn read_file(path: &Path, options: &ReadOptions, chain: &mut Chain, hooks: &mut Printer<'_>) -> Result<()> {
    let path = if path.as_os_str() == STDIN { Path::new("/dev/stdin") } else { path };
    let mut file = hooks.opening.open(path)?;
    let name = shown_name(path, options);
    hooks.files.push((name.clone(), path.to_owned()));
    chain.assembler.rewind(BinlogPosition::new(name, 4));
    let mut since_compacted = 0;
    while let Some(event) = file.next_event()? {
        since_compacted += event.body.len();
        if let Flow::StartedInside(at) = chain.event(event, hooks)? {
            return Err(Error::definite("the file begins inside a transaction")
                .detail(at)
                .hint("begin with the file in which the transaction begins; a server never spreads one over two files"));
        }
        if since_compacted > BLOCK_BYTES {
            chain.assembler.end_of_block();
            since_compacted = 0;
        }
    }
    if chain.assembler.is_inside_transaction() {
        return Err(Error::definite("the binlog file ends inside a transaction")
            .detail(format!("{}:{}", path.display(), file.offset()))
            .detail(format!("the transaction begins at {}", chain.assembler.boundary()))
            .hint("the copy is not complete, or the server was still writing: what is whole was shown"));
    }
    Ok(())
}

fn shown_name(path: &Path, options: &ReadOptions) -> String {
    match &options.binlog_name {
        Some(name) => name.clone(),
        None => path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

struct Printer<'a> {
    out: &'a mut dyn Write,
    next_schema_id: SchemaId,
    /// What was read so far: the names in positions, and where the files lie.
    files: Vec<(String, PathBuf)>,
    opening: Opening,
}

/// How files are read.
#[derive(Clone, Copy)]
struct Opening {
    event_bytes_max: u32,
    window_bytes_max: u64,
    above: Option<u32>,
}

impl Opening {
    fn open(self, path: &Path) -> Result<BinlogFile> {
        let mut file = BinlogFile::open_with_limit(path, self.event_bytes_max)?;
        file.set_window_bytes_max(self.window_bytes_max);
        if let Some(bytes) = self.above {
            file.unpack_above(bytes);
        }
        Ok(file)
    }
}

fn written(error: std::io::Error) -> Error {
    Error::definite("cannot write to stdout").source(error)
}

impl Hooks for Printer<'_> {
    fn save_schema(&mut self, _: Option<SchemaId>, _: &[SchemaChange], _: &Schema, _: &Position) -> Result<SchemaId> {
        let id = self.next_schema_id;
        self.next_schema_id += 1;
        Ok(id)
    }

    fn fetch_tables(&mut self, request: &TableRequest, _: &Schema) -> Result<(Vec<Captured>, Bound)> {
        // Nobody can be asked. Row metadata may say enough, now or before the first row that a statement concerns.
        let is_statement = request.end.is_some() && !request.tables.is_empty();
        if request.stated || is_statement {
            return Ok((Vec::new(), Bound::never()));
        }
        let names: Vec<String> = request.tables.iter().map(|t| format!("{}.{}", t.database, t.table.as_deref().unwrap_or("*"))).collect();
        Err(Error::definite(format!("the definition of {} is not known: {}", names.join(", "), request.why))
            .detail(&request.at)
            .hint("begin with the file in which the table was created, or exclude it by the filter; files of a server with binlog_row_metadata=FULL mostly tell by themselves"))
    }

    fn read_prepared(&mut self, request: &XaRequest, _: &mut dyn FnMut() -> XaReader) -> Result<PreparedRows> {
        Err(Error::definite(format!("the XA transaction {} is committed, and its rows are in none of the files before", request.name))
            .detail(&request.at)
            .hint("begin with the file in which it was prepared"))
    }

    fn log_from(&mut self, start: &BinlogPosition) -> Result<Option<Box<dyn LogFrom>>> {
        let path = self.files.iter().rev().find(|(name, _)| **name == *start.file).map(|(_, path)| path);
        let Some(path) = path.filter(|path| path.is_file()) else {
            return Err(Error::definite(
                "a transaction is larger than memory and spill_limit may hold, and what is no file cannot be read twice",
            )
            .detail(start)
            .hint("raise spill_limit, or copy the binlog to a file"));
        };
        Ok(Some(Box::new(FileLog::from(self.opening.open(path)?, start.offset)?)))
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        let mut lines = Vec::with_capacity(batch.arena.len() + batch.messages.len());
        for message in &batch.messages {
            lines.extend_from_slice(message.value.of(&batch.arena));
            lines.push(b'\n');
        }
        self.out.write_all(&lines).map_err(written)
    }
}
