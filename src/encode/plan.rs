//! A table's compiled encoder: everything about its messages that does not depend on the row, made once per `TableSlot`.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::assemble::{TableRole, TableSlot};
use crate::binlog::codec::escape::{self, Astral};
use crate::binlog::codec::{Codec, ColumnSpec, Declared, ValueStyle};
use crate::binlog::table_map::WireType;
use crate::binlog::{RowsKind, TableMap};
use crate::error::{Error, Result};
use crate::filter::{RowRules, Verdict};
use crate::schema::{Column, ColumnType};

use super::batch::{TopicId, Topics};
use super::envelope;
use super::key::KeyPlan;
use super::options::{ColumnPattern, KeyFormat, OutputOptions};
use super::partition::PartitionPlan;
use super::row::RowReader;

/// How the rows of one table become messages.
#[derive(Debug)]
pub struct RowPlan {
    pub slot: Arc<TableSlot>,
    pub columns: Vec<ColumnPlan>,
    /// Indexes of the primary key's columns, in key order.
    pub primary_key: Vec<usize>,
    /// `{"database":"…","table":"…"`
    pub head: Box<[u8]>,
    /// `,"primary_key_columns":[…]`, empty when that is off.
    pub primary_key_columns: Box<[u8]>,
    pub key: Option<KeyPlan>,
    /// How many of the columns are the table's own.
    pub tracked_columns: usize,
    pub partition: PartitionPlan,
    topics: [TopicId; 3],
    /// Rules that decide row by row; never for our own tables.
    pub rules: Option<Arc<RowRules>>,
    /// Only inserts are output (our own bootstrap table).
    pub inserts_only: bool,
    /// Some value that is not NULL may be rendered as null (`output_null_zerodates`, `maxwell_quirks`).
    pub nulls_values: bool,
    /// The slow path's way to rows, made when it is first asked for.
    row_reader: OnceLock<RowReader>,
}

/// One column of it.
#[derive(Debug)]
pub struct ColumnPlan {
    /// `,"name":`, escaped and named by the naming strategy.
    pub key: Box<[u8]>,
    pub codec: Codec,
    /// Whether it appears in `data` and `old`.
    pub emit: bool,
    /// Why values cannot be rendered. NULLs can.
    pub refused: Option<Box<str>>,
}

impl ColumnPlan {
    /// The quoted name without the comma, for the first member of an object.
    #[inline]
    pub fn first_key(&self) -> &[u8] {
        self.key.get(1..).unwrap_or_default()
    }
}

impl RowPlan {
    pub fn compile(slot: &Arc<TableSlot>, options: &OutputOptions, topics: &Topics) -> Result<Self> {
        let table = slot.shown();
        if table.columns.len() + slot.hidden_columns() != slot.map.types.len() {
            return Err(Error::definite("the tracked definition of a table is not the binlog's")
                .detail(format!(
                    "table {}.{}: {} columns tracked, {} in the binlog",
                    table.database,
                    table.name,
                    table.columns.len(),
                    slot.map.types.len()
                ))
                .hint("the definition has to be read again from the server; if this is a fresh start, report it"));
        }
        let style = ValueStyle { null_zerodates: options.null_zerodates, maxwell_quirks: options.maxwell_quirks };
        let tracked = (0..table.columns.len()).map(|i| ColumnPlan::compile(slot, i, style, options));
        let hidden = slot.map.types.iter().skip(table.columns.len()).map(|wire| ColumnPlan::hidden(*wire));
        let columns: Vec<ColumnPlan> = tracked.chain(hidden).collect();
        let primary_key = primary_key(slot)?;
        let in_data = |name: &str| table.columns.iter().position(|c| c.name == name).filter(|i| columns.get(*i).is_some_and(|c| c.emit));
        let partition = match &options.partitioning {
            Some(partitioning) => PartitionPlan::compile(partitioning, &table.database, &table.name, &primary_key, in_data),
            None => PartitionPlan::Fixed(0),
        };
        let mut head = b"{\"database\":".to_vec();
        escape::write_string(table.database.as_bytes(), Astral::Escaped, &mut head);
        head.extend_from_slice(b",\"table\":");
        escape::write_string(table.name.as_bytes(), Astral::Escaped, &mut head);
        if options.keys != KeyFormat::None {
            topics.key_names.note(&table.database, &table.name, &table.primary_key);
        }
        let topic = |kind| topics.intern(&topic_name(&options.topic, &table.database, &table.name, envelope::type_name(kind)));
        Ok(RowPlan {
            slot: slot.clone(),
            head: head.into(),
            primary_key_columns: envelope::primary_key_columns(table, options).into(),
            key: KeyPlan::compile(options.keys, options.row_keys, table),
            tracked_columns: table.columns.len(),
            partition,
            topics: [topic(RowsKind::Insert), topic(RowsKind::Update), topic(RowsKind::Delete)],
            rules: match &slot.verdict {
                Verdict::NeedValues(rules) if slot.role == TableRole::User => Some(rules.clone()),
                _ => None,
            },
            inserts_only: slot.role == TableRole::Bootstrap,
            nulls_values: options.null_zerodates || options.maxwell_quirks,
            row_reader: OnceLock::new(),
            primary_key,
            columns,
        })
    }

