//! Consumers as people have them (scripts/consumers.sh: Java's own client, a Python client without librdkafka, and kcat) read what
//! the daemon writes, with every compression and in both ways of delivery: the same number of messages, and the same bytes.

#[path = "live_support/mod.rs"]
mod live_support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use live_support::clock::eventually;
use live_support::committed;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time, run_number, variable};
use live_support::sql::SqlServer;
use live_support::topic::{Record, Topic};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// Only a bound for what hangs.
const LIMIT: Duration = Duration::from_secs(120);
const COMPRESSIONS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const READERS: [&str; 3] = ["java", "python", "kcat"];
const PARTITIONS: i32 = 3;
const DATA: &str = "consumers_data";
const SCHEMA: &str = "maxwell_consumers";

/// Rows that shrink when they are compressed, characters of every length, one message of 300 KB, updates and deletes.
fn workload() -> Vec<String> {
    let mut statements = vec![format!("USE {DATA}")];
    for from in (0..240).step_by(40) {
        let rows: Vec<String> = (from..from + 40)
            .map(|id| format!("({id}, repeat('row {id}, größer, 東京, 😀 \\\\ \" \\t; ', {}), unhex('00ff0a0d'), null)", 1 + id % 20))
            .collect();
        statements.push(format!("INSERT INTO t VALUES {}", rows.join(", ")));
    }
    statements.push("INSERT INTO t VALUES (1000, repeat('a long one ', 30000), '', '{\"a\": [1, 2.5]}')".into());
    statements.push("UPDATE t SET document = '{}', words = 'short' WHERE id < 60".into());
    statements.push("DELETE FROM t WHERE id BETWEEN 100 AND 139".into());
    statements
}

const MESSAGES: usize = 240 + 1 + 60 + 40;

/// One daemon's topic.
struct Written {
    topic: Topic,
    compression: &'static str,
    daemon: Daemon,
}

async fn write(server: &SqlServer, brokers: &str, site: &Site, place: &str, compression: &'static str, exactly_once: bool) -> Written {
    let name = format!("consumers-{compression}-{}", if exactly_once { "once" } else { "least" });
    let topic = Topic::create(brokers, &format!("{name}-{}", run_number()), PARTITIONS).await;
    let mut config = Config::for_server(server, SCHEMA)
        .into_topic(brokers, &topic.name)
        .with("client_id", format!("{name}-{}", run_number()))
        .with("replica_server_id", 9_000 + COMPRESSIONS.iter().position(|c| *c == compression).unwrap_or(0) * 2 + usize::from(exactly_once))
        .with("filter", format!("exclude: *.*, include: {DATA}.*"))
        .with("producer_partition_by", "primary_key")
        .with("kafka.compression.type", compression);
    if exactly_once {
        config = config.with("delivery", "exactly_once").with("kafka_position_topic", format!("consumers-positions-{}", run_number()));
    }
    let daemon = Daemon::start(site, &name, &config, &[&format!("--init_position={place}")]);
    Written { topic, compression, daemon }
}

/// Somebody's transaction that is given up: readers of committed messages do not see it.
fn give_up(brokers: &str, topics: &[&str]) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("broker.address.family", "v4")
        .set("transactional.id", format!("given-up-{}", run_number()));
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(LIMIT).expect("a transactional id");
    producer.begin_transaction().expect("a transaction");
    for topic in topics {
        for partition in 0..PARTITIONS {
            let record = BaseRecord::to(topic).partition(partition).key("never").payload("committed");
            producer.send(record).map_err(|(e, _)| e).expect("a record is queued");
        }
    }
    producer.flush(LIMIT).expect("the records are delivered");
    producer.abort_transaction(LIMIT).expect("the transaction is given up");
}

/// The lines of one reader, by topic: partition, key and value, each partition in its order.
type Lines = BTreeMap<String, BTreeMap<i32, Vec<Vec<u8>>>>;

/// Starts a reader of all topics.
fn reader(name: &str, brokers: &str, topics: &[&str]) -> tokio::task::JoinHandle<Lines> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/consumers.sh");
    let mut command = Command::new(script);
    command.arg(name).arg(brokers).args(topics).stdin(Stdio::null());
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || {
        let output = command.output().expect("the reader can be started");
        assert!(output.status.success(), "{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        let mut lines = Lines::new();
        for line in output.stdout.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let mut parts = line.splitn(3, |b| *b == b'\t').map(<[u8]>::to_vec);
            let mut next = || parts.next().unwrap_or_else(|| panic!("{name}: no line of a message: {}", String::from_utf8_lossy(line)));
            let (topic, partition, message) = (next(), next(), next());
            let partition = String::from_utf8_lossy(&partition).parse().expect("a number");
            lines.entry(String::from_utf8_lossy(&topic).into_owned()).or_default().entry(partition).or_default().push(message);
        }
        lines
    })
}

