//! The HTTP server behind Maxwell's `http_*` options (contract §10.1): metrics, health, ping, the filter, diagnostics, and an index
//! for every other path. It answers from a `Status` and the metrics and never waits for the data path, diagnostics excepted.
//! Bounded: connections, bytes of headers and bodies, and the time a connection may last.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::error::{Error, Result};
use crate::filter::LiveFilter;
use crate::metrics::Metrics;
use crate::status::Status;

use super::diagnostic::{self, Diagnose};
use super::export::{Export, MaxwellNames};
use super::{config, health, json, text};

/// Connections at a time; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 64;

/// Request line and headers.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// A filter may be long.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// For the headers of one request, also of the next one on a kept connection.
const HEADER_WAIT: Duration = Duration::from_secs(10);

/// For everything on one connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(300);

/// After a failed accept (no file descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Maxwell's options. Whether the server runs at all is the configuration's matter.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// `http_bind_address`: a name or an address; all addresses if unset.
    pub bind_address: Option<String>,
    /// `http_port`; 0 takes any free one.
    pub port: u16,
    /// `http_path_prefix`; a missing leading slash is added.
    pub path_prefix: String,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions { bind_address: None, port: 8080, path_prefix: "/".into() }
    }
}

/// A bound server that does not answer yet.
pub struct AdminServer {
    listener: TcpListener,
    state: State,
}

/// What the server offers beside the index.
#[derive(Clone)]
pub struct Offer {
    /// Metrics, health and ping.
    pub metrics: Option<MaxwellNames>,
    /// `http_config`
    pub filter: Option<Arc<LiveFilter>>,
    /// `http_diagnostic`, and how long each check may take.
    pub diagnostic: Option<(Arc<dyn Diagnose>, Duration)>,
}

impl Default for Offer {
    fn default() -> Self {
        Offer { metrics: Some(MaxwellNames::default()), filter: None, diagnostic: None }
    }
}

struct State {
    /// Without a slash at its end: "" or "/binlogd".
    prefix: String,
    offer: Offer,
    metrics: Arc<Metrics>,
    status: watch::Receiver<Status>,
}

impl AdminServer {
    /// Takes the port. Definite error if that cannot be had.
    pub async fn bind(options: &HttpOptions, metrics: Arc<Metrics>, status: watch::Receiver<Status>) -> Result<Self> {
        let place = options.bind_address.clone().unwrap_or_else(|| "all addresses".into());
        let listener = listen(options).await.map_err(|e| {
            let hint = match e.kind() {
                std::io::ErrorKind::AddrInUse => "another program has this port; stop it, or give another http_port",
                std::io::ErrorKind::PermissionDenied => "this user may not take this port; give an http_port above 1023",
                _ => "see http_bind_address and http_port",
            };
            Error::definite(format!("the HTTP server cannot listen on {place}, port {}", options.port)).hint(hint).source(e)
        })?;
        let prefix = options.path_prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        Ok(AdminServer { listener, state: State { prefix, offer: Offer::default(), metrics, status } })
    }

    /// Offers this in place of metrics only.
    pub fn offering(mut self, offer: Offer) -> Self {
        self.state.offer = offer;
        self
    }

    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(|e| Error::definite("the HTTP server has no address").source(e))
    }

    /// Answers until `stop` is done. Connections that are open then are cut.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let state = Arc::new(self.state);
        let mut connections = tokio::task::JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener, &permits) => accepted,
            };
            match accepted {
                Ok((stream, permit)) => {
                    let state = state.clone();
                    connections.spawn(async move {
                        serve(stream, state).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "http: a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.shutdown().await;
    }
}

async fn listen(options: &HttpOptions) -> std::io::Result<TcpListener> {
    match &options.bind_address {
        Some(address) => TcpListener::bind((address.as_str(), options.port)).await,
        // One socket for both families where the machine has IPv6.
        None => match TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), options.port)).await {
            Err(e) if e.kind() != std::io::ErrorKind::AddrInUse => {
                TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), options.port)).await
            }
            bound => bound,
        },
    }
}

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let permit = permits.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(request, &state).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_WAIT, connection).await {
        Ok(Ok(())) | Err(_) => {}
        // A client that hangs up or talks nonsense is its own affair.
        Ok(Err(error)) => tracing::debug!(%error, "http: a connection ended early"),
    }
}

/// An endpoint, in the order of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Metrics,
    Prometheus,
    Health,
    Ping,
    Config,
    Diagnostic,
}

