//! From information_schema's words for a column to `ColumnType`. Pure: text in, type out.
//!
//! A type that is not known here is `ColumnType::Other`; reading a definition never fails.

use std::sync::Arc;

use crate::schema::{BinaryKind, ColumnType, IntWidth, TextKind, collation};

/// A column's fields of `information_schema.COLUMNS` that decide its type.
#[derive(Debug, Clone, Default)]
pub struct ColumnFacts<'a> {
    /// DATA_TYPE: `int`, `varchar`, `geomcollection`.
    pub data_type: &'a str,
    /// COLUMN_TYPE: `int(10) unsigned zerofill`, `enum('a','b''c')`.
    pub column_type: &'a str,
    /// CHARACTER_SET_NAME.
    pub charset: Option<&'a str>,
    /// DATETIME_PRECISION.
    pub fraction: u8,
    /// MariaDB: the column has a CHECK of exactly `json_valid(column)`, which is how it stores its JSON alias.
    pub json_checked: bool,
}

/// In the place of a label that information_schema does not tell as text.
pub const UNTOLD: &str = "?";

/// Behind the last label of a list that information_schema has cut off: what follows is not known, not even how many.
pub const CUT: &str = "\u{fffd}?";

/// The declared type. Spelled as Maxwell captures it (contract §8.1, §8.2), save where that is wrong: ZEROFILL does not
/// hide `unsigned`, and labels are read whole.
pub fn column_type(facts: &ColumnFacts<'_>) -> ColumnType {
    let name = facts.data_type.to_ascii_lowercase();
    let charset = || facts.charset.map(str::to_owned);
    let is_json = facts.json_checked && facts.charset.is_none_or(collation::holds_json);
    let text = |kind| if is_json { ColumnType::Json } else { text_or_binary(kind, facts) };
    // MySQL names none for labels in `binary`.
    let label_charset = || Some(facts.charset.unwrap_or("binary").to_owned());
    let int = |width| ColumnType::Int { width, unsigned: is_unsigned(facts.column_type) };
    let binary = |kind| ColumnType::Binary { kind };
    match name.as_str() {
        "tinyint" => int(IntWidth::Tiny),
        "smallint" => int(IntWidth::Small),
        "mediumint" => int(IntWidth::Medium),
        "int" | "integer" => int(IntWidth::Int),
        "bigint" => int(IntWidth::Big),
        "float" => ColumnType::Float,
        "double" => ColumnType::Double,
        "decimal" => ColumnType::Decimal,
        "bit" => ColumnType::Bit,
        "year" => ColumnType::Year,
        "date" => ColumnType::Date,
        "datetime" => ColumnType::Datetime { fraction: facts.fraction },
        "timestamp" => ColumnType::Timestamp { fraction: facts.fraction },
        "time" => ColumnType::Time { fraction: facts.fraction },
        "char" => text(TextKind::Char),
        "varchar" => text(TextKind::Varchar),
        "tinytext" => text(TextKind::Tiny),
        "text" => text(TextKind::Text),
        "mediumtext" => text(TextKind::Medium),
        "longtext" => text(TextKind::Long),
        "binary" => binary(BinaryKind::Binary),
        "varbinary" => binary(BinaryKind::Varbinary),
        "tinyblob" => binary(BinaryKind::Tiny),
        "blob" => binary(BinaryKind::Blob),
        "mediumblob" => binary(BinaryKind::Medium),
        "longblob" => binary(BinaryKind::Long),
        "enum" => ColumnType::Enum { labels: labels(facts.column_type), charset: label_charset() },
        "set" => ColumnType::Set { labels: labels(facts.column_type), charset: label_charset() },
        "json" => ColumnType::Json,
        _ => match geometry(&name) {
            Some(name) => ColumnType::Geometry { name },
            None => ColumnType::Other { name, unsigned: is_unsigned(facts.column_type), charset: charset() },
        },
    }
}

