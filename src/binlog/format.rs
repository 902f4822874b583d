//! The format description event: the first of every file. It says which server wrote the file, when, and how events are
//! checked; everything after it is read by what it says. Never here: the bytes of any other event.

use super::cursor::utf8;
use super::event::{HEADER_SIZE, RawEvent};
use super::{Cursor, DecodeError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChecksumAlgorithm {
    #[default]
    None,
    Crc32,
}

/// Whose dialect of the format the events speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flavor {
    #[default]
    MySql,
    MariaDb,
}

/// The event (MySQL `libs/mysql/binlog/event/control_events.h`, `Format_description_event`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FormatDescription {
    pub server_version: String,
    /// Creation time of the binlog file, seconds since the epoch; 0 when the file was not created by a server start.
    pub created: u32,
    pub checksum: ChecksumAlgorithm,
    /// Length of the fixed part of each event type's body, the type with code 1 first, in bytes.
    pub post_header_lengths: Vec<u8>,
}

/// Size of the field that holds the server's version, in bytes.
const VERSION_SIZE: usize = 50;
/// The only version of the binlog format since MySQL 5.0.
const BINLOG_VERSION: u16 = 4;

/// Fixed parts that our decoders are written for: (type code, length). A server that says otherwise is refused here,
/// because every later event would be misread.
const EXPECTED_LENGTHS: [(u8, u8); 11] =
    [(2, 13), (4, 8), (19, 8), (23, 8), (24, 8), (25, 8), (30, 10), (31, 10), (32, 10), (162, 19), (163, 4)];

impl FormatDescription {
    pub fn parse(event: &RawEvent) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let (server_version, created) = parse_head(&mut c)?;
        let header_size = c.u8("size of the event header")?;
        if usize::from(header_size) != HEADER_SIZE {
            return Err(DecodeError::invalid("size of the event header", format!("{header_size} bytes; only {HEADER_SIZE} are known")));
        }
        let mut lengths = c.take_rest();
        let mut checksum = ChecksumAlgorithm::None;
        if knows_checksums(server_version) {
            let Some((last, before)) = lengths.split_last() else {
                return Err(DecodeError::Short { what: "checksum algorithm", want: 1, have: 0 });
            };
            lengths = before;
            checksum = algorithm(*last)?;
        }
        let format =
            FormatDescription { server_version: server_version.to_owned(), created, checksum, post_header_lengths: lengths.to_vec() };
        for (code, want) in EXPECTED_LENGTHS {
            match format.post_header_length(code) {
                0 => {}
                have if have == want => {}
                have => {
                    let why = format!("event type {code} has {have} bytes, only {want} are known");
                    return Err(DecodeError::invalid("fixed part of an event", why));
                }
            }
        }
        Ok(format)
    }

    /// Length of the fixed part of a type's body; 0 for types that the server does not list.
    pub fn post_header_length(&self, type_code: u8) -> u8 {
        usize::from(type_code).checked_sub(1).and_then(|i| self.post_header_lengths.get(i)).copied().unwrap_or(0)
    }

    pub fn flavor(&self) -> Flavor {
        flavor_of(&self.server_version)
    }

    /// Major, minor and patch version; zeros when the text is not of that form.
    pub fn version(&self) -> (u8, u8, u8) {
        version_numbers(&self.server_version)
    }
}

/// Version and creation time, with which the event begins.
fn parse_head<'a>(c: &mut Cursor<'a>) -> Result<(&'a str, u32), DecodeError> {
    let version = c.u16("binlog version")?;
    if version != BINLOG_VERSION {
        return Err(DecodeError::invalid("binlog version", format!("{version}; only {BINLOG_VERSION} is supported")));
    }
    let text = c.take(VERSION_SIZE, "server version")?;
    let text = text.split(|b| *b == 0).next().unwrap_or(text);
    Ok((utf8(text, "server version")?, c.u32("creation time")?))
}

fn algorithm(code: u8) -> Result<ChecksumAlgorithm, DecodeError> {
    match code {
        // 255: not determined, which a relay log of a server that knows no checksums says.
        0 | 255 => Ok(ChecksumAlgorithm::None),
        1 => Ok(ChecksumAlgorithm::Crc32),
        other => Err(DecodeError::invalid("checksum algorithm", format!("number {other}"))),
    }
}

/// For a whole format description event: whether it ends in room for a checksum, and whether that is to be compared.
/// A server that knows checksums always leaves the room, also while it has them off.
pub(super) fn checksum_of(event: &[u8]) -> Result<(bool, bool), DecodeError> {
    let mut c = Cursor::new(event);
    c.skip(HEADER_SIZE, "event header")?;
    let (version, _) = parse_head(&mut c)?;
    if !knows_checksums(version) {
        return Ok((false, false));
    }
    match *c.rest() {
        [.., code, _, _, _, _] => Ok((true, algorithm(code)? == ChecksumAlgorithm::Crc32)),
        _ => Err(DecodeError::Short { what: "checksum algorithm", want: 5, have: c.len() }),
    }
}

