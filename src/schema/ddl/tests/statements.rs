//! Cases by statement.
