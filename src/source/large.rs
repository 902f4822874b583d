//! A compressed transaction of any size, as one event of the binlog: what is inside comes out event by event while the rest is
//! still to be received. Its checksum stands at its end, so the outer event, which makes the transaction valid, is given
//! last and only if it is right. Never here: where the bytes come from.

use bytes::Bytes;

use crate::binlog::event::{CHECKSUM_SIZE, EventHeader, HEADER_SIZE};
use crate::binlog::payload::{PayloadLimits, PayloadStream};
use crate::binlog::{ChecksumAlgorithm, DecodeError, EventType, RawEvent};

/// Takes the bytes behind the header by `push`, each time after `next` has given `None`.
pub struct LargePayload {
    header: EventHeader,
    /// `None`: the event has no checksum.
    computed: Option<crc32fast::Hasher>,
    /// Bytes of the body that are still to come.
    left: usize,
    /// What came of the checksum behind it.
    checksum: Vec<u8>,
    stream: PayloadStream,
}

impl LargePayload {
    pub const HEAD_BYTES: usize = HEADER_SIZE;

    /// Whether an event with this header is a compressed transaction.
    pub fn is_payload(head: &[u8; HEADER_SIZE]) -> bool {
        EventHeader::parse(head).is_ok_and(|header| header.event_type() == Some(EventType::TransactionPayload))
    }

    /// # Errors
    /// When the header leaves no room for what has to be there.
    pub fn begin(head: &[u8; HEADER_SIZE], algorithm: ChecksumAlgorithm, limits: PayloadLimits) -> Result<Self, DecodeError> {
        let header = EventHeader::parse(head)?;
        let computed = (algorithm == ChecksumAlgorithm::Crc32).then(|| {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(head);
            hasher
        });
        let around = HEADER_SIZE + if computed.is_some() { CHECKSUM_SIZE } else { 0 };
        // No platform that we build for has a `usize` below 32 bits.
        let size = header.size as usize;
        let Some(left) = size.checked_sub(around) else {
            return Err(DecodeError::Short { what: "event", want: around, have: size });
        };
        Ok(LargePayload { header, computed, left, checksum: Vec::new(), stream: PayloadStream::new(limits) })
    }

    /// Bytes that are still to come, with the checksum.
    pub fn wanted(&self) -> usize {
        self.left + if self.computed.is_some() { CHECKSUM_SIZE - self.checksum.len() } else { 0 }
    }

    /// # Errors
    /// When there are more bytes than the header says, or when they are damaged.
    pub fn push(&mut self, mut piece: Bytes) -> Result<(), DecodeError> {
        if piece.len() > self.wanted() {
            return Err(DecodeError::invalid("event size", format!("header says {}, there are more bytes", self.header.size)));
        }
        let body = piece.split_to(self.left.min(piece.len()));
        self.left -= body.len();
        self.checksum.extend_from_slice(&piece);
        if body.is_empty() {
            return Ok(());
        }
        if let Some(hasher) = &mut self.computed {
            hasher.update(&body);
        }
        self.stream.push(body)
    }

    /// The next event from inside; `None` when more has to be received first.
    ///
    /// # Errors
    /// When what was received is damaged, or beyond the limits.
    #[allow(clippy::should_implement_trait, reason = "it may go on after `None`")]
    pub fn next(&mut self) -> Result<Option<RawEvent>, DecodeError> {
        self.stream.next()
    }

    /// The outer event, without its body.
    ///
    /// # Errors
    /// When something is missing, or the checksum is another.
    pub fn finish(self) -> Result<RawEvent, DecodeError> {
        let wanted = self.wanted();
        if wanted > 0 {
            let have = self.header.size as usize - wanted;
            return Err(DecodeError::invalid("event size", format!("header says {}, there are {have} bytes", self.header.size)));
        }
        if let Some(hasher) = self.computed {
            let (stored, computed) = (u32::from_le_bytes(self.checksum.try_into().unwrap_or_default()), hasher.finalize());
            if stored != computed {
                return Err(DecodeError::invalid("event checksum", format!("stored {stored:08x}, computed {computed:08x}")));
            }
        }
        self.stream.finish()?;
        Ok(RawEvent { header: self.header, body: Bytes::new() })
    }
}
