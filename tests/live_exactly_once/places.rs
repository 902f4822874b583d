//! Where a start goes on: after a switch of gtid_mode, on MariaDB, with the schema database on another server, and after the
//! topic was deleted and made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use serde_json::Value;

use super::kills::started;
use super::stage::{LIMIT, Stage, count};
use crate::live_support::clock::eventually;
use crate::live_support::committed;
use crate::live_support::daemon::{Config, Daemon};
use crate::live_support::environment::{need, one_at_a_time};
use crate::live_support::sql::SqlServer;
use crate::live_support::topic::Topic;

/// Rows of a transaction that is many of Kafka's.
const MANY: i64 = 30_000;

/// Writes a large transaction and kills the daemon when a part of it is committed. The rows of it that were.
async fn killed_inside(stage: &mut Stage, daemon: &mut Daemon) -> u64 {
    let furthest = Arc::new(AtomicU64::new(0));
    let seen = furthest.clone();
    let before = committed::records(&stage.brokers, &stage.positions(), 1).await.last().map_or(-1, |record| record.offset);
    let watcher = committed::watch(&stage.brokers, &stage.positions(), 1, move |record| {
        if record.offset <= before {
            return;
        }
        let value: Value = serde_json::from_slice(&record.value).expect("a record is JSON");
        seen.fetch_max(value["rows_done"].as_u64().expect("rows_done"), Ordering::Relaxed);
    });
    stage.insert_together(MANY).await;
    eventually("a part of the transaction is committed", LIMIT, async || {
        assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
        (furthest.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;
    daemon.kill();
    drop(watcher);
    stage.last_record().await["rows_done"].as_u64().expect("rows_done")
}

/// Rows of the binlog that were sent behind a place count also when the place is derived from one of the other mode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gtid_mode_switched_over_a_record() {
    let _alone = one_at_a_time().await;
    let Some(mut stage) = Stage::new("once_switched").await else { return };
    let by_gtid = stage.exactly_once().with("exactly_once_bytes", "64K");
    let by_file = by_gtid.clone().with("gtid_mode", false);
    let mut inside = Vec::new();
    let lives = [&by_file, &by_gtid, &by_file, &by_gtid, &by_file];
    for (life, config) in lives.iter().enumerate() {
        let mut daemon = stage.start(config, &[]);
        started(&mut daemon, life + 1).await;
        stage.insert(5).await;
        stage.arrived(&mut daemon).await;
        // Twice at an orderly stop, twice inside a transaction.
        if life % 4 < 2 {
            inside.push(killed_inside(&mut stage, &mut daemon).await);
        } else {
            assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
        }
        stage.insert(3).await;
    }
    let trial = format!("binlogd-{}-trial", stage.client());
    let cases: [(&[&str], &Config, [&str; 2]); 3] = [
        (&["position", "show"], &by_file, ["position record in topic", "a start goes on from the "]),
        (&["position", "show", "--json"], &by_gtid, ["written without gtid_mode", "\"rows_done\":"]),
        (&["check"], &by_gtid, ["written without gtid_mode", &trial]),
    ];
    for (words, config, told) in cases {
        // Commands wait for brokers for some seconds only, and a loaded one may need longer.
        eventually("the command tells of the record", LIMIT, async || {
            let (_, text) = stage.command(words, config).await;
            told.iter().all(|words| text.contains(words)).then_some(())
        })
        .await;
    }
    let mut daemon = stage.start(&by_gtid, &[]);
    stage.insert(5).await;
    stage.arrived(&mut daemon).await;
    let switches = count(&daemon, "gtid_mode was switched");
    // The other mode's row is ahead of its record: somebody delivered at least once in between.
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let mut daemon = stage.start(&stage.at_least_once(), &[]);
    stage.insert(5).await;
    stage.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let mut daemon = stage.start(&by_file, &[]);
    stage.insert(5).await;
    stage.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    stage.each_once().await;
    // One that was interrupted is made again.
    assert!(switches >= lives.len(), "{switches} switches\n{}", daemon.log_tail());
    println!("once_switched: {} rows, each once; killed with {inside:?} rows behind the record", stage.next);
    stage.end().await;
}

/// By GTID on MariaDB: kills, one of them inside a large transaction, and the hand-over to at least once and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb() {
    let _alone = one_at_a_time().await;
    let Some(mut stage) = Stage::on("once_mariadb", "mariadb1011").await else { return };
    let once = stage.exactly_once().with("exactly_once_bytes", "64K");
    let mut daemon = stage.start(&once, &[]);
    started(&mut daemon, 1).await;
    for _ in 0..3 {
        stage.insert(20).await;
        stage.arrived(&mut daemon).await;
        stage.insert(20).await;
        daemon.kill();
        stage.insert(5).await;
        daemon = stage.start(&once, &[]);
    }
    stage.arrived(&mut daemon).await;
    let inside = killed_inside(&mut stage, &mut daemon).await;
    for config in [&once, &stage.at_least_once(), &once] {
        let mut daemon = stage.start(config, &[]);
        stage.insert(5).await;
        stage.arrived(&mut daemon).await;
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    }
    stage.each_once().await;
    let record = stage.last_record().await;
    let set = record["gtid_set"].as_str().expect("a set");
    assert!(set.split('-').count() >= 3, "a set of MariaDB: {set}");
    println!("once_mariadb: {} rows, each once; killed with {inside} rows behind the record; at {set}", stage.next);
    stage.end().await;
}

/// The schema database stands on another server: nothing of ours is written where the binlog is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_to_the_replication_server() {
    let _alone = one_at_a_time().await;
    let Some(mut stage) = Stage::on("once_apart", "mysql97-file").await else { return };
    let Some([port]) = need("once_apart", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let store = SqlServer::new("mysql97", &port);
    store.fresh_databases("once_apart_none", &stage.schema()).await;
    let config = stage
        .exactly_once()
        .with("gtid_mode", false)
        .with("port", store.port)
        .with("replication_host", "127.0.0.1")
        .with("replication_port", stage.server.port)
        .with("replication_user", "maxwell")
        .with("replication_password", "maxwell");
    let log_end = async |stage: &Stage| -> (String, u64) {
        let row = stage.server.rows("SHOW BINARY LOG STATUS").await.remove(0);
        (row[0].clone().expect("a file"), row[1].as_ref().and_then(|at| at.parse().ok()).expect("an offset"))
    };
    let before = log_end(&stage).await;
    let mut daemon = stage.start(&config, &[]);
    started(&mut daemon, 1).await;
    assert_eq!(log_end(&stage).await, before, "the start wrote to the replication server");
    stage.insert(20).await;
    stage.arrived(&mut daemon).await;
    daemon.kill();
    stage.insert(5).await;
    let wrote = log_end(&stage).await;
    let mut daemon = stage.start(&config, &[]);
    stage.arrived(&mut daemon).await;
    let schema = stage.schema();
    let row = format!("SELECT binlog_position FROM {schema}.positions WHERE binlog_file = '{}'", wrote.0);
    eventually("the place is stored on the other server", LIMIT, async || {
        (store.rows(&row).await.first().and_then(|row| row[0].as_ref()?.parse().ok()) == Some(wrote.1)).then_some(())
    })
    .await;
    assert!(!store.rows(&format!("SELECT heartbeat FROM {schema}.heartbeats")).await.is_empty(), "no heartbeat");
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    assert_eq!(log_end(&stage).await, wrote, "the daemon wrote to the replication server");
    stage.each_once().await;
    println!("once_apart: {} bytes of binlog, all of them the test's own", wrote.1.saturating_sub(before.1));
    store.drop_databases("once_apart_none", &schema).await;
    stage.end().await;
}

/// What is acknowledged after a deleted topic is there again is on it, once; what was on the deleted one is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_deleted_and_made_again() {
    let _alone = one_at_a_time().await;
    let Some(mut stage) = Stage::new("once_again").await else { return };
    let config: Config = stage.exactly_once().with("kafka.allow.auto.create.topics", false).with("kafka.max.block.ms", 120_000);
    let mut daemon = stage.start(&config, &[]);
    started(&mut daemon, 1).await;
    stage.insert(20).await;
    stage.arrived(&mut daemon).await;
    stage.topic.delete().await;
    let (brokers, name) = (stage.brokers.clone(), stage.topic.name.clone());
    let is_there = async || {
        let (brokers, name) = (brokers.clone(), name.clone());
        let ask = move || {
            let admin: AdminClient<DefaultClientContext> =
                ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("a client");
            let metadata = admin.inner().fetch_metadata(None, LIMIT).expect("an answer");
            metadata.topics().iter().any(|t| t.name() == name)
        };
        tokio::task::spawn_blocking(ask).await.expect("asking does not panic")
    };
    eventually("the topic is gone", LIMIT, async || (!is_there().await).then_some(())).await;
    // Rows meet a topic that is not there.
    stage.insert(20).await;
    stage.topic = Topic::create(&brokers, &name, 1).await;
    eventually("the topic is there", LIMIT, async || is_there().await.then_some(())).await;
    let first = stage.next;
    stage.insert(50).await;
    stage.arrived(&mut daemon).await;
    daemon.kill();
    stage.insert(5).await;
    let mut daemon = stage.start(&config, &[]);
    stage.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let seen = stage.seen().await;
    assert!(seen.windows(2).all(|two| two[1] == two[0] + 1), "each row once, in order: {seen:?}");
    assert!(seen[0] <= first && seen.last() == Some(&(stage.next - 1)), "rows {}..{} are on the new topic", seen[0], stage.next);
    println!("once_again: from row {} of {} on the new topic, which was there again before row {first}", seen[0], stage.next);
    stage.end().await;
}
