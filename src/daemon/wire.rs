//! From the configuration to the parts of a running daemon: connections, store, producer, chain.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::admin::diagnostic::Diagnose;
use crate::admin::export::MaxwellNames;
use crate::admin::http::{AdminServer, HttpOptions, Offer};
use crate::assemble::spill::SpillDir;
use crate::assemble::{AssembleOptions, Assembler};
use crate::binlog::payload::WINDOW_BYTES_MIN;
use crate::budget::Budget;
use crate::config::{self, Config, MysqlSettings, OutputSettings, ProducerKind, TlsMode};
use crate::encode::batch::Topics;
use crate::encode::{Encoder, HashFunction, KeyFormat, Naming, OutputOptions, PartitionBy, Partitioning};
use crate::error::{Error, Result};
use crate::filter::LiveFilter;
use crate::metrics::Metrics;
use crate::position::Position;
use crate::producer::Producer;
use crate::producer::file::FileProducer;
use crate::producer::kafka::transactions::Limits;
use crate::producer::kafka::{DeadLetters, KafkaOptions, KafkaProducer, Settings};
use crate::producer::stdout::StdoutProducer;
use crate::server::connect::{ConnectionOptions, SslMode};
use crate::server::status::ServerIdentity;
use crate::server::{Server, preflight};
use crate::source::dump::DumpOptions;
use crate::status::{CauseKind, Status};
use crate::store::{MemoryDisk, MemoryStore, MySqlStore, Origin, ReplayStore, Store, StoreOptions};

use super::board::{Board, Counting};
use super::chain::Chain;
use super::diagnose::Diagnostics;
use super::exactly_once::{ExactlyOnce, ExactlyOnceOptions};
use super::pipeline::Surroundings;
use super::purge::PurgeWatch;
use super::quarantine_watch::QuarantineWatch;
use super::report;
use super::seek::Seeker;
use super::sender::QueuedBatch;
use super::shutdown::Shutdown;
use super::start::{Begin, StartContext};
use super::watch::Watch;

/// Shares of `memory_limit`: what waits between reader and pipeline, one open transaction, encoded batches, rows that are
/// held back (and as many of XA transactions that are prepared), and librdkafka's queue. The rest is for the process itself, definitions and compiled plans.
const READ_SHARE: u64 = 8;
const TRANSACTION_SHARE: u64 = 8;
const BATCH_SHARE: u64 = 16;
const HELD_SHARE: u64 = 32;
const PRODUCER_SHARE: u64 = 4;
/// What unpacking one compressed transaction may need.
const WINDOW_SHARE: u64 = 4;
/// A start that needs Kafka for longer than this is told to health.
const START_SILENCE: Duration = Duration::from_secs(1);
/// Batches beyond this size do not make anything faster.
const BATCH_BYTES: usize = 256 << 10;

/// Everything that lives as long as the process, from which runs are started.
pub struct Wiring {
    pub config: Config,
    pub store: Arc<dyn Store>,
    pub replication: Arc<Server>,
    pub capture: Arc<Server>,
    pub identity: ServerIdentity,
    pub board: Arc<Board>,
    pub row_server_id: u32,
    filter: Arc<LiveFilter>,
    topics: Arc<Topics>,
    kafka: Option<Settings>,
    /// The store too, with `delivery=exactly_once`.
    exactly_once: Option<Arc<ExactlyOnce>>,
    spill: SpillDir,
}

/// The byte bounds of one run's queues.
pub struct Budgets {
    pub read: Arc<Budget>,
    pub batch: Arc<Budget>,
}

impl Budgets {
    pub fn new(limit_bytes: u64) -> Self {
        Budgets { read: Arc::new(Budget::new(limit_bytes / READ_SHARE)), batch: Arc::new(Budget::new(limit_bytes / BATCH_SHARE)) }
    }

    /// Wakes whoever waits for room; nothing more is let in.
    pub fn close(&self) {
        self.read.close();
        self.batch.close();
    }
}

/// What everything is posted to; metrics are counted as the configuration says.
pub fn board(config: &Config) -> (Arc<Board>, watch::Receiver<Status>) {
    Board::counting(Arc::new(Metrics::new()), counting(config))
}

