//! Values of every type and text in every character set, straight into their codecs.

use binlogd::binlog::Cursor;
use binlogd::binlog::codec::charset::Charset;
use binlogd::binlog::codec::{Codec, ColumnSpec, Declared, ValueStyle};
use binlogd::binlog::table_map::WireType;

use super::chain;

/// The first bytes choose the type and what is declared of it.
pub fn value(input: &[u8]) -> Result<(), String> {
    let Some((&[kind, a, b, c], image)) = input.split_first_chunk::<4>() else { return Ok(()) };
    let bytes = u16::from_le_bytes([a, b & 3]);
    let pack = 1 + a % 4;
    let wire = match kind % 26 {
        0 => WireType::Tiny,
        1 => WireType::Short,
        2 => WireType::Int24,
        3 => WireType::Long,
        4 => WireType::LongLong,
        5 => WireType::Float,
        6 => WireType::Double,
        7 => WireType::Decimal { precision: 1 + a % 65, scale: b % (1 + (1 + a % 65).min(30)) },
        8 => WireType::Year,
        9 => WireType::Date,
        10 => WireType::OldTime { fraction: b % 7 },
        11 => WireType::OldDatetime { fraction: b % 7 },
        12 => WireType::OldTimestamp { fraction: b % 7 },
        13 => WireType::Time { fraction: a % 7 },
        14 => WireType::Datetime { fraction: a % 7 },
        15 => WireType::Timestamp { fraction: a % 7 },
        16 => WireType::Bit { bits: 1 + a % 64 },
        17 => WireType::String { bytes },
        18 => WireType::Varchar { bytes },
        19 => WireType::Blob { pack },
        20 => WireType::Json { pack },
        21 => WireType::Vector { pack },
        22 => WireType::Enum { pack: 1 + a % 2 },
        23 => WireType::Set { pack: 1 + a % 8 },
        24 => WireType::BlobCompressed { pack },
        _ => WireType::VarcharCompressed { bytes },
    };
    let labels: Vec<String> = (0..b % 70).map(|i| format!("l{i}\"")).collect();
    let declared = match c % 16 {
        0 => Declared::Number { unsigned: c & 16 == 0 },
        1 => Declared::Temporal,
        2 => Declared::Text { charset: CHARSETS[usize::from(c >> 4) % CHARSETS.len()] },
        3 => Declared::Binary,
        4 => Declared::Enum { labels: &labels },
        5 => Declared::Set { labels: &labels },
        6 => Declared::Json,
        7 => Declared::Bit,
        8 => Declared::Year,
        9 => Declared::JsonText,
        10 => Declared::Other { name: ["uuid", "inet4", "inet6", "vector"][usize::from(c >> 4) % 4] },
        // What belongs to the type.
        _ => match kind % 26 {
            0..=7 => Declared::Number { unsigned: c & 16 == 0 },
            8 => Declared::Year,
            9..=15 => Declared::Temporal,
            16 => Declared::Bit,
            17..=19 | 24 | 25 if c & 16 == 0 => Declared::Binary,
            17..=19 | 24 | 25 => Declared::Text { charset: CHARSETS[usize::from(b) % CHARSETS.len()] },
            20 => Declared::Json,
            21 => Declared::Other { name: "vector" },
            22 => Declared::Enum { labels: &labels },
            _ => Declared::Set { labels: &labels },
        },
    };
    let style = ValueStyle { null_zerodates: c & 32 == 0, maxwell_quirks: c & 64 != 0 };
    let mut cursor = Cursor::new(image);
    let opaque = Codec::opaque(wire);
    let Ok(value) = opaque.split(&mut cursor) else { return Ok(()) };
    match Codec::compile(&ColumnSpec { wire, declared }, style) {
        // Maxwell prints texts in JSON columns as they are, JSON or not.
        Ok(codec) => both_forms(&codec, value, !style.maxwell_quirks),
        Err(why) if why.is_empty() => Err("a refusal without a reason".into()),
        Err(_) => Ok(()),
    }
}

pub fn rendered(wire: WireType, declared: Declared<'_>, value: &[u8]) -> Result<(), String> {
    both_forms(&Codec::compile(&ColumnSpec { wire, declared }, ValueStyle::default())?, value, true)
}

fn both_forms(codec: &Codec, value: &[u8], is_json: bool) -> Result<(), String> {
    let (mut json, mut text) = (Vec::new(), Vec::new());
    if codec.write_json(value, &mut json).is_ok() && is_json {
        chain::is_json(&json)?;
    }
    let _ = codec.write_text(value, &mut text);
    let _ = codec.renders_null(value);
    Ok(())
}

const CHARSETS: [&str; 41] = [
    "utf8mb4", "utf8", "latin1", "ascii", "ucs2", "utf16", "utf16le", "utf32", "swe7", "sjis", "cp932", "ujis", "eucjpms", "euckr", "gbk",
    "gb2312", "gb18030", "big5", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8",
    "hp8", "koi8r", "koi8u", "greek", "hebrew", "tis620", "armscii8", "geostd8", "keybcs2", "macce", "macroman", "binary",
];

pub fn charset(input: &[u8]) -> Result<(), String> {
    let Some((which, bytes)) = input.split_first() else { return Ok(()) };
    let name = CHARSETS[usize::from(*which) % CHARSETS.len()];
    let Some(charset) = Charset::named(name) else {
        return if name == "binary" { Ok(()) } else { Err(format!("no character set {name}")) };
    };
    let (mut json, mut text) = (Vec::new(), Vec::new());
    charset.write_json(bytes, &mut json);
    chain::is_json(&json)?;
    charset.write_text(bytes, &mut text);
    std::str::from_utf8(&text).map_err(|e| format!("{name}: the text is no UTF-8: {e}"))?;
    // Halves of surrogate pairs are escaped, as Java does it, and two of them may happen to be a pair.
    if json.windows(3).any(|w| w == b"\\uD" || w == b"\\ud") {
        return Ok(());
    }
    let unquoted: String = serde_json::from_slice(&json).map_err(|e| format!("{name}: no string: {e}"))?;
    if unquoted.as_bytes() != text {
        return Err(format!("{name}: the text {text:02x?} is not the JSON string {unquoted:?}"));
    }
    Ok(())
}
