//! The clauses of CREATE TABLE and ALTER TABLE, as text.

use binlogd::schema::{ColumnType, Table};

use super::columns::{self, CHARSETS, COLLATIONS, Sort};
use super::style::Text;

/// Column names; some need quotes, some are keywords, some differ in case only.
pub const COLUMNS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "id",
    "Name",
    "select",
    "x y",
    "tick`s",
    "dq\"s",
    "1st",
    "col$1",
    "äöü",
    "Ж",
    "表",
    "rank",
    "first",
    "after",
    "comment",
    "date",
    "period",
    "check",
    "partition",
    "add",
    "column",
    "key",
    "primary",
    "serial",
    "value",
    "status",
    "Type",
    "enum",
    "like",
];

pub fn column_name(t: &mut Text<'_>) -> String {
    loop {
        let name = t.dice.pick(COLUMNS).to_owned();
        if t.style.can_send(&name) {
            return if t.dice.percent(30) { format!("{name}{}", t.dice.below(9)) } else { name };
        }
    }
}

/// Columns and keys between the parentheses of CREATE TABLE; whether there are any.
pub fn table_elements(t: &mut Text<'_>) {
    let count = 1 + t.dice.below(7);
    let mut names: Vec<String> = Vec::new();
    let mut keyable: Vec<String> = Vec::new();
    t.open();
    let inline_key = t.dice.percent(25);
    for i in 0..count {
        let name = column_name(t);
        if names.iter().any(|n| n.to_lowercase() == name.to_lowercase()) {
            continue;
        }
        if !names.is_empty() {
            t.comma();
        }
        if i == 0 && inline_key {
            t.name(&name).kw("INT").maybe(30, &["UNSIGNED"]).maybe(50, &["NOT NULL"]).maybe(40, &["AUTO_INCREMENT"]);
            t.maybe(100, &["PRIMARY KEY", "KEY", "PRIMARY KEY COMMENT 'x'", "PRIMARY KEY"]);
        } else {
            let sort = columns::definition(t, &name, &keyable);
            if matches!(sort, Sort::Integer | Sort::Date | Sort::Year | Sort::ShortBinary | Sort::Decimal) {
                keyable.push(name.clone());
            }
        }
        names.push(name);
    }
    if !inline_key && t.dice.percent(50) && !keyable.is_empty() {
        t.comma();
        primary_key(t, &keyable);
    }
    for _ in 0..t.dice.below(3) {
        if let Some(name) = t.dice.of(&keyable).cloned() {
            t.comma();
            index(t, &name);
        }
    }
    if t.style.mariadb || t.style.version >= 80_016 {
        t.out_maybe(6, ", CHECK (1 < 2)").out_maybe(3, ", CONSTRAINT `ck x` CHECK ((1) + (2) <> 4)");
    }
    t.close();
}

pub fn primary_key(t: &mut Text<'_>, names: &[String]) {
    t.maybe(15, &["CONSTRAINT", "CONSTRAINT pk"]).kw("PRIMARY KEY").maybe(10, &["USING BTREE"]).open();
    let count = 1 + t.dice.below(2);
    let first = t.dice.below(names.len());
    let mut used: Vec<&String> = Vec::new();
    for i in 0..count {
        let name = &names[(first + i) % names.len()];
        if used.contains(&name) {
            continue;
        }
        if !used.is_empty() {
            t.comma();
        }
        used.push(name);
        let written = if t.dice.percent(15) { name.to_uppercase() } else { name.clone() };
        t.name(&written).maybe(15, &["ASC", "DESC"]);
    }
    t.close().maybe(10, &["USING BTREE", "COMMENT 'k'"]);
}

