//! MySQL GTIDs: `uuid[:tag]:number`, and sets of them as intervals.

use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlGtid {
    pub uuid: [u8; 16],
    /// MySQL 8.3+ tag, lower case.
    pub tag: Option<Arc<str>>,
    pub number: u64,
}

/// A set of GTIDs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidSet {}

impl fmt::Display for MysqlGtid {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
