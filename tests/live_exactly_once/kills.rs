//! kill -9 under load, and inside transactions of the server that are several of Kafka's.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use serde_json::Value;

use crate::live_support::clock::{eventually, within};
use crate::live_support::committed;
use crate::live_support::daemon::{Config, Daemon, Site};
use crate::live_support::delivery::{self, Arrived};
use crate::live_support::environment::{need, number, one_at_a_time, run_number};
use crate::live_support::ledger;
use crate::live_support::load::Load;
use crate::live_support::load::journal::{Change, Journal, Op, Outcome, RowKey, Transaction};
use crate::live_support::message::Message;
use crate::live_support::sql::SqlServer;
use crate::live_support::topic::Topic;
use crate::live_support::violence::{Keeper, Violence, harm};

const PARTITIONS: i32 = 4;
/// Actions a second of each connection.
const RATE: u32 = 40;
/// Only a bound for what hangs.
const CATCH_UP: Duration = Duration::from_secs(180);
/// A table of transactions that are too large for one of Kafka's.
const BULK: &str = "bulk";
/// Rows of such a one, and how many the load has.
const BULK_ROWS: u64 = 12_000;
const BULKS: u64 = 4;

/// 15 ends in 45 s, among them 12 by kill -9, and a few of them while the broker stands still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load() {
    let _alone = one_at_a_time().await;
    let name = "once_kills";
    let Some([port, brokers]) = need(name, ["BINLOGD_TEST_MYSQL97_PORT", "BINLOGD_TEST_KAFKA"]) else { return };
    let server = SqlServer::new("mysql97", &port);
    let begun = Instant::now();
    let seed = number("BINLOGD_KILL_SEED", rand::random());
    println!("{name}: seed {seed} (BINLOGD_KILL_SEED repeats the schedule)");
    let site = Site::new(name);
    let (database, schema) = (format!("load_{name}"), format!("maxwell_{name}"));
    server.fresh_databases(&database, &schema).await;
    Load::prepare(&server, &database).await;
    server
        .run(&[
            &format!("CREATE TABLE {database}.{BULK} (id bigint unsigned NOT NULL PRIMARY KEY, v bigint unsigned NOT NULL, tx bigint unsigned NOT NULL, pad varchar(100))"),
            // Its rows are left out, and count all the same.
            &format!("CREATE TABLE {database}.aside (id bigint unsigned NOT NULL PRIMARY KEY, pad varchar(100))"),
        ])
        .await;
    let topic = Topic::create(&brokers, &format!("{name}-{}-{seed}", run_number()), PARTITIONS).await;
    let positions = format!("{}-positions", topic.name);
    let config = Config::for_server(&server, &schema)
        .into_topic(&brokers, &topic.name)
        .with("gtid_mode", true)
        .with("filter", format!("exclude: *.*, include: {database}.*, exclude: {database}.aside"))
        .with("producer_partition_by", "primary_key")
        .with("delivery", "exactly_once")
        .with("client_id", format!("once-{seed}"))
        .with("kafka_position_topic", &positions)
        .with("exactly_once_bytes", "256K");

    let mut keeper = Keeper::new(&site, config);
    let sql = format!("SELECT binlog_file FROM {schema}.positions WHERE last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", Duration::from_secs(60), async || {
        keeper.keep_alive();
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
    let finished = Arc::new(AtomicBool::new(false));
    let (seen, last) = (finished.clone(), Mutex::new(Arrived::default()));
    let wanted = database.clone();
    let watcher = committed::watch(&brokers, &topic.name, PARTITIONS, move |record| {
        let mut arrived = last.lock().expect("one reader");
        arrived.take(&wanted, record);
        seen.fetch_or(arrived.finished, Ordering::Relaxed);
        // Only the mark is looked for here.
        *arrived = Arrived::default();
    });

    let load = Load::start(&server, &database, seed, RATE);
    let journal = load.journal.clone();
    let bulk = tokio::spawn(bulks(server.clone(), database.clone(), journal, BULKS, Duration::from_secs(9)));
    let violence = Violence { seconds: number("BINLOGD_KILL_SECONDS", 45), kills: 12, stalls: 3, stops: 3, server: None };
    harm(violence, seed, &mut keeper).await;
    bulk.await.expect("large transactions can be written");
    let journal = load.finish().await;
    let whole = delivery::finishing_touch(&server, &database, &journal).await;
    eventually("the daemon catches up after the load", CATCH_UP, async || {
        keeper.keep_alive();
        finished.load(Ordering::Relaxed).then_some(())
    })
    .await;
    keeper.stop().await;
    drop(watcher);

    let mut arrived = Arrived::default();
    for record in committed::records(&brokers, &topic.name, PARTITIONS).await {
        arrived.take(&database, record);
    }
    let transactions = journal.settle(&delivery::marks(&server, &database).await);
    let report = ledger::check(&transactions, &arrived.seen).unwrap_or_else(|faults| panic!("{name}: {faults}"));
    server.run(&[&format!("DROP TABLE {database}.aside")]).await;
    let compared = delivery::compare_tables(&server, &database, &transactions, &arrived.last, &whole).await;
    let inside = records_inside(&brokers, &positions).await;
    println!(
        "{name}: {} transactions, {} keys, {} versions, {} messages, {compared} last images equal their rows, {} lives of the daemon, \
         {inside} records inside a transaction, {} s",
        report.transactions,
        report.keys,
        report.versions,
        report.messages,
        keeper.lives,
        begun.elapsed().as_secs()
    );
    assert_eq!(report.messages, report.versions, "{name}: messages came more than once");
    assert!(inside > 0, "{name}: no transaction was larger than one of Kafka's");
    topic.delete().await;
    Topic { brokers, name: positions, partitions: 1 }.delete().await;
    server.drop_databases(&database, &schema).await;
}

/// Committed records that stand inside a transaction of the server.
async fn records_inside(brokers: &str, positions: &str) -> usize {
    let records = committed::records(brokers, positions, 1).await;
    records.iter().filter(|r| rows_done(&r.value) > 0).count()
}

fn rows_done(record: &[u8]) -> u64 {
    let value: Value = serde_json::from_slice(record).expect("a record is JSON");
    value["rows_done"].as_u64().expect("a record has rows_done")
}

/// Large transactions, one every so often, with rows of a table that the filter leaves out among them.
async fn bulks(server: SqlServer, database: String, journal: Arc<Journal>, count: u64, every: Duration) {
    let mut conn = server.connect_in(&database).await.expect("root can connect");
    for round in 0..count {
        tokio::time::sleep(every).await;
        let number = journal.next_transaction();
        let mut changes = Vec::new();
        conn.query_drop("BEGIN").await.expect("BEGIN");
        for first in (round * BULK_ROWS..(round + 1) * BULK_ROWS).step_by(500) {
            let mut rows = Vec::new();
            for id in first..first + 500 {
                let change = Change { key: RowKey { table: BULK.into(), id }, op: Op::Insert, version: journal.next_version() };
                rows.push(format!("({id},{},{number},REPEAT('x',100))", change.version));
                changes.push(change);
            }
            conn.query_drop(format!("INSERT INTO {BULK} VALUES {}", rows.join(","))).await.expect("an insert");
            conn.query_drop(format!("INSERT INTO aside VALUES ({first},REPEAT('y',90)),({},NULL)", first + 1)).await.expect("an insert");
        }
        conn.query_drop("COMMIT").await.expect("COMMIT");
        journal.write(Transaction { number, changes, marked: false, outcome: Outcome::Committed });
    }
    conn.disconnect().await.expect("goodbye");
}

/// One transaction of 60,000 rows, and a daemon that is killed again and again when a part of it is committed; the filter
/// changes between its lives, so that rows that were counted are left out and others come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_inside_a_large_transaction() {
    const ROWS: u64 = 60_000;
    let _alone = one_at_a_time().await;
    let name = "once_inside";
    let Some([port, brokers]) = need(name, ["BINLOGD_TEST_MYSQL97_PORT", "BINLOGD_TEST_KAFKA"]) else { return };
    let server = SqlServer::new("mysql97", &port);
    let site = Site::new(name);
    let (data, schema) = ("once_inside_data", "maxwell_once_inside");
    server.fresh_databases(data, schema).await;
    server
        .run(&[
            &format!("CREATE TABLE {data}.t (id int NOT NULL PRIMARY KEY, pad varchar(100))"),
            &format!("CREATE TABLE {data}.aside (id int NOT NULL PRIMARY KEY, e enum('a','b'), d decimal(10,3), pad text)"),
        ])
        .await;
    let topic = Topic::create(&brokers, &format!("{name}-{}", run_number()), 1).await;
    let positions = format!("{}-positions", topic.name);
    let without = format!("exclude: *.*, include: {data}.t");
    let with = format!("exclude: *.*, include: {data}.*");
    let config = Config::for_server(&server, schema)
        .into_topic(&brokers, &topic.name)
        .with("delivery", "exactly_once")
        .with("client_id", format!("inside-{}", run_number()))
        .with("kafka_position_topic", &positions)
        .with("exactly_once_bytes", "64K")
        .with("gtid_mode", true);
    let furthest = Arc::new(AtomicU64::new(0));
    let mut daemon = Daemon::start(&site, "binlogd", &config.clone().with("filter", &without), &[]);
    started(&mut daemon, 1).await;
    let seen = furthest.clone();
    let watcher = committed::watch(&brokers, &positions, 1, move |record| {
        seen.fetch_max(rows_done(&record.value), Ordering::Relaxed);
    });
    let mut conn = server.connect_in(data).await.expect("root can connect");
    conn.query_drop("BEGIN").await.expect("BEGIN");
    for first in (0..ROWS).step_by(1000) {
        let rows: Vec<String> = (first..first + 1000).map(|id| format!("({id},REPEAT('x',60))")).collect();
        conn.query_drop(format!("INSERT INTO t VALUES {}", rows.join(","))).await.expect("an insert");
        conn.query_drop(format!("INSERT INTO aside VALUES ({first},'a',1.5,'p'),({},NULL,-2,NULL)", first + 1)).await.expect("an insert");
        conn.query_drop(format!("UPDATE aside SET e='b' WHERE id={first}")).await.expect("an update");
    }
    conn.query_drop("COMMIT").await.expect("COMMIT");
    conn.disconnect().await.expect("goodbye");
    let (mut killed, mut before) = (Vec::new(), 0);
    let mut wanted = 4;
    loop {
        let moved = within(Duration::from_secs(60), async || {
            assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
            let now = furthest.load(Ordering::Relaxed);
            (now > before).then_some(now)
        })
        .await;
        let Some(now) = moved else { break };
        if wanted == 0 {
            break;
        }
        daemon.kill();
        killed.push(now);
        before = now;
        wanted -= 1;
        let filter = if wanted % 2 == 1 { &with } else { &without };
        daemon = Daemon::start(&site, "binlogd", &config.clone().with("filter", filter), &[]);
    }
    assert_eq!(wanted, 0, "the daemon was killed at {killed:?} rows only; parts of the transaction were not committed one by one");
    server.run(&[&format!("INSERT INTO {data}.t VALUES (-1,'last')")]).await;
    eventually("all rows arrive", CATCH_UP, async || {
        assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
        let text = committed::records(&brokers, &topic.name, 1).await;
        text.last().is_some_and(|r| Message::read(&r.value).data.raw("id") == Some("-1")).then_some(())
    })
    .await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    drop(watcher);
    let records = committed::records(&brokers, &topic.name, 1).await;
    let messages: Vec<Message> = records.iter().map(|r| Message::read(&r.value)).collect();
    let ids: Vec<i64> =
        messages.iter().filter(|m| m.table == "t").map(|m| m.data.raw("id").and_then(|id| id.parse().ok()).expect("an id")).collect();
    let all: Vec<i64> = (0..ROWS as i64).chain([-1]).collect();
    let first_fault = ids.iter().zip(&all).position(|(a, b)| a != b);
    assert!(ids == all, "{} rows instead of {}, the first difference at {first_fault:?}; killed at {killed:?}", ids.len(), all.len());
    let marks = messages.iter().filter(|m| m.commit).count();
    assert_eq!(marks, 2, "each transaction has one commit mark");
    // The numbers of rows are what they are without a kill, as far as the filter was the same.
    let mut aside: Vec<(&str, Option<&str>)> =
        messages.iter().filter(|m| m.table == "aside").map(|m| (&*m.kind, m.data.raw("id"))).collect();
    let came = aside.len();
    aside.sort_unstable();
    aside.dedup();
    assert_eq!(aside.len(), came, "a row of the other table came twice");
    println!(
        "{name}: killed at {killed:?} rows of the transaction; {} messages of the other table came while the filter let them in",
        came
    );
    topic.delete().await;
    Topic { brokers, name: positions, partitions: 1 }.delete().await;
    server.drop_databases(data, schema).await;
}

/// Waits until a daemon reads the binlog for the n-th time by its log.
pub async fn started(daemon: &mut Daemon, times: usize) {
    eventually("the daemon reads the binlog", Duration::from_secs(60), async || {
        assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
        (daemon.log_text().matches("following the binlog").count() >= times).then_some(())
    })
    .await;
}
