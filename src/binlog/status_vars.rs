//! Status variables of a query event: the settings of the session, as far as they change what a statement means.
//!
//! They are a list without lengths: behind a key that is not known nothing can be found. Servers therefore write newer keys
//! behind older ones, with one exception (MariaDB 11.5 writes its collation map first).

use super::{Cursor, DecodeError};

/// `None`: the server did not log it, so the default (or the file's earlier server) decides. Charsets and collations are
/// the server's collation ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusVars {
    /// Options as bits; only the servers' own.
    pub flags2: Option<u32>,
    /// `sql_mode` as bits: 0x4 ANSI_QUOTES, 0x100000 NO_BACKSLASH_ESCAPES, 0x200 ORACLE (MariaDB).
    pub sql_mode: Option<u64>,
    pub auto_increment: Option<(u16, u16)>,
    /// `character_set_client`: the charset of the statement's text.
    pub charset_client: Option<u16>,
    pub collation_connection: Option<u16>,
    /// `collation_server`: what CREATE DATABASE without a clause takes.
    pub collation_server: Option<u16>,
    /// `collation_database`. Servers log it only where it differs from the default.
    pub collation_database: Option<u16>,
    /// MySQL 8+ `default_collation_for_utf8mb4`: what `CHARACTER SET utf8mb4` without COLLATE means.
    pub default_collation_for_utf8mb4: Option<u16>,
    /// MariaDB 11.2+ `character_set_collations`: (a charset's primary collation, the one it means instead).
    pub charset_collations: Vec<(u16, u16)>,
    pub time_zone: Option<Vec<u8>>,
    /// MySQL: the databases whose tables the statement changes; `None` if it did not tell, or if they are more than 16.
    pub updated_databases: Option<Vec<Vec<u8>>>,
    /// MySQL `explicit_defaults_for_timestamp`.
    pub explicit_defaults_for_timestamp: Option<bool>,
    /// MySQL: the transaction number of an atomic DDL statement.
    pub ddl_xid: Option<u64>,
    /// Fraction of the statement's start time, in microseconds (both flavors).
    pub microseconds: Option<u32>,
    /// MariaDB: the transaction number of a COMMIT query.
    pub xid: Option<u64>,
    /// The first key that is not known; what stood behind it is lost.
    pub unknown_key: Option<u8>,
}

/// Keys (MySQL `statement_events.h`, `Query_event_status_vars`; MariaDB `sql/log_event.h`, `Q_…`).
mod key {
    pub const FLAGS2: u8 = 0;
    pub const SQL_MODE: u8 = 1;
    pub const CATALOG: u8 = 2;
    pub const AUTO_INCREMENT: u8 = 3;
    pub const CHARSET: u8 = 4;
    pub const TIME_ZONE: u8 = 5;
    pub const CATALOG_NZ: u8 = 6;
    pub const LC_TIME_NAMES: u8 = 7;
    pub const CHARSET_DATABASE: u8 = 8;
    pub const TABLE_MAP_FOR_UPDATE: u8 = 9;
    pub const MASTER_DATA_WRITTEN: u8 = 10;
    pub const INVOKER: u8 = 11;
    pub const UPDATED_DB_NAMES: u8 = 12;
    pub const MICROSECONDS: u8 = 13;
    pub const EXPLICIT_DEFAULTS_FOR_TIMESTAMP: u8 = 16;
    pub const DDL_LOGGED_WITH_XID: u8 = 17;
    pub const DEFAULT_COLLATION_FOR_UTF8MB4: u8 = 18;
    pub const SQL_REQUIRE_PRIMARY_KEY: u8 = 19;
    pub const DEFAULT_TABLE_ENCRYPTION: u8 = 20;
    pub const MARIA_HRNOW: u8 = 128;
    pub const MARIA_XID: u8 = 129;
    pub const MARIA_GTID_FLAGS3: u8 = 130;
    pub const MARIA_CHARSET_COLLATIONS: u8 = 131;
}

/// Count of updated databases that means "more than 16, so no names follow".
const TOO_MANY_DATABASES: u8 = 254;
/// MariaDB's flags of a two-part ALTER (commit, rollback), with which a sequence number follows.
const MARIA_ALTER_END: u8 = 0x4 | 0x8;

impl StatusVars {
    /// Reads the block. A key that is not known ends it without an error; a value that is cut off is one.
    pub fn parse(block: &[u8]) -> Result<Self, DecodeError> {
        let mut vars = StatusVars::default();
        let mut c = Cursor::new(block);
        while !c.is_empty() {
            let key = c.u8("status variable")?;
            if !vars.read(key, &mut c)? {
                vars.unknown_key = Some(key);
                break;
            }
        }
        Ok(vars)
    }

