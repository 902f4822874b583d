//! Users who lack one right each, on a broker with ACLs: one clear error that says what to grant, and the exit code; and users who
//! have just what they need.

#[path = "live_support/mod.rs"]
mod live_support;

use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site, binary};
use live_support::environment::{need, one_at_a_time, run_number};
use live_support::refusal::Refusal;
use live_support::secure::{On, Operation, Secure};
use live_support::sql::SqlServer;
use live_support::topic::Topic;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

const DATA: &str = "rights_data";
const SCHEMA: &str = "maxwell_rights";
const LIMIT: Duration = Duration::from_secs(60);
const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
/// Daemons at a time.
const TOGETHER: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivery {
    AtLeastOnce,
    ExactlyOnce,
}
use Delivery::{AtLeastOnce, ExactlyOnce};

/// What becomes of the first message.
enum End {
    Arrives,
    /// The daemon ends with these words.
    Stops(&'static [&'static str]),
}
use End::{Arrives, Stops};

/// What a right is on, by the part that it plays in the case.
#[derive(Clone, Copy)]
enum To {
    Topic,
    OtherTopic,
    PositionTopic,
    TransactionalId,
}

struct Case {
    user: &'static str,
    delivery: Delivery,
    rights: &'static [(To, &'static [Operation])],
    more: &'static [(&'static str, &'static str)],
    end: End,
    /// Words of `binlogd check`, where it can tell without sending anything.
    check: Option<&'static [&'static str]>,
}

const ALL: &[Operation] = &[Operation::Read, Operation::Write, Operation::Describe];
const SEND: &[Operation] = &[Operation::Write, Operation::Describe];
const LOOK: &[Operation] = &[Operation::Describe];
/// Gets two rows at once, for one partition.
const PAIR_USER: &str = "w-once-pair";
const MAKE: (&str, &str) = ("kafka_topic_create", "true");

fn cases() -> Vec<Case> {
    let case = |user, delivery, rights, more, end, check| Case { user, delivery, rights, more, end, check };
    vec![
        case("w-write", AtLeastOnce, &[(To::Topic, SEND)], &[], Arrives, None),
        // Whichever of the two answers comes first.
        case("w-none", AtLeastOnce, &[], &[], Stops(&["Kafka", "this user", "grant this user WRITE"]), Some(&["Kafka", "this user"])),
        case(
            "w-other",
            AtLeastOnce,
            &[(To::OtherTopic, SEND)],
            &[],
            Stops(&["Kafka does not let this user see the topic", "grant this user WRITE and DESCRIBE"]),
            Some(&["Kafka does not let this user see it", "WRITE and DESCRIBE on the topic"]),
        ),
        case(
            "w-describe",
            AtLeastOnce,
            &[(To::OtherTopic, SEND), (To::Topic, LOOK)],
            &[],
            Stops(&[
                "Kafka refuses a message: Broker: Topic authorization failed",
                "rights_data:t:[(id,",
                "grant this user WRITE and DESCRIBE",
            ]),
            None,
        ),
        case(
            "w-cluster",
            AtLeastOnce,
            &[(To::Topic, LOOK)],
            &[],
            Stops(&["Kafka lets this user send nothing", "Cluster authorization failed", "grant this user WRITE", "IDEMPOTENT_WRITE"]),
            None,
        ),
        case(
            "w-create",
            AtLeastOnce,
            &[(To::Topic, SEND)],
            &[MAKE],
            Stops(&["does not exist", "kafka_topic_create is set", "authorization failed", "grant this user CREATE"]),
            None,
        ),
        case(
            "w-create-only",
            AtLeastOnce,
            &[(To::Topic, &[Operation::Create, Operation::Write, Operation::Describe])],
            &[MAKE],
            Arrives,
            None,
        ),
        case(
            "w-letters",
            AtLeastOnce,
            &[(To::Topic, SEND)],
            &[("kafka.max.request.size", "1000"), ("dead_letter_topic", "rights-nobodys")],
            Stops(&["no dead letter can be sent to topic rights-nobodys", "does not let this user see the topic", "grant this user WRITE"]),
            None,
        ),
        case("w-once", ExactlyOnce, &[(To::Topic, SEND), (To::PositionTopic, ALL), (To::TransactionalId, SEND)], &[], Arrives, None),
        case(
            "w-once-id",
            ExactlyOnce,
            &[(To::Topic, SEND), (To::PositionTopic, ALL)],
            &[],
            Stops(&["Transactional Id authorization failed", "grant this user WRITE and DESCRIBE on the transactional id"]),
            None,
        ),
        case(
            "w-once-topic",
            ExactlyOnce,
            &[(To::Topic, LOOK), (To::PositionTopic, ALL), (To::TransactionalId, SEND)],
            &[],
            Stops(&["Topic authorization failed", "grant this user WRITE and DESCRIBE"]),
            None,
        ),
        // The second row waits for the first one's acknowledgement, which never comes: the client library gives up both.
        case(
            PAIR_USER,
            ExactlyOnce,
            &[(To::Topic, LOOK), (To::PositionTopic, ALL), (To::TransactionalId, SEND)],
            &[],
            Stops(&["Topic authorization failed", "grant this user WRITE and DESCRIBE"]),
            None,
        ),
        case(
            "w-position",
            ExactlyOnce,
            &[(To::Topic, SEND), (To::PositionTopic, &[Operation::Read, Operation::Describe]), (To::TransactionalId, SEND)],
            &[],
            Stops(&["Topic authorization failed", "grant this user WRITE and DESCRIBE"]),
            None,
        ),
        case(
            "w-position-read",
            ExactlyOnce,
            &[(To::Topic, SEND), (To::PositionTopic, SEND), (To::TransactionalId, SEND)],
            &[],
            Stops(&["Kafka does not let this user read the position topic", "READ, WRITE and DESCRIBE"]),
            None,
        ),
    ]
}

