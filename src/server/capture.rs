//! information_schema → `Schema`: all definitions at once, or those of single tables.
//!
//! A few large queries, streamed, so that ten thousand tables take seconds. Whether what was read is true at a place of
//! the binlog is not decided here: the caller captures between two positions (design §5).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row};

use super::column_type::{ColumnFacts, column_type};
use super::fault::sql_error;
use super::flavor::Flavor;
use super::json_checks::{self, JsonColumns};
use super::labels;
use super::rows;
use super::status::{self, ServerIdentity};
use crate::error::Result;
use crate::schema::{Column, ColumnType, Database, Schema, Table};

/// Databases that have no rows in the binlog (contract §8.2).
const EXCLUDED: &str = "NOT IN ('performance_schema', 'information_schema')";

/// Reads all databases, tables and columns.
///
/// Databases come in the server's order of their names, tables by name. Tables that the user may not select from are
/// absent: information_schema does not show them.
pub async fn capture(conn: &mut Conn, server: &ServerIdentity) -> Result<Schema> {
    show_hidden_keys(conn, server).await?;
    let collations = collations(conn).await?;
    let sql = format!(
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME {EXCLUDED} ORDER BY SCHEMA_NAME"
    );
    let mut databases = Vec::new();
    for row in status::query(conn, &sql).await? {
        databases.push(Database { name: rows::text(&row, 0)?, charset: rows::text(&row, 1)?, tables: Vec::new() });
    }
    let drafts = Drafts::read(conn, server, &collations, &Scope::All).await?;
    let mut tables: Vec<Table> = drafts.list.into_iter().map(Draft::finish).collect();
    labels::complete(conn, &mut tables).await?;
    tables.sort_unstable_by(|a, b| (&a.database, &a.name).cmp(&(&b.database, &b.name)));
    let mut of: HashMap<String, Vec<Arc<Table>>> = HashMap::new();
    for table in tables {
        of.entry(table.database.clone()).or_default().push(Arc::new(table));
    }
    for database in &mut databases {
        database.tables = of.remove(&database.name).unwrap_or_default();
    }
    Ok(Schema { databases, charset: server.charset.clone(), case: server.case, as_maxwell: None })
}

/// Reads single tables, for re-reads; `None` where there is no such table. Names are compared as the server compares them.
pub async fn capture_tables(conn: &mut Conn, server: &ServerIdentity, tables: &[(&str, &str)]) -> Result<Vec<Option<Arc<Table>>>> {
    show_hidden_keys(conn, server).await?;
    let collations = collations(conn).await?;
    let mut found = Vec::with_capacity(tables.len());
    for (database, name) in tables {
        // One by one: with two constants in the condition, MySQL 5 and MariaDB open this table only.
        let drafts = Drafts::read(conn, server, &collations, &Scope::Table(database, name)).await?;
        // information_schema may compare without case where the server itself does not.
        let same = |d: &Draft| server.case.same(&d.table.database, database) && server.case.same(&d.table.name, name);
        let mut table = drafts.list.into_iter().find(same).map(Draft::finish);
        labels::complete(conn, table.as_mut_slice()).await?;
        found.push(table.map(Arc::new));
    }
    Ok(found)
}

/// Tables by database whose definition is older than this moment (epoch seconds), as far as the server tells: CREATE_TIME is when a
/// table was made, or altered by building it anew.
pub async fn tables_older_than(conn: &mut Conn, seconds: i64) -> Result<HashMap<String, HashSet<String>>> {
    let mut older: HashMap<String, HashSet<String>> = HashMap::new();
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA {EXCLUDED} AND UNIX_TIMESTAMP(CREATE_TIME) < {seconds}"
    );
    each(conn, sql, Params::Empty, |row| {
        older.entry(rows::text(row, 0)?).or_default().insert(rows::text(row, 1)?);
        Ok(())
    })
    .await?;
    Ok(older)
}

/// How many columns the binlog has behind those of each table: MariaDB keeps long values unique by a hidden column for each
/// such key, which nothing but the index type in information_schema tells of. On MEMORY a key of that type is an ordinary one.
pub async fn hidden_columns(conn: &mut Conn, server: &ServerIdentity, tables: &[(&str, &str)]) -> Result<Vec<usize>> {
    if !server.version.at_least(Flavor::MariaDb, 10, 4, 0) {
        return Ok(vec![0; tables.len()]);
    }
    let sql = "SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS \
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 AND INDEX_TYPE = 'HASH' \
               AND (SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?) <> 'MEMORY'";
    let mut found = Vec::with_capacity(tables.len());
    for (database, table) in tables {
        let count: Option<usize> = conn.exec_first(sql, (database, table, database, table)).await.map_err(sql_error)?;
        found.push(count.unwrap_or(0));
    }
    Ok(found)
}

