//! The transactions of a binlog by their places, GTIDs and times alone: what a search for a start needs. Rows and
//! statements are not looked into. Fed with the events of whole files, in order.

use crate::binlog::mariadb_gtid::{GtidList, MariadbGtidEvent};
use crate::binlog::{DecodeError, EventType, RawEvent, gtid, previous_gtids, query, rotate};
use crate::position::xa::XaName;
use crate::position::{BinlogPosition, Gtid, Gtids};

use super::assembler::is_outside_file;
use super::offset::extend;
use super::statement::{self, Statement};

/// What an event completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A file begins, made at this time (seconds since the epoch).
    File { created: u32 },
    /// The GTIDs of all files before this one.
    Before(Gtids),
    /// A transaction, or a statement that is one by itself.
    Group(Group),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where its first event begins.
    pub start: BinlogPosition,
    /// Where its last event ends.
    pub end: u64,
    /// `None` without GTIDs.
    pub gtid: Option<Gtid>,
    /// When it was committed on this server, seconds since the epoch; without such a time (before MySQL 8, MariaDB) that
    /// of its last event.
    pub committed: u64,
}

/// Finds the groups of one file after the other, each read from its beginning.
#[derive(Debug, Default)]
pub struct GroupScanner {
    file: std::sync::Arc<str>,
    offset: u64,
    /// End of the last complete group, or of the last event between groups.
    boundary: u64,
    /// Between BEGIN and commit.
    inside: bool,
    /// A GTID event was seen whose statement or transaction follows.
    announced: bool,
    gtid: Option<Gtid>,
    committed_us: Option<u64>,
}

impl GroupScanner {
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the last event ended.
    pub fn at(&self) -> BinlogPosition {
        BinlogPosition { file: self.file.clone(), offset: self.offset }
    }

    /// The last place between transactions.
    pub fn boundary(&self) -> BinlogPosition {
        BinlogPosition { file: self.file.clone(), offset: self.boundary }
    }

    /// # Errors
    /// When an event that matters here cannot be read.
    pub fn push(&mut self, event: &RawEvent) -> Result<Option<Seen>, DecodeError> {
        let header = &event.header;
        let kind = header.event_type();
        if header.is_packed() {
            return Ok(None);
        }
        if is_outside_file(header) {
            if kind == Some(EventType::Rotate) {
                let rotate = rotate::Rotate::parse(event)?;
                *self = GroupScanner { file: rotate.file.into(), offset: rotate.position, boundary: rotate.position, ..Self::default() };
            }
            return Ok(None);
        }
        let sum = self.offset + u64::from(header.size);
        // The server's own count where it gives one (modulo 2^32); the sum where it gives none.
        self.offset = if header.next_position == 0 { sum } else { extend(header.next_position, sum) };
        match kind {
            Some(EventType::FormatDescription) => {
                self.between();
                return Ok(Some(Seen::File { created: header.timestamp }));
            }
            Some(EventType::PreviousGtids) => {
                self.between();
                return Ok(Some(Seen::Before(Gtids::MySql(previous_gtids::parse(event)?))));
            }
            Some(EventType::MariaGtidList) => {
                self.between();
                return Ok(Some(Seen::Before(Gtids::MariaDb(GtidList::parse(event)?.gtids.into_iter().collect()))));
            }
            Some(EventType::Gtid | EventType::AnonymousGtid | EventType::GtidTagged) => {
                let parsed = gtid::GtidEvent::parse(event)?;
                self.announced = true;
                self.gtid = parsed.gtid.map(Gtid::MySql);
                self.committed_us = parsed.immediate_commit_us.filter(|us| *us > 0);
                return Ok(None);
            }
            Some(EventType::MariaGtid) => {
                let parsed = MariadbGtidEvent::parse(event)?;
                self.announced = true;
                self.inside = !parsed.standalone;
                self.gtid = Some(Gtid::MariaDb(parsed.gtid));
                return Ok(None);
            }
            _ => {}
        }
        let ends = match kind {
            Some(EventType::Xid | EventType::TransactionPayload | EventType::XaPrepare) => true,
            Some(EventType::Query) => {
                let sql = query::Query::parse(event)?.sql;
                match statement::recognise(sql, self.inside) {
                    Statement::Begin | Statement::XaBegin => {
                        self.inside = true;
                        false
                    }
                    Statement::XaEnd => false,
                    Statement::Commit | Statement::Rollback => true,
                    _ => !self.inside,
                }
            }
            // Long texts only, and those are statements: BEGIN and COMMIT are never compressed.
            Some(EventType::MariaQueryCompressed) => !self.inside,
            _ => {
                if !self.inside && !self.announced {
                    self.boundary = self.offset;
                }
                false
            }
        };
        Ok(ends.then(|| self.close(header.timestamp)))
    }

    fn between(&mut self) {
        self.boundary = self.offset;
        self.inside = false;
        self.announced = false;
    }

    fn close(&mut self, timestamp: u32) -> Seen {
        let start = self.boundary();
        self.between();
        let committed = self.committed_us.take().map_or(u64::from(timestamp), |us| us / 1_000_000);
        Seen::Group(Group { start, end: self.offset, gtid: self.gtid.take(), committed })
    }
}

