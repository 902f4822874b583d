//! Schema changes in Maxwell's JSON form: `schemas.deltas` and the payload of DDL messages (contract §4.12, §8.6).

use std::sync::Arc;

use super::Table;

/// One resolved change of a statement, names as the statement spelled them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaChange {
    DatabaseCreate { database: String, charset: String },
    DatabaseAlter { database: String, charset: Option<String> },
    DatabaseDrop { database: String },
    TableCreate { database: String, table: String, def: Arc<Table> },
    /// Also renames: `def` has the new database and name.
    TableAlter { database: String, table: String, old: Arc<Table>, def: Arc<Table> },
    TableDrop { database: String, table: String },
}
