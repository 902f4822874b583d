//! The errors that docs/kafka.md tells of, each with its text and exit code, and that trouble that lasts is told once and not at
//! every try. Refused logins and certificates are in live_kafka_security, missing rights in live_kafka_rights, refused messages one
//! by one in live_kafka_refused.

#[path = "live_support/mod.rs"]
mod live_support;

use std::net::TcpListener;
use std::time::Duration;

use futures_util::future::join_all;
use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time, run_number};
use live_support::refusal::Refusal;
use live_support::sql::SqlServer;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

const DATA: &str = "kafka_errors_data";
const SCHEMA: &str = "maxwell_kafka_errors";
const LIMIT: Duration = Duration::from_secs(60);
/// Daemons at a time.
const TOGETHER: usize = 5;

/// What may pass, so that the daemon waits as long as it may. All others end by themselves.
const WAITED_OUT: &[&str] = &["nobody", "no-name", "mute", "missing"];

/// A name, the options that differ, and words of the one error that is told.
type Case<'a> = (&'a str, Vec<(&'a str, String)>, &'a [&'a str]);

fn case<'a>(name: &'a str, options: &[(&'a str, &str)], words: &'a [&'a str]) -> Case<'a> {
    (name, options.iter().map(|(k, v)| (*k, (*v).to_owned())).collect(), words)
}

struct World {
    site: Site,
    server: SqlServer,
    brokers: String,
}

impl World {
    async fn start(test: &str) -> Option<World> {
        let [port, brokers] = need(test, ["BINLOGD_TEST_MYSQL97_PORT", "BINLOGD_TEST_KAFKA"])?;
        let server = SqlServer::new("mysql97", &port);
        server.fresh_databases(DATA, SCHEMA).await;
        Some(World { site: Site::new(test), server, brokers })
    }

    fn config(&self, case: &Case) -> Config {
        let (name, options, _) = case;
        let config = Config::for_server(&self.server, SCHEMA)
            .into_topic(&self.brokers, &topic(name))
            .with("client_id", name)
            .with("kafka.max.block.ms", if WAITED_OUT.contains(name) { 3000 } else { 30_000 });
        options.iter().fold(config, |config, (name, value)| config.with(name, value))
    }

    async fn topic(&self, name: &str, setting: (&str, &str)) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().expect("an admin client");
        let wanted = NewTopic::new(name, 1, TopicReplication::Fixed(1)).set(setting.0, setting.1);
        for made in admin.create_topics([&wanted], &AdminOptions::new()).await.expect("the broker answers") {
            made.expect("the topic can be made");
        }
    }
}

fn topic(name: &str) -> String {
    format!("errors-{name}-{}", run_number())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_that_fail() {
    let _alone = one_at_a_time().await;
    let Some(world) = World::start("kafka-errors-start").await else { return };
    // It takes connections and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mute = mute.local_addr().expect("an address").to_string();
    let deleted = topic("positions-deleted");
    world.topic(&deleted, ("cleanup.policy", "delete")).await;
    let (once, positions) = (("delivery", "exactly_once"), topic("positions"));
    let mute_words: &[&str] = &["no Kafka broker has answered", &mute, "waited 3"];
    let servers = "kafka.bootstrap.servers";
    let cases = [
        case(
            "nobody",
            &[(servers, "127.0.0.1:1")],
            &["no Kafka broker can be reached", "127.0.0.1:1", "refused", "check that a broker runs there"],
        ),
        case(
            "no-name",
            &[(servers, "no-such-broker.invalid:9092")],
            &["no Kafka broker can be reached", "no-such-broker.invalid", "resolve", "check the host names"],
        ),
        case("mute", &[(servers, &mute)], mute_words),
        case("unknown-key", &[("kafka.lingerms", "5")], &["kafka.lingerms", "neither the Java producer nor librdkafka"]),
        case("consumers-key", &[("kafka.group.id", "x")], &["kafka.group.id", "setting of consumers"]),
        case("java-class", &[("kafka.interceptor.classes", "a.B")], &["kafka.interceptor.classes", "names a Java class"]),
        case("no-number", &[("kafka.linger.ms", "soon")], &["kafka.linger.ms"]),
        case("once-acks", &[once, ("kafka.acks", "1")], &["kafka.acks", "delivery=exactly_once needs kafka.acks=all"]),
        case(
            "once-delivery-timeout",
            &[once, ("kafka.delivery.timeout.ms", "60001")],
            &["kafka.delivery.timeout.ms", "at most kafka.transaction.timeout.ms=60000"],
        ),
        case(
            "once-transaction-timeout",
            &[once, ("kafka_position_topic", &positions), ("kafka.transaction.timeout.ms", "86400000")],
            &["transaction", "lower kafka.transaction.timeout.ms to the brokers' transaction.max.timeout.ms"],
        ),
        case(
            "once-positions-deleted",
            &[once, ("kafka_position_topic", &deleted)],
            &["cleanup.policy=delete", "position records would be deleted", "kafka-configs.sh"],
        ),
        case(
            "once-positions-name",
            &[once, ("kafka_position_topic", "a/b")],
            &["Kafka allows no topic named \"a/b\"", "kafka_position_topic"],
        ),
        case("no-transactions", &[("kafka.transactional.id", "x")], &["kafka.transactional.id", "delivery=exactly_once"]),
    ];
    // The first one makes the schema database.
    let (first, others) = cases.split_at(1);
    for some in std::iter::once(first).chain(others.chunks(TOGETHER)) {
        let all = some.iter().map(|case| {
            let (config, (name, _, words), site) = (world.config(case), case, &world.site);
            async move { Refusal { name, code: 1, words }.check(site, &config, &[]).await }
        });
        for text in join_all(all).await {
            assert!(!text.contains("maxwell:maxwell"), "{text}");
        }
    }
    world.server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_messages_that_cannot_be_sent() {
    let _alone = one_at_a_time().await;
    let Some(world) = World::start("kafka-errors-message").await else { return };
    world.topic(&topic("small"), ("max.message.bytes", "500")).await;
    let make = ("kafka_topic_create", "true");
    let cases = [
        case(
            "missing",
            &[("kafka.allow.auto.create.topics", "false")],
            &["topic errors-missing-", "does not exist and the broker does not create it", "waited 3000 ms", "kafka-topics.sh --create"],
        ),
        case("name", &[("kafka_topic", "%{table}$")], &["Kafka allows no topic named \"name$\"", "dead_letter_topic"]),
        case(
            "large",
            &[("kafka.max.request.size", "1000")],
            &[
                "is larger than kafka.max.request.size=1000",
                "kafka_errors_data:large:[(id,1)]",
                "dead_letter_topic",
                "ignore_producer_error=true",
            ],
        ),
        case(
            "small",
            &[("kafka.compression.type", "none")],
            &[
                "Kafka refuses a message: Broker: Message size too large",
                "kafka_errors_data:small:[(id,1)]",
                "max.message.bytes of the topic",
            ],
        ),
        case(
            "replicas",
            &[make, ("kafka_topic_replication_factor", "7")],
            &["Kafka does not make the topic errors-replicas-", "kafka_topic_replication_factor"],
        ),
        case("settings", &[make, ("kafka_topic_configs", "no.such.setting=1")], &["Kafka does not make the topic", "kafka_topic_configs"]),
        case(
            "letters",
            &[("kafka.max.request.size", "1000"), ("dead_letter_topic", "no/topic")],
            &["no dead letter can be sent to topic no/topic", "Kafka allows no topic named"],
        ),
    ];
    for (name, _, _) in &cases {
        world.server.run(&[&format!("CREATE TABLE {DATA}.`{name}` (id int PRIMARY KEY, v varchar(4000))")]).await;
    }
    let (first, others) = cases.split_at(1);
    for some in std::iter::once(first).chain(others.chunks(TOGETHER)) {
        let world = &world;
        let all = some.iter().map(|case| async move {
            let (name, _, words) = case;
            let config = world.config(case).with("filter", format!("exclude: *.*, include: {DATA}.{name}"));
            let mut daemon = Daemon::start(&world.site, name, &config, &[]);
            eventually("the daemon follows the binlog", LIMIT, async || {
                assert!(daemon.ended().is_none(), "{name}: the daemon ended\n{}", daemon.log_tail());
                daemon.log_text().contains("following the binlog").then_some(())
            })
            .await;
            world.server.run(&[&format!("INSERT INTO {DATA}.`{name}` VALUES (1, repeat('x', 3000))")]).await;
            Refusal { name, code: 1, words }.check_end(&mut daemon).await;
        });
        join_all(all).await;
    }
    world.server.drop_databases(DATA, SCHEMA).await;
}

/// A broker that is away is tried for all the time; the log has a few lines of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_is_told_once() {
    let _alone = one_at_a_time().await;
    let Some(world) = World::start("kafka-errors-once").await else { return };
    let case =
        case("patient", &[("kafka.bootstrap.servers", "127.0.0.1:1"), ("kafka.max.block.ms", "5000")], &["no Kafka broker can be reached"]);
    let (config, (name, _, words)) = (world.config(&case), &case);
    let config = config.with("kafka.reconnect.backoff.ms", 10).with("kafka.reconnect.backoff.max.ms", 20);
    let text = Refusal { name, code: 1, words }.check(&world.site, &config, &[]).await;
    let told = text.lines().filter(|line| line.contains("refused")).count();
    // The broker's error, that no broker is left, and the end.
    assert!((1..=3).contains(&told), "{told} lines tell of it\n{text}");
    world.server.drop_databases(DATA, SCHEMA).await;
}
