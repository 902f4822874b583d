//! The statements on databases and tables, but for ALTER TABLE (`alter`) and column definitions (`column`).
//!
//! Tolerant by structure: options that do not matter are skipped as balanced tokens. A clause that could matter and is
//! not understood is an error, never a guess; the tables named until then stay known as `concerns`.

use crate::schema::{ColumnType, IntWidth};

use super::ast::{
    AlterSpec, AlterTable, CharsetClause, CharsetName, ColumnDef, Concern, CreateBody, CreateTable, Ddl, DeclaredType, KeyPart, Name,
    Period, SEQUENCE_COLUMN, Statement, TableBody,
};
use super::lexer::{Dialect, LexRules, MODE_MAXDB, MODE_ORACLE, MODE_REAL_AS_FLOAT, MODE_UTF8_IS_UTF8MB4, MODES_WITHOUT_OPTIONS};
use super::tokens::{NotUnderstood, Parsed, Tokens};

/// Words that begin a table element which is no column.
const KEY_WORDS: &[&str] =
    &["CHECK", "CONSTRAINT", "FOREIGN", "FULLTEXT", "INDEX", "KEY", "LIKE", "PERIOD", "PRIMARY", "SPATIAL", "UNIQUE", "VECTOR"];

/// One statement being read.
pub struct Parser<'a> {
    pub(super) tokens: Tokens<'a>,
    pub(super) concerns: Vec<Concern>,
    sql_mode: u64,
    text: &'a str,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str, rules: LexRules, sql_mode: u64) -> Self {
        Parser { tokens: Tokens::new(text, rules), concerns: Vec::new(), sql_mode, text }
    }

    pub fn into_concerns(self) -> Vec<Concern> {
        self.concerns
    }

    pub(super) fn is_mariadb(&self) -> bool {
        self.tokens.rules().dialect == Dialect::MariaDb
    }

    /// Whether the word `utf8` means four bytes here; NATIONAL keeps three (tried).
    fn utf8_is_utf8mb4(&self) -> bool {
        !self.is_mariadb() && self.sql_mode & MODE_UTF8_IS_UTF8MB4 != 0
    }

    pub(super) fn as_maxwell(&self) -> bool {
        self.tokens.rules().as_maxwell
    }

    pub(super) fn real_is_float(&self) -> bool {
        !self.as_maxwell() && self.sql_mode & MODE_REAL_AS_FLOAT != 0
    }

    pub(super) fn timestamp_is_datetime(&self) -> bool {
        !self.as_maxwell() && self.sql_mode & MODE_MAXDB != 0
    }

    pub(super) fn oracle_mode(&self) -> bool {
        self.is_mariadb() && self.sql_mode & MODE_ORACLE != 0
    }

    /// `[database .] table`, remembered as a concern.
    pub(super) fn table_name(&mut self) -> Parsed<Name> {
        // `.t` is an old ODBC spelling of a table in the default database.
        let leading_dot = self.tokens.eat_symbol(b'.');
        let first = self.tokens.name()?;
        let name = if !leading_dot && self.tokens.eat_symbol(b'.') {
            Name { database: Some(first), table: self.tokens.name()? }
        } else {
            Name { database: None, table: first }
        };
        self.concerns.push(Concern { database: name.database.clone(), table: Some(name.table.clone()) });
        Ok(name)
    }

    fn database_name(&mut self) -> Parsed<String> {
        let name = self.tokens.name()?;
        self.concerns.push(Concern { database: Some(name.clone()), table: None });
        Ok(name)
    }

    // ---- databases ----

    pub(super) fn create_database(&mut self, or_replace: bool) -> Parsed<Ddl> {
        let if_not_exists = self.tokens.eat_if_not_exists();
        let name = self.database_name()?;
        Ok(Ddl::CreateDatabase { name, if_not_exists, or_replace, charset: self.database_options()? })
    }

    pub(super) fn alter_database(&mut self) -> Parsed<Ddl> {
        let reserved = self.tokens.is_any(&["CHARACTER", "CHAR", "COLLATE", "DEFAULT", "READ"]);
        // These may also be names; as a name one is followed by an option.
        let second = self.tokens.second();
        let option_follows =
            second.is_any_word(&["CHARACTER", "CHAR", "CHARSET", "COLLATE", "DEFAULT", "READ", "ENCRYPTION", "COMMENT", "UPGRADE"]);
        let option = self.tokens.is_any(&["CHARSET", "ENCRYPTION", "COMMENT"]) && !option_follows;
        let name = if reserved || option {
            self.concerns.push(Concern { database: None, table: None });
            None
        } else {
            Some(self.database_name()?)
        };
        Ok(Ddl::AlterDatabase { name, charset: self.database_options()? })
    }

    fn database_options(&mut self) -> Parsed<CharsetClause> {
        let mut charset = CharsetClause::default();
        while !self.tokens.at_end() {
            if !self.charset_option(&mut charset)? {
                self.tokens.skip_one()?;
            }
        }
        Ok(charset)
    }

    pub(super) fn drop_database(&mut self) -> Parsed<Ddl> {
        self.tokens.eat_if_exists();
        let name = self.database_name()?;
        self.tokens.expect_end()?;
        Ok(Ddl::DropDatabase { name })
    }

    // ---- character sets ----

    /// `[DEFAULT] CHARACTER SET [=] x` or `[DEFAULT] COLLATE [=] x`, if one stands here.
    pub(super) fn charset_option(&mut self, into: &mut CharsetClause) -> Parsed<bool> {
        let tokens = &mut self.tokens;
        if tokens.is_word("DEFAULT") && tokens.second().is_any_word(&["CHARACTER", "CHAR", "CHARSET", "COLLATE"]) {
            tokens.next();
        }
        if tokens.eat_words("CHARACTER", "SET") || tokens.eat_words("CHAR", "SET") || tokens.eat_word("CHARSET") {
            tokens.eat_symbol(b'=');
            let charset = self.charset_name()?;
            if self.as_maxwell() {
                into.charset = Some(charset);
                return Ok(true);
            }
            // DEFAULT takes back what stood before it (only 5.6 accepts a contradiction there).
            if charset == CharsetName::Default {
                into.collation = None;
            }
            into.charset = Some(charset);
            return Ok(true);
        }
        if tokens.eat_word("COLLATE") {
            tokens.eat_symbol(b'=');
            if tokens.rules().as_maxwell {
                // It is read and forgotten.
                tokens.next();
                return Ok(true);
            }
            if tokens.is_word("DEFAULT") && !self.is_mariadb() {
                // Up to 5.7; it takes the character set back as well (tried).
                self.tokens.next();
                *into = CharsetClause { charset: Some(CharsetName::Default), collation: None };
                return Ok(true);
            }
            let name = self.tokens.name_or_string()?.to_ascii_lowercase();
            into.collation = Some(match name.strip_prefix("utf8_") {
                Some(rest) if self.utf8_is_utf8mb4() => format!("utf8mb4_{rest}"),
                _ => name,
            });
            return Ok(true);
        }
        Ok(false)
    }

    pub(super) fn charset_name(&mut self) -> Parsed<CharsetName> {
        if self.as_maxwell() {
            return Ok(CharsetName::Named(self.tokens.name_or_string()?));
        }
        if self.tokens.eat_word("DEFAULT") {
            return Ok(CharsetName::Default);
        }
        let name = self.tokens.name_or_string()?.to_ascii_lowercase();
        Ok(CharsetName::Named(if name == "utf8" && self.utf8_is_utf8mb4() { "utf8mb4".into() } else { name }))
    }

    // ---- tables ----

    pub(super) fn create_table(&mut self, or_replace: bool) -> Parsed<Ddl> {
        let if_not_exists = self.tokens.eat_if_not_exists();
        let name = self.table_name()?;
        let create = |body| Ddl::CreateTable(Box::new(CreateTable { name, if_not_exists, or_replace, body }));
        if self.tokens.eat_word("LIKE") {
            return Ok(create(CreateBody::Like(self.table_name()?)));
        }
        let mut body = TableBody::default();
        if self.tokens.eat_symbol(b'(') {
            if self.tokens.eat_word("LIKE") {
                return Ok(create(CreateBody::Like(self.table_name()?)));
            }
            self.table_elements(&mut body)?;
            self.tokens.expect_symbol(b')')?;
        }
        self.table_options(&mut body)?;
        if body.columns.is_empty() {
            return Err(NotUnderstood("a table without columns".into()));
        }
        if body.charset == CharsetClause::default() && self.lacks_options() {
            return Err(NotUnderstood("the server wrote a definition without its character set, because of the session's sql_mode".into()));
        }
        body.versioned |= body.columns.iter().any(|c| c.versioned);
        Ok(create(CreateBody::Columns(body)))
    }

    /// Servers write backslashes twice, also for a session that does not escape them (`append_unescaped`); whether a text
    /// is theirs is not certain.
    pub(super) fn backslashes_are_doubtful(&self) -> bool {
        !self.as_maxwell() && self.tokens.rules().no_backslash_escapes && self.text.contains("(\n  ")
    }

    /// Whether the server made this text itself (CREATE TABLE … SELECT), in a mode in which it leaves options out: then
    /// its own replicas get another character set too (`store_create_info` in `sql_show.cc` of both servers).
    fn lacks_options(&self) -> bool {
        !self.as_maxwell() && self.sql_mode & MODES_WITHOUT_OPTIONS != 0 && self.text.contains("(\n  ")
    }

    /// The list between the parentheses of CREATE TABLE.
    fn table_elements(&mut self, body: &mut TableBody) -> Parsed<()> {
        loop {
            if !self.key_element(body)? {
                let column = self.column_def()?;
                body.columns.push(column);
            }
            if !self.tokens.eat_symbol(b',') {
                return Ok(());
            }
        }
    }

    /// A key, constraint or period, if one stands here; only the primary key and periods are kept.
    fn key_element(&mut self, body: &mut TableBody) -> Parsed<bool> {
        if !self.at_key_element() {
            return Ok(false);
        }
        if let Some(period) = self.period_if_any()? {
            body.periods.push(period);
        } else if let Some(parts) = self.primary_key_if_any()? {
            body.primary_key = Some(parts);
        }
        self.tokens.skip_clause()?;
        Ok(true)
    }

    /// Whether a key, constraint or period stands here, and not a column of such a name.
    pub(super) fn at_key_element(&self) -> bool {
        let tokens = &self.tokens;
        match () {
            () if tokens.is_word("PERIOD") => tokens.second().is_word("FOR") || tokens.second().is_word("IF"),
            () if tokens.is_word("VECTOR") => tokens.second().is_any_word(&["INDEX", "KEY"]),
            () => tokens.is_any(KEY_WORDS),
        }
    }

    /// `PERIOD FOR name (start, end)`.
    pub(super) fn period_if_any(&mut self) -> Parsed<Option<Period>> {
        if !self.tokens.is_word("PERIOD") || !self.tokens.second().is_any_word(&["FOR", "IF"]) {
            return Ok(None);
        }
        self.tokens.next();
        self.tokens.eat_if_not_exists();
        self.tokens.expect_word("FOR")?;
        let name = self.tokens.name()?;
        self.tokens.expect_symbol(b'(')?;
        let start = self.tokens.name()?;
        self.tokens.expect_symbol(b',')?;
        let end = self.tokens.name()?;
        self.tokens.expect_symbol(b')')?;
        Ok(Some(Period { name, start, end }))
    }

    /// `[CONSTRAINT [name]] PRIMARY KEY … (parts)`. Other constraints are left in hand after their name.
    pub(super) fn primary_key_if_any(&mut self) -> Parsed<Option<Vec<KeyPart>>> {
        if self.tokens.eat_word("CONSTRAINT") {
            self.tokens.eat_if_not_exists();
            if !self.tokens.is_any(KEY_WORDS) {
                self.tokens.name()?;
            }
        }
        if !self.tokens.eat_words("PRIMARY", "KEY") {
            return Ok(None);
        }
        while !self.tokens.is_symbol(b'(') {
            if self.tokens.at_clause_end() {
                return Err(self.tokens.unexpected("the columns of the primary key"));
            }
            self.tokens.next();
        }
        self.key_parts().map(Some)
    }

    fn key_parts(&mut self) -> Parsed<Vec<KeyPart>> {
        self.tokens.expect_symbol(b'(')?;
        let mut parts = Vec::new();
        loop {
            let name = self.tokens.name()?;
            let mut without_overlaps = false;
            while !self.tokens.at_clause_end() {
                without_overlaps |= self.tokens.are_words("WITHOUT", "OVERLAPS");
                self.tokens.skip_one()?;
            }
            parts.push(KeyPart { name, without_overlaps });
            if !self.tokens.eat_symbol(b',') {
                break;
            }
        }
        self.tokens.expect_symbol(b')')?;
        Ok(parts)
    }

    /// What stands after the columns of CREATE TABLE: options, partitions. A query there would bring more columns.
    fn table_options(&mut self, body: &mut TableBody) -> Parsed<()> {
        let mut partitioned = false;
        while !self.tokens.at_end() {
            if !partitioned && self.charset_option(&mut body.charset)? {
                continue;
            }
            if self.tokens.eat_word("WITH") && self.tokens.is_word("SYSTEM") {
                body.versioned |= self.tokens.second().is_word("VERSIONING");
                continue;
            }
            if self.tokens.is_any(&["SELECT", "AS", "IGNORE", "REPLACE", "TABLE", "VALUES"]) && !partitioned
                || self.tokens.is_word("SELECT")
            {
                return Err(NotUnderstood("a table made from a query".into()));
            }
            partitioned |= self.tokens.are_words("PARTITION", "BY");
            self.option_or_group()?;
        }
        Ok(())
    }

    /// One option with its value, so that a value is never taken for an option; or one token or group.
    fn option_or_group(&mut self) -> Parsed<()> {
        if self.tokens.is_symbol(b'(') && self.tokens.second().is_any_word(&["SELECT", "WITH", "VALUES", "TABLE"]) {
            return Err(NotUnderstood("a table made from a query".into()));
        }
        self.tokens.skip_one()?;
        if self.tokens.eat_symbol(b'=') && !self.tokens.at_end() {
            self.tokens.skip_one()?;
        }
        Ok(())
    }

    /// MariaDB: a sequence is a table of eight columns (MariaDB manual, "CREATE SEQUENCE").
    pub(super) fn create_sequence(&mut self, or_replace: bool) -> Parsed<Ddl> {
        let if_not_exists = self.tokens.eat_if_not_exists();
        let name = self.table_name()?;
        let mut value_type = ColumnType::Int { width: IntWidth::Big, unsigned: false };
        while !self.tokens.at_end() {
            if !self.tokens.eat_word("AS") {
                self.tokens.skip_one()?;
                continue;
            }
            match self.declared_type()?.ty {
                DeclaredType::Settled(ty @ ColumnType::Int { .. }) => value_type = ty,
                _ => return Err(self.tokens.unexpected("an integer type")),
            }
        }
        let int = |width, unsigned| ColumnType::Int { width, unsigned };
        let columns = [
            (SEQUENCE_COLUMN, value_type.clone()),
            ("minimum_value", value_type.clone()),
            ("maximum_value", value_type.clone()),
            ("start_value", value_type),
            ("increment", int(IntWidth::Big, false)),
            ("cache_size", int(IntWidth::Big, true)),
            ("cycle_option", int(IntWidth::Tiny, true)),
            ("cycle_count", int(IntWidth::Big, false)),
        ];
        let columns = columns.into_iter().map(|(name, ty)| ColumnDef::settled(name, ty)).collect();
        let body = CreateBody::Columns(TableBody { columns, ..TableBody::default() });
        Ok(Ddl::CreateTable(Box::new(CreateTable { name, if_not_exists, or_replace, body })))
    }

    pub(super) fn drop_tables(&mut self) -> Parsed<Ddl> {
        self.tokens.eat_if_exists();
        let mut names = vec![self.table_name()?];
        while self.tokens.eat_symbol(b',') {
            names.push(self.table_name()?);
        }
        self.tokens.eat_wait();
        self.tokens.eat_any(&["RESTRICT", "CASCADE"]);
        self.tokens.expect_end()?;
        Ok(Ddl::DropTables { names, only_sequences: false })
    }

    /// Only the index called PRIMARY matters.
    pub(super) fn drop_index(&mut self) -> Parsed<Statement> {
        self.tokens.eat_if_exists();
        if !self.tokens.name()?.eq_ignore_ascii_case("PRIMARY") || self.as_maxwell() {
            return Ok(Statement::PassOver("an index"));
        }
        self.tokens.expect_word("ON")?;
        let name = self.table_name()?;
        let alter = AlterTable { name, if_exists: false, specs: vec![AlterSpec::DropPrimaryKey], clauses: 1 };
        Ok(Statement::Ddl(Ddl::AlterTable(Box::new(alter))))
    }

    pub(super) fn rename_tables(&mut self) -> Parsed<Ddl> {
        let if_exists = self.tokens.eat_if_exists();
        let mut renames = Vec::new();
        loop {
            let from = self.table_name()?;
            self.tokens.eat_wait();
            self.tokens.expect_word("TO")?;
            renames.push((from, self.table_name()?));
            self.tokens.eat_wait();
            if !self.tokens.eat_symbol(b',') {
                break;
            }
        }
        self.tokens.expect_end()?;
        Ok(Ddl::RenameTables { renames, if_exists })
    }
}

impl ColumnDef {
    pub(super) fn settled(name: &str, ty: ColumnType) -> Self {
        ColumnDef {
            name: name.into(),
            ty: DeclaredType::Settled(ty),
            charset: CharsetClause::default(),
            primary_key: false,
            binary_collation: false,
            json_check: false,
            other_check: false,
            row_boundary: None,
            versioned: false,
        }
    }
}
