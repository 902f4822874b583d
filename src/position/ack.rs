//! Which part of the stream is done: a ticket for every transaction in stream order, and the point up to which all of
//! them are finished. Only this decides what may be stored. Never here: clocks, I/O, anything about messages.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Gtid, Gtids, ResumePoint};

/// A place in the queue of one tracker. It can be answered once only, and is never answered by being dropped: a ticket
/// that is lost keeps the point where it is, so that a restart sends the transaction again.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a ticket that is not handed to `AckTracker::done` holds the stored position back"]
pub struct Ticket {
    tracker: u64,
    number: u64,
}

/// A moment in the life of one tracker.
#[derive(Debug, PartialEq, Eq)]
pub struct Mark {
    tracker: u64,
    number: u64,
}

/// The point that the finished prefix has reached since it was last asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The last resume point of the finished prefix. `saves` is true when any point passed on the way had it true.
    pub end: ResumePoint,
    /// The GTIDs of all transactions passed since the last answer, in stream order.
    pub gtids: Vec<Gtid>,
    /// More of them, passed before those, as a set: while points are held there may be any number.
    pub many: Option<Gtids>,
}

/// So many GTIDs of points that are held are kept one by one.
const HELD_GTIDS_MAX: usize = 10_000;

/// Tickets in stream order, and the watermark over the finished ones.
///
/// After a replay is begun (a new connection to the broker, a reconnect that discards what is in flight) a new tracker
/// takes over; tickets of the old one are refused by an assertion, because their answers say nothing about the replay.
#[derive(Debug)]
pub struct AckTracker {
    /// Tells the tickets of this tracker from those of any other in the process.
    id: u64,
    /// Tickets from the oldest open one on. `slots[0]`, if any, is not done.
    slots: VecDeque<Slot>,
    /// Number of the ticket in `slots[0]`.
    first: u64,
    /// `seq` of the newest point that was opened, to notice tickets that are taken out of order.
    newest_seq: u64,
    /// What the prefix has passed and nobody has asked for yet.
    passed: Option<ResumePoint>,
    /// Whether a point that was passed but may not be stored was a reason to store.
    held_saves: bool,
    /// GTIDs of the tickets in `slots`.
    open_gtids: usize,
    /// GTIDs passed, including those whose point is still to come (a transaction in several pieces).
    passed_gtids: Vec<Gtid>,
    /// How many of `passed_gtids` belong to `passed` or to an earlier point.
    complete_gtids: usize,
    /// GTIDs passed before `passed_gtids`, of points that are held; and those whose point has come.
    held_gtids: Option<Gtids>,
    complete_many: Option<Gtids>,
}

#[derive(Debug)]
struct Slot {
    end: Option<ResumePoint>,
    gtids: Vec<Gtid>,
    opened: Instant,
    /// Commit time of the newest transaction in it, microseconds since the epoch; 0 if unknown.
    commit_us: u64,
    done: bool,
}

impl Default for AckTracker {
    fn default() -> Self {
        Self::new()
    }
}

