//! Every way to log in to Kafka, against a real broker that takes them all, and every refusal with its text and exit code.
//! The ways in use the producer alone, the refusals the whole daemon.

#[path = "live_support/broker.rs"]
mod broker;
#[path = "live_support/mod.rs"]
mod live_support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use binlogd::encode::batch::Topics;
use binlogd::metrics::Metrics;
use binlogd::producer::Producer;
use binlogd::producer::kafka::{KafkaOptions, KafkaProducer, Settings};
use openssl::symm::Cipher;

use broker::{Answers, batch, create_topic, read_back};
use live_support::certificates::{Certificate, DAY, Pair, write};
use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time, run_number};
use live_support::http::{free_port, get};
use live_support::refusal::Refusal;
use live_support::secure::{HOSTS, Secure, both};
use live_support::sql::SqlServer;
use live_support::tokens::{CLIENT, Provider, SECRET};
use live_support::topic::Topic;

const DATA: &str = "security_data";
const SCHEMA: &str = "maxwell_security";
const LIMIT: Duration = Duration::from_secs(60);
/// Producers, or daemons, at a time.
const TOGETHER: usize = 5;
const STORE_PASSWORD: &str = "store-secret";

type Properties = Vec<(&'static str, String)>;

/// A way in, or one that leads nowhere: its name, the listener, and `kafka.*` keys without the `kafka.`.
struct Way {
    name: String,
    listener: &'static str,
    properties: Properties,
}

fn way(name: impl Into<String>, listener: &'static str, properties: &[(&'static str, &str)]) -> Way {
    Way { name: name.into(), listener, properties: properties.iter().map(|(k, v)| (*k, (*v).to_owned())).collect() }
}

/// Everything that the tests log in to, and with.
struct World {
    site: Site,
    broker: Secure,
    http: Provider,
    https: Provider,
    server: SqlServer,
}

impl World {
    async fn start(test: &str) -> Option<World> {
        let [port, _, _] = need(test, ["BINLOGD_TEST_MYSQL97_PORT", "BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR"])?;
        let site = Site::new(test);
        let broker = Secure::start(&site.dir).await;
        let provider = broker.ca.sign(&Certificate { name: "provider", hosts: HOSTS, seconds: 30 * DAY });
        let (http, https) = (Provider::start(None), Provider::start(Some(&provider)));
        write_stores(&site.dir, &broker.ca);
        Some(World { site, broker, http, https, server: SqlServer::new("mysql97", &port) })
    }
}

/// The client's keys and certificates in every form.
fn write_stores(folder: &Path, ca: &Pair) {
    let client = ca.sign(&Certificate { name: "client", hosts: &[], seconds: 30 * DAY });
    let stranger = Pair::authority("stranger");
    let strange_client = stranger.sign(&Certificate { name: "client", hosts: &[], seconds: 30 * DAY });
    ca.write_trust(folder, "ca", STORE_PASSWORD);
    client.write(folder, "client");
    client.write_store(folder, "client", STORE_PASSWORD);
    write(folder, "client.pem", &both(&client));
    let locked = client.key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), STORE_PASSWORD.as_bytes()).expect("PEM");
    write(folder, "locked.pem", &[locked, client.cert_pem()].concat());
    write(folder, "stranger.pem", &stranger.cert_pem());
    write(folder, "strange-client.pem", &both(&strange_client));
    // What keytool wrote before Java 9 begins so.
    write(folder, "old.jks", &[0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, 0]);
}

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

fn login(module: &str, user: &str, password: &str) -> String {
    format!("{module} required username=\"{user}\" password=\"{password}\";")
}

fn client_login(more: &str) -> String {
    format!("{OAUTH} required clientId=\"{CLIENT}\" clientSecret=\"{SECRET}\"{more};")
}

const URL: &str = "sasl.oauthbearer.token.endpoint.url";
const JAAS: &str = "sasl.jaas.config";

