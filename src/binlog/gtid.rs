//! MySQL's GTID events: the name of the transaction that follows, and when it was committed.

use std::sync::Arc;

use crate::position::gtid::MysqlGtid;
use crate::position::gtid::mysql::normalize_tag;

use super::cursor::utf8;
use super::{Cursor, DecodeError, EventType, RawEvent};

/// Gtid, Anonymous_Gtid and Gtid_tagged events (MySQL `libs/mysql/binlog/event/control_events.h`, `Gtid_event`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GtidEvent {
    /// `None` for an anonymous transaction (`gtid_mode=OFF`).
    pub gtid: Option<MysqlGtid>,
    /// Commit on the server that we read from, microseconds since the epoch; MySQL 8+.
    pub immediate_commit_us: Option<u64>,
    /// Commit on the server where the transaction began; equal to the other unless it was replicated.
    pub original_commit_us: Option<u64>,
    /// Size of the whole transaction with this event, in bytes; MySQL 8+.
    pub transaction_size: Option<u64>,
}

/// The mark of logical timestamps, behind which all newer fields stand.
const LOGICAL_TIMESTAMPS: u8 = 2;
/// In the 7-byte immediate timestamp: the original one differs, and follows.
const HAS_ORIGINAL: u64 = 1 << 55;

impl GtidEvent {
    pub fn parse(event: &RawEvent) -> Result<Self, DecodeError> {
        match event.event_type() {
            Some(EventType::GtidTagged) => tagged(&event.body),
            kind => plain(&event.body, kind == Some(EventType::AnonymousGtid)),
        }
    }
}

fn plain(body: &[u8], anonymous: bool) -> Result<GtidEvent, DecodeError> {
    let mut c = Cursor::new(body);
    c.skip(1, "gtid flags")?;
    let uuid = c.array::<16>("gtid uuid")?;
    let number = c.u64("gtid number")?;
    let gtid = if anonymous { None } else { Some(MysqlGtid { uuid, tag: None, number: valid_number(number)? }) };
    let mut parsed = GtidEvent { gtid, immediate_commit_us: None, original_commit_us: None, transaction_size: None };
    // MySQL 5.6 ends here; 5.7 has the logical timestamps and nothing more.
    if c.is_empty() || c.u8("gtid timestamp mark")? != LOGICAL_TIMESTAMPS {
        return Ok(parsed);
    }
    c.skip(16, "logical timestamps")?;
    if c.len() < 7 {
        return Ok(parsed);
    }
    let immediate = c.uint(7, "commit timestamp")?;
    parsed.immediate_commit_us = Some(immediate & !HAS_ORIGINAL);
    parsed.original_commit_us =
        if immediate & HAS_ORIGINAL == 0 { parsed.immediate_commit_us } else { Some(c.uint(7, "original commit timestamp")?) };
    if !c.is_empty() {
        parsed.transaction_size = Some(c.lenenc("transaction size")?);
    }
    Ok(parsed)
}

/// Field numbers of the tagged event, which is written with MySQL's serialization library.
mod field {
    pub const FLAGS: u64 = 0;
    pub const UUID: u64 = 1;
    pub const NUMBER: u64 = 2;
    pub const TAG: u64 = 3;
    pub const LAST_COMMITTED: u64 = 4;
    pub const SEQUENCE_NUMBER: u64 = 5;
    pub const IMMEDIATE_COMMIT: u64 = 6;
    pub const ORIGINAL_COMMIT: u64 = 7;
    pub const TRANSACTION_SIZE: u64 = 8;
    pub const IMMEDIATE_VERSION: u64 = 9;
    pub const ORIGINAL_VERSION: u64 = 10;
    pub const COMMIT_GROUP_TICKET: u64 = 11;
}

/// The only version of the serialization that servers write, as its first byte stands on the wire.
const SERIALIZATION_VERSION: u64 = 1;

