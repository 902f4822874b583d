//! What columns a table of the schema database has now. Never here: changing them.

use crate::error::{Error, Result};
use crate::server::fault::is_server_error;
use crate::server::rows;

use super::session::{Session, ident};

/// ER_NO_SUCH_TABLE
const NO_SUCH_TABLE: u16 = 1146;

/// A column as `SHOW FULL COLUMNS` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnFact {
    pub name: String,
    /// As the server prints it, lower case: `varchar(255)`, `bigint(20)`, `bigint`.
    pub ty: String,
    pub collation: Option<String>,
}

/// The columns of a table; `None` when there is no such table.
pub(super) async fn columns_of(session: &mut Session<'_>, database: &str, table: &str) -> Result<Option<Vec<ColumnFact>>> {
    let sql = format!("SHOW FULL COLUMNS FROM {}.{}", ident(database), ident(table));
    let found = match session.rows(&sql).await {
        Ok(found) => found,
        Err(e) if is_server_error(&e, &[NO_SUCH_TABLE]) => return Ok(None),
        Err(e) => return Err(e),
    };
    let columns = found.iter().map(|row| {
        Ok(ColumnFact { name: rows::text(row, 0)?, ty: rows::text(row, 1)?.to_ascii_lowercase(), collation: rows::opt_text(row, 2)? })
    });
    columns.collect::<Result<Vec<_>>>().map(Some)
}

/// One column, which must be there.
pub(super) async fn column_of(session: &mut Session<'_>, database: &str, table: &str, column: &str) -> Result<ColumnFact> {
    let columns = columns_of(session, database, table).await?.unwrap_or_default();
    columns.into_iter().find(|c| c.name.eq_ignore_ascii_case(column)).ok_or_else(|| missing(database, table, column))
}

pub(super) fn missing(database: &str, table: &str, column: &str) -> Error {
    Error::definite(format!("the table `{database}`.`{table}` has no column `{column}`"))
        .hint("the schema database is not one that Maxwell made; give another name as `schema_database`")
}
