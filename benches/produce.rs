//! Messages per second through the Kafka producer: by default into librdkafka's mock cluster in this process (two cores
//! shared with it), or into `BINLOGD_BENCH_KAFKA=host:port`. Run with `cargo bench --bench produce`; arguments: messages,
//! bytes per value, then `kafka.*` settings as name=value. A plain program, because what is wanted is one long run and not a
//! statistic of short ones; without `--bench` (as `cargo test` runs it) it does nothing.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use binlogd::encode::batch::{Batch, Message, MessageKind, Span, TopicId, Topics};
use binlogd::metrics::Metrics;
use binlogd::producer::kafka::{KafkaOptions, KafkaProducer, Settings};
use binlogd::producer::{Completion, Producer};
use bytes::Bytes;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

const BATCH_BYTES: usize = 1 << 20;
const TOPIC: &str = "bench";
const PARTITIONS: i32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|a| a == "--bench") {
        println!("produce: run it with cargo bench");
        return Ok(());
    }
    arguments.retain(|a| a != "--bench");
    let (settings, numbers): (Vec<String>, Vec<String>) = arguments.into_iter().partition(|a| a.contains('='));
    let messages: u64 = numbers.first().map_or(Ok(3_000_000), |n| n.parse())?;
    let value_bytes: usize = numbers.get(1).map_or(Ok(200), |n| n.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run(messages, value_bytes, settings))
}

async fn run(messages: u64, value_bytes: usize, settings: Vec<String>) -> Result<(), Box<dyn Error>> {
    let outside = std::env::var("BINLOGD_BENCH_KAFKA").ok();
    let mock: Option<MockCluster<'static, DefaultProducerContext>> = if outside.is_none() { Some(MockCluster::new(1)?) } else { None };
    if let Some(mock) = &mock {
        mock.create_topic(TOPIC, PARTITIONS, 1)?;
    }
    let brokers = outside.or_else(|| mock.as_ref().map(|m| m.bootstrap_servers())).unwrap_or_default();
    let mut properties = vec![("bootstrap.servers".to_owned(), brokers)];
    properties.extend(settings.iter().filter_map(|s| s.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())));
    let options = KafkaOptions { properties, queue_bytes_max: 32 << 20, ..KafkaOptions::default() };
    let settings = Settings::build(&options).map_err(|faults| faults.iter().map(|f| f.to_string()).collect::<Vec<_>>().join("\n"))?;
    let topics = Arc::new(Topics::new());
    let topic = topics.intern(TOPIC);
    let mut producer = KafkaProducer::connect(settings, topics, Arc::new(Metrics::new())).await?;
    let template = batch(topic, value_bytes);
    let per_batch = template.messages.len() as u64;
    let batches = messages.div_ceil(per_batch);
    let failed = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    for _ in 0..batches {
        let failed = failed.clone();
        let done = Completion::new(move |result| {
            failed.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
        });
        producer.send(template.clone(), done).await?;
    }
    let sent = start.elapsed();
    producer.close(Duration::from_secs(120)).await?;
    let took = start.elapsed();
    let count = (batches * per_batch) as f64;
    println!(
        "{count} messages of {value_bytes} + 54 bytes in {:.2} s (handed over in {:.2} s): {:.0} msg/s, {} failed batches",
        took.as_secs_f64(),
        sent.as_secs_f64(),
        count / took.as_secs_f64(),
        failed.load(Ordering::Relaxed)
    );
    Ok(())
}

fn batch(topic: TopicId, value_bytes: usize) -> Batch {
    let mut arena = Vec::with_capacity(BATCH_BYTES + 4096);
    let mut messages = Vec::new();
    let mut id: u64 = 0;
    while arena.len() < BATCH_BYTES {
        let key = write(&mut arena, &format!("{{\"database\":\"shop\",\"table\":\"orders\",\"pk.id\":{id:012}}}"));
        // Text that compresses about as well as rows do.
        let value = format!(
            "{{\"database\":\"shop\",\"table\":\"orders\",\"type\":\"insert\",\"ts\":1735689600,\"data\":{{\"id\":{id},\"note\":\""
        );
        let filler: String = (0..)
            .map(|i: u64| format!("{:x}", (id + i).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            .scan(0, |n, s| {
                *n += s.len();
                (*n < value_bytes + 16).then_some(s)
            })
            .collect();
        let mut value = value + &filler;
        value.truncate(value_bytes);
        let value = write(&mut arena, &value);
        let partition_hash = (id as i32).wrapping_mul(31);
        messages.push(Message { topic, partition_hash, kind: MessageKind::Row, key, value, offset: id });
        id += 1;
    }
    let rows = messages.len() as u64;
    Batch {
        file: "bench.000001".into(),
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

fn write(arena: &mut Vec<u8>, text: &str) -> Span {
    let start = arena.len() as u32;
    arena.extend_from_slice(text.as_bytes());
    Span { start, len: text.len() as u32 }
}
