//! Which position a run starts from (contract §2.5 and §2.6): what the user gave, the stored one, one stored in the other
//! mode or for another server, another client's, the server's own. What cannot be derived is refused with the ways out.
//! Never here: reading the binlog (`seek`), or anything about definitions but where to look for them.

use crate::error::{Error, Result};
use crate::position::place::FIRST_EVENT;
use crate::position::{BinlogPosition, Bound, Gtids, Place, Position};
use crate::server::Flavor;
use crate::server::status::{self, ServerIdentity};
use crate::store::{ClientPosition, Lookup, Origin, Stored};

use super::seek;
use super::start::StartContext;
use super::tables;

/// Where to start.
pub struct Found {
    pub position: Position,
    /// Whether somebody followed the stream up to it, so that a stored schema version may be valid there.
    pub followed: bool,
    /// Up to here statements may be in the definitions already.
    pub captured_until: Option<Bound>,
    /// `Origin::checked`
    pub checked: bool,
    pub versions: Versions,
}

/// Where the schema version of the position is found.
pub enum Versions {
    /// By the position itself.
    Here,
    Elsewhere {
        lookup: Lookup,
        /// The first of these that has a version.
        at: Vec<Position>,
        /// From where on it holds for this mode and server.
        begins: BinlogPosition,
    },
}

/// What both ways out of a refusal end with.
const OR_ANEW: &str =
    "or delete that row from `positions` to start at the server's current end, leaving out what lies between; or give --init_position";

pub async fn find(context: &StartContext<'_>) -> Result<Found> {
    if let Some(place) = &context.init_position {
        let position = resolve(context, place).await.map_err(|e| e.detail("--init_position"))?;
        tracing::info!(%position, file_position = %position.at, "starting at the place that was given: {place}");
        return given(context, position).await;
    }
    let own = context.store.load_position().await?;
    if let Some(recorded) = context.store.recorded_in_other_mode().await? {
        return recorded_elsewhere(context, &recorded, own).await;
    }
    let rows = context.store.client_positions().await?;
    if let Some(other) = other_mode(context, &rows, own.as_ref()) {
        return switched(context, other).await;
    }
    if let Some(stored) = own {
        return resumed(context, stored).await;
    }
    let foreign: Vec<&ClientPosition> =
        rows.iter().filter(|row| row.server_id != 0 && row.server_id != context.identity.server_id).collect();
    if !foreign.is_empty() {
        return if context.master_recovery { recovered(context, &foreign).await } else { Err(replaced(context, &foreign)) };
    }
    if let Some(position) = context.store.load_other_client_position().await?
        && (position.gtids.is_some() || !context.gtid_mode)
    {
        let position = in_mode(position, context);
        tracing::info!(%position, "found the position of another client of this server");
        context.store.save_position(&position).await?;
        return Ok(Found { position, followed: true, captured_until: None, checked: false, versions: Versions::Here });
    }
    let position = now(context).await?;
    tracing::info!(%position, "no stored position; starting at the server's current one");
    Ok(Found { position, followed: false, captured_until: None, checked: false, versions: Versions::Here })
}

/// A place that was given goes before all that is stored.
pub async fn given(context: &StartContext<'_>, position: Position) -> Result<Found> {
    let followed = followed(context, &position).await?;
    if !followed {
        tracing::warn!(
            "no client of this schema database has followed the binlog up to there: the definitions are captured anew; rows in front of a later ALTER \
             TABLE are read by what it made, unless binlog_row_metadata is FULL, which contradicts"
        );
    }
    let own = context.store.load_position().await?;
    let captured_until =
        own.and_then(|s| captured_until(context, &s)).filter(|until| !until.is_reached(&position.at, position.gtids.as_ref()));
    let rows = context.store.client_positions().await?;
    let mixed = context.gtid_mode && rows.iter().any(|row| row.server_id == context.identity.server_id);
    let as_own = Stored { position: position.clone(), origin: Origin::default() };
    if let Some(other) = other_mode(context, &rows, Some(&as_own)) {
        // The next start would take it for the newer one.
        tracing::warn!(server_id = other.server_id, position = %other.stored.position, "deleting the position of the other gtid_mode");
        context.store.forget_positions(&[other.server_id]).await?;
    }
    // Versions of file mode have no GTID set to be found by.
    let versions = if mixed { by_file_of_this_server(context, &position) } else { Versions::Here };
    Ok(Found { position, followed, captured_until, checked: false, versions })
}

