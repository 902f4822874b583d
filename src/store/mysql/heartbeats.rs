//! `heartbeats`: one row for every client, whose changes come back to us in the stream (contract §3.8).
//! What a miss means is decided in `store::heartbeat`.

use crate::error::{Error, Result};
use crate::server::fault::is_server_error;
use crate::server::rows;
use crate::store::heartbeat::Attempt;

use super::MySqlStore;
use super::session::{Session, lit};

/// ER_DUP_ENTRY
const DUPLICATE: u16 = 1062;

/// Attempts in one call; each miss without a rival changes what is known, so the second hits unless somebody interferes.
const ATTEMPTS_MAX: usize = 4;

impl MySqlStore {
    pub(super) async fn write_heartbeat(&self, now_ms: i64) -> Result<i64> {
        let mut state = self.heartbeat.lock().await;
        let mut session = self.session().await?;
        for _ in 0..ATTEMPTS_MAX {
            if state.must_read() {
                let first_use = state.is_first_use();
                let found = self.read_heartbeat(&mut session).await?;
                state.read(found, first_use).map_err(|e| e.detail(format!("client_id '{}'", self.options.client_id)))?;
            }
            let attempt = state.attempt(now_ms);
            if self.try_heartbeat(&mut session, attempt).await? {
                state.written(attempt.value());
                return Ok(attempt.value());
            }
        }
        Err(Error::transient("the heartbeat row could not be written: it changes between our reads"))
    }

    /// The newest heartbeat of this client, whatever mode and server it is of. Writes nothing.
    ///
    /// # Errors
    /// As any statement.
    pub async fn newest_heartbeat(&self) -> Result<Option<i64>> {
        let sql = format!("SELECT MAX(heartbeat) FROM {} WHERE client_id = {}", self.table("heartbeats"), lit(&self.options.client_id));
        let found = self.session().await?.rows(&sql).await?;
        found.first().map_or(Ok(None), |row| rows::get(row, 0))
    }

    async fn read_heartbeat(&self, session: &mut Session<'_>) -> Result<Option<i64>> {
        let sql = format!("SELECT heartbeat FROM {} WHERE {}", self.table("heartbeats"), self.heartbeat_filter());
        session.rows(&sql).await?.first().map(|row| rows::need(row, 0)).transpose()
    }

    /// Whether the row was as expected and has the new value now.
    async fn try_heartbeat(&self, session: &mut Session<'_>, attempt: Attempt) -> Result<bool> {
        let table = self.table("heartbeats");
        match attempt {
            Attempt::Insert { value } => {
                let (server_id, client) = (self.options.row_server_id(), lit(&self.options.client_id));
                let sql = format!("INSERT INTO {table} (server_id, client_id, heartbeat) VALUES ({server_id}, {client}, {value})");
                match session.run(&sql).await {
                    Err(e) if is_server_error(&e, &[DUPLICATE]) => Ok(false),
                    other => other.map(|_| true),
                }
            }
            Attempt::Update { from, value } => {
                let sql = format!("UPDATE {table} SET heartbeat = {value} WHERE {} AND heartbeat = {from}", self.heartbeat_filter());
                Ok(session.run(&sql).await? == 1)
            }
        }
    }

    fn heartbeat_filter(&self) -> String {
        format!("server_id = {} AND client_id = {}", self.options.row_server_id(), lit(&self.options.client_id))
    }
}
