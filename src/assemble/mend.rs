//! Definitions mended from a table map alone: where it states what differs, nobody has to be asked (design §5.1).
//!
//! `mended` puts right what does not touch the columns themselves: signs, character sets, labels and the key, and a VARCHAR
//! that grew to a MEDIUMTEXT. `rebuild` makes a definition with other columns, or one of a table that is not tracked, as far
//! as column names and wire types prove it.

use std::sync::Arc;

use crate::binlog::TableMap;
use crate::binlog::table_map::WireType;
use crate::position::BinlogPosition;
use crate::schema::repair::{Difference, Known, Rebuilt};
use crate::schema::{ColumnType, Table, TextKind};

use super::metadata;

/// A mended definition, with every difference that was found, for the log.
#[derive(Debug)]
pub struct Mended {
    /// `None`: the table was not tracked.
    pub old: Option<Arc<Table>>,
    pub def: Arc<Table>,
    pub differences: Vec<Difference>,
    /// The key is taken for the primary key, though it may be a unique key of a table that has none.
    pub assumes_key: bool,
}

/// What a table map proves of a definition that it does not agree with.
#[derive(Debug)]
pub enum Rebuild {
    /// All that output depends on.
    Proved(Mended),
    /// All but what other statements build on: the table's default character set, or whether its key is primary. Who knows
    /// more should be asked first.
    Nearly(Mended),
    /// Less: in words, what it leaves open.
    Open(String),
}

/// The definition as the table map has it; `None` if both agree, or if the table map does not say enough.
pub fn mended(table: &Arc<Table>, map: &TableMap) -> Option<Mended> {
    let differences = metadata::differences(table, map);
    if differences.is_empty() {
        return None;
    }
    let def = match promoted(table, map, &differences) {
        Some(def) => def,
        // Without names a column could be taken for another of the same type.
        None if map.names.is_none() || differences.iter().any(Difference::is_structural) => return None,
        None => metadata::repaired(table, map),
    };
    if !metadata::differences(&def, map).is_empty() {
        return None;
    }
    Some(Mended { old: Some(table.clone()), def: Arc::new(def), differences, assumes_key: false })
}

/// CONVERT TO a wider character set makes a MEDIUMTEXT of a VARCHAR that would be too long (outside of strict mode). Its
/// length is not tracked, so this is seen first in the table map: a blob of three length bytes in the VARCHAR's place.
fn promoted(table: &Table, map: &TableMap, differences: &[Difference]) -> Option<Table> {
    let mut def = table.clone();
    let mut found = 0;
    for (column, wire) in def.columns.iter_mut().zip(&map.types) {
        if let (ColumnType::Text { kind: kind @ TextKind::Varchar, .. }, WireType::Blob { pack: 3 }) = (&mut column.ty, wire) {
            *kind = TextKind::Medium;
            found += 1;
        }
    }
    (found > 0 && found == differences.len()).then_some(def)
}

/// The definition that the table map states; `None` if it carries no names.
pub fn rebuild(tracked: Option<&Arc<Table>>, known: &Known<'_>, map: &TableMap) -> Option<Rebuild> {
    let Rebuilt { table, open, assumes_key } = metadata::rebuilt(known, map)?;
    if !open.is_empty() {
        let columns: Vec<String> = open.iter().map(|(column, what)| format!("of column {column} {what}")).collect();
        return Some(Rebuild::Open(columns.join(", ")));
    }
    let differences = tracked.map(|table| metadata::differences(table, map)).unwrap_or_default();
    let mended = Mended { old: tracked.cloned(), def: Arc::new(table), differences, assumes_key };
    Some(if assumes_key || tracked.is_none() { Rebuild::Nearly(mended) } else { Rebuild::Proved(mended) })
}

