//! Commands on a logged-in connection: small statements, registering as a replica, and asking for the binlog.

use super::login::Session;
use super::packet;
use super::wire::Wire;
use crate::binlog::{Cursor, DecodeError};
use crate::error::{Error, Result};
use crate::position::BinlogPosition;
use crate::position::gtid::GtidSet;

const COM_QUERY: u8 = 0x03;
const COM_BINLOG_DUMP: u8 = 0x12;
const COM_REGISTER_SLAVE: u8 = 0x15;
const COM_BINLOG_DUMP_GTID: u8 = 0x1e;

/// End with an EOF packet at the end of the log instead of waiting for more.
pub const FLAG_NON_BLOCK: u16 = 0x01;
/// MariaDB: send annotate events. Without them offsets could not be added up. (To MySQL the bit means another thing.)
pub const FLAG_ANNOTATE: u16 = 0x02;
/// MySQL: the payload has a GTID set.
const FLAG_THROUGH_GTID: u16 = 0x04;

/// The first offset behind a file's magic number.
const FIRST_OFFSET: u64 = 4;
/// Our statements ask for single values.
const ROWS_MAX: usize = 1000;
/// The server keeps at most so many characters of a replica's host name (`sql/rpl_replica.h`, `HOSTNAME_LENGTH`; 60 before 8.0).
const HOST_NAME_MAX: usize = 60;

/// One row of text values; NULL is `None`.
pub type TextRow = Vec<Option<String>>;

/// A connection that takes commands until the dump begins.
pub struct Commands {
    session: Session,
}

