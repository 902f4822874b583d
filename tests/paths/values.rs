//! Random columns of every type, and values of them: most are what a server writes, some are anything.

use binlogd::binlog::table_map::WireType;
use binlogd::schema::{BinaryKind, ColumnType, IntWidth, TextKind};

use crate::bytes::odd;
use crate::dice::Dice;
use crate::documents;

const CHARSETS: [&str; 26] = [
    "utf8mb4",
    "utf8mb3",
    "latin1",
    "ascii",
    "binary",
    "BINARY",
    "ucs2",
    "utf16",
    "utf16le",
    "utf32",
    "sjis",
    "cp932",
    "gbk",
    "gb18030",
    "gb2312",
    "big5",
    "euckr",
    "ujis",
    "eucjpms",
    "swe7",
    "tis620",
    "greek",
    "hebrew",
    "cp1256",
    "koi8r",
    "no-charset",
];

/// A column.
pub struct Kind {
    pub ty: ColumnType,
    pub wire: WireType,
    form: Form,
}

/// How its values are made.
enum Form {
    /// So many bytes, without a length before them.
    Fixed(usize),
    Float,
    Double,
    Decimal {
        whole: usize,
        scale: usize,
    },
    /// A number below this.
    Label {
        size: usize,
        labels: u64,
    },
    Members {
        size: usize,
        labels: u32,
    },
    Stored {
        head: usize,
        size: usize,
    },
    /// Bytes behind a length of so many bytes.
    Long {
        prefix: usize,
        content: Content,
    },
}

#[derive(Clone, Copy)]
enum Content {
    Text,
    Bytes,
    Document,
    JsonText,
    Geometry,
    Vector,
    /// MariaDB's compressed columns.
    Compressed,
    /// Exactly or at most so many bytes.
    AtMost(usize),
}

impl Kind {
    pub fn roll(dice: &mut Dice) -> Self {
        let labels = || ["a", "b,c", "it's", "say \"hi\"", "", "😀", "é\\"].map(str::to_owned).to_vec().into();
        let charset = || Some("utf8mb4".to_owned());
        let other = |name: &str| ColumnType::Other { name: name.into(), unsigned: false, charset: None };
        let fraction = dice.below(7) as u8;
        let tail = usize::from(fraction.div_ceil(2));
        let (ty, wire, form) = match dice.below(29) {
            n @ 0..=4 => {
                let (width, wire, size) = [
                    (IntWidth::Tiny, WireType::Tiny, 1),
                    (IntWidth::Small, WireType::Short, 2),
                    (IntWidth::Medium, WireType::Int24, 3),
                    (IntWidth::Int, WireType::Long, 4),
                    (IntWidth::Big, WireType::LongLong, 8),
                ][n];
                (ColumnType::Int { width, unsigned: dice.percent(50) }, wire, Form::Fixed(size))
            }
            5 => (ColumnType::Float, WireType::Float, Form::Float),
            6 => (ColumnType::Double, WireType::Double, Form::Double),
            7 => {
                let precision = 1 + dice.below(65) as u8;
                let scale = dice.below(usize::from(precision.min(30)) + 1) as u8;
                let (whole, scale_digits) = (usize::from(precision - scale), usize::from(scale));
                (ColumnType::Decimal, WireType::Decimal { precision, scale }, Form::Decimal { whole, scale: scale_digits })
            }
            8 => (ColumnType::Year, WireType::Year, Form::Fixed(1)),
            9 => {
                let bits = 1 + dice.below(64) as u8;
                (ColumnType::Bit, WireType::Bit { bits }, Form::Fixed(usize::from(bits.div_ceil(8))))
            }
            10 => (ColumnType::Date, WireType::Date, Form::Stored { head: 3, size: 3 }),
            11 => (ColumnType::Time { fraction }, WireType::Time { fraction }, Form::Stored { head: 3, size: 3 + tail }),
            12 => (ColumnType::Datetime { fraction }, WireType::Datetime { fraction }, Form::Stored { head: 5, size: 5 + tail }),
            13 => (ColumnType::Timestamp { fraction }, WireType::Timestamp { fraction }, Form::Stored { head: 4, size: 4 + tail }),
            14 => (ColumnType::Time { fraction: 0 }, WireType::OldTime { fraction: 0 }, Form::Fixed(3)),
            15 => (ColumnType::Datetime { fraction: 0 }, WireType::OldDatetime { fraction: 0 }, Form::Stored { head: 0, size: 8 }),
            16 => (ColumnType::Timestamp { fraction: 0 }, WireType::OldTimestamp { fraction: 0 }, Form::Fixed(4)),
            17 => {
                let size = 1 + dice.below(2);
                (
                    ColumnType::Enum { labels: labels(), charset: charset() },
                    WireType::Enum { pack: size as u8 },
                    Form::Label { size, labels: 8 },
                )
            }
            18 => {
                let size = 1 + dice.below(8);
                (
                    ColumnType::Set { labels: labels(), charset: charset() },
                    WireType::Set { pack: size as u8 },
                    Form::Members { size, labels: 7 },
                )
            }
            19 => (ColumnType::Json, WireType::Json { pack: 4 }, Form::Long { prefix: 4, content: Content::Document }),
            20 => (ColumnType::Json, WireType::Blob { pack: 4 }, Form::Long { prefix: 4, content: Content::JsonText }),
            21 => (
                ColumnType::Geometry { name: "geometry" },
                WireType::Geometry { pack: 4 },
                Form::Long { prefix: 4, content: Content::Geometry },
            ),
            22 => (other("vector"), WireType::Vector { pack: 2 }, Form::Long { prefix: 2, content: Content::Vector }),
            23 => {
                let (name, bytes) = [("uuid", 16), ("inet4", 4), ("inet6", 16), ("mystery", 16)][dice.below(4)];
                let content = Content::AtMost(usize::from(bytes));
                (other(name), WireType::String { bytes }, Form::Long { prefix: 1, content })
            }
            24 => {
                let (wire, prefix) = storage(dice);
                (ColumnType::Binary { kind: BinaryKind::Blob }, wire, Form::Long { prefix, content: Content::Bytes })
            }
            25 => {
                let ty = if dice.percent(50) { ColumnType::Binary { kind: BinaryKind::Blob } } else { text(dice) };
                (ty, WireType::BlobCompressed { pack: 2 }, Form::Long { prefix: 2, content: Content::Compressed })
            }
            _ => {
                let (wire, prefix) = storage(dice);
                (text(dice), wire, Form::Long { prefix, content: Content::Text })
            }
        };
        Kind { ty, wire, form }
    }

