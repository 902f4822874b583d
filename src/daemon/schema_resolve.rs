//! `binlogd schema resolve`: an operator tells what a table's definition is at the place where it came in doubt.
//!
//! The stream is read from the stored position, as the daemon would, up to the first place that puts the table in doubt.
//! There the definition is stored as a schema version of just that place, and the daemon uses it when it comes to the same
//! place. Messages go nowhere, and the stored position stays.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::assemble::spill::SpillDir;
use crate::assemble::{AssembleOptions, Assembler, Bound, Captured, TableRequest, XaReader, XaRequest};
use crate::encode::batch::{Batch, Topics};
use crate::encode::{Encoder, OutputOptions};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::position::{BinlogPosition, Position};
use crate::schema::ddl::{self, Dialect, StatementContext};
use crate::schema::delta::SchemaChange;
use crate::schema::{Schema, SchemaId, Table};
use crate::server::{Flavor, capture};
use crate::source::dump::{DumpOptions, DumpStream, Start};
use crate::store::Store;

use super::chain::{Chain, Flow, Hooks, PreparedRows};
use super::log_from::LogFrom;
use super::schema_command::{Outcome, Servers, place};
use super::schema_text::create_table;
use super::{tables, wire};

/// Of one transaction's rows, which nobody looks at here.
const MEMORY_BYTES: u64 = 4 << 20;

pub(super) struct Wanted {
    pub database: String,
    pub table: String,
    /// A file with a CREATE TABLE statement; `None`: the server's definition of now.
    pub definition: Option<PathBuf>,
    pub yes: bool,
}

/// Where the table came in doubt.
struct Doubt {
    request: TableRequest,
    place: Position,
    base: SchemaId,
    schema: Schema,
}

pub(super) async fn run(servers: Servers, wanted: Wanted) -> Result<Outcome> {
    refuse_while_running(&servers).await?;
    let servers = Arc::new(servers);
    let table = (wanted.database.clone(), wanted.table.clone());
    let found = {
        let (servers, handle) = (servers.clone(), Handle::current());
        let stored = servers.stored().await?;
        let task = tokio::task::spawn_blocking(move || find(&servers, &handle, stored.position, stored.origin.captured_until, table));
        task.await.map_err(|e| Error::bug("reading the binlog failed").source(e))??
    };
    let name = format!("{}.{}", wanted.database, wanted.table);
    let Some(doubt) = found else {
        return Err(Error::definite(format!("nothing puts {name} in doubt between the stored position and the end of the server's log"))
            .hint("binlogd schema show and diff tell what is stored; the daemon's log tells what it holds back and since when"));
    };
    if let Some((id, _)) = servers.store.load_schema_at(&doubt.place).await? {
        return Err(Error::definite(format!(
            "schema version {id} is stored for this place, and its definition of {name} does not fit the rows"
        ))
        .detail(place(&doubt.place))
        .hint(format!("delete the row {id} of `schemas`, if it is a mistake, and tell the right definition")));
    }
    let def = match &wanted.definition {
        Some(file) => definition_of(file, &wanted, &doubt.schema, &servers)?,
        None => server_definition(&servers, &wanted).await?,
    };
    let why = format!("{name} is in doubt since {}: {}", place(&doubt.place), doubt.request.why);
    if !wanted.yes {
        let text = format!(
            "{why}\n\nFrom there on its definition would be:\n\n{}\nNothing is stored: say --yes to store this.\n",
            create_table(&def)
        );
        return Ok(Outcome { text, code: 1 });
    }
    let change = SchemaChange::TableCreate { database: def.database.clone(), table: def.name.clone(), def: def.clone() };
    let mut schema = doubt.schema;
    crate::schema::delta::apply_changes(&mut schema, std::slice::from_ref(&change))?;
    let id = servers.store.save_changes(doubt.base, &[change], &schema, &doubt.place).await?;
    Ok(Outcome { text: format!("{why}\n\nStored as schema version {id}, from there on:\n\n{}\n", create_table(&def)), code: 0 })
}

