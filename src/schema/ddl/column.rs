//! Column definitions: name, type and attributes (contract §8.4, and right where Maxwell is wrong).
//!
//! What an attribute says about values, visibility or storage is skipped; what it says about type, sign, character set
//! and key is kept.

use crate::schema::{BinaryKind, ColumnType, IntWidth, TextKind};

use super::ast::{CharsetClause, CharsetName, ColumnDef, DeclaredType, Label, RowBoundary};
use super::lexer::TokenKind;
use super::parser::Parser;
use super::tokens::{NotUnderstood, Parsed, Tokens};

/// A type with what its own words fix: the sign and, for NATIONAL types, the character set.
pub(super) struct TypeClause {
    pub ty: DeclaredType,
    pub charset: CharsetClause,
}

/// Whose types a word means: the session's mode says so, or a prefix.
#[derive(Clone, Copy)]
struct TypeSystem {
    oracle: bool,
    maxdb: bool,
}

/// Passes over all of these symbols that stand here, and says how many.
fn eat_all(tokens: &mut Tokens<'_>, symbol: u8) -> usize {
    let mut count = 0;
    while tokens.eat_symbol(symbol) {
        count += 1;
    }
    count
}

impl From<ColumnType> for TypeClause {
    fn from(ty: ColumnType) -> Self {
        TypeClause { ty: DeclaredType::Settled(ty), charset: CharsetClause::default() }
    }
}

impl From<DeclaredType> for TypeClause {
    fn from(ty: DeclaredType) -> Self {
        TypeClause { ty, charset: CharsetClause::default() }
    }
}

fn text(kind: TextKind, length: Option<u64>) -> TypeClause {
    DeclaredType::Text { kind, length }.into()
}

fn binary(kind: BinaryKind, length: Option<u64>) -> TypeClause {
    DeclaredType::Binary { kind, length }.into()
}

