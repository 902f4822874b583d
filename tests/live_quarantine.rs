//! A definition that nothing can prove, on a real server: its table's rows are held back, loudly, the others flow on, and
//! `binlogd schema resolve` ends it.

#[path = "live_support/mod.rs"]
mod live_support;

use std::process::{Command, Output};
use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time};
use live_support::http::{free_port, get};
use live_support::sql::SqlServer;

const DATA: &str = "quarantine_data";
const SCHEMA: &str = "maxwell_quarantine";
const SOON: Duration = Duration::from_secs(30);

/// `binlogd schema` with the daemon's configuration.
fn schema(site: &Site, words: &[&str]) -> Output {
    let binary = std::env::var_os("BINLOGD_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_binlogd").into());
    let config = format!("--config={}", site.dir.join("binlogd.properties").display());
    let output = Command::new(binary).arg("schema").args(words).arg(config).env_remove("GTID_MODE").output();
    output.expect("binlogd can be run")
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn metric(port: u16, name: &str) -> Option<f64> {
    let (_, body) = get(port, "/metrics", "text/plain")?;
    body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Rows of a table as they came, in order.
fn rows(daemon: &Daemon, table: &str) -> Vec<String> {
    let text = daemon.stdout_text();
    let messages = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    messages.filter(|m| m["table"] == table).map(|m| m["data"].to_string()).collect()
}

async fn position(server: &SqlServer) -> Vec<Vec<Option<String>>> {
    server.rows(&format!("SELECT binlog_file, binlog_position, gtid_set FROM {SCHEMA}.positions")).await
}

async fn unprovable(name: &str, server: SqlServer, gtid_mode: bool, metadata: &str) {
    let site = Site::new(name);
    server.fresh_databases(DATA, SCHEMA).await;
    let before = server.rows("SELECT @@GLOBAL.binlog_row_metadata").await.remove(0).remove(0).expect("a word");
    server
        .run(&[
            &format!("SET GLOBAL binlog_row_metadata = '{metadata}'"),
            &format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, a int)"),
            &format!("CREATE TABLE {DATA}.u (id int PRIMARY KEY)"),
        ])
        .await;
    let port = free_port();
    let config = Config::for_server(&server, SCHEMA)
        .with("producer", "stdout")
        .with("gtid_mode", gtid_mode)
        .with("producer_partition_by", "table")
        .with("http_port", port)
        .with("metrics_type", "http")
        .with("filter", format!("exclude: *.*, include: {DATA}.*"));
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    eventually("the daemon follows", SOON, async || daemon.log_text().contains("following the binlog").then_some(())).await;
    server.run(&[&format!("INSERT INTO {DATA}.t VALUES (1, 10)"), &format!("INSERT INTO {DATA}.u VALUES (1)")]).await;
    eventually("the first rows", SOON, async || (rows(&daemon, "t").len() == 1 && rows(&daemon, "u").len() == 1).then_some(())).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());

    // A column of which the binlog says nothing, rows with it, and then a statement that takes another column away: what
    // the server has at the end fits the first rows by no means.
    server
        .run(&[
            "SET SESSION sql_log_bin = 0",
            &format!("ALTER TABLE {DATA}.t ADD COLUMN b int"),
            "SET SESSION sql_log_bin = 1",
            &format!("INSERT INTO {DATA}.t VALUES (2, 20, 200), (3, 30, 300)"),
            &format!("ALTER TABLE {DATA}.t DROP COLUMN a"),
            &format!("INSERT INTO {DATA}.t VALUES (4, 400)"),
            &format!("INSERT INTO {DATA}.u VALUES (2)"),
        ])
        .await;
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    eventually("the other table flows on", SOON, async || (rows(&daemon, "u").len() == 2).then_some(())).await;
    let sick = eventually("health tells of it", SOON, async || get(port, "/healthcheck", "*/*").filter(|(status, _)| *status == 500)).await;
    assert!(sick.1.contains(&format!("{DATA}.t")) && sick.1.contains("schema resolve") && sick.1.contains("stays before"), "{}", sick.1);
    assert_eq!((metric(port, "binlogd_quarantined_tables"), metric(port, "binlogd_quarantined_rows")), (Some(1.0), Some(3.0)));
    assert_eq!(rows(&daemon, "t").len(), 1, "nothing of it came out under wrong names");
    let pinned = position(&server).await;
    server.run(&[&format!("INSERT INTO {DATA}.u VALUES (3)")]).await;
    eventually("the other table goes on flowing", SOON, async || (rows(&daemon, "u").len() == 3).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(position(&server).await, pinned, "the stored position stays before what is held");

    let shown = schema(&site, &["show", &format!("{DATA}.t")]);
    let (out, err) = texts(&shown);
    assert!(shown.status.code() == Some(0) && out.contains("`a` int") && !out.contains("`b` int"), "{out}{err}");
    let json = schema(&site, &["show", &format!("{DATA}.t"), "--json"]);
    let parsed: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap_or_else(|e| panic!("{e}: {}", texts(&json).0));
    assert_eq!(parsed["tables"][0]["columns"][1]["name"], "a", "{parsed}");
    let differs = schema(&site, &["diff", DATA]);
    let (out, err) = texts(&differs);
    assert!(differs.status.code() == Some(1) && out.contains("-   `a` int") && out.contains("+   `b` int"), "{out}{err}");
    assert!(out.contains("still to be read"), "{out}");

    let refused = schema(&site, &["resolve", &format!("{DATA}.t"), "--from-server", "--yes"]);
    assert!(refused.status.code() != Some(0) && texts(&refused).1.contains("is running"), "{:?}", texts(&refused));
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let file = site.dir.join("t.sql");
    std::fs::write(&file, "CREATE TABLE t (id int PRIMARY KEY, a int, b int)").expect("written");
    let definition = format!("--definition={}", file.display());
    let asked = schema(&site, &["resolve", &format!("{DATA}.t"), &definition]);
    let (out, err) = texts(&asked);
    assert!(asked.status.code() == Some(1) && out.contains("Nothing is stored") && out.contains("`b` int"), "{out}{err}");
    let resolved = schema(&site, &["resolve", &format!("{DATA}.t"), &definition, "--yes"]);
    let (out, err) = texts(&resolved);
    assert!(resolved.status.code() == Some(0) && out.contains("Stored as schema version"), "{out}{err}");

    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    let want = [r#"{"id":1,"a":10}"#, r#"{"id":2,"a":20,"b":200}"#, r#"{"id":3,"a":30,"b":300}"#, r#"{"id":4,"b":400}"#];
    eventually("everything arrives", SOON, async || (rows(&daemon, "t").len() >= want.len()).then_some(())).await;
    assert_eq!(rows(&daemon, "t"), want, "in order, under the names they were written with");
    eventually("health is well again", SOON, async || get(port, "/healthcheck", "*/*").filter(|(status, _)| *status == 200)).await;
    eventually("the stored position moves on", SOON, async || (position(&server).await != pinned).then_some(())).await;
    eventually("no differences", SOON, async || (schema(&site, &["diff", DATA]).status.code() == Some(0)).then_some(())).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    // And what was told is there after one more start, behind the place.
    let daemon = Daemon::start(&site, "binlogd", &config, &[]);
    server.run(&[&format!("INSERT INTO {DATA}.t VALUES (5, 500)")]).await;
    eventually("the next row", SOON, async || (rows(&daemon, "t").last().map(String::as_str) == Some(r#"{"id":5,"b":500}"#)).then_some(()))
        .await;
    drop(daemon);
    server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{before}'")]).await;
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mysql_by_gtid() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("quarantine_mysql", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    unprovable("quarantine_mysql", SqlServer::new("mysql97", &port), true, "MINIMAL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb_by_file() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("quarantine_mariadb", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    unprovable("quarantine_mariadb", SqlServer::new("mariadb1011", &port), false, "NO_LOG").await;
}

/// A daemon that has seen the first rows of `t (id, a)` and `u (id)`, and is stopped; what `binlog_row_metadata` was before.
async fn followed(site: &Site, server: &SqlServer, metadata: &str, gtid_mode: bool) -> (Config, String) {
    server.fresh_databases(DATA, SCHEMA).await;
    let before = server.rows("SELECT @@GLOBAL.binlog_row_metadata").await.remove(0).remove(0).expect("a word");
    server
        .run(&[
            &format!("SET GLOBAL binlog_row_metadata = '{metadata}'"),
            &format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, a int)"),
            &format!("CREATE TABLE {DATA}.u (id int PRIMARY KEY)"),
        ])
        .await;
    let config = Config::for_server(server, SCHEMA)
        .with("producer", "stdout")
        .with("gtid_mode", gtid_mode)
        .with("producer_partition_by", "table")
        .with("filter", format!("exclude: *.*, include: {DATA}.*"));
    let mut daemon = Daemon::start(site, "binlogd", &config, &[]);
    eventually("the daemon follows", SOON, async || daemon.log_text().contains("following the binlog").then_some(())).await;
    server.run(&[&format!("INSERT INTO {DATA}.t VALUES (1, 10)"), &format!("INSERT INTO {DATA}.u VALUES (1)")]).await;
    eventually("the first rows", SOON, async || (rows(&daemon, "t").len() == 1 && rows(&daemon, "u").len() == 1).then_some(())).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    (config, before)
}

/// What the server has now is what the held rows were written with, but a statement stands between and nothing proves it:
/// an operator who knows says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resolved_by_the_servers_definition() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("quarantine_from_server", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let (server, site) = (SqlServer::new("mysql97", &port), Site::new("quarantine_from_server"));
    let (config, before) = followed(&site, &server, "MINIMAL", true).await;
    server
        .run(&[
            "SET SESSION sql_log_bin = 0",
            &format!("ALTER TABLE {DATA}.t ADD COLUMN b int"),
            "SET SESSION sql_log_bin = 1",
            &format!("INSERT INTO {DATA}.t VALUES (2, 20, 200)"),
            &format!("ALTER TABLE {DATA}.t DROP COLUMN a"),
            &format!("INSERT INTO {DATA}.t VALUES (3, 300)"),
            &format!("ALTER TABLE {DATA}.t ADD COLUMN a int AFTER id"),
            &format!("INSERT INTO {DATA}.t VALUES (4, 40, 400)"),
            &format!("INSERT INTO {DATA}.u VALUES (2)"),
        ])
        .await;
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    eventually("the other table flows on", SOON, async || (rows(&daemon, "u").len() == 2).then_some(())).await;
    let pinned = position(&server).await;
    assert_eq!(rows(&daemon, "t").len(), 1, "a definition of now was believed");
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let asked = schema(&site, &["resolve", &format!("{DATA}.t"), "--from-server"]);
    let (out, err) = texts(&asked);
    assert!(asked.status.code() == Some(1) && out.contains("Nothing is stored") && out.contains("`b` int"), "{out}{err}");
    let resolved = schema(&site, &["resolve", &format!("{DATA}.t"), "--from-server", "--yes"]);
    let (out, err) = texts(&resolved);
    assert!(resolved.status.code() == Some(0) && out.contains("Stored as schema version"), "{out}{err}");
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    let want = [r#"{"id":1,"a":10}"#, r#"{"id":2,"a":20,"b":200}"#, r#"{"id":3,"b":300}"#, r#"{"id":4,"a":40,"b":400}"#];
    eventually("everything arrives", SOON, async || (rows(&daemon, "t").len() >= want.len()).then_some(())).await;
    assert_eq!(rows(&daemon, "t"), want, "in order, under the names they were written with");
    eventually("the stored position moves on", SOON, async || (position(&server).await != pinned).then_some(())).await;
    eventually("no differences", SOON, async || (schema(&site, &["diff", DATA]).status.code() == Some(0)).then_some(())).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{before}'")]).await;
    server.drop_databases(DATA, SCHEMA).await;
}

/// With row metadata FULL none of that holds anything back: columns of which no statement told, and a table that nobody
/// knew and that is gone.
async fn repaired(name: &str, server: SqlServer, gtid_mode: bool) {
    let site = Site::new(name);
    let (config, before) = followed(&site, &server, "FULL", gtid_mode).await;
    server
        .run(&[
            "SET SESSION sql_log_bin = 0",
            &format!(
                "ALTER TABLE {DATA}.t ADD COLUMN b bigint unsigned FIRST, ADD COLUMN e enum('x', '😀') CHARACTER SET utf8mb4, DROP COLUMN a"
            ),
            &format!("CREATE TABLE {DATA}.gone (k smallint unsigned, d datetime(3), PRIMARY KEY (k))"),
            "SET NAMES utf8mb4",
            "SET SESSION sql_log_bin = 1",
            &format!("INSERT INTO {DATA}.t VALUES (18446744073709551615, 2, 1)"),
            &format!("INSERT INTO {DATA}.gone VALUES (65535, '2026-01-31 12:00:00.125')"),
            &format!("ALTER TABLE {DATA}.t DROP COLUMN b"),
            &format!("INSERT INTO {DATA}.t VALUES (3, 'x')"),
            "SET SESSION sql_log_bin = 0",
            &format!("DROP TABLE {DATA}.gone"),
            "SET SESSION sql_log_bin = 1",
            &format!("INSERT INTO {DATA}.u VALUES (2)"),
        ])
        .await;
    let mut daemon = Daemon::start(&site, "binlogd", &config.with("output_primary_keys", "true"), &[]);
    eventually("all rows arrive", SOON, async || (rows(&daemon, "u").len() == 2).then_some(())).await;
    let text = daemon.stdout_text();
    assert!(text.contains(r#""data":{"b":18446744073709551615,"id":2,"e":"x"}"#) && text.contains(r#""data":{"id":3,"e":"x"}"#), "{text}");
    assert!(text.contains(r#""primary_key":[65535],"data":{"k":65535,"d":"2026-01-31 12:00:00.125"}"#), "{text}");
    let log = daemon.log_text();
    for wanted in ["tracked=", "binlog=", &format!("{DATA}.gone was not tracked"), "is replaced by the binlog's"] {
        assert!(log.contains(wanted), "{wanted}: {log}");
    }
    // What was repaired is stored.
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let shown = schema(&site, &["show", &format!("{DATA}.t")]);
    let (out, err) = texts(&shown);
    assert!(shown.status.code() == Some(0) && out.contains("`e` enum") && !out.contains("`b`"), "{out}{err}");
    server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{before}'")]).await;
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repaired_on_mysql() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("repaired_mysql", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    repaired("repaired_mysql", SqlServer::new("mysql97", &port), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repaired_on_mariadb() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("repaired_mariadb", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    repaired("repaired_mariadb", SqlServer::new("mariadb1011", &port), false).await;
}

/// The daemon ends while its rows can still be read again, and says from where; and if they are gone, that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn near_its_purge_the_daemon_stops() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("quarantine_purge", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let server = SqlServer::new("mysql97", &port);
    let seconds = server.rows("SELECT @@GLOBAL.binlog_expire_logs_seconds").await.remove(0).remove(0).expect("a number");
    for gone in [false, true] {
        let site = Site::new(&format!("quarantine_purge_{gone}"));
        let (config, before) = followed(&site, &server, "MINIMAL", false).await;
        // Files are kept for 30 days, and the row is 29 days old; or of now.
        let age = if gone { 0 } else { 29 * 86_400 };
        server
            .run(&[
                "SET GLOBAL binlog_expire_logs_seconds = 2592000",
                "SET SESSION sql_log_bin = 0",
                &format!("ALTER TABLE {DATA}.t ADD COLUMN b int"),
                "SET SESSION sql_log_bin = 1",
                &format!("SET TIMESTAMP = UNIX_TIMESTAMP() - {age}"),
                &format!("INSERT INTO {DATA}.t VALUES (2, 20, 200)"),
                "SET TIMESTAMP = DEFAULT",
                &format!("ALTER TABLE {DATA}.t DROP COLUMN a"),
                "FLUSH BINARY LOGS",
                &format!("INSERT INTO {DATA}.u VALUES (2)"),
            ])
            .await;
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
        eventually("the other table flows on", SOON, async || (rows(&daemon, "u").len() == 2).then_some(())).await;
        if gone {
            let last = server.rows("SHOW BINARY LOGS").await.pop().and_then(|mut file| file.remove(0)).expect("a file");
            server.run(&[&format!("PURGE BINARY LOGS TO '{last}'")]).await;
        }
        let pinned = position(&server).await;
        let status = daemon.end(Duration::from_secs(60)).await.unwrap_or_else(|| panic!("it goes on\n{}", daemon.log_tail()));
        let log = daemon.log_text();
        let wanted = if gone {
            "is not on the server any more"
        } else {
            "the server purges the binlog with the first row that is held back in about"
        };
        assert!(!status.success() && log.contains(wanted) && log.contains(&format!("held back: {DATA}.t")), "{}", daemon.log_tail());
        assert_eq!(position(&server).await, pinned, "the stored position stays before what is held");
        assert_eq!(rows(&daemon, "t").len(), 1);
        server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{before}'")]).await;
    }
    server.run(&[&format!("SET GLOBAL binlog_expire_logs_seconds = {seconds}")]).await;
    server.drop_databases(DATA, SCHEMA).await;
}
