//! Compaction of the stored schema versions (`max_schemas`, contract §2.8), and what else keeps them in order while the
//! daemon runs. What may go is decided in `store::compaction`; here it is asked, written and deleted.
//!
//! Rows of `schemas` go first and at once, so that no version is ever there with half of its definitions; the rows that
//! belonged to them follow in small steps, found again after a kill by their schema id. Never here: the pipeline's calls.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::position::BinlogPosition;
use crate::schema::SchemaId;
use crate::schema::mend::TRUSTED_FORMAT;
use crate::server::rows;
use crate::store::Tidied;
use crate::store::compaction::{Client, Decision, Owner, Version, decide, superfluous};
use crate::store::versions::parse_gtid_set;

use super::mirror::{self, Mirrored};
use super::session::{Session, ident, lit};
use super::{MySqlStore, snapshot};

/// Rows deleted by one statement, and the pause before the next, both Maxwell's: replicas of the schema database and
/// other users of its server are not to notice.
const DELETE_ROWS: u64 = 500;
const DELETE_PAUSE: Duration = Duration::from_millis(200);
/// Ids named in one statement.
const IDS_PER_STATEMENT: usize = 500;

impl MySqlStore {
    /// One round of keeping order: a compact copy for a snapshot that was read row by row, and compaction if there are
    /// `max` versions or more.
    pub(super) async fn tidy_versions(&self, max: Option<u32>) -> Result<Tidied> {
        if max.is_none() && self.tidying().unmirrored.is_none() && self.tidying().unchecked.is_none() {
            return Ok(Tidied::Done);
        }
        let mut session = self.session().await?;
        if self.copy_is_outdated(&mut session).await? {
            return Ok(Tidied::StartAgain);
        }
        self.mirror_what_was_read(&mut session).await?;
        if let Some(max) = max {
            self.compact(&mut session, max).await?;
        }
        Ok(Tidied::Done)
    }

    async fn compact(&self, session: &mut Session<'_>, max: u32) -> Result<()> {
        let count = format!("SELECT COUNT(*) FROM {} WHERE server_id = {}", self.table("schemas"), self.options.server_id);
        let count: u64 = session.rows(&count).await?.first().map(|row| rows::need(row, 0)).transpose()?.unwrap_or(0);
        if count < u64::from(max) && !self.tidying().sweep_due {
            return Ok(());
        }
        // Maxwell's name, so that its compaction and ours exclude each other.
        let lock = lit(format!("maxwell_schema_compaction-{}", self.options.server_id));
        let got: Option<i64> =
            session.rows(&format!("SELECT GET_LOCK({lock}, 0)")).await?.first().map_or(Ok(None), |row| rows::get(row, 0))?;
        if got != Some(1) {
            return Ok(());
        }
        let result = self.compact_locked(session, max as usize).await;
        if result.is_err() {
            // A transaction that was begun ends here; the pool's reset of the connection would do it a little later.
            let _ = session.rollback().await;
        }
        let _ = session.rows(&format!("SELECT RELEASE_LOCK({lock})")).await;
        result
    }

    async fn compact_locked(&self, session: &mut Session<'_>, max: usize) -> Result<()> {
        let (versions, clients) = (self.all_versions(session, "").await?, self.all_clients(session).await?);
        let owner =
            Owner { server_id: self.options.server_id, client_id: &self.options.client_id, row_server_id: self.options.row_server_id() };
        match decide(&versions, &clients, &owner, max) {
            Decision::Nothing => {}
            Decision::Wait(why) => {
                let before = self.tidying().told.replace(why.clone());
                if before.as_ref() != Some(&why) {
                    tracing::warn!(
                        versions = versions.len(),
                        "not compacting the stored schemas: {why}; hint: if that client is gone, delete its row from `positions`"
                    );
                }
            }
            Decision::Compact { head, is_snapshot, gone } => {
                tracing::info!(schema_id = head, versions = gone.len(), "compacting the stored schemas before this one");
                self.tidying().told = None;
                if !is_snapshot {
                    self.make_snapshot(session, head).await?;
                }
                self.tidying().sweep_due = true;
                self.delete_versions(session, head, &gone).await?;
            }
        }
        if self.tidying().sweep_due {
            self.sweep(session).await?;
            self.tidying().sweep_due = false;
        }
        Ok(())
    }

