//! Rows events of every version: which columns are present, and the images' bytes.

use super::{Cursor, DecodeError, EventType, RawEvent};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsKind {
    Insert,
    Update,
    Delete,
}

/// One bit a column, first column in the lowest bit of the first byte.
#[derive(Debug, Clone, Copy)]
pub struct ColumnBits<'a> {
    bytes: &'a [u8],
    pub columns: usize,
}

/// A rows event whose images are not decoded yet.
#[derive(Debug, Clone, Copy)]
pub struct RowsEvent<'a> {
    pub kind: RowsKind,
    pub table_id: u64,
    pub flags: u16,
    pub columns: usize,
    /// Columns present in the before image (update, delete) or the only image (insert).
    pub present: ColumnBits<'a>,
    /// Columns present in the after image of an update; equal to `present` otherwise.
    pub present_after: ColumnBits<'a>,
    /// PARTIAL_UPDATE_ROWS: after images begin with the partial JSON bits.
    pub partial: bool,
    /// All images, one after another: [null bits of present columns][values] each, two a row for updates.
    pub images: &'a [u8],
}

/// In `RowsEvent::flags`: the statement ends here; its table ids mean nothing any more.
pub const FLAG_STATEMENT_END: u16 = 0x1;

impl<'a> RowsEvent<'a> {
    /// Reads the head of a rows event of any version (MySQL `libs/mysql/binlog/event/rows_event.h`, `Rows_event`).
    /// Fails on MariaDB's compressed forms, which `compressed::inflate` turns into plain ones.
    pub fn parse(event: &'a RawEvent) -> Result<Self, DecodeError> {
        use EventType::*;
        let (kind, has_extra) = match event.event_type() {
            Some(WriteRowsV1) => (RowsKind::Insert, false),
            Some(UpdateRowsV1) => (RowsKind::Update, false),
            Some(DeleteRowsV1) => (RowsKind::Delete, false),
            Some(WriteRowsV2) => (RowsKind::Insert, true),
            Some(UpdateRowsV2 | PartialUpdateRows) => (RowsKind::Update, true),
            Some(DeleteRowsV2) => (RowsKind::Delete, true),
            _ => return Err(DecodeError::invalid("rows event", format!("it is of type {}", event.header.type_name()))),
        };
        let mut c = Cursor::new(&event.body);
        let (table_id, flags) = read_head(&mut c, has_extra)?;
        let columns = c.lenenc_len("number of columns")?;
        let present = ColumnBits::read(&mut c, columns, "columns of the image")?;
        let present_after =
            if kind == RowsKind::Update { ColumnBits::read(&mut c, columns, "columns of the after image")? } else { present };
        let partial = event.event_type() == Some(PartialUpdateRows);
        Ok(RowsEvent { kind, table_id, flags, columns, present, present_after, partial, images: c.take_rest() })
    }

    /// Whether the statement ends with this event.
    pub fn ends_statement(&self) -> bool {
        self.flags & FLAG_STATEMENT_END != 0
    }
}

/// Table id and flags; then passes over the extra data of version 2 (NDB's, partition ids), whose length counts itself.
fn read_head(c: &mut Cursor<'_>, has_extra: bool) -> Result<(u64, u16), DecodeError> {
    let table_id = c.uint(6, "table id")?;
    let flags = c.u16("rows flags")?;
    if has_extra {
        let size = usize::from(c.u16("extra data of rows")?);
        match size.checked_sub(2) {
            Some(rest) => c.skip(rest, "extra data of rows")?,
            None => return Err(DecodeError::invalid("extra data of rows", format!("length {size}, less than its own"))),
        }
    }
    Ok((table_id, flags))
}

/// What stands before each after image of a partial update: which JSON columns hold a list of changes instead of a value.
/// There is one bit for every JSON column of the table (MySQL `sql/rpl_record.cc`, `start_partial_bits_reader`).
pub fn read_partial_bits<'a>(c: &mut Cursor<'a>, json_columns: usize) -> Result<ColumnBits<'a>, DecodeError> {
    /// `enum_binlog_row_value_options::PARTIAL_JSON_UPDATES`
    const PARTIAL_JSON: u64 = 1;
    match c.lenenc("row value options")? {
        0 => Ok(ColumnBits::new(&[], json_columns)),
        PARTIAL_JSON => ColumnBits::read(c, json_columns, "partial JSON columns"),
        other => Err(DecodeError::invalid("row value options", other.to_string())),
    }
}