/// An index, which changes no definition.
pub fn index(t: &mut Text<'_>, column: &str) {
    let number = t.dice.below(1000);
    let kinds = &["INDEX", "KEY", "UNIQUE", "UNIQUE KEY", "UNIQUE INDEX", "CONSTRAINT UNIQUE"];
    t.maybe(100, kinds);
    if t.dice.percent(60) {
        t.name(&format!("ix{number}"));
    }
    let kinds: &[&str] = if t.style.mariadb { &["USING BTREE"] } else { &["USING BTREE", "USING HASH"] };
    t.maybe(15, kinds).open().name(column).maybe(20, &["ASC", "DESC"]).close();
    t.maybe(10, &["COMMENT 'x, y'", "KEY_BLOCK_SIZE=4", "USING BTREE"]);
    if !t.style.mariadb && t.style.version >= 80_000 {
        t.maybe(10, &["INVISIBLE", "VISIBLE"]);
    } else if t.style.mariadb {
        t.maybe(10, &["IGNORED", "NOT IGNORED"]);
    }
}

/// A default character set.
pub fn charset_option(t: &mut Text<'_>) {
    let charset = t.known(CHARSETS);
    let collation = t.known(COLLATIONS);
    match t.dice.below(9) {
        0 => drop(t.kw("CHARACTER SET").raw(charset)),
        1 => drop(t.kw("DEFAULT CHARACTER SET =").raw(charset)),
        2 => drop(t.kw("CHARSET=").string(charset)),
        3 => drop(t.kw("DEFAULT CHARSET").raw(&charset.to_ascii_uppercase())),
        4 => drop(t.kw("COLLATE").raw(collation)),
        5 => drop(t.kw("DEFAULT COLLATE =").string(collation)),
        6 => {
            let own = collation.split('_').next().unwrap_or_default().to_owned();
            t.kw("CHARSET").raw(&own).kw("COLLATE").raw(collation);
        }
        7 => drop(t.kw("CHARACTER SET DEFAULT")),
        _ => drop(t.kw("CHAR SET utf8mb4")),
    }
}

const OPTIONS: &[&str] = &[
    "ENGINE=InnoDB",
    "ENGINE InnoDB",
    "ENGINE = MyISAM",
    "AUTO_INCREMENT=7",
    "AVG_ROW_LENGTH 100",
    "CHECKSUM=1",
    "CHECKSUM 0",
    "COMMENT='a, b'",
    "COMMENT 'ADD COLUMN x INT'",
    "DELAY_KEY_WRITE=1",
    "MAX_ROWS=1000",
    "MIN_ROWS 1",
    "PACK_KEYS=DEFAULT",
    "ROW_FORMAT=DYNAMIC",
    "ROW_FORMAT COMPACT",
    "STATS_AUTO_RECALC=1",
    "STATS_PERSISTENT=DEFAULT",
    "STATS_SAMPLE_PAGES=10",
    "KEY_BLOCK_SIZE=0",
    "INSERT_METHOD=NO",
    "ENGINE=MEMORY",
];
const OPTIONS_MYSQL8: &[&str] = &[
    "ENGINE_ATTRIBUTE='{}'",
    "SECONDARY_ENGINE_ATTRIBUTE='{}'",
    "COMPRESSION='NONE'",
    "ENCRYPTION='N'",
    "AUTOEXTEND_SIZE=4M",
    "SECONDARY_ENGINE=NULL",
];
const OPTIONS_MARIADB: &[&str] =
    &["TRANSACTIONAL=0", "PAGE_CHECKSUM=0", "PAGE_COMPRESSED=0", "ENGINE=Aria", "ENCRYPTED=NO", "SEQUENCE=0", "`PAGE_COMPRESSED`=0"];

pub fn option(t: &mut Text<'_>) {
    let list = match t.dice.below(4) {
        0 if t.style.mariadb => OPTIONS_MARIADB,
        0 if t.style.version >= 80_030 => OPTIONS_MYSQL8,
        _ => OPTIONS,
    };
    let words = t.dice.pick(list).to_owned();
    t.raw(&words);
}

/// What follows the columns of CREATE TABLE.
pub fn table_options(t: &mut Text<'_>) {
    let mut charsets = 0;
    for i in 0..t.dice.below(3) {
        if i > 0 && t.dice.percent(40) {
            t.comma();
        }
        option(t);
        // Two of them contradict each other mostly.
        if t.dice.percent(if charsets == 0 { 40 } else { 4 }) {
            charset_option(t);
            charsets += 1;
        }
    }
    charset_maybe(t, if charsets == 0 { 35 } else { 4 });
    if t.dice.percent(5) {
        t.kw("PARTITION BY").maybe(
            100,
            &["KEY () PARTITIONS 2", "HASH (1) PARTITIONS 3", "KEY () PARTITIONS 2 (PARTITION p0, PARTITION p1 COMMENT = 'SELECT (')"],
        );
    }
}

