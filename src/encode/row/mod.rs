//! The slow path: rows as owned, typed values, and messages made from these. It is for whatever looks into rows or changes
//! them, where `fast` writes bytes straight to bytes. Both make the same messages: `binlogd read --path=both` and
//! `tests/paths.rs` hold one against the other.
//!
//! `RowReader` is a table's way to rows, compiled when the first row asks for it. `Row` has the images, whose values may be
//! replaced; `data`, `old`, the key and the partition of the message follow from them.

mod document;
mod geometry;
pub mod message;
mod number;
mod reader;
pub mod render;
mod temporal;
pub mod value;

use crate::assemble::TableSlot;
use crate::binlog::DecodeError;
use crate::binlog::codec::ValueStyle;

use self::reader::Reader;
pub use self::value::Value;

use super::fast::{Oddities, RowContext, Scratch};
use super::image::{Cell, Fault};
use super::options::OutputOptions;
use super::partition::PartitionPlan;
use super::plan::{self, RowPlan};

/// The values of one image in the order of the table's columns. `None`: the image does not have the column, or no part of the
/// message needs it.
pub type Image = Vec<Option<Value>>;

/// A changed row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What an update found; for inserts and deletes nothing is in it.
    pub before: Image,
    /// What an update left; the only image of an insert or delete.
    pub after: Image,
}

impl Row {
    /// A column's value in the message: of the after image, or of the before image where that has none.
    pub fn value(&self, column: usize) -> Option<&Value> {
        of(&self.after, column).or(of(&self.before, column))
    }

    /// The same of what the row was before.
    pub fn value_before(&self, column: usize) -> Option<&Value> {
        of(&self.before, column).or(of(&self.after, column))
    }
}

fn of(image: &Image, column: usize) -> Option<&Value> {
    image.get(column).and_then(Option::as_ref)
}

/// How the rows of a table are read.
#[derive(Debug)]
pub struct RowReader {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    wanted: Wanted,
    /// `None`: its values cannot be read.
    reader: Option<Reader>,
}

/// What needs the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// `data` and `old`.
    Shown,
    /// Only the key.
    ForKey,
    Not,
}

/// Of which image the key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOf {
    After,
    Before,
}

impl RowReader {
    pub fn compile(plan: &RowPlan, options: &OutputOptions) -> Self {
        let key_is_written = options.primary_keys || plan.key.is_some() || is_by_key(&plan.partition);
        let columns = plan.columns.iter().enumerate().map(|(i, column)| {
            let wanted = match key_is_written && plan.primary_key.contains(&i) {
                _ if column.emit => Wanted::Shown,
                true => Wanted::ForKey,
                false => Wanted::Not,
            };
            Column { wanted, reader: if wanted == Wanted::Not { None } else { reader(&plan.slot, i, options) } }
        });
        RowReader { columns: columns.collect() }
    }

    /// The row whose cells are in `scratch`. What no message shows is no error: of a column that only the key needs, the
    /// other image is not read.
    pub fn read(&self, cx: &RowContext<'_>, scratch: &Scratch, key: KeyOf, oddities: &mut Oddities) -> Result<Row, Fault> {
        let mut row = Row { before: Vec::with_capacity(self.columns.len()), after: Vec::with_capacity(self.columns.len()) };
        for (index, column) in self.columns.iter().enumerate() {
            let cell = |cells: &[Cell]| cells.get(index).copied().unwrap_or(Cell::Absent);
            let (mut before, mut after) = (cell(&scratch.before), cell(&scratch.after));
            match key {
                _ if column.wanted != Wanted::ForKey => {}
                KeyOf::After if after != Cell::Absent => before = Cell::Absent,
                KeyOf::Before if before != Cell::Absent => after = Cell::Absent,
                _ => {}
            }
            row.after.push(self.value(index, after, cx.images, oddities)?);
            let mut unchanged = Oddities::default();
            let is_unchanged = before.value(cx.images) == after.value(cx.images);
            row.before.push(self.value(index, before, cx.images, if is_unchanged { &mut unchanged } else { &mut *oddities })?);
        }
        Ok(row)
    }

    fn value(&self, index: usize, cell: Cell, images: &[u8], oddities: &mut Oddities) -> Result<Option<Value>, Fault> {
        let Some(column) = self.columns.get(index).filter(|column| column.wanted != Wanted::Not) else { return Ok(None) };
        let fault = |error| Fault { column: Some(index), error };
        match (cell, cell.value(images)) {
            (Cell::Absent, _) => Ok(None),
            (_, None) => Ok(Some(Value::Null)),
            (_, Some(bytes)) => {
                let reader =
                    column.reader.as_ref().ok_or_else(|| fault(DecodeError::invalid("value", "this column's type cannot be rendered")))?;
                let (value, rendered) = reader.read(bytes).map_err(fault)?;
                oddities.count(rendered);
                Ok(Some(value))
            }
        }
    }
}

fn is_by_key(partition: &PartitionPlan) -> bool {
    match partition {
        PartitionPlan::PrimaryKey(_) => true,
        PartitionPlan::Columns(_, fallback) => is_by_key(fallback),
        _ => false,
    }
}

/// Hidden columns have no definition.
fn reader(slot: &TableSlot, index: usize, options: &OutputOptions) -> Option<Reader> {
    let style = ValueStyle { null_zerodates: options.null_zerodates, maxwell_quirks: options.maxwell_quirks };
    plan::specs(slot, index, style).into_iter().flatten().find_map(|spec| Reader::compile(&spec, style))
}