impl AckTracker {
    pub fn new() -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        AckTracker {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            slots: VecDeque::new(),
            first: 0,
            newest_seq: 0,
            passed: None,
            held_saves: false,
            open_gtids: 0,
            passed_gtids: Vec::new(),
            complete_gtids: 0,
            held_gtids: None,
            complete_many: None,
        }
    }

    /// Takes the next place. `end` is `None` for a piece of a transaction whose end comes later; `gtids` are those of
    /// the transactions that end here, in order; `now` dates the ticket for `oldest_open_age`.
    ///
    /// # Panics
    /// When `end` is not after every earlier point: the stored position would go back.
    pub fn open(&mut self, end: Option<ResumePoint>, gtids: Vec<Gtid>, now: Instant) -> Ticket {
        self.open_dated(end, gtids, now, 0)
    }

    /// The same with the commit time of what the ticket stands for, for `oldest_open_commit_us`.
    ///
    /// # Panics
    /// As `open`.
    pub fn open_dated(&mut self, end: Option<ResumePoint>, gtids: Vec<Gtid>, now: Instant, commit_us: u64) -> Ticket {
        if let Some(end) = &end {
            assert!(end.seq > self.newest_seq, "ticket taken out of order: {} is number {}, after {}", end.at, end.seq, self.newest_seq);
            self.newest_seq = end.seq;
        }
        let number = self.first + self.slots.len() as u64;
        self.open_gtids += gtids.len();
        self.slots.push_back(Slot { end, gtids, opened: now, commit_us, done: false });
        Ticket { tracker: self.id, number }
    }

    /// Everything of this ticket is durable, or was disposed of as the configuration says.
    ///
    /// # Panics
    /// When the ticket is another tracker's.
    pub fn done(&mut self, ticket: Ticket) {
        assert_eq!(ticket.tracker, self.id, "ticket of another tracker");
        let slot = ticket.number.checked_sub(self.first).and_then(|i| self.slots.get_mut(usize::try_from(i).ok()?));
        let Some(slot) = slot else { unreachable!("ticket {} was answered before: tickets cannot be copied", ticket.number) };
        assert!(!slot.done, "ticket {} was answered twice", ticket.number);
        slot.done = true;
        self.pass_finished();
    }

    fn pass_finished(&mut self) {
        while self.slots.front().is_some_and(|s| s.done) {
            let Some(slot) = self.slots.pop_front() else { return };
            self.first += 1;
            self.open_gtids -= slot.gtids.len();
            self.passed_gtids.extend(slot.gtids);
            self.held_saves |= slot.end.as_ref().is_some_and(|end| end.held && end.saves);
            if let Some(mut end) = slot.end.filter(|end| !end.held) {
                assert!(self.passed.as_ref().is_none_or(|p| p.seq < end.seq), "the finished prefix went back to {}", end.at);
                end.saves |= self.passed.as_ref().is_some_and(|p| p.saves) | std::mem::take(&mut self.held_saves);
                self.passed = Some(end);
                self.complete_gtids = self.passed_gtids.len();
                if let Some(held) = self.held_gtids.take() {
                    self.complete_many = joined(self.complete_many.take(), held);
                }
            } else if self.passed_gtids.len() >= self.complete_gtids + HELD_GTIDS_MAX {
                self.gather_held();
            }
        }
    }

    /// Points are held and may be for long: their GTIDs are gathered in a set, which stays small.
    fn gather_held(&mut self) {
        let mut later = self.passed_gtids.split_off(self.complete_gtids).into_iter();
        let mut set = match self.held_gtids.take() {
            Some(set) => Some(set),
            // The first one says of which kind they are. One that cannot be added stays where it is, which is always right.
            None => later.next().and_then(|gtid| Gtids::of(&gtid).map_err(|_| self.passed_gtids.push(gtid)).ok()),
        };
        for gtid in later {
            if set.as_mut().is_none_or(|set| set.add(&gtid).is_err()) {
                self.passed_gtids.push(gtid);
            }
        }
        self.held_gtids = set;
    }

    /// The last point of the finished prefix, with the GTIDs up to it, if it moved since the last call.
    pub fn reached(&mut self) -> Option<Reached> {
        let end = self.passed.take()?;
        let later = self.passed_gtids.split_off(self.complete_gtids);
        let gtids = std::mem::replace(&mut self.passed_gtids, later);
        self.complete_gtids = 0;
        Some(Reached { end, gtids, many: self.complete_many.take() })
    }

    /// What the tracker keeps in memory, in units of a GTID: the bound of whoever opens tickets. Batches without messages
    /// cost no bytes anywhere else, and while the oldest ticket waits for a broker they pile up here.
    pub fn held(&self) -> usize {
        self.slots.len() * 4 + self.open_gtids + self.passed_gtids.len()
    }

    /// How many tickets lie at or after the oldest open one; 0 when everything is answered.
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// How long the oldest open ticket has been waiting; `None` when everything is answered.
    pub fn oldest_open_age(&self, now: Instant) -> Option<Duration> {
        self.slots.front().map(|s| now.saturating_duration_since(s.opened))
    }

    /// Commit time of the oldest open ticket whose time is known, microseconds since the epoch.
    pub fn oldest_open_commit_us(&self) -> Option<u64> {
        self.slots.iter().filter(|s| !s.done).map(|s| s.commit_us).find(|us| *us > 0)
    }

    /// All tickets opened so far, to be asked for with `is_past`.
    pub fn mark(&self) -> Mark {
        Mark { tracker: self.id, number: self.first + self.slots.len() as u64 }
    }

    /// Whether everything that was open at the mark is answered; `None` when the mark is another tracker's.
    pub fn is_past(&self, mark: &Mark) -> Option<bool> {
        (mark.tracker == self.id).then_some(self.first >= mark.number)
    }

    /// The first resume point that is still held back, for the health text. `None` if no point waits.
    pub fn oldest_open_end(&self) -> Option<&ResumePoint> {
        self.slots.iter().find_map(|s| s.end.as_ref())
    }
}