    /// Reads one value; `false` if the key is not known.
    fn read(&mut self, key: u8, c: &mut Cursor<'_>) -> Result<bool, DecodeError> {
        const WHAT: &str = "status variable";
        match key {
            key::FLAGS2 => self.flags2 = Some(c.u32(WHAT)?),
            key::SQL_MODE => self.sql_mode = Some(c.u64(WHAT)?),
            key::CATALOG => {
                let size = usize::from(c.u8(WHAT)?);
                c.skip(size + 1, WHAT)?;
            }
            key::AUTO_INCREMENT => self.auto_increment = Some((c.u16(WHAT)?, c.u16(WHAT)?)),
            key::CHARSET => {
                self.charset_client = Some(c.u16(WHAT)?);
                self.collation_connection = Some(c.u16(WHAT)?);
                self.collation_server = Some(c.u16(WHAT)?);
            }
            key::TIME_ZONE => self.time_zone = Some(short_text(c)?.to_vec()),
            key::CATALOG_NZ => {
                short_text(c)?;
            }
            key::LC_TIME_NAMES => c.skip(2, WHAT)?,
            key::CHARSET_DATABASE => self.collation_database = Some(c.u16(WHAT)?),
            key::TABLE_MAP_FOR_UPDATE => c.skip(8, WHAT)?,
            key::MASTER_DATA_WRITTEN => c.skip(4, WHAT)?,
            key::INVOKER => {
                short_text(c)?;
                short_text(c)?;
            }
            key::UPDATED_DB_NAMES => self.updated_databases = databases(c)?,
            key::MICROSECONDS | key::MARIA_HRNOW => self.microseconds = u32::try_from(c.uint(3, WHAT)?).ok(),
            key::EXPLICIT_DEFAULTS_FOR_TIMESTAMP => self.explicit_defaults_for_timestamp = Some(c.u8(WHAT)? != 0),
            key::DDL_LOGGED_WITH_XID => self.ddl_xid = Some(c.u64(WHAT)?),
            key::DEFAULT_COLLATION_FOR_UTF8MB4 => self.default_collation_for_utf8mb4 = Some(c.u16(WHAT)?),
            key::SQL_REQUIRE_PRIMARY_KEY | key::DEFAULT_TABLE_ENCRYPTION => c.skip(1, WHAT)?,
            key::MARIA_XID => self.xid = Some(c.u64(WHAT)?),
            key::MARIA_GTID_FLAGS3 => {
                if c.u8(WHAT)? & MARIA_ALTER_END != 0 {
                    c.skip(8, WHAT)?;
                }
            }
            key::MARIA_CHARSET_COLLATIONS => {
                for _ in 0..c.u8(WHAT)? {
                    self.charset_collations.push((c.u16(WHAT)?, c.u16(WHAT)?));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// One byte of length and as much text.
fn short_text<'a>(c: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
    let size = c.u8("status variable")?;
    c.take(size.into(), "status variable")
}

fn databases(c: &mut Cursor<'_>) -> Result<Option<Vec<Vec<u8>>>, DecodeError> {
    let count = c.u8("status variable")?;
    if count == TOO_MANY_DATABASES {
        return Ok(None);
    }
    let names: Result<Vec<_>, _> = (0..count).map(|_| c.until_nul("name of an updated database").map(<[u8]>::to_vec)).collect();
    names.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key with a value; what follows must still be found.
    #[test]
    fn every_key_has_its_length() {
        let values: [(u8, &[u8]); 23] = [
            (0, &[1, 2, 3, 4]),
            (1, &[1, 2, 3, 4, 5, 6, 7, 8]),
            (2, b"\x03std\0"),
            (3, &[1, 0, 2, 0]),
            (4, &[8, 0, 255, 0, 45, 0]),
            (5, b"\x06+00:00"),
            (6, b"\x03std"),
            (7, &[1, 2]),
            (8, &[33, 0]),
            (9, &[1, 2, 3, 4, 5, 6, 7, 8]),
            (10, &[1, 2, 3, 4]),
            (11, b"\x04root\x09localhost"),
            (12, b"\x02a\0bcd\0"),
            (12, &[254]),
            (13, &[0x40, 0x42, 0x0f]),
            (16, &[1]),
            (17, &[9, 0, 0, 0, 0, 0, 0, 0]),
            (18, &[255, 0]),
            (19, &[0]),
            (20, &[0]),
            (128, &[1, 0, 0]),
            (129, &[9, 0, 0, 0, 0, 0, 0, 0]),
            (131, &[1, 45, 0, 224, 0]),
        ];
        for (key, value) in values {
            let block = [&[key][..], value, &[4, 8, 0, 255, 0, 45, 0]].concat();
            let vars = StatusVars::parse(&block).unwrap();
            assert_eq!(
                (vars.charset_client, vars.collation_connection, vars.collation_server),
                (Some(8), Some(255), Some(45)),
                "key {key}"
            );
            assert_eq!(vars.unknown_key, None, "key {key}");
            if !value.is_empty() {
                StatusVars::parse(&block[..value.len()]).expect_err("a cut value");
            }
        }
        let all: Vec<u8> = values.iter().flat_map(|(key, value)| [&[*key][..], value].concat()).collect();
        let vars = StatusVars::parse(&all).unwrap();
        assert_eq!(vars.charset_collations, [(45, 224)]);
        assert_eq!((vars.microseconds, vars.ddl_xid, vars.default_collation_for_utf8mb4), (Some(1), Some(9), Some(255)));
        assert_eq!((vars.time_zone.as_deref(), vars.collation_database), (Some(&b"+00:00"[..]), Some(33)));
    }

    #[test]
    fn two_part_alter_of_mariadb() {
        for flags in [4, 8] {
            let block = [&[130, flags][..], &[1; 8], &[8, 33, 0]].concat();
            assert_eq!(StatusVars::parse(&block).unwrap().collation_database, Some(33));
        }
        assert_eq!(StatusVars::parse(&[130, 2, 8, 33, 0]).unwrap().collation_database, Some(33));
    }

    #[test]
    fn an_unknown_key_ends_the_list_without_an_error() {
        let vars = StatusVars::parse(&[8, 33, 0, 99, 1, 0, 4]).unwrap();
        assert_eq!((vars.collation_database, vars.unknown_key, vars.sql_mode), (Some(33), Some(99), None));
    }
}
