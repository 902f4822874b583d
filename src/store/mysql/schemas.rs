//! `schemas`: the versions of the schema, as snapshots and as deltas on them (contract §8.6).
//! Which version is valid where is the rule of `store::versions`; here it is asked in SQL.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Gtids, Position};
use crate::schema::delta::{self, SchemaChange};
use crate::schema::{Schema, SchemaId};
use crate::server::fault::is_server_error;
use crate::server::rows;
use crate::store::Lookup;
use crate::store::offset::column_value;
use crate::store::versions::{NewestByGtids, chain, parse_gtid_set, position_sha};

use super::mirror::Mirrored;
use super::session::{Session, lit};
use super::{MySqlStore, snapshot, widen};

/// ER_DUP_ENTRY
const DUPLICATE: u16 = 1062;
/// Rows of `schemas` looked at together for their GTID sets.
const GTID_PAGE: usize = 100;
/// Deltas read together; each can have megabytes.
const DELTA_PAGE: usize = 50;

impl MySqlStore {
    pub(super) async fn restore(&self, lookup: Lookup, position: &Position) -> Result<Option<(SchemaId, Schema)>> {
        let mut session = self.session().await?;
        let by_file = match lookup {
            Lookup::Gtids => self.options.server_id,
            Lookup::File { server_id } => server_id,
        };
        let head = match &position.gtids {
            Some(gtids) if lookup == Lookup::Gtids => self.newest_by_gtids(&mut session, gtids).await?,
            _ => self.newest_by_file(&mut session, by_file, position).await?.map(|(id, _)| id),
        };
        match head {
            Some(head) => Ok(Some((head, self.restore_version(&mut session, head).await?))),
            None => Ok(None),
        }
    }

    /// The version that is stored for exactly this place.
    pub(super) async fn restore_at(&self, position: &Position) -> Result<Option<(SchemaId, Schema)>> {
        let mut session = self.session().await?;
        let sha = position_sha(self.options.server_id, position);
        match self.stored_at(&mut session, &sha).await? {
            Some(head) => Ok(Some((head, self.restore_version(&mut session, head).await?))),
            None => Ok(None),
        }
    }

    /// A version with all its deltas applied.
    pub(super) async fn restore_version(&self, session: &mut Session<'_>, head: SchemaId) -> Result<Schema> {
        let ids = chain(head, &self.bases(session, head).await?)?;
        let Some((base, deltas)) = ids.split_first() else { return Err(Error::bug("a chain of schema versions has none")) };
        let mut schema = self.load_snapshot(session, *base).await?;
        for page in deltas.chunks(DELTA_PAGE) {
            self.apply_deltas(session, &mut schema, page).await?;
        }
        Ok(schema)
    }

    /// The version and its heartbeat.
    pub(super) async fn newest_by_file(
        &self,
        session: &mut Session<'_>,
        server_id: u32,
        position: &Position,
    ) -> Result<Option<(SchemaId, i64)>> {
        let (file, offset) = (lit(&*position.at.file), position.at.offset);
        let (before, order) = match position.at.file_number() {
            Some(number) => (format!("{FILE_NUMBER} < {number}"), FILE_NUMBER),
            None => (format!("binlog_file < {file}"), "binlog_file"),
        };
        let sql = format!(
            "SELECT id, last_heartbeat_read FROM {} WHERE deleted = 0 AND server_id = {server_id} AND last_heartbeat_read <= {} \
             AND (({before} AND binlog_file <> {file}) OR (binlog_file = {file} AND \
             (binlog_position < {offset} OR (base_schema_id IS NULL AND binlog_position = {offset})))) \
             ORDER BY last_heartbeat_read DESC, {order} DESC, binlog_position DESC, id DESC LIMIT 1",
            self.table("schemas"),
            position.heartbeat,
        );
        let found = session.rows(&sql).await?;
        found.first().map(|row| Ok((rows::need(row, 0)?, rows::need(row, 1)?))).transpose()
    }

    async fn newest_by_gtids(&self, session: &mut Session<'_>, target: &Gtids) -> Result<Option<SchemaId>> {
        let (mut below, mut newest) = (SchemaId::MAX, NewestByGtids::default());
        loop {
            let sql = format!(
                "SELECT id, gtid_set FROM {} WHERE deleted = 0 AND gtid_set IS NOT NULL AND id < {below} ORDER BY id DESC LIMIT {GTID_PAGE}",
                self.table("schemas")
            );
            let page = session.rows(&sql).await?;
            for row in &page {
                below = rows::need(row, 0)?;
                // A set of the other flavor, or one that cannot be read, says nothing about this stream.
                if let Ok(set) = parse_gtid_set(&rows::text(row, 1)?, self.options.flavor) {
                    newest.look(below, set, target);
                }
            }
            if page.len() < GTID_PAGE {
                return Ok(newest.id());
            }
        }
    }