    /// A value as an image has it.
    pub fn value(&self, dice: &mut Dice) -> Vec<u8> {
        match &self.form {
            Form::Fixed(size) => number(*size, dice),
            Form::Float => float(dice).to_le_bytes().to_vec(),
            Form::Double => double(dice).to_le_bytes().to_vec(),
            Form::Decimal { whole, scale } => decimal(*whole, *scale, dice),
            Form::Label { size, labels } => (dice.next() % labels).to_le_bytes()[..*size].to_vec(),
            Form::Members { size, labels } => {
                let stray = u64::from(dice.percent(4)) << 50;
                (dice.next() & ((1 << labels) - 1) & (dice.next() | 1) | stray).to_le_bytes()[..*size].to_vec()
            }
            Form::Stored { head, size } => stored(*head, *size, dice),
            Form::Long { prefix, content } => behind_length(*prefix, content.make(dice)),
        }
    }

    /// Another value that is hardly different.
    pub fn nearby(&self, value: &[u8], dice: &mut Dice) -> Vec<u8> {
        let mut value = value.to_vec();
        let from = match self.form {
            Form::Long { prefix, .. } => prefix,
            _ => 0,
        };
        if value.len() > from {
            let at = match self.form {
                // The sign, and the last bit.
                Form::Float | Form::Double if dice.percent(50) => value.len() - 1,
                _ => from + dice.below(value.len() - from),
            };
            value[at] ^= [0x80, 1, 0x20][dice.below(3)];
        }
        value
    }
}

fn storage(dice: &mut Dice) -> (WireType, usize) {
    [
        (WireType::Varchar { bytes: 200 }, 1),
        (WireType::Varchar { bytes: 2000 }, 2),
        (WireType::String { bytes: 20 }, 1),
        (WireType::String { bytes: 300 }, 2),
        (WireType::Blob { pack: 1 }, 1),
        (WireType::Blob { pack: 3 }, 3),
    ][dice.below(6)]
}

fn text(dice: &mut Dice) -> ColumnType {
    let charset = (!dice.percent(3)).then(|| CHARSETS[dice.below(CHARSETS.len())].to_owned());
    ColumnType::Text { kind: TextKind::Varchar, charset }
}

/// Text in another character set.
pub fn change_charset(ty: &mut ColumnType, dice: &mut Dice) {
    if let ColumnType::Text { charset, .. } = ty {
        *charset = Some(CHARSETS[dice.below(CHARSETS.len())].to_owned());
    }
}

fn behind_length(prefix: usize, mut content: Vec<u8>) -> Vec<u8> {
    if prefix == 1 {
        content.truncate(255);
    }
    let mut value = (content.len() as u64).to_le_bytes()[..prefix].to_vec();
    value.append(&mut content);
    value
}

fn number(size: usize, dice: &mut Dice) -> Vec<u8> {
    let number = if dice.percent(50) { odd(dice) } else { dice.next() };
    let bytes = number.to_le_bytes();
    if dice.percent(50) { bytes[..size].to_vec() } else { bytes[8 - size..].to_vec() }
}

fn float(dice: &mut Dice) -> f32 {
    match dice.below(4) {
        0 => f32::from_bits(dice.next() as u32),
        1 => [0.0, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE, 1e7, 0.001][dice.below(7)],
        2 => f32::from_bits(dice.below(40) as u32),
        _ => dice.below(100_000) as f32 / 100.0,
    }
}

