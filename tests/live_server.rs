//! Logins, dumps and captures on real servers.
//!
//! Ports come from `BINLOGD_TEST_<SERVER>_PORT`; a test whose server is not there prints a SKIPPED line, or fails under
//! `BINLOGD_TEST_ALL=1`. Every server has root without a password and maxwell/maxwell over TCP. Each test has a database
//! of its own and may run beside the others.

use std::path::PathBuf;

use binlogd::binlog::{EventType, Flavor, RawEvent, TableMap};
use binlogd::error::{Class, Error, Result};
use binlogd::position::{BinlogPosition, Gtids};
use binlogd::schema::{ColumnType, IntWidth, Table, TextKind};
use binlogd::server::status::{BinlogStatus, ServerIdentity};
use binlogd::server::{ConnectionOptions, Server, SslMode, as_maxwell, capture, preflight, status};
use binlogd::source::{DumpOptions, DumpStream, Start};

const MYSQL97: &str = "MYSQL97";
const MYSQL56: &str = "MYSQL56";
const MARIADB1011: &str = "MARIADB1011";
const MARIADB118: &str = "MARIADB118";
const ALL: [&str; 4] = [MYSQL97, MYSQL56, MARIADB1011, MARIADB118];

/// A running server of the tests.
struct Live {
    name: &'static str,
    port: u16,
    runtime: tokio::runtime::Runtime,
}

/// The servers of this list that run.
fn servers(test: &str, names: &[&'static str]) -> Vec<Live> {
    names.iter().filter_map(|name| live(test, name)).collect()
}

fn live(test: &str, name: &'static str) -> Option<Live> {
    let variable = format!("BINLOGD_TEST_{name}_PORT");
    match std::env::var(&variable) {
        Ok(port) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            Some(Live { name, port: port.parse().unwrap_or_else(|_| panic!("{variable}={port} is not a port")), runtime })
        }
        Err(_) if std::env::var("BINLOGD_TEST_ALL").is_ok_and(|all| all == "1") => panic!("{variable} is not set"),
        Err(_) => {
            println!("SKIPPED {test} on {name}: {variable} is not set");
            None
        }
    }
}

impl Live {
    fn options(&self, user: &str, password: &str) -> ConnectionOptions {
        ConnectionOptions { port: self.port, ..ConnectionOptions::new("127.0.0.1", user, password) }
    }

    fn root(&self) -> Server {
        Server::new(self.options("root", "")).unwrap()
    }

    fn maxwell(&self) -> Server {
        Server::new(self.options("maxwell", "maxwell")).unwrap()
    }

    /// Runs statements as root, one connection for all.
    fn run(&self, statements: &[&str]) {
        self.runtime.block_on(async {
            let mut conn = self.root().conn().await.unwrap();
            for sql in statements {
                status::query(&mut conn, sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.name));
            }
        });
    }

    /// An earlier run may have left it.
    fn forget_user(&self, user: &str) {
        if self.name == MYSQL56 {
            // It knows no IF EXISTS, but granting makes an account.
            self.run(&[&format!("GRANT USAGE ON *.* TO '{user}'@'%'"), &format!("DROP USER '{user}'@'%'")]);
        } else {
            self.run(&[&format!("DROP USER IF EXISTS '{user}'@'%'")]);
        }
    }

    fn end(&self) -> BinlogStatus {
        self.runtime
            .block_on(async {
                let server = self.maxwell();
                let version = server.version().await?;
                status::binlog_status(&mut server.conn().await?, &version).await
            })
            .unwrap_or_else(|e: Error| panic!("{}: {e}", self.name))
    }

    fn identity(&self) -> ServerIdentity {
        self.runtime.block_on(async { status::identity(&mut self.maxwell().conn().await?).await }).unwrap()
    }

    /// A dump as maxwell that ends at the end of the log. Every test has a server id of its own: equal ones end each other.
    fn dump(&self, server_id: u32) -> DumpOptions {
        DumpOptions { non_blocking: true, ..DumpOptions::new(self.options("maxwell", "maxwell"), server_id, format!("live-{server_id}")) }
    }

    fn read(&self, options: &DumpOptions, start: &Start) -> Result<Vec<RawEvent>> {
        let mut stream = DumpStream::open(options, start)?;
        let mut events = Vec::new();
        while let Some(block) = stream.next_block()? {
            assert!(!block.events.is_empty());
            events.extend(block.events);
        }
        Ok(events)
    }

    fn file(&self, variable: &str) -> Option<PathBuf> {
        std::env::var(format!("BINLOGD_TEST_{}_{variable}", self.name)).ok().map(PathBuf::from)
    }
}