impl Wiring {
    /// Opens the servers and the store, and checks what can be checked before the first event.
    pub async fn connect(config: Config, board: Arc<Board>, watched: watch::Receiver<Status>) -> Result<(Arc<Self>, Option<AdminServer>)> {
        let admin = match &config.http {
            Some(http) => {
                let options =
                    HttpOptions { bind_address: http.bind_address.clone(), port: http.port, path_prefix: http.path_prefix.clone() };
                Some(AdminServer::bind(&options, board.metrics.clone(), watched).await?)
            }
            None => None,
        };
        let kafka = kafka_settings(&config)?;
        let spill = SpillDir::open(&config.memory.spill_dir, config.memory.spill_bytes_max)?;
        let store_server = Arc::new(Server::new(connection(&config.store))?);
        let replication =
            if config.replication == config.store { store_server.clone() } else { Arc::new(Server::new(connection(&config.replication))?) };
        let capture = match &config.capture {
            Some(settings) => Arc::new(Server::new(connection(settings))?),
            None => replication.clone(),
        };
        let checked = preflight::check(&replication, &store_server, config.gtid_mode).await?;
        for warning in checked.warnings() {
            tracing::warn!(hint = warning.hint(), "{}", warning.text);
        }
        let identity = checked.into_result()?.identity;
        let options = store_options(&config, &identity);
        let row_server_id = options.row_server_id();
        let store = open_store(store_server, options, config.replay).await?;
        store.set_origin(Origin { server_uuid: identity.uuid.clone(), ..Origin::default() });
        let topics = Arc::new(Topics::new());
        let exactly_once = exactly_once(&config, kafka.as_ref(), row_server_id)
            .map(|options| Arc::new(ExactlyOnce::new(options, store.clone(), &identity, topics.clone(), board.metrics.clone())));
        let store = exactly_once.clone().map_or(store, |store| store as Arc<dyn Store>);
        let filter = Arc::new(LiveFilter::new(config.filter.clone()));
        if let ProducerKind::Kafka(kafka) = &config.producer.kind
            && !kafka.topic.contains("%{")
        {
            // Known before the first row, so that its limit is, too.
            topics.intern(&kafka.topic);
        }
        let wiring =
            Wiring { store, replication, capture, identity, board, row_server_id, filter, topics, kafka, exactly_once, spill, config };
        let wiring = Arc::new(wiring);
        let admin = admin.map(|admin| admin.offering(wiring.offer()));
        Ok((wiring, admin))
    }

    /// How Maxwell's metrics are shown.
    fn maxwell_names(&self) -> MaxwellNames {
        let with_flight = matches!(self.config.producer.kind, ProducerKind::Kafka(_));
        MaxwellNames { prefix: self.config.metrics.prefix.clone(), with_flight }
    }

    fn writes_heartbeats(&self) -> bool {
        !self.config.replay && self.config.exactly_once().is_none_or(|settings| settings.writes_positions)
    }

    /// What is served over HTTP.
    fn offer(&self) -> Offer {
        let Some(http) = &self.config.http else { return Offer { metrics: None, filter: None, diagnostic: None } };
        let diagnostics = || Diagnostics {
            board: self.board.clone(),
            replication: self.replication.clone(),
            store_address: format!("{}:{}", self.config.store.host, self.config.store.port),
            heartbeats_return: self.config.replication == self.config.store && self.writes_heartbeats(),
            brokers: self.kafka.as_ref().map(|settings| settings.brokers.clone()),
        };
        Offer {
            metrics: http.metrics.then(|| self.maxwell_names()),
            filter: http.config.then(|| self.filter.clone()),
            diagnostic: http.diagnostic_ms.map(|ms| (Arc::new(diagnostics()) as Arc<dyn Diagnose>, Duration::from_millis(ms))),
        }
    }