    /// How rows are read into owned values. `options` are those that the plan was compiled with.
    pub fn row_reader(&self, options: &OutputOptions) -> &RowReader {
        self.row_reader.get_or_init(|| RowReader::compile(self, options))
    }

    #[inline]
    pub fn topic(&self, kind: RowsKind) -> TopicId {
        let [insert, update, delete] = self.topics;
        match kind {
            RowsKind::Insert => insert,
            RowsKind::Update => update,
            RowsKind::Delete => delete,
        }
    }
}

impl ColumnPlan {
    /// A column of the server's own, which is passed over.
    fn hidden(wire: WireType) -> Self {
        ColumnPlan { key: Box::default(), codec: Codec::opaque(wire), emit: false, refused: None }
    }

    fn compile(slot: &TableSlot, index: usize, style: ValueStyle, options: &OutputOptions) -> Self {
        // Both have as many columns: `RowPlan::compile` has checked it.
        let column = &slot.shown().columns[index];
        let (codec, refused) = match as_maxwell(column, slot.map.types[index], style) {
            Some(codec) => (codec, None),
            None => codec_of(&slot.table.columns[index], &slot.map, index, style),
        };
        let mut key = vec![b','];
        escape::write_string(options.naming.apply(&column.name).as_bytes(), Astral::Escaped, &mut key);
        key.push(b':');
        ColumnPlan { key: key.into(), codec, emit: !is_excluded(&options.exclude_columns, &column.name), refused: refused.map(Into::into) }
    }
}

/// The codec by which Maxwell reads a column, under `maxwell_quirks`; `None` if it would end on it. What the event says of
/// the column is nothing to Maxwell.
fn as_maxwell(column: &Column, wire: WireType, style: ValueStyle) -> Option<Codec> {
    let spec = ColumnSpec { wire, declared: declared(&column.ty, None) };
    if style.maxwell_quirks { Codec::compile(&spec, style).ok() } else { None }
}

/// The codec of a column, and why it cannot render values if it cannot.
pub fn codec_of(column: &Column, map: &TableMap, index: usize, style: ValueStyle) -> (Codec, Option<String>) {
    let spec = spec_of(column, map, index);
    match Codec::compile(&spec, style) {
        Ok(codec) => (codec, None),
        Err(why) => (Codec::opaque(spec.wire), Some(why)),
    }
}

fn spec_of<'a>(column: &'a Column, map: &TableMap, index: usize) -> ColumnSpec<'a> {
    // What the event says of itself is newer than any definition.
    let unsigned = map.unsigned.as_ref().and_then(|u| u.get(index)).copied();
    ColumnSpec { wire: map.types[index], declared: declared(&column.ty, unsigned) }
}

/// What a column may be read as, in order: as Maxwell sees it under `maxwell_quirks`, then as it is. None for hidden columns.
pub fn specs(slot: &TableSlot, index: usize, style: ValueStyle) -> [Option<ColumnSpec<'_>>; 2] {
    let shown = slot.shown().columns.get(index).filter(|_| style.maxwell_quirks);
    let as_maxwell = shown.map(|column| ColumnSpec { wire: slot.map.types[index], declared: declared(&column.ty, None) });
    [as_maxwell, slot.table.columns.get(index).map(|column| spec_of(column, &slot.map, index))]
}