/// Whether this is a table map of this database. (The flavor decides about other things than names.)
fn is_of(event: &RawEvent, database: &str) -> bool {
    event.event_type() == Some(EventType::TableMap) && TableMap::parse(event, Flavor::MySql).unwrap().database == database
}

/// The events from the table map of this database on, up to the end of its transaction.
fn transaction_of<'a>(events: &'a [RawEvent], database: &str) -> &'a [RawEvent] {
    let start =
        events.iter().position(|e| is_of(e, database)).unwrap_or_else(|| panic!("no table map of {database} in {} events", events.len()));
    let end = events[start..].iter().position(|e| e.event_type() == Some(EventType::Xid)).expect("a transaction's end");
    &events[start..=start + end]
}

#[test]
fn logs_in_with_and_without_password() {
    for live in servers("logs_in", &ALL) {
        for (user, password) in [("root", ""), ("maxwell", "maxwell")] {
            let server = Server::new(live.options(user, password)).unwrap();
            let version = live.runtime.block_on(server.version()).unwrap();
            let dump = DumpOptions { non_blocking: true, ..DumpOptions::new(live.options(user, password), 7001, format!("login-{user}")) };
            let stream = DumpStream::open(&dump, &Start::File(live.end().at)).unwrap_or_else(|e| panic!("{} {user}: {e}", live.name));
            let (a, b) = (&stream.server().version, &version);
            assert_eq!((a.flavor, a.major, a.minor, a.patch), (b.flavor, b.major, b.minor, b.patch));
            assert_eq!((stream.server().server_id, &stream.server().uuid), (live.identity().server_id, &live.identity().uuid));
        }
    }
}

#[test]
fn refused_logins_are_definite_with_a_hint() {
    for live in servers("refused_logins", &ALL) {
        let options = live.options("maxwell", "wrong-secret");
        let by_sql = live.runtime.block_on(Server::new(options.clone()).unwrap().version()).unwrap_err();
        let by_dump = DumpStream::open(&DumpOptions::new(options, 7002, "c"), &Start::File(live.end().at)).err().unwrap();
        for error in [by_sql, by_dump] {
            assert_eq!((error.class(), error.code()), (Class::Definite, 1), "{error}");
            assert!(error.to_string().contains("1045") && error.hint_text().is_some_and(|h| h.contains("password")), "{error}");
            assert!(error.to_string().contains("maxwell@127.0.0.1") && !error.to_string().contains("wrong-secret"), "{error}");
        }
    }
}

