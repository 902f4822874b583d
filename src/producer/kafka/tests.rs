//! The producer against librdkafka's own mock cluster, in this process. Order, restarts and missing topics against a real
//! broker are in `tests/live_kafka.rs`.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::*;
use crate::producer::testing::{Answers, batch};

struct Bench {
    mock: MockCluster<'static, DefaultProducerContext>,
    topics: Arc<Topics>,
    metrics: Arc<Metrics>,
    answers: Answers,
}

fn mock() -> Bench {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("t", 3, 1).unwrap();
    Bench { mock, topics: Arc::default(), metrics: Arc::default(), answers: Answers::new() }
}

fn options(brokers: &str, more: &[(&str, &str)], ignore: bool) -> Settings {
    let mut properties = vec![("bootstrap.servers".to_owned(), brokers.to_owned()), ("max.block.ms".to_owned(), "30000".to_owned())];
    properties.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    Settings::build(&KafkaOptions { properties, queue_bytes_max: 16 << 20, ignore_producer_error: ignore, ..KafkaOptions::default() })
        .unwrap()
}

impl Bench {
    async fn producer(&self, more: &[(&str, &str)], ignore: bool) -> KafkaProducer {
        let settings = options(&self.mock.bootstrap_servers(), more, ignore);
        KafkaProducer::connect(settings, self.topics.clone(), self.metrics.clone()).await.unwrap()
    }

    fn topic(&self, name: &str) -> TopicId {
        self.topics.intern(name)
    }
}

