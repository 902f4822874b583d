//! What a run did, and every difference that it found, told at its end.

use std::collections::BTreeMap;
use std::fmt;

/// A finding with the statement behind which it was seen.
#[derive(Debug, Clone)]
pub struct Finding {
    pub kind: Kind,
    pub sql: String,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The model differs from the server, and nothing said so.
    Wrong,
    /// The parser asked for a re-read, without need.
    Reread,
    /// The chain stopped.
    Stopped,
    /// A row's values differ from what SELECT says.
    Row,
    /// What the store gives back is not the model.
    Store,
}

#[derive(Debug, Default)]
pub struct Tally {
    pub tried: usize,
    pub accepted: usize,
    /// Definitions held against information_schema.
    pub compared: usize,
    pub rows: usize,
    /// Statements that the server logged although they failed; their tables are read again, as they must be.
    pub failed_but_logged: usize,
    /// Statements whose tables are read again for one of the listed reasons.
    pub doubtful: usize,
    pub findings: Vec<Finding>,
    pub seconds: f64,
}

impl Tally {
    pub fn add(&mut self, kind: Kind, sql: &str, detail: impl Into<String>) {
        self.findings.push(Finding { kind, sql: sql.into(), detail: detail.into() });
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.findings.iter().filter(|f| f.kind == kind).count()
    }

    /// Prints findings, one of each reason in full.
    pub fn report(&self, most: usize) {
        let mut by_reason: BTreeMap<(Kind, String), Vec<&Finding>> = BTreeMap::new();
        for finding in &self.findings {
            let reason: String =
                finding.detail.lines().next().unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).take(60).collect();
            by_reason.entry((finding.kind, reason)).or_default().push(finding);
        }
        for ((kind, _), findings) in by_reason.iter().take(most) {
            let shortest = findings.iter().min_by_key(|f| f.sql.len()).expect("one");
            let sql: String = shortest.sql.chars().take(1500).collect();
            println!("  {kind:?} ×{}: {}\n      after: {sql}", findings.len(), shortest.detail);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} statements tried, {} accepted, {} definitions and {} rows compared, {} failed but logged, {} in doubt; wrong {}, re-read {}, stopped {}, rows wrong {}; {:.0} s",
            self.tried,
            self.accepted,
            self.compared,
            self.rows,
            self.failed_but_logged,
            self.doubtful,
            self.count(Kind::Wrong),
            self.count(Kind::Reread),
            self.count(Kind::Stopped),
            self.count(Kind::Row) + self.count(Kind::Store),
            self.seconds,
        )
    }
}