fn ways_in(world: &World) -> Vec<Way> {
    let file = |name: &str| world.broker.file(name);
    let (ca, token) = (file("ca.pem"), world.http.url("token"));
    let mut ways = Vec::new();
    for (listener, protocol) in [("SASL", "SASL_PLAINTEXT"), ("SASLTLS", "SASL_SSL")] {
        let unsigned = format!("{OAUTH} required unsecuredLoginStringClaim_sub=\"olga\";");
        let mut add = |name: &str, properties: &[(&'static str, &str)]| {
            let mut way = way(format!("{name} over {protocol}"), listener, properties);
            way.properties.push(("security.protocol", protocol.to_owned()));
            if listener == "SASLTLS" {
                way.properties.push(("ssl.truststore.location", ca.clone()));
            }
            ways.push(way);
        };
        add("PLAIN", &[("sasl.mechanism", "PLAIN"), (JAAS, &login(PLAIN, "polly", "polly-secret"))]);
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            add(mechanism, &[("sasl.mechanism", mechanism), (JAAS, &login(SCRAM, "sam", "sam-secret"))]);
        }
        add("unsigned token", &[("sasl.mechanism", "OAUTHBEARER"), (JAAS, &unsigned)]);
        add("token by http", &[("sasl.mechanism", "OAUTHBEARER"), (URL, &token), (JAAS, &client_login(""))]);
        // librdkafka's own names.
        let native = [("sasl.mechanisms", "SCRAM-SHA-512"), ("sasl.username", "sam"), ("sasl.password", "sam-secret")];
        add("SCRAM-SHA-512 in librdkafka's words", &native);
        let native = [
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            (URL, &token),
            ("sasl.oauthbearer.client.id", CLIENT),
            ("sasl.oauthbearer.client.secret", SECRET),
        ];
        add("token in librdkafka's words", &native);
        let java_4_1 = [
            ("sasl.mechanism", "OAUTHBEARER"),
            (URL, &token),
            ("sasl.oauthbearer.client.credentials.client.id", CLIENT),
            ("sasl.oauthbearer.client.credentials.client.secret", SECRET),
            ("sasl.oauthbearer.jwt.retriever.class", "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever"),
            (JAAS, &format!("{OAUTH} required ;")),
        ];
        add("token in Java 4.1's words", &java_4_1);
        let https = world.https.url("token");
        let trust = client_login(&format!(" ssl.truststore.location=\"{ca}\" ssl.truststore.type=\"PEM\""));
        add("token by https", &[("sasl.mechanism", "OAUTHBEARER"), (URL, &https), (JAAS, &trust)]);
    }
    let https = world.https.url("token");
    let trust = client_login(&format!(" ssl.truststore.location=\"{}\" ssl.truststore.password=\"{STORE_PASSWORD}\"", file("ca.p12")));
    let sasl = ("security.protocol", "SASL_PLAINTEXT");
    ways.push(way("token by https, PKCS12", "SASL", &[sasl, ("sasl.mechanism", "OAUTHBEARER"), (URL, &https), (JAAS, &trust)]));

    let (tls, pem) = (("security.protocol", "SSL"), std::fs::read_to_string(&ca).expect("PEM"));
    let text = |name: &str| std::fs::read_to_string(file(name)).expect("PEM");
    ways.push(way("TLS, PEM", "SSL", &[tls, ("ssl.truststore.location", &ca), ("ssl.truststore.type", "PEM")]));
    let store = file("ca.p12");
    ways.push(way("TLS, PKCS12", "SSL", &[tls, ("ssl.truststore.location", &store), ("ssl.truststore.password", STORE_PASSWORD)]));
    ways.push(way("TLS, PEM inline", "SSL", &[tls, ("ssl.truststore.certificates", &pem), ("ssl.truststore.type", "PEM")]));
    ways.push(way("TLS in librdkafka's words", "SSL", &[("security.protocol", "ssl"), ("ssl.ca.location", &ca)]));
    let no_name = [tls, ("ssl.truststore.location", &ca), ("ssl.endpoint.identification.algorithm", "")];
    ways.push(way("TLS without the host's name", "OTHERHOST", &no_name));
    let trusting = [tls, ("ssl.truststore.location", ca.as_str())];
    let mut mutual = |name: &str, more: &[(&'static str, &str)]| ways.push(way(name, "MTLS", &[&trusting[..], more].concat()));
    mutual("mutual TLS, PEM", &[("ssl.keystore.location", &file("client.pem")), ("ssl.keystore.type", "PEM")]);
    mutual("mutual TLS, PKCS12", &[("ssl.keystore.location", &file("client.p12")), ("ssl.keystore.password", STORE_PASSWORD)]);
    mutual("mutual TLS, locked key", &[("ssl.keystore.location", &file("locked.pem")), ("ssl.key.password", STORE_PASSWORD)]);
    mutual(
        "mutual TLS, PEM inline",
        &[("ssl.keystore.key", &text("client-key.pem")), ("ssl.keystore.certificate.chain", &text("client-cert.pem"))],
    );
    mutual(
        "mutual TLS in librdkafka's words",
        &[("ssl.key.location", &file("client-key.pem")), ("ssl.certificate.location", &file("client-cert.pem"))],
    );
    ways
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_in_delivers_and_every_refusal_says_why() {
    let _alone = one_at_a_time().await;
    let Some(world) = World::start("kafka-security").await else { return };
    let begun = Instant::now();
    ways_lead_in(&world).await;
    println!("ways in: {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    refusals(&world).await;
    println!("refusals: {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    a_token_is_renewed_and_metrics_move(&world).await;
    println!("renewal: {:.1} s", begun.elapsed().as_secs_f64());
}

async fn ways_lead_in(world: &World) {
    let plain = world.broker.at("PLAINTEXT");
    let name = format!("ways-in-{}", run_number());
    create_topic(&plain, &name, 1, &[]).await;
    let topics = Arc::new(Topics::new());
    let topic = topics.intern(&name);
    let ways = ways_in(world);
    for some in ways.chunks(TOGETHER) {
        let all = some.iter().map(|way| async {
            let mut properties = vec![("bootstrap.servers".to_owned(), world.broker.at(way.listener))];
            properties.extend(way.properties.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
            let options = KafkaOptions { properties, queue_bytes_max: 8 << 20, ..KafkaOptions::default() };
            let settings = Settings::build(&options).unwrap_or_else(|faults| panic!("{}: {faults:?}", way.name));
            let mut producer = KafkaProducer::connect(settings, topics.clone(), Arc::new(Metrics::new()))
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", way.name));
            let answers = Answers::default();
            producer.send(batch(&[(topic, 0, way.name.clone(), "x".to_owned())]), answers.completion()).await.expect("a message is taken");
            producer.close(LIMIT).await.unwrap_or_else(|error| panic!("{}: {error}", way.name));
            assert_eq!((answers.done(), answers.failed()), (1, vec![]), "{}", way.name);
        });
        futures_util::future::join_all(all).await;
    }
    let read = tokio::task::block_in_place(|| read_back(&plain, &name, 1));
    let mut keys: Vec<&str> = read[&0].iter().map(|(key, _)| key.as_str()).collect();
    let mut wanted: Vec<&str> = ways.iter().map(|way| way.name.as_str()).collect();
    keys.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(keys, wanted);
    println!("{} ways in", ways.len());
}

/// What may pass, so that the start waits as long as it may. All others end by themselves.
const WAITED_OUT: &[&str] = &[
    "tls-to-a-plain-port",
    "plain-to-a-tls-port",
    "no-login-to-a-port-with",
    "no-token-in-the-answer",
    "provider-in-trouble",
    "provider-refuses",
    "provider-unreachable",
    "provider-of-unknown-authority",
];

/// What is refused, and words of the one error that is told.
fn ways_out(world: &World) -> Vec<(Way, Vec<&'static str>)> {
    let file = |name: &str| world.broker.file(name);
    let ca = file("ca.pem");
    let (sasl, tls, sasl_tls) = (("security.protocol", "SASL_PLAINTEXT"), ("security.protocol", "SSL"), ("security.protocol", "SASL_SSL"));
    let trust = ("ssl.truststore.location", ca.as_str());
    let token = ("sasl.mechanism", "OAUTHBEARER");
    const LOGIN: &str = "Kafka refuses the login";
    const NO_TLS: &str = "no TLS connection to Kafka";
    let check_login = "check kafka.sasl.mechanism, user and password";
    let plain = |user, password| login(PLAIN, user, password);
    let out =
        |name, listener, properties: &[(&'static str, &str)], words: &[&'static str]| (way(name, listener, properties), words.to_vec());
    let provider = |name, path: &str, words: &[&'static str]| {
        let url = world.http.url(path);
        out(name, "SASL", &[sasl, token, (URL, &url), (JAAS, &client_login(""))], words)
    };
    let nowhere = format!("http://127.0.0.1:{}/token", free_port());
    let secure_url = world.https.url("token");
    vec![
        out("wrong-password", "SASL", &[sasl, ("sasl.mechanism", "PLAIN"), (JAAS, &plain("polly", "no"))], &[LOGIN, check_login]),
        out(
            "unknown-user",
            "SASLTLS",
            &[sasl_tls, trust, ("sasl.mechanism", "PLAIN"), (JAAS, &plain("nobody", "no"))],
            &[LOGIN, check_login],
        ),
        out(
            "wrong-scram-password",
            "SASL",
            &[sasl, ("sasl.mechanism", "SCRAM-SHA-256"), (JAAS, &login(SCRAM, "sam", "no"))],
            &[LOGIN, check_login],
        ),
        out(
            "unknown-scram-user",
            "SASLTLS",
            &[sasl_tls, trust, ("sasl.mechanism", "SCRAM-SHA-512"), (JAAS, &login(SCRAM, "nobody", "no"))],
            &[LOGIN, check_login],
        ),
        out(
            "mechanism-not-enabled",
            "PLAINONLY",
            &[sasl, ("sasl.mechanism", "SCRAM-SHA-256"), (JAAS, &login(SCRAM, "sam", "sam-secret"))],
            &[LOGIN, "mechanism", check_login],
        ),
        out(
            "unknown-authority",
            "SSL",
            &[tls, ("ssl.truststore.location", &file("stranger.pem"))],
            &[NO_TLS, "certificate", "kafka.ssl.truststore"],
        ),
        out("no-truststore", "SSL", &[tls], &[NO_TLS, "certificate", "kafka.ssl.truststore"]),
        out("expired-certificate", "EXPIRED", &[tls, trust], &[NO_TLS, "certificate verify failed", "certificate has expired"]),
        out("wrong-host", "OTHERHOST", &[tls, trust], &[NO_TLS, "certificate verify failed", "for another host name"]),
        out("no-client-certificate", "MTLS", &[tls, trust], &[NO_TLS, "certificate", "kafka.ssl.keystore"]),
        out(
            "strange-client-certificate",
            "MTLS",
            &[tls, trust, ("ssl.keystore.location", &file("strange-client.pem"))],
            &[NO_TLS, "certificate", "kafka.ssl.keystore"],
        ),
        out("tls-to-a-plain-port", "PLAINTEXT", &[tls, trust], &[NO_TLS, "this port speaks TLS"]),
        out("plain-to-a-tls-port", "SSL", &[], &["no Kafka broker", "if the port wants TLS or a login, set kafka.security.protocol"]),
        out(
            "login-to-a-port-without",
            "PLAINTEXT",
            &[sasl, ("sasl.mechanism", "PLAIN"), (JAAS, &plain("polly", "polly-secret"))],
            &[LOGIN, "listener uses SASL"],
        ),
        out("no-login-to-a-port-with", "SASL", &[], &["no Kafka broker", "if the port wants TLS or a login, set kafka.security.protocol"]),
        provider("token-that-the-broker-refuses", "signed", &[LOGIN, "kafka.sasl.oauthbearer"]),
        provider("no-token-in-the-answer", "garbage", &["no token for the login to Kafka", "kafka.sasl.oauthbearer.token.endpoint.url"]),
        provider("provider-in-trouble", "broken", &["no token for the login to Kafka has come from http://127.0.0.1:", "/broken"]),
        out(
            "provider-refuses",
            "SASL",
            &[sasl, token, (URL, &world.http.url("token")), (JAAS, &format!("{OAUTH} required clientId=\"x\" clientSecret=\"y\";"))],
            &["no token for the login to Kafka", "invalid_client", "client id and secret"],
        ),
        out(
            "provider-unreachable",
            "SASL",
            &[sasl, token, (URL, &nowhere), (JAAS, &client_login(""))],
            &["no token for the login to Kafka", "connect", "kafka.sasl.oauthbearer.token.endpoint.url"],
        ),
        out(
            "provider-of-unknown-authority",
            "SASL",
            &[sasl, token, (URL, &secure_url), (JAAS, &client_login(""))],
            &["no token for the login to Kafka", "certificate", "ssl.truststore.location"],
        ),
        out("jks", "SSL", &[tls, ("ssl.truststore.location", &file("old.jks"))], &["Java keystore", "keytool -importkeystore", "PKCS12"]),
        out(
            "jks-keystore",
            "MTLS",
            &[tls, trust, ("ssl.keystore.location", &file("old.jks"))],
            &["kafka.ssl.keystore.location", "keytool"],
        ),
        out("no-such-store", "SSL", &[tls, ("ssl.truststore.location", "/no/such.pem")], &["/no/such.pem cannot be read"]),
        out(
            "wrong-store-password",
            "SSL",
            &[tls, ("ssl.truststore.location", &file("ca.p12")), ("ssl.truststore.password", "no")],
            &["ca.p12: cannot be opened as PKCS#12", "ssl.truststore.password"],
        ),
        out("kerberos", "SASL", &[sasl, ("sasl.mechanism", "GSSAPI")], &["Kerberos (GSSAPI, the default) is not built in; use PLAIN"]),
        out("no-way-to-a-token", "SASL", &[sasl, token], &["OAUTHBEARER needs kafka.sasl.oauthbearer.token.endpoint.url"]),
        out("malformed-login", "SASL", &[sasl, ("sasl.mechanism", "PLAIN"), (JAAS, "PlainLoginModule")], &["must read: MODULE required"]),
    ]
}

async fn refusals(world: &World) {
    world.server.fresh_databases(DATA, SCHEMA).await;
    let config = |way: &Way| {
        let config = Config::for_server(&world.server, SCHEMA)
            .into_topic(&world.broker.at(way.listener), "refused")
            .with("kafka.max.block.ms", if WAITED_OUT.contains(&way.name.as_str()) { 4000 } else { 30_000 })
            .with("client_id", &way.name);
        way.properties.iter().fold(config, |config, (name, value)| config.with(&format!("kafka.{name}"), value))
    };
    let all = ways_out(world);
    let mut told = String::new();
    // The first one makes the schema database; of the others some at a time.
    let (first, others) = all.split_at(1);
    for some in std::iter::once(first).chain(others.chunks(TOGETHER)) {
        let texts = some.iter().map(|(way, words)| async {
            let refusal = Refusal { name: &way.name, code: 1, words };
            refusal.check(&world.site, &config(way), &[]).await
        });
        futures_util::future::join_all(texts).await.iter().for_each(|text| told.push_str(text));
    }
    for secret in ["polly-secret", "sam-secret", SECRET, STORE_PASSWORD, "PRIVATE KEY"] {
        assert!(!told.contains(secret), "a secret is told: {secret}");
    }
    println!("{} refusals", all.len());
    world.server.drop_databases(DATA, SCHEMA).await;
}

/// Unsigned tokens that live for seconds: the broker ends a login with its token, so what comes later needs the next one.
async fn a_token_is_renewed_and_metrics_move(world: &World) {
    const LIFE: Duration = Duration::from_secs(4);
    let server = &world.server;
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY)")]).await;
    let topic = Topic::create(&world.broker.at("PLAINTEXT"), &format!("renewed-{}", run_number()), 1).await;
    let jaas = format!("{OAUTH} required unsecuredLoginStringClaim_sub=\"olga\" unsecuredLoginLifetimeSeconds=\"{}\";", LIFE.as_secs());
    let port = free_port();
    let config = Config::for_server(server, SCHEMA)
        .into_topic(&world.broker.at("SASL"), &topic.name)
        .with("filter", format!("exclude: *.*, include: {DATA}.*"))
        .with("kafka.security.protocol", "SASL_PLAINTEXT")
        .with("kafka.sasl.mechanism", "OAUTHBEARER")
        .with("kafka.sasl.jaas.config", jaas)
        .with("kafka.statistics.interval.ms", 200)
        .with("http_port", port)
        .with("http_bind_address", "127.0.0.1");
    let mut daemon = Daemon::start(&world.site, "renewed", &config, &[]);
    let mut follows = async |what: &str, ask: &dyn Fn(&Daemon) -> bool| {
        eventually(what, LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            ask(&daemon).then_some(())
        })
        .await;
    };
    follows("the daemon follows the binlog", &|daemon| daemon.log_text().contains("following the binlog")).await;
    let number = |name: &str| -> Option<f64> {
        let (_, text) = get(port, "/prometheus", "*/*")?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("{broker=\"1\"} ")?.parse().ok())
    };
    follows("the broker's numbers are told", &|_| number("binlogd_kafka_broker_connected") == Some(1.0)).await;
    let before = number("binlogd_kafka_broker_requests_total").expect("a number");
    for id in 1..=3 {
        server.run(&[&format!("INSERT INTO {DATA}.t VALUES ({id})")]).await;
        let limit = Instant::now() + LIMIT;
        while topic.count().await < id {
            assert!(Instant::now() < limit, "row {id} has not arrived\n{}", daemon.log_tail());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if id < 3 {
            // The token's life, not a wait for something.
            tokio::time::sleep(LIFE + Duration::from_millis(500)).await;
        }
    }
    eventually("the number of requests grows", LIMIT, async || {
        (number("binlogd_kafka_broker_requests_total")? > before && number("binlogd_kafka_broker_latency_seconds")? > 0.0).then_some(())
    })
    .await;
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    topic.delete().await;
    server.drop_databases(DATA, SCHEMA).await;
}