/// A topic of position records, as the daemon would make it.
async fn position_topic(brokers: &str, name: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    for made in admin.create_topics([&topic], &AdminOptions::new()).await.expect("the broker answers") {
        made.expect("the topic can be made");
    }
}

/// A case at work.
struct Running<'a> {
    case: &'a Case,
    topic: String,
    config: Config,
    daemon: Option<Daemon>,
}

impl<'a> Running<'a> {
    async fn prepare(case: &'a Case, server: &SqlServer, broker: &Secure) -> Running<'a> {
        let (user, plain) = (case.user, broker.at("PLAINTEXT"));
        let name = |what: &str| format!("{what}-{user}-{}", run_number());
        let (topic, other, positions) = (name("topic"), name("other"), name("positions"));
        if !case.more.contains(&MAKE) {
            Topic::create(&plain, &topic, 1).await;
        }
        for (to, operations) in case.rights {
            let on = match to {
                To::Topic => On::Topic(&topic),
                To::OtherTopic => On::Topic(&other),
                To::PositionTopic => On::Topic(&positions),
                To::TransactionalId => On::TransactionalId(&format!("binlogd-{user}")),
            };
            tokio::task::block_in_place(|| broker.allow(user, operations, on));
        }
        let mut config = Config::for_server(server, SCHEMA)
            .into_topic(&broker.at("SASL"), &topic)
            .with("client_id", user)
            .with("filter", format!("exclude: *.*, include: {DATA}.{}", if user == PAIR_USER { "pair" } else { "t" }))
            .with("kafka.security.protocol", "SASL_PLAINTEXT")
            .with("kafka.sasl.mechanism", "PLAIN")
            .with("kafka.sasl.jaas.config", format!("{PLAIN} required username=\"{user}\" password=\"{user}-secret\";"))
            // Waited out where a topic is missing that nobody makes.
            .with("kafka.max.block.ms", if user == "w-create" { 5000 } else { 30_000 });
        if case.delivery == ExactlyOnce {
            position_topic(&plain, &positions).await;
            config = config.with("delivery", "exactly_once").with("kafka_position_topic", &positions);
        }
        config = case.more.iter().fold(config, |config, (name, value)| config.with(name, value));
        Running { case, topic, config, daemon: None }
    }

    /// Starts the daemon and waits until it follows the binlog or has ended.
    async fn start(&mut self, site: &Site) {
        let mut daemon = Daemon::start(site, self.case.user, &self.config, &[]);
        eventually("the daemon follows the binlog or ends", LIMIT, async || {
            (daemon.ended().is_some() || daemon.log_text().contains("following the binlog")).then_some(())
        })
        .await;
        self.daemon = Some(daemon);
    }

    async fn check_end(&mut self, brokers: &str) {
        let daemon = self.daemon.as_mut().expect("it was started");
        match self.case.end {
            Stops(words) => drop(Refusal { name: self.case.user, code: 1, words }.check_end(daemon).await),
            Arrives => {
                let topic = Topic { brokers: brokers.to_owned(), name: self.topic.clone(), partitions: 1 };
                let begun = Instant::now();
                loop {
                    assert!(daemon.ended().is_none(), "{}: the daemon ended\n{}", self.case.user, daemon.log_tail());
                    if count(&topic).await > 0 {
                        break;
                    }
                    assert!(begun.elapsed() < LIMIT, "{}: nothing arrives\n{}", self.case.user, daemon.log_tail());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                assert_eq!(daemon.stop().await, 0, "{}\n{}", self.case.user, daemon.log_tail());
            }
        }
    }

    fn binlogd_check(&self, site: &Site) {
        let Some(words) = self.case.check else { return };
        let file = site.dir.join(format!("{}-check.properties", self.case.user));
        self.config.write(&file);
        let output = Command::new(binary()).arg("check").arg(format!("--config={}", file.display())).output().expect("binlogd runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_ne!(output.status.code(), Some(0), "{}: {text}", self.case.user);
        for word in words {
            assert!(text.contains(word), "{}: no {word:?} in what check says:\n{text}", self.case.user);
        }
    }
}

/// How much is in a topic, which may not be there yet.
async fn count(topic: &Topic) -> i64 {
    let (brokers, name) = (topic.brokers.clone(), topic.name.clone());
    let there = tokio::task::spawn_blocking(move || {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("an admin client");
        let metadata = admin.inner().fetch_metadata(Some(&name), LIMIT).expect("the broker answers");
        metadata.topics().iter().any(|t| t.error().is_none() && !t.partitions().is_empty())
    });
    if there.await.expect("asking does not panic") { topic.count().await } else { 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_missing_right_is_named() {
    let _alone = one_at_a_time().await;
    let variables = ["BINLOGD_TEST_MYSQL97_PORT", "BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR"];
    let Some([port, _, _]) = need("rights on Kafka", variables) else { return };
    let (server, site) = (SqlServer::new("mysql97", &port), Site::new("kafka-rights"));
    let broker = Secure::start(&site.dir).await;
    let plain = broker.at("PLAINTEXT");
    server.fresh_databases(DATA, SCHEMA).await;
    for table in ["t", "pair"] {
        server.run(&[&format!("CREATE TABLE {DATA}.{table} (id int PRIMARY KEY, v varchar(3000))")]).await;
    }
    let cases = cases();
    let mut number = 0;
    // The first one makes the schema database, and the others come some at a time.
    let (first, others) = cases.split_at(1);
    for some in std::iter::once(first).chain(others.chunks(TOGETHER)) {
        let mut running = Vec::new();
        for case in some {
            running.push(Running::prepare(case, &server, &broker).await);
        }
        join_all(running.iter_mut().map(|case| case.start(&site))).await;
        number += 1;
        server
            .run(&[
                &format!("INSERT INTO {DATA}.t VALUES ({number}, repeat('x', 2000))"),
                &format!("INSERT INTO {DATA}.pair VALUES ({number}, 'a'), (-{number}, 'b')"),
            ])
            .await;
        join_all(running.iter_mut().map(|case| case.check_end(&plain))).await;
        tokio::task::block_in_place(|| running.iter().for_each(|case| case.binlogd_check(&site)));
    }
    println!("{} cases", cases.len());
    server.drop_databases(DATA, SCHEMA).await;
}