    /// Starts what watches and reports for as long as the process lives.
    pub fn watch(&self, stop: &Shutdown) {
        let settings = &self.config.metrics;
        let watch = Watch::new(self.board.clone(), settings.lag_limit_ms.map(Duration::from_millis));
        let purge = PurgeWatch {
            replication: self.replication.clone(),
            board: self.board.clone(),
            resume_time: watch.resume_time(),
            gtid_mode: self.config.gtid_mode,
            warning: Duration::from_millis(settings.purge_warning_ms),
        };
        tokio::spawn(watch.run(stop.clone()));
        tokio::spawn(purge.run(stop.clone()));
        if let Some(seconds) = settings.log_interval_s {
            tokio::spawn(report::log(self.board.clone(), self.maxwell_names(), Duration::from_secs(seconds), stop.clone()));
        }
        if let Some(agent) = &settings.datadog {
            let agent = report::Datadog {
                host: agent.host.clone(),
                port: agent.port,
                tags: agent.tags.clone(),
                every: Duration::from_secs(agent.interval_s),
            };
            tokio::spawn(report::datadog(self.board.clone(), self.maxwell_names(), agent, stop.clone()));
        }
    }

    /// What the next run starts from. `--init_position` and `--recapture_schema` hold until something behind them is stored:
    /// a run that failed before leaves the older position in the store, and going on from there would leave out what was
    /// asked for.
    pub fn start_context<'a>(&'a self, seeker: &'a Seeker) -> StartContext<'a> {
        let first = self.is_first_start();
        StartContext {
            store: &*self.store,
            replication: &self.replication,
            capture: &self.capture,
            identity: &self.identity,
            seeker,
            schema_database: &self.config.schema_database,
            client_id: &self.config.client_id,
            gtid_mode: self.config.gtid_mode,
            init_position: self.config.init_position.clone().filter(|_| first),
            recapture: self.config.recapture_schema && first,
            master_recovery: self.config.master_recovery,
            maxwell_quirks: self.config.output.maxwell_quirks,
            row_server_id: self.row_server_id,
            board: Some(&self.board),
        }
    }

    fn is_first_start(&self) -> bool {
        match &self.exactly_once {
            // The record of a start is as good as a saved position.
            Some(exactly_once) => !exactly_once.has_begun(),
            None => self.board.saves() == 0,
        }
    }

    /// Before a start is looked for: with `delivery=exactly_once` an older process is locked out first, and the last
    /// position record read.
    pub async fn claim(&self) -> Result<()> {
        let Some(exactly_once) = &self.exactly_once else { return Ok(()) };
        let given = self.config.init_position.is_some() && self.is_first_start();
        self.waiting_for_kafka(exactly_once.claim(given, |producer| self.connected(producer.client()))).await
    }

    /// Part of a start that needs the brokers. If it takes long, health says so; the run's own standing takes it back.
    async fn waiting_for_kafka<T>(&self, wait: impl Future<Output = T>) -> T {
        tokio::pin!(wait);
        tokio::select! { biased;
            ended = &mut wait => return ended,
            () = tokio::time::sleep(START_SILENCE) => {}
        }
        let brokers = self.kafka.as_ref().map(|settings| settings.brokers.as_str()).unwrap_or_default();
        self.board.ill(CauseKind::Restarting, format!("the start waits for Kafka (kafka.bootstrap.servers={brokers})"));
        wait.await
    }

    /// The producer of a run that starts at this place, and how many rows behind it were sent before.
    pub async fn producer_at(&self, position: &Position) -> Result<(Box<dyn Producer>, u64)> {
        let Some(exactly_once) = &self.exactly_once else { return Ok((self.producer().await?, 0)) };
        let (producer, rows_done) = self.waiting_for_kafka(exactly_once.begin(position)).await?;
        Ok((Box::new(producer), rows_done))
    }

    /// The error that ends the process, as the user should read it.
    pub async fn explained(&self, error: Error) -> Error {
        match &self.exactly_once {
            Some(exactly_once) => exactly_once.explained(error).await,
            None => error,
        }
    }

    /// A Kafka client is there.
    fn connected(&self, producer: &KafkaProducer) {
        self.board.kafka(producer.probe());
        tokio::spawn(post_trouble(producer.trouble(), self.board.clone()));
    }

