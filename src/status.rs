//! What the daemon says of itself, and what it can be told: all that `admin` and `daemon` say to each other. The daemon
//! publishes a `Status` through a `tokio::sync::watch`; whoever answers HTTP reads the newest one. Never here: locks, I/O,
//! clocks (times come in as arguments), or anything that the data path would have to wait for.

use std::fmt;

use tokio::sync::watch;

use crate::position::Position;

/// What the daemon is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Reading the configuration, connecting, checking the servers.
    #[default]
    Starting,
    /// Reading the table definitions for the first time.
    Capturing,
    /// Following the binlog.
    Streaming,
    /// The connection to the replication server is lost and being made anew.
    Reconnecting,
    /// Asked to stop; waiting for what is in flight.
    Draining,
    Stopped,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Capturing => "capturing",
            State::Streaming => "streaming",
            State::Reconnecting => "reconnecting",
            State::Draining => "draining",
            State::Stopped => "stopped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The age of the newest transaction when it was acknowledged. The precision is the server's: MySQL 8 and later give
/// microseconds in the GTID event, everything else gives whole seconds, and then a smaller number would be invented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    pub ms: u64,
    pub whole_seconds: bool,
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole_seconds { write!(f, "{} s", self.ms / 1000) } else { write!(f, "{} ms", self.ms) }
    }
}

/// Why the daemon is not well. One cause of a kind at a time, so that a cause keeps the time at which it began however
/// often it is reported again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CauseKind {
    /// No connection to the replication server, or silence on it.
    Source,
    /// The sink cannot be reached or refuses us.
    Producer,
    /// The oldest message in flight has waited too long.
    Unacknowledged,
    /// Positions, heartbeats or schema versions cannot be stored.
    Store,
    /// A table's definition is not known for certain.
    Schema,
    /// Rows of tables are held back whose definition is not proved.
    Quarantine,
    /// The resume point is near the oldest binlog file that the server still has.
    Purge,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub kind: CauseKind,
    /// A whole sentence that says what is wrong, for a reader who sees nothing else.
    pub sentence: String,
    /// When it began, ms since the epoch.
    pub since_ms: u64,
}

/// The last error that was met, also one that was overcome by trying again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    pub text: String,
    /// When it was met, ms since the epoch.
    pub at_ms: u64,
}

/// One consistent picture of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    pub state: State,
    /// How far the binlog was read.
    pub read: Option<Position>,
    /// How far everything is acknowledged by the sink.
    pub acknowledged: Option<Position>,
    /// What is stored, where a restart would go on.
    pub stored: Option<Position>,
    pub lag: Option<Lag>,
    pub in_flight_messages: u64,
    pub in_flight_bytes: u64,
    /// Bytes that wait in our own queues, from the reader to the producer.
    pub queue_bytes: u64,
    pub last_error: Option<LastError>,
    causes: Vec<Cause>,
}

impl Status {
    /// A new channel with a starting daemon in it.
    pub fn channel() -> (watch::Sender<Status>, watch::Receiver<Status>) {
        watch::channel(Status::default())
    }

    pub fn is_healthy(&self) -> bool {
        self.causes.is_empty()
    }

    /// Why it is not well, in the order of `CauseKind`; empty when it is.
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// Reports a cause. One of this kind that is already there keeps its beginning and takes the new sentence. Answers
    /// whether the cause is new, which is when it should be logged.
    pub fn set_cause(&mut self, kind: CauseKind, sentence: impl Into<String>, now_ms: u64) -> bool {
        match self.causes.binary_search_by_key(&kind, |c| c.kind) {
            Ok(i) => {
                self.causes[i].sentence = sentence.into();
                false
            }
            Err(i) => {
                self.causes.insert(i, Cause { kind, sentence: sentence.into(), since_ms: now_ms });
                true
            }
        }
    }

    /// Takes a cause back. Answers the cause if it was there.
    pub fn clear_cause(&mut self, kind: CauseKind) -> Option<Cause> {
        self.causes.binary_search_by_key(&kind, |c| c.kind).ok().map(|i| self.causes.remove(i))
    }
}

/// What the daemon can be told while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Put other rules in the filter's place, from the next rows on (Maxwell's `/config`).
    SetFilter { rules: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_keeps_its_beginning() {
        let mut status = Status::default();
        assert!(status.is_healthy());
        assert!(status.set_cause(CauseKind::Store, "first", 10));
        assert!(!status.set_cause(CauseKind::Store, "second", 20));
        assert!(status.set_cause(CauseKind::Source, "no server", 30));
        let seen: Vec<_> = status.causes().iter().map(|c| (c.kind, c.sentence.as_str(), c.since_ms)).collect();
        assert_eq!(seen, [(CauseKind::Source, "no server", 30), (CauseKind::Store, "second", 10)]);
        assert!(status.clear_cause(CauseKind::Store).is_some());
        assert!(status.clear_cause(CauseKind::Store).is_none());
        assert!(!status.is_healthy());
        status.clear_cause(CauseKind::Source);
        assert!(status.is_healthy());
    }

    #[test]
    fn lag_claims_no_precision_it_does_not_have() {
        assert_eq!(Lag { ms: 1234, whole_seconds: false }.to_string(), "1234 ms");
        assert_eq!(Lag { ms: 2000, whole_seconds: true }.to_string(), "2 s");
    }
}
