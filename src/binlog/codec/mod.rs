//! Values of one column: how long they are in an image, and how they are written as JSON or plain text.
//!
//! A `Codec` is chosen once per column when a table's plan is compiled, from the wire type and the tracked definition;
//! per value nothing is looked up and nothing is allocated. Never here: schema types, options of the envelope, names of
//! tables and columns.

pub mod address;
mod base64;
pub mod charset;
pub mod compressed;
mod decimal;
pub mod escape;
pub mod float;
mod geometry;
mod hires;
mod int;
pub mod json_diff;
mod jsonb;
mod labels;
mod layout;
pub mod lossy;
mod maxwell;
mod temporal;

use charset::Charset;
use decimal::{Decimal, Notation};
use geometry::Digits;
use int::Int;
use labels::Labels;
pub use layout::Layout;
use maxwell::Quirk;
pub use maxwell::{julian_or_gregorian, write_coordinate, write_json_temporal};
use temporal::{Kind, Temporal};

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
    /// MySQL's charset name: "utf8mb4", "latin1", "binary" …
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
    /// Binary JSON, or text where the server stores text (MariaDB).
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
    /// `maxwell_quirks`: print what Maxwell prints even where it is wrong.
    pub maxwell_quirks: bool,
}

/// What became of a value. Anything but `Faithful` is worth counting; none is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered {
    Faithful,
    /// Bytes that are no characters of the column's charset became U+FFFD; or the text of a JSON column, which is no JSON,
    /// became a string.
    InvalidText,
    /// The bytes of a geometry column are no geometry; they were written as base64.
    MalformedGeometry,
}

impl Rendered {
    fn text(malformed: bool) -> Self {
        if malformed { Rendered::InvalidText } else { Rendered::Faithful }
    }
}

/// A column's compiled codec.
#[derive(Debug, Clone)]
pub struct Codec {
    layout: Layout,
    value: Value,
}

/// How a value is written.
#[derive(Debug, Clone)]
enum Value {
    Int(Int),
    Float,
    Double,
    Decimal(Decimal),
    Year,
    Bit,
    Temporal(Temporal),
    Text(Charset),
    Bytes,
    /// BINARY(n): padded to n bytes.
    PaddedBytes(u16),
    Enum(Labels),
    Set(Labels),
    Json,
    JsonText,
    Geometry,
    /// Numbers of four bytes, written as an array.
    Vector,
    Uuid,
    Inet4,
    Inet6,
    /// A compressed column, and how its plain value is written.
    Compressed(Box<Value>),
    /// What Maxwell makes of the value, under `maxwell_quirks`. Boxed, so that it makes no codec larger.
    Quirk(Box<Quirk>),
    /// Can be passed over, not written.
    Opaque,
}

impl Codec {
    /// `Err` says in a sentence why values of this column cannot be rendered. Splitting may still be possible
    /// (`Codec::opaque`), so that other columns of excluded tables are no obstacle.
    pub fn compile(spec: &ColumnSpec<'_>, style: ValueStyle) -> Result<Codec, String> {
        let value = Value::compile(spec, style)?;
        Ok(Codec { layout: Layout::of(spec.wire), value })
    }

    /// A codec that can only split. Splitting fails if nobody knows how long values of the wire type are.
    pub fn opaque(wire: WireType) -> Codec {
        Codec { layout: Layout::of(wire), value: Value::Opaque }
    }

    /// Cuts this column's value off an image: the payload without its length prefix.
    #[inline]
    pub fn split<'a>(&self, image: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
        self.layout.split(image)
    }

    /// Whether a value that is not NULL is rendered as null (`output_null_zerodates`; ENUM index 0 under `maxwell_quirks`).
    #[inline]
    pub fn renders_null(&self, value: &[u8]) -> bool {
        match &self.value {
            Value::Temporal(temporal) => temporal.is_null(value),
            Value::Quirk(quirk) => quirk.renders_null(value),
            _ => false,
        }
    }

    /// Appends the value as JSON (contract §4.3–4.9).
    #[inline]
    pub fn write_json(&self, value: &[u8], out: &mut Vec<u8>) -> Result<Rendered, DecodeError> {
        self.value.write_json(value, out)
    }

    /// Appends the value's text form (contract §5.4 "Value text"): for partition strings and value filters. JSON
    /// columns give their JSON text. Nothing is appended for a value that `renders_null`.
    pub fn write_text(&self, value: &[u8], out: &mut Vec<u8>) -> Result<Rendered, DecodeError> {
        self.value.write_text(value, out)
    }
}

