//! The place from which the next start reads: whether there is one, whether it belongs to this server, and whether the
//! server still sends the binlog from there. The last is tried: a dump is opened under a random name and server id, so
//! that it ends no other reader's, and closed at the first event.

use std::sync::Arc;
use std::time::Duration;

use crate::binlog::EventType;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::position::Position;
use crate::server::Server;
use crate::server::preflight::ReplicationFacts;
use crate::source::dump::{DumpOptions, DumpStream, Start};
use crate::store::mysql::inspect::Inspection;
use crate::store::{MemoryDisk, MemoryStore, MySqlStore, ReplayStore, Store};

use super::super::exactly_once::{self, ExactlyOnce};
use super::super::seek::Seeker;
use super::super::start::StartContext;
use super::super::takeover::{self, Found};
use super::super::wire;

const CHECK: &str = "stored position";
const RECORD: &str = "position record";
const READING: &str = "reading the binlog";
/// To find GTIDs, a server reads through many files without a word; it refuses at once or not at all.
const DUMP_WAIT: Duration = Duration::from_secs(20);
/// A place that was stored in the other mode, or a time, is looked for in the files.
const SEARCH_WAIT: Duration = Duration::from_secs(60);

/// The servers, as far as they can be asked.
pub(super) struct Servers<'a> {
    pub replication: &'a Arc<Server>,
    pub store: Option<&'a Arc<Server>>,
    pub facts: &'a ReplicationFacts,
    pub inspection: Option<&'a Inspection>,
    /// Whether nothing is known that forbids reading the binlog.
    pub may_dump: bool,
}

pub(super) async fn check(config: &Config, servers: &Servers<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let start = match find(config, servers).await {
        Ok((start, record)) => {
            found.extend(record);
            let position = &start.position;
            found.push(match on_server(config.gtid_mode, servers.facts, position) {
                _ if !start.followed => Finding::ok(CHECK, format!("none: the first start begins at {}", position.at)),
                Some(finding) => finding,
                None => Finding::ok(CHECK, position.at.to_string()),
            });
            Some(start)
        }
        Err(finding) => {
            found.push(finding);
            None
        }
    };
    let lost = found.iter().any(|f| f.exit_code == 2);
    found.push(match start.filter(|_| servers.may_dump && !lost) {
        Some(start) => reading(config, &start.position).await,
        None => Finding::not_checked(READING, "because of what is said above"),
    });
    let place = servers.replication.options().address();
    found.into_iter().map(|f| if f.place.is_empty() { f.at(place.as_str()) } else { f }).collect()
}

/// The position that the daemon would take, found by its own code over a store that writes nothing; and what the position topic
/// says, with `delivery=exactly_once`.
async fn find(config: &Config, servers: &Servers<'_>) -> Result<(Found, Option<Finding>), Finding> {
    let not_checked = |because: &str| Err(Finding::not_checked(CHECK, because));
    let (Some(store), Some(inspection)) = (servers.store, servers.inspection) else {
        return not_checked("the schema database cannot be read");
    };
    if inspection.missing_columns.iter().any(|c| !c.starts_with("columns.")) {
        return not_checked("the tables of an older Maxwell are brought up to date by the first start");
    }
    if !servers.may_dump {
        return not_checked("because of what is said above");
    }
    let identity = &servers.facts.identity;
    let options = wire::store_options(config, identity);
    let seeker = Seeker::new(&wire::dump_options(config), servers.replication.clone(), identity.version.flavor);
    let search = async {
        let stored: Box<dyn Store> = match MySqlStore::open_to_read(store.clone(), options.clone()).await? {
            Some(store) => Box::new(store),
            None => Box::new(MemoryStore::open(MemoryDisk::default(), options.clone())),
        };
        let stored = ReplayStore::new(stored, options.clone());
        let mut store: Arc<dyn Store> = Arc::new(stored);
        let mut record = None;
        match ExactlyOnce::looking(config, store.clone(), identity, options.row_server_id()).await {
            Ok(None) => {}
            Ok(Some((exactly_once, found))) => {
                let row = store.load_position().await?;
                let told = exactly_once::told(found.as_ref(), row.as_ref(), options.row_server_id(), identity.uuid.as_deref());
                record = Some(Finding::ok(RECORD, told));
                store = Arc::new(exactly_once);
            }
            // The row is still worth looking at.
            Err(error) => record = Some(Finding::error(RECORD, &error)),
        }
        let context = StartContext {
            store: &*store,
            replication: servers.replication,
            capture: servers.replication,
            identity,
            seeker: &seeker,
            schema_database: &options.schema_database,
            client_id: &options.client_id,
            gtid_mode: options.gtid_mode,
            init_position: config.init_position.clone(),
            recapture: false,
            board: None,
            master_recovery: config.master_recovery,
            maxwell_quirks: false,
            row_server_id: options.row_server_id(),
        };
        takeover::find(&context).await.map(|found| (found, record))
    };
    match tokio::time::timeout(SEARCH_WAIT, search).await {
        Ok(found) => found.map_err(|e| Finding::error(CHECK, &e)),
        Err(_) => not_checked(&format!(
            "its place in the binlog was not found within {} s; the start takes as long as it needs",
            SEARCH_WAIT.as_secs()
        )),
    }
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

async fn reading(config: &Config, position: &Position) -> Finding {
    let name = format!("check-{:08x}", rand::random::<u32>());
    let mut options = DumpOptions::new(wire::connection(&config.replication), rand::random_range(1 << 30..u32::MAX), name);
    options.non_blocking = true;
    options.event_bytes_max = wire::event_bytes_max(config.memory.row_bytes_max) as usize;
    let start = match &position.gtids {
        Some(gtids) if config.gtid_mode => Start::Gtids(gtids.clone()),
        _ => Start::File(position.at.clone()),
    };
    let shown = match &start {
        Start::File(at) => at.to_string(),
        Start::Gtids(_) => format!("the GTIDs up to {}", position.at),
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
}
