//! The Kafka producer against a real broker, given as `BINLOGD_TEST_KAFKA=host:port`; restarts need `BINLOGD_TEST_SERVERS_SH`
//! and `BINLOGD_TEST_RUN_DIR` as well (all three come from `scripts/servers.sh env`). Without a broker the tests say SKIPPED,
//! unless `BINLOGD_TEST_ALL=1` demands them. Every test uses topics of its own.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use binlogd::encode::batch::{Batch, Message, MessageKind, Span, TopicId, Topics};
use binlogd::error::Result;
use binlogd::metrics::Metrics;
use binlogd::producer::kafka::{KafkaOptions, KafkaProducer, Settings};
use binlogd::producer::{Completion, Producer};
use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const CLOSE: Duration = Duration::from_secs(60);

/// One broker serves all tests of this file, and one of them kills it.
static BROKER: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

/// A variable of the environment; without it the test is skipped, or fails if all tests are demanded.
fn variable(test: &str, name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|v| !v.is_empty());
    if value.is_none() {
        assert!(std::env::var("BINLOGD_TEST_ALL").as_deref() != Ok("1"), "{test} needs {name}");
        println!("SKIPPED {test}: {name} is not set");
    }
    value
}

/// A name that no earlier run has used.
fn fresh(name: &str) -> String {
    format!("live-{name}-{}", uuid::Uuid::new_v4().simple())
}

async fn create_topic(broker: &str, name: &str, partitions: i32, config: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", broker).create().unwrap();
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in config {
        topic = topic.set(key, value);
    }
    for result in admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
}

fn settings(broker: &str, more: &[(&str, &str)]) -> Settings {
    let mut properties = vec![("bootstrap.servers".to_owned(), broker.to_owned())];
    properties.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    Settings::build(&KafkaOptions { properties, queue_bytes_max: 8 << 20, ignore_producer_error: false }).unwrap()
}

async fn connect(broker: &str, topics: &Arc<Topics>, more: &[(&str, &str)]) -> KafkaProducer {
    KafkaProducer::connect(settings(broker, more), topics.clone(), Arc::new(Metrics::new())).await.unwrap()
}

/// A batch of (topic, partition hash, key, value).
fn batch(messages: &[(TopicId, i32, String, String)]) -> Batch {
    let mut arena = Vec::new();
    let mut write = |text: &str| {
        let start = arena.len() as u32;
        arena.extend_from_slice(text.as_bytes());
        Span { start, len: text.len() as u32 }
    };
    let messages: Vec<Message> = messages
        .iter()
        .map(|(topic, hash, key, value)| Message {
            topic: *topic,
            partition_hash: *hash,
            kind: MessageKind::Row,
            key: write(key),
            value: write(value),
            offset: 4,
        })
        .collect();
    let rows = messages.len() as u64;
    Batch {
        file: "master.000001".into(),
        arena: Bytes::from(arena),
        messages,
        end: None,
        gtids: Vec::new(),
        rows,
        transactions: 1,
        commit_us: 0,
        raw: Default::default(),
    }
}

/// Collects what completions say.
#[derive(Clone, Default)]
struct Answers {
    done: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
}

impl Answers {
    fn completion(&self) -> Completion {
        let answers = self.clone();
        Completion::new(move |result: Result<()>| match result {
            Ok(()) => drop(answers.done.fetch_add(1, Ordering::SeqCst)),
            Err(error) => answers.failed.lock().unwrap().push(error.to_string()),
        })
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap().clone()
    }
}

/// (key, value) of each partition, in order, from the beginning to the end as it is now.
fn read_back(broker: &str, topic: &str, partitions: i32) -> BTreeMap<i32, Vec<(String, String)>> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", broker).set("group.id", "none").set("enable.auto.commit", "false").create().unwrap();
    let mut assignment = TopicPartitionList::new();
    let mut missing = 0;
    for partition in 0..partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, Duration::from_secs(30)).unwrap();
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        missing += high - low;
    }
    consumer.assign(&assignment).unwrap();
    let mut read: BTreeMap<i32, Vec<(String, String)>> = BTreeMap::new();
    let end = Instant::now() + Duration::from_secs(60);
    while missing > 0 {
        assert!(Instant::now() < end, "{missing} messages of {topic} cannot be read back");
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message.unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
        read.entry(message.partition()).or_default().push((text(message.key()), text(message.payload())));
        missing -= 1;
    }
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_partitions_and_order_are_as_sent() {
    let Some(broker) = variable("keys_partitions_and_order_are_as_sent", "BINLOGD_TEST_KAFKA") else { return };
    let _shared = BROKER.read().await;
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let (name, partitions) = (fresh("order"), 4);
        create_topic(&broker, &name, partitions, &[]).await;
        let topics = Arc::new(Topics::new());
        let topic = topics.intern(&name);
        let answers = Answers::default();
        let mut producer = connect(&broker, &topics, &[("compression.type", compression)]).await;
        let mut wanted: BTreeMap<i32, Vec<(String, String)>> = BTreeMap::new();
        for n in 0..200 {
            let messages: Vec<_> = (0..50)
                .map(|i| {
                    let hash: i32 = (n * 50 + i - 5000_i32).wrapping_mul(0x0101_0107);
                    (topic, hash, format!("{{\"pk.id\":{hash}}}"), format!("{{\"n\":{n},\"i\":{i},\"text\":\"äöü\"}}"))
                })
                .collect();
            for (_, hash, key, value) in &messages {
                wanted.entry((hash % partitions).abs()).or_default().push((key.clone(), value.clone()));
            }
            producer.send(batch(&messages), answers.completion()).await.unwrap();
        }
        producer.close(CLOSE).await.unwrap();
        assert_eq!((answers.done(), answers.failed()), (200, vec![]));
        let read = tokio::task::block_in_place(|| read_back(&broker, &name, partitions));
        assert!(read == wanted, "{compression}: not what was sent");
    }
}

