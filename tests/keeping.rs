//! Sender and keeper without a server: what is stored against what is acknowledged, on a clock that stands still until
//! somebody waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use binlogd::budget::Budget;
use binlogd::daemon::board::Board;
use binlogd::daemon::keeper::Keeper;
use binlogd::daemon::sender::{self, Acks, QueuedBatch};
use binlogd::daemon::shutdown::{self, ShutdownTrigger};
use binlogd::encode::batch::{Batch, Message, MessageKind, Span, TopicId};
use binlogd::error::{Error, Result};
use binlogd::metrics::Metrics;
use binlogd::position::gtid::MariadbGtid;
use binlogd::position::xa::XaDecided;
use binlogd::position::{BinlogPosition, Gtid, Position, ResumePoint};
use binlogd::producer::{Completion, Producer};
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::prepared::PreparedXa;
use binlogd::schema::{Schema, SchemaId};
use binlogd::status::{CauseKind, Status};
use binlogd::store::{ClientPosition, Lookup, MemoryStore, Origin, Store, Stored, VersionsAt};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const START: u64 = 4;

/// Takes everything and answers when the test says so.
#[derive(Clone, Default)]
struct Scripted {
    open: Arc<Mutex<VecDeque<Completion>>>,
    taken: Arc<AtomicUsize>,
    /// `send` never ends.
    full: Arc<AtomicBool>,
}

impl Scripted {
    fn answer(&self, result: impl Fn() -> Result<()>) {
        let open = std::mem::take(&mut *self.open.lock().unwrap());
        for done in open {
            match result() {
                Ok(()) => done.done(),
                Err(e) => done.failed(e),
            }
        }
    }
}

impl Producer for Scripted {
    fn send(&mut self, _: Batch, done: Completion) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if self.full.load(SeqCst) {
                std::future::pending::<()>().await;
            }
            self.open.lock().unwrap().push_back(done);
            self.taken.fetch_add(1, SeqCst);
            Ok(())
        })
    }

    fn close(&mut self, _: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn name(&self) -> &'static str {
        "scripted"
    }

    fn wants_keys(&self) -> bool {
        false
    }
}

/// A store that can be away.
#[derive(Default)]
struct Away {
    store: MemoryStore,
    away: AtomicBool,
    /// Calls hang instead of failing.
    hangs: AtomicBool,
    saves: AtomicUsize,
}

impl Away {
    async fn there(&self) -> Result<()> {
        if self.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.away.load(SeqCst) { Err(Error::transient("the store is away")) } else { Ok(()) }
    }

    async fn offset(&self) -> Option<u64> {
        self.store.load_position().await.unwrap().map(|s| s.position.at.offset)
    }
}

impl Store for Away {
    fn load_position(&self) -> BoxFuture<'_, Result<Option<Stored>>> {
        self.store.load_position()
    }

    fn load_other_client_position(&self) -> BoxFuture<'_, Result<Option<Position>>> {
        self.store.load_other_client_position()
    }

    fn client_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        self.store.client_positions()
    }

    fn all_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        self.store.all_positions()
    }

    fn note_prepared<'a>(&'a self, prepared: &'a [PreparedXa]) -> BoxFuture<'a, Result<()>> {
        self.store.note_prepared(prepared)
    }

    fn load_prepared(&self) -> BoxFuture<'_, Result<Vec<PreparedXa>>> {
        self.store.load_prepared()
    }

    fn decided(&self, decided: XaDecided) {
        self.store.decided(decided);
    }

    fn forget_positions<'a>(&'a self, server_ids: &'a [u32]) -> BoxFuture<'a, Result<()>> {
        self.store.forget_positions(server_ids)
    }

    fn load_schema_by<'a>(&'a self, lookup: Lookup, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.store.load_schema_by(lookup, position)
    }

    fn versions_at<'a>(&'a self, at: &'a BinlogPosition) -> BoxFuture<'a, Result<VersionsAt>> {
        self.store.versions_at(at)
    }

    fn replace_versions<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.store.replace_versions(schema, position)
    }

    fn set_origin(&self, origin: Origin) {
        self.store.set_origin(origin);
    }

    fn save_position<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.there().await?;
            self.saves.fetch_add(1, SeqCst);
            self.store.save_position(position).await
        })
    }

    fn heartbeat(&self, now_ms: i64) -> BoxFuture<'_, Result<i64>> {
        Box::pin(async move {
            self.there().await?;
            self.store.heartbeat(now_ms).await
        })
    }

    fn load_schema<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.store.load_schema(position)
    }

    fn load_schema_at<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.store.load_schema_at(position)
    }

    fn save_snapshot<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.store.save_snapshot(schema, position)
    }

    fn save_view<'a>(&'a self, id: SchemaId, view: &'a str) -> BoxFuture<'a, Result<()>> {
        self.store.save_view(id, view)
    }

    fn load_view(&self, id: SchemaId) -> BoxFuture<'_, Result<Option<String>>> {
        self.store.load_view(id)
    }

    fn save_changes<'a>(
        &'a self,
        base: SchemaId,
        changes: &'a [SchemaChange],
        schema: &'a Schema,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<SchemaId>> {
        self.store.save_changes(base, changes, schema, position)
    }
}

