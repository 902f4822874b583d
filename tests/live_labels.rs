//! Labels of ENUM and SET with characters that no server prints in a definition: captured as they are all the same.

#[path = "ddl_oracle/mod.rs"]
mod ddl_oracle;
#[path = "live_support/mod.rs"]
mod live_support;
#[path = "live_labels/random.rs"]
mod random;

use std::time::Duration;

use binlogd::schema::Schema;
use binlogd::server::{ConnectionOptions, Server, capture, preflight};
use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, number, one_at_a_time};
use live_support::sql::SqlServer;
use mysql_async::prelude::Queryable;

const DATA: &str = "labels_data";
const SCHEMA: &str = "maxwell_labels";
const SERVERS: [(&str, &str); 4] = [
    ("BINLOGD_TEST_MYSQL97_PORT", "mysql97"),
    ("BINLOGD_TEST_MYSQL56_PORT", "mysql56"),
    ("BINLOGD_TEST_MARIADB1011_PORT", "mariadb1011"),
    ("BINLOGD_TEST_MARIADB118_PORT", "mariadb118"),
];

fn labels<'a>(schema: &'a Schema, table: &str, column: usize) -> Vec<&'a str> {
    let table = schema.table(DATA, table).expect("the table is captured");
    table.columns[column].ty.labels().expect("labels").iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn characters_beyond_u_ffff() {
    let _alone = one_at_a_time().await;
    for (variable, name) in SERVERS {
        let Some([port]) = need(&format!("labels on {name}"), [variable]) else { continue };
        let server = SqlServer::new(name, &port);
        server.fresh_databases(DATA, SCHEMA).await;
        let members: Vec<String> = (0..64).map(|n| format!("{n}𝄞")).collect();
        let full = members.iter().map(|m| format!("'{m}'")).collect::<Vec<_>>().join(",");
        // Schema database and rights as a running daemon has them.
        server
            .run(&[
                &format!("CREATE DATABASE {SCHEMA}"),
                "SET NAMES utf8mb4",
                &format!(
                    "CREATE TABLE {DATA}.`a``b` (id int PRIMARY KEY, e enum('a', '😀', '𝄞x', 'why?', 'it''s \\\\', 'ü') NOT NULL, s set('x', '😀', '?') \
                     CHARACTER SET utf8mb4, plain enum('a', 'b') DEFAULT 'b') CHARACTER SET utf8mb4"
                ),
                &format!("CREATE TABLE {DATA}.latin (e enum('?', 'ü', 'x') CHARACTER SET latin1)"),
                &format!("CREATE TABLE {DATA}.full (s set({full}) CHARACTER SET utf8mb4)"),
                // Two labels that are one to this collation, and a default that a strict mode refuses.
                "SET SESSION sql_mode = ''",
                &format!("CREATE TABLE {DATA}.twice (e enum('😀', 'É', 'é') CHARACTER SET utf8mb4, d date NOT NULL DEFAULT '0000-00-00')"),
                &format!("CREATE VIEW {DATA}.v AS SELECT e, 1 AS n FROM {DATA}.`a``b`"),
                &format!("INSERT INTO {DATA}.`a``b` VALUES (1, '😀', 'x', NULL)"),
            ])
            .await;
        if name == "mysql97" {
            server.run(&["SET GLOBAL sql_require_primary_key = ON"]).await;
        }
        let options = ConnectionOptions { port: server.port, ..ConnectionOptions::new("127.0.0.1", "maxwell", "maxwell") };
        let client = Server::new(options).expect("options");
        let checked = preflight::check(&client, &client, false).await.expect("the server answers");
        let identity = checked.into_result().expect("the server can be followed").identity;
        let mut conn = client.conn().await.expect("a connection");
        let strict = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE";
        conn.query_drop(format!("SET SESSION sql_mode = '{strict},ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")).await.expect("a mode");
        let before: Option<String> = conn.query_first("SELECT @@sql_mode").await.expect("a mode");
        let schema = capture::capture(&mut conn, &identity).await.expect("captured");
        let one = capture::capture_tables(&mut conn, &identity, &[(DATA, "a`b"), (DATA, "gone")]).await.expect("captured");
        // Before anything can fail: it would hinder the tests that follow.
        if name == "mysql97" {
            server.run(&["SET GLOBAL sql_require_primary_key = OFF"]).await;
        }
        assert_eq!(conn.query_first("SELECT @@sql_mode").await.expect("a mode"), before, "{name}");
        drop(conn);
        assert_eq!(labels(&schema, "a`b", 1), ["a", "😀", "𝄞x", "why?", "it's \\", "ü"], "{name}");
        assert_eq!(labels(&schema, "a`b", 2), ["x", "😀", "?"], "{name}");
        assert_eq!(labels(&schema, "a`b", 3), ["a", "b"], "{name}");
        assert_eq!(labels(&schema, "latin", 0), ["?", "ü", "x"], "{name}");
        assert_eq!(labels(&schema, "full", 0), members, "{name}");
        assert_eq!(labels(&schema, "twice", 0), ["😀", "É", "é"], "{name}");
        assert_eq!(labels(&schema, "v", 0), ["a", "😀", "𝄞x", "why?", "it's \\", "ü"], "{name}");
        assert_eq!(one[0].as_deref(), schema.table(DATA, "a`b").map(|t| &**t), "{name}");
        assert!(one[1].is_none());
        println!("labels beyond U+FFFF are captured from {name}");
        client.close().await;
        server.drop_databases(DATA, SCHEMA).await;
    }
}

