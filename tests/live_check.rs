//! `binlogd check` on real servers: all is well, then each fault provoked by itself. The printed statements are run as
//! they are printed, and the check passes again; nothing is made or written meanwhile.

#[path = "live_support/mod.rs"]
mod live_support;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use live_support::daemon::{Config, Daemon, Site, binary};
use live_support::environment::{need, one_at_a_time, run_number};
use live_support::servers::Scratch;
use live_support::sql::SqlServer;
use live_support::topic::Topic;
use serde_json::Value;

const DATA: &str = "check_data";
const SCHEMA: &str = "maxwell_check";
/// A check asks and does not wait; a broker that is away may take `kafka.max.block.ms`.
const LIMIT: Duration = Duration::from_secs(20);

/// What a check told.
#[derive(Debug)]
struct Told {
    code: i32,
    checks: Vec<Value>,
    text: String,
}

impl Told {
    fn in_state(&self, state: &str) -> Vec<&Value> {
        self.checks.iter().filter(|c| c["state"] == state).collect()
    }

    /// The only fault.
    fn fault(&self) -> &Value {
        let faults = self.in_state("fault");
        assert_eq!(faults.len(), 1, "one fault is expected\n{}", self.text);
        faults[0]
    }

    /// What mends a finding, of one kind.
    fn mends(finding: &Value, kind: &str) -> Vec<String> {
        let all = finding["mend"].as_array().expect("mend");
        all.iter().filter(|m| m["kind"] == kind).map(|m| m["text"].as_str().expect("text").to_owned()).collect()
    }
}

/// Runs `binlogd check` twice: as text, which is shown if the test fails, and as JSON, which is looked at.
fn check(site: &Site, config: &Config) -> Told {
    let file = site.dir.join("check.properties");
    config.write(&file);
    let run = |json: &[&str]| {
        let start = Instant::now();
        let mut command = Command::new(binary());
        command.arg("check").arg(format!("--config={}", file.display())).args(json).env_remove("GTID_MODE");
        let output = command.output().expect("binlogd runs");
        assert!(start.elapsed() < LIMIT, "the check took {:?}", start.elapsed());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("panicked"), "{told}");
        (output.status.code().expect("an exit code"), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let (code, text) = run(&[]);
    let (again, json) = run(&["--json"]);
    let parsed: Value = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}"));
    assert_eq!((code, i64::from(again)), (again, parsed["exit_code"].as_i64().expect("a code")), "{text}");
    Told { code, checks: parsed["checks"].as_array().expect("checks").clone(), text }
}

/// One fault with these words, and this exit code. Gives what was told.
fn faulty(site: &Site, config: &Config, name: &str, code: i32, words: &[&str]) -> Told {
    let told = check(site, config);
    let line = told.fault().to_string();
    for word in words {
        assert!(line.contains(word), "{name}: no {word:?} in {line}");
    }
    assert_eq!(told.code, code, "{name}\n{}", told.text);
    println!("{name}: exit code {code}, {}: {}", told.fault()["check"], told.fault()["text"]);
    told
}

fn passes(site: &Site, config: &Config, name: &str) -> Told {
    let told = check(site, config);
    assert_eq!((told.code, told.in_state("fault").len()), (0, 0), "{name}\n{}", told.text);
    told
}

fn config(server: &SqlServer) -> Config {
    // A small disk would be a warning of its own.
    Config::for_server(server, SCHEMA).with("producer", "stdout").with("spill_limit", "64M")
}

fn server(name: &'static str, port: u16) -> SqlServer {
    SqlServer { name, port }
}

async fn running(test: &str, name: &'static str, variable: &str) -> Option<SqlServer> {
    let [port] = need(test, [variable])?;
    let server = SqlServer::new(name, &port);
    server.fresh_databases(DATA, SCHEMA).await;
    Some(server)
}