/// A daemon that runs would not see what is stored behind its back, and both would ask for the binlog under one server id.
async fn refuse_while_running(servers: &Servers) -> Result<()> {
    if !super::position_command::is_alive(&servers.store).await? {
        return Ok(());
    }
    Err(Error::definite(format!("a daemon with client_id {} is running: its heartbeat moves", servers.config.client_id))
        .hint("stop it first"))
}

/// Reads on from the stored position, on a thread of its own because it waits for the network.
fn find(
    servers: &Servers,
    handle: &Handle,
    from: Position,
    captured_until: Option<Bound>,
    (database, table): (String, String),
) -> Result<Option<Doubt>> {
    let config = &servers.config;
    let quoted = |name: &str| format!("`{name}`");
    if database.contains('`') || table.contains('`') {
        return Err(Error::definite("a name with a backtick cannot be looked for"));
    }
    let rules = format!("exclude: *.*, include: {}.{}", quoted(&database), quoted(&table));
    let (filter, _) = Filter::parse(&rules).map_err(Error::definite)?;
    let filter = Arc::new(filter);
    let options = AssembleOptions {
        schema_database: config.schema_database.clone(),
        client_id: config.client_id.clone(),
        filter: filter.clone(),
        row_queries: false,
        memory_bytes: MEMORY_BYTES,
        gtid_mode: config.gtid_mode,
        event_bytes_max: wire::event_bytes_max(config.memory.row_bytes_max),
    };
    let (id, schema) = handle
        .block_on(servers.store.load_schema(&from))?
        .ok_or_else(|| Error::definite("no schema version is stored that is valid at the stored position").detail(&from))?;
    // The daemon does not run, so its folder is ours meanwhile.
    let spill = SpillDir::open(&config.memory.spill_dir, config.memory.spill_bytes_max)?;
    let mut assembler = Assembler::new(options, spill, schema, Some(id), from.at.clone(), from.heartbeat);
    if let Some(until) = captured_until.filter(|until| !until.is_reached(&from.at, from.gtids.as_ref())) {
        assembler.captured_until(until);
    }
    let encoder = Encoder::new(OutputOptions::default(), Arc::new(Topics::new()));
    let mut chain = Chain::new(assembler, encoder, filter, false, from.gtids.clone());
    let mut dump = DumpOptions::new(wire::connection(&config.replication), config.replica_server_id, config.client_id.clone());
    dump.event_bytes_max = wire::event_bytes_max(config.memory.row_bytes_max) as usize;
    dump.non_blocking = true;
    let start = match from.gtids {
        Some(gtids) if config.gtid_mode => Start::Gtids(gtids),
        _ => Start::File(from.at),
    };
    let mut finder = Finder { servers, handle, database, table, place: None, found: None };
    let mut stream = DumpStream::open(&dump, &start)?;
    while let Some(block) = stream.next_block()? {
        for event in block.events {
            match chain.event(event, &mut finder) {
                Ok(Flow::On) => {}
                Ok(Flow::StartedInside(at)) => {
                    return Err(Error::definite("the stored position lies inside a transaction")
                        .detail(at)
                        .hint("start the daemon once: it finds the beginning of the transaction, and stores a position of its own"));
                }
                Err(error) => {
                    return match finder.found {
                        Some((request, place)) => {
                            let base = chain.assembler.schema_id().ok_or_else(|| Error::bug("no schema version"))?;
                            Ok(Some(Doubt { request, place, base, schema: chain.assembler.schema().clone() }))
                        }
                        None => Err(error),
                    };
                }
            }
        }
        chain.assembler.end_of_block();
    }
    Ok(None)
}

/// Stores what the daemon would store on its way, and stops at the first place that asks for the table.
struct Finder<'a> {
    servers: &'a Servers,
    handle: &'a Handle,
    database: String,
    table: String,
    /// The place that was asked about last.
    place: Option<Position>,
    found: Option<(TableRequest, Position)>,
}

