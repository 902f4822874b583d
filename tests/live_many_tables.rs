//! Many tables: the first start captures and stores their definitions, a restart reads them back. Times and memory are
//! printed, not judged.
//!
//! BINLOGD_TEST_TABLES=10000 is the size that the design speaks of; without it there are a tenth.

#[path = "live_support/mod.rs"]
mod live_support;

use std::time::{Duration, Instant};

use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, number, one_at_a_time};
use live_support::sql::SqlServer;
use mysql_async::prelude::Queryable;

const DATA: &str = "many_data";
const SCHEMA: &str = "maxwell_many";
const COLUMNS: usize = 20;
const CONNECTIONS: usize = 4;
const LIMIT: Duration = Duration::from_secs(120);

fn create(n: usize) -> String {
    let types = ["bigint unsigned", "varchar(100)", "datetime(3)", "decimal(20,4)", "enum('new','paid','sent')"];
    let columns: Vec<String> = (1..COLUMNS).map(|c| format!("common_attribute_{c} {}", types[c % types.len()])).collect();
    format!("CREATE TABLE {DATA}.table_{n} (id int PRIMARY KEY, {})", columns.join(", "))
}

async fn create_all(server: &SqlServer, tables: usize) {
    let mut makers = Vec::new();
    for maker in 0..CONNECTIONS {
        let server = server.clone();
        makers.push(tokio::spawn(async move {
            let mut conn = server.connect().await.expect("root can connect");
            for n in (maker..tables).step_by(CONNECTIONS) {
                conn.query_drop(create(n)).await.unwrap_or_else(|e| panic!("table {n}: {e}"));
            }
            conn.disconnect().await.expect("goodbye");
        }));
    }
    for maker in makers {
        maker.await.expect("tables can be created");
    }
}

/// Waits for a row to arrive, asking often: what is measured is short.
async fn row_arrives(daemon: &mut Daemon, id: usize) {
    let line = format!("\"data\":{{\"id\":{id},");
    let end = Instant::now() + LIMIT;
    while !daemon.stdout_text().contains(&line) {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        assert!(Instant::now() < end, "row {id} does not arrive\n{}", daemon.log_tail());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn stored_position(server: &SqlServer, daemon: &mut Daemon) {
    let sql = format!("SELECT 1 FROM {SCHEMA}.positions WHERE last_heartbeat_read > 0");
    let end = Instant::now() + LIMIT;
    while !server.try_rows(&sql).await.is_ok_and(|rows| !rows.is_empty()) {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        assert!(Instant::now() < end, "no position is stored\n{}", daemon.log_tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_capture_and_restart() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("many tables on mysql97", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let tables = number("BINLOGD_TEST_TABLES", 1_000) as usize;
    let server = SqlServer::new("mysql97", &port);
    server.fresh_databases(DATA, SCHEMA).await;
    let start = Instant::now();
    create_all(&server, tables).await;
    println!("{tables} tables of {COLUMNS} columns created in {:.1} s", start.elapsed().as_secs_f64());
    let site = Site::new("many-tables");
    let config = Config::for_server(&server, SCHEMA).with("filter", format!("exclude: *.*, include: {DATA}.*"));

    let start = Instant::now();
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    stored_position(&server, &mut daemon).await;
    println!("first start, until the stream is followed: {:.2} s", start.elapsed().as_secs_f64());
    let insert = |id: usize| format!("INSERT INTO {DATA}.table_{} (id) VALUES ({id})", tables - id);
    server.run(&[&insert(1)]).await;
    row_arrives(&mut daemon, 1).await;
    println!("peak memory then: {}", daemon.memory_peak());
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());

    // Rows wait; how long until the first of them is there.
    let copies = format!("SELECT COUNT(*) FROM {SCHEMA}.binlogd_schemas WHERE part = 0");
    let restarted = async |what: &str, id: usize| {
        server.run(&[&insert(id)]).await;
        let start = Instant::now();
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
        row_arrives(&mut daemon, id).await;
        println!("{what}: {:.2} s to the first row, peak memory {}", start.elapsed().as_secs_f64(), daemon.memory_peak());
        daemon
    };
    let mut daemon = restarted("restart", 2).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    server.run(&[&format!("ALTER TABLE {DATA}.table_0 ADD COLUMN more int")]).await;
    let mut daemon = restarted("restart with a delta behind", 3).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    assert_eq!(server.rows(&copies).await, [[Some("1".to_owned())]]);

    // As after Maxwell, which leaves no compact copy: it is made in the background.
    server.run(&[&format!("DELETE FROM {SCHEMA}.binlogd_schemas")]).await;
    let mut daemon = restarted("restart without a compact copy", 4).await;
    let end = Instant::now() + LIMIT;
    while server.rows(&copies).await != [[Some("1".to_owned())]] {
        assert!(Instant::now() < end, "no compact copy is made\n{}", daemon.log_tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let mut daemon = restarted("restart with the copy made then", 5).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    server.drop_databases(DATA, SCHEMA).await;
}
