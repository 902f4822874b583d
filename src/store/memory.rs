//! The store in the process, with the same rules as the one in MySQL: for `binlogd read` and for tests.
//!
//! What a server would keep is a `MemoryDisk`; a `MemoryStore` is one process that uses it. Dropping the store and opening
//! another on the same disk is a kill and a restart. Never here: I/O.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::error::{Error, Result};
use crate::position::xa::XaDecided;
use crate::position::{BinlogPosition, Position};
use crate::schema::delta::SchemaChange;
use crate::schema::prepared::PreparedXa;
use crate::schema::{CaseRule, Schema, SchemaId};
use crate::server::Flavor;

use super::heartbeat::{Attempt, HeartbeatState};
use super::offset::{OffsetGuard, column_value};
use super::versions::{VersionStart, chain, is_later, newest_by_file, newest_by_gtids, position_sha};
use super::{ClientPosition, Lookup, Origin, Store, StoreOptions, Stored, VersionsAt, is_past};

/// What survives: the rows of all clients. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    rows: Arc<Mutex<Rows>>,
}

/// Whose row: server id and client id.
type Owner = (u32, String);

#[derive(Debug, Default)]
struct Rows {
    positions: BTreeMap<Owner, Stored>,
    heartbeats: BTreeMap<Owner, i64>,
    /// Maxwell's views, by the id of the version from which on they hold.
    views: BTreeMap<(Owner, SchemaId), String>,
    prepared: Vec<(Owner, PreparedXa)>,
    /// By id, counted from 1.
    versions: Vec<Version>,
}

/// One schema version. A delta keeps the whole schema too: tables are shared, so this costs little.
#[derive(Debug, Clone)]
struct Version {
    start: VersionStart,
    sha: String,
    base: Option<SchemaId>,
    schema: Schema,
    changes: Vec<SchemaChange>,
    /// Not restored any more; others may still be built on it.
    retired: bool,
}

impl MemoryDisk {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many schema versions are stored.
    pub fn schema_versions(&self) -> usize {
        self.rows().versions.len()
    }

    /// The changes of every delta, in the order they were stored.
    pub fn stored_changes(&self) -> Vec<Vec<SchemaChange>> {
        self.rows().versions.iter().filter(|v| v.base.is_some()).map(|v| v.changes.clone()).collect()
    }

    /// How many prepared XA transactions are noted.
    pub fn prepared(&self) -> usize {
        self.rows().prepared.len()
    }

    /// The value of a client's heartbeat row.
    pub fn heartbeat_of(&self, server_id: u32, client_id: &str) -> Option<i64> {
        self.rows().heartbeats.get(&(server_id, client_id.to_owned())).copied()
    }

    /// Overwrites a heartbeat row, as another process or a failover would.
    pub fn set_heartbeat(&self, server_id: u32, client_id: &str, value: Option<i64>) {
        let owner = (server_id, client_id.to_owned());
        let mut rows = self.rows();
        match value {
            Some(value) => drop(rows.heartbeats.insert(owner, value)),
            None => drop(rows.heartbeats.remove(&owner)),
        }
    }
}

/// One process's view of a `MemoryDisk`.
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    options: StoreOptions,
    heartbeat: Mutex<HeartbeatState>,
    guard: OffsetGuard,
    origin: Mutex<Origin>,
    decided: Mutex<Vec<XaDecided>>,
}

impl Default for MemoryStore {
    /// File mode on server 1 as client `maxwell`, with a disk of its own.
    fn default() -> Self {
        let options = StoreOptions {
            schema_database: "maxwell".into(),
            client_id: "maxwell".into(),
            server_id: 1,
            gtid_mode: false,
            flavor: Flavor::MySql,
            case: CaseRule::Sensitive,
        };
        Self::open(MemoryDisk::default(), options)
    }
}

