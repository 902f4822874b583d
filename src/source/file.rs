//! Recorded binlog files: the server's own, or copies that `mysqlbinlog --raw` made. Blocking reads in large blocks; the
//! events are slices of the blocks.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes, BytesMut};

use super::large::LargePayload;
use crate::binlog::event::{self, EventHeader, HEADER_SIZE};
use crate::binlog::payload::{PayloadLimits, WINDOW_BYTES_MIN};
use crate::binlog::{ChecksumAlgorithm, DecodeError, EventType, FormatDescription, RawEvent};
use crate::error::{Error, Result};

/// Every binlog file begins with it.
const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];
/// A file that MySQL encrypted begins with it (`binlog_encryption=ON`).
const MAGIC_ENCRYPTED: [u8; 4] = [0xfd, b'b', b'i', b'n'];
/// Bytes read at once; a few hundred small events share one block.
const BLOCK_BYTES: usize = 256 * 1024;
/// Largest event that is read unless the caller says otherwise: the servers' own limit (`max_log_event_size`).
pub const EVENT_SIZE_MAX: u32 = 1 << 30;
/// Compressed transactions of up to this size are read whole.
const WHOLE_PAYLOAD_MAX: u32 = 16 << 20;
const DAMAGED: &str = "the binlog file is damaged";

/// A file that is read from its beginning to its end.
pub struct BinlogFile {
    file: File,
    path: PathBuf,
    /// What was read and is not yet handed on.
    buffer: BytesMut,
    /// Place of the buffer's first byte in the file.
    offset: u64,
    format: Option<FormatDescription>,
    event_size_max: u32,
    /// Compressed transactions above this size are unpacked while they are read.
    whole_payload_max: u32,
    large: Option<LargePayload>,
    window_bytes_max: u64,
}

