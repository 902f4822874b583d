//! What a server's error numbers and a broken connection mean for us: wait and try again, or stop and say what to do.
//!
//! One table for both sorts of connection. Statements and their values never become part of an error's text.

use std::fmt;
use std::io;

use mysql_async::{DriverError, IoError};

use crate::error::{Class, Error};

/// Waiting will mend it (a restart, a failover, a lock, a lost connection).
const TRANSIENT: &[u16] = &[
    1021, // ER_DISK_FULL: the server itself waits and retries
    1040, // ER_CON_COUNT_ERROR: too many connections
    1041, // ER_OUT_OF_RESOURCES
    1053, // ER_SERVER_SHUTDOWN
    1077, // ER_NORMAL_SHUTDOWN
    1079, // ER_SHUTDOWN_COMPLETE
    1152, // ER_ABORTING_CONNECTION
    1158, // ER_NET_READ_ERROR
    1159, // ER_NET_READ_INTERRUPTED
    1160, // ER_NET_ERROR_ON_WRITE
    1161, // ER_NET_WRITE_INTERRUPTED
    1184, // ER_NEW_ABORTING_CONNECTION
    1203, // ER_TOO_MANY_USER_CONNECTIONS
    1205, // ER_LOCK_WAIT_TIMEOUT
    1206, // ER_LOCK_TABLE_FULL
    1213, // ER_LOCK_DEADLOCK
    1226, // ER_USER_LIMIT_REACHED
    1317, // ER_QUERY_INTERRUPTED
    1412, // ER_TABLE_DEF_CHANGED
    1637, // ER_TOO_MANY_CONCURRENT_TRXS
    1792, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1836, // ER_READ_ONLY_MODE
    1927, // ER_CONNECTION_KILLED (MariaDB)
    3032, // ER_SERVER_OFFLINE_MODE
    3101, // ER_TRANSACTION_ROLLBACK_DURING_COMMIT (group replication)
    4031, // ER_CLIENT_INTERACTION_TIMEOUT
];

/// Numbers with something the user can do. The text is for the administrator of the server, so it names statements.
const HINTS: &[(u16, &str)] = &[
    (1040, "raise max_connections on the server, or close connections that nobody uses"),
    (1044, "grant the user the rights it lacks: see config/grants.sql"),
    (1045, "check user and password; the account must also be allowed from this host (SELECT user, host, plugin FROM mysql.user)"),
    (1049, "create the database, or correct the name"),
    (1129, "too many failed logins from this host: run FLUSH HOSTS on the server"),
    (1130, "create the account for this host: CREATE USER 'user'@'host'"),
    (1142, "grant the user the rights it lacks: see config/grants.sql"),
    (1143, "grant the user the rights it lacks: see config/grants.sql"),
    (1226, "raise the account's MAX_QUERIES_PER_HOUR or MAX_CONNECTIONS_PER_HOUR"),
    (1227, "grant the user the rights it lacks: GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the user"),
    (1251, "give the account another plugin: ALTER USER … IDENTIFIED WITH caching_sha2_password (MariaDB: mysql_native_password)"),
    (1698, "the account may log in by the server's socket only: give it a password, or use another account"),
    (1792, "the server is read-only; waiting for it to become writable"),
    (1820, "the password must be changed first: ALTER USER … IDENTIFIED BY …"),
    (1836, "the server is read-only; waiting for it to become writable"),
    (1862, "the password has expired: ALTER USER … IDENTIFIED BY …"),
    (3118, "the account is locked: ALTER USER … ACCOUNT UNLOCK"),
    (3159, "the server wants TLS: set ssl=REQUIRED (replication_ssl, schema_ssl)"),
    (4151, "the account is locked: ALTER USER … ACCOUNT UNLOCK"),
];

/// An error packet of the server as text: `ERROR 1045 (28000): Access denied …`.
struct ErrorPacket<'a> {
    code: u16,
    state: &'a str,
    text: &'a str,
}

