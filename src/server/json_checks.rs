//! MariaDB's JSON: text with a CHECK of `json_valid`, which information_schema lists.

use std::collections::HashMap;
use std::sync::Arc;

use mysql_async::Conn;

use super::capture::{Scope, each};
use super::flavor::Flavor;
use super::rows;
use super::status::ServerIdentity;
use crate::error::Result;
use crate::schema::{Column, ColumnType, Schema, Table};

/// MariaDB's JSON columns, database → table → names.
#[derive(Default)]
pub struct JsonColumns(HashMap<String, HashMap<String, Vec<String>>>);

impl JsonColumns {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, database: &str, table: &str, column: &str) -> bool {
        self.0.get(database).and_then(|tables| tables.get(table)).is_some_and(|names| names.iter().any(|name| name == column))
    }
}

/// MariaDB stores JSON as LONGTEXT with a CHECK; the clause names the column, whatever the constraint is called. A check of the
/// table makes no JSON, for the server either; versions without LEVEL do not tell them apart.
pub(super) async fn json_columns(conn: &mut Conn, server: &ServerIdentity, scope: &Scope<'_>) -> Result<JsonColumns> {
    let of_column = if server.version.at_least(Flavor::MariaDb, 10, 5, 10) { " AND LEVEL = 'Column'" } else { "" };
    checked(conn, of_column, scope).await
}

/// Makes JSON of the text columns of which Maxwell would: it captures one for any such check, whether it stands at the column or
/// the table, and whatever the character set (contract §8.2). In UTF-16 and the like that ends it, so there is nothing to see.
pub(super) async fn see_as_maxwell(conn: &mut Conn, schema: &mut Schema) -> Result<()> {
    let json = checked(conn, "", &Scope::All).await?;
    let tables = schema.databases.iter_mut().flat_map(|database| &mut database.tables);
    for table in tables {
        let is_seen = |column: &Column| is_narrow_text(&column.ty) && json.contains(&table.database, &table.name, &column.name);
        if table.columns.iter().any(is_seen) {
            let columns = table.columns.iter().map(|c| if is_seen(c) { Column { ty: ColumnType::Json, ..c.clone() } } else { c.clone() });
            *table = Arc::new(Table { columns: columns.collect(), ..Table::clone(table) });
        }
    }
    Ok(())
}

fn is_narrow_text(ty: &ColumnType) -> bool {
    let is_wide = |charset: &str| matches!(charset, "ucs2" | "utf16" | "utf16le" | "utf32");
    matches!(ty, ColumnType::Text { charset, .. } if !charset.as_deref().is_some_and(is_wide))
}

async fn checked(conn: &mut Conn, and: &str, scope: &Scope<'_>) -> Result<JsonColumns> {
    let mut found = JsonColumns::default();
    let (condition, params) = scope.condition("CONSTRAINT_SCHEMA", "TABLE_NAME");
    let sql = format!(
        "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
         WHERE CHECK_CLAUSE LIKE 'json_valid(%' AND {condition}{and}"
    );
    each(conn, sql, params, |row| {
        if let Some(column) = rows::text_ref(row, 2).and_then(|clause| json_valid_column(&clause)) {
            found.0.entry(rows::text(row, 0)?).or_default().entry(rows::text(row, 1)?).or_default().push(column);
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// The column of a clause that is exactly ``json_valid(`column`)``.
fn json_valid_column(clause: &str) -> Option<String> {
    let name = clause.trim().strip_prefix("json_valid(`")?.strip_suffix("`)")?;
    let unquoted = name.replace("``", "\0");
    // A lone back-quote means that more follows than a name.
    if unquoted.contains('`') { None } else { Some(unquoted.replace('\0', "`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_check() {
        for (clause, column) in [
            ("json_valid(`a`)", Some("a")),
            ("json_valid(`d``q`)", Some("d`q")),
            ("json_valid(`a`) and `b` <> ''", None),
            ("json_valid(`a`) or json_valid(`b`)", None),
            ("json_valid(a)", None),
            ("", None),
        ] {
            assert_eq!(json_valid_column(clause).as_deref(), column, "{clause}");
        }
    }
}
