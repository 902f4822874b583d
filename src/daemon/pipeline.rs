//! The pipeline thread: connects, reads blocks, runs the chain, and connects again when the connection is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::assemble::{Captured, TableRequest};
use crate::budget::Budget;
use crate::encode::batch::Batch;
use crate::error::{Error, Result};
use crate::metrics::ErrorKind;
use crate::position::{BinlogPosition, Position};
use crate::schema::delta::SchemaChange;
use crate::schema::{Schema, SchemaId};
use crate::server::Server;
use crate::server::status::ServerIdentity;
use crate::source::dump::{DumpOptions, DumpStream, Start};
use crate::source::reconnect::Backoff;
use crate::status::{CauseKind, State};
use crate::store::Store;

use super::board::Board;
use super::chain::{Chain, Counters, Flow, Hooks};
use super::reader::{BlockQueue, QueuedBlock};
use super::sender::QueuedBatch;
use super::shutdown::Shutdown;
use super::tables;

/// What the thread works with besides the chain.
pub struct Surroundings {
    pub runtime: Handle,
    pub store: Arc<dyn Store>,
    /// For definitions that have to be read again.
    pub capture: Arc<Server>,
    /// The replication server by SQL, to see that it is still the same one.
    pub replication: Arc<Server>,
    pub dump: DumpOptions,
    pub batches: mpsc::Sender<QueuedBatch>,
    pub read_budget: Arc<Budget>,
    pub batch_budget: Arc<Budget>,
    pub board: Arc<Board>,
    pub shutdown: Shutdown,
    /// The server that positions belong to; in file mode another one must not be read.
    pub identity: ServerIdentity,
    pub gtid_mode: bool,
    /// `replication_reconnection_retries`; `None` is unlimited.
    pub reconnects_max: Option<u32>,
}

/// Runs until the stop (Ok) or an error that a new connection cannot mend.
pub fn run(mut chain: Chain, mut with: Surroundings) -> Result<()> {
    let mut backoff = Backoff::new();
    let mut published = Counters::default();
    while !with.shutdown.is_requested() {
        let before = chain.counters.events;
        let error = match connect(&mut chain, &with).and_then(|queue| read_all(&mut chain, &mut with, &queue, &mut published)) {
            Ok(()) => return Ok(()),
            Err(_) if with.shutdown.is_requested() => return Ok(()),
            Err(error) if error.is_transient() => error,
            Err(error) => return Err(error),
        };
        if chain.counters.events > before {
            backoff.reset();
        }
        chain.assembler.reconnected();
        with.board.metrics.reconnected("source");
        with.board.error(ErrorKind::Source);
        with.board.state(State::Reconnecting);
        if with.reconnects_max.is_some_and(|max| backoff.attempts() >= max) {
            return Err(Error::definite("maximum reconnection attempts reached")
                .source(error)
                .hint("raise replication_reconnection_retries, or set it to 0 for no limit"));
        }
        let pause = backoff.next_delay(rand::random::<f64>());
        tracing::warn!(%error, retry_in_ms = pause.as_millis() as u64, position = %chain.assembler.boundary(), "the binlog connection is lost; connecting again");
        with.board.ill(CauseKind::Source, format!("no connection to the replication server: {error}"));
        let mut shutdown = with.shutdown.clone();
        if with.runtime.block_on(shutdown.sleep(pause)) {
            return Ok(());
        }
    }
    Ok(())
}

fn connect(chain: &mut Chain, with: &Surroundings) -> Result<BlockQueue> {
    let from = chain.resume_position();
    let start = match from.gtids {
        Some(gtids) if with.gtid_mode => Start::Gtids(gtids),
        _ => Start::File(from.at),
    };
    let stream = DumpStream::open(&with.dump, &start)?;
    tables::same_server(stream.server().uuid.as_deref(), with.identity.uuid.as_deref(), with.gtid_mode)?;
    tracing::info!(server = %stream.server().version, position = %chain.assembler.boundary(), "following the binlog");
    with.board.well(CauseKind::Source);
    BlockQueue::start(stream, with.read_budget.clone())
}

