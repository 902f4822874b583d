//! Where a run starts: the position (contract §2.5), and the schema valid there.

use crate::assemble::boundary::BoundaryScanner;
use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Position};
use crate::schema::mend::{self, TRUSTED_FORMAT};
use crate::schema::{Schema, SchemaId};
use crate::server::status::{self, ServerIdentity};
use crate::server::{Server, capture};
use crate::source::dump::{DumpStream, Start};
use crate::store::{Origin, Store, Stored};

use super::chain::Chain;
use super::pipeline::Surroundings;
use super::tables;

/// Where to start, and with what.
pub struct Begin {
    pub position: Position,
    pub schema: Schema,
    pub schema_id: SchemaId,
    /// The definitions were captured while the server's log moved up to here.
    pub captured_until: Option<BinlogPosition>,
}

/// What finding the start needs.
pub struct StartContext<'a> {
    pub store: &'a dyn Store,
    pub replication: &'a Server,
    pub capture: &'a Server,
    pub identity: &'a ServerIdentity,
    pub gtid_mode: bool,
    /// `--init_position`
    pub init_position: Option<Position>,
    /// Server id under which this client's position stands.
    pub row_server_id: u32,
}

/// Determines the position, then loads or captures the schema.
pub async fn begin(context: &StartContext<'_>) -> Result<Begin> {
    let Found { position, fresh, captured_until } = initial_position(context).await?;
    context.set_captured_until(captured_until.clone());
    // A position just taken from the server has no history: nobody followed the stream up to it.
    if !fresh && let Some((schema_id, schema)) = context.store.load_schema(&position).await? {
        let format = context.store.schema_format(schema_id).await?;
        let begin = Begin { position, schema, schema_id, captured_until };
        return if format < TRUSTED_FORMAT { mended(context, begin, format).await } else { Ok(begin) };
    }
    tracing::info!(%position, "capturing the definitions of all tables");
    let mut conn = context.capture.conn().await?;
    let schema = capture::capture(&mut conn, context.identity).await?;
    drop(conn);
    let count: usize = schema.databases.iter().map(|d| d.tables.len()).sum();
    let after = tables::log_end(context.replication).await?;
    tracing::info!(databases = schema.databases.len(), tables = count, "definitions captured");
    context.set_captured_until(Some(after.clone()));
    if !fresh {
        // Before the snapshot: a process that finds it must find the place up to which it is uncertain.
        context.store.save_position(&position).await?;
    }
    let schema_id = context.store.save_snapshot(&schema, &position).await?;
    if fresh {
        // Only now: a kill before this starts afresh, not with a position that has no schema.
        context.store.save_position(&position).await?;
    }
    Ok(Begin { position, schema, schema_id, captured_until: Some(after) })
}

/// Mends what an old Maxwell stored, by definitions captured now, and stores it anew. The capture may be ahead of the
/// position, so statements up to its end put their tables in doubt, as after a first capture.
async fn mended(context: &StartContext<'_>, begin: Begin, format: u16) -> Result<Begin> {
    let Begin { position, mut schema, schema_id, .. } = begin;
    tracing::info!(schema_id, format, "the schema was stored by an old Maxwell; mending it by definitions captured now");
    let mut conn = context.capture.conn().await?;
    let captured = capture::capture(&mut conn, context.identity).await?;
    drop(conn);
    let after = tables::log_end(context.replication).await?;
    let differences = mend::mend(&mut schema, &captured, format);
    context.set_captured_until(Some(after.clone()));
    // Before the snapshot: a process that finds it must find the place up to which it is uncertain.
    context.store.save_position(&position).await?;
    let schema_id = context.store.save_mended(schema_id, &schema, &position).await?;
    tracing::info!(schema_id, differences, "the schema is mended");
    Ok(Begin { position, schema, schema_id, captured_until: Some(after) })
}

impl StartContext<'_> {
    /// Stored beside every position before it, so that a kill does not lose it.
    fn set_captured_until(&self, captured_until: Option<BinlogPosition>) {
        self.store.set_origin(Origin { server_uuid: self.identity.uuid.clone(), birth: None, captured_until });
    }
}

/// Where to start.
struct Found {
    position: Position,
    /// Whether it was taken from the server just now.
    fresh: bool,
    captured_until: Option<BinlogPosition>,
}

impl Found {
    fn at(position: Position, fresh: bool) -> Result<Self> {
        Ok(Found { position, fresh, captured_until: None })
    }
}

