//! The place from which the next start reads: whether there is one, whether it belongs to this server, and whether the
//! server still sends the binlog from there. The last is tried: a dump is opened under a random name and server id, so
//! that it ends no other reader's, and closed at the first event.

use std::sync::Arc;
use std::time::Duration;

use crate::binlog::EventType;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::position::{Place, Position};
use crate::server::Server;
use crate::server::preflight::ReplicationFacts;
use crate::source::dump::{DumpOptions, DumpStream, Start};
use crate::store::ClientPosition;
use crate::store::mysql::inspect::Inspection;

use super::super::seek::Seeker;
use super::super::{tables, wire};

const CHECK: &str = "stored position";
const READING: &str = "reading the binlog";
/// To find GTIDs, a server reads through many files without a word; it refuses at once or not at all.
const DUMP_WAIT: Duration = Duration::from_secs(20);

pub(super) async fn check(config: &Config, facts: &ReplicationFacts, inspection: Option<&Inspection>, may_dump: bool) -> Vec<Finding> {
    let place = wire::connection(&config.replication).address();
    let mut found = Vec::new();
    let start = match &config.init_position {
        Some(given) if may_dump => match resolved(config, facts, given).await {
            Ok(position) => Some(position),
            Err(e) => {
                found.push(Finding::error("--init_position", &e));
                None
            }
        },
        Some(_) => {
            found.push(Finding::not_checked("--init_position", "because of the faults above"));
            None
        }
        None => match inspection.and_then(|seen| seen.positions.as_ref()) {
            Some(rows) => stored(config, facts, rows, &mut found),
            None => {
                found.push(Finding::not_checked(CHECK, "the table `positions` cannot be read as it is"));
                None
            }
        },
    };
    if let Some(position) = &start
        && let Some(finding) = on_server(config.gtid_mode, facts, position)
    {
        found.push(finding);
    }
    let lost = found.iter().any(|f| f.exit_code == 2) || (config.init_position.is_some() && start.is_none());
    let at_end = || facts.status.clone().map(|s| Position { at: s.at, gtids: s.gtids.filter(|_| config.gtid_mode), heartbeat: 0 });
    let from = if config.init_position.is_some() {
        "--init_position"
    } else if start.is_some() {
        "the stored position"
    } else {
        "its end"
    };
    let wanted = start.or_else(at_end).filter(|_| may_dump && !lost);
    found.push(match wanted {
        Some(position) => reading(config, &position, from).await,
        None => Finding::not_checked(READING, "because of the faults above"),
    });
    found.into_iter().map(|f| f.at(place.as_str())).collect()
}

/// A place that was given, as the next start would look it up.
async fn resolved(config: &Config, facts: &ReplicationFacts, given: &Place) -> Result<Position> {
    let server = Arc::new(Server::new(wire::connection(&config.replication))?);
    let seeker = Seeker::new(&wire::dump_options(config), server, facts.identity.version.flavor);
    let end = || facts.status.as_ref().map(|s| s.at.clone()).ok_or_else(|| Error::definite("the server does not tell where its log ends"));
    let at = match given {
        Place::File { at, .. } => at.clone(),
        Place::Gtids(gtids) if config.gtid_mode => {
            return Ok(Position { gtids: Some(gtids.clone()), ..Position::new(end()?) });
        }
        Place::Gtids(gtids) => seeker.place_of(gtids).await?,
        Place::Time(moment) => seeker.place_at(*moment).await?,
        // Words of `binlogd position set`; as an option they are refused.
        Place::Earliest | Place::Now => end()?,
    };
    if !config.gtid_mode {
        return Ok(Position::new(at));
    }
    let (at, gtids) = seeker.gtids_at(&at).await?;
    Ok(Position { gtids: Some(gtids), ..Position::new(at) })
}

/// The position that the next start takes from `positions`.
fn stored(config: &Config, facts: &ReplicationFacts, rows: &[ClientPosition], found: &mut Vec<Finding>) -> Option<Position> {
    let row_server_id = if config.gtid_mode { 0 } else { facts.identity.server_id };
    let Some(row) = rows.iter().find(|row| row.server_id == row_server_id) else {
        found.push(none_stored(row_server_id, rows));
        return None;
    };
    let position = &row.stored.position;
    let uuid = facts.identity.uuid.as_deref();
    if let Err(e) = tables::same_server(uuid, row.stored.origin.server_uuid.as_deref(), config.gtid_mode) {
        found.push(Finding::error(CHECK, &e));
        return None;
    }
    if config.gtid_mode && position.gtids.is_none() {
        found.push(
            Finding::fault(CHECK, format!("gtid_mode is on, but {} has no GTID set", position.at))
                .option("gtid_mode=false")
                .words("start once without GTIDs, or delete the row from `positions` to start at the server's current end"),
        );
        return None;
    }
    Some(position.clone())
}

fn none_stored(row_server_id: u32, rows: &[ClientPosition]) -> Finding {
    let Some(other) = rows.first() else {
        return Finding::ok(CHECK, "none: the first start begins at the server's current end");
    };
    let text = format!(
        "this client has a stored position under server id {}, not under {row_server_id}: {}",
        other.server_id, other.stored.position.at
    );
    if other.server_id == 0 || row_server_id == 0 {
        return Finding::warning(CHECK, text)
            .words("gtid_mode was switched over a stored position: the next start derives the new one from the server's binlog");
    }
    Finding::fault(CHECK, text)
        .words("the server was replaced, or this is another one: see docs/running.md, \"When the stored position does not fit\"")
}

