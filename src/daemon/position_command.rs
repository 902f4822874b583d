//! `binlogd position`: shows what is stored, and how far it is behind the server; or stores another position, with the
//! definitions that are valid there. Never here: how places are found (`takeover`, `seek`).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::PositionConfig;
use crate::error::{Error, Result};
use crate::position::{Gtids, Moment, Place, Position};
use crate::server::status::{self, BinlogFile, BinlogStatus, ServerIdentity};
use crate::server::{Flavor, Server};
use crate::store::{ClientPosition, MemoryDisk, MemoryStore, MySqlStore, ReplayStore, Store, StoreOptions, Stored};

use super::board::epoch_us;
use super::exactly_once::{self, ExactlyOnce};
use super::seek::Seeker;
use super::start::{self, StartContext};
use super::{takeover, wire};

/// A daemon beats at least once in ten seconds; one that did not for this long does not run.
const ASLEEP_MS: i64 = 60_000;
/// How long a heartbeat is watched for its next beat.
const WATCH: Duration = Duration::from_secs(12);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The servers, as the daemon would use them.
struct Servers {
    store: Arc<Server>,
    replication: Arc<Server>,
    capture: Arc<Server>,
    identity: ServerIdentity,
    options: StoreOptions,
    seeker: Seeker,
}

/// Does what was asked for, and gives the text to print.
pub async fn run(config: &PositionConfig) -> Result<String> {
    let daemon = &config.daemon;
    if config.set.is_some()
        && let Some(settings) = daemon.exactly_once()
    {
        return Err(Error::definite("with delivery=exactly_once a position is not set in the schema database")
            .detail(format!("the record in the topic {} is believed if it is newer", settings.position_topic))
            .hint("start the daemon once with --init_position"));
    }
    let store = Arc::new(Server::new(wire::connection(&daemon.store))?);
    let replication =
        if daemon.replication == daemon.store { store.clone() } else { Arc::new(Server::new(wire::connection(&daemon.replication))?) };
    let capture = match &daemon.capture {
        Some(settings) => Arc::new(Server::new(wire::connection(settings))?),
        None => replication.clone(),
    };
    let identity = status::identity(&mut replication.conn().await?).await?;
    let options = wire::store_options(daemon, &identity);
    let seeker = Seeker::new(&wire::dump_options(daemon), replication.clone(), identity.version.flavor);
    let servers = Servers { store, replication, capture, identity, options, seeker };
    match &config.set {
        None => show(config, &servers).await,
        Some(place) => set(config, &servers, place).await,
    }
}

/// A row of `positions` beside the server.
struct Row {
    row: ClientPosition,
    /// The one that the daemon of this configuration starts from.
    ours: bool,
    /// Whether the server can go on from there; `None` if it cannot be told, as of another server's position.
    on_server: Option<bool>,
    behind: Option<Behind>,
}

/// What lies between a position and the log's end.
#[derive(Clone, Copy)]
struct Behind {
    bytes: u64,
    files: usize,
}

