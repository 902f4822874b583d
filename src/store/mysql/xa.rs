//! Prepared XA transactions: one row of our side table for each, named `xa:` and a hash of what it is. Never here: when
//! one is noted, or decided.

use sha1::{Digest, Sha1};

use crate::error::Result;
use crate::position::Position;
use crate::position::xa::XaPlace;
use crate::schema::prepared::PreparedXa;
use crate::server::fault::is_server_error;
use crate::server::rows;

use super::MySqlStore;
use super::session::lit;
use super::side::TABLE;

/// ER_NO_SUCH_TABLE
const NO_SUCH_TABLE: u16 = 1146;
/// Bytes of values in one statement; the server's `max_allowed_packet` is 1 MiB or more.
const STATEMENT_BYTES: usize = 256 << 10;

/// A name is used again and again, so the place belongs to it; the GTID tells the files of two servers apart.
fn row_name(place: &XaPlace) -> String {
    let gtid = place.gtid.as_ref().map(ToString::to_string).unwrap_or_default();
    let text = format!("{} {} {gtid}", place.name, place);
    let mut name = "xa:".to_owned();
    Sha1::digest(text.as_bytes()).iter().for_each(|b| name.push_str(&format!("{b:02x}")));
    name
}

impl MySqlStore {
    pub(super) async fn write_prepared(&self, prepared: &[PreparedXa]) -> Result<()> {
        let (table, server_id, client) = (self.table(TABLE), self.options.row_server_id(), lit(&self.options.client_id));
        let server_uuid = self.origin().server_uuid.clone();
        let mut session = self.session().await?;
        let mut values: Vec<String> = Vec::new();
        let insert = |values: &[String]| {
            format!(
                "INSERT INTO {table} (server_id, client_id, name, value) VALUES {} ON DUPLICATE KEY UPDATE value = VALUES(value)",
                values.join(", ")
            )
        };
        for what in prepared {
            let json = PreparedXa { server_uuid: server_uuid.clone(), ..what.clone() }.to_json()?;
            values.push(format!("({server_id}, {client}, {}, {})", lit(row_name(&what.place)), lit(json)));
            if values.iter().map(String::len).sum::<usize>() >= STATEMENT_BYTES {
                session.run(&insert(&values)).await?;
                values.clear();
            }
        }
        if !values.is_empty() {
            session.run(&insert(&values)).await?;
        }
        Ok(())
    }

    pub(super) async fn read_prepared(&self) -> Result<Vec<PreparedXa>> {
        let (table, client) = (self.table(TABLE), lit(&self.options.client_id));
        let sql = format!("SELECT value FROM {table} WHERE client_id = {client} AND name LIKE 'xa:%' ORDER BY server_id, name");
        let mut session = self.session().await?;
        let found = match session.rows(&sql).await {
            // Who only reads finds Maxwell's tables alone.
            Err(e) if is_server_error(&e, &[NO_SUCH_TABLE]) => return Ok(Vec::new()),
            other => other?,
        };
        let mut prepared = Vec::new();
        for row in found {
            match PreparedXa::from_json(&rows::text(&row, 0)?) {
                Ok(what) => prepared.push(what),
                // Without it the prepare is looked for in the binlog.
                Err(e) => tracing::warn!(error = %e, table = TABLE, "a value of ours cannot be read and is passed over"),
            }
        }
        Ok(prepared)
    }

    /// The decisions that lie behind a position, and the statement that removes their notes; to be run with the position.
    pub(super) fn forget_statement(&self, position: &Position) -> Option<(Vec<XaPlace>, String)> {
        let behind: Vec<XaPlace> =
            self.decisions().iter().filter(|d| d.is_behind(position)).take(FORGET_MAX).map(|d| d.place.clone()).collect();
        if behind.is_empty() {
            return None;
        }
        let names: Vec<String> = behind.iter().map(|place| lit(row_name(place)).to_string()).collect();
        let (table, client) = (self.table(TABLE), lit(&self.options.client_id));
        let sql = format!("DELETE FROM {table} WHERE client_id = {client} AND name IN ({})", names.join(", "));
        Some((behind, sql))
    }

    /// Their notes are gone.
    pub(super) fn forgotten(&self, places: &[XaPlace]) {
        self.decisions().retain(|d| !places.contains(&d.place));
    }
}

/// So many notes go with one position; the rest with the next.
const FORGET_MAX: usize = 1000;
