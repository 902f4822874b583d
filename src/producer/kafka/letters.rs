//! Messages that do not go the usual way: sent alone, and what becomes of one that Kafka refuses for good. Never here: what an
//! error means (`refusal`), the record's bytes (`encode::dead_letter`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rdkafka_sys::rd_kafka_resp_err_t as E;

use crate::encode::batch::{Message, MessageKind};
use crate::encode::dead_letter::Identity;
use crate::encode::topic_name;
use crate::error::Class;
use crate::producer::Completion;

use super::alone::{Letter, Refusal, refusal};
use super::delivery::{Failure, Opaque, Slot};
use super::ffi::Code;
use super::refusal::{Refused, Undelivered, classify, dead_letter_failed, refused_alone, too_large};
use super::settings::DeadLetters;
use super::topics::TopicHandle;
use super::{KafkaProducer, LOOK_AGAIN};

/// Headers of a dead letter with the original bytes.
pub const HEADER_REASON: &str = "binlogd.reason";
pub const HEADER_POSITION: &str = "binlogd.position";
pub const HEADER_TOPIC: &str = "binlogd.topic";
pub const HEADER_ERROR: &str = "binlogd.error";

/// A message in its batch.
pub struct Place<'a> {
    pub slot: &'a Slot,
    pub message: &'a Message,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl<'a> Place<'a> {
    fn undelivered<'t>(&'t self, topic: &'t str, partition: i32) -> Undelivered<'t> {
        let bytes = self.key.len() + self.value.len();
        Undelivered { file: &self.slot.file, offset: self.message.offset, topic, partition, key: self.key, bytes }
    }
}

impl KafkaProducer {
    /// Sends one message after everything before it is answered, and waits for its answer.
    pub(super) async fn send_alone(&mut self, handle: &TopicHandle, partition: i32, place: &Place<'_>) -> Result<(), Failure> {
        self.drain().await?;
        let letter = Letter { topic: &handle.name, partition: Some(partition), key: place.key, value: place.value, headers: &[] };
        let Err(refusal) = self.deliver_alone(&letter, place, place.message.kind).await? else {
            return Ok(());
        };
        let undelivered = place.undelivered(&handle.name, partition);
        match Refused::of(refusal.code) {
            Some(refused) => self.refused(refused, &refused_alone(refusal.code, &refusal.reason, &undelivered), place).await,
            None => {
                self.metrics.messages_failed.inc();
                Err(classify(refusal.code, &refusal.reason, &undelivered))
            }
        }
    }

    /// A message that our own check finds too large.
    pub(super) async fn too_large(&mut self, place: &Place<'_>, size: usize) -> Result<(), Failure> {
        let topic = self.topics.name(place.message.topic);
        let failure = too_large(size, self.settings.request_bytes_max, &place.undelivered(&topic, -1));
        self.refused(Refused::TooLarge, &failure, place).await
    }

    /// Kafka will not take this message: a dead letter, or it is left out, or `failure` stops the daemon.
    pub(super) async fn refused(&mut self, refused: Refused, failure: &Failure, place: &Place<'_>) -> Result<(), Failure> {
        self.metrics.messages_failed.inc();
        let topic = self.topics.name(place.message.topic);
        let undelivered = place.undelivered(&topic, -1);
        if place.message.kind == MessageKind::Position {
            // Without its record a transaction would be sent twice.
            return Err(failure.clone());
        }
        if let Some(letters) = self.settings.dead_letters.clone() {
            tracing::error!("{}", undelivered.log_line(refused.exception()));
            let letter_topic = self.send_dead_letter(&letters, refused, failure, place).await?;
            tracing::error!("{}; a dead letter was sent to topic {letter_topic}", failure.message);
            self.metrics.messages_dead_lettered.inc();
            return Ok(());
        }
        if !self.settings.ignore_producer_error || !refused.may_be_left_out() {
            return Err(failure.clone());
        }
        self.metrics.messages_dropped.inc();
        tracing::error!("{}", undelivered.log_line(refused.exception()));
        tracing::error!("{}; left out, because ignore_producer_error is set", failure.message);
        Ok(())
    }

