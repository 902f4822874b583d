//! A whole schema as rows of `databases`, `tables` and `columns` (contract §8.6 "Full snapshot").
//!
//! Written in statements of many rows; the ids that the server gave are read back, because their distance depends on the
//! server's settings. Never here: deltas, and which version is wanted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::Value;

use crate::error::{Error, Result};
use crate::schema::delta::{StoredColumn, column_type};
use crate::schema::mend::CURRENT_FORMAT;
use crate::schema::{CaseRule, Column, ColumnType, Database, Schema, SchemaId, Table};
use crate::server::{Row, rows};

use super::session::{Session, ident};
use super::widen;

/// Bytes of one insert statement, if the server's `max_allowed_packet` is not smaller. Larger ones are not faster.
const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// Format of the rows (`schemas.version`). Up to 3, labels were joined by commas. What else was wrong in older ones is
/// `schema::mend`'s.
pub(super) const VERSION: u16 = CURRENT_FORMAT;
const LABELS_AS_JSON_SINCE: u16 = 4;

/// Widens what this schema needs wider. Before the transaction, because it commits one that is open.
pub(super) async fn make_room(session: &mut Session<'_>, database: &str, schema: &Schema) -> Result<()> {
    let tables = || schema.databases.iter().flat_map(|d| &d.tables);
    if schema.databases.iter().any(|d| has_astral(&d.name)) {
        widen::name(session, database, "databases").await?;
    }
    if tables().any(|t| has_astral(&t.name)) {
        widen::name(session, database, "tables").await?;
    }
    if tables().flat_map(|t| &t.columns).any(|c| has_astral(&c.name)) {
        widen::name(session, database, "columns").await?;
    }
    if tables().map(|t| t.primary_key.join(",")).any(|pk| has_astral(&pk) || pk.chars().count() > 1024) {
        widen::primary_key(session, database).await?;
    }
    let mut labels = tables().flat_map(|t| &t.columns).filter_map(|c| c.ty.labels());
    if labels.clone().any(|l| l.iter().any(|label| has_astral(label))) {
        widen::labels(session, database).await?;
    }
    // An escape has six characters for one byte at most; quotes and comma come on top.
    if labels.any(|l| l.iter().map(|label| label.len() * 6 + 3).sum::<usize>() > widen::TEXT_BYTES) {
        widen::enum_values(session, database).await?;
    }
    Ok(())
}

/// Whether text has a character that MySQL's 3-byte utf8 cannot hold.
pub(super) fn has_astral(text: &str) -> bool {
    text.chars().any(|c| c > '\u{ffff}')
}

