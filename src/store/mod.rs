//! What survives a kill: the resume point, heartbeats and schema versions.
//!
//! `mysql` keeps them in Maxwell's tables, `memory` in the process (tests, `binlogd read`), `replay` reads the first and
//! writes to the second (`--replay`).
//! A store refuses to go back: positions are saved in stream order, by one writer per client id.

mod compaction;
mod heartbeat;
pub mod memory;
pub mod mysql;
mod offset;
mod replay;
mod versions;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::error::{Error, Result};
use crate::position::xa::XaDecided;
use crate::position::{BinlogPosition, Bound, Position};
use crate::schema::delta::SchemaChange;
use crate::schema::mend::CURRENT_FORMAT;
use crate::schema::prepared::PreparedXa;
use crate::schema::{CaseRule, Schema, SchemaId};
use crate::server::Flavor;

pub use memory::{MemoryDisk, MemoryStore};
pub use mysql::MySqlStore;
pub use replay::ReplayStore;
pub use versions::position_sha;

/// Whose rows a store reads and writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Name of the schema database (Maxwell's `schema_database`).
    pub schema_database: String,
    /// Name of this daemon among those that share the schema database (Maxwell's `client_id`).
    pub client_id: String,
    /// `@@server_id` of the replication server. In GTID mode positions and heartbeats are kept under 0 instead
    /// (contract §2.5), schema versions always under this.
    pub server_id: u32,
    pub gtid_mode: bool,
    /// Flavor of the replication server, which decides how GTID texts are read.
    pub flavor: Flavor,
    /// `lower_case_table_names` of the replication server; it is not stored with a schema version.
    pub case: CaseRule,
}

impl StoreOptions {
    /// The server id under which positions and heartbeats stand.
    pub fn row_server_id(&self) -> u32 {
        if self.gtid_mode { 0 } else { self.server_id }
    }

    /// How this mode looks for schema versions.
    fn lookup(&self) -> Lookup {
        if self.gtid_mode { Lookup::Gtids } else { Lookup::File { server_id: self.server_id } }
    }
}

/// Where a stored position comes from: what our side table adds to Maxwell's row, so that another server behind the same
/// address, a RESET and a name that is used again are noticed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// `@@server_uuid` of the replication server; `None` on MariaDB, which has none.
    pub server_uuid: Option<String>,
    /// When a binlog file was made.
    pub birth: Option<FileBirth>,
    /// The definitions were captured while the server's log moved up to here: statements before this place may be in
    /// them already. It means something to positions before it only.
    pub captured_until: Option<Bound>,
    /// The definitions that are stored up to there are binlogd's own, or were compared with the server's: what Maxwell
    /// has wrong is not in them.
    pub checked: bool,
}

/// A binlog file and when it was made: the time in the header of its format description event (epoch seconds).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileBirth {
    pub file: Arc<str>,
    pub created: u32,
}

/// A position as it was stored. `origin` is empty if Maxwell wrote the row last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub position: Position,
    pub origin: Origin,
}

/// A stored position with its owner. Server id 0 is GTID mode's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPosition {
    pub client_id: String,
    pub server_id: u32,
    pub stored: Stored,
}

/// How a schema version is looked for when the way of the present mode and server would miss it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// By the position's GTID set, whatever server stored the version.
    Gtids,
    /// By file, offset and heartbeat, as they are on this server.
    File { server_id: u32 },
}

/// What the stored schema versions of this server tell of a place in its binlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VersionsAt {
    /// The last heartbeat that was read before the newest version that is valid there; `None` if none is.
    pub heartbeat: Option<i64>,
    /// Whether a version begins there or later: somebody followed the stream up to it.
    pub later: bool,
}

/// Positions, heartbeats and schema versions of one client on one replication server. All errors are classified:
/// transient ones (lost connection, dead lock, read-only during a failover) are worth another try.
pub trait Store: Send + Sync {
    /// The stored position of this client, if it has one. In GTID mode a row that has no GTID set comes without one; a
    /// row that names neither file nor set is a definite error, because starting at the end would lose changes.
    fn load_position(&self) -> BoxFuture<'_, Result<Option<Stored>>>;

    /// The position of whichever other client of the same server has the highest heartbeat (contract §2.5 step 4).
    fn load_other_client_position(&self) -> BoxFuture<'_, Result<Option<Position>>>;

