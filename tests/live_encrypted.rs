//! Servers that encrypt their binlog files: a dump is as of any server, from wherever it begins; the files themselves are for
//! nobody else, and `binlogd read` says so.

#[path = "live_support/mod.rs"]
mod live_support;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site, binary};
use live_support::environment::{need, one_at_a_time, variable};
use live_support::servers::{self, Scratch};
use live_support::sql::SqlServer;
use mysql_async::prelude::Queryable;

const DATA: &str = "encrypted_data";
const SCHEMA: &str = "maxwell_encrypted";
const SOON: Duration = Duration::from_secs(60);

async fn follows(daemon: &Daemon, times: usize) {
    eventually("the daemon follows", SOON, async || (daemon.log_text().matches("following the binlog").count() >= times).then_some(()))
        .await;
}

/// The numbers of the rows that came, in order.
fn ids(daemon: &Daemon) -> Vec<i64> {
    let text = daemon.stdout_text();
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages.map(|m| m["data"]["id"].as_i64().expect("a number")).collect()
}

async fn came(daemon: &Daemon, want: &[i64]) {
    eventually(&format!("rows {want:?}"), SOON, async || (ids(daemon).len() >= want.len()).then_some(())).await;
    assert_eq!(ids(daemon), want, "{}", daemon.log_tail());
}

async fn dumped(server: &SqlServer, gtids: bool) {
    let site = Site::new(&format!("{}-{gtids}", server.name));
    server.fresh_databases(DATA, SCHEMA).await;
    let insert = |id: i64| format!("INSERT INTO {DATA}.t VALUES ({id}, 'row {id}')");
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, v varchar(20))"), &insert(0)]).await;
    let config = Config::for_server(server, SCHEMA)
        .with("producer", "stdout")
        .with("gtid_mode", gtids)
        .with("filter", format!("exclude: *.*, include: {DATA}.*"));
    // In the middle of a file, by the place where the first start finds the log.
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    follows(&daemon, 1).await;
    server.run(&[&insert(1), "FLUSH BINARY LOGS", &insert(2)]).await;
    came(&daemon, &[1, 2]).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    // By the stored place.
    server.run(&[&insert(3)]).await;
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    server.run(&[&insert(4)]).await;
    came(&daemon, &[1, 2, 3, 4]).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    // From a file's beginning, by a place that is given.
    let logs = server.rows("SHOW BINARY LOGS").await;
    let last = logs.last().and_then(|row| row[0].clone()).expect("a file");
    if !gtids {
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[&format!("--init_position={last}:4")]);
        came(&daemon, &[1, 2, 3, 4, 2, 3, 4]).await;
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    }
    server.drop_databases(DATA, SCHEMA).await;
}

/// A transaction of 120 MiB where memory and spill folder hold 24: it is read a second time, from the middle of an encrypted
/// file.
async fn read_twice(server: &SqlServer) {
    const ROWS: i64 = 120;
    let site = Site::new(&format!("{}-twice", server.name));
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, v mediumtext)")]).await;
    let config = Config::for_server(server, SCHEMA)
        .with("producer", "stdout")
        .with("spill_dir", site.dir.display())
        .with("spill_limit", "8M")
        .with("row_size_max", "4M")
        .with("filter", format!("exclude: *.*, include: {DATA}.*"));
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    follows(&daemon, 1).await;
    let mut conn = server.connect_in(DATA).await.expect("root can connect");
    conn.query_drop("BEGIN").await.expect("begun");
    for id in 0..ROWS {
        conn.query_drop(format!("INSERT INTO t VALUES ({id}, repeat('x', 1048576))")).await.expect("inserted");
    }
    conn.query_drop("COMMIT").await.expect("committed");
    server.run(&[&format!("INSERT INTO {DATA}.t VALUES ({ROWS}, 'last')")]).await;
    let size = || std::fs::metadata(&daemon.stdout).map_or(0, |m| m.len());
    eventually("the large transaction", SOON, async || (size() > ROWS as u64 * 1_048_576).then_some(())).await;
    came(&daemon, &(0..=ROWS).collect::<Vec<_>>()).await;
    assert!(daemon.log_text().contains("its rows are read a second time"), "{}", daemon.log_tail());
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    server.drop_databases(DATA, SCHEMA).await;
}

/// `binlogd read` of the server's own file: one sentence, and what to do.
fn refused(server: &SqlServer) {
    let folder: PathBuf = variable("BINLOGD_TEST_RUN_DIR").expect("a run folder").into();
    let file = folder.join(server.name).join("data/master.000001");
    let output = Command::new(binary()).arg("read").arg(&file).output().expect("binlogd runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(output.stdout.is_empty());
    let lines: Vec<&str> = errors.lines().filter(|line| line.contains("is encrypted")).collect();
    let [line] = lines[..] else { panic!("one line, not {errors}") };
    assert!(line.contains("master.000001") && line.contains("--read-from-remote-server"), "{line}");
    println!("{}: {line}", server.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mysql() {
    let _alone = one_at_a_time().await;
    if !servers::can_start() || need("encrypted binlogs of MySQL", ["BINLOGD_TEST_MYSQL97_PORT"]).is_none() {
        println!("SKIPPED encrypted binlogs of MySQL: no server can be started");
        return;
    }
    let scratch = Scratch::start("mysql97-encrypted", &[]).await;
    let server = SqlServer { name: "mysql97-encrypted", port: scratch.port };
    dumped(&server, false).await;
    dumped(&server, true).await;
    read_twice(&server).await;
    refused(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb() {
    let _alone = one_at_a_time().await;
    if !servers::can_start() || need("encrypted binlogs of MariaDB", ["BINLOGD_TEST_MARIADB1011_PORT"]).is_none() {
        println!("SKIPPED encrypted binlogs of MariaDB: no server can be started");
        return;
    }
    if servers::plugins("mariadb1011").await.is_none() {
        println!("SKIPPED encrypted binlogs of MariaDB: its plugin cannot be had here");
        return;
    }
    let scratch = Scratch::start("mariadb1011-encrypted", &[]).await;
    let server = SqlServer { name: "mariadb1011-encrypted", port: scratch.port };
    dumped(&server, false).await;
    dumped(&server, true).await;
    read_twice(&server).await;
    refused(&server);
}