/// What the list of files tells. `None` where it tells nothing.
fn on_server(gtid_mode: bool, facts: &ReplicationFacts, position: &Position) -> Option<Finding> {
    let files = &facts.retention.files;
    let first = files.first()?;
    if gtid_mode && position.gtids.is_some() {
        return Some(Finding::ok(CHECK, format!("{} (GTIDs)", position.at)));
    }
    let at = &position.at;
    let lost = |text: String| {
        Finding::fault(CHECK, text)
            .exit_code(2)
            .words("what was changed in between is lost to the stream: give a new start with --init_position FILE:OFFSET, then bootstrap the tables")
            .words("so that it does not happen again, keep the binlog longer (binlog_expire_logs_seconds)")
    };
    Some(match files.iter().find(|file| file.name == at.file) {
        None => lost(format!("{at} is no longer on the server: its binlog was purged; the oldest file is {}", first.name)),
        Some(file) if at.offset > file.size_bytes => {
            lost(format!("{at} lies behind the end of its file, which has {} bytes", file.size_bytes))
        }
        Some(file) if file.name == first.name && files.len() > 1 => {
            Finding::warning(CHECK, format!("{at} lies in the oldest of {} binlog files, the next to be purged", files.len()))
                .words("start soon, or keep the binlog longer (binlog_expire_logs_seconds)")
        }
        Some(_) => Finding::ok(CHECK, at.to_string()),
    })
}

async fn reading(config: &Config, position: &Position, from: &str) -> Finding {
    let name = format!("check-{:08x}", rand::random::<u32>());
    let mut options = DumpOptions::new(wire::connection(&config.replication), rand::random_range(1 << 30..u32::MAX), name);
    options.non_blocking = true;
    options.event_bytes_max = wire::event_bytes_max(config.memory.row_bytes_max) as usize;
    let start = match &position.gtids {
        Some(gtids) if config.gtid_mode => Start::Gtids(gtids.clone()),
        _ => Start::File(position.at.clone()),
    };
    let shown = match &start {
        Start::File(at) => format!("{from}, {at}"),
        Start::Gtids(_) => format!("{from}, by GTIDs"),
    };
    let tried = tokio::task::spawn_blocking(move || first_event(&options, &start));
    match tokio::time::timeout(DUMP_WAIT, tried).await {
        Ok(Ok(Ok(()))) => Finding::ok(READING, format!("the server sends it from {shown}")),
        Ok(Ok(Err(e))) => Finding::error(READING, &e),
        Ok(Err(e)) => Finding::error(READING, &Error::bug("the dump was not tried").source(e)),
        Err(_) => {
            let text = format!("the server accepts {shown}, and still looks for that place after {} s", DUMP_WAIT.as_secs());
            Finding::ok(READING, text)
        }
    }
}

/// Until the first event that stands in the log itself, or the log's end.
fn first_event(options: &DumpOptions, start: &Start) -> Result<()> {
    let mut stream = DumpStream::open(options, start)?;
    while let Some(block) = stream.next_block()? {
        let real = |kind| {
            !matches!(
                kind,
                Some(EventType::FormatDescription | EventType::Rotate | EventType::PreviousGtids | EventType::MariaGtidList) | None
            )
        };
        if block.events.iter().any(|event| real(event.event_type())) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;
    use crate::position::BinlogPosition;
    use crate::schema::CaseRule;
    use crate::server::ServerVersion;
    use crate::server::preflight::Retention;
    use crate::server::status::{BinlogFile, ServerIdentity};

    fn facts() -> ReplicationFacts {
        let file = |name: &str| BinlogFile { name: name.into(), size_bytes: 1000 };
        ReplicationFacts {
            identity: ServerIdentity {
                version: ServerVersion::parse("9.7.4").unwrap(),
                server_id: 7,
                uuid: None,
                case: CaseRule::Sensitive,
                charset: "utf8mb4".into(),
            },
            status: None,
            row_image: None,
            row_metadata: None,
            row_value_options: None,
            retention: Retention { files: vec![file("m.000003"), file("m.000004")], ..Retention::default() },
        }
    }

    #[test]
    fn the_list_of_files_decides() {
        for (file, offset, state, code) in [
            ("m.000004", 1000, State::Ok, 1),
            ("m.000004", 1001, State::Fault, 2),
            ("m.000003", 4, State::Warning, 1),
            ("m.000002", 4, State::Fault, 2),
        ] {
            let finding = on_server(false, &facts(), &Position::new(BinlogPosition::new(file, offset))).unwrap();
            assert_eq!((finding.state, finding.exit_code), (state, code), "{finding:?}");
        }
    }

    #[test]
    fn a_row_under_another_id_is_no_fresh_start() {
        let row = |server_id| ClientPosition {
            client_id: "maxwell".into(),
            server_id,
            stored: crate::store::Stored { position: Position::new(BinlogPosition::new("m.000003", 4)), origin: Default::default() },
        };
        assert_eq!(none_stored(7, &[]).state, State::Ok);
        assert!(none_stored(7, &[row(0)]).hint().contains("gtid_mode was switched"));
        assert_eq!(none_stored(7, &[row(0)]).state, State::Warning);
        assert!(none_stored(7, &[row(8)]).hint().contains("replaced"));
    }
}