fn declared(ty: &ColumnType, unsigned_in_event: Option<bool>) -> Declared<'_> {
    match ty {
        ColumnType::Int { unsigned, .. } => Declared::Number { unsigned: unsigned_in_event.unwrap_or(*unsigned) },
        ColumnType::Float | ColumnType::Double | ColumnType::Decimal => Declared::Number { unsigned: false },
        ColumnType::Bit => Declared::Bit,
        ColumnType::Year => Declared::Year,
        ColumnType::Date | ColumnType::Datetime { .. } | ColumnType::Timestamp { .. } | ColumnType::Time { .. } => Declared::Temporal,
        ColumnType::Text { charset: Some(charset), .. } => Declared::Text { charset },
        ColumnType::Text { charset: None, .. } => Declared::Other { name: "text of an unknown character set" },
        ColumnType::Binary { .. } => Declared::Binary,
        ColumnType::Enum { labels, .. } => Declared::Enum { labels },
        ColumnType::Set { labels, .. } => Declared::Set { labels },
        ColumnType::Json => Declared::Json,
        ColumnType::Geometry { .. } => Declared::Geometry,
        ColumnType::Other { name, .. } => Declared::Other { name },
    }
}

fn is_excluded(patterns: &[ColumnPattern], column: &str) -> bool {
    patterns.iter().any(|p| p.matches(column))
}

fn primary_key(slot: &TableSlot) -> Result<Vec<usize>> {
    let table = slot.shown();
    table
        .primary_key
        .iter()
        .map(|name| {
            table.column_index(name).ok_or_else(|| {
                Error::definite("the primary key of a tracked definition names no column")
                    .detail(format!("table {}.{}, column {name}", table.database, table.name))
                    .hint("the stored definition is damaged: let it be captured again")
            })
        })
        .collect()
}

/// Fills `%{database}`, `%{table}` and `%{type}` in; any other text stays. Names are plain text, also with `$` or `\`.
pub fn topic_name(template: &str, database: &str, table: &str, type_name: &str) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("%{") {
        out.push_str(before);
        let known = [("database}", database), ("table}", table), ("type}", type_name)];
        match known.iter().find_map(|(name, value)| after.strip_prefix(name).map(|tail| (tail, value))) {
            Some((tail, value)) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push_str("%{");
                rest = after;
            }
        }
    }
    out + rest
}

/// Columns of all cached plans together; a plan's size is about that of its columns.
const CACHED_COLUMNS_MAX: usize = 50_000;

/// Compiled plans by slot id. Slots are never used again once their table map is gone, so the cache is emptied when it
/// has grown too large, and what is still in use is compiled anew.
#[derive(Debug, Default)]
pub struct PlanCache {
    plans: HashMap<u64, Arc<RowPlan>>,
    columns: usize,
}

impl PlanCache {
    pub fn get(&mut self, slot: &Arc<TableSlot>, options: &OutputOptions, topics: &Topics) -> Result<Arc<RowPlan>> {
        if let Some(plan) = self.plans.get(&slot.id) {
            return Ok(plan.clone());
        }
        let plan = Arc::new(RowPlan::compile(slot, options, topics)?);
        if self.columns + plan.columns.len() > CACHED_COLUMNS_MAX {
            self.plans.clear();
            self.columns = 0;
        }
        self.columns += plan.columns.len();
        self.plans.insert(slot.id, plan.clone());
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_templates() {
        for (template, want) in [
            ("maxwell", "maxwell"),
            ("%{database}.%{table}", "d$b.t\\1"),
            ("x-%{type}-%{table}", "x-insert-t\\1"),
            ("%{other}%{", "%{other}%{"),
            ("%%{table}%{%{table}", "%t\\1%{t\\1"),
        ] {
            assert_eq!(topic_name(template, "d$b", "t\\1", "insert"), want);
        }
        assert_eq!(topic_name("%{database}", "%{table}", "t", "insert"), "%{table}");
    }
}
