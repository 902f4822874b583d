//! One connection of the load: statements that are written into the journal with their outcome, and its return after
//! the server was away.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use tokio::sync::watch;

use super::journal::{Change, Journal, Outcome, Transaction};
use crate::live_support::sql::SqlServer;

/// Why a statement did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server said no: a deadlock, a lock that took too long, a key that is there already.
    Refused,
    /// There was no answer.
    Lost,
}

/// Numbers of refusals that mean the same as a lost connection: a server that is going down.
const GOING_DOWN: [u16; 3] = [1053, 1077, 1079];

fn failure(error: &Error) -> Failure {
    match error {
        Error::Server(e) if !GOING_DOWN.contains(&e.code) => Failure::Refused,
        _ => Failure::Lost,
    }
}

/// A connection with its journal.
pub struct Session {
    server: SqlServer,
    pub database: Arc<str>,
    pub journal: Arc<Journal>,
    stopped: watch::Receiver<bool>,
    conn: Option<Conn>,
}

impl Session {
    pub fn new(server: SqlServer, database: &str, journal: Arc<Journal>, stopped: watch::Receiver<bool>) -> Self {
        Session { server, database: database.into(), journal, stopped, conn: None }
    }

    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits for the end of the pause; true if the load shall stop.
    pub async fn pause(&mut self, pause: Duration) -> bool {
        // An error means that the load itself is gone.
        tokio::time::timeout(pause, self.stopped.wait_for(|stop| *stop)).await.is_ok()
    }

    /// Whether the next statement will find a server; tries once to connect if the connection was lost.
    pub async fn connected(&mut self) -> bool {
        if self.conn.is_none()
            && let Ok(mut conn) = self.server.connect_in(&self.database).await
            && conn.query_drop("SET SESSION innodb_lock_wait_timeout = 3, lock_wait_timeout = 5").await.is_ok()
        {
            self.conn = Some(conn);
        }
        self.conn.is_some()
    }

    /// Runs a statement that is no change of rows, or a part of a transaction.
    pub async fn run(&mut self, sql: &str) -> Result<(), Failure> {
        let Some(conn) = &mut self.conn else { return Err(Failure::Lost) };
        let result = conn.query_drop(sql).await;
        self.judge(sql, result)
    }

    /// The numbers in a query's rows; NULL is 0.
    pub async fn numbers<const N: usize>(&mut self, sql: &str) -> Result<Vec<[u64; N]>, Failure> {
        let Some(conn) = &mut self.conn else { return Err(Failure::Lost) };
        let rows: Result<Vec<mysql_async::Row>, Error> = conn.query(sql).await;
        let rows = self.judge(sql, rows)?;
        Ok(rows.iter().map(|row| std::array::from_fn(|i| row.get::<Option<u64>, _>(i).flatten().unwrap_or(0))).collect())
    }

    /// The first column of a query's rows.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<String>, Failure> {
        let Some(conn) = &mut self.conn else { return Err(Failure::Lost) };
        let rows = conn.query(sql).await;
        self.judge(sql, rows)
    }

    fn judge<T>(&mut self, sql: &str, result: Result<T, Error>) -> Result<T, Failure> {
        result.map_err(|e| {
            let why = failure(&e);
            if why == Failure::Lost {
                self.conn = None;
            }
            // Syntax errors (1064), unknown columns (1054) and unknown tables (1146) are faults of the load itself.
            if let Error::Server(e) = &e {
                assert!(!matches!(e.code, 1064 | 1054 | 1146), "{sql}: {e}");
            }
            why
        })
    }

    /// Runs one statement that commits by itself and makes these changes.
    pub async fn commit_alone(&mut self, number: u64, sql: &str, changes: Vec<Change>) -> Outcome {
        let outcome = match self.run(sql).await {
            Ok(()) => Outcome::Committed,
            Err(Failure::Refused) => Outcome::RolledBack,
            Err(Failure::Lost) => Outcome::Unknown,
        };
        self.journal.write(Transaction { number, changes, marked: false, outcome });
        outcome
    }

    /// Ends an open transaction by COMMIT and writes it down.
    pub async fn commit(&mut self, number: u64, changes: Vec<Change>) -> Outcome {
        let outcome = if self.run("COMMIT").await.is_ok() { Outcome::Committed } else { Outcome::Unknown };
        self.journal.write(Transaction { number, changes, marked: true, outcome });
        outcome
    }

    /// Ends an open transaction by ROLLBACK, or after its connection was lost, and writes it down.
    pub async fn roll_back(&mut self, number: u64, changes: Vec<Change>) {
        // No COMMIT was sent: the server rolls back, whatever becomes of this statement.
        if self.run("ROLLBACK").await.is_err() {
            self.conn = None;
        }
        self.journal.write(Transaction { number, changes, marked: true, outcome: Outcome::RolledBack });
    }
}