impl MemoryStore {
    pub fn open(disk: MemoryDisk, options: StoreOptions) -> Self {
        MemoryStore {
            disk,
            options,
            heartbeat: Mutex::default(),
            guard: OffsetGuard::default(),
            origin: Mutex::default(),
            decided: Mutex::default(),
        }
    }

    pub fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    fn owner(&self) -> Owner {
        (self.options.row_server_id(), self.options.client_id.clone())
    }

    fn others(&self) -> Option<Position> {
        let (server_id, client) = self.owner();
        let rows = self.disk.rows();
        let others = rows.positions.iter().filter(|((s, c), _)| *s == server_id && !c.eq_ignore_ascii_case(&client));
        others.max_by_key(|(_, stored)| stored.position.heartbeat).map(|(_, stored)| stored.position.clone())
    }

    fn all(&self) -> Vec<ClientPosition> {
        let rows = self.disk.rows();
        let all = rows.positions.iter();
        let mut all: Vec<_> = all
            .map(|((server_id, client), stored)| ClientPosition {
                client_id: client.clone(),
                server_id: *server_id,
                stored: stored.clone(),
            })
            .collect();
        all.sort_by_key(|p| (-p.stored.position.heartbeat, p.server_id));
        all
    }

    fn own(&self) -> Vec<ClientPosition> {
        let mut own = self.all();
        own.retain(|p| p.client_id == self.options.client_id);
        own
    }

    fn versions_at(&self, at: &BinlogPosition) -> VersionsAt {
        let rows = self.disk.rows();
        let here = || rows.versions.iter().filter(|v| !v.retired).map(|v| &v.start);
        let target = Position { heartbeat: i64::MAX, ..Position::new(at.clone()) };
        let newest = newest_by_file(here(), &target, self.options.server_id);
        VersionsAt {
            heartbeat: here().find(|v| Some(v.id) == newest).map(|v| v.heartbeat),
            later: here().any(|v| v.server_id == self.options.server_id && is_later(v, at)),
        }
    }

    fn replace(&self, schema: &Schema, position: &Position) -> Result<SchemaId> {
        let others = self.all();
        let ahead = |p: &&ClientPosition| p.client_id != self.options.client_id && is_past(&p.stored.position, position);
        let mut rows = self.disk.rows();
        let later = |v: &&mut Version| match (&v.start.gtids, &position.gtids) {
            (Some(theirs), Some(ours)) if self.options.gtid_mode => ours.is_subset(theirs).unwrap_or(true),
            _ => v.start.server_id == self.options.server_id && is_later(&v.start, &position.at),
        };
        let mut later: Vec<&mut Version> = rows.versions.iter_mut().filter(|v| !v.retired).filter(later).collect();
        if let Some(other) = others.iter().find(ahead).filter(|_| !later.is_empty()) {
            return Err(super::needed_by_another(&other.client_id, &other.stored.position));
        }
        for version in &mut later {
            version.retired = true;
            version.sha.clear();
        }
        drop(rows);
        self.store(None, &[], schema, position)
    }

    fn save(&self, position: &Position) -> Result<()> {
        if !self.guard.check(position, self.options.gtid_mode)? {
            return Ok(());
        }
        let origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let birth = origin.birth.filter(|b| b.file == position.at.file);
        let stored = Stored { position: position.clone(), origin: Origin { birth, ..origin } };
        let (owner, mut rows) = (self.owner(), self.disk.rows());
        rows.positions.insert(owner.clone(), stored);
        self.decided.lock().unwrap_or_else(PoisonError::into_inner).retain(|decided| {
            let behind = decided.is_behind(position);
            if behind {
                rows.prepared.retain(|(o, what)| *o != owner || what.place != decided.place);
            }
            !behind
        });
        drop(rows);
        self.guard.saved(&position.at);
        Ok(())
    }

