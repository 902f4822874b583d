//! The real Maxwell beside the daemon: both follow one server with one configuration, and what they wrote is compared.
//!
//! MAXWELL_RUN names a command that starts Maxwell when it is called with --config=FILE.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use super::clock::eventually;
use super::daemon::{Config, Daemon, Site};
use super::environment::run_number;
use super::sql::SqlServer;
use super::topic::{Record, Topic};

/// A Java machine takes its time to start on a busy machine.
const START: Duration = Duration::from_secs(120);
const ARRIVE: Duration = Duration::from_secs(60);
const SCHEMA: &str = "maxwell_comparison";
/// A table of this database gets the last row of all.
pub const END_DATABASE: &str = "comparison_end";

/// A configuration to compare, beyond what all have.
pub struct Comparison {
    pub name: &'static str,
    pub options: &'static [(&'static str, &'static str)],
    pub partitions: i32,
    /// Partitions of rows are drawn by lot: only the messages are compared.
    pub any_partition: bool,
    /// DDL messages go to a topic of their own, which is compared too.
    pub ddl_apart: bool,
    /// Statements that run before anybody starts; those of the first comparison count.
    pub before: &'static str,
}

impl Comparison {
    pub const fn new(name: &'static str, options: &'static [(&'static str, &'static str)]) -> Self {
        Comparison { name, options, partitions: 5, any_partition: false, ddl_apart: false, before: "" }
    }
}

/// One side of a comparison.
struct Side {
    name: String,
    client_id: String,
    config: Config,
    topic: Topic,
    ddl_topic: Option<Topic>,
    process: Option<Daemon>,
}

/// Runs several comparisons over one workload, and gives the number of lines that were compared in each.
///
/// # Panics
/// At the first difference, with both lines.
pub async fn compare(server: &SqlServer, brokers: &str, command: &str, comparisons: &[Comparison], workload: &[&str]) -> Vec<usize> {
    let site = Site::new(&format!("maxwell-{}-{}", server.name, comparisons[0].name));
    clean(server).await;
    server.run(&[&format!("GRANT ALL ON {SCHEMA}.* TO maxwell@'%'")]).await;
    for statement in statements(comparisons[0].before) {
        server.run(&[&statement]).await;
    }
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for (number, comparison) in comparisons.iter().enumerate() {
        theirs.push(side(server, brokers, comparison, "maxwell", 7_000 + number).await);
        ours.push(side(server, brokers, comparison, "binlogd", 8_000 + number).await);
    }
    for side in &mut theirs {
        let file = site.dir.join(format!("{}.properties", side.name));
        side.config.write(&file);
        let mut start = Command::new(command);
        start.arg(format!("--config={}", file.display())).env_remove("GTID_MODE");
        if std::env::var_os("MAXWELL_JAVA_OPTS").is_none() {
            start.env("MAXWELL_JAVA_OPTS", "-Xmx384m");
        }
        side.process = Some(Daemon::spawn(&site, &side.name, start));
        // One after the other: two that make the schema database at the same time disturb each other.
        maxwell_ready(side).await;
    }
    for side in &mut ours {
        side.process = Some(Daemon::start(&site, &side.name, &side.config, &[]));
        position_stored(server, side).await;
    }
    work(server, workload).await;
    let mut counts = Vec::new();
    for ((comparison, their), our) in comparisons.iter().zip(&mut theirs).zip(&mut ours) {
        let (expected, got) = (arrived(their).await, arrived(our).await);
        counts.push(expected.len());
        same(&site, comparison, "", expected, got);
        if let (Some(theirs), Some(ours)) = (&their.ddl_topic, &our.ddl_topic) {
            let (expected, got) = (theirs.records().await, ours.records().await);
            assert!(!expected.is_empty(), "{}: Maxwell wrote no DDL messages", comparison.name);
            println!("{}, {}: {} messages in the topic of DDL", server.name, comparison.name, expected.len());
            same(&site, comparison, "-ddl", expected, got);
        }
    }
    for side in ours.iter_mut().chain(&mut theirs) {
        side.process = None;
        side.topic.delete().await;
        if let Some(topic) = &side.ddl_topic {
            topic.delete().await;
        }
    }
    clean(server).await;
    counts
}

