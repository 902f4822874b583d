//! The store in Maxwell's own tables, so that binlogd and Maxwell can take over from each other (contract §2.3–2.9,
//! §3.7, §3.8, §8.6), with tables of ours beside them.
//!
//! Never here: decisions that need no SQL (they are in `store::heartbeat`, `store::offset`, `store::versions`), and
//! anything that reads users' tables.

mod columns;
mod compact;
mod heartbeats;
pub mod inspect;
mod mirror;
mod positions;
mod recapture;
mod schemas;
mod session;
mod side;
mod snapshot;
mod tables;
mod upgrade;
mod views;
mod widen;
mod xa;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::position::xa::XaDecided;
use crate::position::{BinlogPosition, Gtids, Position};
use crate::schema::delta::SchemaChange;
use crate::schema::prepared::PreparedXa;
use crate::schema::{Schema, SchemaId};
use crate::server::Server;

use super::heartbeat::HeartbeatState;
use super::offset::OffsetGuard;
use super::{ClientPosition, Lookup, Origin, Store, StoreOptions, Stored, Tidied, VersionsAt};
use session::{Session, ident};

/// Positions, heartbeats and schema versions in the schema database.
///
/// Futures of its methods may be dropped at any time: the connection is then not used again, and every statement is
/// either one row's change or a transaction that can be repeated.
pub struct MySqlStore {
    server: Arc<Server>,
    options: StoreOptions,
    /// Held over a whole heartbeat, because its statements belong together.
    heartbeat: tokio::sync::Mutex<HeartbeatState>,
    guard: OffsetGuard,
    origin: Mutex<Origin>,
    /// Held while columns are widened, so that it is done once.
    widening: tokio::sync::Mutex<()>,
    /// Whether it was said that Maxwell cannot read sets with tags.
    warned_tags: AtomicBool,
    tidying: Mutex<Tidying>,
    /// Prepared XA transactions that are decided, whose notes go with a later position.
    decided: Mutex<Vec<XaDecided>>,
}

/// What is left to do in the background.
#[derive(Debug)]
struct Tidying {
    /// A snapshot that was read row by row, for want of a compact copy.
    unmirrored: Option<SchemaId>,
    /// A snapshot whose compact copy was used, of which only the number of rows was compared.
    unchecked: Option<SchemaId>,
    /// Rows of versions that are gone may still be there.
    sweep_due: bool,
    /// Why there is no compaction, as it was told.
    told: Option<String>,
}

impl MySqlStore {
    /// Connects, makes the schema database and its tables if they are missing, and brings those of older Maxwells up to
    /// date (contract §2.3, §2.4).
    ///
    /// # Errors
    /// Transient when the server cannot be reached or is read-only; definite when rights are missing or the tables are
    /// not what they should be.
    pub async fn open(server: Arc<Server>, options: StoreOptions) -> Result<Self> {
        let store = Self::new(server, options);
        let mut session = store.session().await?;
        tables::create_missing(&mut session, &store.options.schema_database).await?;
        upgrade::upgrade(&mut session, &store.options.schema_database).await?;
        drop(session);
        Ok(store)
    }

    /// For who writes nothing: `None` if there is no schema database yet.
    ///
    /// # Errors
    /// Transient when the server cannot be reached.
    pub async fn open_to_read(server: Arc<Server>, options: StoreOptions) -> Result<Option<Self>> {
        let store = MySqlStore::new(server, options);
        let exists = tables::exist(&mut store.session().await?, &store.options.schema_database).await?;
        Ok(exists.then_some(store))
    }