    pub fn seeker(&self) -> Seeker {
        Seeker::new(&dump_options(&self.config), self.replication.clone(), self.identity.version.flavor)
    }

    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.config.shutdown_timeout_ms)
    }

    pub fn ack_timeout(&self) -> Option<Duration> {
        self.config.producer.ack_timeout_ms.map(Duration::from_millis)
    }

    /// A new producer; for Kafka this waits for the first broker.
    async fn producer(&self) -> Result<Box<dyn Producer>> {
        let metrics = self.board.metrics.clone();
        match &self.config.producer.kind {
            ProducerKind::Stdout => Ok(Box::new(StdoutProducer::start(metrics)?)),
            ProducerKind::File { path } => Ok(Box::new(FileProducer::open(path, metrics)?)),
            ProducerKind::Kafka(_) => {
                let settings = self.kafka.clone().ok_or_else(|| Error::bug("no Kafka settings"))?;
                let producer = self.waiting_for_kafka(KafkaProducer::connect(settings, self.topics.clone(), metrics)).await?;
                self.connected(&producer);
                Ok(Box::new(producer))
            }
        }
    }

    /// The chain and its surroundings for one run.
    pub fn pipeline(
        &self,
        begin: Begin,
        batches: mpsc::Sender<QueuedBatch>,
        budgets: &Budgets,
        shutdown: Shutdown,
    ) -> (Chain, Surroundings) {
        let config = &self.config;
        let filter = self.filter.current();
        let options = AssembleOptions {
            schema_database: config.schema_database.clone(),
            client_id: config.client_id.clone(),
            filter: filter.clone(),
            row_queries: config.output.row_query,
            memory_bytes: config.memory.limit_bytes / TRANSACTION_SHARE,
            gtid_mode: config.gtid_mode,
            event_bytes_max: event_bytes_max(config.memory.row_bytes_max),
        };
        let Begin { position, schema, schema_id, captured_until, prepared } = begin;
        let mut assembler = Assembler::new(options, self.spill.clone(), schema, Some(schema_id), position.at.clone(), position.heartbeat);
        assembler.keep_prepared(config.memory.limit_bytes / HELD_SHARE);
        assembler.restore_prepared(prepared, &position);
        if let Some(until) = captured_until {
            assembler.captured_until(until);
        }
        if self.exactly_once.is_some() {
            assembler.count_left_out();
        }
        if config.on_schema_error == config::OnSchemaError::Quarantine {
            assembler.quarantine_mut().turn_on(config.memory.limit_bytes / HELD_SHARE);
        }
        if config.output.maxwell_quirks {
            assembler.see_as_maxwell();
        }
        let encoder = Encoder::new(output_options(config), self.topics.clone());
        let mut chain = Chain::new(assembler, encoder, filter, config.output.ddl, position.gtids);
        chain.follow(self.filter.clone());
        let surroundings = Surroundings {
            runtime: Handle::current(),
            store: self.store.clone(),
            capture: self.capture.clone(),
            replication: self.replication.clone(),
            identity: self.identity.clone(),
            server_uuid: self.identity.uuid.clone(),
            dump: dump_options(config),
            batches,
            read_budget: budgets.read.clone(),
            batch_budget: budgets.batch.clone(),
            board: self.board.clone(),
            shutdown,
            gtid_mode: config.gtid_mode,
            reconnects_max: config.reconnection_retries,
            watch: QuarantineWatch::default(),
            saved_view: None,
        };
        (chain, surroundings)
    }
}

/// How Maxwell's metrics are counted.
fn counting(config: &Config) -> Counting {
    Counting {
        late_after_us: config.metrics.age_slo_s.saturating_mul(1_000_000),
        acknowledges_later: matches!(config.producer.kind, ProducerKind::Kafka(_)),
    }
}

/// Whose rows are read and written.
pub(super) fn store_options(config: &Config, identity: &ServerIdentity) -> StoreOptions {
    StoreOptions {
        schema_database: config.schema_database.clone(),
        client_id: config.client_id.clone(),
        server_id: identity.server_id,
        gtid_mode: config.gtid_mode,
        flavor: identity.version.flavor,
        case: identity.case,
    }
}

