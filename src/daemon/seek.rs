//! Finds places in the server's binlog: the GTIDs of a file position, the file position of a GTID set, of a time, of our
//! heartbeat. Reads the files over dump connections of its own, which end at the log's end and disturb no other reader.
//! Never here: which of the places a run starts from.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::assemble::groups::{self, GroupScanner, Seen};
use crate::assemble::{XaRead, XaReader, XaRequest, own_tables};
use crate::binlog::payload::PayloadLimits;
use crate::binlog::xa_prepare::XaPrepare;
use crate::binlog::{DecodeError, EventType, Flavor as BinlogFlavor, RawEvent, RowsEvent, TableMap, compressed, payload, query};
use crate::error::{Error, Result};
use crate::position::place::FIRST_EVENT;
use crate::position::xa::XaName;
use crate::position::{BinlogPosition, GtidSet, Gtids, Moment};
use crate::schema::prepared::PreparedXa;
use crate::server::status::{self, BinlogFile};
use crate::server::{Flavor, Server, rows};
use crate::source::dump::{DumpOptions, DumpStream, Start};

const NOTHING_BEFORE: &str = "the file does not say which GTIDs lie before it";

/// Searches one server's binlog.
#[derive(Clone)]
pub struct Seeker {
    dump: DumpOptions,
    server: Arc<Server>,
    flavor: Flavor,
}

/// Where a place lies among the transactions around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// The last place between transactions at or before it.
    pub boundary: BinlogPosition,
    /// Whether an event begins there (or the log ends).
    pub at_event: bool,
    /// All GTIDs before the boundary; `None` when the file does not tell.
    pub gtids: Option<Gtids>,
}

/// Our heartbeat in the binlog of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatPlace {
    /// Where its transaction begins, and where it ends.
    pub start: BinlogPosition,
    pub end: BinlogPosition,
}

/// How a search in a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Enough,
    ToTheEnd,
}

impl Seeker {
    /// `dump` says how the daemon reads; the searches read under names of their own, or the server would take them for
    /// the daemon's successor and end its connection.
    pub fn new(dump: &DumpOptions, server: Arc<Server>, flavor: Flavor) -> Self {
        let mut dump = dump.clone();
        // 0 is what a program gives that reads to the log's end and is no replica (as mysqlbinlog does).
        dump.server_id = 0;
        dump.client_id = format!("{}-search-{}", dump.client_id, uuid::Uuid::new_v4());
        dump.non_blocking = true;
        Seeker { dump, server, flavor }
    }

    /// How the searches read.
    pub fn dump(&self) -> &DumpOptions {
        &self.dump
    }

    /// The files of the binlog, oldest first.
    ///
    /// # Errors
    /// Definite when there is none.
    pub async fn files(&self) -> Result<Vec<BinlogFile>> {
        let files = status::binlog_files(&mut self.server.conn().await?).await?;
        if files.is_empty() {
            return Err(Error::definite("the server lists no binlog files").hint("is log_bin on?"));
        }
        Ok(files)
    }

    /// What stands at a place, and the GTIDs before it.
    ///
    /// # Errors
    /// Definite, with exit code 2, when the server has no such place.
    pub async fn landing(&self, at: &BinlogPosition) -> Result<Landing> {
        let files = self.files().await?;
        on_server(&files, at)?;
        // Transactions that only a table of the server tells of were in no file, or are in none any more.
        let purged = self.purged().await?;
        let mut landing = self.blocking(at.clone(), |seeker, at| seeker.land(&at)).await?;
        if let (Some(Gtids::MySql(set)), Some(purged)) = (&mut landing.gtids, &purged) {
            set.add_set(purged);
        }
        Ok(landing)
    }

    /// All GTIDs before a place that lies between transactions, or before the transaction that it lies in; and that
    /// boundary.
    pub async fn gtids_at(&self, at: &BinlogPosition) -> Result<(BinlogPosition, Gtids)> {
        let Landing { boundary, gtids, .. } = self.landing(at).await?;
        match gtids {
            Some(gtids) => Ok((boundary, gtids)),
            None => Err(Error::definite(NOTHING_BEFORE).detail(at).hint("it was written without GTIDs: start with gtid_mode=false")),
        }
    }

