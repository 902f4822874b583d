//! SASL/OAUTHBEARER: Java's ways to a token in librdkafka's terms, and unsigned tokens. Tokens of an identity provider are the
//! library's own work, on a thread of its own; unsigned ones it makes only once, so the next ones come from here. Never here: the
//! network, or a secret in a text for the user.

use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::client::OAuthToken;

use super::jaas::Jaas;
use super::security::{Store, trusted};
use super::settings::Builder;

const JAAS: &str = "sasl.jaas.config";
const URL: &str = "sasl.oauthbearer.token.endpoint.url";
const CLIENT_ID: &str = "sasl.oauthbearer.client.credentials.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";
const SCOPE: &str = "sasl.oauthbearer.scope";
const RETRIEVER: &str = "sasl.oauthbearer.jwt.retriever.class";
const UNSIGNED: &str = "enable.sasl.oauthbearer.unsecure.jwt";
const UNSIGNED_CONFIG: &str = "sasl.oauthbearer.config";
const KNOWN: &str = "clientId, clientSecret, scope, extension_NAME, ssl.truststore.location, .password and .type, unsecuredLoginStringClaim_sub, \
    unsecuredLoginListClaim_scope, unsecuredLoginLifetimeSeconds, unsecuredLoginPrincipalClaimName and unsecuredLoginScopeClaimName";
const WAYS: &str = "OAUTHBEARER needs kafka.sasl.oauthbearer.token.endpoint.url with a client id and secret (or, with brokers that take \
    unsigned tokens, unsecuredLoginStringClaim_sub in kafka.sasl.jaas.config)";
/// The library's, and Java's.
const LIFE_SECONDS: u64 = 3600;

/// `used`: the mechanism is OAUTHBEARER.
pub(super) fn apply(settings: &mut Builder, used: bool, mut jaas: Option<Jaas>) {
    let mut option = |name: &str| jaas.as_mut().and_then(|jaas| jaas.take(name));
    let (id, secret, scope) = (option("clientId"), option("clientSecret"), option("scope"));
    let trust =
        Store { path: option("ssl.truststore.location"), kind: option("ssl.truststore.type"), password: option("ssl.truststore.password") };
    let unsigned = Unsigned {
        principal: option("unsecuredLoginStringClaim_sub").unwrap_or_default(),
        principal_claim: option("unsecuredLoginPrincipalClaimName"),
        scope_claim: option("unsecuredLoginScopeClaimName"),
        // A list whose first character divides it: "|a|b".
        scopes: option("unsecuredLoginListClaim_scope").map_or(vec![], |list| {
            let divider = list.chars().next().unwrap_or(',');
            list.split(divider).filter(|s| !s.is_empty()).map(str::to_owned).collect()
        }),
        seconds: option("unsecuredLoginLifetimeSeconds"),
    };
    let extensions = jaas.as_mut().map(|jaas| jaas.take_all("extension_")).unwrap_or_default();
    if let Some(Err(fault)) = jaas.map(|jaas| jaas.finish(KNOWN)) {
        return settings.fault(JAAS, fault);
    }
    let mut one_of = |native: &str, name: &str, from_jaas: Option<String>| match (settings.text(name), from_jaas) {
        (Some(_), Some(_)) => settings.fault(name, "stands in kafka.sasl.jaas.config too; give one of them"),
        (Some(value), None) => settings.set(name, native, value),
        (None, Some(value)) => settings.set(JAAS, native, value),
        (None, None) => {}
    };
    one_of("sasl.oauthbearer.client.id", CLIENT_ID, id);
    one_of("sasl.oauthbearer.client.secret", CLIENT_SECRET, secret);
    one_of(SCOPE, SCOPE, scope);
    retriever(settings);
    if let Some(url) = settings.text(URL) {
        provider(settings, &url, trust);
        if !extensions.is_empty() {
            let list: Vec<String> = extensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
            settings.set(JAAS, "sasl.oauthbearer.extensions", list.join(","));
        }
    } else if !unsigned.principal.is_empty() {
        settings.set(JAAS, UNSIGNED, "true");
        match unsigned.config(&extensions) {
            Ok(config) => settings.set(JAAS, UNSIGNED_CONFIG, config),
            Err(fault) => settings.fault(JAAS, fault),
        }
        settings.warn("kafka.sasl.jaas.config: tokens are not signed, so anybody can make them: for tests only");
    } else if used && !settings.has(UNSIGNED) && !settings.has("sasl.oauthbearer.metadata.authentication.type") {
        settings.fault("sasl.mechanism", WAYS);
    }
}

/// Java's classes that fetch a token.
fn retriever(settings: &mut Builder) {
    let Some(class) = settings.text(RETRIEVER) else { return };
    match class.rsplit('.').next().unwrap_or_default() {
        "DefaultJwtRetriever" | "ClientCredentialsJwtRetriever" => {}
        "JwtBearerJwtRetriever" => settings.set(RETRIEVER, "sasl.oauthbearer.grant.type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        _ => settings.fault(
            RETRIEVER,
            "is a class that has no equivalent here; DefaultJwtRetriever, ClientCredentialsJwtRetriever and JwtBearerJwtRetriever have",
        ),
    }
}