async fn initial_position(context: &StartContext<'_>) -> Result<Found> {
    if let Some(position) = &context.init_position {
        tracing::info!(%position, "starting at the position that was given");
        if context.gtid_mode && position.gtids.is_none() {
            return Err(Error::definite("--init_position names a file and offset, but gtid_mode is on")
                .hint("start once with gtid_mode=false, or leave --init_position out"));
        }
        on_server(context, &position.at).await?;
        return Found::at(in_mode(position.clone(), context), false);
    }
    if let Some(stored) = context.store.load_position().await? {
        let captured_until = stored.origin.captured_until.clone().filter(|until| stored.position.at.is_before(until));
        return Ok(Found { position: in_mode(checked(stored, context)?, context), fresh: false, captured_until });
    }
    refuse_orphans(context).await?;
    if let Some(position) = context.store.load_other_client_position().await?
        && (position.gtids.is_some() || !context.gtid_mode)
    {
        let position = in_mode(position, context);
        tracing::info!(%position, "found the position of another client of this server");
        context.store.save_position(&position).await?;
        return Found::at(position, false);
    }
    let mut conn = context.replication.conn().await?;
    let now = status::binlog_status(&mut conn, &context.identity.version).await?;
    let gtids = if context.gtid_mode { now.gtids } else { None };
    if context.gtid_mode && gtids.is_none() {
        return Err(Error::definite("gtid_mode is set, but the server tells no executed GTIDs")
            .hint("turn GTIDs on at the server, or leave gtid_mode out"));
    }
    let position = Position { at: now.at, gtids, heartbeat: 0 };
    tracing::info!(%position, "no stored position; starting at the server's current one");
    Found::at(position, true)
}

/// A given place is looked up before anything is stored: a slip of the pen must not replace a good position.
async fn on_server(context: &StartContext<'_>, at: &BinlogPosition) -> Result<()> {
    let files = status::binlog_files(&mut context.replication.conn().await?).await?;
    let wrong = match files.iter().find(|file| file.name == at.file) {
        Some(file) if at.offset <= file.size_bytes => return Ok(()),
        Some(file) => format!("--init_position lies behind the end of its binlog file, which has {} bytes", file.size_bytes),
        None => "the binlog file of --init_position is not on the server".to_owned(),
    };
    Err(Error::definite(wrong)
        .detail(at)
        .hint("it was purged, or there is a slip in the name or number: SHOW BINARY LOGS lists what is there")
        .exit_code(2))
}

/// In file mode no GTIDs are followed, so a set that was stored beside the file would stay as it is and soon be wrong.
fn in_mode(mut position: Position, context: &StartContext<'_>) -> Position {
    position.gtids = position.gtids.filter(|_| context.gtid_mode);
    position
}

fn checked(stored: Stored, context: &StartContext<'_>) -> Result<Position> {
    let uuid = context.identity.uuid.as_deref();
    tables::same_server(uuid, stored.origin.server_uuid.as_deref(), context.gtid_mode)
        .map_err(|e| e.detail(format!("stored position {}", stored.position)))?;
    if context.gtid_mode && stored.position.gtids.is_none() {
        return Err(Error::definite("gtid_mode is on, but the stored position has no GTID set")
            .detail(&stored.position)
            .hint("start once more with gtid_mode=false, or delete the row from `positions` to start at the server's current end"));
    }
    Ok(stored.position)
}

/// A first start at the end of the log would lose what a row of this client under another server id still waits for.
async fn refuse_orphans(context: &StartContext<'_>) -> Result<()> {
    let others: Vec<_> = context.store.client_positions().await?.into_iter().filter(|p| p.server_id != context.row_server_id).collect();
    let Some(newest) = others.first() else { return Ok(()) };
    let hint = if newest.server_id == 0 || context.row_server_id == 0 {
        "gtid_mode was switched over a stored position: switch it back; or delete that row from `positions` to start at the server's current end, \
         leaving out what lies between; or give --init_position"
    } else {
        "the server was replaced: connect to the old one; or delete that row from `positions` to start at this server's current end, leaving out what \
         lies between; or give --init_position"
    };
    Err(Error::definite(format!(
        "this client has a stored position under server id {}, not under {}",
        newest.server_id, context.row_server_id
    ))
    .detail(&newest.stored.position)
    .hint(hint))
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
