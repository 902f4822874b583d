//! Schema changes in Maxwell's JSON form: `schemas.deltas` and the payload of DDL messages (contract §4.12, §8.6).
//!
//! This file writes the form and applies changes when a stored schema is restored; `read` reads the form.

mod read;

pub use read::{StoredColumn, column_type, from_delta_json, from_delta_json_as_spelled};

use std::sync::Arc;

use crate::error::{Error, Result};

use super::{Column, ColumnType, Database, Schema, Table};

/// One resolved change of a statement, names as the statement spelled them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaChange {
    DatabaseCreate {
        database: String,
        charset: String,
    },
    DatabaseAlter {
        database: String,
        charset: Option<String>,
    },
    DatabaseDrop {
        database: String,
    },
    TableCreate {
        database: String,
        table: String,
        def: Arc<Table>,
    },
    /// Also renames: `def` has the new database and name.
    TableAlter {
        database: String,
        table: String,
        old: Arc<Table>,
        def: Arc<Table>,
    },
    TableDrop {
        database: String,
        table: String,
    },
}

impl SchemaChange {
    /// Maxwell's name of the kind of change.
    pub fn type_name(&self) -> &'static str {
        match self {
            SchemaChange::DatabaseCreate { .. } => "database-create",
            SchemaChange::DatabaseAlter { .. } => "database-alter",
            SchemaChange::DatabaseDrop { .. } => "database-drop",
            SchemaChange::TableCreate { .. } => "table-create",
            SchemaChange::TableAlter { .. } => "table-alter",
            SchemaChange::TableDrop { .. } => "table-drop",
        }
    }

    /// Database and table as the statement spelled them: for renames the old ones.
    pub fn names(&self) -> (&str, Option<&str>) {
        match self {
            SchemaChange::DatabaseCreate { database, .. }
            | SchemaChange::DatabaseAlter { database, .. }
            | SchemaChange::DatabaseDrop { database } => (database, None),
            SchemaChange::TableCreate { database, table, .. }
            | SchemaChange::TableAlter { database, table, .. }
            | SchemaChange::TableDrop { database, table } => (database, Some(table)),
        }
    }

    /// The table as it is after the change.
    pub fn def(&self) -> Option<&Arc<Table>> {
        match self {
            SchemaChange::TableCreate { def, .. } | SchemaChange::TableAlter { def, .. } => Some(def),
            _ => None,
        }
    }

    /// Writes `"type":…,"database":…` and the rest of the payload in Maxwell's key order, without the braces, so that
    /// the caller can go on with `ts`, `sql` and the like.
    pub fn write_fields(&self, out: &mut Vec<u8>) {
        let (database, table) = self.names();
        out.extend_from_slice(b"\"type\":\"");
        out.extend_from_slice(self.type_name().as_bytes());
        out.extend_from_slice(b"\",\"database\":");
        write_string(database, out);
        if let Some(table) = table {
            out.extend_from_slice(b",\"table\":");
            write_string(table, out);
        }
        match self {
            SchemaChange::DatabaseCreate { charset, .. } => write_charset(Some(charset), out),
            SchemaChange::DatabaseAlter { charset, .. } => write_charset(charset.as_deref(), out),
            SchemaChange::TableCreate { def, .. } => write_def(b",\"def\":", def, out),
            SchemaChange::TableAlter { old, def, .. } => {
                write_def(b",\"old\":", old, out);
                write_def(b",\"def\":", def, out);
            }
            SchemaChange::DatabaseDrop { .. } | SchemaChange::TableDrop { .. } => {}
        }
    }

    /// Applies one stored change.
    fn apply(&self, schema: &mut Schema) -> Result<()> {
        let case = schema.case;
        match self {
            SchemaChange::DatabaseCreate { database, charset } => {
                schema.databases.retain(|d| !case.same(&d.name, database));
                schema.databases.push(Database { name: database.clone(), charset: charset.clone(), tables: Vec::new() });
            }
            SchemaChange::DatabaseAlter { database, charset } => {
                let database = known_database(schema, database)?;
                if let Some(charset) = charset {
                    database.charset.clone_from(charset);
                }
            }
            SchemaChange::DatabaseDrop { database } => schema.databases.retain(|d| !case.same(&d.name, database)),
            SchemaChange::TableCreate { database, def, .. } => {
                let database = known_database(schema, database)?;
                database.tables.retain(|t| !case.same(&t.name, &def.name));
                database.tables.push(Arc::clone(def));
            }
            SchemaChange::TableAlter { database, table, def, .. } => exchange(schema, database, table, def)?,
            SchemaChange::TableDrop { database, table } => {
                known_database(schema, database)?.tables.retain(|t| !case.same(&t.name, table));
            }
        }
        Ok(())
    }
}