    /// Connects to nothing and makes nothing.
    fn new(server: Arc<Server>, options: StoreOptions) -> Self {
        MySqlStore {
            server,
            options,
            heartbeat: tokio::sync::Mutex::default(),
            guard: OffsetGuard::default(),
            origin: Mutex::default(),
            widening: tokio::sync::Mutex::default(),
            warned_tags: AtomicBool::new(false),
            // A kill in the middle of a sweep leaves rows.
            tidying: Mutex::new(Tidying { unmirrored: None, unchecked: None, sweep_due: true, told: None }),
            decided: Mutex::default(),
        }
    }

    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    async fn session(&self) -> Result<Session<'_>> {
        Session::open(&self.server).await
    }

    /// A table of the schema database, quoted.
    fn table(&self, name: &str) -> String {
        format!("{}.{}", ident(&self.options.schema_database), ident(name))
    }

    fn tidying(&self) -> MutexGuard<'_, Tidying> {
        self.tidying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decisions(&self) -> MutexGuard<'_, Vec<XaDecided>> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn origin(&self) -> MutexGuard<'_, Origin> {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a `gtid_set` column, which Maxwell makes 4096 characters wide. A longer set is left out in file mode,
    /// where it is not needed; in GTID mode the column is widened first.
    async fn gtid_text(&self, session: &mut Session<'_>, table: &str, gtids: Option<&Gtids>) -> Result<Option<String>> {
        let Some(gtids) = gtids else { return Ok(None) };
        let has_tags = matches!(gtids, Gtids::MySql(set) if set.has_tags());
        if has_tags && self.options.gtid_mode && !self.warned_tags.swap(true, Ordering::Relaxed) {
            tracing::warn!("the executed GTIDs have tags; Maxwell cannot go on from such a position in GTID mode");
        }
        let text = gtids.to_string();
        if text.len() <= tables::GTID_SET_CHARS {
            return Ok(Some(text));
        }
        if !self.options.gtid_mode {
            return Ok(None);
        }
        let _one = self.widening.lock().await;
        widen::gtid_set(session, &self.options.schema_database, table).await?;
        Ok(Some(text))
    }
}

impl std::fmt::Debug for MySqlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MySqlStore").field("server", &self.server).field("options", &self.options).finish_non_exhaustive()
    }
}

impl Store for MySqlStore {
    fn load_position(&self) -> BoxFuture<'_, Result<Option<Stored>>> {
        self.read_position().boxed()
    }

    fn load_other_client_position(&self) -> BoxFuture<'_, Result<Option<Position>>> {
        self.read_other_client_position().boxed()
    }

    fn client_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        self.read_client_positions().boxed()
    }

    fn all_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        self.read_all_positions().boxed()
    }

    fn forget_positions<'a>(&'a self, server_ids: &'a [u32]) -> BoxFuture<'a, Result<()>> {
        self.delete_positions(server_ids).boxed()
    }

    fn set_origin(&self, origin: Origin) {
        *self.origin() = origin;
    }

    fn save_position<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<()>> {
        self.write_position(position).boxed()
    }

    fn heartbeat(&self, now_ms: i64) -> BoxFuture<'_, Result<i64>> {
        self.write_heartbeat(now_ms).boxed()
    }

    fn load_schema<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.restore(self.options.lookup(), position).boxed()
    }

    fn load_schema_by<'a>(&'a self, lookup: Lookup, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.restore(lookup, position).boxed()
    }

    fn versions_at<'a>(&'a self, at: &'a BinlogPosition) -> BoxFuture<'a, Result<VersionsAt>> {
        self.read_versions_at(at).boxed()
    }

    fn replace_versions<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.write_in_place_of_later(schema, position).boxed()
    }

    fn load_schema_at<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.restore_at(position).boxed()
    }

    fn save_snapshot<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.write_snapshot(schema, position, &[]).boxed()
    }

    fn save_changes<'a>(
        &'a self,
        base: SchemaId,
        changes: &'a [SchemaChange],
        schema: &'a Schema,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<SchemaId>> {
        self.write_changes(base, changes, schema, position).boxed()
    }

    fn save_view<'a>(&'a self, id: SchemaId, view: &'a str) -> BoxFuture<'a, Result<()>> {
        self.write_view(id, view).boxed()
    }

    fn load_view(&self, id: SchemaId) -> BoxFuture<'_, Result<Option<String>>> {
        self.read_view(id).boxed()
    }

    fn note_prepared<'a>(&'a self, prepared: &'a [PreparedXa]) -> BoxFuture<'a, Result<()>> {
        self.write_prepared(prepared).boxed()
    }

    fn load_prepared(&self) -> BoxFuture<'_, Result<Vec<PreparedXa>>> {
        self.read_prepared().boxed()
    }

    fn decided(&self, decided: XaDecided) {
        self.decisions().push(decided);
    }

    fn schema_format(&self, id: SchemaId) -> BoxFuture<'_, Result<u16>> {
        async move {
            let mut session = self.session().await?;
            self.format_of(&mut session, id).await
        }
        .boxed()
    }

    fn save_mended<'a>(&'a self, id: SchemaId, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.write_mended(id, schema, position).boxed()
    }

    fn tidy(&self, versions_max: Option<u32>) -> BoxFuture<'_, Result<Tidied>> {
        self.tidy_versions(versions_max).boxed()
    }
}