fn by_file_of_this_server(context: &StartContext<'_>, position: &Position) -> Versions {
    Versions::Elsewhere {
        lookup: Lookup::File { server_id: context.identity.server_id },
        at: vec![Position { gtids: None, ..position.clone() }],
        begins: before(position),
    }
}

/// From where a version made of changes has to begin to hold at a position: such a one holds behind its place only.
fn before(position: &Position) -> BinlogPosition {
    BinlogPosition { offset: position.at.offset.saturating_sub(1), ..position.at.clone() }
}

/// A place as a position of this mode.
///
/// # Errors
/// Definite when the server has no such place.
pub async fn resolve(context: &StartContext<'_>, place: &Place) -> Result<Position> {
    let (at, gtids, heartbeat) = match place {
        Place::File { at, heartbeat } => {
            // Looked up before anything is stored: a slip of the pen must not replace a good position.
            seek::on_server(&context.seeker.files().await?, at)?;
            (at.clone(), None, *heartbeat)
        }
        Place::Gtids(gtids) => (of_gtids(context, gtids).await?, Some(gtids.clone()), None),
        Place::Time(moment) => (context.seeker.place_at(*moment).await?, None, None),
        Place::Now => {
            let now = now(context).await?;
            (now.at, now.gtids, None)
        }
        Place::Earliest => {
            let files = context.seeker.files().await?;
            (BinlogPosition::new(files.first().map(|f| f.name.clone()).unwrap_or_default(), FIRST_EVENT), None, None)
        }
    };
    let (at, gtids) = match (context.gtid_mode, gtids) {
        (true, None) => {
            let (boundary, gtids) = context.seeker.gtids_at(&at).await?;
            (boundary, Some(gtids))
        }
        (true, gtids) => (at, gtids),
        (false, _) => (at, None),
    };
    let heartbeat = match heartbeat {
        Some(heartbeat) => heartbeat,
        // Maxwell takes 0, which hides every version that was stored after the first heartbeat. The heartbeat of the
        // newest version up to there was read before this place, so it is never too high, and hides nothing.
        None => context.store.versions_at(&at).await?.heartbeat.unwrap_or(0),
    };
    Ok(Position { at, gtids, heartbeat })
}

async fn of_gtids(context: &StartContext<'_>, gtids: &Gtids) -> Result<BinlogPosition> {
    let is_mysql = matches!(gtids, Gtids::MySql(_));
    if is_mysql != (context.identity.version.flavor == Flavor::MySql) {
        return Err(Error::definite("the GTID set is of another kind of server (MySQL, MariaDB) than the replication server").detail(gtids));
    }
    let executed = status::binlog_status(&mut context.replication.conn().await?, &context.identity.version).await?.gtids;
    if let Some(executed) = executed
        && !gtids.is_subset(&executed)?
    {
        return Err(Error::definite("the server has not executed all transactions of the GTID set")
            .detail(format!("given {gtids}, executed {executed}"))
            .hint("a slip in a number, or another server")
            .exit_code(2));
    }
    context.seeker.place_of(gtids).await
}

/// The server's current end.
async fn now(context: &StartContext<'_>) -> Result<Position> {
    let mut conn = context.replication.conn().await?;
    let now = status::binlog_status(&mut conn, &context.identity.version).await?;
    let gtids = now.gtids.filter(|_| context.gtid_mode);
    if context.gtid_mode && gtids.is_none() {
        return Err(Error::definite("gtid_mode is set, but the server tells no executed GTIDs")
            .hint("turn GTIDs on at the server, or leave gtid_mode out"));
    }
    Ok(Position { at: now.at, gtids, heartbeat: 0 })
}