async fn show(config: &PositionConfig, servers: &Servers) -> Result<String> {
    let stored = MySqlStore::open_to_read(servers.store.clone(), servers.options.clone()).await?;
    let positions = match &stored {
        Some(store) => store.all_positions().await?,
        None => Vec::new(),
    };
    let end = status::binlog_status(&mut servers.replication.conn().await?, &servers.identity.version).await?;
    let files = servers.seeker.files().await?;
    let purged = servers.seeker.purged().await?.map(Gtids::MySql);
    let (identity, row_server_id) = (&servers.identity, servers.options.row_server_id());
    let below: Arc<dyn Store> = Arc::new(MemoryStore::open(MemoryDisk::default(), servers.options.clone()));
    let row = positions.iter().find(|row| is_ours(row, servers)).map(|row| &row.stored);
    let record = match ExactlyOnce::looking(&config.daemon, below, identity, row_server_id).await {
        Ok(looked) => looked.map(|(_, record)| {
            let text = exactly_once::told(record.as_ref(), row, row_server_id, identity.uuid.as_deref());
            (record, text)
        }),
        // The rows are still worth showing.
        Err(error) => Some((None, format!("cannot be read: {error}"))),
    };
    let topic = config.daemon.exactly_once().map(|settings| settings.position_topic.as_str()).unwrap_or_default();
    let rows: Vec<Row> = positions
        .into_iter()
        .map(|row| Row {
            ours: is_ours(&row, servers),
            on_server: on_server(&servers.identity, &row, &files, &end, purged.as_ref()),
            behind: behind(&servers.identity, &row, &files),
            row,
        })
        .collect();
    let address = servers.replication.options().address();
    if config.json {
        let rows: Vec<Value> = rows.iter().map(row_json).collect();
        let answer = json!({
            "client_id": servers.options.client_id, "schema_database": servers.options.schema_database,
            "gtid_mode": servers.options.gtid_mode,
            "server": {
                "address": address, "server_id": servers.identity.server_id, "server_uuid": servers.identity.uuid,
                "log_end": end.at.to_string(), "gtid_set": end.gtids.as_ref().map(Gtids::to_string),
            },
            "positions": rows,
            "record": record.map(|(record, told)| json!({
                "topic": topic, "told": told, "position": record.as_ref().map(|r| position_json(&r.position)),
                "rows_done": record.as_ref().map(|r| r.rows_done), "server_id": record.as_ref().map(|r| r.server_id),
                "server_uuid": record.as_ref().and_then(|r| r.server_uuid.clone()),
            })),
        });
        return Ok(format!("{answer}\n"));
    }
    let uuid = servers.identity.uuid.as_deref().unwrap_or("unknown");
    let mut out = format!("server {address}, server_id {}, server_uuid {uuid}\nlog end {}\n", servers.identity.server_id, end.at);
    if let Some(gtids) = &end.gtids {
        let _ = writeln!(out, "executed {gtids}");
    }
    if !rows.iter().any(|row| row.ours) {
        let (client, id) = (&servers.options.client_id, servers.options.row_server_id());
        let _ = writeln!(out, "client_id '{client}' has no stored position under server id {id}");
    }
    rows.iter().for_each(|row| row_text(row, &mut out));
    if let Some((_, told)) = record {
        let _ = writeln!(out, "\nposition record in topic {topic}, key '{}'\n  {told}", servers.options.client_id);
    }
    Ok(out)
}

/// Whether the daemon of this configuration starts from this row.
fn is_ours(row: &ClientPosition, servers: &Servers) -> bool {
    row.client_id.eq_ignore_ascii_case(&servers.options.client_id) && row.server_id == servers.options.row_server_id()
}

fn row_text(Row { row, ours, on_server, behind }: &Row, out: &mut String) {
    let Stored { position, origin } = &row.stored;
    let mark = if *ours { " (this configuration's)" } else { "" };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\nclient_id '{}', server id {}{mark}", row.client_id, row.server_id);
    let _ = writeln!(out, "  position   {}", position.at);
    if let Some(gtids) = &position.gtids {
        let _ = writeln!(out, "  gtid_set   {gtids}");
    }
    let _ = writeln!(out, "  heartbeat  {}", heartbeat_text(position.heartbeat));
    let _ = match &origin.server_uuid {
        Some(uuid) => writeln!(out, "  origin     binlogd, server_uuid {uuid}"),
        None => writeln!(out, "  origin     unknown (Maxwell wrote it last, or the server has no uuid)"),
    };
    let _ = match behind {
        Some(Behind { bytes, files }) => writeln!(out, "  behind     {bytes} bytes, {files} files"),
        None => writeln!(out, "  behind     unknown"),
    };
    let on_server = match on_server {
        Some(true) => "yes",
        Some(false) => "NO: the server cannot go on from there",
        None => "unknown (another server's position)",
    };
    let _ = writeln!(out, "  on server  {on_server}");
}

fn heartbeat_text(heartbeat: i64) -> String {
    match u64::try_from(heartbeat / 1000) {
        Ok(seconds) if heartbeat > 0 => format!("{heartbeat} ({})", Moment(seconds)),
        _ => "none read yet".to_owned(),
    }
}

fn row_json(Row { row, ours, on_server, behind }: &Row) -> Value {
    let Stored { position, origin } = &row.stored;
    let mut value = position_json(position);
    value["client_id"] = json!(row.client_id);
    value["server_id"] = json!(row.server_id);
    value["ours"] = json!(ours);
    value["origin"] = json!({"server_uuid": origin.server_uuid});
    value["behind"] = behind.map_or(Value::Null, |b| json!({"bytes": b.bytes, "files": b.files}));
    value["on_server"] = json!(on_server);
    value
}

