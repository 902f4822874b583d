//! The compacted topic of position records: made if it is missing, checked, read to its end. Never here: what a record
//! says, and writing one (`transactions`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{FromClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use rdkafka_sys::rd_kafka_resp_err_t as E;

use crate::error::{Error, Result};

use super::admin::passes;
use super::ffi::Code;
use super::record::PositionRecord;
use super::settings::Settings;

/// Records stand in one partition, so that they have one order.
const PARTITION: i32 = 0;
/// One question may take so long.
const ASK: Duration = Duration::from_secs(5);
/// A look may wait so long, if `kafka.max.block.ms` allows more.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Pause between two tries.
const AGAIN: Duration = Duration::from_millis(200);
/// How far before its end the topic is first read; doubled while no record of ours is found.
const LAST_RECORDS: i64 = 1000;

/// Settings of the topic that we make. Every transaction adds a record and only the last one of a key counts: small
/// segments, because the one that is written to is never compacted.
const CONFIG: &[(&str, &str)] =
    &[("cleanup.policy", "compact"), ("segment.bytes", "16777216"), ("segment.ms", "3600000"), ("min.cleanable.dirty.ratio", "0.1")];

/// Makes the topic if it is missing, else sees that nothing but compaction removes its records. Waits for brokers at most
/// `Settings::block`.
///
/// # Errors
/// Definite when it may not be made or would lose records; transient when no broker answers in time.
pub async fn ensure(settings: &Settings, topic: &str) -> Result<()> {
    let admin = asking(settings)?;
    let begun = Instant::now();
    loop {
        match ensured(&admin, topic).await {
            Err(error) if error.is_transient() && begun.elapsed() < settings.block => tokio::time::sleep(AGAIN).await,
            other => return other,
        }
    }
}

async fn ensured(admin: &Arc<AdminClient<DefaultClientContext>>, topic: &str) -> Result<()> {
    let options = options();
    match policy(admin, topic, &options).await? {
        Policy::Of(text) => return check_policy(topic, &text),
        Policy::Untold => {
            tracing::warn!(
                topic,
                "kafka: the broker does not tell the position topic's settings (right DescribeConfigs): see that its cleanup.policy is compact"
            );
            return Ok(());
        }
        Policy::NoTopic => {}
    }
    // -1: as many replicas as the brokers are set to (default.replication.factor).
    let mut wanted = NewTopic::new(topic, 1, TopicReplication::Fixed(-1));
    for (name, value) in CONFIG {
        wanted = wanted.set(name, value);
    }
    let answers = admin.create_topics([&wanted], &options).await.map_err(|e| unanswered(topic, &e))?;
    match answers.into_iter().next() {
        None | Some(Ok(_)) => {
            tracing::info!(topic, "kafka: made the topic of position records");
            Ok(())
        }
        // Somebody else has just made it; the next look says how.
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
            Err(Error::transient("the position topic has just been made").detail(topic))
        }
        Some(Err((_, code))) => Err(not_made(topic, code)),
    }
}

enum Policy {
    Of(String),
    NoTopic,
    /// We may not ask.
    Untold,
}

async fn policy(admin: &Arc<AdminClient<DefaultClientContext>>, topic: &str, options: &AdminOptions) -> Result<Policy> {
    let (client, name) = (admin.clone(), topic.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = client.inner().fetch_metadata(Some(&name), ASK)?;
        Ok(metadata.topics().iter().find(|t| t.name() == name).and_then(|t| t.error()))
    });
    match asked.await.map_err(|e| Error::bug("the question about the position topic failed").source(e))? {
        Ok(None) => {}
        Ok(Some(E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)) => return Ok(Policy::NoTopic),
        Ok(Some(E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)) => return Err(unreadable(topic)),
        Ok(Some(E::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)) => {
            return Err(Error::definite(format!("Kafka allows no topic named {topic:?}")).detail("kafka_position_topic"));
        }
        Ok(Some(error)) => return Err(Error::transient("the position topic cannot be used yet").detail(Code::of(error).text())),
        Err(error) => return Err(unanswered(topic, &error)),
    }
    let answers = admin.describe_configs([&ResourceSpecifier::Topic(topic)], options).await.map_err(|e| unanswered(topic, &e))?;
    // One that may not be asked comes without its settings.
    let told = answers.into_iter().next().and_then(|answer| answer.ok()?.get("cleanup.policy")?.value.clone());
    Ok(told.map_or(Policy::Untold, Policy::Of))
}

