//! Column definitions: every type and alias, with the attributes that the grammar lets stand beside it.

use super::style::Text;

/// What a type is, as far as attributes depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Integer,
    Inexact,
    Decimal,
    Bit,
    Date,
    Time,
    Stamp,
    Year,
    /// With a declared length; may stand in a key.
    ShortText,
    LongText,
    ShortBinary,
    Blob,
    Label,
    Json,
    Geometry,
    Serial,
    Other,
}

const INTEGERS: &[&str] = &[
    "TINYINT",
    "SMALLINT",
    "MEDIUMINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "INT1",
    "INT2",
    "INT3",
    "INT4",
    "INT8",
    "MIDDLEINT",
    "BOOL",
    "BOOLEAN",
    "TINYINT(1)",
    "INT(11)",
    "BIGINT (20)",
    "SMALLINT(6)",
];
const INEXACT: &[&str] = &[
    "FLOAT",
    "DOUBLE",
    "DOUBLE PRECISION",
    "REAL",
    "FLOAT4",
    "FLOAT8",
    "FLOAT(7,3)",
    "FLOAT(24)",
    "FLOAT(25)",
    "FLOAT(53)",
    "DOUBLE(10,2)",
    "REAL(9,3)",
    "FLOAT(0)",
];
const DECIMALS: &[&str] = &["DECIMAL", "DEC(10,2)", "NUMERIC(5)", "FIXED(4,2)", "DECIMAL(20,10)", "FIXED", "NUMERIC"];
const SHORT_TEXT: &[&str] = &[
    "CHAR",
    "CHAR(3)",
    "CHARACTER(5)",
    "VARCHAR(20)",
    "VARCHAR(0)",
    "CHARACTER VARYING(9)",
    "CHAR VARYING(9)",
    "VARCHARACTER(10)",
    "NATIONAL CHAR(3)",
    "NATIONAL VARCHAR(3)",
    "NATIONAL CHARACTER(4)",
    "NATIONAL CHARACTER VARYING(3)",
    "NATIONAL CHAR VARYING(3)",
    "NATIONAL VARCHARACTER(6)",
    "NCHAR(3)",
    "NCHAR",
    "NCHAR VARCHAR(3)",
    "NCHAR VARYING(3)",
    "NVARCHAR(3)",
    "VARCHAR(255)",
    "VARCHAR(300)",
];
const LONG_TEXT: &[&str] = &[
    "TINYTEXT",
    "TEXT",
    "MEDIUMTEXT",
    "LONGTEXT",
    "LONG",
    "LONG VARCHAR",
    "LONG CHAR VARYING",
    "LONG CHARACTER VARYING",
    "LONG VARCHARACTER",
    "TEXT(0)",
    "TEXT(1)",
    "TEXT(63)",
    "TEXT(64)",
    "TEXT(85)",
    "TEXT(86)",
    "TEXT(127)",
    "TEXT(128)",
    "TEXT(255)",
    "TEXT(256)",
    "TEXT(16383)",
    "TEXT(16384)",
    "TEXT(21845)",
    "TEXT(21846)",
    "TEXT(32767)",
    "TEXT(32768)",
    "TEXT(65535)",
    "TEXT(65536)",
    "TEXT(4194303)",
    "TEXT(4194304)",
    "TEXT(5592405)",
    "TEXT(5592406)",
    "TEXT(16777215)",
    "TEXT(16777216)",
    "TEXT(4294967295)",
    "VARCHAR(70000)",
];
const SHORT_BINARY: &[&str] = &["BINARY", "BINARY(5)", "VARBINARY(20)", "VARBINARY(300)"];
const BLOBS: &[&str] = &[
    "TINYBLOB",
    "BLOB",
    "MEDIUMBLOB",
    "LONGBLOB",
    "BLOB(0)",
    "BLOB(255)",
    "BLOB(256)",
    "BLOB(65535)",
    "BLOB(65536)",
    "BLOB(16777215)",
    "BLOB(16777216)",
    "LONG VARBINARY",
    "VARBINARY(70000)",
];
const TIMES: &[&str] = &["TIME", "TIME(0)", "TIME(1)", "TIME(3)", "TIME(6)"];
const STAMPS: &[&str] = &["DATETIME", "DATETIME(2)", "DATETIME(6)", "TIMESTAMP", "TIMESTAMP(3)", "TIMESTAMP(6)", "TIMESTAMP(0)"];
const GEOMETRIES: &[&str] =
    &["GEOMETRY", "POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"];

