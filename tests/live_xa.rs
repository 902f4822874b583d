//! XA transactions on real servers: rows at their commit, through kills between prepare and commit, purged binlogs and
//! starts behind the prepare.

#[path = "live_support/mod.rs"]
mod live_support;

use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site, code};
use live_support::environment::{need, one_at_a_time};
use live_support::sql::SqlServer;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::Value;

const DATA: &str = "xa_data";
const SCHEMA: &str = "maxwell_xa";
const SOON: Duration = Duration::from_secs(30);

async fn run(conn: &mut Conn, statements: &[&str]) {
    for sql in statements {
        conn.query_drop(*sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

/// Prepares a branch with one statement, on a connection of its own that has to stay open.
async fn prepared(server: &SqlServer, name: &str, sql: &str) -> Conn {
    let mut conn = server.connect_in(DATA).await.expect("root can connect");
    let (start, end, prepare) = (format!("XA START {name}"), format!("XA END {name}"), format!("XA PREPARE {name}"));
    run(&mut conn, &[&start, sql, &end, &prepare]).await;
    conn
}

fn messages(daemon: &Daemon) -> Vec<Value> {
    daemon.stdout_text().lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
}

/// `t1+` is a row of table t with id 1, and the last of its transaction.
fn short(message: &Value) -> String {
    let kind = match message["type"].as_str().unwrap_or_default() {
        "insert" => "",
        other => other.get(..1).unwrap_or_default(),
    };
    format!(
        "{}{kind}{}{}",
        message["table"].as_str().unwrap_or("?"),
        message["data"]["id"],
        if message["commit"] == true { "+" } else { "" }
    )
}

fn shorts(daemon: &Daemon) -> Vec<String> {
    messages(daemon).iter().map(short).collect()
}

async fn arrives(daemon: &Daemon, last: &str) {
    eventually(&format!("{last} arrives"), SOON, async || (shorts(daemon).last().map(String::as_str) == Some(last)).then_some(())).await;
}

async fn notes(server: &SqlServer) -> usize {
    let sql = format!("SELECT value FROM {SCHEMA}.binlogd_state WHERE name LIKE 'xa:%'");
    server.try_rows(&sql).await.map_or(0, |rows| rows.len())
}

async fn noted(server: &SqlServer, number: usize) {
    eventually(&format!("{number} notes"), SOON, async || (notes(server).await == number).then_some(())).await;
}

/// Where the server's log ends.
async fn log_end(server: &SqlServer) -> (String, u64) {
    let logs = server.rows("SHOW BINARY LOGS").await;
    let last = logs.last().expect("a file");
    (last[0].clone().expect("a name"), last[1].clone().and_then(|n| n.parse().ok()).expect("a size"))
}

/// The stored position lies at or behind this place.
async fn stored_behind(server: &SqlServer, (file, offset): (String, u64)) {
    let sql = format!("SELECT binlog_file, binlog_position FROM {SCHEMA}.positions WHERE client_id = 'maxwell'");
    eventually("the position moves on", SOON, async || {
        let rows = server.rows(&sql).await;
        let row = rows.first()?;
        let at = (row[0].clone()?, row[1].clone()?.parse::<u64>().ok()?);
        (at >= (file.clone(), offset)).then_some(())
    })
    .await;
}

async fn insert(server: &SqlServer, id: u32) {
    server.run(&[&format!("INSERT INTO {DATA}.u VALUES ({id})")]).await;
}

async fn started(daemon: &Daemon, times: usize) {
    eventually("the daemon follows", SOON, async || (daemon.log_text().matches("following the binlog").count() >= times).then_some(()))
        .await;
}

/// Rolls back what a failed run left behind: its locks would stop the next.
async fn forget_prepared(server: &SqlServer) {
    for row in server.rows("XA RECOVER").await {
        let text = |i: usize| row[i].clone().expect("a value");
        let (format_id, gtrid, data) = (text(0), text(1).parse::<usize>().expect("a length"), text(3));
        let (gtrid, bqual) = data.split_at(gtrid);
        server.run(&[&format!("XA ROLLBACK '{gtrid}', '{bqual}', {format_id}")]).await;
    }
}

async fn xa(name: &str, server: SqlServer, gtid_mode: bool) {
    let site = Site::new(name);
    forget_prepared(&server).await;
    server.fresh_databases(DATA, SCHEMA).await;
    server
        .run(&[
            &format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, v longtext)"),
            &format!("CREATE TABLE {DATA}.u (id int PRIMARY KEY)"),
            &format!("CREATE TABLE {DATA}.other (id int PRIMARY KEY)"),
            &format!("INSERT INTO {DATA}.t VALUES (100, 'before')"),
        ])
        .await;
    let config = Config::for_server(&server, SCHEMA)
        .with("producer", "stdout")
        .with("gtid_mode", gtid_mode)
        .with("output_binlog_position", true)
        .with("filter", format!("exclude: *.*, include: {DATA}.t, include: {DATA}.u"));
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    started(&daemon, 1).await;

    // Several at once, ordinary transactions between them, and a kill before anybody decides.
    let mut a = prepared(&server, "'a'", "INSERT INTO t VALUES (1, 'a'), (2, 'a')").await;
    insert(&server, 1).await;
    let mut b = prepared(&server, "'b','q',7", "UPDATE t SET v = 'after' WHERE id = 100").await;
    let mut r = prepared(&server, "'r'", "INSERT INTO t VALUES (9, 'never')").await;
    insert(&server, 2).await;
    arrives(&daemon, "u2+").await;
    assert_eq!(shorts(&daemon), ["u1+", "u2+"], "nothing that is only prepared");
    noted(&server, 3).await;
    stored_behind(&server, log_end(&server).await).await;
    daemon.kill();
    server.run(&[&format!("ALTER TABLE {DATA}.other ADD COLUMN x int"), &format!("INSERT INTO {DATA}.other VALUES (1, 2)")]).await;
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    started(&daemon, 2).await;
    run(&mut b, &["XA COMMIT 'b','q',7"]).await;
    insert(&server, 3).await;
    run(&mut r, &["XA ROLLBACK 'r'"]).await;
    run(&mut a, &["XA COMMIT 'a'"]).await;
    insert(&server, 4).await;
    arrives(&daemon, "u4+").await;
    let want = ["u1+", "u2+", "tu100+", "u3+", "t1", "t2+", "u4+"];
    assert_eq!(shorts(&daemon), want);
    let all = messages(&daemon);
    let update = all.iter().find(|m| m["type"] == "update").expect("the update");
    assert_eq!((&update["data"]["v"], &update["old"]["v"], &update["xid"]), (&"after".into(), &"before".into(), &Value::Null));
    let places: Vec<u64> = all.iter().filter_map(|m| m["position"].as_str()?.rsplit_once(':')?.1.parse().ok()).collect();
    assert!(places.len() == want.len() && places.is_sorted(), "places never go back: {places:?}");
    noted(&server, 0).await;

    // One phase, and a branch that is committed at once, are never noted; one that is too large to be kept is read again.
    let mut conn = server.connect_in(DATA).await.expect("root can connect");
    run(&mut conn, &["XA START 'one'", "INSERT INTO t VALUES (20, 'one')", "XA END 'one'", "XA COMMIT 'one' ONE PHASE"]).await;
    arrives(&daemon, "t20+").await;
    let mut large = prepared(&server, "'large'", "INSERT INTO t VALUES (21, repeat('x', 6000000)), (22, repeat('y', 100))").await;
    insert(&server, 5).await;
    arrives(&daemon, "u5+").await;
    run(&mut large, &["XA COMMIT 'large'"]).await;
    arrives(&daemon, "t22+").await;
    assert_eq!(
        messages(&daemon).iter().find(|m| m["data"]["id"] == 21).expect("the large row")["data"]["v"].as_str().map(str::len),
        Some(6_000_000)
    );
    assert!(daemon.log_text().contains("reading the rows of a prepared XA transaction again"), "{}", daemon.log_tail());
    if !server.is_mariadb() {
        run(&mut conn, &["SET SESSION binlog_transaction_compression = ON"]).await;
        run(&mut conn, &["XA START 'zip'", "INSERT INTO t VALUES (23, repeat('z', 9000))", "XA END 'zip'", "XA PREPARE 'zip'"]).await;
        insert(&server, 6).await;
        arrives(&daemon, "u6+").await;
        noted(&server, 1).await;
        daemon.kill();
        run(&mut conn, &["XA COMMIT 'zip'"]).await;
        daemon = Daemon::start(&site, "binlogd", &config, &[]);
        arrives(&daemon, "t23+").await;
    }

    // Nobody has seen this prepare: the stream of another client begins behind it. The same name was used before.
    let mut again = prepared(&server, "'a'", "INSERT INTO t VALUES (30, 'again')").await;
    server.run(&["FLUSH BINARY LOGS"]).await;
    insert(&server, 7).await;
    let late = config.clone().with("client_id", "late").with("replica_server_id", 6380);
    let (file, offset) = log_end(&server).await;
    let mut second = Daemon::start(&site, "late", &late, &[&format!("--init_position={file}:{offset}")]);
    started(&second, 1).await;
    run(&mut again, &["XA COMMIT 'a'"]).await;
    arrives(&second, "t30+").await;
    assert_eq!(shorts(&second), ["t30+"]);
    assert_eq!(second.stop().await, 0, "{}", second.log_tail());
    arrives(&daemon, "t30+").await;

    // The binlog with the prepare is purged.
    let mut lost = prepared(&server, "'lost'", "INSERT INTO t VALUES (40, 'lost')").await;
    noted(&server, 1).await;
    server.run(&["FLUSH BINARY LOGS"]).await;
    insert(&server, 8).await;
    arrives(&daemon, "u8+").await;
    stored_behind(&server, log_end(&server).await).await;
    daemon.kill();
    let (file, _) = log_end(&server).await;
    eventually("the files are purged", SOON, async || {
        server.run(&[&format!("PURGE BINARY LOGS TO '{file}'")]).await;
        (server.rows("SHOW BINARY LOGS").await.len() == 1).then_some(())
    })
    .await;
    run(&mut lost, &["XA COMMIT 'lost'"]).await;
    let behind = log_end(&server).await;
    insert(&server, 9).await;
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    let status = daemon.end(SOON).await.unwrap_or_else(|| panic!("the daemon goes on\n{}", daemon.log_tail()));
    let log = daemon.log_text();
    assert_eq!(code(status), 2, "{log}");
    let place = format!("--init_position={}:{}", behind.0, behind.1);
    for words in ["X'6c6f7374',X'',1", &format!("{DATA}.t"), &place] {
        assert!(log.contains(words), "no {words} in\n{log}");
    }
    let daemon = Daemon::start(&site, "binlogd", &config, &[&place]);
    arrives(&daemon, "u9+").await;
    drop(daemon);
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mysql_by_file() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("xa_mysql_file", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    xa("xa_mysql_file", SqlServer::new("mysql97", &port), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mysql_by_gtid() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("xa_mysql_gtid", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    xa("xa_mysql_gtid", SqlServer::new("mysql97", &port), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb_by_file() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("xa_mariadb_file", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    xa("xa_mariadb_file", SqlServer::new("mariadb1011", &port), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb_by_gtid() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("xa_mariadb_gtid", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    xa("xa_mariadb_gtid", SqlServer::new("mariadb1011", &port), true).await;
}
