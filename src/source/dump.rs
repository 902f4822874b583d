//! The dump connection: logs in, asks for the binlog, and gives its events in blocks.
//!
//! Blocking; belongs to one thread. Checks what can be checked of bytes (order, length, checksum); what events mean, and
//! whether the server is the right one, is for others.

use std::io;
use std::time::Duration;

use bytes::Bytes;

use super::commands::{Commands, FLAG_ANNOTATE, FLAG_NON_BLOCK};
use super::large::LargePayload;
use super::packet::{self, ErrorPacket};
use super::reader::{PacketReader, Packets, ReadError, Received};
use super::wire::{Closer, Wire};
use super::{login, mariadb, mysql, refusal};
use crate::binlog::event::verify_and_strip;
use crate::binlog::payload::{PayloadLimits, WINDOW_BYTES_MIN};
use crate::binlog::rotate::Rotate;
use crate::binlog::{ChecksumAlgorithm, DecodeError, EventType, FormatDescription, RawEvent};
use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Gtids};
use crate::server::connect::ConnectionOptions;
use crate::server::fault::{is_server_error, read_error};
use crate::server::flavor::{Flavor, ServerVersion};

/// The servers' own limit for an event (`max_log_event_size`).
pub const EVENT_BYTES_MAX: usize = 1 << 30;
/// So much out of a compressed transaction makes a block.
const BLOCK_BYTES: usize = 256 * 1024;
/// How long the first event may take: to find GTIDs, a server reads through many files without a word.
const FIRST_EVENT_WAIT: Duration = Duration::from_secs(300);
/// ER_UNKNOWN_SYSTEM_VARIABLE
const UNKNOWN_VARIABLE: u16 = 1193;

/// How to read the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpOptions {
    pub connection: ConnectionOptions,
    /// `replica_server_id`: must differ from that of every server and other client of the same log.
    pub server_id: u32,
    /// The server ends an older dump of the same client by a UUID that is made from this.
    pub client_id: String,
    /// The server sends a heartbeat after so long without an event.
    pub heartbeat_ms: u64,
    /// So many heartbeats in a row missing, and the connection counts as lost.
    pub heartbeats_missed_max: u32,
    /// Largest event that is accepted.
    pub event_bytes_max: usize,
    /// What unpacking a compressed transaction may need of what was unpacked before, in bytes.
    pub window_bytes_max: u64,
    /// End at the end of the log instead of waiting for more.
    pub non_blocking: bool,
}

impl DumpOptions {
    /// Maxwell's 5 s and 25 s.
    pub fn new(connection: ConnectionOptions, server_id: u32, client_id: impl Into<String>) -> Self {
        DumpOptions {
            connection,
            server_id,
            client_id: client_id.into(),
            heartbeat_ms: 5_000,
            heartbeats_missed_max: 5,
            event_bytes_max: EVENT_BYTES_MAX,
            window_bytes_max: WINDOW_BYTES_MIN,
            non_blocking: false,
        }
    }

    /// What unpacking a compressed transaction may take.
    pub fn payload_limits(&self) -> PayloadLimits {
        let event_bytes_max = u32::try_from(self.event_bytes_max).unwrap_or(u32::MAX);
        PayloadLimits { event_bytes_max, window_bytes_max: self.window_bytes_max }
    }

    fn silence(&self) -> Option<Duration> {
        let silence = self.heartbeat_ms.saturating_mul(u64::from(self.heartbeats_missed_max));
        (silence > 0).then(|| Duration::from_millis(silence))
    }
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At an event's beginning, below 4 GiB in its file.
    File(BinlogPosition),
    /// Behind these transactions.
    Gtids(Gtids),
}

/// Events that came together.
#[derive(Debug, Clone, Default)]
pub struct EventBlock {
    pub events: Vec<RawEvent>,
    /// What the events hold in memory, in bytes.
    pub bytes: usize,
}

impl EventBlock {
    fn push(&mut self, event: RawEvent) {
        self.bytes += event.body.len() + std::mem::size_of::<RawEvent>();
        self.events.push(event);
    }
}

/// What came.
enum Got {
    Packets(Packets),
    Events(EventBlock),
    /// A large compressed transaction, of which nothing can be given yet.
    Begun,
}

/// Who is at the other end of the dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpServer {
    pub version: ServerVersion,
    pub server_id: u32,
    /// MySQL's `@@server_uuid`, MariaDB's `@@server_uid`, as `server::status` gives it.
    pub uuid: Option<String>,
    pub connection_id: u32,
}