    fn beat(&self, now_ms: i64) -> Result<i64> {
        let mut state = self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = self.owner();
        let mut rows = self.disk.rows();
        loop {
            if state.must_read() {
                let first_use = state.is_first_use();
                state.read(rows.heartbeats.get(&owner).copied(), first_use)?;
            }
            let attempt = state.attempt(now_ms);
            let expected = match attempt {
                Attempt::Insert { .. } => None,
                Attempt::Update { from, .. } => Some(from),
            };
            // The rows are locked, so what is read after a miss is still there at the next attempt.
            if rows.heartbeats.get(&owner).copied() == expected {
                rows.heartbeats.insert(owner, attempt.value());
                state.written(attempt.value());
                return Ok(attempt.value());
            }
        }
    }

    fn restore(&self, lookup: Lookup, position: &Position) -> Result<Option<(SchemaId, Schema)>> {
        let rows = self.disk.rows();
        let starts = rows.versions.iter().filter(|v| !v.retired).map(|v| &v.start);
        let id = match (lookup, &position.gtids) {
            (Lookup::Gtids, Some(gtids)) => newest_by_gtids(starts, gtids),
            (Lookup::Gtids, None) => newest_by_file(starts, position, self.options.server_id),
            (Lookup::File { server_id }, _) => newest_by_file(starts, position, server_id),
        };
        let Some(id) = id else { return Ok(None) };
        chain(id, &rows.versions.iter().map(|v| (v.start.id, v.base)).collect())?;
        let version = rows.versions.iter().find(|v| v.start.id == id);
        Ok(version.map(|v| (id, Schema { case: self.options.case, ..v.schema.clone() })))
    }

    fn at(&self, position: &Position) -> Option<(SchemaId, Schema)> {
        let sha = position_sha(self.options.server_id, position);
        let rows = self.disk.rows();
        let version = rows.versions.iter().find(|v| v.sha == sha)?;
        Some((version.start.id, Schema { case: self.options.case, ..version.schema.clone() }))
    }

    fn store(&self, base: Option<SchemaId>, changes: &[SchemaChange], schema: &Schema, position: &Position) -> Result<SchemaId> {
        let sha = position_sha(self.options.server_id, position);
        let mut rows = self.disk.rows();
        if let Some(version) = rows.versions.iter_mut().find(|v| v.sha == sha) {
            // One that was stored in file mode gets the set by which GTID mode finds it.
            if self.options.gtid_mode && version.start.gtids.is_none() {
                version.start.gtids = position.gtids.clone();
            }
            return Ok(version.start.id);
        }
        if base.is_some_and(|base| !rows.versions.iter().any(|v| v.start.id == base)) {
            return Err(Error::bug("a schema change was stored on a version that does not exist"));
        }
        let id = rows.versions.len() as SchemaId + 1;
        let start = VersionStart {
            id,
            server_id: self.options.server_id,
            at: BinlogPosition::new(position.at.file.clone(), u64::from(column_value(position.at.offset))),
            heartbeat: position.heartbeat,
            gtids: position.gtids.clone(),
            is_snapshot: base.is_none(),
        };
        rows.versions.push(Version { start, sha, base, schema: schema.clone(), changes: changes.to_vec(), retired: false });
        Ok(id)
    }
}