/// An account's statement, mode and name: every login method of the server, first with an empty cache, then a full one.
#[test]
fn every_login_method() {
    let accounts: &[(&'static str, &str, &str)] = &[
        (MYSQL97, "caching_sha2_password", "IDENTIFIED WITH caching_sha2_password BY 'p''w é'"),
        (MYSQL97, "sha256_password", "IDENTIFIED WITH sha256_password BY 'p''w é'"),
        (MYSQL56, "mysql_native_password", "IDENTIFIED BY 'p''w é'"),
        (MARIADB1011, "mysql_native_password", "IDENTIFIED BY 'p''w é'"),
        (MARIADB1011, "ed25519", "IDENTIFIED VIA ed25519 USING PASSWORD('p''w é')"),
        (MARIADB118, "mysql_native_password", "IDENTIFIED BY 'p''w é'"),
    ];
    for (name, method, identified) in accounts {
        let Some(live) = live("every_login_method", name) else { continue };
        if !has_plugin(&live, method) {
            println!("SKIPPED {method} on {name}: the server does not have it");
            continue;
        }
        let user = format!("u_{method}").chars().take(16).collect::<String>();
        live.forget_user(&user);
        live.run(&[&format!("CREATE USER '{user}'@'%' {identified}"), &format!("GRANT REPLICATION SLAVE ON *.* TO '{user}'@'%'")]);
        let at = live.end().at;
        let modes: &[SslMode] = if *name == MYSQL97 || *name == MARIADB118 {
            &[SslMode::Disabled, SslMode::Preferred, SslMode::Required]
        } else {
            &[SslMode::Disabled, SslMode::Preferred]
        };
        for ssl in modes {
            for round in ["first", "again"] {
                let connection = ConnectionOptions { ssl: *ssl, ..live.options(&user, "p'w é") };
                let by_sql = live.runtime.block_on(Server::new(connection.clone()).unwrap().version());
                by_sql.unwrap_or_else(|e| panic!("{name} {method} {ssl:?} {round}: {e}"));
                let dump = DumpOptions { non_blocking: true, ..DumpOptions::new(connection, 7003, "methods") };
                DumpStream::open(&dump, &Start::File(at.clone())).unwrap_or_else(|e| panic!("{name} {method} {ssl:?} {round}: {e}"));
            }
            // Forgets the hashes that caching_sha2_password keeps.
            live.run(&["FLUSH PRIVILEGES"]);
        }
        live.run(&[&format!("DROP USER '{user}'@'%'")]);
    }
}

fn has_plugin(live: &Live, name: &str) -> bool {
    let sql = format!("SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_NAME = '{name}' AND PLUGIN_STATUS = 'ACTIVE'");
    if name == "ed25519" {
        let _ = live.runtime.block_on(live.root().query("INSTALL SONAME 'auth_ed25519'"));
    }
    live.runtime.block_on(live.root().query(&sql)).is_ok_and(|rows| !rows.is_empty())
}

#[test]
fn tls_modes_verify_what_they_say() {
    let Some(live) = live("tls_modes", MYSQL97) else { return };
    let Some(data) = live.file("DATADIR") else {
        println!("SKIPPED tls_modes: BINLOGD_TEST_MYSQL97_DATADIR is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("stranger.pem");
    std::fs::write(&stranger, stranger_ca()).unwrap();
    let right = data.join("ca.pem");
    let (cert, key) = (data.join("client-cert.pem"), data.join("client-key.pem"));
    let at = live.end().at;
    for (ssl, ca, identity, want) in [
        (SslMode::Required, None, false, None),
        (SslMode::Required, Some(&right), true, None),
        (SslMode::VerifyCa, Some(&right), false, None),
        (SslMode::VerifyCa, Some(&right), true, None),
        (SslMode::VerifyCa, Some(&stranger), false, Some("check ssl_ca")),
        (SslMode::VerifyCa, None, false, Some("check ssl_ca")),
        (SslMode::VerifyIdentity, Some(&right), false, Some("host name")),
    ] {
        let mut options = ConnectionOptions { ssl, ssl_ca: ca.cloned(), ..live.options("maxwell", "maxwell") };
        if identity {
            (options.ssl_cert, options.ssl_key) = (Some(cert.clone()), Some(key.clone()));
        }
        let by_sql = live
            .runtime
            .block_on(async { Server::new(options.clone())?.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").await })
            .map(|rows| {
                let cipher: String = rows[0].get(1).unwrap();
                assert!(!cipher.is_empty(), "{ssl:?} is not encrypted");
            });
        let dump = DumpOptions { non_blocking: true, ..DumpOptions::new(options, 7004, "tls") };
        let by_dump = DumpStream::open(&dump, &Start::File(at.clone())).map(drop);
        for outcome in [by_sql, by_dump] {
            match (outcome, want) {
                (Ok(()), None) => {}
                (Err(e), Some(word)) => {
                    assert!(!e.is_transient() && e.hint_text().is_some_and(|h| h.contains(word)), "{ssl:?} {ca:?}: {e}")
                }
                (outcome, want) => panic!("{ssl:?} {ca:?}: {outcome:?}, wanted {want:?}"),
            }
        }
    }
}

/// A certificate that signed nothing.
fn stranger_ca() -> Vec<u8> {
    let key = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let mut cert = openssl::x509::X509::builder().unwrap();
    cert.set_pubkey(&key).unwrap();
    cert.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
    cert.set_not_after(&openssl::asn1::Asn1Time::days_from_now(1).unwrap()).unwrap();
    cert.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
    cert.build().to_pem().unwrap()
}

#[test]
fn preferred_goes_without_tls_where_there_is_none_and_required_does_not() {
    let Some(live) = live("preferred", MYSQL56) else { return };
    let at = live.end().at;
    for (ssl, works) in [(SslMode::Preferred, true), (SslMode::Required, false)] {
        let options = ConnectionOptions { ssl, ..live.options("maxwell", "maxwell") };
        let by_sql = live.runtime.block_on(Server::new(options.clone()).unwrap().version()).map(drop);
        let by_dump = DumpStream::open(&DumpOptions::new(options, 7005, "pref"), &Start::File(at.clone())).map(drop);
        for outcome in [by_sql, by_dump] {
            match outcome {
                Ok(()) => assert!(works),
                Err(e) => assert!(!works && e.to_string().contains("offers no TLS"), "{e}"),
            }
        }
    }
}

/// Makes a database with one table and one committed row in it; gives the log's end before and after the row.
fn one_row(live: &Live, database: &str) -> (BinlogStatus, BinlogStatus) {
    let drop = format!("DROP DATABASE IF EXISTS {database}");
    live.run(&[
        &drop,
        &format!("CREATE DATABASE {database}"),
        &format!("CREATE TABLE {database}.t (id INT PRIMARY KEY, a VARCHAR(20)) ENGINE=InnoDB"),
    ]);
    let before = live.end();
    live.run(&[&format!("INSERT INTO {database}.t VALUES (1, 'x'), (2, NULL)")]);
    (before, live.end())
}

#[test]
fn dumps_from_a_file_position() {
    for live in servers("dumps_from_file", &ALL) {
        let (before, after) = one_row(&live, "live_file");
        for ssl in [SslMode::Disabled, SslMode::Preferred] {
            let mut options = live.dump(7010);
            options.connection.ssl = ssl;
            let events = live.read(&options, &Start::File(before.at.clone())).unwrap_or_else(|e| panic!("{} {ssl:?}: {e}", live.name));
            assert_eq!(events[0].event_type(), Some(EventType::Rotate), "{}", live.name);
            assert!(events.iter().any(|e| e.event_type() == Some(EventType::FormatDescription)));
            let ours = transaction_of(&events, "live_file");
            assert!(ours.iter().any(|e| e.event_type().is_some_and(EventType::is_rows)), "{}: {ours:?}", live.name);
            if before.at.file == after.at.file {
                assert!(u64::from(ours.last().unwrap().header.next_position) <= after.at.offset);
            }
        }
    }
}

#[test]
fn dumps_from_gtids() {
    let mut servers = servers("dumps_from_gtids", &[MYSQL97, MARIADB1011, MARIADB118]);
    // One more of the old kind, if somebody has started it.
    if std::env::var("BINLOGD_TEST_MYSQL56_GTID_PORT").is_ok() {
        servers.extend(live("dumps_from_gtids", "MYSQL56_GTID"));
    }
    for live in servers {
        let (before, after) = one_row(&live, "live_gtid");
        let gtids = before.gtids.clone().expect("a server with GTIDs");
        let events = live.read(&live.dump(7011), &Start::Gtids(gtids.clone())).unwrap_or_else(|e| panic!("{}: {e}", live.name));
        transaction_of(&events, "live_gtid");
        assert!(gtids.is_subset(after.gtids.as_ref().unwrap()).unwrap());
        // And from where nothing is new, nothing of it comes.
        let events = live.read(&live.dump(7011), &Start::Gtids(after.gtids.unwrap())).unwrap();
        assert!(!events.iter().any(|e| is_of(e, "live_gtid")), "{}", live.name);
    }
}

#[test]
fn gtids_of_the_other_flavor_are_refused() {
    let start = |live: &Live| if live.identity().version.is_mariadb() { "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5" } else { "0-1-5" };
    for live in servers("other_flavor", &[MYSQL97, MARIADB1011]) {
        let error = live.read(&live.dump(7012), &Start::Gtids(Gtids::parse(start(&live)).unwrap())).unwrap_err();
        assert!(!error.is_transient() && error.hint_text().is_some(), "{error}");
    }
}

#[test]
fn refused_positions_end_with_code_2_and_a_hint() {
    for live in servers("refused_positions", &ALL) {
        let end = live.end().at;
        for (at, word) in [
            (BinlogPosition::new("master.999999", 4), "not on the server"),
            (BinlogPosition::new("nonsense", 4), "not on the server"),
            (BinlogPosition { offset: end.offset + 1_000_000, ..end.clone() }, "beyond the end"),
        ] {
            let error = live.read(&live.dump(7013), &Start::File(at.clone())).unwrap_err();
            assert_eq!((error.class(), error.code()), (Class::Definite, 2), "{} {at}: {error}", live.name);
            assert!(error.hint_text().is_some_and(|h| h.contains(word)), "{} {at}: {error}", live.name);
        }
        let inside = BinlogPosition { offset: 5, ..end };
        let error = live.read(&live.dump(7013), &Start::File(inside)).unwrap_err();
        assert!(!error.is_transient() && error.hint_text().is_some(), "{}: {error}", live.name);
    }
}

#[test]
fn a_missing_right_is_named() {
    for live in servers("missing_right", &ALL) {
        live.forget_user("norights");
        live.run(&["CREATE USER 'norights'@'%' IDENTIFIED BY 'x'"]);
        let options = DumpOptions::new(live.options("norights", "x"), 7014, "norights");
        let error = live.read(&options, &Start::File(live.end().at)).unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Definite, 2), "{}: {error}", live.name);
        assert!(error.hint_text().is_some_and(|h| h.contains("GRANT REPLICATION SLAVE")), "{}: {error}", live.name);

        let server = Server::new(live.options("norights", "x")).unwrap();
        let found = live.runtime.block_on(preflight::check(&server, &live.root(), false)).unwrap();
        let faults = found.into_result().unwrap_err().to_string();
        for right in ["lacks the right REPLICATION SLAVE", "lacks the right REPLICATION CLIENT"] {
            assert!(faults.contains(right), "{}: {faults}", live.name);
        }
        live.run(&["DROP USER 'norights'@'%'"]);
    }
}

#[test]
fn rows_beyond_16_mib_are_joined() {
    for live in servers("large_rows", &[MYSQL97, MARIADB1011]) {
        live.run(&["SET GLOBAL max_allowed_packet = 67108864"]);
        live.run(&[
            "DROP DATABASE IF EXISTS live_large",
            "CREATE DATABASE live_large",
            "CREATE TABLE live_large.t (id INT PRIMARY KEY, a LONGBLOB)",
        ]);
        let before = live.end().at;
        // The one that is exactly a chunk is followed by an empty one: 16777215 bytes with its mark.
        let sizes = [20 << 20, 33 << 20, 100];
        for (id, size) in sizes.iter().enumerate() {
            live.run(&[&format!("INSERT INTO live_large.t VALUES ({id}, REPEAT('x', {size}))")]);
        }
        for ssl in [SslMode::Disabled, SslMode::Preferred] {
            let mut options = live.dump(7015);
            options.connection.ssl = ssl;
            let events = live.read(&options, &Start::File(before.clone())).unwrap_or_else(|e| panic!("{}: {e}", live.name));
            let rows: Vec<usize> = events.iter().filter(|e| e.event_type().is_some_and(EventType::is_rows)).map(|e| e.body.len()).collect();
            for size in sizes {
                assert!(rows.iter().any(|body| (size..size + 64).contains(body)), "{}: {size} in {rows:?}", live.name);
            }
        }
        let options = DumpOptions { event_bytes_max: 1 << 20, ..live.dump(7015) };
        let error = live.read(&options, &Start::File(before)).unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("exceeds the limit of 1048576"), "{error}");
        live.run(&["DROP DATABASE live_large"]);
    }
}

#[test]
fn checksums_may_be_off_and_on() {
    for live in servers("checksums", &[MYSQL97, MARIADB1011]) {
        // Changing it begins a new file, so one dump sees both kinds.
        live.run(&["SET GLOBAL binlog_checksum = 'CRC32'"]);
        let (before, _) = one_row(&live, "live_crc_a");
        live.run(&["SET GLOBAL binlog_checksum = 'NONE'"]);
        let (middle, _) = one_row(&live, "live_crc_b");
        live.run(&["SET GLOBAL binlog_checksum = 'CRC32'"]);
        one_row(&live, "live_crc_c");
        for setting in ["NONE", "CRC32"] {
            live.run(&[&format!("SET GLOBAL binlog_checksum = '{setting}'")]);
            for at in [&before.at, &middle.at] {
                let events =
                    live.read(&live.dump(7016), &Start::File(at.clone())).unwrap_or_else(|e| panic!("{} {setting} {at}: {e}", live.name));
                transaction_of(&events, "live_crc_b");
                transaction_of(&events, "live_crc_c");
            }
        }
    }
}

#[test]
fn an_idle_dump_has_heartbeats_and_can_be_stopped() {
    for live in servers("heartbeats", &ALL) {
        let mut options = DumpOptions { non_blocking: false, heartbeat_ms: 100, heartbeats_missed_max: 600, ..live.dump(7017) };
        options.connection.ssl = SslMode::Preferred;
        let mut stream = DumpStream::open(&options, &Start::File(live.end().at)).unwrap();
        let is_heartbeat = |e: &RawEvent| matches!(e.event_type(), Some(EventType::Heartbeat | EventType::HeartbeatV2));
        loop {
            let block = stream.next_block().unwrap().expect("a dump without end");
            if block.events.iter().any(is_heartbeat) {
                break;
            }
        }
        let stopper = stream.stopper().unwrap();
        let reader = std::thread::spawn(move || {
            loop {
                match stream.next_block() {
                    Ok(Some(_)) => {}
                    other => return other.map(|_| ()),
                }
            }
        });
        stopper.stop();
        reader.join().unwrap().unwrap();
    }
}

#[test]
fn a_killed_dump_is_worth_another_try() {
    for live in servers("killed", &ALL) {
        let options = DumpOptions { non_blocking: false, ..live.dump(7018) };
        let mut stream = DumpStream::open(&options, &Start::File(live.end().at)).unwrap();
        stream.next_block().unwrap();
        live.run(&[&format!("KILL {}", stream.server().connection_id)]);
        let error = loop {
            match stream.next_block() {
                Ok(block) => assert!(block.is_some(), "{}: an endless dump has an end", live.name),
                Err(e) => break e,
            }
        };
        assert!(error.is_transient(), "{}: {error}", live.name);
        assert!(error.to_string().contains("master.0"), "the place is named: {error}");
    }
}

#[test]
fn preflight_passes_on_well_set_servers() {
    for live in servers("preflight", &ALL) {
        let gtid_mode = live.name != MYSQL56;
        let server = live.maxwell();
        let found = live.runtime.block_on(preflight::check(&server, &server, gtid_mode)).unwrap();
        assert!(found.faults().is_empty(), "{}: {:?}", live.name, found.faults());
        let facts = found.into_result().unwrap();
        assert!(!facts.retention.files.is_empty(), "{}", live.name);
        assert_eq!(facts.identity, live.identity());
        assert_eq!(facts.retention.files.last().unwrap().name, facts.status.unwrap().at.file, "{}", live.name);
    }
}

#[test]
fn gtids_are_wanted_in_gtid_mode() {
    let Some(live) = live("gtid_mode_off", MYSQL56) else { return };
    let server = live.maxwell();
    let error = live.runtime.block_on(preflight::check(&server, &server, true)).unwrap().into_result().unwrap_err();
    assert!(error.to_string().contains("variable gtid_mode must be set to 'ON'"), "{error}");
    assert_eq!(live.end().gtids, None);
}

fn captured(live: &Live, database: &str) -> Vec<std::sync::Arc<Table>> {
    let identity = live.identity();
    let schema = live.runtime.block_on(async { capture::capture(&mut live.maxwell().conn().await?, &identity).await }).unwrap();
    let names: Vec<&str> = schema.databases.iter().map(|d| d.name.as_str()).collect();
    assert!(names.contains(&"mysql") && !names.contains(&"information_schema") && !names.contains(&"performance_schema"), "{names:?}");
    schema.database(database).expect("the database").tables.clone()
}

fn seen_by_maxwell(live: &Live, database: &str) -> Vec<std::sync::Arc<Table>> {
    let identity = live.identity();
    let view = live.runtime.block_on(async {
        let mut conn = live.maxwell().conn().await?;
        let schema = capture::capture(&mut conn, &identity).await?;
        as_maxwell::view(&mut conn, &identity, &schema).await
    });
    view.unwrap().schema.database(database).expect("the database").tables.clone()
}

fn column<'a>(tables: &'a [std::sync::Arc<Table>], table: &str, column: &str) -> &'a ColumnType {
    let table = tables.iter().find(|t| t.name == table).unwrap_or_else(|| panic!("no table {table}"));
    &table.columns[table.column_index(column).unwrap_or_else(|| panic!("no column {column}"))].ty
}