/// The name of the XA transaction that a statement commits or rolls back.
pub fn decides_xa(sql: &[u8]) -> Option<XaName> {
    match statement::recognise(sql, false) {
        Statement::XaCommit | Statement::XaRollback => statement::xa_name(sql),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::binlog::event::{EventHeader, FLAG_ARTIFICIAL, HEADER_SIZE};

    struct File {
        scanner: GroupScanner,
        offset: u32,
    }

    impl File {
        fn open() -> File {
            let mut scanner = GroupScanner::new();
            let body = Bytes::from_static(b"\x04\0\0\0\0\0\0\0m.000007");
            let header = EventHeader { timestamp: 0, type_code: 4, server_id: 1, size: 35, next_position: 0, flags: FLAG_ARTIFICIAL };
            assert_eq!(scanner.push(&RawEvent { header, body }).unwrap(), None);
            File { scanner, offset: 4 }
        }

        fn event(&mut self, type_code: u8, timestamp: u32, body: &[u8]) -> Option<Seen> {
            let size = (HEADER_SIZE + body.len()) as u32;
            self.offset = self.offset.wrapping_add(size);
            let header = EventHeader { timestamp, type_code, server_id: 1, size, next_position: self.offset, flags: 0 };
            self.scanner.push(&RawEvent { header, body: Bytes::copy_from_slice(body) }).unwrap()
        }

        fn query(&mut self, timestamp: u32, sql: &str) -> Option<Seen> {
            let mut body = vec![0; 13];
            body.push(0);
            body.extend_from_slice(sql.as_bytes());
            self.event(2, timestamp, &body)
        }
    }

    fn group(seen: Option<Seen>) -> Group {
        match seen {
            Some(Seen::Group(group)) => group,
            other => panic!("no group: {other:?}"),
        }
    }

    #[test]
    fn groups_of_a_file_without_gtids() {
        let mut file = File::open();
        assert_eq!(file.event(15, 77, &[0; 90]), Some(Seen::File { created: 77 }));
        let head = u64::from(file.offset);
        assert_eq!(file.query(100, "BEGIN"), None);
        assert_eq!(file.event(30, 100, &[0; 20]), None);
        assert_eq!(file.scanner.boundary().offset, head, "rows are inside");
        let first = group(file.event(16, 101, &[0; 8]));
        assert_eq!((first.start, first.committed, first.gtid), (BinlogPosition::new("m.000007", head), 101, None));
        assert_eq!(first.end, u64::from(file.offset));
        let ddl = group(file.query(102, "CREATE TABLE t (a int)"));
        assert_eq!(ddl.start.offset, first.end);
        file.event(3, 103, &[]);
        assert_eq!(file.scanner.boundary(), file.scanner.at(), "a stop event stands between groups");
    }

    #[test]
    fn places_beyond_4_gib_are_counted_on() {
        const FOUR_GIB: u64 = 1 << 32;
        let mut file = File::open();
        file.event(15, 77, &[0; 90]);
        // An event of nearly 4 GiB, as far as its header says; the next two stand around the place where 32 bits end.
        let size = u32::MAX - 200;
        file.offset = file.offset.wrapping_add(size);
        let header = EventHeader { timestamp: 1, type_code: 28, server_id: 1, size, next_position: file.offset, flags: 0x80 };
        file.scanner.push(&RawEvent { header, body: Bytes::new() }).unwrap();
        let before = file.scanner.at().offset;
        assert!((FOUR_GIB - 200..FOUR_GIB).contains(&before), "{before}");
        file.query(100, "BEGIN");
        // The server passes over something that it does not show, right where the low bits begin anew.
        file.offset = file.offset.wrapping_add(100);
        let group = group(file.event(16, 101, &[0; 8]));
        assert_eq!((group.start.offset, group.end), (before, FOUR_GIB + u64::from(file.offset)));
    }

    #[test]
    fn a_gtid_begins_its_group() {
        let mut file = File::open();
        file.event(15, 77, &[0; 90]);
        assert_eq!(file.event(35, 77, &[0; 8]), Some(Seen::Before(Gtids::MySql(Default::default()))));
        let before = u64::from(file.offset);
        let mut gtid = vec![1];
        gtid.extend_from_slice(&[0x11; 16]);
        gtid.extend_from_slice(&9u64.to_le_bytes());
        assert_eq!(file.event(33, 100, &gtid), None);
        let ddl = group(file.query(105, "DROP TABLE t"));
        assert_eq!((ddl.start.offset, ddl.committed), (before, 105));
        assert_eq!(ddl.gtid.unwrap().to_string(), "11111111-1111-1111-1111-111111111111:9");
        file.event(33, 100, &gtid);
        assert_eq!(file.query(106, "XA START X'61',X'',1"), None);
        assert_eq!(file.event(30, 106, &[0; 20]), None);
        assert_eq!(file.query(106, "XA END X'61',X'',1"), None);
        let prepared = group(file.event(38, 107, &[0; 20]));
        assert_eq!(prepared.start.offset, ddl.end, "an XA transaction is one group up to its prepare");
    }
}
