//! Which tables, rows and DDL statements are output (Maxwell's `filter` option, contract §7.1–7.5).
//!
//! `grammar` reads the text, `rules` evaluates it. Verdicts are made once per table definition.
//! Invariant: no I/O, no event bytes.

pub mod grammar;
pub mod rules;

pub use rules::{Filter, RowRules};

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
