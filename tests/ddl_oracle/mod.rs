//! The DDL oracle: statements run on a real server, its binlog goes through our chain, and after each statement the tracked
//! definitions are compared with information_schema and rows with what SELECT says.
//!
//! `model` is the side under test, `generate`, `clauses` and `columns` make statements, `style` writes them in every
//! spelling, `rows` writes and compares rows, `suite` reads the servers' own test files. Nothing here may mend what the
//! parser got wrong without counting it.

// Every test binary uses a part of it.
#![allow(dead_code, unused_imports)]

pub mod clauses;
pub mod columns;
pub mod dice;
pub mod generate;
pub mod model;
pub mod rows;
pub mod style;
pub mod suite;
pub mod tally;
