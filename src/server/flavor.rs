//! Which server speaks: its flavor and version, and what follows from them.

use std::fmt;

use crate::error::{Error, Result};

/// The two families, which differ in GTIDs, event types and session settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    MySql,
    MariaDb,
}

/// A server's version as its handshake or `SELECT VERSION()` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    pub flavor: Flavor,
    pub major: u16,
    pub minor: u16,
    pub patch: u16,
    /// The text as the server sent it.
    pub text: String,
}

/// MariaDB's handshake puts this before its own number, because old replicas refuse a major version of two digits
/// (MariaDB knowledge base, "Connection: Initial Handshake Packet").
const REPLICATION_HACK: &str = "5.5.5-";

impl ServerVersion {
    /// Reads `9.7.4`, `8.0.36-log`, `5.6.24-0ubuntu1`, `10.11.19-MariaDB-deb12`, `5.5.5-10.6.18-MariaDB`, `11.8.6-MariaDB`.
    ///
    /// A text without leading `digits.digits` is refused: guessing a version would choose wrong statements.
    pub fn parse(text: &str) -> Result<Self> {
        let lower = text.to_ascii_lowercase();
        let hacked = text.strip_prefix(REPLICATION_HACK).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let flavor = if hacked.is_some() || lower.contains("mariadb") { Flavor::MariaDb } else { Flavor::MySql };
        let mut numbers = hacked.unwrap_or(text).splitn(3, '.').map(leading_number);
        match (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor), patch) => {
                Ok(ServerVersion { flavor, major, minor, patch: patch.unwrap_or(0), text: text.to_owned() })
            }
            _ => Err(Error::definite(format!("the server's version `{text}` cannot be read"))
                .hint("connect to MySQL 5.6 or later or to MariaDB, not to a proxy that invents a version")),
        }
    }

    pub fn is_mariadb(&self) -> bool {
        self.flavor == Flavor::MariaDb
    }

    /// Whether this is `flavor` at or above the given version.
    pub fn at_least(&self, flavor: Flavor, major: u16, minor: u16, patch: u16) -> bool {
        self.flavor == flavor && (self.major, self.minor, self.patch) >= (major, minor, patch)
    }

    /// The statement that prints the end of the binlog. `SHOW MASTER STATUS` is gone from MySQL 8.4; MariaDB has its own
    /// word since 10.5 (MySQL manual, "SHOW BINARY LOG STATUS"; MariaDB knowledge base, "SHOW BINLOG STATUS").
    pub fn position_statement(&self) -> &'static str {
        match self.flavor {
            Flavor::MySql if self.at_least(Flavor::MySql, 8, 2, 0) => "SHOW BINARY LOG STATUS",
            Flavor::MariaDb if self.at_least(Flavor::MariaDb, 10, 5, 0) => "SHOW BINLOG STATUS",
            _ => "SHOW MASTER STATUS",
        }
    }
}

/// The number at the start of `text`; `None` without a digit or beyond 16 bits.
fn leading_number(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.flavor {
            Flavor::MySql => "MySQL",
            Flavor::MariaDb => "MariaDB",
        };
        write!(f, "{name} {}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_and_their_position_statement() {
        for (text, shown, statement) in [
            ("9.7.4-2", "MySQL 9.7.4", "SHOW BINARY LOG STATUS"),
            ("8.2.0", "MySQL 8.2.0", "SHOW BINARY LOG STATUS"),
            ("8.1.0", "MySQL 8.1.0", "SHOW MASTER STATUS"),
            ("8.0.36-28.1", "MySQL 8.0.36", "SHOW MASTER STATUS"),
            ("5.6.24-log", "MySQL 5.6.24", "SHOW MASTER STATUS"),
            ("5.7.44-rds.20240408-log", "MySQL 5.7.44", "SHOW MASTER STATUS"),
            ("8.0", "MySQL 8.0.0", "SHOW MASTER STATUS"),
            ("5.5.5-10.6.18-MariaDB-log", "MariaDB 10.6.18", "SHOW BINLOG STATUS"),
            ("5.5.5-10.4.3-custom", "MariaDB 10.4.3", "SHOW MASTER STATUS"),
            ("10.11.19-MariaDB-0+deb12u1", "MariaDB 10.11.19", "SHOW BINLOG STATUS"),
            ("11.8.6-MariaDB", "MariaDB 11.8.6", "SHOW BINLOG STATUS"),
            ("12.3.1-mariadb", "MariaDB 12.3.1", "SHOW BINLOG STATUS"),
            ("5.5.5", "MySQL 5.5.5", "SHOW MASTER STATUS"),
            ("5.5.5-m3", "MySQL 5.5.5", "SHOW MASTER STATUS"),
        ] {
            let version = ServerVersion::parse(text).unwrap();
            assert_eq!((version.to_string().as_str(), version.position_statement()), (shown, statement), "{text}");
        }
        for text in ["", "x", "8", "v8.0.1", ".1.2", "99999999.1.1"] {
            assert!(ServerVersion::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = ServerVersion::parse(&text);
        }
    }
}
