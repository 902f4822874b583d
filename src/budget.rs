//! Byte permits: whoever holds bytes for the data path (transaction memory, batches in flight) holds a permit of that
//! size, and whoever wants more waits. First come, first served, between threads and tasks alike. Never here: buffers
//! themselves, or any knowledge of what the bytes are.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::error::Error;

/// A bound in bytes that is shared by all its clones.
///
/// A request larger than the whole bound is granted when everything else is free, and holds everything until it is
/// dropped: one huge row goes alone instead of never.
#[derive(Debug, Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// One permit a unit. Tokio's semaphore is fair: a large request at the head is not overtaken for ever by small ones.
    units: Arc<Semaphore>,
    units_max: u32,
    /// A unit is `1 << shift` bytes, so that limits over 4 GiB fit into the semaphore's 32-bit requests.
    shift: u32,
    limit_bytes: u64,
}

/// The right to hold a number of bytes; given back on drop.
#[derive(Debug)]
#[must_use = "a dropped permit is given back at once"]
pub struct Permit {
    held: OwnedSemaphorePermit,
    shift: u32,
    bytes: u64,
}

/// The budget was closed: the daemon is stopping, nothing more is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl From<Closed> for Error {
    fn from(_: Closed) -> Self {
        Error::transient("the daemon is stopping: no more memory is granted")
    }
}

impl Budget {
    /// A budget of `limit_bytes`, at least 1.
    pub fn new(limit_bytes: u64) -> Self {
        let limit_bytes = limit_bytes.max(1);
        let mut shift = 0;
        while (limit_bytes >> shift) > u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64) {
            shift += 1;
        }
        // The loop above leaves at most u32::MAX, and a limit of at least 1 is never shifted to 0.
        let units_max = u32::try_from(limit_bytes >> shift).unwrap_or(u32::MAX);
        let units = Arc::new(Semaphore::new(units_max as usize));
        Budget { inner: Arc::new(Inner { units, units_max, shift, limit_bytes }) }
    }

    pub fn limit_bytes(&self) -> u64 {
        self.inner.limit_bytes
    }

    /// Bytes that are granted now (rounded up to units; an oversized request counts as the whole limit).
    pub fn used_bytes(&self) -> u64 {
        let free = self.inner.units.available_permits() as u64;
        u64::from(self.inner.units_max).saturating_sub(free) << self.inner.shift
    }

    /// Waits for `bytes`. Dropping the future gives up the place in the queue.
    pub async fn reserve(&self, bytes: u64) -> Result<Permit, Closed> {
        let held = Arc::clone(&self.inner.units).acquire_many_owned(self.units_for(bytes)).await;
        held.map(|held| self.permit(held, bytes)).map_err(|_: AcquireError| Closed)
    }

    /// Grants `bytes` at once or not at all (`Ok(None)`); does not overtake those who wait.
    pub fn try_reserve(&self, bytes: u64) -> Result<Option<Permit>, Closed> {
        match Arc::clone(&self.inner.units).try_acquire_many_owned(self.units_for(bytes)) {
            Ok(held) => Ok(Some(self.permit(held, bytes))),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(Closed),
        }
    }

    /// Waits for `bytes` on a plain thread, asleep until it is its turn. Never to be called from a task.
    pub fn reserve_blocking(&self, bytes: u64) -> Result<Permit, Closed> {
        block_on(self.reserve(bytes))
    }

    /// Wakes everybody who waits with `Closed`, and refuses all later requests. Permits that are held stay valid.
    pub fn close(&self) {
        self.inner.units.close();
    }

    pub fn is_closed(&self) -> bool {
        self.inner.units.is_closed()
    }

    fn units_for(&self, bytes: u64) -> u32 {
        let units = bytes.div_ceil(1 << self.inner.shift);
        u32::try_from(units).unwrap_or(u32::MAX).min(self.inner.units_max)
    }

    fn permit(&self, held: OwnedSemaphorePermit, bytes: u64) -> Permit {
        Permit { held, shift: self.inner.shift, bytes }
    }
}

impl Permit {
    /// The bytes that were asked for, which can be more than the whole limit.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back what is above `bytes`. A permit never grows.
    pub fn shrink_to(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            return;
        }
        self.bytes = bytes;
        let keep = usize::try_from(bytes.div_ceil(1 << self.shift)).unwrap_or(usize::MAX);
        let excess = self.held.num_permits().saturating_sub(keep);
        drop(self.held.split(excess));
    }

    /// Joins another permit of the same budget to this one; both are then given back together.
    ///
    /// # Panics
    /// When the permits are of different budgets.
    pub fn merge(&mut self, other: Permit) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.held.merge(other.held);
    }
}

