//! The common header of every event, its type code, and the raw event that the whole chain carries.

use bytes::{Buf, Bytes};

use super::format::{self, ChecksumAlgorithm};
use super::{Cursor, DecodeError};

/// Size of the common header of binlog version 4, in bytes.
pub const HEADER_SIZE: usize = 19;

/// The common header (MySQL internals manual, "Binlog Event Header"; `libbinlogevents/include/binlog_event.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// Seconds since the epoch, when the statement began.
    pub timestamp: u32,
    pub type_code: u8,
    pub server_id: u32,
    /// Size on the wire, with header and checksum; 0 for an event out of a compressed transaction, which takes no room in the
    /// file.
    pub size: u32,
    /// `end_log_pos`: offset of the next event, modulo 2^32; 0 in artificial events and, on MariaDB 11.4+, inside groups.
    pub next_position: u32,
    pub flags: u16,
}

/// In a format description event: the server has the file open, or died with it open. The server clears the bit when it
/// closes the file, so the checksum is computed as if it were not set.
pub const FLAG_IN_USE: u16 = 0x1;
/// The event was made up by the dump thread and is in no file.
pub const FLAG_ARTIFICIAL: u16 = 0x20;
/// A reader that does not know the type may pass over the event.
pub const FLAG_IGNORABLE: u16 = 0x80;

impl EventHeader {
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(bytes);
        Ok(EventHeader {
            timestamp: c.u32("event time")?,
            type_code: c.u8("event type")?,
            server_id: c.u32("event server id")?,
            size: c.u32("event size")?,
            next_position: c.u32("event end position")?,
            flags: c.u16("event flags")?,
        })
    }

    pub fn event_type(&self) -> Option<EventType> {
        EventType::from_code(self.type_code)
    }

    /// Whether the event stands inside a compressed transaction. Where such a one is too large to be received whole, its
    /// events come one by one, and behind the last the outer event without its body: only then its checksum is known to
    /// be right, and where it ends.
    pub fn is_packed(&self) -> bool {
        self.size == 0
    }

    pub fn is_artificial(&self) -> bool {
        self.flags & FLAG_ARTIFICIAL != 0
    }

    /// Whether a reader that does not know the type may pass over the event.
    pub fn is_ignorable(&self) -> bool {
        self.flags & FLAG_IGNORABLE != 0
    }

    /// The server's name of the type, or its number, for messages.
    pub fn type_name(&self) -> std::borrow::Cow<'static, str> {
        match self.event_type() {
            Some(known) => known.name().into(),
            None => format!("type {}", self.type_code).into(),
        }
    }
}

/// An event as it came: the header, and all bytes after it without the checksum. `body` is a slice of the read buffer,
/// reference counted, so handing an event on copies nothing.
#[derive(Debug, Clone)]
pub struct RawEvent {
    pub header: EventHeader,
    pub body: Bytes,
}

impl RawEvent {
    pub fn event_type(&self) -> Option<EventType> {
        self.header.event_type()
    }
}

/// Size of a CRC-32 checksum at an event's end, in bytes.
pub const CHECKSUM_SIZE: usize = 4;

