//! The last image of every key against the table itself, value by value.

use std::collections::HashMap;

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Row, Value};

use super::load::journal::RowKey;
use super::message::Fields;
use super::sql::SqlServer;

/// The character set number of columns without one.
const BINARY: u16 = 63;

/// A column's value in the table.
pub struct Cell {
    pub name: String,
    value: Option<Vec<u8>>,
    sort: Sort,
}

/// How the server's text and ours are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// The same digits.
    Number,
    /// The same number, written differently.
    Float,
    Text,
    Json,
    Bytes,
}

/// JSON is known by the column's name: MariaDB says that it is text.
fn sort_of(column: &Column) -> Sort {
    use ColumnType::*;
    let name = column.name_str();
    match column.column_type() {
        _ if name.starts_with("doc") || name.starts_with("j_") => Sort::Json,
        MYSQL_TYPE_FLOAT | MYSQL_TYPE_DOUBLE => Sort::Float,
        MYSQL_TYPE_TINY | MYSQL_TYPE_SHORT | MYSQL_TYPE_LONG | MYSQL_TYPE_LONGLONG | MYSQL_TYPE_NEWDECIMAL => Sort::Number,
        MYSQL_TYPE_VAR_STRING | MYSQL_TYPE_STRING | MYSQL_TYPE_BLOB if column.character_set() == BINARY => Sort::Bytes,
        _ => Sort::Text,
    }
}

impl Cell {
    /// Whether a message's value says the same.
    pub fn is(&self, raw: &str) -> bool {
        let Some(value) = &self.value else { return raw == "null" };
        let Ok(text) = std::str::from_utf8(value) else { return self.sort == Sort::Bytes && is_base64(raw, value) };
        match self.sort {
            Sort::Number => raw == text,
            Sort::Float => matches!((raw.parse::<f64>(), text.parse::<f64>()), (Ok(a), Ok(b)) if a == b),
            Sort::Text => serde_json::from_str::<String>(raw).is_ok_and(|string| string == text),
            Sort::Json => raw != "null" && json(raw) == json(text),
            Sort::Bytes => is_base64(raw, value),
        }
    }
}

fn is_base64(raw: &str, value: &[u8]) -> bool {
    raw == format!("\"{}\"", base64_simd::STANDARD.encode_to_string(value))
}

fn json(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

/// The present rows of a table that has a column `id`.
pub async fn table(server: &SqlServer, database: &str, table: &str) -> HashMap<RowKey, Vec<Cell>> {
    let mut conn = server.connect_in(database).await.expect("root can connect");
    let rows: Vec<Row> = conn.query(format!("SELECT * FROM {table}")).await.unwrap_or_else(|e| panic!("{table}: {e}"));
    conn.disconnect().await.expect("goodbye");
    let row = |row: Row| {
        let columns = row.columns();
        let cells = row.unwrap().into_iter().zip(columns.iter());
        let cells: Vec<Cell> = cells
            .map(|(value, column)| Cell { name: column.name_str().into_owned(), value: bytes(value), sort: sort_of(column) })
            .collect();
        let id = cells.iter().find(|c| c.name == "id").and_then(|c| std::str::from_utf8(c.value.as_ref()?).ok()?.parse().ok());
        (RowKey { table: table.into(), id: id.expect("a row number") }, cells)
    };
    rows.into_iter().map(row).collect()
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(bytes),
        other => Some(other.as_sql(true).into_bytes()),
    }
}

/// Compares a row with its last image: the columns that both have. After the end of all ALTERs (`whole`) both have the
/// same columns in the same order.
pub fn compare(cells: &[Cell], data: &Fields, whole: bool) -> Result<(), String> {
    if whole {
        let (table, image): (Vec<&str>, Vec<&str>) =
            (cells.iter().map(|c| c.name.as_str()).collect(), data.0.iter().map(|(name, _)| &**name).collect());
        if table != image {
            return Err(format!("the message has the columns {image:?}, the table {table:?}"));
        }
    }
    for cell in cells {
        if let Some(raw) = data.raw(&cell.name).filter(|raw| !cell.is(raw)) {
            let value = cell.value.as_deref().map(String::from_utf8_lossy);
            return Err(format!("{} is {raw} in the message, {value:?} in the table", cell.name));
        }
    }
    Ok(())
}
