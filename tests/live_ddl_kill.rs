//! Kills under live DDL, and catching up over hundreds of schema versions: every row that was written arrives with the
//! names and values that it was written with, each table's rows in their order.
//!
//! Each table has one writer, which alters it between its inserts and notes what every row must look like. All added
//! columns are of one type, so that no shape tells a wrong name, and the binlog carries no names. BINLOGD_KILL_SEED repeats
//! a schedule.

#[path = "live_support/mod.rs"]
mod live_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use live_support::clock::{eventually, within};
use live_support::daemon::{Config, Daemon, Site, code};
use live_support::environment::{need, number, one_at_a_time};
use live_support::sql::SqlServer;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

const TABLES: usize = 3;
const KILLS_UNDER_LOAD: usize = 24;
const KILLS_CATCHING_UP: usize = 6;
/// Statements of each writer while the daemon is stopped.
const STATEMENTS_BEHIND: usize = 110;
const CATCH_UP: Duration = Duration::from_secs(60);

/// What a row was written with, by column.
type Row = BTreeMap<String, serde_json::Value>;

/// One table and everything that was written into it.
struct Writer {
    server: SqlServer,
    database: String,
    table: String,
    /// Without `id`, in any order: inserts name theirs.
    columns: Vec<String>,
    serial: usize,
    rng: StdRng,
    rows: Vec<Row>,
    statements: Arc<AtomicUsize>,
}

impl Writer {
    async fn new(server: &SqlServer, database: &str, n: usize, seed: u64, statements: Arc<AtomicUsize>) -> Writer {
        let table = format!("t{n}");
        server.run(&[&format!("CREATE TABLE {database}.{table} (id bigint NOT NULL PRIMARY KEY, a int, b int, c int)")]).await;
        Writer {
            server: server.clone(),
            database: database.to_owned(),
            table,
            columns: ["a", "b", "c"].map(str::to_owned).to_vec(),
            serial: 0,
            rng: StdRng::seed_from_u64(seed + n as u64),
            rows: Vec::new(),
            statements,
        }
    }

    /// Alters and inserts until it is told to stop, or for so many statements.
    async fn work(mut self, stop: Arc<AtomicBool>, statements: usize, pause: Duration) -> Writer {
        let mut conn = self.server.connect_in(&self.database).await.expect("root can connect");
        let mut done = 0;
        while done < statements && !stop.load(Ordering::Relaxed) {
            let sql = self.alter();
            conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            self.statements.fetch_add(1, Ordering::Relaxed);
            done += 1;
            for _ in 0..self.rng.random_range(1..4) {
                let sql = self.insert();
                conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
            tokio::time::sleep(pause).await;
        }
        conn.disconnect().await.expect("goodbye");
        self
    }

    fn alter(&mut self) -> String {
        let table = &self.table;
        let some = |rng: &mut StdRng, columns: &[String]| columns.choose(rng).cloned().expect("a column");
        self.serial += 1;
        let new = format!("n{}", self.serial);
        let kind = self.rng.random_range(0..100);
        if kind < 35 && self.columns.len() > 1 {
            // Two of equal type change their names.
            self.columns.shuffle(&mut self.rng);
            let (one, other) = (self.columns[0].clone(), self.columns[1].clone());
            return format!("ALTER TABLE {table} RENAME COLUMN {one} TO {other}, RENAME COLUMN {other} TO {one}");
        }
        if kind < 55 && self.columns.len() < 9 {
            let place = self.rng.random_range(0..=self.columns.len());
            let after = if place == 0 { "AFTER id".to_owned() } else { format!("AFTER {}", self.columns[place - 1]) };
            self.columns.insert(place, new.clone());
            return format!("ALTER TABLE {table} ADD COLUMN {new} int {after}");
        }
        if kind < 70 && self.columns.len() > 2 {
            let gone = some(&mut self.rng, &self.columns);
            self.columns.retain(|c| *c != gone);
            return format!("ALTER TABLE {table} DROP COLUMN {gone}");
        }
        let old = some(&mut self.rng, &self.columns);
        if kind < 85 {
            self.columns.iter_mut().filter(|c| **c == old).for_each(|c| *c = new.clone());
            return format!("ALTER TABLE {table} CHANGE {old} {new} int");
        }
        format!("ALTER TABLE {table} MODIFY {old} int FIRST")
    }

    fn insert(&mut self) -> String {
        let id = self.rows.len();
        let mut row = Row::from([("id".to_owned(), id.into())]);
        for column in &self.columns {
            row.insert(column.clone(), self.rng.random_range(0..1_000_000).into());
        }
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        let values: Vec<String> = row.values().map(ToString::to_string).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", self.table, names.join(", "), values.join(", "));
        self.rows.push(row);
        sql
    }
}

/// The daemon's lives. Each writes a file of its own, because a kill may leave half a line.
struct Lives<'a> {
    site: &'a Site,
    config: Config,
    daemon: Option<Daemon>,
    count: usize,
}

impl Lives<'_> {
    fn start(&mut self) {
        self.count += 1;
        let output = self.site.dir.join(format!("life-{}.jsonl", self.count));
        let config = self.config.clone().with("output_file", output.display());
        self.daemon = Some(Daemon::start(self.site, "binlogd", &config, &[]));
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a daemon was started")
    }

    fn must_live(&mut self) {
        let daemon = self.daemon();
        if let Some(status) = daemon.ended() {
            panic!("the daemon ended by itself with {}\n{}", code(status), daemon.log_tail());
        }
    }

    /// The messages of one life; half a line at its end never arrived.
    fn messages(&self, life: usize) -> Vec<serde_json::Value> {
        let bytes = std::fs::read(self.site.dir.join(format!("life-{life}.jsonl"))).unwrap_or_default();
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let lines = bytes[..whole].split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines.map(|l| serde_json::from_slice(l).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(l)))).collect()
    }

    fn arrived(&self, table: &str, id: usize) -> bool {
        self.messages(self.count).iter().any(|m| m["table"] == table && m["data"]["id"] == id)
    }
}