/// Both tasks at work.
struct Parts {
    store: Arc<Away>,
    producer: Scripted,
    batches: Option<mpsc::Sender<QueuedBatch>>,
    budget: Budget,
    trigger: ShutdownTrigger,
    sender: JoinHandle<(Box<dyn Producer>, Result<()>)>,
    keeper: JoinHandle<(Keeper, Result<()>)>,
    health: watch::Receiver<Status>,
    seq: u64,
}

impl Parts {
    fn start() -> Self {
        Self::start_with(None)
    }

    fn start_with(ack_timeout: Option<Duration>) -> Self {
        let (board, health) = Board::new(Arc::new(Metrics::new()));
        let (store, producer, acks) = (Arc::new(Away::default()), Scripted::default(), Arc::new(Acks::default()));
        let (trigger, stop) = shutdown::channel();
        let (batches, queue) = mpsc::channel(64);
        let sender = tokio::spawn(sender::run(Box::new(producer.clone()), queue, acks.clone(), board.clone(), stop.clone()));
        let reached = Position::new(BinlogPosition::new("m.000001", START));
        let mut keeper = Keeper::new(store.clone(), acks, board, reached, ack_timeout);
        let keeper = tokio::spawn(async move {
            let result = keeper.run(stop).await;
            (keeper, result)
        });
        Parts { store, producer, batches: Some(batches), budget: Budget::new(1 << 20), trigger, sender, keeper, health, seq: 0 }
    }

    /// A batch that ends at `100 * seq`, with so many messages and GTIDs.
    fn batch(&mut self, messages: usize, gtids: usize) -> QueuedBatch {
        self.seq += 1;
        let at = BinlogPosition::new("m.000001", 100 * self.seq);
        let end = ResumePoint { seq: self.seq, at, gtid: None, heartbeat: 0, saves: true, held: false };
        let span = Span { start: 0, len: 1 };
        let message =
            Message { topic: TopicId(0), partition_hash: 0, kind: MessageKind::Row, key: Span::default(), value: span, offset: 4 };
        let gtid = Gtid::MariaDb(MariadbGtid { domain: 0, server_id: 1, sequence: self.seq });
        let batch = Batch {
            file: "m.000001".into(),
            arena: Bytes::from_static(b"x"),
            messages: vec![message; messages],
            end: Some(end),
            gtids: vec![gtid; gtids],
            rows: messages as u64,
            transactions: 1,
            commit_us: 0,
            raw: Default::default(),
        };
        QueuedBatch { permit: self.budget.try_reserve(1).unwrap().unwrap(), batch }
    }

    async fn send(&mut self, messages: usize) {
        let queued = self.batch(messages, 0);
        self.batches.as_ref().unwrap().send(queued).await.ok().unwrap();
    }

    fn causes(&self) -> Vec<CauseKind> {
        self.health.borrow().causes().iter().map(|c| c.kind).collect()
    }

