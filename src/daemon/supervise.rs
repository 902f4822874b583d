//! The one place that acts on an error's class: a transient one starts a new run from the stored position after a
//! pause, any other ends the process with its exit code.

use std::sync::Arc;

use crate::config::Config;
use crate::error::{Class, Error};
use crate::source::reconnect::Backoff;
use crate::status::CauseKind;

use super::logging::Logging;
use super::notify::Notifier;
use super::reload::{ReadAgain, Reloader};
use super::run;
use super::service;
use super::shutdown::{self, Shutdown, ShutdownTrigger};
use super::wire::{self, Wiring};

/// Connects, then runs until a signal. What fails before the first run ends the process at once: at a start somebody is
/// there to read the error, and a service manager to try again.
pub async fn daemon(config: Config, logging: Logging, read_again: ReadAgain) -> Result<(), Error> {
    let (trigger, stop) = shutdown::channel();
    let trigger = Arc::new(trigger);
    let signalled = trigger.clone();
    tokio::spawn(async move {
        match shutdown::signal().await {
            Ok(name) => tracing::info!("{name} received"),
            Err(error) => tracing::error!(%error, "signals cannot be received; stopping"),
        }
        signalled.stop();
    });
    let reloader = Reloader::new(logging, read_again, &config)?;
    let mut requested = stop.clone();
    let (board, watched) = wire::board(&config);
    let notifier = Notifier::from_environment(|name| std::env::var(name).ok()).map(Arc::new);
    tokio::spawn(reloader.run(notifier.clone(), board.clone(), stop.clone()));
    let telling = notifier.map(|notifier| tokio::spawn(service::tell(notifier, board.clone(), stop.clone())));
    let (wiring, admin) = tokio::select! { biased;
        () = requested.requested() => return Ok(()),
        connected = Wiring::connect(config, board, watched) => connected?,
    };
    if let Some(admin) = admin {
        let mut stop = stop.clone();
        tokio::spawn(admin.run(async move { stop.requested().await }));
    }
    let result = supervise(wiring, &trigger).await;
    trigger.stop();
    if let Some(telling) = telling {
        // The last message is sent without waiting; only a bug of ours can keep the task from ending.
        let _ = telling.await;
    }
    result
}

/// Runs until a stop or an error that cannot be mended by starting again. The exit code of the process.
pub async fn supervise(wiring: Arc<Wiring>, trigger: &ShutdownTrigger) -> Result<(), Error> {
    let mut shutdown: Shutdown = trigger.handle();
    let mut backoff = Backoff::new();
    let mut started = false;
    wiring.watch(&shutdown);
    loop {
        let saved_before = wiring.board.saves();
        let ended = run::run(&wiring, trigger.handle()).await;
        let error = match ended.result {
            Ok(()) => return Ok(()),
            Err(error) if shutdown.is_requested() => {
                tracing::warn!(%error, "stopped while something failed");
                return Ok(());
            }
            Err(error) => error,
        };
        started |= ended.started;
        let saved = wiring.board.saves() > saved_before;
        if error.class() != Class::Transient || !started {
            return Err(wiring.explained(error).await);
        }
        if saved {
            backoff.reset();
        }
        wiring.board.ill(CauseKind::Restarting, format!("a new start from the stored position is needed: {error}"));
        let pause = backoff.next_delay(rand::random::<f64>());
        tracing::warn!(%error, retry_in_ms = pause.as_millis() as u64, "starting again from the stored position");
        if shutdown.sleep(pause).await {
            return Ok(());
        }
    }
}
