//! Where log lines go (standard error or a file), from which level on, and in which form: Maxwell's lines, or one JSON
//! object a line. What can change while the daemon runs is the level, and the file, which is opened anew.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{LogFormat, LogSettings, Note, NoteLevel};
use crate::error::{Error, Result};

use super::log_format::Lines;

/// The process's logging, once it is set up.
#[derive(Clone)]
pub struct Logging {
    levels: reload::Handle<Targets, Registry>,
    file: Option<Arc<LogFile>>,
}

/// Sets logging up for the process, then logs what the configuration has to say.
pub fn init(settings: &LogSettings, notes: &[Note]) -> Result<Logging> {
    let file = settings.file.as_deref().map(LogFile::open).transpose()?.map(Arc::new);
    let writer = match &file {
        Some(file) => BoxMakeWriter::new(file.clone()),
        None => BoxMakeWriter::new(io::stderr),
    };
    let (levels, handle) = reload::Layer::new(targets(settings.level));
    let registry = tracing_subscriber::registry().with(levels);
    let started = match settings.format {
        LogFormat::Text => registry.with(fmt::layer().event_format(Lines).with_writer(writer).with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(writer)).try_init(),
    };
    started.map_err(|e| Error::definite("logging cannot be set up").source(e))?;
    for note in notes {
        match note.level {
            NoteLevel::Warning => tracing::warn!("{}", note.text),
            NoteLevel::Info => tracing::info!("{}", note.text),
        }
    }
    Ok(Logging { levels: handle, file })
}

/// Libraries speak only from warnings on, unless the user asks for more than information.
fn targets(level: LevelFilter) -> Targets {
    let others = if level > LevelFilter::INFO { level } else { level.min(LevelFilter::WARN) };
    Targets::new().with_default(others).with_target("binlogd", level)
}

impl Logging {
    pub fn set_level(&self, level: LevelFilter) -> Result<()> {
        self.levels.reload(targets(level)).map_err(|e| Error::definite("the log level cannot be changed").source(e))
    }

    /// Goes on in a new file of the same name, after the old one was moved away. Without `log_file` nothing happens.
    pub fn reopen(&self) -> Result<()> {
        match &self.file {
            Some(file) => file.reopen(),
            None => Ok(()),
        }
    }
}

/// `log_file`: appended to.
struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    fn open(path: &Path) -> Result<Self> {
        Ok(LogFile { path: path.to_owned(), file: Mutex::new(append(path)?) })
    }

    fn reopen(&self) -> Result<()> {
        let new = append(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(|e| {
        Error::definite("log_file cannot be opened")
            .detail(path.display())
            .source(e)
            .hint("make its folder, and let the user that runs binlogd write there")
    })
}

impl Write for &LogFile {
    /// A line that the file does not take, because the disk is full, goes to standard error.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line);
        match written {
            Ok(()) => Ok(line.len()),
            Err(_) => io::stderr().write_all(line).map(|()| line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_appended_to_and_opened_anew() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.log");
        std::fs::write(&path, "before\n").expect("file");
        let log = LogFile::open(&path).expect("open");
        (&log).write_all(b"one\n").expect("write");
        let moved = folder.path().join("a.log.1");
        std::fs::rename(&path, &moved).expect("rename");
        (&log).write_all(b"two\n").expect("write");
        log.reopen().expect("open");
        (&log).write_all(b"three\n").expect("write");
        assert_eq!(std::fs::read_to_string(&moved).expect("file"), "before\none\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).expect("file"), "three\n");
        assert!(LogFile::open(&folder.path().join("none/a.log")).is_err());
    }
}