#[test]
fn captures_definitions() {
    for live in servers("captures", &ALL) {
        live.run(&[
            "DROP DATABASE IF EXISTS live_capture",
            "CREATE DATABASE live_capture CHARACTER SET latin1",
            "CREATE TABLE live_capture.a (
                n INT UNSIGNED ZEROFILL, d DATETIME(3), e ENUM('', 'it''s', 'x'',y', 'a\\\\b', 'c\\nd') CHARACTER SET utf8mb4, s SET('a', 'b'),
                v VARCHAR(20) CHARACTER SET utf8mb4, c CHAR(3) CHARACTER SET binary, t MEDIUMTEXT, g GEOMETRYCOLLECTION, b BIT(5), y YEAR,
                i BIGINT, k2 INT NOT NULL, k1 TINYINT NOT NULL, PRIMARY KEY (k1, k2))",
            "CREATE TABLE live_capture.u (id INT NOT NULL UNIQUE)",
            "CREATE VIEW live_capture.w AS SELECT n, e FROM live_capture.a",
        ]);
        let tables = captured(&live, "live_capture");
        assert_eq!(tables.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a", "u", "w"], "{}", live.name);
        let a = &tables[0];
        assert_eq!((a.charset.as_deref(), &a.primary_key[..]), (Some("latin1"), &["k1".to_owned(), "k2".to_owned()][..]), "{}", live.name);
        assert_eq!(
            (&tables[1].primary_key[..], tables[2].charset.as_deref()),
            (&[][..], None),
            "a unique key is none; a view has no charset"
        );
        let names: Vec<&str> = a.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["n", "d", "e", "s", "v", "c", "t", "g", "b", "y", "i", "k2", "k1"]);
        let labels = |list: &[&str]| list.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>().into();
        for (name, want) in [
            ("n", ColumnType::Int { width: IntWidth::Int, unsigned: true }),
            ("d", ColumnType::Datetime { fraction: 3 }),
            ("e", ColumnType::Enum { labels: labels(&["", "it's", "x',y", "a\\b", "c\nd"]), charset: Some("utf8mb4".into()) }),
            ("s", ColumnType::Set { labels: labels(&["a", "b"]), charset: Some("latin1".into()) }),
            ("v", ColumnType::Text { kind: TextKind::Varchar, charset: Some("utf8mb4".into()) }),
            ("t", ColumnType::Text { kind: TextKind::Medium, charset: Some("latin1".into()) }),
            ("g", ColumnType::Geometry { name: "geometrycollection" }),
            ("i", ColumnType::Int { width: IntWidth::Big, unsigned: false }),
        ] {
            assert_eq!(column(&tables, "a", name), &want, "{} {name}", live.name);
        }
        // A re-read gives the same; what is not there is not there.
        let wanted = [("live_capture", "u"), ("live_capture", "absent"), ("live_capture", "a"), ("absent", "a")];
        let identity = live.identity();
        let again =
            live.runtime.block_on(async { capture::capture_tables(&mut live.maxwell().conn().await?, &identity, &wanted).await }).unwrap();
        assert_eq!(again, [Some(tables[1].clone()), None, Some(tables[0].clone()), None], "{}", live.name);
        live.run(&["DROP DATABASE live_capture"]);
    }
}