impl Value {
    #[inline]
    fn write_json(&self, value: &[u8], out: &mut Vec<u8>) -> Result<Rendered, DecodeError> {
        match self {
            Value::Text(charset) => return Ok(charset.write_json(value, out)),
            Value::Temporal(temporal) if temporal.is_null(value) => out.extend_from_slice(b"null"),
            Value::Temporal(temporal) => {
                out.push(b'"');
                temporal.write(value, out)?;
                out.push(b'"');
            }
            Value::Bytes => {
                out.push(b'"');
                base64::write(value, out);
                out.push(b'"');
            }
            Value::PaddedBytes(width) => {
                out.push(b'"');
                base64::write_padded(value, *width, out);
                out.push(b'"');
            }
            Value::Enum(labels) => labels.write_enum_json(value, out)?,
            Value::Set(labels) => labels.write_set_json(value, out)?,
            Value::Geometry => {
                out.push(b'"');
                let rendered = write_geometry(value, out, Digits::Shortest);
                out.push(b'"');
                return Ok(rendered);
            }
            Value::Uuid | Value::Inet4 | Value::Inet6 => {
                out.push(b'"');
                let rendered = self.write_text(value, out)?;
                out.push(b'"');
                return Ok(rendered);
            }
            Value::Compressed(plain) => return compressed::inflated(value, |value| plain.write_json(value, out)),
            Value::Quirk(quirk) => return quirk.write_json(value, out),
            _ => return self.write_bare(value, out),
        }
        Ok(Rendered::Faithful)
    }

    fn write_text(&self, value: &[u8], out: &mut Vec<u8>) -> Result<Rendered, DecodeError> {
        match self {
            Value::Text(charset) => return Ok(charset.write_text(value, out)),
            Value::Temporal(temporal) if temporal.is_null(value) => {}
            Value::Temporal(temporal) => temporal.write(value, out)?,
            Value::Bytes => base64::write(value, out),
            Value::PaddedBytes(width) => base64::write_padded(value, *width, out),
            Value::Enum(labels) => labels.write_enum_text(value, out)?,
            Value::Set(labels) => labels.write_set_text(value, out)?,
            Value::Geometry => return Ok(write_geometry(value, out, Digits::Shortest)),
            Value::Uuid => address::write_uuid(value, out)?,
            Value::Inet4 => address::write_inet4(value, out)?,
            Value::Inet6 => address::write_inet6(value, out)?,
            Value::Compressed(plain) => return compressed::inflated(value, |value| plain.write_text(value, out)),
            Value::Quirk(quirk) => return quirk.write_text(value, out),
            _ => return self.write_bare(value, out),
        }
        Ok(Rendered::Faithful)
    }

    /// Values whose text form and JSON are the same.
    #[inline]
    fn write_bare(&self, value: &[u8], out: &mut Vec<u8>) -> Result<Rendered, DecodeError> {
        match self {
            Value::Int(int) => int.write(value, out)?,
            Value::Float => float::write_f32(value, out)?,
            Value::Double => float::write_f64(value, out)?,
            Value::Decimal(decimal) => decimal.write(value, Notation::Canonical, out)?,
            Value::Year => write_year(value, out)?,
            Value::Bit => int::write_bit(value, out)?,
            Value::Json => jsonb::write_json(value, out)?,
            Value::JsonText => return Ok(write_json_text(value, out)),
            Value::Vector => float::write_f32_array(value, out)?,
            _ => return Err(DecodeError::invalid("value", "this column's type cannot be rendered")),
        }
        Ok(Rendered::Faithful)
    }

