//! The pipeline thread: connects, reads blocks, runs the chain, and connects again when the connection is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::assemble::{Bound, Captured, TableRequest, XaReader, XaRequest};
use crate::budget::Budget;
use crate::encode::batch::Batch;
use crate::error::{Error, Result};
use crate::metrics::ErrorKind;
use crate::position::xa::XaDecided;
use crate::position::{BinlogPosition, Position};
use crate::schema::delta::SchemaChange;
use crate::schema::mend::TRUSTED_FORMAT;
use crate::schema::prepared::PreparedXa;
use crate::schema::{Schema, SchemaId};
use crate::server::Server;
use crate::server::status::ServerIdentity;
use crate::source::dump::{DumpOptions, DumpStream, Start};
use crate::source::reconnect::Backoff;
use crate::status::{CauseKind, State};
use crate::store::{Origin, Store};

use super::board::Board;
use super::chain::{Chain, Counters, Flow, Hooks, PreparedRows};
use super::log_from::{DumpLog, LogFrom};
use super::progress::Progress;
use super::quarantine_watch::QuarantineWatch;
use super::reader::{BlockQueue, QueuedBlock};
use super::seek::Seeker;
use super::sender::QueuedBatch;
use super::shutdown::Shutdown;
use super::{tables, view};

/// While the source is busy, what is encoded goes out this often, however little it is.
const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// One question to the store or to the server may take so long before it is asked anew.
const CALL_MAX: Duration = Duration::from_secs(120);

/// Why reading ended.
enum Cut {
    /// The connection was lost or could not be made: it is made again from the last boundary.
    Connection(Error),
    /// The chain was moved back and wants to be read to from there.
    Moved,
    /// Behind the connection. The boundary may already lie behind events that did not become messages, so connecting
    /// again would lose them; only a new run from the stored position may mend this.
    Chain(Error),
}

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
    /// Who was at the other end of the last connection.
    pub server_uuid: Option<String>,
    pub gtid_mode: bool,
    /// `replication_reconnection_retries`; `None` is unlimited.
    pub reconnects_max: Option<u32>,
    /// What is held back, on the board and near its end.
    pub watch: QuarantineWatch,
    /// The view that was stored last (`maxwell_quirks`).
    pub saved_view: Option<String>,
}