/// Wakes a parked thread; the counterpart of a task's waker.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives one future on the calling thread, parked between polls. The semaphore needs no runtime to make progress.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, sync_channel};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// Long enough that a test only waits for it when it is about to fail.
    const NEVER: Duration = Duration::from_secs(30);

    #[test]
    fn bytes_come_back_on_drop() {
        let budget = Budget::new(100);
        let a = budget.try_reserve(60).unwrap().unwrap();
        assert!(budget.try_reserve(41).unwrap().is_none());
        let b = budget.try_reserve(40).unwrap().unwrap();
        assert_eq!((a.bytes(), b.bytes(), budget.used_bytes()), (60, 40, 100));
        drop(a);
        assert_eq!(budget.used_bytes(), 40);
        drop(b);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn an_oversized_request_goes_alone() {
        let budget = Budget::new(100);
        let small = budget.try_reserve(1).unwrap();
        assert!(budget.try_reserve(1_000_000).unwrap().is_none());
        drop(small);
        let huge = budget.try_reserve(1_000_000).unwrap().unwrap();
        assert_eq!(huge.bytes(), 1_000_000);
        assert!(budget.try_reserve(1).unwrap().is_none(), "nothing beside it");
        drop(huge);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn limits_beyond_32_bits_are_counted_in_larger_units() {
        let budget = Budget::new(64 << 30);
        let half = budget.try_reserve(32 << 30).unwrap().unwrap();
        assert_eq!(budget.used_bytes(), 32 << 30);
        assert!(budget.try_reserve((32 << 30) + (1 << 20)).unwrap().is_none());
        let one = budget.try_reserve(1).unwrap().unwrap();
        assert!(budget.used_bytes() > 32 << 30, "one byte still counts");
        drop((half, one));
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn shrink_and_merge_keep_the_sum() {
        let budget = Budget::new(100);
        let mut a = budget.try_reserve(80).unwrap().unwrap();
        a.shrink_to(30);
        a.shrink_to(90);
        assert_eq!((a.bytes(), budget.used_bytes()), (30, 30));
        a.merge(budget.try_reserve(20).unwrap().unwrap());
        assert_eq!((a.bytes(), budget.used_bytes()), (50, 50));
        let mut huge = Budget::new(10).try_reserve(500).unwrap().unwrap();
        huge.shrink_to(4);
        assert_eq!(huge.bytes(), 4);
    }

    #[test]
    fn a_thread_waits_until_bytes_are_free() {
        let budget = Budget::new(10);
        let held = budget.try_reserve(10).unwrap();
        let (sent, received) = sync_channel(1);
        let thread = std::thread::spawn({
            let budget = budget.clone();
            move || sent.send(budget.reserve_blocking(5).map(|p| p.bytes()))
        });
        assert_eq!(received.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
        drop(held);
        assert_eq!(received.recv_timeout(NEVER), Ok(Ok(5)));
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn close_wakes_a_waiting_thread() {
        let budget = Budget::new(10);
        let held = budget.try_reserve(10).unwrap();
        let (sent, received) = sync_channel(1);
        let thread = std::thread::spawn({
            let budget = budget.clone();
            move || sent.send(budget.reserve_blocking(5).err())
        });
        budget.close();
        assert_eq!(received.recv_timeout(NEVER), Ok(Some(Closed)));
        thread.join().unwrap().unwrap();
        drop(held);
        assert_eq!(budget.try_reserve(1).err(), Some(Closed));
        assert!(budget.is_closed());
    }

    #[tokio::test]
    async fn tasks_are_served_in_order() {
        let budget = Budget::new(10);
        let held = budget.reserve(8).await.unwrap();
        let mut large = Box::pin(budget.reserve(10));
        assert!(large.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(budget.try_reserve(1).unwrap().is_none(), "a small request does not overtake the large one that waits");
        drop(large);
        assert!(budget.try_reserve(1).unwrap().is_some(), "a request that was given up holds nothing");
        drop(held);
        assert_eq!(budget.reserve(10).await.unwrap().bytes(), 10);
    }

    proptest! {
        /// Never more granted than the limit, and all of it back at the end.
        #[test]
        fn the_sum_is_bounded(limit in 1..200u64, requests in prop::collection::vec((0..300u64, any::<bool>()), 1..60)) {
            let budget = Budget::new(limit);
            let mut held: Vec<Permit> = Vec::new();
            for (bytes, release) in requests {
                if release && !held.is_empty() {
                    drop(held.remove(0));
                }
                let sum: u64 = held.iter().map(|p| p.bytes().min(limit)).sum();
                let granted = budget.try_reserve(bytes).unwrap();
                prop_assert_eq!(granted.is_some(), sum + bytes.min(limit) <= limit);
                held.extend(granted);
                prop_assert_eq!(budget.used_bytes(), held.iter().map(|p| p.bytes().min(limit)).sum::<u64>());
            }
            held.clear();
            prop_assert_eq!(budget.used_bytes(), 0);
        }
    }
}
