//! MariaDB's compressed query and rows events (`log_bin_compress=ON`): the head is as in the plain event, what follows is
//! a length and a zlib stream.

use std::io::Read;

use super::event::RawEvent;
use super::{Cursor, DecodeError, EventType, RowsKind, query, rows};

/// zlib cannot make data smaller than this many times.
const ZLIB_RATIO_MAX: usize = 1032;

/// Turns a compressed event into the plain one that it stands for. Only type and body change: size and end position in
/// the header stay those of the event in the file, so that offsets can be counted. Fails if the plain event would have
/// more than `event_size_max` bytes, and on an event that is not compressed.
///
/// Source of the form: MariaDB `sql/log_event.cc`, `query_event_uncompress`, `row_log_event_uncompress`.
pub fn inflate(event: &RawEvent, event_size_max: u32) -> Result<RawEvent, DecodeError> {
    use EventType::*;
    let body = &event.body[..];
    let rows = |has_extra, kind| rows::head_size(body, has_extra, kind);
    let (plain, head_size) = match event.event_type() {
        Some(MariaQueryCompressed) => (Query, query::head_size(body)?),
        Some(MariaWriteRowsCompressedV1) => (WriteRowsV1, rows(false, RowsKind::Insert)?),
        Some(MariaUpdateRowsCompressedV1) => (UpdateRowsV1, rows(false, RowsKind::Update)?),
        Some(MariaDeleteRowsCompressedV1) => (DeleteRowsV1, rows(false, RowsKind::Delete)?),
        Some(MariaWriteRowsCompressed) => (WriteRowsV2, rows(true, RowsKind::Insert)?),
        Some(MariaUpdateRowsCompressed) => (UpdateRowsV2, rows(true, RowsKind::Update)?),
        Some(MariaDeleteRowsCompressed) => (DeleteRowsV2, rows(true, RowsKind::Delete)?),
        _ => return Err(DecodeError::invalid("compressed event", format!("it is of type {}", event.header.type_name()))),
    };
    let mut c = Cursor::new(body);
    let head = c.take(head_size, "compressed event")?;
    let plain_body = inflate_tail(head, &mut c, event_size_max)?;
    let mut header = event.header;
    header.type_code = plain as u8;
    Ok(RawEvent { header, body: plain_body.into() })
}

/// One byte (highest bit set, three bits of algorithm, of which only 0 exists, size of the length), the length with its
/// highest byte first, the stream. Returns `head` and the inflated bytes behind it.
fn inflate_tail(head: &[u8], c: &mut Cursor<'_>, event_size_max: u32) -> Result<Vec<u8>, DecodeError> {
    const WHAT: &str = "compressed event";
    let mark = c.u8(WHAT)?;
    let length_size = usize::from(mark & 0x07);
    if mark & 0xf0 != 0x80 || !(1..=4).contains(&length_size) {
        return Err(DecodeError::invalid(WHAT, format!("unknown form 0x{mark:02x}")));
    }
    let length = c.take(length_size, WHAT)?.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let size = head.len() as u64 + length;
    if size > u64::from(event_size_max) {
        return Err(DecodeError::invalid(WHAT, format!("{size} bytes when inflated, the limit is {event_size_max}")));
    }
    // At most 2^32, checked above; a false length reserves no more than the stream could become.
    let length = length as usize;
    let mut body = Vec::with_capacity(head.len() + length.min(c.len().saturating_mul(ZLIB_RATIO_MAX)));
    body.extend_from_slice(head);
    let stream = flate2::read::ZlibDecoder::new(c.rest());
    let inflated = stream.take(length as u64 + 1).read_to_end(&mut body).map_err(|e| DecodeError::invalid(WHAT, e.to_string()))?;
    if inflated != length {
        return Err(DecodeError::invalid(WHAT, format!("the stream does not have the {length} bytes that were announced")));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::RowsEvent;
    use super::super::test_events::raw;
    use super::*;

    fn packed(head: &[u8], length: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        [head, &[0x80 | length.len() as u8], length, &encoder.finish().unwrap()].concat()
    }

    #[test]
    fn rows_and_queries_come_back() {
        let head = b"\x07\0\0\0\0\0\x01\0\x03\x05\x07";
        let plain = vec![b'r'; 0x1234];
        let event = raw(167, &packed(head, &[0x12, 0x34], &plain));
        let event = inflate(&event, 1 << 20).unwrap();
        let rows = RowsEvent::parse(&event).unwrap();
        assert_eq!((rows.kind, rows.table_id, rows.images), (RowsKind::Update, 7, &plain[..]));
        let extra = b"\x07\0\0\0\0\0\x01\0\x04\0zz\x03\x05";
        let event = inflate(&raw(169, &packed(extra, &[3], b"abc")), 1 << 20).unwrap();
        assert_eq!((event.event_type(), RowsEvent::parse(&event).unwrap().images), (Some(EventType::WriteRowsV2), &b"abc"[..]));
        let head = b"\x66\x01\0\0\0\0\0\0\x04\0\0\x03\0\x08\x21\0shop\0";
        let event = inflate(&raw(165, &packed(head, &[0, 0, 0, 6], b"CREATE")), 1 << 20).unwrap();
        let query = query::Query::parse(&event).unwrap();
        assert_eq!((query.database, query.sql, query.status.collation_database), ("shop", &b"CREATE"[..], Some(33)));
    }

    #[test]
    fn damage_is_refused() {
        let head = b"\x07\0\0\0\0\0\x01\0\x03\x05";
        let good = packed(head, &[5], b"abcde");
        inflate(&raw(166, &good), 100).unwrap();
        inflate(&raw(166, &good), 14).expect_err("above the limit");
        for length in [&[4][..], &[6], &[0xff, 0xff, 0xff, 0xff], &[], &[0, 0, 0, 0, 5]] {
            inflate(&raw(166, &packed(head, length, b"abcde")), u32::MAX).expect_err("a false length");
        }
        for len in 0..good.len() {
            inflate(&raw(166, &good[..len]), 100).expect_err("a cut event");
        }
        let mut other = good.clone();
        other[head.len()] |= 0x10;
        inflate(&raw(166, &other), 100).expect_err("an unknown algorithm");
        inflate(&raw(23, &good), 100).expect_err("not compressed");
    }
}
