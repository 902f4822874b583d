//! Three servers apart: the binlog comes from a read-only replica, the definitions from its primary, and our own tables
//! are on a MariaDB. The account on the replica may read and nothing else, and its binlog shows that we wrote nothing.

#[path = "live_support/mod.rs"]
mod live_support;

use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time};
use live_support::http::{free_port, get};
use live_support::message::Message;
use live_support::servers::{self, Scratch};
use live_support::sql::SqlServer;

const DATA: &str = "three_data";
const LIMIT: Duration = Duration::from_secs(60);

struct Three {
    /// Where the application writes, and where definitions are captured.
    primary: SqlServer,
    /// Its replica, read-only for everybody, whose binlog is followed.
    source: SqlServer,
    store: SqlServer,
}

impl Three {
    async fn set_up(primary: &Scratch, source: &Scratch, store_port: &str) -> Three {
        let three = Three {
            primary: SqlServer { name: "mysql97-primary", port: primary.port },
            source: SqlServer { name: "mysql97-source", port: source.port },
            store: SqlServer::new("mariadb1011", store_port),
        };
        // Accounts stay where they are made: none is in a binlog.
        let account = |user: &str, rights: &str| {
            [
                "SET SESSION sql_log_bin = 0".to_owned(),
                format!("DROP USER IF EXISTS {user}@'%'"),
                format!("CREATE USER {user}@'%' IDENTIFIED BY '{user}'"),
                format!("GRANT {rights} ON *.* TO {user}@'%'"),
            ]
        };
        run(&three.primary, &account("definitions", "SELECT")).await;
        run(&three.primary, &account("replica", "REPLICATION SLAVE")).await;
        run(&three.source, &account("reader", "SELECT, REPLICATION SLAVE, REPLICATION CLIENT")).await;
        three
            .source
            .run(&[
                "STOP REPLICA",
                "RESET REPLICA ALL",
                &format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {}, SOURCE_USER = 'replica', \
                     SOURCE_PASSWORD = 'replica', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
                    three.primary.port
                ),
                "SET GLOBAL super_read_only = ON",
                "START REPLICA",
            ])
            .await;
        three
    }

    /// Waits until the replica has what the primary has.
    async fn caught_up(&self) {
        let executed = self.primary.rows("SELECT @@GLOBAL.gtid_executed").await;
        let set = executed[0][0].clone().unwrap_or_default();
        let done = self.source.rows(&format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{set}', 60)")).await;
        assert_eq!(done, [[Some("0".to_owned())]], "the replica does not follow: {:?}", self.source.rows("SHOW REPLICA STATUS").await);
    }

    fn config(&self, schema: &str, gtid_mode: bool) -> Config {
        Config::for_server(&self.store, schema)
            .with("replication_host", "127.0.0.1")
            .with("replication_port", self.source.port)
            .with("replication_user", "reader")
            .with("replication_password", "reader")
            .with("schema_host", "127.0.0.1")
            .with("schema_port", self.primary.port)
            .with("schema_user", "definitions")
            .with("schema_password", "definitions")
            .with("filter", format!("exclude: *.*, include: {DATA}.*"))
            .with("output_ddl", "true")
            .with("gtid_mode", gtid_mode)
    }

    /// Everything that stands in a server's binlogs, as the server tells it.
    async fn binlog_text(server: &SqlServer) -> String {
        let mut text = String::new();
        for file in server.rows("SHOW BINARY LOGS").await {
            let name = file[0].clone().unwrap_or_default();
            for event in server.rows(&format!("SHOW BINLOG EVENTS IN '{name}'")).await {
                text.push_str(&event.last().cloned().flatten().unwrap_or_default());
                text.push('\n');
            }
        }
        text
    }
}