/// A text type whose character set is `binary` is stored and logged as the binary type of the same size.
fn text_or_binary(kind: TextKind, facts: &ColumnFacts<'_>) -> ColumnType {
    if facts.charset != Some("binary") {
        return ColumnType::Text { kind, charset: facts.charset.map(str::to_owned) };
    }
    let kind = match kind {
        TextKind::Char => BinaryKind::Binary,
        TextKind::Varchar => BinaryKind::Varbinary,
        TextKind::Tiny => BinaryKind::Tiny,
        TextKind::Text => BinaryKind::Blob,
        TextKind::Medium => BinaryKind::Medium,
        TextKind::Long => BinaryKind::Long,
    };
    ColumnType::Binary { kind }
}

/// MySQL 8 calls the collection `geomcollection`.
fn geometry(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 8] =
        ["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"];
    if name == "geomcollection" {
        return Some("geometrycollection");
    }
    NAMES.into_iter().find(|known| *known == name)
}

/// Whether COLUMN_TYPE has the word `unsigned` after the type; ZEROFILL implies it.
fn is_unsigned(column_type: &str) -> bool {
    column_type.split_ascii_whitespace().skip(1).any(|word| word.eq_ignore_ascii_case("unsigned") || word.eq_ignore_ascii_case("zerofill"))
}

/// The labels of `enum('a','b')` or `set(…)`.
///
/// The server doubles a quote and, whatever the SQL mode, escapes NUL, newline, carriage return and backslash
/// (`append_unescaped` in `sql/unireg.cc`, `sql/sql_show.cc`). A label that is no text is shown in bytes by newer MySQLs
/// (`x'f09f9880'`); older servers cut the whole text there.
fn labels(column_type: &str) -> Arc<[String]> {
    let mut labels = Vec::new();
    let Some((_, list)) = column_type.split_once('(') else {
        return labels.into();
    };
    let mut rest = list.trim_start();
    loop {
        let (text, after) = match rest.strip_prefix("x'") {
            Some(hex) => (UNTOLD.to_owned(), hex.split_once('\'').map_or("", |(_, after)| after)),
            None => match rest.strip_prefix('\'').and_then(label) {
                Some(read) => read,
                None => break,
            },
        };
        labels.push(text);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if after.starts_with(')') => return labels.into(),
            None => break,
        }
    }
    labels.push(CUT.to_owned());
    labels.into()
}

