//! Statement text to tokens: MySQL's and MariaDB's lexical rules, in one pass and without copies.
//!
//! Every token is a slice of the statement; values (unescaped strings, un-doubled names) are made on demand.
//! Nothing here knows grammar. The cost is linear in the text whatever it holds, and nothing recurses.
//! Sources: MySQL manual "Lexical Structure" and "Comments", `sql_lex.cc` of both servers for executable comments.

use std::borrow::Cow;

/// `sql_mode` bits as in the status variables of a query event.
pub const MODE_REAL_AS_FLOAT: u64 = 1;
pub const MODE_ANSI_QUOTES: u64 = 1 << 2;
/// MariaDB only; the bit is unused by the MySQL versions that we read.
pub const MODE_ORACLE: u64 = 1 << 9;
/// On MariaDB names may stand in square brackets, with `]]` for a bracket (tried); MySQL up to 5.7 has the mode without that.
pub const MODE_MSSQL: u64 = 1 << 10;
/// Makes a DATETIME of TIMESTAMP (MySQL 5.7 manual, "Server SQL Modes").
pub const MODE_MAXDB: u64 = 1 << 12;
pub const MODE_NO_BACKSLASH_ESCAPES: u64 = 1 << 20;
/// INTERPRET_UTF8_AS_UTF8MB4 of MySQL 9.7; MariaDB means something else by the bit.
pub const MODE_UTF8_IS_UTF8MB4: u64 = 1 << 33;
/// POSTGRESQL, ORACLE, MSSQL, DB2, MAXDB, NO_TABLE_OPTIONS, MYSQL323, MYSQL40 and ANSI.
pub const MODES_WITHOUT_OPTIONS: u64 = 0b1_1111 << 8 | 1 << 14 | 0b111 << 16;

/// Which server wrote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    #[default]
    MySql,
    MariaDb,
}

/// What decides how a text falls into tokens.
#[derive(Debug, Clone, Copy, Default)]
pub struct LexRules {
    /// Double quotes enclose identifiers, without backslash escapes.
    pub ansi_quotes: bool,
    /// A backslash in a string is an ordinary character.
    pub no_backslash_escapes: bool,
    /// Square brackets enclose identifiers too.
    pub brackets: bool,
    pub dialect: Dialect,
    /// Server version as a number, 8.0.34 = 80034; executable comments up to it are code.
    pub server_version: u32,
    /// Executable comments are comments like any other.
    pub plain_comments: bool,
    /// Names, labels and clauses as Maxwell's parser takes them.
    pub as_maxwell: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or an unquoted name.
    Word,
    /// A name in back-quotes or brackets.
    Quoted,
    /// Double quotes: a string, or a name where one is expected.
    DoubleQuoted,
    /// A string in single quotes, with its `N` prefix if it has one.
    Str,
    /// A decimal number without sign.
    Number,
    /// `0x…`, `x'…'`, `0b…` or `b'…'`.
    Bits,
    /// One ASCII character.
    Symbol,
    /// A quote that never closes; it reaches to the end of the text.
    Unterminated,
    /// The end of the text.
    End,
}

/// A slice of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: TokenKind,
    pub text: &'a str,
}

