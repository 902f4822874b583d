//! Maxwell's JSON form read back, in every version that it had: keys that came later may be missing, keys that are not
//! ours are ignored, and type names may be the server's own.

use std::sync::Arc;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::schema::{BinaryKind, Column, ColumnType, IntWidth, Table, TextKind, geometry_name};

use super::SchemaChange;

#[derive(Deserialize)]
struct RawChange {
    #[serde(rename = "type")]
    kind: String,
    database: String,
    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    charset: Option<String>,
    #[serde(default)]
    old: Option<RawTable>,
    #[serde(default)]
    def: Option<RawTable>,
}

#[derive(Deserialize)]
struct RawTable {
    database: String,
    #[serde(alias = "name")]
    table: String,
    #[serde(default)]
    charset: Option<String>,
    #[serde(default)]
    columns: Vec<RawColumn>,
    #[serde(default, rename = "primary-key", alias = "primary_key", alias = "pk")]
    primary_key: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawColumn {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    signed: Option<bool>,
    #[serde(default)]
    charset: Option<String>,
    #[serde(default, rename = "enum-values", alias = "enumValues", alias = "enum_values")]
    enum_values: Option<Vec<String>>,
    #[serde(default, rename = "column-length", alias = "columnLength", alias = "column_length")]
    column_length: Option<u64>,
}

/// What is stored of a column besides its name: the columns of Maxwell's `columns` table, or the keys of its JSON.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoredColumn<'a> {
    /// Maxwell's type name, or the server's own (`DATA_TYPE`), in any letter case.
    pub type_name: &'a str,
    pub unsigned: bool,
    pub charset: Option<&'a str>,
    pub labels: Option<&'a [String]>,
    /// Fractional digits of datetime, timestamp and time.
    pub fraction: u64,
}

impl<'a> StoredColumn<'a> {
    /// What Maxwell's tables hold of a type. `unsigned` counts for integers and for types that are not Maxwell's.
    pub fn of(ty: &'a ColumnType) -> Self {
        let stored = StoredColumn { type_name: ty.type_name(), unsigned: true, ..StoredColumn::default() };
        match ty {
            ColumnType::Int { unsigned, .. } => StoredColumn { unsigned: *unsigned, ..stored },
            ColumnType::Text { charset, .. } => StoredColumn { charset: charset.as_deref(), ..stored },
            ColumnType::Other { charset, unsigned, .. } => StoredColumn { charset: charset.as_deref(), unsigned: *unsigned, ..stored },
            ColumnType::Binary { .. } => StoredColumn { charset: Some("binary"), ..stored },
            ColumnType::Datetime { fraction } | ColumnType::Timestamp { fraction } | ColumnType::Time { fraction } => {
                StoredColumn { fraction: u64::from(*fraction), ..stored }
            }
            ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. } => StoredColumn { labels: Some(&labels[..]), ..stored },
            _ => stored,
        }
    }
}

/// Reads `schemas.deltas`: a JSON array of changes, or one change.
pub fn from_delta_json(json: &str) -> Result<Vec<SchemaChange>> {
    let unreadable = |e: serde_json::Error| {
        Error::definite("a stored schema change cannot be read")
            .source(e)
            .hint("start once with --recapture_schema to store the schema anew")
    };
    let raw: Vec<RawChange> = if json.trim_start().starts_with('{') {
        vec![serde_json::from_str(json).map_err(unreadable)?]
    } else {
        serde_json::from_str(json).map_err(unreadable)?
    };
    raw.into_iter().map(change).collect()
}

