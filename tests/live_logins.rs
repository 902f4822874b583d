//! Logins × TLS modes × servers, as a table: each cell is tried on an SQL connection and on a dump connection, and must
//! succeed (encrypted where it has to be) or fail with the sentence that names the cause. And accounts whose login method
//! the SQL client does not speak: their connections, and a daemon that has no others.

#[path = "live_support/mod.rs"]
mod live_support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use binlogd::error::{Error, Result};
use binlogd::server::connect::KeyStore;
use binlogd::server::fault::sql_error;
use binlogd::server::{ConnectionOptions, Server, SslMode, status};
use binlogd::source::commands::Commands;
use binlogd::source::{DumpOptions, DumpStream, Start, login};
use live_support::certificates::{Certificate, DAY, Pair, write};
use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time};
use live_support::refusal::Refusal;
use live_support::servers::{self, Scratch};
use live_support::sql::SqlServer;

const PASSWORD: &str = "p'w é";
const STORE_PASSWORD: &str = "store-secret";

/// The certificate that the server shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    Right,
    OtherHost,
    Expired,
}

/// What the account requires.
#[derive(Clone, Copy, Debug)]
enum Account {
    Plain,
    Ssl,
    X509,
    OtherSubject,
}

#[derive(Clone, Copy, Debug)]
enum Ca {
    System,
    Right,
    Stranger,
    /// The right one in a key store.
    Store,
}

/// Our own certificate.
#[derive(Clone, Copy, Debug)]
enum Own {
    None,
    Right,
    /// Signed by somebody whom the server does not know.
    Stranger,
    Expired,
    Store,
}

enum Want {
    Plain,
    Encrypted,
    /// Refused, with all these words.
    Refused(&'static [&'static str]),
}

struct Cell {
    shown: Shown,
    account: Account,
    mode: SslMode,
    host: &'static str,
    ca: Ca,
    own: Own,
    password: &'static str,
    want: Want,
}

const PLAIN: Cell = Cell {
    shown: Shown::Right,
    account: Account::Plain,
    mode: SslMode::Disabled,
    host: "127.0.0.1",
    ca: Ca::System,
    own: Own::None,
    password: PASSWORD,
    want: Want::Plain,
};
const ENCRYPTED: Cell = Cell { mode: SslMode::Required, want: Want::Encrypted, ..PLAIN };
const VERIFY_CA: Cell = Cell { mode: SslMode::VerifyCa, ca: Ca::Right, ..ENCRYPTED };
const VERIFY_IDENTITY: Cell = Cell { mode: SslMode::VerifyIdentity, ..VERIFY_CA };

const WRONG_CA: Want = Want::Refused(&["TLS handshake", "was not signed by the given authority", "ssl_ca"]);
const WRONG_HOST: Want = Want::Refused(&["TLS handshake", "for another host name", "ssl=VERIFY_CA"]);
const EXPIRED: Want = Want::Refused(&["TLS handshake", "the server's certificate has expired", "renew it on the server"]);
const REFUSED_CERTIFICATE: Want = Want::Refused(&["TLS handshake", "the server refused our", "ssl_cert"]);
const NEEDS_TLS: Want = Want::Refused(&["ERROR 1045", "this login was without TLS", "ssl=REQUIRED"]);
const NEEDS_CERTIFICATE: Want = Want::Refused(&["ERROR 1045", "without a client certificate", "REQUIRE X509", "ssl_cert and ssl_key"]);
const OTHER_SUBJECT: Want = Want::Refused(&["ERROR 1045", "another SUBJECT or ISSUER"]);
const WRONG_PASSWORD: Want = Want::Refused(&["ERROR 1045", "check user and password"]);
const NO_TLS: Want = Want::Refused(&["the server offers no TLS", "ssl=PREFERRED or ssl=DISABLED"]);

