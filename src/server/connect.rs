//! Ordinary SQL connections: their options, a small pool, and statements whose errors are classified.
//!
//! No SQL of any particular purpose stands here.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Pool, PoolConstraints, PoolOpts, Row};

use super::fault::{ACCESS_DENIED, is_server_error, login_error, sql_error};
use super::flavor::ServerVersion;
use super::login;
use super::relay::Relay;
use super::rows;
use super::tls::sql_tls;
use super::verdict;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// As many as Maxwell's pools keep at most (contract §1.9).
const CONNECTIONS_MAX: usize = 5;

/// Idle connections are asked for signs of life by the kernel, so that a dead peer is noticed within minutes.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(30);

/// How TLS is used (Maxwell's `ssl`, MySQL's `--ssl-mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    #[default]
    Disabled,
    /// Encrypted if the server offers it; nothing is verified.
    Preferred,
    /// Encrypted, or no connection; nothing is verified.
    Required,
    /// The certificate must be signed by `ssl_ca` (the system's authorities without it).
    VerifyCa,
    /// And be for the host name that was connected to.
    VerifyIdentity,
}

impl SslMode {
    /// Whether the server's certificate is verified.
    pub fn verifies(self) -> bool {
        matches!(self, SslMode::VerifyCa | SslMode::VerifyIdentity)
    }
}

/// A PKCS12 file and its password, as Java programs keep certificates in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStore {
    pub path: PathBuf,
    pub password: Secret,
}

/// Where and how to log in. The same for statements and for the dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// A name or an address; `localhost` means TCP, as it does in JDBC.
    pub host: String,
    pub port: u16,
    pub user: String,
    /// Empty for an account without password.
    pub password: Secret,
    pub ssl: SslMode,
    /// PEM file with the authority's certificates.
    pub ssl_ca: Option<PathBuf>,
    /// PEM files with our certificate and its unencrypted key.
    pub ssl_cert: Option<PathBuf>,
    pub ssl_key: Option<PathBuf>,
    /// In place of `ssl_ca`.
    pub trust_store: Option<KeyStore>,
    /// In place of `ssl_cert` and `ssl_key`.
    pub client_store: Option<KeyStore>,
    /// For the name look-up, the connection and the login together.
    pub connect_timeout_ms: u64,
    /// For one statement of `Server`'s helpers; a server that stopped answering must not hold us for ever.
    pub statement_timeout_ms: u64,
    /// Default database of statements.
    pub database: Option<String>,
}

impl ConnectionOptions {
    /// Port 3306, no TLS, Maxwell's 5 s to connect.
    pub fn new(host: impl Into<String>, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        ConnectionOptions {
            host: host.into(),
            port: 3306,
            user: user.into(),
            password: password.into(),
            ssl: SslMode::default(),
            ssl_ca: None,
            ssl_cert: None,
            ssl_key: None,
            trust_store: None,
            client_store: None,
            connect_timeout_ms: 5_000,
            statement_timeout_ms: 60_000,
            database: None,
        }
    }

    /// `user@host:port`, for logs and errors.
    pub fn address(&self) -> String {
        format!("{}@{}:{}", self.user, self.host, self.port)
    }

    /// Whether we have a certificate of our own to show.
    pub fn has_identity(&self) -> bool {
        self.ssl_cert.is_some() || self.client_store.is_some()
    }

    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    fn sql_options(&self) -> Result<OptsBuilder> {
        let pool = PoolOpts::new().with_constraints(PoolConstraints::new(0, CONNECTIONS_MAX).unwrap_or_default());
        Ok(OptsBuilder::default()
            .ip_or_hostname(self.host.clone())
            .tcp_port(self.port)
            .user(Some(self.user.clone()))
            .pass(Some(self.password.reveal().to_owned()))
            .db_name(self.database.clone())
            // Otherwise the library moves to the Unix socket by itself when the server is local.
            .prefer_socket(false)
            .tcp_keepalive(Some(KEEPALIVE))
            .pool_opts(pool)
            .ssl_opts(sql_tls(self)?))
    }
}

/// A server for ordinary SQL: at most five connections, made when needed, tested when taken from the pool.
pub struct Server {
    options: ConnectionOptions,
    state: Mutex<State>,
}

