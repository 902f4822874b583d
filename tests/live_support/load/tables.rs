//! The tables of the load. All have a row number `id`, a version `v`, the number of the transaction `tx`, and the columns
//! of `values`; their keys differ.

use super::values;

/// Tables whose rows change: name, columns of the key, definition of the key.
pub const TABLES: [Table; 4] = [
    Table { name: "plain", key: "PRIMARY KEY (id)" },
    Table { name: "pairs", key: "PRIMARY KEY (part, id), UNIQUE KEY (id)" },
    Table { name: "coded", key: "PRIMARY KEY (code), UNIQUE KEY (id)" },
    Table { name: "again", key: "PRIMARY KEY (id), KEY (state)" },
];

/// One row for each explicit transaction, by which its outcome can be told.
pub const MARKS: &str = "marks";

/// Every hundredth row, from 0, is changed by all connections; the others belong to the connection whose number is the
/// rest of the division, minus one.
pub const OWNERS: u64 = 100;

pub struct Table {
    pub name: &'static str,
    key: &'static str,
}

/// The statements that make all tables of the load.
pub fn definitions(database: &str) -> Vec<String> {
    let columns = values::COLUMNS.map(|c| format!("{} {}", c.name, c.definition)).join(", ");
    let mut statements: Vec<String> = TABLES
        .iter()
        .map(|t| {
            format!(
                "CREATE TABLE {database}.{} (id bigint unsigned NOT NULL, part varchar(20) NOT NULL, \
                 code varchar(40) CHARACTER SET utf8mb4 NOT NULL, v bigint unsigned NOT NULL, tx bigint unsigned NOT NULL, {columns}, {})",
                t.name, t.key
            )
        })
        .collect();
    statements.push(format!(
        "CREATE TABLE {database}.{MARKS} (id bigint unsigned NOT NULL PRIMARY KEY, v bigint unsigned NOT NULL, tx bigint unsigned NOT NULL)"
    ));
    statements
}

/// The columns of every insert, and the beginning of its values.
pub fn insert_columns() -> String {
    format!("id, part, code, v, tx, {}", values::COLUMNS.map(|c| c.name).join(", "))
}

/// The fixed values of a row.
pub fn insert_head(id: u64, version: u64, transaction: u64) -> String {
    format!("{id}, 'p{}', 'ключ-{id}', {version}, {transaction}", id % 7)
}
