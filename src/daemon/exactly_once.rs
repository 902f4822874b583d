//! Delivery exactly once: the position record in Kafka beside the row in the schema database, and which of them a start
//! believes.
//!
//! A life begins in this order: the transactional id is taken over, which ends what an older process has open and locks it
//! out; the last committed record is read and written anew under our name; the start is found as ever, by a store that
//! answers with the newer of record and row; the place of the start is recorded; batches follow. The row is written after
//! the commit of the record it follows from, so it is behind the record, but for transactions of which nothing was sent.
//!
//! Never here: Kafka's own calls (`producer::kafka::transactions`), rules of the start that hold without a record (`takeover`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::encode::batch::Topics;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::position::xa::XaDecided;
use crate::position::{BinlogPosition, Position};
use crate::producer::kafka::Settings;
use crate::producer::kafka::position_topic::{self, To};
use crate::producer::kafka::record::{PositionRecord, RecordFacts};
use crate::producer::kafka::transactions::{Limits, TransactionalProducer, replaced};
use crate::producer::kafka::trial;
use crate::schema::delta::SchemaChange;
use crate::schema::prepared::PreparedXa;
use crate::schema::{Schema, SchemaId};
use crate::server::status::ServerIdentity;
use crate::store::{ClientPosition, Lookup, Origin, Store, Stored, Tidied, VersionsAt};

use super::wire;

/// The last record is asked for so long when the process ends.
const ASK_MAX: Duration = Duration::from_secs(5);

/// The store of a daemon that delivers exactly once, and the way to its producers.
pub struct ExactlyOnce {
    stored: Arc<dyn Store>,
    settings: Settings,
    position_topic: String,
    limits: Limits,
    topics: Arc<Topics>,
    metrics: Arc<Metrics>,
    facts: Arc<RecordFacts>,
    /// Of the replication server.
    server_id: u32,
    server_uuid: Option<String>,
    /// Whether positions and heartbeats are written to the schema database while the daemon runs.
    writes_positions: bool,
    /// Whether this process has written a record: from then on another's name in it means that it was replaced.
    claimed: AtomicBool,
    /// Whether a run of this process has begun: from then on a place that was given on the command line is behind us.
    begun: AtomicBool,
    life: Mutex<Life>,
    /// Decided XA transactions whose notes in the schema database have to go, where no row is written that takes them along.
    decided: std::sync::Mutex<Vec<XaDecided>>,
}

/// What one run knows between its claim and its first batch.
#[derive(Default)]
struct Life {
    producer: Option<TransactionalProducer>,
    record: Option<PositionRecord>,
}

/// What the configuration says.
pub struct ExactlyOnceOptions {
    pub settings: Settings,
    pub position_topic: String,
    pub limits: Limits,
    pub writes_positions: bool,
    pub client_id: String,
    pub row_server_id: u32,
}

impl ExactlyOnce {
    pub fn new(
        options: ExactlyOnceOptions,
        stored: Arc<dyn Store>,
        identity: &ServerIdentity,
        topics: Arc<Topics>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let ExactlyOnceOptions { settings, position_topic, limits, writes_positions, client_id, row_server_id } = options;
        ExactlyOnce {
            stored,
            settings,
            position_topic,
            limits,
            topics,
            metrics,
            facts: RecordFacts::new(&client_id, row_server_id, identity.uuid.clone()),
            server_id: identity.server_id,
            server_uuid: identity.uuid.clone(),
            writes_positions,
            claimed: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            life: Mutex::default(),
            decided: std::sync::Mutex::default(),
        }
    }

    /// Whether a run of this process has recorded where it started.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// For commands: the store over another, and the last record, without beginning a life. `None`: the configuration is not
    /// for delivery exactly once.
    pub async fn looking(
        config: &Config,
        stored: Arc<dyn Store>,
        identity: &ServerIdentity,
        row_server_id: u32,
    ) -> Result<Option<(Self, Option<PositionRecord>)>> {
        let kafka = wire::kafka_settings(config)?;
        let Some(options) = wire::exactly_once(config, kafka.as_ref(), row_server_id) else { return Ok(None) };
        let store = ExactlyOnce::new(options, stored, identity, Arc::default(), Arc::default());
        let record = store.look().await?;
        Ok(Some((store, record)))
    }

