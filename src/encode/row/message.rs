//! A row's message from its values: everything from `primary_key` on.

use crate::binlog::RowsKind;
use crate::encode::envelope;
use crate::encode::fast::{RowBody, RowContext, Scratch};
use crate::encode::options::KeyFormat;
use crate::encode::partition::{self, PartitionPlan};
use crate::encode::{image, key, row_key};

use super::render::{Coordinates, quoted};
use super::{Row, Value};

/// Appends `primary_key`, `primary_key_columns`, `data`, `old` and the closing brace, then the key. `scratch` has the cells
/// that the row was read from, of which the key of tables without a primary key is a hash.
pub fn write_body(cx: &RowContext<'_>, row: &Row, scratch: &Scratch, out: &mut Vec<u8>) -> RowBody {
    let writer = Writer::new(cx, row, scratch, false);
    writer.primary_key(out);
    writer.data(out);
    if cx.kind == RowsKind::Update {
        writer.old(out);
    }
    out.push(b'}');
    let key_start = out.len();
    writer.key(out);
    RowBody { key_start, partition_hash: writer.partition(&cx.plan.partition) }
}

/// Appends the key that the row had before; answers its partition hash.
pub fn write_old_key(cx: &RowContext<'_>, row: &Row, scratch: &Scratch, out: &mut Vec<u8>) -> i32 {
    let writer = Writer::new(cx, row, scratch, true);
    writer.key(out);
    writer.partition(&cx.plan.partition)
}

struct Writer<'a> {
    cx: &'a RowContext<'a>,
    row: &'a Row,
    scratch: &'a Scratch,
    of_before: bool,
    coordinates: Coordinates,
}

impl<'a> Writer<'a> {
    fn new(cx: &'a RowContext<'a>, row: &'a Row, scratch: &'a Scratch, of_before: bool) -> Self {
        let coordinates = if cx.options.maxwell_quirks { Coordinates::Maxwell } else { Coordinates::Shortest };
        Writer { cx, row, scratch, of_before, coordinates }
    }

    fn primary_key(&self, out: &mut Vec<u8>) {
        if self.cx.options.primary_keys {
            out.extend_from_slice(envelope::primary_key_field(self.cx.options.naming));
            for (n, column) in self.cx.plan.primary_key.iter().enumerate() {
                separate(n == 0, out);
                self.key_value(*column, out);
            }
            out.push(b']');
        }
        out.extend_from_slice(&self.cx.plan.primary_key_columns);
    }

