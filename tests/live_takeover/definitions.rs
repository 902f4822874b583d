//! What Maxwell stores wrongly: by reading information_schema, and by following statements.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::live_support::clock::eventually;
use crate::live_support::daemon::{Config, Daemon, Site};
use crate::live_support::sql::SqlServer;

const DATA: &str = "definitions_data";
const SCHEMA: &str = "maxwell_definitions";
/// Followed, and another default than Maxwell takes it for.
const COLLATED: &str = "definitions_collated";
const READY: Duration = Duration::from_secs(120);

/// There before Maxwell starts.
const READ: &str =
    "(id int PRIMARY KEY, z int(10) unsigned zerofill, e enum('it''s', 'a'',b', 'back\\\\slash', '😀', 'last')) CHARACTER SET utf8mb4";
/// Followed.
const FOLLOWED: [&str; 3] = [
    "spelled (id int PRIMARY KEY, z int(10) zerofill, e enum('it\\'s', 'x', 'ü') COLLATE utf8mb4_bin) CHARACTER SET latin1",
    "collated (id int PRIMARY KEY, t varchar(20), u text COLLATE latin1_german1_ci) COLLATE utf8mb4_unicode_ci",
    "keyed (id int KEY, a int)",
];
const WRITTEN: [&str; 4] = [
    "was_there VALUES (1, 4000000000, 1), (2, 7, 2), (3, 7, 3), (4, 7, 4), (5, 7, 5)",
    "spelled VALUES (1, 4000000000, 1), (2, 7, 3)",
    "collated VALUES (1, 'Ж😀', 'ü')",
    "keyed VALUES (1, 2)",
];
const TABLES: [&str; 4] = ["was_there", "spelled", "collated", "keyed"];

fn want() -> Vec<(&'static str, Value)> {
    let labels = ["it's", "a',b", "back\\slash", "😀", "last"];
    let row = |id: usize| json!({"id": id, "z": if id == 1 { 4_000_000_000_u64 } else { 7 }, "e": labels[id - 1]});
    let mut rows: Vec<(&str, Value)> = (1..=5).map(|id| ("was_there", row(id))).collect();
    rows.push(("spelled", json!({"id": 1, "z": 4_000_000_000_u64, "e": "it's"})));
    rows.push(("spelled", json!({"id": 2, "z": 7, "e": "ü"})));
    rows.push(("collated", json!({"id": 1, "t": "Ж😀", "u": "ü"})));
    rows.push(("keyed", json!({"id": 1, "a": 2})));
    rows
}

/// (table, data) of the lines behind the first so many.
fn rows_behind(text: &str, lines: usize) -> Vec<(String, Value)> {
    let read = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
    let of = |message: Value| {
        let key = message["primary_key_columns"] == json!(["id"]);
        (message["table"].as_str().unwrap_or_default().to_owned(), if key { message["data"].clone() } else { json!("no key") })
    };
    text.lines().skip(lines).map(read).map(of).collect()
}