    /// Every row of `schemas`, without its deltas.
    async fn all_versions(&self, session: &mut Session<'_>, locking: &str) -> Result<Vec<Version>> {
        let sql = format!(
            "SELECT id, server_id, base_schema_id, binlog_file, binlog_position, last_heartbeat_read, gtid_set, deleted FROM {} ORDER BY id {locking}",
            self.table("schemas")
        );
        let mut versions = Vec::new();
        let take = |row| {
            let offset: u64 = rows::get(&row, 4)?.unwrap_or(0);
            versions.push(Version {
                id: rows::need(&row, 0)?,
                server_id: rows::get(&row, 1)?.unwrap_or(0),
                base: rows::get(&row, 2)?,
                at: BinlogPosition::new(rows::text(&row, 3)?, offset),
                heartbeat: rows::get(&row, 5)?.unwrap_or(0),
                gtids: rows::opt_text(&row, 6)?.and_then(|text| parse_gtid_set(&text, self.options.flavor).ok()),
                deleted: rows::get::<i64>(&row, 7)?.unwrap_or(0) != 0,
            });
            Ok(())
        };
        session.each(&sql, take).await?;
        Ok(versions)
    }

    async fn all_clients(&self, session: &mut Session<'_>) -> Result<Vec<Client>> {
        let sql = format!(
            "SELECT server_id, client_id, binlog_file, binlog_position, last_heartbeat_read, gtid_set FROM {}",
            self.table("positions")
        );
        let mut clients = Vec::new();
        for row in session.rows(&sql).await? {
            let (server_id, client_id): (u32, String) = (rows::need(&row, 0)?, rows::text(&row, 1)?);
            let offset: u64 = rows::get(&row, 3)?.unwrap_or(0);
            let at = BinlogPosition::new(rows::text(&row, 2)?, offset);
            let note = self.read_note(session, server_id, &client_id).await?;
            clients.push(Client {
                is_ours: note.is_some_and(|note| note.about(&at).is_some()),
                heartbeat: rows::get(&row, 4)?.unwrap_or(0),
                gtids: rows::opt_text(&row, 5)?.and_then(|text| parse_gtid_set(&text, self.options.flavor).ok()),
                server_id,
                client_id,
                at,
            });
        }
        Ok(clients)
    }

    /// Gives a version all its definitions, so that it stands by itself. Its meaning is the same.
    async fn make_snapshot(&self, session: &mut Session<'_>, head: SchemaId) -> Result<()> {
        if self.format_of(session, head).await? < TRUSTED_FORMAT {
            return Err(Error::transient(format!("schema {head} was stored by an old Maxwell and is not mended yet")));
        }
        let schema = self.restore_version(session, head).await?;
        let database = &self.options.schema_database;
        {
            let _one = self.widening.lock().await;
            snapshot::make_room(session, database, &schema).await?;
        }
        let table = self.table("schemas");
        session.begin().await?;
        let sql = format!("SELECT position_sha FROM {table} WHERE id = {head} AND base_schema_id IS NOT NULL FOR UPDATE");
        let Some(row) = session.rows(&sql).await?.into_iter().next() else {
            session.rollback().await?;
            return Err(Error::transient(format!("schema {head} was compacted or removed by another process")));
        };
        let position_sha = rows::text(&row, 0)?;
        snapshot::remove(session, database, head).await?;
        snapshot::insert(session, database, head, &schema).await?;
        let version = snapshot::VERSION;
        session.run(&format!("UPDATE {table} SET base_schema_id = NULL, deltas = NULL, version = {version} WHERE id = {head}")).await?;
        Mirrored { database, id: head, position_sha: &position_sha }.write(session, &schema).await?;
        session.commit().await
    }

