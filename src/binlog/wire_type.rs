//! Type codes of columns on the wire, with what the table map's metadata bytes say about them. Never here: declared types.

use super::{Cursor, DecodeError};

/// A column's wire type with what its metadata bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    Tiny,
    Short,
    Int24,
    Long,
    LongLong,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Year,
    Date,
    /// Before 5.6. MariaDB has them with fractions, of which the table map does not tell: the digits are 0 until the
    /// definition is known.
    OldTime {
        fraction: u8,
    },
    OldDatetime {
        fraction: u8,
    },
    OldTimestamp {
        fraction: u8,
    },
    Time {
        fraction: u8,
    },
    Datetime {
        fraction: u8,
    },
    Timestamp {
        fraction: u8,
    },
    /// `bits` = declared width, 1 to 64.
    Bit {
        bits: u8,
    },
    /// CHAR and BINARY: at most `bytes` bytes; the length prefix has 2 bytes when `bytes` > 255.
    String {
        bytes: u16,
    },
    /// VARCHAR and VARBINARY: as above.
    Varchar {
        bytes: u16,
    },
    /// `pack` bytes of length prefix (1 to 4).
    Blob {
        pack: u8,
    },
    Json {
        pack: u8,
    },
    Geometry {
        pack: u8,
    },
    Vector {
        pack: u8,
    },
    /// `pack` bytes of value (1 or 2).
    Enum {
        pack: u8,
    },
    /// `pack` bytes of value (1 to 8).
    Set {
        pack: u8,
    },
    /// MariaDB compressed columns (140, 141).
    BlobCompressed {
        pack: u8,
    },
    VarcharCompressed {
        bytes: u16,
    },
    /// A type code that we do not know. Its rows cannot be split into columns.
    Unknown {
        code: u8,
    },
}

impl WireType {
    /// The type as it stands in the table map, for messages: its code, and its metadata bytes in hex.
    pub fn bytes(self) -> String {
        let (code, metadata): (u8, Vec<u8>) = match self {
            WireType::Tiny => (code::TINY, vec![]),
            WireType::Short => (code::SHORT, vec![]),
            WireType::Int24 => (code::INT24, vec![]),
            WireType::Long => (code::LONG, vec![]),
            WireType::LongLong => (code::LONGLONG, vec![]),
            WireType::Float => (code::FLOAT, vec![4]),
            WireType::Double => (code::DOUBLE, vec![8]),
            WireType::Decimal { precision, scale } => (code::NEWDECIMAL, vec![precision, scale]),
            WireType::Year => (code::YEAR, vec![]),
            WireType::Date => (code::DATE, vec![]),
            WireType::OldTime { .. } => (code::TIME, vec![]),
            WireType::OldDatetime { .. } => (code::DATETIME, vec![]),
            WireType::OldTimestamp { .. } => (code::TIMESTAMP, vec![]),
            WireType::Time { fraction } => (code::TIME2, vec![fraction]),
            WireType::Datetime { fraction } => (code::DATETIME2, vec![fraction]),
            WireType::Timestamp { fraction } => (code::TIMESTAMP2, vec![fraction]),
            WireType::Bit { bits } => (code::BIT, vec![bits % 8, bits / 8]),
            WireType::String { bytes } => (code::STRING, vec![code::STRING ^ (bytes >> 4) as u8 & 0x30, bytes as u8]),
            WireType::Varchar { bytes } => (code::VARCHAR, bytes.to_le_bytes().to_vec()),
            WireType::Blob { pack } => (code::BLOB, vec![pack]),
            WireType::Json { pack } => (code::JSON, vec![pack]),
            WireType::Geometry { pack } => (code::GEOMETRY, vec![pack]),
            WireType::Vector { pack } => (code::VECTOR, vec![pack]),
            WireType::Enum { pack } => (code::STRING, vec![code::ENUM, pack]),
            WireType::Set { pack } => (code::STRING, vec![code::SET, pack]),
            WireType::BlobCompressed { pack } => (code::BLOB_COMPRESSED, vec![pack]),
            WireType::VarcharCompressed { bytes } => (code::VARCHAR_COMPRESSED, bytes.to_le_bytes().to_vec()),
            WireType::Unknown { code } => (code, vec![]),
        };
        let hex: String = metadata.iter().map(|byte| format!(" {byte:02x}")).collect();
        if hex.is_empty() { format!("wire type {code}") } else { format!("wire type {code} metadata{hex}") }
    }
}

