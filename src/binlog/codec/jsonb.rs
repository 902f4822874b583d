//! MySQL's binary JSON (`sql-common/json_binary.h`) to text: no spaces, members in stored order, values in Maxwell's
//! layout (contract §4.8) but right where Maxwell's are not: unsigned 32-bit numbers, negative times, late datetimes.
//!
//! Robustness: every offset is checked, depth is bounded, and no byte of a document may be read for two values. The
//! last rule keeps the work linear: a document whose offsets share parts would grow exponentially.

use super::base64;
use super::decimal::{Decimal, Notation};
use super::escape::{self, Astral};
use super::float;
use super::int::{write_i64, write_u64};
use super::maxwell;
use super::temporal::{self, unpack_json_datetime, unpack_json_time};
use crate::binlog::{Cursor, DecodeError};

/// The server refuses documents deeper than 100.
const DEPTH_MAX: usize = 128;

/// Column types that tag opaque values (`enum_field_types`).
pub mod opaque {
    pub const TIMESTAMP: u8 = 7;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const NEW_DECIMAL: u8 = 246;
}

/// Appends the document's text. An empty value is the JSON null literal.
pub fn write_json(document: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    write::<false>(document, out)
}

/// The same with what is wrong in Maxwell's text (`maxwell_quirks`).
pub fn write_json_as_maxwell(document: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    write::<true>(document, out)
}

fn write<const MAXWELL: bool>(document: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let Some((kind, body)) = document.split_first() else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    let mut writer = Writer::<MAXWELL> { unread: document.len(), out };
    writer.spend(1)?;
    writer.value(*kind, body, 0)
}

struct Writer<'o, const MAXWELL: bool> {
    /// Bytes of the document that no value has claimed yet.
    unread: usize,
    out: &'o mut Vec<u8>,
}

/// Sizes in a container: two bytes in small ones, four in large ones.
#[derive(Clone, Copy)]
struct Container {
    object: bool,
    large: bool,
}

impl Container {
    fn offset_size(self) -> usize {
        if self.large { 4 } else { 2 }
    }
}

fn invalid(why: impl Into<String>) -> DecodeError {
    DecodeError::invalid("json", why)
}

/// The bytes from an offset on.
fn at(bytes: &[u8], offset: usize) -> Result<&[u8], DecodeError> {
    bytes.get(offset..).ok_or_else(|| invalid(format!("offset {offset} in {} bytes", bytes.len())))
}

