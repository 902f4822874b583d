//! The checks behind `/diagnostic`: whether a change that is made now comes back through the binlog, and whether the brokers
//! acknowledge. Unlike Maxwell's they write no message that consumers would see. Never here: HTTP, time limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::admin::diagnostic::{Check, Diagnose};
use crate::error::{Error, Result};
use crate::position::Position;
use crate::server::Server;
use crate::status::Status;

use super::board::{Board, epoch_us};
use super::tables;

/// One question to the brokers; asked again until whoever wants to know gives up.
const ASK: Duration = Duration::from_secs(1);
/// Acknowledgements are looked for this often.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

pub struct Diagnostics {
    pub board: Arc<Board>,
    pub replication: Arc<Server>,
    /// Of the server with the schema database, as Maxwell shows it.
    pub store_address: String,
    /// Whether heartbeats come back: the store is on the server that is followed.
    pub heartbeats_return: bool,
    /// `kafka.bootstrap.servers`, with that producer.
    pub brokers: Option<String>,
}

impl Diagnose for Diagnostics {
    fn checks(self: Arc<Self>) -> Vec<Check> {
        let binlog = Check { name: "binlog-connector", resource: self.store_address.clone(), outcome: self.clone().binlog() };
        let kafka = self.brokers.clone().map(|brokers| Check { name: "kafka-producer", resource: brokers, outcome: self.kafka() });
        std::iter::once(binlog).chain(kafka).collect()
    }
}

impl Diagnostics {
    fn binlog(self: Arc<Self>) -> BoxFuture<'static, Result<String>> {
        Box::pin(async move {
            let lag_ms = if self.heartbeats_return { self.heartbeat().await? } else { self.log_end().await? };
            Ok(format!("Binlog replication lag is {lag_ms}ms"))
        })
    }

    /// Has a heartbeat written and waits until it is read. Heartbeats tell the millisecond at which they were made.
    async fn heartbeat(&self) -> Result<u64> {
        let asked_ms = i64::try_from(epoch_us() / 1000).unwrap_or(i64::MAX);
        self.board.beat_wanted.notify_one();
        let newest = |s: &Status| s.read.as_ref().map(|r: &Position| r.heartbeat).filter(|beat| *beat >= asked_ms);
        let mut watched = self.board.watched();
        let beat = watched.wait_for(|s| newest(s).is_some()).await.ok().and_then(|s| newest(&s));
        let beat = beat.ok_or_else(|| Error::transient("the daemon is stopping"))?;
        Ok((epoch_us() / 1000).saturating_sub(u64::try_from(beat).unwrap_or_default()))
    }

    /// With the store elsewhere: asks where the log ends and waits until it is read up to there.
    async fn log_end(&self) -> Result<u64> {
        let asked = Instant::now();
        let end = tables::log_end(&self.replication).await?;
        let mut watched = self.board.watched();
        let arrived = watched.wait_for(|s| s.read.as_ref().is_some_and(|read| !read.at.is_before(&end))).await.is_ok();
        if arrived { Ok(millis(asked.elapsed())) } else { Err(Error::transient("the daemon is stopping")) }
    }

    /// A broker answers, and everything that was in flight before is acknowledged.
    fn kafka(self: Arc<Self>) -> BoxFuture<'static, Result<String>> {
        Box::pin(async move {
            let asked = Instant::now();
            let new_run = || Error::transient("the producer is being made anew");
            let probe = self.board.kafka_probe().ok_or_else(new_run)?;
            let acks = self.board.acks().ok_or_else(new_run)?;
            let mark = acks.tracker().mark();
            probe.ask(ASK).await?;
            loop {
                let past = acks.tracker().is_past(&mark);
                match past {
                    Some(true) => return Ok(format!("Kafka producer acknowledgement lag is {}ms", millis(asked.elapsed()))),
                    Some(false) => sleep(LOOK_AGAIN).await,
                    None => return Err(new_run()),
                }
            }
        })
    }
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
