//! One run of the daemon from its start position until a stop or an error: starts all parts, and stops them from left
//! to right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::status::State;

use super::keeper::Keeper;
use super::pipeline;
use super::sender::{self, Acks};
use super::shutdown::{self, Shutdown};
use super::start;
use super::tidy;
use super::wire::{Budgets, Wiring};

/// Batches that may wait between encoding and sending, whatever their size; the budget bounds their bytes.
const BATCHES_MAX: usize = 64;

/// Shares of `shutdown_timeout_ms`: the producer's acknowledgements (which take up to two seconds more when they do not
/// come), and beside it the pipeline's end. The rest is for the last save.
const CLOSING_SHARE: f32 = 0.6;
const STOPPING_SHARE: f32 = 0.8;
/// The last save is tried however late it is.
const LAST_SAVE_MIN: Duration = Duration::from_millis(500);

/// How a run ended.
pub struct Ended {
    pub result: Result<()>,
    /// Whether all parts were started.
    pub started: bool,
}

/// Runs until `stop` is requested (Ok) or a part fails.
pub async fn run(wiring: &Wiring, stop: Shutdown) -> Ended {
    match start_and_run(wiring, stop).await {
        Ok(ended) => ended,
        Err(error) => Ended { result: Err(error), started: false },
    }
}

async fn start_and_run(wiring: &Wiring, mut stop: Shutdown) -> Result<Ended> {
    let seeker = wiring.seeker();
    tokio::select! { biased;
        () = stop.requested() => return Ok(Ended { result: Ok(()), started: false }),
        claimed = wiring.claim() => claimed?,
    }
    let context = wiring.start_context(&seeker);
    let begin = tokio::select! { biased;
        () = stop.requested() => return Ok(Ended { result: Ok(()), started: false }),
        begin = start::begin(&context) => begin?,
    };
    let (producer, rows_done) = tokio::select! { biased;
        () = stop.requested() => return Ok(Ended { result: Ok(()), started: false }),
        producer = wiring.producer_at(&begin.position) => producer?,
    };
    tracing::info!("binlogd v{} is booting ({}), starting at {}", env!("CARGO_PKG_VERSION"), producer.name(), begin.position);

    // This run's own stop: given by the outer stop or by the first part that fails.
    let (trigger, shutdown) = shutdown::channel();
    let acks = Arc::new(Acks::default());
    let (batches, queue) = mpsc::channel(BATCHES_MAX);
    let position = begin.position.clone();
    wiring.board.run_begins(acks.clone(), &position);
    let budgets = Budgets::new(wiring.config.memory.limit_bytes);
    let (mut chain, surroundings) = wiring.pipeline(begin, batches, &budgets, shutdown.clone());
    chain.skip_rows(rows_done);
    let mut pipeline = spawn_pipeline(chain, surroundings)?;
    let mut sender = tokio::spawn(sender::run(producer, queue, acks.clone(), wiring.board.clone(), shutdown.clone()));
    let mut keeper = Keeper::new(wiring.store.clone(), acks.clone(), wiring.board.clone(), position, wiring.ack_timeout());

    let mut tidying = tokio::spawn(tidy::run(wiring.store.clone(), wiring.config.max_schemas, shutdown.clone()));

    let (mut pipeline_ended, mut sender_ended) = (None, None);
    let first = {
        let keeping = keeper.run(shutdown.clone());
        tokio::pin!(keeping);
        tokio::select! { biased;
            () = stop.requested() => Ok(()),
            ended = &mut sender => {
                let (producer, result) = joined(ended)?;
                sender_ended = Some(producer);
                match result {
                    // Its queue ended before the pipeline's result arrived: that result is the reason.
                    Ok(()) => {
                        pipeline_ended = Some(());
                        pipeline_result((&mut pipeline).await).and(Err(Error::bug("the sender stopped by itself")))
                    }
                    failed => failed,
                }
            }
            ended = &mut pipeline => {
                pipeline_ended = Some(());
                pipeline_result(ended)
            }
            result = &mut keeping => result,
            ended = &mut tidying => ended.unwrap_or_else(|e| Err(Error::bug("the task that tidies the store failed").source(e))),
        }
    };
    let end = Instant::now() + wiring.shutdown_timeout();
    if first.is_ok() {
        tracing::info!("stopping");
    }
    wiring.board.state(State::Draining);
    if let (Some(()), Err(_), None) = (pipeline_ended, &first, &sender_ended) {
        // What was complete before the error is in the queue, which ends with the pipeline; it is not held back by what
        // comes behind it.
        tokio::select! { biased;
            () = stop.requested() => {}
            ended = tokio::time::timeout(share(end, 0.5), &mut sender) => {
                if let Ok(ended) = ended {
                    sender_ended = Some(joined(ended)?.0);
                }
            }
        }
    }
    trigger.stop();
    // It ends at its next wait; whatever it was doing goes on at the next start.
    tidying.abort();
    budgets.close();
    let mut producer = match sender_ended {
        Some(producer) => producer,
        None => joined((&mut sender).await)?.0,
    };
    // The pipeline may hang in a connection that is just being made; nothing that it still does is sent.
    let closing = producer.close(share(end, CLOSING_SHARE));
    let stopping = async { pipeline_ended.is_some() || tokio::time::timeout(share(end, STOPPING_SHARE), pipeline).await.is_ok() };
    let (closed, stopped) = tokio::join!(closing, stopping);
    if let Err(error) = closed {
        tracing::warn!(%error, "not everything was acknowledged in time; it will be sent again");
    }
    if !stopped {
        tracing::warn!("the pipeline did not stop in time");
    }
    drop(producer);
    wiring.board.run_ends();
    let mut result = first;
    // A message that failed while closing is replayed anyway; the first error is the one to tell.
    if let (Ok(()), Some(error)) = (&result, acks.take_failure())
        && !stop.is_requested()
    {
        result = Err(error);
    }
    match tokio::time::timeout(share(end, 1.0).max(LAST_SAVE_MIN), keeper.finish()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "the final position could not be stored; what follows the last stored one will be sent again")
        }
        Err(_) => tracing::warn!("the schema database did not answer in time; the final position is not stored"),
    }
    Ok(Ended { result, started: true })
}

/// A share of the time that is left until `end`.
fn share(end: Instant, part: f32) -> Duration {
    end.saturating_duration_since(Instant::now()).mul_f32(part)
}

fn pipeline_result(ended: std::result::Result<Result<()>, tokio::sync::oneshot::error::RecvError>) -> Result<()> {
    ended.unwrap_or_else(|_| Err(Error::bug("the pipeline thread panicked")))
}

type SenderEnd = (Box<dyn crate::producer::Producer>, Result<()>);

fn joined(ended: Result<SenderEnd, tokio::task::JoinError>) -> Result<SenderEnd> {
    ended.map_err(|e| Error::bug("the sender task failed").source(e))
}

/// The pipeline runs on a thread of its own, because it computes and blocks; its end arrives as a future.
fn spawn_pipeline(chain: super::chain::Chain, surroundings: pipeline::Surroundings) -> Result<tokio::sync::oneshot::Receiver<Result<()>>> {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("pipeline".into())
        .spawn(move || {
            let result = pipeline::run(chain, surroundings);
            // Nobody waits for the answer any more when the stop took too long.
            let _ = ended.send(result);
        })
        .map_err(|e| Error::transient("cannot start the pipeline thread").source(e))?;
    Ok(end)
}