/// The same with the names of character sets as they are spelled, also where that is no name of any.
pub fn from_delta_json_as_spelled(json: &str) -> Result<Vec<SchemaChange>> {
    let mut changes = from_delta_json(json)?;
    // It was read already, so it is JSON.
    let raw: Vec<serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    for (change, raw) in changes.iter_mut().zip(&raw) {
        let spelled = |value: &serde_json::Value| value["charset"].as_str().map(str::to_owned);
        match change {
            SchemaChange::DatabaseCreate { charset, .. } => *charset = spelled(raw).unwrap_or_default(),
            SchemaChange::DatabaseAlter { charset, .. } => *charset = spelled(raw),
            SchemaChange::TableCreate { def, .. } | SchemaChange::TableAlter { def, .. } => {
                let (table, raw) = (Arc::make_mut(def), &raw["def"]);
                table.charset = spelled(raw);
                for (column, raw) in table.columns.iter_mut().zip(raw["columns"].as_array().into_iter().flatten()) {
                    if let ColumnType::Text { charset, .. } = &mut column.ty {
                        *charset = spelled(raw);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(changes)
}

fn change(raw: RawChange) -> Result<SchemaChange> {
    let RawChange { kind, database, table, charset, old, def } = raw;
    let charset = charset.and_then(known_charset);
    let missing = |key: &str| Error::definite(format!("a stored schema change of type {kind} has no {key}"));
    let table_name = |table: Option<String>| table.ok_or_else(|| missing("table"));
    let definition = |def: Option<RawTable>, key| def.map(|d| Arc::new(read_table(d))).ok_or_else(|| missing(key));
    Ok(match kind.as_str() {
        "database-create" => SchemaChange::DatabaseCreate { database, charset: charset.unwrap_or_default() },
        "database-alter" => SchemaChange::DatabaseAlter { database, charset },
        "database-drop" => SchemaChange::DatabaseDrop { database },
        "table-create" => {
            let def = definition(def, "def")?;
            SchemaChange::TableCreate { database, table: table.unwrap_or_else(|| def.name.clone()), def }
        }
        "table-alter" => {
            SchemaChange::TableAlter { database, table: table_name(table)?, old: definition(old, "old")?, def: definition(def, "def")? }
        }
        "table-drop" => SchemaChange::TableDrop { database, table: table_name(table)? },
        _ => return Err(Error::definite(format!("a stored schema change has the unknown type {kind:?}"))),
    })
}

fn read_table(raw: RawTable) -> Table {
    let columns: Vec<Column> = raw.columns.into_iter().map(read_column).collect();
    let mut table =
        Table { database: raw.database, name: raw.table, charset: raw.charset.and_then(known_charset), columns, primary_key: Vec::new() };
    // The key's names follow the columns' letter case; a name without a column is left out, for a row cannot have it.
    let key = raw.primary_key.unwrap_or_default();
    table.primary_key = key.iter().filter_map(|name| table.columns.get(table.column_index(name)?)).map(|c| c.name.clone()).collect();
    table
}

fn read_column(raw: RawColumn) -> Column {
    let stored = StoredColumn {
        type_name: &raw.kind,
        unsigned: !raw.signed.unwrap_or(true),
        charset: raw.charset.as_deref(),
        labels: raw.enum_values.as_deref(),
        fraction: raw.column_length.unwrap_or(0),
    };
    Column { ty: column_type(&stored), name: raw.name }
}

/// Maxwell kept the word DEFAULT of `CHARACTER SET DEFAULT` as if it were a character set: nothing is known then.
fn known_charset(charset: String) -> Option<String> {
    let lower = charset.to_ascii_lowercase();
    (lower != "default").then_some(lower)
}

/// The type that a stored or captured column has. Names that Maxwell would refuse become `ColumnType::Other`.
pub fn column_type(stored: &StoredColumn<'_>) -> ColumnType {
    let charset = || stored.charset.and_then(|c| known_charset(c.to_string()));
    let labels = || stored.labels.unwrap_or_default().to_vec().into();
    let fraction = u8::try_from(stored.fraction).unwrap_or(0).min(6);
    let int = |width| ColumnType::Int { width, unsigned: stored.unsigned };
    let text = |kind| ColumnType::Text { kind, charset: charset() };
    let name = stored.type_name.to_ascii_lowercase();
    match name.as_str() {
        "tinyint" | "bool" | "boolean" => int(IntWidth::Tiny),
        "smallint" => int(IntWidth::Small),
        "mediumint" => int(IntWidth::Medium),
        "int" | "integer" => int(IntWidth::Int),
        "bigint" => int(IntWidth::Big),
        "float" => ColumnType::Float,
        "double" | "real" => ColumnType::Double,
        "decimal" | "numeric" => ColumnType::Decimal,
        "bit" => ColumnType::Bit,
        "year" => ColumnType::Year,
        "date" => ColumnType::Date,
        "datetime" => ColumnType::Datetime { fraction },
        "timestamp" => ColumnType::Timestamp { fraction },
        "time" => ColumnType::Time { fraction },
        "char" => text(TextKind::Char),
        "varchar" => text(TextKind::Varchar),
        "tinytext" => text(TextKind::Tiny),
        "text" => text(TextKind::Text),
        "mediumtext" => text(TextKind::Medium),
        "longtext" => text(TextKind::Long),
        "binary" => ColumnType::Binary { kind: BinaryKind::Binary },
        "varbinary" => ColumnType::Binary { kind: BinaryKind::Varbinary },
        "tinyblob" => ColumnType::Binary { kind: BinaryKind::Tiny },
        "blob" => ColumnType::Binary { kind: BinaryKind::Blob },
        "mediumblob" => ColumnType::Binary { kind: BinaryKind::Medium },
        "longblob" => ColumnType::Binary { kind: BinaryKind::Long },
        "enum" => ColumnType::Enum { labels: labels(), charset: charset() },
        "set" => ColumnType::Set { labels: labels(), charset: charset() },
        "json" => ColumnType::Json,
        _ => match geometry_name(&name) {
            Some(name) => ColumnType::Geometry { name },
            None => ColumnType::Other { unsigned: stored.unsigned, charset: charset(), name },
        },
    }
}