    /// Deletes rows of `schemas`, but for those on which another version was based in the meantime: whoever stores a delta
    /// holds its base, so what is locked here has no successors but those that are seen.
    async fn delete_versions(&self, session: &mut Session<'_>, head: SchemaId, gone: &[SchemaId]) -> Result<()> {
        session.begin().await?;
        let now = self.all_versions(session, "FOR UPDATE").await?;
        if !now.iter().any(|v| v.id == head && v.base.is_none()) {
            session.rollback().await?;
            return Err(Error::transient(format!("schema {head} changed while the others were compacted into it")));
        }
        let free: Vec<SchemaId> = superfluous(&now, head, |v| gone.contains(&v.id));
        for some in free.chunks(IDS_PER_STATEMENT) {
            let list: Vec<String> = some.iter().map(SchemaId::to_string).collect();
            session.run(&format!("DELETE FROM {} WHERE id IN ({})", self.table("schemas"), list.join(","))).await?;
        }
        session.commit().await?;
        tracing::info!(schema_id = head, versions = free.len(), "old schema versions are deleted; their rows follow");
        Ok(())
    }

    /// Deletes the rows of versions that are not there any more, a few at a time. Rows of `databases` go last: by them an
    /// unfinished sweep is found again.
    async fn sweep(&self, session: &mut Session<'_>) -> Result<()> {
        let db = ident(&self.options.schema_database);
        mirror::remove_orphans(session, &self.options.schema_database).await?;
        let sql = format!("SELECT DISTINCT schema_id FROM {db}.`databases` WHERE schema_id NOT IN (SELECT id FROM {db}.`schemas`)");
        let mut orphans: Vec<SchemaId> = Vec::new();
        for row in session.rows(&sql).await? {
            orphans.push(rows::need(&row, 0)?);
        }
        let mut deleted = 0;
        for id in &orphans {
            for table in ["columns", "tables", "databases"] {
                let sql = format!("DELETE FROM {db}.`{table}` WHERE schema_id = {id} LIMIT {DELETE_ROWS}");
                loop {
                    let rows = session.run(&sql).await?;
                    deleted += rows;
                    if rows < DELETE_ROWS {
                        break;
                    }
                    // Not more load on the server than Maxwell makes.
                    tokio::time::sleep(DELETE_PAUSE).await;
                }
            }
        }
        if !orphans.is_empty() {
            tracing::info!(versions = orphans.len(), rows = deleted, "the rows of old schema versions are deleted");
        }
        Ok(())
    }

    /// Writes the compact copy of a snapshot that had to be read row by row at the start.
    async fn mirror_what_was_read(&self, session: &mut Session<'_>) -> Result<()> {
        let Some(id) = self.tidying().unmirrored else { return Ok(()) };
        if let Some((version, charset, position_sha)) = self.head_of(session, id).await? {
            let database = &self.options.schema_database;
            let schema = snapshot::load(session, database, id, version, charset, self.options.case).await?;
            session.begin().await?;
            Mirrored { database, id, position_sha: &position_sha }.write(session, &schema).await?;
            session.commit().await?;
            tracing::info!(schema_id = id, "stored a compact copy of the schema for a quicker restart");
        }
        self.tidying().unmirrored = None;
        Ok(())
    }

    /// Looks once, in the background, whether the rows behind a copy that was used are still what they were. If somebody
    /// changed them by hand, that is what counts.
    async fn copy_is_outdated(&self, session: &mut Session<'_>) -> Result<bool> {
        let Some(id) = self.tidying().unchecked else { return Ok(false) };
        let copy = Mirrored { database: &self.options.schema_database, id, position_sha: "" };
        let outdated = copy.is_outdated(session).await?;
        if outdated {
            tracing::warn!(
                schema_id = id,
                "the stored rows of this schema were changed since the compact copy was made that this start used; the copy is removed"
            );
            copy.remove(session).await?;
        }
        self.tidying().unchecked = None;
        Ok(outdated)
    }
}
