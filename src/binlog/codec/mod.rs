//! Values of one column: how long they are in an image, and how they are written as JSON or plain text.
//!
//! A `Codec` is chosen once per column when a table's plan is compiled, from the wire type and the tracked definition;
//! per value nothing is looked up and nothing is allocated.

use super::table_map::WireType;
use super::{Cursor, DecodeError};

/// What a codec is chosen from. `declared` is the tracked type in a form that does not need `schema`.
#[derive(Debug, Clone)]
pub struct ColumnSpec<'a> {
    pub wire: WireType,
    pub declared: Declared<'a>,
}

/// The declared kind of a column, where the wire type alone does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared<'a> {
    Number {
        unsigned: bool,
    },
    Temporal,
    /// MySQL's charset name in lower case: "utf8mb4", "latin1", "binary" …
    Text {
        charset: &'a str,
    },
    Binary,
    Enum {
        labels: &'a [String],
    },
    Set {
        labels: &'a [String],
    },
    Json,
    Geometry,
    Bit,
    Year,
    /// MariaDB's JSON alias: text that is emitted verbatim.
    JsonText,
    Other {
        name: &'a str,
    },
}

/// Options that change how values are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValueStyle {
    /// `output_null_zerodates`
    pub null_zerodates: bool,
}

/// A column's compiled codec.
#[derive(Debug, Clone)]
pub struct Codec {}

impl Codec {
    /// `Err` says in a sentence why values of this column cannot be rendered. Splitting may still be possible
    /// (`Codec::opaque`), so that other columns of excluded tables are no obstacle.
    pub fn compile(spec: &ColumnSpec<'_>, style: ValueStyle) -> Result<Codec, String> {
        let _ = (spec, style);
        todo!()
    }

    /// Cuts this column's value off an image: the payload without its length prefix.
    #[inline]
    pub fn split<'a>(&self, image: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
        let _ = image;
        todo!()
    }

    /// Appends the value as JSON (contract §4.3–4.9).
    #[inline]
    pub fn write_json(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let _ = (value, out);
        todo!()
    }

    /// Appends the value's text form (contract §5.4 "Value text"): for partition strings and value filters.
    pub fn write_text(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let _ = (value, out);
        todo!()
    }
}
