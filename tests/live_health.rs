//! Health goes red for each thing that keeps data from flowing, says which, and goes green again: with real servers that are
//! stopped, killed and held still. Then what is served over HTTP beside it, next to the real Maxwell where there is one.

#[path = "live_support/mod.rs"]
mod live_support;

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time, run_number, variable};
use live_support::http::{ask, free_port, get};
use live_support::servers::{self, Scratch};
use live_support::sql::SqlServer;
use live_support::topic::{Record, Topic};

const DATA: &str = "health_data";
const SCHEMA: &str = "maxwell_health";
const LIMIT: Duration = Duration::from_secs(60);

/// A daemon and its HTTP server.
struct Watched {
    daemon: Daemon,
    port: u16,
}

impl Watched {
    fn start(site: &Site, config: &Config) -> Watched {
        let port = free_port();
        let config = config.clone().with("http_port", port).with("http_bind_address", "127.0.0.1");
        Watched { daemon: Daemon::start(site, "binlogd", &config, &[]), port }
    }

    /// The causes of ill health, by metrics; `None` while nobody answers.
    fn causes(&self) -> Option<Vec<String>> {
        let (_, text) = get(self.port, "/prometheus?name[]=binlogd_unhealthy", "*/*")?;
        let cause = |line: &str| Some(line.strip_prefix("binlogd_unhealthy{cause=\"")?.strip_suffix("\"} 1")?.to_owned());
        Some(text.lines().filter_map(cause).collect())
    }

    fn health(&self) -> Option<(u16, String)> {
        get(self.port, "/healthcheck", "*/*")
    }

    /// Waits until this cause is there; health must tell of it with these words.
    async fn red(&mut self, cause: &str, words: &[&str]) {
        let start = Instant::now();
        eventually(&format!("health is red for {cause}"), LIMIT, async || {
            self.alive();
            self.causes()?.iter().any(|c| c == cause).then_some(())
        })
        .await;
        let (status, body) = self.health().expect("health is told");
        assert_eq!(status, 500, "{body}");
        for word in words.iter().chain(&["\"healthy\":false", " (since 20"]) {
            assert!(body.contains(word), "{cause}: {word} is missing in\n{body}");
        }
        println!("red for {cause} after {:.1} s", start.elapsed().as_secs_f64());
    }

    async fn green(&mut self) {
        let start = Instant::now();
        eventually("health is green", LIMIT, async || {
            self.alive();
            self.health().filter(|(status, _)| *status == 200)
        })
        .await;
        assert_eq!(self.causes(), Some(vec![]));
        println!("green after {:.1} s", start.elapsed().as_secs_f64());
    }

    fn alive(&mut self) {
        assert!(self.daemon.ended().is_none(), "the daemon ended\n{}", self.daemon.log_tail());
    }

