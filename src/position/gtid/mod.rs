//! GTIDs of both flavors. Mixing the two does not compile, or is an error where text comes in.

pub mod interval;
pub mod mariadb;
pub mod mysql;

use std::fmt;

use crate::error::{Error, Result};

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

impl Gtid {
    /// Reads one GTID of either flavor. MySQL's has a colon, MariaDB's has none.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains(':') { text.parse().map(Gtid::MySql) } else { text.parse().map(Gtid::MariaDb) }
    }
}

impl Gtids {
    /// Reads a set of either flavor: MySQL's `uuid:1-5`, MariaDB's `0-1-5,7-104-9`. Text that is empty could be either,
    /// and is refused: ask `GtidSet` or `GtidPosition` for it.
    pub fn parse(text: &str) -> Result<Self> {
        match text.trim() {
            "" => Err(Error::definite("an empty GTID set does not say whether it is MySQL's or MariaDB's")),
            text if text.contains(':') => text.parse().map(Gtids::MySql),
            text => text.parse().map(Gtids::MariaDb),
        }
    }

    /// Adds a transaction. Fails if it is of the other flavor.
    pub fn add(&mut self, gtid: &Gtid) -> Result<()> {
        match (self, gtid) {
            (Gtids::MySql(set), Gtid::MySql(gtid)) => set.add(gtid),
            (Gtids::MariaDb(position), Gtid::MariaDb(gtid)) => {
                position.add(*gtid);
                Ok(())
            }
            (set, gtid) => Err(mixed(set, gtid)),
        }
    }

    /// Whether the transaction was executed. Fails if it is of the other flavor.
    pub fn contains(&self, gtid: &Gtid) -> Result<bool> {
        match (self, gtid) {
            (Gtids::MySql(set), Gtid::MySql(gtid)) => Ok(set.contains(gtid)),
            (Gtids::MariaDb(position), Gtid::MariaDb(gtid)) => Ok(position.contains(*gtid)),
            (set, gtid) => Err(mixed(set, gtid)),
        }
    }

    /// Whether everything of `self` is in `other`. Fails if they are of two flavors.
    pub fn is_subset(&self, other: &Gtids) -> Result<bool> {
        match (self, other) {
            (Gtids::MySql(a), Gtids::MySql(b)) => Ok(a.is_subset(b)),
            (Gtids::MariaDb(a), Gtids::MariaDb(b)) => Ok(a.is_subset(b)),
            (a, b) => Err(mixed(a, b)),
        }
    }

    /// Adds everything of another set. Fails if it is of the other flavor.
    pub fn merge(&mut self, other: &Gtids) -> Result<()> {
        match (self, other) {
            (Gtids::MySql(set), Gtids::MySql(other)) => {
                set.add_set(other);
                Ok(())
            }
            (Gtids::MariaDb(position), Gtids::MariaDb(other)) => {
                other.iter().for_each(|gtid| position.add(gtid));
                Ok(())
            }
            (a, b) => Err(mixed(a, b)),
        }
    }

    /// A set with one transaction in it.
    pub fn of(gtid: &Gtid) -> Result<Self> {
        let mut set = match gtid {
            Gtid::MySql(_) => Gtids::MySql(GtidSet::new()),
            Gtid::MariaDb(_) => Gtids::MariaDb(GtidPosition::new()),
        };
        set.add(gtid)?;
        Ok(set)
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Gtids::MySql(set) => set.is_empty(),
            Gtids::MariaDb(position) => position.is_empty(),
        }
    }
}

fn mixed(a: &impl fmt::Display, b: &impl fmt::Display) -> Error {
    Error::definite("GTIDs of MySQL and of MariaDB do not go together")
        .detail(format!("{a} and {b}"))
        .hint("the server is of another kind than the one that the stored position is from; give a new start position")
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

#[cfg(test)]
mod tests {
    use super::*;

    const MYSQL: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562:23";

    #[test]
    fn flavor_is_seen_in_the_text() {
        assert!(matches!(Gtid::parse(MYSQL).unwrap(), Gtid::MySql(_)));
        assert!(matches!(Gtid::parse("0-1-5").unwrap(), Gtid::MariaDb(_)));
        assert!(matches!(Gtids::parse(MYSQL).unwrap(), Gtids::MySql(_)));
        assert!(matches!(Gtids::parse(" 0-1-5,7-104-9\n").unwrap(), Gtids::MariaDb(_)));
        Gtids::parse(" ").unwrap_err();
        Gtid::parse("master.000001").unwrap_err();
    }

    #[test]
    fn flavors_do_not_mix() {
        let (mysql, mariadb) = (Gtid::parse(MYSQL).unwrap(), Gtid::parse("0-1-5").unwrap());
        let mut set = Gtids::MySql(GtidSet::new());
        set.add(&mysql).unwrap();
        assert!(set.contains(&mysql).unwrap());
        set.add(&mariadb).unwrap_err();
        set.contains(&mariadb).unwrap_err();
        let mut position = Gtids::MariaDb(GtidPosition::default());
        assert!(position.is_empty());
        position.add(&mariadb).unwrap();
        position.add(&mysql).unwrap_err();
        position.is_subset(&set).unwrap_err();
        assert!(set.is_subset(&set).unwrap() && position.is_subset(&position).unwrap());
    }
}