pub fn charset_maybe(t: &mut Text<'_>, chance: u64) {
    if t.dice.percent(chance) {
        charset_option(t);
    }
}

/// A column of the table, in whatever case; rarely one that is hidden, or that an earlier clause took away.
fn existing(t: &mut Text<'_>, table: &Table) -> Option<String> {
    let any = t.dice.percent(4);
    let hidden = ["row_start", "row_end", "my_row_id"];
    let fits = |n: &String| any || !t.used.contains(&n.to_lowercase()) && !hidden.contains(&n.as_str());
    let names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).filter(|n| t.style.can_send(n) && fits(n)).collect();
    let name = t.dice.of(&names).cloned()?;
    Some(if t.dice.percent(10) { name.to_uppercase() } else { name })
}

fn placement(t: &mut Text<'_>, table: &Table, new: &[String]) {
    match t.dice.below(8) {
        0 => drop(t.kw("FIRST")),
        1 | 2 => {
            if let Some(name) = existing(t, table) {
                t.kw("AFTER").name(&name);
            }
        }
        3 => {
            if let Some(name) = t.dice.of(new).cloned() {
                t.kw("AFTER").name(&name);
            }
        }
        _ => {}
    }
}

/// A name for a column, rarely one that another has.
fn new_name(t: &mut Text<'_>, table: &Table) -> String {
    loop {
        let name = column_name(t);
        let lower = name.to_lowercase();
        let is_taken = t.used.contains(&lower) || table.columns.iter().any(|c| c.name.to_lowercase() == lower);
        if !is_taken || t.dice.percent(4) {
            t.used.push(lower);
            return name;
        }
    }
}

/// A column for the clause alone: later ones of the statement leave it.
fn taken(t: &mut Text<'_>, table: &Table) -> Option<String> {
    let name = existing(t, table)?;
    t.used.push(name.to_lowercase());
    Some(name)
}

/// Columns that may stand in a key.
fn keyable(table: &Table) -> Vec<String> {
    let fits = |ty: &ColumnType| matches!(ty, ColumnType::Int { .. } | ColumnType::Date | ColumnType::Year | ColumnType::Decimal);
    table.columns.iter().filter(|c| fits(&c.ty)).map(|c| c.name.clone()).collect()
}

