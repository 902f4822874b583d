//! Definitions made from row metadata where columns are missing, too many, of another name, place or wire type, or where
//! no definition is tracked at all.
//!
//! MySQL's metadata states everything on which output depends, but for one thing: it calls the first unique key without
//! NULLs of a table that has no primary key its primary key (`TABLE_SHARE::primary_key`; MariaDB does the same). MariaDB's leaves
//! open what bytes and texts mean: UUID, INET4, INET6 and VECTOR are logged as binary strings, and any text in UTF-8 may be
//! JSON by its CHECK. Such a column is *open*, and its definition must not be used, unless something else tells.

use std::sync::Arc;

use super::{Difference, RowMetadata, WireKind, at, fits, stated_facts};
use crate::schema::ddl::Dialect;
use crate::schema::{BinaryKind, Column, ColumnType, Table, TextKind, collation};

/// What is known of a table beside the metadata.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    pub tracked: Option<&'a Table>,
    /// A statement on the table was not understood, so that columns may mean something else since.
    pub doubted: bool,
    /// The server's definition of now, which may come from behind a later statement.
    pub server: Option<&'a Table>,
    /// The server has MariaDB's VECTOR (11.7 and later).
    pub vectors: bool,
}

/// A definition that agrees with the metadata in every column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub table: Table,
    /// The columns whose values may mean several things, with what is not stated. While there are any, the definition
    /// must not be used.
    pub open: Vec<(String, &'static str)>,
    /// The primary key may be a unique key of a table that has none.
    pub assumes_key: bool,
}

impl Rebuilt {
    /// `None` without column names, and where the metadata contradicts itself.
    pub fn new(database: &str, name: &str, known: &Known<'_>, metadata: &RowMetadata<'_>) -> Option<Self> {
        let names = metadata.names?;
        let mut open = Vec::new();
        let column = |(index, name): (usize, &String)| {
            let (ty, unknown) = column_type(name, known, metadata, index);
            open.extend(unknown.map(|why| (name.clone(), why)));
            Column { name: name.clone(), ty: stated_facts(ty, metadata, index) }
        };
        let columns: Vec<Column> = names.iter().enumerate().map(column).collect();
        let base = known.tracked.or(known.server);
        let mut table = match base {
            Some(base) => Table { columns, ..base.clone() },
            None => Table { database: database.into(), name: name.into(), charset: None, columns, primary_key: Vec::new() },
        };
        let (primary_key, assumes_key) = primary_key(base, metadata.key_names(&table.columns)?);
        table.primary_key = primary_key;
        let agrees = |d: &Difference| matches!(d, Difference::PrimaryKey { .. });
        table.agrees_with(metadata).iter().all(agrees).then_some(Rebuilt { table, open, assumes_key })
    }
}

/// The primary key, and whether it may be none. A key of columns that were there before, when there was no primary key,
/// is a unique key.
fn primary_key(base: Option<&Table>, stated: Vec<String>) -> (Vec<String>, bool) {
    match base {
        _ if stated.is_empty() => (stated, false),
        Some(base) if !base.primary_key.is_empty() => (stated, false),
        Some(base) if stated.iter().all(|name| base.columns.iter().any(|c| c.name == *name)) => (Vec::new(), false),
        _ => (stated, true),
    }
}

/// A column's type, and what the metadata does not say of it if nothing else does.
fn column_type(name: &str, known: &Known<'_>, metadata: &RowMetadata<'_>, index: usize) -> (ColumnType, Option<&'static str>) {
    let kind = metadata.kinds.get(index).copied().unwrap_or(WireKind::Unknown);
    let charset = at(metadata.charsets, index).copied().flatten();
    let of = |table: Option<&Table>| {
        let table = table?;
        let column = table.columns.get(table.column_index(name)?)?;
        fits(&column.ty, kind, charset, metadata.dialect).then(|| column.ty.clone())
    };
    let stated = |ty: ColumnType| stated_facts(ty, metadata, index);
    let unknown = unknown(kind, charset, metadata, index, known.vectors);
    match (of(known.tracked), unknown) {
        (Some(ours), None) => (ours, None),
        (Some(ours), Some(_)) if kind != WireKind::Unknown && !known.doubted => (ours, None),
        // Before a statement that nobody understood and now it is the same.
        (Some(ours), Some(_)) if kind != WireKind::Unknown && of(known.server).is_some_and(|now| stated(now) == stated(ours.clone())) => {
            (ours, None)
        }
        (Some(ours), unknown) => (ours, unknown),
        (None, unknown) => (stated_type(kind, charset, at(metadata.geometries, index).copied().flatten()), unknown),
    }
}