/// Message: version, size of the whole, last field that must be understood, then (field number, value) pairs
/// (MySQL `libs/mysql/serialization/readme.md`).
fn tagged(body: &[u8]) -> Result<GtidEvent, DecodeError> {
    let mut c = Cursor::new(body);
    let version = c.varlen("gtid serialization version")?;
    if version != SERIALIZATION_VERSION {
        return Err(DecodeError::invalid("gtid serialization version", version.to_string()));
    }
    let size = c.varlen("gtid event size")?;
    let must_know = c.varlen("last field that must be understood")?;
    let head = body.len() - c.len();
    let Some(size) = usize::try_from(size).ok().and_then(|size| size.checked_sub(head)) else {
        return Err(DecodeError::invalid("gtid event size", format!("{size} bytes, less than its head")));
    };
    let mut fields = Cursor::new(c.take(size, "gtid event")?);
    let (mut uuid, mut number, mut tag) = (None, None, None);
    let mut parsed = GtidEvent { gtid: None, immediate_commit_us: None, original_commit_us: None, transaction_size: None };
    while !fields.is_empty() {
        match fields.varlen("gtid field")? {
            field::UUID => uuid = Some(uuid_of(&mut fields)?),
            field::NUMBER => number = Some(fields.varlen_signed("gtid number")?),
            field::TAG => tag = Some(tag_of(&mut fields)?),
            field::FLAGS | field::IMMEDIATE_VERSION | field::ORIGINAL_VERSION | field::COMMIT_GROUP_TICKET => {
                fields.varlen("gtid field")?;
            }
            field::LAST_COMMITTED | field::SEQUENCE_NUMBER => {
                fields.varlen_signed("logical timestamp")?;
            }
            field::IMMEDIATE_COMMIT => parsed.immediate_commit_us = Some(fields.varlen("commit timestamp")?),
            field::ORIGINAL_COMMIT => parsed.original_commit_us = Some(fields.varlen("original commit timestamp")?),
            field::TRANSACTION_SIZE => parsed.transaction_size = Some(fields.varlen("transaction size")?),
            unknown if unknown <= must_know => {
                return Err(DecodeError::invalid("gtid field", format!("number {unknown} is not known and must be understood")));
            }
            // The length of a field that is not known is not known either; all that matters stood before it.
            _ => break,
        }
    }
    parsed.original_commit_us = parsed.original_commit_us.or(parsed.immediate_commit_us);
    let (Some(uuid), Some(number)) = (uuid, number) else {
        return Err(DecodeError::invalid("tagged gtid", "uuid or number is missing"));
    };
    let number = u64::try_from(number).map_err(|_| DecodeError::invalid("gtid number", number.to_string()))?;
    parsed.gtid = Some(MysqlGtid { uuid, tag: tag.flatten(), number: valid_number(number)? });
    Ok(parsed)
}

fn valid_number(number: u64) -> Result<u64, DecodeError> {
    match number {
        1..=MysqlGtid::NUMBER_MAX => Ok(number),
        _ => Err(DecodeError::invalid("gtid number", number.to_string())),
    }
}

/// Sixteen numbers of one or two bytes each: the library has no type for plain bytes of a fixed count.
fn uuid_of(c: &mut Cursor<'_>) -> Result<[u8; 16], DecodeError> {
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        let value = c.varlen("gtid uuid")?;
        *byte = u8::try_from(value).map_err(|_| DecodeError::invalid("gtid uuid", format!("byte {value}")))?;
    }
    Ok(uuid)
}

