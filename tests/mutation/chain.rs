//! Files through the whole chain, as `binlogd read` takes them, and what must hold of any outcome.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use binlogd::assemble::spill::SpillDir;
use binlogd::daemon::read::{ReadOptions, read};
use binlogd::encode::{KeyFormat, OutputOptions, PartitionBy, Partitioning};
use binlogd::filter::Filter;
use serde::de::IgnoredAny;

/// Larger events are refused, also inside of compressed ones.
pub const EVENT_BYTES_MAX: u32 = 1 << 20;
const NAME: &str = "mutated.000001";

/// Plays files, one after another; its own folder, so that several can work at once.
pub struct Player {
    path: PathBuf,
    pub spill: SpillDir,
    _folder: tempfile::TempDir,
}

/// Takes what is printed, line by line.
#[derive(Default)]
struct Lines {
    open: Vec<u8>,
    fault: Option<String>,
    lines: u64,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.open.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.lines += 1;
                if self.fault.is_none() {
                    self.fault = is_json(&self.open).err();
                }
                self.open.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether this is a JSON text in UTF-8.
pub fn is_json(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("no UTF-8: {e}: {}", String::from_utf8_lossy(bytes)))?;
    match serde_json::from_str::<IgnoredAny>(text) {
        // Documents may be as deep as the server lets them.
        Err(e) if !e.to_string().starts_with("recursion limit") => Err(format!("no JSON: {e}: {text}")),
        _ => Ok(()),
    }
}

impl Player {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let spill = SpillDir::open(&folder.path().join("spill"), 64 << 20).expect("a spill folder");
        Player { path: folder.path().join("input.bin"), spill, _folder: folder }
    }

    /// The error that a file ends with, if it does.
    pub fn error_of(&mut self, file: &[u8]) -> Option<binlogd::error::Error> {
        std::fs::write(&self.path, file).expect("a file can be written");
        read(self.options(0), self.spill.clone(), &mut Vec::new()).err()
    }

    /// The file that is read next.
    pub fn put(&mut self, file: &[u8]) {
        std::fs::write(&self.path, file).expect("a file can be written");
    }

    /// The first byte chooses the options, the rest is the file.
    pub fn play(&mut self, input: &[u8]) -> Result<(), String> {
        let Some((mark, file)) = input.split_first() else { return Ok(()) };
        std::fs::write(&self.path, file).expect("a file can be written");
        let mut lines = Lines::default();
        let ended = read(self.options(*mark), self.spill.clone(), &mut lines);
        if let Some(fault) = lines.fault {
            return Err(fault);
        }
        // A row has at least one byte, and what is packed is no more than its limit.
        let packed = 1 + file.len() as u64 / 40;
        if lines.lines > file.len() as u64 + packed * u64::from(EVENT_BYTES_MAX) {
            return Err(format!("{} lines from {} bytes", lines.lines, file.len()));
        }
        match ended {
            Ok(()) => Ok(()),
            Err(error) => self.judge(&error),
        }
    }

    /// Every error says where; and if a value is to blame, of which server, table, column and type.
    pub fn judge(&self, error: &binlogd::error::Error) -> Result<(), String> {
        let text = error.to_string();
        // The file's name, or what a damaged rotate event says.
        let place = text.as_bytes().windows(3).any(|w| w[0] != b' ' && w[1] == b':' && w[2].is_ascii_digit());
        if error.class() == binlogd::error::Class::Bug {
            return Err(format!("a state that must never be reached: {text}"));
        }
        if !place {
            return Err(format!("an error without its place: {text}"));
        }
        if error.hint_text().is_none() {
            return Err(format!("an error without a hint: {text}"));
        }
        let needs: &[&str] = match error.message() {
            "a value cannot be rendered" | "a value cannot be read" => &["column ", "of type ", "server ", "wire type "],
            "a row cannot be read" => &["table ", "server "],
            "a table map cannot be read" => &["server "],
            _ => &[],
        };
        match needs.iter().find(|word| !text.contains(**word)) {
            Some(missing) => Err(format!("an error without {missing:?}: {text}")),
            None => Ok(()),
        }
    }

    pub fn options(&self, mark: u8) -> ReadOptions {
        let bit = |n: u8| mark >> n & 1 == 1;
        let full = bit(0);
        let output = OutputOptions {
            binlog_position: full,
            gtid_position: full,
            server_id: full,
            thread_id: full,
            schema_id: full,
            row_query: full,
            primary_keys: full,
            primary_key_columns: full,
            ddl: full,
            nulls: bit(1),
            null_zerodates: bit(2),
            keys: [KeyFormat::None, KeyFormat::Hash, KeyFormat::Array, KeyFormat::Hash][usize::from(mark >> 3 & 3)],
            partitioning: bit(5).then(|| Partitioning { by: PartitionBy::PrimaryKey, ..Partitioning::default() }),
            batch_bytes: if bit(6) { 1 } else { 64 << 10 },
            ..OutputOptions::default()
        };
        ReadOptions {
            files: vec![self.path.clone()],
            binlog_name: Some(NAME.into()),
            charset: "latin1".into(),
            output,
            filter: Arc::new(Filter::default()),
            schema_database: "maxwell".into(),
            client_id: "maxwell".into(),
            row_queries: full,
            gtid_mode: full,
            // Little, so that the spill file is used.
            memory_bytes: if bit(7) { 2 << 10 } else { 64 << 10 },
            event_bytes_max: EVENT_BYTES_MAX,
        }
    }
}