/// Runs until the stop (Ok) or an error that a new connection cannot mend.
pub fn run(mut chain: Chain, mut with: Surroundings) -> Result<()> {
    let board = with.board.clone();
    let _running = board.pulses.pipeline.runs();
    let mut backoff = Backoff::new();
    let mut published = Counters::default();
    while !with.shutdown.is_requested() {
        let before = chain.counters.events;
        let cut = connect(&mut chain, &mut with).and_then(|queue| read_all(&mut chain, &mut with, &queue, &mut published));
        let error = match cut {
            Ok(()) => return Ok(()),
            Err(_) if with.shutdown.is_requested() => return Ok(()),
            Err(Cut::Moved) => continue,
            Err(Cut::Connection(error)) if error.is_transient() => error,
            Err(Cut::Connection(error) | Cut::Chain(error)) => {
                // What was complete before this place goes out, or it would wait for as long as the place stops us.
                if let Err(error) = chain.hand_on_complete(&mut with) {
                    tracing::debug!(%error, "what is encoded is sent after the next start");
                }
                return Err(error);
            }
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
        let waiting = board.pulses.pipeline.waits();
        if with.runtime.block_on(shutdown.sleep(pause)) {
            return Ok(());
        }
        drop(waiting);
    }
    Ok(())
}

fn connect(chain: &mut Chain, with: &mut Surroundings) -> Result<BlockQueue, Cut> {
    let from = chain.resume_position();
    let start = match from.gtids {
        Some(gtids) if with.gtid_mode => Start::Gtids(gtids),
        _ if from.at.offset > u64::from(u32::MAX) => {
            // The protocol has 32 bits; what is stored lies before, and its file is read again from there.
            return Err(Cut::Chain(Error::transient("a place behind 4 GiB of a binlog file cannot be asked for").detail(from.at)));
        }
        _ => Start::File(from.at),
    };
    let board = with.board.clone();
    let _waiting = board.pulses.pipeline.waits();
    let stream = DumpStream::open(&with.dump, &start).map_err(Cut::Connection)?;
    tables::same_server(stream.server().uuid.as_deref(), with.identity.uuid.as_deref(), with.gtid_mode).map_err(Cut::Connection)?;
    greet(chain, with, stream.server().uuid.as_deref()).map_err(Cut::Connection)?;
    tracing::info!(server = %stream.server().version, position = %chain.assembler.boundary(), "following the binlog");
    with.board.well(CauseKind::Source);
    with.board.state(State::Streaming);
    BlockQueue::start(stream, with.read_budget.clone()).map_err(Cut::Connection)
}

/// After a failover (GTID mode only) places in the old server's files mean nothing on the new one.
fn greet(chain: &mut Chain, with: &mut Surroundings, uuid: Option<&str>) -> Result<()> {
    let changed = matches!((uuid, with.server_uuid.as_deref()), (Some(now), Some(then)) if !now.eq_ignore_ascii_case(then));
    if changed {
        let end = with.runtime.block_on(tables::log_end(&with.replication))?;
        tracing::warn!(from = with.server_uuid.as_deref(), to = uuid, log_end = %end, "another server answers now");
        let captured_until = chain.assembler.server_changed(&end);
        with.store.set_origin(Origin { server_uuid: uuid.map(str::to_owned), captured_until, checked: true, ..Origin::default() });
    }
    if uuid.is_some() {
        with.server_uuid = uuid.map(str::to_owned);
    }
    Ok(())
}

fn read_all(chain: &mut Chain, with: &mut Surroundings, queue: &BlockQueue, published: &mut Counters) -> Result<(), Cut> {
    // A thread that waits for the network cannot see the stop; closing the connection wakes it.
    let stopper = queue.stopper();
    let mut shutdown = with.shutdown.clone();
    let waker = with.runtime.spawn(async move {
        shutdown.requested().await;
        stopper.stop();
    });
    let result = blocks(chain, with, queue, published);
    waker.abort();
    with.board.waits();
    result
}

fn blocks(chain: &mut Chain, with: &mut Surroundings, queue: &BlockQueue, published: &mut Counters) -> Result<(), Cut> {
    let mut flushed = Instant::now();
    let mut progress = Progress::new(with.board.clone());
    loop {
        if with.shutdown.is_requested() {
            return Ok(());
        }
        let queued = match queue.ready() {
            // A busy source of which little is output must hold back neither messages nor resume points.
            Some(queued) if flushed.elapsed() < FLUSH_EVERY => queued,
            ready => {
                // Nothing more is there: what is encoded goes out now, so that latency pays no timer.
                chain.flush(with).map_err(Cut::Chain)?;
                publish(chain, with, published);
                with.watch_quarantine(chain).map_err(Cut::Chain)?;
                flushed = Instant::now();
                ready.unwrap_or_else(|| {
                    let _waiting = with.board.pulses.pipeline.waits();
                    progress.wait();
                    queue.wait()
                })
            }
        };
        let QueuedBlock { block, permit, read_at } = queued.map_err(Cut::Connection)?;
        chain.look_at_filter();
        progress.begin(&block.events, read_at, &chain.counters);
        for event in block.events {
            if let Flow::StartedInside(at) = chain.event(event, with).map_err(Cut::Chain)? {
                let board = with.board.clone();
                let _waiting = board.pulses.pipeline.waits();
                super::start::step_back(chain, with, &at).map_err(Cut::Connection)?;
                return Err(Cut::Moved);
            }
            with.board.pulses.pipeline.beat();
        }
        chain.assembler.end_of_block();
        progress.end(&chain.counters);
        drop(permit);
    }
}

fn publish(chain: &Chain, with: &Surroundings, published: &mut Counters) {
    with.board.metrics.schema_changes.inc_by(chain.counters.schema_changes - published.schema_changes);
    *published = chain.counters;
    with.board.read(chain.assembler.position(), chain.assembler.heartbeat());
}

impl Surroundings {
    /// Gives the chain the definitions that are stored for the place it was moved back to.
    pub fn restore(&mut self, chain: &mut Chain) -> Result<()> {
        let position = chain.resume_position();
        let stored = self.retried("reading the stored definitions", async |this| this.store.load_schema(&position).await)?;
        // Without a version there the definitions were captured later, and are the best that is known; so are those that
        // were mended at the start beside those of an old Maxwell.
        if let Some((id, mut schema)) = stored {
            if chain.assembler.schema().as_maxwell.is_some() {
                let found = self.retried("reading the stored view", async |this| {
                    let mut seen = schema.clone();
                    view::restore(&*this.store, id, &mut seen).await.map(|()| seen)
                });
                schema = found?;
            }
            let format = self.retried("reading the stored definitions", async |this| this.store.schema_format(id).await)?;
            if format >= TRUSTED_FORMAT {
                chain.assembler.restore(id, schema);
            }
        }
        Ok(())
    }

    /// Calls the store until it answers; what depends on a stored schema version waits.
    fn retried<T>(&mut self, what: &str, mut call: impl AsyncFnMut(&Surroundings) -> Result<T>) -> Result<T> {
        let mut pause = Duration::from_millis(200);
        let board = self.board.clone();
        let _waiting = board.pulses.pipeline.waits();
        loop {
            let this: &Surroundings = self;
            let mut shutdown = this.shutdown.clone();
            let answer = this.runtime.block_on(async {
                tokio::select! { biased;
                    () = shutdown.requested() => Err(Error::transient(format!("stopped while {what}"))),
                    answer = tokio::time::timeout(CALL_MAX, call(this)) => {
                        answer.unwrap_or_else(|_| Err(Error::transient(format!("no answer within {} s", CALL_MAX.as_secs()))))
                    }
                }
            });
            if this.shutdown.is_requested() {
                return answer;
            }
            let error = match answer {
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

impl Surroundings {
    /// Tells of what is held back, and ends the run before the binlog with the first of it is purged.
    fn watch_quarantine(&mut self, chain: &Chain) -> Result<()> {
        let quarantine = chain.assembler.quarantine();
        self.watch.post(quarantine, &self.board);
        let Some(first) = self.watch.purge_check_due(quarantine).cloned() else { return Ok(()) };
        let at = (!first.foreign).then_some(&first.at);
        let ask = async |this: &Surroundings| tables::remaining(&this.replication, at, first.written_s).await;
        let remaining = self.retried("looking how long the binlog is kept", ask)?;
        self.watch.judge(&first.at, remaining)
    }
}

impl Hooks for Surroundings {
    fn save_schema(&mut self, base: Option<SchemaId>, changes: &[SchemaChange], schema: &Schema, position: &Position) -> Result<SchemaId> {
        let id = self.retried("storing a schema version", async |this| match base {
            Some(base) => this.store.save_changes(base, changes, schema, position).await,
            None => this.store.save_snapshot(schema, position).await,
        })?;
        if let Some(text) = view::changed(schema, &mut self.saved_view) {
            self.retried("storing Maxwell's view", async |this| this.store.save_view(id, &text).await)?;
        }
        Ok(id)
    }

    fn fetch_tables(&mut self, request: &TableRequest, schema: &Schema) -> Result<(Vec<Captured>, Bound)> {
        tracing::info!(at = %request.at, why = request.why, "reading table definitions from the server");
        self.retried("reading table definitions", async |this| {
            tables::fetch(&this.capture, &this.replication, &this.identity, request, schema).await
        })
    }

    fn transaction(&mut self, rows: u64, execution_ms: u64) {
        self.board.metrics.maxwell.transaction(rows, execution_ms);
    }

    fn stored_version(&mut self, position: &Position) -> Result<Option<Schema>> {
        let found = self.retried("reading a stored schema version", async |this| this.store.load_schema_at(position).await)?;
        Ok(found.map(|(_, schema)| schema))
    }

    fn note_prepared(&mut self, prepared: &[PreparedXa]) -> Result<()> {
        tracing::debug!(prepared = prepared.len(), "noting prepared XA transactions");
        self.retried("noting prepared XA transactions", async |this| this.store.note_prepared(prepared).await)
    }

    fn decided(&mut self, decided: XaDecided) {
        self.store.decided(decided);
    }

    fn read_prepared(&mut self, request: &XaRequest, reader: &mut dyn FnMut() -> XaReader) -> Result<PreparedRows> {
        let seeker = Seeker::new(&self.dump, self.replication.clone(), self.identity.version.flavor);
        let files = self.retried("asking for the binlog files", async |_| seeker.files().await)?;
        let (board, shutdown) = (self.board.clone(), self.shutdown.clone());
        let _waiting = board.pulses.pipeline.waits();
        let mut alive = || if shutdown.is_requested() { Err(Error::transient("stopped")) } else { Ok(()) };
        let read = seeker.read_prepared(request, &files, reader, &mut alive)?;
        Ok(PreparedRows::Read(Box::new(read)))
    }

    fn log_from(&mut self, start: &BinlogPosition) -> Result<Option<Box<dyn LogFrom>>> {
        let seeker = Seeker::new(&self.dump, self.replication.clone(), self.identity.version.flavor);
        let log = DumpLog::open(seeker.dump(), start, &self.runtime, self.board.clone(), self.shutdown.clone())?;
        let now = log.server_uuid();
        tables::same_server(now, self.identity.uuid.as_deref(), self.gtid_mode)?;
        if let (Some(now), Some(then)) = (now, self.server_uuid.as_deref())
            && !now.eq_ignore_ascii_case(then)
        {
            // In GTID mode: a new run finds the transaction on this one.
            return Err(
                Error::transient("another server answers than the one whose log was being read").detail(format!("{now} instead of {then}"))
            );
        }
        Ok(Some(Box::new(log)))
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        let gone = || Error::transient("the producer has stopped");
        let _waiting = self.board.pulses.pipeline.waits();
        let permit = self.batch_budget.reserve_blocking(batch.bytes() as u64).map_err(|_| gone())?;
        self.board.batch_queued(batch.bytes());
        self.batches.blocking_send(QueuedBatch { batch, permit }).map_err(|_| gone())
    }
}
