//! Columns of every type, width, setting and character set that a server has: how each is declared, how its values are
//! written, and in which form SELECT shows them for the comparison.

use super::dice::Dice;
use super::literals::{self, Literal};

/// How a value is asked for and what the answer is compared as (`truth::same`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the server prints it.
    Plain,
    /// Text, as UTF-8.
    Text,
    /// Bytes.
    Hex,
    /// The exact number behind a FLOAT.
    Float,
    /// The exact number behind a DOUBLE, whatever digits its declaration shows.
    Double,
    Bit,
    /// SRID and WKB.
    Geometry,
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    /// For the comparison: the type in lower case.
    pub ty: String,
    /// All that stands behind the name in CREATE TABLE.
    pub definition: String,
    pub form: Form,
    pub literal: Literal,
    pub nullable: bool,
    /// Its values are the server's work.
    pub generated: bool,
    pub invisible: bool,
    /// Whether it may stand in a primary key.
    pub key: bool,
}

impl Column {
    /// The expression that SELECT needs.
    pub fn select(&self) -> String {
        let name = &self.name;
        match self.form {
            Form::Plain => format!("`{name}`"),
            Form::Text => format!("CONVERT(`{name}` USING utf8mb4)"),
            Form::Hex | Form::Geometry => format!("HEX(`{name}`)"),
            Form::Float | Form::Double => format!("`{name}`+0e0"),
            Form::Bit => format!("`{name}`+0"),
        }
    }
}

/// What a server can do.
#[derive(Debug, Clone)]
pub struct Server {
    pub name: &'static str,
    pub mariadb: bool,
    /// 50624, 101119, …
    pub version: u32,
    pub charsets: Vec<Charset>,
    /// Only what the real Maxwell can read: it stops at some types and character sets.
    pub for_maxwell: bool,
}

/// A character set and those of our characters that it has.
#[derive(Debug, Clone)]
pub struct Charset {
    pub name: String,
    pub characters: Vec<char>,
    /// ASCII is no part of it as single bytes.
    pub wide: bool,
    /// One byte a character.
    pub single: bool,
}

impl Server {
    fn modern_mysql(&self) -> bool {
        !self.mariadb && self.version >= 80_000
    }
}

/// A type with all that varies: (SQL type, form, literal, key, whether it takes a character set).
type Kind = (String, Form, Literal, bool, bool);

