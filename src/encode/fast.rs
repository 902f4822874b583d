//! One row to one message: `data`, `old`, the key and the partition, from image bytes through the plan. Nothing here
//! allocates, looks up, locks or asks the time (but for `push_ts`).

use crate::binlog::RowsKind;
use crate::binlog::codec::Rendered;

use super::envelope::{self, Frame};
use super::hash::HashFunction;
use super::image::{self, Cell, Fault};
use super::key;
use super::open::CommitPlace;
use super::options::OutputOptions;
use super::partition::{self, PartitionPlan};
use super::plan::{ColumnPlan, RowPlan};
use super::row_key;

/// Buffers that rows share, so that a row needs none of its own.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Cells of the before image; all absent for inserts and deletes.
    pub before: Vec<Cell>,
    /// Cells of the image that becomes `data`: the after image, or the only one.
    pub after: Vec<Cell>,
    /// Where in the arena each column's value in `data` stands; `None` if it is not there.
    pub rendered: Vec<Option<Written>>,
    pub text: Vec<u8>,
}

/// A rendered value in the arena.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    pub start: usize,
    pub end: usize,
}

/// Oddities of values, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Text values with bytes that became U+FFFD.
    pub invalid_text: u64,
    /// Geometry values that were written as base64.
    pub malformed_geometry: u64,
}

impl Oddities {
    #[inline]
    pub fn count(&mut self, rendered: Rendered) {
        match rendered {
            Rendered::Faithful => {}
            Rendered::InvalidText => self.invalid_text += 1,
            Rendered::MalformedGeometry => self.malformed_geometry += 1,
        }
    }
}

/// What all rows of one event share.
#[derive(Debug)]
pub struct RowContext<'a> {
    pub options: &'a OutputOptions,
    pub plan: &'a RowPlan,
    pub frame: &'a Frame,
    pub kind: RowsKind,
    pub images: &'a [u8],
    /// Columns of the before image may be missing in the after image (MINIMAL and NOBLOB images).
    pub after_is_partial: bool,
    pub hash: HashFunction,
    pub transaction_hash: i32,
    pub thread_hash: i32,
}

/// What a row's message is besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct RowMessage {
    pub key_start: usize,
    pub partition_hash: i32,
    pub commit: Option<CommitPlace>,
}

/// Where in the arena a message's value ends and its key begins, and what its partition string hashes to.
#[derive(Debug, Clone, Copy)]
pub struct RowBody {
    pub key_start: usize,
    pub partition_hash: i32,
}

/// Begins one row's message at the end of `out`: everything that is not made from the row's values.
#[inline]
pub fn begin(cx: &RowContext<'_>, xoffset: u64, out: &mut Vec<u8>) -> Option<CommitPlace> {
    out.extend_from_slice(&cx.frame.head);
    let commit = write_xoffset(cx.options, xoffset, out);
    out.extend_from_slice(&cx.frame.tail);
    if cx.options.push_timestamp {
        envelope::write_push_ts(cx.options, out);
    }
    commit
}

/// Writes the rest of it, and the key behind it.
pub fn write_body(cx: &RowContext<'_>, scratch: &mut Scratch, oddities: &mut Oddities, out: &mut Vec<u8>) -> Result<RowBody, Fault> {
    let mut row = Row { cx, scratch, oddities, out, of_before: false };
    row.primary_key()?;
    row.data()?;
    if cx.kind == RowsKind::Update {
        row.old()?;
    }
    row.out.push(b'}');
    let key_start = row.out.len();
    row.key()?;
    let partition_hash = row.partition(&cx.plan.partition)?;
    Ok(RowBody { key_start, partition_hash })
}

/// Writes the key that the row had before at the end of `out`. Answers its partition hash.
pub fn write_old_key(cx: &RowContext<'_>, scratch: &mut Scratch, oddities: &mut Oddities, out: &mut Vec<u8>) -> Result<i32, Fault> {
    let mut row = Row { cx, scratch, oddities, out, of_before: true };
    row.key()?;
    row.partition(&cx.plan.partition)
}