fn read_all(chain: &mut Chain, with: &mut Surroundings, queue: &BlockQueue, published: &mut Counters) -> Result<()> {
    // A thread that waits for the network cannot see the stop; closing the connection wakes it.
    let stopper = queue.stopper();
    let mut shutdown = with.shutdown.clone();
    let waker = with.runtime.spawn(async move {
        shutdown.requested().await;
        stopper.stop();
    });
    let result = blocks(chain, with, queue, published);
    waker.abort();
    result
}

fn blocks(chain: &mut Chain, with: &mut Surroundings, queue: &BlockQueue, published: &mut Counters) -> Result<()> {
    loop {
        if with.shutdown.is_requested() {
            return Ok(());
        }
        let queued = match queue.ready() {
            Some(queued) => queued?,
            None => {
                // Nothing more is there: what is encoded goes out now, so that latency pays no timer.
                chain.flush(with)?;
                publish(chain, with, published);
                queue.wait()?
            }
        };
        let QueuedBlock { block, permit } = queued;
        for event in block.events {
            if let Flow::StartedInside(at) = chain.event(event, with)? {
                super::start::step_back(chain, with, &at)?;
                return Err(Error::transient("the stored position lies inside a transaction; reading again from its beginning"));
            }
        }
        chain.assembler.end_of_block();
        drop(permit);
    }
}

fn publish(chain: &Chain, with: &Surroundings, published: &mut Counters) {
    with.board.metrics.schema_changes.inc_by(chain.counters.schema_changes - published.schema_changes);
    *published = chain.counters;
    with.board.read(chain.assembler.position());
}

impl Surroundings {
    /// Gives the chain the definitions that are stored for the place it was moved back to.
    pub fn restore(&mut self, chain: &mut Chain) -> Result<()> {
        let position = chain.resume_position();
        let stored = self.retried("reading the stored definitions", async |this| this.store.load_schema(&position).await)?;
        // Without a version there the definitions were captured later, and are the best that is known.
        if let Some((id, schema)) = stored {
            chain.assembler.restore(id, schema);
        }
        Ok(())
    }

    /// Calls the store until it answers; what depends on a stored schema version waits.
    fn retried<T>(&mut self, what: &str, mut call: impl AsyncFnMut(&Surroundings) -> Result<T>) -> Result<T> {
        let mut pause = Duration::from_millis(200);
        loop {
            let this: &Surroundings = self;
            let error = match this.runtime.block_on(call(this)) {
                Ok(value) => {
                    self.board.well(CauseKind::Schema);
                    return Ok(value);
                }
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            tracing::warn!(%error, what, "trying again");
            self.board.error(ErrorKind::Store);
            self.board.ill(CauseKind::Schema, format!("{what}: {error}"));
            let mut shutdown = self.shutdown.clone();
            if self.runtime.block_on(shutdown.sleep(pause)) {
                return Err(Error::transient(format!("stopped while {what}")));
            }
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }
}

impl Hooks for Surroundings {
    fn save_schema(&mut self, base: Option<SchemaId>, changes: &[SchemaChange], schema: &Schema, position: &Position) -> Result<SchemaId> {
        self.retried("storing a schema version", async |this| match base {
            Some(base) => this.store.save_changes(base, changes, schema, position).await,
            None => this.store.save_snapshot(schema, position).await,
        })
    }

    fn fetch_tables(&mut self, request: &TableRequest, schema: &Schema) -> Result<(Vec<Captured>, BinlogPosition)> {
        tracing::info!(at = %request.at, why = request.why, "reading table definitions from the server");
        self.retried("reading table definitions", async |this| {
            tables::fetch(&this.capture, &this.replication, &this.identity, request, schema).await
        })
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        let gone = || Error::transient("the producer has stopped");
        let permit = self.batch_budget.reserve_blocking(batch.bytes() as u64).map_err(|_| gone())?;
        self.board.batch_queued(batch.bytes());
        self.batches.blocking_send(QueuedBatch { batch, permit }).map_err(|_| gone())
    }
}
