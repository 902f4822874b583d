//! MySQL's compressed transactions: one event that holds all events of a transaction
//! (`binlog_transaction_compression=ON`). They are inflated one after another; the transaction is never held whole.

use std::io::Read;

use bytes::buf::Reader;
use bytes::{Buf, Bytes, BytesMut};

use super::event::{EventHeader, HEADER_SIZE, RawEvent};
use super::{Cursor, DecodeError};

/// The outer event (MySQL `libs/mysql/binlog/event/codecs/binary.h`, `Transaction_payload`). Only its end is a place in
/// the file; the events inside have none (their `next_position` is 0), and no checksum.
#[derive(Debug, Clone)]
pub struct TransactionPayload {
    pub compression: Compression,
    /// Size of all events together, if the server says so, in bytes.
    pub uncompressed_size: Option<u64>,
    data: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Zstd,
}

/// Fields of the outer header: type, length, value; all length-encoded integers.
mod field {
    pub const END: u64 = 0;
    pub const PAYLOAD_SIZE: u64 = 1;
    pub const COMPRESSION: u64 = 2;
    pub const UNCOMPRESSED_SIZE: u64 = 3;
}

impl TransactionPayload {
    pub fn parse(event: &RawEvent) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let (mut size, mut compression, mut uncompressed_size) = (None, None, None);
        loop {
            let kind = c.lenenc("payload field")?;
            if kind == field::END {
                break;
            }
            let mut value = Cursor::new(c.lenenc_bytes("payload field")?);
            match kind {
                field::PAYLOAD_SIZE => size = Some(value.lenenc_len("payload size")?),
                field::COMPRESSION => compression = Some(compression_of(value.lenenc("compression type")?)?),
                field::UNCOMPRESSED_SIZE => uncompressed_size = Some(value.lenenc("uncompressed size")?),
                _ => {}
            }
        }
        let (Some(size), Some(compression)) = (size, compression) else {
            return Err(DecodeError::invalid("transaction payload", "size or compression type is missing"));
        };
        let start = event.body.len() - c.len();
        c.take(size, "transaction payload")?;
        // `take` has just found that so many bytes are there.
        Ok(TransactionPayload { compression, uncompressed_size, data: event.body.slice(start..start + size) })
    }

    /// Size of the payload as it is in the file, in bytes.
    pub fn compressed_size(&self) -> usize {
        self.data.len()
    }

    /// Inflates the events in order. An event of more than `event_size_max` bytes is an error.
    pub fn events(self, event_size_max: u32) -> Result<PayloadEvents, DecodeError> {
        let reader = self.data.reader();
        let source = match self.compression {
            Compression::None => Source::Plain(reader),
            Compression::Zstd => Source::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(reader).map_err(|e| damaged(&e))?)),
        };
        Ok(PayloadEvents { source, block: BytesMut::new(), event_size_max, read: 0, expected: self.uncompressed_size, ended: false })
    }
}

/// MySQL `libs/mysql/binlog/event/compression/base.h`, `type`.
fn compression_of(code: u64) -> Result<Compression, DecodeError> {
    match code {
        0 => Ok(Compression::Zstd),
        255 => Ok(Compression::None),
        other => Err(DecodeError::invalid("compression type", other.to_string())),
    }
}

fn damaged(error: &std::io::Error) -> DecodeError {
    DecodeError::invalid("transaction payload", error.to_string())
}

/// The events of one payload; made by `TransactionPayload::events`. After an error there are no more.
pub struct PayloadEvents {
    source: Source,
    /// Room for the bodies of small events; each is cut off as a slice.
    block: BytesMut,
    event_size_max: u32,
    /// Bytes inflated so far.
    read: u64,
    expected: Option<u64>,
    ended: bool,
}

enum Source {
    Plain(Reader<Bytes>),
    /// Holds a window of at most 128 MiB, zstd's own bound for decoders; servers' default level needs 2 MiB.
    Zstd(Box<zstd::stream::read::Decoder<'static, Reader<Bytes>>>),
}

/// Bodies up to this size share blocks; larger ones have their own memory.
const SMALL_BODY_BYTES: usize = 16 * 1024;
const BLOCK_BYTES: usize = 64 * 1024;

impl Iterator for PayloadEvents {
    type Item = Result<RawEvent, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = self.read_event().transpose();
        self.ended = !matches!(event, Some(Ok(_)));
        event
    }
}

impl PayloadEvents {
    fn read_event(&mut self) -> Result<Option<RawEvent>, DecodeError> {
        let mut head = [0; HEADER_SIZE];
        match self.fill(&mut head)? {
            0 => return self.check_end().map(|()| None),
            HEADER_SIZE => {}
            have => return Err(DecodeError::Short { what: "event in a payload", want: HEADER_SIZE, have }),
        }
        let header = EventHeader::parse(&head)?;
        // No platform that we build for has a `usize` below 32 bits.
        let Some(size) = (header.size as usize).checked_sub(HEADER_SIZE).filter(|_| header.size <= self.event_size_max) else {
            let why = format!("an event of {} bytes, the limit is {}", header.size, self.event_size_max);
            return Err(DecodeError::invalid("event in a payload", why));
        };
        let body = if size <= SMALL_BODY_BYTES { self.small_body(size)? } else { self.large_body(size)? };
        Ok(Some(RawEvent { header, body }))
    }

