//! Kafka. Every other `kafka.NAME` key is passed on to the client as NAME.

use super::Group::Kafka as G;
use super::Opt;

pub(super) static OPTIONS: &[Opt] = &[
    Opt::text(G, "kafka.bootstrap.servers", "brokers to begin with, as host:port with commas between"),
    Opt::text(G, "kafka_topic", "topic of rows; %{database}, %{table} and %{type} are replaced").default("maxwell"),
    Opt::choice(G, "kafka_key_format", &["hash", "array"], "invalid kafka_key_format: {}", "form of message keys")
        .default("hash")
        .only_with("producer", "kafka"),
    Opt::choice(
        G,
        "kafka_key_without_primary_key",
        &["uuid", "row"],
        "invalid kafka_key_without_primary_key: {}",
        "key of rows in tables without a primary key: `uuid` is a new one for each message (with kafka_key_format=array the same for the \
         whole table), as Maxwell's; `row` is a hash of the row's values, so that a compacted topic keeps the last message of each row",
    )
    .default("uuid")
    .only_with("producer", "kafka")
    .ours(),
    Opt::flag(
        G,
        "kafka_tombstones",
        "after a delete, and after an update that changes the key, send a message with the old key and no value, so that a compacted topic \
         forgets the row",
    )
    .only_with("producer", "kafka")
    .ours(),
    Opt::choice(
        G,
        "kafka_partition_hash",
        &["default", "murmur3"],
        "please specify --kafka_partition_hash=default|murmur3",
        "hash of the partition's text: Java's string hash, or MurmurHash3",
    )
    .default("default")
    .only_with("producer", "kafka"),
    Opt::text(G, "ddl_kafka_topic", "topic of DDL messages, taken literally").default_words("kafka_topic, taken literally"),
    Opt::choice(
        G,
        "delivery",
        &["at_least_once", "exactly_once"],
        "please specify --delivery=at_least_once|exactly_once",
        "exactly_once sends messages and position in Kafka transactions: readers with isolation.level=read_committed see each change once. \
         Needs producer=kafka, and a client_id that no other daemon of the Kafka cluster has",
    )
    .default("at_least_once")
    .ours(),
    Opt::text(
        G,
        "kafka_position_topic",
        "topic of position records, made with cleanup.policy=compact if it is missing",
    )
    .default("binlogd_positions")
    .only_with("delivery", "exactly_once")
    .ours(),
    Opt::millis(
        G,
        "exactly_once_interval",
        "while changes keep coming, a Kafka transaction is committed so often; when the source falls silent it is committed at once",
    )
    .default("200")
    .only_with("delivery", "exactly_once")
    .ours(),
    Opt::size(G, "exactly_once_bytes", 64 << 10, 1 << 30, "bytes of messages in one Kafka transaction; a larger transaction of the server becomes several")
        .default("8M")
        .only_with("delivery", "exactly_once")
        .ours(),
    Opt::flag(
        G,
        "exactly_once_mysql_positions",
        "write positions and heartbeats to the schema database too, behind each commit. With false they are in Kafka only, but for one row at \
         each start; schema versions are always stored in the schema database",
    )
    .default("true")
    .only_with("delivery", "exactly_once")
    .ours(),
    Opt::text(
        G,
        "dead_letter_topic",
        "topic for a record about each message that Kafka refuses; %{database} and %{table} are replaced. The record is acknowledged before \
         the position moves on",
    )
    .only_with("producer", "kafka"),
    Opt::flag(
        G,
        "dead_letter_full",
        "send the refused message itself to dead_letter_topic, with reason and position as headers, instead of Maxwell's short record",
    )
    .only_with("producer", "kafka")
    .ours(),
    Opt::flag(
        G,
        "kafka_topic_create",
        "make a topic that does not exist at its first message, also of DDL and dead letters; otherwise that is left to the brokers \
         (auto.create.topics.enable), as with Maxwell",
    )
    .only_with("producer", "kafka")
    .ours(),
    Opt::int(G, "kafka_topic_partitions", 1, 100_000, "partitions of topics that are made")
        .default_words("the brokers' num.partitions")
        .only_with("kafka_topic_create", "true")
        .ours(),
    Opt::int(G, "kafka_topic_replication_factor", 1, i16::MAX as i64, "replicas of topics that are made")
        .default_words("the brokers' default.replication.factor")
        .only_with("kafka_topic_create", "true")
        .ours(),
    Opt::text(
        G,
        "kafka_topic_configs",
        "settings of topics that are made, as `cleanup.policy=compact;min.insync.replicas=2`, with semicolons between",
    )
    .only_with("kafka_topic_create", "true")
    .ours(),
];
