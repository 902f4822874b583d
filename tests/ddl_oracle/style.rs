//! How a statement is written: letter case, blanks, comments, quoting of names and strings, the client's character set.

use super::dice::Dice;

/// The session's state as far as it decides how text is written.
#[derive(Debug, Clone)]
pub struct Style {
    pub ansi_quotes: bool,
    pub no_backslash_escapes: bool,
    pub mariadb: bool,
    /// The server's version as a number, 8.0.34 = 80034.
    pub version: u32,
    /// Row metadata is MINIMAL.
    pub minimal: bool,
    /// The client's character set.
    pub client: &'static str,
}

impl Style {
    /// Whether the client can send this text.
    pub fn can_send(&self, text: &str) -> bool {
        encode(self.client, text).is_some()
    }
}

impl Style {
    /// Whether the server has this character set, or the one of this collation.
    pub fn knows(&self, name: &str) -> bool {
        let (mariadb, version) = (self.mariadb, self.version);
        match name {
            n if n.starts_with("gb18030") || n == "utf8_tolower_ci" => !mariadb && version >= 50_700,
            n if n.contains("uca1400") => mariadb && version >= 101_000,
            n if n.contains("nopad") => mariadb,
            n if n.contains("_0900_") => !mariadb && version >= 80_000 || version >= 110_400 && mariadb,
            n if n.starts_with("utf8mb3_") => mariadb || version >= 80_030,
            "utf8mb3" => mariadb || version >= 80_000,
            _ => true,
        }
    }
}

/// Text in a client's character set; `None` for what it lacks. Of the wide ones only what the tests use is known.
pub fn encode(charset: &str, text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() || matches!(charset, "utf8" | "utf8mb4") {
        return Some(text.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match (charset, c) {
            (_, c) if c.is_ascii() => out.push(c as u8),
            ("latin1", '\u{a0}'..='\u{ff}') => out.push(c as u8),
            ("cp1251", 'А'..='я') => out.push((u32::from(c) - 0x410 + 0xc0) as u8),
            // A second byte that is a backslash.
            ("sjis" | "cp932", '表') => out.extend([0x95, 0x5c]),
            ("sjis" | "cp932", 'ソ') => out.extend([0x83, 0x5c]),
            ("gbk", '誠') => out.extend([0xd5, 0x5c]),
            ("gbk", '表') => out.extend([0xb1, 0xed]),
            ("big5", '許') => out.extend([0xb3, 0x5c]),
            _ => return None,
        }
    }
    Some(out)
}

/// One statement being written.
pub struct Text<'a> {
    pub style: &'a Style,
    pub dice: &'a mut Dice,
    out: String,
    /// Columns, in lower case, that earlier clauses of the statement took away or changed.
    pub used: Vec<String>,
    /// Whether odd spellings are used at all.
    fancy: bool,
    /// An executable comment that is open.
    open_comment: bool,
}

const COMMENTS: [&str; 6] = ["/* c */", "/**/", "/* ), ' ` \" */", "-- x'\n", "# y`\n", "/* 表 */"];

impl<'a> Text<'a> {
    pub fn new(style: &'a Style, dice: &'a mut Dice) -> Self {
        let fancy = dice.percent(40);
        Text { style, dice, out: String::new(), used: Vec::new(), fancy, open_comment: false }
    }

    pub fn finish(mut self) -> String {
        if std::mem::take(&mut self.open_comment) {
            self.out.push_str(" */");
        }
        if self.fancy {
            match self.dice.below(12) {
                0 => self.out.push_str(" ;"),
                1 => self.out.push_str("-- end"),
                2 => self.out.push_str(" /* end */"),
                _ => {}
            }
        }
        self.out
    }

    fn gap(&mut self) {
        if !self.fancy {
            self.out.push(' ');
            return;
        }
        match self.dice.below(24) {
            0 => self.out.push_str("\n\t"),
            1 => {
                let comment = self.dice.pick(&COMMENTS);
                self.out.push(' ');
                self.out.push_str(if self.style.can_send(comment) { comment } else { "/* c */" });
                self.out.push(' ');
            }
            2 if !self.open_comment => {
                let open = match (self.style.mariadb, self.dice.below(4)) {
                    (_, 0) => "/*! ",
                    (false, 1) => "/*!50003 ",
                    (false, 2) if self.style.version >= 80_000 => "/*!080000 ",
                    (true, 1) => "/*M! ",
                    (true, 2) => "/*M!100100 ",
                    (true, 3) => "/*!100100 ",
                    _ => "/*!40101 ",
                };
                self.out.push(' ');
                self.out.push_str(open);
                self.open_comment = true;
            }
            3 => self.out.push_str(if self.style.mariadb { " /*!50701 bad ( */ " } else { " /*!99999 bad ( */ " }),
            4 if self.open_comment => {
                self.out.push_str(" */ ");
                self.open_comment = false;
            }
            _ => self.out.push(' '),
        }
    }

