//! How the facts of a held row are written into a spill buffer beside its event: as texts, which the buffer keeps as
//! they are. The first byte says what a text is; numbers are little endian.

use bytes::Bytes;

use crate::binlog::{Cursor, DecodeError, RawEvent};
use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Gtid};

use super::super::transaction::{TableSlot, TxnMeta};
use std::sync::Arc;

const TRANSACTION: u8 = b'T';
const QUERY: u8 = b'Q';
const NUMBER: u8 = b'X';
const COMMIT: u8 = b'C';

/// A rows event that is to be held.
pub(super) struct Record<'a> {
    pub meta: &'a TxnMeta,
    /// The end of its transaction, which tells it from others.
    pub end: &'a BinlogPosition,
    pub slot: &'a Arc<TableSlot>,
    pub event: &'a RawEvent,
    pub start: u64,
    pub query: &'a [u8],
    pub xoffset: u64,
}

/// What a text says.
pub(super) enum Mark {
    /// The rows that follow are of this transaction.
    Transaction(TxnMeta),
    /// This row query is in force.
    Query(Bytes),
    /// The number of the row that follows.
    Number(u64),
    /// The row before was its transaction's last.
    Commit,
}

pub(super) fn transaction(meta: &TxnMeta) -> Bytes {
    let mut out = vec![TRANSACTION];
    let gtid = meta.gtid.as_ref().map(Gtid::to_string).unwrap_or_default();
    for text in [&*meta.file, &*gtid] {
        // Names and GTIDs are much shorter than 4 GiB.
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    let numbers = [
        meta.server_id.map(u64::from),
        meta.thread_id.map(u64::from),
        meta.xid,
        meta.schema_id.map(i64::cast_unsigned),
        Some(meta.commit_us),
    ];
    for number in numbers {
        out.push(u8::from(number.is_some()));
        out.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }
    out.into()
}

pub(super) fn query(text: &[u8]) -> Bytes {
    [&[QUERY], text].concat().into()
}

pub(super) fn number(xoffset: u64) -> Bytes {
    let mut out = vec![NUMBER];
    out.extend_from_slice(&xoffset.to_le_bytes());
    out.into()
}

pub(super) fn commit_mark() -> Bytes {
    Bytes::from_static(&[COMMIT])
}

pub(super) fn read(bytes: &Bytes) -> Result<Mark> {
    parse(bytes).map_err(|e| Error::bug("the facts of a held row cannot be read back").source(e))
}

fn parse(bytes: &Bytes) -> Result<Mark, DecodeError> {
    let mut c = Cursor::new(bytes);
    Ok(match c.u8("mark")? {
        TRANSACTION => Mark::Transaction(read_transaction(&mut c)?),
        QUERY => Mark::Query(bytes.slice(1..)),
        NUMBER => Mark::Number(c.uint(8, "number of a row")?),
        COMMIT => Mark::Commit,
        other => return Err(DecodeError::invalid("mark", format!("{other} is not known"))),
    })
}

fn read_transaction(c: &mut Cursor<'_>) -> Result<TxnMeta, DecodeError> {
    let text = |c: &mut Cursor<'_>| {
        let len = c.u32("length of a text")? as usize;
        Ok(String::from_utf8_lossy(c.take(len, "text")?).into_owned())
    };
    let file = text(c)?;
    let gtid = text(c)?;
    let gtid = match &*gtid {
        "" => None,
        text => Some(Gtid::parse(text).map_err(|e| DecodeError::invalid("GTID", e.to_string()))?),
    };
    let mut number = || {
        let some = c.u8("flag")? == 1;
        Ok(Some(c.uint(8, "number")?).filter(|_| some))
    };
    Ok(TxnMeta {
        file: file.into(),
        gtid,
        server_id: number()?.and_then(|n| u32::try_from(n).ok()),
        thread_id: number()?.and_then(|n| u32::try_from(n).ok()),
        xid: number()?,
        schema_id: number()?.map(u64::cast_signed),
        commit_us: number()?.unwrap_or_default(),
        rows_at: None,
        requests: Vec::new(),
        // For metrics of the transaction as a whole, which was counted when it was read.
        begun_s: 0,
        last_row_s: 0,
    })
}
