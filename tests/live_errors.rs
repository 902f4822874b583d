//! Bad input: each gives one clear error with a hint and its exit code in bounded time, and leaves nothing half-written.

#[path = "live_support/mod.rs"]
mod live_support;

use std::net::TcpListener;
use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time, run_number};
use live_support::refusal::Refusal;
use live_support::servers::{self, Scratch};
use live_support::sql::SqlServer;
use live_support::topic::Topic;

const DATA: &str = "errors_data";
const SCHEMA: &str = "maxwell_errors";

async fn mysql(test: &str) -> Option<SqlServer> {
    let [port] = need(test, ["BINLOGD_TEST_MYSQL97_PORT"])?;
    let server = SqlServer::new("mysql97", &port);
    server.fresh_databases(DATA, SCHEMA).await;
    Some(server)
}

fn to_stdout(server: &SqlServer) -> Config {
    Config::for_server(server, SCHEMA).with("producer", "stdout")
}

/// The tables of the schema database with their numbers of rows; empty if there is no such database.
async fn stored(server: &SqlServer, table: &str) -> usize {
    server.try_rows(&format!("SELECT * FROM {SCHEMA}.{table}")).await.map_or(0, |rows| rows.len())
}

async fn nothing_is_stored(server: &SqlServer, name: &str) {
    for table in ["positions", "schemas", "heartbeats"] {
        assert_eq!(stored(server, table).await, 0, "{name}: rows in {table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections() {
    let _alone = one_at_a_time().await;
    let Some(server) = mysql("bad connections").await else { return };
    let site = Site::new("errors-connections");
    let good = to_stdout(&server);
    let cases = [
        ("wrong-password", good.clone().with("password", "no"), &["Access denied", "'maxwell'", "check user and password"][..]),
        // Servers answer as if that user existed; newer ones draw the login method by lot.
        ("unknown-user", good.clone().with("user", "nobody"), &["nobody"]),
        ("unknown-host", good.clone().with("host", "no-such-host.invalid"), &["no-such-host.invalid", "cannot be resolved"]),
        ("refused-port", good.clone().with("port", 1), &["127.0.0.1:1", "refused", "is the server running"]),
        (
            "replication-host",
            good.clone().with("replication_host", "127.0.0.1").with("replication_port", 1).with("replication_user", "maxwell"),
            &["127.0.0.1:1", "refused", "is the server running"],
        ),
    ];
    for (name, config, words) in cases {
        let text = Refusal { name, code: 1, words }.check(&site, &config, &[]).await;
        assert!(!text.contains("password=maxwell"), "{name}: a password is shown");
        nothing_is_stored(&server, name).await;
    }
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights() {
    let _alone = one_at_a_time().await;
    let Some(server) = mysql("missing rights").await else { return };
    let site = Site::new("errors-rights");
    let users = [
        ("noslave", "SELECT, REPLICATION CLIENT ON *.*", 2, &["REPLICATION SLAVE", "GRANT"][..]),
        ("noclient", "SELECT, REPLICATION SLAVE ON *.*", 1, &["REPLICATION CLIENT", "GRANT"]),
        ("nostore", "SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.*", 1, &["denied", SCHEMA]),
    ];
    for (user, rights, code, words) in users {
        server.run(&["SET sql_log_bin = 0", &format!("DROP USER IF EXISTS {user}@'%'")]).await;
        server.run(&[&format!("CREATE USER {user}@'%' IDENTIFIED BY 'maxwell'"), &format!("GRANT {rights} TO {user}@'%'")]).await;
        if user != "nostore" {
            server.run(&[&format!("GRANT ALL ON {SCHEMA}.* TO {user}@'%'")]).await;
        }
        Refusal { name: user, code, words }.check(&site, &to_stdout(&server).with("user", user), &[]).await;
        nothing_is_stored(&server, user).await;
        server.run(&[&format!("DROP USER {user}@'%'")]).await;
    }
    server.drop_databases(DATA, SCHEMA).await;
}

/// A table that the user may not see cannot be known. Without names in the binlog its first row stops the daemon, and the
/// stored position stays in front of that row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_to_select() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("missing right to select", ["BINLOGD_TEST_MYSQL56_PORT"]) else { return };
    let (server, site) = (SqlServer::new("mysql56", &port), Site::new("errors-select"));
    server.fresh_databases(DATA, SCHEMA).await;
    server
        .run(&[
            &format!("CREATE TABLE {DATA}.hidden (id int PRIMARY KEY)"),
            // Rights of an earlier run are forgotten; this server has no DROP USER IF EXISTS.
            "GRANT USAGE ON *.* TO noselect@'%'",
            "DROP USER noselect@'%'",
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO noselect@'%' IDENTIFIED BY 'maxwell'",
            &format!("GRANT ALL ON {SCHEMA}.* TO noselect@'%'"),
        ])
        .await;
    let config = to_stdout(&server).with("user", "noselect").with("filter", format!("exclude: *.*, include: {DATA}.*"));
    let mut daemon = Daemon::start(&site, "no-select", &config, &[]);
    wait_for_heartbeat(&server, &mut daemon).await;
    let positions = format!("SELECT binlog_file, binlog_position FROM {SCHEMA}.positions");
    let before = server.rows(&positions).await;
    server.run(&[&format!("INSERT INTO {DATA}.hidden VALUES (1)")]).await;
    let told = Refusal { name: "no-select", code: 1, words: &[DATA, "hidden", "table map at", "hint"] }.check_end(&mut daemon).await;
    let place = told.rsplit_once("table map at ").and_then(|(_, rest)| rest.split_once(')')).expect("a place").0;
    let row: u64 = place.split_once(':').and_then(|(_, offset)| offset.parse().ok()).expect("an offset");
    let after = server.rows(&positions).await;
    assert_eq!(after[0][0], before[0][0], "the binlog was rotated meanwhile");
    let offset = |rows: &[Vec<Option<String>>]| rows[0][1].as_ref().and_then(|text| text.parse::<u64>().ok()).expect("an offset");
    assert!(offset(&after) < row, "the stored position passed a row that was not sent: {after:?}, the row is at {place}");
    assert!(!daemon.stdout_text().contains("hidden"), "a row of an unknown table was sent");
    server.run(&["DROP USER noselect@'%'"]).await;
    server.drop_databases(DATA, SCHEMA).await;
}

async fn wait_for_heartbeat(server: &SqlServer, daemon: &mut Daemon) {
    let sql = format!("SELECT 1 FROM {SCHEMA}.positions WHERE last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", Duration::from_secs(60), async || {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
}

/// Server settings that cannot work. The smallest server is started with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_settings() {
    let _alone = one_at_a_time().await;
    let variables = ["BINLOGD_TEST_MYSQL56_PORT", "BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR"];
    if need("bad server settings", variables).is_none() {
        return;
    }
    let site = Site::new("errors-settings");
    let cases = [
        ("statement-format", "binlog_format = 'STATEMENT'", &["binlog_format", "'ROW'", "SET GLOBAL binlog_format"][..]),
        ("no-server-id", "server_id = 0", &["server_id is '0'", "SET GLOBAL server_id"]),
        ("read-only", "read_only = ON", &["read_only", "'OFF'", "SET GLOBAL read_only"]),
    ];
    for (name, setting, words) in cases {
        let scratch = Scratch::start("mysql56-bad", &[""]).await;
        let server = SqlServer { name: "mysql56", port: scratch.port };
        server.fresh_databases(DATA, SCHEMA).await;
        server.run(&[&format!("SET GLOBAL {setting}")]).await;
        Refusal { name, code: 1, words }.check(&site, &to_stdout(&server), &[]).await;
        nothing_is_stored(&server, name).await;
    }
    let scratch = Scratch::start("mysql56-bad", &["skip-log-bin"]).await;
    let server = SqlServer { name: "mysql56", port: scratch.port };
    server.fresh_databases(DATA, SCHEMA).await;
    let words = ["log_bin", "'ON'", "restart the server"];
    Refusal { name: "binlog-off", code: 1, words: &words }.check(&site, &to_stdout(&server), &[]).await;
    server.run(&["SET GLOBAL binlog_format = 'MIXED'"]).await;
    Refusal { name: "two-faults", code: 1, words: &["log_bin", "binlog_format"] }.check(&site, &to_stdout(&server), &[]).await;
    nothing_is_stored(&server, "two-faults").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_are_gone() {
    let _alone = one_at_a_time().await;
    let Some(server) = mysql("a purged binlog").await else { return };
    let site = Site::new("errors-places");
    let gone = &["1236", "purged"][..];
    let slips = [
        ("wrong-file", "--init_position=master.999999:4", "master.999999"),
        ("earlier-file", "--init_position=master.000000:4", "master.000000"),
    ];
    for (name, word, file) in slips {
        Refusal { name, code: 2, words: &[file, "purged", "SHOW BINARY LOGS"] }.check(&site, &to_stdout(&server), &[word]).await;
        nothing_is_stored(&server, name).await;
    }

    for gtid_mode in [false, true] {
        server.fresh_databases(DATA, SCHEMA).await;
        server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY)")]).await;
        let config = to_stdout(&server).with("gtid_mode", gtid_mode);
        let mut daemon = Daemon::start(&site, "before-purge", &config, &[]);
        wait_for_heartbeat(&server, &mut daemon).await;
        assert_eq!(daemon.stop().await, 0);
        let positions = format!("SELECT * FROM {SCHEMA}.positions");
        let position = server.rows(&positions).await;
        if !gtid_mode {
            // A slip of the pen does not replace what is stored.
            for (name, word, file) in slips {
                let name = &format!("{name}-over-a-position");
                Refusal { name, code: 2, words: &[file, "purged"] }.check(&site, &config, &[word]).await;
                assert_eq!(server.rows(&positions).await, position, "{name}: the position was changed");
            }
            let beyond = format!("--init_position={}:4000000000", position[0][1].clone().expect("a file"));
            Refusal { name: "wrong-offset", code: 2, words: &["4000000000", "bytes"] }.check(&site, &config, &[&beyond]).await;
            assert_eq!(server.rows(&positions).await, position, "a wrong offset: the position was changed");
        }
        // Behind the stored place: a change that is lost with the files.
        server.run(&[&format!("INSERT INTO {DATA}.t VALUES (1)"), "FLUSH BINARY LOGS", "FLUSH BINARY LOGS"]).await;
        let last = server.rows("SHOW BINARY LOGS").await.pop().and_then(|row| row[0].clone()).expect("a binlog file");
        server.run(&[&format!("PURGE BINARY LOGS TO '{last}'")]).await;
        let name = if gtid_mode { "purged-gtid" } else { "purged-file" };
        Refusal { name, code: 2, words: gone }.check(&site, &config, &[]).await;
        assert_eq!(server.rows(&positions).await, position, "{name}: the position was changed");
    }
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configuration() {
    let _alone = one_at_a_time().await;
    let Some(server) = mysql("bad configuration").await else { return };
    let site = Site::new("errors-configuration");
    let good = to_stdout(&server);
    let start = async |name: &'static str, words: &[String], expected: &[&str]| {
        let mut daemon = Daemon::start_with_words(&site, name, words);
        Refusal { name, code: 1, words: expected }.check_end(&mut daemon).await
    };
    let file = site.dir.join("good.properties");
    good.write(&file);
    let config = format!("--config={}", file.display());
    let enough = ["--user=maxwell".to_owned(), "--host=127.0.0.1".to_owned()];
    let with = |word: String| [&[word][..], &enough].concat();
    start("no-such-file", &with(format!("--config={}/none.properties", site.dir.display())), &["none.properties", "Couldn't find"]).await;
    start("a-folder", &with(format!("--config={}", site.dir.display())), &["Couldn't read", "config file"]).await;
    start("misspelt-option", &[config.clone(), "--pasword=x".to_owned()], &["pasword", "not a recognized option", "password"]).await;
    start("bad-value", &[config.clone(), "--producer=carrier_pigeon".to_owned()], &["carrier_pigeon"]).await;

    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let config = good.with("http_port", port).with("http_bind_address", "127.0.0.1");
    let words = [&port.to_string(), "in use", "http_port"];
    Refusal { name: "port-in-use", code: 1, words: &words }.check(&site, &config, &[]).await;
    nothing_is_stored(&server, "bad configuration").await;
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka() {
    let _alone = one_at_a_time().await;
    let Some([_]) = need("bad Kafka settings", ["BINLOGD_TEST_KAFKA"]) else { return };
    let Some(server) = mysql("bad Kafka settings").await else { return };
    let site = Site::new("errors-kafka");
    let config =
        |brokers: &str, topic: &str| Config::for_server(&server, SCHEMA).into_topic(brokers, topic).with("kafka.max.block.ms", 3000);
    let words = ["no Kafka broker can be reached", "127.0.0.1:1", "check that a broker runs there"];
    Refusal { name: "no-broker", code: 1, words: &words }.check(&site, &config("127.0.0.1:1", "t"), &[]).await;
    let unknown = config("127.0.0.1:1", "t").with("kafka.no.such.property", "1");
    Refusal { name: "unknown-property", code: 1, words: &["no.such.property"] }.check(&site, &unknown, &[]).await;
    if servers::can_start() {
        unknown_topic(&site, &server, &config).await;
    } else {
        println!("SKIPPED unknown topic: it needs a broker of its own, started by scripts/servers.sh");
    }
    server.drop_databases(DATA, SCHEMA).await;
}

/// A broker that makes no topics: the daemon stops in front of the first message, and the same daemon sends it once the
/// topic is there.
async fn unknown_topic(site: &Site, server: &SqlServer, config: &impl Fn(&str, &str) -> Config) {
    let broker = Scratch::start("kafka-strict", &["auto.create.topics.enable=false"]).await;
    let brokers = format!("127.0.0.1:{}", broker.port);
    let topic = format!("unknown-{}", run_number());
    let config = config(&brokers, &topic).with("filter", format!("exclude: *.*, include: {DATA}.*"));
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY)")]).await;
    let mut daemon = Daemon::start(site, "unknown-topic", &config, &[]);
    wait_for_heartbeat(server, &mut daemon).await;
    server.run(&[&format!("INSERT INTO {DATA}.t VALUES (1)")]).await;
    Refusal { name: "unknown-topic", code: 1, words: &[&topic, "does not exist", "topic"] }.check_end(&mut daemon).await;
    let made = Topic::create(&brokers, &topic, 1).await;
    let mut daemon = Daemon::start(site, "known-topic", &config, &[]);
    eventually("the message arrives once the topic is there", Duration::from_secs(60), async || {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        (made.count().await == 1).then_some(())
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
}