    /// Sends the dead letter of a message and waits for its answer. The topic that it went to.
    async fn send_dead_letter(
        &mut self,
        letters: &DeadLetters,
        refused: Refused,
        failure: &Failure,
        place: &Place<'_>,
    ) -> Result<Arc<str>, Failure> {
        let identity = Identity::of(place.key, place.value);
        let (database, table) = identity.names();
        let original = self.topics.name(place.message.topic);
        let of = place.undelivered(&original, -1);
        let id = self.names.intern(&topic_name(&letters.topic, &database, &table, ""));
        let topic = self.topics.name(id);
        if self.topics.get(id).is_none() {
            self.open(&[id]).await.map_err(|why| dead_letter_failed(&why, &topic, &of))?;
        }
        let (key, value, headers);
        let letter = if letters.full {
            headers = [
                (HEADER_REASON, refused.exception().to_owned()),
                (HEADER_POSITION, format!("{}:{}", place.slot.file, place.message.offset)),
                (HEADER_TOPIC, original.to_string()),
                (HEADER_ERROR, failure.message.clone()),
            ];
            Letter { topic: &topic, partition: None, key: place.key, value: place.value, headers: &headers }
        } else {
            key = identity.key(place.key, letters.keys);
            value = identity.value(refused.exception(), &self.names.key_names);
            Letter { topic: &topic, partition: None, key: &key, value: &value, headers: &[] }
        };
        let delivered = self.deliver_alone(&letter, place, MessageKind::DeadLetter).await;
        match delivered.map_err(|why| if why.class == Class::Definite { dead_letter_failed(&why, &topic, &of) } else { why })? {
            Ok(()) => Ok(topic.clone()),
            Err(refusal) => {
                let record = Undelivered { topic: &topic, key: letter.key, bytes: letter.key.len() + letter.value.len(), ..of };
                let mut why = classify(refusal.code, &refusal.reason, &record);
                why.detail = None;
                Err(dead_letter_failed(&why, &topic, &of))
            }
        }
    }

    /// Waits until everything that was queued is answered, without linger.
    async fn drain(&self) -> Result<(), Failure> {
        let shared = &self.client.shared;
        loop {
            let room = shared.room.notified();
            tokio::pin!(room);
            // Registered before the look, so that what happens in between is not missed.
            room.as_mut().enable();
            // Looked at before `broken`: a failure is told before its report is counted.
            let answered = shared.reported.load(Ordering::Acquire) >= shared.queued.load(Ordering::Relaxed);
            if let Some(failure) = shared.broken() {
                return Err(failure);
            }
            if shared.fatal.load(Ordering::Acquire) {
                return Err(self.wait_for_reason().await);
            }
            if answered {
                return Ok(());
            }
            let native = self.client.native.clone();
            let flushed = tokio::task::spawn_blocking(move || native.flush(LOOK_AGAIN));
            let _ = tokio::time::timeout(LOOK_AGAIN, room).await;
            let _ = flushed.await;
        }
    }

    /// Delivers what stands for the message at this place, alone, with an answer of its own. The outer error is about more than
    /// this message.
    async fn deliver_alone(&self, letter: &Letter<'_>, place: &Place<'_>, kind: MessageKind) -> Result<Result<(), Refusal>, Failure> {
        if self.settings.transactional.is_some() {
            // One that was refused in the transaction would end it.
            return match self.while_well(self.trial.attempt(&self.settings, letter)).await?? {
                Ok(()) => self.send_inside(letter, place, kind).await.map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            };
        }
        let alone = self.alone.client(&self.settings).map_err(|e| Failure::definite(e.to_string()))?;
        let answer = self.while_well(alone.send(letter)).await?;
        if answer.is_ok() && kind != MessageKind::DeadLetter {
            self.metrics.messages_succeeded.inc();
        }
        Ok(answer)
    }

    /// Waits for an answer; the outer error is the main client's own end meanwhile.
    async fn while_well<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::pin!(work);
        loop {
            let told = self.client.shared.failed_told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if let Some(failure) = self.client.shared.broken() {
                return Err(failure);
            }
            tokio::select! { biased;
                answer = &mut work => return Ok(answer),
                () = told => {}
            }
        }
    }

    /// Sends what was tried in the transaction that counts, in a request of its own: with neighbours it could be refused after
    /// all.
    async fn send_inside(&self, letter: &Letter<'_>, place: &Place<'_>, kind: MessageKind) -> Result<(), Failure> {
        self.drain().await?;
        let shared = &self.client.shared;
        let message = Message { kind, ..*place.message };
        // Whoever waits for the batch waits for this place in it.
        let opened = shared.in_flight.open(place.slot.file.clone(), vec![message], Completion::new(|_| ()));
        let slot = opened.map_err(|_| Failure::transient("a message does not fit"))?;
        let bytes = (letter.key.len() + letter.value.len()) as i64;
        let count = |sign: i64| {
            shared.metrics.in_flight_messages.add(sign);
            shared.metrics.in_flight_bytes.add(sign * bytes);
        };
        shared.queued.fetch_add(1, Ordering::Relaxed);
        count(1);
        if let Err(error) = self.client.native.send(letter.record(Opaque { slot: slot.number(), index: 0 }.pack())) {
            shared.queued.fetch_sub(1, Ordering::Relaxed);
            count(-1);
            shared.in_flight.settle(&slot, 2);
            return Err(not_queued(&refusal(&error), letter, bytes));
        }
        shared.in_flight.settle(&slot, 1);
        self.drain().await
    }
}

/// The library's queue is empty and all the same takes it not.
fn not_queued(refusal: &Refusal, letter: &Letter<'_>, bytes: i64) -> Failure {
    let what = format!("a message of {bytes} bytes for topic {} cannot be sent: {}", letter.topic, refusal.reason);
    if refusal.code == Code::of(E::RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return Failure::definite(what)
            .hint("it is larger than the client's whole queue: raise memory_limit, or set dead_letter_full=false");
    }
    Failure::transient(what)
}
