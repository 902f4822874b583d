//! Topics of a real broker (`BINLOGD_TEST_KAFKA=host:port`, from `scripts/servers.sh env`): made by us, with more partitions while
//! messages flow, deleted and made again, and many at once. Every test uses topics of its own.

#[path = "live_support/broker.rs"]
mod broker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use binlogd::encode::batch::{TopicId, Topics};
use binlogd::producer::Producer;
use binlogd::producer::kafka::{KafkaProducer, Settings, TopicCreation};
use broker::*;
use rdkafka::admin::{AdminOptions, NewPartitions, ResourceSpecifier};

const CLOSE: Duration = Duration::from_secs(60);

async fn producer(settings: &Settings, topics: &Arc<Topics>) -> KafkaProducer {
    KafkaProducer::connect(settings.clone(), topics.clone(), Arc::default()).await.unwrap()
}

fn making(broker: &str, creation: TopicCreation, more: &[(&str, &str)]) -> Settings {
    let mut all = vec![("allow.auto.create.topics", "false")];
    all.extend(more);
    let mut settings = settings(broker, &all);
    settings.creation = Some(creation);
    settings
}

/// The number of partitions; 0 while there is no such topic.
async fn partitions(broker: &str, topic: &str) -> usize {
    let (broker, topic) = (broker.to_owned(), topic.to_owned());
    let asked = move || {
        let metadata = admin(&broker).inner().fetch_metadata(None, Duration::from_secs(10)).unwrap();
        metadata.topics().iter().find(|t| t.name() == topic).map_or(0, |t| t.partitions().len())
    };
    tokio::task::spawn_blocking(asked).await.unwrap()
}

