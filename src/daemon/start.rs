//! Where a run starts: the position (contract §2.5), and the schema valid there.

use std::sync::Arc;

use crate::assemble::boundary::BoundaryScanner;
use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Position};
use crate::schema::{Schema, SchemaId};
use crate::server::connect::Server;
use crate::server::{capture, status};
use crate::source::dump::{DumpStream, Start};
use crate::store::Store;

use super::chain::Chain;
use super::pipeline::Surroundings;

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
    pub store: &'a Arc<dyn Store>,
    pub replication: &'a Server,
    pub capture: &'a Server,
    pub gtid_mode: bool,
    /// `--init_position`
    pub init_position: Option<Position>,
    pub server_uuid: Option<&'a str>,
}

/// Determines the position, then loads or captures the schema.
pub async fn begin(context: &StartContext<'_>) -> Result<Begin> {
    let mut position = initial_position(context).await?;
    if let Some((schema_id, schema)) = context.store.load_schema(&position).await? {
        return Ok(Begin { position, schema, schema_id, captured_until: None });
    }
    tracing::info!(%position, "no schema version is stored for this position; capturing the definitions");
    let mut conn = context.capture.conn().await?;
    let schema = capture::capture(&mut conn).await?;
    drop(conn);
    let tables: usize = schema.databases.iter().map(|d| d.tables.len()).sum();
    let after = status::binlog_position(context.replication).await?;
    tracing::info!(databases = schema.databases.len(), tables, "definitions captured");
    if position.gtids.as_ref().is_none_or(|g| g.is_empty()) && context.gtid_mode {
        position.gtids = after.gtids.clone();
    }
    let schema_id = context.store.save_snapshot(&schema, &position).await?;
    Ok(Begin { position, schema, schema_id, captured_until: Some(after.at) })
}

async fn initial_position(context: &StartContext<'_>) -> Result<Position> {
    if let Some(position) = &context.init_position {
        tracing::info!(%position, "starting at the position that was given");
        return Ok(position.clone());
    }
    if let Some(stored) = context.store.load_position().await? {
        check_same_server(&stored, context)?;
        return Ok(stored.position);
    }
    let position = match context.store.load_other_client_position().await? {
        Some(position) => {
            tracing::info!(%position, "found the position of another client of this server");
            position
        }
        None => current_position(context).await?,
    };
    context.store.save_position(&position).await?;
    Ok(position)
}

fn check_same_server(stored: &crate::store::Stored, context: &StartContext<'_>) -> Result<()> {
    let (Some(was), Some(is), false) = (stored.server_uuid.as_deref(), context.server_uuid, context.gtid_mode) else { return Ok(()) };
    if was == is {
        return Ok(());
    }
    Err(Error::definite("the stored position belongs to another server")
        .detail(format!("stored with server_uuid {was}, connected to {is}, position {}", stored.position))
        .hint("connect to the old server, start with gtid_mode, or give a start with --init_position FILE:OFFSET"))
}

async fn current_position(context: &StartContext<'_>) -> Result<Position> {
    let mut position = status::binlog_position(context.replication).await?;
    if !context.gtid_mode {
        position.gtids = None;
    }
    tracing::info!(%position, "no stored position; starting at the server's current one");
    Ok(position)
}

/// Finds the boundary before `at` by reading its file from the beginning, and puts the chain there.
pub fn step_back(chain: &mut Chain, with: &Surroundings, at: &BinlogPosition) -> Result<()> {
    tracing::info!(%at, "the stored position lies inside a transaction; looking for its beginning");
    let from = BinlogPosition { file: at.file.clone(), offset: 4 };
    let mut stream = DumpStream::open(&with.dump, &Start::File(from))?;
    let mut scanner = BoundaryScanner::new(at);
    while let Some(block) = stream.next_block()? {
        for event in &block.events {
            if let Some(boundary) = scanner.push(event)? {
                tracing::info!(%boundary, "the transaction begins here");
                chain.assembler.rewind(boundary);
                return Ok(());
            }
        }
        if with.shutdown.is_requested() {
            return Err(Error::transient("stopped"));
        }
    }
    Err(Error::definite("the binlog file ends before the stored position").detail(at))
}
