//! Evaluation of filter rules.

/// A parsed rule list.
#[derive(Debug, Clone, Default)]
pub struct Filter {}

/// The rules that look at a table's column values, compiled for one table.
#[derive(Debug, Clone)]
pub struct RowRules {}