impl fmt::Display for ErrorPacket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERROR {}", self.code)?;
        if !self.state.is_empty() {
            write!(f, " ({})", self.state)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// The error of an error packet. Numbers that are in no list are definite: trying again would give the same answer.
pub fn server_error(code: u16, state: &str, text: &str) -> Error {
    // 1290 is one number for every option that forbids something; only read-only goes away by itself.
    let read_only = code == 1290 && text.contains("read-only");
    let class = if read_only || TRANSIENT.contains(&code) { Class::Transient } else { Class::Definite };
    let mut error = Error::definite(ErrorPacket { code, state, text }.to_string()).into_class(class);
    if read_only {
        error = error.hint("the server is read-only; waiting for it to become writable");
    } else if let Some((_, hint)) = HINTS.iter().find(|(number, _)| *number == code) {
        error = error.hint(*hint);
    }
    error
}

/// Whether the error has one of these server error numbers. Reads the text that `server_error` made.
pub fn is_server_error(error: &Error, codes: &[u16]) -> bool {
    let number = error.message().strip_prefix("ERROR ").and_then(|rest| rest.split([' ', ':']).next());
    number.and_then(|digits| digits.parse().ok()).is_some_and(|code: u16| codes.contains(&code))
}

/// A connection that could not be made or was lost: always transient, with a hint for what a user can mend.
pub fn io_error(doing: &str, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("is the server running, and are host and port right?"),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Some("is the port open in every firewall on the way?"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some("is there a route to the host?"),
        // The resolver's failures have no kind of their own in the standard library.
        _ if error.to_string().contains("lookup address") => Some("the host name cannot be resolved: check its spelling and DNS"),
        _ => None,
    };
    let e = Error::transient(doing).source(error);
    match hint {
        Some(hint) => e.hint(hint),
        None => e,
    }
}

/// An error of the SQL client, classified. The library's other errors are answers of a server that does not keep to the
/// protocol, or our own misuse; neither gets better by trying.
pub fn sql_error(error: mysql_async::Error) -> Error {
    match error {
        mysql_async::Error::Server(e) => server_error(e.code, &e.state, &e.message),
        mysql_async::Error::Io(IoError::Io(e)) => read_error(e),
        mysql_async::Error::Io(IoError::Tls(e)) => tls_error(e.to_string()),
        mysql_async::Error::Driver(DriverError::ConnectionClosed | DriverError::PoolDisconnected) => {
            Error::transient("the connection to the server was lost")
        }
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => no_tls_on_server(),
        mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => unknown_plugin(&name),
        // The library prints the packet; in a login it may hold what was hashed with the password.
        mysql_async::Error::Driver(DriverError::UnexpectedPacket { payload }) => {
            let first = payload.first().map_or("an empty packet".to_owned(), |byte| format!("a packet that begins with {byte:#04x}"));
            Error::definite(format!("the server answered with {first}, which does not belong here"))
                .hint("check that host and port are those of a MySQL or MariaDB server")
        }
        mysql_async::Error::Driver(DriverError::MysqlOldPasswordDisabled) => unknown_plugin("mysql_old_password"),
        mysql_async::Error::Driver(DriverError::CleartextPluginDisabled) => unknown_plugin("mysql_clear_password"),
        // Rows carry values of the schema database; the library would print them.
        mysql_async::Error::Driver(DriverError::FromRow { .. } | DriverError::FromValue { .. }) => {
            Error::definite("the server answered with a value of an unexpected type")
        }
        other => Error::definite("talking to the server failed").source(other.to_string()),
    }
}

/// A failed read or write. A TLS alert of the server arrives here when it dislikes our certificate: TLS 1.3's handshake is
/// over for us before the server has seen it.
pub fn read_error(error: io::Error) -> Error {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<openssl::ssl::Error>())
        && tls.ssl_error().is_some()
    {
        return tls_error(tls.to_string());
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::transient("the server closed the connection"),
        _ => io_error("the connection to the server failed", error),
    }
}

/// A login that failed, with what the server does not tell: it refuses with the same words a wrong password, an account
/// that requires TLS, and one that requires another certificate.
pub fn login_error(error: Error, encrypted: bool, has_certificate: bool) -> Error {
    if !is_server_error(&error, &[ACCESS_DENIED]) {
        return error;
    }
    error.more_hint(match (encrypted, has_certificate) {
        (false, _) => "this login was without TLS, and an account that requires TLS (REQUIRE SSL or X509) is refused with the same words: ssl=REQUIRED",
        (true, false) => {
            "this login was with TLS and without a client certificate, and an account that requires one (REQUIRE X509) is refused with the same words: \
             set ssl_cert and ssl_key"
        }
        (true, true) => {
            "this login was with TLS and a client certificate, and an account that requires another SUBJECT or ISSUER is refused with the same words"
        }
    })
}

