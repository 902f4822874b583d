//! Rows events of every version: which columns are present, and the images' bytes.

use super::{Cursor, DecodeError, RawEvent};

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

impl<'a> RowsEvent<'a> {
    pub fn parse(event: &'a RawEvent) -> Result<Self, DecodeError> {
        let _ = event;
        todo!()
    }
}

impl<'a> ColumnBits<'a> {
    pub fn new(bytes: &'a [u8], columns: usize) -> Self {
        ColumnBits { bytes, columns }
    }

    #[inline]
    pub fn get(&self, column: usize) -> bool {
        self.bytes.get(column / 8).is_some_and(|b| b >> (column % 8) & 1 == 1)
    }

    pub fn count(&self) -> usize {
        (0..self.columns).filter(|c| self.get(*c)).count()
    }

    pub fn all(&self) -> bool {
        self.count() == self.columns
    }

    /// Reads the bitmap of `columns` bits.
    pub fn read(cursor: &mut Cursor<'a>, columns: usize, what: &'static str) -> Result<Self, DecodeError> {
        Ok(ColumnBits { bytes: cursor.take(columns.div_ceil(8), what)?, columns })
    }
}
