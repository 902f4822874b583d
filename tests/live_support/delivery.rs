//! The kill test: a load, a daemon that is killed again and again, sometimes a server too; then everything committed must
//! be on the topic.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::clock::eventually;
use super::daemon::{Config, Site};
use super::environment::{number, run_number};
use super::images;
use super::ledger::{self, Seen};
use super::load::Load;
use super::load::journal::{Change, Journal, Op, Outcome, RowKey, Transaction};
use super::load::tables::{MARKS, OWNERS, TABLES};
use super::message::Message;
use super::sql::SqlServer;
use super::topic::{Record, Topic};
use super::violence::{Keeper, Violence, harm};

pub struct Case {
    pub name: &'static str,
    pub server: SqlServer,
    pub brokers: String,
    pub gtid_mode: bool,
    /// `binlog_row_metadata`, if it shall not be as the server was started: without FULL the binlog has no column names, and
    /// the daemon lives by the statements alone.
    pub metadata: Option<&'static str>,
    pub violence: Violence,
}

const PARTITIONS: i32 = 4;
/// Actions a second of each connection.
const RATE: u32 = 60;
/// How long the daemon may take to catch up after the load. Only a bound for what hangs.
const CATCH_UP: Duration = Duration::from_secs(240);
/// The row that is inserted last of all.
const LAST_MARK: u64 = u64::MAX / 2;

/// What the topic's follower keeps.
#[derive(Default)]
pub struct Arrived {
    pub seen: Vec<Seen>,
    pub last: HashMap<RowKey, Vec<u8>>,
    pub finished: bool,
}

impl Arrived {
    pub fn take(&mut self, database: &str, record: Record) {
        let message = Message::read(&record.value);
        assert_eq!(message.database, database, "a message of a database that the filter excludes");
        let op = match &*message.kind {
            "insert" => Op::Insert,
            "update" => Op::Update,
            "delete" => Op::Delete,
            other => panic!("a message of type {other}"),
        };
        let field = |name| message.data.number(name).unwrap_or_else(|| panic!("no {name}: {}", String::from_utf8_lossy(&record.value)));
        let key = RowKey { table: (*message.table).into(), id: field("id") };
        self.finished |= key.id == LAST_MARK;
        self.seen.push(Seen {
            key: key.clone(),
            op,
            version: field("v"),
            partition: record.partition,
            xid: message.xid,
            commit: message.commit,
        });
        self.last.insert(key, record.value);
    }
}

/// Runs one case and prints what it did.
///
/// # Panics
/// When anything is missing, disordered, invented or different, or when the daemon ends by itself.
pub async fn run(case: Case) {
    let begun = Instant::now();
    let seed = number("BINLOGD_KILL_SEED", rand::random());
    println!("{}: seed {seed} (BINLOGD_KILL_SEED repeats the schedule)", case.name);
    let site = Site::new(case.name);
    let (database, schema) = (format!("load_{}", case.name), format!("maxwell_{}", case.name));
    case.server.fresh_databases(&database, &schema).await;
    Load::prepare(&case.server, &database).await;
    let metadata = Metadata::set(&case.server, case.metadata).await;
    let topic = Topic::create(&case.brokers, &format!("{}-{}-{seed}", case.name, run_number()), PARTITIONS).await;
    let config = Config::for_server(&case.server, &schema)
        .into_topic(&case.brokers, &topic.name)
        .with("gtid_mode", case.gtid_mode)
        .with("filter", format!("exclude: *.*, include: {database}.*"))
        .with("producer_partition_by", "primary_key");

    let mut keeper = Keeper::new(&site, config);
    started(&case.server, &schema, &mut keeper).await;
    let arrived = Arc::new(Mutex::new(Arrived::default()));
    let (sink, wanted) = (arrived.clone(), database.clone());
    let follower = topic.follow(move |record| sink.lock().expect("one writer").take(&wanted, record));

    let load = Load::start(&case.server, &database, seed, RATE);
    harm(case.violence, seed, &mut keeper).await;
    let journal = load.finish().await;
    let whole = finishing_touch(&case.server, &database, &journal).await;
    eventually("the daemon catches up after the load", CATCH_UP, async || {
        keeper.keep_alive();
        arrived.lock().expect("one writer").finished.then_some(())
    })
    .await;
    keeper.stop().await;
    tokio::task::spawn_blocking(|| follower.finish()).await.expect("the topic could be read");
    let arrived = std::mem::take(&mut *arrived.lock().expect("the writer has ended"));

    let transactions = journal.settle(&marks(&case.server, &database).await);
    let report = ledger::check(&transactions, &arrived.seen).unwrap_or_else(|faults| panic!("{}: {faults}", case.name));
    let compared = compare_tables(&case.server, &database, &transactions, &arrived.last, &whole).await;
    println!(
        "{}: {} transactions, {} keys, {} versions, {} messages ({:.1} % sent again), {} last images equal their rows, {} lives of the daemon, {} s",
        case.name,
        report.transactions,
        report.keys,
        report.versions,
        report.messages,
        report.duplicates_percent(),
        compared,
        keeper.lives,
        begun.elapsed().as_secs()
    );
    topic.delete().await;
    metadata.restore(&case.server).await;
    case.server.drop_databases(&database, &schema).await;
}

