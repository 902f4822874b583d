//! The side under test: the server's binlog through the real chain, and its tracked definitions beside information_schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use binlogd::assemble::spill::SpillDir;
use binlogd::assemble::{AssembleOptions, Assembler, Bound, Captured, TableRequest};
use binlogd::daemon::chain::{Chain, Hooks};
use binlogd::encode::batch::{Batch, MessageKind, Topics};
use binlogd::encode::{Encoder, OutputOptions, Path};
use binlogd::error::Error;
use binlogd::filter::Filter;
use binlogd::position::{BinlogPosition, Position};
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::{BinaryKind, ColumnType, Schema, SchemaId, Table, TextKind, collation, delta};
use binlogd::server::{ConnectionOptions, ServerIdentity, capture, status};
use binlogd::source::{DumpOptions, DumpStream, Start};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};
use tokio::runtime::Runtime;

/// Database and table.
pub type TableKey = (String, String);

pub fn options(port: u16) -> OptsBuilder {
    OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).user(Some("root")).prefer_socket(false)
}

/// What the chain asks of its surroundings; definitions come from the server of now.
struct Surroundings<'a> {
    rt: &'a Runtime,
    conn: Conn,
    identity: ServerIdentity,
    /// Versions as the store would have them: every delta written as JSON, read again and applied.
    stored: Schema,
    next_id: SchemaId,
    requests: Vec<TableRequest>,
    messages: Vec<Vec<u8>>,
}

impl Hooks for Surroundings<'_> {
    fn save_schema(&mut self, _: Option<SchemaId>, changes: &[SchemaChange], _: &Schema, _: &Position) -> Result<SchemaId, Error> {
        let read = delta::from_delta_json(&delta::to_delta_json(changes))?;
        delta::apply_changes(&mut self.stored, &read)?;
        self.next_id += 1;
        Ok(self.next_id)
    }

    fn fetch_tables(&mut self, request: &TableRequest, schema: &Schema) -> Result<(Vec<Captured>, Bound), Error> {
        self.requests.push(request.clone());
        let mut wanted: Vec<TableKey> = Vec::new();
        for name in &request.tables {
            match &name.table {
                Some(table) => wanted.push((name.database.clone(), table.clone())),
                None => {
                    let known = schema.database(&name.database).into_iter().flat_map(|d| &d.tables).map(|t| t.name.clone());
                    let there = self.rt.block_on(tables_of(&mut self.conn, &name.database)).into_iter().map(|(name, _)| name);
                    let mut all: Vec<String> = known.chain(there).collect();
                    all.sort();
                    all.dedup();
                    wanted.extend(all.into_iter().map(|table| (name.database.clone(), table)));
                }
            }
        }
        let names: Vec<(&str, &str)> = wanted.iter().map(|(d, t)| (d.as_str(), t.as_str())).collect();
        let found = self.rt.block_on(capture::capture_tables(&mut self.conn, &self.identity, &names))?;
        let hidden = self.rt.block_on(capture::hidden_columns(&mut self.conn, &self.identity, &names))?;
        let captured = wanted.iter().zip(found).zip(hidden).map(|(((database, table), def), hidden)| Captured {
            database: database.clone(),
            database_charset: None,
            table: table.clone(),
            def,
            hidden,
        });
        let at = self.rt.block_on(status::binlog_status(&mut self.conn, &self.identity.version))?.at;
        Ok((captured.collect(), at.into()))
    }

    fn emit(&mut self, batch: Batch) -> Result<(), Error> {
        for message in batch.messages.iter().filter(|m| m.kind == MessageKind::Row) {
            self.messages.push(message.value.of(&batch.arena).to_vec());
        }
        Ok(())
    }
}

/// Tables of a database with their kinds.
async fn tables_of(conn: &mut Conn, database: &str) -> Vec<(String, String)> {
    let sql = "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
    conn.exec(sql, (database,)).await.expect("information_schema answers")
}

pub struct Model<'a> {
    rt: &'a Runtime,
    hooks: Surroundings<'a>,
    chain: Chain,
    stream: DumpStream,
    dump: DumpOptions,
    spill: SpillDir,
    /// Where everything was read up to.
    at: BinlogPosition,
}

