//! Kafka topics as a consumer sees them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

const LIMIT: Duration = Duration::from_secs(60);

/// One record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
}

/// A topic of the test's own.
#[derive(Clone)]
pub struct Topic {
    pub brokers: String,
    pub name: String,
    pub partitions: i32,
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("broker.address.family", "v4");
    // Losses of the connection are what the tests provoke; they need no lines.
    config.set("log_level", "0");
    config
}

/// What a cluster answers while it changes.
fn is_passing(why: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::*;
    matches!(why, NotController | RequestTimedOut | NetworkException | BrokerNotAvailable | InvalidReplicationFactor)
}

impl Topic {
    pub async fn create(brokers: &str, name: &str, partitions: i32) -> Topic {
        Topic::create_copied(brokers, name, partitions, 1).await
    }

    /// Asks until the brokers answer: while a cluster's leaders move, a request may be lost with its connection.
    pub async fn create_copied(brokers: &str, name: &str, partitions: i32, copies: i32) -> Topic {
        let wanted = NewTopic::new(name, partitions, TopicReplication::Fixed(copies));
        let options = AdminOptions::new().operation_timeout(Some(LIMIT));
        let end = Instant::now() + LIMIT;
        let mut lost = false;
        loop {
            let admin: AdminClient<DefaultClientContext> = client(brokers).create().expect("an admin client");
            match admin.create_topics([&wanted], &options).await.map(|mut results| results.remove(0)) {
                Ok(Ok(_)) => break,
                // Made by the request whose answer was lost.
                Ok(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) if lost => break,
                Ok(Err((_, why))) if !is_passing(why) => panic!("the topic {name} can be made: {why}"),
                refused => {
                    assert!(Instant::now() < end, "the topic {name} could not be made: {refused:?}");
                    eprintln!("topic {name}: asked again after {refused:?}");
                    lost = true;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        Topic { brokers: brokers.to_owned(), name: name.to_owned(), partitions }
    }

    pub async fn delete(&self) {
        let admin: AdminClient<DefaultClientContext> = client(&self.brokers).create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(LIMIT));
        // A topic that stays is no failure of what was tested.
        if let Err(e) = admin.delete_topics(&[&self.name], &options).await {
            eprintln!("topic {} could not be deleted: {e}", self.name);
        }
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = client(&self.brokers);
        config.set("group.id", "binlogd-test").set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut all = TopicPartitionList::new();
        for partition in 0..self.partitions {
            all.add_partition_offset(&self.name, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&all).expect("partitions can be assigned");
        consumer
    }

    /// Everything that is on the topic now, each partition in its order. Blocks.
    pub fn read_all(&self) -> Vec<Record> {
        let consumer = self.consumer();
        let mut missing = ends(&consumer, self);
        let mut records = Vec::new();
        let end = Instant::now() + LIMIT;
        while missing.values().any(|n| *n > 0) {
            assert!(Instant::now() < end, "the topic {} could not be read to its end: {missing:?} missing", self.name);
            if let Some(record) = poll(&consumer) {
                *missing.entry(record.partition).or_default() -= 1;
                records.push(record);
            }
        }
        records.sort_by_key(|r| (r.partition, r.offset));
        records
    }

    /// As `read_all`, off the async threads.
    pub async fn records(&self) -> Vec<Record> {
        let topic = self.clone();
        tokio::task::spawn_blocking(move || topic.read_all()).await.expect("reading does not panic")
    }

    /// How many messages the topic has.
    pub async fn count(&self) -> i64 {
        let topic = self.clone();
        let count = tokio::task::spawn_blocking(move || ends(&topic.consumer(), &topic).values().sum());
        count.await.expect("asking does not panic")
    }

    /// Follows the topic from its beginning in a thread of its own; every record goes to `sink`.
    pub fn follow(&self, mut sink: impl FnMut(Record) + Send + 'static) -> Follower {
        let stop = Arc::new(AtomicBool::new(false));
        let (topic, asked) = (self.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let consumer = topic.consumer();
            let mut read: HashMap<i32, i64> = HashMap::new();
            let mut take = |record: Record| {
                *read.entry(record.partition).or_default() += 1;
                sink(record);
            };
            while !asked.load(Ordering::Relaxed) {
                poll(&consumer).into_iter().for_each(&mut take);
            }
            let end = Instant::now() + LIMIT;
            let mut missing: i64 = ends(&consumer, &topic).values().sum::<i64>() - read.values().sum::<i64>();
            while missing > 0 {
                assert!(Instant::now() < end, "{missing} messages of {} could not be read", topic.name);
                if let Some(record) = poll(&consumer) {
                    missing -= 1;
                    sink(record);
                }
            }
        });
        Follower { stop, thread: Some(thread) }
    }
}

/// The messages of each partition. Nothing is compacted and there are no transactions, so that offsets count them.
fn ends(consumer: &BaseConsumer, topic: &Topic) -> HashMap<i32, i64> {
    let ask = |p| consumer.fetch_watermarks(&topic.name, p, LIMIT).map(|(low, high)| high - low);
    (0..topic.partitions).map(|p| (p, ask(p).expect("the broker tells the topic's end"))).collect()
}

/// The next record; errors are connections that the client mends by itself.
fn poll(consumer: &BaseConsumer) -> Option<Record> {
    let message = consumer.poll(Duration::from_millis(200))?.ok()?;
    Some(Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec).unwrap_or_default(),
    })
}

/// A thread that follows a topic.
pub struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Reads on to the present end of the topic, then ends. Blocks.
    pub fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the topic could be read");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
