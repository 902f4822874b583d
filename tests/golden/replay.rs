//! Our full output replayed into tables, and these compared with what the server itself showed after the case.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::json::{self, Members};
use super::truth;

type Name = (String, String);
type Row = BTreeMap<String, String>;

#[derive(Debug, Default)]
struct Table {
    /// The definition of the last DDL message, as JSON.
    def: String,
    primary_key: Vec<String>,
    columns: Vec<String>,
    rows: Vec<Row>,
    /// Rows were there before an ALTER rewrote them on the server, and no event says what became of them.
    partial: bool,
}

impl Table {
    fn define(&mut self, def: &str) -> Option<()> {
        let members = Members::of(def)?;
        let name = |text: &&str| Members::of(text).and_then(|c| c.text("name"));
        self.columns = json::elements(members.get("columns")?)?.iter().filter_map(name).collect();
        self.primary_key = json::elements(members.get("primary-key")?)?.iter().filter_map(|n| json::text(n)).collect();
        self.def = def.to_owned();
        Some(())
    }

    /// The place of a row: by primary key, or by all values.
    fn find(&self, row: &Row) -> Option<usize> {
        self.rows.iter().position(|r| match self.primary_key.as_slice() {
            // What a partial image left out is not known.
            [] => row.iter().all(|(column, value)| r.get(column).is_none_or(|known| known == value)),
            key => key.iter().all(|column| r.get(column) == row.get(column)),
        })
    }

    fn apply(&mut self, kind: &str, data: Row, old: Row) -> Result<(), String> {
        let mut before = data.clone();
        before.extend(old);
        let place = self.find(&before);
        match (kind, place) {
            ("insert", _) => self.rows.push(data),
            ("delete", Some(i)) => drop(self.rows.remove(i)),
            ("update", Some(i)) => self.rows[i].extend(data),
            ("update", None) if self.partial => self.rows.push(data),
            ("delete", None) if self.partial => {}
            _ => return Err(format!("{kind} of a row that is not there: {before:?}")),
        }
        Ok(())
    }
}

/// What was compared, and what does not agree.
#[derive(Debug, Default)]
pub struct Report {
    pub values: usize,
    pub rows: usize,
    pub wrong: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Replay {
    tables: BTreeMap<Name, Table>,
}

impl Replay {
    /// Replays our full output; `skipped` tables as in `compare`.
    pub fn of(full: &str, skipped: &[&str]) -> Result<Self, String> {
        let mut replay = Replay::default();
        for line in full.lines() {
            let members = Members::of(line).ok_or_else(|| format!("not JSON: {line}"))?;
            replay.line(&members, skipped).map_err(|why| format!("{why}\n    {line}"))?;
        }
        Ok(replay)
    }

    fn line(&mut self, line: &Members<'_>, skipped: &[&str]) -> Result<(), String> {
        let kind = line.text("type").ok_or("no type")?;
        let name = (line.text("database").ok_or("no database")?, line.text("table").unwrap_or_default());
        match kind.as_str() {
            "table-create" => {
                let mut table = Table::default();
                table.define(line.get("def").ok_or("no def")?).ok_or("no definition")?;
                self.tables.insert(name, table);
            }
            "table-alter" => {
                let mut table = self.tables.remove(&name).ok_or("an unknown table is altered")?;
                let (def, old) = (line.get("def").ok_or("no def")?, line.get("old").ok_or("no old")?);
                table.define(def).ok_or("no definition")?;
                let columns = |text| Members::of(text).and_then(|m| m.get("columns").map(str::to_owned));
                if columns(def) != columns(old) {
                    table.partial |= !table.rows.is_empty();
                    table.rows.clear();
                }
                let def = Members::of(def).ok_or("no definition")?;
                self.tables.insert((def.text("database").unwrap_or_default(), def.text("table").unwrap_or_default()), table);
            }
            "table-drop" => drop(self.tables.remove(&name)),
            "database-drop" => self.tables.retain(|(database, _), _| *database != name.0),
            "database-create" | "database-alter" => {}
            _ => {
                let row = |member| -> Row {
                    let members = line.get(member).and_then(Members::of);
                    members.map(|m| m.0.into_iter().map(|(n, v)| (n, v.to_owned())).collect()).unwrap_or_default()
                };
                if skipped.contains(&format!("{}.{}", name.0, name.1).as_str()) {
                    return Ok(());
                }
                self.tables.get_mut(&name).ok_or("a row of an unknown table")?.apply(&kind, row("data"), row("old"))?;
            }
        }
        Ok(())
    }

    /// Compares with the server's tables. Rows of the tables in `skipped` (`database.table`) are not looked at, nor their
    /// definitions where `:definition` follows the name. With `partial_images` columns may be missing in our rows.
    pub fn compare(&self, truth: &Value, skipped: &[&str], partial_images: bool) -> Report {
        let mut report = Report::default();
        let mut seen = BTreeSet::new();
        for (database, content) in truth["databases"].as_object().expect("databases") {
            for (table, content) in content["tables"].as_object().expect("tables") {
                let name = (database.clone(), table.clone());
                let shown = format!("{database}.{table}");
                match self.tables.get(&name) {
                    None => report.wrong.push(format!("{shown} is on the server only")),
                    Some(ours) => {
                        if !skipped.contains(&format!("{shown}:definition").as_str()) {
                            report.wrong.extend(truth::definition(&ours.def, content).into_iter().map(|why| format!("{shown}: {why}")));
                        }
                        if !skipped.contains(&shown.as_str()) {
                            rows(&shown, ours, content, partial_images, &mut report);
                        }
                    }
                }
                seen.insert(name);
            }
        }
        let ours_only = self.tables.keys().filter(|name| !seen.contains(*name));
        report.wrong.extend(ours_only.map(|(database, table)| format!("{database}.{table} is no table on the server")));
        report
    }
}

fn rows(name: &str, ours: &Table, content: &Value, partial_images: bool, report: &mut Report) {
    let types = truth::types(content);
    let mut theirs: Vec<&Value> = content["rows"].as_array().expect("rows").iter().collect();
    if theirs.len() != ours.rows.len() && !ours.partial {
        report.wrong.push(format!("{name}: {} rows, on the server {}", ours.rows.len(), theirs.len()));
    }
    for row in &ours.rows {
        let matches = |column: &str, truth: &Value| match (row.get(column), types.get(column)) {
            (Some(value), Some(ty)) => truth::same(ty, truth, value),
            (None, _) => partial_images,
            _ => false,
        };
        let differing = |truth: &Value| -> Vec<String> {
            let columns = truth.as_object().expect("a row").iter();
            columns.filter(|(column, value)| !matches(column, value)).map(|(column, _)| column.clone()).collect()
        };
        // The nearest row of the server that is not taken yet; keys first, so that a wrong value is told as such.
        let by_key = |truth: &Value| !ours.primary_key.is_empty() && ours.primary_key.iter().all(|c| matches(c, &truth[c.as_str()]));
        let best = (0..theirs.len()).min_by_key(|i| (!by_key(theirs[*i]), differing(theirs[*i]).len()));
        let Some(best) = best else {
            report.wrong.push(format!("{name}: no row on the server for {row:?}"));
            continue;
        };
        let truth = theirs.remove(best);
        for column in differing(truth) {
            report.wrong.push(format!("{name}.{column}: {} on the server, ours {:?} in {row:?}", truth[column.as_str()], row.get(&column)));
        }
        report.rows += 1;
        report.values += row.len();
    }
}
