//! `positions`: one row for every client on every server (contract §2.5, §3.7). Never here: which position to start from.

use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Position};
use crate::server::{Row, rows};
use crate::store::offset::column_value;
use crate::store::versions::parse_gtid_set;
use crate::store::{ClientPosition, Origin, Stored};

use super::MySqlStore;
use super::session::{Session, lit};
use super::side::PositionNote;

const COLUMNS: &str = "server_id, client_id, gtid_set, binlog_file, binlog_position, last_heartbeat_read";

/// A row as it is, before it is known whether it can be used.
struct PositionRow {
    server_id: u32,
    client_id: String,
    gtid_set: Option<String>,
    file: Option<String>,
    offset: u32,
    heartbeat: i64,
}

impl PositionRow {
    fn read(row: &Row) -> Result<Self> {
        Ok(PositionRow {
            server_id: rows::need(row, 0)?,
            client_id: rows::text(row, 1)?,
            gtid_set: rows::opt_text(row, 2)?,
            file: rows::opt_text(row, 3)?.filter(|text| !text.is_empty()),
            offset: rows::get(row, 4)?.unwrap_or(0),
            heartbeat: rows::get(row, 5)?.unwrap_or(0),
        })
    }
}

impl MySqlStore {
    pub(super) async fn read_position(&self) -> Result<Option<Stored>> {
        let mut session = self.session().await?;
        let server_id = self.options.row_server_id();
        let filter = format!("server_id = {server_id} AND client_id = {}", lit(&self.options.client_id));
        let Some(row) = self.position_rows(&mut session, &filter).await?.into_iter().next() else { return Ok(None) };
        self.with_note(&mut session, &row).await.map(Some)
    }

    pub(super) async fn read_other_client_position(&self) -> Result<Option<Position>> {
        let mut session = self.session().await?;
        let filter = format!("server_id = {}", self.options.row_server_id());
        let all = self.position_rows(&mut session, &filter).await?;
        // Case does not matter to the table's own key either.
        let Some(other) = all.iter().find(|row| !row.client_id.eq_ignore_ascii_case(&self.options.client_id)) else { return Ok(None) };
        self.position_of(other).map(Some)
    }

    pub(super) async fn read_client_positions(&self) -> Result<Vec<ClientPosition>> {
        self.positions_where(&format!("client_id = {}", lit(&self.options.client_id))).await
    }

    pub(super) async fn read_all_positions(&self) -> Result<Vec<ClientPosition>> {
        self.positions_where("TRUE").await
    }

    async fn positions_where(&self, filter: &str) -> Result<Vec<ClientPosition>> {
        let mut session = self.session().await?;
        let mut positions = Vec::new();
        for row in self.position_rows(&mut session, filter).await? {
            match self.with_note(&mut session, &row).await {
                Ok(stored) => positions.push(ClientPosition { client_id: row.client_id, server_id: row.server_id, stored }),
                Err(e) if e.is_transient() => return Err(e),
                Err(e) => tracing::warn!(error = %e, server_id = row.server_id, "a stored position cannot be read and is passed over"),
            }
        }
        Ok(positions)
    }

    pub(super) async fn delete_positions(&self, server_ids: &[u32]) -> Result<()> {
        if server_ids.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = server_ids.iter().map(u32::to_string).collect();
        let (list, client) = (list.join(","), lit(&self.options.client_id));
        let mut session = self.session().await?;
        session.begin().await?;
        for table in ["positions", super::side::TABLE] {
            session.run(&format!("DELETE FROM {} WHERE client_id = {client} AND server_id IN ({list})", self.table(table))).await?;
        }
        session.commit().await
    }

    /// Rows, the newest heartbeat first.
    async fn position_rows(&self, session: &mut Session<'_>, filter: &str) -> Result<Vec<PositionRow>> {
        let table = self.table("positions");
        let sql = format!("SELECT {COLUMNS} FROM {table} WHERE {filter} ORDER BY last_heartbeat_read DESC, server_id");
        session.rows(&sql).await?.iter().map(PositionRow::read).collect()
    }

    async fn with_note(&self, session: &mut Session<'_>, row: &PositionRow) -> Result<Stored> {
        let mut position = self.position_of(row)?;
        let note = self.read_note(session, row.server_id, &row.client_id).await?;
        let (offset, origin) = note.and_then(|n| n.about(&position.at)).unwrap_or((position.at.offset, Origin::default()));
        position.at.offset = offset;
        Ok(Stored { position, origin })
    }

    /// A row of GTID mode may lack the file (an empty name then stands for it), one of file mode may lack the set.
    fn position_of(&self, row: &PositionRow) -> Result<Position> {
        let place = || format!("`positions` row of server_id {}, client_id '{}'", row.server_id, row.client_id);
        let gtids = match &row.gtid_set {
            Some(text) => match parse_gtid_set(text, self.options.flavor) {
                Ok(gtids) => Some(gtids),
                // In file mode the set is only an addition, and the server may have been of the other flavor.
                Err(e) if row.server_id != 0 && row.file.is_some() => {
                    tracing::warn!(error = %e, place = place(), "a stored GTID set cannot be read and is passed over");
                    None
                }
                Err(e) => return Err(e.detail(place())),
            },
            None => None,
        };
        if row.file.is_none() && gtids.is_none() {
            return Err(Error::definite("a stored position names neither a binlog file nor a GTID set")
                .detail(place())
                .hint("delete the row to start at the end of the binlog, or give a start with `--init_position`"));
        }
        let at = BinlogPosition::new(row.file.as_deref().unwrap_or_default(), u64::from(row.offset));
        Ok(Position { at, gtids, heartbeat: row.heartbeat })
    }

    pub(super) async fn write_position(&self, position: &Position) -> Result<()> {
        if !self.guard.check(position, self.options.gtid_mode)? {
            return Ok(());
        }
        let mut session = self.session().await?;
        let gtid_text = self.gtid_text(&mut session, "positions", position.gtids.as_ref()).await?;
        let row = self.position_statement(position, gtid_text);
        let note = self.note_statement(&PositionNote::new(position, &self.origin().clone()))?;
        session.begin().await?;
        session.run(&row).await?;
        session.run(&note).await?;
        let forgotten = self.forget_statement(position);
        if let Some((_, sql)) = &forgotten {
            session.run(sql).await?;
        }
        session.commit().await?;
        if let Some((places, _)) = forgotten {
            self.forgotten(&places);
        }
        self.guard.saved(&position.at);
        Ok(())
    }

    fn position_statement(&self, position: &Position, gtid_text: Option<String>) -> String {
        let (table, server_id) = (self.table("positions"), self.options.row_server_id());
        let client = lit(&self.options.client_id);
        let (gtid_set, file) = (lit(gtid_text), lit(&*position.at.file));
        let (offset, heartbeat) = (column_value(position.at.offset), position.heartbeat);
        format!(
            "INSERT INTO {table} ({COLUMNS}) VALUES ({server_id}, {client}, {gtid_set}, {file}, {offset}, {heartbeat}) \
             ON DUPLICATE KEY UPDATE gtid_set = {gtid_set}, binlog_file = {file}, binlog_position = {offset}, last_heartbeat_read = {heartbeat}"
        )
    }
}
