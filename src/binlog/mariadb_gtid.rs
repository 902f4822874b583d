//! MariaDB's GTID event, which also begins a transaction, and the GTID list at the start of a file.

use crate::position::gtid::MariadbGtid;

use super::xa_prepare::XaId;
use super::{Cursor, DecodeError, RawEvent};

/// The event (MariaDB `sql/log_event.h`, `Gtid_log_event`). There is no BEGIN query behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MariadbGtidEvent<'a> {
    /// Domain and sequence from the body, server id from the header.
    pub gtid: MariadbGtid,
    /// One statement follows, and no commit event ends it (DDL, non-transactional tables).
    pub standalone: bool,
    /// The statement is DDL.
    pub ddl: bool,
    /// Transactions with the same number were committed together.
    pub commit_id: Option<u64>,
    pub xa: Option<Xa<'a>>,
    /// Set where an ALTER is logged in two parts.
    pub alter: Option<AlterPart>,
    /// The client connection (MariaDB 11.5+).
    pub thread_id: Option<u32>,
}

/// What part of an XA transaction follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Xa<'a> {
    /// Rows up to an XA_prepare event.
    Prepared(XaId<'a>),
    /// The `XA COMMIT` or `XA ROLLBACK` query of an earlier prepare.
    Completed(XaId<'a>),
}

/// With `binlog_alter_two_phase=ON` the same ALTER text stands in two Query events. Only the second one changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterPart {
    /// The server has begun; whether the table changes is not decided.
    Start,
    /// The ALTER that began with this sequence number is done.
    Commit { start: u64 },
    /// The ALTER that began with this sequence number has failed.
    Rollback { start: u64 },
}

mod flag {
    pub const STANDALONE: u8 = 0x01;
    pub const COMMIT_ID: u8 = 0x02;
    pub const DDL: u8 = 0x20;
    pub const PREPARED_XA: u8 = 0x40;
    pub const COMPLETED_XA: u8 = 0x80;
}

mod extra {
    pub const MULTI_ENGINE: u8 = 0x01;
    pub const START_ALTER: u8 = 0x02;
    pub const COMMIT_ALTER: u8 = 0x04;
    pub const ROLLBACK_ALTER: u8 = 0x08;
    pub const THREAD_ID: u8 = 0x10;
}

impl<'a> MariadbGtidEvent<'a> {
    pub fn parse(event: &'a RawEvent) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let sequence = c.u64("gtid sequence")?;
        let domain = c.u32("gtid domain")?;
        let flags = c.u8("gtid flags")?;
        let commit_id = if flags & flag::COMMIT_ID == 0 { None } else { Some(c.u64("commit id")?) };
        let xa = match flags & (flag::PREPARED_XA | flag::COMPLETED_XA) {
            0 => None,
            flag::PREPARED_XA => Some(Xa::Prepared(XaId::read_short(&mut c)?)),
            _ => Some(Xa::Completed(XaId::read_short(&mut c)?)),
        };
        let (alter, thread_id) = read_extra(&mut c)?;
        Ok(MariadbGtidEvent {
            gtid: MariadbGtid { domain, server_id: event.header.server_id, sequence },
            standalone: flags & flag::STANDALONE != 0,
            ddl: flags & flag::DDL != 0,
            commit_id,
            xa,
            alter,
            thread_id,
        })
    }
}

/// The extra flags and their fields; zero bytes fill up a short event and read as "no flags".
fn read_extra(c: &mut Cursor<'_>) -> Result<(Option<AlterPart>, Option<u32>), DecodeError> {
    if c.is_empty() {
        return Ok((None, None));
    }
    let flags = c.u8("extra gtid flags")?;
    if flags & extra::MULTI_ENGINE != 0 {
        c.skip(1, "number of engines")?;
    }
    let alter = match flags & (extra::START_ALTER | extra::COMMIT_ALTER | extra::ROLLBACK_ALTER) {
        0 => None,
        extra::START_ALTER => Some(AlterPart::Start),
        extra::COMMIT_ALTER => Some(AlterPart::Commit { start: c.u64("sequence of the ALTER")? }),
        extra::ROLLBACK_ALTER => Some(AlterPart::Rollback { start: c.u64("sequence of the ALTER")? }),
        other => return Err(DecodeError::invalid("extra gtid flags", format!("0x{other:02x}"))),
    };
    let thread_id = if flags & extra::THREAD_ID == 0 { None } else { Some(c.u32("gtid thread id")?) };
    Ok((alter, thread_id))
}