async fn clean(server: &SqlServer) {
    for database in [SCHEMA, "shop", "kinds", "others", "other_side", END_DATABASE] {
        server.run(&[&format!("DROP DATABASE IF EXISTS {database}")]).await;
    }
}

async fn side(server: &SqlServer, brokers: &str, comparison: &Comparison, who: &str, replica: usize) -> Side {
    let name = format!("{who}-{}", comparison.name);
    let topic = Topic::create(brokers, &format!("{name}-{}-{}", server.name, run_number()), comparison.partitions).await;
    let mut config = Config::for_server(server, SCHEMA)
        .into_topic(brokers, &topic.name)
        .with("jdbc_options", "useSSL=false&allowPublicKeyRetrieval=true")
        .with("client_id", &name)
        .with("replica_server_id", replica);
    for (option, value) in comparison.options {
        config = config.with(option, value);
    }
    let mut ddl_topic = None;
    if comparison.ddl_apart {
        let apart = Topic::create(brokers, &format!("{name}-ddl-{}-{}", server.name, run_number()), 3).await;
        config = config.with("ddl_kafka_topic", &apart.name);
        ddl_topic = Some(apart);
    }
    Side { client_id: name.clone(), name, config, topic, ddl_topic, process: None }
}

async fn maxwell_ready(side: &mut Side) {
    let process = side.process.as_mut().expect("it was started");
    eventually("Maxwell is connected to the binlog", START, async || {
        let log = process.log_text() + &process.stdout_text();
        assert!(process.ended().is_none(), "Maxwell ended:\n{log}");
        log.contains("Binlog connected").then_some(())
    })
    .await;
}