struct State {
    /// Makes a new pool when connections hang.
    opts: Opts,
    pool: Pool,
    /// What the server said first; versions do not change under a running daemon without a reconnect, and no decision
    /// made from it is unsafe after an upgrade.
    version: Option<ServerVersion>,
    /// Once the account has shown that it needs it.
    relay: Option<Relay>,
}

impl Server {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// Definite when the TLS files cannot be used.
    pub fn new(options: ConnectionOptions) -> Result<Self> {
        let opts = Opts::from(options.sql_options()?);
        let pool = Pool::new(opts.clone());
        Ok(Server { options, state: Mutex::new(State { opts, pool, version: None, relay: None }) })
    }

    pub fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    /// A connection that has just answered. It goes back to the pool when dropped, its session state reset.
    ///
    /// # Errors
    /// Transient when the server cannot be reached; definite for wrong passwords, missing rights, TLS and the like.
    pub async fn conn(&self) -> Result<Conn> {
        let result = match self.try_conn().await {
            Err(mysql_async::Error::Driver(mysql_async::DriverError::NoClientSslFlagFromServer))
                if self.options.ssl == SslMode::Preferred =>
            {
                tracing::info!(server = %self.options.address(), "the server offers no TLS, connecting without");
                self.replace_pool(|opts| Opts::from(OptsBuilder::from_opts(opts.clone()).ssl_opts(None)));
                self.try_conn().await
            }
            other => other,
        };
        let result = match result {
            Err(mysql_async::Error::Driver(mysql_async::DriverError::UnknownAuthPlugin { name })) if name == login::SHA256 => {
                self.use_relay()?;
                self.try_conn().await
            }
            // mysql_common takes a nonce's last byte for a closing NUL where it is one by chance, and signs the rest.
            Err(mysql_async::Error::Server(e)) if e.code == ACCESS_DENIED && self.is_let_in_by_ed25519().await => {
                self.use_relay()?;
                self.try_conn().await
            }
            other => other,
        };
        match result {
            Ok(conn) => Ok(conn),
            Err(e) => Err(match self.relayed(&e) {
                Some(error) => error,
                None => self.place(self.explained(sql_error(e)).await),
            }),
        }
    }

    /// The error of our own login, where that was the way, complete with its place.
    fn relayed(&self, error: &mysql_async::Error) -> Option<Error> {
        self.lock().relay.as_ref()?.failure(error)
    }

    /// Whether the SQL client was refused where our own login is not.
    async fn is_let_in_by_ed25519(&self) -> bool {
        let options = self.options.clone();
        self.lock().relay.is_none() && tokio::task::spawn_blocking(move || login::enters_by_ed25519(&options)).await.unwrap_or(false)
    }

    /// New connections go through our own login from now on.
    fn use_relay(&self) -> Result<()> {
        let mut state = self.lock();
        if state.relay.is_none() {
            let relay = Relay::start(&self.options).map_err(|e| self.place(e))?;
            tracing::info!(server = %self.options.address(), "SQL connections go through binlogd's own login, as the account's login method asks for");
            state.opts = relay.opts(&state.opts);
            state.pool = Pool::new(state.opts.clone());
            state.relay = Some(relay);
        }
        Ok(())
    }

    /// What else is known about a connection that could not be made.
    async fn explained(&self, error: Error) -> Error {
        let (encrypted, has_identity) = (self.is_encrypted(), self.options.has_identity());
        if error.is_transient() && encrypted && has_identity {
            let options = self.options.clone();
            let verdict = tokio::task::spawn_blocking(move || verdict::on_certificate(&options)).await;
            return verdict.ok().flatten().unwrap_or(error);
        }
        login_error(error, encrypted, has_identity)
    }

    /// Whether new connections use TLS: the mode, or what PREFERRED has found.
    fn is_encrypted(&self) -> bool {
        self.lock().opts.ssl_opts().is_some()
    }

    async fn try_conn(&self) -> Result<Conn, mysql_async::Error> {
        let pool = self.lock().pool.clone();
        match tokio::time::timeout(self.options.connect_timeout(), pool.get_conn()).await {
            Ok(conn) => conn,
            Err(_) => {
                // Whatever hung must not take a place in the pool until the kernel gives it up.
                self.replace_pool(Opts::clone);
                Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
            }
        }
    }

