//! Row images cut into the columns' raw values. Nothing is decoded here.

use crate::binlog::{ColumnBits, Cursor, DecodeError};

use super::plan::RowPlan;

/// One column of an image; a value is a place in the event's `images`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The image does not have the column.
    Absent,
    Null,
    Value {
        start: u32,
        len: u32,
    },
}

impl Cell {
    /// The raw bytes; `None` for NULL and absent columns.
    #[inline]
    pub fn value(self, images: &[u8]) -> Option<&[u8]> {
        match self {
            Cell::Value { start, len } => images.get(start as usize..start as usize + len as usize),
            _ => None,
        }
    }
}

/// A column's cell in the first image, or in the other one if the first does not have the column.
#[inline]
pub fn either(first: &[Cell], other: &[Cell], column: usize) -> Cell {
    match first.get(column) {
        Some(Cell::Absent) | None => other.get(column).copied().unwrap_or(Cell::Absent),
        Some(cell) => *cell,
    }
}

/// A value that cannot be read or rendered, and its column if one is to blame.
#[derive(Debug)]
pub struct Fault {
    pub column: Option<usize>,
    pub error: DecodeError,
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Fault { column: None, error }
    }
}

/// The columns that an event's images have.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    bits: ColumnBits<'a>,
    count: usize,
    all: bool,
}

impl<'a> Present<'a> {
    pub fn new(bits: ColumnBits<'a>) -> Self {
        let count = bits.count();
        Present { bits, count, all: count == bits.columns }
    }

    pub fn all(&self) -> bool {
        self.all
    }

    pub fn none(&self) -> bool {
        self.count == 0
    }
}

/// Cuts one image off; `cells` gets one cell a column. `total` is the length of all images, to which places relate.
pub fn read(plan: &RowPlan, present: &Present<'_>, image: &mut Cursor<'_>, total: usize, cells: &mut Vec<Cell>) -> Result<(), Fault> {
    cells.clear();
    let nulls = ColumnBits::read(image, present.count, "null bits of a row")?;
    let mut bit = 0;
    for (i, column) in plan.columns.iter().enumerate() {
        if !present.all && !present.bits.get(i) {
            cells.push(Cell::Absent);
            continue;
        }
        let null = nulls.get(bit);
        bit += 1;
        if null {
            cells.push(Cell::Null);
            continue;
        }
        match column.codec.split(image) {
            // Events are smaller than 4 GiB, so places fit.
            Ok(value) => cells.push(Cell::Value { start: (total - image.len() - value.len()) as u32, len: value.len() as u32 }),
            Err(error) => return Err(Fault { column: Some(i), error }),
        }
    }
    Ok(())
}

/// Turns values into NULL that are rendered as null (`output_null_zerodates`), so that nobody else has to know.
pub fn null_out(plan: &RowPlan, images: &[u8], cells: &mut [Cell]) {
    for (cell, column) in cells.iter_mut().zip(&plan.columns) {
        if cell.value(images).is_some_and(|value| column.codec.renders_null(value)) {
            *cell = Cell::Null;
        }
    }
}
