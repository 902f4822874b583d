//! Definitions that Maxwell stored otherwise than the server has them, put right by definitions that were captured now. It
//! reads ZEROFILL as signed, cuts labels at `',` and leaves their quotes doubled, has question marks for characters beyond
//! U+FFFF, and passes over COLLATE in statements (contract §8.2, §8.4, traps 14 to 16).
//!
//! A capture may be ahead of the place that the stored definitions are for. So a type is taken over only where nothing but a
//! fault of Maxwell's explains the difference. Never here: where either schema comes from.

use std::sync::Arc;

use super::collation::same_charset;
use super::{ColumnType, Schema, Table};

/// What was put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    pub database: String,
    /// Empty: of the database itself.
    pub table: String,
    pub what: String,
}

/// What a server tells of a table's last alteration: it was before the place that the stored definitions are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// It may have been altered since.
    Unknown,
    /// It was not built anew since; another may have got its name (MySQL 8 keeps CREATE_TIME over RENAME).
    NotRebuilt,
    /// Neither altered nor renamed.
    Unchanged,
}

/// Corrects `stored` by what was `captured`, given what Maxwell makes of that (`view`), and the age of each database and table.
pub fn correct(stored: &mut Schema, captured: &Schema, view: &Schema, age: impl Fn(&str, &str) -> Age) -> Vec<Corrected> {
    let mut all = Vec::new();
    for database in &mut stored.databases {
        // Only tables that a statement makes or changes without naming one inherit it.
        if let Some(now) = captured.database(&database.name).filter(|now| !same_charset(&now.charset, &database.charset)) {
            let what = format!("its default character set: {}, not {}", now.charset, database.charset);
            all.push(Corrected { database: database.name.clone(), table: String::new(), what });
            database.charset.clone_from(&now.charset);
        }
        for table in &mut database.tables {
            let Some(truth) = captured.table(&database.name, &table.name) else { continue };
            let seen = view.table(&database.name, &table.name).unwrap_or(truth);
            let age = age(&database.name, &table.name);
            let mut right = Table::clone(table);
            let what = correct_table(&mut right, truth, seen, age);
            if right != **table {
                *table = Arc::new(right);
            }
            all.extend(what.into_iter().map(|what| Corrected { database: database.name.clone(), table: truth.name.clone(), what }));
        }
    }
    all
}

fn correct_table(table: &mut Table, truth: &Table, seen: &Table, age: Age) -> Vec<String> {
    let mut what = Vec::new();
    let same = has_same_columns(table, truth);
    if age == Age::Unchanged && !same && has_same_names(table, truth) {
        what.push("the order of its columns".to_owned());
        *table = truth.clone();
        return what;
    }
    // Such a server's binlog tells signs and character sets: should the table be another one, its rows contradict.
    let unchanged = same && age >= Age::NotRebuilt;
    for (at, ty) in wrong_columns(table, truth, seen, unchanged) {
        let Some(column) = table.columns.get_mut(at) else { continue };
        what.push(format!("column {}: {:?}, not {:?}", column.name, ty, column.ty));
        column.ty = ty;
    }
    let same_default = match (&table.charset, &truth.charset) {
        (Some(stored), Some(now)) => same_charset(stored, now),
        (_, now) => now.is_none(),
    };
    if unchanged && !same_default {
        what.push(format!("its default character set: {:?}, not {:?}", truth.charset, table.charset));
        table.charset.clone_from(&truth.charset);
    }
    if unchanged && table.primary_key != truth.primary_key {
        what.push(format!("its primary key: {:?}, not {:?}", truth.primary_key, table.primary_key));
        table.primary_key.clone_from(&truth.primary_key);
    }
    what
}

/// The same columns in another order.
fn has_same_names(one: &Table, other: &Table) -> bool {
    let sorted = |table: &Table| {
        let mut names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
        names.sort_unstable();
        names
    };
    sorted(one) == sorted(other)
}

fn has_same_columns(one: &Table, other: &Table) -> bool {
    one.columns.len() == other.columns.len() && one.columns.iter().zip(&other.columns).all(|(a, b)| a.name == b.name)
}

/// Places of columns whose type is wrong, with the true one.
fn wrong_columns(stored: &Table, truth: &Table, seen: &Table, unchanged: bool) -> Vec<(usize, ColumnType)> {
    let of = |table: &Table, name: &str| table.column_index(name).and_then(|i| table.columns.get(i)).map(|c| c.ty.clone());
    let judge = |(at, column): (usize, &super::Column)| {
        let (truth, seen) = (of(truth, &column.name)?, of(seen, &column.name)?);
        is_misread(&column.ty, &truth, &seen, unchanged).then_some((at, truth))
    };
    stored.columns.iter().enumerate().filter_map(judge).collect()
}

