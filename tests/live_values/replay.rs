//! Messages to tables, each message against what was known before, and in the end all values against SELECT.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::columns::{Column, Form, Table};
use super::json::{self, Members};
use super::truth;

/// A table as its messages tell it.
#[derive(Default)]
pub struct Rows {
    /// By `rid`; a value is `None` where no image had it.
    rows: HashMap<String, Vec<Option<Box<str>>>>,
}

/// What was seen.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub messages: u64,
    /// Values against SELECT.
    pub values: u64,
    /// Values of `old`, of deleted rows and of unchanged columns, against what earlier messages said.
    pub repeated: u64,
    /// Values that no image had.
    pub absent: u64,
}

impl Rows {
    /// Takes one message of this table.
    ///
    /// With `partial` images a changed column that the before image does not have is in `data` only.
    pub fn take(&mut self, table: &Table, message: &Members<'_>, partial: bool, counts: &mut Counts) -> Result<(), String> {
        let data = message.get("data").and_then(Members::of).ok_or("no data")?;
        let rid = data.get("rid").ok_or("no rid in data")?.to_owned();
        let index = |name: &str| table.columns.iter().position(|c| c.name == name).ok_or_else(|| format!("{name} is no column"));
        counts.messages += 1;
        let mut same = |known: &Option<Box<str>>, now: &str, name: &str| match known {
            Some(known) if **known != *now => Err(format!("{name}: {now} where an earlier message said {known}")),
            Some(_) => {
                counts.repeated += 1;
                Ok(())
            }
            None => Ok(()),
        };
        match message.text("type").as_deref() {
            Some("insert") => {
                let mut row: Vec<Option<Box<str>>> = vec![None; table.columns.len()];
                for (name, value) in &data.0 {
                    row[index(name)?] = Some((*value).into());
                }
                if self.rows.insert(rid.clone(), row).is_some() {
                    return Err(format!("row {rid} is inserted twice"));
                }
            }
            Some("update") => {
                let row = self.rows.get_mut(&rid).ok_or_else(|| format!("row {rid} is updated, but was never inserted"))?;
                let old = message.get("old").and_then(Members::of).unwrap_or(Members(Vec::new()));
                for (name, value) in &old.0 {
                    same(&row[index(name)?], value, name)?;
                }
                for (name, value) in &data.0 {
                    let at = index(name)?;
                    if old.get(name).is_none() && !partial {
                        same(&row[at], value, name)?;
                    }
                    row[at] = Some((*value).into());
                }
            }
            Some("delete") => {
                let row = self.rows.remove(&rid).ok_or_else(|| format!("row {rid} is deleted, but was never inserted"))?;
                for (name, value) in &data.0 {
                    same(&row[index(name)?], value, name)?;
                }
            }
            other => return Err(format!("a message of type {other:?}")),
        }
        Ok(())
    }

    /// Compares one row of SELECT, whose values come in the order of the columns.
    pub fn compare(&mut self, table: &Table, selected: Vec<Option<String>>, counts: &mut Counts) -> Result<(), String> {
        let rid = selected.first().cloned().flatten().ok_or("a row without rid")?;
        let row = self.rows.remove(&rid).ok_or_else(|| format!("row {rid} is on the server, and no message says so"))?;
        for ((column, ours), theirs) in table.columns.iter().zip(&row).zip(selected) {
            let Some(ours) = ours else {
                counts.absent += 1;
                continue;
            };
            counts.values += 1;
            if !same(column, theirs.as_deref(), ours) {
                return Err(format!(
                    "{}.{} ({}): {theirs:?} on the server, ours {ours} (row {rid})",
                    table.name, column.name, column.definition
                ));
            }
        }
        Ok(())
    }

    /// After all rows of SELECT were compared.
    pub fn rest(&self) -> Option<String> {
        self.rows.keys().next().map(|rid| format!("row {rid} and {} more are not on the server", self.rows.len() - 1))
    }
}

/// Whether our value is what SELECT said, by the rules of the recorded `truth.json`.
fn same(column: &Column, theirs: Option<&str>, ours: &str) -> bool {
    let Some(text) = theirs else { return ours == "null" };
    let truth = match column.form {
        Form::Text if column.ty != "enum" && column.ty != "set" => {
            return json::text(ours).is_some_and(|mine| truth::same_characters(text, &mine));
        }
        // What lenient sessions put where NULL is not allowed: no bytes at all.
        Form::Geometry if text.is_empty() => return ours == "\"\"",
        Form::Hex => json!({ "hex": text }),
        Form::Float => json!({ "text": text, "double": text }),
        Form::Geometry => json!({ "wkt": "", "hex": text }),
        _ => Value::String(text.to_owned()),
    };
    truth::same(&column.ty, &truth, ours)
}