/// Whether any client has the stream up to here behind itself, by its position or by a version that it stored.
pub async fn followed(context: &StartContext<'_>, position: &Position) -> Result<bool> {
    let reached = |row: &ClientPosition| {
        let stored = &row.stored.position;
        if let (Some(theirs), Some(ours)) = (&stored.gtids, &position.gtids) {
            return ours.is_subset(theirs).unwrap_or(false);
        }
        let here = match row.server_id {
            0 => row.stored.origin.server_uuid.is_some() && is_same_server(context.identity, &row.stored),
            id => id == context.identity.server_id && is_same_server(context.identity, &row.stored),
        };
        here && !stored.at.file.is_empty() && !stored.at.is_before(&position.at)
    };
    Ok(context.store.all_positions().await?.iter().any(reached) || context.store.versions_at(&position.at).await?.later)
}

/// In file mode no GTIDs are followed, so a set that was stored beside the file would stay as it is and soon be wrong.
fn in_mode(mut position: Position, context: &StartContext<'_>) -> Position {
    position.gtids = position.gtids.filter(|_| context.gtid_mode);
    position
}

/// Where neither side tells who it is, they are taken for the same.
pub fn is_same_server(identity: &ServerIdentity, stored: &Stored) -> bool {
    match (&stored.origin.server_uuid, &identity.uuid) {
        (Some(then), Some(now)) => then.eq_ignore_ascii_case(now),
        _ => true,
    }
}

/// Up to where statements may be in the captured definitions already, as a place of this server; at least the caller has
/// to put it right when the server is another one.
fn captured_until(context: &StartContext<'_>, stored: &Stored) -> Option<Bound> {
    let until = stored.origin.captured_until.clone()?;
    let ahead = !until.is_reached(&stored.position.at, stored.position.gtids.as_ref());
    (is_same_server(context.identity, stored) && ahead && is_told(context, &until)).then_some(until)
}

/// Whether the stream can tell that it has come there: a set alone says something in GTID mode only.
fn is_told(context: &StartContext<'_>, until: &Bound) -> bool {
    !until.foreign || context.gtid_mode
}

/// The same, where the server may be another one: there a place of the old server says nothing. In GTID mode the executed
/// set does; else everything up to the present end counts.
async fn captured_until_anywhere(context: &StartContext<'_>, stored: &Stored) -> Result<Option<Bound>> {
    let Some(until) = &stored.origin.captured_until else { return Ok(None) };
    if is_same_server(context.identity, stored) && is_told(context, until) {
        return Ok(captured_until(context, stored));
    }
    match &until.gtids {
        Some(gtids) if context.gtid_mode => Ok(Some(Bound::of_gtids(gtids.clone()))),
        _ => Ok(Some(tables::log_end(context.replication).await?.into())),
    }
}

/// This client's row of the other mode, if it is the newer one: `gtid_mode` was switched. Rows of both modes stay, so that
/// nobody who goes back starts at the end of the log; heartbeats tell which is the newer.
fn other_mode<'r>(context: &StartContext<'_>, rows: &'r [ClientPosition], own: Option<&Stored>) -> Option<&'r ClientPosition> {
    let other_id = if context.gtid_mode { context.identity.server_id } else { 0 };
    let other = rows.iter().find(|row| row.server_id == other_id && row.server_id != context.row_server_id)?;
    let newer = own.is_none_or(|own| other.stored.position.heartbeat > own.position.heartbeat);
    newer.then_some(other)
}