pub async fn run(server: SqlServer, maxwell: &str) {
    let (name, site) = (server.name, Site::new(&format!("definitions_{}", server.name)));
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&[&format!("DROP DATABASE IF EXISTS {COLLATED}")]).await;
    let metadata = server.rows("SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'").await.into_iter().next().and_then(|row| row[1].clone());
    if metadata.is_some() {
        server.run(&["SET GLOBAL binlog_row_metadata = 'MINIMAL'"]).await;
    }
    server
        .run(&[
            "SET NAMES utf8mb4",
            &format!("ALTER DATABASE {DATA} CHARACTER SET latin1"),
            &format!("CREATE TABLE {DATA}.was_there {READ}"),
        ])
        .await;
    let config = Config::for_server(&server, SCHEMA)
        .with("jdbc_options", "useSSL=false&allowPublicKeyRetrieval=true")
        .with("producer", "stdout")
        .with("output_primary_key_columns", true)
        .with("filter", format!("exclude: *.*, include: {DATA}.*"));

    let file = site.dir.join("maxwell.properties");
    config.write(&file);
    let mut start = Command::new(maxwell);
    start.arg(format!("--config={}", file.display())).env_remove("GTID_MODE");
    let mut process = Daemon::spawn(&site, "maxwell", start);
    eventually("Maxwell follows", READY, async || process.log_text().contains("Binlog connected").then_some(())).await;
    let mut statements = vec!["SET NAMES utf8mb4".to_owned()];
    statements.push(format!("CREATE DATABASE {COLLATED} COLLATE utf8mb4_bin"));
    statements.extend(FOLLOWED.iter().map(|table| format!("CREATE TABLE {DATA}.{table}")));
    statements.extend(WRITTEN.iter().map(|rows| format!("INSERT INTO {DATA}.{rows}")));
    statements.extend(TABLES.iter().map(|table| format!("DELETE FROM {DATA}.{table}")));
    server.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let rows = 2 * want().len();
    eventually("Maxwell's rows", READY, async || (process.stdout_text().lines().count() >= rows).then_some(())).await;
    let theirs = rows_behind(&process.stdout_text(), 0);
    // A table that is younger than the last heartbeat may have been altered since; clocks may be 10 s apart.
    let now = server.rows("SELECT UNIX_TIMESTAMP() + 11").await.remove(0).remove(0).expect("a time");
    let old = format!("SELECT 1 FROM {SCHEMA}.positions WHERE last_heartbeat_read > {now} * 1000");
    eventually("a heartbeat", READY, async || (!server.rows(&old).await.is_empty()).then_some(())).await;
    process.stop().await;
    let right = |rows: &[(String, Value)]| want().iter().zip(rows).filter(|((t, d), (table, data))| t == table && d == data).count();
    println!("{name}: {} of {} rows are right from Maxwell", right(&theirs), want().len());

    let insert: Vec<String> = WRITTEN.iter().map(|rows| format!("INSERT INTO {DATA}.{rows}")).collect();
    let expected: Vec<(String, Value)> = want().into_iter().map(|(table, data)| (table.to_owned(), data)).collect();
    let mut before = 0;
    for (quirks, life) in [true, true, false, false].into_iter().zip(1..) {
        let config = config.clone().with("maxwell_quirks", quirks);
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
        let lives = || daemon.log_text().matches("following the binlog").count();
        eventually("the daemon follows", READY, async || (lives() == life).then_some(())).await;
        let mut statements = vec!["SET NAMES utf8mb4"];
        statements.extend(insert.iter().map(String::as_str));
        server.run(&statements).await;
        let wanted = before + want().len();
        eventually("the rows", READY, async || (daemon.stdout_text().lines().count() >= wanted).then_some(())).await;
        let ours: Vec<(String, Value)> = rows_behind(&daemon.stdout_text(), before);
        let expected = if quirks { &theirs[..want().len()] } else { &expected[..] };
        assert_eq!(ours, expected, "{name}, life {life}: {}", daemon.log_tail());
        let compared = daemon.log_text().matches("comparing them with the server's").count();
        assert_eq!(compared, 1, "only a position of Maxwell's brings it about: {}", daemon.log_tail());
        server.run(&TABLES.map(|table| format!("TRUNCATE {DATA}.{table}")).each_ref().map(String::as_str)).await;
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
        before = wanted;
    }
    if let Some(before) = metadata {
        server.run(&[&format!("SET GLOBAL binlog_row_metadata = '{before}'")]).await;
    }
    // Inherited by a table that is made after the takeover.
    let mut daemon = Daemon::start(&site, "inherits", &config.with("filter", format!("exclude: *.*, include: {COLLATED}.*")), &[]);
    eventually("the daemon follows", READY, async || daemon.log_text().contains("following the binlog").then_some(())).await;
    let (create, insert) =
        (format!("CREATE TABLE {COLLATED}.t (id int PRIMARY KEY, a text)"), format!("INSERT INTO {COLLATED}.t VALUES (1, 'Ж😀')"));
    server.run(&["SET NAMES utf8mb4", &create, &insert]).await;
    eventually("the row", READY, async || (daemon.stdout_text().lines().count() == 1).then_some(())).await;
    assert_eq!(rows_behind(&daemon.stdout_text(), 0)[0].1, json!({"id": 1, "a": "Ж😀"}), "{name}");
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    server.drop_databases(DATA, SCHEMA).await;
    server.run(&[&format!("DROP DATABASE {COLLATED}")]).await;
}
