//! Topic handles by number, and how many partitions each topic has. Never here: messages in flight.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka_sys::rd_kafka_resp_err_t as E;

use crate::encode::batch::{TopicId, Topics};

use super::client::Client;
use super::delivery::Failure;
use super::ffi::{Code, Topic, TopicFacts};

/// Longest name that Kafka allows.
const NAME_BYTES_MAX: usize = 249;

/// One question to the cluster may block a thread of the pool for so long, so that a stop need not wait longer.
const ASK: Duration = Duration::from_secs(1);

/// Pause before asking again about a topic that is being made.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// A topic that exists.
pub struct TopicHandle {
    pub name: Arc<str>,
    pub topic: Topic,
    partitions: AtomicI32,
}

impl TopicHandle {
    /// The partition of a message.
    #[inline]
    pub fn partition(&self, hash: i32) -> i32 {
        partition_of(hash, self.partitions.load(Ordering::Relaxed))
    }
}

/// Maxwell's formula: the remainder with the sign of the hash, then its absolute value (contract §5.4). `count` is above 0.
#[inline]
pub fn partition_of(hash: i32, count: i32) -> i32 {
    (hash % count.max(1)).abs()
}

/// All topics in use.
pub struct TopicTable {
    names: Arc<Topics>,
    by_id: Vec<Option<Arc<TopicHandle>>>,
    /// The same handles, for the task that refreshes the counts.
    all: Arc<Mutex<Vec<Arc<TopicHandle>>>>,
}

impl TopicTable {
    pub fn new(names: Arc<Topics>) -> Self {
        TopicTable { names, by_id: Vec::new(), all: Arc::default() }
    }

    #[inline]
    pub fn get(&self, id: TopicId) -> Option<&Arc<TopicHandle>> {
        self.by_id.get(id.0 as usize)?.as_ref()
    }

    pub fn name(&self, id: TopicId) -> Arc<str> {
        self.names.name(id)
    }

    /// For `refresh_all`.
    pub fn handles(&self) -> Arc<Mutex<Vec<Arc<TopicHandle>>>> {
        self.all.clone()
    }

    /// Forgets a topic that is not there any more; the next message asks for it anew.
    pub fn forget(&mut self, id: TopicId) {
        if let Some(place) = self.by_id.get_mut(id.0 as usize)
            && let Some(gone) = place.take()
        {
            lock(&self.all).retain(|h| !Arc::ptr_eq(h, &gone));
        }
    }

    /// Gives all handles back.
    pub fn clear(&mut self) {
        self.by_id.clear();
        lock(&self.all).clear();
    }

    /// Asks for a topic and keeps its handle. A topic that does not exist is waited for, at most `block`, because the broker
    /// may be making it; a cluster that cannot be reached is waited for without end, like everything while it runs.
    pub async fn open(&mut self, id: TopicId, client: &Client, block: Duration) -> Result<(), Failure> {
        let name = self.names.name(id);
        check_name(&name)?;
        let Some(topic) = client.native.topic(&name) else {
            return Err(Failure::definite(format!("the client library cannot open the topic {name}")));
        };
        let handle = Arc::new(TopicHandle { name, topic, partitions: AtomicI32::new(0) });
        let mut unknown_since: Option<Instant> = None;
        loop {
            if let Some(failure) = client.shared.broken() {
                return Err(failure);
            }
            match client.ask_about(&handle).await {
                Ok(facts) if facts.error == Code::NONE && facts.partitions > 0 => {
                    handle.partitions.store(facts.partitions, Ordering::Relaxed);
                    break;
                }
                Ok(facts) => {
                    if let Some(failure) = lasting(&facts) {
                        return Err(failure);
                    }
                    let since = *unknown_since.get_or_insert_with(|| {
                        tracing::info!(topic = %handle.name, "kafka: the topic does not exist yet; waiting for it");
                        Instant::now()
                    });
                    if since.elapsed() >= block {
                        return Err(missing(&handle.name, block));
                    }
                }
                Err(code) => tracing::debug!(topic = %handle.name, error = %code.text(), "kafka: no answer about a topic"),
            }
            tokio::time::sleep(ASK_AGAIN.min(block)).await;
        }
        tracing::debug!(topic = %handle.name, partitions = handle.partitions.load(Ordering::Relaxed), "kafka: topic");
        self.keep(id, handle);
        Ok(())
    }

