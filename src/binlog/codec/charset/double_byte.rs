//! Chinese, Japanese and Korean character sets: tables made once per charset from `encoding_rs` and the places where the
//! servers map otherwise (every sequence of MySQL 9.7 and MariaDB 10.11 was compared; both map alike).

use std::sync::OnceLock;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS};

use super::Decoded;

/// A charset of this family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Big5,
    Gbk,
    Gb2312,
    Gb18030,
    EucKr,
    /// sjis and cp932
    ShiftJis,
    /// ujis and eucjpms
    EucJp,
}

/// Successive double bytes, from the first one on, that the servers map otherwise than `encoding_rs`: to successive
/// characters, or with 0 to none.
#[derive(Debug)]
pub struct Run {
    pub first: u16,
    pub count: u16,
    pub to: u16,
}

pub const fn run(first: u16, count: u16, to: u16) -> Run {
    Run { first, count, to }
}

struct Definition {
    name: &'static str,
    form: Form,
    encoding: &'static Encoding,
    runs: &'static [Run],
    /// The same for the double bytes behind 0x8F.
    runs_after_8f: &'static [Run],
}

static DEFINITIONS: [Definition; 9] = [
    Definition {
        name: "big5",
        form: Form::Big5,
        encoding: BIG5,
        runs: &[
            run(0xa145, 1, 0x2022),
            run(0xa14e, 1, 0xff64),
            run(0xa15a, 1, 0xfffd),
            run(0xa1c2, 1, 0x203e),
            run(0xa1c3, 1, 0xfffd),
            run(0xa1c5, 1, 0xfffd),
            run(0xa1e3, 1, 0x223c),
            run(0xa1f2, 1, 0x2641),
            run(0xa1f3, 1, 0x2609),
            run(0xa1fe, 1, 0xfffd),
            run(0xa240, 1, 0xfffd),
            run(0xa241, 1, 0xff0f),
            run(0xa242, 1, 0xff3c),
            run(0xa244, 1, 0xa5),
            run(0xa246, 2, 0xa2),
            run(0xa2cc, 1, 0xfffd),
            run(0xa2ce, 1, 0xfffd),
            run(0xa3c0, 34, 0),
            run(0xc6a1, 1, 0x30fe),
            run(0xc6a2, 2, 0x309d),
            run(0xc6a4, 1, 0x3005),
            run(0xc6a5, 83, 0x3041),
            run(0xc6f8, 86, 0x30a1),
            run(0xc7b1, 2, 0x414),
            run(0xc7b3, 1, 0x401),
            run(0xc7b4, 7, 0x416),
            run(0xc7bb, 19, 0x423),
            run(0xc7ce, 1, 0x451),
            run(0xc7cf, 26, 0x436),
            run(0xc7e9, 10, 0x2460),
            run(0xc7f3, 10, 0x2474),
            run(0xc7fd, 69, 0),
            run(0xc8cd, 37, 0),
            run(0xc8f5, 10, 0),
            run(0xf9dd, 34, 0),
        ],
        runs_after_8f: &[],
    },
    Definition {
        name: "gbk",
        form: Form::Gbk,
        encoding: GBK,
        runs: &[
            run(0xa140, 96, 0),
            run(0xa240, 96, 0),
            run(0xa2ab, 6, 0),
            run(0xa2e3, 2, 0),
            run(0xa2ef, 2, 0),
            run(0xa2fd, 98, 0),
            run(0xa440, 96, 0),
            run(0xa4f4, 107, 0),
            run(0xa5f7, 104, 0),
            run(0xa6b9, 8, 0),
            run(0xa6d9, 7, 0),
            run(0xa6ec, 2, 0),
            run(0xa6f3, 1, 0),
            run(0xa6f6, 105, 0),
            run(0xa7c2, 15, 0),
            run(0xa7f2, 13, 0),
            run(0xa896, 11, 0),
            run(0xa8bc, 1, 0),
            run(0xa8bf, 1, 0),
            run(0xa8c1, 4, 0),
            run(0xa8ea, 21, 0),
            run(0xa958, 1, 0),
            run(0xa95b, 1, 0),
            run(0xa95d, 3, 0),
            run(0xa989, 13, 0),
            run(0xa997, 13, 0),
            run(0xa9f0, 15, 0),
            run(0xaaa1, 94, 0),
            run(0xaba1, 94, 0),
            run(0xaca1, 94, 0),
            run(0xada1, 94, 0),
            run(0xaea1, 94, 0),
            run(0xafa1, 94, 0),
            run(0xd7fa, 5, 0),
            run(0xf8a1, 94, 0),
            run(0xf9a1, 94, 0),
            run(0xfaa1, 94, 0),
            run(0xfba1, 94, 0),
            run(0xfca1, 94, 0),
            run(0xfda1, 94, 0),
            run(0xfe50, 174, 0),
        ],
        runs_after_8f: &[],
    },
    Definition {
        name: "gb2312",
        form: Form::Gb2312,
        encoding: GBK,
        runs: &[
            run(0xa1a4, 1, 0x30fb),
            run(0xa1aa, 1, 0x2015),
            run(0xa2a1, 16, 0),
            run(0xa2e3, 2, 0),
            run(0xa2ef, 2, 0),
            run(0xa2fd, 2, 0),
            run(0xa4f4, 11, 0),
            run(0xa5f7, 8, 0),
            run(0xa6b9, 8, 0),
            run(0xa6d9, 38, 0),
            run(0xa7c2, 15, 0),
            run(0xa7f2, 13, 0),
            run(0xa8bb, 10, 0),
            run(0xa8ea, 24, 0),
            run(0xa9f0, 579, 0),
            run(0xd7fa, 5, 0),
        ],
        runs_after_8f: &[],
    },
    Definition {
        name: "gb18030",
        form: Form::Gb18030,
        encoding: GB18030,
        runs: &[
            run(0xa3a0, 1, 0xe5e5),
            run(0xa6d9, 7, 0xe78d),
            run(0xa6ec, 2, 0xe794),
            run(0xa6f3, 1, 0xe796),
            run(0xfe59, 1, 0xe81e),
            run(0xfe61, 1, 0xe826),
            run(0xfe66, 2, 0xe82b),
            run(0xfe6d, 1, 0xe832),
            run(0xfe7e, 1, 0xe843),
            run(0xfe90, 1, 0xe854),
            run(0xfea0, 1, 0xe864),
        ],
        runs_after_8f: &[],
    },
    Definition { name: "euckr", form: Form::EucKr, encoding: EUC_KR, runs: &[], runs_after_8f: &[] },
    Definition {
        name: "sjis",
        form: Form::ShiftJis,
        encoding: SHIFT_JIS,
        runs: &[
            run(0x815f, 1, 0x5c),
            run(0x8160, 1, 0x301c),
            run(0x8161, 1, 0x2016),
            run(0x817c, 1, 0x2212),
            run(0x8191, 2, 0xa2),
            run(0x81ca, 1, 0xac),
            run(0x8740, 30, 0),
            run(0x875f, 23, 0),
            run(0x877e, 30, 0),
            run(0xed40, 360, 0),
            run(0xeeef, 14, 0),
            run(0xf040, 2268, 0),
        ],
        runs_after_8f: &[],
    },
    Definition { name: "cp932", form: Form::ShiftJis, encoding: SHIFT_JIS, runs: &[], runs_after_8f: &[] },
    Definition {
        name: "ujis",
        form: Form::EucJp,
        encoding: EUC_JP,
        runs: &[
            run(0xa1c0, 1, 0x5c),
            run(0xa1c1, 1, 0x301c),
            run(0xa1c2, 1, 0x2016),
            run(0xa1dd, 1, 0x2212),
            run(0xa1f1, 2, 0xa2),
            run(0xa2cc, 1, 0xac),
            run(0xada1, 30, 0),
            run(0xadc0, 23, 0),
            run(0xaddf, 30, 0),
            run(0xf5a1, 940, 0xe000),
        ],
        runs_after_8f: &[run(0xa2b7, 1, 0x7e), run(0xf5a1, 940, 0xe3ac)],
    },
    Definition {
        name: "eucjpms",
        form: Form::EucJp,
        encoding: EUC_JP,
        runs: &[run(0xf5a1, 940, 0xe000)],
        runs_after_8f: &[
            run(0xa2c3, 1, 0xffe4),
            run(0xf3f3, 10, 0x2170),
            run(0xf3fd, 10, 0x2160),
            run(0xf4a9, 1, 0xff07),
            run(0xf4aa, 1, 0xff02),
            run(0xf4ab, 1, 0x3231),
            run(0xf4ac, 1, 0x2116),
            run(0xf4ad, 1, 0x2121),
            run(0xf4ae, 1, 0x70bb),
            run(0xf4af, 1, 0x4efc),
            run(0xf4b0, 1, 0x50f4),
            run(0xf4b1, 1, 0x51ec),
            run(0xf4b2, 1, 0x5307),
            run(0xf4b3, 1, 0x5324),
            run(0xf4b4, 1, 0xfa0e),
            run(0xf4b5, 1, 0x548a),
            run(0xf4b6, 1, 0x5759),
            run(0xf4b7, 2, 0xfa0f),
            run(0xf4b9, 1, 0x589e),
            run(0xf4ba, 1, 0x5bec),
            run(0xf4bb, 1, 0x5cf5),
            run(0xf4bc, 1, 0x5d53),
            run(0xf4bd, 1, 0xfa11),
            run(0xf4be, 1, 0x5fb7),
            run(0xf4bf, 1, 0x6085),
            run(0xf4c0, 1, 0x6120),
            run(0xf4c1, 1, 0x654e),
            run(0xf4c2, 1, 0x663b),
            run(0xf4c3, 1, 0x6665),
            run(0xf4c4, 1, 0xfa12),
            run(0xf4c5, 1, 0xf929),
            run(0xf4c6, 1, 0x6801),
            run(0xf4c7, 2, 0xfa13),
            run(0xf4c9, 1, 0x6a6b),
            run(0xf4ca, 1, 0x6ae2),
            run(0xf4cb, 1, 0x6df8),
            run(0xf4cc, 1, 0x6df2),
            run(0xf4cd, 1, 0x7028),
            run(0xf4ce, 2, 0xfa15),
            run(0xf4d0, 1, 0x7501),
            run(0xf4d1, 1, 0x7682),
            run(0xf4d2, 1, 0x769e),
            run(0xf4d3, 1, 0xfa17),
            run(0xf4d4, 1, 0x7930),
            run(0xf4d5, 4, 0xfa18),
            run(0xf4d9, 1, 0x7ae7),
            run(0xf4da, 2, 0xfa1c),
            run(0xf4dc, 1, 0x7da0),
            run(0xf4dd, 1, 0x7dd6),
            run(0xf4de, 1, 0xfa1e),
            run(0xf4df, 1, 0x8362),
            run(0xf4e0, 1, 0xfa1f),
            run(0xf4e1, 1, 0x85b0),
            run(0xf4e2, 2, 0xfa20),
            run(0xf4e4, 1, 0x8807),
            run(0xf4e5, 1, 0xfa22),
            run(0xf4e6, 1, 0x8b7f),
            run(0xf4e7, 1, 0x8cf4),
            run(0xf4e8, 1, 0x8d76),
            run(0xf4e9, 3, 0xfa23),
            run(0xf4ec, 1, 0x90de),
            run(0xf4ed, 1, 0xfa26),
            run(0xf4ee, 1, 0x9115),
            run(0xf4ef, 2, 0xfa27),
            run(0xf4f1, 1, 0x9592),
            run(0xf4f2, 1, 0xf9dc),
            run(0xf4f3, 1, 0xfa29),
            run(0xf4f4, 1, 0x973b),
            run(0xf4f5, 1, 0x974d),
            run(0xf4f6, 1, 0x9751),
            run(0xf4f7, 3, 0xfa2a),
            run(0xf4fa, 1, 0x999e),
            run(0xf4fb, 1, 0x9ad9),
            run(0xf4fc, 1, 0x9b72),
            run(0xf4fd, 1, 0xfa2d),
            run(0xf4fe, 1, 0x9ed1),
            run(0xf5a1, 940, 0xe3ac),
        ],
    },
];

