//! `binlogd schema show | diff | resolve`: the stored definitions at a place, against the server's of now, and the word of
//! an operator where nothing else can prove one. Texts go to stdout; nothing is changed but by `resolve`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::{Config, SchemaAction, SchemaConfig};
use crate::error::{Error, Result};
use crate::position::Position;
use crate::schema::{Schema, SchemaId, Table, delta};
use crate::server::status::{self, ServerIdentity};
use crate::server::{Server, capture};
use crate::store::{MySqlStore, Store, Stored};

use super::schema_resolve;
use super::schema_text::{create_table, difference};
use super::wire;

/// The servers and the store, as the daemon has them.
pub(super) struct Servers {
    pub config: Config,
    pub store: Arc<MySqlStore>,
    pub replication: Arc<Server>,
    pub capture: Arc<Server>,
    pub identity: ServerIdentity,
}

/// What to print, and the exit status.
pub struct Outcome {
    pub text: String,
    pub code: u8,
}

pub async fn run(asked: SchemaConfig) -> Result<Outcome> {
    let SchemaConfig { config, action } = asked;
    let servers = Servers::connect(config).await?;
    match action {
        SchemaAction::Show { database, table, at, json } => show(&servers, database.as_deref(), table.as_deref(), at, json).await,
        SchemaAction::Diff { database, table } => diff(&servers, database.as_deref(), table.as_deref()).await,
        SchemaAction::Resolve { database, table, definition, yes } => {
            schema_resolve::run(servers, schema_resolve::Wanted { database, table, definition, yes }).await
        }
    }
}

impl Servers {
    async fn connect(config: Config) -> Result<Self> {
        let store_server = Arc::new(Server::new(wire::connection(&config.store))?);
        let replication = if config.replication == config.store {
            store_server.clone()
        } else {
            Arc::new(Server::new(wire::connection(&config.replication))?)
        };
        let capture = match &config.capture {
            Some(settings) => Arc::new(Server::new(wire::connection(settings))?),
            None => replication.clone(),
        };
        let identity = status::identity(&mut replication.conn().await?).await?;
        let options = wire::store_options(&config, &identity);
        // Opening a store for the daemon makes its tables; who only asks must not.
        let store = MySqlStore::open_to_read(store_server, options).await?.ok_or_else(|| {
            Error::definite(format!("there is no schema database {} on {}", config.schema_database, config.store.host))
                .hint("give the options that the daemon has, with --config or as it gets them")
        })?;
        Ok(Servers { store: Arc::new(store), config, replication, capture, identity })
    }

    /// The stored position of this client.
    pub async fn stored(&self) -> Result<Stored> {
        self.store.load_position().await?.ok_or_else(|| {
            Error::definite(format!("the client {} has no stored position for this server", self.config.client_id))
                .hint("the daemon has not run yet, or client_id, gtid_mode or the server differ from the daemon's; --at names a place")
        })
    }

    async fn schema_at(&self, position: &Position) -> Result<(SchemaId, Schema)> {
        self.store
            .load_schema(position)
            .await?
            .ok_or_else(|| Error::definite("no schema version is stored that is valid there").detail(position))
    }
}

async fn show(servers: &Servers, database: Option<&str>, table: Option<&str>, at: Option<Position>, json: bool) -> Result<Outcome> {
    let position = match at {
        // What is stored under any heartbeat counts: the place alone is asked for.
        Some(at) => Position { heartbeat: i64::MAX, ..at },
        None => servers.stored().await?.position,
    };
    let (id, schema) = servers.schema_at(&position).await?;
    let tables = chosen(&schema, database, table);
    if tables.is_empty() {
        return Err(Error::definite("no such table is tracked there").detail(place(&position)).detail(format!("schema version {id}")));
    }
    let text = if json {
        let mut list = Vec::new();
        for table in &tables {
            list.push(if list.is_empty() { b'[' } else { b',' });
            delta::write_table(table, &mut list);
        }
        list.push(b']');
        // Only ASCII and whole strings were written.
        let tables: serde_json::Value = serde_json::from_slice(&list).map_err(|e| Error::bug("a definition is not JSON").source(e))?;
        let gtids = position.gtids.as_ref().map(ToString::to_string);
        let at = (!position.at.file.is_empty()).then(|| position.at.to_string());
        format!("{}\n", serde_json::json!({"schema_id": id, "position": at, "gtid_set": gtids, "tables": tables}))
    } else {
        let texts: Vec<String> = tables.iter().map(|t| create_table(t)).collect();
        format!("-- schema version {id}, valid at {}\n{}", place(&position), texts.join("\n"))
    };
    Ok(Outcome { text, code: 0 })
}

async fn diff(servers: &Servers, database: Option<&str>, table: Option<&str>) -> Result<Outcome> {
    let stored = servers.stored().await?;
    let (id, ours) = servers.schema_at(&stored.position).await?;
    let theirs = capture::capture(&mut servers.capture.conn().await?, &servers.identity).await?;
    let now = status::binlog_status(&mut servers.replication.conn().await?, &servers.identity.version).await?;
    let name = |t: Arc<Table>| (t.database.clone(), t.name.clone());
    let both: BTreeSet<(String, String)> =
        chosen(&ours, database, table).into_iter().chain(chosen(&theirs, database, table)).map(name).collect();
    let mut texts = Vec::new();
    for (database, table) in both {
        // Tables that rules blacklist are not followed.
        if servers.config.filter.blacklisted(&database, &table) {
            continue;
        }
        let text = difference(ours.table(&database, &table).map(|t| &**t), theirs.table(&database, &table).map(|t| &**t));
        if !text.is_empty() {
            texts.push(text);
        }
    }
    let place = place(&stored.position);
    if texts.is_empty() {
        return Ok(Outcome { text: format!("no differences between schema version {id}, valid at {place}, and the server\n"), code: 0 });
    }
    let caught_up = stored.position.at == now.at;
    let reason = if caught_up {
        "The stored position is the end of the server's log, so no statement that is still to be read explains this.".to_owned()
    } else {
        format!("The server's log ends at {}: statements between the two places that are still to be read may be the reason.", now.at)
    };
    let count = texts.len();
    let head = format!("--- schema version {id}, valid at the stored position {place}\n+++ the server, at {}\n", now.at);
    Ok(Outcome { text: format!("{head}{}\n{count} tables differ. {reason}\n", texts.join("\n")), code: 1 })
}

/// The tables of a database, or one of them, or all.
fn chosen(schema: &Schema, database: Option<&str>, table: Option<&str>) -> Vec<Arc<Table>> {
    let databases = schema.databases.iter().filter(|d| database.is_none_or(|name| schema.case.same(&d.name, name)));
    databases.flat_map(|d| &d.tables).filter(|t| table.is_none_or(|name| schema.case.same(&t.name, name))).cloned().collect()
}

/// The place by which a position is known.
pub(super) fn place(position: &Position) -> String {
    match &position.gtids {
        Some(gtids) if position.at.file.is_empty() => gtids.to_string(),
        Some(gtids) => format!("{} ({gtids})", position.at),
        None => position.at.to_string(),
    }
}