impl Store for MemoryStore {
    fn load_position(&self) -> BoxFuture<'_, Result<Option<Stored>>> {
        let stored = self.disk.rows().positions.get(&self.owner()).cloned();
        ready(Ok(stored)).boxed()
    }

    fn load_other_client_position(&self) -> BoxFuture<'_, Result<Option<Position>>> {
        ready(Ok(self.others())).boxed()
    }

    fn client_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        ready(Ok(self.own())).boxed()
    }

    fn all_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        ready(Ok(self.all())).boxed()
    }

    fn forget_positions<'a>(&'a self, server_ids: &'a [u32]) -> BoxFuture<'a, Result<()>> {
        self.disk.rows().positions.retain(|(server_id, client), _| *client != self.options.client_id || !server_ids.contains(server_id));
        ready(Ok(())).boxed()
    }

    fn load_schema_by<'a>(&'a self, lookup: Lookup, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        ready(self.restore(lookup, position)).boxed()
    }

    fn versions_at<'a>(&'a self, at: &'a BinlogPosition) -> BoxFuture<'a, Result<VersionsAt>> {
        ready(Ok(self.versions_at(at))).boxed()
    }

    fn replace_versions<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        ready(self.replace(schema, position)).boxed()
    }

    fn set_origin(&self, origin: Origin) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    fn save_position<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<()>> {
        ready(self.save(position)).boxed()
    }

    fn heartbeat(&self, now_ms: i64) -> BoxFuture<'_, Result<i64>> {
        ready(self.beat(now_ms)).boxed()
    }

    fn note_prepared<'a>(&'a self, prepared: &'a [PreparedXa]) -> BoxFuture<'a, Result<()>> {
        let server_uuid = self.origin.lock().unwrap_or_else(PoisonError::into_inner).server_uuid.clone();
        let (owner, mut rows) = (self.owner(), self.disk.rows());
        for what in prepared {
            rows.prepared.retain(|(o, old)| *o != owner || old.place != what.place);
            rows.prepared.push((owner.clone(), PreparedXa { server_uuid: server_uuid.clone(), ..what.clone() }));
        }
        ready(Ok(())).boxed()
    }

    fn load_prepared(&self) -> BoxFuture<'_, Result<Vec<PreparedXa>>> {
        let rows = self.disk.rows();
        let own = rows.prepared.iter().filter(|((_, client), _)| *client == self.options.client_id);
        ready(Ok(own.map(|(_, what)| what.clone()).collect())).boxed()
    }

    fn decided(&self, decided: XaDecided) {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner).push(decided);
    }

    fn load_schema<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        ready(self.restore(self.options.lookup(), position)).boxed()
    }

    fn load_schema_at<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        ready(Ok(self.at(position))).boxed()
    }

    fn save_snapshot<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        ready(self.store(None, &[], schema, position)).boxed()
    }

    fn save_view<'a>(&'a self, id: SchemaId, view: &'a str) -> BoxFuture<'a, Result<()>> {
        let owner = (self.options.row_server_id(), self.options.client_id.clone());
        self.disk.rows().views.insert((owner, id), view.to_owned());
        ready(Ok(())).boxed()
    }

    fn load_view(&self, id: SchemaId) -> BoxFuture<'_, Result<Option<String>>> {
        let owner = (self.options.row_server_id(), self.options.client_id.clone());
        let rows = self.disk.rows();
        let newest = rows.views.range((owner.clone(), SchemaId::MIN)..=(owner, id)).next_back();
        ready(Ok(newest.map(|(_, view)| view.clone()))).boxed()
    }

    fn save_changes<'a>(
        &'a self,
        base: SchemaId,
        changes: &'a [SchemaChange],
        schema: &'a Schema,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<SchemaId>> {
        ready(self.store(Some(base), changes, schema, position)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Gtids;
    use crate::schema::Database;
    use crate::store::FileBirth;

    fn options(client_id: &str, gtid_mode: bool) -> StoreOptions {
        StoreOptions { client_id: client_id.into(), gtid_mode, ..MemoryStore::default().options }
    }

    fn at(file: &str, offset: u64, heartbeat: i64) -> Position {
        Position { heartbeat, ..Position::new(BinlogPosition::new(file, offset)) }
    }

    fn schema(name: &str) -> Schema {
        Schema { databases: vec![Database { name: name.into(), charset: "utf8mb4".into(), tables: vec![] }], ..Schema::default() }
    }

    #[tokio::test]
    async fn a_version_of_file_mode_is_found_with_gtids_once_it_was_seen_again() {
        let disk = MemoryDisk::default();
        let by_file = MemoryStore::open(disk.clone(), options("a", false));
        let by_gtids = MemoryStore::open(disk.clone(), options("a", true));
        let gtids = |last: u64| Gtids::parse(&format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-{last}")).unwrap();
        let base = by_file.save_snapshot(&schema("one"), &at("m.000001", 4, 0)).await.unwrap();
        let drop = [SchemaChange::DatabaseDrop { database: "one".into() }];
        let id = by_file.save_changes(base, &drop, &Schema::default(), &at("m.000001", 100, 0)).await.unwrap();
        let here = |last: u64, offset: u64| Position { gtids: Some(gtids(last)), ..at("m.000001", offset, 0) };
        assert_eq!(by_gtids.load_schema(&here(9, 200)).await.unwrap(), None);
        let lookup = Lookup::File { server_id: 1 };
        assert_eq!(by_gtids.load_schema_by(lookup, &here(4, 50)).await.unwrap(), Some((base, schema("one"))));
        assert_eq!(by_gtids.save_changes(base, &drop, &Schema::default(), &here(5, 100)).await.unwrap(), id);
        assert_eq!(by_gtids.load_schema(&here(9, 200)).await.unwrap(), Some((id, Schema::default())));
    }

    #[tokio::test]
    async fn versions_are_replaced_unless_another_client_needs_them() {
        let disk = MemoryDisk::default();
        let store = MemoryStore::open(disk.clone(), options("a", false));
        let base = store.save_snapshot(&schema("old"), &at("m.000001", 4, 0)).await.unwrap();
        let drop = [SchemaChange::DatabaseDrop { database: "old".into() }];
        let later = store.save_changes(base, &drop, &Schema::default(), &at("m.000001", 100, 50)).await.unwrap();
        let place = BinlogPosition::new("m.000001", 60);
        assert_eq!(store.versions_at(&place), VersionsAt { heartbeat: Some(0), later: true });
        assert_eq!(store.versions_at(&BinlogPosition::new("m.000001", 101)), VersionsAt { heartbeat: Some(50), later: false });
        let other = MemoryStore::open(disk.clone(), options("b", false));
        other.save_position(&at("m.000001", 300, 60)).await.unwrap();
        let e = store.replace_versions(&schema("new"), &at("m.000001", 60, 0)).await.unwrap_err();
        assert!(e.to_string().contains("another client") && e.to_string().contains("'b'"), "{e}");
        other.forget_positions(&[1]).await.unwrap();
        let new = store.replace_versions(&schema("new"), &at("m.000001", 60, 0)).await.unwrap();
        assert_eq!(store.load_schema(&at("m.000002", 4, 99)).await.unwrap(), Some((new, schema("new"))), "not {later}");
        assert_eq!(store.load_schema(&at("m.000001", 50, 99)).await.unwrap(), Some((base, schema("old"))));
        let again = store.save_changes(new, &drop, &Schema::default(), &at("m.000001", 100, 50)).await.unwrap();
        assert!(again > new, "the replaced version has given up its place");
    }

    #[tokio::test]
    async fn positions_survive_and_clients_are_apart() {
        let disk = MemoryDisk::default();
        let first = MemoryStore::open(disk.clone(), options("a", false));
        assert_eq!(first.load_position().await.unwrap(), None);
        let birth = FileBirth { file: "m.000001".into(), created: 5 };
        first.set_origin(Origin { server_uuid: Some("u".into()), birth: Some(birth.clone()), ..Origin::default() });
        first.save_position(&at("m.000001", 40, 9)).await.unwrap();
        let killed = MemoryStore::open(disk.clone(), options("a", false));
        let stored = killed.load_position().await.unwrap().unwrap();
        assert_eq!(stored.position, at("m.000001", 40, 9));
        assert_eq!(stored.origin, Origin { server_uuid: Some("u".into()), birth: Some(birth), ..Origin::default() });
        let other = MemoryStore::open(disk.clone(), options("b", false));
        assert_eq!(other.load_position().await.unwrap(), None);
        assert_eq!(other.load_other_client_position().await.unwrap(), Some(at("m.000001", 40, 9)));
        assert_eq!(killed.load_other_client_position().await.unwrap(), None);
        let gtid_mode = MemoryStore::open(disk, options("a", true));
        assert_eq!(gtid_mode.load_position().await.unwrap(), None, "GTID mode has rows of its own");
        assert_eq!(gtid_mode.client_positions().await.unwrap()[0].server_id, 1);
    }

    #[tokio::test]
    async fn positions_do_not_go_back() {
        let store = MemoryStore::default();
        store.save_position(&at("m.000002", 40, 0)).await.unwrap();
        assert!(store.save_position(&at("m.000002", 39, 0)).await.is_err());
        store.save_position(&at("m.000002", 1 << 32, 0)).await.unwrap();
        assert_eq!(store.load_position().await.unwrap().unwrap().position.at.offset, 40, "cannot be stored in file mode");
    }

    #[tokio::test]
    async fn heartbeats_notice_a_rival() {
        let store = MemoryStore::default();
        assert_eq!(store.heartbeat(1000).await.unwrap(), 1000);
        assert_eq!(store.heartbeat(1000).await.unwrap(), 1001);
        store.disk().set_heartbeat(1, "maxwell", None);
        assert_eq!(store.heartbeat(1500).await.unwrap(), 1500, "a lost row is made anew");
        store.disk().set_heartbeat(1, "maxwell", Some(3));
        assert_eq!(store.heartbeat(1600).await.unwrap(), 1600, "an older row is adopted");
        let rival = MemoryStore::open(store.disk().clone(), options("maxwell", false));
        assert_eq!(rival.heartbeat(1700).await.unwrap(), 1700);
        assert!(!store.heartbeat(1800).await.unwrap_err().is_transient());
        assert_eq!(rival.heartbeat(1900).await.unwrap(), 1900, "the later one lives on");
    }

    #[tokio::test]
    async fn schema_versions_by_file() {
        let store = MemoryStore::default();
        assert_eq!(store.load_schema(&at("m.000001", 4, 0)).await.unwrap(), None);
        let base = store.save_snapshot(&schema("a"), &at("m.000001", 4, 0)).await.unwrap();
        assert_eq!(store.save_snapshot(&schema("x"), &at("m.000001", 4, 0)).await.unwrap(), base, "the same place, the same id");
        let change = [SchemaChange::DatabaseDrop { database: "a".into() }];
        let next = store.save_changes(base, &change, &schema("b"), &at("m.000001", 300, 0)).await.unwrap();
        assert_eq!(store.save_changes(base, &change, &schema("b"), &at("m.000001", 300, 0)).await.unwrap(), next, "replayed");
        assert_eq!(store.load_schema(&at("m.000001", 300, 0)).await.unwrap(), Some((base, schema("a"))));
        assert_eq!(store.load_schema(&at("m.000001", 301, 0)).await.unwrap(), Some((next, schema("b"))));
        assert_eq!((store.disk().schema_versions(), store.disk().stored_changes()), (2, vec![change.to_vec()]));
        assert!(store.save_changes(99, &change, &schema("b"), &at("m.000001", 900, 0)).await.is_err());
    }

    #[tokio::test]
    async fn schema_versions_by_gtids() {
        let store = MemoryStore::open(MemoryDisk::default(), options("a", true));
        let uuid = "6c27ed6d-7ee1-11e3-be39-6c626d957cff";
        let set = |last: u64| Position { gtids: Some(Gtids::parse(&format!("{uuid}:1-{last}")).unwrap()), ..at("m.000001", last, 0) };
        let base = store.save_snapshot(&schema("a"), &set(10)).await.unwrap();
        let next = store.save_changes(base, &[], &schema("b"), &set(20)).await.unwrap();
        for (last, id) in [(9, None), (10, Some(base)), (19, Some(base)), (20, Some(next)), (90, Some(next))] {
            assert_eq!(store.load_schema(&set(last)).await.unwrap().map(|v| v.0), id, "{last}");
        }
    }
}