fn check_policy(topic: &str, policy: &str) -> Result<()> {
    if policy.trim() == "compact" {
        return Ok(());
    }
    Err(Error::definite(format!("the position topic {topic} has cleanup.policy={policy}: position records would be deleted after a while"))
        .detail("kafka_position_topic")
        .hint(format!(
            "kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact; or name another topic"
        )))
}

fn unanswered(topic: &str, error: &KafkaError) -> Error {
    Error::transient("no broker answers about the position topic").detail(format!("{topic}: {error}"))
}

fn unreadable(topic: &str) -> Error {
    Error::definite(format!("Kafka does not let this user read the position topic {topic}"))
        .detail("kafka_position_topic")
        .hint("grant this user READ, WRITE and DESCRIBE on it")
}

fn not_made(topic: &str, code: RDKafkaErrorCode) -> Error {
    let what = format!("the position topic {topic} does not exist and cannot be made: {code}");
    if passes(Code(code as i32)) {
        return Error::transient(what);
    }
    Error::definite(what).detail("kafka_position_topic").hint(format!(
        "make it: kafka-topics.sh --create --topic {topic} --partitions 1 --config cleanup.policy=compact; or grant this user CREATE on it"
    ))
}

/// How far a reader goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// To what can be read now: behind it other clients' transactions may be open.
    Now,
    /// To the end as it is now, however long other clients' open transactions hold it back.
    End,
}

/// The last committed record under this key. Blocks: for `To::End` as long as others' transactions are open, else at most
/// `Settings::block`.
///
/// # Errors
/// Definite when it may not be read or says nothing that we understand; transient when the brokers do not answer.
pub async fn newest(settings: &Settings, topic: &str, key: &str, to: To) -> Result<Option<PositionRecord>> {
    let reader = Reader { config: settings.reader_config(), topic: topic.to_owned(), key: key.to_owned(), block: settings.block };
    let found = tokio::task::spawn_blocking(move || reader.newest(to)).await;
    let found = found.map_err(|e| Error::bug("reading the position topic failed").source(e))??;
    found.map(|bytes| PositionRecord::parse(&bytes).map_err(|e| e.detail(format!("topic {topic}, key {key}")))).transpose()
}

/// As `newest` for what can be read now, and nothing is made: `None` also where there is no such topic.
///
/// # Errors
/// As those of `newest` and `ensure`.
pub async fn look(settings: &Settings, topic: &str, key: &str) -> Result<Option<PositionRecord>> {
    match policy(&asking(settings)?, topic, &options()).await? {
        Policy::NoTopic => return Ok(None),
        Policy::Of(text) => check_policy(topic, &text)?,
        Policy::Untold => {}
    }
    let mut settings = settings.clone();
    settings.block = settings.block.min(LOOK_MAX);
    newest(&settings, topic, key, To::Now).await
}

fn asking(settings: &Settings) -> Result<Arc<AdminClient<DefaultClientContext>>> {
    let mut config = settings.reader_config();
    // Whoever asks for an unknown topic would otherwise make it, with the brokers' settings.
    config.set("allow.auto.create.topics", "false").set_log_level(RDKafkaLogLevel::Emerg);
    let admin: AdminClient<DefaultClientContext> =
        AdminClient::from_config(&config).map_err(|_| Error::definite("no Kafka client for the position topic can be made"))?;
    Ok(Arc::new(admin))
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ASK)).operation_timeout(Some(ASK))
}

struct Reader {
    config: ClientConfig,
    topic: String,
    key: String,
    block: Duration,
}

impl Reader {
    fn consumer(&self, isolation: &str) -> Result<BaseConsumer> {
        let mut config = self.config.clone();
        config
            // Nothing is stored under it; the library wants a name to assign partitions.
            .set("group.id", format!("binlogd-{}", self.key))
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .set("allow.auto.create.topics", "false")
            .set("isolation.level", isolation)
            .set_log_level(RDKafkaLogLevel::Emerg);
        config.create().map_err(|_| Error::definite("no Kafka client that reads the position topic can be made"))
    }