impl BinlogFile {
    /// Opens the file and checks its first bytes. Fails if it cannot be read, is no binlog file, or is encrypted.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with_limit(path, EVENT_SIZE_MAX)
    }

    /// As `open`; an event of more than `event_size_max` bytes is an error when it is reached.
    pub fn open_with_limit(path: impl AsRef<Path>, event_size_max: u32) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = File::open(&path).map_err(|e| Error::definite("cannot open the binlog file").source(e).detail(path.display()))?;
        let mut reader = BinlogFile {
            file,
            path,
            buffer: BytesMut::new(),
            offset: 0,
            format: None,
            event_size_max,
            whole_payload_max: event_size_max.min(WHOLE_PAYLOAD_MAX),
            large: None,
            window_bytes_max: WINDOW_BYTES_MIN,
        };
        let have = reader.fill(MAGIC.len())?;
        let magic = reader.buffer.split_to(have.min(MAGIC.len()));
        match &magic[..] {
            magic if magic == MAGIC => {
                reader.offset = MAGIC.len() as u64;
                Ok(reader)
            }
            magic if magic == MAGIC_ENCRYPTED => Err(reader
                .fault("the binlog file is encrypted")
                .hint("read it through its server, or make a plain copy with mysqlbinlog --read-from-remote-server --raw")),
            _ => Err(reader.fault("this is not a binlog file").hint("a binlog file begins with the bytes fe 62 69 6e")),
        }
    }

    /// Unpacks compressed transactions of more than so many bytes while they are read. The events inside come out one by
    /// one (`EventHeader::is_packed`), and then the outer event without its body.
    pub fn unpack_above(&mut self, bytes: u32) {
        self.whole_payload_max = bytes;
    }

    /// What unpacking may need of what was unpacked before, in bytes.
    pub fn set_window_bytes_max(&mut self, bytes: u64) {
        self.window_bytes_max = bytes;
    }

    /// The next event, or `None` at the end of the file. After an error there is nothing more to be had.
    ///
    /// Fails at a cut or damaged event, at a checksum that differs, at an event above the limit, where the offset is not
    /// the one that the events state, and at events of an encrypted file.
    pub fn next_event(&mut self) -> Result<Option<RawEvent>> {
        self.read_event().map_err(|error| {
            let error = match &self.format {
                Some(format) => error.detail(format!("server {}", format.server_version)),
                None => error,
            };
            error.hint("check the file with mysqlbinlog (mariadb-binlog) --verify-binlog-checksum, and copy it anew")
        })
    }

    fn read_event(&mut self) -> Result<Option<RawEvent>> {
        if self.large.is_some() {
            return self.unpack();
        }
        let have = self.fill(HEADER_SIZE)?;
        if have == 0 {
            return Ok(None);
        }
        let header = EventHeader::parse(&self.buffer).map_err(|_| self.truncated(HEADER_SIZE, have))?;
        let head = self.buffer.split_first_chunk().map(|(head, _)| *head).filter(LargePayload::is_payload);
        if let (Some(head), Some(format)) = (head, &self.format)
            && header.size > self.whole_payload_max
        {
            let limits = PayloadLimits { event_bytes_max: self.event_size_max, window_bytes_max: self.window_bytes_max };
            self.large = Some(LargePayload::begin(&head, format.checksum, limits).map_err(|e| self.damaged(e))?);
            self.buffer.advance(HEADER_SIZE);
            return self.unpack();
        }
        self.check_size(&header)?;
        // No platform that we build for has a `usize` below 32 bits.
        let size = header.size as usize;
        let have = self.fill(size)?;
        if have < size {
            return Err(self.truncated(size, have));
        }
        let bytes = self.buffer.split_to(size).freeze();
        let event = self.check(bytes)?;
        self.offset += u64::from(header.size);
        Ok(Some(event))
    }

    /// Goes on with the event that begins at this offset. The first event must have been read: it says how to read the others.
    pub fn seek(&mut self, offset: u64) -> Result<()> {
        self.file.seek(SeekFrom::Start(offset)).map_err(|e| self.fault("cannot go to a place in the binlog file").source(e))?;
        self.buffer.clear();
        self.offset = offset;
        Ok(())
    }

    /// The next event out of a large compressed transaction, or behind the last the outer one.
    fn unpack(&mut self) -> Result<Option<RawEvent>> {
        loop {
            let Some(large) = &mut self.large else { return Ok(None) };
            if let Some(event) = large.next().map_err(|e| Self::fault_at(&self.path, self.offset, DAMAGED).source(e))? {
                return Ok(Some(event));
            }
            let wanted = large.wanted();
            if wanted == 0 {
                let Some(large) = self.large.take() else { return Ok(None) };
                let outer = large.finish().map_err(|e| self.damaged(e))?;
                self.check_end(&outer)?;
                self.offset += u64::from(outer.header.size);
                return Ok(Some(outer));
            }
            let have = self.fill(1)?;
            if have == 0 {
                return Err(self.truncated(wanted, 0));
            }
            let piece = self.buffer.split_to(have.min(wanted)).freeze();
            if let Some(large) = &mut self.large {
                large.push(piece).map_err(|e| Self::fault_at(&self.path, self.offset, DAMAGED).source(e))?;
            }
        }
    }

    /// Where the next event begins, which is where the last one ended.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Name of the file, without its folders: what positions call it.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// From the first event, once it was read.
    pub fn format(&self) -> Option<&FormatDescription> {
        self.format.as_ref()
    }

    /// Reads until the buffer holds `want` bytes or the file ends; returns how many it holds. Memory grows with what is
    /// really there, not with what a damaged header claims.
    fn fill(&mut self, want: usize) -> Result<usize> {
        while self.buffer.len() < want {
            let held = self.buffer.len();
            self.buffer.resize(held + BLOCK_BYTES, 0);
            let got = self.file.read(&mut self.buffer[held..]);
            self.buffer.truncate(held + got.as_ref().copied().unwrap_or(0));
            match got {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.fault("cannot read the binlog file").source(e)),
            }
        }
        Ok(self.buffer.len())
    }

    fn check_size(&self, header: &EventHeader) -> Result<()> {
        if (header.size as usize) < HEADER_SIZE {
            let why = format!("the binlog file is damaged: an event of {} bytes, less than its header", header.size);
            return Err(self.fault(why));
        }
        if header.size > self.event_size_max {
            let why = format!("an event of {} bytes is above the limit of {}", header.size, self.event_size_max);
            return Err(self.fault(why).hint("either the binlog file is damaged, or the limit is too low"));
        }
        Ok(())
    }

    /// Verifies an event and takes in what the first one says about the others.
    fn check(&mut self, bytes: Bytes) -> Result<RawEvent> {
        let algorithm = self.format.as_ref().map_or(ChecksumAlgorithm::None, |format| format.checksum);
        let event = event::verify_and_strip(bytes, algorithm).map_err(|e| self.damaged(e))?;
        match event.event_type() {
            Some(EventType::FormatDescription) => {
                let format = FormatDescription::parse(&event).map_err(|e| self.fault("the binlog file is of an unknown form").source(e))?;
                self.format = Some(format);
            }
            _ if self.format.is_none() => {
                let why = format!("the binlog file begins with a {} event, not with a format description", event.header.type_name());
                return Err(self.fault(why));
            }
            Some(EventType::MariaStartEncryption) => {
                return Err(self
                    .fault("the binlog file is encrypted")
                    .hint("read it through its server, or make a plain copy with mariadb-binlog --read-from-remote-server --raw"));
            }
            _ => {}
        }
        self.check_end(&event)?;
        Ok(event)
    }

    /// `end_log_pos` must be the running sum; MariaDB 11.4+ writes 0 inside transactions.
    fn check_end(&self, event: &RawEvent) -> Result<()> {
        let end = self.offset + u64::from(event.header.size);
        let stated = event.header.next_position;
        // The field has 32 bits; files may be larger.
        if stated == 0 || stated == (end & u64::from(u32::MAX)) as u32 {
            return Ok(());
        }
        let why = format!("a {} event ends at {end}, but says that it ends at {stated}", event.header.type_name());
        Err(self
            .fault(why)
            .hint("relay logs and files cut with --start-position cannot be read, because their offsets are not the server's"))
    }

    fn truncated(&self, want: usize, have: usize) -> Error {
        self.fault(format!("the binlog file ends inside an event: {want} bytes are needed, {have} are there"))
            .hint("the server was still writing, or the copy is not complete")
    }

    fn damaged(&self, error: DecodeError) -> Error {
        self.fault(DAMAGED).source(error)
    }

    fn fault(&self, why: impl Into<String>) -> Error {
        Self::fault_at(&self.path, self.offset, why)
    }

    fn fault_at(path: &Path, offset: u64, why: impl Into<String>) -> Error {
        Error::definite(why).detail(format!("{}:{offset}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Appends an event with its checksum and the right end position.
    fn push(file: &mut Vec<u8>, type_code: u8, body: &[u8]) {
        let start = file.len();
        let size = (HEADER_SIZE + body.len() + 4) as u32;
        file.extend_from_slice(&1_700_000_000u32.to_le_bytes());
        file.push(type_code);
        file.extend_from_slice(&1u32.to_le_bytes());
        file.extend_from_slice(&size.to_le_bytes());
        file.extend_from_slice(&(start as u32 + size).to_le_bytes());
        file.extend_from_slice(&[0, 0]);
        file.extend_from_slice(body);
        let crc = crc32fast::hash(&file[start..]);
        file.extend_from_slice(&crc.to_le_bytes());
    }

    fn sample() -> Vec<u8> {
        let mut format = vec![4, 0];
        format.extend_from_slice(b"9.7.4");
        format.resize(52, 0);
        format.extend_from_slice(&[0, 0, 0, 0, 19, 0, 13, 1]);
        let mut file = MAGIC.to_vec();
        push(&mut file, 15, &format);
        push(&mut file, 29, &[b'x'; 600_000]);
        push(&mut file, 16, &7u64.to_le_bytes());
        push(&mut file, 4, b"\x04\0\0\0\0\0\0\0master.000002");
        file
    }

    fn read(bytes: &[u8]) -> Result<Vec<RawEvent>> {
        let mut on_disk = tempfile::NamedTempFile::new().unwrap();
        on_disk.write_all(bytes).unwrap();
        let mut file = BinlogFile::open_with_limit(on_disk.path(), 1_000_000)?;
        let mut events = Vec::new();
        while let Some(event) = file.next_event()? {
            events.push(event);
        }
        assert_eq!(file.offset(), bytes.len() as u64);
        Ok(events)
    }

    #[test]
    fn reads_all_events() {
        let events = read(&sample()).unwrap();
        let types: Vec<u8> = events.iter().map(|e| e.header.type_code).collect();
        assert_eq!(types, [15, 29, 16, 4]);
        assert_eq!(events[1].body.len(), 600_000);
    }

    /// A file with a hole, behind which 32 bits do not tell offsets apart any more.
    #[test]
    fn places_beyond_4_gib() {
        let head = sample();
        let first = 4 + u64::from(u32::from_le_bytes(head[13..17].try_into().unwrap()));
        let place = (1 << 32) + 1000u64;
        let mut events = vec![0; 1000];
        push(&mut events, 16, &7u64.to_le_bytes());
        let mut on_disk = tempfile::NamedTempFile::new().unwrap();
        on_disk.write_all(&head[..first as usize]).unwrap();
        on_disk.as_file_mut().seek(SeekFrom::Start(place)).unwrap();
        on_disk.write_all(&events[1000..]).unwrap();
        let mut file = BinlogFile::open(on_disk.path()).unwrap();
        assert_eq!((file.next_event().unwrap().unwrap().header.type_code, file.offset()), (15, first));
        file.seek(place).unwrap();
        assert_eq!(file.next_event().unwrap().unwrap().header.type_code, 16);
        assert_eq!(file.offset(), place + 31);
        assert!(file.next_event().unwrap().is_none());
    }

    /// A compressed transaction of two events, the second with 300,000 bytes.
    fn with_payload() -> Vec<u8> {
        let event = |type_code: u8, body: &[u8]| {
            let mut bytes = vec![0, 0, 0, 0, type_code, 1, 0, 0, 0];
            bytes.extend_from_slice(&((HEADER_SIZE + body.len()) as u32).to_le_bytes());
            bytes.extend_from_slice(&[0; 6]);
            bytes.extend_from_slice(body);
            bytes
        };
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let noise: Vec<u8> = (0..300_000).map(|_| next()).collect();
        let packed = zstd::encode_all(&[event(30, &noise), event(16, &[7; 8])].concat()[..], 3).unwrap();
        let mut body = vec![2, 1, 0, 1, 9, 0xfe];
        body.extend_from_slice(&(packed.len() as u64).to_le_bytes());
        body.push(0);
        body.extend_from_slice(&packed);
        let mut file = sample();
        file.truncate(file.len() - 44);
        push(&mut file, 40, &body);
        push(&mut file, 16, &8u64.to_le_bytes());
        file
    }

    fn unpacked(bytes: &[u8]) -> Result<Vec<RawEvent>> {
        let mut on_disk = tempfile::NamedTempFile::new().unwrap();
        on_disk.write_all(bytes).unwrap();
        let mut file = BinlogFile::open_with_limit(on_disk.path(), 1_000_000)?;
        file.unpack_above(1000);
        let mut events = Vec::new();
        while let Some(event) = file.next_event()? {
            events.push(event);
        }
        assert_eq!(file.offset(), bytes.len() as u64);
        Ok(events)
    }

    #[test]
    fn a_large_compressed_transaction_is_unpacked_while_it_is_read() {
        let bytes = with_payload();
        let events = unpacked(&bytes).unwrap();
        let seen: Vec<(u8, bool, usize)> = events.iter().map(|e| (e.header.type_code, e.header.is_packed(), e.body.len())).collect();
        assert_eq!(seen[2..], [(16, false, 8), (30, true, 300_000), (16, true, 8), (40, false, 0), (16, false, 8)]);
        assert_eq!(read(&bytes).unwrap().len(), 5, "and whole where it is small enough");
    }

    /// Any changed byte is found before the outer event comes, which alone makes the transaction valid.
    #[test]
    fn a_wrong_checksum_of_a_large_event_is_found() {
        let bytes = with_payload();
        let (start, end) = (bytes.len() - 31 - 1000, bytes.len() - 31);
        for place in [end - 1, end - 4, end - 5, end - 50, start, bytes.len() - 250_000] {
            let mut broken = bytes.clone();
            broken[place] ^= 1;
            let error = unpacked(&broken).unwrap_err().to_string();
            assert!(error.contains("damaged"), "byte {place}: {error}");
        }
        let error = unpacked(&bytes[..end - 2]).unwrap_err().to_string();
        assert!(error.contains("ends inside an event"), "{error}");
        let mut only_checksum = bytes.clone();
        only_checksum[end - 2] ^= 1;
        assert!(unpacked(&only_checksum).unwrap_err().to_string().contains("event checksum"));
    }

    #[test]
    fn a_cut_file_names_its_place() {
        let whole = sample();
        let rotate = whole.len() - 44;
        for cut in [rotate + 1, rotate + 18, rotate + 19, whole.len() - 1] {
            let error = read(&whole[..cut]).unwrap_err().to_string();
            assert!(error.contains("ends inside an event") && error.contains(&format!(":{rotate}, server 9.7.4)")), "{error}");
        }
        assert_eq!(read(&whole[..rotate]).unwrap().len(), 3, "a file may end behind any event");
    }

    #[test]
    fn damage_is_found() {
        let whole = sample();
        for place in [4, 30, 60, 100, 300_000, whole.len() - 60, whole.len() - 5] {
            let mut broken = whole.clone();
            broken[place] ^= 1;
            read(&broken).expect_err("a changed byte");
        }
        let mut moved = MAGIC.to_vec();
        moved.extend_from_slice(&whole[MAGIC.len()..]);
        push(&mut moved, 3, b"");
        let at = moved.len() - HEADER_SIZE - 4;
        moved[at + 13] ^= 1;
        let crc = crc32fast::hash(&moved[at..at + HEADER_SIZE]).to_le_bytes();
        moved[at + HEADER_SIZE..].copy_from_slice(&crc);
        assert!(read(&moved).unwrap_err().to_string().contains("says that it ends at"));
    }

    #[test]
    fn large_small_and_foreign_events_are_refused() {
        let whole = sample();
        let mut large = whole.clone();
        push(&mut large, 29, &[0; 1_000_000]);
        assert!(read(&large).unwrap_err().to_string().contains("above the limit"));
        let mut small = whole.clone();
        small.extend_from_slice(&[0; 30]);
        assert!(read(&small).unwrap_err().to_string().contains("less than its header"));
        let mut no_format = MAGIC.to_vec();
        push(&mut no_format, 16, &[0; 8]);
        assert!(read(&no_format).unwrap_err().to_string().contains("begins with a Xid event"));
        let mut encrypted = whole.clone();
        push(&mut encrypted, 164, &[1; 17]);
        assert!(read(&encrypted).unwrap_err().to_string().contains("encrypted"));
        assert!(read(b"\xfdbin\x01").unwrap_err().to_string().contains("encrypted"));
        for other in [&b""[..], b"\xfe", b"PK\x03\x04zip"] {
            assert!(read(other).unwrap_err().to_string().contains("not a binlog file"));
        }
        assert!(BinlogFile::open("/nonexistent/a.000001").is_err());
    }
}
