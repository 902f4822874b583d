//! SIGHUP: the log file is opened anew and the configuration read again. The log level is taken over; of every other
//! option that has changed the log says that it waits for a restart. A configuration with faults changes nothing.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, Exit, Invocation};
use crate::error::{Error, Result};

use super::board::Board;
use super::logging::Logging;
use super::notify::{Notifier, monotonic_us};
use super::shutdown::Shutdown;
use crate::status::State;

/// Reads the configuration from the process's own arguments and environment.
pub type ReadAgain = fn() -> Result<Invocation, Exit>;

/// What a reload compares with and acts on.
pub struct Reloader {
    signal: Signal,
    logging: Logging,
    read: ReadAgain,
    /// The configuration that the process started with.
    started: Config,
}

impl Reloader {
    /// From now on SIGHUP does not end the process.
    pub fn new(logging: Logging, read: ReadAgain, started: &Config) -> Result<Self> {
        let signal = signal(SignalKind::hangup()).map_err(|e| Error::definite("SIGHUP cannot be received").source(e))?;
        Ok(Reloader { signal, logging, read, started: started.clone() })
    }

    /// Serves signals until the stop.
    pub async fn run(mut self, notifier: Option<Arc<Notifier>>, board: Arc<Board>, mut stop: Shutdown) {
        loop {
            tokio::select! { biased;
                () = stop.requested() => return,
                received = self.signal.recv() => if received.is_none() { return },
            }
            // A manager takes these two only from a service that has reported to be ready.
            let told = notifier.as_ref().filter(|_| board.watched().borrow().state == State::Streaming);
            if let Some(notifier) = told {
                notifier.send(&[("RELOADING", "1"), ("MONOTONIC_USEC", &monotonic_us().to_string())]);
            }
            self.reload();
            if let Some(notifier) = told {
                notifier.send(&[("READY", "1")]);
            }
        }
    }

    fn reload(&self) {
        if let Err(error) = self.logging.reopen() {
            tracing::error!(%error, "the old log file is still used");
        }
        tracing::info!("SIGHUP received; reading the configuration again");
        let config = match (self.read)() {
            Ok(Invocation::Run(config)) => config,
            Ok(_) => return tracing::error!("the configuration no longer is the daemon's; nothing was changed"),
            Err(exit) => {
                for line in exit.stderr.lines() {
                    tracing::error!("{line}");
                }
                return tracing::error!("the configuration has faults; nothing was changed");
            }
        };
        if let Err(error) = self.logging.set_level(config.logging.level) {
            tracing::error!(%error, "the log level stays as it is");
        }
        tracing::info!("log_level is {}", config.logging.level.to_string().to_lowercase());
        for name in waiting(&self.started, &config) {
            tracing::warn!("{name} has changed, and waits for a restart");
        }
    }
}

/// Options that differ and cannot be taken over by a running daemon.
fn waiting<'a>(started: &'a Config, now: &'a Config) -> Vec<&'a str> {
    started.given.differences(&now.given).into_iter().filter(|name| *name != "log_level").collect()
}
