//! The DDL in the servers' own test suites, run on real servers: what a server accepts goes through our chain, and the
//! tracked definitions are compared with information_schema.
//!
//! Only with BINLOGD_SWEEP_DIR, where scripts/ddl-sweep.sh unpacks the suites (`make test-long`). BINLOGD_SWEEP_SECONDS
//! bounds the time for each server; the files are taken in an order that makes any part of them a fair sample.
//! BINLOGD_SWEEP_ONLY=a,b takes the files with `a` or `b` in their path only.

#[path = "ddl_oracle/mod.rs"]
mod ddl_oracle;
#[path = "live_support/mod.rs"]
mod live_support;

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use binlogd::assemble::spill::SpillDir;
use ddl_oracle::model::{Model, TableKey, options};
use ddl_oracle::suite;
use ddl_oracle::tally::{Kind, Tally};
use live_support::environment::{need, number, one_at_a_time, variable};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::runtime::Runtime;

/// Of a thousand accepted statements so many have to be understood without a re-read.
const UNDERSTOOD_PER_MILLE: usize = 995;

/// A statement that takes longer is ended, and counts as one that failed: thousands of partitions prove no more than ten.
const STATEMENT_MAX: Duration = Duration::from_secs(20);
/// Progress is told after so many files.
const TELL_EVERY: usize = 200;

/// Beginnings of statements, and ends of differences, that our parser cannot know: whether two numbers that are dropped were
/// a versioned table's transaction numbers. The next table map tells, for it has two columns more.
const TOLD_BY_TABLE_MAPS: (&str, &str) =
    ("alter table t", ": model  | server `row_start` Timestamp { fraction: 6 }, `row_end` Timestamp { fraction: 6 }");

const SYSTEM: &str = "('mysql','sys','performance_schema','information_schema')";

async fn databases(conn: &mut Conn) -> Vec<String> {
    let sql = format!("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN {SYSTEM}");
    conn.query(sql).await.expect("a list")
}

struct Sweep<'a> {
    rt: &'a Runtime,
    port: u16,
    model: Model<'a>,
    /// Looks on; the statements have a session of their own.
    onlooker: Conn,
    tally: Tally,
    mended: usize,
    /// See `TOLD_BY_TABLE_MAPS`.
    told_later: usize,
    /// Databases that were there before.
    kept: Vec<String>,
    /// The others, as they are now.
    databases: Vec<String>,
    /// Statements that were run.
    seen: HashSet<Vec<u8>>,
}