impl<'a> Model<'a> {
    pub fn open(rt: &'a Runtime, port: u16, spill: SpillDir) -> Self {
        let mut conn = rt.block_on(Conn::new(options(port))).expect("root can connect");
        let identity = rt.block_on(status::identity(&mut conn)).expect("the server says who it is");
        let mut connection = ConnectionOptions::new("127.0.0.1", "root", "");
        connection.port = port;
        let dump = DumpOptions::new(connection, 7_000_000 + std::process::id() % 1_000_000, format!("ddl-oracle-{}", std::process::id()));
        let (schema, at) = now(rt, &mut conn, &identity);
        let stream = DumpStream::open(&dump, &Start::File(at.clone())).expect("the server sends its log");
        let chain = chain(&spill, schema.clone(), &at);
        let hooks = Surroundings { rt, conn, identity, stored: schema, next_id: 1, requests: Vec::new(), messages: Vec::new() };
        Model { rt, hooks, chain, stream, dump, spill, at }
    }

    pub fn identity(&self) -> &ServerIdentity {
        &self.hooks.identity
    }

    pub fn schema(&self) -> &Schema {
        self.chain.assembler.schema()
    }

    pub fn table(&self, key: &TableKey) -> Option<&Arc<Table>> {
        self.schema().table(&key.0, &key.1)
    }

    /// Begins anew at the log's end with captured definitions, after a difference or a stop.
    pub fn restart(&mut self) {
        let (schema, at) = now(self.rt, &mut self.hooks.conn, &self.hooks.identity);
        self.stream.stopper().expect("a stopper").stop();
        self.stream = DumpStream::open(&self.dump, &Start::File(at.clone())).expect("the server sends its log");
        self.hooks.stored = schema.clone();
        self.chain = chain(&self.spill, schema, &at);
        self.at = at;
    }

    /// Reads the log to its end. Whether there was anything.
    pub fn catch_up(&mut self) -> Result<bool, Error> {
        let end = self.log_end();
        let any = self.at.is_before(&end);
        self.at = end.clone();
        while self.chain.assembler.position().is_before(&end) {
            let block = self.stream.next_block()?.expect("the stream goes on");
            for event in block.events {
                self.chain.event(event, &mut self.hooks)?;
            }
        }
        self.chain.flush(&mut self.hooks)?;
        Ok(any)
    }

    /// Without the GTIDs, which cost more than the rest of a step.
    fn log_end(&mut self) -> BinlogPosition {
        let sql = self.hooks.identity.version.position_statement();
        let row: Row = self.rt.block_on(self.hooks.conn.query_first(sql)).expect("the log's end").expect("the server writes a log");
        let (file, offset): (String, u64) = (row.get(0).expect("a file"), row.get(1).expect("an offset"));
        BinlogPosition::new(file, offset)
    }

    /// The re-reads that were asked for since the last call.
    pub fn requests(&mut self) -> Vec<TableRequest> {
        std::mem::take(&mut self.hooks.requests)
    }

