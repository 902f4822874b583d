//! One life after another: a second daemon, outages, hand-overs, and records that disagree with the schema database.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::kills::started;
use super::stage::{LIMIT, Stage, count};
use crate::live_support::clock::{eventually, within};
use crate::live_support::committed;
use crate::live_support::daemon::{Config, Daemon, code};
use crate::live_support::environment::{need, one_at_a_time};
use crate::live_support::refusal::Refusal;
use crate::live_support::topic::Topic;

/// A second daemon of the same client takes over under load; the first stops with one error, and nothing comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_takes_over() {
    let _alone = one_at_a_time().await;
    let Some(mut stage) = Stage::new("once_fencing").await else { return };
    let config = stage.exactly_once();
    let mut first = Daemon::start(&stage.site, "first", &config, &[]);
    started(&mut first, 1).await;
    stage.insert(20).await;
    stage.arrived(&mut first).await;
    let mut second = Daemon::start(&stage.site, "second", &config, &[]);
    let status = within(LIMIT, async || {
        stage.insert(3).await;
        first.ended()
    })
    .await;
    told_of_successor(&first, status);
    started(&mut second, 1).await;
    stage.insert(20).await;
    stage.arrived(&mut second).await;
    // Where nothing is to be sent, it is the heartbeat that tells.
    let mut third = Daemon::start(&stage.site, "third", &config, &[]);
    let status = within(LIMIT, async || second.ended()).await;
    told_of_successor(&second, status);
    started(&mut third, 1).await;
    stage.insert(5).await;
    stage.arrived(&mut third).await;
    // What the others stored at their ends does not matter.
    third.kill();
    stage.insert(5).await;
    let mut fourth = Daemon::start(&stage.site, "fourth", &config, &[]);
    stage.arrived(&mut fourth).await;
    assert_eq!(fourth.stop().await, 0, "{}", fourth.log_tail());
    stage.each_once().await;
    stage.end().await;
}

/// One error with what to do, and exit code 1.
fn told_of_successor(daemon: &Daemon, status: Option<std::process::ExitStatus>) {
    let text = daemon.log_text();
    let status = status.unwrap_or_else(|| panic!("the older daemon goes on\n{text}"));
    assert_eq!(code(status), 1, "{text}");
    let errors: Vec<&str> = text.lines().filter(|line| line.contains("ERROR binlogd - ")).collect();
    assert_eq!(errors.len(), 1, "one error is told\n{text}");
    for words in ["another process with this transactional id has taken over", "client_id"] {
        assert!(errors[0].contains(words), "no {words:?} in: {}", errors[0]);
    }
    println!("{}", errors[0]);
}

/// The broker stands still for longer than `kafka.transaction.timeout.ms` while rows are written: the daemon goes on by
/// itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_a_transaction_may_last() {
    let _alone = one_at_a_time().await;
    let Some(mut stage) = Stage::new("once_outage").await else { return };
    let Some([pid_file]) = need("once_outage", ["BINLOGD_TEST_KAFKA_PID_FILE"]) else { return };
    let broker = Broker(std::fs::read_to_string(pid_file).expect("the broker's pid").trim().to_owned());
    let config = stage.exactly_once().with("kafka.transaction.timeout.ms", 3000).with("exactly_once_interval", 500);
    let mut daemon = stage.start(&config, &[]);
    started(&mut daemon, 1).await;
    // The broker is stopped while a transaction is open: rows come without a pause.
    for _ in 0..10 {
        stage.insert(5).await;
    }
    broker.signal("-STOP");
    for _ in 0..18 {
        stage.insert(5).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    broker.signal("-CONT");
    stage.insert(5).await;
    stage.arrived(&mut daemon).await;
    let restarts = count(&daemon, "starting again from the stored position");
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    stage.each_once().await;
    assert!(restarts > 0, "the outage was not longer than a transaction\n{}", daemon.log_tail());
    println!("outage: {} rows, each once; {restarts} new starts", stage.next);
    stage.end().await;
}

struct Broker(String);

impl Broker {
    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0]).status().is_ok_and(|s| s.success()), "kill {signal} {}", self.0);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-CONT", &self.0]).status();
    }
}