/// The GTID_LIST event: the last GTID of every domain and server before this file. Within a domain the newest is last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GtidList {
    /// Bit 0: the dump has reached its end position (artificial events only). Bit 1: replicas must not use the list.
    pub flags: u8,
    pub gtids: Vec<MariadbGtid>,
}

/// Size of one GTID in the list, in bytes.
const LIST_ENTRY_SIZE: usize = 16;

impl GtidList {
    pub fn parse(event: &RawEvent) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let head = c.u32("gtid list size")?;
        let count = usize::try_from(head & 0x0fff_ffff).unwrap_or(usize::MAX);
        if c.len() / LIST_ENTRY_SIZE < count {
            return Err(DecodeError::Short { what: "gtid list", want: count.saturating_mul(LIST_ENTRY_SIZE), have: c.len() });
        }
        let mut gtids = Vec::with_capacity(count);
        for _ in 0..count {
            let (domain, server_id, sequence) = (c.u32("gtid domain")?, c.u32("gtid server id")?, c.u64("gtid sequence")?);
            gtids.push(MariadbGtid { domain, server_id, sequence });
        }
        // The shift leaves four bits.
        Ok(GtidList { flags: (head >> 28) as u8, gtids })
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    fn body(flags: u8, rest: &[u8]) -> Vec<u8> {
        [&5016u64.to_le_bytes()[..], &7u32.to_le_bytes(), &[flags], rest].concat()
    }

    #[test]
    fn flags_and_optional_fields() {
        let plain = body(0x29, &[0; 6]);
        let event = raw(162, &plain);
        let gtid = MariadbGtidEvent::parse(&event).unwrap();
        assert_eq!(gtid.gtid.to_string(), "7-104-5016");
        assert!(gtid.standalone && gtid.ddl && gtid.commit_id.is_none() && gtid.xa.is_none() && gtid.thread_id.is_none());
        let xa = XaId { format_id: 1, gtrid: b"one", bqual: b"q" };
        let bytes = b"\x09\0\0\0\0\0\0\0\x01\0\0\0\x03\x01oneq";
        for (flags, want) in [(0x42, Xa::Prepared(xa)), (0x82, Xa::Completed(xa))] {
            let with_id = body(flags, bytes);
            let event = raw(162, &with_id);
            let gtid = MariadbGtidEvent::parse(&event).unwrap();
            assert_eq!((gtid.commit_id, gtid.xa, gtid.standalone), (Some(9), Some(want), false));
            refuses_cuts(162, &with_id, with_id.len(), |e| MariadbGtidEvent::parse(e).map(|_| ()));
        }
        let newer = body(0, &[0x15, 2, 1, 1, 1, 1, 1, 1, 1, 1, 44, 1, 0, 0]);
        let event = raw(162, &newer);
        let gtid = MariadbGtidEvent::parse(&event).unwrap();
        assert_eq!((gtid.thread_id, gtid.alter), (Some(300), Some(AlterPart::Commit { start: 0x0101_0101_0101_0101 })));
    }

    #[test]
    fn two_part_alter() {
        let start = 10u64.to_le_bytes();
        let cases = [
            (&[0x02u8][..], Some(AlterPart::Start)),
            (&[&[0x04][..], &start].concat(), Some(AlterPart::Commit { start: 10 })),
            (&[&[0x08][..], &start].concat(), Some(AlterPart::Rollback { start: 10 })),
            (&[0], None),
        ];
        for (rest, want) in cases {
            assert_eq!(MariadbGtidEvent::parse(&raw(162, &body(0x21, rest))).unwrap().alter, want);
        }
        MariadbGtidEvent::parse(&raw(162, &body(0x21, &[0x06]))).unwrap_err();
    }

    #[test]
    fn list() {
        let mut bytes = (2u32 | 2 << 28).to_le_bytes().to_vec();
        for (domain, server, sequence) in [(0u32, 1u32, 5u64), (0, 2, 9)] {
            bytes.extend_from_slice(&domain.to_le_bytes());
            bytes.extend_from_slice(&server.to_le_bytes());
            bytes.extend_from_slice(&sequence.to_le_bytes());
        }
        let list = GtidList::parse(&raw(163, &bytes)).unwrap();
        assert_eq!((list.flags, list.gtids[1].to_string()), (2, "0-2-9".to_owned()));
        refuses_cuts(163, &bytes, bytes.len(), GtidList::parse);
        GtidList::parse(&raw(163, &[255; 4])).unwrap_err();
    }
}