    /// All positions of this client, whatever the server id, the newest heartbeat first. Another server's row means
    /// that the server was replaced (design §4), 0 against another that `gtid_mode` was switched.
    fn client_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>>;

    /// What is recorded in Kafka for this client, if it was written in the other `gtid_mode`: under that mode's server id.
    fn recorded_in_other_mode(&self) -> BoxFuture<'_, Result<Option<ClientPosition>>> {
        ready(Ok(None)).boxed()
    }

    /// The place that was derived from it, at which the same rows are behind it.
    fn set_derived<'a>(&'a self, _position: &'a Position) -> BoxFuture<'a, ()> {
        ready(()).boxed()
    }

    /// The positions of all clients on all servers, in the same order.
    fn all_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>>;

    /// Removes this client's positions under these server ids.
    fn forget_positions<'a>(&'a self, server_ids: &'a [u32]) -> BoxFuture<'a, Result<()>>;

    /// Says where the following positions come from. Called at each connection, and at each new binlog file.
    fn set_origin(&self, origin: Origin);

    /// Saves a position. The caller passes positions in stream order; going back is refused as a bug where it can be
    /// seen. In file mode a point at or beyond 2^32 cannot be stored and is passed over.
    fn save_position<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<()>>;

    /// Writes a heartbeat: value = max(now_ms, last + 1), compare-and-swap on the last value (design §4). Returns the
    /// value written. A *higher* foreign value is a rival process: definite, exit 1. A lower or missing one means that
    /// the server lost ours: logged and adopted.
    fn heartbeat(&self, now_ms: i64) -> BoxFuture<'_, Result<i64>>;

    /// The schema version valid at `position` (contract §8.6 "Restore"), with deltas applied.
    ///
    /// In file mode versions with a higher `last_heartbeat_read` than the position's are invisible. In GTID mode any
    /// version whose set is contained counts, however old: a position that was just taken from the server (no client
    /// followed the stream up to it) needs a capture, not this.
    fn load_schema<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>>;

    /// The schema version that is stored for exactly this place (its hash, contract §8.6), with deltas applied.
    fn load_schema_at<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>>;
    /// As `load_schema`, for a client that comes from the other mode or from another server.
    fn load_schema_by<'a>(&'a self, lookup: Lookup, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>>;

    /// Which of this server's versions stand around a file position, whatever heartbeat is known there.
    fn versions_at<'a>(&'a self, at: &'a BinlogPosition) -> BoxFuture<'a, Result<VersionsAt>>;

    /// Stores a full snapshot valid from `position` on in place of all versions that begin there or later: they are not
    /// restored any more (`recapture_schema`).
    ///
    /// # Errors
    /// Definite when another client stands behind `position` and needs these versions.
    fn replace_versions<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>>;

    /// Stores a full snapshot valid from `position` on. The same position again gives the id it already has.
    fn save_snapshot<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>>;

    /// Stores one statement's changes as a delta on `base`, valid from `position` on: the statement's start, with its
    /// own GTID in the set (contract §8.6). The same position again (a replayed statement) gives the id it already has.
    fn save_changes<'a>(
        &'a self,
        base: SchemaId,
        changes: &'a [SchemaChange],
        schema: &'a Schema,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<SchemaId>>;

    /// Stores Maxwell's view of the definitions (`maxwell_quirks`) beside the version from which on it holds, as text.
    fn save_view<'a>(&'a self, id: SchemaId, view: &'a str) -> BoxFuture<'a, Result<()>>;

    /// The view that was stored last for this version or for one before it.
    fn load_view(&self, id: SchemaId) -> BoxFuture<'_, Result<Option<String>>>;

    /// The format that a version was stored in (`schemas.version`). One below `mend::TRUSTED_FORMAT` has faults.
    fn schema_format(&self, _id: SchemaId) -> BoxFuture<'_, Result<u16>> {
        ready(Ok(CURRENT_FORMAT)).boxed()
    }

    /// Stores a version that was mended, valid from `position` on.
    fn save_mended<'a>(&'a self, _id: SchemaId, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.save_snapshot(schema, position)
    }

    /// Notes XA transactions that are prepared and that nobody has decided; again if they are noted already.
    fn note_prepared<'a>(&'a self, prepared: &'a [PreparedXa]) -> BoxFuture<'a, Result<()>>;

    /// All that are noted for this client, also under other server ids.
    fn load_prepared(&self) -> BoxFuture<'_, Result<Vec<PreparedXa>>>;

    /// A noted one is decided. Its note goes with the first position that is saved behind the decision, and not before: a
    /// process that begins earlier meets the decision again.
    fn decided(&self, decided: XaDecided);

    /// Keeps the stored versions in order: called again and again while the daemon runs, beside everything else.
    /// `versions_max` is `max_schemas`: from so many versions on, those that no client needs are removed.
    fn tidy(&self, _versions_max: Option<u32>) -> BoxFuture<'_, Result<Tidied>> {
        ready(Ok(Tidied::Done)).boxed()
    }
}

