//! Topics whose messages are sent in transactions, as a reader with isolation.level=read_committed sees them. Offsets do not
//! count messages there, so the end is where the broker says that it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::topic::Record;

/// Only a bound for what hangs.
const LIMIT: Duration = Duration::from_secs(90);

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("broker.address.family", "v4").set("log_level", "0");
    config
}

fn consumer(brokers: &str, topic: &str, partitions: i32) -> BaseConsumer {
    let mut config = client(brokers);
    config.set("group.id", "binlogd-test").set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&all).expect("partitions can be assigned");
    consumer
}

enum Polled {
    Record(Record),
    End(i32),
    Nothing,
}

fn poll(consumer: &BaseConsumer) -> Polled {
    match consumer.poll(Duration::from_millis(200)) {
        Some(Ok(message)) => Polled::Record(Record {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec).unwrap_or_default(),
        }),
        Some(Err(KafkaError::PartitionEOF(partition))) => Polled::End(partition),
        // Connections that the client mends by itself.
        _ => Polled::Nothing,
    }
}

/// Everything that is committed and can be read now, each partition in its order.
pub async fn records(brokers: &str, topic: &str, partitions: i32) -> Vec<Record> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let read = move || {
        let consumer = consumer(&brokers, &topic, partitions);
        let (mut records, mut ended) = (Vec::new(), vec![false; partitions as usize]);
        let until = Instant::now() + LIMIT;
        while !ended.iter().all(|e| *e) {
            assert!(Instant::now() < until, "the topic {topic} could not be read to its end");
            match poll(&consumer) {
                Polled::Record(record) => {
                    ended[record.partition as usize] = false;
                    records.push(record);
                }
                Polled::End(partition) => ended[partition as usize] = true,
                Polled::Nothing => {}
            }
        }
        records
    };
    tokio::task::spawn_blocking(read).await.expect("reading does not panic")
}

/// A thread that shows every committed record to `see`, until it is dropped.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

pub fn watch(brokers: &str, topic: &str, partitions: i32, mut see: impl FnMut(Record) + Send + 'static) -> Watcher {
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, consumer) = (stop.clone(), consumer(brokers, topic, partitions));
    let thread = std::thread::spawn(move || {
        while !asked.load(Ordering::Relaxed) {
            if let Polled::Record(record) = poll(&consumer) {
                see(record);
            }
        }
    });
    Watcher { stop, thread: Some(thread) }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it was shown already.
            let _ = thread.join();
        }
    }
}

/// Writes one record outside any transaction, as somebody else would.
pub async fn write(brokers: &str, topic: &str, key: &str, value: &str) {
    let (brokers, topic, key, value) = (brokers.to_owned(), topic.to_owned(), key.to_owned(), value.to_owned());
    let send = move || {
        let producer: BaseProducer = client(&brokers).create().expect("a producer");
        producer.send(BaseRecord::to(&topic).partition(0).key(&key).payload(&value)).map_err(|(e, _)| e).expect("a record is queued");
        producer.flush(LIMIT).expect("a record is delivered");
    };
    tokio::task::spawn_blocking(send).await.expect("writing does not panic");
}