impl Commands {
    pub fn new(session: Session) -> Self {
        Commands { session }
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Runs a statement and gives its rows, none for one without a result set.
    pub fn query(&mut self, sql: &str) -> Result<Vec<TextRow>> {
        let wire = &mut self.session.wire;
        let mut sequence = send(wire, COM_QUERY, sql.as_bytes())?;
        let first = packet::read(wire, &mut sequence)?;
        let columns = match first.first() {
            Some(&packet::OK) => return Ok(Vec::new()),
            Some(&packet::ERR) => return Err(packet::error_of(&first)),
            Some(&packet::LOCAL_INFILE) => return Err(packet::malformed(DecodeError::invalid("answer", "a request for a local file"))),
            _ => Cursor::new(&first).lenenc("number of columns").map_err(packet::malformed)?,
        };
        // Their definitions, which say nothing that we need, and the EOF behind them.
        for _ in 0..columns {
            packet::read(wire, &mut sequence)?;
        }
        if !packet::is_eof(&packet::read(wire, &mut sequence)?) {
            return Err(packet::malformed(DecodeError::invalid("result set", "its columns have no end")));
        }
        let mut rows = Vec::new();
        loop {
            let payload = packet::read(wire, &mut sequence)?;
            if packet::is_eof(&payload) {
                return Ok(rows);
            }
            if payload.first() == Some(&packet::ERR) {
                return Err(packet::error_of(&payload));
            }
            if rows.len() == ROWS_MAX {
                return Err(packet::malformed(DecodeError::invalid("result set", "far too many rows")));
            }
            rows.push(text_row(&payload, columns).map_err(packet::malformed)?);
        }
    }

    /// The first value of the first row.
    pub fn value(&mut self, sql: &str) -> Result<Option<String>> {
        Ok(self.query(sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// Makes us visible in SHOW REPLICAS (MySQL manual, "COM_REGISTER_SLAVE").
    pub fn register(&mut self, server_id: u32, name: &str) -> Result<()> {
        let wire = &mut self.session.wire;
        let mut sequence = send(wire, COM_REGISTER_SLAVE, &register_payload(server_id, name))?;
        let answer = packet::read(wire, &mut sequence)?;
        match answer.first() {
            Some(&packet::OK) => Ok(()),
            Some(&packet::ERR) => Err(packet::error_of(&answer)),
            _ => Err(packet::malformed(DecodeError::invalid("answer", "neither OK nor an error"))),
        }
    }

    /// Asks for the log from a place on. The answer is the stream; its first packet has number 1.
    pub fn dump_from(mut self, at: &BinlogPosition, server_id: u32, flags: u16) -> Result<Wire> {
        send(&mut self.session.wire, COM_BINLOG_DUMP, &dump_payload(at, server_id, flags)?)?;
        Ok(self.session.wire)
    }

    /// MySQL: asks for all transactions that are not in the set.
    pub fn dump_without(mut self, executed: &GtidSet, server_id: u32, flags: u16) -> Result<Wire> {
        send(&mut self.session.wire, COM_BINLOG_DUMP_GTID, &dump_gtid_payload(executed, server_id, flags))?;
        Ok(self.session.wire)
    }
}

/// Sends a command, and gives the number that the answer's first packet must have.
fn send(wire: &mut Wire, command: u8, argument: &[u8]) -> Result<u8> {
    let mut payload = Vec::with_capacity(argument.len() + 1);
    payload.push(command);
    payload.extend_from_slice(argument);
    let mut sequence = 0;
    packet::write(wire, &mut sequence, &payload)?;
    Ok(sequence)
}

fn text_row(payload: &[u8], columns: u64) -> Result<TextRow, DecodeError> {
    const NULL: u8 = 0xfb;
    let mut c = Cursor::new(payload);
    let mut row = Vec::new();
    for _ in 0..columns {
        if c.rest().first() == Some(&NULL) {
            c.take(1, "NULL")?;
            row.push(None);
        } else {
            row.push(Some(String::from_utf8_lossy(c.lenenc_bytes("value")?).into_owned()));
        }
    }
    Ok(row)
}

fn register_payload(server_id: u32, name: &str) -> Vec<u8> {
    let mut host: Vec<u8> = name.bytes().filter(u8::is_ascii_graphic).collect();
    host.truncate(HOST_NAME_MAX);
    let mut out = server_id.to_le_bytes().to_vec();
    out.push(host.len() as u8);
    out.extend_from_slice(&host);
    // No user, no password, no port, rank 0, and the master's id, which the server fills in.
    out.extend_from_slice(&[0; 1 + 1 + 2 + 4 + 4]);
    out
}

/// # Errors
/// Definite when the protocol cannot name the place: its offset has 32 bits.
fn dump_payload(at: &BinlogPosition, server_id: u32, flags: u16) -> Result<Vec<u8>> {
    let offset = u32::try_from(at.offset.max(FIRST_OFFSET)).map_err(|_| {
        Error::definite("the server cannot be asked for a place beyond 4 GiB in a binlog file")
            .detail(at)
            .hint("start at the next file's offset 4, or at GTIDs (gtid_mode=true); a smaller max_binlog_size or smaller transactions prevent such files")
    })?;
    let mut out = offset.to_le_bytes().to_vec();
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&server_id.to_le_bytes());
    out.extend_from_slice(at.file.as_bytes());
    Ok(out)
}

fn dump_gtid_payload(executed: &GtidSet, server_id: u32, flags: u16) -> Vec<u8> {
    let set = executed.encode();
    let mut out = (flags | FLAG_THROUGH_GTID).to_le_bytes().to_vec();
    out.extend_from_slice(&server_id.to_le_bytes());
    // No file name: the set alone decides.
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&FIRST_OFFSET.to_le_bytes());
    out.extend_from_slice(&(set.len() as u32).to_le_bytes());
    out.extend_from_slice(&set);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn payloads() {
        let at = BinlogPosition::new("master.000003", 0);
        assert_eq!(dump_payload(&at, 6379, FLAG_ANNOTATE).unwrap(), b"\x04\0\0\0\x02\0\xeb\x18\0\0master.000003");
        let far = BinlogPosition::new("master.000003", 1 << 32);
        let error = dump_payload(&far, 1, 0).unwrap_err();
        assert!(error.to_string().contains("master.000003:4294967296") && error.hint_text().is_some(), "{error}");

        let payload = dump_gtid_payload(&GtidSet::default(), 1, FLAG_NON_BLOCK);
        assert_eq!(payload, b"\x05\0\x01\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0");

        let payload = register_payload(1, &"x\0y".repeat(40));
        assert_eq!((payload[4], payload.len()), (60, 4 + 1 + 60 + 12));
    }

    #[test]
    fn rows_of_text() {
        assert_eq!(text_row(b"\x01a\xfb\x00", 3).unwrap(), [Some("a".to_owned()), None, Some(String::new())]);
        assert!(text_row(b"\x05a", 1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..40), columns in any::<u64>()) {
            let _ = text_row(&bytes, columns);
        }
    }
}