async fn position_stored(server: &SqlServer, side: &mut Side) {
    let process = side.process.as_mut().expect("it was started");
    let sql = format!("SELECT 1 FROM {SCHEMA}.positions WHERE client_id = '{}' AND last_heartbeat_read > 0", side.client_id);
    eventually("the daemon reads its own heartbeat", START, async || {
        assert!(process.ended().is_none(), "the daemon ended:\n{}", process.log_tail());
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
}

/// Runs the files of statements on one connection, then writes the last row.
async fn work(server: &SqlServer, workload: &[&str]) {
    use mysql_async::prelude::Queryable;
    let mut conn = server.connect().await.expect("root can connect");
    let end = [
        format!("create database {END_DATABASE}"),
        format!("create table {END_DATABASE}.marks (id int primary key)"),
        format!("insert into {END_DATABASE}.marks values (1)"),
    ];
    for statement in workload.iter().flat_map(|file| statements(file)).chain(end) {
        conn.query_drop(&statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    conn.disconnect().await.expect("goodbye");
}

/// The statements of a file: comment lines left out, an end at each semicolon at a line's end.
pub fn statements(file: &str) -> Vec<String> {
    let lines: Vec<&str> = file.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let text = lines.join("\n") + "\n";
    text.split(";\n").map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// The whole topic. Its last row may overtake others that are on other partitions; an orderly stop sends them too.
async fn arrived(side: &mut Side) -> Vec<Record> {
    let end = format!("{{\"database\":\"{END_DATABASE}\"");
    let (topic, process) = (side.topic.clone(), side.process.as_mut().expect("it was started"));
    eventually(&format!("the last row arrives from {}", side.name), ARRIVE, async || {
        assert!(process.ended().is_none(), "{} ended:\n{}", side.name, process.log_tail());
        let is_last = |r: &Record| String::from_utf8_lossy(&r.value).starts_with(&end) && contains(&r.value, "\"type\":\"insert\"");
        topic.records().await.iter().any(is_last).then_some(())
    })
    .await;
    process.stop().await;
    topic.records().await
}

fn contains(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// A record as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    partition: i32,
    key: String,
    value: String,
}

fn lines(records: Vec<Record>, any_partition: bool) -> Vec<Line> {
    let line = |r: Record| {
        let value = String::from_utf8_lossy(&r.value).into_owned();
        // DDL messages have a certain partition whatever rows have.
        let partition = if any_partition && !is_ddl(&value) { 0 } else { r.partition };
        let key = mask_uuid(&String::from_utf8_lossy(&r.key.unwrap_or_default()));
        Line { partition, key, value: mask_definition(value) }
    };
    let mut all: Vec<Line> = records.into_iter().map(line).filter(|line| !is_own_table(&line.value)).collect();
    rank_schemas(&mut all);
    if any_partition {
        all.sort();
    }
    all
}

/// Who starts first sees how the others make their tables in the schema database. (Rows of that database are for nobody.)
fn is_own_table(value: &str) -> bool {
    value.contains("\"type\":\"table-create\"") && value.contains(&format!("\"database\":\"{SCHEMA}\""))
}

/// Keys of tables without a primary key and of DDL messages are drawn by lot.
fn mask_uuid(key: &str) -> String {
    if let Some((head, tail)) = key.split_once("\"_uuid\":\"") {
        let rest = tail.get(36..).unwrap_or_default();
        return format!("{head}\"_uuid\":\"…{rest}");
    }
    let is_uuid = key.len() == 36 && key.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if is_uuid { "a uuid".to_owned() } else { key.to_owned() }
}

fn is_ddl(value: &str) -> bool {
    value.starts_with("{\"type\":")
}

/// In DDL messages the order of a table's members depends on the Java process; members in one order for both.
fn mask_definition(value: String) -> String {
    if value.starts_with("{\"database\":") && !value.contains("\"def\":{") {
        return value;
    }
    serde_json::from_str(&value).map_or(value, |parsed| sorted(parsed).to_string())
}

fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().map(|(name, v)| (name, sorted(v))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Numbers of schema versions differ between any two clients, because a version's identity holds the client's heartbeat.
/// What must agree is which lines have the same one, and their order.
fn rank_schemas(lines: &mut [Line]) {
    const NAME: &str = "\"schema_id\":";
    let number = |value: &str| -> Option<(usize, String)> {
        let at = value.find(NAME)? + NAME.len();
        Some((at, value.get(at..)?.chars().take_while(char::is_ascii_digit).collect()))
    };
    let known: BTreeSet<u64> = lines.iter().filter_map(|line| number(&line.value)?.1.parse().ok()).collect();
    for line in lines {
        if let Some((at, digits)) = number(&line.value) {
            let rank = digits.parse().map_or(0, |id: u64| known.range(..id).count());
            line.value.replace_range(at..at + digits.len(), &format!("{rank}th"));
        }
    }
}

/// Panics at the first line that differs, and leaves all lines in files beside the logs.
fn same(site: &Site, comparison: &Comparison, topic: &str, theirs: Vec<Record>, ours: Vec<Record>) {
    let (theirs, ours) = (lines(theirs, comparison.any_partition), lines(ours, comparison.any_partition));
    let cut = |line: Option<&Line>| line.map_or("nothing".to_owned(), |l| format!("{l:?}").chars().take(2_000).collect());
    let length = theirs.len().max(ours.len());
    if let Some(at) = (0..length).find(|at| theirs.get(*at) != ours.get(*at)) {
        for (who, lines) in [("maxwell", &theirs), ("binlogd", &ours)] {
            let text: String = lines.iter().map(|l| format!("{} {} {}\n", l.partition, l.key, l.value)).collect();
            std::fs::write(site.dir.join(format!("{}{topic}.{who}.lines", comparison.name)), text).expect("the lines can be written");
        }
        panic!(
            "{}{topic}: line {at} differs ({} lines of Maxwell, {} of ours)\nMaxwell: {}\nours:    {}",
            comparison.name,
            theirs.len(),
            ours.len(),
            cut(theirs.get(at)),
            cut(ours.get(at))
        );
    }
}