    /// Keywords and whatever needs no quoting, blanks between them as in `words`.
    pub fn kw(&mut self, words: &str) -> &mut Self {
        for word in words.split(' ').filter(|w| !w.is_empty()) {
            self.gap();
            match if self.fancy { self.dice.below(3) } else { 0 } {
                1 => self.out.push_str(&word.to_ascii_lowercase()),
                2 => self.out.extend(word.chars().map(|c| if self.dice.percent(50) { c.to_ascii_lowercase() } else { c })),
                _ => self.out.push_str(word),
            }
        }
        self
    }

    /// Exactly this, with a blank before it.
    pub fn raw(&mut self, text: &str) -> &mut Self {
        self.out.push(' ');
        self.out.push_str(text);
        self
    }

    /// A name, in one of the ways that the session allows.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.gap();
        self.bare_name(name);
        self
    }

    fn bare_name(&mut self, name: &str) {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii())
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !RESERVED.contains(&name.to_ascii_lowercase().as_str());
        match self.dice.below(3) {
            0 if plain => self.out.push_str(name),
            1 if self.style.ansi_quotes => self.out.push_str(&format!("\"{}\"", name.replace('"', "\"\""))),
            _ => self.out.push_str(&format!("`{}`", name.replace('`', "``"))),
        }
    }

    /// `database.table`, or only the table's name.
    pub fn table(&mut self, database: Option<&str>, table: &str) -> &mut Self {
        self.gap();
        if let Some(database) = database {
            self.bare_name(database);
            self.out.push_str(if self.fancy && self.dice.percent(10) { " . " } else { "." });
        }
        self.bare_name(table);
        self
    }

    /// A string literal.
    pub fn string(&mut self, text: &str) -> &mut Self {
        let literal = self.literal(text);
        self.raw(&literal)
    }

    pub fn literal(&mut self, text: &str) -> String {
        let quote = if !self.style.ansi_quotes && self.dice.percent(25) { '"' } else { '\'' };
        let mut out = String::from(quote);
        for c in text.chars() {
            match c {
                c if c == quote => {
                    if !self.style.no_backslash_escapes && self.dice.percent(50) {
                        out.push('\\');
                        out.push(c);
                    } else {
                        out.push(c);
                        out.push(c);
                    }
                }
                '\\' if !self.style.no_backslash_escapes => out.push_str("\\\\"),
                '\n' if !self.style.no_backslash_escapes => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push(quote);
        out
    }

    pub fn comma(&mut self) -> &mut Self {
        self.out.push(',');
        self
    }

    pub fn open(&mut self) -> &mut Self {
        self.out.push_str(" (");
        self
    }

    pub fn close(&mut self) -> &mut Self {
        self.out.push(')');
        self
    }

    /// Exactly this, with no blank before it, in so many of a hundred cases.
    pub fn out_maybe(&mut self, chance: u64, text: &str) -> &mut Self {
        if self.dice.percent(chance) {
            self.out.push_str(text);
        }
        self
    }

    /// One of these that the server knows, or rarely one that it does not.
    pub fn known(&mut self, names: &[&'static str]) -> &'static str {
        let name = self.dice.pick(names);
        if self.style.knows(name) || self.dice.percent(4) { name } else { self.known(names) }
    }

    /// One of these, in so many of a hundred cases.
    pub fn maybe(&mut self, chance: u64, choices: &[&str]) -> &mut Self {
        if self.dice.percent(chance) {
            let words = self.dice.pick(choices);
            self.kw(words);
        }
        self
    }
}

const RESERVED: &[&str] = &[
    "select",
    "from",
    "order",
    "key",
    "table",
    "rank",
    "system",
    "user",
    "limit",
    "group",
    "add",
    "column",
    "primary",
    "like",
    "check",
    "partition",
];