    /// The base of every version up to `head`: two numbers each, so that the way back costs one question.
    async fn bases(&self, session: &mut Session<'_>, head: SchemaId) -> Result<HashMap<SchemaId, Option<SchemaId>>> {
        let mut bases = HashMap::new();
        let sql = format!("SELECT id, base_schema_id FROM {} WHERE id <= {head}", self.table("schemas"));
        let take = |row| {
            bases.insert(rows::need(&row, 0)?, rows::get(&row, 1)?);
            Ok(())
        };
        session.each(&sql, take).await?;
        Ok(bases)
    }

    /// Format, character set and hash of a version's row.
    pub(super) async fn head_of(&self, session: &mut Session<'_>, id: SchemaId) -> Result<Option<(u16, String, String)>> {
        let sql = format!("SELECT version, charset, position_sha FROM {} WHERE id = {id}", self.table("schemas"));
        let found = session.rows(&sql).await?;
        found.first().map(|row| Ok((rows::need(row, 0)?, rows::text(row, 1)?, rows::text(row, 2)?))).transpose()
    }

    pub(super) async fn format_of(&self, session: &mut Session<'_>, id: SchemaId) -> Result<u16> {
        self.head_of(session, id).await?.map(|(version, ..)| version).ok_or_else(|| removed(id))
    }

    async fn load_snapshot(&self, session: &mut Session<'_>, id: SchemaId) -> Result<Schema> {
        let (version, charset, position_sha) = self.head_of(session, id).await?.ok_or_else(|| removed(id))?;
        let database = &self.options.schema_database;
        let copy = Mirrored { database, id, position_sha: &position_sha };
        if let Some(schema) = copy.read(session, self.options.case).await? {
            self.tidying().unchecked = Some(id);
            return Ok(schema);
        }
        let schema = snapshot::load(session, database, id, version, charset, self.options.case).await?;
        self.tidying().unmirrored = Some(id);
        Ok(schema)
    }

    async fn apply_deltas(&self, session: &mut Session<'_>, schema: &mut Schema, ids: &[SchemaId]) -> Result<()> {
        let list: Vec<String> = ids.iter().map(SchemaId::to_string).collect();
        let sql = format!("SELECT id, deltas, charset FROM {} WHERE id IN ({})", self.table("schemas"), list.join(","));
        let mut found: HashMap<SchemaId, (String, Option<String>)> = HashMap::new();
        for row in session.rows(&sql).await? {
            found.insert(rows::need(&row, 0)?, (rows::text(&row, 1)?, rows::opt_text(&row, 2)?));
        }
        for id in ids {
            let place = || format!("delta of schema {id}");
            let (json, charset) =
                found.remove(id).ok_or_else(|| Error::transient("a schema version was removed while it was read").detail(place()))?;
            let changes = if json.is_empty() { Vec::new() } else { delta::from_delta_json(&json).map_err(|e| e.detail(place()))? };
            delta::apply_changes(schema, &changes).map_err(|e| e.detail(place()))?;
            if let Some(charset) = charset {
                schema.charset = charset;
            }
        }
        Ok(())
    }

    /// The version that is stored for this position already.
    async fn stored_at(&self, session: &mut Session<'_>, sha: &str) -> Result<Option<SchemaId>> {
        let sql = format!("SELECT id FROM {} WHERE position_sha = {}", self.table("schemas"), lit(sha));
        session.rows(&sql).await?.first().map(|row| rows::need(row, 0)).transpose()
    }