/// For servers that have TLS.
const CELLS: &[Cell] = &[
    PLAIN,
    Cell { mode: SslMode::Preferred, ..ENCRYPTED },
    ENCRYPTED,
    VERIFY_CA,
    VERIFY_IDENTITY,
    Cell { host: "localhost", ..VERIFY_IDENTITY },
    Cell { ca: Ca::Stranger, ..ENCRYPTED },
    Cell { ca: Ca::Store, ..VERIFY_IDENTITY },
    Cell { ca: Ca::Stranger, want: WRONG_CA, ..VERIFY_CA },
    Cell { ca: Ca::Stranger, want: WRONG_CA, ..VERIFY_IDENTITY },
    Cell { ca: Ca::System, want: WRONG_CA, ..VERIFY_CA },
    Cell { password: "wrong-secret", want: WRONG_PASSWORD, ..PLAIN },
    Cell { password: "wrong-secret", want: WRONG_PASSWORD, ..VERIFY_CA },
    Cell { account: Account::Ssl, want: NEEDS_TLS, ..PLAIN },
    Cell { account: Account::Ssl, mode: SslMode::Preferred, ..ENCRYPTED },
    Cell { account: Account::Ssl, ..VERIFY_IDENTITY },
    Cell { account: Account::X509, want: NEEDS_TLS, ..PLAIN },
    Cell { account: Account::X509, want: NEEDS_CERTIFICATE, ..ENCRYPTED },
    Cell { account: Account::X509, want: NEEDS_CERTIFICATE, ..VERIFY_CA },
    Cell { account: Account::X509, own: Own::Right, ..ENCRYPTED },
    Cell { account: Account::X509, own: Own::Right, ..VERIFY_IDENTITY },
    Cell { account: Account::X509, own: Own::Store, ca: Ca::Store, ..VERIFY_IDENTITY },
    Cell { account: Account::OtherSubject, own: Own::Right, want: OTHER_SUBJECT, ..VERIFY_CA },
    Cell { own: Own::Right, ..VERIFY_CA },
    Cell { own: Own::Stranger, want: REFUSED_CERTIFICATE, ..ENCRYPTED },
    Cell { own: Own::Expired, want: REFUSED_CERTIFICATE, ..ENCRYPTED },
    Cell { shown: Shown::OtherHost, ..ENCRYPTED },
    Cell { shown: Shown::OtherHost, ..VERIFY_CA },
    Cell { shown: Shown::OtherHost, want: WRONG_HOST, ..VERIFY_IDENTITY },
    Cell { shown: Shown::OtherHost, host: "localhost", want: WRONG_HOST, ..VERIFY_IDENTITY },
    Cell { shown: Shown::Expired, ..ENCRYPTED },
    Cell { shown: Shown::Expired, want: EXPIRED, ..VERIFY_CA },
    Cell { shown: Shown::Expired, want: EXPIRED, ..VERIFY_IDENTITY },
];

/// For a server without TLS.
const CELLS_WITHOUT: &[Cell] = &[
    PLAIN,
    Cell { mode: SslMode::Preferred, ..PLAIN },
    Cell { mode: SslMode::Preferred, password: "wrong-secret", want: WRONG_PASSWORD, ..PLAIN },
    Cell { want: NO_TLS, ..ENCRYPTED },
    Cell { want: NO_TLS, ..VERIFY_CA },
    Cell { want: NO_TLS, ..VERIFY_IDENTITY },
    Cell { password: "wrong-secret", want: WRONG_PASSWORD, ..PLAIN },
];

/// All files that a cell may need.
struct Files {
    folder: PathBuf,
    authority: Pair,
    server: Pair,
}

