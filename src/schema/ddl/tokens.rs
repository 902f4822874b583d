//! A reader over tokens with one token in hand: the small steps that every clause is parsed with.
//!
//! Invariant: no step recurses, and each consumes what it returns, so parsing is linear in the statement.

use super::lexer::{LexRules, Lexer, Token, TokenKind};

/// Why a statement was not understood, in words for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUnderstood(pub String);

pub type Parsed<T> = Result<T, NotUnderstood>;

#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    current: Token<'a>,
    lexer: Lexer<'a>,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str, rules: LexRules) -> Self {
        let mut lexer = Lexer::new(text, rules);
        let current = lexer.next_token();
        Tokens { current, lexer }
    }

    pub fn rules(&self) -> LexRules {
        self.lexer.rules()
    }

    pub fn peek(&self) -> Token<'a> {
        self.current
    }

    /// The token after the one in hand.
    pub fn second(&self) -> Token<'a> {
        let mut ahead = self.lexer;
        ahead.next_token()
    }

    pub fn next(&mut self) -> Token<'a> {
        let token = self.current;
        self.current = self.lexer.next_token();
        token
    }

    pub fn is_word(&self, word: &str) -> bool {
        self.current.is_word(word)
    }

    pub fn is_any(&self, words: &[&str]) -> bool {
        self.current.is_any_word(words)
    }

    /// Whether the token in hand and the next are these two keywords.
    pub fn are_words(&self, first: &str, second: &str) -> bool {
        self.is_word(first) && self.second().is_word(second)
    }

    pub fn is_symbol(&self, symbol: u8) -> bool {
        self.current.is_symbol(symbol)
    }

    pub fn eat_word(&mut self, word: &str) -> bool {
        let hit = self.is_word(word);
        if hit {
            self.next();
        }
        hit
    }

    pub fn eat_any(&mut self, words: &[&str]) -> bool {
        let hit = self.is_any(words);
        if hit {
            self.next();
        }
        hit
    }

    pub fn eat_words(&mut self, first: &str, second: &str) -> bool {
        let hit = self.are_words(first, second);
        if hit {
            self.next();
            self.next();
        }
        hit
    }

    pub fn eat_symbol(&mut self, symbol: u8) -> bool {
        let hit = self.is_symbol(symbol);
        if hit {
            self.next();
        }
        hit
    }

    pub fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    pub fn expect_symbol(&mut self, symbol: u8) -> Parsed<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("{:?}", char::from(symbol)))) }
    }

    /// `IF EXISTS`, if it stands here.
    pub fn eat_if_exists(&mut self) -> bool {
        self.eat_words("IF", "EXISTS")
    }

    /// `IF NOT EXISTS`, if it stands here.
    pub fn eat_if_not_exists(&mut self) -> bool {
        if !self.are_words("IF", "NOT") {
            return false;
        }
        self.next();
        self.next();
        self.eat_word("EXISTS")
    }

    /// MariaDB's `WAIT n` or `NOWAIT`, if it stands here.
    pub fn eat_wait(&mut self) {
        if self.eat_word("NOWAIT") {
            return;
        }
        if self.is_word("WAIT") && self.second().kind == TokenKind::Number {
            self.next();
            self.next();
        }
    }

    /// An unqualified name.
    pub fn name(&mut self) -> Parsed<String> {
        match self.current.name_as(self.rules()) {
            Some(name) => {
                let name = name.into_owned();
                self.next();
                Ok(name)
            }
            None => Err(self.unexpected("a name")),
        }
    }

    /// A name or a string: what character sets, collations and option values may be written as.
    pub fn name_or_string(&mut self) -> Parsed<String> {
        match self.current.string(self.rules()) {
            Some(text) => {
                let text = text.into_owned();
                self.next();
                Ok(text)
            }
            None => self.name(),
        }
    }

    /// From the opening parenthesis in hand past its closing one.
    pub fn skip_parentheses(&mut self) -> Parsed<()> {
        self.expect_symbol(b'(')?;
        let mut depth = 1_usize;
        while depth > 0 {
            let token = self.next();
            if token.is_end() {
                return Err(NotUnderstood("a parenthesis never closes".into()));
            }
            if token.is_symbol(b'(') {
                depth += 1;
            } else if token.is_symbol(b')') {
                depth -= 1;
            }
        }
        Ok(())
    }

    pub fn skip_parentheses_if_any(&mut self) -> Parsed<()> {
        if self.is_symbol(b'(') { self.skip_parentheses() } else { Ok(()) }
    }

    /// Past one token, or past a whole parenthesised group.
    pub fn skip_one(&mut self) -> Parsed<()> {
        if self.is_symbol(b'(') {
            return self.skip_parentheses();
        }
        if self.current.kind == TokenKind::Unterminated {
            return Err(self.unexpected("a closed quote"));
        }
        self.next();
        Ok(())
    }

    /// To the comma or closing parenthesis that ends this clause, which stays in hand, or to the end.
    pub fn skip_clause(&mut self) -> Parsed<()> {
        while !self.at_clause_end() {
            self.skip_one()?;
        }
        Ok(())
    }

    pub fn at_clause_end(&self) -> bool {
        self.at_end() || self.is_symbol(b',') || self.is_symbol(b')')
    }

    /// To the end of the statement.
    pub fn skip_rest(&mut self) -> Parsed<()> {
        while !self.at_end() {
            self.skip_one()?;
        }
        Ok(())
    }

    /// At the end of the text, or at a semicolon.
    pub fn at_end(&self) -> bool {
        self.current.kind == TokenKind::End || self.is_symbol(b';')
    }

    pub fn expect_end(&self) -> Parsed<()> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }

    /// An error that names what was wanted and what stands there instead; text of strings is not repeated.
    pub fn unexpected(&self, wanted: &str) -> NotUnderstood {
        let found = match self.current.kind {
            TokenKind::Word | TokenKind::Quoted | TokenKind::Symbol | TokenKind::Number => {
                format!("`{}`", self.current.text.chars().take(64).collect::<String>())
            }
            TokenKind::DoubleQuoted | TokenKind::Str | TokenKind::Bits => "a literal".into(),
            TokenKind::Unterminated => "a quote that never closes".into(),
            TokenKind::End => "the end".into(),
        };
        NotUnderstood(format!("{wanted} expected, {found} found"))
    }
}