/// At least once, exactly once, back, and exactly once again, with orderly stops: nothing is lost and nothing comes twice.
/// Then with positions in Kafka only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_over() {
    let _alone = one_at_a_time().await;
    let Some(mut stage) = Stage::new("once_handover").await else { return };
    let (least, once) = (stage.at_least_once(), stage.exactly_once());
    for (config, expected) in [
        (&least, "no stored position"),
        (&once, "no position record of this client yet"),
        (&least, "booting"),
        (&once, "is newer than the record"),
    ] {
        let before = std::fs::read_to_string(stage.site.dir.join("binlogd.log")).map_or(0, |text| text.len());
        let mut daemon = stage.start(config, &[]);
        let told = eventually("the daemon reads the binlog", LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
            let life = daemon.log_text().split_off(before);
            life.contains("following the binlog").then_some(life)
        })
        .await;
        assert!(told.contains(expected), "no {expected:?} in: {told}");
        stage.insert(10).await;
        stage.arrived(&mut daemon).await;
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
        // Nobody runs.
        stage.insert(10).await;
    }
    let only_kafka = once.clone().with("exactly_once_mysql_positions", "false");
    let beats = async |stage: &Stage| stage.server.rows(&format!("SELECT heartbeat FROM {}.heartbeats", stage.schema())).await;
    let mut daemon = stage.start(&only_kafka, &[]);
    stage.arrived(&mut daemon).await;
    let (row, beat) = (stage.position_row().await, beats(&stage).await);
    stage.insert(20).await;
    stage.arrived(&mut daemon).await;
    // Rows that are not output move the record too.
    let before = stage.last_record().await;
    stage.server.run(&[&format!("INSERT INTO {}.aside VALUES ()", stage.data())]).await;
    eventually("the record moves", LIMIT, async || (stage.last_record().await["gtid_set"] != before["gtid_set"]).then_some(())).await;
    assert_eq!((stage.position_row().await, beats(&stage).await), (row, beat), "something was written to the schema database");
    daemon.kill();
    stage.insert(5).await;
    let mut daemon = stage.start(&only_kafka, &[]);
    stage.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    stage.each_once().await;
    // Back to at least once the row counts, which is as old as the last start: some rows come again, none is missing.
    let mut daemon = stage.start(&least, &[]);
    stage.insert(5).await;
    stage.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let mut seen = stage.seen().await;
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..stage.next).collect::<Vec<_>>(), "a row is missing");
    stage.end().await;
}

/// Record and row disagree: either is newer, one is missing, they contradict each other, the record is of another
/// server; and a place that is given goes before both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_and_row_disagree() {
    let _alone = one_at_a_time().await;
    let Some(mut stage) = Stage::new("once_disagree").await else { return };
    let config = stage.exactly_once();
    let mut daemon = stage.start(&config, &[]);
    started(&mut daemon, 1).await;
    stage.insert(5).await;
    stage.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let old = stage.position_row().await;
    // The record is newer: the row is put back.
    live_after(&mut stage, &config, "following").await;
    stage.put_row(&old).await;
    live_after(&mut stage, &config, "starting from the position record").await;
    // The row is newer: what passed since the last commit was not output.
    let mut daemon = stage.start(&config, &[]);
    life_of(&mut daemon, &stage).await;
    stage.server.run(&[&format!("INSERT INTO {}.aside VALUES ()", stage.data())]).await;
    let record = stage.last_record().await;
    eventually("the row passes the record", LIMIT, async || {
        let row = stage.position_row().await;
        (row[0][0].as_deref() != record["gtid_set"].as_str()).then_some(())
    })
    .await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    stage.each_once().await;
    live_after(&mut stage, &config, "is newer than the record").await;
    // The row is missing.
    stage.server.run(&[&format!("DELETE FROM {}.positions", stage.schema())]).await;
    live_after(&mut stage, &config, "starting from the position record").await;
    // The whole schema database is missing: the definitions are captured anew, the place is the record's.
    stage.server.run(&[&format!("DROP DATABASE {}", stage.schema())]).await;
    live_after(&mut stage, &config, "capturing the definitions").await;
    stage.each_once().await;

    // The record is missing.
    let elsewhere = format!("{}-2", stage.positions());
    live_after(&mut stage, &config.clone().with("kafka_position_topic", &elsewhere), "no position record of this client yet").await;
    Topic { brokers: stage.brokers.clone(), name: elsewhere, partitions: 1 }.delete().await;
    live_after(&mut stage, &config, "is newer than the record").await;
    stage.each_once().await;

    let good = stage.last_record().await;
    let mut contradicting = good.clone();
    contradicting["gtid_set"] = json!("00000000-0000-0000-0000-000000000001:1-5");
    let mut newer = good.clone();
    newer["version"] = json!(2);
    for (name, record, words) in [
        ("contradiction", &contradicting, &["contradict each other", "--init_position"][..]),
        ("newer-form", &newer, &["form 2", "newer binlogd", "--init_position"]),
    ] {
        stage.write_record(record).await;
        Refusal { name, code: 1, words }.check(&stage.site, &config, &[]).await;
    }
    // A place that is given needs no record.
    let given = format!("--init_position={}", good["gtid_set"].as_str().expect("a set"));
    let mut daemon = stage.start(&config, &[&given]);
    stage.insert(1).await;
    stage.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    stage.each_once().await;

    // By file, the record of another server is refused.
    let by_file = config.clone().with("gtid_mode", false).with("client_id", format!("{}-file", stage.client()));
    let mut daemon = Daemon::start(&stage.site, "by-file", &by_file, &[]);
    started(&mut daemon, 1).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let records = committed::records(&stage.brokers, &stage.positions(), 1).await;
    let mut record: Value = serde_json::from_slice(&records.last().expect("a record").value).expect("JSON");
    record["server_uuid"] = json!("00000000-0000-0000-0000-000000000001");
    committed::write(&stage.brokers, &stage.positions(), &format!("{}-file", stage.client()), &record.to_string()).await;
    Refusal { name: "other-server", code: 1, words: &["of another server", "--init_position"] }.check(&stage.site, &by_file, &[]).await;

    // A place that is given goes before both, also back.
    let before = stage.seen().await.len();
    let given = format!("--init_position={}", old[0][0].as_deref().expect("a set").replace('\n', ""));
    let mut daemon = stage.start(&config, &[&given]);
    stage.insert(1).await;
    stage.arrived(&mut daemon).await;
    daemon.kill();
    let seen = stage.seen().await;
    let again = stage.next as usize - 5;
    assert_eq!(seen.len(), before + again, "what lies behind the given place comes again");
    live_after(&mut stage, &config, "following").await;
    assert_eq!(stage.seen().await.len(), before + again + 3, "and only once");
    stage.end().await;
}