/// A user who may not make temporary tables captures question marks; with row metadata FULL the first row mends them, without
/// any right more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_metadata_tells_labels_without_the_right_to_read_them() {
    let _alone = one_at_a_time().await;
    for (variable, name) in [SERVERS[0], SERVERS[3]] {
        let Some([port]) = need(&format!("labels by row metadata on {name}"), [variable]) else { continue };
        let (server, site) = (SqlServer::new(name, &port), Site::new(&format!("labels_{name}")));
        server.fresh_databases(DATA, SCHEMA).await;
        let before = server.rows("SELECT @@GLOBAL.binlog_row_metadata").await.remove(0).remove(0).expect("a word");
        server
            .run(&[
                "SET GLOBAL binlog_row_metadata = 'FULL'",
                "SET NAMES utf8mb4",
                "DROP USER IF EXISTS labels@'%'",
                "CREATE USER labels@'%' IDENTIFIED BY 'labels'",
                "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO labels@'%'",
                &format!("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON {SCHEMA}.* TO labels@'%'"),
                &format!(
                    "CREATE TABLE {DATA}.t (id int PRIMARY KEY, e enum('a', '😀', 'why?'), s set('x', '𝄞') NOT NULL) CHARACTER SET utf8mb4"
                ),
            ])
            .await;
        let config = Config::for_server(&server, SCHEMA)
            .with("user", "labels")
            .with("password", "labels")
            .with("producer", "stdout")
            .with("filter", format!("exclude: *.*, include: {DATA}.*"));
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
        let soon = Duration::from_secs(30);
        eventually("the daemon follows", soon, async || daemon.log_text().contains("following the binlog").then_some(())).await;
        assert!(daemon.log_text().contains("they could not be read"), "{}", daemon.log_tail());
        server.run(&["SET NAMES utf8mb4", &format!("INSERT INTO {DATA}.t VALUES (1, '😀', '𝄞'), (2, 'why?', 'x,𝄞')")]).await;
        eventually("the rows", soon, async || (daemon.stdout_text().lines().count() == 2).then_some(())).await;
        let text = daemon.stdout_text();
        let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["data"].clone();
        let rows: Vec<serde_json::Value> = text.lines().map(read).collect();
        let want = [serde_json::json!({"id": 1, "e": "😀", "s": ["𝄞"]}), serde_json::json!({"id": 2, "e": "why?", "s": ["x", "𝄞"]})];
        assert_eq!(rows, want, "{name}");
        assert!(daemon.log_text().contains("is mended from the binlog: column e tracked with 1 labels"), "{}", daemon.log_tail());
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
        // Without row metadata nobody tells: what is certain goes on, and a row in doubt stops.
        server.run(&["SET GLOBAL binlog_row_metadata = 'MINIMAL'", "SET NAMES utf8mb4"]).await;
        let create = format!("CREATE TABLE {DATA}.u (id int PRIMARY KEY, e enum('a', '😀', 'b')) CHARACTER SET utf8mb4");
        server.run(&[&format!("DROP TABLE {DATA}.t"), &format!("DROP DATABASE {SCHEMA}"), &create]).await;
        let mut daemon = Daemon::start(&site, "in-doubt", &config, &[]);
        eventually("the daemon follows", soon, async || daemon.log_text().contains("following the binlog").then_some(())).await;
        server.run(&["SET NAMES utf8mb4", &format!("INSERT INTO {DATA}.u VALUES (1, 'a')")]).await;
        eventually("the row", soon, async || (daemon.stdout_text().lines().count() == 1).then_some(())).await;
        server.run(&[&format!("INSERT INTO {DATA}.u VALUES (2, 'b')")]).await;
        assert!(daemon.end(soon).await.is_some_and(|status| !status.success()), "{}", daemon.log_tail());
        assert!(daemon.log_text().contains("label number 3 of 1"), "{}", daemon.log_tail());
        assert_eq!(daemon.stdout_text().lines().count(), 1, "{}", daemon.log_tail());
        server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{before}'"), "DROP USER labels@'%'"]).await;
        server.drop_databases(DATA, SCHEMA).await;
    }
}

/// Random labels in every form, on every server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_in_any_character_set() {
    let _alone = one_at_a_time().await;
    let (tables, seed) = (number("BINLOGD_TEST_LABELS", 60) as usize, ddl_oracle::dice::seed(68));
    for (variable, name) in SERVERS {
        let Some([port]) = need(&format!("random labels on {name}"), [variable]) else { continue };
        let port = port.parse().expect("a port");
        let found = tokio::task::spawn_blocking(move || random::run(port, tables, seed)).await.expect("labels are compared");
        println!(
            "{name}: labels of {} columns, {} values (seed {seed}); {} statements refused",
            found.columns, found.values, found.refused
        );
        let wrong = &found.wrong;
        assert!(wrong.is_empty(), "{name} (seed {seed}): {} differences:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
        assert!(found.columns > tables, "{name}: too many are refused");
    }
}
