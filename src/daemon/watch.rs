//! The look that is taken every second at whether data flows: what waits longest in flight, how far we are behind, whether a new
//! run stands. It lives as long as the process. Never here: acting on what is seen; health and metrics tell of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::sample::TICK_SECONDS;
use crate::position::Position;
use crate::status::CauseKind;

use super::board::{Board, epoch_us};
use super::shutdown::Shutdown;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Health turns red when the oldest message in flight waits longer than this.
const HEAD_AGE_MAX: Duration = Duration::from_secs(30);
/// So many looks in a row must see too much lag: a single one may fall into the moment at which something old arrives.
const LOOKS_OVER_LIMIT: u32 = 3;
/// A new run that has stood so long is taken for a success.
const RUN_STANDS: Duration = Duration::from_secs(10);

pub struct Watch {
    board: Arc<Board>,
    lag_limit: Option<Duration>,
    over_limit: u32,
    stored: Option<Position>,
    /// Shared with whoever wants to know how old the stored position is.
    resume_us: Arc<ResumeTime>,
}

/// The commit time of what the stored position stands behind, microseconds since the epoch, or earlier; 0 if unknown.
#[derive(Debug, Default)]
pub struct ResumeTime(AtomicU64);

impl ResumeTime {
    /// How long ago that was, at most.
    pub fn age(&self) -> Option<Duration> {
        let us = self.0.load(Ordering::Relaxed);
        (us > 0).then(|| Duration::from_micros(epoch_us().saturating_sub(us)))
    }
}

impl Watch {
    pub fn new(board: Arc<Board>, lag_limit: Option<Duration>) -> Self {
        Watch { board, lag_limit, over_limit: 0, stored: None, resume_us: Arc::default() }
    }

    pub fn resume_time(&self) -> Arc<ResumeTime> {
        self.resume_us.clone()
    }

