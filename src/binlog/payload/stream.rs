//! A compressed transaction from pieces of any size, as they are received: what is inside comes out event by event. Held
//! are the piece at hand, zstd's window, and one event.

use bytes::{Buf, Bytes, BytesMut};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::super::DecodeError;
use super::super::event::{EventHeader, HEADER_SIZE, RawEvent};
use super::{Compression, HEAD_BYTES_MAX, Head, PayloadLimits};

const WHAT: &str = "transaction payload";
const INSIDE: &str = "event in a payload";

/// Unpacked at once.
const PLAIN_BYTES: usize = 64 * 1024;
/// Bodies up to this size share blocks; larger ones have their own memory.
const SMALL_BODY_BYTES: usize = 16 * 1024;
const BLOCK_BYTES: usize = 64 * 1024;

/// The events inside are told by `EventHeader::is_packed`.
///
/// Takes the body of a transaction payload event (without its checksum) by `push`, each time after `next` has given
/// `None`; `finish` says whether that was all. After an error it is of no use any more.
pub struct PayloadStream {
    limits: PayloadLimits,
    /// The beginning of the body, until the head is whole.
    begun: Vec<u8>,
    packed: Option<Packed>,
    /// Unpacked, from `at` on not looked at yet.
    plain: Vec<u8>,
    at: usize,
    event: Event,
    /// Bytes unpacked so far.
    unpacked: u64,
}

/// What is being unpacked.
struct Packed {
    head: Head,
    /// Received and not unpacked yet.
    input: Bytes,
    /// So many packed bytes are still to be received.
    left: u64,
    /// `None`: nothing is compressed.
    zstd: Option<Zstd>,
}

struct Zstd {
    decoder: Decoder<'static>,
    /// Whether it stands inside a frame.
    inside: bool,
    /// Whether there may be more to be had without further input.
    full: bool,
}

/// The event that is being put together.
#[derive(Default)]
struct Event {
    head: [u8; HEADER_SIZE],
    head_len: usize,
    header: Option<EventHeader>,
    /// The body so far, at the end of a block that small ones share.
    body: BytesMut,
}

impl PayloadStream {
    pub fn new(limits: PayloadLimits) -> Self {
        PayloadStream { limits, begun: Vec::new(), packed: None, plain: Vec::new(), at: 0, event: Event::default(), unpacked: 0 }
    }

    /// All that is packed is there.
    pub(super) fn of(head: Head, data: Bytes, limits: PayloadLimits) -> Result<Self, DecodeError> {
        let mut packed = Packed::new(head, limits)?;
        packed.receive(data);
        Ok(PayloadStream { packed: Some(packed), ..Self::new(limits) })
    }

    /// The next piece.
    ///
    /// # Errors
    /// When the head is damaged or of an unknown form.
    pub fn push(&mut self, mut piece: Bytes) -> Result<(), DecodeError> {
        if self.packed.is_none() {
            let before = self.begun.len();
            self.begun.extend_from_slice(piece.get(..HEAD_BYTES_MAX).unwrap_or(&piece));
            let (head, size) = match Head::parse(&self.begun) {
                Err(DecodeError::Short { .. }) if self.begun.len() < HEAD_BYTES_MAX => return Ok(()),
                parsed => parsed?,
            };
            self.begun = Vec::new();
            // What was there before was no whole head.
            piece.advance(size - before);
            self.packed = Some(Packed::new(head, self.limits)?);
        }
        if let Some(packed) = &mut self.packed {
            packed.receive(piece);
        }
        Ok(())
    }

    /// The next event; `None` when more has to be received first.
    ///
    /// # Errors
    /// When what was received is damaged, or beyond the limits.
    #[allow(clippy::should_implement_trait, reason = "it may go on after `None`")]
    pub fn next(&mut self) -> Result<Option<RawEvent>, DecodeError> {
        loop {
            while self.at < self.plain.len() {
                let rest = self.plain.get(self.at..).unwrap_or_default();
                let (used, event) = self.event.take(rest, self.limits.event_bytes_max)?;
                self.at += used;
                if event.is_some() {
                    return Ok(event);
                }
            }
            let Some(packed) = &mut self.packed else { return Ok(None) };
            self.at = 0;
            if !packed.unpack(&mut self.plain)? {
                return Ok(None);
            }
            self.unpacked += self.plain.len() as u64;
        }
    }

    /// Whether everything was there.
    ///
    /// # Errors
    /// When it was cut, or is not as long as announced.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let Some(packed) = &self.packed else { return Head::parse(&self.begun).map(drop) };
        if packed.left > 0 {
            return Err(DecodeError::invalid(WHAT, format!("{} bytes are missing at its end", packed.left)));
        }
        if packed.zstd.as_ref().is_some_and(|zstd| zstd.inside) {
            return Err(DecodeError::invalid(WHAT, "what is compressed ends too early"));
        }
        if self.event.head_len > 0 {
            return Err(DecodeError::invalid(WHAT, "it ends inside an event"));
        }
        match packed.head.uncompressed_size {
            Some(announced) if announced != self.unpacked => {
                Err(DecodeError::invalid(WHAT, format!("{} bytes were unpacked, {announced} were announced", self.unpacked)))
            }
            _ => Ok(()),
        }
    }
}