impl Endpoint {
    /// `/diagnostics` is what Maxwell's documentation calls the last one.
    const PATHS: [(Endpoint, &'static str); 7] = [
        (Endpoint::Metrics, "/metrics"),
        (Endpoint::Prometheus, "/prometheus"),
        (Endpoint::Health, "/healthcheck"),
        (Endpoint::Ping, "/ping"),
        (Endpoint::Config, "/config"),
        (Endpoint::Diagnostic, "/diagnostic"),
        (Endpoint::Diagnostic, "/diagnostics"),
    ];

    fn is_in(self, offer: &Offer) -> bool {
        match self {
            Endpoint::Config => offer.filter.is_some(),
            Endpoint::Diagnostic => offer.diagnostic.is_some(),
            _ => offer.metrics.is_some(),
        }
    }
}

async fn answer(request: Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let path = request.uri().path().strip_prefix(state.prefix.as_str()).unwrap_or_default();
    let endpoint = Endpoint::PATHS.iter().find(|(e, p)| *p == path && e.is_in(&state.offer)).map(|(e, _)| *e);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads {
        return match (endpoint, &state.offer.filter) {
            (Some(Endpoint::Config), Some(filter)) if matches!(*request.method(), Method::PUT | Method::POST | Method::PATCH) => {
                change_config(request, filter).await
            }
            (Some(Endpoint::Config), _) => not_allowed("GET, HEAD, PUT, POST, PATCH"),
            _ => not_allowed("GET, HEAD"),
        };
    }
    let query = request.uri().query().unwrap_or_default();
    match endpoint {
        Some(Endpoint::Metrics) if !wants_text(&request) => {
            let pretty = values(query, "pretty").iter().any(|v| v == "true");
            respond(StatusCode::OK, "application/json", json::dropwizard(&state.export(), pretty))
        }
        Some(Endpoint::Metrics | Endpoint::Prometheus) => {
            respond(StatusCode::OK, text::CONTENT_TYPE, text::prometheus(&state.export(), &values(query, "name[]")))
        }
        Some(Endpoint::Health) => {
            let start = Instant::now();
            let status = state.status.borrow().clone();
            let code = if status.is_healthy() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
            respond(code, "application/json", health::body(&status, SystemTime::now(), start.elapsed()))
        }
        Some(Endpoint::Ping) => respond(StatusCode::OK, "text/plain", "pong\n"),
        Some(Endpoint::Config) => match &state.offer.filter {
            Some(filter) => respond(StatusCode::OK, "application/json", config::show(filter)),
            None => respond(StatusCode::OK, "text/html", index(state)),
        },
        Some(Endpoint::Diagnostic) => diagnose(state).await,
        None => respond(StatusCode::OK, "text/html", index(state)),
    }
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, "text/plain", format!("only {allowed} is answered here\n"));
    response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static(allowed));
    response
}

async fn change_config(request: Request<Incoming>, filter: &LiveFilter) -> Response<Full<Bytes>> {
    let (status, body) = match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => config::change(filter, &body.to_bytes()),
        Err(error) => config::refuse(&format!("error processing body: {error}")),
    };
    respond(status, "application/json", body)
}

async fn diagnose(state: &State) -> Response<Full<Bytes>> {
    let Some((diagnostics, limit)) = &state.offer.diagnostic else { return respond(StatusCode::OK, "text/html", index(state)) };
    let (body, success) = diagnostic::run(diagnostics.clone().checks(), *limit).await;
    respond(if success { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, "text/json", body)
}

impl State {
    fn export(&self) -> Export {
        self.metrics.healthy.set(self.status.borrow().is_healthy().into());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Export::take(&self.metrics, &self.offer.metrics.clone().unwrap_or_default(), now.as_secs_f64())
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("must-revalidate,no-cache,no-store"));
    response
}

/// Whether `/metrics` is asked for by a Prometheus server or its like, which names the text format. Everybody else gets what
/// Maxwell gives: JSON; also a client that would rather have JSON than text (JavaScript libraries ask so).
fn wants_text(request: &Request<Incoming>) -> bool {
    let accept =
        request.headers().get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect::<Vec<_>>().join(",").to_ascii_lowercase();
    let text = accept.find("text/plain").into_iter().chain(accept.find("application/openmetrics")).min();
    text.is_some_and(|text| accept.find("application/json").is_none_or(|json| text < json))
}

/// All values of one key of a query.
fn values(query: &str, key: &str) -> Vec<String> {
    query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(k, _)| decoded(k) == key).map(|(_, v)| decoded(v)).collect()
}

