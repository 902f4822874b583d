//! Versions seen from a place in the binlog: which ones stand around it, and a snapshot in place of all that follow it.
//! Never here: the usual way to store and restore a version; that is `schemas`.

use crate::error::Result;
use crate::position::{BinlogPosition, Position};
use crate::schema::{Schema, SchemaId};
use crate::server::rows;
use crate::store::versions::parse_gtid_set;
use crate::store::{VersionsAt, is_past, needed_by_another};

use super::MySqlStore;
use super::session::{Session, lit};

impl MySqlStore {
    pub(super) async fn read_versions_at(&self, at: &BinlogPosition) -> Result<VersionsAt> {
        let mut session = self.session().await?;
        let target = Position { heartbeat: i64::MAX, ..Position::new(at.clone()) };
        let newest = self.newest_by_file(&mut session, self.options.server_id, &target).await?;
        let later = !self.later_by_file(&mut session, at).await?.is_empty();
        Ok(VersionsAt { heartbeat: newest.map(|(_, heartbeat)| heartbeat), later })
    }

    pub(super) async fn write_in_place_of_later(&self, schema: &Schema, position: &Position) -> Result<SchemaId> {
        let mut session = self.session().await?;
        let later = if self.options.gtid_mode {
            self.later_by_gtids(&mut session, position).await?
        } else {
            self.later_by_file(&mut session, &position.at).await?
        };
        drop(session);
        if !later.is_empty() {
            let others = self.read_all_positions().await?;
            let same_rows = |p: &crate::store::ClientPosition| p.server_id == self.options.row_server_id();
            let other = others.iter().filter(|p| same_rows(p) && !p.client_id.eq_ignore_ascii_case(&self.options.client_id));
            if let Some(other) = other.into_iter().find(|p| is_past(&p.stored.position, position)) {
                return Err(needed_by_another(&other.client_id, &other.stored.position));
            }
            tracing::warn!(versions = later.len(), %position, "stored schema versions from this place on are replaced");
        }
        self.write_snapshot(schema, position, &later).await
    }

    /// Versions of this server that begin at a place or behind it.
    async fn later_by_file(&self, session: &mut Session<'_>, at: &BinlogPosition) -> Result<Vec<SchemaId>> {
        let (file, offset) = (lit(&*at.file), at.offset);
        let behind = match at.file_number() {
            Some(number) => format!("CAST(SUBSTRING_INDEX(binlog_file, '.', -1) AS UNSIGNED) > {number}"),
            None => format!("binlog_file > {file}"),
        };
        let sql = format!(
            "SELECT id FROM {} WHERE deleted = 0 AND server_id = {} AND ((binlog_file = {file} AND binlog_position >= {offset}) \
             OR (binlog_file <> {file} AND {behind}))",
            self.table("schemas"),
            self.options.server_id
        );
        session.rows(&sql).await?.iter().map(|row| rows::need(row, 0)).collect()
    }

    /// Versions that begin with transactions which are not executed at the position, or exactly there.
    async fn later_by_gtids(&self, session: &mut Session<'_>, position: &Position) -> Result<Vec<SchemaId>> {
        let Some(ours) = &position.gtids else { return Ok(Vec::new()) };
        let sql = format!("SELECT id, gtid_set FROM {} WHERE deleted = 0 AND gtid_set IS NOT NULL", self.table("schemas"));
        let mut later = Vec::new();
        let take = |row| {
            let set = parse_gtid_set(&rows::text(&row, 1)?, self.options.flavor);
            if set.is_ok_and(|set| ours.is_subset(&set).unwrap_or(false)) {
                later.push(rows::need(&row, 0)?);
            }
            Ok(())
        };
        session.each(&sql, take).await?;
        Ok(later)
    }

    /// Takes versions out of the restore. They stay, because others may be built on them, and give up their place's hash.
    pub(super) async fn retire(&self, session: &mut Session<'_>, ids: &[SchemaId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = ids.iter().map(SchemaId::to_string).collect();
        let sql = format!("UPDATE {} SET deleted = 1, position_sha = NULL WHERE id IN ({})", self.table("schemas"), list.join(","));
        session.run(&sql).await.map(drop)
    }
}
