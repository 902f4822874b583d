//! The executed GTIDs of the stream, folded from one transaction's GTID at a time. Never here: comparing GTIDs to find out
//! what is newer; the caller folds resume points in stream order.

use crate::error::Result;
use crate::position::{Position, ResumePoint};

use super::Gtids;

/// What was executed up to a resume point. It is complete or it is not there: without a complete beginning (a stored
/// set, a Previous_gtids event, the server's own word) nothing is tracked, because a set with holes would make the server
/// send everything again.
#[derive(Debug, Clone, Default)]
pub struct GtidTracker {
    executed: Option<Gtids>,
}

impl GtidTracker {
    pub fn new(executed: Option<Gtids>) -> Self {
        GtidTracker { executed }
    }

    /// Takes a complete set, whatever was there before.
    pub fn set_complete(&mut self, executed: Gtids) {
        self.executed = Some(executed);
    }

    /// Adds the transaction that ends at `point`. Points must come in stream order, each once.
    /// Fails if the GTID is of another flavor than the set.
    pub fn fold(&mut self, point: &ResumePoint) -> Result<()> {
        match (&mut self.executed, &point.gtid) {
            (Some(executed), Some(gtid)) => executed.add(gtid),
            _ => Ok(()),
        }
    }

    /// `None` while no complete set is known.
    pub fn executed(&self) -> Option<&Gtids> {
        self.executed.as_ref()
    }

    /// The position at `point`, which must be the last one folded.
    pub fn position_at(&self, point: &ResumePoint) -> Position {
        Position { at: point.at.clone(), gtids: self.executed.clone(), heartbeat: point.heartbeat }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{BinlogPosition, Gtid};

    fn point(seq: u64, gtid: Option<&str>) -> ResumePoint {
        let at = BinlogPosition::new("a.000001", 100 * seq);
        ResumePoint { seq, at, gtid: gtid.map(|g| Gtid::parse(g).unwrap()), heartbeat: 7, saves: true, held: false }
    }

    #[test]
    fn folds_only_onto_a_complete_set() {
        let mut tracker = GtidTracker::default();
        tracker.fold(&point(1, Some("0-1-5"))).unwrap();
        assert_eq!(tracker.executed(), None);
        tracker.set_complete(Gtids::parse("0-1-5").unwrap());
        tracker.fold(&point(2, Some("0-2-6"))).unwrap();
        tracker.fold(&point(3, None)).unwrap();
        let position = tracker.position_at(&point(3, None));
        assert_eq!((position.gtids.unwrap().to_string(), position.heartbeat, position.at.offset), ("0-1-5,0-2-6".into(), 7, 300));
        tracker.fold(&point(4, Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:1"))).unwrap_err();
    }
}