/// Cuts one whole event (header, body and checksum, nothing before or after) into header and body, and compares the
/// checksum. `algorithm` is what the last format description event says; a format description event follows its own
/// byte instead, and always has room for a checksum if its server knows of them.
///
/// Fails if the event is shorter than its parts, if its length is not the one in its header, or if the checksum differs.
pub fn verify_and_strip(mut bytes: Bytes, algorithm: ChecksumAlgorithm) -> Result<RawEvent, DecodeError> {
    let header = EventHeader::parse(&bytes)?;
    if usize::try_from(header.size) != Ok(bytes.len()) {
        return Err(DecodeError::invalid("event size", format!("header says {}, there are {} bytes", header.size, bytes.len())));
    }
    let (reserved, checked) = match header.event_type() {
        Some(EventType::FormatDescription) => format::checksum_of(&bytes)?,
        _ => (algorithm == ChecksumAlgorithm::Crc32, algorithm == ChecksumAlgorithm::Crc32),
    };
    if reserved {
        let Some(end) = bytes.len().checked_sub(CHECKSUM_SIZE).filter(|end| *end >= HEADER_SIZE) else {
            return Err(DecodeError::Short { what: "event checksum", want: CHECKSUM_SIZE, have: bytes.len() - HEADER_SIZE });
        };
        let stored = bytes.split_off(end);
        let stored = Cursor::new(&stored).u32("event checksum")?;
        if checked {
            let computed = checksum(&bytes, &header);
            if stored != computed {
                let why = format!("stored {stored:08x}, computed {computed:08x}");
                return Err(DecodeError::invalid("event checksum", why));
            }
        }
    }
    // `EventHeader::parse` has read HEADER_SIZE bytes, and what was cut off above began behind them.
    bytes.advance(HEADER_SIZE);
    Ok(RawEvent { header, body: bytes })
}

/// CRC-32 of an event without its checksum.
fn checksum(bytes: &[u8], header: &EventHeader) -> u32 {
    let in_use = header.event_type() == Some(EventType::FormatDescription) && header.flags & FLAG_IN_USE != 0;
    match bytes.split_first_chunk::<HEADER_SIZE>() {
        Some((head, body)) if in_use => {
            let mut head = *head;
            head[FLAGS_OFFSET] &= !(FLAG_IN_USE as u8);
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&head);
            hasher.update(body);
            hasher.finalize()
        }
        _ => crc32fast::hash(bytes),
    }
}

/// Where the flags stand in the header.
const FLAGS_OFFSET: usize = 17;

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// Event types that may appear in a binlog of MySQL 5.6–9.7 or MariaDB 10.6–12.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType { $($(#[$doc])* $name = $code,)* }
        impl EventType {
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(EventType::$name),)* _ => None }
            }
            /// The server's name of the type.
            pub fn name(self) -> &'static str {
                match self { $(EventType::$name => $text,)* }
            }
        }
    };
}

event_types! {
    StartV3 = 1 "Start_v3",
    Query = 2 "Query",
    Stop = 3 "Stop",
    Rotate = 4 "Rotate",
    Intvar = 5 "Intvar",
    Load = 6 "Load",
    CreateFile = 8 "Create_file",
    AppendBlock = 9 "Append_block",
    ExecLoad = 10 "Exec_load",
    DeleteFile = 11 "Delete_file",
    NewLoad = 12 "New_load",
    Rand = 13 "RAND",
    UserVar = 14 "User var",
    FormatDescription = 15 "Format_desc",
    Xid = 16 "Xid",
    BeginLoadQuery = 17 "Begin_load_query",
    ExecuteLoadQuery = 18 "Execute_load_query",
    TableMap = 19 "Table_map",
    WriteRowsV1 = 23 "Write_rows_v1",
    UpdateRowsV1 = 24 "Update_rows_v1",
    DeleteRowsV1 = 25 "Delete_rows_v1",
    Incident = 26 "Incident",
    Heartbeat = 27 "Heartbeat",
    Ignorable = 28 "Ignorable",
    RowsQuery = 29 "Rows_query",
    WriteRowsV2 = 30 "Write_rows",
    UpdateRowsV2 = 31 "Update_rows",
    DeleteRowsV2 = 32 "Delete_rows",
    Gtid = 33 "Gtid",
    AnonymousGtid = 34 "Anonymous_Gtid",
    PreviousGtids = 35 "Previous_gtids",
    TransactionContext = 36 "Transaction_context",
    ViewChange = 37 "View_change",
    XaPrepare = 38 "XA_prepare",
    PartialUpdateRows = 39 "Update_rows_partial",
    TransactionPayload = 40 "Transaction_payload",
    HeartbeatV2 = 41 "Heartbeat_v2",
    GtidTagged = 42 "Gtid_tagged",
    MariaAnnotateRows = 160 "Annotate_rows",
    MariaBinlogCheckpoint = 161 "Binlog_checkpoint",
    MariaGtid = 162 "MariaDB Gtid",
    MariaGtidList = 163 "Gtid_list",
    MariaStartEncryption = 164 "Start_encryption",
    MariaQueryCompressed = 165 "Query_compressed",
    MariaWriteRowsCompressedV1 = 166 "Write_rows_compressed_v1",
    MariaUpdateRowsCompressedV1 = 167 "Update_rows_compressed_v1",
    MariaDeleteRowsCompressedV1 = 168 "Delete_rows_compressed_v1",
    MariaWriteRowsCompressed = 169 "Write_rows_compressed",
    MariaUpdateRowsCompressed = 170 "Update_rows_compressed",
    MariaDeleteRowsCompressed = 171 "Delete_rows_compressed",
    MariaPartialRowData = 172 "Partial_row_data",
}