fn position_json(position: &Position) -> Value {
    json!({
        "file": &*position.at.file, "offset": position.at.offset, "gtid_set": position.gtids.as_ref().map(Gtids::to_string),
        "heartbeat": position.heartbeat,
    })
}

/// Whether a row's file and offset are places of this server.
fn has_places_here(identity: &ServerIdentity, row: &ClientPosition) -> bool {
    (row.server_id == 0 || row.server_id == identity.server_id) && takeover::is_same_server(identity, &row.stored)
}

fn on_server(
    identity: &ServerIdentity,
    row: &ClientPosition,
    files: &[BinlogFile],
    end: &BinlogStatus,
    purged: Option<&Gtids>,
) -> Option<bool> {
    let position = &row.stored.position;
    if let (0, Some(gtids), Some(executed), Flavor::MySql) = (row.server_id, &position.gtids, &end.gtids, identity.version.flavor) {
        let complete = purged.is_none_or(|purged| purged.is_subset(gtids).unwrap_or(false));
        return Some(complete && gtids.is_subset(executed).unwrap_or(false));
    }
    has_places_here(identity, row).then(|| super::seek::on_server(files, &position.at).is_ok())
}

fn behind(identity: &ServerIdentity, row: &ClientPosition, files: &[BinlogFile]) -> Option<Behind> {
    if !has_places_here(identity, row) {
        return None;
    }
    let at = &row.stored.position.at;
    let index = files.iter().position(|file| file.name == at.file)?;
    let (here, later) = files.get(index..)?.split_first()?;
    let bytes = here.size_bytes.saturating_sub(at.offset) + later.iter().map(|f| f.size_bytes).sum::<u64>();
    Some(Behind { bytes, files: later.len() })
}

async fn set(config: &PositionConfig, servers: &Servers, place: &Place) -> Result<String> {
    let store: Box<dyn Store> = if config.dry_run {
        let stored: Box<dyn Store> = match MySqlStore::open_to_read(servers.store.clone(), servers.options.clone()).await? {
            Some(store) => Box::new(store),
            None => Box::new(MemoryStore::open(MemoryDisk::default(), servers.options.clone())),
        };
        Box::new(ReplayStore::new(stored, servers.options.clone()))
    } else {
        let store = MySqlStore::open(servers.store.clone(), servers.options.clone()).await?;
        if !config.force {
            refuse_alive(&store).await?;
        }
        Box::new(store)
    };
    let context = StartContext {
        store: &*store,
        replication: &servers.replication,
        capture: &servers.capture,
        identity: &servers.identity,
        seeker: &servers.seeker,
        schema_database: &servers.options.schema_database,
        client_id: &servers.options.client_id,
        gtid_mode: servers.options.gtid_mode,
        init_position: None,
        recapture: false,
        master_recovery: false,
        maxwell_quirks: false,
        row_server_id: servers.options.row_server_id(),
        board: None,
    };
    let old = store.load_position().await?.map(|stored| stored.position);
    let position = takeover::resolve(&context, &at_boundary(servers, place).await?).await?;
    let found = takeover::given(&context, position.clone()).await?;
    let begin = start::with_schema(&context, found).await?;
    store.save_position(&position).await?;
    if config.json {
        let answer = json!({
            "old": old.as_ref().map(position_json), "new": position_json(&position), "stored": !config.dry_run,
            "captured_until": begin.captured_until.map(|at| at.to_string()),
        });
        return Ok(format!("{answer}\n"));
    }
    let shown = |position: &Position| match &position.gtids {
        Some(gtids) => format!("{gtids} ({}), heartbeat {}", position.at, position.heartbeat),
        None => format!("{}, heartbeat {}", position.at, position.heartbeat),
    };
    let mut out = format!("old  {}\nnew  {}\n", old.as_ref().map_or("none".to_owned(), shown), shown(&position));
    let _ = match &begin.captured_until {
        Some(until) => writeln!(out, "definitions captured now; statements up to {until} are checked against the server"),
        None => writeln!(out, "definitions of the stored version that is valid there"),
    };
    out.push_str(if config.dry_run { "dry run: nothing was stored\n" } else { "stored\n" });
    Ok(out)
}

