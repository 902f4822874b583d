//! One store, two programs: the real Maxwell goes on from schema versions that we wrote, and we from Maxwell's, before and
//! after either side has compacted them. What is looked at are the rows of tables that each kind of change has touched.
//!
//! Skipped unless MAXWELL_RUN names a command that starts Maxwell (COMMAND --config=FILE).

#[path = "live_support/mod.rs"]
mod live_support;

use std::process::Command;
use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time, variable};
use live_support::sql::SqlServer;

const SCHEMA: &str = "maxwell_takeover";
const DATABASES: [&str; 4] = ["store_a", "store_b", "store_c", SCHEMA];
const LIMIT: Duration = Duration::from_secs(120);

const BEFORE: &[&str] = &[
    "CREATE DATABASE store_a CHARACTER SET utf8mb4",
    "CREATE DATABASE store_b CHARACTER SET latin1",
    "CREATE TABLE store_a.marks (id int PRIMARY KEY)",
    "CREATE TABLE store_a.labels (id int PRIMARY KEY, state enum('old'), many set('x','y'))",
    "CREATE TABLE store_a.moved (id int PRIMARY KEY, word varchar(20))",
    "CREATE TABLE store_a.numbers (id int PRIMARY KEY, n int, big bigint unsigned)",
    "CREATE TABLE store_a.times (id int PRIMARY KEY, d datetime, t time(2))",
    "CREATE TABLE store_a.keyed (a int NOT NULL, b varchar(10) NOT NULL, c int, PRIMARY KEY (a))",
    "CREATE TABLE store_a.texts (id int PRIMARY KEY, t varchar(20)) CHARACTER SET utf8mb4",
    "CREATE TABLE store_a.gone (id int PRIMARY KEY)",
    // As it is, so that the snapshot has labels of every kind too.
    "CREATE TABLE store_a.untouched (id int PRIMARY KEY, e enum('it''s','a,b','\"q\"','ü'), s set('ä','b'), v varchar(9) CHARACTER SET latin1)",
];

/// Changes of every kind that Maxwell's format knows, in two turns: one is ours to store, the other Maxwell's.
const CHANGES: [&[&str]; 2] = [
    &[
        "ALTER TABLE store_a.labels MODIFY state enum('old','it''s','a,b','\"q\"','back\\\\slash')",
        "ALTER TABLE store_a.labels ADD COLUMN mood enum('😀','𝄞 and x') CHARACTER SET utf8mb4 AFTER id",
        "RENAME TABLE store_a.moved TO store_b.Moved2, store_a.gone TO store_a.gone2",
        "ALTER TABLE store_a.numbers MODIFY n int unsigned, MODIFY big bigint, ADD COLUMN small tinyint unsigned FIRST",
        "ALTER TABLE store_a.times MODIFY d datetime(6), ADD COLUMN ts timestamp(3) NULL, MODIFY t time",
        "ALTER TABLE store_a.keyed DROP PRIMARY KEY, ADD PRIMARY KEY (b, a)",
        "ALTER TABLE store_a.texts CONVERT TO CHARACTER SET latin1",
        "ALTER DATABASE store_b CHARACTER SET utf8mb4",
        "CREATE TABLE store_b.`odd name, 'quoted'` (`a,b` int PRIMARY KEY, j text, `c d` char(5))",
        "CREATE TABLE store_b.alike LIKE store_a.labels",
        "CREATE DATABASE store_c CHARACTER SET latin1",
        "CREATE TABLE store_c.inner_table (id int PRIMARY KEY, w varchar(9))",
        "DROP TABLE store_a.gone2",
        "ALTER TABLE store_a.untouched ADD INDEX (v)",
    ],
    &[
        "ALTER TABLE store_a.labels MODIFY state enum('old','new','third')",
        "RENAME TABLE store_b.Moved2 TO store_a.moved",
        "ALTER TABLE store_a.numbers MODIFY n int, MODIFY big bigint unsigned",
        "ALTER TABLE store_a.times MODIFY d datetime(3)",
        "ALTER TABLE store_a.keyed DROP PRIMARY KEY, ADD PRIMARY KEY (a, b)",
        "ALTER TABLE store_a.texts CONVERT TO CHARACTER SET utf8mb4",
        "DROP DATABASE store_c",
        "CREATE TABLE store_b.late (id int PRIMARY KEY, w varchar(9) CHARACTER SET latin1)",
    ],
];

