//! What `binlogd check` asks a Kafka cluster: whether it can be reached and lets us in, and what it says of our topics.
//! Nothing is sent, and no question makes a topic. Whether this user may write is seen at the first message only: Kafka
//! answers that for a real message alone.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{FromClientConfig, RDKafkaLogLevel};
use rdkafka_sys::rd_kafka_resp_err_t as E;

use crate::finding::Finding;
use crate::metrics::Metrics;

use super::client::Client;
use super::settings::{Settings, Transactional};
use super::trial::trial_id;
use super::wait_for_cluster;

const BROKERS: &str = "Kafka brokers";
/// One question after the first answer may take so long.
const ASK: Duration = Duration::from_secs(5);

/// Checks the cluster and these topics. A topic whose name holds `%{` depends on the row and is passed over with a word.
pub async fn probe(settings: &Settings, topics: &[String], limit: Duration) -> Vec<Finding> {
    let place = settings.brokers.clone();
    let mut rights: Vec<Finding> = settings.transactional.iter().map(ids).collect();
    let mut found = match reach(settings, limit).await {
        Ok(()) => {
            let mut found = vec![Finding::ok(BROKERS, "a broker answers").at(&place)];
            let (settings, topics) = (settings.clone(), topics.to_vec());
            match Questions::new(&settings) {
                Ok(questions) => found.extend(questions.ask(&settings, &topics).await),
                Err(why) => found.extend(topics.iter().map(|t| Finding::not_checked(topic_check(t), why.clone()))),
            }
            found
        }
        Err(fault) => {
            let because = "no broker can be asked";
            let mut found = vec![fault];
            found.extend(topics.iter().map(|t| Finding::not_checked(topic_check(t), because)));
            found
        }
    };
    found.append(&mut rights);
    found.into_iter().map(|f| if f.place.is_empty() { f.at(&place) } else { f }).collect()
}

/// Whether this user may use them is seen at the start only: asking would lock a running daemon out.
fn ids(transactional: &Transactional) -> Finding {
    let (id, trial) = (&transactional.id, trial_id(transactional));
    Finding::not_checked(
        "transactional ids",
        format!(
            "this user needs WRITE and DESCRIBE on {id}, and on {trial} (for messages that Kafka may refuse); a start tells whether it has them"
        ),
    )
}

fn topic_check(topic: &str) -> String {
    format!("topic {topic}")
}

/// Connects as the producer does.
async fn reach(settings: &Settings, limit: Duration) -> Result<(), Finding> {
    let fault = |e: crate::error::Error| Finding::error(BROKERS, &e);
    let (client, mut thread) = Client::start(settings, Arc::new(Metrics::new())).map_err(fault)?;
    let reached = wait_for_cluster(&client, settings.block.min(limit)).await;
    thread.stop(&client.native);
    drop(client);
    thread.ended(Duration::from_secs(1)).await;
    reached.map_err(fault)
}

/// What a broker is set to, as far as it tells.
#[derive(Default)]
struct BrokerFacts {
    creates_topics: Option<bool>,
    message_bytes_max: Option<u64>,
}

struct Questions(Arc<AdminClient<DefaultClientContext>>);

impl Questions {
    fn new(settings: &Settings) -> Result<Self, String> {
        let mut config = settings.client_config();
        // Whoever asks for an unknown topic would otherwise make it.
        config.set("allow.auto.create.topics", "false");
        config.set("statistics.interval.ms", "0");
        config.set_log_level(RDKafkaLogLevel::Emerg);
        AdminClient::from_config(&config)
            .map(|client| Questions(Arc::new(client)))
            .map_err(|_| "no client for questions can be made".into())
    }

    async fn ask(&self, settings: &Settings, topics: &[String]) -> Vec<Finding> {
        let broker = self.broker().await;
        let mut found = vec![match broker.creates_topics {
            Some(true) => Finding::ok("topic creation", "brokers make missing topics"),
            Some(false) => Finding::ok("topic creation", "brokers make no topics: each has to be there"),
            None => Finding::not_checked("topic creation", "the brokers do not tell their settings (right DescribeConfigs on the cluster)"),
        }];
        for topic in topics {
            if topic.contains("%{") {
                let text = "its name depends on the row: whether each is there is seen at its first message";
                found.push(Finding::not_checked(topic_check(topic), text));
                found.extend(broker.message_bytes_max.map(|max| size("the brokers' message.max.bytes", topic, max, settings)));
                continue;
            }
            let facts = self.partitions(topic).await;
            let is_there = matches!(facts, Ok(Some(_)));
            found.push(existence(topic, facts, broker.creates_topics, &settings.brokers));
            let limit = if is_there { self.topic_bytes_max(topic).await } else { broker.message_bytes_max };
            let whose = if is_there { "its max.message.bytes" } else { "the brokers' message.max.bytes" };
            found.push(match limit {
                Some(max) => size(whose, topic, max, settings),
                None => Finding::not_checked(size_check(topic), "the brokers do not tell their settings (right DescribeConfigs)"),
            });
        }
        found
    }