/// Every kind of column of a server, once.
pub fn kinds(server: &Server) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    let mut add = |ty: &str, form, literal, key| kinds.push((ty.to_owned(), form, literal, key, false));
    for (ty, bits) in [("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)] {
        add(ty, Form::Plain, Literal::Int { bits, unsigned: false }, true);
        add(&format!("{ty} unsigned"), Form::Plain, Literal::Int { bits, unsigned: true }, true);
        add(&format!("{ty}(9) unsigned zerofill"), Form::Plain, Literal::Int { bits, unsigned: true }, true);
    }
    add("tinyint(1)", Form::Plain, Literal::Int { bits: 8, unsigned: false }, true);
    for (p, s) in [(1, 0), (1, 1), (9, 9), (10, 0), (18, 9), (19, 2), (30, 30), (38, 10), (65, 0), (65, 30)] {
        add(&format!("decimal({p},{s})"), Form::Plain, Literal::Decimal { precision: p, scale: s }, true);
    }
    add("decimal(20,4) unsigned zerofill", Form::Plain, Literal::Decimal { precision: 20, scale: 4 }, true);
    add("float", Form::Float, Literal::Float, false);
    add("float(8,3)", Form::Float, Literal::Float, false);
    add("float unsigned", Form::Float, Literal::Float, false);
    add("double", Form::Double, Literal::Double, false);
    add("double(15,4)", Form::Double, Literal::Double, false);
    for bits in [1, 2, 7, 8, 9, 16, 31, 32, 33, 48, 63, 64] {
        add(&format!("bit({bits})"), Form::Bit, Literal::Bit { bits }, true);
    }
    add("year", Form::Plain, Literal::Year, true);
    add("date", Form::Plain, Literal::Date, true);
    for fraction in 0..=6 {
        let of = |name: &str| if fraction == 0 { name.to_owned() } else { format!("{name}({fraction})") };
        add(&of("time"), Form::Plain, Literal::Time { fraction }, true);
        add(&of("datetime"), Form::Plain, Literal::Datetime { fraction }, true);
        let year_max = if server.mariadb && server.version >= 110_500 { 2106 } else { 2038 };
        add(&of("timestamp"), Form::Plain, Literal::Timestamp { fraction, year_max }, true);
    }
    for size in [1, 8, 255] {
        add(&format!("binary({size})"), Form::Hex, Literal::Bytes { most: size }, size < 200);
    }
    for size in [1, 60, 255, 256, 1000] {
        add(&format!("varbinary({size})"), Form::Hex, Literal::Bytes { most: size.min(300) }, size < 200);
    }
    for (ty, most) in [("tinyblob", 255), ("blob", 2000), ("mediumblob", 400), ("longblob", 400)] {
        add(ty, Form::Hex, Literal::Bytes { most }, false);
    }
    for shape in ["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"] {
        add(shape, Form::Geometry, Literal::Geometry { shape }, false);
    }
    if server.mariadb {
        add("json", Form::Plain, Literal::Json { large: false }, false);
    }
    if server.mariadb && !server.for_maxwell {
        add("uuid", Form::Plain, Literal::Uuid, true);
        add("inet4", Form::Plain, Literal::Inet4, true);
        add("inet6", Form::Plain, Literal::Inet6, true);
        add("varbinary(300) compressed", Form::Hex, Literal::Bytes { most: 300 }, false);
        add("blob compressed", Form::Hex, Literal::Bytes { most: 2000 }, false);
    }
    if server.modern_mysql() {
        for large in [false, false, true] {
            add("json", Form::Plain, Literal::Json { large }, false);
        }
    }
    if !server.for_maxwell && (server.modern_mysql() || server.mariadb && server.version >= 110_700) {
        add("vector(3)", Form::Hex, Literal::Vector { dimensions: 3 }, false);
    }
    let mut text = |ty: &str, most, key| kinds.push((ty.to_owned(), Form::Text, Literal::Text { most }, key, true));
    for _ in 0..6 {
        text("char(1)", 1, true);
        text("char(20)", 20, true);
        text("varchar(15)", 15, true);
        text("varchar(200)", 200, false);
        text("tinytext", 30, false);
        text("text", 300, false);
        text("mediumtext", 100, false);
        text("longtext", 100, false);
    }
    if server.mariadb && !server.for_maxwell {
        text("varchar(200) compressed", 200, false);
        text("text compressed", 300, false);
    }
    for count in [1, 3, 20, 300] {
        kinds.push((format!("enum {count}"), Form::Text, Literal::Enum { count }, true, true));
    }
    for count in [1, 7, 8, 20, 33, 64] {
        kinds.push((format!("set {count}"), Form::Text, Literal::Set { count }, true, true));
    }
    kinds
}

/// A table: its columns, `rid` first, and its statement.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub create: String,
    /// It has a key by which REPLACE finds a row.
    pub keyed: bool,
}

