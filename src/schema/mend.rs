//! Faults of schemas that Maxwell stored in older formats, mended by definitions that were captured now (contract §8.6).
//!
//! Only what the old format got wrong is taken over: a capture may be ahead of the place that the stored schema is for.
//! Never here: where either schema comes from.

use std::sync::Arc;

use super::{Column, ColumnType, Schema, Table};

/// `schemas.version` as Maxwell 1.45 and we write it.
pub const CURRENT_FORMAT: u16 = 4;
/// Definitions of this format and later need no mending.
pub const TRUSTED_FORMAT: u16 = 3;

/// The database `mysql` was not stored, and `unsigned` was captured as signed.
const SIGNS_SINCE: u16 = 1;
/// Column names were stored in lower case.
const LETTER_CASE_SINCE: u16 = 2;
/// Fractions of a second were not stored.
const FRACTIONS_SINCE: u16 = TRUSTED_FORMAT;

/// Mends `stored`, which was written in `format`, and gives the number of things that were different.
pub fn mend(stored: &mut Schema, captured: &Schema, format: u16) -> usize {
    let mut mended = 0;
    if format < SIGNS_SINCE
        && stored.database("mysql").is_none()
        && let Some(database) = captured.database("mysql")
    {
        stored.databases.push(database.clone());
        mended += 1;
    }
    for database in &mut stored.databases {
        for table in &mut database.tables {
            let Some(now) = captured.table(&database.name, &table.name) else { continue };
            if Arc::ptr_eq(table, now) {
                continue;
            }
            let mut def = Table::clone(table);
            let changes = mend_table(&mut def, now, format);
            if changes > 0 {
                *table = Arc::new(def);
                mended += changes;
            }
        }
    }
    mended
}

fn mend_table(table: &mut Table, now: &Table, format: u16) -> usize {
    let mut mended = 0;
    for column in &mut table.columns {
        let Some(truth) = now.column_index(&column.name).and_then(|i| now.columns.get(i)) else { continue };
        if format < LETTER_CASE_SINCE && column.name != truth.name {
            for name in table.primary_key.iter_mut().filter(|name| **name == column.name) {
                name.clone_from(&truth.name);
            }
            column.name.clone_from(&truth.name);
            mended += 1;
        }
        mended += usize::from(mend_type(column, truth, format));
    }
    mended
}

fn mend_type(column: &mut Column, truth: &Column, format: u16) -> bool {
    match (&mut column.ty, &truth.ty) {
        (ColumnType::Int { unsigned, .. }, ColumnType::Int { unsigned: true, .. }) if format < SIGNS_SINCE => {
            !std::mem::replace(unsigned, true)
        }
        (ColumnType::Datetime { fraction }, ColumnType::Datetime { fraction: now })
        | (ColumnType::Timestamp { fraction }, ColumnType::Timestamp { fraction: now })
        | (ColumnType::Time { fraction }, ColumnType::Time { fraction: now })
            if format < FRACTIONS_SINCE =>
        {
            std::mem::replace(fraction, *now) != *now
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Database, IntWidth};

    fn schema(databases: &[&str], columns: &[(&str, ColumnType)], key: &[&str]) -> Schema {
        let database = |name: &&str| {
            let table = Table {
                database: (*name).into(),
                name: "t".into(),
                charset: None,
                columns: columns.iter().map(|(name, ty)| Column { name: (*name).into(), ty: ty.clone() }).collect(),
                primary_key: key.iter().map(|k| (*k).to_owned()).collect(),
            };
            Database { name: (*name).into(), charset: "latin1".into(), tables: vec![Arc::new(table)] }
        };
        Schema { databases: databases.iter().map(database).collect(), ..Schema::default() }
    }

    fn int(width: IntWidth, unsigned: bool) -> ColumnType {
        ColumnType::Int { width, unsigned }
    }

    #[test]
    fn each_format_is_mended_of_its_own_faults_only() {
        use IntWidth::{Big, Int};
        let stored = [
            ("id", int(Int, false)),
            ("when", ColumnType::Datetime { fraction: 0 }),
            ("gone", ColumnType::Time { fraction: 0 }),
            ("signed", int(Int, true)),
            ("text", ColumnType::Json),
        ];
        let captured = [
            ("ID", int(Big, true)),
            ("when", ColumnType::Datetime { fraction: 6 }),
            ("signed", int(Int, false)),
            ("text", ColumnType::Date),
        ];
        let old = schema(&["d"], &stored, &["id"]);
        let now = schema(&["d", "mysql"], &captured, &["ID"]);
        let mended = |format| {
            let mut schema = old.clone();
            let count = mend(&mut schema, &now, format);
            (count, schema)
        };
        let (count, all) = mended(0);
        assert_eq!(count, 4);
        assert!(all.database("mysql").is_some());
        let table = all.table("d", "t").unwrap();
        assert_eq!(table.columns[0], Column { name: "ID".into(), ty: int(Int, true) }, "the width is not a fault of the format");
        assert_eq!(table.primary_key, ["ID"]);
        assert_eq!(table.columns[1].ty, ColumnType::Datetime { fraction: 6 });
        assert_eq!(table.columns[3].ty, int(Int, true), "a sign that was right stays, whatever it is now");
        assert_eq!(table.columns[4].ty, ColumnType::Json);
        let (count, names) = mended(1);
        assert_eq!((count, names.databases.len()), (2, 1));
        assert_eq!(names.table("d", "t").unwrap().columns[0], Column { name: "ID".into(), ty: int(Int, false) });
        let (count, fractions) = mended(2);
        assert_eq!(count, 1);
        assert_eq!(fractions.table("d", "t").unwrap().columns[0].name, "id");
        assert_eq!(mended(3), (0, old.clone()));
        assert_eq!(mended(4), (0, old.clone()));
    }
}
