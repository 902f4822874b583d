//! Labels of ENUM and SET that information_schema cannot tell.
//!
//! Every server prints a column's type in 3-byte UTF-8 (information_schema, SHOW CREATE TABLE, SHOW COLUMNS), so each
//! character beyond U+FFFF comes out as a question mark, and MySQL before 8 cuts the list at bytes that are no text. Values
//! come out right: so where a label has a question mark, or the list is cut, a temporary table with that one column is filled
//! with all of its labels and read. In row format temporary tables are not logged (MySQL 5.6 logs that one is dropped), and a
//! read-only server has them too. Never here: labels that are known.

use std::sync::Arc;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::column_type::{CUT, UNTOLD};
use super::fault::sql_error;
use super::rows;
use crate::error::{Error, Result};
use crate::schema::{ColumnType, Table};

const NAME: &str = "`binlogd_labels`";

/// Replaces labels with question marks by the true ones. Where labels cannot be read, the list ends before the first one in
/// doubt, with a warning: a row with that label or a later one stops, and says so. Row metadata may still tell them.
///
/// # Errors
/// Transient when the connection is lost.
pub async fn complete(conn: &mut Conn, tables: &mut [Table]) -> Result<()> {
    let mut reader = None;
    for table in tables {
        for at in 0..table.columns.len() {
            let Some(column) = table.columns.get(at).filter(|c| first_in_doubt(&c.ty).is_some()) else { continue };
            let name = column.name.clone();
            if reader.is_none() {
                reader = Some(Reader::open(conn).await?);
            }
            let homes = reader.as_ref().map(|r| r.homes.as_slice()).unwrap_or_default();
            match read(conn, table, &name, &column.ty, homes).await {
                Ok(labels) => {
                    if let Some(column) = table.columns.get_mut(at) {
                        set(&mut column.ty, labels);
                    }
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    if let Some(column) = table.columns.get_mut(at) {
                        let known = first_in_doubt(&column.ty).and_then(|doubt| column.ty.labels().and_then(|all| all.get(..doubt)));
                        let known = known.unwrap_or_default().into();
                        set(&mut column.ty, known);
                    }
                    tracing::warn!(
                    %error,
                    table = %format!("{}.{}", table.database, table.name),
                    column = name,
                    known = column_labels(table, at),
                    "the labels of a column have question marks where the server may mean other characters, and they could not be read: a row with \
                     such a label, or one behind it, stops; hint: let this user CREATE TEMPORARY TABLES in the schema database, or set \
                     binlog_row_metadata=FULL on the server"
                    );
                }
            }
        }
    }
    match reader {
        Some(reader) => reader.close(conn).await,
        None => Ok(()),
    }
}

fn column_labels(table: &Table, at: usize) -> usize {
    table.columns.get(at).and_then(|c| c.ty.labels()).map_or(0, |labels| labels.len())
}

/// The place of the first label that may be another on the server: information_schema's question mark stands for a character
/// beyond U+FFFF, which only some character sets have, for bytes without a character, or for itself.
fn first_in_doubt(ty: &ColumnType) -> Option<usize> {
    let (ColumnType::Enum { labels, charset } | ColumnType::Set { labels, charset }) = ty else { return None };
    let narrow = charset.as_deref().is_some_and(|c| !matches!(c, "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" | "binary"));
    labels.iter().position(|label| if narrow { label == UNTOLD || label == CUT } else { label.contains('?') })
}

fn set(ty: &mut ColumnType, new: Arc<[String]>) {
    if let ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. } = ty {
        *labels = new;
    }
}

/// A connection made ready to read labels.
struct Reader {
    /// Databases in which this user may make temporary tables; an empty name stands for all of them.
    homes: Vec<String>,
    /// The session's SQL mode before.
    mode: String,
}

impl Reader {
    /// Without a strict SQL mode: a table may have been made under another, with labels that a strict one refuses as equal.
    async fn open(conn: &mut Conn) -> Result<Reader> {
        let homes = homes(conn).await?;
        let mode: Option<String> = conn.query_first("SELECT @@SESSION.sql_mode").await.map_err(sql_error)?;
        conn.query_drop("SET SESSION sql_mode = ''").await.map_err(sql_error)?;
        Ok(Reader { homes, mode: mode.unwrap_or_default() })
    }

    async fn close(self, conn: &mut Conn) -> Result<()> {
        conn.exec_drop("SET SESSION sql_mode = ?", (self.mode,)).await.map_err(sql_error)
    }
}

/// Databases in which this user may make temporary tables; an empty name stands for all of them.
async fn homes(conn: &mut Conn) -> Result<Vec<String>> {
    const RIGHT: &str = "PRIVILEGE_TYPE = 'CREATE TEMPORARY TABLES'";
    // Who may read the grants of others sees them here too.
    let me: Option<String> = conn.query_first("SELECT CURRENT_USER()").await.map_err(sql_error)?;
    let me = grantee(&me.unwrap_or_default());
    let global = format!("SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE {RIGHT} AND GRANTEE = ? LIMIT 1");
    let global: Vec<Row> = conn.exec(global, (me.as_str(),)).await.map_err(sql_error)?;
    if !global.is_empty() {
        return Ok(vec![String::new()]);
    }
    let granted =
        format!("SELECT TABLE_SCHEMA FROM information_schema.SCHEMA_PRIVILEGES WHERE {RIGHT} AND GRANTEE = ? ORDER BY TABLE_SCHEMA");
    let mut homes = Vec::new();
    for row in conn.exec::<Row, _, _>(granted, (me.as_str(),)).await.map_err(sql_error)? {
        // Grants are patterns; `\_` is an underscore.
        homes.push(rows::text(&row, 0)?.replace("\\_", "_").replace("\\%", "%"));
    }
    Ok(homes)
}

