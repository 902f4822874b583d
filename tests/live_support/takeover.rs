//! The takeover test: Maxwell and the daemon take turns on one configuration, one schema database and one topic while a load
//! runs; then everything committed must be on the topic, and each must have restored schema versions that the other stored.
//!
//! MAXWELL_RUN names a command that starts Maxwell when it is called with --config=FILE.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use super::clock::eventually;
use super::daemon::{Config, Daemon, Site};
use super::delivery::{self, Arrived};
use super::environment::{number, run_number};
use super::ledger;
use super::load::Load;
use super::load::journal::{Change, Journal, Op, Outcome, RowKey, Transaction};
use super::sql::SqlServer;
use super::topic::Topic;

pub struct Case {
    pub name: &'static str,
    pub server: SqlServer,
    pub brokers: String,
    pub maxwell: String,
    pub gtid_mode: bool,
}

/// Maxwell, the daemon, Maxwell, …
const TURNS: usize = 10;
const PARTITIONS: i32 = 4;
/// Actions a second of each connection of the load.
const RATE: u32 = 8;
const READY: Duration = Duration::from_secs(120);
const CATCH_UP: Duration = Duration::from_secs(120);
/// What a killed process has left in the broker's socket is written before the next one sends anything.
const LEFTOVERS: Duration = Duration::from_millis(300);
/// The table whose transactions end with a row that the filter excludes.
const TAILED: &str = "tailed";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Maxwell,
    Binlogd,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Who::Maxwell => "maxwell",
            Who::Binlogd => "binlogd",
        }
    }

    /// What stands in its log when it reads the binlog.
    fn ready_words(self) -> &'static str {
        match self {
            Who::Maxwell => "Binlog connected",
            Who::Binlogd => "following the binlog",
        }
    }

    /// The schema versions that it says to have restored.
    fn restored(self, log: &str) -> Vec<u64> {
        let (line, before) = match self {
            Who::Maxwell => ("Restoring schema id ", "Restoring schema id "),
            Who::Binlogd => ("restored the schema version", "schema_id="),
        };
        let number = |text: &str| -> Option<u64> {
            let digits = text.split_once(before)?.1;
            digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
        };
        log.lines().filter(|l| l.contains(line)).filter_map(number).collect()
    }
}

/// Runs one case and prints what it did.
///
/// # Panics
/// When anything is missing, disordered or different, or when one side never read what the other stored.
pub async fn run(case: Case) {
    let begun = Instant::now();
    let seed = number("BINLOGD_KILL_SEED", rand::random());
    println!("{}: seed {seed} (BINLOGD_KILL_SEED repeats the schedule)", case.name);
    let mut rng = StdRng::seed_from_u64(seed);
    let site = Site::new(case.name);
    let (database, schema, aside) = (format!("load_{}", case.name), format!("maxwell_{}", case.name), format!("aside_{}", case.name));
    case.server.fresh_databases(&database, &schema).await;
    Load::prepare(&case.server, &database).await;
    case.server
        .run(&[
            &format!("DROP DATABASE IF EXISTS {aside}"),
            &format!("CREATE DATABASE {aside}"),
            &format!("CREATE TABLE {aside}.tail (id bigint unsigned NOT NULL PRIMARY KEY)"),
            &format!(
                "CREATE TABLE {database}.{TAILED} (id bigint unsigned NOT NULL PRIMARY KEY, v bigint unsigned NOT NULL, \
                 tx bigint unsigned NOT NULL)"
            ),
        ])
        .await;
    let topic = Topic::create(&case.brokers, &format!("{}-{}-{seed}", case.name, run_number()), PARTITIONS).await;
    let config = Config::for_server(&case.server, &schema)
        .into_topic(&case.brokers, &topic.name)
        .with("jdbc_options", "useSSL=false&allowPublicKeyRetrieval=true")
        .with("gtid_mode", case.gtid_mode)
        .with("filter", format!("exclude: *.*, include: {database}.*"))
        .with("producer_partition_by", "primary_key");
    let arrived = Arc::new(Mutex::new(Arrived::default()));
    let (sink, wanted) = (arrived.clone(), database.clone());
    let follower = topic.follow(move |record| sink.lock().expect("one writer").take(&wanted, record));

    let mut load = None;
    let mut writers: BTreeMap<u64, Who> = BTreeMap::new();
    let mut running = None;
    for turn in 0..TURNS {
        let who = if turn.is_multiple_of(2) { Who::Maxwell } else { Who::Binlogd };
        let mut daemon = start(&site, &case, who, &config).await;
        if load.is_none() {
            // What is written before the first one has a position is for nobody.
            let started = Load::start(&case.server, &database, seed, RATE);
            let (stop, stopped) = watch::channel(false);
            let tail =
                Tailed { server: case.server.clone(), database: database.clone(), aside: aside.clone(), journal: started.journal.clone() };
            load = Some((started, stop, tokio::spawn(tail.run(stopped))));
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(1200..2800))).await;
        assert!(daemon.ended().is_none(), "{} ended by itself\n{}", who.name(), daemon.log_tail());
        if turn + 1 == TURNS {
            running = Some(daemon);
        } else if rng.random_bool(0.3) {
            daemon.kill();
            tokio::time::sleep(LEFTOVERS).await;
        } else {
            daemon.stop().await;
        }
        for id in case.server.rows(&format!("SELECT id FROM {schema}.`schemas`")).await {
            let id = id[0].as_ref().and_then(|text| text.parse().ok()).expect("an id");
            writers.entry(id).or_insert(who);
        }
    }
    let (load, stop, tail) = load.expect("a turn was taken");
    let journal = load.finish().await;
    stop.send(true).expect("the task lives");
    tail.await.expect("the task of tailed transactions failed");
    let whole = delivery::finishing_touch(&case.server, &database, &journal).await;
    let mut daemon = running.expect("the last one runs");
    eventually("the last one catches up after the load", CATCH_UP, async || {
        assert!(daemon.ended().is_none(), "the last one ended by itself\n{}", daemon.log_tail());
        arrived.lock().expect("one writer").finished.then_some(())
    })
    .await;
    assert_eq!(daemon.stop().await, 0, "exit code of the last one\n{}", daemon.log_tail());
    tokio::task::spawn_blocking(|| follower.finish()).await.expect("the topic could be read");
    let arrived = std::mem::take(&mut *arrived.lock().expect("the writer has ended"));

    let transactions = journal.settle(&delivery::marks(&case.server, &database).await);
    let report = ledger::check(&transactions, &arrived.seen).unwrap_or_else(|faults| panic!("{}: {faults}", case.name));
    let compared = delivery::compare_tables(&case.server, &database, &transactions, &arrived.last, &whole).await;
    let crossed = crossings(&site, &writers);
    println!(
        "{}: {TURNS} turns, {} transactions, {} versions, {} messages ({:.1} % sent again), {compared} last images equal their rows, \
         {} schema versions, restored across: {crossed:?}, {} s",
        case.name,
        report.transactions,
        report.versions,
        report.messages,
        report.duplicates_percent(),
        writers.len(),
        begun.elapsed().as_secs()
    );
    for (who, count) in crossed {
        assert!(count > 0, "{} never restored a version that the other stored", who.name());
    }
    topic.delete().await;
    case.server.drop_databases(&database, &schema).await;
    case.server.run(&[&format!("DROP DATABASE {aside}")]).await;
}