/// The server's setting before the test. A failed test leaves it changed: other tests do not depend on it.
struct Metadata(Option<String>);

impl Metadata {
    async fn set(server: &SqlServer, wanted: Option<&str>) -> Metadata {
        let Some(wanted) = wanted else { return Metadata(None) };
        let before = server.rows("SELECT @@GLOBAL.binlog_row_metadata").await.remove(0).remove(0);
        server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{wanted}'")]).await;
        Metadata(before)
    }

    async fn restore(self, server: &SqlServer) {
        if let Some(before) = self.0 {
            server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{before}'")]).await;
        }
    }
}

/// Waits until the daemon has read its own heartbeat: what is written from now on must arrive.
async fn started(server: &SqlServer, schema: &str, keeper: &mut Keeper<'_>) {
    let sql = format!("SELECT binlog_file FROM {schema}.positions WHERE last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", Duration::from_secs(60), async || {
        keeper.keep_alive();
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
}

/// Updates every second row after the last ALTER, so that its last image has the table's present columns; then inserts
/// the last row of all. Gives the rows that were updated.
pub async fn finishing_touch(server: &SqlServer, database: &str, journal: &Arc<Journal>) -> HashSet<RowKey> {
    let mut touched = HashSet::new();
    for table in &TABLES {
        let found = server.rows(&format!("SELECT id FROM {database}.{} WHERE id DIV {OWNERS} % 2 = 0", table.name)).await;
        let ids: Vec<u64> = found.into_iter().map(|row| row[0].as_ref().and_then(|id| id.parse().ok()).expect("a number")).collect();
        let number = journal.next_transaction();
        let mut changes = Vec::new();
        let mut cases = String::new();
        for id in &ids {
            let key = RowKey { table: table.name.into(), id: *id };
            let change = Change { key: key.clone(), op: Op::Update, version: journal.next_version() };
            cases.push_str(&format!(" WHEN {id} THEN {}", change.version));
            changes.push(change);
            touched.insert(key);
        }
        if !ids.is_empty() {
            let list = ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            let sql = format!("UPDATE {database}.{} SET tx = {number}, v = CASE id{cases} END WHERE id IN ({list})", table.name);
            server.run(&[&sql]).await;
            journal.write(Transaction { number, changes, marked: false, outcome: Outcome::Committed });
        }
    }
    let (number, version) = (journal.next_transaction(), journal.next_version());
    server.run(&[&format!("INSERT INTO {database}.{MARKS} VALUES ({LAST_MARK}, {version}, {number})")]).await;
    let change = Change { key: RowKey { table: MARKS.into(), id: LAST_MARK }, op: Op::Insert, version };
    journal.write(Transaction { number, changes: vec![change], marked: false, outcome: Outcome::Committed });
    touched
}

pub async fn marks(server: &SqlServer, database: &str) -> HashSet<u64> {
    let rows = server.rows(&format!("SELECT id FROM {database}.{MARKS}")).await;
    rows.into_iter().filter_map(|row| row[0].as_ref()?.parse().ok()).collect()
}

/// Compares the tables with the last messages; gives the number of rows.
pub async fn compare_tables(
    server: &SqlServer,
    database: &str,
    transactions: &[Transaction],
    last: &HashMap<RowKey, Vec<u8>>,
    whole: &HashSet<RowKey>,
) -> usize {
    let mut faults = Vec::new();
    let mut compared = 0;
    let mut rows = HashMap::new();
    for name in server.rows(&format!("SHOW TABLES FROM {database}")).await {
        let name = name[0].as_deref().expect("a table's name").to_owned();
        rows.extend(images::table(server, database, &name).await);
        // Rows that were inserted before a table was renamed have no message under its present name.
        if let Some(serial) = name.strip_prefix("kept_") {
            let before = |id| RowKey { table: format!("made_{serial}").into(), id };
            rows.retain(|key, _| *key.table != *name || last.contains_key(key) || !last.contains_key(&before(key.id)));
        }
    }
    for (key, cells) in &rows {
        let Some(line) = last.get(key) else {
            faults.push(format!("{key:?} is in the table and has no message"));
            continue;
        };
        let message = Message::read(line);
        if message.kind == "delete" {
            faults.push(format!("{key:?} is in the table and its last message is a delete"));
        } else if let Err(fault) = images::compare(cells, &message.data, whole.contains(key)) {
            faults.push(format!("{key:?}: {fault}"));
        }
        compared += 1;
    }
    for key in transactions.iter().flat_map(|t| &t.changes).map(|c| &c.key).filter(|k| TABLES.iter().any(|t| *t.name == *k.table)) {
        let gone = !rows.contains_key(key);
        if gone && last.get(key).is_some_and(|line| Message::read(line).kind != "delete") {
            faults.push(format!("{key:?} is gone from the table and its last message is no delete"));
        }
    }
    faults.truncate(20);
    assert!(faults.is_empty(), "last images and tables differ:\n{}", faults.join("\n"));
    compared
}
