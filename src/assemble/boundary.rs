//! Finds the last transaction boundary before a place in a binlog file, for a stored position that lies inside a
//! transaction (Maxwell stores the end of the last surviving row's event).

use crate::binlog::{EventType, RawEvent, query};
use crate::error::Result;
use crate::position::BinlogPosition;

use super::assembler::is_outside_file;
use super::statement::{self, Statement};

/// Fed with the events of one file from its beginning; knows the newest boundary at or before the place looked for.
#[derive(Debug)]
pub struct BoundaryScanner {
    target: u64,
    offset: u64,
    boundary: BinlogPosition,
    inside: bool,
    /// A GTID event was seen whose statement or transaction follows.
    group: bool,
    done: bool,
}

impl BoundaryScanner {
    /// `target` is the place looked for; the file is read from offset 4.
    pub fn new(target: &BinlogPosition) -> Self {
        BoundaryScanner {
            target: target.offset,
            offset: 4,
            boundary: BinlogPosition { file: target.file.clone(), offset: 4 },
            inside: false,
            group: false,
            done: false,
        }
    }

    /// Returns the boundary when the target is reached.
    pub fn push(&mut self, event: &RawEvent) -> Result<Option<BinlogPosition>> {
        let header = &event.header;
        let kind = header.event_type();
        if is_outside_file(header) || header.is_packed() {
            return Ok(None);
        }
        if self.offset >= self.target || self.done {
            return Ok(Some(self.boundary.clone()));
        }
        self.offset += u64::from(header.size);
        self.done = kind == Some(EventType::Rotate);
        let ended = match kind {
            Some(EventType::Gtid | EventType::AnonymousGtid | EventType::GtidTagged) => {
                self.group = true;
                false
            }
            Some(EventType::MariaGtid) => {
                let standalone = crate::binlog::mariadb_gtid::MariadbGtidEvent::parse(event).map(|g| g.standalone).unwrap_or(true);
                self.group = true;
                self.inside = !standalone;
                false
            }
            Some(EventType::Xid | EventType::TransactionPayload | EventType::XaPrepare) => true,
            Some(EventType::Query) => match query::Query::parse(event).map(|q| statement::recognise(q.sql, self.inside)) {
                Ok(Statement::Begin | Statement::XaBegin) => {
                    self.inside = true;
                    false
                }
                Ok(Statement::Commit | Statement::Rollback) => true,
                Ok(Statement::XaEnd) => false,
                _ => !self.inside,
            },
            _ => !self.inside && !self.group,
        };
        if ended {
            self.inside = false;
            self.group = false;
            // The commit that reaches over the target is the end of the very transaction that has to be sent whole.
            if self.offset <= self.target {
                self.boundary.offset = self.offset;
            }
        }
        Ok((self.offset >= self.target).then(|| self.boundary.clone()))
    }
}
