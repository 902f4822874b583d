//! The recorded cases: where they lie, how each server was set up, and our output for one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use binlogd::assemble::spill::SpillDir;
use binlogd::daemon::read::{ReadOptions, read_unpacking};
use binlogd::encode::OutputOptions;
use binlogd::filter::Filter;
use serde_json::Value;

/// A server folder of the fixtures: its name, its default character set, and whether Maxwell ran in GTID mode with the
/// full options (README of the fixtures).
#[derive(Debug, Clone, Copy)]
pub struct Server {
    pub name: &'static str,
    pub charset: &'static str,
    pub gtid: bool,
}

pub const SERVERS: [Server; 4] = [
    Server { name: "mysql-9.7", charset: "utf8mb4", gtid: true },
    Server { name: "mysql-9.7-minimal", charset: "utf8mb4", gtid: false },
    Server { name: "mysql-5.6", charset: "latin1", gtid: false },
    Server { name: "mariadb-10.11", charset: "latin1", gtid: true },
];

#[derive(Debug, Clone)]
pub struct Case {
    pub server: Server,
    pub name: String,
    folder: PathBuf,
}

pub fn fixtures() -> PathBuf {
    let root = std::env::var_os("BINLOGD_FIXTURES").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures/golden"));
    assert!(root.join("mysql-9.7").is_dir(), "no fixtures in {}: run scripts/fixtures.sh, or set BINLOGD_FIXTURES", root.display());
    root
}

/// All cases of all servers, in order.
pub fn all() -> Vec<Case> {
    let root = fixtures();
    let mut cases = Vec::new();
    for server in SERVERS {
        let folders = std::fs::read_dir(root.join(server.name)).expect("a server's folder");
        let mut folders: Vec<PathBuf> = folders.map(|e| e.expect("an entry").path()).filter(|p| p.join("binlog").is_file()).collect();
        folders.sort();
        let name = |p: &Path| p.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
        cases.extend(folders.into_iter().map(|folder| Case { server, name: name(&folder), folder }));
    }
    cases
}

impl Case {
    fn text(&self, file: &str) -> String {
        let path = self.folder.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub fn maxwell(&self, full: bool) -> String {
        self.text(if full { "full.jsonl" } else { "plain.jsonl" })
    }

    /// Whether Maxwell stopped inside the case, so that its lines are only the first ones.
    pub fn maxwell_stopped(&self) -> bool {
        self.folder.join("maxwell-fails.txt").is_file()
    }

    pub fn truth(&self) -> Value {
        serde_json::from_str(&self.text("truth.json")).expect("truth.json")
    }

    /// What we print, up to an error if there is one.
    pub fn ours(&self, full: bool, quirks: bool, truth: &Value) -> (String, Result<(), String>) {
        // Little memory, so that large transactions go through the spill file.
        self.ours_within(full, quirks, truth, 16 << 10, 1 << 30, None)
    }

    /// The same with so many bytes for one transaction in memory and in the spill folder, and with compressed transactions
    /// unpacked while they are read above this size.
    pub fn ours_within(
        &self,
        full: bool,
        quirks: bool,
        truth: &Value,
        memory_bytes: u64,
        spill_bytes: u64,
        unpack_above: Option<u32>,
    ) -> (String, Result<(), String>) {
        let spill = tempfile::tempdir().expect("a folder");
        let gtid = full && self.server.gtid;
        let options = ReadOptions {
            files: vec![self.folder.join("binlog")],
            binlog_name: truth["binlog_file"].as_str().map(str::to_owned),
            charset: self.server.charset.into(),
            output: OutputOptions { maxwell_quirks: quirks, ..output(full, gtid) },
            filter: Arc::new(Filter::default()),
            schema_database: "maxwell".into(),
            client_id: "maxwell".into(),
            row_queries: full,
            gtid_mode: gtid,
            memory_bytes,
            event_bytes_max: 1 << 30,
        };
        let mut out = Vec::new();
        let ended = SpillDir::open(spill.path(), spill_bytes).and_then(|spill| read_unpacking(options, spill, &mut out, unpack_above));
        (String::from_utf8(out).expect("UTF-8"), ended.map_err(|e| e.to_string()))
    }
}

/// Maxwell's defaults, or the full list of the fixtures' README.
fn output(full: bool, gtid: bool) -> OutputOptions {
    // One update of json_partial has a minimal image, which nothing can make whole. One batch a transaction, so that what stands before an error is printed.
    let defaults = OutputOptions { batch_bytes: 1, omits_partial_json: true, ..OutputOptions::default() };
    if !full {
        return defaults;
    }
    OutputOptions {
        binlog_position: true,
        gtid_position: gtid,
        commit_info: true,
        xoffset: true,
        nulls: true,
        server_id: true,
        thread_id: true,
        row_query: true,
        primary_keys: true,
        primary_key_columns: true,
        ddl: true,
        ..defaults
    }
}
