//! The producer and its own options.

use std::collections::BTreeMap;

use crate::producer::kafka::TopicCreation;
use crate::secret::Secret;

use super::super::options::KAFKA_PREFIX;
use super::super::settings::{
    ExactlyOnceSettings, KafkaProperty, KafkaSettings, KeyFormat, PartitionHash, PartitionSettings, ProducerKind, ProducerSettings,
};
use super::{Reader, sinks};

const SERVERS: &str = "bootstrap.servers";

/// The producer with what it needs. One that is not built yet is refused later, by the table.
pub(super) fn kind(reader: &mut Reader) -> ProducerKind {
    let producer = reader.choice("producer");
    let exactly_once = reader.choice("delivery") == Some("exactly_once");
    if exactly_once && producer != Some("kafka") {
        let what = "delivery=exactly_once needs producer=kafka: only Kafka has transactions";
        reader.fault("delivery", what, "set producer=kafka, or leave delivery out");
    }
    if reader.is_given("custom_producer.factory") {
        return ProducerKind::Stdout;
    }
    match producer {
        Some("file") => {
            let path = reader.path("output_file");
            if path.is_none() {
                reader.missing("please specify --output_file=FILE to use the file producer");
            }
            ProducerKind::File { path: path.unwrap_or_default() }
        }
        Some("kafka") => ProducerKind::Kafka(Box::new(kafka(reader, exactly_once))),
        Some("custom") => {
            reader.fault("producer", "Please specify --custom_producer.factory!", "choose another producer: Java classes cannot be loaded");
            ProducerKind::Stdout
        }
        other => {
            sinks::check(reader, other.unwrap_or_default());
            ProducerKind::Stdout
        }
    }
}

fn kafka(reader: &mut Reader, exactly_once: bool) -> KafkaSettings {
    let properties = properties(reader);
    if !properties.iter().any(|p| p.name == SERVERS && !p.value.reveal().trim().is_empty()) {
        reader.missing("Please specify kafka.bootstrap.servers");
    }
    let partition_hash = match reader.choice("kafka_partition_hash") {
        Some("murmur3") => PartitionHash::Murmur3,
        _ => PartitionHash::Java,
    };
    let key_format = match reader.choice("kafka_key_format") {
        Some("array") => KeyFormat::Array,
        _ => KeyFormat::Hash,
    };
    let dead_letter_topic = reader.text("dead_letter_topic").filter(|topic| !topic.is_empty());
    let dead_letter_full = reader.flag("dead_letter_full");
    if dead_letter_full && dead_letter_topic.is_none() {
        reader.fault("dead_letter_full", "dead_letter_full has no topic to send to", "set dead_letter_topic");
    }
    let topic = reader.filled("kafka_topic");
    let ddl_topic = reader.text("ddl_kafka_topic").unwrap_or_else(|| topic.clone());
    if reader.flag("output_ddl") && ddl_topic.contains("%{") {
        let what = format!("DDL messages would go to a topic with the literal name {ddl_topic}, which Kafka does not allow");
        reader.fault("kafka_topic", what, "set ddl_kafka_topic: names are never replaced in it");
    }
    let creation = creation(reader);
    let letters = dead_letter_topic.as_deref().unwrap_or(&topic);
    let exactly_once = exactly_once.then(|| self::exactly_once(reader, &[&topic, &ddl_topic, letters]));
    let row_keys = reader.choice("kafka_key_without_primary_key") == Some("row");
    let tombstones = reader.flag("kafka_tombstones");
    KafkaSettings {
        row_keys,
        tombstones,
        creation,
        topic,
        ddl_topic,
        key_format,
        partition_hash,
        dead_letter_topic,
        dead_letter_full,
        properties,
        exactly_once,
    }
}

/// How topics are made.
fn creation(reader: &mut Reader) -> Option<TopicCreation> {
    if !reader.flag("kafka_topic_create") {
        for name in ["kafka_topic_partitions", "kafka_topic_replication_factor", "kafka_topic_configs"] {
            if reader.is_given(name) {
                reader.fault(name, format!("{name} is for topics that the daemon makes, and it makes none"), "set kafka_topic_create=true");
            }
        }
        return None;
    }
    let count = |name| reader.integer(name).and_then(|n| i32::try_from(n).ok());
    let (partitions, replication) = (count("kafka_topic_partitions"), count("kafka_topic_replication_factor"));
    let mut configs = Vec::new();
    for one in reader.text("kafka_topic_configs").unwrap_or_default().split(';').map(str::trim).filter(|one| !one.is_empty()) {
        match one.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => configs.push((name.trim().to_owned(), value.trim().to_owned())),
            _ => {
                let what = format!("kafka_topic_configs: '{one}' is not of the form name=value");
                reader.fault("kafka_topic_configs", what, "write them as cleanup.policy=compact;min.insync.replicas=2");
            }
        }
    }
    Some(TopicCreation { partitions, replication, configs })
}

fn exactly_once(reader: &mut Reader, topics: &[&str]) -> ExactlyOnceSettings {
    for (name, why, instead) in [
        (
            "master_recovery",
            "it sends again what came behind the last heartbeat",
            "use gtid_mode for failovers, or start once with --init_position",
        ),
        ("replay", "it leaves no position", "use delivery=at_least_once for a replay"),
    ] {
        if reader.flag(name) {
            reader.fault(name, format!("{name} does not go together with delivery=exactly_once: {why}"), instead);
        }
    }
    let position_topic = reader.filled("kafka_position_topic");
    if topics.contains(&&*position_topic) {
        reader.fault(
            "kafka_position_topic",
            "kafka_position_topic is a topic of messages too",
            "give position records a topic of their own",
        );
    }
    ExactlyOnceSettings {
        position_topic,
        interval_ms: reader.millis("exactly_once_interval"),
        bytes: reader.size("exactly_once_bytes"),
        writes_positions: reader.flag("exactly_once_mysql_positions"),
    }
}

/// `kafka.*` keys. As in Maxwell the text `kafka.` is removed wherever it stands in the name.
fn properties(reader: &Reader) -> Vec<KafkaProperty> {
    let mut properties = BTreeMap::new();
    for (key, setting) in reader.raw.with_prefix(KAFKA_PREFIX) {
        let name = key.replace(KAFKA_PREFIX, "");
        let value = Secret::new(setting.value.clone().unwrap_or_default());
        if !name.is_empty() {
            properties.insert(name.clone(), KafkaProperty { name, value, origin: setting.origin.clone() });
        }
    }
    properties.into_values().collect()
}

pub(super) fn read(reader: &mut Reader, kind: ProducerKind, partition: PartitionSettings) -> ProducerSettings {
    let ack_timeout_ms = Some(reader.millis("producer_ack_timeout")).filter(|ms| *ms > 0);
    ProducerSettings { kind, partition, ignore_error: reader.flag("ignore_producer_error"), ack_timeout_ms }
}
