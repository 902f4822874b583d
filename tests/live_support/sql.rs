//! SQL as root, and the databases that a test makes for itself.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};

/// A MySQL or MariaDB server on 127.0.0.1, with a root without password and the user maxwell/maxwell.
#[derive(Clone, Debug)]
pub struct SqlServer {
    /// Its name for `scripts/servers.sh`.
    pub name: &'static str,
    pub port: u16,
}

impl SqlServer {
    pub fn new(name: &'static str, port: &str) -> Self {
        SqlServer { name, port: port.parse().expect("a port number") }
    }

    pub fn is_mariadb(&self) -> bool {
        self.name.starts_with("mariadb")
    }

    fn options(&self) -> OptsBuilder {
        OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(self.port).user(Some("root")).prefer_socket(false)
    }

    /// A connection as root, in no database.
    pub async fn connect(&self) -> mysql_async::Result<Conn> {
        Conn::new(self.options()).await
    }

    /// A connection as root, in a database.
    pub async fn connect_in(&self, database: &str) -> mysql_async::Result<Conn> {
        Conn::new(self.options().db_name(Some(database))).await
    }

    /// Runs statements that must succeed, one after the other on one connection.
    pub async fn run(&self, statements: &[&str]) {
        let mut conn = self.connect().await.expect("root can connect");
        for sql in statements {
            conn.query_drop(*sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        conn.disconnect().await.expect("goodbye");
    }

    /// A query's rows as text; NULL is `None`.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_rows(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// As `rows`, for moments when the server or the table may not be there.
    pub async fn try_rows(&self, sql: &str) -> mysql_async::Result<Vec<Vec<Option<String>>>> {
        let mut conn = self.connect().await?;
        let rows: Vec<Row> = conn.query(sql).await?;
        conn.disconnect().await?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    /// Drops and makes a database, and a schema database that the user maxwell may fill; neither is left from an earlier run.
    pub async fn fresh_databases(&self, data: &str, schema: &str) {
        self.run(&[
            &format!("DROP DATABASE IF EXISTS {schema}"),
            &format!("DROP DATABASE IF EXISTS {data}"),
            &format!("CREATE DATABASE {data} CHARACTER SET utf8mb4"),
            &format!("GRANT ALL ON {schema}.* TO maxwell@'%'"),
        ])
        .await;
    }

    /// Removes what `fresh_databases` made.
    pub async fn drop_databases(&self, data: &str, schema: &str) {
        self.run(&[&format!("DROP DATABASE IF EXISTS {data}"), &format!("DROP DATABASE IF EXISTS {schema}")]).await;
    }
}

/// A value of the text protocol.
pub fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

/// A string literal, for a session without ANSI_QUOTES and NO_BACKSLASH_ESCAPES.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}
