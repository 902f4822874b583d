//! Single values of rows events in text form, for those who read our own tables (heartbeats, bootstrap requests). Simple
//! and slow; messages never come this way.

use crate::assemble::TableSlot;
use crate::binlog::codec::ValueStyle;
use crate::binlog::{ColumnBits, Cursor, DecodeError, RowsEvent, RowsKind};
use crate::error::{Error, Result};

use super::plan;

/// The text of the wanted columns (indexes of the table's columns), row by row, in the wanted order. Of an update the
/// after image counts. NULL and absent columns are `None`.
pub fn decode_columns(slot: &TableSlot, rows: &RowsEvent<'_>, wanted: &[usize]) -> Result<Vec<Vec<Option<String>>>> {
    let table = &slot.table;
    decode(slot, rows, wanted)
        .map_err(|error| Error::definite("a row cannot be read").source(error).detail(format!("table {}.{}", table.database, table.name)))
}

fn decode(slot: &TableSlot, rows: &RowsEvent<'_>, wanted: &[usize]) -> Result<Vec<Vec<Option<String>>>, DecodeError> {
    let columns = &slot.table.columns;
    if rows.columns != columns.len() || slot.map.types.len() != columns.len() {
        return Err(DecodeError::invalid("rows event", format!("{} columns, {} are tracked", rows.columns, columns.len())));
    }
    if rows.partial {
        return Err(DecodeError::invalid("rows event", "a partial JSON update"));
    }
    let codecs: Vec<_> = columns.iter().enumerate().map(|(i, c)| plan::codec_of(c, &slot.map, i, ValueStyle::default()).0).collect();
    let image = |present: ColumnBits<'_>, cursor: &mut Cursor<'_>| -> Result<Vec<Option<String>>, DecodeError> {
        let nulls = ColumnBits::read(cursor, present.count(), "null bits of a row")?;
        let mut texts = vec![None; wanted.len()];
        for (bit, i) in (0..columns.len()).filter(|i| present.get(*i)).enumerate() {
            if nulls.get(bit) {
                continue;
            }
            let Some(codec) = codecs.get(i) else { continue };
            let value = codec.split(cursor)?;
            for (text, _) in texts.iter_mut().zip(wanted).filter(|(_, w)| **w == i) {
                let mut bytes = Vec::new();
                codec.write_text(value, &mut bytes)?;
                *text = Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(texts)
    };
    let mut cursor = Cursor::new(rows.images);
    let mut decoded = Vec::new();
    while !cursor.is_empty() {
        let left = cursor.len();
        let only_or_before = image(rows.present, &mut cursor)?;
        decoded.push(if rows.kind == RowsKind::Update { image(rows.present_after, &mut cursor)? } else { only_or_before });
        if cursor.len() == left {
            return Err(DecodeError::invalid("rows", "bytes that belong to no column"));
        }
    }
    Ok(decoded)
}
