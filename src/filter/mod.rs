//! Which tables, rows and DDL statements are output (Maxwell's `filter` option, contract §7.1–7.5).
//!
//! `token` and `grammar` read the text, `pattern` and `java_regex` compile what a rule matches, `rules` evaluates names
//! and `row_rules` values. Verdicts are made once per table definition. `live` is the filter that can
//! be replaced in a running daemon.
//! Invariant: no I/O, no event bytes.

mod grammar;
pub mod java_regex;
mod live;
mod pattern;
mod row_rules;
mod rules;
mod token;

pub use live::LiveFilter;
pub use row_rules::{RowRules, RowValue};
pub use rules::Filter;

use std::sync::Arc;

/// What the filter says of a table.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// No row of it is ever output; its rows are not decoded.
    Drop,
    /// Every row is output.
    Keep,
    /// Column rules decide row by row, on the values of the columns at these indexes of the table.
    NeedValues(Arc<RowRules>),
}