/// All three kinds of server, and that a check changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn well_set_servers_pass_and_stay_as_they_are() {
    let _alone = one_at_a_time().await;
    let site = Site::new("check-passes");
    for (name, variable, gtid_mode) in [
        ("mysql97", "BINLOGD_TEST_MYSQL97_PORT", true),
        ("mysql56", "BINLOGD_TEST_MYSQL56_PORT", false),
        ("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT", true),
    ] {
        let Some(server) = running("check", name, variable).await else { continue };
        let status = if server.is_mariadb() || name == "mysql56" { "SHOW MASTER STATUS" } else { "SHOW BINARY LOG STATUS" };
        let before = server.rows(status).await;
        let told = passes(&site, &config(&server).with("gtid_mode", gtid_mode), name);
        assert!(told.in_state("warning").is_empty(), "{name}\n{}", told.text);
        assert_eq!(server.rows(status).await, before, "{name}: the check wrote something");
        let schemas = server.rows(&format!("SHOW DATABASES LIKE '{SCHEMA}'")).await;
        assert!(schemas.is_empty(), "{name}: the check made the schema database");
        println!("{name}: {}", told.text.lines().last().unwrap_or_default());
        server.drop_databases(DATA, SCHEMA).await;
    }
}

/// Every right is taken away by itself; the printed statement alone brings it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights() {
    let _alone = one_at_a_time().await;
    let site = Site::new("check-rights");
    for (name, variable) in [
        ("mysql97", "BINLOGD_TEST_MYSQL97_PORT"),
        ("mysql56", "BINLOGD_TEST_MYSQL56_PORT"),
        ("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT"),
    ] {
        let Some(server) = running("rights", name, variable).await else { continue };
        let account = "'check''ed'@'127.0.%'";
        // MySQL 5.6 has no IF EXISTS here.
        let _ = server.try_rows(&format!("DROP USER {account}")).await;
        server
            .run(&[
                &format!("CREATE USER {account} IDENTIFIED BY 'x'"),
                &format!("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {account}"),
                &format!("GRANT ALL ON `maxwell\\_check`.* TO {account}"),
            ])
            .await;
        let config = config(&server).with("user", "check'ed").with("password", "x");
        passes(&site, &config, name);
        let client = if server.is_mariadb() { "BINLOG MONITOR" } else { "REPLICATION CLIENT" };
        for (right, code) in [("REPLICATION SLAVE", 2), (client, 1)] {
            server.run(&[&format!("REVOKE {right} ON *.* FROM {account}")]).await;
            let told = faulty(&site, &config, name, code, &[&format!("GRANT {right} ON *.* TO {account};"), "lacks the right"]);
            mend(&server, &site, &config, &told).await;
        }
        server.run(&[&format!("REVOKE SELECT ON *.* FROM {account}")]).await;
        let told = check(&site, &config);
        let warnings = told.in_state("warning");
        assert!(told.code == 0 && warnings.len() == 1, "{}", told.text);
        server.run(&[&Told::mends(warnings[0], "sql")[0]]).await;
        assert!(passes(&site, &config, name).in_state("warning").is_empty());

        server.run(&[&format!("REVOKE ALL ON `maxwell\\_check`.* FROM {account}")]).await;
        let told = faulty(&site, &config, name, 1, &["maxwell_check", "INSERT, UPDATE, DELETE, CREATE, ALTER"]);
        mend(&server, &site, &config, &told).await;
        server.run(&[&format!("REVOKE DELETE ON `maxwell\\_check`.* FROM {account}")]).await;
        let told = faulty(&site, &config, name, 1, &["maxwell_check", ": DELETE"]);
        mend(&server, &site, &config, &told).await;
        server.run(&[&format!("DROP USER {account}")]).await;
        server.drop_databases(DATA, SCHEMA).await;
    }
}

/// Runs exactly what was printed, and checks again.
async fn mend(server: &SqlServer, site: &Site, config: &Config, told: &Told) {
    let statements = Told::mends(told.fault(), "sql");
    assert!(!statements.is_empty(), "{}", told.text);
    for statement in &statements {
        assert!(told.text.contains(statement), "{statement} is not in the text\n{}", told.text);
        server.run(&[statement]).await;
    }
    passes(site, config, &statements.join(" "));
}

