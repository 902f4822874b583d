//! The event that names a table id, with its optional metadata.

use std::sync::Arc;

use super::{DecodeError, RawEvent};

/// A decoded table map. Optional metadata is `None` where the server did not log it (`binlog_row_metadata`, 5.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMap {
    pub table_id: u64,
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
    /// Collation id of each column, 0 where the column has none.
    pub collations: Option<Vec<u16>>,
    /// Labels of ENUM and SET columns (raw bytes in the column's charset), empty for other columns (metadata FULL).
    pub labels: Option<Vec<Arc<[Vec<u8>]>>>,
    /// Indexes of the primary key's columns, in key order (metadata FULL; MySQL and MariaDB omit it without a key, so
    /// it is `Some(vec![])` when names are there and no key is).
    pub primary_key: Option<Vec<u16>>,
    /// Column visibility (MySQL 8.0.23+).
    pub visible: Option<Vec<bool>>,
    /// Geometry sub-type codes, one a column, 0 where it is none.
    pub geometry_types: Option<Vec<u8>>,
}

/// A column's wire type with what its metadata bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    Tiny,
    Short,
    Int24,
    Long,
    LongLong,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Year,
    Date,
    /// Before 5.6: packed decimal without fraction.
    OldTime,
    OldDatetime,
    OldTimestamp,
    Time {
        fraction: u8,
    },
    Datetime {
        fraction: u8,
    },
    Timestamp {
        fraction: u8,
    },
    /// `bits` = declared width, 1 to 64.
    Bit {
        bits: u8,
    },
    /// CHAR and BINARY: at most `bytes` bytes; the length prefix has 2 bytes when `bytes` > 255.
    String {
        bytes: u16,
    },
    /// VARCHAR and VARBINARY: as above.
    Varchar {
        bytes: u16,
    },
    /// `pack` bytes of length prefix (1 to 4).
    Blob {
        pack: u8,
    },
    Json {
        pack: u8,
    },
    Geometry {
        pack: u8,
    },
    Vector {
        pack: u8,
    },
    /// `pack` bytes of value (1 or 2).
    Enum {
        pack: u8,
    },
    /// `pack` bytes of value (1 to 8).
    Set {
        pack: u8,
    },
    /// MariaDB compressed columns (140, 141).
    BlobCompressed {
        pack: u8,
    },
    VarcharCompressed {
        bytes: u16,
    },
    /// A type code that we do not know. Its rows cannot be split into columns.
    Unknown {
        code: u8,
    },
}

impl TableMap {
    pub fn parse(event: &RawEvent) -> Result<Self, DecodeError> {
        let _ = event;
        todo!()
    }
}