pub const CHARSETS: &[&str] = &[
    "latin1", "utf8", "utf8mb4", "utf8mb3", "ascii", "binary", "ucs2", "utf16", "utf32", "utf16le", "cp1251", "koi8r", "sjis", "gbk",
    "big5", "ujis", "euckr", "greek", "hebrew", "latin2", "cp1250", "swe7", "gb2312", "cp932", "eucjpms", "tis620", "latin5", "macroman",
    "gb18030",
];
pub const COLLATIONS: &[&str] = &[
    "latin1_swedish_ci",
    "latin1_bin",
    "utf8_general_ci",
    "utf8mb4_bin",
    "utf8mb4_unicode_ci",
    "utf8mb3_bin",
    "ascii_bin",
    "binary",
    "ucs2_bin",
    "utf16_general_ci",
    "utf32_bin",
    "cp1251_general_ci",
    "koi8r_bin",
    "sjis_japanese_ci",
    "gbk_bin",
    "big5_bin",
    "utf8mb4_0900_ai_ci",
    "utf8mb4_0900_bin",
    "utf8mb4_uca1400_ai_ci",
    "uca1400_ai_ci",
    "uca1400_polish_nopad_as_cs",
    "utf8mb4_general_nopad_ci",
    "utf8mb3_uca1400_ai_ci",
    "utf8_tolower_ci",
    "latin1_nopad_bin",
    "utf16le_bin",
    "gb18030_bin",
];
pub const LABELS: &[&str] = &[
    "a",
    "b",
    "c ",
    "d  ",
    "it's",
    "say \"x\"",
    "a,b",
    "(x)",
    "back\\slash",
    "",
    "N",
    "ä",
    "Ж",
    "表",
    "long label with blanks",
    "x'y''z",
    "%_",
    "`t`",
    "line\nbreak",
];

/// A character set clause for a column.
fn charset(t: &mut Text<'_>) {
    match t.dice.below(11) {
        0 => {
            let name = t.known(CHARSETS);
            t.kw("CHARACTER SET").raw(name);
        }
        1 => {
            let name = t.known(CHARSETS);
            t.kw("CHARSET").string(name);
        }
        2 => {
            let name = t.known(COLLATIONS);
            t.kw("COLLATE").raw(name);
        }
        3 => {
            let pair = t.known(COLLATIONS);
            let name = pair.split('_').next().unwrap_or_default().to_owned();
            t.kw("CHAR SET").raw(&name.to_ascii_uppercase()).kw("COLLATE").raw(pair);
        }
        4 => drop(t.kw("ASCII")),
        5 => drop(t.kw("UNICODE")),
        6 => drop(t.kw("BYTE")),
        7 => drop(t.kw("BINARY")),
        8 => drop(t.maybe(
            100,
            &["BINARY ASCII", "ASCII BINARY", "UNICODE BINARY", "BINARY UNICODE", "BINARY CHARSET greek", "CHARSET greek BINARY"],
        )),
        9 => drop(t.kw("CHARACTER SET utf8mb4")),
        _ => {}
    }
}

fn labels(t: &mut Text<'_>) {
    t.open();
    let (count, first) = (1 + t.dice.below(4), t.dice.below(LABELS.len()));
    let mut written = 0;
    for i in 0..LABELS.len() {
        let label = LABELS[(first + i * 3) % LABELS.len()];
        if written == count || !t.style.can_send(label) || (label.contains('\n') && t.style.no_backslash_escapes) {
            continue;
        }
        if written > 0 {
            t.comma();
        }
        match t.dice.below(12) {
            0 if label.is_ascii() && !label.is_empty() => {
                let hex: String = label.bytes().map(|b| format!("{b:02X}")).collect();
                let literal = if t.dice.percent(50) { format!("0x{hex}") } else { format!("X'{hex}'") };
                t.raw(&literal);
            }
            _ => drop(t.string(label)),
        }
        written += 1;
    }
    if written == 0 {
        t.raw("'x'");
    }
    t.close();
}

