//! The batch that is being filled: an arena of bytes, the messages in it, and what ends in it.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::position::{Gtid, ResumePoint};

use super::batch::{Batch, Message, MessageKind, RawRows, Span};
use super::envelope;

/// Takes finished batches, in order.
pub type Sink<'s> = dyn FnMut(Batch) -> Result<()> + 's;

/// The open arena. Invariants: messages lie in it in order and without gaps; `boundary` is the first message and the
/// first byte that belong to the transaction that is being encoded.
#[derive(Debug, Default)]
pub struct OpenBatch {
    file: Arc<str>,
    pub arena: Vec<u8>,
    messages: Vec<Message>,
    boundary: Boundary,
    end: Option<ResumePoint>,
    gtids: Vec<Gtid>,
    transactions: u64,
    commit_us: u64,
    raw: RawRows,
    /// So many rows of the binlog that come next were sent in an earlier life.
    skip: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Boundary {
    message: usize,
    byte: usize,
    raw: RawRows,
}

/// Where the last row message can be made the commit row: its `xoffset` field, or the place where that would stand.
#[derive(Debug, Clone, Copy)]
pub struct CommitPlace {
    pub start: usize,
    pub len: usize,
}

impl OpenBatch {
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.end.is_none()
    }

    /// What follows lies in this file; a batch never spans two.
    pub fn enter_file(&mut self, file: &Arc<str>, sink: &mut Sink<'_>) -> Result<()> {
        if *self.file != **file {
            if let Some(batch) = self.finish() {
                sink(batch)?;
            }
            self.file = file.clone();
        }
        Ok(())
    }

    /// A transaction begins at the end of what is there.
    pub fn begin_transaction(&mut self) {
        self.boundary = Boundary { message: self.messages.len(), byte: self.arena.len(), raw: self.raw };
    }

    /// Adds the message whose value begins at `start`, whose key begins at `key`, and which ends where the arena does.
    pub fn push(&mut self, kind: MessageKind, start: usize, key: usize, mut message: Message) -> Result<()> {
        debug_assert!(start <= key && key <= self.arena.len());
        let span = |from: usize, to: usize| Some(Span { start: u32::try_from(from).ok()?, len: u32::try_from(to - from).ok()? });
        let (Some(value), Some(key)) = (span(start, key), span(key, self.arena.len())) else {
            return Err(Error::definite("a message is larger than 4 GiB").hint("exclude the table or its large columns"));
        };
        message.kind = kind;
        message.value = value;
        message.key = key;
        self.messages.push(message);
        Ok(())
    }

    /// Adds a message without a value. Its key begins at `key` and ends where the arena does, or is that of the last message.
    pub fn push_tombstone(&mut self, key: Option<usize>, mut message: Message) {
        let Some(last) = self.messages.last() else { return };
        // It stands behind a message whose spans fit, in an arena that is handed over long before 4 GiB.
        message.key = match key {
            Some(start) => Span { start: start as u32, len: (self.arena.len() - start) as u32 },
            None => last.key,
        };
        message.kind = MessageKind::Tombstone;
        message.value = Span { start: message.key.start, len: 0 };
        self.messages.push(message);
    }

    /// Makes the last message with a value the commit row: `"commit":true` takes the place of `xoffset`.
    pub fn commit_last(&mut self, place: CommitPlace) {
        let Some(row) = self.messages.iter().rposition(|m| m.kind != MessageKind::Tombstone) else { return };
        let Some([last, tombstones @ ..]) = self.messages.get_mut(row..) else { return };
        let (old_end, new_end) = (place.start + place.len, place.start + envelope::COMMIT.len());
        let length = self.arena.len();
        if new_end > old_end {
            self.arena.resize(length + new_end - old_end, 0);
        }
        self.arena.copy_within(old_end..length, new_end);
        self.arena.truncate(length + new_end - old_end);
        if let Some(field) = self.arena.get_mut(place.start..new_end) {
            field.copy_from_slice(envelope::COMMIT);
        }
        last.value.len = last.value.len + new_end as u32 - old_end as u32;
        last.key.start = last.key.start + new_end as u32 - old_end as u32;
        for tombstone in tombstones {
            tombstone.key.start = tombstone.key.start + new_end as u32 - old_end as u32;
            tombstone.value.start = tombstone.key.start;
        }
    }

    /// A transaction, statement or heartbeat ends here.
    pub fn end(&mut self, end: ResumePoint, transactions: u64, commit_us: u64) {
        self.gtids.extend(end.gtid.clone());
        self.transactions += transactions;
        self.commit_us = self.commit_us.max(commit_us);
        // A point that is passed on the way may be the one worth storing.
        let saves = end.saves || self.end.as_ref().is_some_and(|passed| passed.saves);
        self.end = Some(ResumePoint { saves, ..end });
        // Rows that were sent before may lie behind this place.
        self.raw.behind_end = self.skip;
        self.begin_transaction();
    }