impl<const MAXWELL: bool> Writer<'_, MAXWELL> {
    fn spend(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.unread = self.unread.checked_sub(bytes).ok_or_else(|| invalid("values that overlap"))?;
        Ok(())
    }

    fn value(&mut self, kind: u8, body: &[u8], depth: usize) -> Result<(), DecodeError> {
        let mut c = Cursor::new(body);
        match kind {
            0x00..=0x03 => return self.container(Container { object: kind < 2, large: kind & 1 == 1 }, body, depth),
            0x04 => self.literal(c.u8("json literal")?)?,
            0x05 => write_i64(i64::from(c.u16("json int16")? as i16), self.out),
            0x06 => write_u64(u64::from(c.u16("json uint16")?), self.out),
            0x07 => write_i64(i64::from(c.u32("json int32")? as i32), self.out),
            0x08 if MAXWELL => write_i64(i64::from(c.u32("json uint32")? as i32), self.out),
            0x08 => write_u64(u64::from(c.u32("json uint32")?), self.out),
            0x09 => write_i64(c.u64("json int64")? as i64, self.out),
            0x0a => write_u64(c.u64("json uint64")?, self.out),
            0x0b => float::write_json_double(f64::from_bits(c.u64("json double")?), self.out),
            0x0c => {
                let text = counted(&mut c)?;
                escape::write_string(text, Astral::Raw, self.out);
            }
            0x0f => {
                let field_type = c.u8("json opaque type")?;
                let payload = counted(&mut c)?;
                self.opaque(field_type, payload)?;
            }
            _ => return Err(invalid(format!("type byte 0x{kind:02x}"))),
        }
        self.spend(body.len() - c.len())
    }

    fn literal(&mut self, code: u8) -> Result<(), DecodeError> {
        self.out.extend_from_slice(match code {
            0 => b"null",
            1 => b"true",
            2 => b"false",
            _ => return Err(invalid(format!("literal 0x{code:02x}"))),
        });
        Ok(())
    }

    /// `[count][size]([key offset][key length])…([type][value or offset])…` and then keys and values; offsets count
    /// from the beginning of `body`.
    fn container(&mut self, form: Container, body: &[u8], depth: usize) -> Result<(), DecodeError> {
        if depth >= DEPTH_MAX {
            return Err(invalid(format!("deeper than {DEPTH_MAX}")));
        }
        let width = form.offset_size();
        let mut c = Cursor::new(body);
        let count = c.uint(width, "json element count")? as usize;
        let size = c.uint(width, "json container size")? as usize;
        let body = body.get(..size).ok_or_else(|| invalid(format!("container of {size} in {} bytes", body.len())))?;
        let keys_size = if form.object { count.checked_mul(width + 2) } else { Some(0) };
        let values_size = count.checked_mul(width + 1);
        let (Some(keys_size), Some(values_size)) = (keys_size, values_size) else {
            return Err(invalid(format!("{count} elements")));
        };
        let mut entries = Cursor::new(at(body, 2 * width)?);
        let mut keys = Cursor::new(entries.take(keys_size, "json key entries")?);
        let mut values = Cursor::new(entries.take(values_size, "json value entries")?);
        self.spend(2 * width + keys_size + values_size)?;

        self.out.push(if form.object { b'{' } else { b'[' });
        for i in 0..count {
            if i > 0 {
                self.out.push(b',');
            }
            if form.object {
                let offset = keys.uint(width, "json key offset")? as usize;
                let length = usize::from(keys.u16("json key length")?);
                let key = Cursor::new(at(body, offset)?).take(length, "json key")?;
                self.spend(length)?;
                escape::write_string(key, Astral::Raw, self.out);
                self.out.push(b':');
            }
            let kind = values.u8("json value type")?;
            let slot = values.take(width, "json value entry")?;
            if is_inlined(kind, form) {
                self.inlined(kind, slot)?;
            } else {
                let offset = Cursor::new(slot).uint(width, "json value offset")? as usize;
                self.value(kind, at(body, offset)?, depth + 1)?;
            }
        }
        self.out.push(if form.object { b'}' } else { b']' });
        Ok(())
    }

    /// A scalar that stands in its entry. Its bytes were claimed with the entries.
    fn inlined(&mut self, kind: u8, slot: &[u8]) -> Result<(), DecodeError> {
        self.unread += match kind {
            0x04 => 1,
            0x05 | 0x06 => 2,
            _ => 4,
        };
        self.value(kind, slot, 0)
    }

    fn opaque(&mut self, field_type: u8, payload: &[u8]) -> Result<(), DecodeError> {
        match field_type {
            opaque::NEW_DECIMAL => {
                let mut c = Cursor::new(payload);
                let (precision, scale) = (c.u8("json decimal precision")?, c.u8("json decimal scale")?);
                let decimal = Decimal::new(precision, scale).ok_or_else(|| invalid(format!("decimal({precision},{scale})")))?;
                return decimal.write(c.rest(), Notation::Plain, self.out);
            }
            opaque::DATE | opaque::DATETIME | opaque::TIMESTAMP | opaque::TIME => {
                let packed = Cursor::new(payload).u64("json temporal value")? as i64;
                self.out.push(b'"');
                if MAXWELL {
                    maxwell::write_json_temporal(field_type, packed, self.out);
                } else {
                    self.temporal(field_type, packed);
                }
            }
            _ => {
                self.out.push(b'"');
                base64::write(payload, self.out);
            }
        }
        self.out.push(b'"');
        Ok(())
    }

    fn temporal(&mut self, field_type: u8, packed: i64) {
        if field_type == opaque::TIME {
            let (negative, clock) = unpack_json_time(packed);
            if negative {
                self.out.push(b'-');
            }
            temporal::write_clock(&clock, self.out);
            temporal::write_trimmed_fraction(clock.micros, self.out);
            return;
        }
        let moment = unpack_json_datetime(packed);
        temporal::write_date(&moment, self.out);
        if field_type != opaque::DATE {
            self.out.push(b' ');
            temporal::write_clock(&moment, self.out);
            temporal::write_trimmed_fraction(moment.micros, self.out);
        }
    }
}