/// A table of these kinds, with what else may be of a table chosen at random.
pub fn table(server: &Server, database_charset: &Charset, name: &str, kinds: &[Kind], dice: &mut Dice) -> Table {
    let table_charset = dice.percent(50).then(|| charset(server, dice));
    let default = table_charset.unwrap_or(database_charset);
    let mut columns = vec![Column {
        name: "rid".into(),
        ty: "bigint".into(),
        definition: "BIGINT NOT NULL".into(),
        form: Form::Plain,
        literal: Literal::Int { bits: 64, unsigned: false },
        nullable: false,
        generated: false,
        invisible: false,
        key: false,
    }];
    for (i, kind) in kinds.iter().enumerate() {
        columns.push(column(server, default, format!("{}{i}", dice.pick(&["c", "C_", "é", "col "])), kind, dice));
    }
    let virtuals = server.mariadb || server.version >= 50_700;
    if virtuals && dice.percent(40) {
        let stored = dice.percent(50);
        let how = if stored { "STORED" } else { "VIRTUAL" };
        let plain = |name: &str, ty: &str, definition: String, form| Column {
            name: name.into(),
            ty: ty.into(),
            definition,
            form,
            literal: Literal::Int { bits: 64, unsigned: false },
            nullable: true,
            generated: true,
            invisible: false,
            key: false,
        };
        let at = 1 + dice.below(columns.len());
        columns.insert(at, plain("g1", "bigint", format!("BIGINT GENERATED ALWAYS AS (`rid` * 3 - 7) {how}"), Form::Plain));
        let at = 1 + dice.below(columns.len());
        columns.insert(at, plain("g2", "varchar(40)", format!("VARCHAR(40) AS (CONCAT('x', `rid`)) {how}"), Form::Text));
    }
    if (server.mariadb || server.version >= 80_023) && dice.percent(30) {
        let at = 1 + dice.below(columns.len() - 1);
        columns[at].invisible = !columns[at].generated;
    }
    let transactional = dice.percent(85);
    let mut parts: Vec<String> = columns
        .iter()
        .map(|c| {
            // A column that nobody names has to have a default.
            let invisible = if c.invisible { " INVISIBLE" } else { "" };
            format!("`{}` {}{invisible}", c.name, c.definition)
        })
        .collect();
    let key_column = columns.iter().find(|c| c.key && !c.nullable && !c.invisible).map(|c| c.name.clone());
    let keyed = match (dice.below(6), key_column) {
        (0, _) => false,
        (1, _) => {
            parts.push("UNIQUE KEY (`rid`)".into());
            true
        }
        (2 | 3, Some(column)) => {
            parts.push(format!("PRIMARY KEY (`{column}`, `rid`)"));
            // Another row stays when this column differs.
            false
        }
        _ => {
            parts.push("PRIMARY KEY (`rid`)".into());
            true
        }
    };
    if !keyed && !parts.last().is_some_and(|p| p.starts_with("PRIMARY")) {
        parts.push("KEY (`rid`)".into());
    }
    let engine = if transactional { "InnoDB" } else { "MyISAM" };
    let charset = table_charset.map(|c| format!(" DEFAULT CHARACTER SET {}", c.name)).unwrap_or_default();
    let create = format!("CREATE TABLE `{name}` ({}) ENGINE={engine}{charset}", parts.join(", "));
    Table { name: name.into(), columns, create, keyed }
}

fn charset<'a>(server: &'a Server, dice: &mut Dice) -> &'a Charset {
    dice.of(&server.charsets).expect("there are character sets")
}

fn column(server: &Server, default: &Charset, name: String, kind: &Kind, dice: &mut Dice) -> Column {
    let (ty, form, literal, key, text) = kind;
    let own = (*text && dice.percent(70)).then(|| charset(server, dice));
    let mut used = own.unwrap_or(default);
    let labels = matches!(literal, Literal::Enum { .. } | Literal::Set { .. });
    let mut own = own.map(|c| c.name.clone());
    if labels && used.wide {
        // Servers misread labels in them in ways of their own.
        used = server.charsets.iter().find(|c| c.name == "utf8mb4").expect("utf8mb4");
        own = Some("utf8mb4".into());
    }
    let mut declared = ty.clone();
    let mut literal = literal.clone();
    if labels {
        let (word, count) = ty.split_once(' ').expect("a count");
        let list = literals::labels(count.parse().expect("a count"), word == "set", used, dice);
        declared = format!("{word}({})", list.iter().map(|l| literals::quoted(l)).collect::<Vec<_>>().join(","));
    } else if *text {
        literal = Literal::TextOf { charset: used.clone(), most: literal.most() };
    }
    // Maxwell stops at the empty value that stands for NULL where that is not allowed.
    let nullable = dice.percent(75) || (server.for_maxwell && *form == Form::Geometry);
    let charset = own.map(|c| format!(" CHARACTER SET {c}")).unwrap_or_default();
    let null = if nullable { " NULL" } else { " NOT NULL" };
    // TIMESTAMP has defaults of its own otherwise, and two of them are refused.
    let default = match (&literal, nullable) {
        (Literal::Timestamp { .. }, true) => " DEFAULT NULL",
        (Literal::Timestamp { .. }, false) => " DEFAULT '2001-02-03 04:05:06'",
        (Literal::Int { .. } | Literal::Decimal { .. }, _) if dice.percent(30) => " DEFAULT 1",
        (Literal::Date, _) if dice.percent(30) => " DEFAULT '2010-11-12'",
        _ => "",
    };
    Column {
        ty: ty.split([' ', '(']).next().unwrap_or_default().to_owned(),
        definition: format!("{declared}{charset}{null}{default}"),
        name,
        form: *form,
        literal,
        nullable,
        generated: false,
        invisible: false,
        key: *key,
    }
}
