//! A server, a table and a topic of one test.

use std::time::Duration;

use serde_json::Value;

use crate::live_support::clock::eventually;
use crate::live_support::committed;
use crate::live_support::daemon::{Config, Daemon, Site, code};
use crate::live_support::environment::{need, run_number};
use crate::live_support::message::Message;
use crate::live_support::sql::SqlServer;
use crate::live_support::topic::Topic;

/// Only a bound for what hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A server, a table and a topic of one test.
pub struct Stage {
    pub name: &'static str,
    pub server: SqlServer,
    pub brokers: String,
    pub topic: Topic,
    pub site: Site,
    pub next: i64,
}

impl Stage {
    pub async fn new(name: &'static str) -> Option<Stage> {
        Stage::on(name, "mysql97").await
    }

    /// On a server of `scripts/servers.sh`.
    pub async fn on(name: &'static str, server: &'static str) -> Option<Stage> {
        let port = format!("BINLOGD_TEST_{}_PORT", server.to_uppercase().replace('-', "_"));
        let [port, brokers] = need(name, [&port, "BINLOGD_TEST_KAFKA"])?;
        let server = SqlServer::new(server, &port);
        let stage_topic = Topic::create(&brokers, &format!("{name}-{}", run_number()), 1).await;
        let stage = Stage { name, server, brokers, topic: stage_topic, site: Site::new(name), next: 0 };
        stage.server.fresh_databases(&stage.data(), &stage.schema()).await;
        stage
            .server
            .run(&[
                &format!("CREATE TABLE {}.t (id int NOT NULL PRIMARY KEY)", stage.data()),
                &format!("CREATE TABLE {}.aside (id int NOT NULL AUTO_INCREMENT PRIMARY KEY)", stage.data()),
            ])
            .await;
        Some(stage)
    }

    pub fn data(&self) -> String {
        format!("{}_data", self.name)
    }

    pub fn schema(&self) -> String {
        format!("maxwell_{}", self.name)
    }

    pub fn positions(&self) -> String {
        format!("{}-positions", self.topic.name)
    }

    pub fn client(&self) -> String {
        format!("{}-{}", self.name, run_number())
    }

    pub fn at_least_once(&self) -> Config {
        Config::for_server(&self.server, &self.schema())
            .into_topic(&self.brokers, &self.topic.name)
            .with("client_id", self.client())
            .with("filter", format!("exclude: *.*, include: {}.t", self.data()))
            .with("gtid_mode", true)
            .with("kafka.max.block.ms", 20_000)
    }

    pub fn exactly_once(&self) -> Config {
        self.at_least_once().with("delivery", "exactly_once").with("kafka_position_topic", self.positions())
    }

    pub fn start(&self, config: &Config, words: &[&str]) -> Daemon {
        Daemon::start(&self.site, "binlogd", config, words)
    }

    /// Inserts so many rows, a transaction each; gives their numbers.
    pub async fn insert(&mut self, count: i64) -> Vec<i64> {
        let ids: Vec<i64> = (self.next..self.next + count).collect();
        self.next += count;
        let statements: Vec<String> = ids.iter().map(|id| format!("INSERT INTO {}.t VALUES ({id})", self.data())).collect();
        self.server.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
        ids
    }

    /// Numbers of the rows that readers of committed messages see, in order.
    pub async fn seen(&self) -> Vec<i64> {
        let records = committed::records(&self.brokers, &self.topic.name, 1).await;
        records.iter().map(|r| Message::read(&r.value).data.raw("id").and_then(|id| id.parse().ok()).expect("an id")).collect()
    }

    /// Waits until the last row that was inserted has arrived, with the daemon alive.
    pub async fn arrived(&self, daemon: &mut Daemon) {
        let last = self.next - 1;
        eventually("the last row arrives", LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
            self.seen().await.contains(&last).then_some(())
        })
        .await;
    }

    pub async fn each_once(&self) {
        let all: Vec<i64> = (0..self.next).collect();
        assert_eq!(self.seen().await, all, "{}: each row once, in order", self.name);
    }

    pub async fn last_record(&self) -> Value {
        let records = committed::records(&self.brokers, &self.positions(), 1).await;
        let ours = records.iter().rfind(|r| r.key.as_deref() == Some(self.client().as_bytes())).expect("a record of this client");
        serde_json::from_slice(&ours.value).expect("a record is JSON")
    }

    /// One transaction of so many rows.
    pub async fn insert_together(&mut self, count: i64) {
        let values: Vec<String> = (self.next..self.next + count).map(|id| format!("({id})")).collect();
        self.next += count;
        let statements: Vec<String> =
            values.chunks(1000).map(|some| format!("INSERT INTO {}.t VALUES {}", self.data(), some.join(","))).collect();
        let all = ["BEGIN"].into_iter().chain(statements.iter().map(String::as_str)).chain(["COMMIT"]);
        self.server.run(&all.collect::<Vec<_>>()).await;
    }

    /// A command of binlogd with this configuration: its exit code and what it printed.
    pub async fn command(&self, words: &[&str], config: &Config) -> (i32, String) {
        let name = words.join("-");
        config.write(&self.site.dir.join(format!("{name}.properties")));
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        all.push(format!("--config={name}.properties"));
        let mut command = Daemon::start_with_words(&self.site, &name, &all);
        let status = command.end(LIMIT).await.unwrap_or_else(|| panic!("{name} does not end\n{}", command.log_tail()));
        (code(status), format!("{}{}", command.stdout_text(), command.log_text()))
    }

    pub async fn write_record(&self, record: &Value) {
        committed::write(&self.brokers, &self.positions(), &self.client(), &record.to_string()).await;
    }

    pub async fn position_row(&self) -> Vec<Vec<Option<String>>> {
        let sql = format!("SELECT gtid_set, binlog_file, binlog_position, last_heartbeat_read FROM {}.positions", self.schema());
        self.server.rows(&sql).await
    }

    pub async fn put_row(&self, row: &[Vec<Option<String>>]) {
        let cells: Vec<&str> = row[0].iter().map(|cell| cell.as_deref().expect("a value")).collect();
        let [set, file, offset, heartbeat] = cells[..] else { panic!("four columns") };
        let sql = format!(
            "UPDATE {}.positions SET gtid_set='{set}', binlog_file='{file}', binlog_position={offset}, last_heartbeat_read={heartbeat}",
            self.schema()
        );
        self.server.run(&[&sql]).await;
    }

    pub async fn end(self) {
        self.topic.delete().await;
        Topic { brokers: self.brokers.clone(), name: self.positions(), partitions: 1 }.delete().await;
        self.server.drop_databases(&self.data(), &self.schema()).await;
    }
}

pub fn count(daemon: &Daemon, words: &str) -> usize {
    daemon.log_text().matches(words).count()
}
