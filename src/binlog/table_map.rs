//! The event that names a table id: the table's name, its columns' types, and the optional metadata (`table_metadata`).

use std::sync::Arc;

use super::cursor::utf8;
pub use super::wire_type::WireType;
use super::{ColumnBits, Cursor, DecodeError, Flavor, RawEvent, table_metadata, wire_type};

/// A decoded table map (MySQL `libs/mysql/binlog/event/rows_event.h`, `Table_map_event`).
///
/// Optional metadata is `None` where the server did not log it (`binlog_row_metadata`, servers before MySQL 8.0 and
/// MariaDB 10.5), and also where no column has anything to say of that kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableMap {
    pub table_id: u64,
    /// Whose types and metadata these are.
    pub flavor: Flavor,
    pub flags: u16,
    pub database: String,
    pub table: String,
    /// Wire type codes (`enum_field_types`), one a column; ENUM, SET and CHAR hidden in STRING are already resolved.
    pub types: Vec<WireType>,
    pub nullable: Vec<bool>,
    /// One a column; `None` without SIGNEDNESS metadata. Non-numeric columns are `false`.
    pub unsigned: Option<Vec<bool>>,
    /// Column names (metadata FULL).
    pub names: Option<Vec<String>>,
    /// Collation id of each column, 0 where the column has none or it was not logged: with metadata MINIMAL, ENUM and
    /// SET columns have none here.
    pub collations: Option<Vec<u16>>,
    /// Labels of ENUM and SET columns (raw bytes in the column's charset), empty for other columns (metadata FULL).
    pub labels: Option<Vec<Arc<[Vec<u8>]>>>,
    /// Indexes of the primary key's columns, in key order (metadata FULL; MySQL and MariaDB omit it without a key, so
    /// it is `Some(vec![])` when names are there and no key is). Where a table has no primary key, both servers log its
    /// first unique key without nullable columns here, as if it were one; nothing tells the two apart.
    pub primary_key: Option<Vec<u16>>,
    /// Column visibility (MySQL 8.0.23+).
    pub visible: Option<Vec<bool>>,
    /// Geometry sub-type codes, one a column, 0 where it is none.
    pub geometry_types: Option<Vec<u8>>,
    /// Number of elements of each VECTOR column, 0 where it is none (MySQL 9.0+).
    pub vector_dimensions: Option<Vec<u32>>,
    /// Not from the binlog: columns at the end that are known, from the server, to be its own, where the event has no names.
    pub hidden: usize,
}

/// The id that a rows event without a table has; it only ends a statement.
pub const DUMMY_TABLE_ID: u64 = 0x00ff_ffff;

impl TableMap {
    /// `flavor` decides which columns count as text in the optional metadata.
    pub fn parse(event: &RawEvent, flavor: Flavor) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let table_id = c.uint(6, "table id")?;
        let flags = c.u16("table map flags")?;
        let database = name(&mut c, "database name")?;
        let table = name(&mut c, "table name")?;
        let columns = c.lenenc_len("number of columns")?;
        let codes = c.take(columns, "column types")?;
        let types = wire_type::read_all(codes, c.lenenc_bytes("column metadata")?)?;
        let bits = ColumnBits::read(&mut c, columns, "columns that may be null")?;
        let nullable = (0..columns).map(|i| bits.get(i)).collect();
        let mut map = TableMap { table_id, flavor, flags, database, table, types, nullable, ..TableMap::default() };
        table_metadata::read(&mut map, &mut c, flavor)?;
        Ok(map)
    }

    /// The table id of an event, without decoding the rest.
    pub fn id_of(event: &RawEvent) -> Result<u64, DecodeError> {
        Cursor::new(&event.body).uint(6, "table id")
    }
}

/// A name with its length before it and a NUL behind it.
fn name(c: &mut Cursor<'_>, what: &'static str) -> Result<String, DecodeError> {
    let text = utf8(c.lenenc_bytes(what)?, what)?.to_owned();
    match c.u8(what)? {
        0 => Ok(text),
        _ => Err(DecodeError::invalid(what, "no NUL ends it")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    /// `shop.t` with a nullable INT and a CHAR(255) in utf8mb4.
    const BODY: &[u8] = b"\x6a\0\0\0\0\x01\x01\0\x04shop\0\x01t\0\x02\x03\xfe\x02\xce\xfc\x01";

    #[test]
    fn names_types_and_nulls() {
        let map = TableMap::parse(&raw(19, BODY), Flavor::MySql).unwrap();
        assert_eq!((map.table_id, map.flags), (0x0100_0000_006a, 1));
        assert_eq!((map.database.as_str(), map.table.as_str()), ("shop", "t"));
        assert_eq!(map.types, [WireType::Long, WireType::String { bytes: 1020 }]);
        assert_eq!(map.nullable, [true, false]);
        assert_eq!((map.unsigned, map.names, map.collations, map.primary_key), (None, None, None, None));
        refuses_cuts(19, BODY, BODY.len(), |e| TableMap::parse(e, Flavor::MySql));
        assert_eq!(TableMap::id_of(&raw(19, BODY)).unwrap(), 0x0100_0000_006a);
    }
}
