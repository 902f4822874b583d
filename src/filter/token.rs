//! Words, quoted names and single characters of a filter text; nothing here knows what a rule is.
//!
//! The rules are those of the Java tokenizer that Maxwell uses (contract §7.1): ASCII letters, digits, `_` and
//! everything from U+00A0 on make words, `-` only inside a word; quotes are back-quote, single and double quote with C
//! escapes. Two differences: an unterminated quote is an error (there it ends at the line's end), and so is an
//! unterminated `/regex` (there it never returns).

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Char(char),
    End,
}

/// As Maxwell shows a token in its error texts.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(text) | Token::Quoted(text) => write!(f, "Token[{text}]"),
            Token::Char(c) => write!(f, "Token['{c}']"),
            Token::End => f.write_str("Token[EOF]"),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    rest: std::str::Chars<'a>,
    pub line: usize,
}

pub(super) fn starts_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c >= '\u{a0}'
}

pub(super) fn continues_word(c: char) -> bool {
    starts_word(c) || c == '-'
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Tokens { rest: text.chars(), line: 1 }
    }

    fn peek_char(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next_char(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    /// The next token and its line, without moving on.
    pub fn peek(&self) -> Result<(Token, usize), String> {
        let mut ahead = self.clone();
        let token = ahead.next()?;
        Ok((token, ahead.line))
    }

    pub fn next(&mut self) -> Result<Token, String> {
        while self.peek_char().is_some_and(|c| c <= ' ') {
            self.next_char();
        }
        let Some(first) = self.next_char() else { return Ok(Token::End) };
        if matches!(first, '`' | '\'' | '"') {
            return self.quoted(first);
        }
        if !starts_word(first) {
            return Ok(Token::Char(first));
        }
        let mut word = String::from(first);
        while let Some(c) = self.peek_char().filter(|c| continues_word(*c)) {
            word.push(c);
            self.next_char();
        }
        Ok(Token::Word(word))
    }

    fn quoted(&mut self, quote: char) -> Result<Token, String> {
        let line = self.line;
        let mut text = String::new();
        loop {
            match self.next_char() {
                Some(c) if c == quote => return Ok(Token::Quoted(text)),
                Some('\\') => match self.escape() {
                    Some(c) => text.push(c),
                    None => return Err(format!("unterminated {quote} quote, line {line}")),
                },
                Some('\n' | '\r') | None => return Err(format!("unterminated {quote} quote, line {line}")),
                Some(c) => text.push(c),
            }
        }
    }

    /// The character that an escape stands for; the backslash is already read.
    fn escape(&mut self) -> Option<char> {
        Some(match self.next_char()? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            first @ '0'..='7' => {
                let mut code = first as u32 - '0' as u32;
                let digits_max = if first <= '3' { 3 } else { 2 };
                for _ in 1..digits_max {
                    let Some(digit) = self.peek_char().and_then(|c| c.to_digit(8)) else { break };
                    self.next_char();
                    code = code * 8 + digit;
                }
                char::from_u32(code)?
            }
            other => other,
        })
    }

    /// The text up to the closing `/`; the opening one is already read. A `/` after a backslash does not close, and
    /// the backslash stays.
    pub fn regex(&mut self) -> Result<String, String> {
        let line = self.line;
        let mut text = String::new();
        loop {
            match self.next_char() {
                Some('/') if !text.ends_with('\\') => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(format!("unterminated regular expression /{text}, line {line}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token>, String> {
        let mut tokens = Tokens::new(text);
        let mut all = Vec::new();
        loop {
            match tokens.next()? {
                Token::End => return Ok(all),
                token => all.push(token),
            }
        }
    }

    #[test]
    fn cuts_words_quotes_and_characters() {
        use Token::*;
        let word = |t: &str| Word(t.into());
        let quoted = |t: &str| Quoted(t.into());
        for (text, want) in [
            ("", vec![]),
            (" \t\n ", vec![]),
            ("a-b.c_1", vec![word("a-b"), Char('.'), word("c_1")]),
            ("-a", vec![Char('-'), word("a")]),
            ("a$b", vec![word("a"), Char('$'), word("b")]),
            ("1é😀", vec![word("1é😀")]),
            ("\u{85}", vec![Char('\u{85}')]),
            (r"`a b`'it\'s'", vec![quoted("a b"), quoted("it's")]),
            (r#""\t\101\7x\477\\""#, vec![quoted("\tA\u{7}x\u{27}7\\")]),
            ("``", vec![quoted("")]),
        ] {
            assert_eq!(tokens(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn unterminated_quotes_and_regexes_are_errors() {
        assert_eq!(tokens("a\n 'abc"), Err("unterminated ' quote, line 2".into()));
        assert_eq!(tokens("`a\nb`"), Err("unterminated ` quote, line 1".into()));
        assert_eq!(tokens(r"'a\"), Err("unterminated ' quote, line 1".into()));
        assert_eq!(Tokens::new("abc").regex(), Err("unterminated regular expression /abc, line 1".into()));
        assert_eq!(Tokens::new(r"a\/b/.c").regex(), Ok(r"a\/b".into()));
        assert_eq!(Tokens::new("/").regex(), Ok(String::new()));
    }
}
