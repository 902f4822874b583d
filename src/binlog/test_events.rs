//! Events made by hand, for unit tests only.

use bytes::Bytes;

use super::event::{EventHeader, HEADER_SIZE, RawEvent};

/// Header and body as they stand on the wire, without a checksum.
pub fn whole(type_code: u8, flags: u16, body: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(HEADER_SIZE + body.len());
    bytes.extend_from_slice(&1_700_000_000u32.to_le_bytes());
    bytes.push(type_code);
    bytes.extend_from_slice(&104u32.to_le_bytes());
    bytes.extend_from_slice(&((HEADER_SIZE + body.len()) as u32).to_le_bytes());
    bytes.extend_from_slice(&0u32.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes.into()
}

/// An event of server 104 as the decoders take it.
pub fn raw(type_code: u8, body: &[u8]) -> RawEvent {
    let header = EventHeader::parse(&whole(type_code, 0, body)).expect("19 bytes were just written");
    RawEvent { header, body: Bytes::copy_from_slice(body) }
}

/// Asserts that every cut of `body` is an error to `parse` (or, from `optional_from` bytes on, at least no panic).
pub fn refuses_cuts<T, E>(type_code: u8, body: &[u8], optional_from: usize, parse: impl Fn(&RawEvent) -> Result<T, E>) {
    for len in 0..body.len() {
        let result = parse(&raw(type_code, &body[..len]));
        assert!(result.is_err() || len >= optional_from, "cut at {len} was accepted");
    }
}