/// A tag with its length before it; an empty one is none.
pub(super) fn tag_of(c: &mut Cursor<'_>) -> Result<Option<Arc<str>>, DecodeError> {
    let size = c.varlen("gtid tag")?;
    let size = usize::try_from(size).map_err(|_| DecodeError::invalid("gtid tag", format!("{size} bytes")))?;
    let text = utf8(c.take(size, "gtid tag")?, "gtid tag")?;
    if text.is_empty() {
        return Ok(None);
    }
    match normalize_tag(text) {
        Some(tag) => Ok(Some(tag)),
        None => Err(DecodeError::invalid("gtid tag", format!("{text:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    const UUID: [u8; 16] = [0x35, 0xb6, 0x4e, 0x80, 0xde, 0xca, 0x11, 0xed, 0xa7, 0xcb, 0, 1, 2, 0xfd, 0xfe, 0xff];

    fn plain_body() -> Vec<u8> {
        let mut body = vec![1];
        body.extend_from_slice(&UUID);
        body.extend_from_slice(&23u64.to_le_bytes());
        body
    }

    #[test]
    fn of_every_version() {
        let mut body = plain_body();
        let of_56 = GtidEvent::parse(&raw(33, &body)).unwrap();
        assert_eq!(of_56.gtid.as_ref().unwrap().to_string(), "35b64e80-deca-11ed-a7cb-000102fdfeff:23");
        assert_eq!((of_56.immediate_commit_us, of_56.transaction_size), (None, None));
        body.push(2);
        body.extend_from_slice(&[7; 16]);
        assert_eq!(GtidEvent::parse(&raw(33, &body)).unwrap(), of_56, "5.7");
        let us = 1_700_000_000_123_456u64;
        let mut replicated = body.clone();
        body.extend_from_slice(&us.to_le_bytes()[..7]);
        body.extend_from_slice(&[0xfc, 0x10, 0x20]);
        let event = GtidEvent::parse(&raw(33, &body)).unwrap();
        assert_eq!((event.immediate_commit_us, event.original_commit_us, event.transaction_size), (Some(us), Some(us), Some(0x2010)));
        replicated.extend_from_slice(&(us | HAS_ORIGINAL).to_le_bytes()[..7]);
        replicated.extend_from_slice(&(us - 5).to_le_bytes()[..7]);
        let event = GtidEvent::parse(&raw(33, &replicated)).unwrap();
        assert_eq!((event.immediate_commit_us, event.original_commit_us, event.transaction_size), (Some(us), Some(us - 5), None));
        refuses_cuts(33, &plain_body(), 25, GtidEvent::parse);
    }

    #[test]
    fn anonymous_has_no_name() {
        let event = GtidEvent::parse(&raw(34, &[0; 25])).unwrap();
        assert_eq!(event.gtid, None);
        GtidEvent::parse(&raw(33, &[0; 25])).expect_err("number 0 is no gtid");
    }

    /// Writes the library's integers, for numbers below 2^14.
    fn varlen(out: &mut Vec<u8>, value: u64) {
        match value {
            0..=127 => out.push((value as u8) << 1),
            _ => out.extend_from_slice(&(((value as u16) << 2) | 1).to_le_bytes()),
        }
    }

    fn tagged_body(extra: &[u64], must_know: u64) -> Vec<u8> {
        let mut fields = Vec::new();
        for value in [field::FLAGS, 1, field::UUID] {
            varlen(&mut fields, value);
        }
        UUID.iter().for_each(|b| varlen(&mut fields, u64::from(*b)));
        for value in [field::NUMBER, 23 << 1, field::TAG, 5] {
            varlen(&mut fields, value);
        }
        fields.extend_from_slice(b"MyTag");
        for value in [field::LAST_COMMITTED, 4, field::SEQUENCE_NUMBER, 6, field::IMMEDIATE_COMMIT, 1000, field::TRANSACTION_SIZE, 300] {
            varlen(&mut fields, value);
        }
        for value in [field::IMMEDIATE_VERSION, 9704].iter().chain(extra) {
            varlen(&mut fields, *value);
        }
        let mut body = vec![2];
        // Version, size (two bytes if above 127) and the last field count themselves.
        let size = fields.len() + 3;
        varlen(&mut body, size as u64 + u64::from(size > 127));
        varlen(&mut body, must_know);
        body.extend_from_slice(&fields);
        body
    }

    #[test]
    fn tagged_event() {
        let event = GtidEvent::parse(&raw(42, &tagged_body(&[], 0))).unwrap();
        assert_eq!(event.gtid.unwrap().to_string(), "35b64e80-deca-11ed-a7cb-000102fdfeff:mytag:23");
        assert_eq!((event.immediate_commit_us, event.original_commit_us, event.transaction_size), (Some(1000), Some(1000), Some(300)));
        let body = tagged_body(&[], 0);
        refuses_cuts(42, &body, body.len(), GtidEvent::parse);
    }

    /// Bodies that MySQL 9.7.4 wrote.
    #[test]
    fn tagged_events_of_a_server() {
        let cases = [
            (
                "027000000002a86903b4809503cc22c503c5024804f103000000020404060a6d7974616708080a0c0c7f6b41980bc260061055051283120b",
                "54da5a40-e566-11f1-b124-02fc00000001:mytag:1",
                1_795_236_394_713_451,
            ),
            (
                "02700000000222222222444466668888aaaaaaaaaaaa04fff0ffffffffffffff06047a7a08080a180c7f2b8a980bc260061055051283120b",
                "11111111-2222-3333-4444-555555555555:zz:9223372036854775800",
                1_795_236_394_732_075,
            ),
        ];
        for (hex, gtid, commit_us) in cases {
            let body: Vec<u8> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
            let event = GtidEvent::parse(&raw(42, &body)).unwrap();
            assert_eq!((event.gtid.unwrap().to_string().as_str(), event.immediate_commit_us), (gtid, Some(commit_us)));
            assert_eq!(event.transaction_size, Some(341));
        }
    }

    #[test]
    fn later_fields_of_a_tagged_event() {
        let ignorable = GtidEvent::parse(&raw(42, &tagged_body(&[50, 1], 0))).unwrap();
        assert!(ignorable.gtid.is_some());
        GtidEvent::parse(&raw(42, &tagged_body(&[50, 1], 50))).unwrap_err();
        let mut version = tagged_body(&[], 0);
        version[0] = 4;
        GtidEvent::parse(&raw(42, &version)).unwrap_err();
    }
}