/// Sets of one stream are of one kind, so this does not fail.
fn joined(one: Option<Gtids>, other: Gtids) -> Option<Gtids> {
    let Some(mut set) = one else { return Some(other) };
    match set.merge(&other) {
        Ok(()) => Some(set),
        Err(_) => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::position::BinlogPosition;
    use crate::position::gtid::MariadbGtid;

    fn point(seq: u64, saves: bool) -> ResumePoint {
        ResumePoint { seq, at: BinlogPosition::new("m.000001", seq * 100), gtid: None, heartbeat: 0, saves, held: false }
    }

    fn gtid(n: u64) -> Gtid {
        Gtid::MariaDb(MariadbGtid { domain: 0, server_id: 1, sequence: n })
    }

    #[test]
    fn prefix_waits_for_the_oldest() {
        let now = Instant::now();
        let mut acks = AckTracker::new();
        let a = acks.open(Some(point(1, true)), vec![gtid(1)], now);
        let b = acks.open(Some(point(2, false)), vec![gtid(2)], now);
        acks.done(b);
        assert_eq!(acks.reached(), None);
        assert_eq!(acks.oldest_open_end().map(|p| p.seq), Some(1));
        acks.done(a);
        let reached = acks.reached().unwrap();
        assert_eq!(reached.end, point(2, true), "a reason to save is not lost when a later point has none");
        assert_eq!(reached.gtids, [gtid(1), gtid(2)]);
        assert_eq!(acks.reached(), None);
        assert_eq!(acks.in_flight(), 0);
    }

    #[test]
    fn pieces_keep_their_gtids_for_the_end() {
        let now = Instant::now();
        let mut acks = AckTracker::new();
        let first = acks.open(Some(point(1, true)), vec![gtid(1)], now);
        let piece = acks.open(None, vec![gtid(2)], now);
        let last = acks.open(Some(point(2, true)), vec![gtid(3)], now);
        acks.done(first);
        acks.done(piece);
        assert_eq!(acks.reached(), Some(Reached { end: point(1, true), gtids: vec![gtid(1)], many: None }));
        assert_eq!(acks.reached(), None);
        acks.done(last);
        assert_eq!(acks.reached(), Some(Reached { end: point(2, true), gtids: vec![gtid(2), gtid(3)], many: None }));
    }

    #[test]
    fn a_held_point_is_passed_over_with_its_gtids() {
        let now = Instant::now();
        let mut acks = AckTracker::new();
        let held = |seq| ResumePoint { held: true, ..point(seq, true) };
        let tickets = [(point(1, false), 1), (held(2), 2), (held(3), 3)].map(|(end, n)| acks.open(Some(end), vec![gtid(n)], now));
        tickets.into_iter().for_each(|t| acks.done(t));
        assert_eq!(acks.reached(), Some(Reached { end: point(1, false), gtids: vec![gtid(1)], many: None }));
        assert_eq!(acks.reached(), None);
        let last = acks.open(Some(point(4, false)), vec![gtid(4)], now);
        acks.done(last);
        assert_eq!(acks.reached(), Some(Reached { end: point(4, true), gtids: vec![gtid(2), gtid(3), gtid(4)], many: None }));
    }

    #[test]
    fn age_is_of_the_oldest_open_ticket() {
        let start = Instant::now();
        let mut acks = AckTracker::new();
        assert_eq!(acks.oldest_open_age(start), None);
        let a = acks.open(None, vec![], start);
        let b = acks.open(Some(point(1, true)), vec![], start + Duration::from_secs(3));
        let later = start + Duration::from_secs(5);
        assert_eq!(acks.oldest_open_age(later), Some(Duration::from_secs(5)));
        acks.done(a);
        assert_eq!(acks.oldest_open_age(later), Some(Duration::from_secs(2)));
        acks.done(b);
        assert_eq!(acks.oldest_open_age(later), None);
    }

    #[test]
    fn marks_and_commit_times() {
        let now = Instant::now();
        let mut acks = AckTracker::new();
        let piece = acks.open_dated(None, vec![], now, 0);
        let a = acks.open_dated(Some(point(1, true)), vec![], now, 10);
        let mark = acks.mark();
        let b = acks.open_dated(Some(point(2, true)), vec![], now, 20);
        assert_eq!((acks.oldest_open_commit_us(), acks.is_past(&mark)), (Some(10), Some(false)), "a piece has no time of its own");
        acks.done(a);
        assert_eq!(acks.oldest_open_commit_us(), Some(20));
        acks.done(piece);
        assert_eq!(acks.is_past(&mark), Some(true));
        acks.done(b);
        assert_eq!(acks.oldest_open_commit_us(), None);
        assert_eq!(AckTracker::new().is_past(&mark), None);
    }

    #[test]
    #[should_panic(expected = "out of order")]
    fn points_out_of_order_are_a_bug() {
        let mut acks = AckTracker::new();
        let _a = acks.open(Some(point(2, true)), vec![], Instant::now());
        let _b = acks.open(Some(point(2, true)), vec![], Instant::now());
    }

    #[test]
    #[should_panic(expected = "another tracker")]
    fn tickets_of_an_older_tracker_are_a_bug() {
        let old = AckTracker::new().open(None, vec![], Instant::now());
        AckTracker::new().done(old);
    }

    proptest! {
        /// Against a model that keeps everything and looks for the longest finished prefix from the start.
        #[test]
        fn agrees_with_a_naive_model(
            transactions in prop::collection::vec((any::<bool>(), any::<bool>(), 0..3u64), 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 40),
            asks in prop::collection::vec(any::<bool>(), 40),
        ) {
            let now = Instant::now();
            let (mut acks, mut open, mut all) = (AckTracker::new(), Vec::new(), Vec::new());
            let mut next_gtid = 0;
            for (i, (has_end, saves, gtids)) in transactions.iter().enumerate() {
                let end = has_end.then(|| point(i as u64 + 1, *saves));
                let gtids: Vec<Gtid> = (0..*gtids).map(|n| gtid(next_gtid + n)).collect();
                next_gtid += gtids.len() as u64;
                all.push((end.clone(), gtids.clone(), false));
                open.push((i, acks.open(end, gtids, now)));
            }
            let (mut told_seq, mut told_gtids) = (0, 0);
            for (pick, ask) in order.iter().zip(&asks) {
                if !open.is_empty() {
                    let (i, ticket) = open.remove(pick.index(open.len()));
                    acks.done(ticket);
                    all[i].2 = true;
                }
                if !ask {
                    continue;
                }
                let prefix: Vec<_> = all.iter().take_while(|t| t.2).collect();
                let last_end = prefix.iter().rposition(|t| t.0.is_some());
                let model = last_end.and_then(|l| {
                    let end = prefix[l].0.clone()?;
                    if end.seq <= told_seq {
                        return None;
                    }
                    let newly = prefix[..=l].iter().filter_map(|t| t.0.as_ref()).filter(|p| p.seq > told_seq);
                    let saves = newly.clone().any(|p| p.saves);
                    let gtids: Vec<Gtid> = prefix[..=l].iter().flat_map(|t| t.1.clone()).skip(told_gtids).collect();
                    Some(Reached { end: ResumePoint { saves, ..end }, gtids, many: None })
                });
                let real = acks.reached();
                prop_assert_eq!(&real, &model);
                if let Some(r) = real {
                    told_seq = r.end.seq;
                    told_gtids += r.gtids.len();
                }
                prop_assert_eq!(acks.in_flight(), all.len() - prefix.len());
                let waiting: usize = all[prefix.len()..].iter().map(|t| t.1.len()).sum();
                let passed: usize = prefix.iter().map(|t| t.1.len()).sum();
                let asked = if *ask { told_gtids } else { 0 };
                prop_assert_eq!(acks.held(), 4 * acks.in_flight() + waiting + passed - asked);
            }
        }
    }
}
