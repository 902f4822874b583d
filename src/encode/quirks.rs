//! Every value and message in which Maxwell's daemon 1.45 differs from what the server itself shows: one named entry each.
//!
//! The default is the server's answer; with `maxwell_quirks` every entry here is Maxwell's. `docs/differences-from-maxwell.md`
//! is generated from this table, and `tests/golden.rs` holds both modes against it: no line of Maxwell's may differ from ours
//! for another reason, and no entry may be without a recorded line (or a test) that shows it.

/// One difference.
#[derive(Debug, Clone, Copy)]
pub struct Quirk {
    pub name: &'static str,
    /// The reason: where Maxwell's behaviour is described (trap number or section of its contract).
    pub reason: &'static str,
    /// What Maxwell prints, and with `maxwell_quirks` we too.
    pub maxwell: &'static str,
    /// What we print by default.
    pub binlogd: &'static str,
    pub shown_by: ShownBy,
}

/// What proves an entry.
#[derive(Debug, Clone, Copy)]
pub enum ShownBy {
    /// Recorded cases (topics of the golden fixtures) with a line that differs so.
    Recordings(&'static [&'static str]),
    /// A test: its file and name.
    Test(&'static str, &'static str),
}
use ShownBy::{Recordings, Test};

pub static QUIRKS: &[Quirk] = &[
    Quirk {
        name: "time",
        reason: "trap 8, §4.6",
        maxwell: "TIME wraps at 24 hours and loses its sign: `25:00:00` is `01:00:00`, `-00:00:01` is `16:04:03`",
        binlogd: "`-838:59:59` to `838:59:59`",
        shown_by: Recordings(&["times", "datetimes"]),
    },
    Quirk {
        name: "time before 5.6",
        reason: "§4.6",
        maxwell: "TIME of the old format without its sign, modulo a day: `-838:59:59` is `23:12:57`",
        binlogd: "the time",
        shown_by: Test("src/binlog/codec/maxwell/tests.rs", "times_wrap_and_lose_their_sign"),
    },
    Quirk {
        name: "partial zero date",
        reason: "trap 10, §4.6",
        maxwell: "a date without year, month or day is all zeros: `2010-00-05` is `0000-00-00`",
        binlogd: "as stored",
        shown_by: Recordings(&["dates", "datetimes"]),
    },
    Quirk {
        name: "impossible day",
        reason: "trap 10, §4.6",
        maxwell: "a day that the month does not have rolls over: `2010-02-31` is `2010-03-03`",
        binlogd: "as stored",
        shown_by: Recordings(&["dates"]),
    },
    Quirk {
        name: "calendar gap of 1582",
        reason: "trap 10, §4.6",
        maxwell: "`1582-10-05` to `1582-10-14` are ten days later",
        binlogd: "as stored",
        shown_by: Recordings(&["dates"]),
    },
    Quirk { name: "year 0000", reason: "trap 10, §4.6", maxwell: "YEAR 0000 is `1900`", binlogd: "`0`", shown_by: Recordings(&["year"]) },
    Quirk {
        name: "bit",
        reason: "trap 11, §4.6",
        maxwell: "BIT with more than 31 bits of value is a sum of 32-bit shifts, unless the top bit of 64 is set: 2^32 is `1`",
        binlogd: "the number",
        shown_by: Recordings(&["bits"]),
    },
    Quirk {
        name: "zerofill",
        reason: "trap 14, §8.2, §8.4",
        maxwell: "integers with ZEROFILL are signed unless they are also UNSIGNED by word in DDL: large ones are negative",
        binlogd: "the number",
        shown_by: Recordings(&["zerofill"]),
    },
    Quirk {
        name: "binary padding",
        reason: "trap 12, §4.6",
        maxwell: "BINARY(n) lacks the zero bytes at its end",
        binlogd: "n bytes",
        shown_by: Recordings(&["binary_types"]),
    },
    Quirk {
        name: "enum index 0",
        reason: "trap 13, §4.6",
        maxwell: "the empty label that stands for an invalid one is `null`",
        binlogd: "`\"\"`",
        shown_by: Recordings(&["enums"]),
    },
    Quirk {
        name: "label quotes",
        reason: "trap 46, §8.4",
        maxwell: "labels of ENUM and SET keep doubled quotes and backslashes as the statement spells them: `it''s`; one that begins with a double or back quote loses its first and its last character",
        binlogd: "the label",
        shown_by: Recordings(&["enum_quotes", "enums"]),
    },
    Quirk {
        name: "charset",
        reason: "trap 15, §4.7, §15.8",
        maxwell: "texts are read with Java's tables: five bytes of latin1 are lost, ascii is windows-1252, cp932 is IBM942C, some bytes of cp1256, cp866, greek, hebrew, tis620, big5, euckr, gbk, sjis and ujis are others",
        binlogd: "the server's own tables",
        shown_by: Recordings(&[
            "charset_8bit_a",
            "charset_8bit_b",
            "charset_8bit_c",
            "charset_multibyte_cjk",
            "charset_collate",
            "ddl_databases",
            "invalid_bytes",
        ]),
    },
    Quirk {
        name: "byte order mark",
        reason: "§4.7",
        maxwell: "a byte order mark at the beginning of ucs2, utf16 or utf32 text vanishes, and turns the bytes behind it",
        binlogd: "a character like any other",
        shown_by: Recordings(&["charset_unicode"]),
    },
    Quirk {
        name: "lone surrogates",
        reason: "§4.7",
        maxwell: "half a surrogate pair in ucs2 or utf16 is U+FFFD, and takes the character behind it along",
        binlogd: "its escape, `\\uD800`",
        shown_by: Test("src/binlog/codec/charset/java.rs", "every_sequence_is_javas"),
    },
    Quirk {
        name: "column charset",
        reason: "traps 17 and 18, §8.4",
        maxwell: "text of a column whose character set comes from COLLATE or CONVERT TO alone is read in another one",
        binlogd: "in the column's own",
        shown_by: Recordings(&["ddl_databases", "charset_convert"]),
    },
    Quirk {
        name: "json scalar",
        reason: "trap 19, §4.8",
        maxwell: "in JSON documents unsigned numbers from 2^31 to 2^32 are negative, negative times and the minutes of datetimes after 2520 are garbled",
        binlogd: "the values",
        shown_by: Recordings(&["json_doubles", "json_opaque"]),
    },
    Quirk {
        name: "json text alias",
        reason: "trap 47, §15.9",
        maxwell: "a MariaDB column written as `LONGTEXT CHECK (JSON_VALID(c))` is a string, and so is JSON that was captured from MariaDB 11 or later",
        binlogd: "JSON, as under the name JSON",
        shown_by: Recordings(&["maria_json"]),
    },
    Quirk {
        name: "json that is none",
        reason: "§4.8",
        maxwell: "a text in a JSON column of MariaDB that is no JSON (its check was turned off) stands in the message as it is, and breaks it",
        binlogd: "a string, counted",
        shown_by: Test("src/binlog/codec/maxwell/tests.rs", "text_that_is_no_json_is_emitted_verbatim"),
    },
    Quirk {
        name: "geometry digits",
        reason: "trap 21, §4.9",
        maxwell: "coordinates have at most 16 digits behind the point, and large ones zeros at their end: `1e-17` is `0`",
        binlogd: "as many digits as the number needs",
        shown_by: Recordings(&["geometry"]),
    },
    Quirk {
        name: "definition charset",
        reason: "traps 16 to 18, §8.4",
        maxwell: "DDL messages: COLLATE says nothing, CONVERT TO leaves the table's default, names of character sets keep their letters, DEFAULT is taken for a name",
        binlogd: "the server's definition",
        shown_by: Recordings(&[
            "charset_collate",
            "charset_convert",
            "ddl_databases",
            "fail_charset_default_word",
            "fail_charset_upper_binary",
            "maria_json",
        ]),
    },
    Quirk {
        name: "definition type",
        reason: "§8.4, §8.5",
        maxwell: "DDL messages: FLOAT(25) and more is `float`, TEXT(n) counts bytes, CONVERT TO widens no TEXT, MariaDB's JSON written as LONGTEXT is `longtext`",
        binlogd: "the server's definition",
        shown_by: Recordings(&["floats", "texts_blobs", "charset_convert", "maria_json"]),
    },
    Quirk {
        name: "definition zerofill",
        reason: "trap 14, §8.4",
        maxwell: "DDL messages: ZEROFILL alone is `\"signed\":true`",
        binlogd: "`\"signed\":false`",
        shown_by: Recordings(&["zerofill"]),
    },
    Quirk {
        name: "primary key",
        reason: "trap 46, §8.5",
        maxwell: "an inline KEY is no primary key, and swapped names leave the key with the name: `primary_key`, `primary_key_columns`, message keys",
        binlogd: "the table's key",
        shown_by: Recordings(&["keys", "ddl_alters"]),
    },
    Quirk {
        name: "dropped primary key",
        reason: "trap 42, §8.3",
        maxwell: "``DROP INDEX `PRIMARY` `` changes nothing and is not told of",
        binlogd: "a `table-alter`, and no key",
        shown_by: Test("src/schema/ddl/tests/as_maxwell.rs", "what_maxwell_makes_of_statements"),
    },
    Quirk {
        name: "swapped columns",
        reason: "§8.5, §15.13",
        maxwell: "columns that swap names in one ALTER TABLE keep them: values stand under the wrong names",
        binlogd: "under their own",
        shown_by: Test("src/schema/ddl/tests/as_maxwell.rs", "what_maxwell_makes_of_statements"),
    },
    Quirk {
        name: "column order",
        reason: "§15.7",
        maxwell: "DDL messages: a column that is added FIRST stands before a generated invisible primary key",
        binlogd: "behind it, as on the server",
        shown_by: Recordings(&["fail_gipk_first"]),
    },
    Quirk {
        name: "doubled quotes in names",
        reason: "§15.1",
        maxwell: "names with a doubled back quote keep both (this release only)",
        binlogd: "the name",
        shown_by: Recordings(&["fail_backtick_names"]),
    },
];

/// The entry of this name.
pub fn named(name: &str) -> Option<&'static Quirk> {
    QUIRKS.iter().find(|quirk| quirk.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn entries_are_complete_and_named_once() {
        let names: BTreeSet<&str> = QUIRKS.iter().map(|q| q.name).collect();
        assert_eq!(names.len(), QUIRKS.len());
        for quirk in QUIRKS {
            assert!(named(quirk.name).is_some() && !quirk.reason.is_empty() && quirk.maxwell != quirk.binlogd, "{}", quirk.name);
        }
    }

    /// A test that shows an entry must be there.
    #[test]
    fn tests_that_are_named_exist() {
        for quirk in QUIRKS {
            if let Test(file, name) = quirk.shown_by {
                let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
                let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {file}: {e}", quirk.name));
                assert!(
                    text.contains(&format!("#[test]\n    fn {name}(")) || text.contains(&format!("#[test]\nfn {name}(")),
                    "{file}: {name}"
                );
            }
        }
    }
}