/// An open dump.
pub struct DumpStream {
    reader: PacketReader<Wire>,
    closer: Closer,
    server: DumpServer,
    cutter: EventCutter,
    /// A compressed transaction that is being received, too large to be received whole.
    large: Option<LargePayload>,
    limits: PayloadLimits,
    /// Time limit of a read once the first event is here; `None` when it is set already.
    later_silence: Option<Option<Duration>>,
    /// What ended the stream, told after the events before it.
    ended: Option<Result<()>>,
    /// For the error text.
    silence: Option<Duration>,
    /// Whether the log's end ends the stream.
    non_blocking: bool,
}

/// Ends a dump from another thread: its `next_block` then returns `None`.
#[derive(Debug, Clone)]
pub struct Stopper(Closer);

impl Stopper {
    pub fn stop(&self) {
        self.0.close();
    }
}

impl DumpStream {
    /// Connects, logs in, prepares the session and asks for the log. The server's refusal of the position comes with the
    /// first block.
    ///
    /// # Errors
    /// Transient when the server cannot be reached; definite for logins, rights, and a place that cannot be asked for.
    pub fn open(options: &DumpOptions, start: &Start) -> Result<Self> {
        let session = login::login(&options.connection)?;
        Self::prepare(options, start, session).map_err(|e| e.detail(options.connection.address()))
    }

    fn prepare(options: &DumpOptions, start: &Start, session: login::Session) -> Result<Self> {
        let (version, connection_id) = (session.version.clone(), session.connection_id);
        let mut commands = Commands::new(session);
        for sql in settings(options, start, version.flavor)? {
            commands.query(&sql)?;
        }
        let checksum = match commands.value("SELECT @master_binlog_checksum")?.as_deref() {
            Some("CRC32") => ChecksumAlgorithm::Crc32,
            None | Some("NONE") => ChecksumAlgorithm::None,
            Some(other) => return Err(Error::definite(format!("the server's binlog_checksum is `{other}`; CRC32 and NONE are known"))),
        };
        let server = ask_server(&mut commands, version, connection_id)?;
        if let Err(e) = commands.register(options.server_id, &format!("binlogd-{}", options.client_id)) {
            if e.is_transient() {
                return Err(e);
            }
            // Registering only makes us visible; if a right is missing, the answer to the dump says so in better words.
            tracing::debug!(error = %e, "the server does not register us");
        }
        commands.session().wire.set_timeouts(Some(FIRST_EVENT_WAIT.max(options.silence().unwrap_or_default())))?;
        let closer = commands.session().wire.closer()?;
        let mut flags = if options.non_blocking { FLAG_NON_BLOCK } else { 0 };
        if server.version.is_mariadb() {
            flags |= FLAG_ANNOTATE;
        }
        let (wire, at) = match start {
            Start::File(at) => (commands.dump_from(at, options.server_id, flags)?, at.clone()),
            Start::Gtids(Gtids::MySql(set)) => (commands.dump_without(set, options.server_id, flags)?, nowhere()),
            // The session's variables say where.
            Start::Gtids(Gtids::MariaDb(_)) => (commands.dump_from(&nowhere(), options.server_id, flags)?, nowhere()),
        };
        tracing::debug!(server = %server.version, connection = connection_id, tls = wire.is_encrypted(), "the dump is asked for");
        let cutter = EventCutter { checksum, at, event_bytes_max: options.event_bytes_max };
        Ok(DumpStream {
            // One byte more than the event, for the OK mark; the first answer has number 1.
            reader: PacketReader::new(wire, 1, options.event_bytes_max.saturating_add(1)),
            closer,
            server,
            cutter,
            large: None,
            limits: options.payload_limits(),
            later_silence: Some(options.silence()),
            ended: None,
            silence: options.silence(),
            non_blocking: options.non_blocking,
        })
    }

    pub fn server(&self) -> &DumpServer {
        &self.server
    }

    pub fn stopper(&self) -> Result<Stopper> {
        Ok(Stopper(self.closer.clone()))
    }