async fn run(name: &str, server: SqlServer, gtid_mode: bool, metadata: &str) {
    let begun = Instant::now();
    let seed = number("BINLOGD_KILL_SEED", rand::random::<u32>().into());
    println!("{name}: seed {seed} (BINLOGD_KILL_SEED repeats the schedule)");
    let mut rng = StdRng::seed_from_u64(seed);
    let site = Site::new(name);
    let (database, schema) = (format!("data_{name}"), format!("maxwell_{name}"));
    server.fresh_databases(&database, &schema).await;
    let before = server.rows("SELECT @@GLOBAL.binlog_row_metadata").await.remove(0).remove(0).expect("a word");
    server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{metadata}'")]).await;
    let statements = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for n in 0..TABLES {
        writers.push(Writer::new(&server, &database, n, seed, statements.clone()).await);
    }
    let config = Config::for_server(&server, &schema)
        .with("producer", "file")
        .with("gtid_mode", gtid_mode)
        .with("producer_partition_by", "table")
        .with("filter", format!("exclude: *.*, include: {database}.*"));
    let mut lives = Lives { site: &site, config, daemon: None, count: 0 };
    lives.start();
    let versions = format!("SELECT COUNT(*) FROM {schema}.`schemas`");
    let count = async || -> usize { server.rows(&versions).await[0][0].as_deref().expect("a number").parse().expect("a number") };
    let sql = format!("SELECT binlog_file FROM {schema}.positions WHERE last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", Duration::from_secs(60), async || {
        lives.must_live();
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;

    // Kills while tables change.
    let stop = Arc::new(AtomicBool::new(false));
    let load = |writers: Vec<Writer>, statements: usize, pause: Duration| {
        let tasks: Vec<_> = writers.into_iter().map(|w| tokio::spawn(w.work(stop.clone(), statements, pause))).collect();
        async move {
            let mut done = Vec::new();
            for task in tasks {
                done.push(task.await.expect("a writer failed"));
            }
            done
        }
    };
    let writing = load(writers, usize::MAX, Duration::from_millis(60));
    for _ in 0..KILLS_UNDER_LOAD {
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..1500))).await;
        lives.must_live();
        lives.daemon().kill();
        lives.start();
    }
    stop.store(true, Ordering::Relaxed);
    let writers = writing.await;
    let under_kills = statements.load(Ordering::Relaxed);

    // Stopped, and then hundreds of versions behind; killed again while it catches up.
    eventually("a daemon that has started", Duration::from_secs(20), async || {
        lives.must_live();
        lives.daemon().log_text().contains("following the binlog").then_some(())
    })
    .await;
    assert_eq!(lives.daemon().stop().await, 0, "exit code after SIGTERM\n{}", lives.daemon().log_tail());
    stop.store(false, Ordering::Relaxed);
    let stored = count().await;
    let writers = load(writers, STATEMENTS_BEHIND, Duration::ZERO).await;
    lives.start();
    for _ in 0..KILLS_CATCHING_UP {
        let grown = count().await;
        // Killed in the middle of the work, if it has not ended yet.
        within(Duration::from_secs(10), async || (count().await >= grown + 30).then_some(())).await;
        lives.must_live();
        lives.daemon().kill();
        lives.start();
    }
    for writer in &writers {
        let last = writer.rows.len() - 1;
        eventually(&format!("row {last} of {}", writer.table), CATCH_UP, async || {
            lives.must_live();
            lives.arrived(&writer.table, last).then_some(())
        })
        .await;
    }
    let log = lives.daemon().log_text();
    assert_eq!(lives.daemon().stop().await, 0, "exit code after SIGTERM\n{}", lives.daemon().log_tail());
    let behind = count().await - stored;
    assert!(behind >= 300, "only {behind} versions were behind");

    let mut messages = 0;
    for writer in &writers {
        messages += check(writer, &lives);
    }
    println!(
        "{name}: {} kills, {under_kills} statements under them, {behind} versions caught up, {} rows, {messages} messages, {} re-reads, {} s",
        KILLS_UNDER_LOAD + KILLS_CATCHING_UP,
        writers.iter().map(|w| w.rows.len()).sum::<usize>(),
        log.matches("reading table definitions from the server").count(),
        begun.elapsed().as_secs()
    );
    server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{before}'")]).await;
    server.drop_databases(&database, &schema).await;
}

/// Every row of a table arrived as it was written; what comes again comes from an earlier row on, without a gap.
fn check(writer: &Writer, lives: &Lives<'_>) -> usize {
    let (mut next, mut count) = (0, 0);
    for life in 1..=lives.count {
        for message in lives.messages(life).iter().filter(|m| m["table"] == *writer.table) {
            let id = message["data"]["id"].as_u64().expect("an id") as usize;
            let data: Row = message["data"].as_object().expect("data").clone().into_iter().collect();
            assert_eq!(data, writer.rows[id], "life {life}, {}: row {id} does not look as it was written", writer.table);
            assert!(id <= next, "life {life}, {}: row {id} arrived before row {next}", writer.table);
            next = id + 1;
            count += 1;
        }
    }
    assert_eq!(next, writer.rows.len(), "{}: the last row is not the last message", writer.table);
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_by_gtid() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("ddl_kill_mysql", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    run("ddl_kill_mysql", SqlServer::new("mysql97", &port), true, "MINIMAL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_by_file() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("ddl_kill_mariadb", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    run("ddl_kill_mariadb", SqlServer::new("mariadb1011", &port), false, "NO_LOG").await;
}
