//! What a position record says while batches go by: the last place that a start can begin from, and how many rows of the
//! binlog behind it are done. Pure.

use std::time::Instant;

use crate::encode::batch::RawRows;
use crate::error::{Error, Result};
use crate::position::ack::{AckTracker, Reached};
use crate::position::{Gtid, Position, ResumePoint};

/// A binlog file's places behind this cannot be asked for by file and offset.
const OFFSET_MAX: u64 = u32::MAX as u64;

/// Where the stream is, as a record says it.
pub struct Book {
    acks: AckTracker,
    pub position: Position,
    /// Rows of the binlog behind `position`.
    pub rows_done: u64,
}

impl Book {
    pub fn new(position: Position, rows_done: u64) -> Self {
        Book { acks: AckTracker::new(), position, rows_done }
    }

    /// A batch is in the transaction. A place that a start cannot begin from (definitions are in doubt there, or it lies
    /// behind 4 GiB of a file) only adds to the rows.
    pub fn take(&mut self, end: Option<ResumePoint>, gtids: Vec<Gtid>, raw: RawRows) -> Result<()> {
        let end = end.map(|end| {
            let out_of_reach = self.position.gtids.is_none() && end.at.offset > OFFSET_MAX;
            ResumePoint { held: end.held || out_of_reach, ..end }
        });
        let ticket = self.acks.open(end, gtids, Instant::now());
        self.acks.done(ticket);
        let Some(Reached { end, gtids, many }) = self.acks.reached() else {
            self.rows_done += raw.all;
            return Ok(());
        };
        if let Some(set) = &mut self.position.gtids {
            let added = many.iter().try_for_each(|many| set.merge(many)).and_then(|()| gtids.iter().try_for_each(|gtid| set.add(gtid)));
            added.map_err(|e| Error::bug("cannot add GTIDs to the recorded set").source(e))?;
        }
        self.position.at = end.at;
        self.position.heartbeat = end.heartbeat;
        self.rows_done = raw.behind_end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::gtid::MariadbGtid;
    use crate::position::{BinlogPosition, Gtids};

    fn point(seq: u64, offset: u64, held: bool) -> ResumePoint {
        ResumePoint { seq, at: BinlogPosition::new("m.000001", offset), gtid: None, heartbeat: seq as i64, saves: true, held }
    }

    fn gtid(sequence: u64) -> Gtid {
        Gtid::MariaDb(MariadbGtid { domain: 0, server_id: 1, sequence })
    }

    /// Each row: the end of a batch, raw rows (all, behind the end), and where the record then is.
    #[test]
    fn rows_count_from_the_last_place_that_a_start_can_begin_from() {
        let start = Position { gtids: Some(Gtids::parse("0-1-1").unwrap()), ..Position::new(BinlogPosition::new("m.000001", 4)) };
        let mut book = Book::new(start, 7);
        let rows = [
            (None, 10, 10, 4, 17),
            (None, 5, 5, 4, 22),
            (Some((1, 100, false)), 3, 0, 100, 0),
            (Some((2, 200, true)), 6, 0, 100, 6),
            (None, 2, 2, 100, 8),
            (Some((3, 300, false)), 9, 1, 300, 1),
            (Some((4, 5 << 30, false)), 1, 0, 5 << 30, 0),
        ];
        for (i, (end, all, behind_end, offset, rows_done)) in rows.into_iter().enumerate() {
            let gtids = end.map(|_| gtid(i as u64 + 2)).into_iter().collect();
            let end = end.map(|(seq, offset, held)| point(seq, offset, held));
            book.take(end, gtids, RawRows { all, behind_end }).unwrap();
            assert_eq!((book.position.at.offset, book.rows_done), (offset, rows_done), "row {i}");
        }
        assert_eq!(book.position.gtids.map(|g| g.to_string()).as_deref(), Some("0-1-8"));
    }

    #[test]
    fn by_file_a_place_behind_4_gib_is_passed_over() {
        let mut book = Book::new(Position::new(BinlogPosition::new("m.000001", 4)), 0);
        book.take(Some(point(1, OFFSET_MAX, false)), vec![], RawRows { all: 2, behind_end: 0 }).unwrap();
        book.take(Some(point(2, OFFSET_MAX + 1, false)), vec![], RawRows { all: 3, behind_end: 0 }).unwrap();
        assert_eq!((book.position.at.offset, book.rows_done), (OFFSET_MAX, 3));
        let next = ResumePoint { at: BinlogPosition::new("m.000002", 4), ..point(3, 4, false) };
        book.take(Some(next), vec![], RawRows { all: 0, behind_end: 0 }).unwrap();
        assert_eq!((&*book.position.at.file, book.rows_done), ("m.000002", 0));
    }
}
