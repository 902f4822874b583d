//! Tables, rows events and transactions made by hand, byte by byte as the server writes them.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::sync::Arc;

use binlogd::assemble::{TableRole, TableSlot, TxnEvent, TxnMeta};
use binlogd::binlog::table_map::WireType;
use binlogd::binlog::{EventHeader, EventType, RawEvent, TableMap};
use binlogd::encode::batch::{Batch, Topics};
use binlogd::encode::{EncodeStats, Encoder, OutputOptions};
use binlogd::filter::Verdict;
use binlogd::position::{BinlogPosition, ResumePoint};
use binlogd::schema::{Column, ColumnType, IntWidth, Table, TextKind};
use bytes::Bytes;

/// A column's value in an image: `None` is absent, `Some(None)` is NULL, else the bytes with their length prefix.
pub type Value = Option<Option<Vec<u8>>>;

pub fn absent() -> Value {
    None
}

pub fn null() -> Value {
    Some(None)
}

pub fn raw(bytes: &[u8]) -> Value {
    Some(Some(bytes.to_vec()))
}

pub fn int(n: i32) -> Value {
    raw(&n.to_le_bytes())
}

pub fn double(n: f64) -> Value {
    raw(&n.to_le_bytes())
}

/// Text of a column whose length prefix has one byte.
pub fn text(text: &str) -> Value {
    raw(&[&[text.len() as u8][..], text.as_bytes()].concat())
}

/// Bytes of a column whose length prefix has four bytes.
pub fn long(bytes: &[u8]) -> Value {
    raw(&[&(bytes.len() as u32).to_le_bytes()[..], bytes].concat())
}

pub fn int_column(name: &str) -> (Column, WireType) {
    (Column { name: name.into(), ty: ColumnType::Int { width: IntWidth::Int, unsigned: false } }, WireType::Long)
}

pub fn text_column(name: &str) -> (Column, WireType) {
    text_column_in(name, "utf8mb4")
}

pub fn text_column_in(name: &str, charset: &str) -> (Column, WireType) {
    let ty = ColumnType::Text { kind: TextKind::Varchar, charset: Some(charset.into()) };
    (Column { name: name.into(), ty }, WireType::Varchar { bytes: 200 })
}

pub fn column(name: &str, ty: ColumnType, wire: WireType) -> (Column, WireType) {
    (Column { name: name.into(), ty }, wire)
}

pub fn slot(id: u64, table: &str, columns: Vec<(Column, WireType)>, primary_key: &[&str]) -> TableSlot {
    let (columns, types): (Vec<Column>, Vec<WireType>) = columns.into_iter().unzip();
    TableSlot {
        id,
        map: TableMap {
            flavor: Default::default(),
            table_id: id,
            flags: 0,
            database: "db".into(),
            table: table.into(),
            nullable: vec![true; types.len()],
            types,
            unsigned: None,
            names: None,
            collations: None,
            labels: None,
            primary_key: None,
            visible: None,
            geometry_types: None,
            vector_dimensions: None,
            hidden: 0,
        },
        as_maxwell: None,
        table: Arc::new(Table {
            database: "db".into(),
            name: table.into(),
            charset: None,
            columns,
            primary_key: primary_key.iter().map(|n| (*n).to_owned()).collect(),
        }),
        verdict: Verdict::Keep,
        role: TableRole::User,
    }
}

/// `id` int primary key, `a` int, `s` varchar.
pub fn simple(id: u64) -> Arc<TableSlot> {
    Arc::new(slot(id, "t", vec![int_column("id"), int_column("a"), text_column("s")], &["id"]))
}

/// A rows event. Inserts and deletes have one image a row, updates two, before and after in turn.
pub fn rows_event(event_type: EventType, images: &[Vec<Value>]) -> RawEvent {
    let columns = images.first().map_or(0, Vec::len);
    let update = event_type == EventType::UpdateRowsV2;
    let mut body = b"\x07\0\0\0\0\0\x01\0\x02\0".to_vec();
    body.push(columns as u8);
    body.extend(bits((0..columns).map(|c| images.first().is_some_and(|image| image[c].is_some()))));
    if update {
        body.extend(bits((0..columns).map(|c| images.get(1).is_some_and(|image| image[c].is_some()))));
    }
    for image in images {
        body.extend(bits(image.iter().flatten().map(Option::is_none)));
        image.iter().flatten().flatten().for_each(|value| body.extend(value));
    }
    event(event_type, body)
}

