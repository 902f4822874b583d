//! A real broker for tests of the producer alone: topics, batches made by hand, what was answered, what can be read back.

// Every test binary uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use binlogd::encode::batch::{Batch, Message, MessageKind, Span, TopicId, Topics};
use binlogd::error::Result;
use binlogd::metrics::Metrics;
use binlogd::producer::Completion;
use binlogd::producer::kafka::{KafkaOptions, KafkaProducer, Settings};
use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// A variable of the environment; without it the test is skipped, or fails if all tests are demanded.
pub fn variable(test: &str, name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|v| !v.is_empty());
    if value.is_none() {
        assert!(std::env::var("BINLOGD_TEST_ALL").as_deref() != Ok("1"), "{test} needs {name}");
        println!("SKIPPED {test}: {name} is not set");
    }
    value
}

/// A name that no earlier run has used.
pub fn fresh(name: &str) -> String {
    format!("live-{name}-{}", uuid::Uuid::new_v4().simple())
}

pub async fn create_topic(broker: &str, name: &str, partitions: i32, config: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in config {
        topic = topic.set(key, value);
    }
    for result in admin(broker).create_topics(&[topic], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
}

pub fn settings(broker: &str, more: &[(&str, &str)]) -> Settings {
    let mut properties = vec![("bootstrap.servers".to_owned(), broker.to_owned())];
    properties.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    Settings::build(&KafkaOptions { properties, queue_bytes_max: 8 << 20, ..KafkaOptions::default() }).unwrap()
}

pub async fn connect(broker: &str, topics: &Arc<Topics>, more: &[(&str, &str)]) -> KafkaProducer {
    KafkaProducer::connect(settings(broker, more), topics.clone(), Arc::new(Metrics::new())).await.unwrap()
}

/// A batch of (topic, partition hash, key, value).
pub fn batch(messages: &[(TopicId, i32, String, String)]) -> Batch {
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
pub struct Answers {
    done: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
}

impl Answers {
    pub fn completion(&self) -> Completion {
        let answers = self.clone();
        Completion::new(move |result: Result<()>| match result {
            Ok(()) => drop(answers.done.fetch_add(1, Ordering::SeqCst)),
            Err(error) => answers.failed.lock().unwrap().push(error.to_string()),
        })
    }

    pub fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    pub fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap().clone()
    }
}

pub fn admin(broker: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", broker).create().unwrap()
}

/// A message as it stands in a topic; headers as `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub partition: i32,
    pub key: String,
    pub value: Option<String>,
    pub headers: Vec<String>,
}

/// (key, value) of each partition, in order, from the beginning to the end as it is now.
pub fn read_back(broker: &str, topic: &str, partitions: i32) -> BTreeMap<i32, Vec<(String, String)>> {
    let mut read: BTreeMap<i32, Vec<(String, String)>> = BTreeMap::new();
    for found in read_all(broker, topic, partitions) {
        read.entry(found.partition).or_default().push((found.key, found.value.unwrap_or_default()));
    }
    read
}

/// Everything in a topic, in the order of each partition.
pub fn read_all(broker: &str, topic: &str, partitions: i32) -> Vec<Found> {
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
    let mut read = Vec::new();
    let end = Instant::now() + Duration::from_secs(60);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while missing > 0 {
        assert!(Instant::now() < end, "{missing} messages of {topic} cannot be read back");
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message.unwrap();
        let headers = message.headers().map(|all| all.iter().map(|h| format!("{}={}", h.key, text(h.value.unwrap_or_default()))).collect());
        read.push(Found {
            partition: message.partition(),
            key: text(message.key().unwrap_or_default()),
            value: message.payload().map(text),
            headers: headers.unwrap_or_default(),
        });
        missing -= 1;
    }
    read
}
