//! Connections, the schema database, and where the stream starts.

use super::Group::Mysql as G;
use super::Opt;

const SSL: &[&str] = &["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];
const SSL_ERROR: &str = "Invalid binlog SSL mode string: {}";
const PORT_MAX: i64 = 65_535;

const fn ssl(name: &'static str, help: &'static str) -> Opt {
    Opt::choice(G, name, SSL, SSL_ERROR, help)
}

const fn port(name: &'static str, help: &'static str) -> Opt {
    Opt::int(G, name, 1, PORT_MAX, help).default("3306")
}

pub(super) static OPTIONS: &[Opt] = &[
    Opt::text(G, "host", "server that holds the schema database, and whose binlog is followed unless replication_host is set")
        .default("localhost"),
    port("port", "its port"),
    Opt::text(G, "user", "user name"),
    Opt::secret(G, "password", "password"),
    // Secret: passwords of key stores stand in it.
    Opt::secret(
        G,
        "jdbc_options",
        "Maxwell's options for its Java driver, as k=v&k2=v2: those about TLS and time-outs are honoured, harmless ones are ignored, \
         others are refused by name (docs/tls-and-logins.md)",
    ),
    ssl("ssl", "TLS on this connection; VERIFY_CA checks the certificate's issuer, VERIFY_IDENTITY also the host name").default("DISABLED"),
    Opt::text(G, "ssl_ca", "PEM file with the certificates of trusted issuers").ours().default_words("the system's trusted issuers"),
    Opt::text(G, "ssl_cert", "PEM file with the client certificate; needs ssl_key").ours(),
    Opt::text(G, "ssl_key", "PEM file with the client certificate's key; needs ssl_cert").ours(),
    Opt::flag(G, "binlog_heartbeat", "ask the server for heartbeats and reconnect when they stop")
        .no_effect("the server is always asked for heartbeats, and a silent connection is always replaced"),
    Opt::text(G, "schema_database", "name of the database that holds positions, heartbeats and table definitions")
        .default("maxwell")
        .read(),
    Opt::int(G, "replica_server_id", 1, u32::MAX as i64, "server id under which binlogd registers; unique among all replicas")
        .default("6379"),
    Opt::int(G, "replication_reconnection_retries", 0, u32::MAX as i64, "give up after so many failed reconnections; 0 is never")
        .optional_argument()
        .default_words("unlimited (Maxwell: 1)")
        .maxwell_default("1: one try, then the process ends"),
    Opt::text(G, "replication_host", "server whose binlog is followed; needs replication_user").default_words("host"),
    port("replication_port", "its port; used only with replication_host and replication_user"),
    Opt::text(G, "replication_user", "user name there"),
    Opt::secret(G, "replication_password", "password there"),
    Opt::secret(G, "replication_jdbc_options", "as jdbc_options"),
    ssl("replication_ssl", "as ssl").default_words("ssl"),
    Opt::text(G, "replication_ssl_ca", "as ssl_ca").ours().default_words("ssl_ca"),
    Opt::text(G, "replication_ssl_cert", "as ssl_cert").ours().default_words("ssl_cert"),
    Opt::text(G, "replication_ssl_key", "as ssl_key").ours().default_words("ssl_key"),
    Opt::text(G, "schema_host", "server from which table definitions are captured; needs schema_user and schema_password")
        .default_words("replication_host"),
    port("schema_port", "its port; used only with schema_host"),
    Opt::text(G, "schema_user", "user name there"),
    Opt::secret(G, "schema_password", "password there"),
    Opt::secret(G, "schema_jdbc_options", "as jdbc_options"),
    ssl("schema_ssl", "as ssl").default_words("ssl"),
    Opt::text(G, "schema_ssl_ca", "as ssl_ca").ours().default_words("ssl_ca"),
    Opt::text(G, "schema_ssl_cert", "as ssl_cert").ours().default_words("ssl_cert"),
    Opt::text(G, "schema_ssl_key", "as ssl_key").ours().default_words("ssl_key"),
    Opt::int(
        G,
        "max_schemas",
        i64::MIN,
        i64::MAX,
        "when so many schema versions are stored, remove those that no client needs; at least 2",
    )
    .default_words("unlimited"),
    Opt::flag(G, "gtid_mode", "follow the stream by GTIDs instead of file and offset")
        .default_words("false; true if the environment variable GTID_MODE exists")
        .read(),
    Opt::flag(
        G,
        "master_recovery",
        "after a failover find the position on the new server by our last heartbeat, and delete the positions of other servers; not \
         together with gtid_mode, which needs no such search",
    ),
    Opt::flag(G, "ignore_missing_schema", "skip rows of excluded tables that have no known definition").no_effect(
        "rows of excluded tables are always skipped, whether their definition is known or not, and rows of other tables never (on_schema_error)",
    ),
    Opt::text(
        G,
        "init_position",
        "start there, whatever is stored: FILE:POSITION[:HEARTBEAT], a GTID set, or a time such as 2026-01-31T12:00:00Z (before the first \
         transaction committed then or later); each in file mode and with gtid_mode",
    )
    .command_line_only(),
    Opt::flag(
        G,
        "replay",
        "write nothing to the schema database: no positions, heartbeats or schema versions. Starts at init_position or at the stored \
         position; definitions follow the stream in memory",
    )
    .command_line_only(),
    Opt::flag(
        G,
        "recapture_schema",
        "capture all table definitions anew at the start, store them there in place of later versions, and use them in this run (Maxwell: \
         from the next start on)",
    )
    .command_line_only(),
];