/// Generated invisible primary keys are logged like any column, so they must be seen here whatever the server's default
/// is (MySQL manual, `show_gipk_in_create_table_and_information_schema`).
async fn show_hidden_keys(conn: &mut Conn, server: &ServerIdentity) -> Result<()> {
    if server.version.at_least(Flavor::MySql, 8, 0, 30) {
        let sql = "SET SESSION show_gipk_in_create_table_and_information_schema = ON";
        conn.query_drop(sql).await.map_err(sql_error)?;
    }
    Ok(())
}

/// Character set of every collation. MariaDB's `uca1400_…` belong to several and are left out.
async fn collations(conn: &mut Conn) -> Result<HashMap<String, String>> {
    let mut sets = HashMap::new();
    for row in status::query(conn, "SELECT COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS").await? {
        if let Some(charset) = rows::opt_text(&row, 1)? {
            sets.insert(rows::text(&row, 0)?, charset);
        }
    }
    Ok(sets)
}

/// A collation's character set: listed, or the word before the first underscore (`utf8mb4_uca1400_ai_ci`).
fn charset_of(collation: &str, listed: &HashMap<String, String>) -> String {
    listed.get(collation).cloned().unwrap_or_else(|| collation.split('_').next().unwrap_or(collation).to_owned())
}

/// Which tables a query is about.
pub(super) enum Scope<'a> {
    All,
    Table(&'a str, &'a str),
}

impl Scope<'_> {
    /// The condition, for these column names, and its parameters.
    pub(super) fn condition(&self, schema: &str, table: &str) -> (String, Params) {
        match self {
            Scope::All => (format!("{schema} {EXCLUDED}"), Params::Empty),
            Scope::Table(database, name) => (format!("{schema} = ? AND {table} = ?"), Params::from((*database, *name))),
        }
    }
}

/// A table while its parts come in.
struct Draft {
    table: Table,
    /// Ordinal position and column.
    columns: Vec<(u64, Column)>,
    /// Ordinal position and name.
    key: Vec<(u64, String)>,
    /// MariaDB: WITH SYSTEM VERSIONING.
    versioned: bool,
    /// And its period columns are declared, not hidden.
    period_declared: bool,
}

impl Draft {
    fn finish(mut self) -> Table {
        self.columns.sort_by_key(|(ordinal, _)| *ordinal);
        self.key.sort_by_key(|(ordinal, _)| *ordinal);
        self.table.columns = self.columns.into_iter().map(|(_, column)| column).collect();
        self.table.primary_key = self.key.into_iter().map(|(_, name)| name).collect();
        if self.versioned && !self.period_declared {
            // information_schema hides these two; the binlog has them behind all others.
            let hidden = ["row_start", "row_end"];
            self.table.columns.extend(hidden.map(|name| Column { name: name.to_owned(), ty: ColumnType::Timestamp { fraction: 6 } }));
        }
        self.table
    }
}

/// All drafts, found by database and name.
#[derive(Default)]
struct Drafts {
    list: Vec<Draft>,
    index: HashMap<String, HashMap<String, usize>>,
    /// Rows of one table come together mostly; this saves the look-up.
    last: usize,
}

impl Drafts {
    async fn read(conn: &mut Conn, server: &ServerIdentity, collations: &HashMap<String, String>, scope: &Scope<'_>) -> Result<Self> {
        let mut drafts = Drafts::default();
        let maria = server.version.at_least(Flavor::MariaDb, 10, 3, 0);
        let (condition, params) = scope.condition("TABLE_SCHEMA", "TABLE_NAME");
        let sql = format!("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_COLLATION, TABLE_TYPE FROM information_schema.TABLES WHERE {condition}");
        each(conn, sql, params, |row| drafts.add_table(row, collations)).await?;

        let json = if maria { json_checks::json_columns(conn, server, scope).await? } else { JsonColumns::default() };
        let (condition, params) = scope.condition("TABLE_SCHEMA", "TABLE_NAME");
        let period = if maria { "GENERATION_EXPRESSION = 'ROW START'" } else { "0" };
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, DATETIME_PRECISION, {period} \
             FROM information_schema.COLUMNS WHERE {condition}"
        );
        each(conn, sql, params, |row| drafts.add_column(row, &json)).await?;

