//! Bulk reading of packets: large reads, packets as slices of the read buffer, long ones joined.
//!
//! Knows nothing of events. A packet that lies in one read is never copied.

use std::io::{self, Read};

use bytes::{Bytes, BytesMut};

use super::packet::{self, CHUNK_MAX, HEADER_SIZE};
use crate::error::{Error, Result};

/// Bytes asked for at once.
const BLOCK_BYTES: usize = 256 * 1024;
/// With less room than this behind what was read, a new buffer is taken.
const ROOM_MIN: usize = 8 * 1024;

/// Cuts a stream of bytes into packets.
pub struct PacketReader<R> {
    source: R,
    /// Zeroed once when it is made; `filled` bytes of it are data, the rest is room. Packets split off its front.
    buffer: BytesMut,
    filled: usize,
    /// Number that the next chunk must have.
    sequence: u8,
    /// Longest payload that is read whole.
    packet_max: usize,
    /// What is left of the chunk of a large packet that is being received, and whether it is the last.
    chunk: Option<(usize, bool)>,
}

/// Where one whole packet's payload lies in the bytes of `Packets`.
pub type Span = std::ops::Range<usize>;

/// What is there.
pub enum Received {
    Packets(Packets),
    /// A packet of 16 MiB or more, or above the limit: it is taken by `piece`, or by `join`.
    Large,
}

/// What one call gave: the bytes, and the payloads in them.
pub struct Packets {
    pub bytes: Bytes,
    pub spans: Vec<Span>,
}

impl<R: Read> PacketReader<R> {
    /// `sequence` is the number after the last packet that was written.
    pub fn new(source: R, sequence: u8, packet_max: usize) -> Self {
        PacketReader { source, buffer: BytesMut::new(), filled: 0, sequence, packet_max, chunk: None }
    }

    pub fn source(&self) -> &R {
        &self.source
    }

    /// Waits until at least one packet is whole, and gives all that are. Never waits for more than the first.
    ///
    /// # Errors
    /// The I/O error as it came, classified by the caller, or a packet beyond the limit or out of order.
    pub fn receive(&mut self) -> Result<Received, ReadError> {
        loop {
            let (spans, used, wanted) = self.scan()?;
            if !spans.is_empty() {
                let bytes = self.buffer.split_to(used).freeze();
                self.filled -= used;
                return Ok(Received::Packets(Packets { bytes, spans }));
            }
            match wanted {
                Wanted::Bytes(total) => self.fill(total)?,
                Wanted::Pieces => return Ok(Received::Large),
            }
        }
    }

    /// Finds the whole packets at the buffer's front; the bytes they take; and what the one behind them needs.
    fn scan(&mut self) -> Result<(Vec<Span>, usize, Wanted), ReadError> {
        let data = self.buffer.get(..self.filled).unwrap_or_default();
        let mut spans = Vec::new();
        let mut at = 0;
        loop {
            let Some((head, rest)) = data.get(at..).and_then(|rest| rest.split_first_chunk::<HEADER_SIZE>()) else {
                return Ok((spans, at, Wanted::Bytes(HEADER_SIZE)));
            };
            let (length, number) = packet::header(*head);
            if length > self.packet_max || length == CHUNK_MAX {
                return Ok((spans, at, Wanted::Pieces));
            }
            if rest.len() < length {
                return Ok((spans, at, Wanted::Bytes(HEADER_SIZE + length)));
            }
            if let Err(e) = packet::check_sequence(number, &mut self.sequence) {
                return if spans.is_empty() { Err(ReadError::Protocol(e)) } else { Ok((spans, at, Wanted::Bytes(HEADER_SIZE))) };
            }
            at += HEADER_SIZE;
            spans.push(at..at + length);
            at += length;
        }
    }