    pub async fn run(mut self, mut stop: Shutdown) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut metered = Instant::now();
        loop {
            tokio::select! { biased;
                () = stop.requested() => return,
                _ = tick.tick() => {}
            }
            while metered.elapsed().as_secs() >= TICK_SECONDS {
                metered += Duration::from_secs(TICK_SECONDS);
                self.board.metrics.tick();
            }
            self.look(epoch_us());
        }
    }

    fn look(&mut self, now_us: u64) {
        self.look_at_head();
        if self.board.run_age().is_some_and(|age| age >= RUN_STANDS) {
            self.board.well(CauseKind::Restarting);
        }
        let behind = self.board.behind(now_us);
        self.board.metrics.behind_seconds.set(behind.as_secs_f64());
        self.look_at_lag(behind);
        self.look_at_stored(now_us.saturating_sub(u64::try_from(behind.as_micros()).unwrap_or(u64::MAX)));
    }

    /// The oldest batch in flight holds everything back.
    fn look_at_head(&self) {
        let head = self.board.acks().and_then(|acks| {
            let tracker = acks.tracker();
            Some((tracker.oldest_open_age(Instant::now())?, tracker.oldest_open_end().map(|end| end.at.to_string())))
        });
        match head {
            Some((age, end)) if age > HEAD_AGE_MAX => {
                let place = end.map_or_else(String::new, |end| format!(" (it ends at {end})"));
                self.board.ill(
                    CauseKind::Unacknowledged,
                    format!("the oldest message in flight waits for its acknowledgement since {} s{place}", age.as_secs()),
                );
            }
            _ => self.board.well(CauseKind::Unacknowledged),
        }
    }

    fn look_at_lag(&mut self, behind: Duration) {
        let Some(limit) = self.lag_limit else { return };
        if behind <= limit {
            self.over_limit = 0;
            self.board.well(CauseKind::Lag);
            return;
        }
        self.over_limit = self.over_limit.saturating_add(1);
        if self.over_limit >= LOOKS_OVER_LIMIT {
            let sentence =
                format!("binlogd is {} s behind the server, more than lag_limit allows ({} s)", behind.as_secs(), limit.as_secs_f64());
            self.board.ill(CauseKind::Lag, sentence);
        }
    }

    /// `bound_us`: everything that committed before this is acknowledged, as far as is known.
    fn look_at_stored(&mut self, bound_us: u64) {
        let (stored, is_all) = {
            let status = self.board.watched();
            let status = status.borrow();
            let is_all = matches!((&status.stored, &status.read), (Some(s), Some(r)) if s.at == r.at);
            (status.stored.clone(), is_all)
        };
        let known = self.resume_us.0.load(Ordering::Relaxed);
        let us = if is_all || stored != self.stored || known == 0 { bound_us } else { known.min(bound_us) };
        self.resume_us.0.store(us, Ordering::Relaxed);
        self.stored = stored;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::sender::Acks;
    use crate::metrics::Metrics;
    use crate::position::{BinlogPosition, ResumePoint};

    const SECOND: u64 = 1_000_000;
    const NOW: u64 = 1_000_000 * SECOND;

    fn point(seq: u64) -> ResumePoint {
        ResumePoint { seq, at: BinlogPosition::new("b.000001", seq * 100), gtid: None, heartbeat: 0, saves: true, held: false }
    }

    fn start(lag_limit: Option<Duration>) -> (Watch, Arc<Acks>) {
        let (board, _) = Board::new(Arc::new(Metrics::new()));
        let acks = Arc::new(Acks::default());
        board.run_begins(acks.clone(), &Position::new(BinlogPosition::new("b.000001", 4)));
        (Watch::new(board, lag_limit), acks)
    }

    fn causes(watch: &Watch) -> Vec<CauseKind> {
        watch.board.watched().borrow().causes().iter().map(|c| c.kind).collect()
    }

    #[test]
    fn lag_is_red_while_the_oldest_is_too_old_and_never_when_idle() {
        let (mut watch, acks) = start(Some(Duration::from_secs(10)));
        watch.look(NOW);
        assert_eq!(causes(&watch), []);
        let old = acks.tracker().open_dated(Some(point(1)), vec![], Instant::now(), NOW - 8 * SECOND);
        watch.look(NOW);
        for look in 1..=3 {
            watch.look(NOW + 3 * SECOND);
            assert_eq!(causes(&watch).is_empty(), look < 3, "look {look}");
        }
        assert_eq!(watch.board.metrics.behind_seconds.get(), 11.0);
        acks.tracker().done(old);
        watch.look(NOW + 3 * SECOND);
        assert_eq!((causes(&watch), watch.board.metrics.behind_seconds.get()), (vec![], 0.0));
        // Nothing in flight, but the pipeline is stuck with something old.
        watch.board.works_on(NOW - 60 * SECOND);
        (0..3).for_each(|_| watch.look(NOW));
        assert_eq!(causes(&watch), [CauseKind::Lag]);
        watch.board.waits();
        watch.look(NOW);
        assert_eq!(causes(&watch), []);
    }

    #[test]
    fn without_a_limit_lag_is_a_number_only() {
        let (mut watch, acks) = start(None);
        let _open = acks.tracker().open_dated(Some(point(1)), vec![], Instant::now(), SECOND);
        (0..5).for_each(|_| watch.look(NOW));
        assert_eq!(causes(&watch), []);
        assert!(watch.board.metrics.behind_seconds.get() > 900_000.0);
    }

    #[test]
    fn a_stalled_head_is_red_until_it_is_answered() {
        let (mut watch, acks) = start(None);
        let Some(long_ago) = Instant::now().checked_sub(Duration::from_secs(31)) else { return };
        let ticket = acks.tracker().open(Some(point(7)), vec![], long_ago);
        watch.look(NOW);
        assert_eq!(causes(&watch), [CauseKind::Unacknowledged]);
        let sentence = watch.board.watched().borrow().causes()[0].sentence.clone();
        assert!(sentence.contains("since 31 s") && sentence.contains("b.000001:700"), "{sentence}");
        acks.tracker().done(ticket);
        watch.look(NOW);
        assert_eq!(causes(&watch), []);
    }

    #[test]
    fn a_new_run_is_no_success_at_once() {
        let (mut watch, _acks) = start(None);
        watch.board.ill(CauseKind::Restarting, "the disk is full");
        watch.look(NOW);
        assert_eq!(causes(&watch), [CauseKind::Restarting]);
        assert!(watch.board.run_age().is_some_and(|age| age < RUN_STANDS));
    }

    #[test]
    fn the_resume_point_ages_while_it_is_held_back() {
        let (mut watch, acks) = start(None);
        let us = |watch: &Watch| watch.resume_us.0.load(Ordering::Relaxed);
        let at = |offset| BinlogPosition::new("b.000001", offset);
        watch.board.read(&at(4), 0);
        watch.look(NOW);
        watch.look(NOW + 50 * SECOND);
        assert_eq!(us(&watch), NOW + 50 * SECOND, "an idle server's resume point is as of now");
        watch.board.read(&at(900), 0);
        watch.look(NOW + 60 * SECOND);
        watch.look(NOW + 90 * SECOND);
        assert_eq!(us(&watch), NOW + 50 * SECOND, "acknowledged, but not stored");
        let _open = acks.tracker().open_dated(Some(point(9)), vec![], Instant::now(), NOW + 20 * SECOND);
        watch.look(NOW + 91 * SECOND);
        assert_eq!(us(&watch), NOW + 20 * SECOND, "older than was thought");
        watch.board.saved(&Position::new(at(500)));
        watch.look(NOW + 95 * SECOND);
        assert_eq!(us(&watch), NOW + 20 * SECOND);
    }
}