    /// Leaves out the next so many rows of the binlog: they were sent before.
    pub fn skip(&mut self, rows: u64) {
        self.skip = rows;
    }

    /// Whether the next row of the binlog was sent before.
    #[inline]
    pub fn skips(&self) -> bool {
        self.skip > 0
    }

    /// Counts rows of the binlog that are worked through. Those that are skipped were counted in the life that sent them.
    #[inline]
    pub fn passed(&mut self, rows: u64) {
        let skipped = self.skip.min(rows);
        self.skip -= skipped;
        self.raw.all += rows - skipped;
        self.raw.behind_end += rows - skipped;
    }

    /// How many transactions end in it whose GTIDs it keeps.
    pub fn gtids(&self) -> usize {
        self.gtids.len()
    }

    /// Forgets the messages of the transaction that did not end.
    pub fn drop_incomplete(&mut self) {
        self.messages.truncate(self.boundary.message);
        self.arena.truncate(self.boundary.byte);
        self.raw = self.boundary.raw;
    }

    /// Hands everything over in the middle of a transaction. What ended before it goes as a batch of its own, because
    /// only a transaction's last batch may have an end.
    pub fn hand_over(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        let boundary = std::mem::take(&mut self.boundary);
        if self.end.is_none() {
            return match self.finish() {
                Some(batch) => sink(batch),
                None => Ok(()),
            };
        }
        let Some(mut ended) = self.finish() else { return Ok(()) };
        let mut messages = ended.messages.split_off(boundary.message.min(ended.messages.len()));
        let arena = ended.arena.split_off(boundary.byte.min(ended.arena.len()));
        for message in &mut messages {
            message.value.start -= boundary.byte as u32;
            message.key.start -= boundary.byte as u32;
        }
        ended.rows -= count_rows(&messages);
        let later = ended.raw.all - boundary.raw.all;
        ended.raw = boundary.raw;
        let file = ended.file.clone();
        sink(ended)?;
        let raw = RawRows { all: later, behind_end: later };
        if messages.is_empty() {
            self.raw = raw;
            return Ok(());
        }
        let rows = count_rows(&messages);
        sink(Batch { file, arena, messages, end: None, gtids: Vec::new(), rows, transactions: 0, commit_us: 0, raw })
    }

    /// Takes what is there.
    pub fn finish(&mut self) -> Option<Batch> {
        if self.is_empty() {
            return None;
        }
        self.boundary = Boundary::default();
        let rows = count_rows(&self.messages);
        Some(Batch {
            file: self.file.clone(),
            arena: take_bytes(&mut self.arena),
            messages: take_messages(&mut self.messages),
            end: self.end.take(),
            gtids: std::mem::take(&mut self.gtids),
            rows,
            transactions: std::mem::take(&mut self.transactions),
            commit_us: std::mem::take(&mut self.commit_us),
            raw: std::mem::take(&mut self.raw),
        })
    }
}

fn count_rows(messages: &[Message]) -> u64 {
    messages.iter().filter(|m| m.kind == MessageKind::Row).count() as u64
}

/// Gives a nearly full buffer away, so that nothing is copied, and copies out of a nearly empty one, so that many small
/// batches in flight do not hold large buffers.
fn take_bytes(arena: &mut Vec<u8>) -> Bytes {
    if arena.len() > arena.capacity() / 2 {
        let next = Vec::with_capacity(arena.capacity().min(NEXT_CAPACITY_MAX));
        return Bytes::from(std::mem::replace(arena, next));
    }
    let bytes = Bytes::copy_from_slice(arena);
    arena.clear();
    bytes
}

fn take_messages(messages: &mut Vec<Message>) -> Vec<Message> {
    if messages.len() > messages.capacity() / 2 {
        let next = Vec::with_capacity(messages.capacity().min(NEXT_CAPACITY_MAX / size_of::<Message>()));
        return std::mem::replace(messages, next);
    }
    let taken = messages.as_slice().to_vec();
    messages.clear();
    taken
}