    /// The events that are here, at least one; waits only when none is. `None` at the end of the log (non-blocking mode)
    /// and after a stop. What came whole before
    /// an error is given first.
    ///
    /// # Errors
    /// Transient when the connection is lost or silent for too long; definite when the server refuses the position (exit
    /// code 2), or when an event is damaged or too large. The detail is the place.
    pub fn next_block(&mut self) -> Result<Option<EventBlock>> {
        loop {
            if let Some(ended) = self.ended.take() {
                // Whoever asks again gets the end, not the error twice.
                self.ended = Some(Ok(()));
                return ended.map(|()| None);
            }
            let received = match self.large {
                Some(_) => self.unpack(),
                None => self.receive(),
            };
            let packets = match received {
                Ok(Got::Packets(packets)) => packets,
                Ok(Got::Events(block)) => return Ok(Some(block)),
                Ok(Got::Begun) => continue,
                Err(error) => {
                    self.large = None;
                    self.ended = Some(if self.closer.is_closed() { Ok(()) } else { Err(error) });
                    continue;
                }
            };
            if let Some(silence) = self.later_silence.take() {
                self.reader.source().set_timeouts(silence)?;
            }
            let mut block = EventBlock { events: Vec::with_capacity(packets.spans.len()), bytes: 0 };
            for span in packets.spans {
                match self.cutter.cut(packets.bytes.slice(span)) {
                    Ok(Some(event)) => block.push(event),
                    Ok(None) => self.ended = Some(self.end_of_log()),
                    Err(e) => self.ended = Some(Err(e)),
                }
                if self.ended.is_some() {
                    break;
                }
            }
            if !block.events.is_empty() {
                return Ok(Some(block));
            }
        }
    }

    fn receive(&mut self) -> Result<Got> {
        match self.reader.receive().map_err(|e| self.read_fault(e))? {
            Received::Packets(packets) => Ok(Got::Packets(packets)),
            Received::Large => self.receive_large(),
        }
    }

    /// A packet that is too large to be received whole, unless it is one event with a large row.
    fn receive_large(&mut self) -> Result<Got> {
        let mut begun = Vec::new();
        while begun.len() < LargePayload::HEAD_BYTES + 1
            && let Some(piece) = self.reader.piece().map_err(|e| self.read_fault(e))?
        {
            begun.extend_from_slice(&piece);
        }
        let head = begun.get(1..).filter(|_| begun.first() == Some(&packet::OK)).and_then(<[u8]>::split_first_chunk);
        let Some((head, rest)) = head.filter(|(head, _)| LargePayload::is_payload(head)) else {
            return self.reader.join(begun).map(Got::Packets).map_err(|e| self.read_fault(e));
        };
        let mut large = LargePayload::begin(head, self.cutter.checksum, self.limits).map_err(|e| self.cutter.damaged(e))?;
        large.push(Bytes::copy_from_slice(rest)).map_err(|e| self.cutter.damaged(e))?;
        self.large = Some(large);
        Ok(Got::Begun)
    }

    /// The next events out of a large compressed transaction; behind the last the outer event without its body.
    fn unpack(&mut self) -> Result<Got> {
        let mut block = EventBlock::default();
        while let Some(large) = &mut self.large {
            while block.bytes < BLOCK_BYTES
                && let Some(event) = large.next().map_err(|e| self.cutter.damaged(e))?
            {
                block.push(event);
            }
            if !block.events.is_empty() {
                break;
            }
            match self.reader.piece() {
                Err(e) => return Err(self.read_fault(e)),
                Ok(Some(piece)) => large.push(piece).map_err(|e| self.cutter.damaged(e))?,
                Ok(None) => {
                    if let Some(large) = self.large.take() {
                        let outer = large.finish().map_err(|e| self.cutter.damaged(e))?;
                        self.cutter.at.offset = u64::from(outer.header.next_position);
                        block.push(outer);
                    }
                }
            }
        }
        Ok(Got::Events(block))
    }

    /// Asked to wait, a server ends a dump in good order only when it stops, or when it makes room for another reader of
    /// the same name (older servers; newer ones say so in an error).
    fn end_of_log(&self) -> Result<()> {
        if self.non_blocking {
            return Ok(());
        }
        Err(Error::transient("the server ended the dump")
            .detail(self.cutter.place())
            .hint("if it does so again and again, another client reads with the same client_id or replica_server_id"))
    }

    fn read_fault(&self, error: ReadError) -> Error {
        let error = match error {
            ReadError::Io(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                let waited = if self.later_silence.is_some() { Some(FIRST_EVENT_WAIT) } else { self.silence };
                let waited = waited.unwrap_or_default().as_millis();
                Error::transient(format!("the server has sent nothing for {waited} ms, not even a heartbeat"))
            }
            ReadError::Io(e) => read_error(e),
            ReadError::TooLong(bytes) => self.cutter.too_long(bytes),
            ReadError::Protocol(e) => e,
        };
        error.detail(self.cutter.place())
    }
}