fn provider(settings: &mut Builder, url: &str, trust: Store) {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return settings.fault(URL, "must begin with https:// (or http://); a token in a file cannot be had");
    }
    settings.set(URL, URL, url);
    if !settings.has("sasl.oauthbearer.method") {
        settings.set(URL, "sasl.oauthbearer.method", "oidc");
    }
    let names_client = settings.has("sasl.oauthbearer.client.id") && settings.has("sasl.oauthbearer.client.secret");
    if !names_client && !settings.has("sasl.oauthbearer.grant.type") {
        settings.fault(
            URL,
            "needs clientId and clientSecret in kafka.sasl.jaas.config (or kafka.sasl.oauthbearer.client.id and .client.secret)",
        );
    }
    match trusted(&trust) {
        None => {}
        Some(Ok((native, value))) => settings.set(JAAS, &format!("https.{native}"), value),
        Some(Err(fault)) => settings.fault(JAAS, format!("ssl.truststore.location: {fault}")),
    }
}

/// What an unsigned token says, from Java's options.
struct Unsigned {
    principal: String,
    principal_claim: Option<String>,
    scope_claim: Option<String>,
    scopes: Vec<String>,
    seconds: Option<String>,
}

impl Unsigned {
    /// In the library's form: words with blanks between.
    fn config(&self, extensions: &[(String, String)]) -> Result<String, String> {
        let scopes = Some(self.scopes.join(",")).filter(|s| !s.is_empty());
        let named = [
            ("principalClaimName", self.principal_claim.clone()),
            ("principal", Some(self.principal.clone())),
            ("scopeClaimName", self.scope_claim.clone()),
            ("scope", scopes),
            ("lifeSeconds", self.seconds.clone()),
        ];
        let mut words: Vec<(String, String)> = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        words.extend(extensions.iter().map(|(name, value)| (format!("extension_{name}"), value.clone())));
        if words.iter().any(|(_, value)| value.contains(char::is_whitespace)) {
            return Err("an option of an unsigned token may hold no blank".into());
        }
        Ok(words.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }
}

/// A token without signature (RFC 7515, appendix A.5) from `sasl.oauthbearer.config`, as the library makes its first one.
pub(super) fn unsigned_token(config: Option<&str>) -> Result<OAuthToken, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|e| e.to_string())?.as_secs();
    unsigned_token_at(config.unwrap_or_default(), now)
}