/// How a round of keeping order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tidied {
    Done,
    /// The definitions that this process restored are not those that are stored: it has to start again.
    StartAgain,
}

/// Whether a stored file position may be used on the server that answers now. For file mode only: in GTID mode another
/// server of the same group is a normal failover.
///
/// # Errors
/// Definite when both sides are known and differ: the same file name there holds other events.
pub fn check_same_server(stored: &Stored, current: &Origin) -> Result<()> {
    let at = &stored.position.at;
    let hint = "start where the old server's changes end: on a new server with `master_recovery=true` (it is found by our heartbeat), in GTID \
                mode with `gtid_mode=true`, or at a position you choose with `--init_position`; then bootstrap the tables that may have changed between";
    if let (Some(then), Some(now)) = (&stored.origin.server_uuid, &current.server_uuid)
        && !then.eq_ignore_ascii_case(now)
    {
        let text = format!("the stored position {at} belongs to the server {then}, but the server is now {now}");
        return Err(Error::definite(text).hint(hint));
    }
    if let (Some(then), Some(now)) = (&stored.origin.birth, &current.birth)
        && then.file == now.file
        && then.created != now.created
    {
        let text = format!(
            "the stored position {at} belongs to a file made at {}, but the server's file of that name was made at {}",
            then.created, now.created
        );
        return Err(Error::definite(text).detail("epoch seconds; the binlog was reset, or the server was cloned").hint(hint));
    }
    Ok(())
}

/// Another client stands behind the place from which versions were to be replaced.
fn needed_by_another(client_id: &str, at: &Position) -> Error {
    Error::definite("recapture_schema would take away schema versions that another client needs")
        .detail(format!("client_id '{client_id}' at {at}"))
        .hint("start behind that position, or give this client a schema_database of its own")
}

/// Whether a client that stands at `stored` has the stream behind `position` behind itself, as far as it can be told.
pub(crate) fn is_past(stored: &Position, position: &Position) -> bool {
    match (&stored.gtids, &position.gtids) {
        (Some(theirs), Some(ours)) => ours.is_subset(theirs).unwrap_or(false) && !theirs.is_subset(ours).unwrap_or(false),
        _ => position.at.is_before(&stored.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uuid: Option<&str>, created: Option<u32>) -> Origin {
        Origin {
            server_uuid: uuid.map(str::to_owned),
            birth: created.map(|created| FileBirth { file: "m.000003".into(), created }),
            ..Origin::default()
        }
    }

    #[test]
    fn another_server_or_file_is_noticed_and_the_unknown_is_not() {
        let position = Position::new(BinlogPosition::new("m.000003", 400));
        for (then, now, same) in [
            (origin(Some("a"), Some(1)), origin(Some("a"), Some(1)), true),
            (origin(Some("a"), None), origin(Some("A"), Some(1)), true),
            (origin(None, None), origin(Some("b"), Some(1)), true),
            (origin(Some("a"), Some(1)), origin(None, None), true),
            (origin(Some("a"), Some(1)), origin(Some("b"), Some(1)), false),
            (origin(None, Some(1)), origin(None, Some(2)), false),
        ] {
            let result = check_same_server(&Stored { position: position.clone(), origin: then.clone() }, &now);
            assert_eq!(result.is_ok(), same, "{then:?} {now:?}");
            if let Err(e) = result {
                assert!(!e.is_transient() && e.to_string().contains("m.000003:400") && e.to_string().contains("master_recovery"), "{e}");
            }
        }
        let other_file = Origin { server_uuid: None, birth: Some(FileBirth { file: "m.000004".into(), created: 9 }), ..Origin::default() };
        assert!(check_same_server(&Stored { position, origin: origin(None, Some(1)) }, &other_file).is_ok());
    }
}
