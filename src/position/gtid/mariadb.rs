//! MariaDB GTIDs: `domain-server-sequence`, and a place in every domain.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MariadbGtid {
    pub domain: u32,
    pub server_id: u32,
    pub sequence: u64,
}

/// The last GTID of every domain and server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidPosition {}

impl fmt::Display for MariadbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server_id, self.sequence)
    }
}

impl fmt::Display for GtidPosition {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
