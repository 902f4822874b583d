//! Which partitions have taken a message of this client. Until one has, a second message is not sent there: a broker that
//! knows nothing of an idempotent client takes any sequence number from it (`ProducerAppendInfo.checkSequence`, KAFKA-15591), so
//! that of several requests in flight a later one could be taken while the one before it is refused (a topic just made, too few
//! replicas, another leader) or lost. The library takes the answer to the later one for an answer to both
//! (`rd_kafka_dr_implicit_ack`), and the earlier messages would be reported as delivered without being there; and if the daemon is
//! killed between the two, a consumer has seen the newer message before the older one. From the first acknowledgement on all
//! replicas in sync know the client, and each leader refuses what does not follow.
//!
//! Never here: librdkafka, waiting.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::encode::batch::TopicId;

/// A partition that got nothing for one to two of these is proved anew. Brokers forget a client whose last message is older
/// than `producer.id.expiration.ms` (a day, if it is not set).
const IDLE: Duration = Duration::from_secs(600);

/// First messages that are not acknowledged yet. Shared with the thread that reads reports.
#[derive(Default)]
pub struct Firsts {
    open: Mutex<Open>,
    /// How many these are, so that a report costs one load in the usual case.
    count: AtomicUsize,
    /// Told at each answer.
    pub answered: Notify,
}

#[derive(Default)]
struct Open {
    /// The numbers by what the library carries for us, which is used again for other messages.
    by_opaque: HashMap<usize, u64>,
    numbers: HashSet<u64>,
    given: u64,
}

impl Firsts {
    /// A first message is about to be sent; the number by which it is waited for.
    pub fn sends(&self, opaque: usize) -> u64 {
        let mut open = self.lock();
        open.given += 1;
        let number = open.given;
        open.by_opaque.insert(opaque, number);
        open.numbers.insert(number);
        self.count.store(open.numbers.len(), Ordering::Release);
        number
    }

    /// A message is acknowledged. One that has failed stays: it ends the client, and nothing more is sent.
    #[inline]
    pub fn acknowledged(&self, opaque: usize) {
        if self.count.load(Ordering::Acquire) > 0 {
            self.forget(opaque);
        }
    }

    /// It is acknowledged, or was not taken by the library.
    pub fn forget(&self, opaque: usize) {
        let mut open = self.lock();
        if let Some(number) = open.by_opaque.remove(&opaque) {
            open.numbers.remove(&number);
            self.count.store(open.numbers.len(), Ordering::Release);
            drop(open);
            self.answered.notify_waiters();
        }
    }

    pub fn waits_for(&self, number: u64) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.lock().numbers.contains(&number)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // A panic while the lock is held leaves a usable state behind.
        self.open.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// What may be done with the next message of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Sent as any other.
    Open,
    /// Sent as the first: `Proofs::first`.
    First,
    /// The first one, which has this number, has no answer yet.
    Wait(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unproved,
    Waiting(u64),
    Proved { used: bool },
}

/// The sender's book.
pub struct Proofs {
    /// By topic and partition.
    states: Vec<Vec<State>>,
    swept: Instant,
    /// With one request in flight nothing can overtake.
    needed: bool,
}

impl Proofs {
    pub fn new(needed: bool) -> Self {
        Proofs { states: Vec::new(), swept: Instant::now(), needed }
    }

    #[inline]
    pub fn gate(&mut self, topic: TopicId, partition: i32, firsts: &Firsts) -> Gate {
        if !self.needed {
            return Gate::Open;
        }
        let state = self.state(topic, partition);
        match *state {
            State::Proved { used: true } => Gate::Open,
            State::Proved { used: false } => {
                *state = State::Proved { used: true };
                Gate::Open
            }
            State::Unproved => Gate::First,
            State::Waiting(number) if firsts.waits_for(number) => Gate::Wait(number),
            State::Waiting(_) => {
                *state = State::Proved { used: true };
                Gate::Open
            }
        }
    }

    /// The first message of a partition is in the library's queue.
    pub fn first(&mut self, topic: TopicId, partition: i32, number: u64) {
        *self.state(topic, partition) = State::Waiting(number);
    }

    /// The topic is not what it was: whoever leads its partitions now may know nothing.
    pub fn forget(&mut self, topic: TopicId) {
        if let Some(partitions) = self.states.get_mut(topic.0 as usize) {
            partitions.clear();
        }
    }

    /// Called now and then: what has long not been used is proved anew.
    pub fn age(&mut self, now: Instant, firsts: &Firsts) {
        if now.saturating_duration_since(self.swept) < IDLE {
            return;
        }
        self.swept = now;
        for state in self.states.iter_mut().flatten() {
            match state {
                State::Proved { used: true } => *state = State::Proved { used: false },
                State::Proved { used: false } => *state = State::Unproved,
                State::Waiting(number) if !firsts.waits_for(*number) => *state = State::Proved { used: false },
                State::Unproved | State::Waiting(_) => {}
            }
        }
    }