/// Starts one and waits until it reads the binlog.
async fn start(site: &Site, case: &Case, who: Who, config: &Config) -> Daemon {
    let log = |daemon: &Daemon| daemon.log_text() + &daemon.stdout_text();
    let count = |text: &str| text.matches(who.ready_words()).count();
    let mut daemon = match who {
        Who::Binlogd => Daemon::start(site, who.name(), config, &[]),
        Who::Maxwell => {
            let file = site.dir.join("maxwell.properties");
            // It compacts what is stored, ours too, while it runs. With GTIDs it does so without looking at the stored
            // positions (contract §2.8), so that a kill leaves nothing that is valid at its own.
            let compacting = if case.gtid_mode { config.clone() } else { config.clone().with("max_schemas", 2) };
            compacting.write(&file);
            let mut command = Command::new(&case.maxwell);
            command.arg(format!("--config={}", file.display())).env_remove("GTID_MODE");
            if std::env::var_os("MAXWELL_JAVA_OPTS").is_none() {
                command.env("MAXWELL_JAVA_OPTS", "-Xmx384m");
            }
            Daemon::spawn(site, who.name(), command)
        }
    };
    // All lives of one side are in one log; this one can have said nothing yet.
    let before = count(&log(&daemon));
    eventually(&format!("{} reads the binlog", who.name()), READY, async || {
        assert!(daemon.ended().is_none(), "{} ended by itself\n{}", who.name(), daemon.log_tail());
        (count(&log(&daemon)) > before).then_some(())
    })
    .await;
    daemon
}

/// How often each side restored a version that the other one stored.
fn crossings(site: &Site, writers: &BTreeMap<u64, Who>) -> BTreeMap<Who, usize> {
    [Who::Maxwell, Who::Binlogd]
        .into_iter()
        .map(|who| {
            let text =
                ["log", "out"].map(|end| std::fs::read_to_string(site.dir.join(format!("{}.{end}", who.name()))).unwrap_or_default());
            let restored = who.restored(&text.concat());
            (who, restored.iter().filter(|id| writers.get(id).is_some_and(|writer| *writer != who)).count())
        })
        .collect()
}

/// A connection whose transactions end with a row of a table that the filter excludes.
struct Tailed {
    server: SqlServer,
    database: String,
    aside: String,
    journal: Arc<Journal>,
}

impl Tailed {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut conn = self.server.connect().await.expect("root can connect");
        let mut id = 0u64;
        while tokio::time::timeout(Duration::from_millis(40), stopped.wait_for(|stop| *stop)).await.is_err() {
            id += 1;
            let (number, version) = (self.journal.next_transaction(), self.journal.next_version());
            for sql in [
                "BEGIN".to_owned(),
                format!("INSERT INTO {}.{TAILED} VALUES ({id}, {version}, {number})", self.database),
                format!("INSERT INTO {}.tail VALUES ({id})", self.aside),
                "COMMIT".to_owned(),
            ] {
                conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
            let change = Change { key: RowKey { table: TAILED.into(), id }, op: Op::Insert, version };
            self.journal.write(Transaction { number, changes: vec![change], marked: false, outcome: Outcome::Committed });
        }
        conn.disconnect().await.expect("goodbye");
    }
}