/// JSON text in which every character beyond U+FFFF is a pair of `\uXXXX` escapes, so that it fits 3-byte utf8. Outside
/// strings JSON has none.
pub(super) fn escape_astral(json: String) -> String {
    if !has_astral(&json) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if c > '\u{ffff}' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Collects rows of one insert statement and sends it when it is long enough.
struct Inserter<'a, 's> {
    session: &'a mut Session<'s>,
    head: String,
    sql: String,
    bytes_max: usize,
}

impl<'a, 's> Inserter<'a, 's> {
    fn new(session: &'a mut Session<'s>, database: &str, table: &str, columns: &str, packet_max: usize) -> Self {
        let head = format!("INSERT INTO {}.{} ({columns}) VALUES ", ident(database), ident(table));
        Inserter { session, sql: String::new(), head, bytes_max: STATEMENT_BYTES_MAX.min(packet_max / 2) }
    }

    async fn row(&mut self, values: &[Value]) -> Result<()> {
        let values: Vec<String> = values.iter().map(|v| v.as_sql(false)).collect();
        let row = format!("({})", values.join(","));
        if !self.sql.is_empty() && self.sql.len() + row.len() + 1 > self.bytes_max {
            self.finish().await?;
        }
        self.sql.push_str(if self.sql.is_empty() { &self.head } else { "," });
        self.sql.push_str(&row);
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        if self.sql.is_empty() {
            return Ok(());
        }
        self.session.run(&self.sql).await?;
        self.sql.clear();
        Ok(())
    }
}

/// Inserts all rows of a version; within the caller's transaction.
pub(super) async fn insert(session: &mut Session<'_>, database: &str, id: SchemaId, schema: &Schema) -> Result<()> {
    let packet = session.rows("SELECT @@max_allowed_packet").await?;
    let packet_max = packet.first().map(|row| rows::need(row, 0)).transpose()?.unwrap_or(STATEMENT_BYTES_MAX);

    let mut inserter = Inserter::new(session, database, "databases", "schema_id, name, charset", packet_max);
    for db in &schema.databases {
        inserter.row(&[id.into(), db.name.as_str().into(), text_or_null(&db.charset)]).await?;
    }
    inserter.finish().await?;
    let database_ids = new_ids(session, database, "databases", id, schema.databases.len()).await?;

    let mut inserter = Inserter::new(session, database, "tables", "schema_id, database_id, name, charset, pk", packet_max);
    for (db, db_id) in schema.databases.iter().zip(&database_ids) {
        for table in &db.tables {
            let pk = table.primary_key.join(",");
            inserter.row(&[id.into(), db_id.into(), table.name.as_str().into(), table.charset.as_deref().into(), pk.into()]).await?;
        }
    }
    inserter.finish().await?;
    let tables: Vec<&Arc<Table>> = schema.databases.iter().flat_map(|d| &d.tables).collect();
    let table_ids = new_ids(session, database, "tables", id, tables.len()).await?;

    let columns = "schema_id, table_id, name, charset, coltype, is_signed, enum_values, column_length";
    let mut inserter = Inserter::new(session, database, "columns", columns, packet_max);
    let mut progress = Progress::new("storing the definitions");
    for (table, table_id) in tables.iter().zip(&table_ids) {
        for column in &table.columns {
            progress.step();
            let [charset, coltype, is_signed, enum_values, length] = column_values(column)?;
            inserter
                .row(&[id.into(), table_id.into(), column.name.as_str().into(), charset, coltype, is_signed, enum_values, length])
                .await?;
        }
    }
    inserter.finish().await
}

/// Deletes all rows of a version; within the caller's transaction.
pub(super) async fn remove(session: &mut Session<'_>, database: &str, id: SchemaId) -> Result<()> {
    for table in ["columns", "tables", "databases"] {
        session.run(&format!("DELETE FROM {}.`{table}` WHERE schema_id = {id}", ident(database))).await?;
    }
    Ok(())
}

/// The ids of the rows just inserted, in the order they were inserted.
async fn new_ids(session: &mut Session<'_>, database: &str, table: &str, schema_id: SchemaId, expected: usize) -> Result<Vec<i64>> {
    let mut ids = Vec::with_capacity(expected);
    let sql = format!("SELECT id FROM {}.{} WHERE schema_id = {schema_id} ORDER BY id", ident(database), ident(table));
    let read = |row: Row| {
        ids.push(rows::need(&row, 0)?);
        Ok(())
    };
    session.each(&sql, read).await?;
    if ids.len() != expected {
        let text = format!("{expected} rows were inserted into `{table}`, but {} are there", ids.len());
        return Err(Error::definite(text).hint("the schema database needs a storage engine that keeps rows, such as InnoDB"));
    }
    Ok(ids)
}

/// Tells of long work from time to time.
struct Progress {
    what: &'static str,
    columns: u64,
    told: Instant,
}

impl Progress {
    const EVERY: Duration = Duration::from_secs(5);

    fn new(what: &'static str) -> Self {
        Progress { what, columns: 0, told: Instant::now() }
    }

    fn step(&mut self) {
        self.columns += 1;
        // The clock is asked now and then only.
        if self.columns.is_multiple_of(1024) && self.told.elapsed() >= Self::EVERY {
            tracing::info!(columns = self.columns, "{}", self.what);
            self.told = Instant::now();
        }
    }
}

/// An unknown charset is NULL, as Maxwell writes it.
fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::NULL } else { text.into() }
}

/// charset, coltype, is_signed, enum_values, column_length.
fn column_values(column: &Column) -> Result<[Value; 5]> {
    let stored = StoredColumn::of(&column.ty);
    let enum_values = match stored.labels {
        Some(labels) => {
            let json = serde_json::to_string(labels).map_err(|e| Error::bug("labels cannot be written as JSON").source(e))?;
            escape_astral(json).into()
        }
        None => Value::NULL,
    };
    let has_fraction = matches!(column.ty, ColumnType::Datetime { .. } | ColumnType::Timestamp { .. } | ColumnType::Time { .. });
    let length = if has_fraction { stored.fraction.into() } else { Value::NULL };
    Ok([stored.charset.into(), stored.type_name.into(), i32::from(!stored.unsigned).into(), enum_values, length])
}

/// Reads all rows of a snapshot of the given format version.
pub(super) async fn load(
    session: &mut Session<'_>,
    database: &str,
    id: SchemaId,
    version: u16,
    charset: String,
    case: CaseRule,
) -> Result<Schema> {
    let mut databases: Vec<Database> = Vec::new();
    let mut database_index: HashMap<i64, usize> = HashMap::new();
    let of_schema = format!("WHERE schema_id = {id} ORDER BY id");
    let sql = format!("SELECT id, name, charset FROM {}.`databases` {of_schema}", ident(database));
    let take = |row: Row| {
        database_index.insert(rows::need(&row, 0)?, databases.len());
        databases.push(Database { name: rows::text(&row, 1)?, charset: rows::text(&row, 2)?, tables: Vec::new() });
        Ok(())
    };
    session.each(&sql, take).await?;

    let mut progress = Progress::new("reading the stored definitions");
    let mut tables: Vec<(usize, Table, String)> = Vec::new();
    let mut table_index: HashMap<i64, usize> = HashMap::new();
    let sql = format!("SELECT id, database_id, name, charset, pk FROM {}.`tables` {of_schema}", ident(database));
    let take = |row: Row| {
        let Some(db) = database_index.get(&rows::need::<i64>(&row, 1)?) else { return Err(orphan("tables", id)) };
        table_index.insert(rows::need(&row, 0)?, tables.len());
        let database = databases.get(*db).map(|d| d.name.clone()).unwrap_or_default();
        let table =
            Table { database, name: rows::text(&row, 2)?, charset: rows::opt_text(&row, 3)?, columns: Vec::new(), primary_key: Vec::new() };
        tables.push((*db, table, rows::text(&row, 4)?));
        Ok(())
    };
    session.each(&sql, take).await?;

    let sql = format!(
        "SELECT table_id, name, charset, coltype, is_signed, enum_values, column_length FROM {}.`columns` {of_schema}",
        ident(database)
    );
    let take = |row: Row| {
        let table = table_index.get(&rows::need::<i64>(&row, 0)?).and_then(|i| tables.get_mut(*i));
        let Some((_, table, _)) = table else { return Err(orphan("columns", id)) };
        let column = read_column(&row, version).map_err(|e| e.detail(format!("schema {id}, table {}.{}", table.database, table.name)))?;
        table.columns.push(column);
        progress.step();
        Ok(())
    };
    session.each(&sql, take).await?;

    for (db, mut table, pk) in tables {
        table.primary_key = split_key(&pk, &table.columns);
        table.columns.shrink_to_fit();
        if let Some(db) = databases.get_mut(db) {
            db.tables.push(Arc::new(table));
        }
    }
    Ok(Schema { databases, charset, case, as_maxwell: None })
}

