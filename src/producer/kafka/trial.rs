//! Delivery exactly once: where it is found out whether Kafka takes a message. In a transaction a refused message ends the
//! transaction, and with it all that was sent in it. So what may be refused is tried first by a second client, whose transaction
//! is always aborted: no reader of committed messages sees it. What passed here is sent in the transaction that counts; of what
//! did not, its dead letter is.
//!
//! An open trial holds readers of committed messages back, like any transaction. It lasts no longer than the transaction that
//! counts (`end`), and what a killed daemon has left open is ended by the next one before it starts (`end_leftover`).
//!
//! Never here: when a message has to be tried, and what becomes of a refused one (`letters`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::error::{Error, Result};

use super::alone::{Alone, Letter, Refusal};
use super::delivery::Failure;
use super::ffi::{TransactionError, TransactionStep};
use super::refusal::Refused;
use super::settings::{Settings, Transactional};
use super::transactions::judged;

/// The client is let go when it was not used for so long.
const KEEP: Duration = Duration::from_secs(10);
/// Pause before a step is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// One step that may be tried again takes at most so long.
const STEP: Duration = Duration::from_secs(1);

/// The transactional id of the second client.
pub fn trial_id(transactional: &Transactional) -> String {
    format!("{}-trial", transactional.id)
}

/// The client while it is needed.
#[derive(Clone, Default)]
pub struct Kept {
    held: Arc<Mutex<Option<Trial>>>,
}

struct Trial {
    alone: Arc<Alone>,
    /// Whether a transaction is open, as far as is known.
    open: bool,
    timeout: Duration,
    used: Instant,
}

impl Kept {
    /// Whether Kafka takes this message, alone. The outer error is about more than the message: it is sent again by a new
    /// client.
    pub async fn attempt(&self, settings: &Settings, letter: &Letter<'_>) -> Result<Result<(), Refusal>, Failure> {
        let mut held = self.held.lock().await;
        if held.is_none() {
            let trial = Trial::start(settings).await.map_err(|e| Failure::of(&e))?;
            *held = Some(trial);
            tokio::spawn(self.clone().let_go());
        }
        let Some(trial) = &mut *held else { return Err(Failure::transient("there is no client to try messages with")) };
        trial.used = Instant::now();
        trial.attempt(letter).await
    }

    /// Ends the open trial, if there is one.
    pub async fn end(&self) -> Result<(), Failure> {
        match &mut *self.held.lock().await {
            Some(trial) => trial.abort(trial.timeout).await,
            None => Ok(()),
        }
    }

    /// Ends the client, if there is one, and what it has open, as far as the time allows.
    pub async fn close(&self, deadline: Duration) {
        let closing = async {
            let Some(mut trial) = self.held.lock().await.take() else { return };
            if let Err(why) = trial.abort(deadline).await {
                tracing::debug!(why.message, "kafka: the trial was not ended");
            }
            trial.forget();
        };
        if tokio::time::timeout(deadline, closing).await.is_err() {
            tracing::warn!("kafka: a trial was not ended in time; the next start or the cluster does it");
        }
    }

    async fn let_go(self) {
        loop {
            tokio::time::sleep(KEEP).await;
            let mut held = self.held.lock().await;
            match &*held {
                None => return,
                Some(trial) if trial.open || trial.used.elapsed() < KEEP => continue,
                Some(_) => {}
            }
            if let Some(trial) = held.take() {
                trial.forget();
            }
            return;
        }
    }
}

/// Ends what a killed daemon has left open under the trial's id, and locks its client out.
pub async fn end_leftover(settings: &Settings) {
    match Trial::start(settings).await {
        Ok(trial) => trial.forget(),
        Err(error) => tracing::warn!(
            %error,
            "kafka: no message can be tried before it is sent; where Kafka may refuse one, the daemon stops or starts again"
        ),
    }
}

impl Trial {
    /// Makes the client and takes its transactional id over. Waits for the coordinator at most `kafka.max.block.ms`.
    async fn start(settings: &Settings) -> Result<Self> {
        let Some(transactional) = &settings.transactional else { return Err(Error::bug("a trial without a transactional id")) };
        let id = trial_id(transactional);
        let alone = Arc::new(Alone::start(settings, &[("transactional.id", &id)])?);
        let trial = Trial { alone, open: false, timeout: transactional.timeout, used: Instant::now() };
        let begun = Instant::now();
        loop {
            let Err(error) = trial.step(TransactionStep::Init).await? else { return Ok(trial) };
            if !error.retriable || begun.elapsed() >= settings.block {
                trial.forget();
                let doing = "the transactional id for trying messages cannot be taken over";
                return Err(judged(doing, &error).detail(format!("transactional id {id}")));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn attempt(&mut self, letter: &Letter<'_>) -> Result<Result<(), Refusal>, Failure> {
        if !self.open {
            // Before the step: whoever gives this up half way leaves it to be aborted.
            self.open = true;
            if let Err(error) = self.step(TransactionStep::Begin).await.map_err(|e| Failure::of(&e))? {
                return Err(Failure::of(&judged("no transaction for trying messages can be begun", &error)));
            }
        }
        let Err(refusal) = self.alone.send(letter).await else { return Ok(Ok(())) };
        if Refused::of(refusal.code).is_none() {
            // The library knows more than it says about a message; in a transaction that can go on this changes nothing.
            return match self.step(TransactionStep::Begin).await.map_err(|e| Failure::of(&e))? {
                Err(told) if told.name != "_STATE" => Err(Failure::of(&judged("trying a message failed", &told))),
                _ => Ok(Err(refusal)),
            };
        }
        self.abort(self.timeout).await?;
        Ok(Err(refusal))
    }

    async fn abort(&mut self, wait: Duration) -> Result<(), Failure> {
        if !self.open {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            match self.step(TransactionStep::Abort).await.map_err(|e| Failure::of(&e))? {
                Ok(()) => {}
                // None was open.
                Err(error) if error.name == "_STATE" => {}
                Err(error) if error.retriable && begun.elapsed() < wait => {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(error) => return Err(Failure::of(&judged("the transaction for trying messages cannot be ended", &error))),
            }
            self.open = false;
            return Ok(());
        }
    }

    async fn step(&self, step: TransactionStep) -> Result<Result<(), TransactionError>> {
        let alone = self.alone.clone();
        let done = tokio::task::spawn_blocking(move || alone.step(step, STEP)).await;
        done.map_err(|e| Error::bug("a step of a Kafka transaction failed").source(e))
    }

    /// The client's end waits for its thread.
    fn forget(self) {
        tokio::task::spawn_blocking(move || drop(self));
    }
}
