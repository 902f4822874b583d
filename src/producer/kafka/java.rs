//! The Java client's producer properties (3.x and 4.x), one row each: what becomes of it here. A table and nothing else;
//! `settings` acts on it. Never here: values of a run, secrets.
//!
//! Source of names and meanings: Kafka's "Producer Configs" page, and librdkafka's `CONFIGURATION.md`.

/// What becomes of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// librdkafka has it under the same name with the same meaning.
    Same,
    /// librdkafka has it under this name with the same meaning.
    Named(&'static str),
    /// librdkafka's name for it, where Java's -1 ("the system's own") is 0.
    Buffer(&'static str),
    /// Code in `settings` or `security` deals with it; the text says how, for the documentation.
    Ours(&'static str),
    /// Only these values (any case) can be had, and they need no setting; the text says why.
    Only(&'static [&'static str], &'static str),
    /// It has no equivalent; the text says what to do instead.
    Refused(&'static str),
}

use Rule::{Buffer, Named, Only, Ours, Refused, Same};

const JAVA_CLASS: &str = "it names a Java class, and there is no Java here; remove it";
const JAVA_METRICS: &str = "it concerns the Java client's own metrics; remove it, this daemon's are on /metrics";
const KERBEROS: &str = "Kerberos is not built in; use SASL with PLAIN, SCRAM or OAUTHBEARER, or TLS client certificates";
const TOKEN_TIMES: &str =
    "a token is asked for anew when four fifths of its life are over, and after a failure every 10 seconds; remove it";
const TOKEN_CHECKS: &str = "tokens are looked at by the brokers, not by this client; remove it";
const TOKEN_HANDLERS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
];
const TWO_PHASES: &str = "a transaction is committed by the daemon itself, at once; remove it";

/// Every property, sorted by name.
pub const PROPERTIES: &[(&str, Rule)] = &[
    ("acks", Ours("passed on; other than `all` without `enable.idempotence` set: idempotence off, one request at a time, a warning")),
    ("auto.include.jmx.reporter", Refused(JAVA_METRICS)),
    ("batch.size", Ours("same meaning; 0 becomes 1")),
    ("bootstrap.servers", Same),
    ("buffer.memory", Ours("the bytes that may wait, at most what memory_limit leaves for them")),
    ("client.dns.lookup", Same),
    ("client.id", Same),
    ("compression.gzip.level", Ours("`compression.level`, if the type is gzip")),
    ("compression.lz4.level", Ours("`compression.level`, if the type is lz4")),
    ("compression.type", Same),
    ("compression.zstd.level", Ours("`compression.level`, if the type is zstd")),
    ("config.providers", Refused(JAVA_CLASS)),
    ("connections.max.idle.ms", Same),
    ("delivery.timeout.ms", Ours("`message.timeout.ms`; a message that runs into it is sent again from the last stored position")),
    ("enable.idempotence", Ours("same meaning")),
    ("enable.metrics.push", Same),
    ("interceptor.classes", Refused(JAVA_CLASS)),
    ("key.serializer", Only(SERIALIZERS, "keys are UTF-8 text")),
    ("linger.ms", Same),
    ("max.block.ms", Ours("how long to wait at the start for a broker, and for an unknown topic to appear")),
    ("max.in.flight.requests.per.connection", Ours("same meaning; at most 5 with idempotence")),
    ("max.request.size", Ours("`message.max.bytes`, and checked with Java's formula before sending")),
    ("metadata.max.age.ms", Ours("`topic.metadata.refresh.interval.ms`, and how often partition counts are asked for")),
    ("metadata.max.idle.ms", Refused("topics in use stay known; remove it")),
    ("metadata.recovery.rebootstrap.trigger.ms", Same),
    ("metadata.recovery.strategy", Same),
    ("metric.reporters", Refused(JAVA_METRICS)),
    ("metrics.num.samples", Refused(JAVA_METRICS)),
    ("metrics.recording.level", Refused(JAVA_METRICS)),
    ("metrics.sample.window.ms", Refused(JAVA_METRICS)),
    ("partitioner.adaptive.partitioning.enable", Refused(PARTITIONER)),
    ("partitioner.availability.timeout.ms", Refused(PARTITIONER)),
    ("partitioner.class", Refused(PARTITIONER)),
    ("partitioner.ignore.keys", Refused(PARTITIONER)),
    ("receive.buffer.bytes", Buffer("socket.receive.buffer.bytes")),
    ("reconnect.backoff.max.ms", Same),
    ("reconnect.backoff.ms", Same),
    ("request.timeout.ms", Ours("same meaning, for the broker and (`socket.timeout.ms`) for the client")),
    ("retries", Ours("passed on; 0 without `enable.idempotence` set: idempotence off, one request at a time, a warning")),
    ("retry.backoff.max.ms", Same),
    ("retry.backoff.ms", Same),
    ("sasl.client.callback.handler.class", Refused(JAVA_CLASS)),
    (
        "sasl.jaas.config",
        Ours(
            "user name and password of PlainLoginModule and ScramLoginModule; clientId, clientSecret, scope, extension_NAME, \
             ssl.truststore.* and unsecuredLogin… of OAuthBearerLoginModule",
        ),
    ),
    ("sasl.kerberos.kinit.cmd", Refused(KERBEROS)),
    ("sasl.kerberos.min.time.before.relogin", Refused(KERBEROS)),
    ("sasl.kerberos.service.name", Refused(KERBEROS)),
    ("sasl.kerberos.ticket.renew.jitter", Refused(KERBEROS)),
    ("sasl.kerberos.ticket.renew.window.factor", Refused(KERBEROS)),
    ("sasl.login.callback.handler.class", Only(TOKEN_HANDLERS, "other ways to a token are Java classes, and there is no Java here")),
    ("sasl.login.class", Refused(JAVA_CLASS)),
    ("sasl.login.connect.timeout.ms", Refused(TOKEN_TIMES)),
    ("sasl.login.read.timeout.ms", Refused(TOKEN_TIMES)),
    ("sasl.login.refresh.buffer.seconds", Refused(TOKEN_TIMES)),
    ("sasl.login.refresh.min.period.seconds", Refused(TOKEN_TIMES)),
    ("sasl.login.refresh.window.factor", Refused(TOKEN_TIMES)),
    ("sasl.login.refresh.window.jitter", Refused(TOKEN_TIMES)),
    ("sasl.login.retry.backoff.max.ms", Refused(TOKEN_TIMES)),
    ("sasl.login.retry.backoff.ms", Refused(TOKEN_TIMES)),
    ("sasl.mechanism", Ours("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER")),
    ("sasl.oauthbearer.assertion.algorithm", Same),
    ("sasl.oauthbearer.assertion.claim.aud", Same),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", Same),
    ("sasl.oauthbearer.assertion.claim.iss", Same),
    ("sasl.oauthbearer.assertion.claim.jti.include", Same),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", Same),
    ("sasl.oauthbearer.assertion.claim.sub", Same),
    ("sasl.oauthbearer.assertion.file", Same),
    ("sasl.oauthbearer.assertion.private.key.file", Same),
    ("sasl.oauthbearer.assertion.private.key.passphrase", Same),
    ("sasl.oauthbearer.assertion.template.file", Named("sasl.oauthbearer.assertion.jwt.template.file")),
    ("sasl.oauthbearer.client.credentials.client.id", Ours("`sasl.oauthbearer.client.id`")),
    ("sasl.oauthbearer.client.credentials.client.secret", Ours("`sasl.oauthbearer.client.secret`")),
    ("sasl.oauthbearer.clock.skew.seconds", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.expected.audience", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.expected.issuer", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.header.urlencode", Only(&["false"], "client id and secret are sent as they are")),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.jwks.endpoint.url", Refused(TOKEN_CHECKS)),
    (
        "sasl.oauthbearer.jwt.retriever.class",
        Ours(
            "DefaultJwtRetriever and ClientCredentialsJwtRetriever need nothing; JwtBearerJwtRetriever becomes `sasl.oauthbearer.grant.type`",
        ),
    ),
    ("sasl.oauthbearer.jwt.validator.class", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.scope", Ours("same meaning")),
    ("sasl.oauthbearer.scope.claim.name", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.sub.claim.name", Refused(TOKEN_CHECKS)),
    ("sasl.oauthbearer.token.endpoint.url", Ours("same meaning, http or https, with `sasl.oauthbearer.method=oidc`")),
    ("security.protocol", Ours("same values, any case")),
    ("security.providers", Refused(JAVA_CLASS)),
    ("send.buffer.bytes", Buffer("socket.send.buffer.bytes")),
    ("socket.connection.setup.timeout.max.ms", Refused("the time-out does not grow here; set socket.connection.setup.timeout.ms alone")),
    ("socket.connection.setup.timeout.ms", Same),
    ("ssl.cipher.suites", Same),
    (
        "ssl.enabled.protocols",
        Only(&["TLSv1.2,TLSv1.3", "TLSv1.3,TLSv1.2"], "the best that both sides know is agreed on, TLS 1.2 at least"),
    ),
    ("ssl.endpoint.identification.algorithm", Ours("`https` (the default), or empty for `none`")),
    ("ssl.engine.factory.class", Refused(JAVA_CLASS)),
    ("ssl.key.password", Ours("same meaning")),
    ("ssl.keymanager.algorithm", Refused(JAVA_CLASS)),
    ("ssl.keystore.certificate.chain", Ours("`ssl.certificate.pem`")),
    ("ssl.keystore.key", Ours("`ssl.key.pem`")),
    ("ssl.keystore.location", Ours("a PKCS#12 file, or a PEM file with key and certificates; JKS must be converted")),
    ("ssl.keystore.password", Ours("of a PKCS#12 keystore")),
    ("ssl.keystore.type", Ours("PKCS12 or PEM; if unset, seen from the file")),
    ("ssl.protocol", Only(&["TLS", "TLSv1.2", "TLSv1.3"], "the best that both sides know is agreed on, TLS 1.2 at least")),
    ("ssl.provider", Refused(JAVA_CLASS)),
    ("ssl.secure.random.implementation", Refused(JAVA_CLASS)),
    ("ssl.trustmanager.algorithm", Refused(JAVA_CLASS)),
    ("ssl.truststore.certificates", Ours("`ssl.ca.pem`")),
    ("ssl.truststore.location", Ours("a PEM file, or a PKCS#12 file whose certificates are taken; JKS must be converted")),
    ("ssl.truststore.password", Ours("of a PKCS#12 truststore")),
    ("ssl.truststore.type", Ours("PKCS12 or PEM; if unset, seen from the file")),
    (
        "transaction.timeout.ms",
        Ours("only with `delivery=exactly_once`: how long the cluster lets a transaction stay open; 60000 if unset"),
    ),
    ("transaction.two.phase.commit.enable", Refused(TWO_PHASES)),
    ("transactional.id", Ours("only with `delivery=exactly_once`: `binlogd-` and the client_id if unset")),
    ("value.serializer", Only(SERIALIZERS, "values are UTF-8 text")),
];

const PARTITIONER: &str = "the partition is always the one that producer_partition_by and kafka_partition_hash say; remove it";

const SERIALIZERS: &[&str] =
    &["org.apache.kafka.common.serialization.StringSerializer", "org.apache.kafka.common.serialization.ByteArraySerializer"];

/// librdkafka's other names of Java properties that `settings` must see under one name.
pub const OTHER_NAMES: &[(&str, &str)] = &[
    ("compression.codec", "compression.type"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("message.max.bytes", "max.request.size"),
    ("message.send.max.retries", "retries"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"),
    ("sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"),
    ("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"),
];

/// librdkafka's own properties that would break what this producer promises, or that it has no use for.
pub const REFUSED_NATIVE: &[(&str, &str)] = &[
    ("delivery.report.only.error", "without delivery reports no position could be stored; remove it"),
    ("enabled_events", "it is set by the daemon itself; remove it"),
    ("interceptors", "plug-ins are not loaded; remove it"),
    ("internal.termination.signal", "it is set by the daemon itself; remove it"),
    ("log.queue", "it is set by the daemon itself; remove it"),
    ("partitioner", PARTITIONER),
    ("plugin.library.paths", "plug-ins are not loaded; remove it"),
    ("produce.offset.report", "offsets are not used; remove it"),
    ("queuing.strategy", "any other than fifo would break the order; remove it"),
    ("sticky.partitioning.linger.ms", PARTITIONER),
];

/// librdkafka's properties of consumers, which a producer would ignore.
pub const CONSUMER_ONLY: &[&str] = &[
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

pub fn rule(name: &str) -> Option<Rule> {
    PROPERTIES.binary_search_by_key(&name, |(n, _)| n).ok().and_then(|i| PROPERTIES.get(i)).map(|(_, rule)| *rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_consistent() {
        assert!(PROPERTIES.is_sorted_by_key(|(name, _)| name));
        assert!(PROPERTIES.windows(2).all(|w| w[0].0 != w[1].0));
        for (_, java) in OTHER_NAMES {
            assert!(rule(java).is_some(), "{java}");
        }
    }

    /// The names come from the Java client itself: scripts/kafka-properties.sh.
    #[test]
    fn no_property_of_the_java_producer_is_unknown() {
        let names = include_str!("../../../tests/fixtures/kafka-producer-properties.txt");
        let unknown: Vec<&str> = names.lines().filter(|line| !line.starts_with('#')).filter(|name| rule(name).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert!(names.lines().count() > 100);
    }

    /// The table at the end of docs/kafka.md.
    fn documented() -> String {
        let mut table = "| property | what becomes of it |\n|---|---|\n".to_owned();
        for (name, rule) in PROPERTIES {
            let what = match rule {
                Same => "same name, same meaning".to_owned(),
                Named(to) => format!("`{to}`"),
                Buffer(to) => format!("`{to}`, -1 becomes 0"),
                Ours(how) => (*how).to_owned(),
                Only(values, why) => {
                    let mut short: Vec<_> = values
                        .iter()
                        .map(|v| format!("`{}`", v.rsplit('.').next().filter(|_| v.starts_with("org.")).unwrap_or(v)))
                        .collect();
                    short.dedup();
                    format!("only {}: {why}", short.join(" or "))
                }
                Refused(instead) => format!("refused: {instead}"),
            };
            table.push_str(&format!("| `kafka.{name}` | {what} |\n"));
        }
        table
    }

    #[test]
    fn the_documentation_has_every_row() {
        const HEAD: &str = "| property |";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kafka.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(HEAD).expect("docs/kafka.md has the table");
        let after = rest.split_once("\n\n").map_or(String::new(), |(_, after)| format!("\n{after}"));
        let wanted = format!("{before}{}{after}", documented());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        } else {
            assert!(text == wanted, "docs/kafka.md is out of date: UPDATE_DOCS=1 cargo test --lib kafka");
        }
    }
}