/// Codes of `enum_field_types` (MySQL `include/field_types.h`, MariaDB `include/mysql_com.h`).
mod code {
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const NEWDATE: u8 = 14;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const TIMESTAMP2: u8 = 17;
    pub const DATETIME2: u8 = 18;
    pub const TIME2: u8 = 19;
    pub const BLOB_COMPRESSED: u8 = 140;
    pub const VARCHAR_COMPRESSED: u8 = 141;
    pub const VECTOR: u8 = 242;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
    pub const TINY_BLOB: u8 = 249;
    pub const MEDIUM_BLOB: u8 = 250;
    pub const LONG_BLOB: u8 = 251;
    pub const BLOB: u8 = 252;
    pub const VAR_STRING: u8 = 253;
    pub const STRING: u8 = 254;
    pub const GEOMETRY: u8 = 255;
}

const WHAT: &str = "column metadata";

/// Resolves all columns' types. A code that is not known hides how long its metadata is, so that every later column that
/// has metadata is unknown too; such a table map is no error, because nobody may ever ask for the table's rows.
pub(super) fn read_all(codes: &[u8], metadata: &[u8]) -> Result<Vec<WireType>, DecodeError> {
    let mut c = Cursor::new(metadata);
    let mut types = Vec::with_capacity(codes.len());
    let mut lost = false;
    for code in codes {
        let wire = match without_metadata(*code) {
            Some(wire) => wire,
            None if lost => WireType::Unknown { code: *code },
            None => with_metadata(*code, &mut c)?,
        };
        lost |= matches!(wire, WireType::Unknown { .. });
        types.push(wire);
    }
    if !lost && !c.is_empty() {
        return Err(DecodeError::invalid(WHAT, format!("{} bytes more than its columns have", c.len())));
    }
    Ok(types)
}

fn without_metadata(code: u8) -> Option<WireType> {
    Some(match code {
        code::TINY => WireType::Tiny,
        code::SHORT => WireType::Short,
        code::INT24 => WireType::Int24,
        code::LONG => WireType::Long,
        code::LONGLONG => WireType::LongLong,
        code::YEAR => WireType::Year,
        code::DATE | code::NEWDATE => WireType::Date,
        code::TIME => WireType::OldTime { fraction: 0 },
        code::DATETIME => WireType::OldDatetime { fraction: 0 },
        code::TIMESTAMP => WireType::OldTimestamp { fraction: 0 },
        _ => return None,
    })
}

fn with_metadata(code: u8, c: &mut Cursor<'_>) -> Result<WireType, DecodeError> {
    Ok(match code {
        code::FLOAT => {
            within(c, 4, 4)?;
            WireType::Float
        }
        code::DOUBLE => {
            within(c, 8, 8)?;
            WireType::Double
        }
        code::TIMESTAMP2 => WireType::Timestamp { fraction: within(c, 0, 6)? },
        code::DATETIME2 => WireType::Datetime { fraction: within(c, 0, 6)? },
        code::TIME2 => WireType::Time { fraction: within(c, 0, 6)? },
        code::NEWDECIMAL => {
            let precision = within(c, 1, 65)?;
            WireType::Decimal { precision, scale: within(c, 0, precision)? }
        }
        code::BIT => {
            let (bits, bytes) = (within(c, 0, 7)?, within(c, 0, 8)?);
            match bytes * 8 + bits {
                bits @ 1..=64 => WireType::Bit { bits },
                bits => return Err(DecodeError::invalid(WHAT, format!("BIT({bits})"))),
            }
        }
        code::VARCHAR | code::VAR_STRING => WireType::Varchar { bytes: c.u16(WHAT)? },
        code::VARCHAR_COMPRESSED => WireType::VarcharCompressed { bytes: c.u16(WHAT)? },
        code::BLOB | code::TINY_BLOB | code::MEDIUM_BLOB | code::LONG_BLOB => WireType::Blob { pack: within(c, 1, 4)? },
        code::BLOB_COMPRESSED => WireType::BlobCompressed { pack: within(c, 1, 4)? },
        code::JSON => WireType::Json { pack: within(c, 1, 4)? },
        code::GEOMETRY => WireType::Geometry { pack: within(c, 1, 4)? },
        code::VECTOR => WireType::Vector { pack: within(c, 1, 4)? },
        code::STRING | code::ENUM | code::SET => string_family(c)?,
        code => WireType::Unknown { code },
    })
}