    /// Begins a life: locks an older process out and reads the last record. `given`: the start is at a place that the user
    /// names, whatever is recorded. Calls `connected` with the new client, for health.
    pub async fn claim(&self, given: bool, connected: impl FnOnce(&TransactionalProducer)) -> Result<()> {
        *self.life.lock().await = Life::default();
        let key = &*self.facts.client_id;
        let mut producer = TransactionalProducer::connect(
            self.settings.clone(),
            &self.position_topic,
            self.limits.clone(),
            self.facts.clone(),
            self.topics.clone(),
            self.metrics.clone(),
        )
        .await?;
        connected(&producer);
        position_topic::ensure(&self.settings, &self.position_topic).await?;
        // Before the id is taken over: the successor of this process would be locked out by it.
        if self.claimed.load(Ordering::Acquire) && self.last_is_anothers().await? {
            return Err(replaced());
        }
        producer.init().await?;
        let newest = position_topic::newest(&self.settings, &self.position_topic, key, To::End);
        let (newest, ()) = tokio::join!(newest, trial::end_leftover(&self.settings));
        let record = match newest {
            Err(error) if given && !error.is_transient() => {
                tracing::warn!(%error, "the place that was given goes before the position record");
                None
            }
            record => record?,
        };
        match &record {
            Some(record) => {
                tracing::info!(position = %record.position, file_position = %record.position.at, rows_done = record.rows_done, "kafka: the last position record");
                producer.write(&PositionRecord { owner: self.facts.owner.clone(), ..record.clone() }).await?;
                self.claimed.store(true, Ordering::Release);
            }
            None => tracing::info!(topic = self.position_topic, key, "kafka: no position record of this client yet"),
        }
        // A place that is given goes before the record, and replaces it when the run begins.
        let record = record.filter(|_| !given);
        *self.life.lock().await = Life { producer: Some(producer), record };
        Ok(())
    }

    /// Reads the last record without beginning a life, for a look at where one would start. `None`: there is no record yet, or no
    /// topic for it.
    async fn look(&self) -> Result<Option<PositionRecord>> {
        let record = position_topic::look(&self.settings, &self.position_topic, &self.facts.client_id).await?;
        self.life.lock().await.record = record.clone();
        Ok(record)
    }

    /// Whether another process has written the last record.
    async fn last_is_anothers(&self) -> Result<bool> {
        let last = position_topic::newest(&self.settings, &self.position_topic, &self.facts.client_id, To::Now).await?;
        Ok(last.is_some_and(|record| record.owner != self.facts.owner))
    }

    /// What ends the process, said as what it is: a successor is met first in Kafka, by its heartbeat, or by the server, which
    /// sends the binlog to the younger of two replicas with one id.
    pub async fn explained(&self, error: Error) -> Error {
        if error.is_transient() || !self.claimed.load(Ordering::Acquire) {
            return error;
        }
        match tokio::time::timeout(ASK_MAX, self.last_is_anothers()).await {
            Ok(Ok(true)) => {
                tracing::info!(%error, "a successor was met");
                replaced()
            }
            _ => error,
        }
    }

    /// The start is found: records it, and gives the producer, and how many rows behind the place were sent before.
    pub async fn begin(&self, position: &Position) -> Result<(TransactionalProducer, u64)> {
        let rows_done = self.rows_done(position).await;
        if !self.writes_positions || !self.has_begun() {
            // The row may be ahead (a place that was given), or the last one for long.
            self.stored.save_position(position).await?;
        }
        self.write(position).await?;
        let producer = self.life.lock().await.producer.take();
        let Some(mut producer) = producer else { return Err(Error::bug("a run began without a claim")) };
        producer.begin_at(position.clone(), rows_done);
        self.begun.store(true, Ordering::Release);
        if rows_done > 0 {
            tracing::info!(%position, rows_done, "the last Kafka transaction ended inside a transaction of the binlog: its first rows are not sent again");
        }
        Ok((producer, rows_done))
    }

