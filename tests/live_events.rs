//! Kinds of events on real servers: transactions over several engines, savepoints, loads and tables made by SELECT, compared
//! with what the server has; and changes that a session logs as statements, which stop the daemon with their place.

#[path = "live_support/mod.rs"]
mod live_support;

use std::collections::BTreeMap;
use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site, code};
use live_support::environment::{need, one_at_a_time};
use live_support::servers::Scratch;
use live_support::sql::SqlServer;
use mysql_async::prelude::Queryable;
use serde_json::Value;

const DATA: &str = "events_data";
const ELSEWHERE: &str = "events_elsewhere";
const SCHEMA: &str = "maxwell_events";
const SOON: Duration = Duration::from_secs(30);

/// All are run on one connection; an error is what some of them are for.
const STATEMENTS: &[&str] = &[
    "CREATE TABLE i (id int PRIMARY KEY, v varchar(50)) ENGINE=InnoDB",
    "CREATE TABLE m (id int PRIMARY KEY, v varchar(50)) ENGINE=MyISAM",
    "CREATE TABLE h (id int PRIMARY KEY, v varchar(50)) ENGINE=MEMORY",
    "INSERT INTO i VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    "INSERT INTO m VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    "INSERT INTO h SELECT * FROM m",
    // Both engines in one transaction: what is rolled back is rolled back in one only.
    "BEGIN",
    "UPDATE i SET v = 'both' WHERE id = 1",
    "UPDATE m SET v = 'both' WHERE id = 1",
    "INSERT INTO i VALUES (10, 'kept')",
    "COMMIT",
    "BEGIN",
    "INSERT INTO i VALUES (11, 'undone')",
    "INSERT INTO m VALUES (11, 'stays')",
    "UPDATE i SET v = 'undone' WHERE id = 2",
    "ROLLBACK",
    "BEGIN",
    "INSERT INTO m VALUES (12, 'stays')",
    "INSERT INTO i VALUES (12, 'undone')",
    "ROLLBACK",
    // Savepoints.
    "BEGIN",
    "INSERT INTO i VALUES (20, 'kept')",
    "SAVEPOINT `a b`",
    "INSERT INTO i VALUES (21, 'undone')",
    "INSERT INTO m VALUES (21, 'stays')",
    "SAVEPOINT c",
    "DELETE FROM i WHERE id = 3",
    "ROLLBACK TO SAVEPOINT `a b`",
    "INSERT INTO i VALUES (22, 'kept')",
    "RELEASE SAVEPOINT `a b`",
    "COMMIT",
    // A statement that fails in the middle: MyISAM keeps the first row.
    "INSERT INTO m VALUES (30, 'stays'), (1, 'twice'), (31, 'never')",
    "INSERT INTO i VALUES (30, 'never'), (1, 'twice')",
    // Tables made by SELECT, in one statement and in the older two.
    "CREATE TABLE made (PRIMARY KEY (id)) AS SELECT id, v, 'x' AS extra FROM i",
    "CREATE TABLE IF NOT EXISTS made AS SELECT id FROM m",
    "CREATE TABLE mym (PRIMARY KEY (id)) ENGINE=MyISAM AS SELECT * FROM m",
    "CREATE TABLE liked LIKE i",
    "INSERT INTO liked SELECT id, v FROM made ON DUPLICATE KEY UPDATE v = 'again'",
    "CREATE TEMPORARY TABLE temp AS SELECT * FROM i",
    "UPDATE temp SET v = 'nobody sees it'",
    "INSERT INTO i SELECT id + 100, v FROM temp",
    "DROP TEMPORARY TABLE temp",
    "REPLACE INTO i VALUES (1, 'replaced'), (40, 'new')",
    "LOAD DATA LOCAL INFILE 'lines' INTO TABLE liked FIELDS TERMINATED BY ','",
    "DELETE FROM h WHERE id < 3",
    "UPDATE i, made SET i.v = 'joined', made.v = 'joined' WHERE i.id = made.id AND i.id > 10",
    "DELETE FROM mym",
    "INSERT INTO liked VALUES (99, 'last')",
];

/// The tables that the messages make.
fn replay(text: &str) -> BTreeMap<String, BTreeMap<i64, Value>> {
    let mut tables: BTreeMap<String, BTreeMap<i64, Value>> = BTreeMap::new();
    for message in text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
        let table = tables.entry(message["table"].as_str().expect("a table").to_owned()).or_default();
        let (data, id) = (&message["data"], message["data"]["id"].as_i64().expect("a key"));
        let before = message["old"]["id"].as_i64().unwrap_or(id);
        match message["type"].as_str() {
            Some("insert") => assert!(table.insert(id, data.clone()).is_none(), "twice: {message}"),
            Some("update") => {
                assert!(table.remove(&before).is_some(), "of nothing: {message}");
                table.insert(id, data.clone());
            }
            Some("delete") => assert!(table.remove(&id).is_some(), "of nothing: {message}"),
            other => panic!("{other:?}"),
        }
    }
    tables
}

