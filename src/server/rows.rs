//! Checked reading of result rows. Values are never printed, only their place.

use std::borrow::Cow;

use mysql_async::{FromValueError, Row, Value, prelude::FromValue};

use crate::error::{Error, Result};

/// The value of a column; NULL is `None`.
///
/// # Errors
/// Definite when the column is missing or has another type.
pub fn get<T: FromValue>(row: &Row, index: usize) -> Result<Option<T>> {
    match row.get_opt::<Option<T>, usize>(index) {
        Some(Ok(value)) => Ok(value),
        Some(Err(FromValueError(_))) => Err(unexpected(row, index, "has an unexpected type")),
        None => Err(unexpected(row, index, "is missing")),
    }
}

/// As `get`; NULL is an error.
pub fn need<T: FromValue>(row: &Row, index: usize) -> Result<T> {
    get(row, index)?.ok_or_else(|| unexpected(row, index, "is NULL"))
}

/// Text of a column, NULL as empty text. Bytes that are not UTF-8 become U+FFFD: system tables hold UTF-8 only.
pub fn text(row: &Row, index: usize) -> Result<String> {
    Ok(opt_text(row, index)?.unwrap_or_default())
}

/// Text of a column; NULL is `None`.
pub fn opt_text(row: &Row, index: usize) -> Result<Option<String>> {
    let bytes: Option<Vec<u8>> = get(row, index)?;
    Ok(bytes.map(|b| match String::from_utf8(b) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    }))
}

/// The index of a column by its name, without regard to case.
pub fn column(row: &Row, name: &str) -> Option<usize> {
    row.columns_ref().iter().position(|c| c.name_str().eq_ignore_ascii_case(name))
}

fn unexpected(row: &Row, index: usize, what: &str) -> Error {
    let name = row.columns_ref().get(index).map(|c| c.name_str().into_owned()).unwrap_or_else(|| format!("number {index}"));
    Error::definite(format!("the server's answer cannot be read: column {name} {what}"))
}

/// Text of a column without a copy; NULL, numbers and missing columns are `None`.
pub fn text_ref(row: &Row, index: usize) -> Option<Cow<'_, str>> {
    match row.as_ref(index) {
        Some(Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes)),
        _ => None,
    }
}