async fn run(server: &SqlServer, statements: &[String]) {
    server.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// The daemon's lines so far.
struct Lines(std::path::PathBuf);

impl Lines {
    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap_or_default()
    }

    /// `word` of every inserted row, and the texts of DDL messages.
    fn seen(&self) -> (Vec<String>, Vec<String>) {
        let (mut words, mut ddl) = (Vec::new(), Vec::new());
        let text = self.text();
        // A line that is being written ends without a line feed.
        for line in text.lines().take(text.matches('\n').count()) {
            let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            if value["type"] == "insert" {
                words.push(Message::read(line.as_bytes()).data.raw("word").unwrap_or("none").trim_matches('"').to_owned());
            } else if let Some(sql) = value["sql"].as_str() {
                ddl.push(sql.to_owned());
            }
        }
        (words, ddl)
    }

    async fn await_words(&self, daemon: &mut Daemon, wanted: &[String]) {
        eventually("all rows arrive", LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            let (words, _) = self.seen();
            wanted.iter().all(|word| words.contains(word)).then_some(())
        })
        .await;
    }
}

async fn insert(server: &SqlServer, table: &str, words: &[String]) {
    let mut statements = Vec::new();
    for word in words {
        statements.push(format!("INSERT INTO {DATA}.{table} (word) VALUES ('{word}')"));
    }
    run(server, &statements).await;
}

fn words(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}{i}")).collect()
}