impl Drop for DumpStream {
    fn drop(&mut self) {
        // A `Stopper` may outlive us with a copy of the socket's handle, and the server would go on sending into it.
        self.closer.close();
    }
}

/// Behind GTIDs there is no file yet; the first rotate event names one.
fn nowhere() -> BinlogPosition {
    BinlogPosition::new("", 4)
}

fn settings(options: &DumpOptions, start: &Start, flavor: Flavor) -> Result<Vec<String>> {
    match (flavor, start) {
        (Flavor::MySql, Start::Gtids(Gtids::MariaDb(_))) | (Flavor::MariaDb, Start::Gtids(Gtids::MySql(_))) => {
            let kind = if flavor == Flavor::MySql { "MySQL" } else { "MariaDB" };
            Err(Error::definite(format!("the stored GTIDs are not {kind}'s, but the server is"))
                .hint("give a new start with --init_position"))
        }
        (Flavor::MySql, _) => Ok(mysql::settings(options.heartbeat_ms, &options.client_id)),
        (Flavor::MariaDb, Start::Gtids(Gtids::MariaDb(position))) => Ok(mariadb::settings(options.heartbeat_ms, Some(position))),
        (Flavor::MariaDb, _) => Ok(mariadb::settings(options.heartbeat_ms, None)),
    }
}

fn ask_server(commands: &mut Commands, version: ServerVersion, connection_id: u32) -> Result<DumpServer> {
    let id = commands.value("SELECT @@server_id")?;
    let server_id = id.and_then(|text| text.parse().ok()).ok_or_else(|| Error::definite("the server does not tell its server_id"))?;
    let uuid = match commands.value(if version.is_mariadb() { "SELECT @@server_uid" } else { "SELECT @@server_uuid" }) {
        Ok(uuid) => uuid,
        Err(e) if is_server_error(&e, &[UNKNOWN_VARIABLE]) => None,
        Err(e) => return Err(e),
    };
    Ok(DumpServer { version, server_id, uuid, connection_id })
}

/// From packets to events, one by one. Pure.
struct EventCutter {
    /// Of the last format description event; before the first, what was agreed on.
    checksum: ChecksumAlgorithm,
    /// Where the last event ended, for error texts.
    at: BinlogPosition,
    event_bytes_max: usize,
}

impl EventCutter {
    /// The event in a packet; `None` when the packet says that the log has ended.
    fn cut(&mut self, packet: Bytes) -> Result<Option<RawEvent>> {
        match packet.first() {
            Some(&packet::OK) => {}
            Some(&packet::EOF) if packet::is_eof(&packet) => return Ok(None),
            Some(&packet::ERR) => {
                let refused = ErrorPacket::parse(&packet).map_or_else(packet::malformed, refusal::refusal);
                return Err(refused.detail(self.place()));
            }
            first => {
                let why = first.map_or("an empty packet".to_owned(), |b| format!("first byte 0x{b:02x}"));
                return Err(self.damaged(DecodeError::invalid("packet of the dump", why)));
            }
        }
        if packet.len() > self.event_bytes_max {
            return Err(self.too_long(packet.len()).detail(self.place()));
        }
        let event = verify_and_strip(packet.slice(1..), self.checksum).map_err(|e| self.damaged(e))?;
        match event.event_type() {
            Some(EventType::FormatDescription) => {
                self.checksum = FormatDescription::parse(&event).map_err(|e| self.damaged(e))?.checksum;
            }
            Some(EventType::Rotate) => {
                let rotate = Rotate::parse(&event).map_err(|e| self.damaged(e))?;
                self.at = BinlogPosition::new(rotate.file, rotate.position);
            }
            _ if event.header.next_position != 0 => self.at.offset = u64::from(event.header.next_position),
            _ => {}
        }
        Ok(Some(event))
    }

    fn place(&self) -> String {
        if self.at.file.is_empty() { "before the first file".to_owned() } else { format!("after {}", self.at) }
    }

    fn damaged(&self, error: DecodeError) -> Error {
        Error::definite("a damaged event came from the server")
            .source(error)
            .detail(self.place())
            .hint("look at this place with SHOW BINLOG EVENTS or mysqlbinlog --verify-binlog-checksum: is the file damaged on the server?")
    }