    /// Lets the tasks work for so long on their clock.
    async fn wait(&self, seconds: f32) {
        tokio::time::sleep(Duration::from_secs_f32(seconds)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_never_passes_what_is_not_answered() {
    let mut parts = Parts::start();
    parts.send(1).await;
    parts.wait(5.0).await;
    assert_eq!((parts.producer.taken.load(SeqCst), parts.store.offset().await), (1, None));
    // Nothing is output of the second, but it lies behind the first.
    parts.send(0).await;
    parts.wait(5.0).await;
    assert_eq!(parts.store.offset().await, None);
    parts.producer.answer(|| Ok(()));
    parts.wait(1.5).await;
    assert_eq!(parts.store.offset().await, Some(200));
    parts.send(1).await;
    parts.wait(1.5).await;
    assert_eq!((parts.store.offset().await, parts.store.saves.load(SeqCst)), (Some(200), 1), "stored once");
    parts.trigger.stop();
    let (_, sent) = parts.sender.await.unwrap();
    let (mut keeper, kept) = parts.keeper.await.unwrap();
    assert!(sent.is_ok() && kept.is_ok());
    // The last answers come while the producer closes.
    parts.producer.answer(|| Ok(()));
    keeper.finish().await.unwrap();
    assert_eq!(parts.store.offset().await, Some(300));
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_ends_the_sender_and_holds_the_position() {
    let mut parts = Parts::start();
    parts.send(1).await;
    parts.wait(1.5).await;
    parts.producer.answer(|| Err(Error::transient("no")));
    parts.send(1).await;
    let (_, sent) = parts.sender.await.unwrap();
    assert_eq!(sent.unwrap_err().message(), "no");
    // A later batch's answer does not help the first.
    parts.producer.answer(|| Ok(()));
    parts.trigger.stop();
    let (mut keeper, _) = parts.keeper.await.unwrap();
    keeper.finish().await.unwrap();
    assert_eq!(parts.store.offset().await, None);
}

#[tokio::test(start_paused = true)]
async fn delivery_goes_on_while_the_store_is_away() {
    for hangs in [false, true] {
        let mut parts = Parts::start();
        parts.store.away.store(true, SeqCst);
        parts.store.hangs.store(hangs, SeqCst);
        for sent in 1..=100 {
            parts.send(1).await;
            parts.wait(2.0).await;
            parts.producer.answer(|| Ok(()));
            assert_eq!(parts.producer.taken.load(SeqCst), sent);
            // Red once it has been away for 10 s; a failing call is tried again at growing intervals.
            let red = parts.causes() == [CauseKind::Store];
            assert!(if sent < 5 { !red } else { red || sent < 9 }, "hangs: {hangs}, after {} s: {red}", 2 * sent);
        }
        assert_eq!(parts.store.offset().await, None);
        parts.store.away.store(false, SeqCst);
        parts.store.hangs.store(false, SeqCst);
        parts.wait(60.0).await;
        assert_eq!((parts.store.offset().await, parts.store.saves.load(SeqCst)), (Some(10_000), 1));
        assert_eq!(parts.causes(), []);
        parts.trigger.stop();
        assert!(parts.keeper.await.unwrap().1.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_producer_and_a_hanging_store_do_not_hold_up_a_stop() {
    let mut parts = Parts::start();
    parts.producer.full.store(true, SeqCst);
    parts.store.hangs.store(true, SeqCst);
    for _ in 0..64 {
        parts.send(1).await;
    }
    parts.wait(5.0).await;
    let before = tokio::time::Instant::now();
    parts.trigger.stop();
    assert!(parts.sender.await.unwrap().1.is_ok() && parts.keeper.await.unwrap().1.is_ok());
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn batches_without_messages_wait_behind_a_broker_that_is_away() {
    let mut parts = Parts::start();
    parts.send(1).await;
    let mut accepted = 0;
    for _ in 0..1000 {
        let queued = parts.batch(0, 4096);
        let batches = parts.batches.as_ref().unwrap();
        match tokio::time::timeout(Duration::from_secs(10), batches.send(queued)).await {
            Ok(sent) => assert!(sent.is_ok()),
            Err(_) => break,
        }
        accepted += 1;
    }
    assert!((90..200).contains(&accepted), "{accepted} batches of 4096 GTIDs were taken without an end");
    parts.producer.answer(|| Ok(()));
    parts.wait(5.0).await;
    assert_eq!(parts.store.offset().await, Some(100 * (parts.seq - 1)), "everything that was taken");
    parts.batches = None;
    assert!(parts.sender.await.unwrap().1.is_ok(), "the queue's end");
    parts.trigger.stop();
    assert!(parts.keeper.await.unwrap().1.is_ok());
}

/// Ages are told by the machine's clock, which does not stand still as the test's does; so one has to pass.
#[allow(clippy::disallowed_methods, reason = "the age itself is what is waited for")]
fn let_age() {
    std::thread::sleep(Duration::from_millis(30));
}

/// `producer_ack_timeout` looks at the clock, not at completions: Maxwell's never fires when the broker answers nothing at all.
#[tokio::test(start_paused = true)]
async fn a_head_that_is_never_answered_ends_the_daemon_after_the_users_time() {
    let mut parts = Parts::start_with(Some(Duration::from_millis(20)));
    parts.send(2).await;
    parts.send(1).await;
    parts.wait(0.1).await;
    let_age();
    let (_, result) = parts.keeper.await.expect("no panic");
    let error = result.expect_err("the head waits for ever");
    let text = error.to_string();
    assert!(!error.is_transient(), "{error:?}");
    assert!(
        text.starts_with("Did not receive acknowledgement for the head of the inflight message list for 20 ms (m.000001:100)"),
        "{text}"
    );
    assert!(text.contains("producer_ack_timeout"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_in_time_or_without_a_limit_ends_nothing() {
    for limit in [Some(Duration::from_millis(20)), None] {
        let mut parts = Parts::start_with(limit);
        parts.send(2).await;
        if limit.is_some() {
            parts.wait(0.1).await;
            parts.producer.answer(|| Ok(()));
        }
        let_age();
        // Some of the keeper's rounds.
        parts.wait(5.0).await;
        assert!(!parts.keeper.is_finished(), "{limit:?}");
    }
}
