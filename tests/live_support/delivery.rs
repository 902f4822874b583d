//! The kill test: a load, a daemon that is killed again and again, sometimes a server too; then everything committed must
//! be on the topic.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::clock::{eventually, within};
use super::daemon::{Config, Daemon, Site, code};
use super::environment::{number, run_number, variable};
use super::images;
use super::ledger::{self, Seen};
use super::load::Load;
use super::load::journal::{Change, Journal, Op, Outcome, RowKey, Transaction};
use super::load::tables::{MARKS, OWNERS, TABLES};
use super::message::Message;
use super::servers;
use super::sql::SqlServer;
use super::topic::{Record, Topic};

/// What is done to the daemon and to the servers while the load runs.
#[derive(Clone, Copy)]
pub struct Violence {
    pub seconds: u64,
    /// kill -9 of the daemon.
    pub kills: usize,
    /// How many of these kills come while the broker stands still: what is sent then is not acknowledged for a while.
    pub stalls: usize,
    /// SIGTERM, which must end it with exit code 0.
    pub stops: usize,
    /// kill -9 of this server of `scripts/servers.sh`, and its return after a while.
    pub server: Option<(&'static str, usize)>,
}

pub struct Case {
    pub name: &'static str,
    pub server: SqlServer,
    pub brokers: String,
    pub gtid_mode: bool,
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
struct Arrived {
    seen: Vec<Seen>,
    last: HashMap<RowKey, Vec<u8>>,
    finished: bool,
}

impl Arrived {
    fn take(&mut self, database: &str, record: Record) {
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
    harm(&case, seed, &mut keeper).await;
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
    case.server.drop_databases(&database, &schema).await;
}

/// The daemon and its restarts, as a service manager does them.
struct Keeper<'a> {
    site: &'a Site,
    config: Config,
    daemon: Option<Daemon>,
    lives: usize,
    born: Instant,
    /// When a server was killed last, and when it was back.
    server_killed: Option<Instant>,
    server_back: Option<Instant>,
}

/// How long a daemon may take to start: one that finds no server meanwhile tells so and ends.
const STARTING: Duration = Duration::from_secs(5);

impl<'a> Keeper<'a> {
    fn new(site: &'a Site, config: Config) -> Self {
        let mut keeper = Keeper { site, config, daemon: None, lives: 0, born: Instant::now(), server_killed: None, server_back: None };
        keeper.start();
        keeper
    }

    fn start(&mut self) {
        self.daemon = Some(Daemon::start(self.site, "binlogd", &self.config, &[]));
        self.lives += 1;
        self.born = Instant::now();
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a daemon was started")
    }

    /// A daemon does not end by itself; only one that was just starting while a server was away may, and is started again.
    fn keep_alive(&mut self) {
        let born = self.born;
        let starting = self.server_killed.is_some_and(|killed| {
            let back = self.server_back.filter(|back| *back > killed);
            born + STARTING > killed && back.is_none_or(|back| born < back)
        });
        let daemon = self.daemon();
        let Some(status) = daemon.ended() else { return };
        let code = code(status);
        assert!(starting && code == 1, "the daemon ended by itself with {code}\n{}", daemon.log_tail());
        self.start();
    }

