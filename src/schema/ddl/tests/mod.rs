//! Statements as data: SQL in, definitions out.

mod as_maxwell;
mod found;
mod golden;
mod robust;
mod statements;
mod truth;

use super::*;
use crate::schema::{ColumnType, Database, Table};

pub(super) const MYSQL: StatementContext<'static> = StatementContext {
    default_database: Some("d"),
    sql_mode: 0,
    charset_client: Some(255),
    collation_connection: None,
    collation_server: None,
    error_code: 0,
    dialect: Dialect::MySql,
    server_version: 90_704,
    as_maxwell: false,
};

pub(super) const MARIADB: StatementContext<'static> = StatementContext { dialect: Dialect::MariaDb, server_version: 101_119, ..MYSQL };

pub(super) fn no_skip(_: &str, _: Option<&str>) -> bool {
    false
}

/// The databases `d` (latin1) and `o` (utf8mb4), without tables.
pub(super) fn schema() -> Schema {
    let database = |name: &str, charset: &str| Database { name: name.into(), charset: charset.into(), tables: Vec::new() };
    Schema { databases: vec![database("d", "latin1"), database("o", "utf8mb4")], charset: "utf8mb4".into(), ..Schema::default() }
}

/// Runs statements that are all understood.
pub(super) fn run(ctx: &StatementContext<'_>, schema: &mut Schema, statements: &[&str]) -> Vec<SchemaChange> {
    let mut last = Vec::new();
    for sql in statements {
        last = match interpret(sql.as_bytes(), ctx, schema, &no_skip) {
            Outcome::Changes(changes) => changes,
            Outcome::Nothing => Vec::new(),
            Outcome::Unproved { why, .. } => panic!("{sql}: {why}"),
        };
    }
    last
}

/// `id int, v varchar/latin1, e enum{a|b}/latin1; key id`
pub(super) fn describe(table: &Table) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let mut text = format!("{} {}", column.name, column.ty.type_name());
            match &column.ty {
                ColumnType::Int { unsigned: true, .. } => text.push_str(" unsigned"),
                ColumnType::Datetime { fraction } | ColumnType::Timestamp { fraction } | ColumnType::Time { fraction } if *fraction > 0 => {
                    text.push_str(&format!("({fraction})"));
                }
                ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. } => text.push_str(&format!("{{{}}}", labels.join("|"))),
                _ => {}
            }
            if let Some(charset) = column.ty.charset() {
                text.push_str(&format!("/{charset}"));
            }
            text
        })
        .collect();
    let key = if table.primary_key.is_empty() { String::new() } else { format!("; key {}", table.primary_key.join(", ")) };
    format!("{}{key}", columns.join(", "))
}

/// Every table as `db.table(description)`, in order.
pub(super) fn describe_all(schema: &Schema) -> String {
    let tables = schema.databases.iter().flat_map(|d| d.tables.iter());
    tables.map(|t| format!("{}.{}({})", t.database, t.name, describe(t))).collect::<Vec<_>>().join(" ")
}
