//! What survives a kill: the resume point, heartbeats and schema versions.
//!
//! `mysql` keeps them in Maxwell's tables, `memory` in the process (tests, `binlogd read`).
//! A store refuses to go back: positions are saved in stream order, by one writer per client id.

pub mod memory;
pub mod mysql;

use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::position::Position;
use crate::schema::delta::SchemaChange;
use crate::schema::{Schema, SchemaId};

/// A position as it was stored, with what our own side table adds to Maxwell's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub position: Position,
    /// `@@server_uuid` of the replication server when it was stored; `None` if Maxwell wrote the row last.
    pub server_uuid: Option<String>,
}

/// Positions, heartbeats and schema versions of one client on one replication server. All errors are classified:
/// transient ones (lost connection, dead lock, read-only during a failover) are worth another try.
pub trait Store: Send + Sync {
    /// The stored position of this client, if it has one.
    fn load_position(&self) -> BoxFuture<'_, Result<Option<Stored>>>;

    /// The position of whichever other client of the same server has the highest heartbeat (contract §2.5 step 4).
    fn load_other_client_position(&self) -> BoxFuture<'_, Result<Option<Position>>>;

    /// Saves a position. The caller passes positions in stream order.
    fn save_position<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<()>>;

    /// Writes a heartbeat: value = max(now_ms, last + 1), compare-and-swap on the last value (design §4). Returns the
    /// value written. A *higher* foreign value is a rival process: definite, exit 1. A lower or missing one means that
    /// the server lost ours: logged and adopted.
    fn heartbeat(&self, now_ms: i64) -> BoxFuture<'_, Result<i64>>;

    /// The schema version valid at `position` (contract §8.6 "Restore"), with deltas applied.
    fn load_schema<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>>;

    /// Stores a full snapshot valid from `position` on. The same position again gives the id it already has.
    fn save_snapshot<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>>;

    /// Stores one statement's changes as a delta on `base`, valid from `position` (the statement's start) on. The same
    /// position again (a replayed statement) gives the id it already has.
    fn save_changes<'a>(
        &'a self,
        base: SchemaId,
        changes: &'a [SchemaChange],
        schema: &'a Schema,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<SchemaId>>;
}
