//! A table map's optional metadata in the form that definitions are compared with.

use std::sync::Arc;

use crate::binlog::codec::charset;
use crate::binlog::table_map::WireType;
use crate::binlog::{Flavor, TableMap};
use crate::schema::ddl::Dialect;
use crate::schema::repair::{Difference, Known, Rebuilt, RowMetadata, WireKind};
use crate::schema::{ColumnType, IntWidth, Table, collation, geometry_name};

/// What `RowMetadata` borrows from.
struct Owned {
    kinds: Vec<WireKind>,
    charsets: Option<Vec<Option<&'static str>>>,
    labels: Option<Vec<Option<Arc<[String]>>>>,
    geometries: Option<Vec<Option<&'static str>>>,
}

/// What MariaDB calls the columns by which it keeps long values unique (`make_long_hash_field_name`, `sql/table.cc`).
/// They stand behind all others; no statement and no information_schema shows them.
const HIDDEN_NAME: &str = "DB_ROW_HASH_";

/// How many columns of a table map are hidden ones of the server's own. Known by their names, or by what the server said of
/// its keys: by its shape alone one could be taken for a column that we failed to track.
pub fn hidden_columns(map: &TableMap) -> usize {
    let Some(names) = map.names.as_deref() else { return map.hidden.min(map.types.len()) };
    let is_hidden = |(name, wire): &(&String, &WireType)| name.starts_with(HIDDEN_NAME) && **wire == WireType::LongLong;
    names.iter().zip(&map.types).rev().take_while(is_hidden).count()
}

/// The table map with this many hidden columns, if it has no names and its shape allows them behind the definition's.
pub fn with_hidden(map: &TableMap, table: &Table, hidden: usize) -> Option<TableMap> {
    let shown = table.columns.len();
    let extra = map.types.get(shown..)?;
    let unsigned = map.unsigned.as_ref().is_none_or(|list| list.iter().skip(shown).all(|unsigned| *unsigned));
    let fits = map.names.is_none() && hidden > 0 && extra.len() == hidden && unsigned;
    (fits && extra.iter().all(|wire| *wire == WireType::LongLong)).then(|| TableMap { hidden, ..map.clone() })
}

/// The table map with the digits of old times, which only the definition tells.
pub fn with_fractions(mut map: TableMap, table: &Table) -> TableMap {
    for (wire, column) in map.types.iter_mut().zip(&table.columns) {
        match (wire, &column.ty) {
            (WireType::OldTime { fraction }, ColumnType::Time { fraction: declared })
            | (WireType::OldDatetime { fraction }, ColumnType::Datetime { fraction: declared })
            | (WireType::OldTimestamp { fraction }, ColumnType::Timestamp { fraction: declared }) => *fraction = *declared,
            _ => {}
        }
    }
    map
}

/// Every difference between a definition and what a table map says; empty when rows can be decoded with it.
pub fn differences(table: &Table, map: &TableMap) -> Vec<Difference> {
    let owned = owned(map);
    table.agrees_with(&view(map, &owned, !table.primary_key.is_empty()))
}

/// The definition with everything that the table map states.
pub fn repaired(table: &Table, map: &TableMap) -> Table {
    let owned = owned(map);
    table.repaired(&view(map, &owned, !table.primary_key.is_empty()))
}

/// The definition that the table map states, columns and all; `None` if it carries no names.
pub fn rebuilt(known: &Known<'_>, map: &TableMap) -> Option<Rebuilt> {
    let owned = owned(map);
    Rebuilt::new(&map.database, &map.table, known, &view(map, &owned, true))
}

fn view<'a>(map: &'a TableMap, owned: &'a Owned, has_key: bool) -> RowMetadata<'a> {
    let shown = map.types.len().saturating_sub(hidden_columns(map));
    RowMetadata {
        dialect: match map.flavor {
            Flavor::MySql => Dialect::MySql,
            Flavor::MariaDb => Dialect::MariaDb,
        },
        kinds: owned.kinds.get(..shown).unwrap_or_default(),
        names: map.names.as_deref().and_then(|names| names.get(..shown)),
        unsigned: map.unsigned.as_deref(),
        charsets: owned.charsets.as_deref(),
        labels: owned.labels.as_deref(),
        // For a table without a primary key the servers log its first unique key instead, so only one that we track can
        // be compared.
        primary_key: map.primary_key.as_deref().filter(|_| has_key),
        geometries: owned.geometries.as_deref(),
    }
}

