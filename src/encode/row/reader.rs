//! How the values of one column are read. Chosen from the same facts as the column's codec, but by its own table: a type that
//! one of them does not know is a difference that `tests/paths.rs` finds.

use std::sync::Arc;

use crate::binlog::DecodeError;
use crate::binlog::codec::charset::java::Java;
use crate::binlog::codec::charset::{Charset, Decoded};
use crate::binlog::codec::{ColumnSpec, Declared, Rendered, ValueStyle, address, compressed, float, lossy};
use crate::binlog::table_map::WireType;

use super::temporal::{self, Stored};
use super::value::Value;
use super::{document, geometry, number, render};

/// One column.
#[derive(Debug, Clone)]
pub struct Reader {
    kind: Kind,
    style: ValueStyle,
}

#[derive(Debug, Clone)]
enum Kind {
    Int {
        bytes: u32,
        unsigned: bool,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Year,
    Bit,
    /// With whether there is a time of the day, and whether Maxwell's calendar has to do with it.
    Moment {
        stored: Stored,
        is_date: bool,
        as_maxwell: bool,
    },
    Time(u8),
    /// Of the format before 5.6.
    OldTime(u8),
    Text(Charset),
    JavaText(Java),
    /// The declared width of BINARY(n).
    Bytes(Option<u16>),
    Enum(Arc<[String]>),
    Set(Arc<[String]>),
    Json,
    JsonText,
    Geometry,
    Vector,
    Uuid,
    Inet4,
    Inet6,
    Compressed(Box<Kind>),
}

impl Reader {
    /// `None` if values of this column cannot be read.
    pub fn compile(spec: &ColumnSpec<'_>, style: ValueStyle) -> Option<Self> {
        Some(Reader { kind: kind(spec.wire, spec.declared, style)?, style })
    }

    /// The value of these bytes. Values that are rendered as null by an option are `Value::Null`.
    pub fn read(&self, value: &[u8]) -> Result<(Value, Rendered), DecodeError> {
        self.read_as(&self.kind, value)
    }