impl Hooks for Finder<'_> {
    fn save_schema(&mut self, base: Option<SchemaId>, changes: &[SchemaChange], schema: &Schema, position: &Position) -> Result<SchemaId> {
        let base = base.ok_or_else(|| Error::bug("no schema version"))?;
        self.handle.block_on(self.servers.store.save_changes(base, changes, schema, position))
    }

    fn stored_version(&mut self, position: &Position) -> Result<Option<Schema>> {
        self.place = Some(position.clone());
        Ok(self.handle.block_on(self.servers.store.load_schema_at(position))?.map(|(_, schema)| schema))
    }

    fn fetch_tables(&mut self, request: &TableRequest, schema: &Schema) -> Result<(Vec<Captured>, Bound)> {
        let case = schema.case;
        let concerns = request
            .tables
            .iter()
            .any(|name| case.same(&name.database, &self.database) && name.table.as_ref().is_none_or(|table| case.same(table, &self.table)));
        if concerns && request.stated {
            // The daemon helps itself here.
            let Servers { capture, replication, identity, .. } = self.servers;
            return self.handle.block_on(tables::fetch(capture, replication, identity, request, schema));
        }
        if concerns {
            self.found = self.place.clone().map(|place| (request.clone(), place));
            return Err(Error::definite("the place is found"));
        }
        // Other tables stay in doubt: nothing of them is looked at here.
        Ok((Vec::new(), Bound::from(BinlogPosition { file: request.at.file.clone(), offset: u64::MAX })))
    }

    fn read_prepared(&mut self, _: &XaRequest, _: &mut dyn FnMut() -> XaReader) -> Result<PreparedRows> {
        // Its tables' definitions were asked for at the prepare.
        Ok(PreparedRows::Unwanted)
    }

    fn log_from(&mut self, _: &BinlogPosition) -> Result<Option<Box<dyn LogFrom>>> {
        // What they ask for was asked for when they were read first.
        Ok(None)
    }

    fn emit(&mut self, _: Batch) -> Result<()> {
        Ok(())
    }
}

async fn server_definition(servers: &Servers, wanted: &Wanted) -> Result<Arc<Table>> {
    let mut conn = servers.capture.conn().await?;
    let names = [(wanted.database.as_str(), wanted.table.as_str())];
    let found = capture::capture_tables(&mut conn, &servers.identity, &names).await?;
    found.into_iter().next().flatten().ok_or_else(|| {
        Error::definite(format!("the server has no table {}.{}", wanted.database, wanted.table))
            .hint("tell its definition with --definition=FILE")
    })
}

/// The definition that a CREATE TABLE statement makes, read as the server that wrote the binlog would.
fn definition_of(file: &PathBuf, wanted: &Wanted, schema: &Schema, servers: &Servers) -> Result<Arc<Table>> {
    let place = || file.display().to_string();
    let sql = std::fs::read(file).map_err(|e| Error::definite("the definition cannot be read").source(e).detail(place()))?;
    let version = &servers.identity.version;
    let context = StatementContext {
        default_database: Some(&wanted.database),
        dialect: match version.flavor {
            Flavor::MySql => Dialect::MySql,
            Flavor::MariaDb => Dialect::MariaDb,
        },
        server_version: u32::from(version.major) * 10_000 + u32::from(version.minor) * 100 + u32::from(version.patch),
        ..StatementContext::default()
    };
    let mut schema = schema.clone();
    if let Some(database) = schema.database_mut(&wanted.database) {
        database.tables.retain(|t| t.name != wanted.table);
    }
    let wrong = |why: String| {
        Error::definite(format!("the definition is not a CREATE TABLE that makes {}.{}: {why}", wanted.database, wanted.table))
            .detail(place())
    };
    match ddl::interpret(&sql, &context, &mut schema, &|_, _| false) {
        ddl::Outcome::Changes(changes) => match &changes[..] {
            [SchemaChange::TableCreate { def, .. }]
                if schema.case.same(&def.database, &wanted.database) && schema.case.same(&def.name, &wanted.table) =>
            {
                Ok(def.clone())
            }
            _ => Err(wrong("it does something else".into())),
        },
        ddl::Outcome::Nothing => Err(wrong("it changes nothing".into())),
        ddl::Outcome::Unproved { why, .. } => Err(wrong(why)),
    }
}
