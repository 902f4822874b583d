//! What the daemon says of itself: all that `admin` hears of `daemon` unasked. The daemon publishes a `Status` through a `tokio::sync::watch`; whoever answers HTTP reads the newest one. Never here: locks, I/O,
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
    /// The oldest transaction that is not delivered is older than `lag_limit`.
    Lag,
    /// Positions, heartbeats or schema versions cannot be stored.
    Store,
    /// A table's definition is not known for certain.
    Schema,
    /// Rows of some tables are held back, because their definitions could not be proved.
    Quarantine,
    /// The resume point is near the oldest binlog file that the server still has.
    Purge,
    /// Something failed that only a new run from the stored position mends, and that run does not stand yet.
    Restarting,
}

impl CauseKind {
    pub const ALL: [CauseKind; 9] = [
        CauseKind::Source,
        CauseKind::Producer,
        CauseKind::Unacknowledged,
        CauseKind::Lag,
        CauseKind::Store,
        CauseKind::Schema,
        CauseKind::Quarantine,
        CauseKind::Purge,
        CauseKind::Restarting,
    ];

    /// As metrics and the documentation name it.
    pub fn as_str(self) -> &'static str {
        match self {
            CauseKind::Source => "source",
            CauseKind::Producer => "producer",
            CauseKind::Unacknowledged => "unacknowledged",
            CauseKind::Lag => "lag",
            CauseKind::Store => "store",
            CauseKind::Schema => "schema",
            CauseKind::Quarantine => "quarantine",
            CauseKind::Purge => "purge",
            CauseKind::Restarting => "restarting",
        }
    }

    /// When it is red, for the documentation.
    pub fn meaning(self) -> &'static str {
        match self {
            CauseKind::Source => "there is no connection to the replication server, or it has been silent for 25 s",
            CauseKind::Producer => "no broker can be reached, or all refuse us",
            CauseKind::Unacknowledged => "the oldest message in flight has waited for its acknowledgement for more than 30 s",
            CauseKind::Lag => "the oldest transaction that is not delivered, or not read through, has been older than `lag_limit` for 3 s",
            CauseKind::Store => "the position could not be stored for 10 s; delivery goes on",
            CauseKind::Schema => "a schema version cannot be stored, or definitions cannot be read; what depends on them waits",
            CauseKind::Quarantine => "rows of tables whose definitions are not proved are held back; other tables go on",
            CauseKind::Purge => "the server has removed, or will soon remove, the binlog file in which a restart would go on",
            CauseKind::Restarting => {
                "a start waits for Kafka, or a failure needs a new run from the stored position, until that run has stood for 10 s"
            }
        }
    }

    /// What to do about it, for a reader who has nothing else.
    pub fn advice(self) -> &'static str {
        match self {
            CauseKind::Source => {
                "see whether the server of replication_host (or host) runs and can be reached; binlogd connects by itself when it can"
            }
            CauseKind::Producer => {
                "see whether the brokers of kafka.bootstrap.servers run and can be reached; binlogd goes on by itself when they can"
            }
            CauseKind::Unacknowledged => "see the brokers' logs and disks: they accept messages without acknowledging them",
            CauseKind::Lag => "see whether the sink takes messages as fast as the server makes them, or raise lag_limit",
            CauseKind::Store => {
                "see whether the server of host runs and can be written to; until then a restart would send everything since the last stored position again"
            }
            CauseKind::Schema => "see whether the servers of host and schema_host run and can be reached",
            CauseKind::Quarantine => "see the log for each table's reason; restore its definition, or exclude it by the filter and restart",
            CauseKind::Purge => {
                "let binlogd catch up before the file is gone, or keep the binlog longer: raise binlog_expire_logs_seconds (expire_logs_days, max_binlog_total_size)"
            }
            CauseKind::Restarting => "see the log; if it says the same again and again, mend what it names",
        }
    }
}

/// The sentence of `CauseKind::Quarantine`.
pub fn quarantine_sentence(tables: &[&str], resume_point: &Position) -> String {
    format!(
        "rows of {} are held back because the definition is not proved; a restart would go on at {resume_point}, and the server must keep its binlog from there",
        tables.join(", ")
    )
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
    fn quarantine_is_red_until_the_last_table_is_released() {
        let mut status = Status::default();
        let point = Position::new(crate::position::BinlogPosition::new("b.000001", 4));
        status.set_cause(CauseKind::Quarantine, quarantine_sentence(&["a.t", "a.u"], &point), 10);
        assert!(!status.is_healthy());
        let sentence = status.causes()[0].sentence.clone();
        assert!(sentence.contains("a.t, a.u are held back") && sentence.contains("b.000001:4"), "{sentence}");
        assert!(!status.set_cause(CauseKind::Quarantine, quarantine_sentence(&["a.t"], &point), 20));
        assert_eq!(status.causes()[0].since_ms, 10);
        status.clear_cause(CauseKind::Quarantine);
        assert!(status.is_healthy());
    }

    #[test]
    fn every_cause_says_what_to_do() {
        assert!(CauseKind::ALL.is_sorted());
        for kind in CauseKind::ALL {
            assert!(kind.advice().len() > 30 && kind.meaning().len() > 20, "{kind:?}");
        }
    }

    #[test]
    fn lag_claims_no_precision_it_does_not_have() {
        assert_eq!(Lag { ms: 1234, whole_seconds: false }.to_string(), "1234 ms");
        assert_eq!(Lag { ms: 2000, whole_seconds: true }.to_string(), "2 s");
    }
}
