//! The one place that acts on an error's class: a transient one starts a new run from the stored position after a
//! pause, any other ends the process with its exit code.

use std::sync::Arc;

use crate::error::{Class, Error};
use crate::source::reconnect::Backoff;

use super::run;
use super::shutdown::{Shutdown, ShutdownTrigger};
use super::wire::Wiring;

/// Runs until a stop or an error that cannot be mended by starting again. The exit code of the process.
pub async fn supervise(wiring: Arc<Wiring>, trigger: &ShutdownTrigger) -> Result<(), Error> {
    let mut shutdown: Shutdown = trigger.handle();
    let mut backoff = Backoff::new();
    loop {
        let saved_before = wiring.metrics.positions_saved();
        let ended = run::run(&wiring, trigger.handle()).await;
        let error = match ended.result {
            Ok(()) => return Ok(()),
            Err(_) if shutdown.is_requested() => return Ok(()),
            Err(error) => error,
        };
        if error.class() != Class::Transient {
            return Err(error);
        }
        if wiring.metrics.positions_saved() > saved_before {
            backoff.reset();
        }
        let pause = backoff.next_delay(rand::random::<f64>());
        tracing::warn!(%error, retry_in_ms = pause.as_millis() as u64, "starting again from the stored position");
        wiring.metrics.error("run");
        wiring.status.ill("run", format!("starting again: {error}"));
        if shutdown.sleep(pause).await {
            return Ok(());
        }
    }
}