impl Mended {
    /// Both sides in words.
    pub fn log(&self, at: &BinlogPosition) {
        let name = format!("{}.{}", self.def.database, self.def.name);
        let is_structural = self.differences.iter().any(Difference::is_structural);
        match &self.old {
            None => tracing::warn!(%at, binlog = columns(&self.def), "{name} was not tracked: its definition is taken from the binlog"),
            Some(old) if is_structural => tracing::warn!(
                %at, tracked = columns(old), binlog = columns(&self.def), "the tracked definition of {name} was wrong and is replaced by the binlog's"
            ),
            Some(_) => {}
        }
        for difference in &self.differences {
            tracing::warn!(%at, "the tracked definition of {name} was wrong and is mended from the binlog: {difference}");
        }
        if self.assumes_key {
            tracing::warn!(
                %at, key = self.def.primary_key.join(", "),
                "{name}: the key is taken for the primary key; the binlog does not tell it from the first unique key of a table that has no primary key"
            );
        }
    }
}

/// `id int, name varchar`
fn columns(table: &Table) -> String {
    let column = |c: &crate::schema::Column| format!("{} {}", c.name, c.ty.type_name());
    table.columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, IntWidth};

    fn table(unsigned: bool, charset: &str, labels: &[&str]) -> Arc<Table> {
        let labels: Arc<[String]> = labels.iter().map(|l| (*l).to_string()).collect();
        let column = |name: &str, ty| Column { name: name.into(), ty };
        let columns = vec![
            column("id", ColumnType::Int { width: IntWidth::Int, unsigned }),
            column("v", ColumnType::Text { kind: TextKind::Varchar, charset: Some(charset.into()) }),
            column("e", ColumnType::Enum { labels, charset: Some(charset.into()) }),
        ];
        Arc::new(Table { database: "d".into(), name: "t".into(), charset: Some("latin1".into()), columns, primary_key: vec!["id".into()] })
    }

    /// What a server with binlog_row_metadata=FULL says of (id INT UNSIGNED, v VARCHAR, e ENUM('😀')), in utf8mb4.
    fn map() -> TableMap {
        TableMap {
            table_id: 1,
            database: "d".into(),
            table: "t".into(),
            types: vec![WireType::Long, WireType::Varchar { bytes: 40 }, WireType::Enum { pack: 1 }],
            names: Some(["id", "v", "e"].map(String::from).to_vec()),
            unsigned: Some(vec![true, false, false]),
            collations: Some(vec![0, 255, 255]),
            labels: Some(vec![Arc::from([]), Arc::from([]), Arc::from(["😀".as_bytes().to_vec()])]),
            primary_key: Some(vec![0]),
            ..TableMap::default()
        }
    }

    #[test]
    fn what_a_table_map_states_is_mended() {
        let wrong = table(false, "latin1", &["?"]);
        let mended = mended(&wrong, &map()).expect("a difference");
        assert_eq!(mended.differences.len(), 4, "{:?}", mended.differences);
        assert_eq!(*mended.def, *table(true, "utf8mb4", &["😀"]));
        assert!(super::mended(&mended.def, &map()).is_none(), "nothing is left to mend");
    }

    #[test]
    fn a_varchar_that_grew_too_long_is_known_by_its_length_bytes() {
        let table = table(true, "utf8mb4", &["😀"]);
        let types = vec![WireType::Long, WireType::Blob { pack: 3 }, WireType::Enum { pack: 1 }];
        let minimal = TableMap { names: None, labels: None, collations: None, primary_key: None, types, ..map() };
        let mended = mended(&table, &minimal).expect("a difference");
        assert_eq!(mended.def.columns[1].ty, ColumnType::Text { kind: TextKind::Medium, charset: Some("utf8mb4".into()) });
        let other = TableMap { types: vec![WireType::LongLong, WireType::Blob { pack: 3 }, WireType::Enum { pack: 1 }], ..minimal };
        assert!(super::mended(&table, &other).is_none(), "another difference is none of these");
    }

    #[test]
    fn nothing_is_mended_without_names_or_with_other_columns() {
        let wrong = table(false, "latin1", &["?"]);
        assert!(mended(&wrong, &TableMap { names: None, ..map() }).is_none());
        let other = TableMap { names: Some(["id", "w", "e"].map(String::from).to_vec()), ..map() };
        assert!(mended(&wrong, &other).is_none());
    }
}
