//! Messages that the broker refuses, in Kafka transactions: sizes at the topic's limit among small neighbours, through dead
//! letters, messages left out and the stop, with kills of the daemon and changes of the policy in between.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use super::kills::started;
use super::stage::{LIMIT, Stage, count};
use crate::live_support::clock::{eventually, within};
use crate::live_support::committed;
use crate::live_support::daemon::{Config, Daemon};
use crate::live_support::environment::{one_at_a_time, run_number};
use crate::live_support::message::Message;
use crate::live_support::refusal::Refusal;
use crate::live_support::topic::{Record, Topic};

/// `max.message.bytes` of the topic.
const BYTES: usize = 20_000;
const PARTITIONS: i32 = 2;
const DELTAS: [isize; 13] = [-200, -50, -10, -2, -1, 0, 1, 2, 3, 10, 50, 100, 200];
/// Rows around each large one, itself included.
const GROUP: i64 = 6;
/// All ids have four digits, so that sizes depend on nothing else.
const FIRST: i64 = 1000;
/// Only a bound for what hangs.
const PATIENCE: Duration = Duration::from_secs(180);
const PROBE: &[u8] = b"probe";

fn varint_bytes(n: usize) -> usize {
    // Zigzag doubles a number; seven bits a byte.
    (1..).find(|bytes| (n as u128) << 1 < 1 << (7 * bytes)).expect("a length")
}

/// What `max.message.bytes` bounds: a batch with this one message, uncompressed. Kafka's message format, version 2.
fn batch_bytes(key: usize, value: usize) -> usize {
    let record = 4 + varint_bytes(key) + key + varint_bytes(value) + value;
    61 + varint_bytes(record) + record
}

/// The rows of this test, and what has to become of each.
struct Rows {
    stage: Stage,
    topic: Topic,
    dead: Topic,
    next: i64,
    wanted: BTreeSet<i64>,
    too_large: BTreeSet<i64>,
    letters: BTreeSet<i64>,
}

impl Rows {
    async fn new(stage: Stage) -> Rows {
        let data = stage.data();
        stage.server.run(&[&format!("CREATE TABLE {data}.sized (id int NOT NULL PRIMARY KEY, pad mediumtext)")]).await;
        let topic = Topic::create(&stage.brokers, &format!("{}-sized", stage.topic.name), PARTITIONS).await;
        let dead = Topic::create(&stage.brokers, &format!("{}-dead", stage.topic.name), 1).await;
        Rows { stage, topic, dead, next: FIRST, wanted: BTreeSet::new(), too_large: BTreeSet::new(), letters: BTreeSet::new() }
    }

    fn config(&self) -> Config {
        self.stage
            .exactly_once()
            .with("kafka_topic", &self.topic.name)
            .with("filter", format!("exclude: *.*, include: {}.sized", self.stage.data()))
            .with("producer_partition_by", "primary_key")
            .with("output_commit_info", false)
            .with("kafka.compression.type", "none")
    }

