//! MySQL's compressed transactions: one event that holds all events of a transaction
//! (`binlog_transaction_compression=ON`). They are unpacked one after another; the transaction is never held whole.

pub mod stream;

use bytes::Bytes;

use super::event::RawEvent;
use super::{Cursor, DecodeError};
pub use stream::PayloadStream;

/// The outer event (MySQL `libs/mysql/binlog/event/codecs/binary.h`, `Transaction_payload`). Only its end is a place in
/// the file; the events inside have none (their `next_position` is 0), and no checksum.
#[derive(Debug, Clone)]
pub struct TransactionPayload {
    head: Head,
    data: Bytes,
}

/// What stands before the packed events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub compression: Compression,
    /// Bytes of the packed events.
    pub size: u64,
    /// Size of all events together, if the server says so, in bytes.
    pub uncompressed_size: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Zstd,
}

/// What unpacking may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadLimits {
    /// Largest event inside.
    pub event_bytes_max: u32,
    /// How much of what was unpacked before may be needed to unpack on. The servers' default level needs 2 MiB, level 19
    /// 8 MiB, 20 32 MiB, 22 128 MiB.
    pub window_bytes_max: u64,
}

/// Smaller than this the window is never: every level up to 19 fits.
pub const WINDOW_BYTES_MIN: u64 = 8 << 20;

impl From<u32> for PayloadLimits {
    fn from(event_bytes_max: u32) -> Self {
        PayloadLimits { event_bytes_max, window_bytes_max: WINDOW_BYTES_MIN }
    }
}

/// Fields of the outer header: type, length, value; all length-encoded integers.
mod field {
    pub const END: u64 = 0;
    pub const PAYLOAD_SIZE: u64 = 1;
    pub const COMPRESSION: u64 = 2;
    pub const UNCOMPRESSED_SIZE: u64 = 3;
}

/// The fields have a few dozen bytes.
const HEAD_BYTES_MAX: usize = 4096;

impl Head {
    /// The head and how many bytes it takes. `Short`: it goes on.
    fn parse(bytes: &[u8]) -> Result<(Self, usize), DecodeError> {
        let bytes = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
        let mut c = Cursor::new(bytes);
        let (mut size, mut compression, mut uncompressed_size) = (None, None, None);
        loop {
            let kind = c.lenenc("payload field")?;
            if kind == field::END {
                break;
            }
            let value = c.lenenc_bytes("payload field")?;
            let number = |what| Cursor::new(value).lenenc(what).map_err(|e| DecodeError::invalid("payload field", e.to_string()));
            match kind {
                field::PAYLOAD_SIZE => size = Some(number("payload size")?),
                field::COMPRESSION => compression = Some(compression_of(number("compression type")?)?),
                field::UNCOMPRESSED_SIZE => uncompressed_size = Some(number("uncompressed size")?),
                _ => {}
            }
        }
        let (Some(size), Some(compression)) = (size, compression) else {
            return Err(DecodeError::invalid("transaction payload", "size or compression type is missing"));
        };
        Ok((Head { compression, size, uncompressed_size }, bytes.len() - c.len()))
    }
}

impl TransactionPayload {
    pub fn parse(event: &RawEvent) -> Result<Self, DecodeError> {
        let (head, start) = Head::parse(&event.body)?;
        let have = event.body.len() - start;
        let Some(size) = usize::try_from(head.size).ok().filter(|size| *size <= have) else {
            return Err(DecodeError::Short { what: "transaction payload", want: usize::try_from(head.size).unwrap_or(usize::MAX), have });
        };
        Ok(TransactionPayload { head, data: event.body.slice(start..start + size) })
    }