/// A buffer that grew beyond this for one large message is not replaced by one as large.
const NEXT_CAPACITY_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::batch::TopicId;
    use crate::position::BinlogPosition;

    fn point(seq: u64) -> ResumePoint {
        ResumePoint { seq, at: BinlogPosition::new("b.1", seq), gtid: None, heartbeat: 0, saves: true, held: false }
    }

    fn blank() -> Message {
        Message { topic: TopicId(0), partition_hash: 0, kind: MessageKind::Row, key: Span::default(), value: Span::default(), offset: 0 }
    }

    fn add(open: &mut OpenBatch, value: &str, key: &str) {
        let start = open.arena.len();
        open.arena.extend_from_slice(value.as_bytes());
        let key_start = open.arena.len();
        open.arena.extend_from_slice(key.as_bytes());
        open.push(MessageKind::Row, start, key_start, blank()).expect("small");
    }

    fn texts(batch: &Batch) -> Vec<(String, String)> {
        let text = |span: Span| String::from_utf8_lossy(span.of(&batch.arena)).into_owned();
        batch.messages.iter().map(|m| (text(m.value), text(m.key))).collect()
    }

    #[test]
    fn commit_takes_the_place_of_xoffset() {
        for (xoffset, len) in [("", 0), (",\"xoffset\":7", 12), (",\"xoffset\":123456", 17)] {
            let mut open = OpenBatch::default();
            add(&mut open, "{first}", "k0");
            let start = open.arena.len() + 2;
            add(&mut open, &format!("{{a{xoffset},\"data\":{{}}}}"), "k1");
            open.commit_last(CommitPlace { start, len });
            let batch = open.finish().expect("messages");
            assert_eq!(texts(&batch), [("{first}".into(), "k0".into()), ("{a,\"commit\":true,\"data\":{}}".to_string(), "k1".into())]);
        }
    }

    #[test]
    fn what_ended_before_goes_alone() {
        let mut open = OpenBatch::default();
        add(&mut open, "one", "1");
        open.end(point(1), 1, 5);
        open.begin_transaction();
        add(&mut open, "two", "2");
        add(&mut open, "three", "3");
        let mut batches = Vec::new();
        open.hand_over(&mut |b| {
            batches.push(b);
            Ok(())
        })
        .expect("handed over");
        assert!(open.is_empty());
        assert_eq!(batches.len(), 2);
        assert_eq!(texts(&batches[0]), [("one".into(), "1".into())]);
        assert_eq!((batches[0].end.clone(), batches[0].rows, batches[0].transactions, batches[0].commit_us), (Some(point(1)), 1, 1, 5));
        assert_eq!(texts(&batches[1]), [("two".into(), "2".into()), ("three".into(), "3".into())]);
        assert_eq!((batches[1].end.clone(), batches[1].rows, batches[1].transactions), (None, 2, 0));
    }

    /// Where rows were worked through, and what the batches say of it: (all, behind the end).
    #[test]
    fn raw_rows_are_told_apart_by_the_end() {
        let mut open = OpenBatch::default();
        let mut batches = Vec::new();
        let mut sink = |batch: Batch| {
            batches.push((batch.end.map(|e| e.seq), batch.raw.all, batch.raw.behind_end));
            Ok(())
        };
        add(&mut open, "one", "1");
        open.passed(3);
        open.end(point(1), 1, 0);
        // A statement's change behind the end that is no part of the transaction which comes.
        add(&mut open, "ddl", "");
        open.passed(1);
        open.begin_transaction();
        add(&mut open, "two", "2");
        open.passed(5);
        open.hand_over(&mut sink).expect("handed over");
        open.passed(2);
        open.hand_over(&mut sink).expect("nothing to hand over");
        add(&mut open, "three", "3");
        open.passed(4);
        open.hand_over(&mut sink).expect("handed over");
        open.passed(1);
        open.end(point(2), 1, 0);
        sink(open.finish().expect("an end")).expect("kept");
        assert_eq!(batches, [(Some(1), 4, 1), (None, 5, 5), (None, 6, 6), (Some(2), 1, 0)]);
    }

    #[test]
    fn skipping_ends_by_itself() {
        let mut open = OpenBatch::default();
        open.skip(5);
        open.passed(2);
        assert!(open.skips());
        // Three of the rows behind this place were sent before.
        open.end(point(1), 1, 0);
        open.passed(1);
        assert_eq!(open.finish().map(|b| b.raw), Some(RawRows { all: 0, behind_end: 3 }));
        // More than is left: rows of a table that another filter leaves out.
        open.passed(4);
        assert!(!open.skips());
        open.end(point(2), 1, 0);
        assert_eq!(open.finish().map(|b| b.raw), Some(RawRows { all: 2, behind_end: 0 }));
    }

    #[test]
    fn an_error_leaves_what_ended() {
        let mut open = OpenBatch::default();
        add(&mut open, "one", "1");
        open.end(point(1), 1, 5);
        open.begin_transaction();
        add(&mut open, "half", "2");
        open.drop_incomplete();
        let batch = open.finish().expect("a batch");
        assert_eq!((texts(&batch), batch.end), (vec![("one".into(), "1".into())], Some(point(1))));
        add(&mut open, "half", "2");
        open.drop_incomplete();
        assert!(open.finish().is_none());
    }

    #[test]
    fn an_end_alone_is_a_batch() {
        let mut open = OpenBatch::default();
        assert!(open.finish().is_none());
        open.end(point(3), 0, 0);
        let batch = open.finish().expect("an end");
        assert!(batch.messages.is_empty() && batch.end == Some(point(3)));
        assert!(open.finish().is_none());
    }
}