/// A file position is moved to the beginning of the transaction that it lies in.
///
/// # Errors
/// Definite when it lies inside an event.
async fn at_boundary(servers: &Servers, place: &Place) -> Result<Place> {
    let Place::File { at, heartbeat } = place else { return Ok(place.clone()) };
    let landing = servers.seeker.landing(at).await?;
    if !landing.at_event {
        return Err(Error::definite("no event begins at the position")
            .detail(format!("{at}; the transaction before it ends at {}", landing.boundary))
            .hint("SHOW BINLOG EVENTS tells where events begin")
            .exit_code(2));
    }
    if landing.boundary != *at {
        tracing::info!(%at, boundary = %landing.boundary, "the position lies inside a transaction; its beginning is taken");
    }
    Ok(Place::File { at: landing.boundary, heartbeat: *heartbeat })
}

/// A daemon that runs would overwrite the position within a second, or worse, both would write.
async fn refuse_alive(store: &MySqlStore) -> Result<()> {
    if !is_alive(store).await? {
        return Ok(());
    }
    Err(Error::definite("a daemon with this client_id is running: its heartbeat moves")
        .detail(format!("client_id '{}'", store.options().client_id))
        .hint("stop it first; --force stores the position all the same, and the daemon overwrites it"))
}

/// Whether a daemon with this client_id is running: its heartbeat moves then. Takes some seconds if it moved lately.
pub(super) async fn is_alive(store: &MySqlStore) -> Result<bool> {
    let Some(first) = store.newest_heartbeat().await? else { return Ok(false) };
    let now_ms = i64::try_from(epoch_us() / 1000).unwrap_or(i64::MAX);
    if now_ms.saturating_sub(first) > ASLEEP_MS {
        return Ok(false);
    }
    tracing::info!("the last heartbeat is fresh; watching for {} s whether a daemon is running", WATCH.as_secs());
    let watched = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if store.newest_heartbeat().await? != Some(first) {
                return Ok::<(), Error>(());
            }
        }
    };
    match tokio::time::timeout(WATCH, watched).await {
        Err(_) => Ok(false),
        Ok(Err(e)) => Err(e),
        Ok(Ok(())) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::BinlogPosition;
    use crate::schema::CaseRule;
    use crate::server::flavor::ServerVersion;
    use crate::store::Origin;

    #[test]
    fn rows_beside_the_server() {
        let identity = ServerIdentity {
            version: ServerVersion::parse("9.7.0").unwrap(),
            server_id: 7,
            uuid: Some("u".into()),
            case: CaseRule::Sensitive,
            charset: "utf8mb4".into(),
        };
        let files = [BinlogFile { name: "m.000002".into(), size_bytes: 900 }, BinlogFile { name: "m.000003".into(), size_bytes: 157 }];
        let end = BinlogStatus { at: BinlogPosition::new("m.000003", 157), gtids: None };
        for (server_id, uuid, file, offset, present, bytes) in [
            (7, Some("u"), "m.000002", 100, Some(true), Some((957, 1))),
            (7, None, "m.000003", 157, Some(true), Some((0, 0))),
            (7, Some("u"), "m.000001", 100, Some(false), None),
            (7, Some("u"), "m.000003", 158, Some(false), Some((0, 0))),
            (7, Some("other"), "m.000002", 100, None, None),
            (8, None, "m.000002", 100, None, None),
        ] {
            let origin = Origin { server_uuid: uuid.map(str::to_owned), ..Origin::default() };
            let stored = Stored { position: Position::new(BinlogPosition::new(file, offset)), origin };
            let row = ClientPosition { client_id: "c".into(), server_id, stored };
            assert_eq!(on_server(&identity, &row, &files, &end, None), present, "{file}:{offset}");
            assert_eq!(behind(&identity, &row, &files).map(|b| (b.bytes, b.files)), bytes, "{file}:{offset}");
        }
    }

    #[test]
    fn heartbeats_read_as_times() {
        assert_eq!(heartbeat_text(0), "none read yet");
        assert_eq!(heartbeat_text(1_795_645_706_123), "1795645706123 (2026-11-25T22:28:26Z)");
    }
}
