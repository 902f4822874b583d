//! The look at how near the server is to removing the binlog file in which a restart would go on. Every minute by ordinary SQL
//! on a connection of its own, so that the data path does not notice. Never here: stopping anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::position::Position;
use crate::server::Server;
use crate::server::fault::is_server_error;
use crate::server::preflight::{self, Retention};
use crate::status::CauseKind;

use super::board::Board;
use super::shutdown::Shutdown;
use super::watch::ResumeTime;

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// One look may take so long.
const LOOK_MAX: Duration = Duration::from_secs(20);
/// What was stored longer ago than this is held back, not just on its way.
const HELD_BACK: Duration = Duration::from_secs(60);
/// Among the oldest so many hundredths of the files, the resume file is near the end of its life whatever removes it.
const OLDEST_PERCENT: usize = 10;
/// That says nothing while there are only a few files.
const FILES_MIN: usize = 4;
/// ER_SPECIFIC_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_ERROR, ER_PARSE_ERROR (a proxy that does not know the statement)
const MAY_NOT: [u16; 3] = [1227, 1045, 1064];

/// How far off the removal is.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    pub older_files: usize,
    pub younger_files: usize,
    /// `None`: not foreseeable.
    pub left: Option<Duration>,
    /// Why that is too near, in a sentence.
    pub alarm: Option<String>,
}

/// What is known of the resume point.
#[derive(Debug, Clone, Copy)]
pub struct ResumePoint<'a> {
    pub position: &'a Position,
    /// How long ago its transaction committed, at most.
    pub age: Duration,
    pub gtid_mode: bool,
}

/// `None` when nothing can be said: in GTID mode a server need not have the file that another one had.
pub fn outlook(resume: ResumePoint<'_>, retention: &Retention, bytes_per_second: f64, warning: Duration) -> Option<Outlook> {
    let (at, files) = (&resume.position.at, &retention.files);
    let Some(index) = files.iter().position(|f| f.name == at.file) else {
        if resume.gtid_mode || files.is_empty() {
            return None;
        }
        let alarm = format!("the binlog file {} of the stored position is no longer on the server: a restart would fail", at.file);
        return Some(Outlook { older_files: 0, younger_files: files.len(), left: Some(Duration::ZERO), alarm: Some(alarm) });
    };
    let younger_files = files.len() - index - 1;
    let mut seen = Outlook { older_files: index, younger_files, left: None, alarm: None };
    if younger_files == 0 {
        // The file that is written to is never removed.
        return Some(seen);
    }
    // A file goes when its last change is older than the limit, and that is after our transaction.
    let by_age = retention.seconds.map(|limit| Duration::from_secs(limit).saturating_sub(resume.age));
    let by_size = retention.total_bytes.and_then(|limit| {
        let from_here: u64 = files.iter().skip(index).map(|f| f.size_bytes).sum();
        let room = limit.saturating_sub(from_here) as f64;
        (bytes_per_second > 0.0).then(|| Duration::try_from_secs_f64(room / bytes_per_second).unwrap_or(Duration::MAX))
    });
    seen.left = by_age.into_iter().chain(by_size).min();
    // Where little is kept at all, half of it is the most that can be asked for.
    let limit = retention.seconds.map_or(warning, |kept| warning.min(Duration::from_secs(kept) / 2));
    let held_back = resume.age >= HELD_BACK.min(limit);
    if let Some(left) = seen.left.filter(|left| *left < limit && held_back) {
        seen.alarm = Some(format!(
            "the server will remove the binlog file {} of the stored position in about {}; a restart after that would fail ({younger_files} younger files)",
            at.file,
            in_words(left)
        ));
    } else if held_back && resume.age >= HELD_BACK && files.len() >= FILES_MIN && index * 100 < files.len() * OLDEST_PERCENT {
        seen.alarm = Some(format!(
            "the binlog file {} of the stored position is {} on the server, with {younger_files} younger ones; if it is removed, a restart fails",
            at.file,
            if index == 0 { "the oldest".to_owned() } else { format!("number {} from the oldest", index + 1) }
        ));
    }
    Some(seen)
}