    /// The first place behind which a transaction stands that is not in the set: everything before it is.
    ///
    /// # Errors
    /// Definite, with exit code 2, when transactions that are not in the set were purged.
    pub async fn place_of(&self, gtids: &Gtids) -> Result<BinlogPosition> {
        let files = self.files().await?;
        self.blocking((files, gtids.clone()), |seeker, (files, gtids)| seeker.find_gtids(&files, &gtids)).await
    }

    /// The place before the first transaction that was committed at this time or later; the log's end if there is none.
    ///
    /// # Errors
    /// Definite, with exit code 2, for times before the oldest file and for times to come.
    pub async fn place_at(&self, moment: Moment) -> Result<BinlogPosition> {
        let files = self.files().await?;
        let now = self.server.query("SELECT CAST(UNIX_TIMESTAMP() AS UNSIGNED)").await?;
        let now = Moment(now.first().map(|row| rows::text(row, 0)).transpose()?.and_then(|text| text.parse().ok()).unwrap_or(u64::MAX));
        if moment > now {
            return Err(Error::definite(format!("{moment} is still to come: the server's clock says {now}"))
                .hint("is the zone right? Z means UTC")
                .exit_code(2));
        }
        self.blocking((files, moment), |seeker, (files, moment)| seeker.find_time(&files, moment)).await
    }

    /// Where the heartbeat with this value stands, searched from the newest file to the oldest.
    pub async fn heartbeat(&self, schema_database: &str, client_id: &str, value: i64) -> Result<Option<HeartbeatPlace>> {
        let files = self.files().await?;
        let wanted = (schema_database.to_owned(), client_id.to_owned(), value);
        self.blocking((files, wanted), |seeker, (files, (database, client, value))| {
            for (later, file) in files.iter().rev().enumerate() {
                tracing::info!(file = &*file.name, value, "looking for our heartbeat");
                match seeker.find_heartbeat(file, &database, &client, value)? {
                    (Some(found), _) => return Ok(Some(found)),
                    (None, Read::ToTheEnd) if later > 0 => return Err(ended_early(&file.name)),
                    (None, _) => {}
                }
            }
            Ok(None)
        })
        .await
    }

    /// `gtid_purged`; `None` on MariaDB and where there are no GTIDs.
    pub async fn purged(&self) -> Result<Option<GtidSet>> {
        /// ER_UNKNOWN_SYSTEM_VARIABLE
        const UNKNOWN_VARIABLE: u16 = 1193;
        if self.flavor == Flavor::MariaDb {
            return Ok(None);
        }
        let found = self.server.query_unless("SELECT @@GLOBAL.gtid_purged", &[UNKNOWN_VARIABLE]).await?;
        let Some(row) = found.as_ref().and_then(|rows| rows.first()) else { return Ok(None) };
        rows::text(row, 0)?.parse().map(Some)
    }

    /// Runs a search on a thread that may wait for the network.
    async fn blocking<A: Send + 'static, T: Send + 'static>(
        &self,
        argument: A,
        search: impl FnOnce(&Seeker, A) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let seeker = self.clone();
        let done = tokio::task::spawn_blocking(move || search(&seeker, argument)).await;
        done.map_err(|e| Error::bug("a search in the binlog failed").source(e))?
    }

    /// Reads from the beginning of a file to the log's end, or until `take` has enough; tells which. The log's end may also be
    /// a server that stops.
    fn read(&self, file: &str, mut take: impl FnMut(&GroupScanner, &RawEvent, Option<Seen>) -> Result<ControlFlow<()>>) -> Result<Read> {
        let from = BinlogPosition::new(file, FIRST_EVENT);
        let mut stream = DumpStream::open(&self.dump, &Start::File(from))?;
        let mut scanner = GroupScanner::new();
        while let Some(block) = stream.next_block()? {
            for event in &block.events {
                let seen = scanner.push(event).map_err(|e| damaged(&scanner, e))?;
                if take(&scanner, event, seen)?.is_break() {
                    return Ok(Read::Enough);
                }
            }
        }
        Ok(Read::ToTheEnd)
    }