#[test]
fn captures_what_only_mysql_has() {
    let Some(live) = live("captures_mysql", MYSQL97) else { return };
    live.run(&[
        "DROP DATABASE IF EXISTS live_capture_my",
        "CREATE DATABASE live_capture_my",
        "SET SESSION sql_generate_invisible_primary_key = ON",
        "CREATE TABLE live_capture_my.g (a INT, h INT INVISIBLE, v VECTOR(3), j JSON, x INT AS (a + 1) VIRTUAL, y INT AS (a + 2) STORED, KEY ((a + 1)))",
    ]);
    // The server may hide such keys by default; a capture must not be fooled.
    live.run(&["SET GLOBAL show_gipk_in_create_table_and_information_schema = OFF"]);
    let tables = captured(&live, "live_capture_my");
    live.run(&["SET GLOBAL show_gipk_in_create_table_and_information_schema = ON"]);
    let names: Vec<&str> = tables[0].columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["my_row_id", "a", "h", "v", "j", "x", "y"]);
    assert_eq!(tables[0].primary_key, ["my_row_id"]);
    assert_eq!(column(&tables, "g", "v").type_name(), "vector");
    assert_eq!(column(&tables, "g", "j"), &ColumnType::Json);
    live.run(&["DROP DATABASE live_capture_my"]);
}