fn double(dice: &mut Dice) -> f64 {
    match dice.below(4) {
        0 => f64::from_bits(dice.next()),
        1 => [0.0, -0.0, f64::NAN, f64::NEG_INFINITY, f64::MIN_POSITIVE, 1e7, 0.001, 1e23][dice.below(8)],
        2 => f64::from_bits(dice.next() >> 52),
        _ => dice.below(100_000) as f64 / 1000.0,
    }
}

/// As the server packs it; rarely with groups that have too many digits.
fn decimal(whole: usize, scale: usize, dice: &mut Dice) -> Vec<u8> {
    let (zeros, wrong, negative) = (dice.percent(40), dice.percent(3), dice.percent(50));
    let groups = [whole % 9].into_iter().chain(std::iter::repeat_n(9, whole / 9 + scale / 9)).chain([scale % 9]);
    let mut bytes = Vec::new();
    for count in groups.filter(|count| *count > 0) {
        let size = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4][count];
        let group = match dice.next() % 10u64.pow(count as u32) {
            _ if wrong => dice.next(),
            _ if zeros && dice.percent(70) => 0,
            group => group,
        };
        bytes.extend_from_slice(&group.to_be_bytes()[8 - size..]);
    }
    if !wrong {
        bytes[0] ^= 0x80;
    }
    if negative {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    bytes
}

/// Temporal values: any bits, zero, or parts that a calendar has; a `head` of 0 is the decimal form before 5.6.
fn stored(head: usize, size: usize, dice: &mut Dice) -> Vec<u8> {
    let mut below = |end: u64| dice.next() % end;
    let (year, month, day) = ([0, 1582, 1970, 2024, below(10_000)][below(5) as usize], below(14), below(33));
    let (hour, minute, second) = (below(25), below(61), below(61));
    let fraction = [0, 1, 50, 99][below(4) as usize];
    match below(10) {
        0 => (0..size).map(|_| below(256) as u8).collect(),
        1 => match head {
            5 => (1u64 << 39).to_be_bytes()[3..].iter().copied().chain(std::iter::repeat_n(0, size - 5)).collect(),
            _ => vec![0; size],
        },
        _ => {
            let whole = match head {
                0 => {
                    let n = ((((year * 100 + month) * 100 + day) * 100 + hour) * 100 + minute) * 100 + second;
                    return n.to_le_bytes().to_vec();
                }
                3 if size == 3 && below(2) == 0 => return (year << 9 | month << 5 | day).to_le_bytes()[..3].to_vec(),
                3 => 0x80_0000 + (hour << 12 | minute << 6 | second),
                4 => below(1 << 32),
                _ => (1 << 39) + (((year * 13 + month) << 5 | day) << 17 | hour << 12 | minute << 6 | second),
            };
            let mut bytes = whole.to_be_bytes()[8 - head..].to_vec();
            bytes.resize(size, 0);
            if let Some(last) = bytes[head..].last_mut() {
                *last = fraction as u8;
            }
            bytes
        }
    }
}

impl Content {
    fn make(self, dice: &mut Dice) -> Vec<u8> {
        let random = |count: usize, dice: &mut Dice| -> Vec<u8> { (0..count).map(|_| dice.next() as u8).collect() };
        let mut bytes = match self {
            Content::Text => match dice.below(4) {
                0 => random(dice.below(24), dice),
                1 => "naïve \"日本\" \u{1}\t😀\\".as_bytes().to_vec(),
                // Units of two and four bytes, with halves of pairs.
                2 => (0..dice.below(6)).flat_map(|_| [[0, 0x61], [0xd8, 0x3d], [0xde, 0], [0, 0], [0x65, 0xe5]][dice.below(5)]).collect(),
                _ => (0..dice.below(30)).map(|_| 0x20 + dice.below(0x5f) as u8).collect(),
            },
            Content::Bytes => random(dice.below(40), dice),
            Content::Document => documents::json(dice),
            Content::Geometry => documents::geometry(dice),
            Content::JsonText => {
                ["", "{}", "{\"a\": [1, \"😀\"]}", "null", "nonsense", "{\"a\":\"\u{1}\"", "[\"\\u00e9\"]"][dice.below(7)].into()
            }
            Content::Vector => (0..dice.below(5)).flat_map(|_| float(dice).to_le_bytes()).collect(),
            Content::AtMost(most) => {
                let count = dice.below(most + 1);
                let mut bytes = random(count, dice);
                bytes.iter_mut().for_each(|byte| *byte &= [0, 0xff, 0x0f][dice.below(3)]);
                bytes
            }
            Content::Compressed => {
                let mut bytes = vec![[0, 0, 0, 0x81, 0x20][dice.below(5)]];
                bytes.extend(Content::Text.make(dice));
                if dice.percent(10) {
                    bytes.clear();
                }
                bytes
            }
        };
        if dice.percent(4) && !matches!(self, Content::AtMost(_)) {
            crate::bytes::mutate(&mut bytes, 0, &[], dice);
        }
        bytes.truncate(60_000);
        bytes
    }
}