    /// Rows behind a place that were sent before.
    async fn rows_done(&self, position: &Position) -> u64 {
        let life = self.life.lock().await;
        life.record.as_ref().filter(|record| is_same_place(&record.position, position)).map_or(0, |record| record.rows_done)
    }

    /// Records a place while no run sends.
    async fn write(&self, position: &Position) -> Result<()> {
        let rows_done = self.rows_done(position).await;
        if let Some(producer) = &mut self.life.lock().await.producer {
            producer.write(&self.facts.record(position.clone(), rows_done)).await?;
            self.claimed.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Whether notes can go with a row at this position. They are told once: a row that cannot be written stops the run.
    fn has_decided_before(&self, position: &Position) -> bool {
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        let before = decided.len();
        decided.retain(|one| !one.is_behind(position));
        decided.len() < before
    }

    async fn newer(&self) -> Result<Option<Stored>> {
        let row = self.stored.load_position().await?;
        let record = self.life.lock().await.record.clone();
        // One of the other mode is asked for by `recorded_in_other_mode`.
        let Some(record) = record.filter(|record| !self.is_of_other_mode(record)) else { return Ok(row) };
        let place = || format!("topic {}, key {}", self.position_topic, self.facts.client_id);
        let source = newer(row.as_ref(), &record, self.facts.server_id, self.server_uuid.as_deref()).map_err(|e| e.detail(place()))?;
        match (source, row) {
            (Newer::Row, Some(row)) => {
                tracing::info!(row = %row.position, record = %record.position, "the position in the schema database is newer than the record: nothing was sent between");
                Ok(Some(row))
            }
            (_, row) => {
                let behind = row.map(|row| row.position.to_string());
                tracing::info!(record = %record.position, row = behind, "starting from the position record");
                Ok(Some(stored(record)))
            }
        }
    }

    fn is_of_other_mode(&self, record: &PositionRecord) -> bool {
        (record.server_id == 0) != (self.facts.server_id == 0)
    }

    async fn of_other_mode(&self) -> Result<Option<ClientPosition>> {
        let record = self.life.lock().await.record.clone();
        let Some(record) = record.filter(|record| self.is_of_other_mode(record)) else { return Ok(None) };
        let rows = self.stored.client_positions().await?;
        let row = rows.into_iter().find(|row| row.server_id == record.server_id);
        // As that mode would judge.
        let server_id = if record.server_id == 0 { 0 } else { self.server_id };
        let source = newer(row.as_ref().map(|row| &row.stored), &record, server_id, self.server_uuid.as_deref())
            .map_err(|e| e.detail(format!("topic {}, key {}", self.position_topic, self.facts.client_id)))?;
        Ok(match (source, row) {
            (Newer::Row, Some(row)) => {
                // What is behind the record is before the row.
                if let Some(record) = &mut self.life.lock().await.record {
                    record.rows_done = 0;
                }
                Some(row)
            }
            _ => Some(ClientPosition { client_id: self.facts.client_id.clone(), server_id: record.server_id, stored: stored(record) }),
        })
    }
}

/// What a record says, and which of it and the row is believed, for commands.
pub fn told(record: Option<&PositionRecord>, row: Option<&Stored>, server_id: u32, uuid: Option<&str>) -> String {
    let Some(record) = record else { return "none of this client yet: the row counts".to_owned() };
    let place = match &record.position.gtids {
        Some(gtids) => format!("{gtids} ({})", record.position.at),
        None => record.position.at.to_string(),
    };
    let rows = if record.rows_done > 0 { format!(" and {} rows behind it", record.rows_done) } else { String::new() };
    let judged = if (record.server_id == 0) != (server_id == 0) {
        let was = if record.server_id == 0 { "with" } else { "without" };
        format!("written {was} gtid_mode: the place of this mode is derived from it, unless the row is newer")
    } else {
        match newer(row, record, server_id, uuid) {
            Ok(Newer::Record) if row.is_none() => "there is no row: a start goes on from the record".to_owned(),
            Ok(Newer::Record) => "not older than the row: a start goes on from the record".to_owned(),
            Ok(Newer::Row) => "older than the row: a start goes on from the row".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    format!("{place}{rows}; {judged}")
}

/// A record as the store would have it.
fn stored(record: PositionRecord) -> Stored {
    let origin = Origin { server_uuid: record.server_uuid, birth: None, captured_until: record.captured_until, checked: true };
    Stored { position: record.position, origin }
}

/// Which of the two a start believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    Row,
    Record,
}

const CHOOSE: &str =
    "give --init_position to start at a place that you choose; what lies before it is not sent, what was sent behind it comes again";

/// Record against row, both of this client. `server_id` and `uuid` are the present server's; the first is 0 with `gtid_mode`.
///
/// # Errors
/// Definite when the record is of another server, or when neither has the other's changes behind it.
pub fn newer(row: Option<&Stored>, record: &PositionRecord, server_id: u32, uuid: Option<&str>) -> Result<Newer> {
    let same_uuid = match (&record.server_uuid, uuid) {
        (Some(then), Some(now)) => then.eq_ignore_ascii_case(now),
        _ => true,
    };
    if server_id != 0 && (record.server_id != server_id || !same_uuid) {
        let name = |id: u32, uuid: Option<&str>| format!("server id {id}, {}", uuid.unwrap_or("without a uuid"));
        return Err(Error::definite("the position record is of another server, whose files this one does not have")
            .detail(format!(
                "{}: {}, now {}",
                record.position,
                name(record.server_id, record.server_uuid.as_deref()),
                name(server_id, uuid)
            ))
            .hint(format!("connect to that server; or {CHOOSE}")));
    }
    let Some(row) = row else { return Ok(Newer::Record) };
    let (theirs, ours) = (&row.position, &record.position);
    if server_id != 0 {
        // A row of another server under the same id is older than this record of ours.
        let same = match (&row.origin.server_uuid, uuid) {
            (Some(then), Some(now)) => then.eq_ignore_ascii_case(now),
            _ => true,
        };
        return Ok(if same && ours.at.is_before(&theirs.at) { Newer::Row } else { Newer::Record });
    }
    let (Some(theirs), Some(ours)) = (&theirs.gtids, &ours.gtids) else { return Ok(Newer::Record) };
    match (theirs.is_subset(ours)?, ours.is_subset(theirs)?) {
        (true, _) => Ok(Newer::Record),
        (false, true) => Ok(Newer::Row),
        (false, false) => Err(Error::definite("the position record and the position in the schema database contradict each other")
            .detail(format!("record {ours}, row {theirs}"))
            .hint(CHOOSE)),
    }
}

fn is_same_place(one: &Position, other: &Position) -> bool {
    match (&one.gtids, &other.gtids) {
        (Some(one), Some(other)) => one == other,
        _ => one.at == other.at,
    }
}

impl Store for ExactlyOnce {
    fn load_position(&self) -> BoxFuture<'_, Result<Option<Stored>>> {
        self.newer().boxed()
    }

    fn load_other_client_position(&self) -> BoxFuture<'_, Result<Option<Position>>> {
        self.stored.load_other_client_position()
    }

    fn client_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        self.stored.client_positions()
    }