impl Sweep<'_> {
    fn file(&mut self, path: &Path) {
        let text = std::fs::read(path).expect("a readable file");
        let statements = suite::statements(&text);
        // Many files say what others said before.
        let is_new = |s: &Vec<u8>| s.len() > 12 && !s.to_ascii_uppercase().starts_with(b"SET") && !self.seen.contains(s);
        if !statements.iter().any(is_new) {
            return;
        }
        self.seen.extend(statements.iter().cloned());
        let mut conn = self.rt.block_on(Conn::new(options(self.port))).expect("root can connect");
        for sql in ["SET SESSION lock_wait_timeout = 2", "DROP DATABASE IF EXISTS test", "CREATE DATABASE test", "USE test"] {
            self.rt.block_on(conn.query_drop(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        let id = conn.id();
        self.look("CREATE DATABASE test", true, path);
        for sql in statements {
            let is_ddl = !sql.to_ascii_uppercase().starts_with(b"SET ") && !sql.to_ascii_uppercase().starts_with(b"USE ")
                || sql.to_ascii_uppercase().starts_with(b"SET STATEMENT");
            let accepted = match self.run(&mut conn, id, &sql) {
                Ok(()) => true,
                Err(mysql_async::Error::Server(_)) => false,
                Err(e) => panic!("{}: the connection broke: {e}: {}", path.display(), String::from_utf8_lossy(&sql)),
            };
            if is_ddl {
                self.tally.tried += 1;
                self.tally.accepted += usize::from(accepted);
                self.look(&String::from_utf8_lossy(&sql), accepted, path);
            }
        }
        drop(conn);
        for database in self.rt.block_on(databases(&mut self.onlooker)) {
            if !self.kept.contains(&database) {
                let name = format!("`{}`", database.replace('`', "``"));
                // MySQL 8 has a switch against that.
                for sql in [format!("ALTER DATABASE {name} READ ONLY = 0"), format!("DROP DATABASE IF EXISTS {name}")] {
                    self.rt.block_on(self.onlooker.query_drop(&sql)).ok();
                }
            }
        }
        self.look("DROP DATABASE test", true, path);
    }

    /// Runs a statement, for a while.
    fn run(&mut self, conn: &mut Conn, id: u32, sql: &[u8]) -> Result<(), mysql_async::Error> {
        let (rt, onlooker) = (self.rt, &mut self.onlooker);
        rt.block_on(async {
            let mut running = std::pin::pin!(conn.query_drop(sql));
            loop {
                match tokio::time::timeout(STATEMENT_MAX, &mut running).await {
                    Ok(done) => return done,
                    Err(_) => onlooker.query_drop(format!("KILL QUERY {id}")).await.ok(),
                };
            }
        })
    }

    /// Reads the log to its end, and compares every table that the statement may have named.
    fn look(&mut self, sql: &str, accepted: bool, path: &Path) {
        let before = self.tally.findings.len();
        let caught_up = self.model.catch_up();
        let requests = self.model.requests();
        self.model.messages();
        match caught_up {
            Ok(any) if !any && !accepted => return,
            Ok(_) => {}
            Err(e) => self.add(Kind::Stopped, sql, e.to_string(), path),
        }
        for request in &requests {
            if request.why.contains("failed on the server") {
                self.tally.failed_but_logged += 1;
            } else {
                self.add(Kind::Reread, sql, request.why.clone(), path);
                self.mended += 1;
            }
        }
        let lower = sql.to_lowercase();
        if ["database", "schema"].iter().any(|word| lower.contains(word)) {
            self.databases = self.rt.block_on(databases(&mut self.onlooker));
            self.databases.retain(|d| !self.kept.contains(d));
        }
        let (all, mut differences) = self.model.list(&self.databases);
        let named: Vec<TableKey> = all.into_iter().filter(|(_, t)| lower.contains(&t.to_lowercase().replace('`', "``"))).take(40).collect();
        let (mut found, compared) = self.model.compare(&named);
        found.retain(|difference| named.iter().all(|key| !self.is_the_servers_own(key, difference)));
        self.tally.compared += compared;
        differences.extend(found);
        let (is_alter, expected) = (lower.starts_with(TOLD_BY_TABLE_MAPS.0), TOLD_BY_TABLE_MAPS.1);
        let known = differences.len();
        differences.retain(|difference| !(is_alter && lower.contains("drop column") && difference.ends_with(expected)));
        self.told_later += known - differences.len();
        if known > differences.len() {
            self.model.restart();
        }
        for difference in differences {
            self.add(Kind::Wrong, sql, difference, path);
        }
        if self.tally.findings[before..].iter().any(|f| f.kind != Kind::Reread) {
            self.model.restart();
        }
    }

    /// Whether a difference comes from information_schema alone: of a table that the server itself cannot open any more, or
    /// the key of a MERGE table, which the binlog's own metadata has.
    fn is_the_servers_own(&mut self, key: &TableKey, difference: &str) -> bool {
        if !difference.starts_with(&format!("{}.{}: ", key.0, key.1)) {
            return false;
        }
        let shown: Result<Option<(String, String)>, _> =
            self.rt.block_on(self.onlooker.query_first(format!("SHOW CREATE TABLE {}", ddl_oracle::rows::quoted(key))));
        match shown {
            Ok(Some((_, text))) => text.contains("ENGINE=MRG_MyISAM") && difference.ends_with("| server key []"),
            _ => difference.contains(" | server "),
        }
    }

    /// Notes a finding, and tells it at once: a sweep takes long.
    fn add(&mut self, kind: Kind, sql: &str, detail: String, path: &Path) {
        let detail = format!("{detail}\n      in: {}", path.display());
        println!("{kind:?}: {detail}\n      after: {}", sql.chars().take(1500).collect::<String>());
        self.tally.add(kind, sql, detail);
    }
}

fn sweep(name: &'static str, port_variable: &'static str, folder: &str) {
    let Some(root) = variable("BINLOGD_SWEEP_DIR") else {
        println!("SKIPPED live_ddl_sweep {name}: BINLOGD_SWEEP_DIR is not set (make test-long sets it)");
        return;
    };
    let Some([port]) = need(&format!("live_ddl_sweep {name}"), [port_variable]) else { return };
    let rt = Runtime::new().expect("a runtime");
    let _one = rt.block_on(one_at_a_time());
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let scratch = tempfile::tempdir().expect("a folder");
    let port = port.parse().expect("a port");
    let model = Model::open(&rt, port, SpillDir::open(scratch.path(), 1 << 30).expect("a spill folder"));
    let mut onlooker = rt.block_on(Conn::new(options(port))).expect("root can connect");
    let mut kept = rt.block_on(databases(&mut onlooker));
    kept.retain(|d| d != "test");
    let mut sweep = Sweep {
        rt: &rt,
        port,
        model,
        onlooker,
        tally: Tally::default(),
        mended: 0,
        told_later: 0,
        kept,
        databases: Vec::new(),
        seen: HashSet::new(),
    };
    let (started, seconds) = (Instant::now(), number("BINLOGD_SWEEP_SECONDS", u64::MAX));
    let mut files = suite::files(&Path::new(&root).join(folder));
    if let Some(only) = variable("BINLOGD_SWEEP_ONLY") {
        files.retain(|file| only.split(',').any(|part| file.to_string_lossy().contains(part)));
    }
    let mut read = 0_usize;
    for file in &files {
        if started.elapsed().as_secs() >= seconds {
            break;
        }
        if read > 0 && read.is_multiple_of(TELL_EVERY) {
            println!("{name}: {read} of {} files, {} accepted, {} s", files.len(), sweep.tally.accepted, started.elapsed().as_secs());
        }
        sweep.file(file);
        read += 1;
    }
    sweep.tally.seconds = started.elapsed().as_secs_f64();
    let tally = &sweep.tally;
    let (wrong, stopped) = (tally.count(Kind::Wrong), tally.count(Kind::Stopped));
    let understood = tally.accepted.saturating_sub(sweep.mended + stopped);
    println!(
        "{name}: {read} of {} files: tried {}, accepted {}, understood {understood} ({:.2} %), mended by re-read {}, accepted wrongly {wrong}, stopped {stopped}; {} left to table maps, {} failed but logged, {} definitions compared; {:.0} s",
        files.len(),
        tally.tried,
        tally.accepted,
        100.0 * understood as f64 / tally.accepted.max(1) as f64,
        sweep.mended,
        sweep.told_later,
        tally.failed_but_logged,
        tally.compared,
        tally.seconds,
    );
    tally.report(60);
    assert!(tally.accepted > 1000 || variable("BINLOGD_SWEEP_ONLY").is_some(), "{name}: hardly any statement was found in {root}/{folder}");
    assert_eq!((wrong, stopped), (0, 0), "{name}: accepted wrongly, stopped");
    assert!(understood * 1000 >= tally.accepted * UNDERSTOOD_PER_MILLE, "{name}: too many statements had to be read again");
}

#[test]
fn mysql97() {
    sweep("mysql97", "BINLOGD_TEST_MYSQL97_PORT", "mysql");
}

#[test]
fn mariadb1011() {
    sweep("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT", "mariadb");
}