/// The field that `commit` replaces if this proves to be the last row.
fn write_xoffset(options: &OutputOptions, xoffset: u64, out: &mut Vec<u8>) -> Option<CommitPlace> {
    if !options.commit_info {
        return None;
    }
    let start = out.len();
    if options.xoffset {
        out.extend_from_slice(b",\"xoffset\":");
        envelope::write_number(xoffset, out);
    }
    Some(CommitPlace { start, len: out.len() - start })
}

struct Row<'r> {
    cx: &'r RowContext<'r>,
    scratch: &'r mut Scratch,
    oddities: &'r mut Oddities,
    out: &'r mut Vec<u8>,
    /// Key and partition are those that the row had before.
    of_before: bool,
}

impl Row<'_> {
    /// A column's value in `data`: of the after image, or of the before image where that has no such column. The other way
    /// round for what the row was before.
    #[inline]
    fn cell(&self, column: usize) -> Cell {
        let (first, other) = (&self.scratch.after, &self.scratch.before);
        let (first, other) = if self.of_before { (other, first) } else { (first, other) };
        image::either(first, other, column)
    }

    fn data(&mut self) -> Result<(), Fault> {
        self.scratch.rendered.clear();
        self.scratch.rendered.resize(self.cx.plan.columns.len(), None);
        self.out.extend_from_slice(b",\"data\":{");
        let mut first = true;
        for i in 0..self.cx.plan.columns.len() {
            let cell = self.scratch.after.get(i).copied().unwrap_or(Cell::Absent);
            self.data_member(i, cell, &mut first)?;
        }
        if self.cx.after_is_partial {
            for i in 0..self.cx.plan.columns.len() {
                if self.scratch.after.get(i) == Some(&Cell::Absent) {
                    let cell = self.scratch.before.get(i).copied().unwrap_or(Cell::Absent);
                    self.data_member(i, cell, &mut first)?;
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    #[inline]
    fn data_member(&mut self, index: usize, cell: Cell, first: &mut bool) -> Result<(), Fault> {
        let Some(column) = self.cx.plan.columns.get(index) else { return Ok(()) };
        if !column.emit || cell == Cell::Absent || cell == Cell::Null && !self.cx.options.nulls {
            return Ok(());
        }
        self.member_key(column, first);
        let start = self.out.len();
        self.json(index, column, cell)?;
        if let Some(written) = self.scratch.rendered.get_mut(index) {
            *written = Some(Written { start, end: self.out.len() });
        }
        Ok(())
    }

    #[inline]
    fn member_key(&mut self, column: &ColumnPlan, first: &mut bool) {
        self.out.extend_from_slice(if *first { column.first_key() } else { &column.key });
        *first = false;
    }

    /// Appends a cell as JSON; NULL and absent columns as `null`.
    #[inline]
    fn json(&mut self, index: usize, column: &ColumnPlan, cell: Cell) -> Result<(), Fault> {
        match cell.value(self.cx.images) {
            None => self.out.extend_from_slice(b"null"),
            Some(value) => {
                let rendered = column.codec.write_json(value, self.out).map_err(|error| Fault { column: Some(index), error })?;
                self.oddities.count(rendered);
            }
        }
        Ok(())
    }

    /// `old`: the before image's columns that the after image has too and whose rendered values differ.
    fn old(&mut self) -> Result<(), Fault> {
        let start = self.out.len();
        self.out.extend_from_slice(b",\"old\":{");
        let (mut first, mut differs) = (true, false);
        for (i, column) in self.cx.plan.columns.iter().enumerate() {
            let before = self.scratch.before.get(i).copied().unwrap_or(Cell::Absent);
            let after = self.scratch.after.get(i).copied().unwrap_or(Cell::Absent);
            if !column.emit || before == Cell::Absent || after == Cell::Absent || self.same_bytes(before, after) {
                continue;
            }
            let (mark, was_first) = (self.out.len(), first);
            self.member_key(column, &mut first);
            let value = self.out.len();
            self.json(i, column, before)?;
            // A JSON document that is `null` prints as NULL does, and yet differs from it.
            let unchanged = before != Cell::Null && after != Cell::Null && self.same_text(i, value);
            differs |= !unchanged;
            if unchanged || before == Cell::Null && !self.cx.options.nulls {
                self.out.truncate(mark);
                first = was_first;
            }
        }
        if differs {
            self.out.push(b'}');
        } else {
            self.out.truncate(start);
        }
        Ok(())
    }

    /// Equal bytes are equal values in every codec; the reverse does not hold.
    #[inline]
    fn same_bytes(&self, a: Cell, b: Cell) -> bool {
        a.value(self.cx.images) == b.value(self.cx.images)
    }

    /// Whether the text from `start` on is what stands in `data`.
    fn same_text(&self, column: usize, start: usize) -> bool {
        let written = self.scratch.rendered.get(column).copied().flatten();
        written.is_some_and(|w| self.out.get(w.start..w.end) == self.out.get(start..))
    }

    /// `primary_key` and `primary_key_columns`, before `data`.
    fn primary_key(&mut self) -> Result<(), Fault> {
        if self.cx.options.primary_keys {
            self.out.extend_from_slice(envelope::primary_key_field(self.cx.options.naming));
            for (n, index) in self.cx.plan.primary_key.iter().enumerate() {
                if n > 0 {
                    self.out.push(b',');
                }
                self.render(*index)?;
            }
            self.out.push(b']');
        }
        self.out.extend_from_slice(&self.cx.plan.primary_key_columns);
        Ok(())
    }

    fn render(&mut self, index: usize) -> Result<(), Fault> {
        match self.cx.plan.columns.get(index) {
            Some(column) => self.json(index, column, self.cell(index)),
            None => Ok(()),
        }
    }

    /// The message's key, after the value.
    fn key(&mut self) -> Result<(), Fault> {
        let Some(plan) = &self.cx.plan.key else { return Ok(()) };
        self.out.extend_from_slice(&plan.head);
        if plan.uuid {
            self.out.push(b'"');
            key::write_uuid(self.out);
            self.out.push(b'"');
        }
        if plan.row {
            self.out.push(b'"');
            let hash = row_key::text((0..self.cx.plan.tracked_columns).map(|i| self.cell(i)), self.cx.images);
            self.out.extend_from_slice(&hash);
            self.out.push(b'"');
        }
        let separators = std::iter::once(&b""[..]).chain(plan.between.iter().map(|b| &**b));
        for (index, separator) in self.cx.plan.primary_key.iter().zip(separators) {
            self.out.extend_from_slice(separator);
            match self.scratch.rendered.get(*index).copied().flatten().filter(|_| !self.of_before) {
                Some(written) => self.out.extend_from_within(written.start..written.end),
                None => self.render(*index)?,
            }
        }
        self.out.extend_from_slice(plan.tail);
        Ok(())
    }

    fn partition(&mut self, plan: &PartitionPlan) -> Result<i32, Fault> {
        Ok(match plan {
            PartitionPlan::Fixed(hash) => *hash,
            PartitionPlan::TransactionId => self.cx.transaction_hash,
            PartitionPlan::ThreadId => self.cx.thread_hash,
            PartitionPlan::Random => rand::random(),
            PartitionPlan::PrimaryKey(columns) => {
                self.text_of(columns)?;
                let text = &self.scratch.text;
                self.cx.hash.of(if text.is_empty() { partition::NO_KEY } else { text })
            }
            PartitionPlan::Columns(columns, fallback) => {
                self.text_of(columns)?;
                if self.scratch.text.is_empty() {
                    return self.partition(fallback);
                }
                self.cx.hash.of(&self.scratch.text)
            }
        })
    }

    /// Puts the text of these columns together; NULLs and absent columns have none.
    fn text_of(&mut self, columns: &[usize]) -> Result<(), Fault> {
        self.scratch.text.clear();
        for index in columns {
            let cell = self.cell(*index);
            let (Some(column), Some(value)) = (self.cx.plan.columns.get(*index), cell.value(self.cx.images)) else { continue };
            // An oddity was counted when the value was written to `data`.
            column.codec.write_text(value, &mut self.scratch.text).map_err(|error| Fault { column: Some(*index), error })?;
        }
        Ok(())
    }
}
