//! A failover in GTID mode while definitions are not proved: on the new server the old one's files and offsets mean nothing,
//! and the executed sets that were noted with the definitions tell when they are.

#[path = "live_support/mod.rs"]
mod live_support;

use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time};
use live_support::servers::{self, Scratch};
use live_support::sql::SqlServer;
use live_support::switch::Switch;

const DATA: &str = "failover_data";
const SCHEMA: &str = "maxwell_failover";
const SOON: Duration = Duration::from_secs(60);
/// What a dump may send before it waits: the first statements, and some of the filling behind them.
const FIRST_BYTES: u64 = 100 << 10;
/// Rows of some 5 KB behind the doubtful ones, so that the stream stands before the log's end for as long as it is told to.
const FILLING: usize = 100;

struct Pair {
    primary: SqlServer,
    replica: SqlServer,
    store: SqlServer,
}

impl Pair {
    async fn set_up(primary: &Scratch, replica: &Scratch, store_port: &str) -> Pair {
        let pair = Pair {
            primary: SqlServer { name: "mysql97-first", port: primary.port },
            replica: SqlServer { name: "mysql97-second", port: replica.port },
            store: SqlServer::new("mariadb1011", store_port),
        };
        for server in [&pair.primary, &pair.replica] {
            server
                .run(&[
                    "SET SESSION sql_log_bin = 0",
                    "DROP USER IF EXISTS replica@'%'",
                    "CREATE USER replica@'%' IDENTIFIED BY 'replica'",
                    "GRANT REPLICATION SLAVE ON *.* TO replica@'%'",
                    "SET GLOBAL binlog_row_metadata = 'MINIMAL'",
                ])
                .await;
        }
        pair
    }

    /// Both as if nothing had been, whatever an earlier run left, and the second follows the first.
    async fn replicate(&self) {
        let gone = format!("DROP DATABASE IF EXISTS {DATA}");
        for server in [&self.replica, &self.primary] {
            server.run(&["STOP REPLICA", "RESET REPLICA ALL", &gone, "RESET BINARY LOGS AND GTIDS"]).await;
        }
        // Its files have other numbers: a place of the primary compared with them would be passed at once.
        self.replica.run(&["FLUSH BINARY LOGS"; 5]).await;
        let source = format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {}, SOURCE_USER = 'replica', \
             SOURCE_PASSWORD = 'replica', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
            self.primary.port
        );
        self.replica.run(&[&source, "START REPLICA"]).await;
    }

    /// Waits until the replica has what the primary has.
    async fn caught_up(&self) {
        let executed = self.executed().await;
        let done = self.replica.rows(&format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', 60)")).await;
        assert_eq!(done, [[Some("0".to_owned())]], "the replica does not follow: {:?}", self.replica.rows("SHOW REPLICA STATUS").await);
    }

    async fn executed(&self) -> String {
        self.primary.rows("SELECT @@GLOBAL.gtid_executed").await.remove(0).remove(0).unwrap_or_default().replace('\n', "")
    }

    async fn fill(&self) {
        let insert = format!("INSERT INTO {DATA}.filling (v) VALUES (REPEAT('x', 5000))");
        self.primary.run(&vec![insert.as_str(); FILLING]).await;
    }

    async fn fresh(&self) {
        self.store.run(&[&format!("DROP DATABASE IF EXISTS {SCHEMA}"), &format!("GRANT ALL ON {SCHEMA}.* TO maxwell@'%'")]).await;
        self.primary
            .run(&[
                &format!("DROP DATABASE IF EXISTS {DATA}"),
                &format!("CREATE DATABASE {DATA}"),
                &format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, a int)"),
                &format!("CREATE TABLE {DATA}.w (id int PRIMARY KEY)"),
                &format!("CREATE TABLE {DATA}.filling (id int AUTO_INCREMENT PRIMARY KEY, v text)"),
            ])
            .await;
        self.caught_up().await;
    }

    fn config(&self, switch: &Switch) -> Config {
        Config::for_server(&self.store, SCHEMA)
            .with("replication_host", "127.0.0.1")
            .with("replication_port", switch.port)
            .with("replication_user", "maxwell")
            .with("replication_password", "maxwell")
            .with("schema_host", "127.0.0.1")
            .with("schema_port", switch.port)
            .with("schema_user", "maxwell")
            .with("schema_password", "maxwell")
            .with("gtid_mode", true)
            .with("producer", "stdout")
            .with("producer_partition_by", "table")
            .with("filter", format!("exclude: *.*, include: {DATA}.*"))
    }

    /// The note beside the stored position.
    async fn note(&self) -> String {
        let rows = self.store.rows(&format!("SELECT value FROM {SCHEMA}.binlogd_state WHERE name = 'position'")).await;
        rows.into_iter().next().and_then(|mut row| row.remove(0)).unwrap_or_default()
    }
}

/// Rows of a table as they came, in order.
fn rows(daemon: &Daemon, table: &str) -> Vec<String> {
    let text = daemon.stdout_text();
    let messages = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    messages.filter(|m| m["table"] == table).map(|m| m["data"].to_string()).collect()
}

/// The replica takes the primary's place. What it got without a binlog it has too, as a copy would.
async fn promote(pair: &Pair) {
    pair.caught_up().await;
    pair.replica.run(&["STOP REPLICA", "RESET REPLICA ALL"]).await;
}