    /// The row messages since the last call.
    pub fn messages(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.hooks.messages)
    }

    /// Differences of these tables, and how many were compared.
    pub fn compare(&mut self, keys: &[TableKey]) -> (Vec<String>, usize) {
        if keys.is_empty() {
            return (Vec::new(), 0);
        }
        let names: Vec<(&str, &str)> = keys.iter().map(|(d, t)| (d.as_str(), t.as_str())).collect();
        let found = self.rt.block_on(capture::capture_tables(&mut self.hooks.conn, &self.hooks.identity, &names)).expect("a capture");
        let mut differences = Vec::new();
        for (key, theirs) in keys.iter().zip(found) {
            let ours = self.table(key);
            let theirs = theirs.map(|theirs| Arc::new(with_our_odd_labels(Table::clone(&theirs), ours)));
            if let Some(difference) = difference(ours.map(|t| &**t), theirs.as_deref()) {
                differences.push(format!("{}.{}: {difference}", key.0, key.1));
            }
        }
        (differences, keys.len())
    }

    /// The server's tables of a database that are no views, and the differences of the two lists of names.
    pub fn list(&mut self, databases: &[String]) -> (Vec<TableKey>, Vec<String>) {
        let (mut all, mut differences) = (Vec::new(), Vec::new());
        for database in databases {
            let listed = self.rt.block_on(tables_of(&mut self.hooks.conn, database));
            let is_view = |kind: &str| kind.ends_with("VIEW");
            let views: Vec<&String> = listed.iter().filter(|(_, kind)| is_view(kind)).map(|(name, _)| name).collect();
            let mut theirs: Vec<&String> = listed.iter().filter(|(_, kind)| !is_view(kind)).map(|(name, _)| name).collect();
            let ours = self.chain.assembler.schema().database(database);
            let mut ours: Vec<&String> =
                ours.into_iter().flat_map(|d| &d.tables).map(|t| &t.name).filter(|n| !views.contains(n) && *n != "v_1").collect();
            theirs.sort();
            ours.sort();
            if ours != theirs {
                differences.push(format!("tables of {database}: model {ours:?}, server {theirs:?}"));
            }
            all.extend(theirs.into_iter().map(|name| (database.clone(), name.clone())));
        }
        (all, differences)
    }

    /// Differences of the databases themselves: which there are, and their character sets.
    pub fn databases(&mut self, prefix: &str) -> Vec<String> {
        let sql = "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA";
        let rows: Vec<(String, String)> = self.rt.block_on(self.hooks.conn.query(sql)).expect("a list");
        let canonical = |c: &str| if c == "utf8mb3" { "utf8".to_owned() } else { c.to_owned() };
        let theirs: BTreeMap<String, String> =
            rows.into_iter().filter(|(n, _)| n.starts_with(prefix)).map(|(n, c)| (n, canonical(&c))).collect();
        let ours: BTreeMap<String, String> = self
            .schema()
            .databases
            .iter()
            .filter(|d| d.name.starts_with(prefix))
            .map(|d| (d.name.clone(), canonical(&d.charset.to_ascii_lowercase())))
            .collect();
        if ours == theirs { Vec::new() } else { vec![format!("databases: model {ours:?}, server {theirs:?}")] }
    }

    /// Whether what the store would give back is what is tracked.
    pub fn stored_differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        for database in &self.schema().databases {
            for table in &database.tables {
                let stored = self.hooks.stored.table(&database.name, &table.name);
                // Maxwell's form has no character set of labels.
                let plain = |t: &Table| describe(&without_label_charsets(t));
                let (ours, theirs) = (plain(table), stored.map(|t| plain(t)));
                if theirs.as_ref() != Some(&ours) {
                    found.push(format!("{}.{}: tracked {ours}; stored {theirs:?}", database.name, table.name));
                }
            }
        }
        found
    }
}

/// information_schema cuts the labels where bytes are no characters, so these are not compared.
fn with_our_odd_labels(mut theirs: Table, ours: Option<&Arc<Table>>) -> Table {
    for (column, our) in theirs.columns.iter_mut().zip(ours.into_iter().flat_map(|t| &t.columns)) {
        let odd = our.ty.labels().filter(|labels| labels.is_empty() || labels.iter().any(|l| l.contains('\u{fffd}')));
        if let (ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. }, Some(odd)) = (&mut column.ty, odd)
            && (labels.len() <= odd.len() || odd.is_empty())
        {
            *labels = odd.clone();
        }
    }
    theirs
}

fn without_label_charsets(table: &Table) -> Table {
    let mut table = table.clone();
    for column in &mut table.columns {
        match &mut column.ty {
            ColumnType::Enum { charset, .. } | ColumnType::Set { charset, .. } | ColumnType::Other { charset, .. } => *charset = None,
            _ => {}
        }
    }
    table
}

fn now(rt: &Runtime, conn: &mut Conn, identity: &ServerIdentity) -> (Schema, BinlogPosition) {
    let schema = rt.block_on(capture::capture(conn, identity)).expect("a capture");
    let at = rt.block_on(status::binlog_status(conn, &identity.version)).expect("the log's end").at;
    (schema, at)
}