fn in_words(left: Duration) -> String {
    match left.as_secs() {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} minutes", s / 60),
        s => format!("{} hours", s / 3600),
    }
}

/// How fast the server writes, from one look to the next.
#[derive(Debug, Default)]
struct Speed {
    last: Option<(Instant, Arc<str>, u64)>,
    bytes_per_second: f64,
}

impl Speed {
    fn see(&mut self, now: Instant, retention: &Retention) {
        let Some(end) = retention.files.last() else { return };
        if let Some((then, file, size)) = self.last.take() {
            let index = retention.files.iter().position(|f| f.name == file);
            let since: u64 = index.map_or(0, |i| retention.files.iter().skip(i).map(|f| f.size_bytes).sum());
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            if index.is_some() && seconds > 0.0 {
                let speed = since.saturating_sub(size) as f64 / seconds;
                // The last few looks count most.
                self.bytes_per_second = if self.bytes_per_second == 0.0 { speed } else { 0.7 * self.bytes_per_second + 0.3 * speed };
            }
        }
        self.last = Some((now, end.name.clone(), end.size_bytes));
    }
}

pub struct PurgeWatch {
    pub replication: Arc<Server>,
    pub board: Arc<Board>,
    pub resume_time: Arc<ResumeTime>,
    pub gtid_mode: bool,
    /// `purge_warning`
    pub warning: Duration,
}

impl PurgeWatch {
    /// Until the stop, or until the server says that we may not ask.
    pub async fn run(self, mut stop: Shutdown) {
        let mut speed = Speed::default();
        let mut pause = Duration::from_secs(5);
        loop {
            if stop.sleep(pause).await {
                return;
            }
            let asked = tokio::select! { biased;
                () = stop.requested() => return,
                asked = tokio::time::timeout(LOOK_MAX, self.ask()) => {
                    asked.unwrap_or_else(|_| Err(Error::transient(format!("no answer within {} s", LOOK_MAX.as_secs()))))
                }
            };
            match asked {
                Ok(retention) => {
                    pause = pause_for(&retention);
                    speed.see(Instant::now(), &retention);
                    self.tell(&retention, speed.bytes_per_second);
                }
                Err(error) if is_server_error(&error, &MAY_NOT) => {
                    tracing::warn!(%error, "the server does not tell its binlog files: health and metrics do not warn before the stored position's file is removed");
                    return;
                }
                // A server that is away is told of by whoever reads from it.
                Err(error) => tracing::debug!(%error, "the server's binlog files cannot be listed"),
            }
        }
    }

    async fn ask(&self) -> Result<Retention> {
        let mut conn = self.replication.conn().await?;
        preflight::ask_retention(&mut conn).await
    }

    fn tell(&self, retention: &Retention, bytes_per_second: f64) {
        let stored = self.board.watched().borrow().stored.clone();
        let (Some(position), Some(age)) = (stored, self.resume_time.age()) else { return };
        let resume = ResumePoint { position: &position, age, gtid_mode: self.gtid_mode };
        let seen = outlook(resume, retention, bytes_per_second, self.warning);
        let metrics = &self.board.metrics;
        let left = seen.as_ref().and_then(|s| s.left);
        metrics.resume_purge_seconds.set(left.map_or(f64::NAN, |left| left.as_secs_f64()));
        let alarm = seen.and_then(|seen| {
            metrics.binlog_files(seen.older_files, seen.younger_files);
            seen.alarm
        });
        match alarm {
            Some(alarm) => self.board.ill(CauseKind::Purge, alarm),
            None => self.board.well(CauseKind::Purge),
        }
    }
}