/// A table is in doubt, its definition was read, and the stream stands before the place where it is proved.
async fn with_a_pending_re_read(pair: &Pair) {
    pair.replicate().await;
    pair.fresh().await;
    let site = Site::new("failover_pending");
    let switch = Switch::to(pair.primary.port, u64::MAX);
    let config = pair.config(&switch);
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    eventually("the daemon follows", SOON, async || daemon.log_text().contains("following the binlog").then_some(())).await;
    pair.primary.run(&[&format!("INSERT INTO {DATA}.t VALUES (1, 10)")]).await;
    eventually("the first row", SOON, async || (rows(&daemon, "t").len() == 1).then_some(())).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());

    let add = format!("ALTER TABLE {DATA}.t ADD COLUMN b int");
    for server in [&pair.primary, &pair.replica] {
        server.run(&["SET SESSION sql_log_bin = 0", &add]).await;
    }
    pair.primary.run(&[&format!("INSERT INTO {DATA}.t VALUES (2, 20, 200)")]).await;
    pair.fill().await;
    switch.allow(FIRST_BYTES);
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    eventually("the definition is read", SOON, async || daemon.log_text().contains("reading table definitions").then_some(())).await;
    eventually("the dump stands still", SOON, async || switch.is_stalled().then_some(())).await;
    eventually("some of the filling", SOON, async || (!rows(&daemon, "filling").is_empty()).then_some(())).await;
    promote(pair).await;
    switch.turn(pair.replica.port, FIRST_BYTES);
    eventually("the other server is met", SOON, async || daemon.log_text().contains("another server answers now").then_some(())).await;
    eventually("its dump stands still", SOON, async || switch.is_stalled().then_some(())).await;
    let before = rows(&daemon, "filling").len();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let log = daemon.log_text();
    assert!(rows(&daemon, "t").len() == 1 && !log.contains("the definition is proved"), "believed by a place of the old server\n{log}");
    assert!(before < FILLING, "the stream was not stalled");
    switch.allow(u64::MAX);
    eventually("the held row goes out", SOON, async || (rows(&daemon, "t").len() == 2).then_some(())).await;
    assert_eq!(rows(&daemon, "t")[1], r#"{"id":2,"a":20,"b":200}"#);
    // Not only at the new server's end of now: the set was enough.
    pair.replica.run(&[&format!("INSERT INTO {DATA}.t VALUES (3, 30, 300)")]).await;
    eventually("the stream goes on", SOON, async || (rows(&daemon, "t").len() == 3).then_some(())).await;
    eventually("all the filling", SOON, async || (rows(&daemon, "filling").len() == FILLING).then_some(())).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
}

/// A statement lies inside the window of the first capture, and the server fails before the stream has come to its end.
async fn right_behind_the_first_capture(pair: &Pair) {
    const ASKED: &str = "a statement's effect has to be read from the server";
    pair.replicate().await;
    pair.fresh().await;
    let start = pair.executed().await;
    pair.primary
        .run(&[
            &format!("ALTER TABLE {DATA}.t RENAME COLUMN a TO c, ADD COLUMN a int"),
            &format!("INSERT INTO {DATA}.t VALUES (2, 20, 200)"),
        ])
        .await;
    pair.fill().await;
    let site = Site::new("failover_capture");
    let switch = Switch::to(pair.primary.port, FIRST_BYTES);
    let config = pair.config(&switch);
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[&format!("--init_position={start}")]);
    eventually("the dump stands still", SOON, async || switch.is_stalled().then_some(())).await;
    eventually("some of the filling", SOON, async || (!rows(&daemon, "filling").is_empty()).then_some(())).await;
    let note = eventually("the set is noted", SOON, async || Some(pair.note().await).filter(|n| n.contains("captured_gtids"))).await;
    assert!(note.contains(&pair.executed().await) && note.contains("captured_until"), "{note}");
    daemon.kill();
    promote(pair).await;
    // Behind the window, and before the end of the new server's log.
    pair.replica.run(&[&format!("ALTER TABLE {DATA}.w ADD COLUMN x int"), &format!("INSERT INTO {DATA}.w VALUES (1, 10)")]).await;
    switch.turn(pair.replica.port, FIRST_BYTES);
    let first_life = daemon.log_text().matches(ASKED).count();
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    eventually("its dump stands still", SOON, async || switch.is_stalled().then_some(())).await;
    assert!(rows(&daemon, "t").is_empty(), "nothing is proved before the end of the window: {:?}", rows(&daemon, "t"));
    switch.allow(u64::MAX);
    eventually("the new server's row", SOON, async || (!rows(&daemon, "w").is_empty()).then_some(())).await;
    eventually("the row from the window", SOON, async || (!rows(&daemon, "t").is_empty()).then_some(())).await;
    assert_eq!(rows(&daemon, "w"), [r#"{"id":1,"x":10}"#]);
    assert_eq!(rows(&daemon, "t"), [r#"{"id":2,"c":20,"a":200}"#]);
    // One in each life, of `t`; the set had told that the window was over when the one of `w` came.
    let log = daemon.log_text();
    assert!(first_life == 1 && log.matches(ASKED).count() == 2 && !log.contains("ADD COLUMN x"), "{log}");
    eventually("the window is over", SOON, async || Some(pair.note().await).filter(|n| !n.contains("captured_"))).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executed_sets_prove_on_the_promoted_replica() {
    let _alone = one_at_a_time().await;
    let Some([store]) = need("failover", ["BINLOGD_TEST_MARIADB1011_PORT"]) else { return };
    if !servers::can_start() && need("failover", ["BINLOGD_TEST_SERVERS_SH"]).is_none() {
        return;
    }
    let (primary, replica) =
        tokio::join!(Scratch::start("mysql97-first", &[]), Scratch::start("mysql97-second", &["skip-replica-start=ON"]));
    let pair = Pair::set_up(&primary, &replica, &store).await;
    with_a_pending_re_read(&pair).await;
    right_behind_the_first_capture(&pair).await;
    pair.store.run(&[&format!("DROP DATABASE {SCHEMA}")]).await;
}
