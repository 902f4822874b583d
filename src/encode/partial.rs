//! Partial JSON updates as ordinary ones: row by row, each list of changes applied to the document in the before image
//! (MySQL `sql/rpl_record.cc`, `unpack_row`; design §6). The row loop then sees nothing unusual.

use crate::binlog::codec::json_diff;
use crate::binlog::rows::read_partial_bits;
use crate::binlog::table_map::WireType;
use crate::binlog::{ColumnBits, Cursor, DecodeError, RowsEvent};

use super::image::{Cell, Fault};
use super::plan::RowPlan;

/// One row: both images whole.
#[derive(Debug, Default)]
pub struct PlainRow {
    pub images: Vec<u8>,
    /// The columns that the after image has.
    pub present: Vec<u8>,
}

/// Why a row has no whole form.
#[derive(Debug)]
pub enum PartialFault {
    Fault(Fault),
    /// The before image lacks the document of this column.
    NoDocument(usize),
}

impl From<Fault> for PartialFault {
    fn from(fault: Fault) -> Self {
        PartialFault::Fault(fault)
    }
}

impl From<DecodeError> for PartialFault {
    fn from(error: DecodeError) -> Self {
        PartialFault::Fault(error.into())
    }
}

/// Cuts the next row off and makes it whole. With `omit` a column whose document is missing is left out of the after image.
pub fn next_row(plan: &RowPlan, rows: &RowsEvent<'_>, omit: bool, cursor: &mut Cursor<'_>, row: &mut PlainRow) -> Result<(), PartialFault> {
    row.images.clear();
    row.present.clear();
    row.present.resize(rows.columns.div_ceil(8), 0);
    let json = |i: usize| match plan.slot.map.types.get(i) {
        Some(WireType::Json { pack }) => Some(*pack),
        _ => None,
    };
    let whole = cursor.rest();
    let before = read_image(plan, &rows.present, cursor)?;
    row.images.extend_from_slice(taken(whole, cursor));

    let partial = read_partial_bits(cursor, (0..plan.columns.len()).filter(|i| json(*i).is_some()).count())?;
    let nulls = ColumnBits::read(cursor, rows.present_after.count(), "null bits of a row")?;
    let (mut kept, mut null_bits, mut values) = (0, Vec::new(), Vec::new());
    let (mut json_columns, mut stored) = (0, 0);
    for (i, column) in plan.columns.iter().enumerate() {
        let pack = json(i);
        // There is a bit for every JSON column of the table, in the image or not.
        let is_partial = pack.is_some() && partial.get(json_columns);
        json_columns += usize::from(pack.is_some());
        if !rows.present_after.get(i) {
            continue;
        }
        let is_null = nulls.get(stored);
        stored += 1;
        let start = cursor.rest();
        if !is_null {
            let value = column.codec.split(cursor).map_err(|error| Fault { column: Some(i), error })?;
            match pack.filter(|_| is_partial) {
                None => values.extend_from_slice(taken(start, cursor)),
                Some(pack) => {
                    let document = match before.get(i) {
                        Some(Cell::Value { start, len }) => whole.get(*start as usize..*start as usize + *len as usize),
                        Some(Cell::Null) => {
                            let error = DecodeError::invalid("json diff", "an update of a part of NULL");
                            return Err(Fault { column: Some(i), error }.into());
                        }
                        _ => None,
                    };
                    let Some(document) = document else {
                        if omit {
                            continue;
                        }
                        return Err(PartialFault::NoDocument(i));
                    };
                    write_document(document, value, pack, &mut values).map_err(|error| Fault { column: Some(i), error })?;
                }
            }
        }
        set(&mut row.present, i, true);
        if kept % 8 == 0 {
            null_bits.push(0);
        }
        set(&mut null_bits, kept, is_null);
        kept += 1;
    }
    row.images.extend_from_slice(&null_bits);
    row.images.extend_from_slice(&values);
    Ok(())
}

/// The cells of an image; places count from where the cursor stands.
fn read_image(plan: &RowPlan, present: &ColumnBits<'_>, cursor: &mut Cursor<'_>) -> Result<Vec<Cell>, Fault> {
    let mut cells = Vec::with_capacity(plan.columns.len());
    super::image::read(plan, &super::image::Present::new(*present), cursor, cursor.len(), &mut cells)?;
    Ok(cells)
}

/// The result with its length before it, as the column has it in an image.
fn write_document(document: &[u8], diffs: &[u8], pack: u8, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    let pack = usize::from(pack);
    out.resize(start + pack, 0);
    json_diff::apply(document, diffs, out)?;
    let length = out.len() - start - pack;
    if length.checked_shr(8 * pack as u32).unwrap_or(0) > 0 {
        return Err(DecodeError::invalid("json diff", format!("a document of {length} bytes")));
    }
    out.iter_mut().skip(start).take(pack).zip(length.to_le_bytes()).for_each(|(to, from)| *to = from);
    Ok(())
}

fn set(bits: &mut [u8], i: usize, value: bool) {
    if let Some(byte) = bits.get_mut(i / 8) {
        *byte |= u8::from(value) << (i % 8);
    }
}

/// What the cursor has passed since it stood at `start`.
fn taken<'a>(start: &'a [u8], cursor: &Cursor<'a>) -> &'a [u8] {
    start.get(..start.len() - cursor.len()).unwrap_or_default()
}
