//! The store of `--replay`: reads what is stored and writes nothing. Positions and schema versions of the run are kept in
//! the process, so that a run that begins anew after a lost connection goes on where it was. Never here: SQL.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::error::{Error, Result};
use crate::position::xa::XaDecided;
use crate::position::{BinlogPosition, Position};
use crate::schema::delta::SchemaChange;
use crate::schema::mend::TRUSTED_FORMAT;
use crate::schema::prepared::PreparedXa;
use crate::schema::{Schema, SchemaId};

use super::{ClientPosition, Lookup, MemoryDisk, MemoryStore, Origin, Store, StoreOptions, Stored, VersionsAt};

pub struct ReplayStore {
    stored: Box<dyn Store>,
    run: MemoryStore,
}

impl ReplayStore {
    /// `stored` is what stands in the schema database; an empty store in memory if there is none.
    pub fn new(stored: Box<dyn Store>, options: StoreOptions) -> Self {
        ReplayStore { stored, run: MemoryStore::open(MemoryDisk::default(), options) }
    }

    async fn schema(&self, position: &Position) -> Result<Option<(SchemaId, Schema)>> {
        if let Some(found) = self.run.load_schema(position).await? {
            return Ok(Some(found));
        }
        self.copied(self.stored.load_schema(position).await?, position).await
    }

    /// Versions of this run are built on a copy in the process, under numbers of its own.
    async fn copied(&self, found: Option<(SchemaId, Schema)>, position: &Position) -> Result<Option<(SchemaId, Schema)>> {
        let Some((stored, schema)) = found else { return Ok(None) };
        if self.stored.schema_format(stored).await? < TRUSTED_FORMAT {
            return Err(Error::definite(format!("schema {stored} was stored by an old Maxwell and has to be mended first"))
                .hint("start once without --replay: that stores it anew"));
        }
        let id = self.run.save_snapshot(&schema, position).await?;
        Ok(Some((id, schema)))
    }
}

impl Store for ReplayStore {
    fn load_position(&self) -> BoxFuture<'_, Result<Option<Stored>>> {
        async move {
            match self.run.load_position().await? {
                Some(reached) => Ok(Some(reached)),
                None => self.stored.load_position().await,
            }
        }
        .boxed()
    }

    fn load_other_client_position(&self) -> BoxFuture<'_, Result<Option<Position>>> {
        self.stored.load_other_client_position()
    }

    fn client_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        self.stored.client_positions()
    }

    fn all_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        self.stored.all_positions()
    }

    fn forget_positions<'a>(&'a self, _: &'a [u32]) -> BoxFuture<'a, Result<()>> {
        ready(Ok(())).boxed()
    }

    fn set_origin(&self, origin: Origin) {
        self.run.set_origin(origin);
    }

    fn save_position<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<()>> {
        self.run.save_position(position)
    }

    fn heartbeat(&self, now_ms: i64) -> BoxFuture<'_, Result<i64>> {
        self.run.heartbeat(now_ms)
    }

    fn load_schema<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.schema(position).boxed()
    }

    fn load_schema_at<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        async move {
            match self.run.load_schema_at(position).await? {
                Some(found) => Ok(Some(found)),
                None => self.stored.load_schema_at(position).await,
            }
        }
        .boxed()
    }

    fn load_schema_by<'a>(&'a self, lookup: Lookup, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        async move { self.copied(self.stored.load_schema_by(lookup, position).await?, position).await }.boxed()
    }

    fn versions_at<'a>(&'a self, at: &'a BinlogPosition) -> BoxFuture<'a, Result<VersionsAt>> {
        self.stored.versions_at(at)
    }

    fn replace_versions<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.run.save_snapshot(schema, position)
    }

    fn note_prepared<'a>(&'a self, prepared: &'a [PreparedXa]) -> BoxFuture<'a, Result<()>> {
        self.run.note_prepared(prepared)
    }

    fn load_prepared(&self) -> BoxFuture<'_, Result<Vec<PreparedXa>>> {
        async move {
            let mut all = self.stored.load_prepared().await?;
            all.extend(self.run.load_prepared().await?);
            Ok(all)
        }
        .boxed()
    }

    fn decided(&self, decided: XaDecided) {
        self.run.decided(decided);
    }

    fn save_snapshot<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.run.save_snapshot(schema, position)
    }

    fn save_view<'a>(&'a self, id: SchemaId, view: &'a str) -> BoxFuture<'a, Result<()>> {
        self.run.save_view(id, view)
    }

    fn load_view(&self, id: SchemaId) -> BoxFuture<'_, Result<Option<String>>> {
        self.run.load_view(id)
    }

    fn save_changes<'a>(
        &'a self,
        base: SchemaId,
        changes: &'a [SchemaChange],
        schema: &'a Schema,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<SchemaId>> {
        self.run.save_changes(base, changes, schema, position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{CaseRule, Database};
    use crate::server::Flavor;

    #[tokio::test]
    async fn nothing_is_written_and_a_second_run_goes_on() {
        let options = StoreOptions {
            schema_database: "maxwell".into(),
            client_id: "maxwell".into(),
            server_id: 1,
            gtid_mode: false,
            flavor: Flavor::MySql,
            case: CaseRule::Sensitive,
        };
        let at = |offset, heartbeat| Position { heartbeat, ..Position::new(BinlogPosition::new("m.000001", offset)) };
        let schema = |name: &str| Schema {
            databases: vec![Database { name: name.into(), charset: "utf8mb4".into(), tables: vec![] }],
            ..Schema::default()
        };
        let disk = MemoryDisk::default();
        let before = MemoryStore::open(disk.clone(), options.clone());
        before.save_snapshot(&schema("old"), &at(4, 0)).await.unwrap();
        before.save_position(&at(100, 7)).await.unwrap();
        let replay = ReplayStore::new(Box::new(MemoryStore::open(disk.clone(), options.clone())), options.clone());
        assert_eq!(replay.load_position().await.unwrap().unwrap().position, at(100, 7));
        let (base, found) = replay.load_schema(&at(100, 7)).await.unwrap().unwrap();
        assert_eq!(found, schema("old"));
        let change = SchemaChange::DatabaseDrop { database: "old".into() };
        let id = replay.save_changes(base, &[change], &Schema::default(), &at(200, 7)).await.unwrap();
        replay.save_position(&at(300, 9)).await.unwrap();
        assert_eq!(replay.heartbeat(50).await.unwrap(), 50);
        assert_eq!(replay.load_position().await.unwrap().unwrap().position, at(300, 9), "goes on in this process");
        assert_eq!(replay.load_schema(&at(300, 9)).await.unwrap(), Some((id, Schema::default())));
        assert_eq!(replay.load_schema(&at(200, 7)).await.unwrap(), Some((base, schema("old"))), "a delta holds behind its statement only");
        assert_eq!(before.load_position().await.unwrap().unwrap().position, at(100, 7));
        assert_eq!((disk.schema_versions(), disk.heartbeat_of(1, "maxwell")), (1, None));
    }
}
