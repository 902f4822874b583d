//! Collations and character sets of MySQL 5.6 to 9.7 and MariaDB 10.6 to 11.8: ids, names and widths.
//!
//! Only facts of the servers live here (`information_schema.COLLATIONS`); how text is decoded is the codecs' matter.

/// Runs of collation ids below 1024 with their character set, ascending, from `information_schema.COLLATIONS`.
/// `utf8` stands for what newer servers call `utf8mb3`.
const RUNS: &[(u16, u16, &str)] = &[
    (1, 1, "big5"),
    (2, 2, "latin2"),
    (3, 3, "dec8"),
    (4, 4, "cp850"),
    (5, 5, "latin1"),
    (6, 6, "hp8"),
    (7, 7, "koi8r"),
    (8, 8, "latin1"),
    (9, 9, "latin2"),
    (10, 10, "swe7"),
    (11, 11, "ascii"),
    (12, 12, "ujis"),
    (13, 13, "sjis"),
    (14, 14, "cp1251"),
    (15, 15, "latin1"),
    (16, 16, "hebrew"),
    (18, 18, "tis620"),
    (19, 19, "euckr"),
    (20, 20, "latin7"),
    (21, 21, "latin2"),
    (22, 22, "koi8u"),
    (23, 23, "cp1251"),
    (24, 24, "gb2312"),
    (25, 25, "greek"),
    (26, 26, "cp1250"),
    (27, 27, "latin2"),
    (28, 28, "gbk"),
    (29, 29, "cp1257"),
    (30, 30, "latin5"),
    (31, 31, "latin1"),
    (32, 32, "armscii8"),
    (33, 33, "utf8"),
    (34, 34, "cp1250"),
    (35, 35, "ucs2"),
    (36, 36, "cp866"),
    (37, 37, "keybcs2"),
    (38, 38, "macce"),
    (39, 39, "macroman"),
    (40, 40, "cp852"),
    (41, 42, "latin7"),
    (43, 43, "macce"),
    (44, 44, "cp1250"),
    (45, 46, "utf8mb4"),
    (47, 49, "latin1"),
    (50, 52, "cp1251"),
    (53, 53, "macroman"),
    (54, 55, "utf16"),
    (56, 56, "utf16le"),
    (57, 57, "cp1256"),
    (58, 59, "cp1257"),
    (60, 61, "utf32"),
    (62, 62, "utf16le"),
    (63, 63, "binary"),
    (64, 64, "armscii8"),
    (65, 65, "ascii"),
    (66, 66, "cp1250"),
    (67, 67, "cp1256"),
    (68, 68, "cp866"),
    (69, 69, "dec8"),
    (70, 70, "greek"),
    (71, 71, "hebrew"),
    (72, 72, "hp8"),
    (73, 73, "keybcs2"),
    (74, 74, "koi8r"),
    (75, 75, "koi8u"),
    (76, 76, "utf8"),
    (77, 77, "latin2"),
    (78, 78, "latin5"),
    (79, 79, "latin7"),
    (80, 80, "cp850"),
    (81, 81, "cp852"),
    (82, 82, "swe7"),
    (83, 83, "utf8"),
    (84, 84, "big5"),
    (85, 85, "euckr"),
    (86, 86, "gb2312"),
    (87, 87, "gbk"),
    (88, 88, "sjis"),
    (89, 89, "tis620"),
    (90, 90, "ucs2"),
    (91, 91, "ujis"),
    (92, 93, "geostd8"),
    (94, 94, "latin1"),
    (95, 96, "cp932"),
    (97, 98, "eucjpms"),
    (99, 99, "cp1250"),
    (101, 124, "utf16"),
    (128, 151, "ucs2"),
    (159, 159, "ucs2"),
    (160, 183, "utf32"),
    (192, 215, "utf8"),
    (223, 223, "utf8"),
    (224, 247, "utf8mb4"),
    (248, 250, "gb18030"),
    (255, 271, "utf8mb4"),
    (273, 275, "utf8mb4"),
    (277, 294, "utf8mb4"),
    (296, 298, "utf8mb4"),
    (300, 300, "utf8mb4"),
    (303, 323, "utf8mb4"),
    (576, 579, "utf8"),
    (608, 611, "utf8mb4"),
    (640, 642, "ucs2"),
    (672, 674, "utf16"),
    (736, 738, "utf32"),
];

/// MariaDB's NO PAD twin of a collation has its id plus this (`MY_NOPAD_ID` in MariaDB's `m_ctype.h`).
const NOPAD_OFFSET: u16 = 1024;

/// MariaDB's UCA 14.0.0 collations: blocks of 256 ids from 2048 on, one a character set.
const UCA1400_FIRST: u16 = 2048;
const UCA1400_CHARSETS: [&str; 5] = ["utf8", "utf8mb4", "ucs2", "utf16", "utf32"];

