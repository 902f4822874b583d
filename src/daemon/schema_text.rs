//! Definitions as text for people: like CREATE TABLE, with what is tracked and nothing else, and what differs between two.
//! Never here: I/O.

use std::fmt::Write;

use crate::schema::{Column, ColumnType, Table};

/// A definition in the manner of CREATE TABLE. Lengths of types are not tracked, so they are not there.
pub fn create_table(table: &Table) -> String {
    let mut lines: Vec<String> = table.columns.iter().map(|c| format!("  {}", column(c))).collect();
    if !table.primary_key.is_empty() {
        let key: Vec<String> = table.primary_key.iter().map(|name| quoted(name)).collect();
        lines.push(format!("  PRIMARY KEY ({})", key.join(", ")));
    }
    let charset = table.charset.as_ref().map(|c| format!(" DEFAULT CHARACTER SET {c}")).unwrap_or_default();
    format!("CREATE TABLE {}.{} (\n{}\n){charset};\n", quoted(&table.database), quoted(&table.name), lines.join(",\n"))
}

fn column(column: &Column) -> String {
    let mut out = format!("{} {}", quoted(&column.name), column.ty.type_name());
    match &column.ty {
        ColumnType::Datetime { fraction } | ColumnType::Timestamp { fraction } | ColumnType::Time { fraction } if *fraction > 0 => {
            // Writing to a string does not fail.
            let _ = write!(out, "({fraction})");
        }
        ColumnType::Int { unsigned: true, .. } | ColumnType::Other { unsigned: true, .. } => out.push_str(" unsigned"),
        ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. } => {
            let labels: Vec<String> = labels.iter().map(|l| format!("'{}'", l.replace('\\', "\\\\").replace('\'', "''"))).collect();
            let _ = write!(out, "({})", labels.join(","));
        }
        _ => {}
    }
    if let Some(charset) = column.ty.charset() {
        let _ = write!(out, " CHARACTER SET {charset}");
    }
    out
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What differs, line by line: `-` what only the first has, `+` what only the second has. Empty if nothing does.
pub fn difference(old: Option<&Table>, new: Option<&Table>) -> String {
    let lines = |table: Option<&Table>| -> Vec<String> {
        let text = table.map(create_table).unwrap_or_default();
        text.lines().map(|l| l.trim_end_matches(',').to_owned()).collect()
    };
    let (old, new) = (lines(old), lines(new));
    if old == new {
        return String::new();
    }
    let mut out = String::new();
    let (mut i, mut j) = (0, 0);
    // Where the two part, go on at the nearest line that both still have.
    while i < old.len() || j < new.len() {
        if old.get(i) == new.get(j) {
            out.push_str(&format!("  {}\n", old.get(i).map_or("", String::as_str)));
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let meeting = (0..old.len() - i + new.len() - j + 1)
            .flat_map(|sum| (0..=sum).map(move |a| (a, sum - a)))
            .find(|(a, b)| old.get(i + a).is_some() && old.get(i + a) == new.get(j + b));
        let (a, b) = meeting.unwrap_or((old.len() - i, new.len() - j));
        old.iter().skip(i).take(a).for_each(|l| out.push_str(&format!("- {l}\n")));
        new.iter().skip(j).take(b).for_each(|l| out.push_str(&format!("+ {l}\n")));
        (i, j) = (i + a, j + b);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{IntWidth, TextKind};

    fn table(columns: &[(&str, ColumnType)]) -> Table {
        Table {
            database: "shop".into(),
            name: "o`dd".into(),
            charset: Some("utf8mb4".into()),
            columns: columns.iter().map(|(name, ty)| Column { name: (*name).into(), ty: ty.clone() }).collect(),
            primary_key: vec!["id".into()],
        }
    }

    fn id() -> (&'static str, ColumnType) {
        ("id", ColumnType::Int { width: IntWidth::Big, unsigned: true })
    }

    fn text(name: &'static str) -> (&'static str, ColumnType) {
        (name, ColumnType::Text { kind: TextKind::Varchar, charset: Some("latin1".into()) })
    }

    #[test]
    fn a_definition_reads_like_a_statement() {
        let kind = ColumnType::Enum { labels: ["it's".to_string(), "b".into()].into(), charset: Some("utf8mb4".into()) };
        let shown = create_table(&table(&[id(), text("name"), ("kind", kind), ("at", ColumnType::Datetime { fraction: 6 })]));
        assert_eq!(
            shown,
            "CREATE TABLE `shop`.`o``dd` (\n  `id` bigint unsigned,\n  `name` varchar CHARACTER SET latin1,\n  `kind` enum('it''s','b') CHARACTER SET \
             utf8mb4,\n  `at` datetime(6),\n  PRIMARY KEY (`id`)\n) DEFAULT CHARACTER SET utf8mb4;\n"
        );
    }

    #[test]
    fn differences_are_lines() {
        let (old, new) = (table(&[id(), text("a"), text("b")]), table(&[id(), text("b"), text("c")]));
        assert_eq!(difference(Some(&old), Some(&old)), "");
        let shown = difference(Some(&old), Some(&new));
        let marked: Vec<&str> = shown.lines().filter(|l| !l.starts_with("  ")).collect();
        assert_eq!(marked, ["-   `a` varchar CHARACTER SET latin1", "+   `c` varchar CHARACTER SET latin1"]);
        let swapped = difference(Some(&table(&[id(), text("a"), text("b")])), Some(&table(&[id(), text("b"), text("a")])));
        assert!(swapped.contains("- ") && swapped.contains("+ "), "an order is a difference: {swapped}");
        assert!(difference(None, Some(&new)).lines().all(|l| l.starts_with("+ ")));
        assert!(difference(Some(&old), None).lines().all(|l| l.starts_with("- ")));
    }
}
