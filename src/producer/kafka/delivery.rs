//! Batches in flight: which messages of a batch are still unanswered, and its completion. Filled by `send`, settled by the
//! thread that reads delivery reports. Never here: librdkafka, waiting for room, what an error means.
//!
//! Every message that was produced gets exactly one delivery report (librdkafka's promise), also when it is purged. A slot
//! counts the messages without one, plus one for the `send` that still works on it; at zero the slot is free, and the
//! completion answers. A failure answers at once; the slot then lives on silently until its last report.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::encode::batch::{Message, MessageKind};
use crate::error::{Class, Error};
use crate::producer::Completion;

/// Where a message is, as the number that librdkafka carries for us: the slot above, the message's index below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opaque {
    pub slot: u32,
    pub index: u32,
}

// A number carried in a C pointer holds both halves only where pointers have 64 bits.
const _: () = assert!(usize::BITS == 64);

impl Opaque {
    #[inline]
    pub fn pack(self) -> usize {
        (self.slot as usize) << 32 | self.index as usize
    }

    #[inline]
    pub fn unpack(packed: usize) -> Self {
        Opaque { slot: (packed >> 32) as u32, index: packed as u32 }
    }
}

/// Why a batch or the whole producer failed; unlike an `Error` it can be told to several.
#[derive(Debug, Clone)]
pub struct Failure {
    pub class: Class,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl Failure {
    pub fn transient(message: impl Into<String>) -> Self {
        Failure { class: Class::Transient, message: message.into(), detail: None, hint: None }
    }

    pub fn definite(message: impl Into<String>) -> Self {
        Failure { class: Class::Definite, ..Self::transient(message) }
    }

    /// The same as an error that can be told once.
    pub fn of(error: &Error) -> Self {
        Failure {
            class: error.class(),
            message: error.message().to_owned(),
            detail: error.detail_text().map(str::to_owned),
            hint: error.hint_text().map(str::to_owned),
        }
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn error(&self) -> Error {
        let mut error = Error::transient(self.message.clone()).into_class(self.class);
        if let Some(detail) = &self.detail {
            error = error.detail(detail);
        }
        if let Some(hint) = &self.hint {
            error = error.hint(hint.clone());
        }
        error
    }
}

/// One batch in flight.
pub struct Slot {
    number: u32,
    /// Binlog file of the batch, for errors.
    pub file: Arc<str>,
    /// The batch's messages: their offsets are needed for errors, the rest comes with them for nothing.
    pub messages: Vec<Message>,
    /// Messages without an answer, and one for the `send` at work.
    remaining: AtomicU32,
    completion: Mutex<Option<Completion>>,
}

impl Slot {
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether it is a record of ours, alone in its batch.
    #[inline]
    pub fn is_record(&self) -> bool {
        self.messages.first().is_some_and(|m| matches!(m.kind, MessageKind::Position | MessageKind::DeadLetter))
    }

    /// Whether its messages can go alone after a refusal: a position record always does.
    pub fn may_be_suspect(&self) -> bool {
        !self.messages.first().is_some_and(|m| m.kind == MessageKind::Position)
    }

    /// Fails the batch now, if nothing else has answered for it.
    pub fn fail(&self, failure: &Failure) {
        if let Some(completion) = lock(&self.completion).take() {
            completion.failed(failure.error());
        }
    }
}

/// All batches in flight of one producer.
#[derive(Default)]
pub struct InFlight {
    slots: Mutex<Slots>,
    /// Told whenever the last slot becomes free.
    empty: Notify,
}

#[derive(Default)]
struct Slots {
    used: Vec<Option<Arc<Slot>>>,
    free: Vec<u32>,
}

impl InFlight {
    /// Takes a slot for a batch. `settle` must be called for every message and once for the send itself.
    pub fn open(&self, file: Arc<str>, messages: Vec<Message>, completion: Completion) -> Result<Arc<Slot>, Completion> {
        let Some(remaining) = u32::try_from(messages.len()).ok().and_then(|n| n.checked_add(1)) else { return Err(completion) };
        let mut slots = lock(&self.slots);
        let number = slots.free.pop().unwrap_or(slots.used.len() as u32);
        let slot =
            Arc::new(Slot { number, file, messages, remaining: AtomicU32::new(remaining), completion: Mutex::new(Some(completion)) });
        match slots.used.get_mut(number as usize) {
            Some(place) => *place = Some(slot.clone()),
            None => slots.used.push(Some(slot.clone())),
        }
        Ok(slot)
    }

    /// The batch in a slot; `None` would be a report for a message that was never sent.
    pub fn get(&self, number: u32) -> Option<Arc<Slot>> {
        lock(&self.slots).used.get(number as usize)?.clone()
    }

    /// So many messages (or the send itself) have their answer. The last one frees the slot, and answers "durable" if the
    /// batch has not failed.
    pub fn settle(&self, slot: &Slot, count: u32) {
        // Release and acquire: whoever comes last sees what the others did to the slot.
        let before = slot.remaining.fetch_sub(count, Ordering::AcqRel);
        assert!(before >= count, "a message of a batch was answered twice");
        if before > count || count == 0 {
            return;
        }
        let empty = {
            let mut slots = lock(&self.slots);
            if let Some(place) = slots.used.get_mut(slot.number as usize) {
                *place = None;
            }
            slots.free.push(slot.number);
            slots.free.len() == slots.used.len()
        };
        if let Some(completion) = lock(&slot.completion).take() {
            completion.done();
        }
        if empty {
            self.empty.notify_waiters();
        }
    }

