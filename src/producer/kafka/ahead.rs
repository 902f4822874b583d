//! How a message gets into the library's queue: at once, or after the first one of its partition is acknowledged (`proof`). While
//! that is waited for, the first messages of the batch's other partitions go out too, so that all are proved at the same time.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::encode::batch::Message;

use super::delivery::{Failure, Opaque};
use super::ffi::Code;
use super::proof::{Firsts, Gate, Proofs};
use super::refusal::record_bytes_max;
use super::topics::TopicHandle;
use super::{KafkaProducer, LOOK_AGAIN, Sending};

/// What became of a message.
pub enum Offered {
    Queued,
    /// The first one of its partition, which has this number, is not acknowledged yet.
    Later(u64),
    Refused(Code),
}

/// Puts a message into the library's queue, if its partition may take it now. Never waits.
#[inline]
pub fn offer(
    proofs: &mut Proofs,
    firsts: &Firsts,
    handle: &TopicHandle,
    message: &Message,
    key: &[u8],
    value: &[u8],
    opaque: usize,
) -> Offered {
    let partition = handle.partition(message.partition_hash);
    match proofs.gate(message.topic, partition, firsts) {
        Gate::Open => match handle.topic.produce(partition, key, value, opaque) {
            Ok(()) => Offered::Queued,
            Err(code) => Offered::Refused(code),
        },
        Gate::Wait(first) => Offered::Later(first),
        Gate::First => {
            // Before it is sent: the report may be quick.
            let number = firsts.sends(opaque);
            match handle.topic.produce(partition, key, value, opaque) {
                Ok(()) => {
                    proofs.first(message.topic, partition, number);
                    Offered::Queued
                }
                Err(code) => {
                    firsts.forget(opaque);
                    Offered::Refused(code)
                }
            }
        }
    }
}

impl KafkaProducer {
    /// Waits for the acknowledgement of a partition's first message.
    pub(super) async fn wait_for_proof(&mut self, first: u64, arena: &[u8], sending: &mut Sending) -> Result<(), Failure> {
        self.send_ahead(arena, sending);
        sending.account();
        let shared = self.client.shared.clone();
        let answered = shared.firsts.answered.notified();
        tokio::pin!(answered);
        // Registered before the look, so that what happens in between is not missed.
        answered.as_mut().enable();
        let dead = || shared.fatal.load(Ordering::Acquire);
        if shared.broken().is_none() && !dead() && shared.firsts.waits_for(first) {
            let _ = tokio::time::timeout(LOOK_AGAIN, answered).await;
        }
        if dead() {
            // Its answer may never come.
            return Err(self.wait_for_reason().await);
        }
        match shared.broken() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Sends the first messages of partitions that have none yet, out of what is left of the batch: the order along a partition
    /// stays what it is.
    fn send_ahead(&mut self, arena: &[u8], sending: &mut Sending) {
        if self.settings.learned.has_suspects() {
            return;
        }
        let slot = sending.slot.clone();
        // Partitions whose next message has to go another way.
        let mut left_out = HashSet::new();
        for (index, message) in (0u32..).zip(&slot.messages).skip(sending.next as usize + 1) {
            let Some(handle) = self.topics.get(message.topic).map(Arc::clone) else { continue };
            let partition = handle.partition(message.partition_hash);
            let firsts = &self.client.shared.firsts;
            if left_out.contains(&(message.topic, partition)) || self.proofs.gate(message.topic, partition, firsts) != Gate::First {
                continue;
            }
            let (key, value) = (message.key.of(arena), message.value.of(arena));
            let size = record_bytes_max(key, value);
            if size > self.settings.request_bytes_max || !handle.takes(size) {
                left_out.insert((message.topic, partition));
                continue;
            }
            let opaque = Opaque { slot: slot.number(), index }.pack();
            match offer(&mut self.proofs, firsts, &handle, message, key, value, opaque) {
                Offered::Queued => sending.queued_ahead(index, key.len() + value.len()),
                Offered::Later(_) => {}
                Offered::Refused(_) => return,
            }
        }
    }
}
