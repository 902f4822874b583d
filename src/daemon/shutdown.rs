//! The stop signal, as all parts see it.

use tokio::sync::watch;

/// Whether the daemon is stopping. Cheap to clone; threads poll it, tasks wait on it.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// The end that gives the signal.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

pub fn channel() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    pub fn handle(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

impl Shutdown {
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the stop is requested.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone, which also ends everything.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Waits, but not longer than until the stop. Returns whether the stop was requested.
    pub async fn sleep(&mut self, pause: std::time::Duration) -> bool {
        tokio::select! { biased;
            () = self.requested() => true,
            () = tokio::time::sleep(pause) => self.is_requested(),
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