    /// Columns of the after image, then those that only the before image has.
    fn data(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"data\":{");
        let Row { before, after } = self.row;
        let only_before = before.iter().enumerate().filter(|(i, _)| after.get(*i).is_none_or(Option::is_none));
        let members = after.iter().enumerate().chain(only_before);
        let mut first = true;
        for (column, value) in members {
            let Some(value) = value.as_ref().filter(|_| self.is_emitted(column)) else { continue };
            if *value != Value::Null || self.cx.options.nulls {
                self.member(column, value, &mut first, out);
            }
        }
        out.push(b'}');
    }

    /// What the before image had where the after image has something else. Maxwell compares what it prints, but for NULL,
    /// which no value equals.
    fn old(&self, out: &mut Vec<u8>) {
        let Row { before, after } = self.row;
        let mut changed = before.iter().zip(after).enumerate().filter_map(|(column, pair)| match pair {
            (Some(before), Some(after)) if self.is_emitted(column) && self.differ(before, after) => Some((column, before)),
            _ => None,
        });
        let mut next = changed.next();
        if next.is_none() {
            return;
        }
        out.extend_from_slice(b",\"old\":{");
        let mut first = true;
        while let Some((column, value)) = next {
            if *value != Value::Null || self.cx.options.nulls {
                self.member(column, value, &mut first, out);
            }
            next = changed.next();
        }
        out.push(b'}');
    }

    fn differ(&self, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Null, Value::Null) => false,
            (Value::Null, _) | (_, Value::Null) => true,
            _ => self.json(a) != self.json(b),
        }
    }

    fn json(&self, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        value.write_json(self.coordinates, &mut out);
        out
    }

    fn is_emitted(&self, column: usize) -> bool {
        self.cx.plan.columns.get(column).is_some_and(|column| column.emit)
    }

    fn member(&self, column: usize, value: &Value, first: &mut bool, out: &mut Vec<u8>) {
        // Hidden columns are never emitted.
        let Some(definition) = self.cx.plan.slot.shown().columns.get(column) else { return };
        separate(*first, out);
        *first = false;
        quoted(&self.cx.options.naming.apply(&definition.name), out);
        out.push(b':');
        value.write_json(self.coordinates, out);
    }

    /// A value of the primary key; null where no image has it.
    fn key_value(&self, column: usize, out: &mut Vec<u8>) {
        self.value(column).unwrap_or(&Value::Null).write_json(self.coordinates, out);
    }

    fn value(&self, column: usize) -> Option<&'a Value> {
        if self.of_before { self.row.value_before(column) } else { self.row.value(column) }
    }

    /// Contract §5.3.
    fn key(&self, out: &mut Vec<u8>) {
        let (table, options) = (self.cx.plan.slot.shown(), self.cx.options);
        let members: Vec<(String, Vec<u8>)> = match &table.primary_key[..] {
            [] if options.row_keys => vec![("_row".into(), self.row_hash())],
            [] if options.keys == KeyFormat::Hash => {
                let mut uuid = vec![b'"'];
                key::write_uuid(&mut uuid);
                uuid.push(b'"');
                vec![("_uuid".into(), uuid)]
            }
            names => {
                let value = |column: &usize| {
                    let mut value = Vec::new();
                    self.key_value(*column, &mut value);
                    value
                };
                names.iter().map(|name| name.to_lowercase()).zip(self.cx.plan.primary_key.iter().map(value)).collect()
            }
        };
        match options.keys {
            KeyFormat::None => {}
            KeyFormat::Hash => {
                out.extend_from_slice(b"{\"database\":");
                quoted(&table.database, out);
                out.extend_from_slice(b",\"table\":");
                quoted(&table.name, out);
                for (name, value) in members {
                    out.push(b',');
                    quoted(&if table.primary_key.is_empty() { name } else { format!("pk.{name}") }, out);
                    out.push(b':');
                    out.extend_from_slice(&value);
                }
                out.push(b'}');
            }
            KeyFormat::Array => {
                out.push(b'[');
                quoted(&table.database, out);
                out.push(b',');
                quoted(&table.name, out);
                out.extend_from_slice(b",[");
                for (n, (name, value)) in members.iter().enumerate() {
                    separate(n == 0, out);
                    out.push(b'{');
                    quoted(name, out);
                    out.push(b':');
                    out.extend_from_slice(value);
                    out.push(b'}');
                }
                out.extend_from_slice(b"]]");
            }
        }
    }

    fn row_hash(&self) -> Vec<u8> {
        let (first, other) = (&self.scratch.after, &self.scratch.before);
        let (first, other) = if self.of_before { (other, first) } else { (first, other) };
        let cells = (0..self.cx.plan.tracked_columns).map(|column| image::either(first, other, column));
        [&b"\""[..], &row_key::text(cells, self.cx.images), b"\""].concat()
    }

    fn partition(&self, plan: &PartitionPlan) -> i32 {
        let cx = self.cx;
        match plan {
            PartitionPlan::Fixed(hash) => *hash,
            PartitionPlan::TransactionId => cx.transaction_hash,
            PartitionPlan::ThreadId => cx.thread_hash,
            PartitionPlan::Random => rand::random(),
            PartitionPlan::PrimaryKey(columns) => match self.text(columns) {
                text if text.is_empty() => cx.hash.of(partition::NO_KEY),
                text => cx.hash.of(&text),
            },
            PartitionPlan::Columns(columns, fallback) => match self.text(columns) {
                text if text.is_empty() => self.partition(fallback),
                text => cx.hash.of(&text),
            },
        }
    }

    fn text(&self, columns: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        columns.iter().filter_map(|column| self.value(*column)).for_each(|value| value.write_text(self.coordinates, &mut out));
        out
    }
}

fn separate(first: bool, out: &mut Vec<u8>) {
    if !first {
        out.push(b',');
    }
}
