//! One delivery through all faults, under a mixed load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::arrivals::Arrivals;
use super::cluster::Cluster;
use super::faults::{Blow, Fault, schedule, suffer};
use super::keeper::Keeper;
use crate::live_support::clock::eventually;
use crate::live_support::committed;
use crate::live_support::daemon::{Config, Site};
use crate::live_support::delivery::{self, Arrived};
use crate::live_support::environment::{need, number, one_at_a_time, run_number, variable};
use crate::live_support::http::{free_port, get};
use crate::live_support::load::Load;
use crate::live_support::load::journal::Journal;
use crate::live_support::servers;
use crate::live_support::sql::SqlServer;
use crate::live_support::topic::Topic;

const PARTITIONS: i32 = 6;
/// Actions a second of each connection.
const RATE: u32 = 40;
const MEMORY_LIMIT: &str = "64M";
const MEMORY_LIMIT_KB: u64 = 64 << 10;
/// Only a bound for what hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// Time-outs of seconds.
const SETTINGS: [(&str, &str); 3] =
    [("kafka.request.timeout.ms", "3000"), ("kafka.max.block.ms", "5000"), ("kafka.metadata.max.age.ms", "5000")];

/// # Panics
/// When anything is missing, disordered, invented, different, or twice in exactly-once; when the daemon ends by itself.
pub async fn run(name: &'static str, once: bool) {
    let _alone = one_at_a_time().await;
    let Some([port]) = need(name, ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    if !servers::can_start() {
        need(name, ["BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR"]);
        return;
    }
    let begun = Instant::now();
    let seed = number("BINLOGD_KILL_SEED", rand::random());
    println!("{name}: seed {seed} (BINLOGD_KILL_SEED repeats the schedule)");
    let server = SqlServer::new("mysql97", &port);
    let site = Site::new(name);
    let (database, schema) = (format!("load_{name}"), format!("maxwell_{name}"));
    server.fresh_databases(&database, &schema).await;
    Load::prepare(&server, &database).await;
    let topic_name = format!("{name}-{}-{seed}", run_number());
    let cluster = Cluster::start(&topic_name).await;
    let topic = Topic::create_copied(&cluster.brokers, &topic_name, PARTITIONS, 3).await;
    let http = free_port();
    let mut config = Config::for_server(&server, &schema)
        .into_topic(&cluster.proxied, &topic.name)
        .with("gtid_mode", true)
        .with("filter", format!("exclude: *.*, include: {database}.*"))
        .with("producer_partition_by", "primary_key")
        .with("memory_limit", MEMORY_LIMIT)
        .with("http_port", http)
        .with("http_bind_address", "127.0.0.1");
    for (key, value) in SETTINGS {
        config = config.with(key, value);
    }
    if once {
        config = config
            .with("delivery", "exactly_once")
            .with("client_id", format!("brokers-{seed}"))
            .with("kafka_position_topic", format!("{topic_name}-positions"))
            .with("kafka.transaction.timeout.ms", "8000");
    }

    let mut keeper = Keeper::new(&site, config);
    let sql = format!("SELECT binlog_file FROM {schema}.positions WHERE last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", LIMIT, async || {
        keeper.look();
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
    let progress = Progress::default();
    let (seen, wanted) = (progress.clone(), database.clone());
    let watcher = committed::watch(&cluster.brokers, &topic.name, PARTITIONS, move |record| {
        let mut arrived = Arrived::default();
        arrived.take(&wanted, record);
        seen.finished.fetch_or(arrived.finished, Ordering::SeqCst);
        seen.newest.fetch_max(arrived.seen.iter().filter(|_| !arrived.finished).map(|s| s.version).max().unwrap_or(0), Ordering::SeqCst);
    });

    let load = Load::start(&server, &database, seed, RATE);
    let mut rng = StdRng::seed_from_u64(seed);
    let kills = usize::try_from(number("BINLOGD_BROKER_KILLS", 10)).expect("a small number");
    let outage = Duration::from_secs(number("BINLOGD_BROKER_OUTAGE", 20));
    for Blow { fault, kills } in schedule(&mut rng, kills, cluster.small_disk().is_some()) {
        let start = Instant::now();
        keeper.kill_at(&kills);
        if fault == Fault::Outage {
            suffer_outage(&cluster, &mut keeper, http, outage).await;
        } else {
            suffer(fault, &cluster, &mut keeper, &mut rng).await;
        }
        let lasted = start.elapsed();
        keeper.along(cluster.whole()).await;
        progress.reaches(&load.journal, &mut keeper).await;
        if fault == Fault::Outage {
            green(http, &mut keeper).await;
        }
        println!(
            "{name}: {fault:?} {:.1} s, over {:.1} s later, killed at {kills:?}",
            lasted.as_secs_f32(),
            (start.elapsed() - lasted).as_secs_f32()
        );
    }
    let journal = load.finish().await;
    let whole = delivery::finishing_touch(&server, &database, &journal).await;
    eventually("the daemon catches up after the load", LIMIT, async || {
        keeper.look();
        progress.finished.load(Ordering::SeqCst).then_some(())
    })
    .await;
    keeper.stop().await;
    drop(watcher);

    let arrivals = Arrivals::read(&database, committed::records(&cluster.brokers, &topic.name, PARTITIONS).await);
    let transactions = journal.settle(&delivery::marks(&server, &database).await);
    let checked = match arrivals.check(&transactions, once, &cluster, &topic.name).await {
        Ok(checked) => checked,
        Err(faults) => panic!("{name}: seed {seed}: {faults}"),
    };
    let compared = delivery::compare_tables(&server, &database, &transactions, &arrivals.newest, &whole).await;
    println!(
        "{name}: {} transactions, {} keys, {} versions, {} messages ({} again, {} late), {compared} last images equal their rows, \
         {} lives of the daemon ({} killed, {} found no broker), leaders moved {} times, peak memory {} MB, {} s",
        checked.report.transactions,
        checked.report.keys,
        checked.report.versions,
        checked.messages,
        checked.again,
        checked.late,
        keeper.lives,
        keeper.killed,
        keeper.given_up,
        cluster.leaders.moves.load(Ordering::Relaxed),
        keeper.peak >> 10,
        begun.elapsed().as_secs()
    );
    assert!(cluster.leaders.moves.load(Ordering::Relaxed) > 0, "no leader ever moved");
    cluster.stop().await;
    server.drop_databases(&database, &schema).await;
}

/// How far the topic was read.
#[derive(Clone, Default)]
struct Progress {
    newest: Arc<AtomicU64>,
    finished: Arc<AtomicBool>,
}

impl Progress {
    /// Waits until something arrives that was written after this moment.
    async fn reaches(&self, journal: &Journal, keeper: &mut Keeper<'_>) {
        let now = journal.next_version();
        eventually("what is written after the fault arrives", LIMIT, async || {
            keeper.look();
            (self.newest.load(Ordering::SeqCst) > now).then_some(())
        })
        .await;
    }
}

/// No broker can be reached while rows are written: health tells, and memory stays within its limit. A daemon that starts
/// meanwhile tells too.
async fn suffer_outage(cluster: &Cluster, keeper: &mut Keeper<'_>, http: u16, time: Duration) {
    cluster.proxies.iter().for_each(|proxy| proxy.close(true));
    let end = Instant::now() + time;
    red(http, keeper, "Kafka").await;
    keeper.pass(end.saturating_duration_since(Instant::now())).await;
    red(http, keeper, "Kafka").await;
    let peak = keeper.memory_peak_kb();
    println!("peak memory in an outage of {} s: {:.1} MB", time.as_secs(), peak as f64 / 1024.0);
    // A debug build is larger by itself.
    if variable("BINLOGD_TEST_BINARY").is_some_and(|path| path.contains("/release/")) {
        assert!(peak <= MEMORY_LIMIT_KB, "{peak} kB are more than memory_limit={MEMORY_LIMIT} allows");
    }
    keeper.kill_now();
    red(http, keeper, "the start waits for Kafka (kafka.bootstrap.servers=").await;
    cluster.proxies.iter().for_each(|proxy| proxy.close(false));
}

async fn red(http: u16, keeper: &mut Keeper<'_>, words: &str) {
    eventually(&format!("health is red: {words}"), LIMIT, async || {
        keeper.look();
        get(http, "/healthcheck", "*/*").filter(|(status, body)| *status == 500 && body.contains(words))
    })
    .await;
}

async fn green(http: u16, keeper: &mut Keeper<'_>) {
    eventually("health is green", LIMIT, async || {
        keeper.look();
        get(http, "/healthcheck", "*/*").filter(|(status, _)| *status == 200)
    })
    .await;
}