async fn switched(context: &StartContext<'_>, other: &ClientPosition) -> Result<Found> {
    let before = &other.stored.position;
    let derive = async {
        if context.gtid_mode {
            tables::same_server(context.identity.uuid.as_deref(), other.stored.origin.server_uuid.as_deref(), false)?;
            let (at, gtids) = context.seeker.gtids_at(&before.at).await?;
            return Ok(Position { at, gtids: Some(gtids), heartbeat: before.heartbeat });
        }
        let Some(gtids) = &before.gtids else {
            return Err(Error::definite("the stored position of gtid_mode has no GTID set"));
        };
        Ok(Position { at: context.seeker.place_of(gtids).await?, gtids: None, heartbeat: before.heartbeat })
    };
    let way = if context.gtid_mode { "on" } else { "off" };
    let position = derive.await.map_err(|e| {
        let place = format!("{before} under server id {}", other.server_id);
        underivable(e, format!("gtid_mode was switched {way} over a stored position, from which the new one cannot be derived"), &place)
    })?;
    tracing::info!(
        from = %before, %position, file_position = %position.at,
        "gtid_mode was switched {way}: the position is derived from the stored one, whose row under server id {} stays as it is",
        other.server_id
    );
    let captured_until = captured_until_anywhere(context, &other.stored).await?;
    // The derived place may be before the stored one, when that lies inside a transaction.
    let versions = match context.gtid_mode {
        true => by_file_of_this_server(context, &position),
        false => Versions::Elsewhere { lookup: Lookup::Gtids, at: vec![before.clone()], begins: self::before(&position) },
    };
    Ok(Found { position, followed: true, captured_until, checked: other.stored.origin.checked, versions })
}

/// `gtid_mode` was switched over a position record. The place is derived from it as from a row; this mode's row goes before it only
/// if it lies behind that place, as after a daemon that delivered at least once in between.
async fn recorded_elsewhere(context: &StartContext<'_>, recorded: &ClientPosition, own: Option<Stored>) -> Result<Found> {
    if let Some(own) = &own
        && own.position.heartbeat > recorded.stored.position.heartbeat
    {
        tracing::info!(row = %own.position, record = %recorded.stored.position, "the position in the schema database is newer than the record of the other gtid_mode");
        return resumed(context, own.clone()).await;
    }
    let found = switched(context, recorded).await?;
    if let Some(own) = own
        && is_same_server(context.identity, &own)
        && is_behind(&found.position, &own.position)?
    {
        tracing::info!(row = %own.position, record = %recorded.stored.position, "the position in the schema database is newer than the record of the other gtid_mode");
        return resumed(context, own).await;
    }
    // Moved back to a transaction's beginning, other rows would be behind it.
    if !context.gtid_mode || found.position.at == recorded.stored.position.at {
        context.store.set_derived(&found.position).await;
    }
    Ok(found)
}

/// Whether a place has less behind it than another of the same mode.
fn is_behind(one: &Position, other: &Position) -> Result<bool> {
    match (&one.gtids, &other.gtids) {
        (Some(one), Some(other)) => Ok(one.is_subset(other)? && !other.is_subset(one)?),
        _ => Ok(one.at.is_before(&other.at)),
    }
}

/// The reason, and the ways out.
fn underivable(reason: Error, what: String, place: &str) -> Error {
    if reason.is_transient() {
        return reason;
    }
    let code = reason.code();
    let hint = format!("switch gtid_mode back and let the daemon catch up; {OR_ANEW}");
    Error::definite(format!("{what}: {}", reason.message())).detail(place).hint(hint).exit_code(code)
}

/// From this client's own position.
async fn resumed(context: &StartContext<'_>, stored: Stored) -> Result<Found> {
    let (uuid, before) = (context.identity.uuid.as_deref(), stored.origin.server_uuid.as_deref());
    tables::same_server(uuid, before, context.gtid_mode).map_err(|e| e.detail(format!("stored position {}", stored.position)))?;
    let captured_until = captured_until_anywhere(context, &stored).await?;
    let mut position = stored.position.clone();
    let incomplete = if context.gtid_mode { position.gtids.is_none() } else { position.at.file.is_empty() };
    if incomplete {
        let derived = match &position.gtids {
            Some(gtids) => context.seeker.place_of(gtids).await.map(|at| Position { at, ..position.clone() }),
            None if is_same_server(context.identity, &stored) => {
                context.seeker.gtids_at(&position.at).await.map(|(at, gtids)| Position { at, gtids: Some(gtids), ..position.clone() })
            }
            None => Err(Error::definite("it is of another server")),
        };
        position = derived
            .map_err(|e| underivable(e, "the stored position lacks what this mode needs".to_owned(), &stored.position.to_string()))?;
        tracing::info!(%position, file_position = %position.at, "completed the stored position");
    }
    Ok(Found {
        position: in_mode(position, context),
        followed: true,
        captured_until,
        checked: stored.origin.checked,
        versions: Versions::Here,
    })
}