/// Puts `def` in the place of a table: in its row within the same database, at the end of another one.
fn exchange(schema: &mut Schema, database: &str, table: &str, def: &Arc<Table>) -> Result<()> {
    let case = schema.case;
    let tables = &mut known_database(schema, database)?.tables;
    let at = tables.iter().position(|t| case.same(&t.name, table));
    let at = at.ok_or_else(|| damaged(format!("it alters the table {database}.{table}, which is not there")))?;
    if case.same(database, &def.database) {
        if let Some(slot) = tables.get_mut(at) {
            *slot = Arc::clone(def);
        }
    } else {
        tables.remove(at);
        known_database(schema, &def.database)?.tables.push(Arc::clone(def));
    }
    Ok(())
}

fn known_database<'a>(schema: &'a mut Schema, name: &str) -> Result<&'a mut Database> {
    schema.database_mut(name).ok_or_else(|| damaged(format!("it needs the database {name}, which is not there")))
}

fn damaged(what: String) -> Error {
    Error::definite("a stored schema change does not fit the schema that it is based on")
        .detail(what)
        .hint("start once with --recapture_schema to store the schema anew")
}

/// Moves a restored schema on by stored changes, in order. Fails if they do not fit it.
pub fn apply_changes(schema: &mut Schema, changes: &[SchemaChange]) -> Result<()> {
    changes.iter().try_for_each(|change| change.apply(schema))
}

/// One statement's changes as `schemas.deltas` holds them: a JSON array.
pub fn to_delta_json(changes: &[SchemaChange]) -> String {
    let mut out = Vec::with_capacity(256 * changes.len() + 2);
    for change in changes {
        out.push(if out.is_empty() { b'[' } else { b',' });
        out.push(b'{');
        change.write_fields(&mut out);
        out.push(b'}');
    }
    if out.is_empty() {
        out.push(b'[');
    }
    out.push(b']');
    // Only ASCII and whole strings were appended.
    String::from_utf8_lossy(&out).into_owned()
}

fn write_charset(charset: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"charset\":");
    match charset {
        Some(charset) => write_string(charset, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn write_def(key: &[u8], table: &Table, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    write_table(table, out);
}

/// A table in the key order `database`, `charset`, `table`, `columns`, `primary-key`.
pub fn write_table(table: &Table, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"database\":");
    write_string(&table.database, out);
    write_charset(table.charset.as_deref(), out);
    out.extend_from_slice(b",\"table\":");
    write_string(&table.name, out);
    out.extend_from_slice(b",\"columns\":");
    write_list(&table.columns, out, write_column);
    out.extend_from_slice(b",\"primary-key\":");
    write_list(&table.primary_key, out, |name, out| write_string(name, out));
    out.push(b'}');
}

fn write_column(column: &Column, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    write_string(column.ty.type_name(), out);
    out.extend_from_slice(b",\"name\":");
    write_string(&column.name, out);
    match &column.ty {
        ColumnType::Int { unsigned, .. } => {
            out.extend_from_slice(b",\"signed\":");
            out.extend_from_slice(if *unsigned { b"false" } else { b"true" });
        }
        ColumnType::Text { charset, .. } => write_charset(charset.as_deref(), out),
        ColumnType::Binary { .. } => write_charset(Some("binary"), out),
        ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. } => {
            out.extend_from_slice(b",\"enum-values\":");
            write_list(labels, out, |label, out| write_string(label, out));
        }
        ColumnType::Datetime { fraction } | ColumnType::Timestamp { fraction } | ColumnType::Time { fraction } => {
            out.extend_from_slice(b",\"column-length\":");
            out.extend_from_slice(fraction.to_string().as_bytes());
        }
        _ => {}
    }
    out.push(b'}');
}

fn write_list<T>(items: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// A JSON string as Maxwell writes it in DDL messages: upper-case hex, characters beyond U+FFFF raw (contract §4.3, §4.12).
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push(b'"');
    for &byte in text.as_bytes() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            0..=0x1f => {
                let low = HEX.get(usize::from(byte & 0xf)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
