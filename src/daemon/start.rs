//! What a run starts with: the position that `takeover` finds, and the schema valid there, restored or captured.

use crate::assemble::boundary::BoundaryScanner;
use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Bound, Place, Position};
use crate::schema::mend::{self, TRUSTED_FORMAT};
use crate::schema::misread::{self, Age};
use crate::schema::prepared::PreparedXa;
use crate::schema::{Schema, SchemaId};
use crate::server::status::ServerIdentity;
use crate::server::{Flavor, Server, as_maxwell, capture};
use crate::source::dump::{DumpStream, Start};
use crate::status::State;
use crate::store::{Origin, Store};

use super::board::Board;
use super::chain::Chain;
use super::pipeline::Surroundings;
use super::seek::Seeker;
use super::takeover::{self, Found, Versions};
use super::{tables, view};

/// How far the clocks of the server and of who stored the position may differ.
const CLOCKS_APART_SECONDS: i64 = 10;
/// Lines in the log of a takeover.
const CORRECTED_LOGGED: usize = 100;

/// Where to start, and with what.
pub struct Begin {
    pub position: Position,
    pub schema: Schema,
    pub schema_id: SchemaId,
    /// The definitions were captured while the server's log moved up to here.
    pub captured_until: Option<Bound>,
    /// XA transactions that were prepared before the position, as far as they are noted.
    pub prepared: Vec<PreparedXa>,
}

/// What finding the start needs.
pub struct StartContext<'a> {
    pub store: &'a dyn Store,
    pub replication: &'a Server,
    pub capture: &'a Server,
    pub identity: &'a ServerIdentity,
    pub seeker: &'a Seeker,
    pub schema_database: &'a str,
    pub client_id: &'a str,
    pub gtid_mode: bool,
    /// `--init_position`
    pub init_position: Option<Place>,
    /// `--recapture_schema`
    pub recapture: bool,
    pub master_recovery: bool,
    pub maxwell_quirks: bool,
    /// Server id under which this client's position stands.
    pub row_server_id: u32,
    /// Where it is told that a first capture runs; `None` in a command that has no board.
    pub board: Option<&'a Board>,
}

/// Determines the position, then loads or captures the schema.
pub async fn begin(context: &StartContext<'_>) -> Result<Begin> {
    let found = takeover::find(context).await?;
    let begin = with_schema(context, found).await?;
    if context.master_recovery {
        takeover::forget_other_servers(context).await?;
    }
    Ok(begin)
}

/// The schema valid at the position that was found.
pub async fn with_schema(context: &StartContext<'_>, found: Found) -> Result<Begin> {
    let Found { position, followed, captured_until, checked, versions } = found;
    context.set_origin(captured_until.clone(), checked);
    let prepared = context.store.load_prepared().await?;
    // Up to a position just taken from the server nobody followed the stream: what is stored is older.
    if followed && !context.recapture {
        if let Some((schema_id, mut schema, format)) = restore(context, &position, &versions).await? {
            tracing::info!(schema_id, %position, "restored the schema version that is valid here");
            if !matches!(versions, Versions::Here) {
                context.store.save_position(&position).await?;
            }
            if context.maxwell_quirks {
                view::restore(context.store, schema_id, &mut schema).await?;
            }
            let mut begin = Begin { position, schema, schema_id, captured_until, prepared };
            if format < TRUSTED_FORMAT {
                begin = mended(context, begin, format).await?;
            }
            if !checked {
                begin = corrected(context, begin).await?;
                context.set_origin(begin.captured_until.clone(), true);
            }
            return Ok(begin);
        }
        tracing::info!("no stored schema version is valid here");
    }
    tracing::info!(%position, "capturing the definitions of all tables");
    if let Some(board) = context.board {
        board.state(State::Capturing);
    }
    let mut conn = context.capture.conn().await?;
    let mut schema = capture::capture(&mut conn, context.identity).await?;
    drop(conn);
    let count: usize = schema.databases.iter().map(|d| d.tables.len()).sum();
    let after = tables::log_bound(context.replication, context.gtid_mode).await?;
    tracing::info!(databases = schema.databases.len(), tables = count, "definitions captured");
    context.set_origin(Some(after.clone()), false);
    if followed {
        // Before the snapshot: a process that finds it must find the place up to which it is uncertain.
        context.store.save_position(&position).await?;
    }
    let schema_id = if context.recapture {
        context.store.replace_versions(&schema, &position).await?
    } else {
        context.store.save_snapshot(&schema, &position).await?
    };
    if context.maxwell_quirks {
        view::capture(context.store, context.capture, context.identity, schema_id, &mut schema).await?;
    }
    context.set_origin(Some(after.clone()), true);
    if !followed {
        // Only now: a kill before this starts afresh, not with a position that has no schema.
        context.store.save_position(&position).await?;
    }
    Ok(Begin { position, schema, schema_id, captured_until: Some(after), prepared })
}

