//! Binary JSON (`json_binary.h` of the server) as a tree. It accepts what the other reader accepts: offsets inside their
//! container, a bounded depth, and no byte read for two values.

use crate::binlog::codec::{lossy, write_json_temporal};
use crate::binlog::{Cursor, DecodeError};

use super::number;
use super::temporal;
use super::value::Json;

const DEPTH_MAX: usize = 128;

/// Column types of opaque values.
mod tag {
    pub const TIMESTAMP: u8 = 7;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const DECIMAL: u8 = 246;
}

/// The document; no bytes at all are the JSON null. `as_maxwell`: with the values that Maxwell makes of some.
pub fn read(document: &[u8], as_maxwell: bool) -> Result<Json, DecodeError> {
    match document.split_first() {
        None => Ok(Json::Null),
        Some((kind, body)) => {
            let mut reader = Reader { claimed: 1, size: document.len(), as_maxwell };
            reader.value(*kind, body, 0)
        }
    }
}

struct Reader {
    /// Bytes that values were read from.
    claimed: usize,
    size: usize,
    as_maxwell: bool,
}

fn invalid(why: impl Into<String>) -> DecodeError {
    DecodeError::invalid("json", why)
}

fn behind(bytes: &[u8], offset: u64) -> Result<&[u8], DecodeError> {
    let tail = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
    tail.ok_or_else(|| invalid(format!("offset {offset} in {} bytes", bytes.len())))
}

impl Reader {
    fn claim(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.claimed = self.claimed.saturating_add(bytes);
        if self.claimed > self.size { Err(invalid("values that overlap")) } else { Ok(()) }
    }

    fn value(&mut self, kind: u8, body: &[u8], depth: usize) -> Result<Json, DecodeError> {
        if kind <= 3 {
            return self.container(kind < 2, kind % 2 == 1, body, depth);
        }
        let mut bytes = Cursor::new(body);
        let value = self.scalar(kind, &mut bytes)?;
        self.claim(body.len() - bytes.len())?;
        Ok(value)
    }

    fn scalar(&self, kind: u8, bytes: &mut Cursor<'_>) -> Result<Json, DecodeError> {
        Ok(match kind {
            4 => match bytes.u8("json literal")? {
                0 => Json::Null,
                1 => Json::Bool(true),
                2 => Json::Bool(false),
                code => return Err(invalid(format!("literal 0x{code:02x}"))),
            },
            5 => Json::Int((bytes.u16("json int16")? as i16).into()),
            6 => Json::Unsigned(bytes.u16("json uint16")?.into()),
            7 => Json::Int((bytes.u32("json int32")? as i32).into()),
            8 if self.as_maxwell => Json::Int((bytes.u32("json uint32")? as i32).into()),
            8 => Json::Unsigned(bytes.u32("json uint32")?.into()),
            9 => Json::Int(bytes.u64("json int64")? as i64),
            10 => Json::Unsigned(bytes.u64("json uint64")?),
            11 => Json::Double(f64::from_bits(bytes.u64("json double")?)),
            12 => Json::Text(text(counted(bytes)?)),
            15 => {
                let tag = bytes.u8("json opaque type")?;
                self.opaque(tag, counted(bytes)?)?
            }
            _ => return Err(invalid(format!("type byte 0x{kind:02x}"))),
        })
    }

    fn opaque(&self, tag: u8, payload: &[u8]) -> Result<Json, DecodeError> {
        let mut bytes = Cursor::new(payload);
        match tag {
            tag::DECIMAL => {
                let (precision, scale) = (bytes.u8("json decimal precision")?, bytes.u8("json decimal scale")?);
                if !number::is_decimal(precision, scale) {
                    return Err(invalid(format!("decimal({precision},{scale})")));
                }
                number::decimal(bytes.rest(), precision, scale).map(Json::Decimal)
            }
            tag::DATE | tag::TIME | tag::DATETIME | tag::TIMESTAMP => {
                let packed = bytes.u64("json temporal value")? as i64;
                if self.as_maxwell {
                    let mut garbled = Vec::new();
                    write_json_temporal(tag, packed, &mut garbled);
                    return Ok(Json::Text(text(&garbled)));
                }
                Ok(match (tag, temporal::json_datetime(packed)) {
                    (tag::TIME, _) => {
                        let (negative, clock) = temporal::json_time(packed);
                        Json::Time { negative, clock }
                    }
                    (tag::DATE, (date, _)) => Json::Date(date),
                    (_, (date, clock)) => Json::Datetime { date, clock },
                })
            }
            _ => Ok(Json::Opaque(payload.to_vec())),
        }
    }

    /// Count, size, keys' places, values' types and places, then keys and values themselves.
    fn container(&mut self, object: bool, large: bool, body: &[u8], depth: usize) -> Result<Json, DecodeError> {
        if depth >= DEPTH_MAX {
            return Err(invalid(format!("deeper than {DEPTH_MAX}")));
        }
        let width = if large { 4 } else { 2 };
        let mut head = Cursor::new(body);
        let (count, size) = (head.uint(width, "json element count")?, head.uint(width, "json container size")?);
        let body = usize::try_from(size).ok().and_then(|size| body.get(..size));
        let body = body.ok_or_else(|| invalid(format!("a container of {size} bytes")))?;
        let mut entries = Cursor::new(behind(body, 2 * width as u64)?);
        let table = |entry: usize| usize::try_from(count).ok().and_then(|count| count.checked_mul(entry));
        let (Some(keys), Some(values)) = (table(if object { width + 2 } else { 0 }), table(width + 1)) else {
            return Err(invalid(format!("{count} elements")));
        };
        let mut key_entries = Cursor::new(entries.take(keys, "json key entries")?);
        let mut value_entries = Cursor::new(entries.take(values, "json value entries")?);
        self.claim(2 * width + keys + values)?;

        let (mut members, mut elements) = (Vec::new(), Vec::new());
        while !value_entries.is_empty() {
            let key = if object { Some(self.key(body, &mut key_entries, width)?) } else { None };
            let kind = value_entries.u8("json value type")?;
            let entry = value_entries.take(width, "json value entry")?;
            let value = match kind {
                // These stand in their entries, which are claimed already.
                4..=6 => self.scalar(kind, &mut Cursor::new(entry))?,
                7 | 8 if large => self.scalar(kind, &mut Cursor::new(entry))?,
                _ => {
                    let offset = Cursor::new(entry).uint(width, "json value offset")?;
                    self.value(kind, behind(body, offset)?, depth + 1)?
                }
            };
            match key {
                Some(key) => members.push((key, value)),
                None => elements.push(value),
            }
        }
        Ok(if object { Json::Object(members) } else { Json::Array(elements) })
    }

    fn key(&mut self, body: &[u8], entries: &mut Cursor<'_>, width: usize) -> Result<String, DecodeError> {
        let offset = entries.uint(width, "json key offset")?;
        let length = usize::from(entries.u16("json key length")?);
        let key = Cursor::new(behind(body, offset)?).take(length, "json key")?;
        self.claim(length)?;
        Ok(text(key))
    }
}

/// A length in groups of seven bits, the lowest first, and as many bytes.
fn counted<'a>(bytes: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
    let mut length = 0u64;
    for group in 0..5 {
        let byte = bytes.u8("json length")?;
        length += u64::from(byte & 0x7f) << (7 * group);
        if byte < 0x80 {
            let length = usize::try_from(length).map_err(|_| invalid(format!("length {length}")))?;
            return bytes.take(length, "json bytes");
        }
    }
    Err(invalid("a length of more than five bytes"))
}

fn text(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    lossy::write(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