    fn lengths(&self, padding: usize) -> (usize, usize) {
        let data = self.stage.data();
        let key = format!(r#"{{"database":"{data}","table":"sized","pk.id":{FIRST}}}"#);
        let value = format!(r#"{{"database":"{data}","table":"sized","type":"insert","ts":1700000000,"data":{{"id":{FIRST},"pad":""}}}}"#);
        (key.len(), value.len() + padding)
    }

    /// The padding with which a batch of one message is this large.
    fn padding(&self, bytes: usize) -> usize {
        let size = |padding| {
            let (key, value) = self.lengths(padding);
            batch_bytes(key, value)
        };
        (0..bytes).rev().find(|padding| size(*padding) == bytes).expect("a size that can be had")
    }

    /// One large row of each size among small ones; by turns a transaction of several rows and one for each row.
    async fn insert(&mut self, letters: bool) {
        let mut statements = Vec::new();
        for (n, delta) in DELTAS.into_iter().enumerate() {
            let ids: Vec<i64> = (self.next..self.next + GROUP).collect();
            self.next += GROUP;
            let rows: Vec<String> = ids
                .iter()
                .map(|id| {
                    let is_large = id % GROUP == ids[3] % GROUP;
                    let padding = if is_large { self.padding(BYTES.checked_add_signed(delta).expect("a size")) } else { 10 };
                    let refused = is_large && delta > 0;
                    if refused { &mut self.too_large } else { &mut self.wanted }.insert(*id);
                    if refused && letters {
                        self.letters.insert(*id);
                    }
                    format!("({id},REPEAT('x',{padding}))")
                })
                .collect();
            if n % 2 == 0 {
                statements.push(format!("INSERT INTO {}.sized VALUES {}", self.stage.data(), rows.join(",")));
            } else {
                statements.extend(rows.iter().map(|row| format!("INSERT INTO {}.sized VALUES {row}", self.stage.data())));
            }
        }
        self.stage.server.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    async fn records(&self, topic: &Topic) -> Vec<Record> {
        let mut records = committed::records(&topic.brokers, &topic.name, topic.partitions).await;
        records.retain(|r| r.key.as_deref() != Some(PROBE));
        records
    }

    async fn ids(&self, topic: &Topic) -> Vec<i64> {
        self.records(topic).await.iter().map(id_of).collect()
    }

    /// Waits until so many dead letters can be read; the daemon is alive meanwhile.
    async fn letters_come(&self, daemon: &mut Daemon, many: usize) {
        eventually("dead letters come", PATIENCE, async || {
            assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
            (self.ids(&self.dead).await.len() >= many).then_some(())
        })
        .await;
    }

    /// Waits until the last row has arrived, whatever has become of those before.
    async fn arrived(&self, daemon: &mut Daemon) {
        let last = self.next - 1;
        let state = Arc::new(Mutex::new(String::new()));
        let shown = state.clone();
        let arrived = within(PATIENCE, async || {
            if daemon.ended().is_some() {
                return Some(false);
            }
            let ids = self.ids(&self.topic).await;
            *shown.lock().expect("one writer") = format!("{} rows, the last ones {:?}", ids.len(), &ids[ids.len().saturating_sub(5)..]);
            ids.contains(&last).then_some(true)
        })
        .await;
        let evidence = || format!("{}, wanted {last}\n{}", state.lock().expect("no writer"), daemon.log_tail());
        assert!(arrived == Some(true), "the last row did not arrive ({arrived:?}): {}", evidence());
    }

    /// Everything so far: once, in order, and the right sizes on either side.
    async fn check(&self, what: &str) {
        let records = self.records(&self.topic).await;
        for partition in 0..PARTITIONS {
            let ids: Vec<i64> = records.iter().filter(|r| r.partition == partition).map(id_of).collect();
            assert!(ids.is_sorted_by(|a, b| a < b), "{what}: partition {partition} is out of order or has a row twice: {ids:?}");
        }
        let found: BTreeSet<i64> = records.iter().map(id_of).collect();
        let (missing, invented): (Vec<_>, Vec<_>) = (self.wanted.difference(&found).collect(), found.difference(&self.wanted).collect());
        assert!(missing.is_empty() && invented.is_empty(), "{what}: missing {missing:?}, not expected {invented:?}");
        assert_eq!(records.len(), found.len(), "{what}: a row came twice");
        let largest = records.iter().map(|r| batch_bytes(r.key.as_ref().map_or(0, Vec::len), r.value.len())).max();
        assert_eq!(largest, Some(BYTES), "{what}: the largest message is not what the test means it to be");
        let letters = self.ids(&self.dead).await;
        let wanted: Vec<i64> = self.letters.iter().copied().collect();
        assert_eq!(letters, wanted, "{what}: dead letters, each once and in order");
    }
}

fn id_of(record: &Record) -> i64 {
    let message = Message::read(&record.value);
    message.data.raw("id").and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {}", String::from_utf8_lossy(&record.value)))
}

/// Lowers a topic's limit, and waits until the broker holds to it.
async fn lower(topic: &Topic) {
    let client = || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &topic.brokers).set("log_level", "0").set("message.timeout.ms", "30000");
        config
    };
    let admin: AdminClient<DefaultClientContext> = client().create().expect("an admin client");
    let bytes = BYTES.to_string();
    let change = AlterConfig::new(ResourceSpecifier::Topic(&topic.name)).set("max.message.bytes", &bytes);
    for result in admin.alter_configs(&[change], &AdminOptions::new()).await.expect("the broker answers") {
        result.expect("a topic's limit can be changed");
    }
    // The order is carried out a little later.
    for partition in 0..topic.partitions {
        eventually("the limit holds", LIMIT, async || {
            let (config, name) = (client(), topic.name.clone());
            let sent = tokio::task::spawn_blocking(move || is_refused(&config, &name, partition));
            sent.await.expect("sending does not panic").then_some(())
        })
        .await;
    }
}

/// Sends a message above the limit, and tells whether it was refused.
fn is_refused(config: &ClientConfig, topic: &str, partition: i32) -> bool {
    let (told, value) = (Arc::new(AtomicBool::new(false)), vec![b'x'; BYTES]);
    let producer: BaseProducer<Told> = config.create_with_context(Told(told.clone())).expect("a producer");
    let record = BaseRecord::to(topic).partition(partition).key(PROBE).payload(&value);
    producer.send(record).map_err(|(e, _)| e).expect("a record is queued");
    producer.flush(LIMIT).expect("it is answered");
    told.load(Ordering::SeqCst)
}

struct Told(Arc<AtomicBool>);

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0.store(result.is_err(), Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_switched_with_refused_rows() {
    let _alone = one_at_a_time().await;
    let Some(stage) = Stage::new("once_sizes").await else { return };
    let mut rows = Rows::new(stage).await;
    let letters = rows.config().with("dead_letter_topic", &rows.dead.name);
    let left_out = rows.config().with("ignore_producer_error", true);
    let full = letters.clone().with("dead_letter_full", true);

    // The limit is lowered behind the back of a daemon that has learned a higher one: whole batches are refused.
    let mut daemon = rows.stage.start(&letters, &[]);
    started(&mut daemon, 1).await;
    let first = format!("INSERT INTO {}.sized VALUES ({},'first')", rows.stage.data(), rows.next);
    rows.wanted.insert(rows.next);
    rows.next += 1;
    rows.stage.server.run(&[&first]).await;
    rows.arrived(&mut daemon).await;
    lower(&rows.topic).await;
    rows.insert(true).await;
    for many in [1, 3] {
        rows.letters_come(&mut daemon, many).await;
        daemon.kill();
        daemon = rows.stage.start(&letters, &[]);
    }
    rows.arrived(&mut daemon).await;
    rows.check("dead letters").await;
    // Dead letters come in a new start only; which of several errors tells why is a matter of moments.
    let starts = count(&daemon, "starting again from the stored position");
    assert!(starts > 0, "no batch was refused as a whole\n{}", daemon.log_text());

    // Left out; the daemon changes its mind between two lives.
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    rows.insert(false).await;
    let mut daemon = rows.stage.start(&left_out, &[]);
    let before = rows.next - GROUP * DELTAS.len() as i64;
    eventually("rows arrive", PATIENCE, async || {
        assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
        rows.ids(&rows.topic).await.iter().any(|id| *id >= before).then_some(())
    })
    .await;
    daemon.kill();
    let mut daemon = rows.stage.start(&left_out, &[]);
    rows.arrived(&mut daemon).await;
    rows.check("left out").await;
    assert!(count(&daemon, "left out, because ignore_producer_error is set") > 0, "{}", daemon.log_tail());
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());

    // Neither: the stop, in front of the first that is too large.
    rows.insert(true).await;
    let culprit = *rows.letters.range(before + GROUP * DELTAS.len() as i64..).next().expect("a row that is too large");
    let identity = format!("{}:sized:[(id,{culprit})]", rows.stage.data());
    let (key, value) = rows.lengths(rows.padding(BYTES + 1));
    let size = format!("{} bytes", key + value);
    let file = rows.stage.position_row().await[0][1].clone().expect("a file");
    let words =
        ["Kafka refuses a message", &format!("{file}:"), &*rows.topic.name, &identity, &size, "max.message.bytes", "dead_letter_topic"];
    for name in ["stop", "stop-again"] {
        Refusal { name, code: 1, words: &words }.check(&rows.stage.site, &rows.config(), &[]).await;
    }
    // And on from there, with the whole messages.
    let before = rows.ids(&rows.dead).await.len();
    let mut daemon = rows.stage.start(&full, &[]);
    rows.letters_come(&mut daemon, before + 1).await;
    daemon.kill();
    let mut daemon = rows.stage.start(&full, &[]);
    rows.arrived(&mut daemon).await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    rows.check("after the stop").await;
    let whole = rows.records(&rows.dead).await.iter().filter(|r| r.value.len() > BYTES / 2).count();
    assert_eq!(whole, DELTAS.iter().filter(|d| **d > 0).count(), "whole messages as dead letters");
    println!(
        "once_sizes: {} rows, {} of them too large, {} dead letters, {starts} new starts by refused batches; run {}",
        rows.next - FIRST,
        rows.too_large.len(),
        rows.letters.len(),
        run_number()
    );
    rows.topic.delete().await;
    rows.dead.delete().await;
    rows.stage.end().await;
}