    fn compile(spec: &ColumnSpec<'_>, style: ValueStyle) -> Result<Value, String> {
        use WireType as W;
        if style.maxwell_quirks
            && let Some(value) = Quirk::compile(spec, style)
        {
            return Ok(value);
        }
        let temporal = |kind| Value::Temporal(Temporal { kind, null_zerodates: style.null_zerodates });
        Ok(match (spec.wire, spec.declared) {
            (W::Vector { .. } | W::Varchar { .. } | W::Blob { .. }, Declared::Other { name: "vector" }) => Value::Vector,
            (W::String { bytes: 16 }, Declared::Other { name: "uuid" }) => Value::Uuid,
            (W::String { bytes: 4 }, Declared::Other { name: "inet4" }) => Value::Inet4,
            (W::String { bytes: 16 }, Declared::Other { name: "inet6" }) => Value::Inet6,
            (_, Declared::Other { name }) => return Err(format!("values of type {name} cannot be rendered yet")),
            (W::Tiny, Declared::Number { unsigned }) => Value::Int(Int { bytes: 1, unsigned }),
            (W::Short, Declared::Number { unsigned }) => Value::Int(Int { bytes: 2, unsigned }),
            (W::Int24, Declared::Number { unsigned }) => Value::Int(Int { bytes: 3, unsigned }),
            (W::Long, Declared::Number { unsigned }) => Value::Int(Int { bytes: 4, unsigned }),
            (W::LongLong, Declared::Number { unsigned }) => Value::Int(Int { bytes: 8, unsigned }),
            (W::Float, Declared::Number { .. }) => Value::Float,
            (W::Double, Declared::Number { .. }) => Value::Double,
            (W::Decimal { precision, scale }, Declared::Number { .. }) => Value::Decimal(
                Decimal::new(precision, scale).ok_or_else(|| format!("decimal({precision},{scale}) is no type of any server"))?,
            ),
            (W::Year, Declared::Year) => Value::Year,
            (W::Bit { .. }, Declared::Bit) => Value::Bit,
            (W::Date, Declared::Temporal) => temporal(Kind::Date),
            (W::Time { fraction }, Declared::Temporal) => temporal(Kind::Time(fraction_digits(fraction)?)),
            (W::Datetime { fraction }, Declared::Temporal) => temporal(Kind::Datetime(fraction_digits(fraction)?)),
            (W::Timestamp { fraction }, Declared::Temporal) => temporal(Kind::Timestamp(fraction_digits(fraction)?)),
            (W::OldTime { fraction }, Declared::Temporal) => temporal(Kind::OldTime(fraction_digits(fraction)?)),
            (W::OldDatetime { fraction }, Declared::Temporal) => temporal(Kind::OldDatetime(fraction_digits(fraction)?)),
            (W::OldTimestamp { fraction }, Declared::Temporal) => temporal(Kind::OldTimestamp(fraction_digits(fraction)?)),
            (W::String { bytes }, Declared::Binary) => Value::PaddedBytes(bytes),
            (W::Varchar { .. } | W::Blob { .. }, Declared::Binary) => Value::Bytes,
            (W::String { bytes }, Declared::Text { charset }) if is_binary(charset) => Value::PaddedBytes(bytes),
            (W::Varchar { .. } | W::Blob { .. }, Declared::Text { charset }) if is_binary(charset) => Value::Bytes,
            (W::String { .. } | W::Varchar { .. } | W::Blob { .. }, Declared::Text { charset }) => {
                Value::Text(Charset::named(charset).ok_or_else(|| format!("text in the character set '{charset}' cannot be rendered yet"))?)
            }
            (W::Enum { .. }, Declared::Enum { labels }) => Value::Enum(Labels::new(labels)),
            (W::Set { .. }, Declared::Set { labels }) => Value::Set(Labels::new(labels)),
            (W::Json { .. }, Declared::Json) => Value::Json,
            (W::String { .. } | W::Varchar { .. } | W::Blob { .. }, Declared::Json | Declared::JsonText) => Value::JsonText,
            (W::Geometry { .. } | W::Blob { .. }, Declared::Geometry) => Value::Geometry,
            (W::Unknown { code }, _) => return Err(format!("columns of type code {code} are not known")),
            (W::BlobCompressed { pack }, declared) => Value::plain_of(W::Blob { pack }, declared, style)?,
            (W::VarcharCompressed { bytes }, declared) => Value::plain_of(W::Varchar { bytes }, declared, style)?,
            (wire, declared) => return Err(format!("the binlog has {wire:?} where the tracked definition has {}", declared.noun())),
        })
    }
}

impl Value {
    /// A compressed column whose plain values are those of the given type.
    fn plain_of(wire: WireType, declared: Declared<'_>, style: ValueStyle) -> Result<Value, String> {
        Ok(Value::Compressed(Box::new(Value::compile(&ColumnSpec { wire, declared }, style)?)))
    }
}

impl Declared<'_> {
    fn noun(&self) -> String {
        match self {
            Declared::Number { .. } => "a number".into(),
            Declared::Temporal => "a date or time".into(),
            Declared::Text { charset } => format!("text in {charset}"),
            Declared::Binary => "binary data".into(),
            Declared::Enum { .. } => "an enum".into(),
            Declared::Set { .. } => "a set".into(),
            Declared::Json | Declared::JsonText => "json".into(),
            Declared::Geometry => "a geometry".into(),
            Declared::Bit => "a bit field".into(),
            Declared::Year => "a year".into(),
            Declared::Other { name } => (*name).into(),
        }
    }
}

fn is_binary(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("binary")
}

fn fraction_digits(digits: u8) -> Result<u8, String> {
    if digits > 6 { Err(format!("{digits} fractional digits are more than any server has")) } else { Ok(digits) }
}

/// YEAR: an offset from 1900; 0 is the year 0000.
fn write_year(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let [offset] = value else {
        return Err(DecodeError::Short { what: "year", want: 1, have: value.len() });
    };
    int::write_u64(if *offset == 0 { 0 } else { 1900 + u64::from(*offset) }, out);
    Ok(())
}

/// JSON kept as text by the server, emitted as it is. MariaDB's check of the column can be turned off
/// (`check_constraint_checks`), and then the text may be anything; as it is, it would break the message.
fn write_json_text(value: &[u8], out: &mut Vec<u8>) -> Rendered {
    if value.is_empty() {
        out.extend_from_slice(b"null");
        return Rendered::Faithful;
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(value).is_err() {
        escape::write_string(value, escape::Astral::Escaped, out);
        return Rendered::InvalidText;
    }
    Rendered::text(lossy::write(value, out))
}

fn write_geometry(value: &[u8], out: &mut Vec<u8>, digits: Digits) -> Rendered {
    if geometry::write_wkt(value, out, digits) {
        return Rendered::Faithful;
    }
    base64::write(value, out);
    Rendered::MalformedGeometry
}

#[cfg(test)]
mod float_specification;
#[cfg(test)]
mod tests;
