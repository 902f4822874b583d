//! One error type for the whole daemon.
//!
//! Lower code classifies a failure by what has to happen next; `daemon::supervise` is the one place that acts on the
//! class. The text has three parts: the message (what is wrong), the detail (where: `file:offset`, GTID, table, column)
//! and the hint (what to do).

use std::fmt;

/// What has to happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Back off and resume: a lost connection, a server that restarts.
    Transient,
    /// Stop and tell: trying again would give the same answer.
    Definite,
    /// Abort: a state that our own code must never reach.
    Bug,
}

/// A classified error with its place and a hint.
pub struct Error(Box<Inner>);

struct Inner {
    class: Class,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    exit_code: u8,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(class: Class, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { class, message: message.into(), detail: None, hint: None, exit_code: 1, source: None }))
    }

    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Class::Transient, message)
    }

    pub fn definite(message: impl Into<String>) -> Self {
        Self::new(Class::Definite, message)
    }

    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Class::Bug, message)
    }

    /// Where it happened. Several details are joined, the innermost first.
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.0.detail = Some(match self.0.detail.take() {
            Some(inner) => format!("{inner}, {detail}"),
            None => detail.to_string(),
        });
        self
    }

    /// What the user can do about it. The first hint given wins, because it was given nearest to the cause.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Adds to what the user can do: what is known only further away from the cause.
    pub fn more_hint(mut self, more: &str) -> Self {
        self.0.hint = Some(match self.0.hint.take() {
            Some(hint) => format!("{hint}; {more}"),
            None => more.to_owned(),
        });
        self
    }

    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The process's exit code if this error ends it (Maxwell: 1; 2 when the server refuses the binlog).
    pub fn exit_code(mut self, code: u8) -> Self {
        self.0.exit_code = code;
        self
    }

    pub fn into_class(mut self, class: Class) -> Self {
        self.0.class = class;
        self
    }

    pub fn class(&self) -> Class {
        self.0.class
    }

    pub fn is_transient(&self) -> bool {
        self.0.class == Class::Transient
    }

    pub fn code(&self) -> u8 {
        self.0.exit_code
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        if let Some(detail) = &self.0.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.class)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|s| &**s as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_message_detail_and_hint() {
        let e = Error::definite("binlog is no longer on the server")
            .detail("a.000001:4")
            .detail("client maxwell")
            .hint("give a new start")
            .hint("ignored");
        assert_eq!(e.to_string(), "binlog is no longer on the server (a.000001:4, client maxwell); hint: give a new start");
        assert_eq!(e.code(), 1);
    }
}
