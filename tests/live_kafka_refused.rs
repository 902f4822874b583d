//! Messages that a real broker refuses, among small neighbours that it takes: sizes around both limits, records that are invalid,
//! dead letters in both forms, messages left out, and the stop. The broker is `BINLOGD_TEST_KAFKA=host:port` (from
//! `scripts/servers.sh env`). Every test uses topics of its own.
//!
//! A refused batch ends the client, and the daemon then starts again from the stored position. `deliver` does what the daemon
//! does, without MySQL: a new producer with the same settings, and everything again from the first batch without an answer.

#[path = "live_support/broker.rs"]
mod broker;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use binlogd::encode::KeyFormat;
use binlogd::encode::batch::{TopicId, Topics};
use binlogd::error::Error;
use binlogd::metrics::Metrics;
use binlogd::producer::kafka::{DeadLetters, KafkaOptions, KafkaProducer, Settings};
use binlogd::producer::{Completion, Producer};
use broker::*;
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};

const CLOSE: Duration = Duration::from_secs(60);

/// Bytes that the limits of these tests allow.
const LIMIT: usize = 20_000;

/// Messages per batch of ours.
const BATCH: usize = 5;

const PARTITIONS: i32 = 2;

/// Messages with ids from here on only open the topic.
const WARM: usize = 1000;

struct Bench {
    topics: Arc<Topics>,
    metrics: Arc<Metrics>,
    settings: Settings,
    /// Starts of a producer.
    starts: usize,
    /// Broker and topic whose limit is raised before each start and lowered behind the client's back.
    unawares: Option<(String, String)>,
}

/// A message: topic, partition, key, value.
type Sent = (TopicId, i32, String, String);

/// What became of each batch.
type Answered = Arc<Mutex<Vec<Option<Result<(), Error>>>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Stop,
    Ignore,
    Short,
    Full,
}

impl Bench {
    fn new(broker: &str, policy: Policy, dead: &str, more: &[(&str, &str)]) -> Self {
        let mut properties = vec![("bootstrap.servers".to_owned(), broker.to_owned())];
        properties.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let letters = DeadLetters { topic: dead.to_owned(), full: policy == Policy::Full, keys: KeyFormat::Hash };
        let options = KafkaOptions {
            properties,
            queue_bytes_max: 8 << 20,
            ignore_producer_error: policy == Policy::Ignore,
            dead_letters: matches!(policy, Policy::Short | Policy::Full).then_some(letters),
            ..KafkaOptions::default()
        };
        let settings = Settings::build(&options).unwrap();
        Bench { topics: Arc::default(), metrics: Arc::default(), settings, starts: 0, unawares: None }
    }

    /// Sends messages of (topic, partition, key, value), whose place is `master.000001` and `first` plus their number.
    async fn deliver(&mut self, messages: &[Sent], first: u64) -> Result<(), Error> {
        let batches: Vec<_> = messages
            .chunks(BATCH)
            .enumerate()
            .map(|(n, chunk)| {
                let mut made = batch(chunk);
                for (i, message) in made.messages.iter_mut().enumerate() {
                    message.offset = first + (n * BATCH + i) as u64;
                }
                made
            })
            .collect();
        let answers: Answered = Arc::new(Mutex::new(batches.iter().map(|_| None).collect()));
        loop {
            self.starts += 1;
            assert!(self.starts < 50, "no end of new starts");
            let from = answers.lock().unwrap().iter().take_while(|a| matches!(a, Some(Ok(())))).count();
            answers.lock().unwrap()[from..].fill_with(|| None);
            if let Some((broker, topic)) = &self.unawares {
                limit(broker, topic, 1_048_588).await;
            }
            let mut producer = KafkaProducer::connect(self.settings.clone(), self.topics.clone(), self.metrics.clone()).await?;
            if let Some((broker, topic)) = &self.unawares {
                let first = Answers::default();
                producer.send(batch(&[(self.topics.intern(topic), 0, key(WARM), value(WARM, 1))]), first.completion()).await?;
                while first.done() == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                limit(broker, topic, LIMIT).await;
            }
            let mut failed = None;
            for (n, batch) in batches.iter().enumerate().skip(from) {
                let answers = answers.clone();
                let done = Completion::new(move |result| answers.lock().unwrap()[n] = Some(result));
                if let Err(error) = producer.send(batch.clone(), done).await {
                    failed = Some(error);
                    break;
                }
            }
            let closed = producer.close(CLOSE).await.err();
            let answered = answers.lock().unwrap().iter_mut().filter_map(|a| a.take_if(|r| r.is_err())?.err()).next();
            let failed = failed.or(answered).or(closed);
            match failed {
                None => return Ok(()),
                Some(error) if error.is_transient() => println!("new start: {error}"),
                Some(error) => return Err(error),
            }
        }
    }
}

