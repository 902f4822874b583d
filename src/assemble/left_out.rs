//! How many rows stand in an event that is not output. Where a large transaction is sent in several pieces, a piece's end
//! is told in rows of the binlog, and those of tables that a filter leaves out count, or another filter would move it.

use crate::binlog::codec::Layout;
use crate::binlog::{ColumnBits, Cursor, DecodeError, RawEvent, RowsEvent, RowsKind, TableMap};

/// The columns' lengths, all that is known of a table that is left out.
pub fn layouts(map: &TableMap) -> Vec<Layout> {
    map.types.iter().map(|wire| Layout::of(*wire)).collect()
}

/// The rows of an event. One that cannot be cut into rows (a column of an unknown type) counts as one: a table like that
/// cannot be output under any filter, and the number is the same at each reading.
pub fn rows(event: &RawEvent, layouts: &[Layout]) -> u64 {
    counted(event, layouts).unwrap_or(1)
}

fn counted(event: &RawEvent, layouts: &[Layout]) -> Result<u64, DecodeError> {
    let rows = RowsEvent::parse(event)?;
    if rows.partial || rows.columns != layouts.len() {
        return Err(DecodeError::invalid("rows event", "its images are of another form"));
    }
    let (before, after) = (rows.present, rows.present_after);
    let mut cursor = Cursor::new(rows.images);
    let mut count = 0;
    while !cursor.is_empty() {
        let length = cursor.len();
        skip_image(&mut cursor, &before, layouts)?;
        if rows.kind == RowsKind::Update {
            skip_image(&mut cursor, &after, layouts)?;
        }
        if cursor.len() == length {
            return Err(DecodeError::invalid("rows event", "bytes that belong to no column"));
        }
        count += 1;
    }
    // An insert of nothing but defaults has an empty image.
    Ok(count.max(1))
}

fn skip_image(cursor: &mut Cursor<'_>, present: &ColumnBits<'_>, layouts: &[Layout]) -> Result<(), DecodeError> {
    let nulls = ColumnBits::read(cursor, present.count(), "null bits of a row")?;
    let mut bit = 0;
    for (i, layout) in layouts.iter().enumerate() {
        if !present.get(i) {
            continue;
        }
        if !nulls.get(bit) {
            layout.split(cursor)?;
        }
        bit += 1;
    }
    Ok(())
}