    /// One read. `total` is what the packet at the front needs in one buffer.
    fn fill(&mut self, total: usize) -> Result<(), ReadError> {
        if self.buffer.len() < total || self.buffer.len() - self.filled < ROOM_MIN {
            let mut fresh = BytesMut::zeroed(BLOCK_BYTES.max(total + ROOM_MIN));
            let data = self.buffer.get(..self.filled).unwrap_or_default();
            fresh[..data.len()].copy_from_slice(data);
            self.buffer = fresh;
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match read_some(&mut self.source, room)? {
            0 => Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into())),
            got => {
                self.filled += got;
                Ok(())
            }
        }
    }

    /// The next bytes of a large packet, whatever is there; `None` at its end.
    pub fn piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        let (left, last) = match self.chunk {
            Some((0, true)) => {
                self.chunk = None;
                return Ok(None);
            }
            Some(chunk @ (1.., _)) => chunk,
            _ => {
                let mut head = [0; HEADER_SIZE];
                self.take_exact(&mut head)?;
                let (length, number) = packet::header(head);
                packet::check_sequence(number, &mut self.sequence).map_err(ReadError::Protocol)?;
                (length, length < CHUNK_MAX)
            }
        };
        if left > 0 && self.filled == 0 {
            self.fill(1)?;
        }
        let taken = self.filled.min(left);
        let piece = self.buffer.split_to(taken).freeze();
        self.filled -= taken;
        self.chunk = Some((left - taken, last));
        Ok(Some(piece))
    }

    /// The whole of a large packet that has begun with these bytes. Memory grows with what really comes.
    pub fn join(&mut self, mut whole: Vec<u8>) -> Result<Packets, ReadError> {
        loop {
            let left = self.chunk.map_or(0, |(left, _)| left);
            if whole.len() + left > self.packet_max {
                return Err(ReadError::TooLong(whole.len() + left));
            }
            whole.reserve(left);
            match self.piece()? {
                Some(piece) => whole.extend_from_slice(&piece),
                None => {
                    let all = 0..whole.len();
                    return Ok(Packets { bytes: Bytes::from(whole), spans: vec![all] });
                }
            }
        }
    }

    /// Fills `out` from the buffer first, then from the source.
    fn take_exact(&mut self, out: &mut [u8]) -> Result<(), ReadError> {
        let have = self.filled.min(out.len());
        let taken = self.buffer.split_to(have);
        self.filled -= have;
        out[..have].copy_from_slice(&taken);
        let mut rest = &mut out[have..];
        while !rest.is_empty() {
            match read_some(&mut self.source, rest)? {
                0 => return Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into())),
                got => rest = &mut rest[got..],
            }
        }
        Ok(())
    }
}

fn read_some(source: &mut impl Read, room: &mut [u8]) -> Result<usize, ReadError> {
    loop {
        match source.read(room) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(ReadError::Io),
        }
    }
}

enum Wanted {
    /// So many bytes, counted from the buffer's front once the whole packets are gone.
    Bytes(usize),
    /// The packet at the front is a large one.
    Pieces,
}

/// Why no packet came.
#[derive(Debug)]
pub enum ReadError {
    Io(io::Error),
    /// A payload of at least so many bytes.
    TooLong(usize),
    Protocol(Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives its bytes in pieces of the given sizes, over and over, and counts what was asked beyond its end.
    struct Pieces {
        bytes: Vec<u8>,
        sizes: Vec<usize>,
        at: usize,
        calls: usize,
    }

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes[self.calls % self.sizes.len()].max(1);
            self.calls += 1;
            let n = size.min(out.len()).min(self.bytes.len() - self.at);
            out[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
            self.at += n;
            Ok(n)
        }
    }

    impl<R: Read> PacketReader<R> {
        /// Everything whole.
        fn packets(&mut self) -> Result<Packets, ReadError> {
            match self.receive()? {
                Received::Packets(packets) => Ok(packets),
                Received::Large => self.join(Vec::new()),
            }
        }
    }

    fn reader(payloads: &[Vec<u8>], sizes: &[usize]) -> PacketReader<Pieces> {
        let (mut bytes, mut sequence) = (Vec::new(), 1);
        for payload in payloads {
            packet::write(&mut bytes, &mut sequence, payload).unwrap();
        }
        PacketReader::new(Pieces { bytes, sizes: sizes.to_vec(), at: 0, calls: 0 }, 1, 1 << 26)
    }