/// `user@host` as GRANTEE has it. The host has no `@`; the user may.
fn grantee(user: &str) -> String {
    let (user, host) = user.rsplit_once('@').unwrap_or((user, ""));
    format!("'{user}'@'{host}'")
}

async fn read(conn: &mut Conn, table: &Table, column: &str, ty: &ColumnType, homes: &[String]) -> Result<Arc<[String]>> {
    let mut last = Error::definite("this user may not make temporary tables");
    for home in homes {
        let home = if home.is_empty() { &table.database } else { home };
        match read_in(conn, home, table, column, ty).await {
            Err(error) if !error.is_transient() => last = error,
            other => return other,
        }
    }
    Err(last)
}

async fn read_in(conn: &mut Conn, home: &str, table: &Table, column: &str, ty: &ColumnType) -> Result<Arc<[String]>> {
    let count = ty.labels().filter(|labels| labels.last().is_none_or(|last| last != CUT)).map(|labels| labels.len());
    let temporary = format!("{}.{NAME}", ident(home));
    let (column, source) = (ident(column), format!("{}.{}", ident(&table.database), ident(&table.name)));
    // With a primary key, which sql_require_primary_key wants of temporary tables too.
    let create =
        format!("CREATE TEMPORARY TABLE {temporary} (n INT NOT NULL PRIMARY KEY) SELECT 0 AS n, {column} AS label FROM {source} LIMIT 0");
    conn.query_drop(create).await.map_err(sql_error)?;
    let found = fill_and_read(conn, &temporary, &numbers(ty, count)).await;
    conn.query_drop(format!("DROP TEMPORARY TABLE {temporary}")).await.map_err(sql_error)?;
    let found = found?;
    if let Some(count) = count.filter(|count| *count != found.len()) {
        return Err(Error::definite(format!("the column has {count} labels, but {} could be read", found.len())));
    }
    Ok(found.into())
}

/// The number of every label: of an ENUM its place from 1 on, of a SET its bit. Of as many as there can be, where nobody knows
/// how many there are.
fn numbers(ty: &ColumnType, count: Option<usize>) -> Vec<u64> {
    let is_set = matches!(ty, ColumnType::Set { .. });
    let count = count.unwrap_or(if is_set { 64 } else { 65_535 });
    (0..count as u64).map(|n| if is_set { 1 << n.min(63) } else { n + 1 }).collect()
}

/// Rows of one statement: far below the smallest max_allowed_packet that is in use.
const ROWS: usize = 10_000;

async fn fill_and_read(conn: &mut Conn, temporary: &str, numbers: &[u64]) -> Result<Vec<String>> {
    for (first, some) in (0..).step_by(ROWS).zip(numbers.chunks(ROWS)) {
        let values: Vec<String> = (first..).zip(some).map(|(n, number)| format!("({n},{number})")).collect();
        // IGNORE: what is no label becomes 0.
        let insert = format!("INSERT IGNORE INTO {temporary} (n, label) VALUES {}", values.join(","));
        conn.query_drop(insert).await.map_err(sql_error)?;
    }
    // Not `> 0`: the last of 64 members of a SET is negative as a number.
    let select = format!("SELECT CAST(CONVERT(label USING utf8mb4) AS BINARY) FROM {temporary} WHERE label + 0 <> 0 ORDER BY n");
    let found: Vec<Row> = conn.query(select).await.map_err(sql_error)?;
    found.iter().map(|row| rows::text(row, 0)).collect()
}

fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_named_as_in_the_grants() {
        assert_eq!(grantee("maxwell@%"), "'maxwell'@'%'");
        assert_eq!(grantee("a@b@10.0.0.1"), "'a@b'@'10.0.0.1'");
    }

    #[test]
    fn only_labels_with_question_marks_are_in_doubt() {
        let labels = |all: &[&str]| -> Arc<[String]> { all.iter().map(|l| (*l).to_owned()).collect() };
        let of = |all: &[&str], charset: &str| first_in_doubt(&ColumnType::Enum { labels: labels(all), charset: Some(charset.into()) });
        assert_eq!(first_in_doubt(&ColumnType::Enum { labels: labels(&["a", "b?"]), charset: None }), Some(1));
        assert_eq!(first_in_doubt(&ColumnType::Set { labels: labels(&["a", "b"]), charset: None }), None);
        assert_eq!(first_in_doubt(&ColumnType::Json), None);
        for charset in ["utf8mb4", "utf16", "utf16le", "utf32", "gb18030", "binary"] {
            assert_eq!(of(&["a", "b?", CUT], charset), Some(1), "{charset}");
        }
        // A question mark that is nothing else; one in the place of bytes; the end of a list that was cut.
        assert_eq!(of(&["a", "b?"], "latin1"), None);
        assert_eq!(of(&["a", "b?", UNTOLD], "latin1"), Some(2));
        assert_eq!(of(&["a", "b?", CUT], "cp1250"), Some(2));
    }

    #[test]
    fn labels_are_asked_for_by_their_numbers() {
        let labels = |all: &[&str]| -> Arc<[String]> { all.iter().map(|l| (*l).to_owned()).collect() };
        let set = ColumnType::Set { labels: labels(&["a", "b", "c"]), charset: None };
        assert_eq!(numbers(&set, Some(3)), [1, 2, 4]);
        let list = ColumnType::Enum { labels: labels(&["a", "b"]), charset: None };
        assert_eq!(numbers(&list, Some(2)), [1, 2]);
        let many = ColumnType::Set { labels: labels(&["x"; 64]), charset: None };
        assert_eq!(numbers(&many, None)[63], 1 << 63);
    }
}