fn config(server: &SqlServer) -> Config {
    Config::for_server(server, SCHEMA).with("producer", "stdout").with("filter", format!("exclude: *.*, include: {DATA}.*"))
}

async fn follows(daemon: &Daemon, times: usize) {
    eventually("the daemon follows", SOON, async || (daemon.log_text().matches("following the binlog").count() >= times).then_some(()))
        .await;
}

async fn as_the_server_has_it(name: &str, server: SqlServer) {
    let site = Site::new(name);
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&["SET GLOBAL local_infile = 1"]).await;
    let mut daemon = Daemon::start(&site, "binlogd", &config(&server), &[]);
    follows(&daemon, 1).await;
    let mut conn = server.connect_in(DATA).await.expect("root can connect");
    conn.set_infile_handler(async {
        let lines = futures_util::stream::once(std::future::ready(Ok(bytes::Bytes::from_static(b"50,loaded\n51,too\n1,there already\n"))));
        Ok(Box::pin(lines) as mysql_async::InfileData)
    });
    let mut refused = Vec::new();
    for sql in STATEMENTS {
        if let Err(e) = conn.query_drop(*sql).await {
            refused.push(format!("{sql}: {e}"));
        }
    }
    // Two are meant to fail; with enforce_gtid_consistency MySQL also refuses to mix engines.
    assert!(refused.len() == 2 || !server.is_mariadb() && refused.len() == 7, "{refused:#?}");
    eventually("the last row", SOON, async || {
        daemon.stdout_text().lines().last().is_some_and(|l| l.contains("\"table\":\"liked\"") && l.contains("last")).then_some(())
    })
    .await;
    let tables = replay(&daemon.stdout_text());
    let mut values = 0;
    let there = server.rows(&format!("SELECT table_name FROM information_schema.tables WHERE table_schema = '{DATA}'")).await;
    for table in there.iter().filter_map(|row| row[0].as_deref()) {
        let theirs = server.rows(&format!("SELECT id, v FROM {DATA}.{table} ORDER BY id")).await;
        let ours: Vec<Vec<Option<String>>> =
            tables[table].iter().map(|(id, row)| vec![Some(id.to_string()), row["v"].as_str().map(str::to_owned)]).collect();
        assert_eq!(ours, theirs, "{table}");
        values += ours.len();
    }
    assert!(tables.len() >= 5, "{:?}", tables.keys());
    println!("{values} rows of {} tables are the server's; it refused {}", there.len(), refused.len());
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    server.drop_databases(DATA, SCHEMA).await;
}