/// Every character set with the most bytes that one character takes (`Maxlen` of SHOW CHARACTER SET).
const WIDTHS: &[(&str, u8)] = &[
    ("armscii8", 1),
    ("ascii", 1),
    ("big5", 2),
    ("binary", 1),
    ("cp1250", 1),
    ("cp1251", 1),
    ("cp1256", 1),
    ("cp1257", 1),
    ("cp850", 1),
    ("cp852", 1),
    ("cp866", 1),
    ("cp932", 2),
    ("dec8", 1),
    ("eucjpms", 3),
    ("euckr", 2),
    ("filename", 5),
    ("gb18030", 4),
    ("gb2312", 2),
    ("gbk", 2),
    ("geostd8", 1),
    ("greek", 1),
    ("hebrew", 1),
    ("hp8", 1),
    ("keybcs2", 1),
    ("koi8r", 1),
    ("koi8u", 1),
    ("latin1", 1),
    ("latin2", 1),
    ("latin5", 1),
    ("latin7", 1),
    ("macce", 1),
    ("macroman", 1),
    ("sjis", 2),
    ("swe7", 1),
    ("tis620", 1),
    ("ucs2", 2),
    ("ujis", 3),
    ("utf16", 4),
    ("utf16le", 4),
    ("utf32", 4),
    ("utf8", 3),
    ("utf8mb3", 3),
    ("utf8mb4", 4),
];

/// What the name of a collation says about the character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedCollation {
    /// The collation belongs to this character set.
    Of(&'static str),
    /// The collation takes whatever character set stands around it: MariaDB's `uca1400_…` names and `DEFAULT`.
    Contextual,
    /// A name that no known server has.
    Unknown,
}

/// The character set of a collation id as it stands in table maps and in a query event's status variables.
pub fn charset_of_id(id: u16) -> Option<&'static str> {
    if id >= UCA1400_FIRST {
        let block = usize::from((id - UCA1400_FIRST) / 256);
        return UCA1400_CHARSETS.get(block).copied();
    }
    let id = if id > NOPAD_OFFSET { id - NOPAD_OFFSET } else { id };
    let after = RUNS.partition_point(|&(_, last, _)| last < id);
    let &(first, _, charset) = RUNS.get(after)?;
    (first <= id).then_some(charset)
}

/// The character set that a collation's name implies: the part before the first underscore, in any letter case.
pub fn charset_of_name(name: &str) -> NamedCollation {
    let lower = name.to_ascii_lowercase();
    let prefix = lower.split('_').next().unwrap_or_default();
    if lower == "default" || prefix == "uca1400" {
        return NamedCollation::Contextual;
    }
    match WIDTHS.iter().find(|(charset, _)| *charset == prefix) {
        Some((charset, _)) => NamedCollation::Of(charset),
        None => NamedCollation::Unknown,
    }
}

/// The most bytes that one character takes; `None` for a name that no known server has.
pub fn bytes_per_character(charset: &str) -> Option<u8> {
    WIDTHS.iter().find(|(name, _)| name.eq_ignore_ascii_case(charset)).map(|&(_, width)| width)
}

/// Whether two names mean the same character set: letter case aside, and `utf8` is `utf8mb3`.
pub fn same_charset(a: &str, b: &str) -> bool {
    fn canonical(name: &str) -> &str {
        if name.eq_ignore_ascii_case("utf8mb3") { "utf8" } else { name }
    }
    canonical(a).eq_ignore_ascii_case(canonical(b))
}

/// Whether text in this character set with MariaDB's check for JSON is tracked as JSON: its bytes are output as they are, so
/// they have to be UTF-8. In any other character set it is text.
pub fn holds_json(charset: &str) -> bool {
    ["utf8", "utf8mb3", "utf8mb4", "ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_servers() {
        let cases = [
            (1, Some("big5")),
            (8, Some("latin1")),
            (17, None),
            (33, Some("utf8")),
            (45, Some("utf8mb4")),
            (63, Some("binary")),
            (100, None),
            (120, Some("utf16")),
            (255, Some("utf8mb4")),
            (272, None),
            (323, Some("utf8mb4")),
            (579, Some("utf8")),
            (1024, None),
            (1025, Some("big5")),
            (1122, Some("eucjpms")),
            (2048, Some("utf8")),
            (2304, Some("utf8mb4")),
            (3271, Some("utf32")),
            (3328, None),
            (u16::MAX, None),
            (0, None),
        ];
        for (id, charset) in cases {
            assert_eq!(charset_of_id(id), charset, "collation {id}");
        }
    }

    #[test]
    fn runs_are_ascending_and_of_known_charsets() {
        for pair in RUNS.windows(2) {
            assert!(pair[0].1 < pair[1].0, "{pair:?}");
        }
        for &(first, last, charset) in RUNS {
            assert!(first <= last && bytes_per_character(charset).is_some(), "{charset}");
        }
    }

    #[test]
    fn names() {
        let cases = [
            ("utf8mb4_0900_ai_ci", NamedCollation::Of("utf8mb4")),
            ("UTF8_BIN", NamedCollation::Of("utf8")),
            ("utf8mb3_general_ci", NamedCollation::Of("utf8mb3")),
            ("binary", NamedCollation::Of("binary")),
            ("uca1400_ai_ci", NamedCollation::Contextual),
            ("default", NamedCollation::Contextual),
            ("klingon_ci", NamedCollation::Unknown),
            ("", NamedCollation::Unknown),
        ];
        for (name, expected) in cases {
            assert_eq!(charset_of_name(name), expected, "{name}");
        }
        assert!(same_charset("UTF8", "utf8mb3") && same_charset("latin1", "LATIN1") && !same_charset("utf8", "utf8mb4"));
    }
}