        // A foreign key may be called PRIMARY too.
        let (condition, params) = scope.condition("TABLE_SCHEMA", "TABLE_NAME");
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION, COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE \
             WHERE CONSTRAINT_NAME = 'PRIMARY' AND REFERENCED_TABLE_NAME IS NULL AND {condition}"
        );
        each(conn, sql, params, |row| drafts.add_key(row)).await?;
        Ok(drafts)
    }

    fn add_table(&mut self, row: &Row, collations: &HashMap<String, String>) -> Result<()> {
        let (database, name) = (rows::text(row, 0)?, rows::text(row, 1)?);
        let charset = rows::text_ref(row, 2).map(|collation| charset_of(&collation, collations));
        let versioned = rows::text_ref(row, 3).is_some_and(|kind| kind == "SYSTEM VERSIONED");
        self.index.entry(database.clone()).or_default().insert(name.clone(), self.list.len());
        let table = Table { database, name, charset, columns: Vec::new(), primary_key: Vec::new() };
        self.list.push(Draft { table, columns: Vec::new(), key: Vec::new(), versioned, period_declared: false });
        Ok(())
    }

    fn add_column(&mut self, row: &Row, json: &JsonColumns) -> Result<()> {
        let text = |index| rows::text_ref(row, index).unwrap_or(Cow::Borrowed(""));
        let (database, table, name) = (text(0), text(1), text(3));
        let json_checked = !json.is_empty() && json.contains(&database, &table, &name);
        let Some(draft) = self.find(&database, &table) else {
            // Created after the tables were listed; the re-read will find it.
            return Ok(());
        };
        let (data_type, full, charset) = (text(4), text(5), rows::text_ref(row, 6));
        let facts = ColumnFacts {
            data_type: &data_type,
            column_type: &full,
            charset: charset.as_deref(),
            fraction: rows::get::<u8>(row, 7)?.unwrap_or(0),
            json_checked,
        };
        draft.period_declared |= rows::get::<u8>(row, 8)?.unwrap_or(0) == 1;
        draft.columns.push((rows::need(row, 2)?, Column { name: name.into_owned(), ty: column_type(&facts) }));
        Ok(())
    }

    fn add_key(&mut self, row: &Row) -> Result<()> {
        let text = |index| rows::text_ref(row, index).unwrap_or(Cow::Borrowed(""));
        let (ordinal, name) = (rows::need(row, 2)?, text(3).into_owned());
        if let Some(draft) = self.find(&text(0), &text(1)) {
            draft.key.push((ordinal, name));
        }
        Ok(())
    }

    fn find(&mut self, database: &str, name: &str) -> Option<&mut Draft> {
        let is_last = self.list.get(self.last).is_some_and(|d| d.table.name == name && d.table.database == database);
        if !is_last {
            self.last = *self.index.get(database)?.get(name)?;
        }
        self.list.get_mut(self.last)
    }
}

/// Calls `take` for every row as it comes from the socket.
pub(super) async fn each(conn: &mut Conn, sql: String, params: Params, mut take: impl FnMut(&Row) -> Result<()> + Send) -> Result<()> {
    let step = |done: Result<()>, row: Row| done.and_then(|()| take(&row));
    let done = match params {
        // The text protocol needs no second trip for preparing.
        Params::Empty => conn.query_fold(sql, Ok(()), step).await,
        params => conn.exec_fold(sql, params, Ok(()), step).await,
    };
    done.map_err(sql_error)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_sets_of_collations() {
        let listed = HashMap::from([("utf8_general_ci".to_owned(), "utf8mb3".to_owned())]);
        for (collation, charset) in
            [("utf8_general_ci", "utf8mb3"), ("utf8mb4_uca1400_ai_ci", "utf8mb4"), ("latin1_swedish_ci", "latin1"), ("binary", "binary")]
        {
            assert_eq!(charset_of(collation, &listed), charset);
        }
    }

    fn draft(versioned: bool, period_declared: bool) -> Draft {
        let column = |name: &str| Column { name: name.into(), ty: ColumnType::Date };
        Draft {
            table: Table { database: "d".into(), name: "t".into(), charset: None, columns: vec![], primary_key: vec![] },
            columns: vec![(2, column("b")), (1, column("a"))],
            key: vec![(2, "a".into()), (1, "b".into())],
            versioned,
            period_declared,
        }
    }

    #[test]
    fn parts_are_put_in_order() {
        let names = |table: &Table| table.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        let plain = draft(false, false).finish();
        assert_eq!((names(&plain), plain.primary_key), (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned(), "a".to_owned()]));
        assert_eq!(names(&draft(true, false).finish()), ["a", "b", "row_start", "row_end"]);
        assert_eq!(names(&draft(true, true).finish()), ["a", "b"]);
    }
}
