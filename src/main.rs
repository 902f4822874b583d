//! Arguments → configuration → daemon → exit code; nothing else.

use std::io::Write;
use std::process::ExitCode;

use binlogd::config::{self, Exit, Invocation};
use binlogd::daemon;

fn main() -> ExitCode {
    match config::cli::parse(std::env::args_os().skip(1), std::env::vars_os()) {
        Ok(Invocation::Run(config)) => {
            daemon::logging::init(&config.logging, &config.notes).map_or_else(refused, |()| ended(daemon::run_daemon(*config)))
        }
        Ok(Invocation::Read(config)) => {
            daemon::logging::init(&config.logging, &config.notes).map_or_else(refused, |()| ended(daemon::run_read(*config)))
        }
        Ok(Invocation::Schema(asked)) => {
            let logging = daemon::logging::init(&asked.config.logging, &asked.config.notes);
            logging.map_or_else(refused, |()| match daemon::run_schema(*asked) {
                Ok(outcome) => {
                    say(&outcome.text);
                    ExitCode::from(outcome.code)
                }
                Err(error) => ended(Err(error)),
            })
        }
        Ok(Invocation::Version) => {
            say(&format!("binlogd {}\n", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Err(Exit { code, stdout, stderr }) => {
            say(&stdout);
            eprint!("{stderr}");
            ExitCode::from(code)
        }
    }
}

fn ended(result: binlogd::error::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.code())
        }
    }
}

fn refused(error: binlogd::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(error.code())
}

/// Help may be read by a program that stops reading; that is no failure of ours.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
