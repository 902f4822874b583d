//! Maxwell's view of the definitions (`maxwell_quirks`) beside the versions from which on it holds: values of
//! `binlogd_state`, one a version. Never here: what a view is; it comes and goes as text.

use crate::error::Result;
use crate::schema::SchemaId;
use crate::server::rows;

use super::MySqlStore;
use super::session::lit;
use super::side::TABLE;

/// So many are kept; a start goes back to the stored position, which is never far.
const KEPT: usize = 20;

/// In the order of the ids.
fn name(id: SchemaId) -> String {
    format!("maxwell_view.{id:020}")
}

impl MySqlStore {
    pub(super) async fn write_view(&self, id: SchemaId, view: &str) -> Result<()> {
        let (table, of_client) = (self.table(TABLE), self.views_of_client());
        let (server_id, client, name, value) = (self.options.row_server_id(), lit(&self.options.client_id), lit(name(id)), lit(view));
        let mut session = self.session().await?;
        session
            .run(&format!(
                "INSERT INTO {table} (server_id, client_id, name, value) VALUES ({server_id}, {client}, {name}, {value}) \
                 ON DUPLICATE KEY UPDATE value = {value}"
            ))
            .await?;
        let old = format!("SELECT name FROM {table} WHERE {of_client} ORDER BY name DESC LIMIT 1 OFFSET {KEPT}");
        if let Some(row) = session.rows(&old).await?.first() {
            let oldest = lit(rows::text(row, 0)?);
            session.run(&format!("DELETE FROM {table} WHERE {of_client} AND name <= {oldest}")).await?;
        }
        Ok(())
    }

    /// The view of this version: the newest that was stored for it or for one before it.
    pub(super) async fn read_view(&self, id: SchemaId) -> Result<Option<String>> {
        let (table, of_client, name) = (self.table(TABLE), self.views_of_client(), lit(name(id)));
        let sql = format!("SELECT value FROM {table} WHERE {of_client} AND name <= {name} ORDER BY name DESC LIMIT 1");
        self.session().await?.rows(&sql).await?.first().map(|row| rows::text(row, 0)).transpose()
    }

    fn views_of_client(&self) -> String {
        let (server_id, client) = (self.options.row_server_id(), lit(&self.options.client_id));
        format!("server_id = {server_id} AND client_id = {client} AND name LIKE 'maxwell\\\\_view.%'")
    }
}