/// The state between two tokens; small and `Copy`, so that looking ahead is a copy.
#[derive(Debug, Clone, Copy)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    rules: LexRules,
    /// Executable comments that are open; their `*/` is not a token.
    open_comments: usize,
    /// The last token was a dot: a name follows, also one that begins like a number.
    after_dot: bool,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str, rules: LexRules) -> Self {
        Lexer { text, at: 0, rules, open_comments: 0, after_dot: false }
    }

    pub fn rules(&self) -> LexRules {
        self.rules
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at.saturating_add(ahead)).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next token; `End` for ever at the end.
    pub fn next_token(&mut self) -> Token<'a> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let Some(first) = self.byte(0) else {
            return Token { kind: TokenKind::End, text: "" };
        };
        let after_dot = std::mem::replace(&mut self.after_dot, false);
        let kind = match first {
            b'`' => self.quoted(b'`', false, TokenKind::Quoted),
            b'[' if self.rules.brackets => self.quoted(b']', false, TokenKind::Quoted),
            b'"' => self.quoted(b'"', !self.rules.ansi_quotes && !self.rules.no_backslash_escapes, TokenKind::DoubleQuoted),
            b'\'' => self.string(TokenKind::Str),
            b'n' | b'N' if self.byte(1) == Some(b'\'') => {
                self.at += 1;
                self.string(TokenKind::Str)
            }
            b'x' | b'X' | b'b' | b'B' if self.byte(1) == Some(b'\'') => {
                self.at += 1;
                self.string(TokenKind::Bits)
            }
            b'0'..=b'9' if !after_dot => self.number(),
            _ if is_name_byte(first) => {
                self.skip_name();
                TokenKind::Word
            }
            _ => {
                self.at += 1;
                self.after_dot = first == b'.';
                TokenKind::Symbol
            }
        };
        Token { kind, text: self.text.get(start..self.at).unwrap_or_default() }
    }

    fn string(&mut self, kind: TokenKind) -> TokenKind {
        self.quoted(b'\'', !self.rules.no_backslash_escapes, kind)
    }

    /// Reads from the opening quote to its closing one; a doubled quote does not close.
    fn quoted(&mut self, quote: u8, escapes: bool, kind: TokenKind) -> TokenKind {
        self.at += 1;
        loop {
            let rest = self.rest();
            let hit = if escapes { memchr::memchr2(quote, b'\\', rest) } else { memchr::memchr(quote, rest) };
            let Some(hit) = hit else {
                self.at = self.text.len();
                return TokenKind::Unterminated;
            };
            self.at += hit;
            if self.byte(0) == Some(b'\\') {
                // The escaped character may be longer than a byte; its other bytes are neither quote nor backslash.
                self.at = (self.at + 2).min(self.text.len());
            } else if self.byte(1) == Some(quote) {
                self.at += 2;
            } else {
                self.at += 1;
                return kind;
            }
        }
    }

    fn skip_name(&mut self) {
        while self.byte(0).is_some_and(is_name_byte) {
            self.at += 1;
        }
    }

    /// A number, or a name that begins with digits.
    fn number(&mut self) -> TokenKind {
        let start = self.at;
        self.skip_name();
        let run = self.text.as_bytes().get(start..self.at).unwrap_or_default();
        if run.iter().all(u8::is_ascii_digit) {
            if self.byte(0) == Some(b'.') && self.byte(1).is_some_and(|b| b.is_ascii_digit()) {
                self.at += 1;
                while self.byte(0).is_some_and(|b| b.is_ascii_digit()) {
                    self.at += 1;
                }
                self.exponent();
            }
            return TokenKind::Number;
        }
        match run {
            [b'0', b'x', hex @ ..] if !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit) => TokenKind::Bits,
            [b'0', b'b', bits @ ..] if !bits.is_empty() && bits.iter().all(|b| matches!(b, b'0' | b'1')) => TokenKind::Bits,
            [digits @ .., b'e' | b'E'] if digits.iter().all(u8::is_ascii_digit) => {
                // `1e+5`: the sign ends the run of name characters.
                self.at -= 1;
                if self.exponent() {
                    TokenKind::Number
                } else {
                    self.at += 1;
                    TokenKind::Word
                }
            }
            _ => {
                let mut parts = run.splitn(2, |b| matches!(b, b'e' | b'E'));
                let numeric = parts.by_ref().take(2).all(|part| part.iter().all(u8::is_ascii_digit));
                if numeric { TokenKind::Number } else { TokenKind::Word }
            }
        }
    }

    /// Reads `e`, an optional sign and digits, or nothing.
    fn exponent(&mut self) -> bool {
        if !matches!(self.byte(0), Some(b'e' | b'E')) {
            return false;
        }
        let sign = usize::from(matches!(self.byte(1), Some(b'+' | b'-')));
        if !self.byte(1 + sign).is_some_and(|b| b.is_ascii_digit()) {
            return false;
        }
        self.at += 1 + sign;
        while self.byte(0).is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        true
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c), _) => self.at += 1,
                (Some(b'#'), _) => self.skip_line(),
                // Two dashes are a comment only before a blank, a control character or the end.
                (Some(b'-'), Some(b'-')) if self.byte(2).is_none_or(|b| b <= b' ' || b == 0x7f) => self.skip_line(),
                (Some(b'/'), Some(b'*')) => self.comment(),
                (Some(b'*'), Some(b'/')) if self.open_comments > 0 => {
                    self.open_comments -= 1;
                    self.at += 2;
                }
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        self.at = memchr::memchr(b'\n', self.rest()).map_or(self.text.len(), |i| self.at + i + 1);
    }

    /// `/* … */` is skipped; `/*! … */` and MariaDB's `/*M! … */` are entered if this server runs their content.
    fn comment(&mut self) {
        let mariadb_only = matches!((self.byte(2), self.byte(3)), (Some(b'M' | b'm'), Some(b'!')));
        if self.byte(2) != Some(b'!') && !mariadb_only {
            return self.skip_comment(false);
        }
        let mark = if mariadb_only { 4 } else { 3 };
        let digits = (0..6).take_while(|&i| self.byte(mark + i).is_some_and(|b| b.is_ascii_digit())).count();
        let digits = if digits >= 5 { digits } else { 0 };
        let version = (0..digits).fold(0_u32, |n, i| n * 10 + u32::from(self.byte(mark + i).unwrap_or(b'0') - b'0'));
        if self.rules.plain_comments {
            return self.skip_comment(false);
        }
        if self.runs_comment(mariadb_only, (digits > 0).then_some(version)) {
            self.open_comments += 1;
            self.at += mark + digits;
        } else {
            self.skip_comment(true);
        }
    }

    fn runs_comment(&self, mariadb_only: bool, version: Option<u32>) -> bool {
        let Some(version) = version else { return !mariadb_only || self.rules.dialect == Dialect::MariaDb };
        match self.rules.dialect {
            Dialect::MySql => !mariadb_only && version <= self.rules.server_version,
            // MariaDB leaves MySQL 5.7 to 9.99 code alone, because its syntax went another way.
            Dialect::MariaDb => version <= self.rules.server_version && (mariadb_only || !(50700..=99999).contains(&version)),
        }
    }

    /// Skips from `/*` past its `*/`. Only an executable comment that is not executed can hold one more comment.
    fn skip_comment(&mut self, may_nest: bool) {
        self.at += 2;
        let mut depth = 1_usize;
        while depth > 0 {
            let Some(hit) = memchr::memchr2(b'*', b'/', self.rest()) else {
                self.at = self.text.len();
                return;
            };
            self.at += hit;
            match (self.byte(0), self.byte(1)) {
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                (Some(b'/'), Some(b'*')) if may_nest && depth == 1 => {
                    depth += 1;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

impl<'a> Token<'a> {
    /// Whether this is the keyword `word` (given in capitals), in any letter case.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_any_word(&self, words: &[&str]) -> bool {
        self.kind == TokenKind::Word && words.iter().any(|w| self.text.eq_ignore_ascii_case(w))
    }

    pub fn is_symbol(&self, symbol: u8) -> bool {
        self.kind == TokenKind::Symbol && self.text.as_bytes() == [symbol]
    }

    pub fn is_end(&self) -> bool {
        matches!(self.kind, TokenKind::End | TokenKind::Unterminated)
    }

    /// The name that this token stands for, if a name may be written so. Names are kept in utf8mb3: MySQL puts a question mark
    /// for each character beyond it, and MariaDB refuses the statement.
    pub fn name(&self) -> Option<Cow<'a, str>> {
        let name = match self.kind {
            TokenKind::Word => Cow::Borrowed(self.text),
            TokenKind::Quoted => undouble(inside(self.text), if self.text.starts_with('[') { ']' } else { '`' }),
            TokenKind::DoubleQuoted => undouble(inside(self.text), '"'),
            _ => return None,
        };
        let beyond = |c: char| c > '\u{ffff}';
        Some(if name.contains(beyond) { Cow::Owned(name.replace(beyond, "?")) } else { name })
    }

    /// The same as Maxwell 1.45.0 has it: doubled back quotes stay.
    pub fn name_as(&self, rules: LexRules) -> Option<Cow<'a, str>> {
        match self.kind {
            TokenKind::Quoted if rules.as_maxwell => Some(Cow::Borrowed(inside(self.text))),
            _ => self.name(),
        }
    }

    /// A label as Maxwell 1.45.0 keeps it: as it is spelled between its quotes, of which it takes another kind away where the
    /// label begins with one, with the character at its end (tried).
    pub fn label_as_maxwell(&self) -> Option<Cow<'a, str>> {
        let again = |label: &'a str| match label.strip_prefix(['"', '`']) {
            Some(rest) => rest.char_indices().next_back().map_or("", |(last, _)| &rest[..last]),
            None => label,
        };
        match self.kind {
            TokenKind::Str => Some(Cow::Borrowed(again(inside(self.text.strip_prefix(['n', 'N']).unwrap_or(self.text))))),
            TokenKind::DoubleQuoted => Some(Cow::Borrowed(inside(self.text))),
            _ => None,
        }
    }

    /// The string that this token stands for, with escapes resolved (MySQL manual, "String Literals").
    pub fn string(&self, rules: LexRules) -> Option<Cow<'a, str>> {
        match self.kind {
            TokenKind::Str => {
                let text = self.text.strip_prefix(['n', 'N']).unwrap_or(self.text);
                Some(unescape(inside(text), '\'', !rules.no_backslash_escapes))
            }
            TokenKind::DoubleQuoted => Some(unescape(inside(self.text), '"', !rules.no_backslash_escapes && !rules.ansi_quotes)),
            _ => None,
        }
    }

    /// The bytes of a hexadecimal or binary literal.
    pub fn bits(&self) -> Option<Vec<u8>> {
        if self.kind != TokenKind::Bits {
            return None;
        }
        let (radix_bits, digits) = match self.text.as_bytes() {
            [b'0', b'x', ..] => (4, self.text.get(2..)?),
            [b'0', b'b', ..] => (1, self.text.get(2..)?),
            [b'x' | b'X', ..] => (4, inside(self.text.get(1..)?)),
            _ => (1, inside(self.text.get(1..)?)),
        };
        let mut bits: Vec<u8> = Vec::with_capacity(digits.len() / (8 / radix_bits) + 1);
        let per_byte = 8 / radix_bits;
        // The last digit is the lowest, so bytes are cut from the end.
        for chunk in digits.as_bytes().rchunks(per_byte) {
            let mut byte = 0_u8;
            for digit in chunk {
                let value = char::from(*digit).to_digit(16).filter(|v| *v < (1 << radix_bits))?;
                byte = (byte << radix_bits) | u8::try_from(value).ok()?;
            }
            bits.push(byte);
        }
        bits.reverse();
        Some(bits)
    }

    /// A number that is small enough to be a length.
    pub fn number(&self) -> Option<u64> {
        if self.kind == TokenKind::Number { self.text.parse().ok() } else { None }
    }
}