/// Literals and 16-bit numbers stand in their entries, and 32-bit numbers in those of large containers.
fn is_inlined(kind: u8, form: Container) -> bool {
    matches!(kind, 0x04..=0x06) || form.large && matches!(kind, 0x07 | 0x08)
}

/// A length in groups of seven bits, the lowest first, and as many bytes.
fn counted<'a>(c: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
    let mut length = 0u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = c.u8("json length")?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let length = usize::try_from(length).map_err(|_| invalid(format!("length {length}")))?;
            return c.take(length, "json bytes");
        }
    }
    Err(invalid("a length of more than five bytes"))
}

// What `json_diff` needs to take documents apart and put them together again.

pub(super) const LARGE_OBJECT: u8 = 0x01;
pub(super) const LARGE_ARRAY: u8 = 0x03;
pub(super) const LITERAL: u8 = 0x04;

/// A value's type and its bytes, which may go on behind it.
pub(super) type Value<'a> = (u8, &'a [u8]);

/// A container's values.
pub(super) enum Parts<'a> {
    Object(Vec<(&'a [u8], Value<'a>)>),
    Array(Vec<Value<'a>>),
}

/// The values of a container, one level deep; `None` for scalars.
pub(super) fn parts(kind: u8, body: &[u8]) -> Result<Option<Parts<'_>>, DecodeError> {
    if kind > 0x03 {
        return Ok(None);
    }
    let form = Container { object: kind < 2, large: kind & 1 == 1 };
    let width = form.offset_size();
    let mut c = Cursor::new(body);
    let count = c.uint(width, "json element count")? as usize;
    let size = c.uint(width, "json container size")? as usize;
    let body = body.get(..size).ok_or_else(|| invalid(format!("container of {size} in {} bytes", body.len())))?;
    let mut entries = Cursor::new(at(body, 2 * width)?);
    let key_size = if form.object { width + 2 } else { 0 };
    // Memory grows with the entries that are there, not with what the count claims.
    if count.checked_mul(key_size + width + 1).is_none_or(|bytes| bytes > entries.len()) {
        return Err(invalid(format!("{count} elements in {} bytes", body.len())));
    }
    let mut keys = Cursor::new(entries.take(count * key_size, "json key entries")?);
    let mut names = Vec::new();
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        if form.object {
            let offset = keys.uint(width, "json key offset")? as usize;
            let length = usize::from(keys.u16("json key length")?);
            names.push(Cursor::new(at(body, offset)?).take(length, "json key")?);
        }
        let kind = entries.u8("json value type")?;
        let slot = entries.take(width, "json value entry")?;
        let value = if is_inlined(kind, form) { slot } else { at(body, Cursor::new(slot).uint(width, "json value offset")? as usize)? };
        values.push((kind, value));
    }
    Ok(Some(if form.object { Parts::Object(names.into_iter().zip(values).collect()) } else { Parts::Array(values) }))
}

/// A value's own bytes, without what follows.
pub(super) fn exact(kind: u8, body: &[u8]) -> Result<&[u8], DecodeError> {
    let mut c = Cursor::new(body);
    let size = match kind {
        0x00..=0x03 => {
            let width = if kind & 1 == 1 { 4 } else { 2 };
            c.skip(width, "json element count")?;
            c.uint(width, "json container size")? as usize
        }
        0x04 => 1,
        0x05 | 0x06 => 2,
        0x07 | 0x08 => 4,
        0x09..=0x0b => 8,
        0x0c | 0x0f => {
            if kind == 0x0f {
                c.u8("json opaque type")?;
            }
            counted(&mut c)?;
            body.len() - c.len()
        }
        _ => return Err(invalid(format!("type byte 0x{kind:02x}"))),
    };
    body.get(..size).ok_or_else(|| invalid(format!("a value of {size} in {} bytes", body.len())))
}

