//! Column rules of the filter, asked about one row (contract §7.2).

use crate::filter::{RowRules, RowValue};

use super::fast::{RowContext, Scratch};
use super::image::{Cell, Fault};

/// Rules that look at more columns than this pay an allocation a row.
const COLUMNS_ON_STACK: usize = 16;

/// Whether the row is output, by the values of the after image (or the only image).
pub fn passes(rules: &RowRules, cx: &RowContext<'_>, scratch: &mut Scratch) -> Result<bool, Fault> {
    let columns = rules.columns();
    let text = &mut scratch.text;
    text.clear();
    let mut few = [0; COLUMNS_ON_STACK];
    let mut many = Vec::new();
    let ends = match few.get_mut(..columns.len()) {
        Some(few) => few,
        None => {
            many.resize(columns.len(), 0);
            &mut many[..]
        }
    };
    for (end, index) in ends.iter_mut().zip(columns) {
        let cell = scratch.after.get(*index).copied().unwrap_or(Cell::Absent);
        if let (Some(column), Some(value)) = (cx.plan.columns.get(*index), cell.value(cx.images)) {
            column.codec.write_text(value, text).map_err(|error| Fault { column: Some(*index), error })?;
        }
        *end = text.len();
    }
    let value = |n: usize| match (columns.get(n).and_then(|i| scratch.after.get(*i)), ends.get(n)) {
        (Some(Cell::Null), _) => RowValue::Null,
        (Some(Cell::Value { .. }), Some(end)) => {
            let start = n.checked_sub(1).and_then(|p| ends.get(p)).copied().unwrap_or(0);
            text.get(start..*end).map_or(RowValue::Absent, RowValue::Text)
        }
        _ => RowValue::Absent,
    };
    let mut few = [RowValue::Absent; COLUMNS_ON_STACK];
    Ok(match few.get_mut(..columns.len()) {
        Some(few) => {
            few.iter_mut().enumerate().for_each(|(n, slot)| *slot = value(n));
            rules.decide(few)
        }
        None => rules.decide(&(0..columns.len()).map(value).collect::<Vec<_>>()),
    })
}
