//! The common header of every event, its type code, and the raw event that the whole chain carries.

use bytes::Bytes;

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
    /// Size on the wire, with header and checksum.
    pub size: u32,
    /// `end_log_pos`: offset of the next event, modulo 2^32; 0 in artificial events and, on MariaDB 11.4+, inside groups.
    pub next_position: u32,
    pub flags: u16,
}

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

    pub fn is_artificial(&self) -> bool {
        self.flags & FLAG_ARTIFICIAL != 0
    }
}

/// An event as it came: the header, and all bytes after it without the checksum. `body` is a slice of the read buffer,
/// reference counted, so handing an event on copies nothing.
#[derive(Debug, Clone)]
pub struct RawEvent {
    pub header: EventHeader,
    pub body: Bytes,
}

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
