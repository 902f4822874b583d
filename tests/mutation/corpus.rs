//! The recorded binlogs as lists of events, and files made of events again: sizes, places and checksums are put right, so
//! that what is mutated inside an event reaches the decoder.

use std::path::Path;

use binlogd::binlog::event::{EventHeader, HEADER_SIZE};
use binlogd::binlog::mariadb_gtid::MariadbGtidEvent;
use binlogd::binlog::query::Query;
use binlogd::binlog::{EventType, Flavor, RawEvent};
use binlogd::source::file::BinlogFile;

/// One event: its header, and its body without the checksum.
#[derive(Debug, Clone)]
pub struct Event {
    pub header: EventHeader,
    pub body: Vec<u8>,
}

impl Event {
    pub fn kind(&self) -> Option<EventType> {
        EventType::from_code(self.header.type_code)
    }

    pub fn is_rows(&self) -> bool {
        self.kind().is_some_and(|kind| kind.is_rows())
    }

    pub fn raw(&self) -> RawEvent {
        RawEvent { header: self.header, body: self.body.clone().into() }
    }

    /// The text of a statement, if it is one.
    pub fn sql(&self) -> Option<Vec<u8>> {
        let raw = self.raw();
        (self.kind() == Some(EventType::Query)).then(|| Query::parse(&raw).ok().map(|q| q.sql.to_vec())).flatten()
    }

    /// As it stands in a file or in a payload, without a checksum and with `size` for its size.
    pub fn bytes(&self, size: u32, next_position: u32) -> Vec<u8> {
        let h = &self.header;
        let mut out = Vec::with_capacity(HEADER_SIZE + self.body.len() + 4);
        out.extend_from_slice(&h.timestamp.to_le_bytes());
        out.push(h.type_code);
        out.extend_from_slice(&h.server_id.to_le_bytes());
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&next_position.to_le_bytes());
        out.extend_from_slice(&h.flags.to_le_bytes());
        out.extend_from_slice(&self.body);
        out
    }
}

/// What belongs together: a transaction from its GTID event to its commit, or a statement.
#[derive(Debug, Clone)]
pub struct Group {
    pub events: Vec<Event>,
    /// Whether it may change definitions, so that later groups need it.
    pub statement: bool,
    pub rows: bool,
}

/// One recorded file.
#[derive(Debug)]
pub struct Recording {
    pub flavor: Flavor,
    /// The format event and what the server writes behind it.
    pub prelude: Vec<Event>,
    pub groups: Vec<Group>,
}

/// All recorded files, in order of their names.
pub fn all(folder: &Path) -> Vec<Recording> {
    let mut recordings = Vec::new();
    for server in sorted(folder) {
        for case in sorted(&server) {
            let path = case.join("binlog");
            if path.is_file() {
                recordings.push(Recording::open(&path));
            }
        }
    }
    assert!(recordings.len() > 200, "the recorded cases are not in {}: run scripts/fixtures.sh", folder.display());
    recordings
}

fn sorted(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}: run scripts/fixtures.sh", folder.display()));
    let mut paths: Vec<_> = entries.map(|e| e.expect("an entry").path()).filter(|p| p.is_dir()).collect();
    paths.sort();
    paths
}

impl Recording {
    pub fn open(path: &Path) -> Self {
        let mut file = BinlogFile::open(path).expect("a recorded binlog");
        let mut events = Vec::new();
        while let Some(event) = file.next_event().expect("a whole file") {
            events.push(Event { header: event.header, body: event.body.to_vec() });
        }
        let flavor = file.format().expect("a format event").flavor();
        let (prelude, groups) = grouped(events);
        Recording { flavor, prelude, groups }
    }
}

fn grouped(events: Vec<Event>) -> (Vec<Event>, Vec<Group>) {
    use EventType::*;
    let (mut prelude, mut groups) = (Vec::new(), Vec::new());
    let mut open = Vec::new();
    let mut inside = false;
    for event in events {
        let kind = event.kind();
        let is_prelude = matches!(
            kind,
            Some(FormatDescription | PreviousGtids | MariaGtidList | MariaBinlogCheckpoint | MariaStartEncryption | Stop | Rotate)
        );
        if is_prelude && open.is_empty() {
            if groups.is_empty() {
                prelude.push(event);
            }
            continue;
        }
        let sql = event.sql();
        let ends = match kind {
            Some(Xid | TransactionPayload | XaPrepare) => true,
            Some(MariaGtid) => {
                inside = MariadbGtidEvent::parse(&event.raw()).is_ok_and(|g| !g.standalone);
                false
            }
            Some(Query) => match sql.as_deref() {
                Some(b"BEGIN") => {
                    inside = true;
                    false
                }
                Some(b"COMMIT" | b"ROLLBACK") => true,
                _ => !inside,
            },
            Some(MariaQueryCompressed) => !inside,
            _ => false,
        };
        open.push(event);
        if ends {
            inside = false;
            groups.push(group(std::mem::take(&mut open)));
        }
    }
    (prelude, groups)
}

pub fn group(events: Vec<Event>) -> Group {
    let is_statement = |e: &Event| {
        e.kind() == Some(EventType::MariaQueryCompressed)
            || e.sql().is_some_and(|sql| !matches!(sql.as_slice(), b"BEGIN" | b"COMMIT" | b"ROLLBACK"))
    };
    Group {
        statement: events.iter().any(is_statement),
        rows: events.iter().any(|e| e.is_rows() || e.kind() == Some(EventType::TransactionPayload)),
        events,
    }
}

/// The first bytes of a binlog file.
pub const MAGIC: &[u8; 4] = b"\xfebin";

/// A file of these events. `without_places`: `end_log_pos` is 0 between the first event and the last, as MariaDB 11.4+ has it.
pub fn file<'a>(events: impl Iterator<Item = &'a Event>, without_places: bool) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for event in events {
        let start = out.len();
        let size = (HEADER_SIZE + event.body.len() + 4) as u32;
        let format = event.kind() == Some(EventType::FormatDescription);
        let next = if without_places && !format { 0 } else { (start as u32).wrapping_add(size) };
        let mut event = event.clone();
        if format {
            // In use: its checksum is that of a closed file.
            event.header.flags &= !1;
        }
        out.extend_from_slice(&event.bytes(size, next));
        let sum = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
    }
    out
}

/// The events of a file as far as their sizes lead, for making a failing input smaller.
pub fn split(bytes: &[u8]) -> Option<Vec<Event>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut events = Vec::new();
    while !rest.is_empty() {
        let header = EventHeader::parse(rest).ok()?;
        let whole = rest.get(..header.size as usize)?;
        let body = whole.get(HEADER_SIZE..whole.len().checked_sub(4)?)?;
        events.push(Event { header, body: body.to_vec() });
        rest = &rest[header.size as usize..];
    }
    Some(events)
}