/// A first start at the end of the log would lose what a row of this client under another server id still waits for.
fn replaced(context: &StartContext<'_>, foreign: &[&ClientPosition]) -> Error {
    let Some(newest) = foreign.first() else { return Error::bug("no row of another server") };
    let ways = if context.gtid_mode {
        "gtid_mode was switched on and the server was replaced: switch it on while the old server is connected"
    } else {
        "the server was replaced: connect to the old one; or set master_recovery=true to find the last heartbeat on the new one"
    };
    Error::definite(format!("this client has a stored position under server id {}, not under {}", newest.server_id, context.row_server_id))
        .detail(&newest.stored.position)
        .hint(format!("{ways}; {OR_ANEW}"))
}

/// On a new server behind the old one (`master_recovery`): the place behind the last heartbeat of ours that was read.
/// Maxwell starts at the end of the log where this fails; here it is refused.
async fn recovered(context: &StartContext<'_>, foreign: &[&ClientPosition]) -> Result<Found> {
    let usable: Vec<&&ClientPosition> = foreign.iter().filter(|row| row.stored.position.heartbeat > 0).collect();
    let [row] = usable[..] else {
        let ids: Vec<String> = foreign.iter().map(|row| row.server_id.to_string()).collect();
        let what = if usable.is_empty() {
            "no stored position of this client has a heartbeat to look for"
        } else {
            "this client has positions of several servers, and it is not known which one the new server follows"
        };
        return Err(Error::definite(format!("master_recovery: {what}"))
            .detail(format!("`positions` has rows of this client under the server ids {}", ids.join(", ")))
            .hint("delete the stale rows from `positions`; or give --init_position"));
    };
    let before = &row.stored.position;
    tracing::warn!(
        from = %before, old_server_id = row.server_id, heartbeat = before.heartbeat,
        "the server was replaced; looking for our last heartbeat in the new server's binlog"
    );
    let found = context.seeker.heartbeat(context.schema_database, context.client_id, before.heartbeat).await?;
    let Some(place) = found else {
        return Err(Error::definite("master_recovery: our last heartbeat is not in the binlog of this server")
            .detail(format!("heartbeat {} of client_id '{}', read at {before}", before.heartbeat, context.client_id))
            .hint(format!(
                "is it a replica of the old server, with log_replica_updates on and {}.heartbeats replicated? Else connect to the old one; {OR_ANEW}",
                context.schema_database
            )));
    };
    let position = Position { at: place.end, gtids: None, heartbeat: before.heartbeat };
    tracing::warn!(%position, "found the heartbeat; going on behind it");
    // Versions from before the heartbeat was read, because statements behind it come again; the first capture of all may
    // be of the same heartbeat.
    let at = [before.heartbeat - 1, before.heartbeat].map(|heartbeat| Position { heartbeat, gtids: None, ..before.clone() });
    let lookup = Lookup::File { server_id: row.server_id };
    let captured_until = match row.stored.origin.captured_until {
        Some(_) => Some(tables::log_end(context.replication).await?.into()),
        None => None,
    };
    let versions = Versions::Elsewhere { lookup, at: at.into(), begins: place.start };
    Ok(Found { position, followed: true, captured_until, checked: row.stored.origin.checked, versions })
}

/// As Maxwell does with `master_recovery`: once there is a position for this server, those for others are stale.
pub async fn forget_other_servers(context: &StartContext<'_>) -> Result<()> {
    let rows = context.store.client_positions().await?;
    if !rows.iter().any(|row| row.server_id == context.row_server_id) {
        return Ok(());
    }
    let stale: Vec<u32> = rows.iter().map(|row| row.server_id).filter(|id| *id != 0 && *id != context.row_server_id).collect();
    if !stale.is_empty() {
        tracing::warn!(server_ids = ?stale, "master_recovery: deleting this client's positions of other servers");
        context.store.forget_positions(&stale).await?;
    }
    Ok(())
}
