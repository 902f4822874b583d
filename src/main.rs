//! Arguments → configuration → daemon → exit code; nothing else.

use std::io::Write;
use std::process::ExitCode;

use binlogd::config::{self, Config, Exit, Invocation};
use binlogd::daemon::background::{self, Started};
use binlogd::daemon::{self, logging};
use binlogd::error::Result;

fn main() -> ExitCode {
    match invocation() {
        Ok(Invocation::Run(config)) if config.background && !background::is_background() => in_background(),
        Ok(Invocation::Run(config)) => run(*config),
        Ok(Invocation::Read(config)) => {
            logging::init(&config.logging, &config.notes).map_or_else(refused, |_| ended(daemon::run_read(*config)))
        }
        Ok(Invocation::Schema(asked)) => {
            let logging = logging::init(&asked.config.logging, &asked.config.notes);
            logging.map_or_else(refused, |_| match daemon::run_schema(*asked) {
                Ok(outcome) => {
                    say(&outcome.text);
                    ExitCode::from(outcome.code)
                }
                Err(error) => ended(Err(error)),
            })
        }
        Ok(Invocation::Position(config)) => {
            logging::init(&config.daemon.logging, &config.daemon.notes).map_or_else(refused, |_| ended(daemon::run_position(*config)))
        }
        Ok(Invocation::Check(check)) => match daemon::check::run_check(*check) {
            Ok(code) => ExitCode::from(code),
            Err(error) => refused(error),
        },
        Ok(Invocation::Print(text)) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(Exit { code, stdout, stderr }) => {
            say(&stdout);
            eprint!("{stderr}");
            ExitCode::from(code)
        }
    }
}

/// What the process's arguments and environment ask for. SIGHUP asks it again.
fn invocation() -> Result<Invocation, Exit> {
    config::cli::parse(std::env::args_os().skip(1), std::env::vars_os())
}

fn run(config: Config) -> ExitCode {
    let logging = match logging::init(&config.logging, &config.notes) {
        Ok(logging) => logging,
        Err(error) => return refused(error),
    };
    if background::is_background()
        && let Err(error) = background::ready()
    {
        return refused(error);
    }
    ended(daemon::run_daemon(config, logging, invocation))
}

/// Whoever typed the command learns whether the background process has taken its configuration.
fn in_background() -> ExitCode {
    match background::start() {
        Ok(Started::Runs(text)) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Ok(Started::Ended { code, output }) => {
            eprint!("{output}");
            ExitCode::from(code)
        }
        Err(error) => refused(error),
    }
}

fn ended(result: Result<()>) -> ExitCode {
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