impl Parser<'_> {
    pub(super) fn column_def(&mut self) -> Parsed<ColumnDef> {
        let name = self.column_name()?;
        let clause = self.declared_type()?;
        let mut def = ColumnDef {
            name,
            ty: clause.ty,
            charset: clause.charset,
            primary_key: false,
            binary_collation: false,
            json_check: false,
            other_check: false,
            row_boundary: None,
            versioned: false,
        };
        while self.attribute(&mut def)? {}
        Ok(def)
    }

    /// A column's name; the servers take its table and database before it.
    pub(super) fn column_name(&mut self) -> Parsed<String> {
        self.tokens.eat_symbol(b'.');
        let mut name = self.tokens.name()?;
        while self.tokens.eat_symbol(b'.') {
            name = self.tokens.name()?;
        }
        Ok(name)
    }

    // ---- types ----

    pub(super) fn declared_type(&mut self) -> Parsed<TypeClause> {
        // MariaDB names its type systems where the session's mode would mean another type.
        let mut system = TypeSystem { oracle: self.oracle_mode(), maxdb: self.timestamp_is_datetime() };
        if self.tokens.is_any(&["MARIADB_SCHEMA", "ORACLE_SCHEMA", "MAXDB_SCHEMA"]) && self.tokens.second().is_symbol(b'.') {
            let word = self.tokens.next();
            system = TypeSystem { oracle: word.is_word("ORACLE_SCHEMA"), maxdb: word.is_word("MAXDB_SCHEMA") };
            self.tokens.next();
        }
        let Some(word) = self.tokens.peek().name() else {
            return Err(self.tokens.unexpected("a column type"));
        };
        let word = word.to_ascii_lowercase();
        self.tokens.next();
        if let Some(ty) = self.numeric_type(&word)? {
            return Ok(ty);
        }
        if let Some(ty) = self.text_type(&word)? {
            return Ok(ty);
        }
        self.other_type(word, system)
    }

    fn numeric_type(&mut self, word: &str) -> Parsed<Option<TypeClause>> {
        let width = match word {
            "tinyint" | "int1" | "bool" | "boolean" => IntWidth::Tiny,
            "smallint" | "int2" => IntWidth::Small,
            "mediumint" | "int3" | "middleint" => IntWidth::Medium,
            "int" | "integer" | "int4" => IntWidth::Int,
            "bigint" | "int8" => IntWidth::Big,
            // BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE: not a primary key.
            "serial" => return Ok(Some(ColumnType::Int { width: IntWidth::Big, unsigned: true }.into())),
            _ => return self.inexact_type(word),
        };
        self.tokens.skip_parentheses_if_any()?;
        Ok(Some(ColumnType::Int { width, unsigned: false }.into()))
    }

    fn inexact_type(&mut self, word: &str) -> Parsed<Option<TypeClause>> {
        let ty = match word {
            "float" | "float4" => {
                let (digits, scaled) = self.precision()?;
                // FLOAT(p) asks for p bits; more than 24 need a double. FLOAT(m,d) is a display width.
                let wide = !self.as_maxwell() && word == "float" && !scaled && digits.is_some_and(|p| p > 24);
                if wide { ColumnType::Double } else { ColumnType::Float }
            }
            "real" if self.real_is_float() => {
                self.precision()?;
                ColumnType::Float
            }
            "double" | "float8" | "real" => {
                self.tokens.eat_word("PRECISION");
                self.precision()?;
                ColumnType::Double
            }
            "decimal" | "numeric" | "dec" | "fixed" => {
                self.precision()?;
                ColumnType::Decimal
            }
            // MariaDB's Oracle types: NUMBER without digits is a double.
            "number" => match self.precision()? {
                (None, _) => ColumnType::Double,
                _ => ColumnType::Decimal,
            },
            "bit" => {
                self.tokens.skip_parentheses_if_any()?;
                ColumnType::Bit
            }
            _ => return Ok(None),
        };
        Ok(Some(ty.into()))
    }

    /// `(p)` or `(p, s)`: the first number, and whether there is a second.
    fn precision(&mut self) -> Parsed<(Option<u64>, bool)> {
        if !self.tokens.eat_symbol(b'(') {
            return Ok((None, false));
        }
        let digits = self.tokens.next().text.split('.').next().and_then(|n| n.parse().ok());
        let scaled = self.tokens.is_symbol(b',');
        while !self.tokens.is_symbol(b')') {
            if self.tokens.at_end() {
                return Err(self.tokens.unexpected("a closing parenthesis"));
            }
            self.tokens.next();
        }
        self.tokens.next();
        Ok((digits, scaled))
    }

    /// `(n)`, if it stands here. A length beyond 64 bits counts as the longest.
    fn length(&mut self) -> Parsed<Option<u64>> {
        if !self.tokens.eat_symbol(b'(') {
            return Ok(None);
        }
        let token = self.tokens.next();
        if token.kind != TokenKind::Number {
            return Err(self.tokens.unexpected("a length"));
        }
        self.tokens.expect_symbol(b')')?;
        Ok(Some(token.number().unwrap_or(u64::MAX)))
    }

    fn text_type(&mut self, word: &str) -> Parsed<Option<TypeClause>> {
        let ty = match word {
            "char" | "character" => {
                let kind = if self.tokens.eat_word("VARYING") { TextKind::Varchar } else { TextKind::Char };
                text(kind, self.length()?)
            }
            "varchar" | "varcharacter" | "varchar2" => text(TextKind::Varchar, self.length()?),
            "national" => return self.national_type().map(Some),
            "nchar" => {
                let kind = if self.tokens.eat_any(&["VARCHAR", "VARYING"]) { TextKind::Varchar } else { TextKind::Char };
                national(text(kind, self.length()?))
            }
            "nvarchar" => national(text(TextKind::Varchar, self.length()?)),
            "tinytext" => text(TextKind::Tiny, None),
            "text" => text(TextKind::Text, self.length()?),
            "mediumtext" => text(TextKind::Medium, None),
            "longtext" | "clob" => text(TextKind::Long, None),
            "long" => self.long_type(),
            "binary" => binary(BinaryKind::Binary, self.length()?),
            "varbinary" | "raw" => binary(BinaryKind::Varbinary, self.length()?),
            "tinyblob" => binary(BinaryKind::Tiny, None),
            "blob" => match self.length()? {
                // By the mode alone, whichever type system is named (tried).
                None if self.oracle_mode() => binary(BinaryKind::Long, None),
                length => binary(BinaryKind::Blob, length),
            },
            "mediumblob" => binary(BinaryKind::Medium, None),
            "longblob" => binary(BinaryKind::Long, None),
            "enum" => DeclaredType::Enum(self.labels()?).into(),
            "set" => DeclaredType::Set(self.labels()?).into(),
            _ => return Ok(None),
        };
        Ok(Some(ty))
    }

    /// `NATIONAL {CHAR | CHARACTER | VARCHAR | VARCHARACTER} [VARYING]`.
    fn national_type(&mut self) -> Parsed<TypeClause> {
        let kind = if self.tokens.eat_any(&["VARCHAR", "VARCHARACTER"]) {
            TextKind::Varchar
        } else if self.tokens.eat_any(&["CHAR", "CHARACTER"]) {
            if self.tokens.eat_word("VARYING") { TextKind::Varchar } else { TextKind::Char }
        } else {
            return Err(self.tokens.unexpected("CHAR or VARCHAR"));
        };
        Ok(national(text(kind, self.length()?)))
    }

    /// `LONG [VARCHAR | CHAR VARYING]` is MEDIUMTEXT, `LONG VARBINARY` is MEDIUMBLOB.
    fn long_type(&mut self) -> TypeClause {
        if self.tokens.eat_word("VARBINARY") {
            return binary(BinaryKind::Medium, None);
        }
        if !self.tokens.eat_any(&["VARCHAR", "VARCHARACTER"]) && !self.tokens.eat_words("CHAR", "VARYING") {
            self.tokens.eat_words("CHARACTER", "VARYING");
        }
        text(TextKind::Medium, None)
    }

    fn labels(&mut self) -> Parsed<Vec<Label>> {
        self.tokens.expect_symbol(b'(')?;
        let mut labels = Vec::new();
        loop {
            let token = self.tokens.next();
            if self.backslashes_are_doubtful() && token.text.contains('\\') {
                return Err(NotUnderstood("whether a backslash in a label is escaped is not certain".into()));
            }
            let text = if self.as_maxwell() { token.label_as_maxwell() } else { token.string(self.tokens.rules()) };
            let label = match text {
                Some(label) => Label::Text(label.into_owned()),
                None => Label::Bytes(token.bits().ok_or_else(|| self.tokens.unexpected("a label"))?),
            };
            labels.push(label);
            if !self.tokens.eat_symbol(b',') {
                break;
            }
        }
        self.tokens.expect_symbol(b')')?;
        Ok(labels)
    }

    fn other_type(&mut self, word: String, system: TypeSystem) -> Parsed<TypeClause> {
        let ty = match word.as_str() {
            "date" if system.oracle => ColumnType::Datetime { fraction: 0 },
            "date" => ColumnType::Date,
            "time" => ColumnType::Time { fraction: self.fraction()? },
            "datetime" => ColumnType::Datetime { fraction: self.fraction()? },
            "timestamp" if system.maxdb => ColumnType::Datetime { fraction: self.fraction()? },
            "timestamp" => ColumnType::Timestamp { fraction: self.fraction()? },
            "year" => {
                self.tokens.skip_parentheses_if_any()?;
                ColumnType::Year
            }
            "json" => ColumnType::Json,
            _ => match geometry(&word) {
                Some(name) => ColumnType::Geometry { name },
                None => {
                    // VECTOR(n), UUID, INET6 and whatever a plugin or a later server brings.
                    self.tokens.skip_parentheses_if_any()?;
                    ColumnType::Other { name: word, unsigned: false, charset: None }
                }
            },
        };
        Ok(ty.into())
    }

    fn fraction(&mut self) -> Parsed<u8> {
        let digits = self.length()?.unwrap_or(0);
        u8::try_from(digits).ok().filter(|d| *d <= 6).ok_or_else(|| self.tokens.unexpected("a precision of up to 6 digits"))
    }

    // ---- attributes ----

    /// One attribute, if one stands here. What follows the definition stays in hand.
    fn attribute(&mut self, def: &mut ColumnDef) -> Parsed<bool> {
        if self.tokens.at_clause_end() || self.tokens.is_any(&["FIRST", "AFTER", "PARTITION", "REMOVE"]) {
            return Ok(false);
        }
        let handled =
            self.charset_attribute(def)? || self.key_attribute(def)? || self.generated_attribute(def)? || self.value_attribute()?;
        if handled || self.storage_attribute()? {
            return Ok(true);
        }
        // MariaDB's engines define attributes of their own: name = value.
        if self.tokens.peek().name().is_some() && self.tokens.second().is_symbol(b'=') {
            self.tokens.next();
            self.tokens.next();
            self.tokens.skip_one()?;
            return Ok(true);
        }
        Err(self.tokens.unexpected("a column attribute"))
    }

    /// Sign and character set.
    fn charset_attribute(&mut self, def: &mut ColumnDef) -> Parsed<bool> {
        let tokens = &mut self.tokens;
        match () {
            // ZEROFILL implies UNSIGNED (MySQL manual, "Numeric Type Attributes").
            () if tokens.eat_word("UNSIGNED") => def.ty.make_unsigned(),
            () if tokens.is_word("ZEROFILL") => {
                if !tokens.rules().as_maxwell {
                    def.ty.make_unsigned();
                }
                tokens.next();
            }
            () if tokens.eat_word("SIGNED") => {}
            () if tokens.eat_word("ASCII") => def.charset.charset = Some(CharsetName::Named("latin1".into())),
            () if tokens.eat_word("UNICODE") => def.charset.charset = Some(CharsetName::Named("ucs2".into())),
            () if tokens.eat_word("BYTE") => {
                def.ty.make_binary();
                if matches!(def.ty, DeclaredType::Enum(_) | DeclaredType::Set(_)) {
                    def.charset.charset = Some(CharsetName::Named("binary".into()));
                }
            }
            // The attribute BINARY picks the `_bin` collation of whatever character set it is.
            () if tokens.eat_word("BINARY") => def.binary_collation = true,
            () => return self.charset_option(&mut def.charset),
        }
        Ok(true)
    }

    fn key_attribute(&mut self, def: &mut ColumnDef) -> Parsed<bool> {
        let tokens = &mut self.tokens;
        match () {
            () if tokens.eat_word("UNIQUE") => {
                tokens.eat_word("KEY");
            }
            () if tokens.eat_word("PRIMARY") => {
                tokens.eat_word("KEY");
                def.primary_key = true;
            }
            () if tokens.eat_word("KEY") => def.primary_key |= !tokens.rules().as_maxwell,
            () if tokens.eat_word("REFERENCES") => self.references()?,
            () if tokens.is_any(&["CONSTRAINT", "CHECK"]) => self.check(def)?,
            () => return Ok(false),
        }
        Ok(true)
    }

    /// `table [(columns)] [MATCH x] [ON DELETE | UPDATE action]`: a reference concerns nothing of this table.
    fn references(&mut self) -> Parsed<()> {
        self.tokens.name()?;
        if self.tokens.eat_symbol(b'.') {
            self.tokens.name()?;
        }
        self.tokens.skip_parentheses_if_any()?;
        loop {
            if self.tokens.eat_word("MATCH") {
                self.tokens.next();
            } else if self.tokens.is_word("ON") && self.tokens.second().is_any_word(&["DELETE", "UPDATE"]) {
                self.tokens.next();
                self.tokens.next();
                if !self.tokens.eat_words("SET", "NULL")
                    && !self.tokens.eat_words("SET", "DEFAULT")
                    && !self.tokens.eat_words("NO", "ACTION")
                {
                    self.tokens.next();
                }
            } else {
                return Ok(());
            }
        }
    }

    /// `[CONSTRAINT [name]] CHECK (expression) [[NOT] ENFORCED]`, or REFERENCES behind the name.
    fn check(&mut self, def: &mut ColumnDef) -> Parsed<()> {
        if self.tokens.eat_word("CONSTRAINT") && !self.tokens.is_any(&["CHECK", "REFERENCES"]) {
            self.tokens.name()?;
        }
        if self.tokens.eat_word("REFERENCES") {
            return self.references();
        }
        self.tokens.expect_word("CHECK")?;
        let is_json = self.is_mariadb() && self.is_json_check(&def.name);
        def.json_check |= is_json;
        def.other_check |= !is_json;
        self.tokens.skip_parentheses()?;
        if !self.tokens.eat_words("NOT", "ENFORCED") {
            self.tokens.eat_word("ENFORCED");
        }
        Ok(())
    }

    /// Whether exactly `(JSON_VALID(column))` stands here. The server keeps no further parentheses and no table before the
    /// column, so they make no difference (tried).
    fn is_json_check(&self, column: &str) -> bool {
        let mut ahead = self.tokens;
        let outer = eat_all(&mut ahead, b'(');
        if outer == 0 || !ahead.eat_word("JSON_VALID") {
            return false;
        }
        let inner = eat_all(&mut ahead, b'(');
        let Ok(mut name) = ahead.name() else { return false };
        while ahead.eat_symbol(b'.') {
            let Ok(next) = ahead.name() else { return false };
            name = next;
        }
        inner > 0 && name.to_lowercase() == column.to_lowercase() && (0..outer + inner).all(|_| ahead.eat_symbol(b')'))
    }

    /// Generated columns, and MariaDB's `WITH | WITHOUT SYSTEM VERSIONING`.
    fn generated_attribute(&mut self, def: &mut ColumnDef) -> Parsed<bool> {
        let tokens = &mut self.tokens;
        if tokens.is_any(&["WITH", "WITHOUT"]) && tokens.second().is_word("SYSTEM") {
            def.versioned |= tokens.next().is_word("WITH");
            tokens.next();
            tokens.expect_word("VERSIONING")?;
            return Ok(true);
        }
        let generated = tokens.eat_words("GENERATED", "ALWAYS");
        if !tokens.eat_word("AS") {
            return if generated { Err(tokens.unexpected("AS")) } else { Ok(false) };
        }
        if tokens.eat_word("ROW") {
            def.row_boundary = Some(if tokens.eat_word("START") {
                RowBoundary::Start
            } else {
                tokens.expect_word("END")?;
                RowBoundary::End
            });
            return Ok(true);
        }
        tokens.skip_parentheses()?;
        Ok(true)
    }

    /// NULL, DEFAULT, ON UPDATE and the like: what a column's values are.
    fn value_attribute(&mut self) -> Parsed<bool> {
        let tokens = &mut self.tokens;
        match () {
            () if tokens.eat_word("NOT") => {
                if !tokens.eat_word("NULL") && !tokens.eat_word("SECONDARY") {
                    return Err(tokens.unexpected("NULL"));
                }
            }
            () if tokens.eat_any(&["NULL", "AUTO_INCREMENT"]) => {}
            () if tokens.eat_words("SERIAL", "DEFAULT") => tokens.expect_word("VALUE")?,
            () if tokens.eat_word("DEFAULT") => self.default_value()?,
            () if tokens.eat_words("ON", "UPDATE") => self.default_value()?,
            () => return Ok(false),
        }
        Ok(true)
    }

    fn storage_attribute(&mut self) -> Parsed<bool> {
        let tokens = &mut self.tokens;
        let single = ["VIRTUAL", "STORED", "PERSISTENT", "VISIBLE", "INVISIBLE", "HIDDEN"];
        let with_value = ["COMMENT", "COLUMN_FORMAT", "STORAGE", "SRID", "REF_SYSTEM_ID", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"];
        if tokens.eat_any(&single) {
            return Ok(true);
        }
        if tokens.eat_any(&with_value) {
            tokens.eat_symbol(b'=');
            tokens.skip_one()?;
            return Ok(true);
        }
        // MySQL 9.7.
        if tokens.eat_words("MASKING", "POLICY") {
            tokens.name()?;
            tokens.skip_parentheses_if_any()?;
            return Ok(true);
        }
        if tokens.eat_word("COMPRESSED") {
            if tokens.eat_symbol(b'=') {
                tokens.skip_one()?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// One value: a literal with its sign or introducer, a function call, or anything in parentheses.
    fn default_value(&mut self) -> Parsed<()> {
        while self.tokens.is_symbol(b'-') || self.tokens.is_symbol(b'+') {
            self.tokens.next();
        }
        if self.tokens.eat_word("CASE") {
            return self.case_expression();
        }
        if self.tokens.eat_symbol(b'{') {
            while !self.tokens.eat_symbol(b'}') {
                if self.tokens.at_end() {
                    return Err(self.tokens.unexpected("a closing brace"));
                }
                self.tokens.next();
            }
            return Ok(());
        }
        if self.tokens.eat_words("NEXT", "VALUE") || self.tokens.eat_words("PREVIOUS", "VALUE") {
            self.tokens.expect_word("FOR")?;
        }
        let first = self.tokens.peek();
        if self.tokens.at_clause_end() {
            return Err(self.tokens.unexpected("a value"));
        }
        self.tokens.skip_one()?;
        if matches!(first.kind, TokenKind::Word | TokenKind::Quoted | TokenKind::DoubleQuoted) {
            // A qualified name, a call, or the string after an introducer.
            while self.tokens.eat_symbol(b'.') {
                self.tokens.next();
            }
            if !first.is_any_word(&["NULL", "TRUE", "FALSE"]) {
                self.tokens.skip_parentheses_if_any()?;
            }
        } else if first.kind == TokenKind::Symbol && first.text == "." {
            self.tokens.next();
        }
        while matches!(self.tokens.peek().kind, TokenKind::Str | TokenKind::DoubleQuoted | TokenKind::Bits) {
            self.tokens.next();
        }
        Ok(())
    }

    fn case_expression(&mut self) -> Parsed<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            if self.tokens.at_end() {
                return Err(self.tokens.unexpected("END"));
            }
            if self.tokens.is_word("CASE") {
                depth += 1;
            } else if self.tokens.is_word("END") {
                depth -= 1;
            }
            self.tokens.skip_one()?;
        }
        Ok(())
    }
}

/// NATIONAL CHAR is the character set `utf8`, whatever the table's is.
fn national(mut clause: TypeClause) -> TypeClause {
    clause.charset.charset = Some(CharsetName::Named("utf8".into()));
    clause
}

/// Maxwell's names of the geometry types; MySQL 8 also calls the collection GEOMCOLLECTION.
fn geometry(word: &str) -> Option<&'static str> {
    crate::schema::geometry_name(word)
}

impl DeclaredType {
    fn make_unsigned(&mut self) {
        if let DeclaredType::Settled(ColumnType::Int { unsigned, .. } | ColumnType::Other { unsigned, .. }) = self {
            *unsigned = true;
        }
    }

    /// `CHAR(n) BYTE` is BINARY(n), and so on for every text type. Labels become bytes: see the caller.
    fn make_binary(&mut self) {
        if let DeclaredType::Text { kind, length } = *self {
            let kind = match kind {
                TextKind::Char => BinaryKind::Binary,
                TextKind::Varchar => BinaryKind::Varbinary,
                TextKind::Tiny => BinaryKind::Tiny,
                TextKind::Text => BinaryKind::Blob,
                TextKind::Medium => BinaryKind::Medium,
                TextKind::Long => BinaryKind::Long,
            };
            *self = DeclaredType::Binary { kind, length };
        }
    }
}