fn is_misread(stored: &ColumnType, truth: &ColumnType, seen: &ColumnType, unchanged: bool) -> bool {
    use ColumnType::{Enum, Int, Set, Text};
    // Maxwell stores no character set of labels.
    let stored = &with_charset(stored, truth);
    if stored == truth {
        return false;
    }
    if stored == seen {
        return true;
    }
    match (stored, truth) {
        (Int { width, .. }, Int { width: now, .. }) => unchanged && width == now,
        (Text { kind, charset }, Text { kind: now, charset: its }) => {
            let same = matches!((charset, its), (Some(stored), Some(now)) if same_charset(stored, now));
            unchanged && kind == now && !same
        }
        // MariaDB's, by a CHECK in a statement.
        (Text { .. }, ColumnType::Json) => unchanged,
        (Enum { labels, charset }, Enum { labels: now, charset: its }) | (Set { labels, charset }, Set { labels: now, charset: its }) => {
            (unchanged || charset == its) && is_spelled(labels, now)
        }
        _ => false,
    }
}

/// A type of labels with the character set of the true one, if it has none.
fn with_charset(stored: &ColumnType, truth: &ColumnType) -> ColumnType {
    use ColumnType::{Enum, Set};
    match (stored, truth) {
        (Enum { labels, charset: None }, Enum { charset, .. }) => Enum { labels: Arc::clone(labels), charset: charset.clone() },
        (Set { labels, charset: None }, Set { charset, .. }) => Set { labels: Arc::clone(labels), charset: charset.clone() },
        _ => stored.clone(),
    }
}

/// Whether labels are the true ones as a statement spells them.
fn is_spelled(labels: &[String], truth: &[String]) -> bool {
    labels.len() == truth.len() && labels.iter().zip(truth).all(|(a, b)| a == b || unquoted(a) == *b)
}