impl Packed {
    fn new(head: Head, limits: PayloadLimits) -> Result<Self, DecodeError> {
        let zstd = match head.compression {
            Compression::None => None,
            Compression::Zstd => Some(Zstd::new(limits.window_bytes_max)?),
        };
        Ok(Packed { head, input: Bytes::new(), left: head.size, zstd })
    }

    /// What stands behind the announced size is passed over.
    fn receive(&mut self, piece: Bytes) {
        let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
        self.left -= taken as u64;
        self.input = piece.slice(..taken);
    }

    /// Puts the next unpacked bytes into `plain`; false when there is nothing more to be had from what was received.
    fn unpack(&mut self, plain: &mut Vec<u8>) -> Result<bool, DecodeError> {
        plain.clear();
        let Some(zstd) = &mut self.zstd else {
            let taken = self.input.split_to(self.input.len().min(PLAIN_BYTES));
            plain.extend_from_slice(&taken);
            return Ok(!plain.is_empty());
        };
        while plain.is_empty() && (!self.input.is_empty() || zstd.full) {
            let used = zstd.run(&self.input, plain)?;
            if used == 0 && plain.is_empty() && !self.input.is_empty() {
                return Err(DecodeError::invalid(WHAT, "it cannot be unpacked on"));
            }
            self.input.advance(used);
        }
        Ok(!plain.is_empty())
    }
}

impl Zstd {
    fn new(window_bytes_max: u64) -> Result<Self, DecodeError> {
        // zstd knows windows of 2^10 to 2^31 bytes.
        let log = window_bytes_max.max(1).ilog2().clamp(10, 31);
        let mut decoder = Decoder::new().map_err(|e| damaged(&e))?;
        decoder.set_parameter(DParameter::WindowLogMax(log)).map_err(|e| damaged(&e))?;
        Ok(Zstd { decoder, inside: false, full: false })
    }

    /// One step; how much of the input it took.
    fn run(&mut self, input: &[u8], plain: &mut Vec<u8>) -> Result<usize, DecodeError> {
        plain.resize(PLAIN_BYTES, 0);
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(&mut plain[..]);
        let hint = self.decoder.run(&mut from, &mut to).map_err(|e| damaged(&e))?;
        let (used, made) = (from.pos(), to.pos());
        if used > 0 || made > 0 {
            // 0: a frame has ended; another may follow.
            self.inside = hint != 0;
        }
        self.full = made == PLAIN_BYTES;
        plain.truncate(made);
        Ok(used)
    }
}

impl Event {
    /// Goes on with these bytes; how many it took, and the event if it is whole.
    fn take(&mut self, bytes: &[u8], size_max: u32) -> Result<(usize, Option<RawEvent>), DecodeError> {
        let mut rest = bytes;
        let header = match self.header {
            Some(header) => header,
            None => {
                let (taken, after) = rest.split_at(rest.len().min(HEADER_SIZE - self.head_len));
                self.head[self.head_len..self.head_len + taken.len()].copy_from_slice(taken);
                self.head_len += taken.len();
                rest = after;
                if self.head_len < HEADER_SIZE {
                    return Ok((bytes.len(), None));
                }
                let header = EventHeader::parse(&self.head)?;
                if (header.size as usize) < HEADER_SIZE || header.size > size_max {
                    return Err(DecodeError::invalid(INSIDE, format!("an event of {} bytes, the limit is {size_max}", header.size)));
                }
                self.header = Some(header);
                header
            }
        };
        // No platform that we build for has a `usize` below 32 bits.
        let size = header.size as usize - HEADER_SIZE;
        let part = &rest[..rest.len().min(size - self.body.len())];
        self.reserve(size, part.len());
        self.body.extend_from_slice(part);
        let used = bytes.len() - rest.len() + part.len();
        if self.body.len() < size {
            return Ok((used, None));
        }
        (self.header, self.head_len) = (None, 0);
        let body = self.body.split().freeze();
        let header = EventHeader { size: 0, next_position: 0, ..header };
        if size > SMALL_BODY_BYTES {
            // Its memory is its own.
            self.body = BytesMut::new();
        }
        Ok((used, Some(RawEvent { header, body })))
    }

    /// Room for the next part of a body of `size` bytes: memory grows with what is really there, not with what the header
    /// claims, and never beyond it.
    fn reserve(&mut self, size: usize, part: usize) {
        let have = self.body.len();
        if self.body.capacity() >= have + part && (have > 0 || self.body.capacity() >= size.min(SMALL_BODY_BYTES)) {
            return;
        }
        let room = if size <= SMALL_BODY_BYTES { BLOCK_BYTES } else { (have + part).max(2 * have).max(BLOCK_BYTES).min(size) };
        let mut larger = BytesMut::with_capacity(room);
        larger.extend_from_slice(&self.body);
        self.body = larger;
    }
}

fn damaged(error: &std::io::Error) -> DecodeError {
    let why = error.to_string();
    if why.contains("too much memory") {
        let hint = "unpacking it needs more than its share of memory_limit: raise memory_limit, or set \
                    binlog_transaction_compression_level_zstd to 19 or less on the server";
        return DecodeError::invalid(WHAT, hint);
    }
    DecodeError::invalid(WHAT, why)
}
