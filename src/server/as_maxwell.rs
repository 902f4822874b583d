//! What Maxwell captures otherwise than the server has it (contract §8.2), for `maxwell_quirks`: ZEROFILL hides UNSIGNED,
//! labels are cut at `',` and keep their doubled quotes, and MariaDB 11's JSON is text.

use std::sync::Arc;

use mysql_async::{Conn, Params};

use super::capture::each;
use super::rows;
use super::status::ServerIdentity;
use crate::error::Result;
use crate::schema::{ColumnType, Schema, Table, TextKind, View};

use super::flavor::Flavor;
use super::json_checks;

/// The view that Maxwell would have, had it captured the same definitions.
pub async fn view(conn: &mut Conn, server: &ServerIdentity, schema: &Schema) -> Result<View> {
    let mut view = View::of(schema);
    let json_is_text = server.version.at_least(Flavor::MariaDb, 11, 0, 0);
    let json = if json_is_text { " OR DATA_TYPE = 'longtext'" } else { "" };
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA NOT IN ('performance_schema', 'information_schema') \
         AND (COLUMN_TYPE LIKE '%zerofill%' OR DATA_TYPE IN ('enum', 'set'){json})"
    );
    each(conn, sql, Params::Empty, |row| {
        let (database, table, column) = (rows::text(row, 0)?, rows::text(row, 1)?, rows::text(row, 2)?);
        let (declared, charset) = (rows::text(row, 3)?, rows::opt_text(row, 4)?);
        if let Some(slot) = table_of(&mut view.schema, &database, &table) {
            see(slot, &column, &declared, charset);
        }
        Ok(())
    })
    .await?;
    if server.version.at_least(Flavor::MariaDb, 10, 3, 0) && !json_is_text {
        json_checks::see_as_maxwell(conn, &mut view.schema).await?;
    }
    Ok(view)
}

fn table_of<'s>(schema: &'s mut Schema, database: &str, table: &str) -> Option<&'s mut Arc<Table>> {
    schema.databases.iter_mut().find(|d| d.name == database)?.tables.iter_mut().find(|t| t.name == table)
}

/// Puts the column's type as Maxwell has it in the place of the true one, where they differ.
fn see(table: &mut Arc<Table>, column: &str, declared: &str, charset: Option<String>) {
    let Some(at) = table.columns.iter().position(|c| c.name == column) else { return };
    let Some(ty) = table.columns.get(at).map(|c| as_maxwell(&c.ty, declared, charset)) else { return };
    if table.columns.get(at).is_some_and(|c| c.ty != ty)
        && let Some(slot) = Arc::make_mut(table).columns.get_mut(at)
    {
        slot.ty = ty;
    }
}

fn as_maxwell(truth: &ColumnType, declared: &str, charset: Option<String>) -> ColumnType {
    match truth {
        ColumnType::Int { width, .. } => ColumnType::Int { width: *width, unsigned: declared.ends_with(" unsigned") },
        ColumnType::Enum { charset, .. } => ColumnType::Enum { labels: labels(declared), charset: charset.clone() },
        ColumnType::Set { charset, .. } => ColumnType::Set { labels: labels(declared), charset: charset.clone() },
        // Only where it is asked for; elsewhere JSON is no longtext.
        ColumnType::Json if declared == "longtext" => ColumnType::Text { kind: TextKind::Long, charset },
        other => other.clone(),
    }
}

/// `enum('a','b')`: in what stands between the first parenthesis and the last, from every quote to the next one with a comma or
/// the end behind it, and on behind that. A label with `',` inside is cut there, and the next one begins at a later quote.
fn labels(declared: &str) -> Arc<[String]> {
    let mut rest = declared.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(inside, _)| inside);
    let mut labels = Vec::new();
    while let Some((_, label)) = rest.split_once('\'') {
        let end = label.match_indices('\'').map(|(at, _)| at).find(|at| matches!(label.as_bytes().get(at + 1), None | Some(b',')));
        let Some((label, after)) = end.and_then(|end| Some((label.get(..end)?, label.get(end + 1..)?))) else { break };
        labels.push(label.to_owned());
        rest = after;
    }
    labels.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::IntWidth;

    #[test]
    fn columns_as_maxwell_captures_them() {
        let int = |unsigned| ColumnType::Int { width: IntWidth::Int, unsigned };
        for (truth, declared, want) in [
            (int(true), "int(5) unsigned zerofill", int(false)),
            (int(true), "int(10) unsigned", int(true)),
            (ColumnType::Json, "longtext", ColumnType::Text { kind: TextKind::Long, charset: Some("utf8mb4".into()) }),
        ] {
            assert_eq!(as_maxwell(&truth, declared, Some("utf8mb4".into())), want, "{declared}");
        }
    }

    /// A label with a comma behind a quote stays whole only by luck.
    #[test]
    fn labels_are_cut_as_maxwell_cuts_them() {
        for (declared, want) in [
            ("enum('a','b')", &["a", "b"][..]),
            ("enum('it''s','(x)')", &["it''s", "(x)"]),
            ("set('a,b','c')", &["a,b", "c"]),
            ("enum('')", &[""]),
            ("enum('','x')", &["", "x"]),
            ("enum('a'',b','back','x')", &["a'", ",'back", "x"]),
            ("set('it''s','a'',b')", &["it''s", "a'"]),
        ] {
            assert_eq!(&labels(declared)[..], want, "{declared}");
        }
    }
}
