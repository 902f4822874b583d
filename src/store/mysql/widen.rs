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
    let fact = column_of(session, database, "columns", "enum_values").await?;
    let to = format!("mediumtext charset {}", charset_of(&fact));
    ensure(session, database, ("columns", "enum_values"), |c| matches!(c.ty.as_str(), "mediumtext" | "longtext"), &to).await
}

pub(super) async fn deltas(session: &mut Session<'_>, database: &str) -> Result<()> {
    let fact = column_of(session, database, "schemas", "deltas").await?;
    let to = format!("longtext charset {} null default null", charset_of(&fact));
    ensure(session, database, ("schemas", "deltas"), |c| c.ty == "longtext", &to).await
}

fn charset_of(column: &ColumnFact) -> &'static str {
    if is_utf8mb4(column) { "utf8mb4" } else { "'utf8'" }
}

/// Labels beyond U+FFFF. What we write ourselves is escaped and fits any column; but Maxwell, when it goes on with such a
/// table, writes them as they are and dies of a column that cannot hold them. Where we may not alter the table, that is
/// Maxwell's affair.
pub(super) async fn labels(session: &mut Session<'_>, database: &str) -> Result<()> {
    for (table, column) in [("schemas", "deltas"), ("columns", "enum_values")] {
        let to = format!("{} charset utf8mb4 null default null", column_of(session, database, table, column).await?.ty);
        match ensure(session, database, (table, column), is_utf8mb4, &to).await {
            Err(error) if !error.is_transient() => {
                tracing::warn!(%error, table, column, "cannot make this column utf8mb4; labels beyond U+FFFF are stored as escapes, and Maxwell could not go on with their tables");
            }
            other => other?,
        }
    }
    Ok(())
}