async fn follow(three: &Three, gtid_mode: bool) {
    let mode = if gtid_mode { "gtid" } else { "file" };
    let schema = format!("maxwell_three_{mode}");
    let site = Site::new(&format!("three-{mode}"));
    run(&three.store, &[format!("DROP DATABASE IF EXISTS {schema}"), format!("GRANT ALL ON {schema}.* TO maxwell@'%'")]).await;
    run(
        &three.primary,
        &[
            format!("DROP DATABASE IF EXISTS {DATA}"),
            format!("CREATE DATABASE {DATA} CHARACTER SET utf8mb4"),
            format!("CREATE TABLE {DATA}.before_start (id int AUTO_INCREMENT PRIMARY KEY, word varchar(20))"),
        ],
    )
    .await;
    three.caught_up().await;
    let lines = Lines(site.dir.join("lines.json"));
    let port = free_port();
    let config = three
        .config(&schema, gtid_mode)
        .with("producer", "file")
        .with("output_file", lines.0.display())
        .with("http_port", port)
        .with("http_bind_address", "127.0.0.1");
    let captures = "SELECT COALESCE(SUM(total_connections), 0) FROM performance_schema.accounts WHERE user = 'definitions'";
    let captures_before = three.primary.rows(captures).await;
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    let stored = format!("SELECT 1 FROM {schema}.positions");
    eventually("a position is stored", LIMIT, async || {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        three.store.try_rows(&stored).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;

    assert_ne!(three.primary.rows(captures).await, captures_before, "the definitions were not captured from the capture server");

    // Definitions that were captured, and those that come by DDL.
    insert(&three.primary, "before_start", &words("captured", 3)).await;
    run(
        &three.primary,
        &[
            format!("ALTER TABLE {DATA}.before_start ADD COLUMN more int FIRST"),
            format!("CREATE TABLE {DATA}.later (id int AUTO_INCREMENT PRIMARY KEY, word varchar(20), n bigint unsigned DEFAULT 18446744073709551615)"),
        ],
    )
    .await;
    let mut all = words("captured", 3);
    for (table, prefix) in [("before_start", "altered"), ("later", "created")] {
        insert(&three.primary, table, &words(prefix, 3)).await;
        all.extend(words(prefix, 3));
    }
    lines.await_words(&mut daemon, &all).await;
    assert!(lines.text().contains("\"n\":18446744073709551615"), "a column of a created table\n{}", lines.text());

    // Killed under load, and stopped; changes of the definitions while it is away.
    for round in 0..3 {
        let some = words(&format!("round{round}-"), 40);
        let (first, second) = some.split_at(20);
        insert(&three.primary, "later", first).await;
        if round < 2 {
            daemon.kill();
        } else {
            assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
        }
        run(&three.primary, &[format!("ALTER TABLE {DATA}.later ADD COLUMN extra{round} int")]).await;
        insert(&three.primary, "later", second).await;
        daemon = Daemon::start(&site, "binlogd", &config, &[]);
        all.extend(some);
        lines.await_words(&mut daemon, &all).await;
    }
    let (_, ddl) = lines.seen();
    for wanted in ["ADD COLUMN more", "CREATE TABLE", "ADD COLUMN extra0", "ADD COLUMN extra2"] {
        assert!(ddl.iter().any(|sql| sql.contains(wanted)), "no {wanted} among {ddl:?}");
    }

    if gtid_mode {
        // Heartbeats go to the store and never come back by this binlog; that is no illness.
        let written = |n: &str| format!("SELECT heartbeat FROM {schema}.heartbeats WHERE heartbeat > {n}");
        let first = eventually("a heartbeat", LIMIT, async || three.store.rows(&written("0")).await.first().cloned()).await;
        let first = first[0].clone().unwrap_or_default();
        eventually("another heartbeat", LIMIT, async || three.store.rows(&written(&first)).await.first().cloned()).await;
        let answer = tokio::task::spawn_blocking(move || get(port, "/healthcheck", "*/*")).await.expect("asking does not panic");
        let (status, text) = answer.expect("the HTTP server answers");
        assert_eq!(status, 200, "heartbeats that do not come back made it ill: {text}");
    }
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());

    // The position is the replica's, kept under its server id (GTID mode: 0), and the sets are its too.
    let position = three.store.rows(&format!("SELECT server_id, gtid_set IS NOT NULL, binlog_file FROM {schema}.positions")).await;
    let id = three.source.rows("SELECT @@server_id").await[0][0].clone();
    let want = if gtid_mode { Some("0".to_owned()) } else { id };
    assert_eq!((position.len(), &position[0][0]), (1, &want), "{position:?}");
    assert_eq!(position[0][1].as_deref(), Some(if gtid_mode { "1" } else { "0" }), "{position:?}");

    let (words, _) = lines.seen();
    println!("three servers, {mode} mode: {} rows inserted, {} insert lines, two kills and a stop", all.len(), words.len());
    run(&three.store, &[format!("DROP DATABASE {schema}")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_is_only_read() {
    let _alone = one_at_a_time().await;
    let Some([store]) = need("three servers", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    if !servers::can_start() && need("three servers", ["BINLOGD_TEST_SERVERS_SH"]).is_none() {
        return;
    }
    let (primary, source) =
        tokio::join!(Scratch::start("mysql97-primary", &[]), Scratch::start("mysql97-source", &["skip-replica-start=ON"]));
    let three = Three::set_up(&primary, &source, &store).await;
    follow(&three, true).await;
    follow(&three, false).await;

    // What the replica has executed came from its primary, and its binlog does not know our tables; the store's does.
    let own = three.source.rows("SELECT @@server_uuid, @@GLOBAL.gtid_executed, @@GLOBAL.super_read_only").await;
    let [Some(uuid), Some(executed), Some(read_only)] = own[0].as_slice() else { panic!("{own:?}") };
    assert!(!executed.contains(uuid.as_str()) && read_only == "1", "the replica has transactions of its own: {own:?}");
    let text = Three::binlog_text(&three.source).await;
    assert!(text.contains(DATA) && !text.contains("maxwell_three") && !text.contains("heartbeats"), "{text}");
    assert!(Three::binlog_text(&three.store).await.contains("maxwell_three_gtid.heartbeats"), "the store's binlog shows the difference");
    assert!(!Three::binlog_text(&three.primary).await.contains("maxwell_three"), "nor was anything written to the primary");
    three.primary.run(&[&format!("DROP DATABASE {DATA}")]).await;
}