fn unsigned_token_at(config: &str, now: u64) -> Result<OAuthToken, String> {
    let value = |name: &str| config.split_whitespace().filter_map(|word| word.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v);
    let principal = value("principal").ok_or("sasl.oauthbearer.config names no principal")?;
    let seconds: u64 = match value("lifeSeconds") {
        Some(text) => text.parse().map_err(|_| "lifeSeconds is not a number")?,
        None => LIFE_SECONDS,
    };
    let ends = now.saturating_add(seconds);
    let mut claims = serde_json::Map::new();
    claims.insert(value("principalClaimName").unwrap_or("sub").to_owned(), principal.into());
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), ends.into());
    if let Some(scopes) = value("scope") {
        claims.insert(value("scopeClaimName").unwrap_or("scope").to_owned(), scopes.split(',').collect());
    }
    let text = |bytes: &[u8]| base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes);
    let token = format!("{}.{}.", text(br#"{"alg":"none"}"#), text(serde_json::Value::Object(claims).to_string().as_bytes()));
    let lifetime_ms = i64::try_from(ends.saturating_mul(1000)).unwrap_or(i64::MAX);
    Ok(OAuthToken { token, principal_name: principal.to_owned(), lifetime_ms })
}

#[cfg(test)]
mod tests {
    use super::super::settings::{KafkaOptions, Settings};
    use super::*;

    fn build(properties: &[(&str, &str)]) -> Result<Settings, String> {
        let mut all: Vec<_> = [("bootstrap.servers", "a:9092"), ("security.protocol", "SASL_SSL"), ("sasl.mechanism", "OAUTHBEARER")]
            .iter()
            .chain(properties)
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        all.dedup();
        let options = KafkaOptions { properties: all, queue_bytes_max: 32 << 20, ..KafkaOptions::default() };
        Settings::build(&options).map_err(|f| f.iter().map(|f| f.to_string()).collect::<Vec<_>>().join("\n"))
    }

    type Pairs = &'static [(&'static str, &'static str)];

    /// Each row: what the user writes, what the library gets.
    #[test]
    fn ways_to_a_token() {
        const URL_GIVEN: (&str, &str) = (URL, "https://idp/token");
        let rows: &[(Pairs, Pairs)] = &[
            (
                &[
                    URL_GIVEN,
                    (JAAS, r#"a.OAuthBearerLoginModule required clientId="i" clientSecret="s" scope="x" extension_a="1" extension_b="2";"#),
                ],
                &[
                    (URL, "https://idp/token"),
                    ("sasl.oauthbearer.method", "oidc"),
                    ("sasl.oauthbearer.client.id", "i"),
                    ("sasl.oauthbearer.client.secret", "s"),
                    (SCOPE, "x"),
                    ("sasl.oauthbearer.extensions", "a=1,b=2"),
                ],
            ),
            (
                &[
                    URL_GIVEN,
                    (CLIENT_ID, "i"),
                    (CLIENT_SECRET, "s"),
                    (RETRIEVER, "o.DefaultJwtRetriever"),
                    (JAAS, "a.OAuthBearerLoginModule required ;"),
                ],
                &[("sasl.oauthbearer.client.id", "i"), ("sasl.oauthbearer.client.secret", "s")],
            ),
            (
                &[
                    URL_GIVEN,
                    ("sasl.oauthbearer.client.id", "i"),
                    ("sasl.oauthbearer.client.secret", "s"),
                    ("sasl.oauthbearer.method", "oidc"),
                ],
                &[("sasl.oauthbearer.client.id", "i"), ("sasl.oauthbearer.method", "oidc")],
            ),
            (
                &[URL_GIVEN, (RETRIEVER, "o.JwtBearerJwtRetriever"), ("sasl.oauthbearer.assertion.file", "/f")],
                &[
                    ("sasl.oauthbearer.grant.type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("sasl.oauthbearer.assertion.file", "/f"),
                ],
            ),
            (
                &[(
                    JAAS,
                    r#"a.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="u" unsecuredLoginListClaim_scope="|a|b" unsecuredLoginLifetimeSeconds="60";"#,
                )],
                &[(UNSIGNED, "true"), (UNSIGNED_CONFIG, "principal=u scope=a,b lifeSeconds=60")],
            ),
            (&[(UNSIGNED, "true"), (UNSIGNED_CONFIG, "principal=u")], &[(UNSIGNED_CONFIG, "principal=u")]),
        ];
        for (given, wanted) in rows {
            let s = build(given).unwrap_or_else(|e| panic!("{given:?}: {e}"));
            for (name, value) in *wanted {
                assert_eq!(s.get(name), Some(*value), "{given:?}: {name}");
            }
        }
        let refused: &[(Pairs, &str)] = &[
            (&[], "OAUTHBEARER needs kafka.sasl.oauthbearer.token.endpoint.url"),
            (&[URL_GIVEN], "needs clientId and clientSecret"),
            (&[(URL, "file:///token"), (CLIENT_ID, "i"), (CLIENT_SECRET, "s")], "must begin with https://"),
            (&[URL_GIVEN, (CLIENT_ID, "i"), (JAAS, r#"a.OAuthBearerLoginModule required clientId="i";"#)], "give one of them"),
            (&[(JAAS, r#"a.OAuthBearerLoginModule required hunter2="x";"#)], "an option is not known; clientId"),
            (&[(JAAS, r#"a.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="a b";"#)], "may hold no blank"),
            (&[(JAAS, r#"a.PlainLoginModule required username="u" password="p";"#)], "PlainLoginModule is not for OAUTHBEARER"),
            (&[URL_GIVEN, (CLIENT_ID, "i"), (CLIENT_SECRET, "s"), (RETRIEVER, "my.Own")], "has no equivalent here"),
        ];
        for (given, words) in refused {
            let fault = build(given).map(drop).expect_err(&format!("{given:?}"));
            assert!(fault.contains(words) && !fault.contains("hunter2"), "{given:?}: {fault}");
        }
    }

    /// The build has what fetches tokens: libcurl's headers were there.
    #[test]
    #[cfg(feature = "oidc")]
    fn tokens_of_a_provider_are_built_in() {
        let config = rdkafka::ClientConfig::new().create_native_config().unwrap();
        let features = config.get("builtin.features").unwrap();
        assert!(features.split(',').any(|f| f == "oidc"), "librdkafka was built without libcurl (libcurl4-openssl-dev): {features}");
    }

    #[test]
    fn unsigned_tokens() {
        let token = unsigned_token_at("principal=u scope=a,b lifeSeconds=60 extension_x=1", 1000).unwrap();
        assert_eq!((token.principal_name.as_str(), token.lifetime_ms), ("u", 1_060_000));
        let parts: Vec<&str> = token.token.split('.').collect();
        let read = |part: &str| String::from_utf8(base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap();
        assert_eq!((read(parts[0]).as_str(), parts[2]), (r#"{"alg":"none"}"#, ""));
        assert_eq!(read(parts[1]), r#"{"sub":"u","iat":1000,"exp":1060,"scope":["a","b"]}"#);
        let other = unsigned_token_at("principalClaimName=azp principal=v", 1000).unwrap();
        assert_eq!(read(other.token.split('.').nth(1).unwrap()), r#"{"azp":"v","iat":1000,"exp":4600}"#);
        assert!(unsigned_token_at("", 1000).is_err() && unsigned_token_at("principal=u lifeSeconds=x", 1000).is_err());
    }
}
