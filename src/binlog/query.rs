//! Query events: the text of a statement (DDL, BEGIN, COMMIT, XA …) and the session it ran in.

use super::cursor::utf8;
use super::status_vars::StatusVars;
use super::{Cursor, DecodeError, EventType, RawEvent};

/// The event (MySQL `libs/mysql/binlog/event/statement_events.h`, `Query_event`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// The client connection's id on the server.
    pub thread_id: u32,
    /// How long the statement ran, in whole seconds.
    pub exec_time_s: u32,
    /// The statement's error on the server; 0 for none.
    pub error_code: u16,
    /// The session's default database; empty when there was none.
    pub database: &'a str,
    pub status: StatusVars,
    /// The statement, in the session's `character_set_client`.
    pub sql: &'a [u8],
}

impl<'a> Query<'a> {
    /// Fails on MariaDB's compressed form, which `compressed::inflate` turns into this one.
    pub fn parse(event: &'a RawEvent) -> Result<Self, DecodeError> {
        if event.event_type() == Some(EventType::MariaQueryCompressed) {
            return Err(DecodeError::invalid("query event", "it is compressed"));
        }
        let mut c = Cursor::new(&event.body);
        let thread_id = c.u32("query thread id")?;
        let exec_time_s = c.u32("query run time")?;
        let database_size = c.u8("query database")?;
        let error_code = c.u16("query error code")?;
        let status_size = c.u16("query status variables")?;
        let status = c.take(status_size.into(), "query status variables")?;
        let database = c.take(database_size.into(), "query database")?;
        if c.u8("end of query database")? != 0 {
            return Err(DecodeError::invalid("query database", "no NUL ends it"));
        }
        Ok(Query {
            thread_id,
            exec_time_s,
            error_code,
            database: utf8(database, "query database")?,
            status: StatusVars::parse(status)?,
            sql: c.take_rest(),
        })
    }
}

/// The thread id of an event whose statement is exactly `BEGIN`, without reading the status variables; `None` for any
/// other event, damaged ones included.
pub fn begin_thread_id(event: &RawEvent) -> Option<u32> {
    let body = &event.body;
    if !body.ends_with(b"\0BEGIN") || head_size(body).ok()? + 5 != body.len() {
        return None;
    }
    Cursor::new(body).u32("query thread id").ok()
}

/// The statement of a load (MySQL `libs/mysql/binlog/event/load_data_events.h`, `Execute_load_query_event`) as a query
/// event: the head has 13 bytes more, which say where the name of the file stands in the text and what to do with rows that
/// are there already.
pub fn from_load(event: &RawEvent) -> Result<RawEvent, DecodeError> {
    const QUERY_HEAD: usize = 13;
    const LOAD_HEAD: usize = 26;
    let mut c = Cursor::new(&event.body);
    let head = c.take(QUERY_HEAD, "head of a load")?;
    c.skip(LOAD_HEAD - QUERY_HEAD, "head of a load")?;
    Ok(RawEvent { header: event.header, body: [head, c.take_rest()].concat().into() })
}

/// Size of what stands before the statement's text, in bytes.
pub(super) fn head_size(body: &[u8]) -> Result<usize, DecodeError> {
    let mut c = Cursor::new(body);
    c.skip(8, "query times")?;
    let database_size = usize::from(c.u8("query database")?);
    c.skip(2, "query error code")?;
    let status_size = usize::from(c.u16("query status variables")?);
    c.skip(status_size + database_size + 1, "query head")?;
    Ok(body.len() - c.len())
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    const BODY: &[u8] = b"\x66\x01\0\0\x02\0\0\0\x04\x07\0\x09\0\x01\0\0\x20\0\0\0\0\0shop\0CREATE TABLE t (id int)";

    #[test]
    fn the_statement_of_a_load() {
        let load = [&BODY[..13], &[7; 13], &BODY[13..]].concat();
        let event = from_load(&raw(18, &load)).unwrap();
        assert_eq!(Query::parse(&event).unwrap(), Query::parse(&raw(2, BODY)).unwrap());
        for len in 0..26 {
            from_load(&raw(18, &load[..len])).unwrap_err();
        }
    }

    #[test]
    fn head_and_text() {
        let event = raw(2, BODY);
        let query = Query::parse(&event).unwrap();
        assert_eq!((query.thread_id, query.exec_time_s, query.error_code, query.database), (0x166, 2, 7, "shop"));
        assert_eq!(query.status.sql_mode, Some(0x20_0000));
        assert_eq!(query.sql, b"CREATE TABLE t (id int)");
        assert_eq!(&BODY[head_size(BODY).unwrap()..], query.sql);
        refuses_cuts(2, BODY, BODY.len() - query.sql.len(), |e| Query::parse(e).map(|_| ()));
    }

    #[test]
    fn a_compressed_query_is_not_read_as_text() {
        Query::parse(&raw(165, BODY)).unwrap_err();
    }
}