/// Rights that come from a role in force are rights.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles() {
    let _alone = one_at_a_time().await;
    let site = Site::new("check-roles");
    for (name, variable) in [("mysql97", "BINLOGD_TEST_MYSQL97_PORT"), ("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT")] {
        let Some(server) = running("roles", name, variable).await else { continue };
        let (user, role) = ("checkrole@'%'", "check_reader");
        server
            .run(&[
                &format!("DROP USER IF EXISTS {user}"),
                &format!("DROP ROLE IF EXISTS {role}"),
                &format!("CREATE ROLE {role}"),
                &format!("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {role}"),
                &format!("GRANT ALL ON {SCHEMA}.* TO {role}"),
                &format!("CREATE USER {user} IDENTIFIED BY 'x'"),
                &format!("GRANT {role} TO {user}"),
            ])
            .await;
        let config = config(&server).with("user", "checkrole").with("password", "x");
        let told = check(&site, &config);
        assert!(told.code == 2 && told.in_state("fault").len() >= 2, "{name}: a role that is not in force gives nothing\n{}", told.text);
        let set =
            if server.is_mariadb() { format!("SET DEFAULT ROLE {role} FOR {user}") } else { format!("SET DEFAULT ROLE {role} TO {user}") };
        server.run(&[&set]).await;
        passes(&site, &config, name);
        server.run(&[&format!("DROP USER {user}"), &format!("DROP ROLE {role}")]).await;
        server.drop_databases(DATA, SCHEMA).await;
    }
}

/// Settings of servers of the test's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings() {
    let _alone = one_at_a_time().await;
    if need("check of settings", ["BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR", "BINLOGD_TEST_MYSQL56_PORT"]).is_none() {
        return;
    }
    let site = Site::new("check-settings");
    let scratch = Scratch::start("mysql56-check", &[""]).await;
    let five = server("mysql56", scratch.port);
    five.fresh_databases(DATA, SCHEMA).await;
    let plain = config(&five);
    for (setting, words) in [
        ("binlog_format = 'STATEMENT'", &["variable binlog_format must be set to 'ROW'", "binlog_format=ROW"][..]),
        ("binlog_format = 'MIXED'", &["variable binlog_format must be set to 'ROW'"]),
        ("server_id = 0", &["server_id is '0'", "server_id=1"]),
        ("read_only = ON", &["variable read_only must be set to 'OFF'"]),
    ] {
        five.run(&[&format!("SET GLOBAL {setting}")]).await;
        let told = faulty(&site, &plain, setting, 1, words);
        mend(&five, &site, &plain, &told).await;
    }
    for (setting, word) in [("binlog_row_image = 'MINIMAL'", "only the changed columns"), ("expire_logs_days = 0", "")] {
        five.run(&[&format!("SET GLOBAL {setting}")]).await;
        let told = check(&site, &plain);
        assert_eq!((told.code, told.in_state("warning").len()), (0, usize::from(!word.is_empty())), "{}", told.text);
        for warning in told.in_state("warning") {
            assert!(warning.to_string().contains(word), "{warning}");
            five.run(&[&Told::mends(warning, "sql")[0]]).await;
        }
        assert!(passes(&site, &plain, setting).in_state("warning").is_empty(), "{setting}");
    }
    let told = check(&site, &plain.clone().with("gtid_mode", true));
    assert!(told.code == 1 && told.text.contains("variable gtid_mode must be set to 'ON'"), "{}", told.text);
    drop(scratch);

    let scratch = Scratch::start("mysql56-check", &["skip-log-bin"]).await;
    let five = server("mysql56", scratch.port);
    let told =
        faulty(&site, &config(&five), "log_bin off", 1, &["variable log_bin must be set to 'ON'", "log_bin=master", "restart the server"]);
    assert!(told.text.contains("reading the binlog: not checked"), "{}", told.text);
    five.run(&["SET GLOBAL binlog_format = 'MIXED'"]).await;
    let told = check(&site, &config(&five));
    assert!(told.code == 1 && told.in_state("fault").len() == 2, "all faults at once\n{}", told.text);
}