const CLOSE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_acknowledged_and_counted() {
    let b = mock();
    let t = b.topic("t");
    let mut producer = b.producer(&[], false).await;
    for n in 0..50 {
        let messages: Vec<_> = (0..100).map(|i| (t, i * 7 - 300, "k", "some value")).collect();
        producer.send(batch(&messages), b.answers.completion(n)).await.unwrap();
    }
    producer.send(batch(&[]), b.answers.completion(50)).await.unwrap();
    producer.close(CLOSE).await.unwrap();
    let mut seen: Vec<_> = b.answers.so_far().into_iter().map(|(n, r)| (n, r.is_ok())).collect();
    seen.sort();
    assert_eq!(seen, (0..=50).map(|n| (n, true)).collect::<Vec<_>>());
    assert_eq!(b.metrics.messages_succeeded.get(), 5000);
    assert_eq!((b.metrics.in_flight_messages.get(), b.metrics.in_flight_bytes.get()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_makes_send_wait() {
    let b = mock();
    let t = b.topic("t");
    // Room for a few messages at a time.
    let mut producer = b.producer(&[("queue.buffering.max.messages", "7")], false).await;
    for n in 0..20 {
        let messages: Vec<_> = (0..50).map(|i| (t, i, "", "x")).collect();
        producer.send(batch(&messages), b.answers.completion(n)).await.unwrap();
    }
    producer.close(CLOSE).await.unwrap();
    assert_eq!(b.answers.so_far().iter().filter(|(_, r)| r.is_ok()).count(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_too_large_stops_with_its_place_and_spares_its_neighbours() {
    let b = mock();
    let t = b.topic("t");
    let limit = 2000;
    let key = r#"{"database":"d","table":"t","pk.id":7}"#;
    let fits = "x".repeat(limit - record_bytes_max(key.as_bytes(), b"") - 1);
    let large = "x".repeat(fits.len() + 1);
    let mut producer = b.producer(&[("max.request.size", "2000")], false).await;
    producer.send(batch(&[(t, 0, key, &fits)]), b.answers.completion(0)).await.unwrap();
    let (_, result) = b.answers.next();
    assert!(result.is_ok(), "a message of exactly the limit is taken: {result:?}");
    let error = producer.send(batch(&[(t, 0, key, "small"), (t, 0, key, &large)]), b.answers.completion(1)).await.unwrap_err();
    let text = error.to_string();
    for words in ["2001 bytes", "kafka.max.request.size=2000", "master.000001:101", "topic t", "d:t:[(id,7)]", "ignore_producer_error=true"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!error.is_transient());
    assert_eq!(b.answers.next().1.unwrap_err().to_string(), text);
    // Nothing goes out behind it.
    assert!(producer.send(batch(&[(t, 0, key, "later")]), b.answers.completion(2)).await.is_err());
    assert!(b.answers.next().1.is_err());
    let _ = producer.close(CLOSE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_too_large_is_left_out_if_that_is_wanted() {
    let b = mock();
    let t = b.topic("t");
    let large = "x".repeat(3000);
    let mut producer = b.producer(&[("max.request.size", "2000")], true).await;
    producer.send(batch(&[(t, 0, "k", "a"), (t, 0, "k", &large), (t, 0, "k", "b")]), b.answers.completion(0)).await.unwrap();
    producer.send(batch(&[(t, 0, "k", &large)]), b.answers.completion(1)).await.unwrap();
    producer.close(CLOSE).await.unwrap();
    assert!(b.answers.so_far().iter().all(|(_, r)| r.is_ok()));
    assert_eq!((b.metrics.messages_succeeded.get(), b.metrics.messages_failed.get(), b.metrics.messages_dropped.get()), (2, 2, 2));
}

/// The broker refuses the next batch.
fn refuse(b: &Bench, error: E) {
    b.mock.request_errors(rdkafka_sys::RDKafkaApiKey::Produce, &[error]);
}

/// Each row: the broker's answer, twice; what the error of the second try says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_batch_comes_again_and_what_is_refused_alone_stops() {
    let rows = [
        (E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "raise max.message.bytes of the topic"),
        (E::RD_KAFKA_RESP_ERR_INVALID_RECORD, "see the topic's validation"),
        (E::RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "see the broker's policies"),
    ];
    for (error, words) in rows {
        let b = mock();
        let t = b.topic("t");
        let settings = options(&b.mock.bootstrap_servers(), &[], false);
        let key = r#"["d","t",[{"id":1}]]"#;
        let mut producer = KafkaProducer::connect(settings.clone(), b.topics.clone(), b.metrics.clone()).await.unwrap();
        refuse(&b, error);
        // Two of them could be in two requests, of which the second may be given up before the first is reported.
        let _ = producer.send(batch(&[(t, 0, key, "a")]), b.answers.completion(0)).await;
        let first = b.answers.next().1.unwrap_err();
        assert!(first.is_transient() && first.to_string().contains("Kafka refuses a batch of messages"), "{first:?}");
        let later = producer.send(batch(&[(t, 0, "", "b")]), b.answers.completion(1)).await.unwrap_err();
        assert!(later.is_transient() && b.answers.next().1.is_err(), "{later:?}");
        let _ = producer.close(CLOSE).await;
        // What the daemon does. The first message is taken alone, the second one is not.
        let mut producer = KafkaProducer::connect(settings, b.topics.clone(), b.metrics.clone()).await.unwrap();
        producer.send(batch(&[(t, 0, key, "a")]), b.answers.completion(2)).await.unwrap();
        assert!(b.answers.next().1.is_ok());
        refuse(&b, error);
        let error = producer.send(batch(&[(t, 0, key, "a"), (t, 0, key, "b")]), b.answers.completion(3)).await.unwrap_err();
        let text = error.to_string();
        assert!(!error.is_transient(), "{error:?}");
        for words in ["Kafka refuses a message: ", "master.000001:100, topic t partition 0, d:t:[(id,1)]", words, "dead_letter_topic"] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert_eq!(b.answers.next().1.unwrap_err().to_string(), text);
        let _ = producer.close(CLOSE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_alone_is_left_out_if_that_is_wanted() {
    let b = mock();
    let t = b.topic("t");
    let settings = options(&b.mock.bootstrap_servers(), &[], true);
    settings.learned.suspect("t", 0, &"master.000001".into(), 100);
    let mut producer = KafkaProducer::connect(settings, b.topics.clone(), b.metrics.clone()).await.unwrap();
    refuse(&b, E::RD_KAFKA_RESP_ERR_INVALID_RECORD);
    producer.send(batch(&[(t, 0, "k", "bad"), (t, 0, "k", "good")]), b.answers.completion(0)).await.unwrap();
    producer.close(CLOSE).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    assert_eq!((b.metrics.messages_succeeded.get(), b.metrics.messages_failed.get(), b.metrics.messages_dropped.get()), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_is_refused_stops_loudly_whatever_is_ignored() {
    let b = mock();
    b.mock.create_topic("dead_d", 1, 1).unwrap();
    let t = b.topic("t");
    let mut settings = options(&b.mock.bootstrap_servers(), &[("max.request.size", "2000")], true);
    settings.dead_letters = Some(DeadLetters { topic: "dead_%{database}".into(), full: false, keys: crate::encode::KeyFormat::Hash });
    let mut producer = KafkaProducer::connect(settings, b.topics.clone(), b.metrics.clone()).await.unwrap();
    let large = format!(r#"{{"database":"d","table":"t","type":"insert","data":{{"x":"{}"}}}}"#, "x".repeat(3000));
    producer.send(batch(&[(t, 0, "k", &large)]), b.answers.completion(0)).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    assert_eq!((b.metrics.messages_dead_lettered.get(), b.metrics.messages_dropped.get()), (1, 0));
    refuse(&b, E::RD_KAFKA_RESP_ERR_INVALID_RECORD);
    let error = producer.send(batch(&[(t, 0, "k", &large)]), b.answers.completion(1)).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().starts_with("no dead letter can be sent to topic dead_d: "), "{error}");
    assert!(error.to_string().contains("the message is master.000001:100, topic t, key k, 3"), "{error}");
    assert!(b.answers.next().1.is_err());
    assert_eq!((b.metrics.messages_dead_lettered.get(), b.metrics.messages_dropped.get()), (1, 0));
    let _ = producer.close(CLOSE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_refused_message_is_given_up() {
    let b = mock();
    let t = b.topic("t");
    // Without idempotence the library itself would go on with the next batch.
    let mut producer = b.producer(&[("enable.idempotence", "false")], false).await;
    b.mock.broker_round_trip_time(1, Duration::from_millis(300)).unwrap();
    refuse(&b, E::RD_KAFKA_RESP_ERR_INVALID_RECORD);
    producer.send(batch(&[(t, 0, "k", "refused")]), b.answers.completion(0)).await.unwrap();
    // The first request is on its way; this one waits for its answer, because one is allowed at a time.
    tokio::time::sleep(Duration::from_millis(100)).await;
    producer.send(batch(&[(t, 0, "k", "behind")]), b.answers.completion(1)).await.unwrap();
    let (first, second) = (b.answers.next(), b.answers.next());
    assert!(first.0 == 0 && first.1.unwrap_err().to_string().contains("Kafka refuses a batch"));
    assert!(second.0 == 1 && second.1.unwrap_err().is_transient());
    let _ = producer.close(CLOSE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_own_time_out_fails_the_batches_for_another_try() {
    let b = mock();
    let t = b.topic("t");
    let mut producer = b.producer(&[("delivery.timeout.ms", "300")], true).await;
    producer.send(batch(&[(t, 0, "k", "first")]), b.answers.completion(0)).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    b.mock.broker_down(1).unwrap();
    for n in 1..4 {
        let _ = producer.send(batch(&[(t, 0, "k", "x"), (t, 1, "k", "y")]), b.answers.completion(n)).await;
    }
    for _ in 1..4 {
        let (_, result) = b.answers.next();
        assert!(result.unwrap_err().is_transient());
    }
    let error = producer.send(batch(&[(t, 0, "k", "later")]), b.answers.completion(4)).await.unwrap_err();
    assert!(error.is_transient());
    assert!(b.answers.next().1.is_err());
    let _ = producer.close(CLOSE).await;
    b.mock.broker_up(1).unwrap();
    // What the daemon does: a new producer, and again.
    let mut again = b.producer(&[("delivery.timeout.ms", "30000")], true).await;
    again.send(batch(&[(t, 0, "k", "x"), (t, 1, "k", "y")]), b.answers.completion(5)).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    again.close(CLOSE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_only_makes_everything_wait_and_shows_in_the_health() {
    let b = mock();
    let t = b.topic("t");
    let mut producer = b.producer(&[], false).await;
    let mut trouble = producer.trouble();
    producer.send(batch(&[(t, 0, "k", "before")]), b.answers.completion(0)).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    b.mock.broker_down(1).unwrap();
    producer.send(batch(&[(t, 0, "k", "during")]), b.answers.completion(1)).await.unwrap();
    // First only that it is so, then also why.
    trouble.wait_for(|t| t.as_deref().is_some_and(|t| t.starts_with("no Kafka broker can be reached: "))).await.unwrap();
    assert!(b.answers.so_far().is_empty());
    b.mock.broker_up(1).unwrap();
    assert!(b.answers.next().1.is_ok());
    trouble.wait_for(|t| t.is_none()).await.unwrap();
    producer.close(CLOSE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_during_an_outage_fails_what_is_left_at_the_deadline() {
    let b = mock();
    let t = b.topic("t");
    let mut producer = b.producer(&[], false).await;
    producer.send(batch(&[(t, 0, "k", "before")]), b.answers.completion(0)).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    b.mock.broker_down(1).unwrap();
    producer.send(batch(&[(t, 0, "k", "a"), (t, 0, "k", "b")]), b.answers.completion(1)).await.unwrap();
    let error = producer.close(Duration::from_millis(50)).await.unwrap_err();
    assert!(error.to_string().contains("2 messages were not acknowledged within 50 ms"), "{error}");
    assert!(b.answers.next().1.unwrap_err().is_transient());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_producer_fails_what_is_in_flight() {
    let b = mock();
    let t = b.topic("t");
    let mut producer = b.producer(&[], false).await;
    producer.send(batch(&[(t, 0, "k", "before")]), b.answers.completion(0)).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    b.mock.broker_down(1).unwrap();
    producer.send(batch(&[(t, 0, "k", "a")]), b.answers.completion(1)).await.unwrap();
    drop(producer);
    assert!(b.answers.next().1.unwrap_err().is_transient());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_send_half_way_fails_its_batch_and_frees_its_slot() {
    let b = mock();
    let t = b.topic("t");
    let mut producer = b.producer(&[("queue.buffering.max.messages", "3")], false).await;
    producer.send(batch(&[(t, 0, "k", "before")]), b.answers.completion(0)).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    b.mock.broker_down(1).unwrap();
    let messages: Vec<_> = (0..10).map(|i| (t, i, "", "x")).collect();
    // Three go in, the fourth waits; polled once and dropped.
    let waiting = producer.send(batch(&messages), b.answers.completion(1));
    assert!(futures_util::FutureExt::now_or_never(waiting).is_none());
    assert!(b.answers.next().1.unwrap_err().is_transient());
    b.mock.broker_up(1).unwrap();
    producer.client.shared.in_flight.wait_empty().await;
    producer.close(CLOSE).await.unwrap();
    assert!(b.answers.so_far().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_broker_is_one_clear_error_after_a_bounded_time() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let brokers = format!("127.0.0.1:{port}");
    let mut settings = options(&brokers, &[], false);
    settings.block = Duration::from_millis(700);
    let error = KafkaProducer::connect(settings, Arc::default(), Arc::default()).await.err().unwrap();
    let text = error.to_string();
    assert!(error.is_transient());
    for words in ["no Kafka broker can be reached", "Connection refused", &brokers, "check that a broker runs there"] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_without_tls_is_told() {
    let b = mock();
    let mut settings = options(&b.mock.bootstrap_servers(), &[("security.protocol", "SSL")], false);
    // A broker that is being stopped looks the same, so it is waited for.
    settings.block = Duration::from_secs(2);
    let error = KafkaProducer::connect(settings, Arc::default(), Arc::default()).await.err().unwrap();
    assert!(error.to_string().contains("no TLS connection to Kafka"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_illegal_topic_name_is_definite() {
    let b = mock();
    let t = b.topic("shop.bücher");
    let mut producer = b.producer(&[], false).await;
    let error = producer.send(batch(&[(t, 0, "k", "a")]), b.answers.completion(0)).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("Kafka allows no topic named \"shop.bücher\""), "{error}");
    assert!(b.answers.next().1.is_err());
    let _ = producer.close(CLOSE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_a_partition_has_acknowledged_one_message_it_gets_no_other() {
    let b = mock();
    let t = b.topic("t");
    let mut producer = b.producer(&[], false).await;
    producer.send(batch(&[(t, 2, "k", "before")]), b.answers.completion(0)).await.unwrap();
    assert!(b.answers.next().1.is_ok());
    b.mock.broker_down(1).unwrap();
    // Partition 2 is known already and takes all of its messages up to the place where one of another waits.
    let messages =
        [(t, 0, "k", "a"), (t, 2, "k", "b"), (t, 2, "k", "c"), (t, 0, "k", "d"), (t, 2, "k", "e"), (t, 1, "k", "f"), (t, 1, "k", "g")];
    let shared = producer.client.shared.clone();
    let queued = || shared.queued.load(Ordering::Relaxed) - 1;
    let mut sending = producer.send(batch(&messages), b.answers.completion(1));
    for _ in 0..3 {
        let waiting = tokio::time::timeout(LOOK_AGAIN, &mut sending).await;
        assert!(waiting.is_err() && queued() == 4, "a, b, c, and ahead of the others f: {}", queued());
    }
    b.mock.broker_up(1).unwrap();
    sending.await.unwrap();
    assert!(b.answers.next().1.is_ok());
    assert_eq!(queued(), messages.len() as u64);
    // From here on nothing waits.
    b.mock.broker_down(1).unwrap();
    producer.send(batch(&messages), b.answers.completion(2)).await.unwrap();
    b.mock.broker_up(1).unwrap();
    assert!(b.answers.next().1.is_ok());
    producer.close(CLOSE).await.unwrap();
}

/// The library throws away what it holds when it gives a client up, and tells nothing more about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_the_library_gives_up_ends_every_wait() {
    enum Wait {
        /// For the first message, which is in the library's queue.
        Queued,
        /// For the first message, which is with a broker that does not answer.
        OnItsWay,
        /// For all messages, so that one can go alone.
        Drain,
    }
    for wait in [Wait::Queued, Wait::OnItsWay, Wait::Drain] {
        let b = mock();
        let t = b.topic("t");
        let settings = options(&b.mock.bootstrap_servers(), &[], false);
        if let Wait::Drain = wait {
            settings.learned.suspect("t", 1, &"master.000001".into(), 101);
        }
        let mut producer = KafkaProducer::connect(settings, b.topics.clone(), b.metrics.clone()).await.unwrap();
        producer.send(batch(&[(t, 0, "k", "before")]), b.answers.completion(0)).await.unwrap();
        assert!(b.answers.next().1.is_ok());
        match wait {
            Wait::OnItsWay => b.mock.broker_round_trip_time(1, Duration::from_secs(20)).unwrap(),
            Wait::Queued | Wait::Drain => b.mock.broker_down(1).unwrap(),
        }
        let native = producer.client.native.clone();
        let mut sending = producer.send(batch(&[(t, 1, "k", "first"), (t, 1, "k", "second")]), b.answers.completion(1));
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut sending).await.is_err(), "it waits");
        native.end_fatally();
        let error = tokio::time::timeout(Duration::from_secs(10), sending).await.expect("the wait ends").unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("test_fatal_error: for a test"), "{error}");
        assert!(b.answers.next().1.unwrap_err().is_transient());
        assert!(producer.send(batch(&[(t, 0, "k", "later")]), b.answers.completion(2)).await.is_err());
        let _ = producer.close(Duration::from_millis(500)).await;
    }
}
