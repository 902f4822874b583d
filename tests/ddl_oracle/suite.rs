//! The statements of the servers' own test files.