/// A server without GTIDs is brought to them by exactly what is printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gtids() {
    let _alone = one_at_a_time().await;
    if need("check of GTIDs", ["BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR", "BINLOGD_TEST_MYSQL97_PORT"]).is_none() {
        return;
    }
    let site = Site::new("check-gtids");
    let flags = [
        "gtid-mode=OFF",
        "enforce-gtid-consistency=OFF",
        "binlog-row-metadata=MINIMAL",
        "binlog-row-value-options=PARTIAL_JSON",
        "binlog-row-image=NOBLOB",
        "binlog-expire-logs-seconds=3600",
    ];
    let scratch = Scratch::start("mysql97-check", &flags).await;
    let server = server("mysql97", scratch.port);
    server.fresh_databases(DATA, SCHEMA).await;
    let config = config(&server).with("gtid_mode", true);
    let told = check(&site, &config);
    assert_eq!((told.code, told.in_state("fault").len(), told.in_state("warning").len()), (1, 2, 4), "{}", told.text);
    for finding in told.checks.iter().filter(|c| c["state"] == "fault" || c["state"] == "warning") {
        for statement in Told::mends(finding, "sql") {
            server.run(&[&statement]).await;
        }
    }
    assert!(passes(&site, &config, "GTIDs on").in_state("warning").is_empty());
}

/// What stands in the way before any question: passwords, hosts, ports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_this_machine() {
    let _alone = one_at_a_time().await;
    let Some(server) = running("check of connections", "mysql97", "BINLOGD_TEST_MYSQL97_PORT").await else { return };
    let site = Site::new("check-connections");
    let good = config(&server);
    let told = faulty(&site, &good.clone().with("password", "wrong"), "wrong password", 1, &["Access denied", "check user and password"]);
    assert!(told.text.contains("stored position: not checked") && !told.text.contains("wrong\n"), "{}", told.text);
    faulty(&site, &good.clone().with("port", 1), "refused port", 1, &["127.0.0.1:1", "is the server running"]);
    let apart = good.clone().with("replication_host", "127.0.0.1").with("replication_port", 1).with("replication_user", "maxwell");
    let told = faulty(&site, &apart, "replication host", 1, &["127.0.0.1:1", "replication server"]);
    assert!(told.text.contains("ok       read_only"), "the other server is checked all the same\n{}", told.text);

    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let http = good.clone().with("http_port", port).with("http_bind_address", "127.0.0.1");
    faulty(&site, &http, "port in use", 1, &["in use", "http_port"]);
    drop(taken);
    passes(&site, &http, "port free");

    let file = site.dir.join("file");
    std::fs::write(&file, "").expect("a file");
    faulty(&site, &good.clone().with("spill_dir", format!("{}/below", file.display())), "spill folder", 1, &["not a folder", "spill_dir"]);
    let told = check(&site, &good.clone().with("spill_dir", "/dev/shm"));
    assert!(told.code == 0 && told.text.contains("tmpfs"), "{}", told.text);
    let told = check(&site, &good.clone().with("spill_limit", "900T"));
    assert!(told.code == 0 && told.text.contains("may find no room"), "{}", told.text);
    let told = check(&site, &good.clone().with("producer_partition_by", "nothing").with("ssl", "SOMETIMES"));
    assert!(told.code == 1 && told.in_state("fault").len() == 2 && told.text.contains("check.properties:"), "{}", told.text);
    server.drop_databases(DATA, SCHEMA).await;
}