/// One label up to its closing quote, and what follows it.
fn label(text: &str) -> Option<(String, &str)> {
    let mut label = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                label.push('\'');
            }
            '\'' => return Some((label, &text[at + 1..])),
            '\\' => label.push(match chars.next()?.1 {
                '0' => '\0',
                'n' => '\n',
                'r' => '\r',
                other => other,
            }),
            other => label.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(data_type: &str, full: &str, charset: Option<&str>) -> ColumnType {
        column_type(&ColumnFacts { data_type, column_type: full, charset, ..Default::default() })
    }

    #[test]
    fn signs() {
        for (full, unsigned) in [
            ("int", false),
            ("int(11)", false),
            ("int(10) unsigned", true),
            ("int(10) unsigned zerofill", true),
            ("bigint unsigned", true),
            ("int(5) zerofill", true),
        ] {
            assert_eq!(of("int", full, None), ColumnType::Int { width: IntWidth::Int, unsigned }, "{full}");
        }
    }

    #[test]
    fn labels_that_are_no_text() {
        for (full, want) in [
            ("enum('a',x'f09f9880','b')", &["a", UNTOLD, "b"][..]),
            ("set('a','open", &["a", CUT]),
            ("set('a','b',", &["a", "b", CUT]),
            ("enum(", &[CUT]),
        ] {
            assert_eq!(&*labels(full), want, "{full}");
        }
    }

    #[test]
    fn labels_are_read_whole() {
        for (full, want) in [
            ("enum('a','b')", &["a", "b"][..]),
            ("enum('')", &[""]),
            ("enum('','x','')", &["", "x", ""]),
            ("set('it''s','a'',''b')", &["it's", "a','b"]),
            ("enum('a,b','(c)','d)')", &["a,b", "(c)", "d)"]),
            ("enum(' a','b\\\\c','d\\ne','\\0')", &[" a", "b\\c", "d\ne", "\0"]),
            ("enum('ä','日本')", &["ä", "日本"]),
            ("enum('a', 'b')", &["a", "b"]),
            ("enum", &[]),
            ("enum('''')", &["'"]),
        ] {
            assert_eq!(&*labels(full), want, "{full}");
        }
    }

    #[test]
    fn other_types() {
        let text = |kind, charset: &str| ColumnType::Text { kind, charset: Some(charset.into()) };
        let other = |name: &str| ColumnType::Other { name: name.into(), unsigned: false, charset: None };
        for (data_type, full, charset, want) in [
            ("varchar", "varchar(100) /*M!100301 COMPRESSED*/", Some("utf8mb4"), text(TextKind::Varchar, "utf8mb4")),
            ("longtext", "longtext", Some("latin1"), text(TextKind::Long, "latin1")),
            ("VARBINARY", "varbinary(16)", None, ColumnType::Binary { kind: BinaryKind::Varbinary }),
            ("mediumtext", "mediumtext", Some("binary"), ColumnType::Binary { kind: BinaryKind::Medium }),
            ("geomcollection", "geomcollection", None, ColumnType::Geometry { name: "geometrycollection" }),
            ("point", "point", None, ColumnType::Geometry { name: "point" }),
            ("vector", "vector(3)", None, other("vector")),
            ("uuid", "uuid", None, other("uuid")),
            ("inet6", "inet6", None, other("inet6")),
            ("json", "json", None, ColumnType::Json),
            (
                "no such type",
                "no such type(3) unsigned",
                None,
                ColumnType::Other { name: "no such type".into(), unsigned: true, charset: None },
            ),
        ] {
            assert_eq!(of(data_type, full, charset), want, "{data_type}");
        }
        let fraction = ColumnFacts { data_type: "timestamp", column_type: "timestamp(6)", fraction: 6, ..Default::default() };
        assert_eq!(column_type(&fraction), ColumnType::Timestamp { fraction: 6 });
    }

    #[test]
    fn json_is_text_where_it_is_not_utf8() {
        for charset in ["utf8mb4", "utf8mb3", "utf8", "ascii", "latin1", "cp1251", "sjis", "swe7", "ucs2", "utf16", "utf16le", "utf32"] {
            let facts = ColumnFacts { data_type: "text", charset: Some(charset), json_checked: true, ..Default::default() };
            let is_utf8 = charset.starts_with("utf8") || charset == "ascii";
            let text = ColumnType::Text { kind: TextKind::Text, charset: Some(charset.into()) };
            assert_eq!(column_type(&facts), if is_utf8 { ColumnType::Json } else { text }, "{charset}");
        }
        let binary = ColumnFacts { data_type: "text", charset: Some("binary"), json_checked: true, ..Default::default() };
        assert_eq!(column_type(&binary), ColumnType::Binary { kind: BinaryKind::Blob });
    }

    /// As the server writes a label into COLUMN_TYPE.
    fn quoted(label: &str) -> String {
        let escaped = label.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n").replace('\r', "\\r").replace('\0', "\\0");
        format!("'{escaped}'")
    }

    proptest! {
        #[test]
        fn any_label_comes_back(list in proptest::collection::vec("[a'\\\\,()\n\0 é]{0,6}", 1..5)) {
            let full = format!("enum({})", list.iter().map(|l| quoted(l)).collect::<Vec<_>>().join(","));
            prop_assert_eq!(&*labels(&full), &list[..]);
        }

        #[test]
        fn any_text_is_a_type(data_type in ".{0,12}", full in ".{0,40}") {
            of(&data_type, &full, None);
            of("enum", &full, None);
        }
    }
}