impl Files {
    fn make(folder: &Path) -> Files {
        let authority = Pair::authority("Test Authority");
        let stranger = Pair::authority("Stranger");
        write(folder, "right-ca.pem", &authority.cert_pem());
        write(folder, "stranger-ca.pem", &stranger.cert_pem());
        authority.write_trust(folder, "trust", STORE_PASSWORD);
        let client = Certificate { name: "binlogd", hosts: &[], seconds: 30 * DAY };
        let own = authority.sign(&client);
        own.write(folder, "right");
        own.write_store(folder, "own", STORE_PASSWORD);
        stranger.sign(&client).write(folder, "stranger");
        authority.sign(&Certificate { seconds: -DAY, ..client }).write(folder, "expired");
        let server = authority.sign(&Self::shown(Shown::Right, false));
        let files = Files { folder: folder.to_owned(), authority, server };
        files.server.write(folder, "server");
        files
    }

    /// MySQL takes no certificate that has expired, so it gets one that will in a moment.
    fn shown(shown: Shown, mariadb: bool) -> Certificate<'static> {
        let hosts: &[&str] = if shown == Shown::OtherHost { &["db.example.com", "192.0.2.1"] } else { &["127.0.0.1", "localhost"] };
        let seconds = match shown {
            Shown::Expired if mariadb => -DAY,
            Shown::Expired => 3,
            _ => 30 * DAY,
        };
        Certificate { name: "server", hosts, seconds }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn flags(&self) -> Vec<String> {
        [("ssl-ca", "right-ca.pem"), ("ssl-cert", "server-cert.pem"), ("ssl-key", "server-key.pem")]
            .map(|(flag, file)| format!("{flag}={}", self.path(file).display()))
            .into()
    }

    /// Has the server show another certificate.
    async fn show(&self, server: &SqlServer, shown: Shown) {
        let pair = self.authority.sign_for(&Self::shown(shown, server.is_mariadb()), &self.server.key);
        pair.write(&self.folder, "server");
        server.run(&[if server.is_mariadb() { "FLUSH SSL" } else { "ALTER INSTANCE RELOAD TLS" }]).await;
        if shown == Shown::Expired {
            eventually("the certificate expires", Duration::from_secs(20), async || pair.has_expired().then_some(())).await;
        }
    }

    fn options(&self, cell: &Cell, port: u16, user: &str) -> ConnectionOptions {
        let mut options = ConnectionOptions { port, ssl: cell.mode, ..ConnectionOptions::new(cell.host, user, cell.password) };
        let store = |name: &str| Some(KeyStore { path: self.path(name), password: STORE_PASSWORD.into() });
        match cell.ca {
            Ca::System => {}
            Ca::Right => options.ssl_ca = Some(self.path("right-ca.pem")),
            Ca::Stranger => options.ssl_ca = Some(self.path("stranger-ca.pem")),
            Ca::Store => options.trust_store = store("trust.p12"),
        }
        let name = match cell.own {
            Own::None => return options,
            Own::Store => {
                options.client_store = store("own.p12");
                return options;
            }
            Own::Right => "right",
            Own::Stranger => "stranger",
            Own::Expired => "expired",
        };
        options.ssl_cert = Some(self.path(&format!("{name}-cert.pem")));
        options.ssl_key = Some(self.path(&format!("{name}-key.pem")));
        options
    }
}

fn user(account: Account) -> &'static str {
    match account {
        Account::Plain => "tls_plain",
        Account::Ssl => "tls_ssl",
        Account::X509 => "tls_x509",
        Account::OtherSubject => "tls_subject",
    }
}

