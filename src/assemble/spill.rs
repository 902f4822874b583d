//! One transaction's raw events: in memory up to a byte budget, then in a file.

use crate::error::Result;

use super::transaction::TxnEvent;

#[derive(Debug, Default)]
pub struct SpillBuffer {}

impl SpillBuffer {
    pub fn next(&mut self) -> Result<Option<TxnEvent>> {
        todo!()
    }
}
