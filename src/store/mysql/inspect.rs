//! What stands in the schema database, looked at without changing anything: for `binlogd check`.
//! Never here: a statement that writes.

use std::sync::Arc;

use crate::error::Result;
use crate::server::{Server, rows};
use crate::store::StoreOptions;

use super::MySqlStore;
use super::columns::columns_of;
use super::session::{ident, lit};
use super::snapshot::VERSION;
use super::tables::TABLES;
use super::upgrade;

/// The schema database as it is.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    pub database_exists: bool,
    /// Tables that the next start makes.
    pub missing_tables: Vec<&'static str>,
    /// Columns (`table.column`) that the next start adds, because an older Maxwell made the tables.
    pub missing_columns: Vec<String>,
    /// Stored definitions, and the highest version of their format.
    pub schemas: u64,
    pub schema_version: Option<u16>,
}

/// The newest format of stored definitions that can be read.
pub const SCHEMA_VERSION: u16 = VERSION;

/// Looks.
///
/// # Errors
/// When the server cannot be reached, or the user may not see what is there.
pub async fn inspect(server: Arc<Server>, options: StoreOptions) -> Result<Inspection> {
    let store = MySqlStore::new(server, options);
    let database = store.options.schema_database.clone();
    let mut session = store.session().await?;
    let mut found = Inspection::default();
    let sql = format!("SELECT 1 FROM information_schema.schemata WHERE schema_name = {}", lit(database.as_str()));
    found.database_exists = !session.rows(&sql).await?.is_empty();
    if !found.database_exists {
        return Ok(found);
    }
    for table in TABLES {
        match columns_of(&mut session, &database, table.name).await? {
            Some(columns) => {
                let lacks = |name: &&str| !columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
                let used = upgrade::USED.iter().filter(|(t, _)| *t == table.name).flat_map(|(_, names)| names.iter().copied());
                found.missing_columns.extend(used.filter(lacks).map(|name| format!("{}.{name}", table.name)));
            }
            None => found.missing_tables.push(table.name),
        }
    }
    let is_there = |table: &str| !found.missing_tables.contains(&table);
    let is_whole = |table: &str| is_there(table) && !found.missing_columns.iter().any(|c| c.split('.').next() == Some(table));
    if is_whole("schemas") {
        let sql = format!("SELECT COUNT(*), MAX(version) FROM {}.`schemas`", ident(&database));
        if let Some(row) = session.rows(&sql).await?.first() {
            (found.schemas, found.schema_version) = (rows::need(row, 0)?, rows::get(row, 1)?);
        }
    }
    Ok(found)
}