    /// Reads the rows of a prepared XA transaction again. `alive` is called now and then and may break it off.
    ///
    /// # Errors
    /// Definite when the binlog does not have the prepare, or not any more.
    pub fn read_prepared(
        &self,
        request: &XaRequest,
        files: &[BinlogFile],
        reader: &mut dyn FnMut() -> XaReader,
        alive: &mut dyn FnMut() -> Result<()>,
    ) -> Result<XaReader> {
        if let Some(known) = &request.known {
            let place = &known.place;
            tracing::info!(xid = %request.name, prepared = %place, "reading the rows of a prepared XA transaction again");
            let read = match on_server(files, &place.start) {
                Ok(()) => self.read_group(&place.start, is_before(files, &place.start, &request.at), reader(), alive),
                Err(e) => Err(e),
            };
            match read {
                Ok(Some(read)) => return Ok(read),
                Err(e) if e.is_transient() => return Err(e),
                Ok(None) => {
                    tracing::warn!(xid = %request.name, prepared = %place, "another transaction stands there: another server's file?")
                }
                Err(e) => tracing::warn!(xid = %request.name, error = %e, "it cannot be read there"),
            }
        }
        match self.find_prepare(request, files, alive)? {
            Some(start) => match self.read_group(&start, true, reader(), alive)? {
                Some(read) => Ok(read),
                None => Err(Error::bug("an XA transaction is not where it was found").detail(start)),
            },
            None => Err(not_in_binlog(request)),
        }
    }