/// The tables of one charset. 0: no such sequence; U+FFFD: a sequence without a character.
#[derive(Debug)]
pub struct DoubleByte {
    form: Form,
    /// By first byte minus 0x81 and second byte.
    pairs: Box<[u16]>,
    /// The same for the bytes behind 0x8F (EUC-JP).
    after_8f: Box<[u16]>,
    /// The basic plane's part of GB18030's sequences of four bytes, by their number.
    fours: Box<[u16]>,
}

/// Sequences of four bytes that stand for the basic plane; those of the other planes begin at `FOURS_ASTRAL`.
const FOURS_BASIC: u32 = 39_420;
const FOURS_ASTRAL: u32 = 189_000;

impl DoubleByte {
    /// The charset of this name (lower case). Its tables are made when it is asked for first.
    pub fn named(name: &str) -> Option<&'static DoubleByte> {
        static MADE: [OnceLock<DoubleByte>; DEFINITIONS.len()] = [const { OnceLock::new() }; DEFINITIONS.len()];
        let (definition, made) = DEFINITIONS.iter().zip(&MADE).find(|(d, _)| d.name == name)?;
        Some(made.get_or_init(|| DoubleByte::make(definition)))
    }

    fn make(definition: &Definition) -> Self {
        let form = definition.form;
        let after_8f = match form {
            Form::EucJp => pairs(definition, &[0x8f], definition.runs_after_8f),
            _ => Box::default(),
        };
        let fours = match form {
            Form::Gb18030 => (0..FOURS_BASIC).map(|number| one(definition.encoding, &four_bytes(number)).unwrap_or(0xfffd)).collect(),
            _ => Box::default(),
        };
        DoubleByte { form, pairs: pairs(definition, &[], definition.runs), after_8f, fours }
    }

    /// The unit of a double byte: 0 for no sequence, U+FFFD for one without a character.
    pub fn pair(&self, a: u8, b: u8) -> u16 {
        at(&self.pairs, a, b)
    }

    /// The same behind 0x8F.
    pub fn pair_after_8f(&self, a: u8, b: u8) -> u16 {
        at(&self.after_8f, a, b)
    }

    /// The first character of `bytes`, which begin above 0x7F, and its length. Where no sequence begins the byte alone
    /// is malformed.
    pub fn first(&self, bytes: &[u8]) -> (Decoded, usize) {
        let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let (a, b) = (byte(0), byte(1));
        let shown = |unit: u16, len: usize| match unit {
            0 => (Decoded::Nothing, 1),
            0xfffd => (Decoded::Nothing, len),
            unit => (char::from_u32(u32::from(unit)).map_or(Decoded::Nothing, Decoded::Char), len),
        };
        match self.form {
            Form::ShiftJis if (0xa1..=0xdf).contains(&a) => shown(HALFWIDTH + u16::from(a - 0xa1), 1),
            Form::EucJp if a == 0x8e && (0xa1..=0xdf).contains(&b) => shown(HALFWIDTH + u16::from(b - 0xa1), 2),
            Form::EucJp if a == 0x8f => shown(at(&self.after_8f, b, byte(2)), 3),
            Form::Gb18030 if (0x81..=0xfe).contains(&a) && b.is_ascii_digit() => self.four(bytes),
            _ => shown(at(&self.pairs, a, b), 2),
        }
    }

    fn four(&self, bytes: &[u8]) -> (Decoded, usize) {
        let Some([a, b, c @ 0x81..=0xfe, d @ b'0'..=b'9']) = bytes.first_chunk::<4>() else { return (Decoded::Nothing, 1) };
        let number = ((u32::from(a - 0x81) * 10 + u32::from(b - b'0')) * 126 + u32::from(c - 0x81)) * 10 + u32::from(d - b'0');
        let code = match self.fours.get(number as usize) {
            Some(unit) => u32::from(*unit),
            None => number.checked_sub(FOURS_ASTRAL).map_or(0xfffd, |n| n + 0x1_0000),
        };
        (char::from_u32(code).filter(|c| *c != char::REPLACEMENT_CHARACTER).map_or(Decoded::Nothing, Decoded::Char), 4)
    }
}

