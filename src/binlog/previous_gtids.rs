//! MySQL's Previous_gtids event: all GTIDs of the files before this one.

use std::sync::Arc;

use crate::position::gtid::GtidSet;

use super::gtid::tag_of;
use super::{Cursor, DecodeError, RawEvent};

/// Reads the event's set (MySQL `sql/rpl_gtid_set.cc`, `Gtid_set::encode`; `libs/mysql/gtids/readme.md`).
pub fn parse(event: &RawEvent) -> Result<GtidSet, DecodeError> {
    parse_set(&event.body)
}

/// Reads a set in the server's binary form: version 0 (no tags) or 1 (a tag behind every uuid).
pub fn parse_set(bytes: &[u8]) -> Result<GtidSet, DecodeError> {
    const WHAT: &str = "gtid set";
    let mut c = Cursor::new(bytes);
    let head = c.u64(WHAT)?;
    let version = head >> 56;
    let sources = match version {
        0 => head & 0xffff_ffff_ffff,
        1 if head & 0xff == version => head >> 8 & 0xffff_ffff_ffff,
        _ => return Err(DecodeError::invalid(WHAT, format!("unknown form (first number {head:016x})"))),
    };
    let mut set = GtidSet::new();
    for _ in 0..sources {
        let uuid = c.array::<16>("gtid set uuid")?;
        let tag: Option<Arc<str>> = if version == 1 { tag_of(&mut c)? } else { None };
        let intervals = c.u64("gtid set intervals")?;
        for _ in 0..intervals {
            let (start, end) = (c.u64("gtid set interval")?, c.u64("gtid set interval")?);
            set.add_interval(uuid, tag.clone(), start, end)
                .map_err(|e| DecodeError::invalid("gtid set interval", e.message().to_owned()))?;
        }
    }
    if c.is_empty() { Ok(set) } else { Err(DecodeError::invalid(WHAT, format!("{} bytes behind it", c.len()))) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    #[test]
    fn both_forms_come_back() {
        for text in [
            "",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:11-18",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:a:1:b_1:2-3,4e11fa47-71ca-11e1-9e33-c80aa9429562:9",
        ] {
            let set: GtidSet = text.parse().unwrap();
            let bytes = set.encode();
            assert_eq!(parse(&raw(35, &bytes)).unwrap(), set, "{text}");
            refuses_cuts(35, &bytes, bytes.len(), parse);
        }
    }

    #[test]
    fn the_forms_are_the_servers() {
        let uuid = [0x11; 16];
        let plain = [&1u64.to_le_bytes()[..], &uuid, &1u64.to_le_bytes(), &1u64.to_le_bytes(), &6u64.to_le_bytes()].concat();
        assert_eq!(parse_set(&plain).unwrap().to_string(), "11111111-1111-1111-1111-111111111111:1-5");
        let head = (1u64 << 56 | 1 << 8 | 1).to_le_bytes();
        let tagged = [&head[..], &uuid, b"\x04ab", &1u64.to_le_bytes(), &7u64.to_le_bytes(), &8u64.to_le_bytes()].concat();
        assert_eq!(parse_set(&tagged).unwrap().to_string(), "11111111-1111-1111-1111-111111111111:ab:7");
    }

    #[test]
    fn bad_sets_are_refused() {
        let uuid = [0x11; 16];
        for (start, end) in [(0u64, 3u64), (5, 5), (6, 5), (1, u64::MAX)] {
            let bytes = [&1u64.to_le_bytes()[..], &uuid, &1u64.to_le_bytes(), &start.to_le_bytes(), &end.to_le_bytes()].concat();
            parse_set(&bytes).unwrap_err();
        }
        parse_set(&(2u64 << 56 | 2).to_le_bytes()).unwrap_err();
        parse_set(&[0, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap_err();
        parse_set(&[255, 255, 255, 255, 255, 255, 0, 0]).unwrap_err();
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_set(&bytes);
        }
    }
}