fn bits(set: impl Iterator<Item = bool>) -> Vec<u8> {
    let set: Vec<bool> = set.collect();
    set.chunks(8).map(|byte| byte.iter().rev().fold(0, |b, s| b << 1 | u8::from(*s))).collect()
}

pub fn event(event_type: EventType, body: Vec<u8>) -> RawEvent {
    let header = EventHeader { timestamp: 1_700_000_000, type_code: event_type as u8, server_id: 1, size: 0, next_position: 0, flags: 0 };
    RawEvent { header, body: Bytes::from(body) }
}

pub fn insert(slot: &Arc<TableSlot>, images: &[Vec<Value>]) -> TxnEvent {
    rows(slot, EventType::WriteRowsV2, images)
}

pub fn update(slot: &Arc<TableSlot>, images: &[Vec<Value>]) -> TxnEvent {
    rows(slot, EventType::UpdateRowsV2, images)
}

pub fn delete(slot: &Arc<TableSlot>, images: &[Vec<Value>]) -> TxnEvent {
    rows(slot, EventType::DeleteRowsV2, images)
}

fn rows(slot: &Arc<TableSlot>, event_type: EventType, images: &[Vec<Value>]) -> TxnEvent {
    TxnEvent::Rows { slot: slot.clone(), event: rows_event(event_type, images), start: 1234 }
}

pub fn meta() -> TxnMeta {
    TxnMeta {
        file: "master.000001".into(),
        gtid: None,
        server_id: Some(5),
        thread_id: Some(6),
        xid: Some(77),
        schema_id: Some(9),
        commit_us: 1_700_000_000_000_000,
        ..TxnMeta::default()
    }
}

pub fn point(seq: u64) -> ResumePoint {
    ResumePoint { seq, at: BinlogPosition::new("master.000001", 4000 + seq), gtid: None, heartbeat: 0, saves: true, held: false }
}

/// An encoder whose batches are kept.
pub struct Run {
    pub encoder: Encoder,
    pub topics: Arc<Topics>,
    pub batches: Vec<Batch>,
    seq: u64,
}

impl Run {
    pub fn new(options: OutputOptions) -> Self {
        let topics = Arc::new(Topics::new());
        Run { encoder: Encoder::new(options, topics.clone()), topics, batches: Vec::new(), seq: 0 }
    }

    pub fn transaction(&mut self, events: Vec<TxnEvent>) -> binlogd::error::Result<EncodeStats> {
        self.transaction_of(&meta(), events)
    }

    pub fn transaction_of(&mut self, meta: &TxnMeta, events: Vec<TxnEvent>) -> binlogd::error::Result<EncodeStats> {
        self.seq += 1;
        let mut events = events.into_iter();
        let batches = &mut self.batches;
        self.encoder.transaction_from(meta, point(self.seq), &mut || Ok(events.next()), &mut |batch| {
            batches.push(batch);
            Ok(())
        })
    }

    /// Takes everything out.
    pub fn finish(&mut self) -> Vec<Batch> {
        self.batches.extend(self.encoder.finish());
        std::mem::take(&mut self.batches)
    }

    pub fn values(&mut self) -> Vec<String> {
        let batches = self.finish();
        batches.iter().flat_map(|b| b.messages.iter().map(|m| utf8(m.value.of(&b.arena)))).collect()
    }

    pub fn keys(&mut self) -> Vec<String> {
        let batches = self.finish();
        batches.iter().flat_map(|b| b.messages.iter().map(|m| utf8(m.key.of(&b.arena)))).collect()
    }

    pub fn hashes(&mut self) -> Vec<i32> {
        let batches = self.finish();
        batches.iter().flat_map(|b| b.messages.iter().map(|m| m.partition_hash)).collect()
    }
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("messages are UTF-8")
}

/// The values of one transaction.
pub fn encode(options: OutputOptions, events: Vec<TxnEvent>) -> Vec<String> {
    let mut run = Run::new(options);
    run.transaction(events).expect("encodes");
    run.values()
}
