//! The task that owns the store while the daemon runs: saves what is reached, at most once a second, and writes
//! heartbeats. Delivery goes on while the store is away; health says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::error::{Error, Result};
use crate::metrics::ErrorKind;
use crate::position::ack::Reached;
use crate::position::{BinlogPosition, Position};
use crate::status::CauseKind;
use crate::store::Store;

use super::board::{Board, epoch_us};
use super::sender::Acks;
use super::shutdown::Shutdown;

/// How often the resume point is looked at (and stored if it moved), as Maxwell does.
const SAVE_EVERY: Duration = Duration::from_millis(1000);
/// A heartbeat is due at least this often (contract §3.8).
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// A heartbeat is due when the stream moved on by more than this many bytes since the last one (contract §3.8).
const HEARTBEAT_BYTES: u64 = 3000;
/// Health turns red when the store could not be written for this long.
const STORE_SILENT_MAX: Duration = Duration::from_secs(10);
/// One store call may take this long before it counts as failed.
const STORE_CALL_MAX: Duration = Duration::from_secs(30);

/// Saves positions in stream order and beats.
pub struct Keeper {
    store: Arc<dyn Store>,
    acks: Arc<Acks>,
    board: Arc<Board>,
    /// The whole position that is reached: every message before it is acknowledged.
    reached: Position,
    /// Whether `reached` is worth a save.
    due: bool,
    /// `producer_ack_timeout`
    ack_timeout: Option<Duration>,
    last_beat: Option<(Instant, BinlogPosition)>,
    /// Since when store calls fail.
    failing_since: Option<Instant>,
    retry_at: Option<Instant>,
    failures: u32,
}

impl Keeper {
    pub fn new(store: Arc<dyn Store>, acks: Arc<Acks>, board: Arc<Board>, reached: Position, ack_timeout: Option<Duration>) -> Self {
        Keeper { store, acks, board, reached, due: false, ack_timeout, last_beat: None, failing_since: None, retry_at: None, failures: 0 }
    }

    /// Runs until the stop. Errors are definite: a rival process, a store that refuses for good.
    pub async fn run(&mut self, mut shutdown: Shutdown) -> Result<()> {
        let board = self.board.clone();
        let _running = board.pulses.keeper.runs();
        let mut tick = interval(SAVE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! { biased;
                () = shutdown.requested() => return Ok(()),
                () = self.board.beat_wanted.notified() => self.last_beat = None,
                _ = tick.tick() => {}
            }
            board.pulses.keeper.beat();
            self.take_reached()?;
            self.check_head()?;
            if self.retry_at.is_some_and(|at| Instant::now() < at) {
                continue;
            }
            let waiting = board.pulses.keeper.waits();
            let outcome = {
                let writing = tokio::time::timeout(STORE_CALL_MAX, self.write());
                tokio::pin!(writing);
                let outcome = tokio::select! { biased;
                    () = shutdown.requested() => return Ok(()),
                    outcome = &mut writing => Some(outcome),
                    // A call that hangs keeps positions from being stored as well as one that fails.
                    () = tokio::time::sleep(STORE_SILENT_MAX) => None,
                };
                let outcome = match outcome {
                    Some(outcome) => outcome,
                    None => {
                        board.ill(
                            CauseKind::Store,
                            format!("the position cannot be stored: no answer for {} s", STORE_SILENT_MAX.as_secs()),
                        );
                        tokio::select! { biased;
                            () = shutdown.requested() => return Ok(()),
                            outcome = writing => outcome,
                        }
                    }
                };
                outcome.unwrap_or_else(|_| {
                    Err(Error::transient("the schema database does not answer").hint("is the store server overloaded or locked?"))
                })
            };
            drop(waiting);
            self.judge(outcome)?;
        }
    }

    /// The last save, at an orderly stop.
    pub async fn finish(&mut self) -> Result<Position> {
        self.take_reached()?;
        if self.due {
            tracing::info!(position = %self.reached, "storing the final position");
            self.store.save_position(&self.reached).await?;
            self.due = false;
            self.board.saved(&self.reached);
        }
        Ok(self.reached.clone())
    }

    fn take_reached(&mut self) -> Result<()> {
        let Some(Reached { end, gtids, many }) = self.acks.take_reached() else { return Ok(()) };
        if let Some(set) = &mut self.reached.gtids {
            if let Some(many) = &many {
                set.merge(many).map_err(|e| Error::bug("cannot add GTIDs to the stored set").source(e))?;
            }
            for gtid in &gtids {
                set.add(gtid).map_err(|e| Error::bug(format!("cannot add GTID {gtid} to the stored set")).source(e))?;
            }
        }
        self.reached.at = end.at;
        self.reached.heartbeat = end.heartbeat;
        self.due |= end.saves;
        self.board.reached(&self.reached);
        Ok(())
    }

    /// The oldest batch in flight holds everything back; `producer_ack_timeout` ends that.
    fn check_head(&self) -> Result<()> {
        let (age, end) = {
            let tracker = self.acks.tracker();
            (tracker.oldest_open_age(std::time::Instant::now()).unwrap_or_default(), tracker.oldest_open_end().cloned())
        };
        if let Some(limit) = self.ack_timeout.filter(|limit| age > *limit) {
            return Err(Error::definite(format!(
                "Did not receive acknowledgement for the head of the inflight message list for {} ms",
                limit.as_millis()
            ))
            .detail(end.map_or_else(|| format!("behind {}", self.reached.at), |e| e.at.to_string()))
            .hint("the broker does not answer, or answers too slowly: see its log, or raise producer_ack_timeout"));
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<()> {
        if self.due {
            self.store.save_position(&self.reached).await?;
            self.due = false;
            self.board.saved(&self.reached);
        }
        if self.heartbeat_due() {
            let value = self.store.heartbeat(i64::try_from(epoch_us() / 1000).unwrap_or(i64::MAX)).await?;
            tracing::debug!(value, "heartbeat written");
            self.board.metrics.heartbeats.inc();
            self.last_beat = Some((Instant::now(), self.reached.at.clone()));
        }
        Ok(())
    }

    fn heartbeat_due(&self) -> bool {
        let Some((when, at)) = &self.last_beat else { return true };
        at.file != self.reached.at.file || self.reached.at.offset > at.offset + HEARTBEAT_BYTES || when.elapsed() >= HEARTBEAT_EVERY
    }

    /// Transient failures are retried with growing pauses while delivery goes on.
    fn judge(&mut self, outcome: Result<()>) -> Result<()> {
        match outcome {
            Ok(()) => {
                if self.failing_since.take().is_some() {
                    tracing::info!("the schema database answers again");
                }
                self.board.well(CauseKind::Store);
                self.retry_at = None;
                self.failures = 0;
                Ok(())
            }
            Err(error) if error.is_transient() => {
                let since = *self.failing_since.get_or_insert_with(Instant::now);
                if self.failures == 0 {
                    tracing::warn!(%error, "cannot write to the schema database; delivery goes on, the position is stored later");
                }
                self.failures += 1;
                self.board.error(ErrorKind::Store);
                self.retry_at = Some(Instant::now() + Duration::from_millis(500 * u64::from(self.failures.min(20))));
                if since.elapsed() >= STORE_SILENT_MAX {
                    self.board.ill(CauseKind::Store, format!("the position cannot be stored: {error}"));
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