    fn small_body(&mut self, size: usize) -> Result<Bytes, DecodeError> {
        let mut block = std::mem::take(&mut self.block);
        if block.capacity() < size {
            block = BytesMut::with_capacity(BLOCK_BYTES);
        }
        block.resize(size, 0);
        let have = self.fill(&mut block)?;
        let body = block.split().freeze();
        self.block = block;
        if have == size { Ok(body) } else { Err(DecodeError::Short { what: "event in a payload", want: size, have }) }
    }

    /// Memory grows with what is really there, not with what the header claims.
    fn large_body(&mut self, size: usize) -> Result<Bytes, DecodeError> {
        let mut body = Vec::new();
        let have = self.source.by_ref().take(size as u64).read_to_end(&mut body).map_err(|e| damaged(&e))?;
        self.read += have as u64;
        if have == size { Ok(body.into()) } else { Err(DecodeError::Short { what: "event in a payload", want: size, have }) }
    }

    /// Fills `buffer` as far as there is something; returns how far.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, DecodeError> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.source.read(room).map_err(|e| damaged(&e))? {
                0 => break,
                got => filled += got,
            }
        }
        self.read += filled as u64;
        Ok(filled)
    }

    fn check_end(&self) -> Result<(), DecodeError> {
        match self.expected {
            Some(expected) if expected != self.read => {
                Err(DecodeError::invalid("transaction payload", format!("{} bytes were inflated, {expected} were announced", self.read)))
            }
            _ => Ok(()),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Source::Plain(reader) => reader.read(buffer),
            Source::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, whole};
    use super::*;

    fn lenenc(value: u64) -> Vec<u8> {
        if value < 251 { vec![value as u8] } else { [&[0xfe][..], &value.to_le_bytes()].concat() }
    }

    fn outer(compression: u64, uncompressed: Option<u64>, data: &[u8]) -> RawEvent {
        let mut body = Vec::new();
        let mut field = |kind: u8, value: u64| {
            let value = lenenc(value);
            body.extend_from_slice(&[kind, value.len() as u8]);
            body.extend_from_slice(&value);
        };
        field(2, compression);
        field(9, 5);
        if let Some(size) = uncompressed {
            field(3, size);
        }
        field(1, data.len() as u64);
        body.push(0);
        body.extend_from_slice(data);
        raw(40, &body)
    }

    fn inner() -> Vec<u8> {
        let large = vec![7; 100_000];
        [whole(2, 0, b"BEGIN"), whole(30, 0, &large), whole(31, 0, b""), whole(16, 0, &[1; 8])].concat()
    }

    fn sizes(event: &RawEvent, max: u32) -> Result<Vec<usize>, DecodeError> {
        TransactionPayload::parse(event)?.events(max)?.map(|e| e.map(|e| e.body.len())).collect()
    }

    #[test]
    fn events_come_out_in_order() {
        let plain = inner();
        let packed = zstd::encode_all(&plain[..], 3).unwrap();
        let size = plain.len() as u64;
        for event in [outer(0, Some(size), &packed), outer(255, Some(size), &plain), outer(0, None, &packed)] {
            assert_eq!(sizes(&event, 1 << 20).unwrap(), [5, 100_000, 0, 8]);
        }
        // The server may write a payload as several zstd frames.
        let (first, second) = plain.split_at(60_000);
        let frames = [zstd::encode_all(first, 3).unwrap(), zstd::encode_all(second, 3).unwrap()].concat();
        assert_eq!(sizes(&outer(0, Some(size), &frames), 1 << 20).unwrap(), [5, 100_000, 0, 8]);
    }

    #[test]
    fn damage_is_an_error_and_the_end() {
        let plain = inner();
        let packed = zstd::encode_all(&plain[..], 3).unwrap();
        let size = Some(plain.len() as u64);
        for event in [
            outer(0, size, &packed[..packed.len() - 4]),
            outer(0, size, &plain),
            outer(255, size, &plain[..plain.len() - 1]),
            outer(0, Some(7), &packed),
            outer(3, size, &packed),
        ] {
            sizes(&event, 1 << 20).unwrap_err();
        }
        sizes(&outer(0, size, &packed), 1000).expect_err("an event above the limit");
        let mut events = TransactionPayload::parse(&outer(255, None, &plain[..30])).unwrap().events(1000).unwrap();
        assert!(events.next().unwrap().is_ok() && events.next().unwrap().is_err() && events.next().is_none());
    }

    #[test]
    fn the_outer_header_must_be_whole() {
        let event = outer(255, Some(24), &whole(2, 0, b"BEGIN"));
        for len in 0..event.body.len() {
            assert!(TransactionPayload::parse(&raw(40, &event.body[..len])).is_err(), "cut at {len}");
        }
    }
}