/// ER_ACCESS_DENIED_ERROR
pub(super) const ACCESS_DENIED: u16 = 1045;

/// The server offers no TLS, but the mode asks for it.
pub fn no_tls_on_server() -> Error {
    Error::definite("the server offers no TLS")
        .hint("switch TLS on at the server (ssl_cert, ssl_key), or set ssl=PREFERRED or ssl=DISABLED")
}

/// Words of OpenSSL's errors, what they are about, and what to do. The first that fits counts.
const TLS_FAULTS: &[(&[&str], &str, &str)] = &[
    (
        &["hostname mismatch", "ip address mismatch"],
        "the server's certificate is for another host name",
        "connect by a name that stands in it, or use ssl=VERIFY_CA",
    ),
    // The server's words about our certificate come as alerts; what OpenSSL says here is about the server's.
    (&["alert certificate expired"], "the server refused our certificate as expired", "renew the certificate in ssl_cert"),
    (&["has expired"], "the server's certificate has expired", "renew it on the server"),
    (&["not yet valid"], "the server's certificate is not valid yet", "compare the clocks of both machines"),
    (&["revoked"], "the certificate has been revoked", "give that side a new one"),
    (
        &["alert unknown ca", "alert bad certificate", "alert unsupported certificate", "alert certificate unknown", "alert decrypt error"],
        "the server refused our client certificate",
        "ssl_cert must be signed by an authority in the server's own ssl_ca",
    ),
    (&["certificate required"], "the server wants a client certificate", "set ssl_cert and ssl_key"),
    (
        &["certificate verify failed", "self-signed", "self signed", "local issuer"],
        "the server's certificate was not signed by the given authority",
        "check ssl_ca: it must hold the certificate of the authority that signed the server's",
    ),
    (
        &["protocol version", "unsupported protocol", "no protocols available", "wrong version number"],
        "the server speaks no TLS version that this build does",
        "TLSv1.2 or newer is needed: see tls_version on the server",
    ),
    (
        &["too small", "too weak", "digest algorithm"],
        "the certificate's key or signature is too weak for OpenSSL",
        "make a new certificate: RSA of 2048 bits or more, SHA-256",
    ),
    (
        &["handshake failure", "no shared cipher"],
        "server and client have no cipher in common",
        "see ssl_cipher and tls_version on the server",
    ),
];

/// A TLS handshake that failed. The text is OpenSSL's; what it means for the user is told apart by its known words.
pub fn tls_error(text: impl Into<String>) -> Error {
    let text = text.into();
    let lower = text.to_ascii_lowercase();
    let error = Error::definite("the TLS handshake with the server failed");
    match TLS_FAULTS.iter().find(|(words, _, _)| words.iter().any(|word| lower.contains(word))) {
        Some((_, what, remedy)) => error.source(text).hint(format!("{what}: {remedy}")),
        None => error.source(text).hint("check ssl_ca, ssl_cert and ssl_key, and the server's TLS settings"),
    }
}

/// Login methods that are not spoken, and what to do where it is more than to take another one.
const PLUGINS: &[(&str, &str)] = &[
    ("mysql_old_password", "its hash is of MySQL 4.0 and no protection: SET old_passwords=0, then SET PASSWORD for the account"),
    (
        "mysql_clear_password",
        "PAM and LDAP want the password in clear, which binlogd never sends: use an account with a password of the server's own",
    ),
    ("dialog", "PAM asks questions, which nobody is there to answer: use an account with a password of the server's own"),
    ("parsec", "use ALTER USER … IDENTIFIED VIA ed25519 or mysql_native_password"),
    ("auth_gssapi_client", "Kerberos is not supported: use an account with a password of the server's own"),
];

