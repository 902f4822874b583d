//! What clients have found out about the cluster, kept for the next client: how large a batch each topic takes, and which
//! messages were in a batch that was refused. Never here: librdkafka, waiting.
//!
//! The broker refuses a batch as a whole, small neighbours of the message at fault included. So the messages of a refused batch
//! are remembered by their place in the binlog; the client ends, the next one gets them again from the resume point, in order,
//! and sends those one by one (`alone`). Only what is refused alone is at fault.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::position::BinlogPosition;

/// A batch that was refused although nobody told a limit: no assumption goes below this.
const ASSUMED_MIN: usize = 1024;

type Partition = (Arc<str>, i32);

/// Shared by all clients of one configuration.
#[derive(Debug, Default)]
pub struct Learned {
    limits: Mutex<HashMap<Arc<str>, Limit>>,
    suspects: Mutex<HashMap<Partition, Vec<Suspects>>>,
    /// Quick look whether `suspects` holds anything.
    suspicious: AtomicBool,
    /// The smallest limit of all topics; 0 while there is none.
    batch_bytes: AtomicUsize,
}

/// Bytes that one batch of a topic may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Limit {
    /// The topic's `max.message.bytes`, as the cluster says.
    told: Option<usize>,
    /// From a batch that was refused: of uncompressed bytes, and not above half of that batch.
    assumed: Option<usize>,
}

impl Limit {
    fn bytes(self) -> usize {
        self.told.unwrap_or(usize::MAX).min(self.assumed.unwrap_or(usize::MAX))
    }
}

/// Messages of one partition that were in refused batches: all from the first to the last, which includes what stood between.
#[derive(Debug)]
struct Suspects {
    file: Arc<str>,
    first: u64,
    last: u64,
    /// One of them has come again.
    entered: bool,
}

impl Learned {
    /// Bytes of a message (by `record_bytes_max`) up to which it may share a batch. A larger one may still pass alone, if it
    /// compresses well.
    pub fn limit(&self, topic: &str) -> usize {
        lock(&self.limits).get(topic).map_or(usize::MAX, |limit| limit.bytes())
    }

    /// The cluster has told a topic's limit. Another one than before ends what was assumed.
    pub fn told(&self, topic: &str, bytes: usize) {
        let mut limits = lock(&self.limits);
        let limit = limits.entry(topic.into()).or_default();
        if limit.told.is_some_and(|before| before != bytes) {
            limit.assumed = None;
        }
        limit.told = Some(bytes);
        self.smallest(&limits);
    }

    /// A batch of so many uncompressed bytes was refused as too large.
    pub fn refused_as_too_large(&self, topic: &str, bytes: usize) {
        let mut limits = lock(&self.limits);
        let limit = limits.entry(topic.into()).or_default();
        limit.assumed = Some(limit.bytes().min(bytes / 2).max(ASSUMED_MIN));
        self.smallest(&limits);
    }

    fn smallest(&self, limits: &HashMap<Arc<str>, Limit>) {
        let smallest = limits.values().map(|limit| limit.bytes()).min().unwrap_or(0);
        self.batch_bytes.store(smallest, Ordering::Release);
    }

    /// A client's `batch.size` must not be above this; `None`: no limit is known. All topics share it, because the library has
    /// one for all.
    pub fn batch_bytes(&self) -> Option<usize> {
        Some(self.batch_bytes.load(Ordering::Acquire)).filter(|bytes| *bytes > 0)
    }

    /// This message was in a refused batch.
    pub fn suspect(&self, topic: &str, partition: i32, file: &Arc<str>, offset: u64) {
        let mut suspects = lock(&self.suspects);
        let of_partition = suspects.entry((topic.into(), partition)).or_default();
        match of_partition.iter_mut().find(|s| s.file == *file) {
            Some(known) => {
                (known.first, known.last) = (known.first.min(offset), known.last.max(offset));
                known.entered = false;
            }
            None => of_partition.push(Suspects { file: file.clone(), first: offset, last: offset, entered: false }),
        }
        self.suspicious.store(true, Ordering::Release);
    }

    /// Whether this message, the next one of its partition, has to go alone. Forgets what lies behind it, unless `keeps`: what was
    /// sent in a transaction may come again until it is committed (`committed`).
    #[inline]
    pub fn goes_alone(&self, topic: &Arc<str>, partition: i32, file: &Arc<str>, offset: u64, keeps: bool) -> bool {
        self.has_suspects() && self.is_suspect(topic, partition, file, offset, keeps)
    }

    /// All messages before this place are committed and come no more.
    pub fn committed(&self, before: &BinlogPosition) {
        if !self.has_suspects() {
            return;
        }
        let mut suspects = lock(&self.suspects);
        suspects.retain(|_, of_partition| {
            of_partition.retain(|s| !BinlogPosition::new(s.file.clone(), s.last).is_before(before));
            !of_partition.is_empty()
        });
        self.suspicious.store(!suspects.is_empty(), Ordering::Release);
    }