    /// Inserts the row of a version; `None` when another process was faster.
    async fn insert_version(&self, session: &mut Session<'_>, version: &VersionRow<'_>) -> Result<Option<SchemaId>> {
        let position = version.position;
        let sql = format!(
            "INSERT INTO {} (base_schema_id, deltas, binlog_file, binlog_position, server_id, charset, version, position_sha, gtid_set, \
             last_heartbeat_read) VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
            self.table("schemas"),
            lit(version.base),
            lit(version.deltas),
            lit(&*position.at.file),
            column_value(position.at.offset),
            self.options.server_id,
            lit(version.charset),
            snapshot::VERSION,
            lit(version.sha),
            lit(version.gtid_text),
            position.heartbeat,
        );
        match session.run(&sql).await {
            Ok(_) => session.last_id().map(Some),
            Err(e) if is_server_error(&e, &[DUPLICATE]) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// `retired` are versions that are not restored any more once this one is stored.
    pub(super) async fn write_snapshot(&self, schema: &Schema, position: &Position, retired: &[SchemaId]) -> Result<SchemaId> {
        let mut session = self.session().await?;
        let sha = position_sha(self.options.server_id, position);
        if let Some(id) = self.stored_at(&mut session, &sha).await?.filter(|id| !retired.contains(id)) {
            self.complete(&mut session, id, position).await?;
            return Ok(id);
        }
        let gtid_text = self.gtid_text(&mut session, "schemas", position.gtids.as_ref()).await?;
        {
            let _one = self.widening.lock().await;
            snapshot::make_room(&mut session, &self.options.schema_database, schema).await?;
        }
        let row = VersionRow { base: None, deltas: None, charset: &schema.charset, sha: &sha, gtid_text: gtid_text.as_deref(), position };
        session.begin().await?;
        self.retire(&mut session, retired).await?;
        let Some(id) = self.insert_version(&mut session, &row).await? else {
            session.rollback().await?;
            return self.faster_one(&mut session, &sha).await;
        };
        snapshot::insert(&mut session, &self.options.schema_database, id, schema).await?;
        Mirrored { database: &self.options.schema_database, id, position_sha: &sha }.write(&mut session, schema).await?;
        session.commit().await?;
        tracing::info!(id, %position, "stored a snapshot of the schema");
        Ok(id)
    }

    pub(super) async fn write_changes(
        &self,
        base: SchemaId,
        changes: &[SchemaChange],
        schema: &Schema,
        position: &Position,
    ) -> Result<SchemaId> {
        let mut session = self.session().await?;
        let sha = position_sha(self.options.server_id, position);
        if let Some(id) = self.stored_at(&mut session, &sha).await? {
            self.complete(&mut session, id, position).await?;
            return Ok(id);
        }
        let json = delta::to_delta_json(changes);
        if snapshot::has_astral(&json) {
            let _one = self.widening.lock().await;
            widen::labels(&mut session, &self.options.schema_database).await?;
        }
        let json = snapshot::escape_astral(json);
        if json.len() > widen::MEDIUMTEXT_BYTES {
            let _one = self.widening.lock().await;
            widen::deltas(&mut session, &self.options.schema_database).await?;
        }
        let gtid_text = self.gtid_text(&mut session, "schemas", position.gtids.as_ref()).await?;
        let row = VersionRow {
            base: Some(base),
            deltas: Some(&json),
            charset: &schema.charset,
            sha: &sha,
            gtid_text: gtid_text.as_deref(),
            position,
        };
        session.begin().await?;
        // Held until the commit, so that no compaction takes the base away in between.
        let held = format!("SELECT id FROM {} WHERE id = {base} LOCK IN SHARE MODE", self.table("schemas"));
        if session.rows(&held).await?.is_empty() {
            session.rollback().await?;
            drop(session);
            tracing::info!(base, "the schema version that this one follows was compacted by another process; storing a snapshot");
            return self.write_snapshot(schema, &behind_statement(position), &[]).await;
        }
        match self.insert_version(&mut session, &row).await? {
            Some(id) => session.commit().await.map(|()| id),
            None => {
                session.rollback().await?;
                self.faster_one(&mut session, &sha).await
            }
        }
    }

    /// Stores what an old Maxwell's version is after it was mended. A snapshot at the very same position is written anew in
    /// its place; any other version stays for those who are still before this position.
    pub(super) async fn write_mended(&self, id: SchemaId, schema: &Schema, position: &Position) -> Result<SchemaId> {
        let sha = position_sha(self.options.server_id, position);
        let stored = self.write_snapshot(schema, position, &[]).await?;
        if stored != id {
            return Ok(stored);
        }
        let mut session = self.session().await?;
        let (database, table) = (&self.options.schema_database, self.table("schemas"));
        session.begin().await?;
        snapshot::remove(&mut session, database, id).await?;
        snapshot::insert(&mut session, database, id, schema).await?;
        let version = snapshot::VERSION;
        session.run(&format!("UPDATE {table} SET base_schema_id = NULL, deltas = NULL, version = {version} WHERE id = {id}")).await?;
        Mirrored { database, id, position_sha: &sha }.write(&mut session, schema).await?;
        session.commit().await?;
        Ok(id)
    }

    /// Gives a version that was stored in file mode the GTID set by which this mode finds it.
    async fn complete(&self, session: &mut Session<'_>, id: SchemaId, position: &Position) -> Result<()> {
        let gtids = position.gtids.as_ref().filter(|_| self.options.gtid_mode);
        let Some(text) = self.gtid_text(session, "schemas", gtids).await? else { return Ok(()) };
        let sql = format!("UPDATE {} SET gtid_set = {} WHERE id = {id} AND gtid_set IS NULL", self.table("schemas"), lit(text));
        session.run(&sql).await.map(drop)
    }

    async fn faster_one(&self, session: &mut Session<'_>, sha: &str) -> Result<SchemaId> {
        let id = self.stored_at(session, sha).await?;
        id.ok_or_else(|| Error::transient("a schema version of another process was removed again while it was looked for"))
    }
}

fn removed(id: SchemaId) -> Error {
    Error::transient(format!("schema {id} was removed while it was read"))
}

/// Where a snapshot is valid from that stands in for the delta of a statement at `position`: a delta counts behind the
/// statement's beginning, a snapshot from its own position on.
fn behind_statement(position: &Position) -> Position {
    let at = BinlogPosition { offset: position.at.offset + 1, ..position.at.clone() };
    Position { at, ..position.clone() }
}

/// The number at the end of a stored file's name.
const FILE_NUMBER: &str = "CAST(SUBSTRING_INDEX(binlog_file, '.', -1) AS UNSIGNED)";

/// The values of a row of `schemas` that differ between snapshots and deltas, with the position it is for.
struct VersionRow<'a> {
    base: Option<SchemaId>,
    deltas: Option<&'a str>,
    charset: &'a str,
    sha: &'a str,
    gtid_text: Option<&'a str>,
    position: &'a Position,
}