    /// The reader when it has the whole transaction, nothing if another one begins there. `is_whole`: whatever begins there
    /// is known to end in the log.
    fn read_group(
        &self,
        start: &BinlogPosition,
        is_whole: bool,
        mut reader: XaReader,
        alive: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<XaReader>> {
        // The protocol has 32 bits; a place behind is reached from the file's beginning.
        let is_far = start.offset > u64::from(u32::MAX);
        let from = if is_far { BinlogPosition::new(start.file.clone(), FIRST_EVENT) } else { start.clone() };
        let mut stream = DumpStream::open(&self.dump, &Start::File(from))?;
        let mut scanner = GroupScanner::new();
        while let Some(block) = stream.next_block()? {
            alive()?;
            for mut event in block.events {
                if is_far {
                    let at = scanner.at();
                    scanner.push(&event).map_err(|e| damaged(&scanner, e))?;
                    match event.event_type() {
                        Some(EventType::Rotate) => {
                            reader.begin(start.clone());
                            continue;
                        }
                        // As the server would send it before an event in the middle of a file.
                        Some(EventType::FormatDescription) => event.header.next_position = 0,
                        _ if at.offset < start.offset => continue,
                        _ => {}
                    }
                }
                match reader.push(event)? {
                    XaRead::More => {}
                    XaRead::Done => return Ok(Some(reader)),
                    XaRead::Another => return Ok(None),
                }
            }
        }
        if is_whole { Err(ended_early(start)) } else { Ok(None) }
    }

    /// Where the transaction that this commit commits was prepared: the last prepare of that name before it, which nothing
    /// has decided yet.
    fn find_prepare(
        &self,
        request: &XaRequest,
        files: &[BinlogFile],
        alive: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<BinlogPosition>> {
        let here = files.iter().position(|file| *file.name == *request.at.file);
        let Some(here) = here else { return Ok(None) };
        for file in files.iter().take(here + 1).rev() {
            tracing::info!(file = &*file.name, xid = %request.name, "looking for the prepare of an XA transaction");
            let mut finder = PrepareFinder { name: &request.name, limits: self.limits(), packed: false, prepared: None, decided: false };
            let read = self.read(&file.name, |scanner, event, seen| {
                let at = scanner.at();
                let past = at.file == request.at.file && at.offset > request.at.offset;
                if past || !at.file.is_empty() && at.file != file.name {
                    return Ok(ControlFlow::Break(()));
                }
                finder.look(event, seen).map_err(|e| damaged(scanner, e))?;
                alive()?;
                Ok(ControlFlow::Continue(()))
            })?;
            alive()?;
            // Behind every file comes another or the commit itself.
            if read == Read::ToTheEnd {
                return Err(ended_early(&file.name));
            }
            if finder.prepared.is_some() || finder.decided {
                return Ok(finder.prepared);
            }
        }
        Ok(None)
    }

    fn limits(&self) -> PayloadLimits {
        self.dump.payload_limits()
    }

    fn land(&self, at: &BinlogPosition) -> Result<Landing> {
        let mut landing = Landing { boundary: BinlogPosition { offset: FIRST_EVENT, ..at.clone() }, at_event: false, gtids: None };
        self.read(&at.file, |scanner, _, seen| {
            let here = scanner.at();
            if here.file != at.file {
                return Ok(if here.file.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
            }
            landing.at_event |= here.offset == at.offset;
            match seen {
                // A file begins with it, whatever place in the file is asked for.
                Some(Seen::Before(gtids)) => landing.gtids = Some(gtids),
                Some(Seen::Group(group)) if group.end <= at.offset => {
                    if let (Some(set), Some(gtid)) = (&mut landing.gtids, &group.gtid) {
                        set.add(gtid)?;
                    }
                }
                Some(Seen::Group(_)) => return Ok(ControlFlow::Break(())),
                _ => {}
            }
            if scanner.boundary().offset <= at.offset {
                landing.boundary = scanner.boundary();
            }
            // Offset 4 is before everything, but the GTIDs of the files before stand behind it.
            let enough = here.offset >= at.offset && (landing.gtids.is_some() || here.offset > at.offset + HEAD_BYTES);
            Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        landing.at_event |= at.offset == FIRST_EVENT;
        Ok(landing)
    }

    fn find_gtids(&self, files: &[BinlogFile], gtids: &Gtids) -> Result<BinlogPosition> {
        // Sets only grow from file to file, so the newest that fits can be found by halving.
        let (mut fits, mut beyond) = (None, files.len());
        let mut from = 0;
        while from < beyond {
            let middle = from + (beyond - from) / 2;
            if self.before(&files[middle].name)?.is_subset(gtids)? {
                fits = Some(middle);
                from = middle + 1;
            } else {
                beyond = middle;
            }
        }
        let Some(file) = fits.and_then(|i| files.get(i)) else {
            return Err(Error::definite("the binlog with the transactions behind these GTIDs was purged")
                .detail(gtids)
                .hint("give a new start with --init_position, then bootstrap the tables that changed in between")
                .exit_code(2));
        };
        let mut place = BinlogPosition::new(file.name.clone(), FIRST_EVENT);
        self.read(&file.name, |scanner, _, seen| {
            if !scanner.at().file.is_empty() && scanner.at().file != file.name {
                return Ok(ControlFlow::Break(()));
            }
            match seen {
                Some(Seen::Before(_)) => place = scanner.boundary(),
                Some(Seen::Group(group)) => match &group.gtid {
                    Some(gtid) if gtids.contains(gtid)? => place.offset = group.end,
                    Some(_) => return Ok(ControlFlow::Break(())),
                    // Without a GTID it is not known; a start before it sends it once too often at worst.
                    None => {}
                },
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(place)
    }

    /// The GTIDs before a file.
    fn before(&self, file: &str) -> Result<Gtids> {
        let mut found = None;
        self.read(file, |scanner, _, seen| {
            if let Some(Seen::Before(gtids)) = seen {
                found = Some(gtids);
            }
            let past = scanner.at().offset > FIRST_EVENT + HEAD_BYTES;
            Ok(if found.is_some() || past { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        found.ok_or_else(|| {
            Error::definite(NOTHING_BEFORE).detail(file).hint("it was written without GTIDs: give --init_position FILE:OFFSET")
        })
    }

    fn find_time(&self, files: &[BinlogFile], moment: Moment) -> Result<BinlogPosition> {
        let (mut from, mut beyond) = (0, files.len());
        // The newest file that was made before that second: files that were made in it may follow changes of it.
        while from < beyond {
            let middle = from + (beyond - from) / 2;
            if self.created(&files[middle].name)? < moment {
                from = middle + 1;
            } else {
                beyond = middle;
            }
        }
        let oldest = files.first().map(|f| f.name.clone()).unwrap_or_default();
        let Some(file) = from.checked_sub(1).and_then(|i| files.get(i)) else {
            let created = self.created(&oldest)?;
            if created == moment {
                return Ok(BinlogPosition::new(oldest, FIRST_EVENT));
            }
            return Err(Error::definite(format!("the server's binlog does not reach back to {moment}"))
                .detail(format!("its oldest file {oldest} begins at {created}"))
                .hint("start at a later time and bootstrap the tables that changed before it")
                .exit_code(2));
        };
        let mut place = BinlogPosition::new(file.name.clone(), FIRST_EVENT);
        self.read(&file.name, |scanner, _, seen| {
            if let Some(Seen::Group(group)) = seen
                && group.committed >= moment.0
            {
                place = group.start;
                return Ok(ControlFlow::Break(()));
            }
            if !scanner.at().file.is_empty() {
                place = scanner.boundary();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(place)
    }

    fn created(&self, file: &str) -> Result<Moment> {
        let mut found = None;
        self.read(file, |_, _, seen| {
            if let Some(Seen::File { created }) = seen {
                found = Some(Moment(u64::from(created)));
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        found.ok_or_else(|| Error::definite("a binlog file does not begin with its format description").detail(file))
    }

    fn find_heartbeat(
        &self,
        file: &BinlogFile,
        schema_database: &str,
        client_id: &str,
        value: i64,
    ) -> Result<(Option<HeartbeatPlace>, Read)> {
        let flavor = if self.flavor == Flavor::MariaDb { BinlogFlavor::MariaDb } else { BinlogFlavor::MySql };
        let mut finder = HeartbeatFinder { schema_database, client_id, value, flavor, limits: self.limits(), map: None, hit: false };
        let mut found = None;
        let read = self.read(&file.name, |scanner, event, seen| {
            if !scanner.at().file.is_empty() && scanner.at().file != file.name {
                return Ok(ControlFlow::Break(()));
            }
            finder.look(event).map_err(|e| damaged(scanner, e))?;
            if let Some(Seen::Group(group)) = seen
                && finder.hit
            {
                found = Some(HeartbeatPlace { end: BinlogPosition { offset: group.end, ..group.start.clone() }, start: group.start });
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((found, read))
    }
}

/// Behind so many bytes of events nobody looks for the head of a file any more: the format description and a set of GTIDs,
/// which has a few thousand bytes at most, stand at its very beginning.
const HEAD_BYTES: u64 = 16 << 20;

fn damaged(scanner: &GroupScanner, error: DecodeError) -> Error {
    Error::definite("an event of the binlog cannot be read").source(error).detail(format!("before {}", scanner.at()))
}

/// A dump is at an end where the log cannot be.
fn ended_early(at: &(impl std::fmt::Display + ?Sized)) -> Error {
    Error::transient("the server ended the dump before what is read again was there").detail(at)
}

/// Whether a place lies before another in these files.
fn is_before(files: &[BinlogFile], place: &BinlogPosition, other: &BinlogPosition) -> bool {
    let index = |at: &BinlogPosition| files.iter().position(|file| *file.name == *at.file);
    match (index(place), index(other)) {
        (Some(a), Some(b)) => (a, place.offset) < (b, other.offset),
        _ => false,
    }
}

/// Whether a list of files has a place.
///
/// # Errors
/// Definite, with exit code 2, if it has not.
pub fn on_server(files: &[BinlogFile], at: &BinlogPosition) -> Result<()> {
    let wrong = match files.iter().find(|file| file.name == at.file) {
        Some(file) if at.offset <= file.size_bytes => return Ok(()),
        Some(file) => format!("the position lies behind the end of its binlog file, which has {} bytes", file.size_bytes),
        None => "the binlog file of the position is not on the server: purged, or never there".to_owned(),
    };
    Err(Error::definite(wrong)
        .detail(at)
        .hint("it was purged, or there is a slip in the name or number: SHOW BINARY LOGS lists what is there")
        .exit_code(2))
}

/// Watches for one heartbeat of one client.
struct HeartbeatFinder<'a> {
    schema_database: &'a str,
    client_id: &'a str,
    value: i64,
    flavor: BinlogFlavor,
    limits: PayloadLimits,
    /// The heartbeats table, under its present number.
    map: Option<TableMap>,
    hit: bool,
}

impl HeartbeatFinder<'_> {
    fn look(&mut self, event: &RawEvent) -> Result<(), DecodeError> {
        match event.event_type() {
            // The events of a large one came before it.
            Some(EventType::TransactionPayload) if event.body.is_empty() => {}
            Some(EventType::TransactionPayload) => {
                for inner in payload::TransactionPayload::parse(event)?.events(self.limits)? {
                    self.look(&inner?)?;
                }
            }
            Some(EventType::TableMap) => self.table(event)?,
            Some(
                EventType::MariaWriteRowsCompressedV1
                | EventType::MariaUpdateRowsCompressedV1
                | EventType::MariaWriteRowsCompressed
                | EventType::MariaUpdateRowsCompressed,
            ) if self.map.is_some() => {
                self.rows(&compressed::inflate(event, self.limits.event_bytes_max)?)?;
            }
            Some(EventType::WriteRowsV1 | EventType::UpdateRowsV1 | EventType::WriteRowsV2 | EventType::UpdateRowsV2)
                if self.map.is_some() =>
            {
                self.rows(event)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn table(&mut self, event: &RawEvent) -> Result<(), DecodeError> {
        let map = TableMap::parse(event, self.flavor)?;
        let ours = map.table == "heartbeats" && map.database == self.schema_database && own_tables::is_heartbeats(&map);
        self.map = ours.then_some(map);
        Ok(())
    }

    fn rows(&mut self, event: &RawEvent) -> Result<(), DecodeError> {
        let Some(map) = &self.map else { return Ok(()) };
        if RowsEvent::parse(event)?.table_id == map.table_id {
            self.hit |= own_tables::heartbeat_of(map, event, self.client_id)? == Some(self.value);
        }
        Ok(())
    }
}

/// The server's binlog lacks rows that are to be output.
fn not_in_binlog(request: &XaRequest) -> Error {
    let XaRequest { name, known, at, end } = request;
    let error =
        Error::definite(format!("the rows of the XA transaction {name} are not in the server's binlog any more, and its commit is here"));
    let error = match known {
        Some(known) => {
            let server = known.server_uuid.as_ref().map(|uuid| format!(" of the server {uuid}")).unwrap_or_default();
            error.detail(format!("prepared at {}{server}", known.place))
        }
        None => error.detail("its prepare lies before the place where this stream began"),
    };
    let tables = known.as_ref().map(PreparedXa::table_names).filter(|names| !names.is_empty());
    error.detail(format!("committed at {at}")).exit_code(2).hint(format!(
        "the binlog with the prepare was purged, or it is another server's: start behind the commit with --init_position={end}, then bootstrap {}",
        tables.as_deref().unwrap_or("the tables that it may have changed")
    ))
}

/// Watches one file for the prepare of one name, and for what decides it.
struct PrepareFinder<'a> {
    name: &'a XaName,
    limits: PayloadLimits,
    /// Whether the prepare was in the large compressed transaction that is being received.
    packed: bool,
    /// Where the group of the last undecided prepare begins.
    prepared: Option<BinlogPosition>,
    /// Whether the last that was seen of the name is its commit or rollback.
    decided: bool,
}

impl PrepareFinder<'_> {
    fn look(&mut self, event: &RawEvent, seen: Option<Seen>) -> Result<(), DecodeError> {
        if event.header.is_packed() && event.event_type() == Some(EventType::XaPrepare) {
            self.packed = self.is_prepare(event)?;
        }
        let Some(Seen::Group(group)) = seen else { return Ok(()) };
        let is_prepare = match event.event_type() {
            Some(EventType::XaPrepare) => self.is_prepare(event)?,
            Some(EventType::TransactionPayload) if event.body.is_empty() => std::mem::take(&mut self.packed),
            Some(EventType::TransactionPayload) => {
                let mut found = false;
                for inner in payload::TransactionPayload::parse(event)?.events(self.limits)? {
                    let inner = inner?;
                    found |= inner.event_type() == Some(EventType::XaPrepare) && self.is_prepare(&inner)?;
                }
                found
            }
            Some(EventType::Query) => {
                if groups::decides_xa(query::Query::parse(event)?.sql).as_ref() == Some(self.name) {
                    (self.prepared, self.decided) = (None, true);
                }
                false
            }
            _ => false,
        };
        if is_prepare {
            (self.prepared, self.decided) = (Some(group.start), false);
        }
        Ok(())
    }

    fn is_prepare(&self, event: &RawEvent) -> Result<bool, DecodeError> {
        let prepare = XaPrepare::parse(event)?;
        Ok(!prepare.one_phase && prepare.xid.to_name() == *self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_off_the_server_are_refused() {
        let files = [BinlogFile { name: "m.000002".into(), size_bytes: 900 }, BinlogFile { name: "m.000003".into(), size_bytes: 157 }];
        for (file, offset, words) in
            [("m.000002", 900, ""), ("m.000003", 4, ""), ("m.000003", 158, "157 bytes"), ("m.000001", 4, "not on the server")]
        {
            match on_server(&files, &BinlogPosition::new(file, offset)) {
                Ok(()) => assert_eq!(words, "", "{file}:{offset}"),
                Err(e) => assert!(!words.is_empty() && e.to_string().contains(words) && e.code() == 2, "{e}"),
            }
        }
    }
}
