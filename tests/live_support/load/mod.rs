//! A mixed load on a few tables, in which every committed version of every key is written down.
//!
//! Each row carries a version number that no other row state ever had (column `v`). A version is taken while the row is
//! locked, or by the only connection that touches that key, so that along a key versions grow in the order of commits.

pub mod alterer;
pub mod journal;
pub mod session;
pub mod tables;
pub mod values;
pub mod worker;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use self::alterer::Alterer;
use self::journal::Journal;
use self::session::Session;
use self::worker::Worker;
use super::sql::SqlServer;

/// Connections that change rows, beside the one that alters tables.
const WORKERS: u64 = 6;

/// A running load.
pub struct Load {
    pub journal: Arc<Journal>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Makes the tables.
    pub async fn prepare(server: &SqlServer, database: &str) {
        let statements: Vec<String> = tables::definitions(database);
        server.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    /// Starts all connections, each with at most `rate` actions a second.
    pub fn start(server: &SqlServer, database: &str, seed: u64, rate: u32) -> Load {
        let journal = Arc::new(Journal::default());
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..WORKERS {
            let session = Session::new(server.clone(), database, journal.clone(), stopped.clone());
            tasks.spawn(Worker::new(number, session, seed.wrapping_add(number)).run(rate));
        }
        let session = Session::new(server.clone(), database, journal.clone(), stopped);
        tasks.spawn(Alterer::new(session, seed.wrapping_add(WORKERS)).run());
        Load { journal, stop, tasks }
    }

    /// Stops all connections after their present action.
    ///
    /// # Panics
    /// When one of them has failed.
    pub async fn finish(mut self) -> Arc<Journal> {
        // The receivers live as long as the tasks.
        let _ = self.stop.send(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a connection of the load failed");
        }
        self.journal
    }
}