    /// The server's version, asked once.
    pub async fn version(&self) -> Result<ServerVersion> {
        if let Some(version) = self.lock().version.clone() {
            return Ok(version);
        }
        let rows = self.query("SELECT VERSION()").await?;
        let row = rows.first().ok_or_else(|| self.place(Error::definite("the server does not tell its version")))?;
        let version = ServerVersion::parse(&rows::text(row, 0)?).map_err(|e| self.place(e))?;
        self.lock().version = Some(version.clone());
        Ok(version)
    }

    /// All rows of a statement without parameters (text protocol: every value comes as text).
    pub async fn query(&self, sql: &str) -> Result<Vec<Row>> {
        let mut conn = self.conn().await?;
        self.bounded(async { conn.query(sql).await }).await
    }

    /// All rows of a prepared statement.
    pub async fn exec(&self, sql: &str, params: impl Into<Params> + Send) -> Result<Vec<Row>> {
        let mut conn = self.conn().await?;
        let params = params.into();
        self.bounded(async { conn.exec(sql, params).await }).await
    }

    /// Runs a prepared statement and gives the number of rows it changed.
    pub async fn execute(&self, sql: &str, params: impl Into<Params> + Send) -> Result<u64> {
        let mut conn = self.conn().await?;
        let params = params.into();
        self.bounded(async {
            conn.exec_drop(sql, params).await?;
            Ok(conn.affected_rows())
        })
        .await
    }

    /// Whether a statement works: `Ok(None)` when the server refuses it with one of these error numbers.
    pub async fn query_unless(&self, sql: &str, refusals: &[u16]) -> Result<Option<Vec<Row>>> {
        match self.query(sql).await {
            Ok(rows) => Ok(Some(rows)),
            Err(e) if is_server_error(&e, refusals) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Says good-bye on all idle connections; for an orderly stop.
    pub async fn close(&self) {
        let pool = self.lock().pool.clone();
        if let Err(e) = pool.disconnect().await {
            tracing::debug!(server = %self.options.address(), error = %e, "closing the connections failed");
        }
    }

    /// Uses new connections from now on. For whoever gives up a statement half way: the answer is still on the way, so
    /// that connection must never serve another statement.
    pub fn forget_connections(&self) {
        self.replace_pool(Opts::clone);
    }

    /// Runs a statement within the time limit.
    async fn bounded<T>(&self, work: impl Future<Output = Result<T, mysql_async::Error>>) -> Result<T> {
        match tokio::time::timeout(Duration::from_millis(self.options.statement_timeout_ms), work).await {
            Ok(done) => done.map_err(|e| self.place(sql_error(e))),
            Err(_) => {
                self.replace_pool(Opts::clone);
                Err(self.place(Error::transient(format!("the server did not answer within {} ms", self.options.statement_timeout_ms))))
            }
        }
    }

    /// Says which server an error is about.
    fn place(&self, error: Error) -> Error {
        error.detail(self.options.address())
    }

    fn replace_pool(&self, change: impl FnOnce(&Opts) -> Opts) {
        let mut state = self.lock();
        state.opts = change(&state.opts);
        state.pool = Pool::new(state.opts.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half-changed, so a poisoned one is still good.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_print_without_the_password() {
        let options = ConnectionOptions { ssl: SslMode::Preferred, ..ConnectionOptions::new("db", "maxwell", "hunter2") };
        let server = Server::new(options).unwrap();
        assert!(!format!("{server:?}").contains("hunter2"));
        assert_eq!(server.options().address(), "maxwell@db:3306");
    }

    #[tokio::test]
    async fn an_unreachable_server_is_a_transient_error_with_its_address() {
        // Bound and not listening: the kernel refuses at once, and nobody else can take the port meanwhile.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        drop(taken);
        let server = Server::new(ConnectionOptions { port, ..ConnectionOptions::new("127.0.0.1", "maxwell", "hunter2") }).unwrap();
        let error = server.query("SELECT 1").await.unwrap_err();
        assert!(error.is_transient());
        assert!(error.to_string().contains(&format!("maxwell@127.0.0.1:{port}")), "{error}");
        assert!(error.hint_text().is_some_and(|h| h.contains("is the server running")), "{error}");
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up_in_time() {
        // The kernel accepts for the listener; nobody ever says hello.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = ConnectionOptions { port, connect_timeout_ms: 50, ..ConnectionOptions::new("127.0.0.1", "maxwell", "") };
        let error = Server::new(options).unwrap().query("SELECT 1").await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
}
