//! Log lines on stderr: text in Maxwell's shape (date, level, module, message) or one JSON object a line.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogSettings, Note, NoteLevel};
use crate::error::{Error, Result};

/// Sets logging up for the process, then logs what the configuration has to say.
pub fn init(settings: &LogSettings, notes: &[Note]) -> Result<()> {
    // Libraries speak only from warnings on, unless the user asks for more than information.
    let others = if settings.level > LevelFilter::INFO { settings.level } else { settings.level.min(LevelFilter::WARN) };
    let levels = Targets::new().with_default(others).with_target("binlogd", settings.level);
    let registry = tracing_subscriber::registry().with(levels);
    let started = match settings.format {
        LogFormat::Text => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
    started.map_err(|e| Error::definite("logging cannot be set up").source(e))?;
    for note in notes {
        match note.level {
            NoteLevel::Warning => tracing::warn!("{}", note.text),
            NoteLevel::Info => tracing::info!("{}", note.text),
        }
    }
    Ok(())
}