/// A login method that we do not speak, or that we refuse because it would send the password in clear.
pub fn unknown_plugin(name: &str) -> Error {
    let known = PLUGINS.iter().find(|(plugin, _)| *plugin == name).map(|(_, hint)| *hint);
    let hint = known.unwrap_or(
        "give the account caching_sha2_password, mysql_native_password or MariaDB's ed25519: ALTER USER … IDENTIFIED WITH …, or take another account",
    );
    Error::definite(format!("the account wants the login method `{name}`, which is not supported")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_server_errors() {
        for (code, text, class) in [
            (1045, "Access denied for user 'm'@'localhost' (using password: YES)", Class::Definite),
            (1142, "SELECT command denied", Class::Definite),
            (1227, "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s)", Class::Definite),
            (1053, "Server shutdown in progress", Class::Transient),
            (1213, "Deadlock found when trying to get lock; try restarting transaction", Class::Transient),
            (1290, "The MySQL server is running with the --read-only option so it cannot execute this statement", Class::Transient),
            (1290, "The MySQL server is running with the --super-read-only option so it cannot execute", Class::Transient),
            (1290, "The MySQL server is running with the --secure-file-priv option", Class::Definite),
            (1792, "Cannot execute statement in a READ ONLY transaction.", Class::Transient),
            (1064, "You have an error in your SQL syntax", Class::Definite),
        ] {
            let error = server_error(code, "HY000", text);
            assert_eq!(error.class(), class, "{code} {text}");
            assert!(is_server_error(&error, &[1, code]), "{error}");
            assert!(!is_server_error(&error, &[1, 2]), "{error}");
        }
        assert!(server_error(1045, "28000", "no").to_string().starts_with("ERROR 1045 (28000): no; hint: check user and password"));
        assert_eq!(server_error(9999, "", "odd").to_string(), "ERROR 9999: odd");
    }

    #[test]
    fn lost_connections_are_transient_and_say_what_to_check() {
        let refused = io_error("cannot connect to db:3306", io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(refused.is_transient());
        assert!(refused.hint_text().is_some_and(|h| h.contains("is the server running")), "{refused}");
        let unknown = io_error("cannot connect", io::Error::other("failed to lookup address information: Name or service not known"));
        assert!(unknown.hint_text().is_some_and(|h| h.contains("cannot be resolved")), "{unknown}");
    }

    #[test]
    fn tls_failures_are_told_apart() {
        for (text, word) in [
            ("certificate verify failed (hostname mismatch)", "another host name"),
            ("certificate verify failed (IP address mismatch)", "another host name"),
            ("certificate verify failed (certificate has expired)", "expired"),
            ("certificate verify failed (self-signed certificate in certificate chain)", "ssl_ca"),
            ("tlsv13 alert certificate required", "ssl_cert"),
            ("tlsv1 alert unknown ca", "server's own ssl_ca"),
            ("sslv3 alert certificate expired", "renew the certificate in ssl_cert"),
            ("wrong version number", "TLSv1.2"),
            ("something else", "ssl_ca, ssl_cert"),
        ] {
            assert!(tls_error(text).hint_text().is_some_and(|h| h.contains(word)), "{text}: {}", tls_error(text));
        }
    }

    #[test]
    fn a_refused_login_says_what_else_it_may_be() {
        for (encrypted, certificate, word) in [(false, false, "ssl=REQUIRED"), (true, false, "REQUIRE X509"), (true, true, "ISSUER")] {
            let text = login_error(server_error(1045, "28000", "no"), encrypted, certificate).to_string();
            assert!(text.contains("check user and password") && text.contains(word), "{text}");
        }
        let other = login_error(server_error(1049, "42000", "no"), false, false).to_string();
        assert!(!other.contains("TLS"), "{other}");
    }

    #[test]
    fn packets_of_a_login_are_not_printed() {
        let error = sql_error(DriverError::UnexpectedPacket { payload: b"\x07hunter2".to_vec() }.into()).to_string();
        assert!(error.contains("0x07") && !error.contains("hunter2") && !error.contains("104"), "{error}");
    }

    #[test]
    fn login_methods_that_are_not_spoken_say_what_to_do() {
        for (name, word) in [("dialog", "PAM"), ("mysql_clear_password", "never sends"), ("x", "ALTER USER")] {
            let error = unknown_plugin(name);
            assert!(error.to_string().contains(name) && error.hint_text().is_some_and(|h| h.contains(word)), "{error}");
        }
    }
}