/// Size of what stands before the images, in bytes. `kind` and version as in `RowsEvent::parse`.
pub(super) fn head_size(body: &[u8], has_extra: bool, kind: RowsKind) -> Result<usize, DecodeError> {
    let mut c = Cursor::new(body);
    read_head(&mut c, has_extra)?;
    let columns = c.lenenc_len("number of columns")?;
    ColumnBits::read(&mut c, columns, "columns of the image")?;
    if kind == RowsKind::Update {
        ColumnBits::read(&mut c, columns, "columns of the after image")?;
    }
    Ok(body.len() - c.len())
}

impl<'a> ColumnBits<'a> {
    /// Bits behind the end of `bytes` are zero; bits behind `columns` are not looked at.
    pub fn new(bytes: &'a [u8], columns: usize) -> Self {
        ColumnBits { bytes, columns }
    }

    #[inline]
    pub fn get(&self, column: usize) -> bool {
        column < self.columns && self.bytes.get(column / 8).is_some_and(|b| b >> (column % 8) & 1 == 1)
    }

    /// Number of bits that are set.
    pub fn count(&self) -> usize {
        let whole = self.columns / 8;
        let set: u32 = self.bytes.iter().take(whole).map(|b| b.count_ones()).sum();
        let spare = self.bytes.get(whole).map_or(0, |b| (u16::from(*b) & ((1 << (self.columns % 8)) - 1)).count_ones());
        (set + spare) as usize
    }

    pub fn all(&self) -> bool {
        self.count() == self.columns
    }

    /// Reads the bitmap of `columns` bits.
    pub fn read(cursor: &mut Cursor<'a>, columns: usize, what: &'static str) -> Result<Self, DecodeError> {
        Ok(ColumnBits { bytes: cursor.take(columns.div_ceil(8), what)?, columns })
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    #[test]
    fn bits() {
        let bits = ColumnBits::new(&[0b1000_0001, 0b1111_1110], 9);
        assert!(bits.get(0) && !bits.get(1) && bits.get(7) && !bits.get(8) && !bits.get(9));
        assert_eq!(bits.count(), 2);
        assert!(ColumnBits::new(&[0xff, 0x01], 9).all() && !bits.all());
        assert!(ColumnBits::new(&[], 0).all());
        assert_eq!(ColumnBits::new(&[0xff], 9).count(), 8);
    }

    #[test]
    fn heads_of_every_version() {
        let v1_insert = &b"\x07\0\0\0\0\0\x01\0\x03\x05IMAGES"[..];
        let v1_update = &b"\x07\0\0\0\0\0\x01\0\x03\x05\x07IMAGES"[..];
        let v2_update = &b"\x07\0\0\0\0\0\x01\0\x05\0\x01ab\x03\x05\x07IMAGES"[..];
        let cases = [
            (23, v1_insert, RowsKind::Insert),
            (24, v1_update, RowsKind::Update),
            (25, v1_insert, RowsKind::Delete),
            (31, v2_update, RowsKind::Update),
            (39, v2_update, RowsKind::Update),
        ];
        for (code, body, kind) in cases {
            let event = raw(code, body);
            let rows = RowsEvent::parse(&event).unwrap();
            assert_eq!((rows.kind, rows.table_id, rows.columns, rows.images), (kind, 7, 3, &b"IMAGES"[..]), "type {code}");
            assert!(rows.ends_statement() && rows.present.get(2) && !rows.present.get(1));
            assert_eq!((rows.present_after.all(), rows.partial), (kind == RowsKind::Update, code == 39));
            assert_eq!(head_size(body, code > 29, kind).unwrap(), body.len() - 6);
            refuses_cuts(code, body, body.len() - 6, |e| RowsEvent::parse(e).map(|_| ()));
        }
    }

    #[test]
    fn what_is_no_plain_rows_event_is_refused() {
        RowsEvent::parse(&raw(166, b"\x07\0\0\0\0\0\x01\0\x03\x05IMAGES")).unwrap_err();
        RowsEvent::parse(&raw(30, b"\x07\0\0\0\0\0\x01\0\x01\0\x03\x05")).unwrap_err();
    }
}
