//! Recorded and mutated files through the whole chain, as `binlogd read` takes them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use binlogd::assemble::spill::SpillDir;
use binlogd::daemon::read::{ReadOptions, read};
use binlogd::encode::OutputOptions;
use binlogd::error::Result;
use binlogd::filter::Filter;

/// One recorded file, and the default character set of its server.
pub struct Case {
    pub path: PathBuf,
    pub charset: &'static str,
}

pub fn folder() -> PathBuf {
    let given = std::env::var_os("BINLOGD_FIXTURES").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures/golden"));
    assert!(folder.is_dir(), "the recorded cases are not in {}: run scripts/fixtures.sh", folder.display());
    folder
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (server, charset) in
        [("mysql-9.7", "utf8mb4"), ("mysql-9.7-minimal", "utf8mb4"), ("mysql-5.6", "latin1"), ("mariadb-10.11", "latin1")]
    {
        let entries = std::fs::read_dir(folder().join(server)).expect("a server's folder");
        let paths = entries.map(|entry| entry.expect("an entry").path().join("binlog")).filter(|path| path.is_file());
        cases.extend(paths.map(|path| Case { path, charset }));
    }
    cases.sort_by(|a, b| a.path.cmp(&b.path));
    cases
}

/// Counts lines.
struct Lines(u64);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A folder of its own, so that several can work at once.
pub struct Player {
    folder: tempfile::TempDir,
}

impl Player {
    pub fn new() -> Self {
        Player { folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn read_bytes(&self, file: &[u8], output: OutputOptions) -> (u64, Result<()>) {
        let path = self.folder.path().join("input.bin");
        std::fs::write(&path, file).expect("a file can be written");
        self.read(&path, "latin1", output)
    }

    /// How many messages there are, and how it ends.
    pub fn read(&self, path: &Path, charset: &str, output: OutputOptions) -> (u64, Result<()>) {
        let spill = SpillDir::open(&self.folder.path().join("spill"), 1 << 30).expect("a spill folder");
        let options = ReadOptions {
            files: vec![path.to_owned()],
            binlog_name: None,
            charset: charset.into(),
            row_queries: output.row_query,
            gtid_mode: false,
            output,
            filter: Arc::new(Filter::default()),
            schema_database: "maxwell".into(),
            client_id: "maxwell".into(),
            memory_bytes: 256 << 10,
            event_bytes_max: 1 << 24,
        };
        let mut lines = Lines(0);
        let ended = read(options, spill, &mut lines);
        (lines.0, ended)
    }
}