async fn until_partitions(broker: &str, topic: &str, count: usize) {
    while partitions(broker, topic).await != count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn delete(broker: &str, topic: &str) {
    for result in admin(broker).delete_topics(&[topic], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    until_partitions(broker, topic, 0).await;
}

async fn setting(broker: &str, topic: &str, name: &str) -> Option<String> {
    let answers = admin(broker).describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await.unwrap();
    answers.into_iter().next()?.ok()?.get(name)?.value.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_as_told() {
    let Some(broker) = variable("topics_are_made_as_told", "BINLOGD_TEST_KAFKA") else { return };
    let configs = vec![("cleanup.policy".to_owned(), "compact".to_owned()), ("max.message.bytes".to_owned(), "2000000".to_owned())];
    let settings = making(&broker, TopicCreation { partitions: Some(7), replication: Some(1), configs }, &[]);
    let (new, there) = (fresh("made"), fresh("there"));
    create_topic(&broker, &there, 2, &[]).await;
    let topics = Arc::new(Topics::new());
    let ids = [&new, &there].map(|name| topics.intern(name));
    let answers = Answers::default();
    let mut producer = producer(&settings, &topics).await;
    let messages: Vec<_> = (0..70).map(|n| (ids[n % 2], n as i32, format!("k{n}"), format!("v{n}"))).collect();
    producer.send(batch(&messages), answers.completion()).await.unwrap();
    producer.close(CLOSE).await.unwrap();
    assert_eq!((answers.done(), answers.failed()), (1, vec![]));
    assert_eq!((partitions(&broker, &new).await, partitions(&broker, &there).await), (7, 2));
    assert_eq!(setting(&broker, &new, "cleanup.policy").await.as_deref(), Some("compact"));
    let read = tokio::task::block_in_place(|| read_back(&broker, &new, 7));
    for (partition, found) in read {
        let wanted: Vec<_> =
            messages.iter().filter(|m| m.0 == ids[0] && m.1 % 7 == partition).map(|m| (m.2.clone(), m.3.clone())).collect();
        assert_eq!(found, wanted, "partition {partition}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_cannot_be_made_is_one_clear_error() {
    let Some(broker) = variable("a_topic_that_cannot_be_made_is_one_clear_error", "BINLOGD_TEST_KAFKA") else { return };
    let wrong = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    // Each row: how, what the error says.
    let rows = [
        (TopicCreation { replication: Some(9), ..TopicCreation::default() }, "kafka_topic_replication_factor must not be above"),
        (TopicCreation { configs: wrong("no.such.setting", "1"), ..TopicCreation::default() }, "see kafka_topic_configs"),
        (TopicCreation { configs: wrong("retention.ms", "soon"), ..TopicCreation::default() }, "see kafka_topic_configs"),
    ];
    for (creation, words) in rows {
        let settings = making(&broker, creation, &[]);
        let topics = Arc::new(Topics::new());
        let topic = topics.intern(&fresh("never"));
        let answers = Answers::default();
        let mut producer = producer(&settings, &topics).await;
        let error = producer.send(batch(&[(topic, 0, "k".into(), "v".into())]), answers.completion()).await.unwrap_err();
        let text = error.to_string();
        assert!(!error.is_transient() && text.contains("Kafka does not make the topic live-never-") && text.contains(words), "{text}");
        let _ = producer.close(CLOSE).await;
    }
}

/// After an increase keys move: the partition is the hash by the new number, as Maxwell's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_partitions_are_used_without_a_restart() {
    let Some(broker) = variable("more_partitions_are_used_without_a_restart", "BINLOGD_TEST_KAFKA") else { return };
    let name = fresh("grows");
    create_topic(&broker, &name, 2, &[]).await;
    let topics = Arc::new(Topics::new());
    let topic = topics.intern(&name);
    let answers = Answers::default();
    let mut producer = producer(&settings(&broker, &[("metadata.max.age.ms", "1000")]), &topics).await;
    let (mut sent, mut grown) = (0, false);
    let mut wanted = Vec::new();
    // Until messages have reached a partition that was not there at the start.
    loop {
        let messages: Vec<_> = (0..5).map(|hash| (topic, hash, format!("k{hash}"), format!("{sent}-{hash}"))).collect();
        wanted.extend(messages.iter().map(|m| m.3.clone()));
        producer.send(batch(&messages), answers.completion()).await.unwrap();
        sent += 1;
        if sent == 3 {
            for result in admin(&broker).create_partitions(&[NewPartitions::new(&name, 5)], &AdminOptions::new()).await.unwrap() {
                result.unwrap();
            }
            until_partitions(&broker, &name, 5).await;
            grown = true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let high = |partition| {
            let consumer: rdkafka::consumer::BaseConsumer =
                rdkafka::ClientConfig::new().set("bootstrap.servers", &broker).create().unwrap();
            rdkafka::consumer::Consumer::fetch_watermarks(&consumer, &name, partition, Duration::from_secs(10)).unwrap().1
        };
        if grown && tokio::task::block_in_place(|| high(4)) >= 2 {
            break;
        }
        assert!(sent < 150, "the new partitions are not used");
    }
    producer.close(CLOSE).await.unwrap();
    assert_eq!((answers.done(), answers.failed()), (sent, vec![]));
    let read = tokio::task::block_in_place(|| read_back(&broker, &name, 5));
    let mut found: Vec<String> = Vec::new();
    for (partition, messages) in &read {
        for (key, value) in messages {
            let hash: i32 = key[1..].parse().unwrap();
            assert!(*partition == hash % 5 || *partition == hash % 2, "{key} in {partition}");
            found.push(value.clone());
        }
        // Within a partition the order of a key holds.
        let rounds = |hash: &str| {
            messages.iter().filter(|m| m.0 == hash).map(|m| m.1.split('-').next().unwrap().parse::<u32>().unwrap()).collect::<Vec<_>>()
        };
        for hash in 0..5 {
            assert!(rounds(&format!("k{hash}")).is_sorted());
        }
    }
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(read[&4].last().map(|m| m.0.as_str()), Some("k4"));
}

/// Each row of `counts`: partitions of the topic when it is made again. Batches flow all the time; whatever was acknowledged
/// after the topic was there again must be on it, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_after_a_topic_was_made_again_is_lost() {
    let Some(broker) = variable("nothing_acknowledged_after_a_topic_was_made_again_is_lost", "BINLOGD_TEST_KAFKA") else { return };
    for count in [4, 1, 6] {
        let name = fresh("again");
        create_topic(&broker, &name, 4, &[]).await;
        let settings = settings(&broker, &[("allow.auto.create.topics", "false"), ("reconnect.backoff.max.ms", "100")]);
        let topics = Arc::new(Topics::new());
        let topic: TopicId = topics.intern(&name);
        let changing = tokio::spawn({
            let (broker, name) = (broker.clone(), name.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                delete(&broker, &name).await;
                // Messages meet a topic that is not there.
                tokio::time::sleep(Duration::from_millis(300)).await;
                create_topic(&broker, &name, count, &[]).await;
                until_partitions(&broker, &name, count as usize).await;
                Instant::now()
            }
        });
        let messages = |n: usize| batch(&(0..4).map(|hash| (topic, hash, format!("k{hash}"), n.to_string())).collect::<Vec<_>>());
        // The daemon: one batch after the other; what fails comes again with a new producer.
        let mut acknowledged: Vec<(usize, Instant)> = Vec::new();
        let mut back = None;
        let mut live = producer(&settings, &topics).await;
        let (mut n, mut starts, mut last) = (0, 1, usize::MAX);
        let mut changing = Some(changing);
        while n < last {
            let answers = Answers::default();
            let sent = live.send(messages(n), answers.completion()).await;
            while sent.is_ok() && answers.done() + answers.failed().len() == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            if answers.done() == 1 {
                acknowledged.push((n, Instant::now()));
                n += 1;
            } else {
                let _ = live.close(CLOSE).await;
                live = producer(&settings, &topics).await;
                starts += 1;
            }
            if changing.as_ref().is_some_and(|c| c.is_finished())
                && let Some(done) = changing.take()
            {
                back = Some(done.await.unwrap());
                last = n + 200;
            }
        }
        live.close(CLOSE).await.unwrap();
        let back = back.unwrap();
        let read = tokio::task::block_in_place(|| read_back(&broker, &name, count));
        println!("{count} partitions: {starts} starts, {} batches", acknowledged.len());
        let after: BTreeSet<usize> = acknowledged.iter().filter(|(_, at)| *at > back).map(|(n, _)| *n).collect();
        assert!(after.len() >= 200);
        let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (key, value) in read.values().flatten() {
            by_key.entry(key).or_default().push(value.parse().unwrap());
        }
        for hash in 0..4 {
            let key = format!("k{hash}");
            let found = &by_key[key.as_str()];
            // The first of them may have been acknowledged by the old topic in the instant before it was counted as back.
            let missing: Vec<_> = after.iter().skip(1).filter(|n| !found.contains(n)).collect();
            assert!(missing.is_empty(), "{count} partitions: {key} lacks {missing:?}");
            assert!(found.is_sorted(), "{count} partitions: {key}: {found:?}");
        }
    }
}

/// The number is BINLOGD_TEST_TOPICS, else 100; 2,000 were measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_topics_come_at_once() {
    let Some(broker) = variable("many_topics_come_at_once", "BINLOGD_TEST_KAFKA") else { return };
    let count = std::env::var("BINLOGD_TEST_TOPICS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let run = uuid::Uuid::new_v4().simple().to_string();
    let settings = making(&broker, TopicCreation { partitions: Some(1), ..TopicCreation::default() }, &[]);
    for round in ["made", "known"] {
        let topics = Arc::new(Topics::new());
        let ids: Vec<_> = (0..count).map(|n| topics.intern(&format!("live-many-{run}-{n}"))).collect();
        let answers = Answers::default();
        let begin = Instant::now();
        let mut producer = producer(&settings, &topics).await;
        let connected = begin.elapsed();
        let mut first = None;
        for some in ids.chunks(1000) {
            let messages: Vec<_> = some.iter().map(|id| (*id, 0, "k".into(), format!("{{\"round\":\"{round}\"}}"))).collect();
            producer.send(batch(&messages), answers.completion()).await.unwrap();
            first.get_or_insert(begin.elapsed());
        }
        producer.close(CLOSE).await.unwrap();
        println!("{count} topics {round}: connected after {connected:.2?}, all sent and acknowledged after {:.2?}", begin.elapsed());
        assert_eq!((answers.done(), answers.failed()), (ids.chunks(1000).count(), vec![]));
    }
    let read = tokio::task::block_in_place(|| read_back(&broker, &format!("live-many-{run}-{}", count - 1), 1));
    assert_eq!(read[&0].len(), 2);
}