    fn keep(&mut self, id: TopicId, handle: Arc<TopicHandle>) {
        let at = id.0 as usize;
        if self.by_id.len() <= at {
            self.by_id.resize(at + 1, None);
        }
        lock(&self.all).push(handle.clone());
        if let Some(place) = self.by_id.get_mut(at) {
            *place = Some(handle);
        }
    }
}

impl Client {
    /// One question about one topic.
    async fn ask_about(&self, handle: &Arc<TopicHandle>) -> Result<TopicFacts, Code> {
        let (native, about) = (self.native.clone(), handle.clone());
        let answer = tokio::task::spawn_blocking(move || native.metadata(Some(&about.topic), ASK)).await;
        let facts = answer.unwrap_or(Err(Code::of(E::RD_KAFKA_RESP_ERR__FAIL)))?;
        self.shared.cluster.reached();
        facts.into_iter().find(|f| *f.name == *handle.name).ok_or(Code::of(E::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC))
    }

    /// Takes over new partition counts of all topics in use. Answers whether the cluster could be asked.
    pub async fn refresh_all(&self, handles: &Mutex<Vec<Arc<TopicHandle>>>) -> bool {
        let native = self.native.clone();
        let answer = tokio::task::spawn_blocking(move || native.metadata(None, ASK)).await;
        let Ok(Ok(facts)) = answer else { return false };
        self.shared.cluster.reached();
        for handle in lock(handles).iter() {
            let Some(now) = facts.iter().find(|f| *f.name == *handle.name && f.error == Code::NONE && f.partitions > 0) else { continue };
            let before = handle.partitions.swap(now.partitions, Ordering::Relaxed);
            if before != now.partitions {
                tracing::info!(topic = %handle.name, before, now = now.partitions, "kafka: the number of partitions has changed");
            }
        }
        true
    }
}

/// Kafka's rule for names.
fn check_name(name: &str) -> Result<(), Failure> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !name.is_empty() && name != "." && name != ".." && name.len() <= NAME_BYTES_MAX && name.bytes().all(legal) {
        return Ok(());
    }
    Err(Failure::definite(format!("Kafka allows no topic named {name:?}")).hint(format!(
        "a name has 1 to {NAME_BYTES_MAX} of the characters a-z A-Z 0-9 . _ -; if kafka_topic is a template, leave the database or table out of it or out of the filter"
    )))
}

fn lasting(facts: &TopicFacts) -> Option<Failure> {
    let code = facts.error;
    if code == Code::of(E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        let failure = Failure::definite(format!("Kafka does not let this user see the topic {}", facts.name));
        return Some(failure.hint("grant this user WRITE and DESCRIBE (and CREATE, if topics are to be made) on the topic"));
    }
    if code == Code::of(E::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
        return Some(Failure::definite(format!("Kafka does not allow the topic {}", facts.name)).hint("see kafka_topic"));
    }
    None
}

fn missing(name: &str, block: Duration) -> Failure {
    Failure::definite(format!("topic {name} does not exist and the broker does not create it (auto.create.topics.enable=false)"))
        .detail(format!("waited {} ms, kafka.max.block.ms", block.as_millis()))
        .hint(format!("create it, for example: kafka-topics.sh --create --topic {name} --partitions 12"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_by_maxwells_formula() {
        // Vectors of contract §5.4 and the edges of i32.
        let rows = [
            (-2_128_682_281, 12, 1),
            (3_556_498, 12, 10),
            (0, 1, 0),
            (-1, 3, 1),
            (7, 3, 1),
            (i32::MIN, 12, 8),
            (i32::MIN, 1, 0),
            (i32::MAX, i32::MAX, 0),
            (i32::MIN, i32::MAX, 1),
            // Never: a count of 0 is not stored; it must not panic all the same.
            (5, 0, 0),
        ];
        for (hash, count, partition) in rows {
            assert_eq!(partition_of(hash, count), partition, "{hash} of {count}");
        }
    }

    #[test]
    fn names() {
        for good in ["a", "maxwell", "db.t-1_x", &"x".repeat(249)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ü", "a/b", "%{database}", "a\0b", &"x".repeat(250)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