/// What a session logs as statements stops the daemon where it stands, except in databases that are excluded.
async fn statements(name: &str, server: SqlServer) {
    let site = Site::new(name);
    server.fresh_databases(DATA, SCHEMA).await;
    server
        .run(&[&format!("DROP DATABASE IF EXISTS {ELSEWHERE}"), &format!("CREATE DATABASE {ELSEWHERE}"), "SET GLOBAL local_infile = 1"])
        .await;
    for database in [DATA, ELSEWHERE] {
        server
            .run(&[
                &format!("CREATE TABLE {database}.t (id int PRIMARY KEY, v varchar(20))"),
                &format!("INSERT INTO {database}.t VALUES (1, 'a')"),
            ])
            .await;
    }
    let config = config(&server);
    let mut lives = 0;
    for (format, sql, verb) in [
        ("STATEMENT", "UPDATE t SET v = 'b'", "UPDATE"),
        ("MIXED", "INSERT INTO t VALUES (2, 'c')", "INSERT"),
        ("STATEMENT", "DELETE FROM t", "DELETE"),
        ("MIXED", "REPLACE INTO t VALUES (1, 'd')", "REPLACE"),
        ("STATEMENT", "LOAD DATA LOCAL INFILE 'lines' INTO TABLE t FIELDS TERMINATED BY ','", "LOAD DATA"),
    ] {
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
        lives += 1;
        follows(&daemon, lives).await;
        for database in [ELSEWHERE, DATA] {
            let mut conn = server.connect_in(database).await.expect("root can connect");
            conn.set_infile_handler(async {
                let lines = futures_util::stream::once(std::future::ready(Ok(bytes::Bytes::from_static(b"50,loaded\n51,too\n"))));
                Ok(Box::pin(lines) as mysql_async::InfileData)
            });
            conn.query_drop(format!("SET SESSION binlog_format = '{format}'")).await.expect("a format");
            if database == DATA {
                // Everything before it arrives.
                server.run(&[&format!("INSERT INTO {DATA}.t VALUES ({}, 'row')", 100 + lives)]).await;
            }
            conn.query_drop(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        let status = daemon.end(SOON).await.unwrap_or_else(|| panic!("{sql} is passed over\n{}", daemon.log_tail()));
        let log = daemon.log_tail();
        assert_eq!(code(status), 1, "{log}");
        let error =
            log.lines().rev().find(|l| l.contains("instead of its rows")).unwrap_or_else(|| panic!("no sentence in\n{log}")).to_owned();
        assert!(error.contains(&format!("a {verb} statement")) && error.contains(DATA) && error.contains("binlog_format=ROW"), "{error}");
        let out = daemon.stdout_text();
        assert!(out.lines().last().is_some_and(|l| l.contains(&format!("\"id\":{}", 100 + lives))), "{sql}: {out}");
        // The way on: a start behind it.
        let logs = server.rows("SHOW BINARY LOGS").await;
        let last = logs.last().expect("a file");
        let place = format!("--init_position={}:{}", last[0].as_deref().expect("a name"), last[1].as_deref().expect("a size"));
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[&place]);
        lives += 1;
        follows(&daemon, lives).await;
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    }
    server.run(&[&format!("DROP DATABASE {ELSEWHERE}")]).await;
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_savepoints_and_loads_on_mysql() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("events_mysql", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    as_the_server_has_it("events_mysql", SqlServer::new("mysql97", &port)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_savepoints_and_loads_on_mariadb() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("events_mariadb", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    as_the_server_has_it("events_mariadb", SqlServer::new("mariadb1011", &port)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_on_mysql() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("statements_mysql", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    statements("statements_mysql", SqlServer::new("mysql97", &port)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_on_mariadb() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("statements_mariadb", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    statements("statements_mariadb", SqlServer::new("mariadb1011", &port)).await;
}

/// Transactions with tagged GTIDs, followed and gone on with by GTID. On a server of its own: one that has had a tag keeps writing
/// that form of event, which the real Maxwell cannot read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tagged_gtids() {
    let _alone = one_at_a_time().await;
    if need("tagged GTIDs", ["BINLOGD_TEST_MYSQL97_PORT"]).is_none() {
        return;
    }
    let scratch = Scratch::start("mysql97-tags", &[]).await;
    let (server, site) = (SqlServer { name: "mysql97-tags", port: scratch.port }, Site::new("events_tags"));
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY)")]).await;
    let config = config(&server).with("gtid_mode", true).with("output_gtid_position", true);
    let insert = |id: i64| format!("INSERT INTO {DATA}.t VALUES ({id})");
    let mut seen = Vec::new();
    for life in 0..2 {
        let first = 10 * life;
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
        follows(&daemon, life as usize + 1).await;
        server
            .run(&[
                "SET gtid_next = 'AUTOMATIC:blue'",
                &insert(first + 1),
                &format!("CREATE TABLE {DATA}.made{life} (id int PRIMARY KEY)"),
                "SET gtid_next = 'AUTOMATIC'",
                &insert(first + 2),
                "SET gtid_next = 'AUTOMATIC:tag_of_32_characters_at_the_most'",
                "BEGIN",
                &insert(first + 3),
                &insert(first + 4),
                "COMMIT",
            ])
            .await;
        seen.extend([1, 2, 3, 4].map(|n| first + n));
        eventually("its rows", SOON, async || (daemon.stdout_text().lines().count() >= seen.len()).then_some(())).await;
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
        // Written while nobody follows.
        server.run(&["SET gtid_next = 'AUTOMATIC:blue'", &insert(first + 5)]).await;
        seen.extend((life == 0).then_some(first + 5));
        let text = daemon.stdout_text();
        let messages: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let ids: Vec<i64> = messages.iter().filter_map(|m| m["data"]["id"].as_i64()).collect();
        assert!(ids.len() >= 4 && seen.starts_with(&ids), "{ids:?}");
        for tag in [":blue:", ":tag_of_32_characters_at_the_most:"] {
            assert!(messages.iter().any(|m| m["gtid"].as_str().is_some_and(|gtid| gtid.contains(tag))), "{text}");
        }
    }
    server.drop_databases(DATA, SCHEMA).await;
}