    async fn stop(&mut self) {
        let code = self.daemon().stop().await;
        assert_eq!(code, 0, "exit code after SIGTERM\n{}", self.daemon().log_tail());
    }
}

/// Waits until the daemon has a stored position: what is written from now on must arrive.
async fn started(server: &SqlServer, schema: &str, keeper: &mut Keeper<'_>) {
    let sql = format!("SELECT binlog_file FROM {schema}.positions");
    eventually("the daemon stores its first position", Duration::from_secs(60), async || {
        keeper.keep_alive();
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Kill,
    Stalled,
    Stop,
    Server,
}

/// Positions are stored once a second; whoever stores one too early does so within this time.
const STALL: Duration = Duration::from_millis(1600);
/// What a killed daemon has left in the broker's socket is written before the next daemon sends anything.
const LEFTOVERS: Duration = Duration::from_millis(300);

/// Deals all blows at random moments within the time.
async fn harm(case: &Case, seed: u64, keeper: &mut Keeper<'_>) {
    let Violence { seconds, kills, stalls, stops, server } = case.violence;
    let mut rng = StdRng::seed_from_u64(seed);
    // A broker in a container cannot be stopped by its pid.
    let broker = Broker::find();
    let stalls = if broker.is_some() { stalls } else { 0 };
    let mut blows = [vec![Blow::Kill; kills - stalls], vec![Blow::Stalled; stalls], vec![Blow::Stop; stops]].concat();
    blows.shuffle(&mut rng);
    spread(&mut blows, server.map_or(0, |(_, times)| times));
    let mut moments: Vec<u64> = (0..blows.len()).map(|_| rng.random_range(0..seconds * 1000)).collect();
    moments.sort_unstable();
    let begin = Instant::now();
    for (blow, moment) in blows.into_iter().zip(moments) {
        keep_until(keeper, begin + Duration::from_millis(moment)).await;
        match blow {
            Blow::Kill => {
                keeper.daemon().kill();
                keeper.start();
            }
            Blow::Stalled => {
                let broker = broker.as_ref().expect("the broker's pid is known");
                assert!(broker.signal("-STOP"), "the broker can be stopped");
                keep_until(keeper, Instant::now() + STALL).await;
                keeper.daemon().kill();
                broker.signal("-CONT");
                tokio::time::sleep(LEFTOVERS).await;
                keeper.start();
            }
            Blow::Stop => {
                keeper.stop().await;
                keeper.start();
            }
            Blow::Server => {
                let (name, _) = server.expect("only servers that are given are killed");
                keeper.server_killed = Some(Instant::now());
                servers::kill(name).await;
                // Long enough for the load and the daemon to notice.
                keep_until(keeper, Instant::now() + Duration::from_millis(rng.random_range(200..3000))).await;
                if rng.random_bool(0.5) {
                    keeper.daemon().kill();
                    keeper.start();
                }
                servers::start_again(name).await;
                keeper.server_back = Some(Instant::now());
                keeper.keep_alive();
            }
        }
    }
    keep_until(keeper, begin + Duration::from_secs(seconds)).await;
}

/// The broker's process; it runs again when this is dropped.
struct Broker {
    pid: String,
}

impl Broker {
    fn find() -> Option<Broker> {
        let pid = std::fs::read_to_string(variable("BINLOGD_TEST_KAFKA_PID_FILE")?).ok()?;
        Some(Broker { pid: pid.trim().to_owned() })
    }

    /// False if the broker is gone.
    fn signal(&self, signal: &str) -> bool {
        let status = std::process::Command::new("kill").args([signal, &self.pid]).stderr(std::process::Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// Waits for a moment, and keeps the daemon alive meanwhile.
async fn keep_until(keeper: &mut Keeper<'_>, moment: Instant) {
    within(moment.saturating_duration_since(Instant::now()), async || {
        keeper.keep_alive();
        None::<()>
    })
    .await;
}

/// Puts the server's kills between the others, evenly.
fn spread(blows: &mut Vec<Blow>, times: usize) {
    for n in (0..times).rev() {
        blows.insert((n + 1) * blows.len() / (times + 1), Blow::Server);
    }
}

/// Updates every second row after the last ALTER, so that its last image has the table's present columns; then inserts
/// the last row of all. Gives the rows that were updated.
async fn finishing_touch(server: &SqlServer, database: &str, journal: &Arc<Journal>) -> HashSet<RowKey> {
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

async fn marks(server: &SqlServer, database: &str) -> HashSet<u64> {
    let rows = server.rows(&format!("SELECT id FROM {database}.{MARKS}")).await;
    rows.into_iter().filter_map(|row| row[0].as_ref()?.parse().ok()).collect()
}

/// Compares the tables with the last messages; gives the number of rows.
async fn compare_tables(
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
