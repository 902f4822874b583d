//! The reader thread: owns one dump connection and hands its blocks on through a queue that is bounded in bytes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::budget::{Budget, Permit};
use crate::error::{Error, Result};
use crate::source::dump::{DumpStream, EventBlock, Stopper};

/// Blocks that may wait at once, whatever their size; the budget bounds their bytes.
const BLOCKS_MAX: usize = 256;

/// A block with the permit for its bytes, which is given back when the block was worked on.
pub struct QueuedBlock {
    pub block: EventBlock,
    pub permit: Permit,
    /// When it was read.
    pub read_at: Instant,
}

/// The reading end of a running reader thread. Dropping it stops the thread.
pub struct BlockQueue {
    blocks: Receiver<Result<QueuedBlock>>,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl BlockQueue {
    /// Starts reading from an open connection.
    pub fn start(stream: DumpStream, budget: Arc<Budget>) -> Result<Self> {
        let (sender, blocks) = sync_channel(BLOCKS_MAX);
        let stopper = stream.stopper()?;
        let thread = std::thread::Builder::new()
            .name("binlog-reader".into())
            .spawn(move || read_blocks(stream, &budget, &sender))
            .map_err(|e| Error::transient("cannot start the reader thread").source(e))?;
        Ok(BlockQueue { blocks, stopper, thread: Some(thread) })
    }

    /// Ends the connection from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The next block if one is there.
    pub fn ready(&self) -> Option<Result<QueuedBlock>> {
        match self.blocks.try_recv() {
            Ok(block) => Some(block),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(ended())),
        }
    }

    /// Waits for the next block.
    pub fn wait(&self) -> Result<QueuedBlock> {
        self.blocks.recv().unwrap_or_else(|_| Err(ended()))
    }
}

fn ended() -> Error {
    Error::transient("the binlog connection was closed")
}

impl Drop for BlockQueue {
    fn drop(&mut self) {
        self.stopper.stop();
        // Blocks still queued go with the receiver; the thread then fails to send and ends.
        let (_, closed) = sync_channel(0);
        drop(std::mem::replace(&mut self.blocks, closed));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the reader thread panicked");
        }
    }
}

fn read_blocks(mut stream: DumpStream, budget: &Budget, sender: &SyncSender<Result<QueuedBlock>>) {
    loop {
        let block = match stream.next_block() {
            Ok(Some(block)) => block,
            Ok(None) => {
                let _ = sender.send(Err(ended()));
                return;
            }
            Err(error) => {
                // Nobody listens any more when the queue is gone; the error is then of no interest.
                let _ = sender.send(Err(error));
                return;
            }
        };
        let read_at = Instant::now();
        let Ok(permit) = budget.reserve_blocking(block.bytes as u64) else { return };
        if sender.send(Ok(QueuedBlock { block, permit, read_at })).is_err() {
            return;
        }
    }
}