async fn life_of(daemon: &mut Daemon, stage: &Stage) {
    eventually("the daemon reads the binlog", LIMIT, async || {
        assert!(daemon.ended().is_none(), "{}: the daemon ended by itself\n{}", stage.name, daemon.log_tail());
        let text = daemon.log_text();
        text.rsplit("kafka: connected").next().unwrap_or_default().contains("following the binlog").then_some(())
    })
    .await;
}

/// A life in which three rows are written, and what it says of its start.
async fn live_after(stage: &mut Stage, config: &Config, expected: &str) {
    let lives = |text: &str| text.matches("kafka: connected").count();
    let log = stage.site.dir.join("binlogd.log");
    let before = std::fs::read_to_string(&log).map_or(0, |text| lives(&text));
    stage.insert(2).await;
    let mut daemon = stage.start(config, &[]);
    eventually("a new life begins", LIMIT, async || {
        assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
        (lives(&daemon.log_text()) > before).then_some(())
    })
    .await;
    life_of(&mut daemon, stage).await;
    stage.insert(1).await;
    stage.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let text = daemon.log_text();
    let told = text.rsplit("kafka: connected").next().unwrap_or_default();
    assert!(told.contains(expected), "no {expected:?} in: {told}");
}

/// What cannot be done is refused, in one sentence with what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals() {
    let _alone = one_at_a_time().await;
    let Some(stage) = Stage::new("once_refused").await else { return };
    let good = stage.exactly_once();
    let deleting = format!("{}-deleting", stage.topic.name);
    // The broker's default for a topic is to delete.
    let other = Topic::create(&stage.brokers, &deleting, 1).await;
    let cases = [
        ("acks", good.clone().with("kafka.acks", "1"), &["kafka.acks", "exactly_once", "leave them out"][..]),
        ("at-least-once", stage.at_least_once().with("kafka.transactional.id", "x"), &["kafka.transactional.id", "delivery=exactly_once"]),
        ("policy", good.clone().with("kafka_position_topic", &deleting), &["cleanup.policy=delete", "cleanup.policy=compact"]),
        (
            "interval",
            good.clone().with("exactly_once_interval", 3000).with("kafka.transaction.timeout.ms", 5000),
            &["exactly_once_interval=3000", "kafka.transaction.timeout.ms=5000"],
        ),
        ("topic-name", good.clone().with("kafka_position_topic", "a b"), &["a b", "kafka_position_topic"]),
        (
            "timeout",
            good.clone().with("kafka.transaction.timeout.ms", 1_000_000_000),
            &["transactional id cannot be taken over", "transaction.max.timeout.ms"],
        ),
    ];
    for (name, config, words) in cases {
        Refusal { name, code: 1, words }.check(&stage.site, &config, &[]).await;
    }
    let set = ["position", "set", "now", "--config=position.properties"].map(str::to_owned);
    good.write(&stage.site.dir.join("position.properties"));
    let mut command = Daemon::start_with_words(&stage.site, "position", &set);
    let status = command.end(LIMIT).await.expect("the command ends");
    assert_eq!(code(status), 1);
    assert!(command.log_text().contains("--init_position"), "{}", command.log_text());
    other.delete().await;
    stage.end().await;
}
