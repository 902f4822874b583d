//! Makes columns of Maxwell's tables wider when a value would not fit: long GTID sets, characters beyond U+FFFF, enums
//! with thousands of labels (contract §15.6, design §4). Maxwell reads the wider ones as well.

use crate::error::Result;

use super::columns::{ColumnFact, column_of};
use super::session::{Session, ident};

/// What `text` holds, in bytes.
pub(super) const TEXT_BYTES: usize = 65_535;
/// What `mediumtext` holds, in bytes.
pub(super) const MEDIUMTEXT_BYTES: usize = 16_777_215;

/// Changes a column unless it `fits` already.
async fn ensure(
    session: &mut Session<'_>,
    database: &str,
    (table, column): (&str, &str),
    fits: impl Fn(&ColumnFact) -> bool,
    to: &str,
) -> Result<()> {
    if fits(&column_of(session, database, table, column).await?) {
        return Ok(());
    }
    let sql = format!("ALTER TABLE {}.{} MODIFY {} {to}", ident(database), ident(table), ident(column));
    tracing::info!(sql, "widening a column of the schema database");
    session.run_long(&sql).await
}

fn is_utf8mb4(column: &ColumnFact) -> bool {
    column.collation.as_deref().is_some_and(|c| c.starts_with("utf8mb4"))
}

pub(super) async fn gtid_set(session: &mut Session<'_>, database: &str, table: &str) -> Result<()> {
    ensure(session, database, (table, "gtid_set"), |c| matches!(c.ty.as_str(), "mediumtext" | "longtext"), "mediumtext").await
}

/// `name` of databases, tables or columns.
pub(super) async fn name(session: &mut Session<'_>, database: &str, table: &str) -> Result<()> {
    ensure(session, database, (table, "name"), is_utf8mb4, "varchar(255) charset utf8mb4").await
}

/// `tables.pk`: sixteen names of 64 characters and their commas are longer than Maxwell's 1024.
pub(super) async fn primary_key(session: &mut Session<'_>, database: &str) -> Result<()> {
    ensure(session, database, ("tables", "pk"), |c| c.ty == "text" && is_utf8mb4(c), "text charset utf8mb4").await
}

pub(super) async fn enum_values(session: &mut Session<'_>, database: &str) -> Result<()> {
    ensure(
        session,
        database,
        ("columns", "enum_values"),
        |c| matches!(c.ty.as_str(), "mediumtext" | "longtext"),
        "mediumtext charset 'utf8'",
    )
    .await
}

pub(super) async fn deltas(session: &mut Session<'_>, database: &str) -> Result<()> {
    ensure(session, database, ("schemas", "deltas"), |c| c.ty == "longtext", "longtext charset 'utf8' null default null").await
}