    fn all(reader: &mut PacketReader<impl Read>) -> (Vec<Vec<u8>>, ReadError) {
        let mut got = Vec::new();
        loop {
            match reader.packets() {
                Ok(packets) => got.extend(packets.spans.iter().map(|span| packets.bytes[span.clone()].to_vec())),
                Err(e) => return (got, e),
            }
        }
    }

    fn is_eof(error: &ReadError) -> bool {
        matches!(error, ReadError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof)
    }

    #[test]
    fn long_packets_are_joined() {
        let pattern = |n: usize| (0..n).map(|i| (i % 251) as u8).collect::<Vec<u8>>();
        for length in [CHUNK_MAX - 1, CHUNK_MAX, CHUNK_MAX + 1, 2 * CHUNK_MAX, 2 * CHUNK_MAX + 5] {
            let payloads = [pattern(10), pattern(length), pattern(3)];
            let mut reader = reader(&payloads, &[1 << 20, 77]);
            let (got, end) = all(&mut reader);
            assert!(got == payloads, "{length}: {:?}", got.iter().map(Vec::len).collect::<Vec<_>>());
            assert!(is_eof(&end));
        }
    }

    #[test]
    fn packets_larger_than_a_block_come_whole() {
        let payloads = [vec![1; 100], vec![2; BLOCK_BYTES], vec![3; 3 * BLOCK_BYTES + 1], vec![4; 5]];
        let (got, _) = all(&mut reader(&payloads, &[10_000]));
        assert!(got == payloads);
    }

    #[test]
    fn what_is_here_is_handed_on_without_waiting() {
        let payloads: Vec<Vec<u8>> = (0..10).map(|i| vec![i; 20]).collect();
        // Three packets and a half in the first read.
        let mut reader = reader(&payloads, &[84, 1000]);
        assert_eq!(reader.packets().unwrap().spans.len(), 3);
        assert_eq!(reader.source().calls, 1, "a whole packet was there, so nothing more was asked for");
        assert_eq!(reader.packets().unwrap().spans.len(), 7);
        assert_eq!(reader.source().calls, 2);
    }

    #[test]
    fn packets_share_the_buffer() {
        let mut reader = reader(&[vec![1; 10], vec![2; 10]], &[14, 14]);
        let first = reader.packets().unwrap();
        let second = reader.packets().unwrap();
        let distance = second.bytes.as_ptr() as usize - first.bytes.as_ptr() as usize;
        assert_eq!(distance, 14, "both are slices of one allocation");
    }

    #[test]
    fn limits_and_order() {
        let mut small = PacketReader { packet_max: 50, ..reader(&[vec![0; 10], vec![0; 51]], &[1000]) };
        assert_eq!(small.packets().unwrap().spans.len(), 1, "what came before is handed on first");
        assert!(matches!(small.packets(), Err(ReadError::TooLong(51))));

        let mut joined = PacketReader { packet_max: CHUNK_MAX + 10, ..reader(&[vec![0; CHUNK_MAX + 11]], &[1 << 20]) };
        assert!(matches!(joined.packets(), Err(ReadError::TooLong(n)) if n == CHUNK_MAX + 11));

        let mut shifted = PacketReader { sequence: 2, ..reader(&[vec![0; 10]], &[1000]) };
        assert!(matches!(shifted.packets(), Err(ReadError::Protocol(e)) if e.is_transient()));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_packets(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..20),
            sizes in proptest::collection::vec(1usize..700, 1..5),
        ) {
            let (got, end) = all(&mut reader(&payloads, &sizes));
            prop_assert_eq!(got, payloads);
            prop_assert!(is_eof(&end));
        }

        #[test]
        fn any_bytes_end_in_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1usize..300) {
            let pieces = Pieces { bytes, sizes: vec![size], at: 0, calls: 0 };
            let (_, end) = all(&mut PacketReader::new(pieces, 0, 1 << 20));
            prop_assert!(!matches!(end, ReadError::Io(e) if e.kind() != io::ErrorKind::UnexpectedEof));
        }
    }
}