/// Oftener where the server keeps its binlog for minutes only.
fn pause_for(retention: &Retention) -> Duration {
    let tenth = retention.seconds.map_or(LOOK_EVERY, |kept| Duration::from_secs(kept / 10));
    tenth.clamp(Duration::from_secs(1), LOOK_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::BinlogPosition;
    use crate::server::status::BinlogFile;

    const HOUR: u64 = 3600;

    fn kept(count: usize, seconds: Option<u64>, total_bytes: Option<u64>) -> Retention {
        let file = |n| BinlogFile { name: format!("b.{n:06}").into(), size_bytes: 1000 };
        Retention { seconds, total_bytes, files: (1..=count).map(file).collect() }
    }

    fn look(file: &str, age: u64, retention: &Retention, gtid_mode: bool) -> Option<Outlook> {
        let position = Position::new(BinlogPosition::new(file, 4));
        let resume = ResumePoint { position: &position, age: Duration::from_secs(age), gtid_mode };
        outlook(resume, retention, 10.0, Duration::from_secs(24 * HOUR))
    }

    fn alarm(file: &str, age: u64, retention: &Retention) -> Option<String> {
        look(file, age, retention, false).and_then(|o| o.alarm)
    }

    #[test]
    fn by_age() {
        let month = kept(100, Some(720 * HOUR), None);
        assert_eq!(alarm("b.000050", 100 * HOUR, &month), None);
        let near = alarm("b.000050", 700 * HOUR, &month).unwrap();
        assert!(near.contains("b.000050") && near.contains("in about 20 hours") && near.contains("50 younger"), "{near}");
        let seen = look("b.000050", 100 * HOUR, &month, false).unwrap();
        assert_eq!((seen.older_files, seen.younger_files, seen.left), (49, 50, Some(Duration::from_secs(620 * HOUR))));
        // The file that is written to stays, however old the position in it.
        assert_eq!(alarm("b.000100", 900 * HOUR, &month), None);
        // A server that keeps one hour cannot give a day's notice.
        let hour = kept(5, Some(HOUR), None);
        assert_eq!(alarm("b.000004", 20 * 60, &hour), None);
        assert!(alarm("b.000004", 40 * 60, &hour).unwrap().contains("in about 20 minutes"));
    }

    #[test]
    fn by_size() {
        let small = kept(10, None, Some(100_000));
        // 9,000 of 100,000 bytes lie from there on; at 10 bytes a second the rest is full in 9,100 s.
        let seen = look("b.000002", 120, &small, false).unwrap();
        assert_eq!(seen.left, Some(Duration::from_secs(9100)));
        assert!(seen.alarm.unwrap().contains("in about 2 hours"));
        assert_eq!(alarm("b.000002", 5, &small), None, "on its way, not held back");
    }

    #[test]
    fn by_place() {
        let forever = kept(30, None, None);
        assert!(alarm("b.000001", 70, &forever).unwrap().contains("is the oldest on the server, with 29 younger ones"));
        assert!(alarm("b.000003", 70, &forever).unwrap().contains("number 3 from the oldest"));
        assert_eq!(alarm("b.000004", 70, &forever), None);
        assert_eq!(alarm("b.000001", 10, &forever), None, "it will be stored in a moment");
        assert_eq!(alarm("b.000001", 70, &kept(3, None, None)), None, "a young server");
        assert_eq!(alarm("b.000001", 999 * HOUR, &kept(1, Some(HOUR), None)), None);
    }

    #[test]
    fn gone() {
        let files = kept(3, None, None);
        assert!(alarm("a.000009", 1, &files).unwrap().contains("no longer on the server"));
        assert_eq!(look("a.000009", 1, &files, true), None, "after a failover the names are another server's");
        assert_eq!(look("a.000009", 1, &kept(0, None, None), false), None);
    }

    #[test]
    fn speed() {
        let (mut speed, start) = (Speed::default(), Instant::now());
        let mut seen = kept(2, None, None);
        speed.see(start, &seen);
        assert_eq!(speed.bytes_per_second, 0.0);
        seen.files[1].size_bytes = 1500;
        seen.files.push(BinlogFile { name: "b.000003".into(), size_bytes: 500 });
        speed.see(start + Duration::from_secs(10), &seen);
        assert_eq!(speed.bytes_per_second, 100.0);
        speed.see(start + Duration::from_secs(20), &seen);
        assert!((speed.bytes_per_second - 70.0).abs() < 1e-9);
    }

    #[test]
    fn how_often() {
        for (seconds, want) in [(None, 60), (Some(30 * 24 * HOUR), 60), (Some(300), 30), (Some(5), 1)] {
            assert_eq!(pause_for(&kept(1, seconds, None)), Duration::from_secs(want));
        }
    }
}
