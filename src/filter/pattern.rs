//! One pattern of a rule: for a database, a table or a column's value.
//!
//! As in Maxwell a pattern is known by its regular expression: `*` is the empty one, a word or quoted text is
//! `^TEXT$` **without** escaping what is special in it, and `/re/` is taken as it is.

use std::fmt;

use super::java_regex::{self, Compiled};
use super::token::{continues_word, starts_word};

#[derive(Debug, Clone)]
pub struct Pattern {
    regex: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    /// The empty expression.
    Any,
    /// `^TEXT$` with nothing special in TEXT.
    Exact(String),
    Regex(Compiled),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex == other.regex
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// `*`
    pub(super) fn any() -> Self {
        Pattern { regex: String::new(), matcher: Matcher::Any }
    }

    /// A word or a quoted text.
    pub(super) fn text(text: &str) -> Result<Self, String> {
        if !text.contains(|c| r"\^$.|?*+()[]{}".contains(c)) {
            return Ok(Pattern { regex: format!("^{text}$"), matcher: Matcher::Exact(text.into()) });
        }
        Self::regex(&format!("^{text}$"))
    }

    /// The inside of `/…/`.
    pub(super) fn regex(regex: &str) -> Result<Self, String> {
        if regex.is_empty() {
            return Ok(Self::any());
        }
        let compiled = java_regex::compile(regex).map_err(|e| format!("Invalid regular expression: /{regex}/: {e}"))?;
        Ok(Pattern { regex: regex.into(), matcher: Matcher::Regex(compiled) })
    }

    pub(super) fn is_any(&self) -> bool {
        matches!(self.matcher, Matcher::Any)
    }

    /// `null` in any letter case: as a column's value it stands for SQL NULL.
    pub(super) fn is_null(&self) -> bool {
        self.regex.eq_ignore_ascii_case("^null$")
    }

    /// Whether a database's or table's name matches. A pattern that gives up on a name does not match it.
    pub(super) fn matches_name(&self, name: &str) -> bool {
        self.find(name.as_bytes()).unwrap_or(false)
    }

    /// Whether the pattern is found in the text; `None` when it took too many steps.
    pub(super) fn find(&self, text: &[u8]) -> Option<bool> {
        match &self.matcher {
            Matcher::Any => Some(true),
            Matcher::Exact(exact) => Some(exact.as_bytes() == text),
            Matcher::Regex(compiled) => compiled.find(text),
        }
    }
}

/// Maxwell's rendering: `*`, the bare text, or `/re/`. A text that could not be read back bare is quoted.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("*");
        }
        match self.regex.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) {
            Some(text) if text.starts_with(starts_word) && text.chars().all(continues_word) => f.write_str(text),
            Some(text) => {
                f.write_str("`")?;
                for c in text.chars() {
                    match c {
                        '\\' | '`' => write!(f, "\\{c}")?,
                        '\n' => f.write_str("\\n")?,
                        '\r' => f.write_str("\\r")?,
                        _ => write!(f, "{c}")?,
                    }
                }
                f.write_str("`")
            }
            None => write!(f, "/{}/", self.regex),
        }
    }
}