/// A row of every table after each turn, and what its line must hold.
const ROWS: [&[(&str, &str)]; 2] = [
    &[
        ("store_a.labels VALUES (#, '😀', 'it''s', 'x,y')", r#""data":{"id":#,"mood":"\uD83D\uDE00","state":"it's","many":["x","y"]}"#),
        (
            "store_a.labels VALUES (#0, '𝄞 and x', '\"q\"', NULL)",
            r#""data":{"id":#0,"mood":"\uD834\uDD1E and x","state":"\"q\"","many":null}"#,
        ),
        ("store_a.labels VALUES (#1, NULL, 'a,b', '')", r#""data":{"id":#1,"mood":null,"state":"a,b","many":[]}"#),
        ("store_a.labels VALUES (#2, NULL, 'back\\\\slash', '')", r#""data":{"id":#2,"mood":null,"state":"back\\slash","many":[]}"#),
        ("store_b.Moved2 VALUES (#, 'ü')", r#""database":"store_b","table":"Moved2""#),
        ("store_a.numbers VALUES (255, #, 4294967295, -1)", r#""primary_key":[#],"data":{"small":255,"id":#,"n":4294967295,"big":-1}"#),
        (
            "store_a.times VALUES (#, '2026-01-02 03:04:05.123456', '01:02:03', '2026-01-02 03:04:05.120')",
            r#""data":{"id":#,"d":"2026-01-02 03:04:05.123456","t":"01:02:03","ts":"2026-01-02 03:04:05.120"}"#,
        ),
        ("store_a.keyed VALUES (#, 'k', 1)", r#""primary_key":["k",#],"data":{"a":#,"b":"k","c":1}"#),
        ("store_a.texts VALUES (#, 'é')", r#""data":{"id":#,"t":"é"}"#),
        ("store_b.`odd name, 'quoted'` VALUES (#, '東', 'x')", r#""table":"odd name, 'quoted'""#),
        ("store_b.`odd name, 'quoted'` VALUES (#0, '東', 'x')", r#""data":{"a,b":#0,"j":"東","c d":"x"}"#),
        ("store_b.alike VALUES (#, '𝄞 and x', 'old', 'y')", r#""data":{"id":#,"mood":"\uD834\uDD1E and x","state":"old","many":["y"]}"#),
        ("store_c.inner_table VALUES (#, 'é')", r#""data":{"id":#,"w":"é"}"#),
        ("store_a.untouched VALUES (#, 'it''s', 'ä,b', 'é')", r#""data":{"id":#,"e":"it's","s":["ä","b"],"v":"é"}"#),
        ("store_a.untouched VALUES (#0, 'a,b', 'b', NULL)", r#""data":{"id":#0,"e":"a,b","s":["b"],"v":null}"#),
    ],
    &[
        ("store_a.labels VALUES (#, '😀', 'third', 'x,y')", r#""data":{"id":#,"mood":"\uD83D\uDE00","state":"third","many":["x","y"]}"#),
        ("store_a.moved VALUES (#, 'ü')", r#""database":"store_a","table":"moved""#),
        ("store_a.numbers VALUES (7, #, -5, 18446744073709551615)", r#""data":{"small":7,"id":#,"n":-5,"big":18446744073709551615}"#),
        (
            "store_a.times VALUES (#, '2026-01-02 03:04:05.120', '01:02:03', NULL)",
            r#""data":{"id":#,"d":"2026-01-02 03:04:05.120","t":"01:02:03","ts":null}"#,
        ),
        ("store_a.keyed VALUES (#, 'k', 1)", r#""primary_key":[#,"k"],"data":{"a":#,"b":"k","c":1}"#),
        ("store_a.texts VALUES (#, '東')", r#""data":{"id":#,"t":"東"}"#),
        ("store_b.late VALUES (#, 'é')", r#""data":{"id":#,"w":"é"}"#),
        ("store_b.alike VALUES (#, '😀', 'it''s', 'y')", r#""data":{"id":#,"mood":"\uD83D\uDE00","state":"it's","many":["y"]}"#),
        ("store_a.untouched VALUES (#, '\"q\"', 'ä', 'é')", r#""data":{"id":#,"e":"\"q\"","s":["ä"],"v":"é"}"#),
    ],
];

struct Takeover<'a> {
    server: &'a SqlServer,
    site: Site,
    config: Config,
    command: String,
    /// A number for the rows of each look.
    looks: u32,
}

impl Takeover<'_> {
    fn ours(&self, options: &[(&str, &str)]) -> Daemon {
        Daemon::start(&self.site, "binlogd", &self.with(options), &[])
    }

    fn maxwell(&self, options: &[(&str, &str)]) -> Daemon {
        let file = self.site.dir.join("maxwell.properties");
        self.with(options).write(&file);
        let mut start = Command::new(&self.command);
        start.arg(format!("--config={}", file.display())).env_remove("GTID_MODE");
        if std::env::var_os("MAXWELL_JAVA_OPTS").is_none() {
            start.env("MAXWELL_JAVA_OPTS", "-Xmx384m");
        }
        Daemon::spawn(&self.site, "maxwell", start)
    }

    fn with(&self, options: &[(&str, &str)]) -> Config {
        options.iter().fold(self.config.clone(), |config, (name, value)| config.with(name, value))
    }

    async fn sql(&self, statements: &[&str]) {
        let mut all = vec!["SET NAMES utf8mb4, SESSION time_zone = '+00:00'"];
        all.extend(statements);
        self.server.run(&all).await;
    }

    /// Waits until a row that is written now has come out; everything before has then gone through.
    async fn caught_up(&mut self, process: &mut Daemon) -> String {
        self.looks += 1;
        let mark = self.looks;
        self.sql(&[&format!("INSERT INTO store_a.marks VALUES ({mark})")]).await;
        self.arrived(process, &format!("\"table\":\"marks\",\"type\":\"insert\"|\"data\":{{\"id\":{mark}}}")).await
    }

    async fn arrived(&self, process: &mut Daemon, parts: &str) -> String {
        eventually("a row comes out", LIMIT, async || {
            assert!(process.ended().is_none(), "the process ended:\n{}", process.log_tail());
            let text = process.stdout_text();
            text.lines().any(|line| parts.split('|').all(|part| line.contains(part))).then_some(text)
        })
        .await
    }

    /// Rows written while nobody runs, and looked at when `process` has printed them.
    async fn rows(&mut self, turn: usize, start: impl FnOnce(&Self) -> Daemon, who: &str) -> Daemon {
        self.looks += 1;
        let number = (self.looks * 10).to_string();
        let fill = |text: &str| text.replace('#', &number);
        let inserts: Vec<String> = ROWS[turn].iter().map(|(row, _)| format!("INSERT INTO {}", fill(row))).collect();
        self.sql(&inserts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut process = start(self);
        let text = self.caught_up(&mut process).await;
        for (row, expected) in ROWS[turn] {
            let expected = fill(expected);
            assert!(text.lines().any(|line| line.contains(&expected)), "{who} prints no {expected} for {}:\n{text}", fill(row));
        }
        println!("{}, {who}: {} rows are right", self.server.name, ROWS[turn].len());
        process
    }

    async fn versions(&self) -> usize {
        self.server.rows(&format!("SELECT id FROM {SCHEMA}.schemas")).await.len()
    }

    async fn compacted(&self, process: &mut Daemon) {
        eventually("one schema version is left", LIMIT, async || {
            assert!(process.ended().is_none(), "the process ended:\n{}", process.log_tail());
            (self.versions().await == 1).then_some(())
        })
        .await;
    }
}

async fn stop(mut process: Daemon) {
    // Java ends by the signal after its orderly stop.
    let code = process.stop().await;
    assert!([0, 128 + 15].contains(&code), "exit code {code}\n{}", process.log_tail());
}

/// Maxwell leaves the default of a table that it converts, which is corrected where the table is older than its last heartbeat;
/// nothing else had to be, nor captured anew.
fn only_defaults_are_corrected(versions: usize, before: usize, ours: &Daemon) {
    let log = ours.log_text();
    let life = log.rsplit("restored the schema version").next().unwrap_or_default();
    let corrected: Vec<&str> = life.lines().filter(|line| line.contains("is corrected")).collect();
    assert!(corrected.iter().all(|line| line.contains("table=store_a.texts what=\"its default character set")), "{corrected:?}");
    assert_eq!(versions, before + usize::from(!corrected.is_empty()), "something had to be mended:\n{}", ours.log_tail());
}

async fn take_over(name: &'static str, port: &str, gtid_mode: bool) {
    let _alone = one_at_a_time().await;
    let test = format!("one store for Maxwell and us on {name}");
    let Some(command) = variable("MAXWELL_RUN") else {
        println!("SKIPPED {test}: MAXWELL_RUN is not set");
        return;
    };
    let Some([port]) = need(&test, [port]) else { return };
    let server = SqlServer::new(name, &port);
    let config = Config::for_server(&server, SCHEMA)
        .with("jdbc_options", "useSSL=false&allowPublicKeyRetrieval=true")
        .with("client_id", "takeover")
        .with("producer", "stdout")
        .with("output_primary_keys", "true")
        .with("gtid_mode", gtid_mode);
    let mode = if gtid_mode { "gtid" } else { "file" };
    let mut t = Takeover { server: &server, site: Site::new(&format!("schema-store-{name}-{mode}")), config, command, looks: 0 };
    let drop_all: Vec<String> = DATABASES.iter().map(|d| format!("DROP DATABASE IF EXISTS {d}")).collect();
    let drop_all: Vec<&str> = drop_all.iter().map(String::as_str).collect();
    t.sql(&drop_all).await;
    t.sql(&[&format!("GRANT ALL ON {SCHEMA}.* TO maxwell@'%'")]).await;
    t.sql(BEFORE).await;

    // Our snapshot and our deltas, for Maxwell.
    let mut ours = t.ours(&[]);
    t.arrived_position().await;
    t.sql(CHANGES[0]).await;
    t.caught_up(&mut ours).await;
    stop(ours).await;
    let stored = t.versions().await;
    assert!(stored > CHANGES[0].len(), "{stored} versions");
    let mut maxwell = t.rows(0, |t| t.maxwell(&[]), "Maxwell on our deltas").await;
    assert_eq!(t.versions().await, stored, "Maxwell captured anew");

    // Maxwell's deltas on ours, for us. Old values would not fit the new types.
    let empty: Vec<String> = ["labels", "numbers", "times"].iter().map(|table| format!("DELETE FROM store_a.{table}")).collect();
    t.sql(&empty.iter().map(String::as_str).collect::<Vec<_>>()).await;
    t.sql(CHANGES[1]).await;
    t.caught_up(&mut maxwell).await;
    stop(maxwell).await;
    let stored = t.versions().await;
    let ours = t.rows(1, |t| t.ours(&[]), "we on Maxwell's deltas").await;
    only_defaults_are_corrected(t.versions().await, stored, &ours);
    stop(ours).await;

    // Compacted by us, for Maxwell.
    let mut ours = t.ours(&[("max_schemas", "2")]);
    t.caught_up(&mut ours).await;
    t.compacted(&mut ours).await;
    stop(ours).await;
    let mut maxwell = t.rows(1, |t| t.maxwell(&[]), "Maxwell on a store that we compacted").await;
    assert_eq!(t.versions().await, 1);

    // More deltas of both, compacted by Maxwell, for us.
    t.sql(&["ALTER TABLE store_b.late ADD COLUMN more varchar(5) DEFAULT 'm'", "ALTER TABLE store_b.late DROP COLUMN more"]).await;
    t.caught_up(&mut maxwell).await;
    stop(maxwell).await;
    let mut maxwell = t.maxwell(&[("max_schemas", "2")]);
    t.caught_up(&mut maxwell).await;
    t.compacted(&mut maxwell).await;
    stop(maxwell).await;
    let mut ours = t.rows(1, |t| t.ours(&[]), "we on a store that Maxwell compacted").await;
    only_defaults_are_corrected(t.versions().await, 1, &ours);
    t.sql(&["ALTER TABLE store_b.late ADD COLUMN again int FIRST"]).await;
    t.caught_up(&mut ours).await;
    stop(ours).await;
    t.sql(&["INSERT INTO store_b.late VALUES (1, 9999, 'é')"]).await;
    let mut maxwell = t.maxwell(&[]);
    t.arrived(&mut maxwell, r#""data":{"again":1,"id":9999,"w":"é"}"#).await;
    stop(maxwell).await;
    t.sql(&drop_all).await;
}

impl Takeover<'_> {
    async fn arrived_position(&self) {
        let sql = format!("SELECT 1 FROM {SCHEMA}.positions WHERE last_heartbeat_read > 0");
        eventually("the first position is stored", LIMIT, async || self.server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty()))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql97() {
    take_over("mysql97", "BINLOGD_TEST_MYSQL97_PORT", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql97_by_gtids() {
    take_over("mysql97", "BINLOGD_TEST_MYSQL97_PORT", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb1011() {
    take_over("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT", false).await;
}
