//! Topic handles by number, and how many partitions each topic has. Never here: messages in flight.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka_sys::rd_kafka_resp_err_t as E;

use tokio::task::JoinSet;

use crate::encode::batch::{Message, TopicId, Topics};

use super::admin::{Admin, Made, passes};
use super::client::Client;
use super::delivery::Failure;
use super::ffi::{Code, Topic, TopicFacts};
use super::learned::Learned;
use super::settings::{Settings, TopicCreation};

/// Longest name that Kafka allows.
const NAME_BYTES_MAX: usize = 249;

/// One question to the cluster may block a thread of the pool for so long, so that a stop need not wait longer.
const ASK: Duration = Duration::from_secs(1);

/// Pauses before asking again about a topic that is being made: the first, doubled up to the last.
const ASK_AGAIN_FIRST: Duration = Duration::from_millis(10);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Topics that are opened with the one that is needed, and how many of them are asked for at a time (a thread each).
const OPEN_AT_ONCE: usize = 500;
const ASK_TOGETHER: usize = 32;

/// A topic that is only opened along with another is not waited for longer.
const ALONG_MAX: Duration = Duration::from_secs(2);

/// A topic that exists.
pub struct TopicHandle {
    pub name: Arc<str>,
    pub topic: Topic,
    partitions: AtomicI32,
    /// Bytes of a message up to which it may share a batch with others.
    limit: AtomicUsize,
}

impl TopicHandle {
    /// The partition of a message.
    #[inline]
    pub fn partition(&self, hash: i32) -> i32 {
        partition_of(hash, self.partitions.load(Ordering::Relaxed))
    }
}

