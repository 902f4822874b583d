//! Rows of our own heartbeats table. Its layout is fixed, so it is read without a tracked definition.

use crate::binlog::rows::RowsKind;
use crate::binlog::table_map::WireType;
use crate::binlog::{Cursor, DecodeError, RawEvent, RowsEvent, TableMap};

/// Whether a table map has the columns of our heartbeats table.
pub fn is_heartbeats(map: &TableMap) -> bool {
    matches!(map.types[..], [WireType::Long, WireType::Varchar { .. }, WireType::LongLong])
}

/// The heartbeat that this event writes for our client id: the last after image with that `client_id`.
///
/// `heartbeats` is (server_id int unsigned, client_id varchar(255) latin1, heartbeat bigint), all not null (contract §2.3).
pub fn heartbeat_of(map: &TableMap, event: &RawEvent, client_id: &str) -> Result<Option<i64>, DecodeError> {
    const WHAT: &str = "heartbeats row";
    let [WireType::Long, WireType::Varchar { bytes }, WireType::LongLong] = map.types[..] else {
        return Err(DecodeError::invalid(WHAT, "the table does not have the columns server_id, client_id, heartbeat"));
    };
    let rows = RowsEvent::parse(event)?;
    if rows.kind == RowsKind::Delete {
        return Ok(None);
    }
    let mut images = Cursor::new(rows.images);
    let mut found = None;
    while !images.is_empty() {
        // A minimal after image leaves out the unchanged client id; the before image has it, as part of the key.
        let before = if rows.kind == RowsKind::Update { read_row(&mut images, &rows, false, bytes)?.0 } else { None };
        let (client, heartbeat) = read_row(&mut images, &rows, true, bytes)?;
        if client.or(before) == Some(client_id.as_bytes()) {
            found = heartbeat.or(found);
        }
    }
    Ok(found)
}

/// One image: `client_id` and `heartbeat`, each if the image has it.
fn read_row<'a>(
    images: &mut Cursor<'a>,
    rows: &RowsEvent<'a>,
    after: bool,
    bytes: u16,
) -> Result<(Option<&'a [u8]>, Option<i64>), DecodeError> {
    const WHAT: &str = "heartbeats row";
    let present = if after { rows.present_after } else { rows.present };
    images.take(present.count().div_ceil(8), WHAT)?;
    if present.get(0) {
        images.u32(WHAT)?;
    }
    let mut client = None;
    if present.get(1) {
        let len = if bytes > 255 { usize::from(images.u16(WHAT)?) } else { usize::from(images.u8(WHAT)?) };
        client = Some(images.take(len, WHAT)?);
    }
    let heartbeat = if present.get(2) { Some(images.u64(WHAT)? as i64) } else { None };
    Ok((client, heartbeat))
}