    /// Unpacks the events in order.
    pub fn events(self, limits: impl Into<PayloadLimits>) -> Result<PayloadEvents, DecodeError> {
        let stream = PayloadStream::of(self.head, self.data, limits.into())?;
        Ok(PayloadEvents { stream, ended: false })
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

/// The events of one payload; made by `TransactionPayload::events`. After an error there are no more.
pub struct PayloadEvents {
    stream: PayloadStream,
    ended: bool,
}

impl Iterator for PayloadEvents {
    type Item = Result<RawEvent, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = match self.stream.next() {
            Ok(None) => self.stream.finish().err().map(Err),
            event => event.transpose(),
        };
        self.ended = !matches!(event, Some(Ok(_)));
        event
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

    /// Bodies of the events that come out of these pieces.
    fn streamed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max: u32) -> Result<Vec<Bytes>, DecodeError> {
        let mut stream = PayloadStream::new(max.into());
        let mut bodies = Vec::new();
        for piece in pieces {
            stream.push(Bytes::copy_from_slice(piece))?;
            while let Some(event) = stream.next()? {
                assert!(event.header.is_packed() && event.header.next_position == 0);
                bodies.push(event.body);
            }
        }
        stream.finish().map(|()| bodies)
    }

    #[test]
    fn pieces_of_any_size_give_the_same_events() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let noise: Vec<u8> = (0..20_000).map(|_| next()).collect();
        let plain = [whole(2, 0, b"BEGIN"), whole(30, 0, &noise[..3000]), whole(31, 0, b""), whole(16, 0, &[1; 8])].concat();
        let (first, second) = plain.split_at(1000);
        let frames = [zstd::encode_all(first, 3).unwrap(), zstd::encode_all(second, 3).unwrap()].concat();
        let size = Some(plain.len() as u64);
        for event in [outer(0, size, &zstd::encode_all(&plain[..], 3).unwrap()), outer(255, size, &plain), outer(0, None, &frames)] {
            let body = &event.body[..];
            let expected = streamed([body], 1 << 20).unwrap();
            assert_eq!(expected.iter().map(Bytes::len).collect::<Vec<_>>(), [5, 3000, 0, 8]);
            for at in 0..body.len() {
                let (a, b) = body.split_at(at);
                assert_eq!(streamed([a, b], 1 << 20).unwrap(), expected, "split at {at}");
                streamed([a], 1 << 20).expect_err("a cut event");
            }
            for size in [1, 2, 3, 7, 100] {
                assert_eq!(streamed(body.chunks(size), 1 << 20).unwrap(), expected, "pieces of {size}");
            }
            // What stands behind the announced size belongs to nobody, as for the whole event.
            assert_eq!(streamed([body, &[1; 50][..]], 1 << 20).unwrap(), expected);
        }
        // Events above all blocks.
        let plain = [whole(30, 0, &noise), whole(30, 0, &noise.repeat(20)), whole(30, 0, &noise[..10])].concat();
        let event = outer(0, None, &zstd::encode_all(&plain[..], 3).unwrap());
        let expected: Vec<Bytes> = vec![noise.clone().into(), noise.repeat(20).into(), noise[..10].to_vec().into()];
        assert_eq!(streamed(event.body.chunks(1000), 1 << 20).unwrap(), expected);
        let whole: Vec<Bytes> = TransactionPayload::parse(&event).unwrap().events(1 << 20).unwrap().map(|e| e.unwrap().body).collect();
        assert_eq!(whole, expected);
    }

    #[test]
    fn a_window_above_the_limit_is_refused_with_a_hint() {
        let packed = |log: u32| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            encoder.set_parameter(zstd::stream::raw::CParameter::WindowLog(log)).unwrap();
            std::io::Write::write_all(&mut encoder, &inner()).unwrap();
            outer(0, None, &encoder.finish().unwrap())
        };
        assert_eq!(sizes(&packed(23), 1 << 20).unwrap().len(), 4);
        let error = sizes(&packed(27), 1 << 20).unwrap_err().to_string();
        assert!(error.contains("raise memory_limit") && error.contains("binlog_transaction_compression_level_zstd"), "{error}");
        let limits = PayloadLimits { event_bytes_max: 1 << 20, window_bytes_max: 1 << 27 };
        assert_eq!(TransactionPayload::parse(&packed(27)).unwrap().events(limits).unwrap().count(), 4);
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