/// Makes the four accounts anew, with this login method.
async fn make_accounts(server: &SqlServer, identified: &str) {
    for account in [Account::Plain, Account::Ssl, Account::X509, Account::OtherSubject] {
        let user = user(account);
        let require = match account {
            Account::Plain => "NONE",
            Account::Ssl => "SSL",
            Account::X509 => "X509",
            Account::OtherSubject => "SUBJECT '/CN=somebody else'",
        };
        if server.name.starts_with("mysql56") {
            // It knows neither IF EXISTS nor REQUIRE in CREATE USER, and has no TLS.
            server.run(&[&format!("GRANT USAGE ON *.* TO {user}@'%'"), &format!("DROP USER {user}@'%'")]).await;
            server.run(&[&format!("CREATE USER {user}@'%' {identified}")]).await;
        } else {
            server.run(&[&format!("DROP USER IF EXISTS {user}@'%'")]).await;
            server.run(&[&format!("CREATE USER {user}@'%' {identified} REQUIRE {require}")]).await;
        }
        server.run(&[&format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user}@'%'")]).await;
    }
}

const CIPHER: &str = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";

/// The cipher of an SQL connection, empty without TLS.
async fn by_sql(options: &ConnectionOptions) -> Result<String> {
    let server = Server::new(options.clone())?;
    let rows = server.query(CIPHER).await?;
    let cipher = rows.first().and_then(|row| row.get::<String, _>(1)).unwrap_or_default();
    server.close().await;
    Ok(cipher)
}

/// The cipher of a login as the dump connection makes it; and then a dump from `start`.
fn by_dump(options: &ConnectionOptions, start: Option<&Start>) -> Result<String> {
    let mut commands = Commands::new(login::login(options)?);
    let row = commands.query(CIPHER)?.into_iter().next().unwrap_or_default();
    if let Some(start) = start {
        let dump = DumpOptions { non_blocking: true, ..DumpOptions::new(options.clone(), 7300, "live-logins") };
        DumpStream::open(&dump, start)?;
    }
    Ok(row.get(1).cloned().flatten().unwrap_or_default())
}

fn check(cell: &Cell, place: &str, outcome: std::result::Result<String, Error>) {
    let place = format!(
        "{place}: ssl={:?} account={:?} server certificate={:?} host={} ca={:?} own certificate={:?}",
        cell.mode, cell.account, cell.shown, cell.host, cell.ca, cell.own
    );
    match (&cell.want, outcome) {
        (Want::Plain, Ok(cipher)) => assert_eq!(cipher, "", "{place}: encrypted"),
        (Want::Encrypted, Ok(cipher)) => assert_ne!(cipher, "", "{place}: not encrypted"),
        (Want::Refused(words), Err(error)) => {
            let text = error.to_string();
            assert!(!error.is_transient(), "{place}: would be tried again: {text}");
            for word in *words {
                assert!(text.contains(word), "{place}: no {word:?} in: {text}");
            }
            assert!(error.hint_text().is_some(), "{place}: nothing to do in: {text}");
            assert!(!text.contains("secret") && !text.contains(PASSWORD), "{place}: a secret in: {text}");
            assert!(text.contains(&format!("{}@{}:", user(cell.account), cell.host)), "{place}: no server in: {text}");
        }
        (_, Ok(_)) => panic!("{place}: let in"),
        (_, Err(error)) => panic!("{place}: {error}"),
    }
}

/// Tries all cells with one login method. Gives how many there were.
async fn run_cells(server: &SqlServer, files: &Files, method: &str, identified: &str, cells: &[Cell]) -> usize {
    make_accounts(server, identified).await;
    let root = Server::new(ConnectionOptions { port: server.port, ..ConnectionOptions::new("127.0.0.1", "root", "") }).expect("options");
    let version = root.version().await.expect("version");
    let at = status::binlog_status(&mut root.conn().await.expect("root"), &version).await.expect("the log's end").at;
    let start = Start::File(at);
    let mut shown = Shown::Right;
    let mut count = 0;
    for cell in cells {
        if cell.shown != shown {
            files.show(server, cell.shown).await;
            shown = cell.shown;
        }
        let options = files.options(cell, server.port, user(cell.account));
        // caching_sha2_password: first the whole password, then what the server remembers of it.
        let two_ways = method == "caching_sha2_password" && !matches!(cell.want, Want::Refused(_));
        let rounds: &[&str] = if two_ways { &["full", "fast"] } else { &["once"] };
        let usual = matches!(cell.account, Account::Plain) && cell.shown == Shown::Right;
        for kind in ["SQL", "dump"] {
            if rounds.len() > 1 {
                server.run(&["FLUSH PRIVILEGES"]).await;
            }
            for round in rounds {
                let place = format!("{} {method} ({round}), {kind} connection", server.name);
                let outcome = if kind == "SQL" { by_sql(&options).await } else { by_dump(&options, usual.then_some(&start)) };
                count += 1;
                check(cell, &place, outcome);
            }
        }
    }
    if shown != Shown::Right {
        files.show(server, Shown::Right).await;
    }
    let drop_all: Vec<String> = [Account::Plain, Account::Ssl, Account::X509, Account::OtherSubject]
        .map(|account| format!("DROP USER {}@'%'", user(account)))
        .into();
    server.run(&drop_all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    root.close().await;
    println!("{} {version} {method}: {count} logins as they must be", server.name);
    count
}

fn sql_server(name: &'static str, scratch: &Scratch) -> SqlServer {
    SqlServer { name, port: scratch.port }
}

/// A server of the test's own that shows our certificates.
async fn start_with_tls(name: &str, files: &Files, more: &[String]) -> Scratch {
    let flags: Vec<String> = files.flags().into_iter().chain(more.iter().cloned()).collect();
    Scratch::start(name, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await
}

const NATIVE: &str = "IDENTIFIED BY 'p''w é'";

async fn on_mysql97() -> usize {
    let site = Site::new("logins-mysql97");
    let files = Files::make(&site.dir);
    let scratch = start_with_tls("mysql97-tls", &files, &[]).await;
    let server = sql_server("mysql97-tls", &scratch);
    let mut count = 0;
    for method in ["caching_sha2_password", "sha256_password"] {
        count += run_cells(&server, &files, method, &format!("IDENTIFIED WITH {method} BY 'p''w é'"), CELLS).await;
    }
    count += secure_transport(&server).await;
    three_connections(&server, &files, &site).await;
    count
}

async fn on_mariadb(name: &'static str, kind: &str) -> usize {
    let site = Site::new(&format!("logins-{kind}"));
    let files = Files::make(&site.dir);
    let folder = servers::plugins(kind).await;
    let flags: Vec<String> = folder.iter().map(|folder| format!("plugin-dir={folder}")).collect();
    let scratch = start_with_tls(name, &files, &flags).await;
    let server = sql_server(name, &scratch);
    let count = run_cells(&server, &files, "mysql_native_password", NATIVE, CELLS).await;
    // Fails where it is there already.
    let installed = server.try_rows("INSTALL SONAME 'auth_ed25519'").await;
    if server.rows("SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'ed25519'").await.is_empty() {
        assert!(folder.is_none(), "{name}: auth_ed25519 is there and cannot be installed: {installed:?}");
        println!("SKIPPED ed25519 on {name}: this server's package is without the plugin");
        return count;
    }
    let identified = "IDENTIFIED VIA ed25519 USING PASSWORD('p''w é')";
    let count = count + run_cells(&server, &files, "ed25519", identified, CELLS).await;
    make_accounts(&server, identified).await;
    // The server's random text ends with a zero now and then, which is no end of a text here.
    for attempt in 0..ED25519_LOGINS {
        let options = files.options(&PLAIN, server.port, user(Account::Plain));
        by_sql(&options).await.unwrap_or_else(|e| panic!("{name}: login {attempt} of {ED25519_LOGINS} with ed25519: {e}"));
        by_dump(&options, None).unwrap_or_else(|e| panic!("{name}: dump login {attempt} with ed25519: {e}"));
    }
    count + 2 * ED25519_LOGINS
}

/// As many that one of them meets a closing zero byte: all but one run in 50 do.
const ED25519_LOGINS: usize = 1_000;

async fn on_mysql56() -> usize {
    let Some([port]) = need("logins without TLS", ["BINLOGD_TEST_MYSQL56_PORT"]) else { return 0 };
    let site = Site::new("logins-mysql56");
    let files = Files::make(&site.dir);
    run_cells(&SqlServer::new("mysql56", &port), &files, "mysql_native_password", NATIVE, CELLS_WITHOUT).await
}

// The servers at the same time, or it takes minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_login_in_every_tls_mode() {
    let _alone = one_at_a_time().await;
    if !servers::can_start() && need("logins in TLS modes", ["BINLOGD_TEST_SERVERS_SH"]).is_none() {
        return;
    }
    let runtime = tokio::runtime::Handle::current();
    // Threads of their own, as futures with borrowed parameters are not `Send` enough to be tasks.
    let run = |work: fn(&tokio::runtime::Handle) -> usize| {
        let runtime = runtime.clone();
        tokio::task::spawn_blocking(move || work(&runtime))
    };
    let tasks = [
        run(|runtime| runtime.block_on(on_mysql97())),
        run(|runtime| runtime.block_on(on_mariadb("mariadb1011-tls", "mariadb1011"))),
        run(|runtime| runtime.block_on(on_mariadb("mariadb118-tls", "mariadb118"))),
        run(|runtime| runtime.block_on(on_mysql56())),
    ];
    let mut count = 0;
    for task in tasks {
        count += task.await.expect("every cell is as it must be");
    }
    println!("logins × TLS modes × servers: {count} cells");
}

/// `require_secure_transport`: another error number, for every account.
async fn secure_transport(server: &SqlServer) -> usize {
    use mysql_async::prelude::Queryable;
    // The connection that is open stays.
    let mut root = server.connect().await.expect("root");
    root.query_drop("SET GLOBAL require_secure_transport = ON").await.expect("SET GLOBAL");
    let plain = ConnectionOptions { port: server.port, ..ConnectionOptions::new("127.0.0.1", "maxwell", "maxwell") };
    let tls = ConnectionOptions { ssl: SslMode::Required, ..plain.clone() };
    let outcomes = [by_sql(&plain).await.map(drop), login::login(&plain).map(drop)];
    let encrypted = [by_sql(&tls).await.map(drop), login::login(&tls).map(drop)];
    root.query_drop("SET GLOBAL require_secure_transport = OFF").await.expect("SET GLOBAL");
    for outcome in outcomes {
        let text = outcome.expect_err("refused").to_string();
        assert!(text.contains("ERROR 3159") && text.contains("the server wants TLS: set ssl=REQUIRED"), "{text}");
    }
    for outcome in encrypted {
        outcome.expect("TLS is what the server wants");
    }
    4
}

/// Each of the daemon's three connections verifies the certificate by itself, and its error says which one it was.
async fn three_connections(server: &SqlServer, files: &Files, site: &Site) {
    let (schema, path) = ("maxwell_logins", |name: &str| files.path(name).display().to_string());
    for role in ["store", "replication", "capture"] {
        server
            .run(&[
                &format!("CREATE USER IF NOT EXISTS tls_{role}@'%' IDENTIFIED BY '{role}'"),
                &format!("GRANT ALL ON *.* TO tls_{role}@'%'"),
            ])
            .await;
    }
    let base = Config::for_server(server, schema)
        .with("user", "tls_store")
        .with("password", "store")
        .with("ssl", "VERIFY_IDENTITY")
        .with("ssl_ca", path("right-ca.pem"))
        .with("replication_host", "127.0.0.1")
        .with("replication_port", server.port)
        .with("replication_user", "tls_replication")
        .with("replication_password", "replication")
        .with("schema_host", "127.0.0.1")
        .with("schema_port", server.port)
        .with("schema_user", "tls_capture")
        .with("schema_password", "capture");
    for (role, option) in [("store", "ssl_ca"), ("replication", "replication_ssl_ca"), ("capture", "schema_ssl_ca")] {
        let mut config = base.clone();
        if role == "store" {
            // Otherwise the others would take it over.
            config = config.with("replication_ssl_ca", path("right-ca.pem")).with("schema_ssl_ca", path("right-ca.pem"));
        }
        let words: &[&str] = &[&format!("tls_{role}@127.0.0.1"), "was not signed by the given authority", "check ssl_ca"];
        Refusal { name: &format!("wrong-ca-{role}"), code: 1, words }.check(site, &config.with(option, path("stranger-ca.pem")), &[]).await;
    }
    server.run(&[&format!("GRANT ALL ON {schema}.* TO maxwell@'%'")]).await;
    // Key stores by jdbc_options, on all three; the password stands nowhere in the log.
    let jdbc = format!(
        "sslMode=VERIFY_IDENTITY&trustCertificateKeyStoreUrl=file:{}&trustCertificateKeyStorePassword={STORE_PASSWORD}",
        path("trust.p12")
    );
    let by_store = Config::for_server(server, schema).with("jdbc_options", &jdbc);
    let mut daemon = Daemon::start(site, "key-store", &by_store, &[]);
    let ready = format!("SELECT 1 FROM {schema}.positions WHERE last_heartbeat_read > 0");
    eventually("the daemon runs with a key store", Duration::from_secs(60), async || {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        server.try_rows(&ready).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
    let plain = "SELECT COUNT(*) FROM performance_schema.threads t JOIN performance_schema.status_by_thread s USING (thread_id) \
                 WHERE t.processlist_user = 'maxwell' AND s.variable_name = 'Ssl_cipher' AND s.variable_value = ''";
    assert_eq!(server.rows(plain).await, [[Some("0".to_owned())]], "a connection of the daemon is not encrypted");
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    assert!(!daemon.log_text().contains(STORE_PASSWORD), "{}", daemon.log_text());
    server.run(&[&format!("DROP DATABASE {schema}")]).await;
}

const SHA256: &str = "IDENTIFIED WITH sha256_password BY 'sha-secret'";

/// Connections through our own login: large values both ways at once, a session's end, a killed one, and nothing left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sha256_connections_are_like_any_other() {
    use mysql_async::prelude::Queryable;
    let _alone = one_at_a_time().await;
    let Some([port]) = need("sha256_password by SQL", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let root = SqlServer::new("mysql97", &port);
    root.run(&["DROP USER IF EXISTS sha_sql@'%'", &format!("CREATE USER sha_sql@'%' {SHA256}")]).await;
    let sessions = "SELECT id FROM information_schema.processlist WHERE user = 'sha_sql'";
    for ssl in [SslMode::Disabled, SslMode::Required] {
        let database = Some("information_schema".to_owned());
        let options = ConnectionOptions { port: root.port, ssl, database, ..ConnectionOptions::new("127.0.0.1", "sha_sql", "sha-secret") };
        let server = Server::new(options.clone()).expect("options");
        let values = (0..5_usize).map(|seed| (0..6_000_000).map(|i| ((i + seed) * 31 % 251) as u8).collect::<Vec<u8>>());
        let echoes = values.map(async |value| {
            let rows = server.exec("SELECT ?, DATABASE()", (value.clone(),)).await.expect("a large value");
            assert_eq!(rows[0].get::<Vec<u8>, _>(0).as_ref(), Some(&value), "{ssl:?}: other bytes came back");
            assert_eq!(rows[0].get::<String, _>(1).as_deref(), Some("information_schema"), "{ssl:?}");
        });
        futures_util::future::join_all(echoes).await;

        let mut conn = server.conn().await.expect("a connection");
        conn.query_drop("SET @left_over = 1").await.expect("SET");
        drop(conn);
        let rows = server.query("SELECT @left_over").await.expect("a session that was reset");
        assert_eq!(rows[0].get::<Option<i64>, _>(0), Some(None), "{ssl:?}");
        let error = server.query("SELECT nothing FROM nowhere.at_all").await.expect_err("no such table").to_string();
        assert!(error.contains("ERROR 1142 (42000)"), "{ssl:?}: {error}");

        let mut conn = server.conn().await.expect("a connection");
        let ids = root.rows(sessions).await;
        assert!((1..=5).contains(&ids.len()) && ids.contains(&vec![Some(conn.id().to_string())]), "{ssl:?}: {ids:?}");
        root.run(&[&format!("KILL {}", conn.id())]).await;
        let error = conn.query_drop("SELECT 1").await.expect_err("the session is dead");
        assert!(sql_error(error).is_transient(), "{ssl:?}");
        drop(conn);
        server.query("SELECT 1").await.expect("another session");
        drop(server);
        eventually("all sessions have ended", Duration::from_secs(20), async || root.rows(sessions).await.is_empty().then_some(())).await;

        let nowhere = ConnectionOptions { database: Some("nowhere".into()), ..options };
        let error = Server::new(nowhere).expect("options").query("SELECT 1").await.expect_err("no such database");
        assert!(!error.is_transient() && error.to_string().contains("ERROR 1044 (42000)"), "{ssl:?}: {error}");
    }
    root.run(&["DROP USER sha_sql@'%'"]).await;
}

/// A daemon all of whose accounts have sha256_password delivers a change and saves where it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_with_sha256_accounts() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("a daemon with sha256_password", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let server = SqlServer::new("mysql97", &port);
    let (data, schema) = ("sha256_data", "maxwell_sha256");
    server.fresh_databases(data, schema).await;
    server.run(&[&format!("CREATE TABLE {data}.t (id int PRIMARY KEY, word varchar(20))")]).await;
    let accounts = ["sha_store", "sha_replication", "sha_capture"];
    for user in accounts {
        server.run(&[&format!("DROP USER IF EXISTS {user}@'%'"), &format!("CREATE USER {user}@'%' {SHA256}")]).await;
        server.run(&[&format!("GRANT ALL ON *.* TO {user}@'%'")]).await;
    }
    let site = Site::new("sha256-daemon");
    let config = Config::for_server(&server, schema)
        .with("user", accounts[0])
        .with("password", "sha-secret")
        .with("replication_host", "127.0.0.1")
        .with("replication_port", server.port)
        .with("replication_user", accounts[1])
        .with("replication_password", "sha-secret")
        .with("replication_ssl", "REQUIRED")
        .with("schema_host", "127.0.0.1")
        .with("schema_port", server.port)
        .with("schema_user", accounts[2])
        .with("schema_password", "sha-secret")
        .with("schema_ssl", "REQUIRED")
        .with("gtid_mode", true)
        .with("filter", format!("exclude: *.*, include: {data}.*"));
    let limit = Duration::from_secs(60);
    let mut sent = Vec::new();
    for round in 1..=2 {
        let mut daemon = Daemon::start(&site, &format!("sha256-{round}"), &config, &[]);
        let ready = format!("SELECT 1 FROM {schema}.positions WHERE last_heartbeat_read > 0");
        eventually("the daemon runs", limit, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            server.try_rows(&ready).await.ok().filter(|rows| !rows.is_empty())
        })
        .await;
        server.run(&[&format!("INSERT INTO {data}.t VALUES ({round}, 'word')")]).await;
        let executed = server.rows("SELECT @@global.gtid_executed").await[0][0].clone().expect("GTIDs");
        eventually("a line", limit, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            (!daemon.stdout_text().is_empty()).then_some(())
        })
        .await;
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
        let saved = server.rows(&format!("SELECT GTID_SUBSET('{executed}', gtid_set) FROM {schema}.positions")).await;
        assert_eq!(saved, [[Some("1".to_owned())]], "the position is not behind the change");
        assert!(!daemon.log_text().contains("sha-secret"), "{}", daemon.log_text());
        sent.push(daemon.stdout_text());
    }
    for (round, text) in (1..=2).zip(&sent) {
        assert_eq!(text.lines().count(), 1, "each life sends its own change only: {sent:?}");
        assert!(text.contains(&format!("\"id\":{round}")), "{text}");
    }
    server.drop_databases(data, schema).await;
    for user in accounts {
        server.run(&[&format!("DROP USER {user}@'%'")]).await;
    }
}
