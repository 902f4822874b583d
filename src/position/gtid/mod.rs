//! GTIDs of both flavors. Mixing the two does not compile, or is an error where text comes in.

pub mod mariadb;
pub mod mysql;

use std::fmt;

pub use mariadb::{GtidPosition, MariadbGtid};
pub use mysql::{GtidSet, MysqlGtid};

/// One transaction's GTID. `Display` is the server's text: `uuid:5`, `uuid:tag:5`, `7-104-5016`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gtid {
    MySql(MysqlGtid),
    MariaDb(MariadbGtid),
}

/// The executed GTIDs of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gtids {
    MySql(GtidSet),
    MariaDb(GtidPosition),
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gtid::MySql(g) => g.fmt(f),
            Gtid::MariaDb(g) => g.fmt(f),
        }
    }
}

impl fmt::Display for Gtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gtids::MySql(g) => g.fmt(f),
            Gtids::MariaDb(g) => g.fmt(f),
        }
    }
}