#[test]
fn captures_what_only_mariadb_has() {
    for live in servers("captures_mariadb", &[MARIADB1011, MARIADB118]) {
        live.run(&[
            "DROP DATABASE IF EXISTS live_capture_ma",
            "CREATE DATABASE live_capture_ma CHARSET utf8mb4",
            "CREATE TABLE live_capture_ma.j (a JSON, b LONGTEXT CHECK (JSON_VALID(b)), c LONGTEXT CHECK (JSON_VALID(c) AND c <> ''), `d``q` JSON,
                u UUID, i INET6, z VARCHAR(10) COMPRESSED)",
            "CREATE TABLE live_capture_ma.k (a TEXT, b TEXT, c TEXT CHECK ((JSON_VALID(c))), l TEXT CHARSET latin1 CHECK (JSON_VALID(l)),
                n TEXT CHARSET binary CHECK (JSON_VALID(n)), o JSON COLLATE latin1_bin, CHECK (JSON_VALID(a)), CONSTRAINT b CHECK (JSON_VALID(b)))",
            "ALTER TABLE live_capture_ma.k ADD d TEXT, ADD CONSTRAINT d CHECK (JSON_VALID(d)), ADD e TEXT CHECK ((JSON_VALID(e)))",
            "CREATE TABLE live_capture_ma.v (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING",
            "CREATE TABLE live_capture_ma.w (id INT PRIMARY KEY, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE,
                e TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, a INT, PERIOD FOR SYSTEM_TIME(s, e)) WITH SYSTEM VERSIONING",
        ]);
        let before = live.end().at;
        live.run(&["INSERT INTO live_capture_ma.v VALUES (1, 2)", "INSERT INTO live_capture_ma.w (id, a) VALUES (1, 2)"]);
        let tables = captured(&live, "live_capture_ma");
        for (name, ty) in
            [("a", "json"), ("b", "json"), ("c", "longtext"), ("d`q", "json"), ("u", "uuid"), ("i", "inet6"), ("z", "varchar")]
        {
            assert_eq!(column(&tables, "j", name).type_name(), ty, "{} {name}", live.name);
        }
        for (name, ty) in
            [("a", "text"), ("b", "text"), ("c", "json"), ("l", "text"), ("n", "blob"), ("o", "longtext"), ("d", "text"), ("e", "json")]
        {
            assert_eq!(column(&tables, "k", name).type_name(), ty, "{} {name}", live.name);
        }
        // Maxwell takes both for JSON, where it knows the version (contract §8.2), but for what is no text.
        let seen = seen_by_maxwell(&live, "live_capture_ma");
        for (name, ty) in [("a", "text"), ("l", "text"), ("o", "longtext")] {
            let ty = if live.name == MARIADB118 { ty } else { "json" };
            assert_eq!(column(&seen, "k", name).type_name(), ty, "{} {name}", live.name);
        }
        assert_eq!(column(&seen, "k", "n").type_name(), "blob", "{}", live.name);
        assert!(tables[0].charset.as_deref().is_some_and(|c| !c.contains('_')), "{:?}", tables[0].charset);
        // The log itself says how the hidden columns are called and where they stand.
        let events = live.read(&live.dump(7020), &Start::File(before)).unwrap();
        for table in ["v", "w"] {
            let maps = events.iter().filter(|e| is_of(e, "live_capture_ma")).map(|e| TableMap::parse(e, Flavor::MariaDb).unwrap());
            let map = maps.into_iter().find(|m| m.table == table).expect("a table map");
            let ours = tables.iter().find(|t| t.name == table).unwrap();
            let names: Vec<String> = ours.columns.iter().map(|c| c.name.clone()).collect();
            assert_eq!(Some(&names), map.names.as_ref(), "{} {table}", live.name);
            let key: Vec<u16> = ours.primary_key.iter().map(|k| ours.column_index(k).unwrap() as u16).collect();
            assert_eq!(Some(key), map.primary_key, "{} {table}", live.name);
        }
        live.run(&["DROP DATABASE live_capture_ma"]);
    }
}

/// Servers end an older dump of the same replica. New ones say why; MySQL 5 just ends it.
#[test]
fn a_second_reader_ends_the_first() {
    for live in servers("second_reader", &ALL) {
        let options = DumpOptions { non_blocking: false, ..live.dump(7030) };
        let start = Start::File(live.end().at);
        let mut first = DumpStream::open(&options, &start).unwrap();
        first.next_block().unwrap();
        let mut second = DumpStream::open(&options, &start).unwrap();
        second.next_block().unwrap();
        let error = loop {
            match first.next_block() {
                Ok(block) => assert!(block.is_some(), "{}: an endless dump has an end", live.name),
                Err(e) => break e,
            }
        };
        let (class, code) = if live.name == MYSQL56 { (Class::Transient, 1) } else { (Class::Definite, 2) };
        assert_eq!((error.class(), error.code()), (class, code), "{}: {error}", live.name);
        assert!(error.hint_text().is_some_and(|h| h.contains("same client_id")), "{}: {error}", live.name);
    }
}
