//! An idle server stays idle: while nobody changes anything, the daemon adds one heartbeat and one stored position in
//! ten seconds to the binlog, and nothing else.

#[path = "live_support/mod.rs"]
mod live_support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, number, one_at_a_time, run_number};
use live_support::sql::SqlServer;
use live_support::topic::Topic;

/// One write in so many seconds is the rate that is allowed.
const SECONDS_PER_WRITE: u64 = 10;
/// Writes that the first moments may cost, and the edges of the time.
const SLACK: usize = 2;

/// A place in the binlog.
struct Place {
    file: String,
    offset: u64,
}

async fn place(server: &SqlServer) -> Place {
    let sql = if server.is_mariadb() { "SHOW BINLOG STATUS" } else { "SHOW BINARY LOG STATUS" };
    let rows = server.rows(sql).await;
    let text = |column: usize| rows[0][column].clone().expect("the binlog is on");
    Place { file: text(0), offset: text(1).parse().expect("an offset") }
}

/// The transactions between two places of one file, by the tables they wrote, and statements other than the begin and end
/// of transactions.
async fn written(server: &SqlServer, from: &Place, to: &Place) -> (BTreeMap<String, usize>, Vec<String>) {
    assert_eq!(from.file, to.file, "the binlog was rotated meanwhile");
    let mut transactions = BTreeMap::new();
    let mut tables = BTreeSet::new();
    let mut statements = Vec::new();
    for row in server.rows(&format!("SHOW BINLOG EVENTS IN '{}' FROM {}", from.file, from.offset)).await {
        let text = |column: usize| row[column].clone().unwrap_or_default();
        let (kind, info) = (text(2), text(5));
        if text(1).parse::<u64>().is_ok_and(|at| at >= to.offset) {
            break;
        }
        if kind == "Table_map" {
            let name = info.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or(info.as_str(), |(name, _)| name);
            tables.insert(name.to_owned());
        } else if kind == "Xid" {
            let tables: Vec<String> = std::mem::take(&mut tables).into_iter().collect();
            *transactions.entry(tables.join(" + ")).or_default() += 1;
        } else if kind == "Query" && !matches!(info.as_str(), "BEGIN" | "COMMIT") {
            statements.push(info);
        }
    }
    (transactions, statements)
}

async fn idle(server: &'static str, variable: &str, gtid_mode: bool, brokers: &str, seconds: u64) {
    let Some([port]) = need(&format!("idle on {server}"), [variable]) else { return };
    let server = SqlServer::new(server, &port);
    let (data, schema) = ("idle_data", "maxwell_idle");
    server.fresh_databases(data, schema).await;
    let site = Site::new(&format!("idle-{}", server.name));
    let topic = Topic::create(brokers, &format!("idle-{}-{}", server.name, run_number()), 1).await;
    let config = Config::for_server(&server, schema).into_topic(brokers, &topic.name).with("gtid_mode", gtid_mode);
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    let sql = format!("SELECT 1 FROM {schema}.positions WHERE last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", Duration::from_secs(60), async || {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
    let (begin, cpu, from) = (Instant::now(), daemon.cpu_seconds(), place(&server).await);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (to, used) = (place(&server).await, daemon.cpu_seconds() - cpu);
    assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
    let (transactions, statements) = written(&server, &from, &to).await;
    println!(
        "idle on {}: {transactions:?} and {} bytes of binlog in {} s; {used:.2} s of CPU",
        server.name,
        to.offset - from.offset,
        begin.elapsed().as_secs()
    );
    let least = (seconds / SECONDS_PER_WRITE) as usize;
    let beat = format!("{schema}.heartbeats");
    // What Maxwell's table cannot hold of a position is stored beside it, in the same transaction.
    let position = format!("{schema}.binlogd_state + {schema}.positions");
    for (tables, count) in &transactions {
        assert!([&beat, &position].contains(&tables), "an idle daemon wrote to {tables}: {transactions:?}");
        assert!(*count <= least + SLACK, "{count} writes to {tables} in {seconds} s, at most {} are allowed", least + SLACK);
    }
    let beats = transactions.get(&beat).copied().unwrap_or_default();
    assert!(beats + SLACK >= least, "only {beats} heartbeats in {seconds} s");
    assert!(statements.is_empty(), "an idle daemon ran {statements:?}");
    assert_eq!(topic.count().await, 0, "an idle daemon sent messages");
    assert_eq!(daemon.stop().await, 0, "exit code after SIGTERM\n{}", daemon.log_tail());
    topic.delete().await;
    server.drop_databases(data, schema).await;
}

/// All servers in the same minute: they have nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_heartbeats_and_positions() {
    let _alone = one_at_a_time().await;
    let Some([brokers]) = need("idle", ["BINLOGD_TEST_KAFKA"]) else { return };
    let seconds = number("BINLOGD_IDLE_SECONDS", 60);
    tokio::join!(
        idle("mysql97", "BINLOGD_TEST_MYSQL97_PORT", true, &brokers, seconds),
        idle("mysql97-file", "BINLOGD_TEST_MYSQL97_FILE_PORT", false, &brokers, seconds),
        idle("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT", true, &brokers, seconds),
    );
}
