//! A place that a stream has to come to, on whichever server it comes from.

use std::fmt;

use super::{BinlogPosition, Gtids};

/// A place that a server's log had reached when definitions had been read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    pub at: BinlogPosition,
    /// The executed set there, if the stream is followed by GTIDs: another server's files have other places, but every
    /// server of a group comes to hold this set.
    pub gtids: Option<Gtids>,
    /// The stream comes from another server, on which `at` means nothing.
    pub foreign: bool,
}

impl From<BinlogPosition> for Bound {
    fn from(at: BinlogPosition) -> Self {
        Bound { at, gtids: None, foreign: false }
    }
}

impl Bound {
    /// A set that another server had executed.
    pub fn of_gtids(gtids: Gtids) -> Self {
        Bound { gtids: Some(gtids), ..Bound::never() }
    }

    /// A place that no stream reaches: nobody could be asked.
    pub fn never() -> Self {
        Bound { at: BinlogPosition::new("", 0), gtids: None, foreign: true }
    }

    /// Whether the stream has come here. `executed` is its own set, if it is followed by GTIDs.
    pub fn is_reached(&self, at: &BinlogPosition, executed: Option<&Gtids>) -> bool {
        // Sets of two kinds of server are never one in the other.
        let contained = |set: &Gtids| executed.is_some_and(|executed| set.is_subset(executed).unwrap_or(false));
        (!self.foreign && !at.is_before(&self.at)) || self.gtids.as_ref().is_some_and(contained)
    }

    /// The same place for a stream that comes from another server now. `end` is that one's log end, which everything
    /// without an executed set has to wait for.
    pub fn on_another_server(&self, end: &BinlogPosition) -> Self {
        match &self.gtids {
            Some(gtids) => Bound::of_gtids(gtids.clone()),
            None => end.clone().into(),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.gtids {
            Some(gtids) if self.foreign => gtids.fmt(f),
            _ => self.at.fmt(f),
        }
    }
}
