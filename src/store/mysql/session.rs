//! One connection of the store while it is in use: known session settings, statements within a time limit, and SQL text
//! from names and values. Never here: what any table means.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::server::Server;
use crate::server::fault::sql_error;

/// Statements are written for these settings, whatever the server's are. Strict, so that a value that does not fit is an
/// error and not another value; metadata locks are not waited for longer than a statement may take (the default is a year).
const SETTINGS: &str = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES', autocommit = 1, lock_wait_timeout = 50, \
                        sql_select_limit = DEFAULT, sql_safe_updates = 0, NAMES utf8mb4";

/// A connection taken from the pool. When it is dropped in the middle of a statement (a time-out, a cancelled future),
/// its answer is still on the way, so it must not serve again.
pub(super) struct Session<'a> {
    server: &'a Server,
    conn: Conn,
    limit: Duration,
    /// A statement was sent and its answer not read to the end.
    busy: bool,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if self.busy {
            self.server.forget_connections();
        }
    }
}

impl<'a> Session<'a> {
    pub async fn open(server: &'a Server) -> Result<Self> {
        let limit = Duration::from_millis(server.options().statement_timeout_ms);
        let mut session = Session { conn: server.conn().await?, server, limit, busy: false };
        session.run(SETTINGS).await?;
        Ok(session)
    }

    /// Runs a statement and gives the number of rows it changed.
    pub async fn run(&mut self, sql: &str) -> Result<u64> {
        self.busy = true;
        let done = timeout(self.limit, self.conn.query_drop(sql)).await;
        self.answered(done)?;
        Ok(self.conn.affected_rows())
    }

    /// Runs a statement that may take as long as it needs (a change of a large table).
    pub async fn run_long(&mut self, sql: &str) -> Result<()> {
        self.busy = true;
        let done = self.conn.query_drop(sql).await;
        self.answered(Ok(done))
    }

    /// The id that the last insert made.
    pub fn last_id(&self) -> Result<i64> {
        let id = self.conn.last_insert_id().and_then(|id| i64::try_from(id).ok());
        id.ok_or_else(|| Error::definite("the server gave no id for a new row").hint("the column `id` must be AUTO_INCREMENT"))
    }

    /// All rows of a query whose answer is small.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Row>> {
        self.busy = true;
        let done = timeout(self.limit, self.conn.query(sql)).await;
        self.answered(done)
    }

    /// Hands every row to `take`, one at a time, so that a large answer is never held as a whole.
    pub async fn each(&mut self, sql: &str, mut take: impl FnMut(Row) -> Result<()> + Send) -> Result<()> {
        self.busy = true;
        let started = timeout(self.limit, self.conn.query_iter(sql)).await;
        let mut result = match started {
            Ok(Ok(result)) => result,
            Ok(Err(e)) => {
                self.busy = !matches!(e, mysql_async::Error::Server(_));
                return Err(sql_error(e).detail(self.server.options().address()));
            }
            Err(_) => return Err(self.too_slow()),
        };
        loop {
            match timeout(self.limit, result.next()).await {
                Ok(Ok(Some(row))) => take(row)?,
                Ok(Ok(None)) => break,
                Ok(Err(e)) => return Err(sql_error(e).detail(self.server.options().address())),
                Err(_) => {
                    drop(result);
                    return Err(self.too_slow());
                }
            }
        }
        drop(result);
        self.busy = false;
        Ok(())
    }

    pub async fn begin(&mut self) -> Result<()> {
        self.run("START TRANSACTION").await.map(drop)
    }

    pub async fn commit(&mut self) -> Result<()> {
        self.run("COMMIT").await.map(drop)
    }

    /// Undoes what was begun. Without it the pool's reset of the connection does the same, a little later.
    pub async fn rollback(&mut self) -> Result<()> {
        self.run("ROLLBACK").await.map(drop)
    }

    fn answered<T>(&mut self, done: Result<Result<T, mysql_async::Error>, tokio::time::error::Elapsed>) -> Result<T> {
        match done {
            Ok(Ok(value)) => {
                self.busy = false;
                Ok(value)
            }
            Ok(Err(e)) => {
                self.busy = !matches!(e, mysql_async::Error::Server(_));
                Err(sql_error(e).detail(self.server.options().address()))
            }
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> Error {
        let text = format!("the schema database did not answer within {} ms", self.limit.as_millis());
        Error::transient(text).detail(self.server.options().address())
    }
}

/// A name in back-quotes.
pub(super) fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A value as SQL text under this session's settings (back-slash escapes on, utf8mb4).
pub(super) fn lit(value: impl Into<Value>) -> String {
    value.into().as_sql(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_cannot_end_early() {
        assert_eq!(ident("a`b"), "`a``b`");
        assert_eq!(lit("it's \\ \" \n\0 é😀"), r#"'it\'s \\ \" \n\0 é😀'"#);
        assert_eq!(lit(None::<i64>), "NULL");
        assert_eq!(lit(7u64), "7");
    }
}
