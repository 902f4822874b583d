//! What is wrong in a configuration, collected so that all of it is told at once; and what is only worth saying.

use std::fmt;

use super::layers::Origin;

/// One fault: what, where, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub what: String,
    pub origin: Option<Origin>,
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteLevel {
    /// The user should change something.
    Warning,
    /// Good to know.
    Info,
}

/// A sentence about a configuration that works. Handed over and not logged here, because logging is not set up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub level: NoteLevel,
    pub text: String,
}

/// Faults and notes in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub faults: Vec<Fault>,
    pub notes: Vec<Note>,
}

impl Findings {
    pub fn fault(&mut self, what: impl Into<String>, origin: Option<&Origin>, hint: Option<String>) {
        let fault = Fault { what: what.into(), origin: origin.cloned(), hint };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    pub fn warn(&mut self, text: impl Into<String>) {
        self.notes.push(Note { level: NoteLevel::Warning, text: text.into() });
    }

    pub fn info(&mut self, text: impl Into<String>) {
        self.notes.push(Note { level: NoteLevel::Info, text: text.into() });
    }
}