/// What a literal between single quotes means, in the usual SQL mode.
fn unquoted(spelled: &str) -> String {
    let mut text = String::with_capacity(spelled.len());
    let mut chars = spelled.chars().peekable();
    while let Some(c) = chars.next() {
        text.push(match (c, chars.peek()) {
            ('\'', Some('\'')) => {
                chars.next();
                '\''
            }
            ('\\', Some(_)) => match chars.next().unwrap_or_default() {
                '0' => '\0',
                'b' => '\u{8}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'Z' => '\u{1a}',
                other => other,
            },
            _ => c,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, Database, IntWidth, TextKind};

    fn labels(all: &[&str]) -> ColumnType {
        ColumnType::Enum { labels: all.iter().map(|l| (*l).to_owned()).collect(), charset: Some("utf8mb4".into()) }
    }

    fn bare(all: &[&str]) -> ColumnType {
        ColumnType::Enum { labels: all.iter().map(|l| (*l).to_owned()).collect(), charset: None }
    }

    fn int(unsigned: bool) -> ColumnType {
        ColumnType::Int { width: IntWidth::Int, unsigned }
    }

    fn text(charset: &str) -> ColumnType {
        ColumnType::Text { kind: TextKind::Varchar, charset: Some(charset.into()) }
    }

    fn schema(charset: &str, columns: &[(&str, ColumnType)]) -> Schema {
        let columns = columns.iter().map(|(name, ty)| Column { name: (*name).into(), ty: ty.clone() }).collect();
        let table =
            Table { database: "d".into(), name: "t".into(), charset: Some(charset.into()), columns, primary_key: vec!["id".into()] };
        let database = Database { name: "d".into(), charset: "latin1".into(), tables: vec![Arc::new(table)] };
        Schema { databases: vec![database], ..Schema::default() }
    }

    /// Stored, true, as Maxwell reads it; whether it is taken over where nobody knows of alterations, and where there are none.
    #[test]
    fn only_what_maxwell_gets_wrong_is_corrected() {
        let cases = [
            ("read as signed", int(false), int(true), int(false), (true, true)),
            ("it had another sign", int(false), int(true), int(true), (false, true)),
            ("right", int(true), int(true), int(false), (false, false)),
            ("cut", labels(&["it''s", "a"]), labels(&["it's", "a"]), labels(&["it''s", "a"]), (true, true)),
            ("as spelled", labels(&["it''s", "a\\\\b"]), labels(&["it's", "a\\b"]), labels(&["it''s", "a\\b"]), (true, true)),
            ("beyond U+FFFF", labels(&["?"]), labels(&["😀"]), labels(&["?"]), (true, true)),
            ("one more label", labels(&["a"]), labels(&["a", "b"]), labels(&["a", "b"]), (false, false)),
            ("labels that could not be read", labels(&["a", "😀"]), labels(&["a"]), labels(&["a", "?"]), (false, false)),
            ("COLLATE", text("latin1"), text("utf8mb4"), text("utf8mb4"), (false, true)),
            ("labels without a character set", bare(&["a"]), labels(&["a"]), labels(&["a"]), (false, false)),
            ("cut, without a character set", bare(&["a'"]), labels(&["a',"]), labels(&["a'"]), (true, true)),
            ("utf8 by its other name", text("utf8"), text("utf8mb3"), text("utf8mb3"), (false, false)),
            ("JSON by its check", text("utf8mb4"), ColumnType::Json, ColumnType::Json, (false, true)),
            ("another type", text("latin1"), int(true), int(true), (false, false)),
        ];
        for (what, stored, truth, seen, want) in cases {
            let of = |ty: &ColumnType| schema("utf8mb4", &[("id", int(true)), ("c", ty.clone())]);
            let corrected = |unchanged: bool| {
                let mut schema = of(&stored);
                let all = correct(&mut schema, &of(&truth), &of(&seen), |_, _| if unchanged { Age::NotRebuilt } else { Age::Unknown });
                assert_eq!(schema, of(if all.is_empty() { &stored } else { &truth }), "{what}");
                !all.is_empty()
            };
            assert_eq!((corrected(false), corrected(true)), want, "{what}");
        }
    }

    #[test]
    fn other_columns_are_another_table() {
        let truth = schema("utf8mb4", &[("id", int(true)), ("c", text("utf8mb4"))]);
        let more = [("id", int(false)), ("c", text("latin1")), ("gone", text("latin1"))];
        let mut stored = schema("latin1", &more);
        let seen = schema("utf8mb4", &[("id", int(false)), ("c", text("utf8mb4"))]);
        let all = correct(&mut stored, &truth, &seen, |_, _| Age::Unchanged);
        assert_eq!(all.len(), 1);
        assert!(all[0].what.starts_with("column id: "), "{all:?}");
        let table = stored.table("d", "t").unwrap();
        assert_eq!((table.charset.as_deref(), &table.columns[1].ty), (Some("latin1"), &text("latin1")));
        let mut stored = schema("latin1", &more[..2]);
        assert_eq!(correct(&mut stored, &truth, &seen, |_, _| Age::Unchanged).len(), 3);
        assert_eq!(stored, truth);
    }

    #[test]
    fn defaults_of_databases_are_those_of_the_server() {
        let mut stored = schema("utf8mb4", &[]);
        let mut captured = stored.clone();
        captured.databases[0].charset = "utf8mb4".into();
        let all = correct(&mut stored, &captured, &captured, |_, _| Age::Unknown);
        assert_eq!(all.iter().map(|c| c.what.as_str()).collect::<Vec<_>>(), ["its default character set: utf8mb4, not latin1"]);
        assert_eq!(stored, captured);
    }

    #[test]
    fn keys_and_order_are_corrected_where_nothing_was_altered() {
        let truth = schema("utf8mb4", &[("id", int(true)), ("a", text("utf8mb4")), ("b", text("utf8mb4"))]);
        let change = |table: fn(&mut Table)| {
            let mut stored = truth.clone();
            table(Arc::make_mut(&mut stored.databases[0].tables[0]));
            stored
        };
        let corrected = |stored: &Schema, age: Age| {
            let mut schema = stored.clone();
            let what = correct(&mut schema, &truth, &truth, |_, _| age);
            assert_eq!(schema == truth, !what.is_empty(), "{what:?}");
            !what.is_empty()
        };
        let (keyless, swapped) = (change(|t| t.primary_key.clear()), change(|t| t.columns.swap(1, 2)));
        assert_eq!([Age::Unknown, Age::NotRebuilt, Age::Unchanged].map(|age| corrected(&keyless, age)), [false, true, true]);
        assert_eq!([Age::Unknown, Age::NotRebuilt, Age::Unchanged].map(|age| corrected(&swapped, age)), [false, false, true]);
    }

    #[test]
    fn spellings() {
        for (spelled, text) in
            [("it''s", "it's"), (r"it\'s", "it's"), (r"a\\b\n", "a\\b\n"), ("plain", "plain"), ("a\\", "a\\"), ("''''", "''")]
        {
            assert_eq!(unquoted(spelled), text);
        }
    }
}
