//! The rules that look at column values, compiled for one table.

use super::grammar::{Action, Rule};
use super::pattern::Pattern;

/// A column's value as a rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowValue<'a> {
    /// The row image does not have the column.
    Absent,
    Null,
    /// The value's text: integers in decimal, doubles and decimals as in JSON, sets as `[a, b]` (contract §5.4).
    Text(&'a [u8]),
}

/// Column rules of one table, in order; the last one that matches decides, else the state that the table-level rules
/// left.
#[derive(Debug, Clone)]
pub struct RowRules {
    base: bool,
    /// Indexes of the table's columns whose values are needed, each once.
    columns: Vec<usize>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    /// Index in `columns`.
    slot: usize,
    value: Pattern,
    include: bool,
}

/// What the rules make of a table.
pub(super) enum Compiled {
    /// No column's value can change the outcome.
    Constant(bool),
    ByValue(RowRules),
}

impl RowRules {
    /// Compiles the rules whose database and table match. Columns are compared without letter case, as the server
    /// compares them. (Maxwell compares exactly, and for the question whether a rule can rescue an excluded table even
    /// with the lower-cased name, so that a rule on `Status` never rescues: a plain bug, not kept.)
    pub(super) fn compile<'r>(rules: impl Iterator<Item = &'r Rule>, columns: &[&str]) -> Compiled {
        let mut compiled = RowRules { base: true, columns: Vec::new(), steps: Vec::new() };
        for rule in rules {
            let include = rule.action == Action::Include;
            match &rule.column {
                None => {
                    // Whatever stood before is overruled for every row.
                    compiled.base = include;
                    compiled.steps.clear();
                    compiled.columns.clear();
                }
                Some((name, value)) => {
                    if let Some(column) = column_index(columns, name) {
                        let slot = compiled.slot(column);
                        compiled.steps.push(Step { slot, value: value.clone(), include });
                    }
                }
            }
        }
        if compiled.steps.iter().all(|s| s.include == compiled.base) {
            Compiled::Constant(compiled.base)
        } else {
            Compiled::ByValue(compiled)
        }
    }

    fn slot(&mut self, column: usize) -> usize {
        self.columns.iter().position(|c| *c == column).unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        })
    }

    /// Indexes of the columns whose values `decide` needs, in its order.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Whether the row is output. `values` are those of `columns()`, in that order; of the after image, or of the only
    /// image of an insert or delete.
    pub fn decide(&self, values: &[RowValue<'_>]) -> bool {
        for step in self.steps.iter().rev() {
            match step.matches(values.get(step.slot).copied().unwrap_or(RowValue::Absent)) {
                Some(true) => return step.include,
                Some(false) => {}
                None => {
                    tracing::warn!(pattern = %step.value, "a filter's pattern took too many steps on a value; the row is output");
                    return true;
                }
            }
        }
        self.base
    }
}

impl Step {
    fn matches(&self, value: RowValue<'_>) -> Option<bool> {
        match value {
            RowValue::Absent => Some(false),
            RowValue::Null => Some(self.value.is_any() || self.value.is_null()),
            RowValue::Text(text) if self.value.is_null() => Some(matches!(text, b"null" | b"NULL")),
            RowValue::Text(text) => self.value.find(text),
        }
    }
}

fn column_index(columns: &[&str], name: &str) -> Option<usize> {
    columns.iter().position(|c| *c == name).or_else(|| {
        let lower = name.to_lowercase();
        columns.iter().position(|c| c.to_lowercase() == lower)
    })
}
