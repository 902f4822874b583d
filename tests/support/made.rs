//! A binlog made by a test: statements and rows of tables of which all columns are INT, so that every mix-up of columns
//! is one that no shape can tell. What each row means is written down when it is made.

use std::sync::Arc;

use binlogd::binlog::RawEvent;
use binlogd::binlog::event::EventHeader;
use binlogd::schema::{Column, ColumnType, Database, IntWidth, Schema, Table};

use super::replay::{Definitions, Recording};

const QUERY: u8 = 2;
const XID: u8 = 16;
const TABLE_MAP: u8 = 19;
const WRITE_ROWS: u8 = 30;
const XA_PREPARE: u8 = 38;

/// Of the event header: ER_QUERY_INTERRUPTED, so that nobody knows what a statement did.
pub const BROKEN: u16 = 1317;

/// What one row's message must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub table: String,
    pub data: Vec<(String, i32)>,
    pub xid: u64,
    pub xoffset: u64,
    pub commit: bool,
    pub offset: u64,
}

pub struct Made {
    events: Vec<RawEvent>,
    offset: u64,
    schema: Schema,
    definitions: Vec<(u64, Schema)>,
    initial: Schema,
    pub expected: Vec<Expected>,
    /// Rows of an XA transaction that is prepared.
    prepared: Vec<Expected>,
    /// Whether table maps carry column names.
    pub names: bool,
    xid: u64,
    value: i32,
}

pub fn table(name: &str, columns: &[&str]) -> Arc<Table> {
    let int = ColumnType::Int { width: IntWidth::Int, unsigned: false };
    Arc::new(Table {
        database: "d".into(),
        name: name.into(),
        charset: Some("utf8mb4".into()),
        columns: columns.iter().map(|c| Column { name: (*c).into(), ty: int.clone() }).collect(),
        primary_key: vec![],
    })
}

impl Made {
    /// The format event comes from a recording of MySQL 5.6, which needs no GTID events.
    pub fn new(tables: &[Arc<Table>]) -> Self {
        let schema = Schema {
            databases: vec![Database { name: "d".into(), charset: "utf8mb4".into(), tables: tables.to_vec() }],
            charset: "utf8mb4".into(),
            ..Schema::default()
        };
        let mut format = Recording::open("mysql-5.6", "ints").format_event().clone();
        let offset = 4 + u64::from(format.header.size);
        format.header.next_position = offset as u32;
        Made {
            events: vec![format],
            offset,
            initial: schema.clone(),
            definitions: vec![(0, schema.clone())],
            schema,
            expected: Vec::new(),
            prepared: Vec::new(),
            names: false,
            xid: 100,
            value: 0,
        }
    }

    fn push(&mut self, type_code: u8, body: Vec<u8>) -> u64 {
        let (start, size) = (self.offset, 19 + body.len() as u32);
        self.offset += u64::from(size);
        let header = EventHeader { timestamp: 1_700_000_000, type_code, server_id: 1, size, next_position: self.offset as u32, flags: 0 };
        self.events.push(RawEvent { header, body: body.into() });
        start
    }

    fn query(&mut self, sql: &str, error_code: u16) -> u64 {
        let mut body = vec![7, 0, 0, 0, 0, 0, 0, 0, 1];
        body.extend_from_slice(&error_code.to_le_bytes());
        body.extend_from_slice(b"\0\0d\0");
        body.extend_from_slice(sql.as_bytes());
        self.push(QUERY, body)
    }

    /// A statement, and the columns that it left the table with (`None`: it is gone). Gives its place.
    pub fn statement(&mut self, sql: &str, name: &str, columns: Option<&[&str]>, error_code: u16) -> u64 {
        let at = self.query(sql, error_code);
        let tables = &mut self.schema.databases[0].tables;
        let index = tables.iter().position(|t| t.name == name);
        match (index, columns) {
            (Some(i), Some(columns)) => tables[i] = table(name, columns),
            (Some(i), None) => drop(tables.remove(i)),
            (None, Some(columns)) => tables.push(table(name, columns)),
            (None, None) => {}
        }
        self.definitions.push((at, self.schema.clone()));
        at
    }

    /// A transaction that inserts so many rows into each table, in this order.
    pub fn rows(&mut self, tables: &[(&str, usize)]) {
        self.xid += 1;
        self.query("BEGIN", 0);
        let expected = self.images(tables, self.xid);
        self.expected.extend(expected);
        let xid = self.xid.to_le_bytes().to_vec();
        self.push(XID, xid);
    }

    /// The same as an XA transaction that is prepared; `commit_xa` makes its rows valid.
    pub fn prepare_xa(&mut self, tables: &[(&str, usize)]) {
        self.query("XA START X'61',X'',1", 0);
        self.prepared = self.images(tables, 0);
        self.query("XA END X'61',X'',1", 0);
        self.push(XA_PREPARE, vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'a']);
    }

    pub fn commit_xa(&mut self) {
        let offset = self.query("XA COMMIT X'61',X'',1", 0);
        self.expected.extend(self.prepared.drain(..).map(|row| Expected { offset, ..row }));
    }

    fn images(&mut self, tables: &[(&str, usize)], xid: u64) -> Vec<Expected> {
        let mut expected = Vec::new();
        for (i, (name, count)) in tables.iter().enumerate() {
            let def = self.schema.table("d", name).expect("the table exists").clone();
            let id = 10 + i as u8;
            let map = table_map(id, &def, self.names);
            self.push(TABLE_MAP, map);
            let mut body = vec![id, 0, 0, 0, 0, 0, 1, 0, 2, 0, def.columns.len() as u8];
            body.push(0xff);
            let from = expected.len();
            for _ in 0..*count {
                body.push(0);
                let mut data = Vec::new();
                for column in &def.columns {
                    self.value += 1;
                    body.extend_from_slice(&self.value.to_le_bytes());
                    data.push((column.name.clone(), self.value));
                }
                let xoffset = expected.len() as u64;
                expected.push(Expected { table: (*name).to_owned(), data, xid, xoffset, commit: false, offset: 0 });
            }
            let offset = self.push(WRITE_ROWS, body);
            expected[from..].iter_mut().for_each(|e| e.offset = offset);
        }
        expected.last_mut().expect("a row").commit = true;
        expected
    }

    /// Where the next event begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn recording(&self, name: &str) -> Recording {
        Recording::made(name, self.events.clone())
    }

    pub fn definitions(&self) -> Definitions {
        Arc::new(self.definitions.clone())
    }

    /// The definitions at the beginning.
    pub fn initial(&self) -> Schema {
        self.initial.clone()
    }
}

fn table_map(id: u8, def: &Table, names: bool) -> Vec<u8> {
    let columns = def.columns.len();
    let mut body = vec![id, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0, def.name.len() as u8];
    body.extend_from_slice(def.name.as_bytes());
    body.extend_from_slice(&[0, columns as u8]);
    body.extend(std::iter::repeat_n(3, columns));
    body.push(0);
    body.push(0xff);
    if names {
        let list: Vec<u8> = def.columns.iter().flat_map(|c| [&[c.name.len() as u8], c.name.as_bytes()].concat()).collect();
        body.extend_from_slice(&[4, list.len() as u8]);
        body.extend_from_slice(&list);
    }
    body
}