fn within(c: &mut Cursor<'_>, min: u8, max: u8) -> Result<u8, DecodeError> {
    match c.u8(WHAT)? {
        value if (min..=max).contains(&value) => Ok(value),
        value => Err(DecodeError::invalid(WHAT, format!("{value} is not within {min} to {max}"))),
    }
}

/// CHAR, ENUM and SET are all logged as STRING: the first byte is the real type, the second the length in bytes. Lengths
/// above 255 borrow two bits of the type byte, stored inverted (`sql/field.cc`, `Field_string::do_save_field_metadata`).
fn string_family(c: &mut Cursor<'_>) -> Result<WireType, DecodeError> {
    let (real, low) = (c.u8(WHAT)?, c.u8(WHAT)?);
    match real {
        code::ENUM if matches!(low, 1 | 2) => Ok(WireType::Enum { pack: low }),
        code::SET if (1..=8).contains(&low) => Ok(WireType::Set { pack: low }),
        _ if real | 0x30 == code::STRING => {
            let high = u16::from(!real & 0x30) << 4;
            Ok(WireType::String { bytes: high | u16::from(low) })
        }
        _ => Err(DecodeError::invalid(WHAT, format!("string of type {real} and length {low}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_their_metadata() {
        let cases: [(u8, &[u8], WireType); 21] = [
            (1, &[], WireType::Tiny),
            (9, &[], WireType::Int24),
            (14, &[], WireType::Date),
            (4, &[4], WireType::Float),
            (246, &[65, 30], WireType::Decimal { precision: 65, scale: 30 }),
            (16, &[1, 0], WireType::Bit { bits: 1 }),
            (16, &[7, 7], WireType::Bit { bits: 63 }),
            (16, &[0, 8], WireType::Bit { bits: 64 }),
            (15, &[0x58, 0x02], WireType::Varchar { bytes: 600 }),
            (18, &[3], WireType::Datetime { fraction: 3 }),
            (252, &[2], WireType::Blob { pack: 2 }),
            (245, &[4], WireType::Json { pack: 4 }),
            (242, &[4], WireType::Vector { pack: 4 }),
            (254, &[0xfe, 200], WireType::String { bytes: 200 }),
            (254, &[0xf7, 2], WireType::Enum { pack: 2 }),
            (254, &[0xf8, 8], WireType::Set { pack: 8 }),
            // CHAR(255) in utf8mb4: 1020 = 0x3fc bytes, utf8mb3: 765 = 0x2fd, and 300 = 0x12c.
            (254, &[0xce, 0xfc], WireType::String { bytes: 1020 }),
            (254, &[0xde, 0xfd], WireType::String { bytes: 765 }),
            (254, &[0xee, 0x2c], WireType::String { bytes: 300 }),
            (140, &[2], WireType::BlobCompressed { pack: 2 }),
            (141, &[5, 0], WireType::VarcharCompressed { bytes: 5 }),
        ];
        for (code, metadata, want) in cases {
            assert_eq!(read_all(&[code], metadata).unwrap(), [want]);
            if !metadata.is_empty() {
                read_all(&[code], &metadata[..metadata.len() - 1]).unwrap_err();
            }
            read_all(&[code], &[metadata, &[0]].concat()).unwrap_err();
            // Some types have several codes; the servers log the first.
            let code = if code == 14 { 10 } else { code };
            let hex: Vec<String> = metadata.iter().map(|b| format!("{b:02x}")).collect();
            let shown = if hex.is_empty() { format!("wire type {code}") } else { format!("wire type {code} metadata {}", hex.join(" ")) };
            assert_eq!(want.bytes(), shown);
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (code, metadata) in
            [(4, &[5u8][..]), (246, &[66, 0]), (246, &[5, 6]), (16, &[0, 0]), (16, &[1, 8]), (18, &[7]), (252, &[5]), (254, &[0xf7, 3])]
        {
            read_all(&[code], metadata).unwrap_err();
        }
    }

    #[test]
    fn an_unknown_type_hides_what_has_metadata_behind_it() {
        let types = read_all(&[252, 20, 3, 15], &[2, 9, 9, 10, 0]).unwrap();
        let unknown = |code| WireType::Unknown { code };
        assert_eq!(types, [WireType::Blob { pack: 2 }, unknown(20), WireType::Long, unknown(15)]);
    }
}