    /// The settings of any broker; those of interest are the same on all in a cluster that is set up with care.
    async fn broker(&self) -> BrokerFacts {
        let client = self.0.clone();
        let answer = tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, ASK)).await;
        let Ok(Ok(metadata)) = answer else { return BrokerFacts::default() };
        let Some(id) = metadata.brokers().first().map(|b| b.id()) else { return BrokerFacts::default() };
        let Some(config) = self.config(ResourceSpecifier::Broker(id)).await else { return BrokerFacts::default() };
        BrokerFacts {
            creates_topics: value(&config, "auto.create.topics.enable").map(|v| v == "true"),
            message_bytes_max: value(&config, "message.max.bytes").and_then(|v| v.parse().ok()),
        }
    }

    /// The number of partitions; `None` if there is no such topic.
    async fn partitions(&self, topic: &str) -> Result<Option<usize>, String> {
        let (client, name) = (self.0.clone(), topic.to_owned());
        let answer = tokio::task::spawn_blocking(move || {
            let metadata = client.inner().fetch_metadata(Some(&name), ASK)?;
            let topic = metadata.topics().iter().find(|t| t.name() == name);
            Ok::<_, rdkafka::error::KafkaError>(topic.map(|t| (t.error(), t.partitions().len())))
        });
        match answer.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())? {
            Some((None, count)) if count > 0 => Ok(Some(count)),
            None | Some((None | Some(E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), _)) => Ok(None),
            Some((Some(E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), _)) => Err("Kafka does not let this user see it".into()),
            Some((Some(error), _)) => Err(super::ffi::Code::of(error).text()),
        }
    }

    async fn topic_bytes_max(&self, topic: &str) -> Option<u64> {
        let config = self.config(ResourceSpecifier::Topic(topic)).await?;
        value(&config, "max.message.bytes")?.parse().ok()
    }

    async fn config(&self, of: ResourceSpecifier<'_>) -> Option<ConfigResource> {
        let options = AdminOptions::new().request_timeout(Some(ASK));
        let answer = self.0.describe_configs(&[of], &options).await.ok()?;
        answer.into_iter().next()?.ok()
    }
}

fn value<'a>(config: &'a ConfigResource, name: &str) -> Option<&'a str> {
    config.get(name)?.value.as_deref()
}

fn existence(topic: &str, facts: Result<Option<usize>, String>, made: Option<bool>, brokers: &str) -> Finding {
    let check = topic_check(topic);
    let create = format!("kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions 12");
    match (facts, made) {
        (Ok(Some(count)), _) => Finding::ok(check, format!("has {count} partitions")),
        (Ok(None), Some(true)) => {
            Finding::warning(check, "does not exist: the brokers make it at the first message, with their default number of partitions")
                .shell(create)
        }
        (Ok(None), _) => {
            let text = format!("topic {topic} does not exist, or this user may not see it, and the brokers do not make it");
            Finding::fault(check, text).shell(create)
        }
        (Err(why), _) => Finding::fault(check, format!("topic {topic} cannot be used: {why}"))
            .words("grant this user WRITE and DESCRIBE on the topic (kafka-acls.sh --add --producer)"),
    }
}

fn size_check(topic: &str) -> String {
    format!("message size, topic {topic}")
}

/// A message beyond the broker's limit and below ours would be sent, and refused.
fn size(whose: &str, topic: &str, broker_max: u64, settings: &Settings) -> Finding {
    let ours = settings.request_bytes_max as u64;
    // The brokers' default is 1 MiB and 12 bytes, for a record batch of one message of 1 MiB in Java's count.
    if broker_max >= ours {
        return Finding::ok(size_check(topic), format!("up to {ours} bytes (kafka.max.request.size); {whose} is {broker_max}"));
    }
    Finding::warning(
        size_check(topic),
        format!("{whose} is {broker_max}, kafka.max.request.size {ours}: a message between them is sent and refused, and then a dead letter, left out or the end (docs/kafka.md)"),
    )
    .shell(format!(
        "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {topic} --add-config max.message.bytes={}",
        settings.brokers,
        ours + 12
    ))
    .option(format!("kafka.max.request.size={broker_max}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn a_missing_topic_is_a_fault_only_where_nobody_makes_it() {
        for (facts, made, state) in [
            (Ok(Some(3)), None, State::Ok),
            (Ok(None), Some(true), State::Warning),
            (Ok(None), Some(false), State::Fault),
            (Ok(None), None, State::Fault),
            (Err("no".to_owned()), Some(true), State::Fault),
        ] {
            let finding = existence("t", facts.clone(), made, "b:1");
            assert_eq!((finding.state, finding.mends.is_empty()), (state, state == State::Ok), "{facts:?}");
        }
    }

    #[test]
    fn sizes() {
        let options = super::super::KafkaOptions {
            properties: vec![("bootstrap.servers".into(), "b:1".into())],
            queue_bytes_max: 32 << 20,
            ..super::super::KafkaOptions::default()
        };
        let settings = Settings::build(&options).unwrap();
        assert_eq!(size("x", "t", 1_048_588, &settings).state, State::Ok);
        let small = size("x", "t", 1_000_000, &settings);
        assert_eq!(small.state, State::Warning);
        assert!(small.hint().contains("max.message.bytes=1048588") && small.hint().contains("kafka.max.request.size=1000000"), "{small:?}");
    }
}