async fn open_store(server: Arc<Server>, options: StoreOptions, replay: bool) -> Result<Arc<dyn Store>> {
    if !replay {
        return Ok(Arc::new(MySqlStore::open(server, options).await?));
    }
    tracing::warn!("replay: nothing is written to the schema database, neither positions nor heartbeats nor schema versions");
    let stored: Box<dyn Store> = match MySqlStore::open_to_read(server, options.clone()).await? {
        Some(store) => Box::new(store),
        None => Box::new(MemoryStore::open(MemoryDisk::default(), options.clone())),
    };
    Ok(Arc::new(ReplayStore::new(stored, options)))
}

/// How the binlog is read.
pub(super) fn dump_options(config: &Config) -> DumpOptions {
    let mut dump = DumpOptions::new(connection(&config.replication), config.replica_server_id, config.client_id.clone());
    dump.event_bytes_max = event_bytes_max(config.memory.row_bytes_max) as usize;
    dump.window_bytes_max = (config.memory.limit_bytes / WINDOW_SHARE).max(WINDOW_BYTES_MIN);
    dump
}

/// An event holds at least one row, an update two images of it, and what stands around them is small.
pub fn event_bytes_max(row_bytes_max: u64) -> u32 {
    u32::try_from(row_bytes_max.saturating_mul(2).saturating_add(1 << 20)).unwrap_or(u32::MAX).min(1 << 30)
}

/// While no broker can be reached, health says so.
async fn post_trouble(mut trouble: tokio::sync::watch::Receiver<Option<Arc<str>>>, board: Arc<Board>) {
    loop {
        let sentence = trouble.borrow_and_update().clone();
        match sentence {
            Some(sentence) => board.ill(CauseKind::Producer, &*sentence),
            None => board.well(CauseKind::Producer),
        }
        if trouble.changed().await.is_err() {
            return;
        }
    }
}

/// What delivery exactly once needs, if it is wanted.
pub fn exactly_once(config: &Config, kafka: Option<&Settings>, row_server_id: u32) -> Option<ExactlyOnceOptions> {
    let settings = config.exactly_once()?;
    Some(ExactlyOnceOptions {
        settings: kafka?.clone(),
        position_topic: settings.position_topic.clone(),
        limits: Limits {
            interval: Duration::from_millis(settings.interval_ms),
            bytes: usize::try_from(settings.bytes).unwrap_or(usize::MAX),
            records_ends: !settings.writes_positions,
        },
        writes_positions: settings.writes_positions,
        client_id: config.client_id.clone(),
        row_server_id,
    })
}

pub fn kafka_settings(config: &Config) -> Result<Option<Settings>> {
    let ProducerKind::Kafka(kafka) = &config.producer.kind else { return Ok(None) };
    let options = KafkaOptions {
        properties: kafka.properties.iter().map(|p| (p.name.clone(), p.value.reveal().to_owned())).collect(),
        queue_bytes_max: config.memory.limit_bytes / PRODUCER_SHARE,
        ignore_producer_error: config.producer.ignore_error,
        dead_letters: kafka.dead_letter_topic.clone().map(|topic| DeadLetters {
            topic,
            full: kafka.dead_letter_full,
            keys: key_format(kafka.key_format),
        }),
        creation: kafka.creation.clone(),
    };
    let transactional_id = kafka.exactly_once.as_ref().map(|_| format!("binlogd-{}", config.client_id));
    let built = Settings::build_for(&options, transactional_id.as_deref()).map_err(|faults| {
        let place = |key: &str| kafka.properties.iter().find(|p| p.name == key).map(|p| format!(" ({})", p.origin)).unwrap_or_default();
        let lines: Vec<String> = faults.iter().map(|f| format!("{f}{}", place(&f.key))).collect();
        Error::definite(lines.join("; "))
    })?;
    if let (Some(wanted), Some(transactional)) = (&kafka.exactly_once, &built.transactional)
        && Duration::from_millis(wanted.interval_ms) * 2 > transactional.timeout
    {
        let what = format!("exactly_once_interval={} is more than half of kafka.transaction.timeout.ms", wanted.interval_ms);
        return Err(Error::definite(what)
            .detail(format!("kafka.transaction.timeout.ms={}", transactional.timeout.as_millis()))
            .hint("lower the one or raise the other: the cluster would end transactions before they are committed"));
    }
    Ok(Some(built))
}