/// The text between the first and the last byte, which are ASCII quotes.
fn inside(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

fn undouble(text: &str, quote: char) -> Cow<'_, str> {
    if !text.contains(quote) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == quote {
            chars.next();
        }
    }
    Cow::Owned(out)
}

fn unescape(text: &str, quote: char, escapes: bool) -> Cow<'_, str> {
    if !escapes || !text.contains('\\') {
        return undouble(text, quote);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            chars.next();
            out.push(c);
            continue;
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('0') => out.push('\0'),
            Some('b') => out.push('\u{8}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('Z') => out.push('\u{1a}'),
            // Wildcards keep their backslash outside of patterns.
            Some(wildcard @ ('%' | '_')) => out.extend(['\\', wildcard]),
            Some(other) => out.push(other),
            None => {}
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(text: &str, rules: LexRules) -> Vec<(TokenKind, &str)> {
        let mut lexer = Lexer::new(text, rules);
        std::iter::from_fn(|| {
            let token = lexer.next_token();
            (token.kind != TokenKind::End).then_some((token.kind, token.text))
        })
        .collect()
    }

    fn words(text: &str, rules: LexRules) -> String {
        lex(text, rules).into_iter().map(|(_, t)| t).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tokens_of_every_kind() {
        use TokenKind::*;
        let cases: &[(&str, &[(TokenKind, &str)])] = &[
            ("a$1 日本 1x 7e8", &[(Word, "a$1"), (Word, "日本"), (Word, "1x"), (Number, "7e8")]),
            ("`a``b`.\"c\"\"d\"", &[(Quoted, "`a``b`"), (Symbol, "."), (DoubleQuoted, "\"c\"\"d\"")]),
            ("'it''s' 'a\\'b' N'x'", &[(Str, "'it''s'"), (Str, "'a\\'b'"), (Str, "N'x'")]),
            ("1.5e3 -2E-4 .5", &[(Number, "1.5e3"), (Symbol, "-"), (Number, "2E-4"), (Symbol, "."), (Word, "5")]),
            ("0xAF x'00' 0b01 b'1' 0xzz", &[(Bits, "0xAF"), (Bits, "x'00'"), (Bits, "0b01"), (Bits, "b'1'"), (Word, "0xzz")]),
            ("db.1t", &[(Word, "db"), (Symbol, "."), (Word, "1t")]),
            ("'open", &[(Unterminated, "'open")]),
            ("'open\\", &[(Unterminated, "'open\\")]),
            ("_utf8mb4'x'", &[(Word, "_utf8mb4"), (Str, "'x'")]),
        ];
        for (text, expected) in cases {
            assert_eq!(lex(text, LexRules::default()), *expected, "{text}");
        }
    }

    #[test]
    fn comments_by_server_and_version() {
        let mysql = LexRules { server_version: 80034, ..LexRules::default() };
        let maria = LexRules { dialect: Dialect::MariaDb, server_version: 101100, ..LexRules::default() };
        let cases = [
            (mysql, "a /* x */ b -- c\nd # e\n--f", "a b d - - f"),
            (mysql, "a /*!50003 b */ c /*!90000 d */ e", "a b c e"),
            (mysql, "a /*! b */ /*M! c */ d", "a b d"),
            (mysql, "a /*!99999 x /* y */ z */ b", "a b"),
            (mysql, "a /* x /* y */ b", "a b"),
            (mysql, "a /*!080034 b*/", "a b"),
            (maria, "a /*!50003 b */ /*!50701 c */ /*!100100 d */ /*!120000 e */", "a b d"),
            (maria, "a /*M! b */ /*M!100100 c */ /*M!110500 d */", "a b c"),
            (mysql, "a /* never closed", "a"),
            (mysql, "a /*!50003 b", "a b"),
            (mysql, "a */ b", "a * / b"),
        ];
        for (rules, text, expected) in cases {
            assert_eq!(words(text, rules), expected, "{text}");
        }
    }

    #[test]
    fn values() {
        let rules = LexRules::default();
        let one = |text: &'static str, rules: LexRules| Lexer::new(text, rules).next_token();
        assert_eq!(one("`a``b`", rules).name().unwrap(), "a`b");
        assert_eq!(one("\"a\"\"b\"", rules).name().unwrap(), "a\"b");
        assert_eq!(one("'it''s \\\\ \\n \\% \\q'", rules).string(rules).unwrap(), "it's \\ \n \\% q");
        let plain = LexRules { no_backslash_escapes: true, ..rules };
        assert_eq!(one("'a\\n'", plain).string(plain).unwrap(), "a\\n");
        assert_eq!(one("x'414'", rules).bits().unwrap(), b"\x04\x14");
        assert_eq!(one("0b100000001", rules).bits().unwrap(), b"\x01\x01");
        assert_eq!(one("x'4g'", rules).bits(), None);
    }
}