/// Kills and starts the broker.
fn servers(verb: &[&str]) {
    let (script, folder) = (std::env::var("BINLOGD_TEST_SERVERS_SH").unwrap(), std::env::var("BINLOGD_TEST_RUN_DIR").unwrap());
    let status = Command::new(script).args(["--dir", &folder]).args(verb).status().unwrap();
    assert!(status.success(), "servers.sh {verb:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_nothing_and_keeps_the_order() {
    let test = "a_killed_broker_loses_nothing_and_keeps_the_order";
    let Some(broker) = variable(test, "BINLOGD_TEST_KAFKA") else { return };
    if variable(test, "BINLOGD_TEST_SERVERS_SH").is_none() || variable(test, "BINLOGD_TEST_RUN_DIR").is_none() {
        return;
    }
    let _alone = BROKER.write().await;
    let (name, partitions) = (fresh("kill"), 3);
    // A kill must not take what was acknowledged: here the log is flushed with every message.
    create_topic(&broker, &name, partitions, &[("flush.messages", "1")]).await;
    let topics = Arc::new(Topics::new());
    let topic = topics.intern(&name);
    let answers = Answers::default();
    let mut producer = connect(&broker, &topics, &[]).await;
    let mut trouble = producer.trouble();
    let killed = Arc::new(tokio::sync::Notify::new());
    let outage = tokio::spawn({
        let killed = killed.clone();
        async move {
            killed.notified().await;
            tokio::task::spawn_blocking(|| servers(&["stop", "--hard", "kafka"])).await.unwrap();
            trouble.wait_for(|t| t.is_some()).await.unwrap();
            tokio::task::spawn_blocking(|| servers(&["restart", "kafka"])).await.unwrap();
            trouble.wait_for(|t| t.is_none()).await.unwrap();
        }
    });
    let (batches, per_batch) = (400, 500);
    for n in 0..batches {
        if n == 100 {
            killed.notify_one();
        }
        let messages: Vec<_> = (0..per_batch)
            .map(|i| (topic, i % partitions, format!("k{i}"), format!("{} {}", n * per_batch + i, "x".repeat(200))))
            .collect();
        producer.send(batch(&messages), answers.completion()).await.unwrap();
    }
    outage.await.unwrap();
    producer.close(CLOSE).await.unwrap();
    assert_eq!((answers.done(), answers.failed()), (batches as usize, vec![]));
    let read = tokio::task::block_in_place(|| read_back(&broker, &name, partitions));
    for (partition, messages) in read {
        let numbers: Vec<i32> = messages.iter().map(|(_, v)| v.split(' ').next().unwrap().parse().unwrap()).collect();
        let wanted: Vec<i32> = (0..batches * per_batch).filter(|n| (n % per_batch) % partitions == partition).collect();
        // Idempotence holds through the restart, so not even a message twice.
        assert!(numbers == wanted, "partition {partition}: {} messages, {} wanted", numbers.len(), wanted.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_nobody_creates_is_one_clear_error() {
    let Some(broker) = variable("a_topic_that_nobody_creates_is_one_clear_error", "BINLOGD_TEST_KAFKA") else { return };
    let _shared = BROKER.read().await;
    let name = fresh("missing");
    let topics = Arc::new(Topics::new());
    let topic = topics.intern(&name);
    let answers = Answers::default();
    // The client asks without "create it", which gives the answers of a broker that is not allowed to.
    let mut producer = connect(&broker, &topics, &[("allow.auto.create.topics", "false"), ("max.block.ms", "1000")]).await;
    let error = producer.send(batch(&[(topic, 0, "k".into(), "v".into())]), answers.completion()).await.unwrap_err();
    let wanted = format!("topic {name} does not exist and the broker does not create it (auto.create.topics.enable=false)");
    assert!(!error.is_transient() && error.to_string().starts_with(&wanted), "{error}");
    assert_eq!((answers.done(), answers.failed().len()), (0, 1));
    let _ = producer.close(CLOSE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_comes_late_or_is_created_by_the_broker_is_waited_for() {
    let Some(broker) = variable("a_topic_that_comes_late_or_is_created_by_the_broker_is_waited_for", "BINLOGD_TEST_KAFKA") else { return };
    let _shared = BROKER.read().await;
    let (late, made) = (fresh("late"), fresh("made"));
    let topics = Arc::new(Topics::new());
    let answers = Answers::default();
    let mut producer = connect(&broker, &topics, &[("allow.auto.create.topics", "false")]).await;
    let creator = tokio::spawn({
        let (broker, late) = (broker.clone(), late.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            create_topic(&broker, &late, 2, &[]).await;
        }
    });
    producer.send(batch(&[(topics.intern(&late), 3, "k".into(), "v".into())]), answers.completion()).await.unwrap();
    creator.await.unwrap();
    producer.close(CLOSE).await.unwrap();
    let mut producer = connect(&broker, &topics, &[]).await;
    producer.send(batch(&[(topics.intern(&made), 0, "k".into(), "w".into())]), answers.completion()).await.unwrap();
    producer.close(CLOSE).await.unwrap();
    assert_eq!((answers.done(), answers.failed()), (2, vec![]));
    let read = tokio::task::block_in_place(|| (read_back(&broker, &late, 2), read_back(&broker, &made, 1)));
    assert_eq!(read.0, BTreeMap::from([(1, vec![("k".into(), "v".into())])]));
    assert_eq!(read.1, BTreeMap::from([(0, vec![("k".into(), "w".into())])]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_above_the_topics_limit_stops_with_its_name() {
    let Some(broker) = variable("a_message_above_the_topics_limit_stops_with_its_name", "BINLOGD_TEST_KAFKA") else { return };
    let _shared = BROKER.read().await;
    let name = fresh("small");
    create_topic(&broker, &name, 1, &[("max.message.bytes", "5000")]).await;
    let topics = Arc::new(Topics::new());
    let topic = topics.intern(&name);
    let answers = Answers::default();
    let mut producer = connect(&broker, &topics, &[("compression.type", "none")]).await;
    let key = r#"{"database":"d","table":"t","pk.id":7}"#.to_owned();
    let _ = producer.send(batch(&[(topic, 0, key, "x".repeat(10_000))]), answers.completion()).await;
    let error = producer.close(CLOSE).await;
    assert_eq!(answers.done(), 0);
    let failed = answers.failed().join("\n");
    for words in ["Kafka refuses a message", "master.000001:4", "d:t:[(id,7)]", "max.message.bytes of the topic"] {
        assert!(failed.contains(words), "{words} in {failed} ({error:?})");
    }
}

/// Most defaults of brokers and of this producer meet here: a message of exactly the largest size must pass a broker with
/// its own default limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_the_largest_size_passes_a_broker_as_it_comes() {
    let Some(broker) = variable("a_message_of_the_largest_size_passes_a_broker_as_it_comes", "BINLOGD_TEST_KAFKA") else { return };
    let _shared = BROKER.read().await;
    let name = fresh("largest");
    create_topic(&broker, &name, 1, &[]).await;
    let topics = Arc::new(Topics::new());
    let topic = topics.intern(&name);
    let answers = Answers::default();
    let mut producer = connect(&broker, &topics, &[("compression.type", "none")]).await;
    // 61 + 21 + 1 around it, the varint lengths 1 and 4 (of key "k" and value), the key.
    let value = "x".repeat(1_048_576 - 61 - 21 - 1 - 2 - 3);
    producer.send(batch(&[(topic, 0, "k".into(), "a".into()), (topic, 0, "k".into(), value.clone())]), answers.completion()).await.unwrap();
    producer.send(batch(&[(topic, 0, "k".into(), "b".into())]), answers.completion()).await.unwrap();
    producer.close(CLOSE).await.unwrap();
    assert_eq!((answers.done(), answers.failed()), (2, vec![]));
    let read = tokio::task::block_in_place(|| read_back(&broker, &name, 1));
    let values: Vec<&str> = read[&0].iter().map(|(_, v)| v.as_str()).collect();
    assert!(values == ["a", value.as_str(), "b"], "{} messages", values.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_broker_is_one_clear_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rows = [
        (format!("127.0.0.1:{port}"), "Connection refused", "check that a broker runs there"),
        (format!("no-such-host.invalid:{port}"), "Failed to resolve", "check the host names"),
    ];
    for (broker, reason, hint) in rows {
        let settings = settings(&broker, &[("max.block.ms", "1500")]);
        let error = KafkaProducer::connect(settings, Arc::default(), Arc::default()).await.err().unwrap();
        let text = error.to_string();
        assert!(error.is_transient(), "only a first start ends with it");
        for words in ["no Kafka broker can be reached", reason, hint, &format!("kafka.bootstrap.servers={broker}")] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }
}
