//! The client/server protocol's packets: a header of three bytes length and one byte number, and the payload, in chunks
//! when it is long (MySQL internals manual, "MySQL Packets").
//!
//! For login and commands, where packets are small and come one by one; the dump's bulk reading is `source::reader`.

use std::io::{Read, Write};

use super::fault::{read_error, server_error};
use crate::binlog::{Cursor, DecodeError};
use crate::error::{Error, Result};

/// A chunk of this length says that another follows.
pub const CHUNK_MAX: usize = 0xff_ffff;
pub const HEADER_SIZE: usize = 4;
/// Answers to our few statements are small; whoever sends more is no MySQL server.
const ANSWER_MAX: usize = 1 << 20;

/// First byte of packets that are not data.
pub const OK: u8 = 0x00;
pub const AUTH_MORE: u8 = 0x01;
pub const LOCAL_INFILE: u8 = 0xfb;
pub const EOF: u8 = 0xfe;
pub const ERR: u8 = 0xff;

/// Length and number from a packet's header.
pub fn header(bytes: [u8; HEADER_SIZE]) -> (usize, u8) {
    let [a, b, c, number] = bytes;
    (usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16, number)
}

/// Whether the payload is an EOF packet, not a row or an auth switch that begins with the same byte.
pub fn is_eof(payload: &[u8]) -> bool {
    payload.first() == Some(&EOF) && payload.len() < 9
}

/// Reads one packet. `sequence` is the number that it must have, and becomes the next one.
///
/// # Errors
/// Transient when the connection fails, is closed or gets out of step; definite when the answer is absurdly long.
pub fn read(stream: &mut impl Read, sequence: &mut u8) -> Result<Vec<u8>> {
    let mut head = [0; HEADER_SIZE];
    stream.read_exact(&mut head).map_err(read_error)?;
    let (length, number) = header(head);
    // Before the number: other protocols' greetings are long packets in this reading, and hopeless rather than lost.
    if length > ANSWER_MAX {
        return Err(Error::definite(format!("the server answered with a packet of {length} bytes where a short one was expected"))
            .hint("check that host and port are those of a MySQL or MariaDB server"));
    }
    check_sequence(number, sequence)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).map_err(read_error)?;
    Ok(payload)
}

/// Packets of one exchange are numbered; a gap means that bytes were lost or misread.
pub fn check_sequence(number: u8, sequence: &mut u8) -> Result<()> {
    if number != *sequence {
        return Err(Error::transient(format!("packets out of order: number {number} where {sequence} was due")));
    }
    *sequence = sequence.wrapping_add(1);
    Ok(())
}

/// Writes one packet, in as many chunks as it needs.
pub fn write(stream: &mut impl Write, sequence: &mut u8, payload: &[u8]) -> Result<()> {
    let mut out = Vec::with_capacity(payload.len() + HEADER_SIZE);
    let mut rest = payload;
    loop {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK_MAX));
        out.extend_from_slice(&(chunk.len() as u32).to_le_bytes()[..3]);
        out.push(*sequence);
        out.extend_from_slice(chunk);
        *sequence = sequence.wrapping_add(1);
        rest = after;
        // A payload of exactly the largest length is followed by an empty chunk.
        if chunk.len() < CHUNK_MAX {
            break;
        }
    }
    stream.write_all(&out).and_then(|()| stream.flush()).map_err(read_error)
}

/// Number, SQL state and text of an error packet, its first byte included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPacket {
    pub code: u16,
    pub state: String,
    pub text: String,
}

impl ErrorPacket {
    /// The state is missing before the login is done.
    pub fn parse(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(payload);
        c.u8("error packet")?;
        let code = c.u16("error number")?;
        let state = match c.rest().first() {
            Some(b'#') => String::from_utf8_lossy(c.take(6, "SQL state")?).trim_start_matches('#').to_owned(),
            _ => String::new(),
        };
        Ok(ErrorPacket { code, state, text: String::from_utf8_lossy(c.rest()).into_owned() })
    }

    pub fn into_error(self) -> Error {
        server_error(self.code, &self.state, &self.text)
    }
}

/// The error of an error packet, or of one that cannot be read.
pub fn error_of(payload: &[u8]) -> Error {
    ErrorPacket::parse(payload).map_or_else(malformed, ErrorPacket::into_error)
}

/// An answer that is not of the protocol.
pub fn malformed(error: DecodeError) -> Error {
    Error::definite("the server's answer cannot be read")
        .source(error)
        .hint("check that host and port are those of a MySQL or MariaDB server")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written_packets_are_read_again() {
        for payload in [&b""[..], b"x", &[7; 70_000]] {
            let (mut wire, mut out, mut back) = (Vec::new(), 5, 5);
            write(&mut wire, &mut out, payload).unwrap();
            assert_eq!(read(&mut wire.as_slice(), &mut back).unwrap(), payload);
            assert_eq!((out, back), (6, 6));
        }
    }

    #[test]
    fn long_payloads_are_cut_in_chunks() {
        let (mut wire, mut sequence) = (Vec::new(), 255);
        write(&mut wire, &mut sequence, &vec![1; CHUNK_MAX]).unwrap();
        assert_eq!(&wire[..4], &[0xff, 0xff, 0xff, 255]);
        assert_eq!(&wire[4 + CHUNK_MAX..], &[0, 0, 0, 0], "the empty chunk that ends it");
        assert_eq!(sequence, 1);
    }

    #[test]
    fn faults_of_packets() {
        let class = |bytes: &[u8], number| read(&mut &bytes[..], &mut { number }).unwrap_err();
        assert!(class(&[1, 0, 0, 0], 0).is_transient(), "cut in the payload");
        assert!(class(&[1, 0], 0).is_transient(), "cut in the header");
        assert!(class(&[0, 0, 0, 3], 2).to_string().contains("out of order"));
        assert!(!class(&[0xff, 0xff, 0xff, 0], 0).is_transient(), "absurd length");
    }

    #[test]
    fn error_packets() {
        let with_state = ErrorPacket::parse(b"\xff\xd4\x04#HY000Could not find first log file").unwrap();
        assert_eq!(
            (with_state.code, with_state.state.as_str(), with_state.text.as_str()),
            (1236, "HY000", "Could not find first log file")
        );
        let early = ErrorPacket::parse(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((early.code, early.state.as_str(), early.text.as_str()), (1040, "", "Too many connections"));
        assert!(error_of(b"\xff\x10").to_string().contains("cannot be read"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&mut bytes.as_slice(), &mut 0);
            let _ = error_of(&bytes);
        }
    }
}