/// U+FF61, the first of the half-width katakana.
pub const HALFWIDTH: u16 = 0xff61;

fn at(table: &[u16], a: u8, b: u8) -> u16 {
    let index = a.checked_sub(0x81).map(|row| usize::from(row) << 8 | usize::from(b));
    index.and_then(|i| table.get(i)).copied().unwrap_or(0)
}

fn four_bytes(number: u32) -> [u8; 4] {
    let digit = |n: u32| b'0' + (n % 10) as u8;
    let letter = |n: u32| 0x81 + (n % 126) as u8;
    [letter(number / 12_600), digit(number / 1260), letter(number / 10), digit(number)]
}

impl Form {
    /// Whether a double byte is one sequence to the servers (`mbcharlen` and `well_formed_len` in their `strings/`).
    fn has(self, a: u8, b: u8) -> bool {
        match self {
            Form::Big5 => matches!(a, 0xa1..=0xf9) && matches!(b, 0x40..=0x7e | 0xa1..=0xfe),
            Form::Gbk | Form::Gb18030 => matches!(a, 0x81..=0xfe) && matches!(b, 0x40..=0x7e | 0x80..=0xfe),
            Form::Gb2312 => matches!(a, 0xa1..=0xf7) && matches!(b, 0xa1..=0xfe),
            Form::EucKr => matches!(a, 0x81..=0xfe) && matches!(b, 0x41..=0x5a | 0x61..=0x7a | 0x81..=0xfe),
            Form::ShiftJis => matches!(a, 0x81..=0x9f | 0xe0..=0xfc) && matches!(b, 0x40..=0x7e | 0x80..=0xfc),
            Form::EucJp => matches!(a, 0xa1..=0xfe) && matches!(b, 0xa1..=0xfe),
        }
    }
}

fn pairs(definition: &Definition, prefix: &[u8], runs: &[Run]) -> Box<[u16]> {
    let mut table = vec![0; 126 << 8];
    let mut runs = runs.iter();
    let mut next = runs.next();
    let mut done = 0;
    for (i, slot) in table.iter_mut().enumerate() {
        let (a, b) = (0x81 + (i >> 8) as u8, i as u8);
        if !definition.form.has(a, b) {
            continue;
        }
        *slot = match next {
            Some(run) if u16::from_be_bytes([a, b]) >= run.first => {
                let to = if run.to == 0 { 0xfffd } else { run.to + done };
                done += 1;
                if done == run.count {
                    (next, done) = (runs.next(), 0);
                }
                to
            }
            _ => one(definition.encoding, &[prefix, &[a, b]].concat()).unwrap_or(0xfffd),
        };
    }
    table.into()
}

/// The one character of the basic plane that a sequence is, if it is that.
fn one(encoding: &'static Encoding, sequence: &[u8]) -> Option<u16> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(sequence)?;
    let mut chars = text.chars();
    let first = chars.next().filter(|_| chars.next().is_none())?;
    u16::try_from(u32::from(first)).ok()
}