    fn read_as(&self, kind: &Kind, value: &[u8]) -> Result<(Value, Rendered), DecodeError> {
        let as_maxwell = self.style.maxwell_quirks;
        let value = match kind {
            Kind::Int { bytes, unsigned } => number::int(value, *bytes, *unsigned)?,
            Kind::Float => Value::Float(f32_of(value)?),
            Kind::Double => Value::Double(float::double(value)?),
            Kind::Decimal { precision, scale } => Value::Decimal(number::decimal(value, *precision, *scale)?),
            Kind::Year => match value {
                [0] if !as_maxwell => Value::Unsigned(0),
                [offset] => Value::Unsigned(1900 + u64::from(*offset)),
                _ => return Err(DecodeError::Short { what: "year", want: 1, have: value.len() }),
            },
            Kind::Bit if as_maxwell => number::bit_as_maxwell(value)?,
            Kind::Bit => Value::Unsigned(number::big_endian(value)?),
            Kind::Moment { stored, is_date, as_maxwell } => {
                let (date, clock) = stored.read(value)?;
                if self.style.null_zerodates && date.is_zero() {
                    Value::Null
                } else {
                    let (date, clock) = if *as_maxwell { temporal::moment_as_maxwell(date, clock) } else { (date, clock) };
                    if *is_date { Value::Date(date) } else { Value::Datetime { date, clock, digits: stored.digits() } }
                }
            }
            // Maxwell has never seen fractions in the old format.
            Kind::Time(_) | Kind::OldTime(0) if as_maxwell => {
                let digits = if let Kind::Time(digits) = kind { Some(*digits) } else { None };
                let clock = temporal::time_as_maxwell(value, digits)?;
                Value::Time { negative: false, clock, digits: digits.unwrap_or(0) }
            }
            Kind::Time(digits) | Kind::OldTime(digits) => {
                let read = if let Kind::Time(_) = kind { temporal::time } else { temporal::old_time };
                let (negative, clock) = read(value, *digits)?;
                Value::Time { negative, clock, digits: *digits }
            }
            Kind::Text(charset) => return Ok(text(|sink| charset.decode(value, sink))),
            Kind::JavaText(java) => return Ok(text(|sink| java.decode(value, sink))),
            Kind::Bytes(width) => {
                let mut bytes = value.to_vec();
                // The server logs BINARY without the zero bytes at its end. No BINARY is wider than 255.
                if let Some(width @ 0..=255) = *width {
                    bytes.resize(bytes.len().max(usize::from(width)), 0);
                }
                Value::Bytes(bytes)
            }
            Kind::Enum(labels) => match number::little_endian(value)? {
                0 if as_maxwell => Value::Null,
                0 => Value::Enum(String::new()),
                n => Value::Enum(label(labels, n - 1, "enum")?),
            },
            Kind::Set(labels) => {
                let bits = number::little_endian(value)?;
                let members = (0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| label(labels, bit, "set"));
                Value::Set(members.collect::<Result<_, _>>()?)
            }
            Kind::Json => Value::Json(document::read(value, as_maxwell)?),
            Kind::JsonText => return Ok(json_text(value, as_maxwell)),
            Kind::Geometry => {
                return Ok(match geometry::read(value) {
                    Some(geometry) => (geometry, Rendered::Faithful),
                    None => (Value::Bytes(value.to_vec()), Rendered::MalformedGeometry),
                });
            }
            Kind::Vector if !value.len().is_multiple_of(4) => return Err(DecodeError::invalid("vector", format!("{} bytes", value.len()))),
            Kind::Vector => Value::Vector(value.chunks_exact(4).map(f32_of).collect::<Result<_, _>>()?),
            Kind::Uuid => address_text(value, address::write_uuid)?,
            Kind::Inet4 => address_text(value, address::write_inet4)?,
            Kind::Inet6 => address_text(value, address::write_inet6)?,
            Kind::Compressed(plain) => return compressed::inflated(value, |value| self.read_as(plain, value)),
        };
        Ok((value, Rendered::Faithful))
    }
}

fn kind(wire: WireType, declared: Declared<'_>, style: ValueStyle) -> Option<Kind> {
    use Declared as D;
    use WireType as W;
    let quirks = style.maxwell_quirks;
    let int = |bytes, unsigned| Some(Kind::Int { bytes, unsigned });
    let moment = |stored: Stored, by_calendar: bool| {
        let as_maxwell = quirks && by_calendar;
        (stored.digits() <= 6).then_some(Kind::Moment { stored, is_date: stored == Stored::Date, as_maxwell })
    };
    match (wire, declared) {
        (W::VarcharCompressed { bytes }, _) if !matches!(declared, D::Other { .. }) => {
            kind(W::Varchar { bytes }, declared, style).map(|plain| Kind::Compressed(Box::new(plain)))
        }
        (W::BlobCompressed { pack }, _) if !matches!(declared, D::Other { .. }) => {
            kind(W::Blob { pack }, declared, style).map(|plain| Kind::Compressed(Box::new(plain)))
        }
        (W::Tiny, D::Number { unsigned }) => int(1, unsigned),
        (W::Short, D::Number { unsigned }) => int(2, unsigned),
        (W::Int24, D::Number { unsigned }) => int(3, unsigned),
        (W::Long, D::Number { unsigned }) => int(4, unsigned),
        (W::LongLong, D::Number { unsigned }) => int(8, unsigned),
        (W::Float, D::Number { .. }) => Some(Kind::Float),
        (W::Double, D::Number { .. }) => Some(Kind::Double),
        (W::Decimal { precision, scale }, D::Number { .. }) => {
            number::is_decimal(precision, scale).then_some(Kind::Decimal { precision, scale })
        }
        (W::Year, D::Year) => Some(Kind::Year),
        (W::Bit { .. }, D::Bit) => Some(Kind::Bit),
        (W::Date, D::Temporal) => moment(Stored::Date, true),
        (W::Datetime { fraction }, D::Temporal) => moment(Stored::Datetime(fraction), true),
        (W::OldDatetime { fraction }, D::Temporal) => moment(Stored::OldDatetime(fraction), fraction == 0),
        // The client that Maxwell uses reads these without a calendar.
        (W::Timestamp { fraction }, D::Temporal) => moment(Stored::Timestamp(fraction), false),
        (W::OldTimestamp { fraction }, D::Temporal) => moment(Stored::OldTimestamp(fraction), false),
        (W::Time { fraction }, D::Temporal) => (fraction <= 6).then_some(Kind::Time(fraction)),
        (W::OldTime { fraction }, D::Temporal) => (fraction <= 6).then_some(Kind::OldTime(fraction)),
        (W::Enum { .. }, D::Enum { labels }) => Some(Kind::Enum(labels.into())),
        (W::Set { .. }, D::Set { labels }) => Some(Kind::Set(labels.into())),
        (W::Json { .. }, D::Json) => Some(Kind::Json),
        (W::Geometry { .. } | W::Blob { .. }, D::Geometry) => Some(Kind::Geometry),
        (W::Vector { .. } | W::Varchar { .. } | W::Blob { .. }, D::Other { name: "vector" }) => Some(Kind::Vector),
        (W::String { bytes: 16 }, D::Other { name: "uuid" }) => Some(Kind::Uuid),
        (W::String { bytes: 4 }, D::Other { name: "inet4" }) => Some(Kind::Inet4),
        (W::String { bytes: 16 }, D::Other { name: "inet6" }) => Some(Kind::Inet6),
        (W::String { .. } | W::Varchar { .. } | W::Blob { .. }, _) => characters(wire, declared, quirks),
        _ => None,
    }
}

/// Text, bytes, and JSON as text.
fn characters(wire: WireType, declared: Declared<'_>, quirks: bool) -> Option<Kind> {
    let width = match wire {
        WireType::String { bytes } => Some(bytes),
        _ => None,
    };
    match declared {
        // Maxwell leaves BINARY without its zero bytes.
        Declared::Binary | Declared::Text { charset: "binary" } if quirks => Some(Kind::Bytes(None)),
        Declared::Binary => Some(Kind::Bytes(width)),
        Declared::Text { charset } => match Java::named(charset).filter(|_| quirks) {
            Some(java) => Some(Kind::JavaText(java)),
            None if charset.eq_ignore_ascii_case("binary") => Some(Kind::Bytes(width)),
            None => Charset::named(charset).map(Kind::Text),
        },
        Declared::Json | Declared::JsonText => Some(Kind::JsonText),
        _ => None,
    }
}

fn f32_of(value: &[u8]) -> Result<f32, DecodeError> {
    let short = DecodeError::Short { what: "floating point number", want: 4, have: value.len() };
    value.try_into().map(f32::from_le_bytes).map_err(|_| short)
}

fn label(labels: &[String], index: u64, what: &'static str) -> Result<String, DecodeError> {
    let label = usize::try_from(index).ok().and_then(|i| labels.get(i));
    label.cloned().ok_or_else(|| DecodeError::invalid(what, format!("label {} of {}", index.saturating_add(1), labels.len())))
}

fn string(utf8: Vec<u8>) -> String {
    String::from_utf8(utf8).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Text from the characters that `decode` gives.
fn text(decode: impl FnOnce(&mut dyn FnMut(Decoded)) -> Rendered) -> (Value, Rendered) {
    let mut points = Vec::new();
    let rendered = decode(&mut |decoded| {
        points.push(match decoded {
            Decoded::Char(c) => u32::from(c),
            Decoded::Surrogate(unit) => u32::from(unit),
            Decoded::Nothing => u32::from(char::REPLACEMENT_CHARACTER),
        });
    });
    let whole: Option<String> = points.iter().map(|point| char::from_u32(*point)).collect();
    (whole.map_or(Value::CodePoints(points), Value::Text), rendered)
}

/// JSON of servers that keep it as text. What is none (its check can be turned off) becomes a JSON string, but not for Maxwell.
fn json_text(value: &[u8], as_maxwell: bool) -> (Value, Rendered) {
    if value.is_empty() {
        return (Value::JsonText("null".into()), Rendered::Faithful);
    }
    let mut out = Vec::new();
    let malformed = lossy::write(value, &mut out);
    let text = string(out);
    if !as_maxwell && serde_json::from_slice::<serde::de::IgnoredAny>(value).is_err() {
        let mut quoted = Vec::new();
        render::quoted(&text, &mut quoted);
        return (Value::JsonText(string(quoted)), Rendered::InvalidText);
    }
    (Value::JsonText(text), if malformed { Rendered::InvalidText } else { Rendered::Faithful })
}

fn address_text(value: &[u8], write: fn(&[u8], &mut Vec<u8>) -> Result<(), DecodeError>) -> Result<Value, DecodeError> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(Value::Text(string(out)))
}