    fn state(&mut self, topic: TopicId, partition: i32) -> &mut State {
        let (topic, partition) = (topic.0 as usize, usize::try_from(partition).unwrap_or(0));
        if self.states.len() <= topic {
            self.states.resize(topic + 1, Vec::new());
        }
        let partitions = &mut self.states[topic];
        if partitions.len() <= partition {
            partitions.resize(partition + 1, State::Unproved);
        }
        &mut partitions[partition]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: TopicId = TopicId(3);

    #[test]
    fn one_message_until_it_is_acknowledged() {
        let (mut proofs, firsts) = (Proofs::new(true), Firsts::default());
        assert_eq!(proofs.gate(T, 1, &firsts), Gate::First);
        let number = firsts.sends(70);
        proofs.first(T, 1, number);
        assert_eq!(proofs.gate(T, 1, &firsts), Gate::Wait(number));
        assert_eq!((proofs.gate(T, 0, &firsts), proofs.gate(TopicId(0), 1, &firsts)), (Gate::First, Gate::First));
        firsts.acknowledged(71);
        assert_eq!(proofs.gate(T, 1, &firsts), Gate::Wait(number));
        firsts.acknowledged(70);
        // What the library carries is used again for another first message.
        firsts.sends(70);
        assert_eq!(proofs.gate(T, 1, &firsts), Gate::Open);
        proofs.forget(T);
        assert_eq!(proofs.gate(T, 1, &firsts), Gate::First);
        assert_eq!(Proofs::new(false).gate(T, 1, &firsts), Gate::Open);
    }

    #[test]
    fn what_was_idle_for_long_is_proved_anew() {
        let (mut proofs, firsts) = (Proofs::new(true), Firsts::default());
        for partition in 0..3 {
            proofs.first(T, partition, firsts.sends(partition as usize));
        }
        firsts.acknowledged(0);
        firsts.acknowledged(1);
        // 0 is acknowledged and used, 1 acknowledged and never looked at again, 2 not acknowledged.
        assert_eq!(proofs.gate(T, 0, &firsts), Gate::Open);
        let mut now = Instant::now();
        let mut later = |proofs: &mut Proofs| {
            now += IDLE;
            proofs.age(now, &firsts);
        };
        later(&mut proofs);
        assert_eq!(proofs.gate(T, 0, &firsts), Gate::Open, "used within the time");
        later(&mut proofs);
        assert_eq!((proofs.gate(T, 0, &firsts), proofs.gate(T, 1, &firsts)), (Gate::Open, Gate::First));
        later(&mut proofs);
        later(&mut proofs);
        assert_eq!((proofs.gate(T, 0, &firsts), proofs.gate(T, 2, &firsts)), (Gate::First, Gate::Wait(3)));
    }

    /// A broker's partition by Kafka's rule: any sequence is taken from a client that it does not know, else only the next.
    #[derive(Default)]
    struct Broker {
        log: Vec<usize>,
        next: Option<usize>,
    }

    impl Broker {
        fn request(&mut self, sequence: usize, refuses: bool) -> bool {
            let taken = !refuses && self.next.is_none_or(|next| next == sequence);
            if taken {
                self.log.push(sequence);
                self.next = Some(sequence + 1);
            }
            taken
        }
    }

    /// The log of one partition: up to five requests in flight, each refused or not by `refuses`, and tried again from the
    /// oldest on after they are answered; the daemon is killed after the last answer.
    fn log_of(needed: bool, messages: usize, refuses: &[bool]) -> Vec<usize> {
        let (mut proofs, firsts, mut broker) = (Proofs::new(needed), Firsts::default(), Broker::default());
        let (mut acknowledged, mut refuses, mut first) = (0, refuses.iter().copied(), None);
        loop {
            let mut sent = Vec::new();
            for sequence in acknowledged..messages.min(acknowledged + 5) {
                match proofs.gate(T, 0, &firsts) {
                    Gate::Open => {}
                    Gate::First => {
                        proofs.first(T, 0, firsts.sends(sequence));
                        first = Some(sequence);
                    }
                    Gate::Wait(_) if first == Some(sequence) => {}
                    Gate::Wait(_) => break,
                }
                sent.push(sequence);
            }
            for sequence in sent {
                let Some(refused) = refuses.next() else { return broker.log };
                if broker.request(sequence, refused) && sequence == acknowledged {
                    firsts.acknowledged(sequence);
                    acknowledged += 1;
                }
            }
            if acknowledged == messages {
                return broker.log;
            }
        }
    }

    #[test]
    fn without_the_rule_a_newer_message_overtakes() {
        assert_eq!(log_of(false, 5, &[true, false, true]), [1]);
        assert_eq!(log_of(true, 5, &[true, false, false, false]), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn nothing_overtakes_whatever_is_refused(messages in 1usize..12, refuses in prop::collection::vec(any::<bool>(), 0..60)) {
            let log = log_of(true, messages, &refuses);
            prop_assert_eq!(&log, &(0..log.len()).collect::<Vec<_>>());
        }
    }
}