    fn too_long(&self, packet_bytes: usize) -> Error {
        let limit = self.event_bytes_max;
        Error::definite(format!("an event of at least {} bytes exceeds the limit of {limit} bytes", packet_bytes.saturating_sub(1)))
            .hint("raise row_size_max, of which the limit is twice as much and a little more; such an event holds one large row")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::event::HEADER_SIZE;
    use proptest::prelude::*;

    /// A packet with an event, its checksum right.
    fn packet(type_code: u8, body: &[u8], next_position: u32, checksum: bool) -> Vec<u8> {
        let size = HEADER_SIZE + body.len() + if checksum { 4 } else { 0 };
        let mut event = vec![1, 0, 0, 0, type_code, 1, 0, 0, 0];
        event.extend_from_slice(&(size as u32).to_le_bytes());
        event.extend_from_slice(&next_position.to_le_bytes());
        event.extend_from_slice(&[0, 0]);
        event.extend_from_slice(body);
        if checksum {
            event.extend_from_slice(&crc32fast::hash(&event).to_le_bytes());
        }
        event.insert(0, packet::OK);
        event
    }

    /// A format description of MySQL 9.7; `algorithm` 0 is none, 1 is CRC32.
    fn format_description(algorithm: u8) -> Vec<u8> {
        let mut body = vec![4, 0];
        body.extend_from_slice(b"9.7.4");
        body.resize(52, 0);
        body.extend_from_slice(&[0, 0, 0, 0, 19]);
        body.resize(body.len() + 42, 0);
        body.push(algorithm);
        packet(15, &body, 126, true)
    }

    fn cutter(checksum: ChecksumAlgorithm) -> EventCutter {
        EventCutter { checksum, at: BinlogPosition::new("m.000001", 4), event_bytes_max: 1000 }
    }

    #[test]
    fn checksums_follow_the_format_description() {
        let mut cutter = cutter(ChecksumAlgorithm::Crc32);
        let rotate = cutter.cut(packet(4, b"\x9a\0\0\0\0\0\0\0m.000002", 0, true).into()).unwrap().unwrap();
        assert_eq!(rotate.body.len(), 16, "the checksum that was agreed on is cut off");
        assert_eq!(cutter.at, BinlogPosition::new("m.000002", 154));
        cutter.cut(format_description(0).into()).unwrap();
        let plain = cutter.cut(packet(16, &[0; 8], 200, false).into()).unwrap().unwrap();
        assert_eq!(plain.body.len(), 8);
        cutter.cut(format_description(1).into()).unwrap();
        assert_eq!(cutter.cut(packet(16, &[0; 8], 231, true).into()).unwrap().unwrap().body.len(), 8);
        assert_eq!(cutter.at.offset, 231);
        let mut broken = packet(16, &[0; 8], 262, true);
        broken[25] ^= 1;
        let error = cutter.cut(broken.into()).unwrap_err();
        assert!(error.to_string().contains("after m.000002:231") && error.to_string().contains("checksum"), "{error}");
    }

    #[test]
    fn ends_and_refusals() {
        let mut cutter = cutter(ChecksumAlgorithm::None);
        assert!(cutter.cut(Bytes::from_static(b"\xfe\0\0\x02\0")).unwrap().is_none());
        let refused =
            cutter.cut(Bytes::from_static(b"\xff\xd4\x04#HY000Could not find first log file name in binary log index file")).unwrap_err();
        assert_eq!((refused.is_transient(), refused.code()), (false, 2));
        assert!(refused.to_string().contains("m.000001:4"), "{refused}");
        for bytes in [&b""[..], b"\x07abc", b"\0short"] {
            let error = cutter.cut(Bytes::copy_from_slice(bytes)).unwrap_err();
            assert!(!error.is_transient(), "{error}");
        }
        let error = cutter.cut(packet(16, &[0; 2000], 0, false).into()).unwrap_err();
        assert!(error.to_string().contains("exceeds the limit of 1000"), "{error}");
    }

    #[test]
    fn gtids_of_the_other_flavor_are_refused() {
        let options = DumpOptions::new(ConnectionOptions::new("h", "u", ""), 1, "c");
        let mysql = Start::Gtids(Gtids::MySql("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5".parse().unwrap()));
        assert!(settings(&options, &mysql, Flavor::MariaDb).is_err());
        assert!(settings(&options, &mysql, Flavor::MySql).is_ok());
    }

    proptest! {
        #[test]
        fn any_packet_is_an_event_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..100), crc in any::<bool>()) {
            let mut cutter = cutter(if crc { ChecksumAlgorithm::Crc32 } else { ChecksumAlgorithm::None });
            let _ = cutter.cut(Bytes::from(bytes.clone()));
            let mut marked = vec![packet::OK];
            marked.extend_from_slice(&bytes);
            let _ = cutter.cut(Bytes::from(marked));
        }
    }
}