    fn recorded_in_other_mode(&self) -> BoxFuture<'_, Result<Option<ClientPosition>>> {
        self.of_other_mode().boxed()
    }

    fn set_derived<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, ()> {
        async move {
            if let Some(record) = &mut self.life.lock().await.record {
                record.position = position.clone();
            }
        }
        .boxed()
    }

    fn all_positions(&self) -> BoxFuture<'_, Result<Vec<ClientPosition>>> {
        self.stored.all_positions()
    }

    fn forget_positions<'a>(&'a self, server_ids: &'a [u32]) -> BoxFuture<'a, Result<()>> {
        self.stored.forget_positions(server_ids)
    }

    fn set_origin(&self, origin: Origin) {
        self.facts.set(origin.server_uuid.clone(), origin.captured_until.clone());
        self.stored.set_origin(origin);
    }

    /// While no run sends, the record is written too: whoever finds a schema version must find what was stored before it.
    fn save_position<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<()>> {
        async move {
            let sending = self.life.lock().await.producer.is_none();
            if !sending || self.writes_positions || self.has_decided_before(position) {
                self.stored.save_position(position).await?;
            }
            self.write(position).await
        }
        .boxed()
    }

    fn heartbeat(&self, now_ms: i64) -> BoxFuture<'_, Result<i64>> {
        if self.writes_positions {
            return self.stored.heartbeat(now_ms);
        }
        std::future::ready(Ok(now_ms)).boxed()
    }

    fn load_schema<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.stored.load_schema(position)
    }

    fn load_schema_at<'a>(&'a self, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.stored.load_schema_at(position)
    }

    fn load_schema_by<'a>(&'a self, lookup: Lookup, position: &'a Position) -> BoxFuture<'a, Result<Option<(SchemaId, Schema)>>> {
        self.stored.load_schema_by(lookup, position)
    }

    fn versions_at<'a>(&'a self, at: &'a BinlogPosition) -> BoxFuture<'a, Result<VersionsAt>> {
        self.stored.versions_at(at)
    }

    fn replace_versions<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.stored.replace_versions(schema, position)
    }

    fn save_snapshot<'a>(&'a self, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.stored.save_snapshot(schema, position)
    }

    fn save_changes<'a>(
        &'a self,
        base: SchemaId,
        changes: &'a [SchemaChange],
        schema: &'a Schema,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<SchemaId>> {
        self.stored.save_changes(base, changes, schema, position)
    }

    fn save_view<'a>(&'a self, id: SchemaId, view: &'a str) -> BoxFuture<'a, Result<()>> {
        self.stored.save_view(id, view)
    }

    fn load_view(&self, id: SchemaId) -> BoxFuture<'_, Result<Option<String>>> {
        self.stored.load_view(id)
    }

    fn note_prepared<'a>(&'a self, prepared: &'a [PreparedXa]) -> BoxFuture<'a, Result<()>> {
        self.stored.note_prepared(prepared)
    }

    fn load_prepared(&self) -> BoxFuture<'_, Result<Vec<PreparedXa>>> {
        self.stored.load_prepared()
    }

    fn decided(&self, decided: XaDecided) {
        if !self.writes_positions {
            self.decided.lock().unwrap_or_else(PoisonError::into_inner).push(decided.clone());
        }
        self.stored.decided(decided);
    }

    fn schema_format(&self, id: SchemaId) -> BoxFuture<'_, Result<u16>> {
        self.stored.schema_format(id)
    }

    fn save_mended<'a>(&'a self, id: SchemaId, schema: &'a Schema, position: &'a Position) -> BoxFuture<'a, Result<SchemaId>> {
        self.stored.save_mended(id, schema, position)
    }

    fn tidy(&self, versions_max: Option<u32>) -> BoxFuture<'_, Result<Tidied>> {
        self.stored.tidy(versions_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Gtids;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn place(text: &str) -> Position {
        match text.rsplit_once(':') {
            Some((file, offset)) if file.starts_with("m.") => Position::new(BinlogPosition::new(file, offset.parse().unwrap())),
            _ => Position { gtids: Some(Gtids::parse(text).unwrap()), ..Position::new(BinlogPosition::new("m.000009", 4)) },
        }
    }

    fn record(text: &str, server_id: u32, uuid: &str, rows_done: u64) -> PositionRecord {
        let facts = RecordFacts::new("c", server_id, Some(uuid.into()));
        facts.record(place(text), rows_done)
    }

    fn row(text: &str, uuid: Option<&str>) -> Stored {
        Stored { position: place(text), origin: Origin { server_uuid: uuid.map(str::to_owned), ..Origin::default() } }
    }

    /// Each row: the position in the schema database, the record, and who is believed.
    #[test]
    fn the_newer_one_is_believed() {
        let of = |set: &str| format!("{A}:{set}");
        let by_file = [
            (None, "m.000001:400", Newer::Record),
            (Some("m.000001:400"), "m.000001:400", Newer::Record),
            (Some("m.000001:399"), "m.000001:400", Newer::Record),
            (Some("m.000001:401"), "m.000001:400", Newer::Row),
            (Some("m.000002:4"), "m.000001:400", Newer::Row),
            (Some("m.000009:999"), "m.000010:4", Newer::Record),
        ];
        for (stored, recorded, wanted) in by_file {
            let stored = stored.map(|text| row(text, Some(A)));
            let found = newer(stored.as_ref(), &record(recorded, 7, A, 3), 7, Some(A)).unwrap();
            assert_eq!(found, wanted, "{stored:?} {recorded}");
        }
        // Maxwell wrote the row last, so its server is not known.
        assert_eq!(newer(Some(&row("m.000001:401", None)), &record("m.000001:400", 7, A, 0), 7, Some(A)).unwrap(), Newer::Row);
        // A row that is left from another server under the same id.
        assert_eq!(newer(Some(&row("m.000077:4", Some(B))), &record("m.000001:400", 7, A, 0), 7, Some(A)).unwrap(), Newer::Record);
        let by_gtid = [
            (None, "1-5", Newer::Record),
            (Some("1-5"), "1-5", Newer::Record),
            (Some("1-4"), "1-5", Newer::Record),
            (Some("1-6"), "1-5", Newer::Row),
        ];
        for (stored, recorded, wanted) in by_gtid {
            // After a failover the uuid is another's.
            let stored = stored.map(|set| row(&of(set), Some(A)));
            assert_eq!(newer(stored.as_ref(), &record(&of(recorded), 0, A, 3), 0, Some(B)).unwrap(), wanted, "{stored:?} {recorded}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_the_ways_out() {
        let of = |set: &str| format!("{A}:{set}");
        let rows = [
            (None, record("m.000001:400", 7, A, 0), 7, B, "of another server"),
            (None, record("m.000001:400", 8, A, 0), 7, A, "of another server"),
            (Some(row(&of("1-5"), None)), record(&of("1-3:7"), 0, A, 0), 0, A, "contradict each other"),
        ];
        for (stored, recorded, server_id, uuid, words) in rows {
            let error = newer(stored.as_ref(), &recorded, server_id, Some(uuid)).unwrap_err();
            let text = error.to_string();
            assert!(!error.is_transient() && text.contains(words) && text.contains("--init_position"), "{text}");
        }
    }

    /// Each row: the record, the row, the mode's server id, and what is told.
    #[test]
    fn commands_tell_which_is_believed() {
        let set = |set: &str| format!("{A}:{set}");
        for (recorded, stored, server_id, words) in [
            (None, Some("m.000001:400"), 7, "none of this client yet"),
            (Some(record("m.000001:400", 7, A, 3)), Some("m.000001:400"), 7, "m.000001:400 and 3 rows behind it; not older than the row"),
            (Some(record("m.000001:400", 7, A, 0)), None, 7, "m.000001:400; there is no row"),
            (Some(record("m.000001:400", 7, A, 0)), Some("m.000001:401"), 7, "older than the row: a start goes on from the row"),
            (Some(record("m.000001:400", 7, A, 0)), None, 0, "written without gtid_mode"),
            (Some(record(&set("1-5"), 0, A, 0)), None, 7, "written with gtid_mode"),
            (Some(record("m.000001:400", 7, B, 0)), None, 7, "of another server"),
        ] {
            let stored = stored.map(|text| row(text, Some(A)));
            let text = told(recorded.as_ref(), stored.as_ref(), server_id, Some(A));
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn rows_are_done_at_the_record_only() {
        assert!(is_same_place(&place("m.000001:4"), &place("m.000001:4")));
        assert!(!is_same_place(&place("m.000001:4"), &place("m.000001:5")));
        let (one, other) = (place(&format!("{A}:1-5")), place(&format!("{A}:1-6")));
        let elsewhere = Position { at: BinlogPosition::new("other.000001", 99), ..one.clone() };
        assert!(is_same_place(&one, &elsewhere), "the same set on another server");
        assert!(!is_same_place(&one, &other));
    }
}
