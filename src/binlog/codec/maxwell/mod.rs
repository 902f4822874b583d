//! Values as Maxwell prints them where it is wrong, for `maxwell_quirks` (contract §4.6–4.9, §12). What is not here it
//! prints as the server does, or it ends on it.
//!
//! Chosen when a codec is compiled, so that nothing here costs a value of the default mode anything.

mod decimal_format;
mod json;
mod temporal;

pub use json::write_json_temporal;
pub use temporal::julian_or_gregorian;

use super::charset::java::Java;
use super::labels::Labels;
use super::temporal::{Kind, Temporal};
use super::{ColumnSpec, Declared, DecodeError, Rendered, Value, ValueStyle, geometry, int, jsonb, lossy};
use crate::binlog::table_map::WireType;

/// A kind of value that Maxwell prints in its own way.
#[derive(Debug, Clone)]
pub enum Quirk {
    /// Sums of 32-bit shifts.
    Bit,
    /// The year 0000 is 1900.
    Year,
    /// Wrapped times, collapsed and rolled-over dates.
    Temporal(Temporal),
    /// Text by Java's tables.
    Text(Java),
    /// Index 0 is null.
    Enum(Labels),
    /// Signed numbers, garbled times.
    Json,
    /// Emitted as it is, also if it is no JSON.
    JsonText,
    /// At most 16 fraction digits.
    Geometry,
}

impl Quirk {
    /// How values are written; `None` where Maxwell writes them as we do, or not at all.
    pub fn compile(spec: &ColumnSpec<'_>, style: ValueStyle) -> Option<Value> {
        use WireType as W;
        let temporal = |kind| Some(Value::Quirk(Box::new(Quirk::Temporal(Temporal { kind, null_zerodates: style.null_zerodates }))));
        let quirk = match (spec.wire, spec.declared) {
            (W::Bit { .. }, Declared::Bit) => Quirk::Bit,
            (W::Year, Declared::Year) => Quirk::Year,
            (W::Date, Declared::Temporal) => return temporal(Kind::Date),
            (W::Time { fraction }, Declared::Temporal) if fraction <= 6 => return temporal(Kind::Time(fraction)),
            (W::Datetime { fraction }, Declared::Temporal) if fraction <= 6 => return temporal(Kind::Datetime(fraction)),
            (W::OldTime { fraction: 0 }, Declared::Temporal) => return temporal(Kind::OldTime(0)),
            (W::OldDatetime { fraction: 0 }, Declared::Temporal) => return temporal(Kind::OldDatetime(0)),
            // The zero bytes that the server strips off BINARY are not put back.
            (W::String { .. } | W::Varchar { .. } | W::Blob { .. }, Declared::Binary | Declared::Text { charset: "binary" }) => {
                return Some(Value::Bytes);
            }
            (W::String { .. } | W::Varchar { .. } | W::Blob { .. }, Declared::Text { charset }) => Quirk::Text(Java::named(charset)?),
            (W::Enum { .. }, Declared::Enum { labels }) => Quirk::Enum(Labels::new(labels)),
            (W::Json { .. }, Declared::Json) => Quirk::Json,
            (W::String { .. } | W::Varchar { .. } | W::Blob { .. }, Declared::Json | Declared::JsonText) => Quirk::JsonText,
            (W::Geometry { .. } | W::Blob { .. }, Declared::Geometry) => Quirk::Geometry,
            _ => return None,
        };
        Some(Value::Quirk(Box::new(quirk)))
    }

    /// Whether a value that is not NULL is rendered as null.
    pub fn renders_null(&self, value: &[u8]) -> bool {
        match self {
            Quirk::Temporal(temporal) => temporal.is_null(value),
            Quirk::Enum(_) => int::little_endian(value) == Ok(0),
            _ => false,
        }
    }

    pub fn write_json(&self, value: &[u8], out: &mut Vec<u8>) -> Result<Rendered, DecodeError> {
        match self {
            _ if self.renders_null(value) => out.extend_from_slice(b"null"),
            Quirk::Text(java) => return Ok(java.write_json(value, out)),
            Quirk::Enum(labels) => labels.write_enum_json(value, out)?,
            Quirk::Temporal(_) | Quirk::Geometry => {
                out.push(b'"');
                let rendered = self.write_text(value, out)?;
                out.push(b'"');
                return Ok(rendered);
            }
            Quirk::Bit | Quirk::Year | Quirk::Json | Quirk::JsonText => return self.write_text(value, out),
        }
        Ok(Rendered::Faithful)
    }

    pub fn write_text(&self, value: &[u8], out: &mut Vec<u8>) -> Result<Rendered, DecodeError> {
        match self {
            _ if self.renders_null(value) => {}
            Quirk::Bit => write_bit(value, out)?,
            Quirk::Year => {
                let [offset] = value else { return Err(DecodeError::Short { what: "year", want: 1, have: value.len() }) };
                int::write_u64(1900 + u64::from(*offset), out);
            }
            Quirk::Temporal(value_type) => temporal::write(*value_type, value, out)?,
            Quirk::Text(java) => return Ok(java.write_text(value, out)),
            Quirk::Enum(labels) => labels.write_enum_text(value, out)?,
            Quirk::Json => jsonb::write_json_as_maxwell(value, out)?,
            Quirk::JsonText if value.is_empty() => out.extend_from_slice(b"null"),
            Quirk::JsonText => return Ok(Rendered::text(lossy::write(value, out))),
            Quirk::Geometry => return Ok(super::write_geometry(value, out, geometry::Digits::Maxwell)),
        }
        Ok(Rendered::Faithful)
    }
}

/// Trap 11: the bytes, the lowest first, shifted as 32-bit numbers and summed; exact only if the top bit of eight is set.
fn write_bit(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let bits = int::big_endian(value)?;
    if bits >> 63 == 1 {
        int::write_u64(bits, out);
        return Ok(());
    }
    let shifted = bits.to_le_bytes().into_iter().enumerate().map(|(i, byte)| i64::from((i32::from(byte)).wrapping_shl(8 * i as u32)));
    int::write_i64(shifted.sum(), out);
    Ok(())
}

/// A coordinate by `java.text.DecimalFormat`; `false` for what is no number.
pub fn write_coordinate(number: f64, out: &mut Vec<u8>) -> bool {
    number.is_finite() && {
        decimal_format::write(number, out);
        true
    }
}

#[cfg(test)]
mod tests;