    #[allow(clippy::disallowed_methods, reason = "a thread of the pool that may block; the brokers do not tell when to ask again")]
    fn newest(&self, to: To) -> Result<Option<Vec<u8>>> {
        let consumer = self.consumer("read_committed")?;
        let (low, mut end) = self.bounds(&consumer, Instant::now() + self.block)?;
        if to == To::End {
            let (_, last) = self.bounds(&self.consumer("read_uncommitted")?, Instant::now() + self.block)?;
            let mut told = false;
            while end < last {
                if !std::mem::replace(&mut told, true) {
                    tracing::info!(topic = self.topic, "kafka: waiting for other clients' open transactions on the position topic");
                }
                std::thread::sleep(AGAIN);
                end = self.bounds(&consumer, Instant::now() + self.block)?.1;
            }
        }
        let mut span = LAST_RECORDS;
        loop {
            let from = (end - span).max(low);
            let found = self.last_of(&consumer, from)?;
            if found.is_some() || from <= low {
                return Ok(found);
            }
            span = span.saturating_mul(2);
        }
    }

    /// The first offset and the one behind the last that this reader may see.
    #[allow(clippy::disallowed_methods, reason = "a thread of the pool that may block; the brokers do not tell when to ask again")]
    fn bounds(&self, consumer: &BaseConsumer, until: Instant) -> Result<(i64, i64)> {
        loop {
            match consumer.fetch_watermarks(&self.topic, PARTITION, ASK) {
                Ok(bounds) => return Ok(bounds),
                Err(error) => self.judge(&error, until)?,
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// The last record of our key from an offset to the end.
    fn last_of(&self, consumer: &BaseConsumer, from: i64) -> Result<Option<Vec<u8>>> {
        let mut place = TopicPartitionList::new();
        let assigned = place.add_partition_offset(&self.topic, PARTITION, Offset::Offset(from)).and_then(|()| consumer.assign(&place));
        assigned.map_err(|e| Error::transient("the position topic cannot be read").source(e).detail(&self.topic))?;
        let mut until = Instant::now() + self.block;
        let mut found = None;
        loop {
            match consumer.poll(ASK) {
                Some(Ok(message)) => {
                    until = Instant::now() + self.block;
                    if message.key() == Some(self.key.as_bytes()) {
                        found = message.payload().map(<[u8]>::to_vec);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
                Some(Err(error)) => self.judge(&error, until)?,
                None if Instant::now() >= until => {
                    return Err(Error::transient("the position topic could not be read to its end in time").detail(&self.topic));
                }
                None => {}
            }
        }
    }

    /// Whether an error passes; until then there is another try.
    fn judge(&self, error: &KafkaError, until: Instant) -> Result<()> {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            return Err(unreadable(&self.topic));
        }
        if Instant::now() >= until {
            return Err(Error::transient("the position topic cannot be read").detail(format!("{}: {error}", self.topic)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_compaction_may_remove_records() {
        assert!(check_policy("t", "compact").is_ok());
        for policy in ["delete", "compact,delete", "delete,compact", ""] {
            let error = check_policy("t", policy).unwrap_err();
            assert!(!error.is_transient() && error.to_string().contains("cleanup.policy=compact"), "{error}");
        }
    }

    #[test]
    fn what_hinders_making_the_topic() {
        for (code, passes) in [
            (RDKafkaErrorCode::RequestTimedOut, true),
            (RDKafkaErrorCode::OperationTimedOut, true),
            (RDKafkaErrorCode::NotController, true),
            (RDKafkaErrorCode::BrokerTransportFailure, true),
            (RDKafkaErrorCode::ThrottlingQuotaExceeded, true),
            (RDKafkaErrorCode::TopicAuthorizationFailed, false),
            (RDKafkaErrorCode::PolicyViolation, false),
        ] {
            let error = not_made("t", code);
            assert_eq!(error.is_transient(), passes, "{error}");
        }
    }
}