fn of_records(records: Vec<Record>) -> BTreeMap<i32, Vec<Vec<u8>>> {
    let mut partitions: BTreeMap<i32, Vec<Vec<u8>>> = BTreeMap::new();
    for record in records {
        let line = [record.key.as_deref().unwrap_or_default(), record.value.as_slice()].join(&b'\t');
        partitions.entry(record.partition).or_default().push(line);
    }
    partitions
}

/// The compressions of a topic's batches of records as they lie on the broker's disk; nothing if that is not here. Markers of
/// transactions are never compressed.
fn codecs(topic: &str) -> Option<Vec<usize>> {
    let data = PathBuf::from(variable("BINLOGD_TEST_RUN_DIR")?).join("kafka/data");
    let mut codecs = Vec::new();
    for partition in 0..PARTITIONS {
        let log = std::fs::read(data.join(format!("{topic}-{partition}/00000000000000000000.log"))).ok()?;
        let mut rest = log.as_slice();
        while let Some((header, _)) = rest.split_at_checked(61) {
            let length = u32::from_be_bytes(header[8..12].try_into().expect("four bytes")) as usize;
            let attributes = u16::from_be_bytes(header[21..23].try_into().expect("two bytes"));
            if attributes & 0x20 == 0 {
                codecs.push(usize::from(attributes & 7));
            }
            rest = rest.get(12 + length..).unwrap_or_default();
        }
    }
    Some(codecs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_consumer_reads_every_compression() {
    let _alone = one_at_a_time().await;
    let Some([port, brokers]) = need("consumers", ["BINLOGD_TEST_MYSQL97_PORT", "BINLOGD_TEST_KAFKA"]) else { return };
    let (server, site) = (SqlServer::new("mysql97", &port), Site::new("consumers"));
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int NOT NULL PRIMARY KEY, words longtext, bytes blob, document json)")]).await;
    let place = server.rows("SHOW BINARY LOG STATUS").await;
    let place = format!("{}:{}", place[0][0].clone().unwrap_or_default(), place[0][1].clone().unwrap_or_default());
    let statements = workload();
    server.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;

    // All at once; each finds the workload in the binlog.
    let mut written = Vec::new();
    for compression in COMPRESSIONS {
        for exactly_once in [false, true] {
            written.push(write(&server, &brokers, &site, &place, compression, exactly_once).await);
        }
    }
    let topics: Vec<String> = written.iter().map(|w| w.topic.name.clone()).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    tokio::task::block_in_place(|| give_up(&brokers, &topics));
    for Written { topic, daemon, .. } in &mut written {
        eventually(&format!("{MESSAGES} messages in {}", topic.name), LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended by itself\n{}", daemon.log_tail());
            (committed::records(&brokers, &topic.name, PARTITIONS).await.len() >= MESSAGES).then_some(())
        })
        .await;
    }
    join_all(written.iter_mut().map(|Written { daemon, .. }| async move { assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail()) }))
        .await;

    let readers = READERS.map(|name| (name, reader(name, &brokers, &topics)));
    // What all are held against: the first topic, as our own tests read it.
    let expected = of_records(committed::records(&brokers, topics[0], PARTITIONS).await);
    assert_eq!(expected.values().map(Vec::len).sum::<usize>(), MESSAGES);
    for (name, reader) in readers {
        let lines = reader.await.expect("a reader that does not panic");
        assert_eq!(lines.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), topics.iter().copied().collect(), "{name}");
        for (topic, partitions) in &lines {
            let counts = |of: &BTreeMap<i32, Vec<Vec<u8>>>| of.iter().map(|(p, lines)| (*p, lines.len())).collect::<Vec<_>>();
            assert_eq!(counts(partitions), counts(&expected), "{name}, {topic}: messages of each partition");
            assert!(*partitions == expected, "{name}, {topic}: other bytes");
        }
        println!("{name}: {} topics, {MESSAGES} messages each, the same bytes", lines.len());
    }
    for Written { topic, compression, .. } in &written {
        let Some(found) = codecs(&topic.name) else {
            println!("the broker's files are not here: how {} is compressed was not looked at", topic.name);
            continue;
        };
        let wanted = COMPRESSIONS.iter().position(|c| c == compression).expect("one of them");
        assert!(
            found.contains(&wanted) && found.iter().all(|c| *c == wanted || *c == 0),
            "{}: batches are compressed by {found:?}",
            topic.name
        );
    }
    for Written { topic, .. } in &written {
        topic.delete().await;
    }
    server.drop_databases(DATA, SCHEMA).await;
}
