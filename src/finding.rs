//! The outcome of one check before the start: what was found, where, and what mends it. `server`, `store` and `producer`
//! make findings; the daemon's start stops at faults, `binlogd check` prints all of them. Never here: how anything is
//! checked, or how findings are shown.

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ok,
    /// The daemon starts, but the user should know.
    Warning,
    /// The daemon does not start, or stops at the first row.
    Fault,
    /// It could not be found out; the text says why.
    NotChecked,
}

/// Something the user can do, each of a kind that says where to do it. Texts are complete: to copy and paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// A statement for the server that the finding is about, by an administrator.
    Sql(String),
    /// A line for the server's configuration file (my.cnf, section mysqld).
    ServerFile(String),
    /// A line for our configuration.
    Option(String),
    /// A command of Kafka's tools or of the shell.
    Shell(String),
    Words(String),
}

impl Mend {
    pub fn text(&self) -> &str {
        match self {
            Mend::Sql(text) | Mend::ServerFile(text) | Mend::Option(text) | Mend::Shell(text) | Mend::Words(text) => text,
        }
    }

    /// One word for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Mend::Sql(_) => "sql",
            Mend::ServerFile(_) => "my.cnf",
            Mend::Option(_) => "option",
            Mend::Shell(_) => "shell",
            Mend::Words(_) => "do",
        }
    }

    /// As a part of a sentence.
    fn sentence(&self) -> String {
        match self {
            Mend::ServerFile(line) => format!("{line} in the server's configuration"),
            Mend::Option(line) => format!("{line} in the configuration"),
            other => other.text().trim_end_matches(';').to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub state: State,
    /// What was checked, in one or two words.
    pub check: String,
    pub text: String,
    /// The server, file or folder that it is about; may be empty.
    pub place: String,
    pub mends: Vec<Mend>,
    /// The exit code of a start that fails by this: 2 when the server would refuse the binlog, else 1.
    pub exit_code: u8,
}

impl Finding {
    fn new(state: State, check: impl Into<String>, text: impl Into<String>) -> Self {
        Finding { state, check: check.into(), text: text.into(), place: String::new(), mends: Vec::new(), exit_code: 1 }
    }

    pub fn ok(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Ok, check, text)
    }

    pub fn warning(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Warning, check, text)
    }

    pub fn fault(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Fault, check, text)
    }

    pub fn not_checked(check: impl Into<String>, because: impl Into<String>) -> Self {
        Self::new(State::NotChecked, check, because)
    }

    /// A fault from an error; its hint becomes what mends it.
    pub fn error(check: impl Into<String>, error: &Error) -> Self {
        let whole = error.to_string();
        let (text, mend) = match error.hint_text() {
            Some(hint) => (whole.strip_suffix(&format!("; hint: {hint}")).unwrap_or(&whole), Some(Mend::Words(hint.to_owned()))),
            None => (whole.as_str(), None),
        };
        let mut finding = Self::fault(check, text);
        finding.mends.extend(mend);
        finding.exit_code = error.code();
        finding
    }

    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    pub fn mend(mut self, mend: Mend) -> Self {
        self.mends.push(mend);
        self
    }

    pub fn sql(self, statement: impl Into<String>) -> Self {
        self.mend(Mend::Sql(statement.into()))
    }

    pub fn server_file(self, line: impl Into<String>) -> Self {
        self.mend(Mend::ServerFile(line.into()))
    }

    pub fn option(self, line: impl Into<String>) -> Self {
        self.mend(Mend::Option(line.into()))
    }

    pub fn shell(self, command: impl Into<String>) -> Self {
        self.mend(Mend::Shell(command.into()))
    }

    pub fn words(self, text: impl Into<String>) -> Self {
        self.mend(Mend::Words(text.into()))
    }

    pub fn exit_code(mut self, code: u8) -> Self {
        self.exit_code = code;
        self
    }

    pub fn is(&self, state: State) -> bool {
        self.state == state
    }

    /// All that mends it, in one sentence for the log.
    pub fn hint(&self) -> String {
        self.mends.iter().map(Mend::sentence).collect::<Vec<_>>().join(", and ")
    }
}

/// The exit code that these findings mean: 0 without a fault, 2 if the server would refuse the binlog.
pub fn exit_code<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> u8 {
    findings.into_iter().filter(|f| f.is(State::Fault)).map(|f| f.exit_code).max().unwrap_or(0)
}

/// One definite error with all faults.
///
/// # Errors
/// When there is a fault.
pub fn no_fault(findings: &[Finding]) -> Result<()> {
    let faults: Vec<&Finding> = findings.iter().filter(|f| f.is(State::Fault)).collect();
    if faults.is_empty() {
        return Ok(());
    }
    let messages: Vec<&str> = faults.iter().map(|f| f.text.as_str()).collect();
    let hints: Vec<String> = faults.iter().map(|f| f.hint()).filter(|h| !h.is_empty()).collect();
    let error = Error::definite(messages.join("; ")).exit_code(exit_code(faults.iter().copied()));
    Err(if hints.is_empty() { error } else { error.hint(hints.join("; ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_become_one_error_and_the_refused_binlog_decides_its_code() {
        let findings = [
            Finding::ok("a", "fine"),
            Finding::warning("b", "hm"),
            Finding::fault("c", "x is wrong").sql("SET GLOBAL x = 1;").server_file("x=1"),
            Finding::fault("d", "y is missing").sql("GRANT y;").exit_code(2),
        ];
        assert_eq!(exit_code(&findings), 2);
        assert_eq!(exit_code(&findings[..3]), 1);
        assert_eq!(exit_code(&findings[..2]), 0);
        assert!(no_fault(&findings[..2]).is_ok());
        let error = no_fault(&findings).unwrap_err();
        assert_eq!(error.code(), 2);
        assert_eq!(error.to_string(), "x is wrong; y is missing; hint: SET GLOBAL x = 1, and x=1 in the server's configuration; GRANT y");
    }

    #[test]
    fn an_error_keeps_its_hint_apart() {
        let error = Error::definite("no").detail("there").hint("do it").exit_code(2);
        let finding = Finding::error("z", &error);
        assert_eq!((finding.text.as_str(), finding.hint().as_str(), finding.exit_code), ("no (there)", "do it", 2));
    }
}
