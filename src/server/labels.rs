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

use super::column_type::CUT;
use super::fault::sql_error;
use super::rows;
use crate::error::{Error, Result};
use crate::schema::{ColumnType, Table};

const NAME: &str = "`binlogd_labels`";

/// Replaces labels with question marks by the true ones. A table whose labels cannot be read keeps them, with a warning:
/// row metadata may still tell them, and a question mark may be what was meant.
///
/// # Errors
/// Transient when the connection is lost.
pub async fn complete(conn: &mut Conn, tables: &mut [Table]) -> Result<()> {
    let mut home = None;
    for table in tables {
        for at in 0..table.columns.len() {
            let Some(column) = table.columns.get(at).filter(|c| is_doubtful(&c.ty)) else { continue };
            let name = column.name.clone();
            if home.is_none() {
                home = Some(homes(conn).await?);
            }
            match read(conn, table, &name, &column.ty, home.as_deref().unwrap_or_default()).await {
                Ok(labels) => {
                    if let Some(column) = table.columns.get_mut(at) {
                        set(&mut column.ty, labels);
                    }
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    if let Some(column) = table.columns.get_mut(at) {
                        // A row with a label that nobody knows stops, and says so.
                        let known = column.ty.labels().map(|labels| labels.iter().filter(|l| *l != CUT).cloned().collect());
                        set(&mut column.ty, known.unwrap_or_default());
                    }
                    tracing::warn!(
                    %error,
                    table = %format!("{}.{}", table.database, table.name),
                    column = name,
                    "the labels of a column have question marks where the server may mean other characters, and they could not be read; hint: let this \
                     user CREATE TEMPORARY TABLES in the schema database, or set binlog_row_metadata=FULL on the server"
                    );
                }
            }
        }
    }
    Ok(())
}

fn is_doubtful(ty: &ColumnType) -> bool {
    ty.labels().is_some_and(|labels| labels.iter().any(|label| label.contains('?')))
}

fn set(ty: &mut ColumnType, new: Arc<[String]>) {
    if let ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. } = ty {
        *labels = new;
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
    let create = format!("CREATE TEMPORARY TABLE {temporary} SELECT {column} FROM {source} LIMIT 0");
    conn.query_drop(create).await.map_err(sql_error)?;
    let found = fill_and_read(conn, &temporary, &column, &numbers(ty, count)).await;
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

async fn fill_and_read(conn: &mut Conn, temporary: &str, column: &str, numbers: &[u64]) -> Result<Vec<String>> {
    let values: Vec<String> = numbers.iter().map(|n| format!("({n})")).collect();
    // IGNORE: what is no label becomes 0.
    conn.query_drop(format!("INSERT IGNORE INTO {temporary} ({column}) VALUES {}", values.join(","))).await.map_err(sql_error)?;
    let select =
        format!("SELECT CAST(CONVERT({column} USING utf8mb4) AS BINARY) FROM {temporary} WHERE {column} + 0 > 0 ORDER BY {column} + 0");
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
    fn only_labels_with_question_marks_are_doubtful() {
        let labels = |all: &[&str]| -> Arc<[String]> { all.iter().map(|l| (*l).to_owned()).collect() };
        assert!(is_doubtful(&ColumnType::Enum { labels: labels(&["a", "b?"]), charset: None }));
        assert!(!is_doubtful(&ColumnType::Set { labels: labels(&["a", "b"]), charset: None }));
        assert!(!is_doubtful(&ColumnType::Json));
        let set = ColumnType::Set { labels: labels(&["a", "b", "c"]), charset: None };
        assert_eq!(numbers(&set, Some(3)), [1, 2, 4]);
        let list = ColumnType::Enum { labels: labels(&["a", "b"]), charset: None };
        assert_eq!(numbers(&list, Some(2)), [1, 2]);
        let many = ColumnType::Set { labels: labels(&["x"; 64]), charset: None };
        assert_eq!(numbers(&many, None)[63], 1 << 63);
    }
}