fn flavor_of(version: &str) -> Flavor {
    if version.contains("MariaDB") || version.contains("-maria-") { Flavor::MariaDb } else { Flavor::MySql }
}

/// Checksums came with MySQL 5.6.1 and MariaDB 5.3.0 (`sql/log_event.cc`, `checksum_version_split`).
fn knows_checksums(version: &str) -> bool {
    version_numbers(version)
        >= match flavor_of(version) {
            Flavor::MySql => (5, 6, 1),
            Flavor::MariaDb => (5, 3, 0),
        }
}

fn version_numbers(version: &str) -> (u8, u8, u8) {
    let mut numbers = version.splitn(3, '.').map(|part| {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        part.get(..digits).and_then(|d| d.parse::<u8>().ok())
    });
    let mut next = || numbers.next().flatten();
    match (next(), next()) {
        (Some(major), Some(minor)) => (major, minor, next().unwrap_or(0)),
        _ => (0, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::verify_and_strip;
    use super::super::test_events::{raw, whole};
    use super::*;

    fn body(version: &str, lengths: &[u8], algorithm: Option<u8>) -> Vec<u8> {
        let mut body = vec![4, 0];
        body.extend_from_slice(version.as_bytes());
        body.resize(2 + VERSION_SIZE, 0);
        body.extend_from_slice(&1_700_000_000u32.to_le_bytes());
        body.push(19);
        body.extend_from_slice(lengths);
        body.extend(algorithm);
        body
    }

    const LENGTHS: [u8; 19] = [56, 13, 0, 8, 0, 18, 0, 4, 4, 4, 4, 18, 0, 0, 95, 0, 4, 26, 8];

    #[test]
    fn versions_flavors_and_checksums() {
        let cases = [
            ("9.7.4-2", Some(1), Flavor::MySql, (9, 7, 4), ChecksumAlgorithm::Crc32),
            ("5.6.24-log", Some(0), Flavor::MySql, (5, 6, 24), ChecksumAlgorithm::None),
            ("5.5.62", None, Flavor::MySql, (5, 5, 62), ChecksumAlgorithm::None),
            ("10.11.19-MariaDB-log", Some(1), Flavor::MariaDb, (10, 11, 19), ChecksumAlgorithm::Crc32),
            ("5.3.12-MariaDB", Some(255), Flavor::MariaDb, (5, 3, 12), ChecksumAlgorithm::None),
            ("8.0", Some(1), Flavor::MySql, (8, 0, 0), ChecksumAlgorithm::Crc32),
        ];
        for (version, algorithm, flavor, numbers, checksum) in cases {
            let format = FormatDescription::parse(&raw(15, &body(version, &LENGTHS, algorithm))).unwrap();
            assert_eq!(format.server_version, version);
            assert_eq!((format.flavor(), format.version(), format.checksum), (flavor, numbers, checksum), "{version}");
            assert_eq!((format.created, format.post_header_length(2), format.post_header_length(200)), (1_700_000_000, 13, 0));
        }
    }

    #[test]
    fn unknown_formats_are_refused() {
        let mut other = LENGTHS;
        other[18] = 6;
        FormatDescription::parse(&raw(15, &body("5.1.3", &other, None))).unwrap_err();
        FormatDescription::parse(&raw(15, &body("9.7.4", &LENGTHS, Some(2)))).unwrap_err();
        let mut version3 = body("4.1.1", &LENGTHS, None);
        version3[0] = 3;
        FormatDescription::parse(&raw(15, &version3)).unwrap_err();
        let good = body("9.7.4", &LENGTHS, Some(1));
        for len in 0..good.len() - LENGTHS.len() - 1 {
            FormatDescription::parse(&raw(15, &good[..len])).unwrap_err();
        }
    }

    #[test]
    fn room_for_the_checksum_is_there_even_when_checksums_are_off() {
        let off = whole(15, 0, &[&body("9.7.4", &LENGTHS, Some(0))[..], &[1, 2, 3, 4]].concat());
        let event = verify_and_strip(off, ChecksumAlgorithm::Crc32).unwrap();
        assert_eq!(FormatDescription::parse(&event).unwrap().post_header_lengths, LENGTHS);
        let old = whole(15, 0, &body("5.5.62", &LENGTHS, None));
        let event = verify_and_strip(old, ChecksumAlgorithm::Crc32).unwrap();
        assert_eq!(FormatDescription::parse(&event).unwrap().post_header_lengths, LENGTHS);
    }

    #[test]
    fn an_open_file_has_the_checksum_of_a_closed_one() {
        let body = [&body("9.7.4", &LENGTHS, Some(1))[..], &[0; 4]].concat();
        let closed = whole(15, 0, &body);
        let crc = crc32fast::hash(&closed[..closed.len() - 4]).to_le_bytes();
        for flags in [0, 1] {
            let mut bytes = whole(15, flags, &body).to_vec();
            let at = bytes.len() - 4;
            bytes[at..].copy_from_slice(&crc);
            verify_and_strip(bytes.into(), ChecksumAlgorithm::None).unwrap();
        }
    }
}