/// Writes a type with what belongs to it.
pub fn column_type(t: &mut Text<'_>) -> Sort {
    let roll = t.dice.below(100);
    let list = |t: &mut Text<'_>, list: &[&str]| {
        let words = t.dice.pick(list).to_owned();
        t.kw(&words);
    };
    match roll {
        0..=21 => {
            let words = t.dice.pick(INTEGERS);
            t.kw(words);
            // No sign stands behind BOOL, nor two of them.
            let signs = if words.starts_with("BOOL") { 2 } else { 50 };
            t.maybe(
                signs,
                &["UNSIGNED", "SIGNED", "ZEROFILL", "UNSIGNED ZEROFILL", "ZEROFILL UNSIGNED", "UNSIGNED SIGNED", "SIGNED ZEROFILL"],
            );
            Sort::Integer
        }
        22..=27 => {
            list(t, INEXACT);
            t.maybe(15, &["UNSIGNED", "ZEROFILL"]);
            Sort::Inexact
        }
        28..=32 => {
            list(t, DECIMALS);
            t.maybe(15, &["UNSIGNED", "ZEROFILL"]);
            Sort::Decimal
        }
        33..=34 => {
            list(t, &["BIT", "BIT(1)", "BIT(9)", "BIT(64)"]);
            Sort::Bit
        }
        35..=36 => {
            t.kw("DATE");
            Sort::Date
        }
        37..=39 => {
            list(t, TIMES);
            Sort::Time
        }
        40..=44 => {
            list(t, STAMPS);
            Sort::Stamp
        }
        45 => {
            list(t, &["YEAR", "YEAR(4)", "YEAR"]);
            Sort::Year
        }
        46..=61 => {
            let words = t.dice.pick(SHORT_TEXT).to_owned();
            t.kw(&words);
            if !words.starts_with('N') {
                charset(t);
            }
            Sort::ShortText
        }
        62..=74 => {
            list(t, LONG_TEXT);
            charset(t);
            Sort::LongText
        }
        75..=77 => {
            list(t, SHORT_BINARY);
            Sort::ShortBinary
        }
        78..=81 => {
            list(t, BLOBS);
            Sort::Blob
        }
        82..=88 => {
            list(t, &["ENUM", "SET"]);
            labels(t);
            charset(t);
            Sort::Label
        }
        89..=91 => {
            t.kw("JSON");
            Sort::Json
        }
        92..=94 => {
            list(t, GEOMETRIES);
            if !t.style.mariadb && t.style.version >= 80_000 {
                t.maybe(20, &["SRID 4326", "SRID 0", "NOT NULL SRID 4326"]);
            }
            Sort::Geometry
        }
        95 => {
            t.kw("SERIAL");
            Sort::Serial
        }
        96 if t.style.mariadb => {
            list(
                t,
                &[
                    "VARCHAR(50) COMPRESSED",
                    "TEXT COMPRESSED",
                    "BLOB COMPRESSED=zlib",
                    "VARBINARY(30) COMPRESSED",
                    "LONGTEXT COMPRESSED CHARSET latin1",
                ],
            );
            Sort::Blob
        }
        97 if t.style.mariadb => {
            list(t, &["UUID", "INET6", "INET4", "VECTOR(3)", "INET6"]);
            Sort::Other
        }
        98 if t.style.mariadb => {
            list(t, &["VARCHAR2(9)", "NUMBER(3)", "RAW(9)", "CLOB", "NUMBER", "MARIADB_SCHEMA.DATE"]);
            Sort::Other
        }
        97 if t.style.version >= 90_000 => {
            list(t, &["VECTOR(3)", "VECTOR"]);
            Sort::Other
        }
        98 if t.style.version >= 80_000 => {
            t.kw("GEOMCOLLECTION");
            Sort::Geometry
        }
        _ => {
            t.kw("INT");
            Sort::Integer
        }
    }
}

/// A value that the type takes as a default.
fn default(t: &mut Text<'_>, sort: Sort) {
    let newer = t.style.mariadb || t.style.version >= 80_013;
    match sort {
        Sort::Integer => drop(t.maybe(
            100,
            &["DEFAULT 1", "DEFAULT -1", "DEFAULT '7'", "DEFAULT +5", "DEFAULT b'101'", "DEFAULT 0x05", "DEFAULT NULL", "DEFAULT TRUE"],
        )),
        Sort::Inexact | Sort::Decimal => drop(t.maybe(100, &["DEFAULT 1.5", "DEFAULT -.5", "DEFAULT 1.5e1", "DEFAULT 2E0", "DEFAULT '3'"])),
        Sort::Bit => drop(t.maybe(100, &["DEFAULT b'1'", "DEFAULT 1", "DEFAULT 0x01"])),
        Sort::Date => drop(t.maybe(100, &["DEFAULT '2020-01-02'", "DEFAULT DATE '2020-01-02'", "DEFAULT NULL"])),
        Sort::Time => drop(t.maybe(100, &["DEFAULT '10:11:12'", "DEFAULT TIME '10:11:12'"])),
        Sort::Stamp => drop(t.maybe(
            100,
            &[
                "DEFAULT CURRENT_TIMESTAMP",
                "DEFAULT NOW()",
                "DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)",
                "DEFAULT NOW(3) ON UPDATE NOW(3)",
                "DEFAULT LOCALTIME ON UPDATE LOCALTIME()",
                "DEFAULT '2020-01-02 03:04:05'",
                "DEFAULT TIMESTAMP '2020-01-02 03:04:05'",
                "NULL DEFAULT NULL",
            ],
        )),
        Sort::Year => drop(t.kw("DEFAULT 2020")),
        Sort::ShortText => drop(t.maybe(
            100,
            &[
                "DEFAULT 'a'",
                "DEFAULT N'a'",
                "DEFAULT _latin1'b'",
                "DEFAULT ''",
                "DEFAULT _utf8mb4 'x'",
                "DEFAULT 'a' 'b'",
                "DEFAULT x'41'",
                "DEFAULT NULL",
            ],
        )),
        Sort::ShortBinary => drop(t.maybe(100, &["DEFAULT 'a'", "DEFAULT 0x41"])),
        Sort::LongText | Sort::Blob if newer => drop(t.maybe(100, &["DEFAULT ('a')", "DEFAULT (concat('x', (1 + 2)))"])),
        Sort::Json if newer => drop(t.maybe(100, &["DEFAULT (json_object('a', 1))", "DEFAULT ('[]')"])),
        _ => {}
    }
}