pub fn connection(settings: &MysqlSettings) -> ConnectionOptions {
    let mut options = ConnectionOptions::new(settings.host.clone(), settings.user.clone(), settings.password.clone());
    options.port = settings.port;
    options.ssl = match settings.tls.mode {
        TlsMode::Disabled => SslMode::Disabled,
        TlsMode::Preferred => SslMode::Preferred,
        TlsMode::Required => SslMode::Required,
        TlsMode::VerifyCa => SslMode::VerifyCa,
        TlsMode::VerifyIdentity => SslMode::VerifyIdentity,
    };
    options.ssl_ca = settings.tls.ca.clone();
    if let Some(identity) = &settings.tls.identity {
        options.ssl_cert = Some(identity.cert.clone());
        options.ssl_key = Some(identity.key.clone());
    }
    options.trust_store = settings.tls.trust_store.clone();
    options.client_store = settings.tls.client_store.clone();
    options.connect_timeout_ms = settings.connect_timeout_ms;
    options.statement_timeout_ms = settings.statement_timeout_ms;
    options
}

/// The encoder's options for a running daemon.
pub fn output_options(config: &Config) -> OutputOptions {
    let mut options = shown(&config.output);
    options.row_bytes_max = config.memory.row_bytes_max;
    options.batch_bytes = BATCH_BYTES.min((config.memory.limit_bytes / BATCH_SHARE / 4) as usize);
    if let ProducerKind::Kafka(kafka) = &config.producer.kind {
        options.topic = kafka.topic.clone();
        options.ddl_topic = Some(kafka.ddl_topic.clone());
        options.keys = key_format(kafka.key_format);
        options.row_keys = kafka.row_keys;
        options.tombstones = kafka.tombstones;
        options.partitioning = Some(partitioning(config, kafka.partition_hash));
    }
    options
}

fn key_format(format: config::KeyFormat) -> KeyFormat {
    match format {
        config::KeyFormat::Hash => KeyFormat::Hash,
        config::KeyFormat::Array => KeyFormat::Array,
    }
}

fn partitioning(config: &Config, hash: config::PartitionHash) -> Partitioning {
    let settings = &config.producer.partition;
    let simple = |by: config::PartitionBy| match by {
        config::PartitionBy::Table => PartitionBy::Table,
        config::PartitionBy::PrimaryKey => PartitionBy::PrimaryKey,
        config::PartitionBy::TransactionId => PartitionBy::TransactionId,
        config::PartitionBy::ThreadId => PartitionBy::ThreadId,
        config::PartitionBy::Random => PartitionBy::Random,
        // `Column` without columns cannot come here: validation refuses it.
        config::PartitionBy::Database | config::PartitionBy::Column => PartitionBy::Database,
    };
    let by_column = settings.by == config::PartitionBy::Column;
    Partitioning {
        by: simple(if by_column { settings.fallback } else { settings.by }),
        columns: if by_column { settings.columns.clone() } else { Vec::new() },
        hash: match hash {
            config::PartitionHash::Java => HashFunction::Java,
            config::PartitionHash::Murmur3 => HashFunction::Murmur3,
        },
    }
}

/// The `output_*` options.
pub fn shown(output: &OutputSettings) -> OutputOptions {
    OutputOptions {
        binlog_position: output.binlog_position,
        gtid_position: output.gtid_position,
        commit_info: output.commit_info,
        xoffset: output.xoffset,
        nulls: output.nulls,
        server_id: output.server_id,
        thread_id: output.thread_id,
        schema_id: output.schema_id,
        row_query: output.row_query,
        row_query_length_max: output.row_query_max_length,
        primary_keys: output.primary_keys,
        primary_key_columns: output.primary_key_columns,
        null_zerodates: output.null_zerodates,
        maxwell_quirks: output.maxwell_quirks,
        omits_partial_json: output.omits_partial_json,
        ddl: output.ddl,
        push_timestamp: output.push_timestamp,
        naming: match output.naming_strategy {
            config::NamingStrategy::AsIs => Naming::AsIs,
            config::NamingStrategy::UnderscoreToCamelcase => Naming::UnderscoreToCamelcase,
        },
        exclude_columns: output.exclude_columns.clone(),
        ..OutputOptions::default()
    }
}