fn varint_bytes(n: usize) -> usize {
    // Zigzag doubles a number; seven bits a byte.
    (1..).find(|bytes| (n as u128) << 1 < 1 << (7 * bytes)).unwrap()
}

/// What `kafka.max.request.size` bounds: Java's upper estimate of a batch with this one message.
fn request_bytes(key: &str, value: &str) -> usize {
    61 + 21 + 1 + varint_bytes(key.len()) + key.len() + varint_bytes(value.len()) + value.len()
}

/// What `max.message.bytes` bounds: a batch with this one message, uncompressed. Kafka's message format, version 2.
fn batch_bytes(key: &str, value: &str) -> usize {
    let record = 4 + varint_bytes(key.len()) + key.len() + varint_bytes(value.len()) + value.len();
    61 + varint_bytes(record) + record
}

fn key(id: usize) -> String {
    format!(r#"{{"database":"d","table":"t","pk.id":{id}}}"#)
}

fn value(id: usize, padding: usize) -> String {
    format!(r#"{{"database":"d","table":"t","type":"update","ts":1,"data":{{"ID":{id},"x":"{}"}}}}"#, "x".repeat(padding))
}

/// A value that makes the message exactly this large.
fn value_of(id: usize, bytes: usize, measure: fn(&str, &str) -> usize) -> String {
    let key = key(id);
    let least = measure(&key, &value(id, 0));
    (bytes - least - 8..=bytes - least).map(|n| value(id, n)).find(|v| measure(&key, v) == bytes).expect("a size that can be had")
}

const DELTAS: &[isize] = &[-200, -100, -50, -20, -10, -3, -2, -1, 0, 1, 2, 3, 10, 20, 50, 100, 200];
/// Where each refusal costs a new start.
const FEW_DELTAS: &[isize] = &[-200, -1, 0, 1, 2, 200];

/// A stream of large messages around the limit, each between small ones of both partitions, and the ids of those too large.
fn around(topic: TopicId, bound: Bound) -> (Vec<Sent>, Vec<usize>) {
    let measure = if bound == Bound::Request { request_bytes } else { batch_bytes };
    let (mut messages, mut too_large) = (Vec::new(), Vec::new());
    for delta in if bound == Bound::TopicUnawares { FEW_DELTAS } else { DELTAS } {
        for i in 0..6 {
            let id = messages.len();
            if i != 3 {
                messages.push((topic, i % 2, key(id), value(id, 10)));
                continue;
            }
            messages.push((topic, 1, key(id), value_of(id, LIMIT.checked_add_signed(*delta).unwrap(), measure)));
            if *delta > 0 {
                too_large.push(id);
            }
        }
    }
    (messages, too_large)
}

fn id_of(key: &str) -> usize {
    key.rsplit(':').next().unwrap().trim_end_matches('}').parse().unwrap()
}

/// Asserts that a topic holds these messages in order: exactly, or (after new starts) so that leaving repetitions out gives
/// the order, from the front as from the back.
fn assert_holds(found: &[Found], wanted: &[Sent], exactly: bool, what: &str) {
    for partition in 0..PARTITIONS {
        let found: Vec<(usize, &str)> =
            found.iter().filter(|f| f.partition == partition).map(|f| (id_of(&f.key), f.value.as_deref().unwrap())).collect();
        let wanted: Vec<(usize, &str)> = wanted.iter().filter(|w| w.1 == partition).map(|w| (id_of(&w.2), w.3.as_str())).collect();
        let ids = |all: &[(usize, &str)]| all.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        if exactly {
            assert_eq!(ids(&found), ids(&wanted), "{what}, partition {partition}");
            assert!(found == wanted, "{what}: values");
            continue;
        }
        let mut firsts: Vec<(usize, &str)> = Vec::new();
        for one in &found {
            if !firsts.contains(one) {
                firsts.push(*one);
            }
        }
        let mut lasts: Vec<(usize, &str)> = Vec::new();
        for one in found.iter().rev() {
            if !lasts.contains(one) {
                lasts.push(*one);
            }
        }
        lasts.reverse();
        assert_eq!(ids(&firsts), ids(&wanted), "{what}, partition {partition}, first times");
        assert_eq!(ids(&lasts), ids(&wanted), "{what}, partition {partition}, last times");
        assert!(firsts == wanted, "{what}: values");
    }
}

/// Where the limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Request,
    /// Known from the topic before the first message.
    Topic,
    /// Every client has learned a higher one, so that whole batches are refused.
    TopicUnawares,
}

async fn limit(broker: &str, topic: &str, bytes: usize) {
    let (admin, bytes) = (admin(broker), bytes.to_string());
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", &bytes);
    for result in admin.alter_configs(&[change], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    // The order is carried out a little later.
    loop {
        let answers = admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await.unwrap();
        let now = answers.into_iter().next().unwrap().unwrap().get("max.message.bytes").unwrap().value.clone();
        if now.as_deref() == Some(&bytes) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A bench whose topic is limited as wanted.
async fn bench(broker: &str, bound: Bound, policy: Policy, dead: &str) -> (Bench, TopicId, String) {
    let bytes = LIMIT.to_string();
    let name = fresh("refused");
    let mut more = vec![("compression.type", "none"), ("linger.ms", "50")];
    if bound == Bound::Request {
        more.push(("max.request.size", &bytes));
    }
    let limited = [("max.message.bytes", bytes.as_str())];
    create_topic(broker, &name, PARTITIONS, if bound == Bound::Topic { &limited } else { &[] }).await;
    let mut bench = Bench::new(broker, policy, dead, &more);
    let topic = bench.topics.intern(&name);
    bench.unawares = (bound == Bound::TopicUnawares).then(|| (broker.to_owned(), name.clone()));
    (bench, topic, name)
}

/// What a topic holds but for the messages that only open it.
fn found_in(broker: &str, topic: &str) -> Vec<Found> {
    let mut found = tokio::task::block_in_place(|| read_all(broker, topic, PARTITIONS));
    found.retain(|f| id_of(&f.key) < WARM);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_too_large_is_refused_and_the_order_holds() {
    let Some(broker) = variable("only_what_is_too_large_is_refused_and_the_order_holds", "BINLOGD_TEST_KAFKA") else { return };
    for bound in [Bound::Request, Bound::Topic, Bound::TopicUnawares] {
        for policy in [Policy::Ignore, Policy::Short, Policy::Full] {
            let what = format!("{bound:?} {policy:?}");
            let dead = fresh("dead");
            create_topic(&broker, &format!("{dead}-d-t"), 3, &[]).await;
            let (mut bench, topic, name) = bench(&broker, bound, policy, &format!("{dead}-%{{database}}-%{{table}}")).await;
            let (messages, too_large) = around(topic, bound);
            bench.deliver(&messages, 1000).await.unwrap_or_else(|e| panic!("{what}: {e}"));
            println!("{what}: {} starts", bench.starts);
            let unawares = bound == Bound::TopicUnawares;
            assert_eq!(bench.starts > 1, unawares, "{what}");
            let wanted: Vec<_> = messages.iter().filter(|m| !too_large.contains(&id_of(&m.2))).cloned().collect();
            let letters = tokio::task::block_in_place(|| read_all(&broker, &format!("{dead}-d-t"), 3));
            assert_holds(&found_in(&broker, &name), &wanted, !unawares, &what);
            assert!(bench.metrics.messages_failed.get() >= too_large.len() as u64, "{what}");
            if policy == Policy::Ignore {
                assert!(letters.is_empty(), "{what}");
                let dropped = bench.metrics.messages_dropped.get();
                assert!(if unawares { dropped >= too_large.len() as u64 } else { dropped == too_large.len() as u64 }, "{what}: {dropped}");
                continue;
            }
            assert_eq!(
                (bench.metrics.messages_dropped.get(), bench.metrics.messages_dead_lettered.get()),
                (0, letters.len() as u64),
                "{what}"
            );
            let mut ids: Vec<usize> = letters.iter().map(|l| id_of(&l.key)).collect();
            ids.sort();
            if unawares {
                // At least once.
                ids.dedup();
            }
            assert_eq!(ids, too_large, "{what}");
            for letter in &letters {
                let id = id_of(&letter.key);
                let (value, headers) = if policy == Policy::Short {
                    (
                        format!(
                            r#"{{"database":"d","table":"t","type":"update","reason":"RecordTooLargeException","data":{{"id":{id}}}}}"#
                        ),
                        vec![],
                    )
                } else {
                    let headers = [
                        "binlogd.reason=RecordTooLargeException".to_owned(),
                        format!("binlogd.position=master.000001:{}", 1000 + id),
                        format!("binlogd.topic={name}"),
                    ];
                    (messages[id].3.clone(), headers.to_vec())
                };
                assert!(letter.value.as_deref() == Some(value.as_str()), "{what}: the letter of {id} is {:?}", letter.value);
                assert_eq!(letter.headers.get(..headers.len()), Some(&headers[..]), "{what}");
                assert_eq!(letter.headers.len(), if policy == Policy::Full { 4 } else { 0 }, "{what}: {:?}", letter.headers);
            }
        }
    }
}

/// The client that learned a limit goes on with batches made for it when the limit is lowered: the broker then refuses whole
/// batches. Their small messages must not go with the large one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_batch_is_sent_again_one_by_one() {
    let Some(broker) = variable("a_refused_batch_is_sent_again_one_by_one", "BINLOGD_TEST_KAFKA") else { return };
    for policy in [Policy::Ignore, Policy::Short] {
        let (name, dead) = (fresh("unawares"), fresh("dead"));
        create_topic(&broker, &name, PARTITIONS, &[]).await;
        // The messages wait for each other, so that batches are large; the limit is lowered between connecting and sending.
        let mut bench = Bench::new(&broker, policy, &dead, &[("compression.type", "none"), ("linger.ms", "300")]);
        let topic = bench.topics.intern(&name);
        let messages: Vec<_> =
            (0..400).map(|id| (topic, 1, key(id), if id == 200 { value_of(id, LIMIT + 1, batch_bytes) } else { value(id, 10) })).collect();
        let mut producer = KafkaProducer::connect(bench.settings.clone(), bench.topics.clone(), bench.metrics.clone()).await.unwrap();
        let answers = Answers::default();
        producer.send(batch(&[(topic, 0, key(0), value(0, 0))]), answers.completion()).await.unwrap();
        while answers.done() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        limit(&broker, &name, LIMIT).await;
        let mut all = batch(&messages);
        for (i, message) in all.messages.iter_mut().enumerate() {
            message.offset = 1000 + i as u64;
        }
        producer.send(all, answers.completion()).await.unwrap();
        let _ = producer.close(CLOSE).await;
        assert_eq!(answers.done(), 1);
        assert!(answers.failed()[0].contains("Kafka refuses a batch of messages"), "{:?}", answers.failed());
        // As the daemon does.
        bench.deliver(&messages, 1000).await.unwrap();
        assert_eq!(bench.starts, 1, "the second try needs no third");
        let found = tokio::task::block_in_place(|| read_all(&broker, &name, PARTITIONS));
        let found: Vec<Found> = found.into_iter().filter(|f| f.partition == 1).collect();
        let wanted: Vec<_> = messages.iter().filter(|m| m.2 != key(200)).cloned().collect();
        assert_holds(&found, &wanted, false, &format!("{policy:?}"));
        let dropped = u64::from(policy == Policy::Ignore);
        assert_eq!((bench.metrics.messages_dropped.get(), bench.metrics.messages_dead_lettered.get()), (dropped, 1 - dropped));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_policy_it_stops_at_the_message_and_nothing_overtakes() {
    let Some(broker) = variable("without_a_policy_it_stops_at_the_message_and_nothing_overtakes", "BINLOGD_TEST_KAFKA") else { return };
    for bound in [Bound::Request, Bound::Topic, Bound::TopicUnawares] {
        let (mut bench, topic, name) = bench(&broker, bound, Policy::Stop, "").await;
        let (messages, too_large) = around(topic, bound);
        let error = bench.deliver(&messages, 1000).await.unwrap_err();
        let (id, text) = (too_large[0], error.to_string());
        assert!(!error.is_transient(), "{error:?}");
        let place = format!("master.000001:{}, topic {name}", 1000 + id);
        let size = format!("d:t:[(id,{id})], {} bytes", messages[id].2.len() + messages[id].3.len());
        let option = if bound == Bound::Request { "raise kafka.max.request.size" } else { "raise max.message.bytes of the topic" };
        for words in [place.as_str(), &size, option, "dead_letter_topic", "ignore_producer_error=true"] {
            assert!(text.contains(words), "{bound:?}: {words} in {text}");
        }
        let found = found_in(&broker, &name);
        let behind = found.iter().filter(|f| f.partition == 1).any(|f| id_of(&f.key) > id);
        assert!(!behind, "{bound:?}: something went out behind it");
        // The operator decides, and the daemon starts again: the rest follows.
        bench.settings.ignore_producer_error = true;
        bench.deliver(&messages, 1000).await.unwrap();
        let wanted: Vec<_> = messages.iter().filter(|m| !too_large.contains(&id_of(&m.2))).cloned().collect();
        assert_holds(&found_in(&broker, &name), &wanted, false, &format!("{bound:?}"));
    }
}

/// A compacted topic takes no message without a key, and refuses the batch that it is in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_record_is_found_among_its_neighbours() {
    let Some(broker) = variable("an_invalid_record_is_found_among_its_neighbours", "BINLOGD_TEST_KAFKA") else { return };
    for (policy, left_out) in [(Policy::Ignore, 1), (Policy::Short, 0)] {
        let (name, dead) = (fresh("compacted"), fresh("dead"));
        create_topic(&broker, &name, PARTITIONS, &[("cleanup.policy", "compact")]).await;
        let mut bench = Bench::new(&broker, policy, &dead, &[("linger.ms", "200")]);
        let topic = bench.topics.intern(&name);
        let mut messages: Vec<_> = (0..60).map(|id| (topic, 1, key(id), value(id, 10))).collect();
        messages[30].2 = String::new();
        bench.deliver(&messages, 1000).await.unwrap();
        assert!(bench.starts > 1, "the broker took it");
        let found = tokio::task::block_in_place(|| read_all(&broker, &name, PARTITIONS));
        messages.remove(30);
        assert_holds(&found, &messages, false, &format!("{policy:?}"));
        assert_eq!((bench.metrics.messages_dropped.get(), bench.metrics.messages_dead_lettered.get()), (left_out, 1 - left_out));
        if policy == Policy::Short {
            let letters = tokio::task::block_in_place(|| read_all(&broker, &dead, 1));
            // Without a primary key in the message the letter has a random one.
            assert!(letters[0].key.starts_with(r#"{"database":"d","table":"t","_uuid":""#), "{letters:?}");
            let wanted = r#"{"database":"d","table":"t","type":"update","reason":"InvalidRecordException","data":{}}"#;
            assert_eq!(letters[0].value.as_deref(), Some(wanted));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_that_compresses_well_passes_a_small_limit() {
    let Some(broker) = variable("a_large_message_that_compresses_well_passes_a_small_limit", "BINLOGD_TEST_KAFKA") else { return };
    let name = fresh("compresses");
    create_topic(&broker, &name, PARTITIONS, &[("max.message.bytes", "20000")]).await;
    let mut bench = Bench::new(&broker, Policy::Stop, "", &[("compression.type", "lz4")]);
    let topic = bench.topics.intern(&name);
    let messages: Vec<_> = (0..30).map(|id| (topic, 1, key(id), value(id, if id % 7 == 3 { 300_000 } else { 10 }))).collect();
    bench.deliver(&messages, 1000).await.unwrap();
    let found = tokio::task::block_in_place(|| read_all(&broker, &name, PARTITIONS));
    assert_holds(&found, &messages, bench.starts == 1, "lz4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_cannot_be_sent_stops_the_daemon() {
    let Some(broker) = variable("a_dead_letter_that_cannot_be_sent_stops_the_daemon", "BINLOGD_TEST_KAFKA") else { return };
    let (name, small) = (fresh("source"), fresh("small-dead"));
    create_topic(&broker, &name, PARTITIONS, &[]).await;
    create_topic(&broker, &small, 1, &[("max.message.bytes", "10000")]).await;
    // Each row: form, topic, what the error says.
    let rows = [
        (
            Policy::Short,
            "nobody-makes-this",
            "no dead letter can be sent to topic nobody-makes-this: topic nobody-makes-this does not exist",
        ),
        (Policy::Short, "no/such/name", "Kafka allows no topic named \"no/such/name\""),
        (Policy::Full, &small, "Kafka refuses a message: Broker: Message size too large"),
    ];
    for (policy, dead, words) in rows {
        let more =
            [("max.request.size", "20000"), ("allow.auto.create.topics", "false"), ("max.block.ms", "500"), ("compression.type", "none")];
        let mut bench = Bench::new(&broker, policy, dead, &more);
        let topic = bench.topics.intern(&name);
        let error = bench.deliver(&[(topic, 0, key(7), value(7, 30_000))], 1000).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("master.000001:1000, topic") && error.to_string().contains("d:t:[(id,7)]"), "{error}");
        assert_eq!(bench.metrics.messages_dead_lettered.get(), 0);
    }
}

/// A topic whose name Kafka does not allow is a lasting fault of a whole table: a dead letter for each message, or the stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_kafka_does_not_allow_stops_or_makes_dead_letters() {
    let Some(broker) = variable("a_name_that_kafka_does_not_allow_stops_or_makes_dead_letters", "BINLOGD_TEST_KAFKA") else { return };
    for (policy, letters) in [(Policy::Stop, None), (Policy::Ignore, None), (Policy::Short, Some(4))] {
        let (good, dead) = (fresh("good"), fresh("dead"));
        create_topic(&broker, &good, PARTITIONS, &[]).await;
        create_topic(&broker, &dead, 1, &[]).await;
        let mut bench = Bench::new(&broker, policy, &dead, &[]);
        let ids: Vec<TopicId> = [good.as_str(), "a$b", "a\\b", "shop.bücher", &"x".repeat(250)].map(|n| bench.topics.intern(n)).to_vec();
        let messages: Vec<_> = (0..10).map(|id| (ids[if id % 2 == 0 { 0 } else { id / 2 % 4 + 1 }], 1, key(id), value(id, 1))).collect();
        let result = bench.deliver(&messages[..9], 1000).await;
        match letters {
            None => {
                let error = result.unwrap_err();
                assert!(!error.is_transient() && error.to_string().contains("Kafka allows no topic named \"a$b\""), "{policy:?}: {error}");
            }
            Some(count) => {
                result.unwrap();
                let found = tokio::task::block_in_place(|| read_all(&broker, &good, PARTITIONS));
                assert_holds(&found, &messages.iter().filter(|m| m.0 == ids[0]).cloned().collect::<Vec<_>>(), true, "good");
                let found = tokio::task::block_in_place(|| read_all(&broker, &dead, 1));
                assert_eq!(found.len(), count);
                assert!(found.iter().all(|f| f.value.as_deref().unwrap().contains("\"reason\":\"InvalidTopicException\"")), "{found:?}");
            }
        }
    }
}