/// Mends what an old Maxwell stored, by definitions captured now, and stores it anew. The capture may be ahead of the
/// position, so statements up to its end put their tables in doubt, as after a first capture.
async fn mended(context: &StartContext<'_>, begin: Begin, format: u16) -> Result<Begin> {
    let Begin { position, mut schema, schema_id, prepared, .. } = begin;
    tracing::info!(schema_id, format, "the schema was stored by an old Maxwell; mending it by definitions captured now");
    let mut conn = context.capture.conn().await?;
    let captured = capture::capture(&mut conn, context.identity).await?;
    drop(conn);
    let after = tables::log_bound(context.replication, context.gtid_mode).await?;
    let differences = mend::mend(&mut schema, &captured, format);
    context.set_origin(Some(after.clone()), false);
    // Before the snapshot: a process that finds it must find the place up to which it is uncertain.
    context.store.save_position(&position).await?;
    let schema_id = context.store.save_mended(schema_id, &schema, &position).await?;
    tracing::info!(schema_id, differences, "the schema is mended");
    Ok(Begin { position, schema, schema_id, captured_until: Some(after), prepared })
}

/// Puts right what Maxwell has wrong in the definitions that it stored, and stores them anew if anything was.
async fn corrected(context: &StartContext<'_>, begin: Begin) -> Result<Begin> {
    tracing::info!(schema_id = begin.schema_id, "Maxwell may have stored these definitions; comparing them with the server's");
    if let Some(board) = context.board {
        board.state(State::Capturing);
    }
    let mut conn = context.capture.conn().await?;
    let captured = capture::capture(&mut conn, context.identity).await?;
    let view = as_maxwell::view(&mut conn, context.identity, &captured).await?;
    let older = capture::tables_older_than(&mut conn, begin.position.heartbeat / 1000 - CLOCKS_APART_SECONDS).await?;
    drop(conn);
    let Begin { position, mut schema, schema_id, .. } = begin;
    let keeps_time = context.identity.version.at_least(Flavor::MySql, 8, 0, 0);
    let age = |database: &str, table: &str| match older.get(database).is_some_and(|tables| tables.contains(table)) {
        false => Age::Unknown,
        true if keeps_time => Age::NotRebuilt,
        true => Age::Unchanged,
    };
    let all = misread::correct(&mut schema, &captured, &view.schema, age);
    for misread::Corrected { database, table, what } in all.iter().take(CORRECTED_LOGGED) {
        tracing::info!(table = %if table.is_empty() { database.clone() } else { format!("{database}.{table}") }, what, "a definition that Maxwell stored is corrected");
    }
    if all.is_empty() {
        return Ok(Begin { position, schema, schema_id, ..begin });
    }
    let schema_id = context.store.save_mended(schema_id, &schema, &position).await?;
    if let Some(view) = &schema.as_maxwell {
        context.store.save_view(schema_id, &view.differences(&schema)).await?;
    }
    tracing::info!(schema_id, corrections = all.len(), "definitions that Maxwell stored are corrected");
    Ok(Begin { position, schema, schema_id, ..begin })
}

/// The stored version that is valid at the position. One that was found by the rules of another mode or server is stored
/// once more under those of this one, or the next start would miss it. The format it was stored in comes with it.
async fn restore(context: &StartContext<'_>, position: &Position, versions: &Versions) -> Result<Option<(SchemaId, Schema, u16)>> {
    let Versions::Elsewhere { lookup, at, begins } = versions else {
        let Some((id, schema)) = context.store.load_schema(position).await? else { return Ok(None) };
        return Ok(Some((id, schema, context.store.schema_format(id).await?)));
    };
    for place in at {
        if let Some((base, schema)) = context.store.load_schema_by(*lookup, place).await? {
            let format = context.store.schema_format(base).await?;
            let begins = Position { at: begins.clone(), ..position.clone() };
            let id = context.store.save_changes(base, &[], &schema, &begins).await?;
            tracing::info!(base, schema_id = id, "took over the schema version of the earlier position");
            return Ok(Some((id, schema, format)));
        }
    }
    Ok(None)
}

impl StartContext<'_> {
    /// Stored beside every position from now on: up to where definitions were captured, so that a kill does not lose it, and
    /// whether they are free of Maxwell's faults.
    fn set_origin(&self, captured_until: Option<Bound>, checked: bool) {
        self.store.set_origin(Origin { server_uuid: self.identity.uuid.clone(), captured_until, checked, ..Origin::default() });
    }
}

/// Finds the boundary before `at` by reading its file from the beginning, and puts the chain there, with the definitions
/// that are stored for it (a statement inside the transaction may have a version of its own).
pub fn step_back(chain: &mut Chain, with: &mut Surroundings, at: &BinlogPosition) -> Result<()> {
    tracing::info!(%at, "the stored position lies inside a transaction; looking for its beginning");
    let from = BinlogPosition { file: at.file.clone(), offset: 4 };
    let mut stream = DumpStream::open(&with.dump, &Start::File(from))?;
    let mut scanner = BoundaryScanner::new(at);
    while let Some(block) = stream.next_block()? {
        for event in &block.events {
            if let Some(boundary) = scanner.push(event)? {
                if with.gtid_mode || boundary == *chain.assembler.boundary() {
                    return Err(Error::definite("the server sends a transaction without its beginning").detail(at));
                }
                tracing::info!(%boundary, "the transaction begins here");
                chain.assembler.rewind(boundary);
                return with.restore(chain);
            }
        }
        if with.shutdown.is_requested() {
            return Err(Error::transient("stopped"));
        }
    }
    Err(Error::definite("the binlog file ends before the stored position").detail(at))
}