async fn run_for_a_moment(site: &Site, server: &SqlServer, config: &Config) {
    let mut daemon = Daemon::start(site, "before", config, &[]);
    let sql = format!("SELECT 1 FROM {SCHEMA}.positions WHERE last_heartbeat_read > 0");
    live_support::clock::eventually("the daemon reads its own heartbeat", Duration::from_secs(60), async || {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
    // While it runs, the check finds it and does not disturb it.
    let told = check(site, config);
    assert!(told.code == 0 && told.text.contains("so it is running"), "{}", told.text);
    assert!(daemon.ended().is_none(), "the check ended the daemon\n{}", daemon.log_tail());
    assert!(!daemon.log_text().contains("lost"), "the check disturbed the daemon\n{}", daemon.log_tail());
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_positions() {
    let _alone = one_at_a_time().await;
    let Some(server) = running("check of positions", "mysql97", "BINLOGD_TEST_MYSQL97_PORT").await else { return };
    let site = Site::new("check-positions");
    for gtid_mode in [false, true] {
        server.fresh_databases(DATA, SCHEMA).await;
        server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY)")]).await;
        let config = config(&server).with("gtid_mode", gtid_mode);
        run_for_a_moment(&site, &server, &config).await;
        let told = passes(&site, &config, "a stored position");
        assert!(told.text.contains("the server sends it from"), "{}", told.text);
        let switched = passes(&site, &config.clone().with("gtid_mode", !gtid_mode), "gtid_mode is switched");
        assert!(!switched.text.contains("stored position: none"), "{}", switched.text);
        // What Maxwell leaves behind has not our own table.
        server.run(&[&format!("DROP TABLE {SCHEMA}.binlogd_state")]).await;
        let told = passes(&site, &config, "Maxwell's tables alone");
        assert!(told.text.contains("lacks binlogd_state") && told.text.contains("the server sends it from"), "{}", told.text);
        let positions = server.rows(&format!("SELECT * FROM {SCHEMA}.positions")).await;
        server.run(&[&format!("INSERT INTO {DATA}.t VALUES (1)"), "FLUSH BINARY LOGS", "FLUSH BINARY LOGS"]).await;
        if !gtid_mode {
            let file = positions[0][1].clone().expect("a file");
            server.run(&[&format!("PURGE BINARY LOGS TO '{file}'")]).await;
            let told = check(&site, &config);
            assert!(told.code == 0 && told.in_state("warning").len() == 1 && told.text.contains("the next to be purged"), "{}", told.text);
        }
        let last = server.rows("SHOW BINARY LOGS").await.pop().and_then(|row| row[0].clone()).expect("a binlog file");
        server.run(&[&format!("PURGE BINARY LOGS TO '{last}'")]).await;
        let name = if gtid_mode { "purged GTIDs" } else { "purged file" };
        faulty(&site, &config, name, 2, &["purged", "--init_position"]);
        assert_eq!(server.rows(&format!("SELECT * FROM {SCHEMA}.positions")).await, positions, "{name}: the check wrote");
    }
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka() {
    let _alone = one_at_a_time().await;
    let Some([brokers, _, _]) = need("check of Kafka", ["BINLOGD_TEST_KAFKA", "BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR"]) else {
        return;
    };
    let Some(server) = running("check of Kafka", "mysql97", "BINLOGD_TEST_MYSQL97_PORT").await else { return };
    let site = Site::new("check-kafka");
    let to = |brokers: &str, topic: &str| Config::for_server(&server, SCHEMA).into_topic(brokers, topic).with("kafka.max.block.ms", 3000);
    let name = format!("check-{}", run_number());

    // A broker that makes topics: a warning, and the topic is not made by the question.
    let told = check(&site, &to(&brokers, &name));
    assert_eq!((told.code, told.in_state("warning").len()), (0, 1), "{}", told.text);
    assert!(check(&site, &to(&brokers, &name)).text.contains("does not exist"), "the check made the topic");
    let topic = Topic::create(&brokers, &name, 3).await;
    let told = passes(&site, &to(&brokers, &name), "a topic that is there");
    assert!(told.in_state("warning").is_empty() && told.text.contains("has 3 partitions"), "{}", told.text);
    let told = check(&site, &to(&brokers, &name).with("kafka.max.request.size", 5_000_000));
    assert!(told.code == 0 && told.in_state("warning").len() == 1 && told.text.contains("max.message.bytes=5000012"), "{}", told.text);
    let told = check(&site, &to(&brokers, "%{database}.%{table}"));
    assert!(told.code == 0 && told.text.contains("its name depends on the row"), "{}", told.text);
    topic.delete().await;

    let told =
        faulty(&site, &to("127.0.0.1:1", &name), "no broker", 1, &["no Kafka broker can be reached", "check that a broker runs there"]);
    assert!(told.text.contains(&format!("topic {name}: not checked: no broker can be asked")), "{}", told.text);

    let strict = Scratch::start("kafka-strict", &["auto.create.topics.enable=false"]).await;
    let brokers = format!("127.0.0.1:{}", strict.port);
    let told = faulty(&site, &to(&brokers, &name), "missing topic", 1, &["does not exist", "kafka-topics.sh"]);
    assert!(Told::mends(told.fault(), "shell")[0].contains(&brokers), "{}", told.text);
    Topic::create(&brokers, &name, 1).await;
    passes(&site, &to(&brokers, &name), "the topic is there");
    server.drop_databases(DATA, SCHEMA).await;
}