impl EventType {
    /// The rows events of every version, compressed or not.
    pub fn is_rows(self) -> bool {
        use EventType::*;
        matches!(
            self,
            WriteRowsV1
                | UpdateRowsV1
                | DeleteRowsV1
                | WriteRowsV2
                | UpdateRowsV2
                | DeleteRowsV2
                | PartialUpdateRows
                | MariaWriteRowsCompressedV1
                | MariaUpdateRowsCompressedV1
                | MariaDeleteRowsCompressedV1
                | MariaWriteRowsCompressed
                | MariaUpdateRowsCompressed
                | MariaDeleteRowsCompressed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of `type_code` with `body`, and its right checksum.
    fn with_checksum(type_code: u8, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&7u32.to_le_bytes());
        bytes.push(type_code);
        bytes.extend_from_slice(&1u32.to_le_bytes());
        bytes.extend_from_slice(&((HEADER_SIZE + body.len() + CHECKSUM_SIZE) as u32).to_le_bytes());
        bytes.extend_from_slice(&99u32.to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(body);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn checksum_is_compared_and_cut_off() {
        let bytes = with_checksum(16, 0, b"12345678");
        let event = verify_and_strip(Bytes::from(bytes.clone()), ChecksumAlgorithm::Crc32).unwrap();
        assert_eq!((event.header.timestamp, event.event_type(), &event.body[..]), (7, Some(EventType::Xid), &b"12345678"[..]));
        for place in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[place] ^= 4;
            verify_and_strip(Bytes::from(broken), ChecksumAlgorithm::Crc32).unwrap_err();
        }
    }

    #[test]
    fn without_checksum_the_body_is_whole() {
        let bytes = with_checksum(16, 0, b"12345678");
        let event = verify_and_strip(Bytes::from(bytes), ChecksumAlgorithm::None).unwrap();
        assert_eq!(event.body.len(), 12);
    }

    #[test]
    fn short_events_are_refused() {
        let bytes = with_checksum(3, 0, b"");
        for len in 0..bytes.len() {
            verify_and_strip(Bytes::copy_from_slice(&bytes[..len]), ChecksumAlgorithm::Crc32).unwrap_err();
        }
        // A header that claims to be the whole event leaves no room for the checksum.
        let mut bare = bytes[..HEADER_SIZE].to_vec();
        bare[9] = HEADER_SIZE as u8;
        verify_and_strip(Bytes::from(bare), ChecksumAlgorithm::Crc32).unwrap_err();
    }

    #[test]
    fn types_have_the_servers_numbers() {
        assert_eq!(EventType::from_code(42), Some(EventType::GtidTagged));
        assert_eq!(EventType::from_code(164), Some(EventType::MariaStartEncryption));
        assert_eq!(EventType::from_code(20), None);
        assert!(EventType::PartialUpdateRows.is_rows() && !EventType::TableMap.is_rows());
    }
}
