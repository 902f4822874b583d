//! From a filter's text to its rules (contract §7.1), with Maxwell's error texts.
//!
//! One leniency, because guides write it (design §9): after a comma a bare `db.table` continues with the previous
//! rule's action, with a warning. Maxwell refuses such texts, so no valid filter changes its meaning.

use std::fmt;

use super::pattern::Pattern;
use super::token::{Token, Tokens};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Include,
    Exclude,
    /// Like exclude, and DDL of the table is not applied to the tracked schema either.
    Blacklist,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub action: Action,
    pub database: Pattern,
    pub table: Pattern,
    /// A column's name and the pattern of its value.
    pub column: Option<(String, Pattern)>,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Include => "include",
            Action::Exclude => "exclude",
            Action::Blacklist => "blacklist",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}.{}", self.action, self.database, self.table)?;
        match &self.column {
            Some((column, value)) => write!(f, ".{column}={value}"),
            None => Ok(()),
        }
    }
}

/// The rules of a text, and warnings about what was understood by leniency.
pub(super) fn parse(text: &str) -> Result<(Vec<Rule>, Vec<String>), String> {
    let mut parser = Parser { tokens: Tokens::new(text), warnings: Vec::new() };
    let mut rules: Vec<Rule> = Vec::new();
    let mut after_comma = false;
    while parser.tokens.peek()?.0 != Token::End {
        let previous = rules.last().map(|r| r.action).filter(|_| after_comma);
        rules.push(parser.rule(previous)?);
        after_comma = parser.skip_comma()?;
    }
    Ok((rules, parser.warnings))
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    warnings: Vec<String>,
}

impl Parser<'_> {
    fn rule(&mut self, previous: Option<Action>) -> Result<Rule, String> {
        let continued = match previous {
            Some(action) if self.is_bare_name()? => Some(action),
            _ => None,
        };
        let action = match continued {
            Some(action) => action,
            None => {
                let action = self.action()?;
                self.expect(':')?;
                action
            }
        };
        let database = self.pattern()?;
        self.expect('.')?;
        let table = self.pattern()?;
        let column = self.column()?;
        let rule = Rule { action, database, table, column };
        if continued.is_some() {
            let (_, bare) = rule.to_string().split_once(": ").map(|(a, b)| (a.to_string(), b.to_string())).unwrap_or_default();
            self.warnings.push(format!("'{bare}' in the filter has no action of its own and was read as '{rule}'; write it that way"));
        }
        Ok(rule)
    }

    /// Whether a pattern and a dot come next, not a keyword and a colon.
    fn is_bare_name(&self) -> Result<bool, String> {
        let mut ahead = self.tokens.clone();
        match ahead.next()? {
            Token::Char('/') => {
                ahead.regex()?;
            }
            Token::Word(_) | Token::Quoted(_) | Token::Char('*') => {}
            _ => return Ok(false),
        }
        Ok(ahead.next()? == Token::Char('.'))
    }

    fn action(&mut self) -> Result<Action, String> {
        let Token::Word(word) = self.tokens.next()? else {
            return Err("expected [include, exclude, blacklist] in filter definition.".into());
        };
        match word.to_ascii_lowercase().as_str() {
            "include" => Ok(Action::Include),
            "exclude" => Ok(Action::Exclude),
            "blacklist" => Ok(Action::Blacklist),
            _ => Err(format!("Unknown filter keyword: {word}")),
        }
    }

    fn expect(&mut self, want: char) -> Result<(), String> {
        match self.tokens.next()? {
            Token::Char(c) if c == want => Ok(()),
            other => Err(format!("Expected '{want}', saw: {other}, line {}", self.tokens.line)),
        }
    }

    fn pattern(&mut self) -> Result<Pattern, String> {
        match self.tokens.next()? {
            Token::Char('*') => Ok(Pattern::any()),
            Token::Char('/') => Pattern::regex(&self.tokens.regex()?),
            Token::Word(text) | Token::Quoted(text) => Pattern::text(&text),
            Token::Char(c) => Err(format!("Expected string or regexp, saw '{c}'")),
            Token::End => Err("Expected string or regexp, saw the end".into()),
        }
    }

    fn column(&mut self) -> Result<Option<(String, Pattern)>, String> {
        if self.tokens.peek()?.0 != Token::Char('.') {
            return Ok(None);
        }
        self.tokens.next()?;
        let name = match self.tokens.next()? {
            Token::Word(name) => name,
            other => return Err(format!("expected column name, got {other}")),
        };
        self.expect('=')?;
        Ok(Some((name, self.pattern()?)))
    }

    fn skip_comma(&mut self) -> Result<bool, String> {
        let comma = self.tokens.peek()?.0 == Token::Char(',');
        if comma {
            self.tokens.next()?;
        }
        Ok(comma)
    }
}