fn chain(spill: &SpillDir, schema: Schema, at: &BinlogPosition) -> Chain {
    let filter = Arc::new(Filter::default());
    let options = AssembleOptions {
        schema_database: "maxwell".into(),
        client_id: "ddl-oracle".into(),
        filter: filter.clone(),
        row_queries: false,
        memory_bytes: 1 << 22,
        gtid_mode: false,
        event_bytes_max: 1 << 28,
    };
    let assembler = Assembler::new(options, spill.clone(), schema, Some(1), at.clone(), 0);
    Chain::new(
        assembler,
        Encoder::new(OutputOptions { path: Path::Both, ..OutputOptions::default() }, Arc::new(Topics::new())),
        filter,
        true,
        None,
    )
}

/// How the tracked definition differs from the server's.
fn difference(ours: Option<&Table>, theirs: Option<&Table>) -> Option<String> {
    let (ours, theirs) = (ours.map(describe), theirs.map(describe));
    match (ours, theirs) {
        (ours, theirs) if ours == theirs => None,
        (Some(ours), Some(theirs)) => {
            // Only the parts that differ, or it could not be read.
            let (a, b): (Vec<&str>, Vec<&str>) = (ours.split('\u{1}').collect(), theirs.split('\u{1}').collect());
            let only = |x: &[&str], y: &[&str]| x.iter().filter(|p| !y.contains(p)).copied().collect::<Vec<_>>().join(", ");
            let (left, right) = (only(&a, &b), only(&b, &a));
            if left.is_empty() && right.is_empty() {
                return Some(format!("order: model {}, server {}", a.join(", "), b.join(", ")));
            }
            Some(format!("model {left} | server {right}"))
        }
        (ours, _) => Some(if ours.is_some() { "only in the model".into() } else { "missing in the model".into() }),
    }
}

pub fn is_wide(charset: Option<&str>) -> bool {
    charset.is_some_and(|c| matches!(c, "ucs2" | "utf16" | "utf16le" | "utf32"))
}

/// A definition in words that are equal if and only if rows are decoded and stored alike.
fn describe(table: &Table) -> String {
    let canonical = |charset: Option<&str>| match charset {
        Some(c) if collation::same_charset(c, "utf8") => "utf8".to_owned(),
        Some(c) => c.to_ascii_lowercase(),
        None => "-".into(),
    };
    let seen = |labels: &[String]| labels.iter().map(|label| super::rows::seen(label)).collect::<Vec<_>>();
    let mut parts = vec![format!("table {}.{} {}", table.database, table.name, canonical(table.charset.as_deref()))];
    for column in &table.columns {
        let ty = match &column.ty {
            ColumnType::Text { kind, charset } if charset.as_deref().is_some_and(|c| c.eq_ignore_ascii_case("binary")) => {
                let kind = match kind {
                    TextKind::Char => BinaryKind::Binary,
                    TextKind::Varchar => BinaryKind::Varbinary,
                    TextKind::Tiny => BinaryKind::Tiny,
                    TextKind::Text => BinaryKind::Blob,
                    TextKind::Medium => BinaryKind::Medium,
                    TextKind::Long => BinaryKind::Long,
                };
                format!("{:?}", ColumnType::Binary { kind })
            }
            ColumnType::Text { kind, charset } => format!("{kind:?}/{}", canonical(charset.as_deref())),
            // information_schema has none for `binary`.
            // Servers misread labels in wide character sets in ways of their own.
            ColumnType::Enum { charset, .. } | ColumnType::Set { charset, .. } if is_wide(charset.as_deref()) => {
                format!("{}/{}", column.ty.type_name(), canonical(charset.as_deref()))
            }
            ColumnType::Enum { labels, charset: None } => format!("enum {:?}/binary", seen(labels)),
            ColumnType::Set { labels, charset: None } => format!("set {:?}/binary", seen(labels)),
            ColumnType::Enum { labels, charset } => format!("enum {:?}/{}", seen(labels), canonical(charset.as_deref())),
            ColumnType::Set { labels, charset } => format!("set {:?}/{}", seen(labels), canonical(charset.as_deref())),
            ColumnType::Other { name, .. } => name.clone(),
            other => format!("{other:?}"),
        };
        parts.push(format!("`{}` {ty}", column.name));
    }
    parts.push(format!("key {:?}", table.primary_key));
    parts.join("\u{1}")
}

/// A value of the text protocol.
pub fn text(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(bytes),
        other => Some(other.as_sql(true).into_bytes()),
    }
}