    pub fn has_suspects(&self) -> bool {
        self.suspicious.load(Ordering::Acquire)
    }

    #[cold]
    fn is_suspect(&self, topic: &Arc<str>, partition: i32, file: &Arc<str>, offset: u64, keeps: bool) -> bool {
        let mut suspects = lock(&self.suspects);
        let place = (topic.clone(), partition);
        let Some(of_partition) = suspects.get_mut(&place) else { return false };
        if keeps {
            return of_partition.iter().any(|s| s.file == *file && (s.first..=s.last).contains(&offset));
        }
        let mut suspect = false;
        of_partition.retain_mut(|s| {
            if s.file != *file {
                return !s.entered;
            }
            let inside = (s.first..=s.last).contains(&offset);
            suspect |= inside;
            s.entered |= inside;
            offset <= s.last
        });
        if of_partition.is_empty() {
            suspects.remove(&place);
            self.suspicious.store(!suspects.is_empty(), Ordering::Release);
        }
        suspect
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while one of these is held leaves complete values behind, so a poisoned lock is still good.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let learned = Learned::default();
        assert_eq!((learned.limit("t"), learned.batch_bytes()), (usize::MAX, None));
        learned.told("t", 1_000_000);
        learned.told("u", 5000);
        assert_eq!((learned.limit("t"), learned.limit("u"), learned.batch_bytes()), (1_000_000, 5000, Some(5000)));
        // Smaller and smaller until batches pass, but never nothing.
        for (refused, limit) in [(900_000, 450_000), (450_000, 225_000), (2_000_000, 225_000), (700, 1024), (10, 1024)] {
            learned.refused_as_too_large("t", refused);
            assert_eq!(learned.limit("t"), limit, "{refused}");
        }
        // The same word again changes nothing, another one does.
        learned.told("t", 1_000_000);
        assert_eq!((learned.limit("t"), learned.batch_bytes()), (1024, Some(1024)));
        learned.told("t", 2_000_000);
        assert_eq!((learned.limit("t"), learned.batch_bytes()), (2_000_000, Some(5000)));
    }

    #[test]
    fn suspects_go_alone_until_they_are_behind() {
        let learned = Learned::default();
        let (t, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("t".into(), "m.000001".into(), "m.000002".into());
        for (file, offset) in [(&a, 300), (&a, 200), (&b, 4)] {
            learned.suspect("t", 1, file, offset);
        }
        // Each row: partition, file, offset, whether alone. In the order of a second try.
        let rows = [
            (1, &a, 100, false),
            (1, &a, 200, true),
            (0, &a, 250, false),
            (1, &a, 250, true),
            (1, &a, 300, true),
            (1, &a, 300, true),
            (1, &a, 301, false),
            (1, &a, 300, false),
            (1, &b, 4, true),
            (1, &b, 5, false),
        ];
        for (partition, file, offset, alone) in rows {
            assert_eq!(learned.goes_alone(&t, partition, file, offset, false), alone, "{partition} {file} {offset}");
        }
        assert!(!learned.suspicious.load(Ordering::Relaxed) && lock(&learned.suspects).is_empty());
    }

    #[test]
    fn a_file_that_ends_with_suspects_is_behind_when_the_next_one_comes() {
        let learned = Learned::default();
        let (t, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("t".into(), "m.000001".into(), "m.000002".into());
        learned.suspect("t", 0, &a, 300);
        assert!(!learned.goes_alone(&t, 0, &b, 4, false), "an older file may come before");
        assert!(learned.goes_alone(&t, 0, &a, 300, false));
        assert!(!learned.goes_alone(&t, 0, &b, 4, false));
        assert!(lock(&learned.suspects).is_empty());
    }

    /// A transaction that is given up comes again as a whole, and so do its suspects.
    #[test]
    fn in_transactions_suspects_stay_until_the_commit() {
        let learned = Learned::default();
        let (t, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("t".into(), "m.000001".into(), "m.000002".into());
        learned.suspect("t", 0, &a, 300);
        learned.suspect("t", 1, &b, 200);
        for _ in 0..2 {
            assert!(!learned.goes_alone(&t, 0, &a, 299, true));
            assert!(learned.goes_alone(&t, 0, &a, 300, true));
            assert!(!learned.goes_alone(&t, 0, &b, 4, true));
            assert!(learned.goes_alone(&t, 1, &b, 200, true));
            // The commit ended inside the event that the first suspect stands in.
            learned.committed(&BinlogPosition::new(a.clone(), 300));
        }
        learned.committed(&BinlogPosition::new(b.clone(), 4));
        assert!(!learned.goes_alone(&t, 0, &a, 300, true) && learned.goes_alone(&t, 1, &b, 200, true));
        learned.committed(&BinlogPosition::new(b.clone(), 201));
        assert!(!learned.suspicious.load(Ordering::Relaxed) && lock(&learned.suspects).is_empty());
    }
}