fn owned(map: &TableMap) -> Owned {
    let charsets: Option<Vec<Option<&'static str>>> =
        map.collations.as_ref().map(|ids| ids.iter().map(|id| if *id == 0 { None } else { collation::charset_of_id(*id) }).collect());
    let labels = map.labels.as_ref().map(|lists| {
        lists
            .iter()
            .enumerate()
            .map(|(i, list)| decoded_labels(list, charsets.as_ref().and_then(|c| c.get(i).copied().flatten())))
            .collect()
    });
    let geometries = map.geometry_types.as_ref().map(|codes| {
        codes
            .iter()
            .zip(&map.types)
            .map(|(code, wire)| if matches!(wire, WireType::Geometry { .. }) { geometry_type(*code) } else { None })
            .collect()
    });
    Owned { kinds: map.types.iter().map(|t| kind(*t)).collect(), charsets, labels, geometries }
}

/// `None` for columns without labels, and for labels in a charset that cannot be decoded here.
fn decoded_labels(list: &[Vec<u8>], charset: Option<&str>) -> Option<Arc<[String]>> {
    if list.is_empty() {
        return None;
    }
    let name = charset?;
    let text = |label: &Vec<u8>| match name {
        // Bytes of no character set; what is no UTF-8 cannot be a label here.
        "binary" => String::from_utf8(label.clone()).ok(),
        name => charset::label(name, label),
    };
    list.iter().map(text).collect::<Option<Vec<String>>>().map(Into::into)
}

fn geometry_type(code: u8) -> Option<&'static str> {
    // `Field::geometry_type` (MySQL `include/field_types.h`); MariaDB uses the same numbers.
    const NAMES: [&str; 8] =
        ["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"];
    NAMES.get(usize::from(code)).copied().and_then(geometry_name)
}

fn kind(wire: WireType) -> WireKind {
    match wire {
        WireType::Tiny => WireKind::Int(IntWidth::Tiny),
        WireType::Short => WireKind::Int(IntWidth::Small),
        WireType::Int24 => WireKind::Int(IntWidth::Medium),
        WireType::Long => WireKind::Int(IntWidth::Int),
        WireType::LongLong => WireKind::Int(IntWidth::Big),
        WireType::Float => WireKind::Float,
        WireType::Double => WireKind::Double,
        WireType::Decimal { .. } => WireKind::Decimal,
        WireType::Year => WireKind::Year,
        WireType::Date => WireKind::Date,
        WireType::OldTime { .. } => WireKind::OldTime,
        WireType::OldDatetime { .. } => WireKind::OldDatetime,
        WireType::OldTimestamp { .. } => WireKind::OldTimestamp,
        WireType::Time { fraction } => WireKind::Time { fraction },
        WireType::Datetime { fraction } => WireKind::Datetime { fraction },
        WireType::Timestamp { fraction } => WireKind::Timestamp { fraction },
        WireType::Bit { .. } => WireKind::Bit,
        WireType::String { bytes } => WireKind::String { bytes },
        WireType::Varchar { bytes } | WireType::VarcharCompressed { bytes } => WireKind::Varchar { bytes },
        WireType::Blob { pack } | WireType::BlobCompressed { pack } => WireKind::Blob { pack },
        WireType::Json { .. } => WireKind::Json,
        WireType::Geometry { .. } => WireKind::Geometry,
        WireType::Vector { .. } => WireKind::Vector,
        WireType::Enum { .. } => WireKind::Enum,
        WireType::Set { .. } => WireKind::Set,
        WireType::Unknown { .. } => WireKind::Unknown,
    }
}