/// What values of a column mean that the metadata does not say; `None` if it says all.
fn unknown(kind: WireKind, charset: Option<&str>, metadata: &RowMetadata<'_>, index: usize, vectors: bool) -> Option<&'static str> {
    let is_maria = metadata.dialect == Dialect::MariaDb;
    let is_binary = charset.is_some_and(|c| c.eq_ignore_ascii_case("binary"));
    match kind {
        WireKind::Unknown => Some("its wire type is not known"),
        WireKind::Int(_) if metadata.unsigned.is_none() => Some("whether it is unsigned"),
        WireKind::OldTime | WireKind::OldDatetime | WireKind::OldTimestamp if is_maria => Some("how many digits its fraction has"),
        WireKind::Enum | WireKind::Set if !matches!(at(metadata.labels, index), Some(Some(_))) => Some("its labels"),
        WireKind::String { .. } | WireKind::Varchar { .. } | WireKind::Blob { .. } if charset.is_none() => Some("its character set"),
        WireKind::String { bytes: 16 } if is_maria && is_binary => Some("whether it is BINARY, UUID or INET6"),
        WireKind::String { bytes: 4 } if is_maria && is_binary => Some("whether it is BINARY or INET4"),
        WireKind::Varchar { bytes } if vectors && is_binary && bytes % 4 == 0 => Some("whether it is VARBINARY or VECTOR"),
        WireKind::String { .. } | WireKind::Varchar { .. } | WireKind::Blob { .. }
            if is_maria && charset.is_none_or(collation::holds_json) =>
        {
            Some("whether it is text or JSON")
        }
        _ => None,
    }
}

/// The type of a column of which only the metadata is known.
fn stated_type(kind: WireKind, charset: Option<&str>, geometry: Option<&'static str>) -> ColumnType {
    let is_text = charset.is_some_and(|c| !c.eq_ignore_ascii_case("binary"));
    let text = |kind| ColumnType::Text { kind, charset: charset.map(str::to_string) };
    match kind {
        WireKind::Int(width) => ColumnType::Int { width, unsigned: false },
        WireKind::Float => ColumnType::Float,
        WireKind::Double => ColumnType::Double,
        WireKind::Decimal => ColumnType::Decimal,
        WireKind::Year => ColumnType::Year,
        WireKind::Date => ColumnType::Date,
        WireKind::OldTime => ColumnType::Time { fraction: 0 },
        WireKind::OldDatetime => ColumnType::Datetime { fraction: 0 },
        WireKind::OldTimestamp => ColumnType::Timestamp { fraction: 0 },
        WireKind::Time { fraction } => ColumnType::Time { fraction },
        WireKind::Datetime { fraction } => ColumnType::Datetime { fraction },
        WireKind::Timestamp { fraction } => ColumnType::Timestamp { fraction },
        WireKind::Bit => ColumnType::Bit,
        WireKind::String { .. } if is_text => text(TextKind::Char),
        WireKind::String { .. } => ColumnType::Binary { kind: BinaryKind::Binary },
        WireKind::Varchar { .. } if is_text => text(TextKind::Varchar),
        WireKind::Varchar { .. } => ColumnType::Binary { kind: BinaryKind::Varbinary },
        WireKind::Blob { pack } if is_text => text(match pack {
            1 => TextKind::Tiny,
            2 => TextKind::Text,
            3 => TextKind::Medium,
            _ => TextKind::Long,
        }),
        WireKind::Blob { pack } => ColumnType::Binary {
            kind: match pack {
                1 => BinaryKind::Tiny,
                2 => BinaryKind::Blob,
                3 => BinaryKind::Medium,
                _ => BinaryKind::Long,
            },
        },
        WireKind::Json => ColumnType::Json,
        WireKind::Geometry => ColumnType::Geometry { name: geometry.unwrap_or("geometry") },
        WireKind::Vector => ColumnType::Other { name: "vector".into(), unsigned: false, charset: None },
        WireKind::Enum => ColumnType::Enum { labels: Arc::from([]), charset: charset.map(str::to_string) },
        WireKind::Set => ColumnType::Set { labels: Arc::from([]), charset: charset.map(str::to_string) },
        WireKind::Unknown => ColumnType::Other { name: "unknown".into(), unsigned: false, charset: None },
    }
}

#[cfg(test)]
mod tests;