    /// A number of the text format; `None` while there is none.
    fn number(&self, name: &str) -> Option<f64> {
        let (_, text) = get(self.port, "/prometheus", "*/*")?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}

/// A process of a server that is held still; goes on when this is dropped.
struct Still(String);

impl Still {
    fn hold(server: &str) -> Still {
        let run = variable("BINLOGD_TEST_RUN_DIR").expect("the run folder");
        let pid = std::fs::read_to_string(format!("{run}/{server}/pid")).expect("a pid").trim().to_owned();
        signal("-STOP", &pid);
        Still(pid)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, pid: &str) {
    let status = Command::new("kill").args([signal, pid]).status().expect("kill runs");
    assert!(status.success(), "kill {signal} {pid}");
}

async fn arrived(topic: &Topic, count: i64) {
    eventually(&format!("{count} rows arrive"), LIMIT, async || (topic.count().await >= count).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cause_goes_red_and_green() {
    let _alone = one_at_a_time().await;
    if !servers::can_start() {
        println!("SKIPPED causes of ill health: they need servers of their own, started by scripts/servers.sh");
        return;
    }
    let site = Site::new("health");
    // The followed server keeps its binlog for 40 s only; the schema database is on another one.
    let (source, store, broker) = tokio::join!(
        Scratch::start("mysql97-health", &["binlog-expire-logs-seconds=40"]),
        Scratch::start("mysql56-health", &[""]),
        Scratch::start("kafka-health", &[""]),
    );
    let source_sql = SqlServer { name: "mysql97", port: source.port };
    let store_sql = SqlServer { name: "mysql56", port: store.port };
    source_sql.fresh_databases(DATA, SCHEMA).await;
    store_sql.fresh_databases(DATA, SCHEMA).await;
    source_sql.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY)")]).await;
    let insert = async |id: i64| source_sql.run(&[&format!("INSERT INTO {DATA}.t VALUES ({id})")]).await;
    let topic = Topic::create(&format!("127.0.0.1:{}", broker.port), &format!("health-{}", run_number()), 1).await;
    let config = Config::for_server(&store_sql, SCHEMA)
        .with("replication_host", "127.0.0.1")
        .with("replication_port", source.port)
        .with("replication_user", "maxwell")
        .with("replication_password", "maxwell")
        .with("filter", format!("exclude: *.*, include: {DATA}.*"))
        .with("lag_limit", "5s")
        .with("http_diagnostic", "true")
        .with("http_diagnostic_timeout", "2000")
        .into_topic(&topic.brokers, &topic.name);
    let mut watched = Watched::start(&site, &config);
    eventually("the daemon follows the binlog", LIMIT, async || {
        watched.alive();
        watched.daemon.log_text().contains("following the binlog").then_some(())
    })
    .await;
    insert(1).await;
    arrived(&topic, 1).await;
    watched.green().await;
    let (status, body) = ask(watched.port, "GET", "/diagnostic", "*/*", "").await;
    assert!(status == 200 && body.contains("Binlog replication lag is ") && body.contains("acknowledgement lag is "), "{status} {body}");

    // The broker is held still while rows come: lag first, then the head of what is in flight, then the binlog's end of life.
    let still = Still::hold("kafka-health");
    insert(2).await;
    source_sql.run(&["FLUSH BINARY LOGS", "FLUSH BINARY LOGS"]).await;
    watched.red("lag", &["behind the server, more than lag_limit allows (5 s)", "raise lag_limit"]).await;
    let (status, body) = ask(watched.port, "GET", "/diagnostics", "*/*", "").await;
    assert!(status == 503 && body.contains("{\"success\":false"), "{status} {body}");
    watched.red("purge", &["will remove the binlog file", "2 younger files", "binlog_expire_logs_seconds"]).await;
    assert!(
        watched.number("binlogd_resume_purge_seconds").is_some_and(|s| s < 21.0),
        "{:?}",
        watched.number("binlogd_resume_purge_seconds")
    );
    assert_eq!(watched.number("binlogd_binlog_files{than_resume=\"younger\"}"), Some(2.0));
    watched.red("unacknowledged", &["waits for its acknowledgement since", "it ends at", "brokers' logs"]).await;
    drop(still);
    watched.green().await;
    arrived(&topic, 2).await;

    // The store goes: delivery goes on, and so it is not red at once.
    servers::kill(&store.name).await;
    insert(3).await;
    arrived(&topic, 3).await;
    assert_eq!(watched.causes(), Some(vec![]));
    watched.red("store", &["the position cannot be stored"]).await;
    servers::start_again(&store.name).await;
    watched.green().await;

    // The broker goes, with nothing in flight.
    servers::kill(&broker.name).await;
    watched.red("producer", &["no Kafka broker can be reached"]).await;
    servers::start_again(&broker.name).await;
    watched.green().await;

    // The source goes.
    servers::kill(&source.name).await;
    watched.red("source", &["no connection to the replication server"]).await;
    servers::start_again(&source.name).await;
    watched.green().await;
    insert(4).await;
    arrived(&topic, 4).await;
    watched.green().await;

    let log = watched.daemon.log_text();
    for cause in ["lag", "purge", "unacknowledged", "store", "producer", "source"] {
        let told = log.lines().filter(|l| l.contains("unhealthy: ") && l.contains(&format!("cause=\"{cause}\""))).count();
        assert_eq!(told, 1, "{cause} is told once in the log\n{log}");
    }
    assert_eq!(watched.daemon.stop().await, 0, "{}", watched.daemon.log_tail());
    topic.delete().await;
}

/// What a topic holds, as texts.
fn lines(records: Vec<Record>) -> Vec<String> {
    records.into_iter().map(|r| String::from_utf8_lossy(&r.value).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_filter_is_replaced_live_and_reporters_report() {
    let _alone = one_at_a_time().await;
    let Some([port, brokers]) = need("live filter", ["BINLOGD_TEST_MYSQL97_PORT", "BINLOGD_TEST_KAFKA"]) else { return };
    let (server, site) = (SqlServer::new("mysql97", &port), Site::new("health-filter"));
    server.fresh_databases(DATA, SCHEMA).await;
    for table in ["a", "b", "end"] {
        server.run(&[&format!("CREATE TABLE {DATA}.`{table}` (id int PRIMARY KEY)")]).await;
    }
    let topic = Topic::create(&brokers, &format!("health-filter-{}", run_number()), 1).await;
    let agent = UdpSocket::bind("127.0.0.1:0").expect("a port for datagrams");
    agent.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let config = Config::for_server(&server, SCHEMA)
        .with("filter", format!("exclude: *.*, include: {DATA}.*, blacklist: {DATA}.b"))
        .with("output_ddl", "true")
        .with("http_config", "true")
        .with("http_diagnostic", "true")
        .with("metrics_type", "http,slf4j,datadog")
        .with("metrics_prefix", "mine")
        .with("metrics_slf4j_interval", "1")
        .with("metrics_datadog_interval", "1")
        .with("metrics_datadog_host", "127.0.0.1")
        .with("metrics_datadog_port", agent.local_addr().expect("an address").port())
        .with("metrics_datadog_tags", "team:cdc")
        .into_topic(&brokers, &topic.name);
    let mut watched = Watched::start(&site, &config);
    eventually("the daemon follows the binlog", LIMIT, async || {
        watched.alive();
        watched.daemon.log_text().contains("following the binlog").then_some(())
    })
    .await;
    // Every step ends with a row of the table `end`, behind which the next filter holds.
    let mut ends = 0;
    let mut step = async |statements: &[&str]| {
        let statements: Vec<String> = statements.iter().map(|s| s.replace("DATA", DATA)).collect();
        server.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
        ends += 1;
        server.run(&[&format!("INSERT INTO {DATA}.end VALUES ({ends})")]).await;
        let end = "\"table\":\"end\",\"type\":\"insert\"";
        eventually("the step's end arrives", LIMIT, async || {
            let lines = lines(topic.records().await);
            (lines.iter().filter(|l| l.contains(end)).count() >= ends).then_some(lines)
        })
        .await
    };
    let put = async |filter: &str| {
        let body = serde_json::json!({ "filter": filter }).to_string();
        let (status, answer) = ask(watched.port, "PUT", "/config", "*/*", &body).await;
        assert_eq!((status, answer), (200, format!("{body}\n")));
    };
    step(&["INSERT INTO DATA.a VALUES (1)", "INSERT INTO DATA.b VALUES (1)", "ALTER TABLE DATA.b ADD hidden int"]).await;
    let before = format!("{{\"filter\":\"exclude: *.*, include: {DATA}.*, blacklist: {DATA}.b\"}}\n");
    assert_eq!(ask(watched.port, "GET", "/config", "*/*", "").await, (200, before));
    // The table was seen before, under another verdict.
    put(&format!("exclude: {DATA}.a")).await;
    step(&["INSERT INTO DATA.a VALUES (2)", "ALTER TABLE DATA.a ADD x int", "INSERT INTO DATA.a VALUES (3, 3)"]).await;
    // Taken from the blacklist: its statement was passed over, and its definition is the right one all the same.
    step(&["INSERT INTO DATA.b VALUES (2, 7)"]).await;
    put(&format!("exclude: {DATA}.end_of_none")).await;
    let got = step(&["INSERT INTO DATA.a VALUES (4, 4)", "ALTER TABLE DATA.a ADD y int"]).await;
    let told = |part: &str| got.iter().filter(|l| l.contains(part)).count();
    assert_eq!(told("\"data\":{\"id\":1}"), 2, "a's and end's first rows, not b's\n{got:#?}");
    assert_eq!((told("{\"id\":2}"), told("{\"id\":3,\"x\":3}")), (1, 0), "a was excluded\n{got:#?}");
    assert_eq!(told("{\"id\":2,\"hidden\":7}"), 1, "{got:#?}");
    assert_eq!(told("{\"id\":4,\"x\":4}"), 1, "a is back, with the column that was added meanwhile\n{got:#?}");
    assert_eq!(told("\"type\":\"table-alter\""), 1, "the statement on a while it was excluded, and those on b, are not told\n{got:#?}");
    let (status, answer) = ask(watched.port, "POST", "/config", "*/*", r#"{"filter":"no filter"}"#).await;
    assert!(status == 400 && answer.contains("invalid filter: "), "{answer}");

    let (status, body) = ask(watched.port, "GET", "/diagnostic", "*/*", "").await;
    assert!(status == 200 && body.contains("Binlog replication lag is "), "{status} {body}");
    let records = topic.count().await;
    assert_eq!(ask(watched.port, "GET", "/diagnostic", "*/*", "").await.0, 200);
    assert_eq!(topic.count().await, records, "diagnostics send nothing");

    let log = watched.daemon.log_text();
    assert!(log.contains("type=COUNTER, name=mine.messages.succeeded, count="), "{}", watched.daemon.log_tail());
    let datagrams = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 2048];
        let mut text = String::new();
        while !text.contains("mine.transaction.row_count.p99:") {
            let read = agent.recv(&mut buffer).expect("a datagram");
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            text.push('\n');
        }
        text
    });
    let text = datagrams.await.expect("datagrams arrive");
    assert!(text.lines().any(|l| l.starts_with("mine.messages.succeeded:") && l.ends_with("|c|#team:cdc")), "{text}");
    assert_eq!(watched.daemon.stop().await, 0, "{}", watched.daemon.log_tail());
    topic.delete().await;
    server.drop_databases(DATA, SCHEMA).await;
}

/// Names and members of a `/metrics` document that begin with the prefix: group, name, members.
fn json_shape(text: &str) -> BTreeMap<String, Vec<String>> {
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let mut shape = BTreeMap::new();
    for (group, metrics) in document.as_object().expect("an object").iter().filter(|(group, _)| *group != "version") {
        for (name, value) in metrics.as_object().expect("an object").iter().filter(|(name, _)| name.starts_with("MaxwellMetrics.")) {
            let kinds = value.as_object().expect("members").iter().map(|(member, v)| format!("{member}: {}", kind_of(v))).collect();
            shape.insert(format!("{group} {name}"), kinds);
        }
    }
    shape
}

fn kind_of(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        number if number.is_u64() || number.is_i64() => "whole".into(),
        number if number.is_f64() => "float".into(),
        other => panic!("{other}"),
    }
}

/// HELP and TYPE lines, and the names and labels of all samples. The class of a gauge has another name in every Java process.
fn text_shape(text: &str) -> Vec<String> {
    let told = |line: &str| match line.split_once("type=com.zendesk") {
        Some((head, _)) => format!("{head}type=com.codahale.metrics.Gauge)"),
        None if line.starts_with('#') => line.to_owned(),
        None => line.rsplit_once(' ').expect("a number").0.to_owned(),
    };
    let mut shape: Vec<String> = text.lines().filter(|line| line.contains("MaxwellMetrics")).map(told).collect();
    shape.sort();
    shape
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shapes_are_those_of_maxwell() {
    let _alone = one_at_a_time().await;
    let Some(command) = variable("MAXWELL_RUN") else {
        println!("SKIPPED shapes of metrics beside Maxwell: MAXWELL_RUN is not set");
        return;
    };
    let Some([port, brokers]) = need("shapes of metrics", ["BINLOGD_TEST_MYSQL97_PORT", "BINLOGD_TEST_KAFKA"]) else { return };
    let (server, site) = (SqlServer::new("mysql97", &port), Site::new("health-shapes"));
    for producer in ["kafka", "stdout"] {
        server.fresh_databases(DATA, SCHEMA).await;
        server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY)")]).await;
        let topic = Topic::create(&brokers, &format!("health-shapes-{producer}-{}", run_number()), 1).await;
        let config = |client: &str, replica: u32, http: u16| {
            Config::for_server(&server, SCHEMA)
                .into_topic(&brokers, &topic.name)
                .with("producer", producer)
                .with("jdbc_options", "useSSL=false&allowPublicKeyRetrieval=true")
                .with("client_id", client)
                .with("replica_server_id", replica)
                .with("metrics_type", "http")
                .with("http_port", http)
                .with("http_config", "true")
                .with("http_diagnostic", "true")
        };
        let (their_port, our_port) = (free_port(), free_port());
        let file = site.dir.join(format!("maxwell-{producer}.properties"));
        config("theirs", 7301, their_port).write(&file);
        let mut start = Command::new(&command);
        start.arg(format!("--config={}", file.display())).env_remove("GTID_MODE").env("MAXWELL_JAVA_OPTS", "-Xmx300m");
        let mut theirs = Daemon::spawn(&site, &format!("maxwell-{producer}"), start);
        eventually("Maxwell is connected to the binlog", Duration::from_secs(120), async || {
            assert!(theirs.ended().is_none(), "{}", theirs.log_tail());
            (theirs.log_text() + &theirs.stdout_text()).contains("Binlog connected").then_some(())
        })
        .await;
        let ours = Daemon::start(&site, &format!("binlogd-{producer}"), &config("ours", 7302, our_port), &[]);
        eventually("the daemon follows the binlog", LIMIT, async || ours.log_text().contains("following the binlog").then_some(())).await;
        server.run(&[&format!("INSERT INTO {DATA}.t VALUES (1), (2)")]).await;
        for port in [their_port, our_port] {
            eventually("rows are counted", LIMIT, async || {
                let (_, text) = get(port, "/metrics", "*/*")?;
                json_shape(&text).keys().any(|k| k.ends_with("row.count")).then_some(())?;
                let document: serde_json::Value = serde_json::from_str(&text).ok()?;
                (document["histograms"]["MaxwellMetrics.transaction.row_count"]["count"].as_u64()? > 0).then_some(())
            })
            .await;
        }
        let both =
            async |path: &str, accept: &str| (ask(their_port, "GET", path, accept, "").await, ask(our_port, "GET", path, accept, "").await);
        let ((_, theirs_json), (_, ours_json)) = both("/metrics", "*/*").await;
        let (expected, got) = (json_shape(&theirs_json), json_shape(&ours_json));
        assert!(expected.len() >= 13, "{expected:#?}");
        assert_eq!(got, expected, "JSON with {producer}");
        let ((_, theirs_text), (_, ours_text)) = both("/prometheus", "*/*").await;
        assert_eq!(text_shape(&ours_text), text_shape(&theirs_text), "text with {producer}");
        for path in ["/config", "/ping"] {
            let (expected, got) = both(path, "*/*").await;
            assert_eq!(got, expected, "{path}");
        }
        let without_numbers = |body: &str| -> Vec<String> {
            let document: serde_json::Value = serde_json::from_str(body).expect("JSON");
            let checks = document["checks"].as_array().expect("checks").iter();
            let mut texts: Vec<String> = checks.map(|c| c.to_string().chars().filter(|c| !c.is_ascii_digit()).collect()).collect();
            texts.sort();
            texts.push(document["success"].to_string());
            texts
        };
        let (their_answer, our_answer) = both("/diagnostic", "*/*").await;
        assert_eq!(our_answer.0, their_answer.0);
        assert_eq!(without_numbers(&our_answer.1), without_numbers(&their_answer.1));
        println!(
            "{producer}: {} metrics in JSON, {} lines of text, config and diagnostics have Maxwell's shapes",
            expected.len(),
            text_shape(&ours_text).len()
        );
        drop((ours, theirs));
        topic.delete().await;
    }
    server.drop_databases(DATA, SCHEMA).await;
}