/// Percent encoding and plus signs taken back; what is not valid stays as it is.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()).and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(first),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn index(state: &State) -> String {
    let prefix = state.prefix.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let offered = Endpoint::PATHS.iter().filter(|(e, path)| e.is_in(&state.offer) && *path != "/diagnostics");
    let items: String = offered.map(|(_, path)| format!("<li><a href=\"{prefix}{path}\">{prefix}{path}</a></li>\n")).collect();
    format!("<!DOCTYPE html>\n<html><head><title>binlogd</title></head><body>\n<h1>binlogd</h1>\n<ul>\n{items}</ul>\n</body></html>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::CauseKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Running {
        address: SocketAddr,
        status: watch::Sender<Status>,
        metrics: Arc<Metrics>,
        _stop: tokio::sync::oneshot::Sender<()>,
        ended: tokio::task::JoinHandle<()>,
    }

    async fn start(prefix: &str) -> Running {
        start_with(prefix, Offer::default()).await
    }

    async fn start_with(prefix: &str, offer: Offer) -> Running {
        let (status, receiver) = Status::channel();
        let metrics = Arc::new(Metrics::new());
        let options = HttpOptions { bind_address: Some("127.0.0.1".into()), port: 0, path_prefix: prefix.into() };
        let server = AdminServer::bind(&options, metrics.clone(), receiver).await.unwrap().offering(offer);
        let address = server.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let ended = tokio::spawn(server.run(async move { drop(stopped.await) }));
        Running { address, status, metrics, _stop: stop, ended }
    }

    impl Running {
        async fn raw(&self, request: &str) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            String::from_utf8(answer).unwrap()
        }

        async fn get(&self, path: &str, headers: &str) -> String {
            self.raw(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
        }
    }

    #[tokio::test]
    async fn every_endpoint() {
        let server = start("/").await;
        server.metrics.rows.inc_by(42);
        let rows: &[(&str, &str, &[&str])] = &[
            (
                "/ping",
                "",
                &["HTTP/1.1 200", "content-type: text/plain", "\r\n\r\npong\n", "cache-control: must-revalidate,no-cache,no-store"],
            ),
            (
                "/metrics",
                "Accept: text/plain\r\n",
                &["HTTP/1.1 200", "content-type: text/plain; version=0.0.4", "binlogd_rows_total 42\n", "binlogd_healthy 1\n"],
            ),
            ("/metrics", "", &["HTTP/1.1 200", "content-type: application/json", r#""binlogd_rows_total":{"count":42}"#]),
            ("/metrics", "Accept: */*\r\n", &[r#"{"version":"4.0.0","gauges":{"MaxwellMetrics.inflightmessages.count":{"value":0}"#]),
            // As Prometheus asks.
            (
                "/metrics",
                "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1\r\n",
                &["binlogd_rows_total 42\n"],
            ),
            ("/metrics", "Accept: application/openmetrics-text,text/plain;q=0.5,application/json;q=0.1\r\n", &["binlogd_rows_total 42\n"]),
            ("/metrics", "Accept: application/json, text/plain, */*\r\n", &["content-type: application/json"]),
            ("/metrics", "Accept: application/json\r\n", &["content-type: application/json", r#""binlogd_rows_total":{"count":42}"#]),
            ("/metrics?pretty=true", "Accept: application/json\r\n", &["\n  \"gauges\": {"]),
            ("/prometheus?name%5B%5D=binlogd_rows_total", "", &["\r\n\r\n# HELP binlogd_rows_total"]),
            ("/healthcheck", "", &["HTTP/1.1 200", r#"{"MaxwellHealth":{"healthy":true,"#]),
            ("/", "", &["HTTP/1.1 200", "content-type: text/html", r#"<a href="/prometheus">"#]),
            ("/no/such?thing", "", &["HTTP/1.1 200", "text/html"]),
        ];
        for (path, headers, wanted) in rows {
            let answer = server.get(path, headers).await;
            for words in *wanted {
                assert!(answer.contains(words), "{path} {headers}: {words} in\n{answer}");
            }
        }
        let answer = server.raw("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: GET, HEAD"), "{answer}");
    }

    struct Lame;

    impl Diagnose for Lame {
        fn checks(self: Arc<Self>) -> Vec<super::super::diagnostic::Check> {
            let outcome = Box::pin(async { Err(Error::transient("lame")) });
            vec![super::super::diagnostic::Check { name: "leg", resource: "r".into(), outcome }]
        }
    }

    #[tokio::test]
    async fn filter_and_diagnostics_are_there_when_asked_for() {
        let filter = Arc::new(LiveFilter::new(crate::filter::Filter::default()));
        let diagnostic: Option<(Arc<dyn Diagnose>, Duration)> = Some((Arc::new(Lame), Duration::from_secs(1)));
        let server = start_with("/", Offer { metrics: None, filter: Some(filter.clone()), diagnostic }).await;
        let send = async |method: &str, path: &str, body: &str| {
            let length = body.len();
            server.raw(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")).await
        };
        assert!(send("GET", "/config", "").await.ends_with("\r\n\r\n{\"filter\":null}\n"));
        for (method, table) in [("PUT", "a"), ("POST", "b"), ("PATCH", "c")] {
            let answer = send(method, "/config", &format!(r#"{{"filter":"exclude: d.{table}"}}"#)).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("{{\"filter\":\"exclude: d.{table}\"}}\n")),
                "{answer}"
            );
            assert!(!filter.current().table_included("d", table));
        }
        assert!(send("POST", "/config", "{").await.starts_with("HTTP/1.1 400"));
        assert!(send("POST", "/config", &" ".repeat(BODY_BYTES_MAX + 1)).await.contains("HTTP/1.1 400"));
        assert!(send("DELETE", "/config", "").await.contains("allow: GET, HEAD, PUT, POST, PATCH"));
        assert!(send("POST", "/diagnostic", "").await.starts_with("HTTP/1.1 405"));
        for path in ["/diagnostic", "/diagnostics"] {
            let answer = send("GET", path, "").await;
            assert!(
                answer.starts_with("HTTP/1.1 503") && answer.contains("content-type: text/json") && answer.contains(r#""error":"lame""#),
                "{answer}"
            );
        }
        let index = send("GET", "/metrics", "").await;
        assert!(index.contains("text/html") && !index.contains("/metrics") && index.matches("<li>").count() == 2, "{index}");
    }

    #[tokio::test]
    async fn ill_health_says_why() {
        let server = start("/").await;
        server.status.send_modify(|s| {
            s.set_cause(CauseKind::Producer, "no Kafka broker can be reached", 0);
        });
        let answer = server.get("/healthcheck", "").await;
        assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("no Kafka broker can be reached (since"), "{answer}");
        assert!(server.get("/prometheus", "").await.contains("binlogd_healthy 0\n"));
        server.status.send_modify(|s| drop(s.clear_cause(CauseKind::Producer)));
        assert!(server.get("/healthcheck", "").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn paths_lie_under_the_prefix() {
        for prefix in ["/binlogd", "binlogd", "/binlogd/"] {
            let server = start(prefix).await;
            assert!(server.get("/binlogd/ping", "").await.ends_with("pong\n"));
            let index = server.get("/ping", "").await;
            assert!(index.contains(r#"href="/binlogd/ping""#), "{index}");
        }
    }

    #[tokio::test]
    async fn nonsense_and_large_headers_are_refused() {
        let server = start("/").await;
        assert!(server.raw("\x01\x02\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        let large = format!("GET /ping HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(2 * HEADER_BYTES_MAX));
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The server may hang up while it is still being talked to.
        let _ = stream.write_all(large.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("pong"));
        assert!(server.get("/ping", "").await.ends_with("pong\n"));
    }

    #[tokio::test]
    async fn more_connections_than_allowed_wait_for_their_turn() {
        let server = start("/").await;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            // Half a request: it holds its place.
            stream.write_all(b"GET /ping HTTP/1.1\r\n").await.unwrap();
            idle.push(stream);
        }
        let mut late = TcpStream::connect(server.address).await.unwrap();
        late.write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        drop(idle.split_off(CONNECTIONS_MAX / 2));
        let mut answer = String::new();
        late.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("pong\n"));
    }

    #[tokio::test]
    async fn a_taken_port_is_one_clear_error_and_stopping_frees_it() {
        let server = start("/").await;
        let options = HttpOptions { bind_address: Some("127.0.0.1".into()), port: server.address.port(), path_prefix: "/".into() };
        let error = AdminServer::bind(&options, Arc::default(), Status::channel().1).await.err().unwrap();
        let text = error.to_string();
        assert!(!error.is_transient() && text.contains("another program has this port"), "{text}");
        drop(server._stop);
        server.ended.await.unwrap();
        AdminServer::bind(&options, Arc::default(), Status::channel().1).await.unwrap();
    }

    #[test]
    fn queries() {
        assert_eq!(values("name[]=a&name%5b%5D=b+c&x=1&name[]=%zz%4", "name[]"), ["a", "b c", "%zz%4"]);
        assert!(values("", "x").is_empty() && values("x", "x").is_empty());
    }
}