impl TopicHandle {
    /// Whether a message of this size (`record_bytes_max`) may go with others.
    #[inline]
    pub fn takes(&self, bytes: usize) -> bool {
        bytes <= self.limit.load(Ordering::Relaxed)
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

    /// The topics of these messages that have no handle yet, `first` before all others; each once, and not without end.
    pub fn missing(&self, first: TopicId, others: &[Message]) -> Vec<TopicId> {
        let mut ids = vec![first];
        let mut seen = HashSet::from([first]);
        for message in others {
            if ids.len() == OPEN_AT_ONCE {
                break;
            }
            if self.get(message.topic).is_none() && seen.insert(message.topic) && check_name(&self.name(message.topic)).is_ok() {
                ids.push(message.topic);
            }
        }
        ids
    }

    /// Opens topics and keeps their handles: makes them if that is wanted, asks for their partitions all at once, and learns
    /// their limits. The first is what is needed now, the others come along so that each new topic does not cost its own wait.
    /// A topic that does not exist is waited for, at most `kafka.max.block.ms`, because the broker may be making it; a cluster
    /// that cannot be reached is waited for without end, like everything while it runs.
    pub async fn open(&mut self, ids: &[TopicId], client: &Client, admin: &Admin, settings: &Settings) -> Result<(), Failure> {
        let Some(first) = ids.first() else { return Ok(()) };
        check_name(&self.names.name(*first))?;
        let names: Vec<Arc<str>> = ids.iter().map(|id| self.names.name(*id)).collect();
        let mut unmade = None;
        if let Some(how) = &settings.creation {
            unmade = make(&names, how, client, admin).await?;
        }
        let mut asking = JoinSet::new();
        let mut waiting = ids.iter().zip(&names).enumerate();
        let mut opened = Vec::with_capacity(ids.len());
        loop {
            while asking.len() < ASK_TOGETHER
                && let Some((n, (id, name))) = waiting.next()
            {
                let (client, name, id) = (client.clone(), name.clone(), *id);
                let wait = if n == 0 { settings.block } else { settings.block.min(ALONG_MAX) };
                asking.spawn(async move { (n, id, find(&client, name, wait).await) });
            }
            match asking.join_next().await {
                None => break,
                Some(Ok((_, id, Ok(handle)))) => opened.push((id, handle)),
                Some(Ok((0, _, Err(failure)))) => {
                    return Err(match unmade {
                        Some(why) => failure.hint(format!(
                            "kafka_topic_create is set, but Kafka did not make it: {why}; grant this user CREATE, WRITE and DESCRIBE on the topic, or make it"
                        )),
                        None => failure,
                    });
                }
                // Met again, and told, when it is this one's turn.
                Some(Ok((_, _, Err(_)))) => {}
                Some(Err(error)) => return Err(Failure::transient(format!("asking for a topic failed: {error}"))),
            }
        }
        let found: Vec<Arc<str>> = opened.iter().map(|(_, handle)| handle.name.clone()).collect();
        for (name, bytes) in admin.limits(&found).await {
            settings.learned.told(&name, bytes);
        }
        for (id, handle) in opened {
            handle.limit.store(settings.learned.limit(&handle.name), Ordering::Relaxed);
            self.keep(id, handle);
        }
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

/// Makes topics that are not there. Without the right to, they may be there all the same, which the next question tells; why the
/// first was not made is answered. It is ordered again as long as what hinders it may pass, like everything that waits for the
/// cluster; the others are ordered again when it is their turn.
async fn make(names: &[Arc<str>], how: &TopicCreation, client: &Client, admin: &Admin) -> Result<Option<String>, Failure> {
    let mut refused = None;
    let mut names = names.to_vec();
    let first = names.first().cloned();
    let mut told = false;
    loop {
        match admin.create(&names, how).await {
            Ok(made) => {
                names.clear();
                for (name, made) in made {
                    let Made::Refused(code) = made else { continue };
                    match Unmade::of(code) {
                        Unmade::Again => {
                            if !std::mem::replace(&mut told, true) {
                                tracing::warn!(topic = %name, why = %code.text(), "kafka: a topic is not made yet; it is ordered again");
                            }
                            names.push(name);
                        }
                        Unmade::Perhaps => {
                            tracing::info!(topic = %name, why = %code.text(), "kafka: the topic was not made");
                            if first.as_ref() == Some(&name) {
                                refused = Some(code.text());
                            }
                        }
                        Unmade::Never(hint) => {
                            let failure = Failure::definite(format!("Kafka does not make the topic {name}: {}", code.text()));
                            return Err(failure.hint(hint));
                        }
                    }
                }
                if names.first().is_none_or(|name| Some(name) != first.as_ref()) {
                    return Ok(refused);
                }
            }
            // The cluster cannot be reached, or has no controller right now.
            Err(why) => tracing::debug!(why, "kafka: no answer to the order to make topics"),
        }
        if let Some(failure) = client.shared.broken() {
            return Err(failure);
        }
        tokio::time::sleep(ASK).await;
    }
}

/// What follows from the refusal to make a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unmade {
    /// It may pass.
    Again,
    /// Waiting cannot mend it; this can.
    Never(&'static str),
    /// The topic may be there all the same, or be made by somebody else.
    Perhaps,
}

impl Unmade {
    fn of(code: Code) -> Self {
        if passes(code) {
            return Unmade::Again;
        }
        let rows = [
            (E::RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, "see kafka_topic_partitions"),
            (E::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, "kafka_topic_replication_factor must not be above the number of brokers"),
            (E::RD_KAFKA_RESP_ERR_INVALID_CONFIG, "see kafka_topic_configs"),
            (E::RD_KAFKA_RESP_ERR_INVALID_REQUEST, "see the kafka_topic_* keys"),
            (E::RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "the brokers' policy for new topics does not allow it: see the kafka_topic_* keys"),
            (E::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "see kafka_topic"),
        ];
        rows.iter().find(|(of, _)| Code::of(*of) == code).map_or(Unmade::Perhaps, |(_, hint)| Unmade::Never(hint))
    }
}

/// Asks for one topic until it is there.
async fn find(client: &Client, name: Arc<str>, block: Duration) -> Result<Arc<TopicHandle>, Failure> {
    let Some(topic) = client.native.topic(&name) else {
        return Err(Failure::definite(format!("the client library cannot open the topic {name}")));
    };
    let handle = Arc::new(TopicHandle { name, topic, partitions: AtomicI32::new(0), limit: AtomicUsize::new(usize::MAX) });
    let mut unknown_since: Option<Instant> = None;
    let mut pause = ASK_AGAIN_FIRST;
    loop {
        if let Some(failure) = client.shared.broken() {
            return Err(failure);
        }
        match client.ask_about(&handle).await {
            Ok(facts) if facts.error == Code::NONE && facts.partitions > 0 => {
                handle.partitions.store(facts.partitions, Ordering::Relaxed);
                tracing::debug!(topic = %handle.name, partitions = facts.partitions, "kafka: topic");
                return Ok(handle);
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
        tokio::time::sleep(pause.min(block)).await;
        pause = (pause * 2).min(ASK_AGAIN);
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

    /// Takes over new partition counts and limits of all topics in use. Answers whether the cluster could be asked.
    pub async fn refresh_all(&self, handles: &Mutex<Vec<Arc<TopicHandle>>>, admin: &Admin, learned: &Learned) -> bool {
        let native = self.native.clone();
        let answer = tokio::task::spawn_blocking(move || native.metadata(None, ASK)).await;
        let Ok(Ok(facts)) = answer else { return false };
        self.shared.cluster.reached();
        let facts: HashMap<&str, &TopicFacts> = facts.iter().map(|f| (f.name.as_str(), f)).collect();
        let handles: Vec<Arc<TopicHandle>> = lock(handles).clone();
        let names: Vec<Arc<str>> = handles.iter().map(|handle| handle.name.clone()).collect();
        for (name, bytes) in admin.limits(&names).await {
            learned.told(&name, bytes);
        }
        for handle in handles {
            handle.limit.store(learned.limit(&handle.name), Ordering::Relaxed);
            let Some(now) = facts.get(&*handle.name).filter(|f| f.error == Code::NONE && f.partitions > 0) else { continue };
            let before = handle.partitions.swap(now.partitions, Ordering::Relaxed);
            if before != now.partitions {
                tracing::info!(topic = %handle.name, before, now = now.partitions, "kafka: the number of partitions has changed");
            }
        }
        true
    }
}

/// Kafka's rule for names.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !name.is_empty() && name != "." && name != ".." && name.len() <= NAME_BYTES_MAX && name.bytes().all(legal) {
        return Ok(());
    }
    Err(Failure::definite(format!("Kafka allows no topic named {name:?}")).hint(format!(
        "a name has 1 to {NAME_BYTES_MAX} of the characters a-z A-Z 0-9 . _ -; if kafka_topic is a template, leave the database or table out of it or out of the filter, or set dead_letter_topic to get a record about each such message"
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

    #[test]
    fn what_follows_from_a_refusal_to_make_a_topic() {
        let again = [
            E::RD_KAFKA_RESP_ERR_NOT_CONTROLLER,
            E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            E::RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
            E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            E::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            E::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
            E::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
            E::RD_KAFKA_RESP_ERR__TIMED_OUT,
            E::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
            E::RD_KAFKA_RESP_ERR__TRANSPORT,
            E::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        ];
        let never = [
            E::RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,
            E::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
            E::RD_KAFKA_RESP_ERR_INVALID_CONFIG,
            E::RD_KAFKA_RESP_ERR_INVALID_REQUEST,
            E::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            E::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
        ];
        let perhaps = [
            E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            E::RD_KAFKA_RESP_ERR_UNKNOWN,
        ];
        let of = |code: E| Unmade::of(Code::of(code));
        for code in again {
            assert_eq!(of(code), Unmade::Again, "{code:?}");
        }
        for code in never {
            assert!(matches!(of(code), Unmade::Never(hint) if !hint.is_empty()), "{code:?}");
        }
        for code in perhaps {
            assert_eq!(of(code), Unmade::Perhaps, "{code:?}");
        }
        // One that the library does not know yet.
        assert_eq!(Unmade::of(Code(999)), Unmade::Perhaps);
    }
}
