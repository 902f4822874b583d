//! How far the pipeline is behind the server, told to the board block by block. Never here: a cost per event.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::binlog::{EventType, RawEvent, gtid};

use super::board::{Board, epoch_us};
use super::chain::Counters;

pub struct Progress {
    board: Arc<Board>,
    /// The oldest thing that may still be unread was written at this time, microseconds since the epoch; 0: unknown.
    reference_us: u64,
    /// Whether the last block was waited for, so that what follows is new.
    waited: bool,
    arrived_us: u64,
    queued_us: u64,
    transactions: u64,
}

impl Progress {
    pub fn new(board: Arc<Board>) -> Self {
        Progress { board, reference_us: 0, waited: true, arrived_us: 0, queued_us: 0, transactions: 0 }
    }

    /// Everything is worked through; the next block has to come from the server.
    pub fn wait(&mut self) {
        self.waited = true;
        self.board.waits();
    }

    /// A block is taken. While blocks follow each other, what is unread is younger than the last commit. After a wait the first
    /// group in the block tells: rows would not do, since they carry the time of their statement, long before its commit. A block
    /// without one goes on with the group at work.
    pub fn begin(&mut self, events: &[RawEvent], read_at: Instant, counters: &Counters) {
        self.arrived_us = epoch_us();
        self.queued_us = u64::try_from(read_at.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.transactions = counters.transactions;
        if std::mem::take(&mut self.waited) {
            self.reference_us = group_time_us(events).unwrap_or(self.reference_us);
        } else {
            self.reference_us = self.reference_us.max(counters.last_commit_us);
        }
        self.board.works_on(self.reference_us);
    }

    /// It is worked through.
    pub fn end(&mut self, counters: &Counters) {
        let transactions = counters.transactions - self.transactions;
        if transactions == 0 {
            return;
        }
        let maxwell = &self.board.metrics.maxwell;
        maxwell.lag_ms.store(self.arrived_us.saturating_sub(counters.last_commit_us) / 1000, Ordering::Relaxed);
        maxwell.queue_time.record(self.queued_us, transactions);
    }
}

/// When the first group that begins in these events was written; a format description, for one, is as old as its file.
fn group_time_us(events: &[RawEvent]) -> Option<u64> {
    use EventType::{AnonymousGtid, Gtid, GtidTagged, MariaGtid, Query};
    let event = events.iter().find(|e| matches!(e.header.event_type(), Some(Gtid | AnonymousGtid | GtidTagged | MariaGtid | Query)))?;
    // The header has the time at which the statement began; MySQL 8 tells the commit's own. What cannot be parsed is told of by
    // whoever works on it.
    let commit_us = match event.header.event_type() {
        Some(Gtid | AnonymousGtid | GtidTagged) => gtid::GtidEvent::parse(event).ok().and_then(|parsed| parsed.immediate_commit_us),
        _ => None,
    };
    Some(commit_us.unwrap_or(u64::from(event.header.timestamp) * 1_000_000))
}