/// One clause of ALTER TABLE. `new` are the columns that earlier clauses added.
pub fn alter_clause(t: &mut Text<'_>, table: &Table, new: &mut Vec<String>) -> Option<()> {
    let (mariadb, version) = (t.style.mariadb, t.style.version);
    match t.dice.below(40) {
        0..=7 => {
            t.kw("ADD").maybe(50, &["COLUMN"]);
            if mariadb {
                t.maybe(15, &["IF NOT EXISTS"]);
            }
            let name = if mariadb && t.dice.percent(6) { existing(t, table)? } else { new_name(t, table) };
            columns::definition(t, &name, &keyable(table));
            placement(t, table, new);
            new.push(name);
        }
        8 => {
            t.kw("ADD").maybe(50, &["COLUMN"]).open();
            let name = new_name(t, table);
            columns::definition(t, &name, &[]);
            t.comma();
            let second = new_name(t, table);
            columns::definition(t, &second, &[]);
            t.close();
            new.extend([name, second]);
        }
        9..=14 => {
            t.kw("CHANGE").maybe(50, &["COLUMN"]);
            if mariadb {
                t.maybe(15, &["IF EXISTS"]);
            }
            let old = taken(t, table)?;
            // Some take another column's name: mistakes, but for swaps.
            let name = match t.dice.below(8) {
                0 => existing(t, table)?,
                1..=4 => old.clone(),
                _ => new_name(t, table),
            };
            t.name(&old);
            columns::definition(t, &name, &[]);
            placement(t, table, new);
        }
        15..=20 => {
            t.kw("MODIFY").maybe(50, &["COLUMN"]);
            if mariadb {
                t.maybe(15, &["IF EXISTS"]);
            }
            let name = taken(t, table)?;
            columns::definition(t, &name, &[]);
            placement(t, table, new);
        }
        21..=23 => {
            t.kw("DROP").maybe(50, &["COLUMN"]);
            let name = if mariadb && t.dice.percent(25) {
                t.kw("IF EXISTS");
                column_name(t)
            } else {
                taken(t, table)?
            };
            t.name(&name).maybe(10, &["RESTRICT", "CASCADE"].map(|w| if mariadb || version < 80_000 { w } else { "" }));
        }
        24..=26 if mariadb || version >= 80_000 => {
            let (from, to) = (taken(t, table)?, new_name(t, table));
            t.kw("RENAME COLUMN");
            if mariadb {
                t.maybe(10, &["IF EXISTS"]);
            }
            t.name(&from).kw("TO").name(&to);
        }
        27 if mariadb || version >= 80_000 => {
            let (a, b) = (taken(t, table)?, taken(t, table)?);
            t.kw("RENAME COLUMN").name(&a).kw("TO").name(&b).comma().kw("RENAME COLUMN").name(&b).kw("TO").name(&a);
        }
        28 => {
            let (a, b) = (taken(t, table)?, taken(t, table)?);
            t.kw("CHANGE").name(&a);
            columns::definition(t, &b, &[]);
            t.comma().kw("CHANGE").name(&b);
            columns::definition(t, &a, &[]);
        }
        29 => {
            let keys = keyable(table);
            if keys.is_empty() {
                return None;
            }
            if !table.primary_key.is_empty() {
                t.kw("DROP PRIMARY KEY").comma();
            }
            t.kw("ADD");
            primary_key(t, &keys);
        }
        30 => drop(t.maybe(100, &["DROP PRIMARY KEY", "DROP PRIMARY KEY", "DROP INDEX `PRIMARY`", "DROP KEY `primary`"])),
        // Nor of JSON that is converted to another character set and back.
        31 | 32 if mariadb && table.columns.iter().any(|c| c.ty == ColumnType::Json) => drop(t.kw("FORCE")),
        31 => {
            let charset = t.known(CHARSETS);
            t.kw("CONVERT TO CHARACTER SET").raw(charset);
        }
        32 => match t.dice.below(4) {
            0 => drop(t.kw("CONVERT TO CHARSET DEFAULT")),
            1 => {
                let collation = t.known(COLLATIONS);
                let charset = collation.split('_').next().unwrap_or_default().to_owned();
                t.kw("CONVERT TO CHARACTER SET").raw(&charset).kw("COLLATE").raw(collation);
            }
            _ => drop(t.kw("CONVERT TO CHARACTER SET utf8mb4")),
        },
        33 | 34 => charset_option(t),
        35 => {
            let keys = keyable(table);
            let name = t.dice.of(&keys).cloned()?;
            t.kw("ADD");
            index(t, &name);
        }
        36 => {
            let name = existing(t, table)?;
            t.kw("ALTER").maybe(50, &["COLUMN"]).name(&name);
            t.maybe(100, &["DROP DEFAULT", "SET DEFAULT NULL", "SET DEFAULT 1", "SET DEFAULT 'a, b'"]);
        }
        37 => option(t),
        38 => drop(t.maybe(
            100,
            &[
                "FORCE",
                "ALGORITHM=COPY",
                "ALGORITHM=DEFAULT",
                "LOCK=DEFAULT",
                "LOCK NONE",
                "DISABLE KEYS",
                "ENABLE KEYS",
                "ALGORITHM DEFAULT",
            ],
        )),
        _ => {
            if mariadb {
                t.maybe(
                    100,
                    &[
                        "ADD SYSTEM VERSIONING",
                        "DROP SYSTEM VERSIONING",
                        "ADD CONSTRAINT IF NOT EXISTS ck CHECK (1)",
                        "DROP CONSTRAINT IF EXISTS ck",
                    ],
                );
            } else {
                t.maybe(100, &["ORDER BY 1", "FORCE", "ENGINE=InnoDB"]);
            }
        }
    }
    Some(())
}