    pub fn is_empty(&self) -> bool {
        let slots = lock(&self.slots);
        slots.free.len() == slots.used.len()
    }

    /// Batches and messages that have no answer.
    pub fn unanswered(&self) -> (usize, u64) {
        let slots = lock(&self.slots);
        let open = slots.used.iter().flatten();
        open.fold((0, 0), |(batches, messages), s| (batches + 1, messages + u64::from(s.remaining.load(Ordering::Relaxed))))
    }

    /// Waits until every slot is free.
    pub async fn wait_empty(&self) {
        loop {
            let told = self.empty.notified();
            tokio::pin!(told);
            // Registered before the look, so that what happens in between is not missed.
            told.as_mut().enable();
            if self.is_empty() {
                return;
            }
            told.await;
        }
    }

    /// Fails every batch that has no answer. The slots stay, for reports that may still come.
    pub fn fail_all(&self, failure: &Failure) {
        let open: Vec<_> = lock(&self.slots).used.iter().flatten().cloned().collect();
        for slot in open {
            slot.fail(failure);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while one of these is held leaves complete values behind, so a poisoned lock is still good.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::testing::{Answers, lines};
    use proptest::prelude::*;

    fn open(flight: &InFlight, answers: &Answers, number: usize, messages: usize) -> Arc<Slot> {
        let batch = lines(&vec!["x"; messages]);
        flight.open(batch.file, batch.messages, answers.completion(number)).ok().unwrap()
    }

    #[test]
    fn opaque_keeps_both_halves() {
        for (slot, index) in [(0, 0), (1, 2), (u32::MAX, 0), (0, u32::MAX), (7, 0x8000_0000)] {
            let opaque = Opaque { slot, index };
            assert_eq!(Opaque::unpack(opaque.pack()), opaque);
        }
    }

    #[test]
    fn an_empty_batch_is_durable_when_its_send_ends() {
        let (flight, answers) = (InFlight::default(), Answers::new());
        let slot = open(&flight, &answers, 0, 0);
        assert!(answers.so_far().is_empty());
        flight.settle(&slot, 1);
        assert!(answers.next().1.is_ok());
        assert!(flight.is_empty());
    }

    #[test]
    fn a_failed_batch_answers_at_once_and_keeps_its_slot_until_the_last_report() {
        let (flight, answers) = (InFlight::default(), Answers::new());
        let slot = open(&flight, &answers, 0, 2);
        slot.fail(&Failure::definite("too large").detail("t").hint("less"));
        assert_eq!(answers.next().1.unwrap_err().to_string(), "too large (t); hint: less");
        flight.settle(&slot, 2);
        assert!(!flight.is_empty() && flight.get(0).is_some());
        flight.settle(&slot, 1);
        assert!(flight.is_empty() && flight.get(0).is_none());
        assert!(answers.so_far().is_empty());
    }

    #[tokio::test]
    async fn waiting_for_empty_ends_with_the_last_slot() {
        let (flight, answers) = (Arc::new(InFlight::default()), Answers::new());
        flight.wait_empty().await;
        let slot = open(&flight, &answers, 0, 1);
        let waiter = tokio::spawn({
            let flight = flight.clone();
            async move { flight.wait_empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        flight.settle(&slot, 2);
        waiter.await.unwrap();
    }

    proptest! {
        /// Against a model that keeps a list: any interleaving of batches, reports and failures answers each batch once,
        /// with success only if all of its messages were answered and none failed.
        #[test]
        fn every_batch_is_answered_once(sizes in prop::collection::vec(0usize..5, 1..20), picks in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 0..200)) {
            let (flight, answers) = (InFlight::default(), Answers::new());
            let mut open_slots: Vec<(usize, Arc<Slot>, u32)> = Vec::new();
            let mut expected: Vec<Option<bool>> = vec![None; sizes.len()];
            let mut waiting = sizes.iter().copied().enumerate();
            for (pick, action) in picks {
                if action == 0 || open_slots.is_empty() {
                    if let Some((number, size)) = waiting.next() {
                        let slot = open(&flight, &answers, number, size);
                        prop_assert!(open_slots.iter().all(|(_, s, _)| s.number() != slot.number()));
                        open_slots.push((number, slot, size as u32 + 1));
                    }
                    continue;
                }
                let i = pick.index(open_slots.len());
                let (number, slot, left) = &mut open_slots[i];
                if action == 1 {
                    slot.fail(&Failure::transient("lost"));
                    expected[*number].get_or_insert(false);
                }
                let count = (*left).min(u32::from(action) / 2 + 1);
                let found = flight.get(slot.number()).unwrap();
                flight.settle(&found, count);
                *left -= count;
                if *left == 0 {
                    expected[*number].get_or_insert(true);
                    open_slots.swap_remove(i);
                }
            }
            prop_assert_eq!(flight.is_empty(), open_slots.is_empty());
            prop_assert_eq!(flight.unanswered().1, open_slots.iter().map(|(_, _, left)| u64::from(*left)).sum::<u64>());
            let mut seen: Vec<Option<bool>> = vec![None; sizes.len()];
            for (number, result) in answers.so_far() {
                prop_assert!(seen[number].replace(result.is_ok()).is_none(), "answered twice");
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
