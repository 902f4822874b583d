//! The form of one spilled event: `len u32, crc32 u32` and then, under both, `kind u8` and the event. Little endian.
//! Never here: files.

use std::sync::Arc;

use bytes::Bytes;

use crate::assemble::transaction::{TableSlot, TxnEvent};
use crate::binlog::event::HEADER_SIZE;
use crate::binlog::{Cursor, DecodeError, EventHeader, RawEvent};
use crate::error::{Error, Result};

use super::damaged;

/// Length and checksum before every record.
pub(super) const FRAME_BYTES: usize = 8;

const KIND_ROWS: u8 = 1;
const KIND_ROW_QUERY: u8 = 2;
const KIND_LEFT_OUT: u8 = 3;
/// kind, slot index, start offset, event header
const ROWS_HEAD_BYTES: usize = 1 + 4 + 8 + HEADER_SIZE;

/// Length and CRC32 of the record that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub len: usize,
    crc: u32,
}

impl Frame {
    pub fn parse(bytes: &[u8]) -> Option<Frame> {
        let mut c = Cursor::new(bytes);
        let len = usize::try_from(c.u32("record length").ok()?).ok()?;
        Some(Frame { len, crc: c.u32("record checksum").ok()? })
    }
}

/// Bytes of the whole record with its frame.
pub(super) fn size(event: &TxnEvent) -> Result<u64> {
    Ok(FRAME_BYTES as u64 + u64::from(payload_len(event)?))
}

fn payload_len(event: &TxnEvent) -> Result<u32> {
    let len = match event {
        TxnEvent::Rows { event, .. } => ROWS_HEAD_BYTES + event.body.len(),
        TxnEvent::RowQuery(text) => 1 + text.len(),
        TxnEvent::LeftOut(_) => 1 + 8,
    };
    u32::try_from(len).map_err(|_| Error::definite("an event of 4 GiB or more cannot be spilled"))
}

/// Everything before the event's own bytes, and those bytes, which are not copied.
pub(super) fn encode(event: &TxnEvent, slot: u32) -> Result<(Vec<u8>, &[u8])> {
    let mut head = Vec::with_capacity(FRAME_BYTES + ROWS_HEAD_BYTES);
    head.extend_from_slice(&payload_len(event)?.to_le_bytes());
    head.extend_from_slice(&[0; 4]);
    let body: &[u8] = match event {
        TxnEvent::Rows { event, start, .. } => {
            head.push(KIND_ROWS);
            head.extend_from_slice(&slot.to_le_bytes());
            head.extend_from_slice(&start.to_le_bytes());
            put_header(&event.header, &mut head);
            &event.body
        }
        TxnEvent::RowQuery(text) => {
            head.push(KIND_ROW_QUERY);
            text
        }
        TxnEvent::LeftOut(rows) => {
            head.push(KIND_LEFT_OUT);
            head.extend_from_slice(&rows.to_le_bytes());
            &[]
        }
    };
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[FRAME_BYTES..]);
    crc.update(body);
    head[4..FRAME_BYTES].copy_from_slice(&crc.finalize().to_le_bytes());
    Ok((head, body))
}

/// The 19 bytes that `EventHeader::parse` reads.
fn put_header(header: &EventHeader, out: &mut Vec<u8>) {
    out.extend_from_slice(&header.timestamp.to_le_bytes());
    out.push(header.type_code);
    out.extend_from_slice(&header.server_id.to_le_bytes());
    out.extend_from_slice(&header.size.to_le_bytes());
    out.extend_from_slice(&header.next_position.to_le_bytes());
    out.extend_from_slice(&header.flags.to_le_bytes());
}

/// The event of a record whose checksum agrees.
pub(super) fn decode(frame: Frame, payload: Vec<u8>, slots: &[Arc<TableSlot>]) -> Result<TxnEvent> {
    if crc32fast::hash(&payload) != frame.crc {
        return Err(damaged("a checksum does not agree"));
    }
    parse(payload.into(), slots).map_err(|e| damaged(&e.to_string()))?.ok_or_else(|| damaged("a record is of no known kind"))
}

fn parse(payload: Bytes, slots: &[Arc<TableSlot>]) -> Result<Option<TxnEvent>, DecodeError> {
    let mut c = Cursor::new(&payload);
    match c.u8("record kind")? {
        KIND_ROW_QUERY => Ok(Some(TxnEvent::RowQuery(payload.slice(1..)))),
        KIND_LEFT_OUT => Ok(Some(TxnEvent::LeftOut(c.u64("record rows")?))),
        KIND_ROWS => {
            let slot = usize::try_from(c.u32("record slot")?).ok().and_then(|i| slots.get(i));
            let start = c.u64("record start")?;
            let header = EventHeader::parse(c.take(HEADER_SIZE, "record header")?)?;
            let Some(slot) = slot.map(Arc::clone) else { return Ok(None) };
            Ok(Some(TxnEvent::Rows { slot, event: RawEvent { header, body: payload.slice(ROWS_HEAD_BYTES..) }, start }))
        }
        _ => Ok(None),
    }
}