fn orphan(table: &str, id: SchemaId) -> Error {
    Error::definite(format!("schema {id} is damaged: rows of `{table}` belong to nothing"))
        .hint("delete the rows of `schemas` from that id on, then start with `--recapture_schema`")
}

fn read_column(row: &Row, version: u16) -> Result<Column> {
    let (charset, coltype) = (rows::opt_text(row, 2)?, rows::text(row, 3)?);
    let labels = if matches!(coltype.as_str(), "enum" | "set") { Some(read_labels(row, version)?) } else { None };
    let stored = StoredColumn {
        type_name: &coltype,
        unsigned: rows::get::<u8>(row, 4)?.unwrap_or(0) == 0,
        charset: charset.as_deref(),
        labels: labels.as_deref(),
        fraction: rows::get::<u64>(row, 6)?.unwrap_or(0),
    };
    Ok(Column { ty: column_type(&stored), name: rows::text(row, 1)? })
}

fn read_labels(row: &Row, version: u16) -> Result<Vec<String>> {
    let text = rows::text(row, 5)?;
    if version < LABELS_AS_JSON_SINCE {
        return Ok(text.split(',').map(str::to_owned).collect());
    }
    serde_json::from_str(&text).map_err(|e| {
        Error::definite("the labels of a stored column are not JSON")
            .source(e)
            .hint("start with `--recapture_schema` once all changes are delivered")
    })
}

/// The key's columns from their names joined by commas. A name may hold commas itself, so the pieces are joined in such a
/// way that every name is a column; when there is no such way they are taken as they are.
fn split_key(joined: &str, columns: &[Column]) -> Vec<String> {
    if joined.is_empty() {
        return Vec::new();
    }
    let pieces: Vec<&str> = joined.split(',').collect();
    // From the end: how many pieces from `i` on make the first name of a good split of the rest.
    let mut first: Vec<Option<usize>> = vec![None; pieces.len()];
    for i in (0..pieces.len()).rev() {
        // A name has at most 64 characters, so no more pieces than that and one.
        first[i] = (1..=(pieces.len() - i).min(65)).find(|n| {
            let rest_splits = i + n == pieces.len() || first[i + n].is_some();
            rest_splits && is_column(&pieces[i..i + n].join(","), columns)
        });
    }
    let (mut key, mut i) = (Vec::new(), 0);
    while let Some(n) = first.get(i).copied().flatten() {
        key.push(pieces[i..i + n].join(","));
        i += n;
    }
    if key.is_empty() { pieces.iter().map(|p| (*p).to_owned()).collect() } else { key }
}

fn is_column(name: &str, columns: &[Column]) -> bool {
    columns.iter().any(|c| c.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Column {
        Column { name: name.into(), ty: ColumnType::Json }
    }

    #[test]
    fn keys_with_commas_in_names() {
        let columns = [column("a"), column("b,c"), column("D"), column("a,e")];
        for (joined, key) in [
            ("", vec![]),
            ("a", vec!["a"]),
            ("a,d", vec!["a", "d"]),
            ("b,c", vec!["b,c"]),
            ("a,b,c,D", vec!["a", "b,c", "D"]),
            ("a,e,a", vec!["a,e", "a"]),
            ("a,gone", vec!["a", "gone"]),
            (",", vec!["", ""]),
        ] {
            assert_eq!(split_key(joined, &columns), key, "{joined}");
        }
    }

    #[test]
    fn astral_characters_become_pairs() {
        assert_eq!(escape_astral(r#"["é€","a😀b"]"#.to_owned()), r#"["é€","a\ud83d\ude00b"]"#);
        let back: Vec<String> = serde_json::from_str(&escape_astral(r#"["😀𝄞"]"#.to_owned())).unwrap();
        assert_eq!(back, ["😀𝄞"]);
    }
}