/// Puts values together: a large object if there are keys, a large array if there are none.
pub(super) fn large_container<B: AsRef<[u8]>>(keys: Option<&[B]>, values: &[(u8, B)]) -> Result<Vec<u8>, DecodeError> {
    const WIDTH: usize = 4;
    let form = Container { object: keys.is_some(), large: true };
    let keys = keys.unwrap_or_default();
    let too_large = || invalid("a document of 4 GiB or more");
    let number = |n: usize| u32::try_from(n).map(u32::to_le_bytes).map_err(|_| too_large());
    let mut out = Vec::new();
    out.extend_from_slice(&number(values.len())?);
    out.extend_from_slice(&[0; WIDTH]);
    let mut offset = 2 * WIDTH + keys.len() * (WIDTH + 2) + values.len() * (WIDTH + 1);
    for key in keys {
        let length = key.as_ref().len();
        out.extend_from_slice(&number(offset)?);
        out.extend_from_slice(&u16::try_from(length).map_err(|_| invalid("a key of 64 KiB or more"))?.to_le_bytes());
        offset += length;
    }
    for (kind, body) in values {
        let body = body.as_ref();
        out.push(*kind);
        if is_inlined(*kind, form) {
            let mut slot = [0; WIDTH];
            slot.iter_mut().zip(body).for_each(|(to, from)| *to = *from);
            out.extend_from_slice(&slot);
        } else {
            out.extend_from_slice(&number(offset)?);
            offset += body.len();
        }
    }
    keys.iter().for_each(|key| out.extend_from_slice(key.as_ref()));
    values.iter().filter(|(kind, _)| !is_inlined(*kind, form)).for_each(|(_, body)| out.extend_from_slice(body.as_ref()));
    let size = number(out.len())?;
    out.iter_mut().skip(WIDTH).zip(size).for_each(|(to, from)| *to = from);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(document: &[u8]) -> Result<String, DecodeError> {
        let mut out = Vec::new();
        write_json(document, &mut out)?;
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    fn string(text: &str) -> (u8, Vec<u8>) {
        let mut bytes = Vec::new();
        let mut n = text.len();
        while n > 0x7f {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes.extend_from_slice(text.as_bytes());
        (0x0c, bytes)
    }

    fn opaque(field_type: u8, payload: &[u8]) -> (u8, Vec<u8>) {
        (0x0f, [&[field_type, payload.len() as u8][..], payload].concat())
    }

    /// Packs a container as the server does, small or large.
    fn container(keys: Option<&[&str]>, values: &[(u8, Vec<u8>)], large: bool) -> (u8, Vec<u8>) {
        let width = if large { 4 } else { 2 };
        let number = |n: usize| n.to_le_bytes()[..width].to_vec();
        let key_entry = if keys.is_some() { width + 2 } else { 0 };
        let mut offset = 2 * width + values.len() * (key_entry + width + 1);
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        for key in keys.unwrap_or_default() {
            head.extend(number(offset));
            head.extend((key.len() as u16).to_le_bytes());
            tail.extend(key.as_bytes());
            offset += key.len();
        }
        for (kind, bytes) in values {
            head.push(*kind);
            if is_inlined(*kind, Container { object: keys.is_some(), large }) {
                let mut slot = bytes.clone();
                slot.resize(width, 0);
                head.extend(slot);
            } else {
                head.extend(number(offset));
                tail.extend(bytes);
                offset += bytes.len();
            }
        }
        let kind = u8::from(large) + if keys.is_some() { 0 } else { 2 };
        (kind, [number(values.len()), number(offset), head, tail].concat())
    }

    fn document((kind, body): (u8, Vec<u8>)) -> Vec<u8> {
        [vec![kind], body].concat()
    }

    fn packed_datetime(y: i64, mo: i64, d: i64, h: i64, mi: i64, s: i64, us: i64) -> [u8; 8] {
        ((((y * 13 + mo) << 5 | d) << 17 | h << 12 | mi << 6 | s) << 24 | us).to_le_bytes()
    }

    fn packed_time(sign: i64, h: i64, m: i64, s: i64, us: i64) -> [u8; 8] {
        (sign * ((h << 12 | m << 6 | s) << 24 | us)).to_le_bytes()
    }

    #[test]
    fn scalars() {
        for (value, want) in [
            ((4, vec![0]), "null"),
            ((4, vec![1]), "true"),
            ((4, vec![2]), "false"),
            ((5, vec![0xff, 0xff]), "-1"),
            ((6, vec![0xff, 0xff]), "65535"),
            ((7, vec![0, 0, 0, 0x80]), "-2147483648"),
            ((8, vec![0xff; 4]), "4294967295"),
            ((9, vec![0xff; 8]), "-1"),
            ((10, vec![0xff; 8]), "18446744073709551615"),
            ((11, 1e7f64.to_le_bytes().to_vec()), "10000000"),
            (string("a\"\n\u{1f}😀/"), "\"a\\\"\\n\\u001F😀/\""),
            (opaque(10, &packed_datetime(2024, 2, 29, 0, 0, 0, 0)), "\"2024-02-29\""),
            (opaque(12, &packed_datetime(9999, 12, 31, 23, 59, 59, 999_999)), "\"9999-12-31 23:59:59.999999\""),
            (opaque(7, &packed_datetime(2024, 5, 6, 7, 8, 9, 120_000)), "\"2024-05-06 07:08:09.12\""),
            (opaque(11, &packed_time(1, 12, 34, 56, 1)), "\"12:34:56.000001\""),
            (opaque(11, &packed_time(-1, 1, 30, 0, 0)), "\"-01:30:00\""),
            (opaque(11, &packed_time(-1, 0, 0, 0, 500_000)), "\"-00:00:00.5\""),
            (opaque(11, &packed_time(1, 838, 59, 59, 0)), "\"838:59:59\""),
            (opaque(246, &[4, 2, 0x8c, 34]), "12.34"),
            (opaque(252, &[0, 0xff, 0x10]), "\"AP8Q\""),
        ] {
            assert_eq!(text(&document(value)).expect("valid"), want);
        }
        assert_eq!(text(&[]).expect("valid"), "null");
    }

    #[test]
    fn containers_of_both_sizes() {
        for large in [false, true] {
            let inner = container(
                None,
                &[(5, vec![1, 0]), (7, vec![2, 0, 1, 0]), (8, vec![0xff; 4]), string(&"x".repeat(300)), (4, vec![0])],
                large,
            );
            let outer =
                container(Some(&["", "a", "b\"", "emptyarr"]), &[string("v"), inner, (4, vec![1]), container(None, &[], large)], large);
            let want = format!("{{\"\":\"v\",\"a\":[1,65538,4294967295,\"{}\",null],\"b\\\"\":true,\"emptyarr\":[]}}", "x".repeat(300));
            assert_eq!(text(&document(outer)).expect("valid"), want);
        }
    }

    #[test]
    fn deep_documents() {
        let mut value = container(None, &[], true);
        for _ in 0..99 {
            value = container(None, &[value], true);
        }
        assert_eq!(text(&document(value.clone())).expect("valid").len(), 200);
        for _ in 0..100 {
            value = container(None, &[value], true);
        }
        assert_eq!(text(&document(value)).expect_err("too deep").to_string(), "bad json: deeper than 128");
    }

    #[test]
    fn shared_values_are_refused() {
        // An array of two elements that both point to the array behind, many levels deep, would print 2^n elements.
        let mut body = container(None, &[], false).1;
        for _ in 0..40 {
            let size = (10 + body.len()) as u16;
            let head = [2u16.to_le_bytes(), size.to_le_bytes()].concat();
            let entry = [&[2u8][..], &10u16.to_le_bytes()].concat();
            body = [head, entry.clone(), entry, body].concat();
        }
        assert_eq!(text(&document((2, body))).expect_err("shared").to_string(), "bad json: values that overlap");
    }

    #[test]
    fn broken_documents_are_errors() {
        for bytes in [
            &[0x0e][..],
            &[0x04, 3],
            &[0x05, 1],
            &[0x0c, 5, b'a'],
            &[0x0c, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x02, 1, 0, 200, 0],
            &[0x0f, 246, 2, 5, 9],
            &[0x0f, 10, 1, 0],
        ] {
            assert!(text(bytes).is_err(), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(prop_oneof![0u8..16, any::<u8>()], 0..200)) {
            let mut out = Vec::new();
            let _ = write_json(&bytes, &mut out);
        }
    }
}