/// Writes `name type attributes`. `others` are columns that an expression may name.
pub fn definition(t: &mut Text<'_>, name: &str, others: &[String]) -> Sort {
    t.name(name);
    if t.style.mariadb && t.dice.percent(3) {
        // What becomes of it in other character sets is text, and its check is not tracked.
        t.maybe(100, &["LONGTEXT", "TEXT", "VARCHAR(99)"]).kw("CHARACTER SET utf8mb4 CHECK").open().kw("JSON_VALID").open();
        t.name(name).close().close();
        return Sort::Json;
    }
    let sort = column_type(t);
    if sort == Sort::Serial {
        return sort;
    }
    let (mariadb, version) = (t.style.mariadb, t.style.version);
    let generated = mariadb || version >= 50_700;
    if generated && t.dice.percent(7) {
        t.maybe(60, &["GENERATED ALWAYS"]).kw("AS").open();
        match t.dice.of(others).cloned() {
            Some(other) if t.dice.percent(50) => drop(t.kw("COALESCE(NULL,").name(&other).close()),
            _ => drop(t.raw("concat('),', (1 + 2), ',(')")),
        }
        t.close().maybe(80, &["VIRTUAL", "STORED"]).maybe(10, &["COMMENT 'gen, erated'"]);
        return sort;
    }
    if t.dice.percent(30) {
        default(t, sort);
    }
    t.maybe(15, &["NOT NULL", "NULL"]);
    if t.dice.percent(8) {
        t.kw("COMMENT");
        let text = t.dice.pick(&["it's (a, b)", "ADD COLUMN x INT", ") ENGINE=", "", "ä"]).to_owned();
        if t.style.can_send(&text) {
            t.string(&text)
        } else {
            t.raw("''")
        };
    }
    t.maybe(3, &["UNIQUE", "UNIQUE KEY"])
        .maybe(if mariadb { 0 } else { 4 }, &["COLUMN_FORMAT DYNAMIC", "COLUMN_FORMAT DEFAULT", "STORAGE MEMORY", "STORAGE DEFAULT"]);
    if mariadb || version >= 80_023 {
        t.maybe(5, &["INVISIBLE"]);
    }
    if mariadb || version >= 80_016 {
        let unnamed = if mariadb { "CHECK (length('a,)') > 0)" } else { "CONSTRAINT CHECK (length('a,)') > 0)" };
        t.maybe(5, &["CHECK (1 = 1)", unnamed]);
        if !mariadb {
            t.maybe(3, &["CHECK (1 = 2) NOT ENFORCED", "CONSTRAINT CHECK (1 + 1 = 2) ENFORCED"]);
        }
    }
    if !mariadb && version >= 80_021 {
        t.maybe(3, &["ENGINE_ATTRIBUTE='{\"a\": 1}'", "SECONDARY_ENGINE_ATTRIBUTE '{}'"]);
    }
    if sort == Sort::ShortText || sort == Sort::LongText {
        // A collation may also stand among the attributes.
        let default = if mariadb || version < 50_700 { "COLLATE DEFAULT" } else { "COLLATE utf8mb4_bin" };
        t.maybe(3, &["COLLATE utf8mb4_bin", "COLLATE latin1_bin", default, "COLLATE binary"]);
    }
    sort
}
