//! Which positions can be stored at all: Maxwell's `binlog_position` column has 32 bits, and it reads 31 of them
//! (contract §2.5, design §4). Never here: SQL.

use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Position};

/// Maxwell reads the column as a signed 32-bit number.
const MAXWELL_MAX: u64 = i32::MAX as u64;

/// The column's value for an offset. Beyond 32 bits it is the column's highest: no stored position of that file lies
/// behind it, so everything that compares offsets with it stays right.
pub(super) fn column_value(offset: u64) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Watches the positions that one process saves.
#[derive(Debug, Default)]
pub(super) struct OffsetGuard {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last position that was saved.
    last: Option<BinlogPosition>,
    warned_beyond_31: bool,
    warned_beyond_32: bool,
}

impl OffsetGuard {
    /// Whether a position is to be written.
    ///
    /// # Errors
    /// Bug when it lies before one that was saved already. Only file positions of one series can be compared; in GTID
    /// mode a failover may lead to lower ones.
    pub fn check(&self, position: &Position, gtid_mode: bool) -> Result<bool> {
        let at = &position.at;
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !gtid_mode && at.offset > u64::from(u32::MAX) {
            if !std::mem::replace(&mut state.warned_beyond_32, true) {
                tracing::warn!(position = %at, "positions from 2^32 on cannot be stored; a restart begins before them until the binlog's next file");
            }
            return Ok(false);
        }
        if at.offset > MAXWELL_MAX && !std::mem::replace(&mut state.warned_beyond_31, true) {
            tracing::warn!(position = %at, "Maxwell cannot start from positions from 2^31 on");
        }
        if let Some(last) = state.last.as_ref().filter(|last| !gtid_mode && same_series(last, at) && at.is_before(last)) {
            return Err(Error::bug(format!("the stored position would go back from {last} to {at}")));
        }
        Ok(true)
    }

    /// The position was written.
    pub fn saved(&self, at: &BinlogPosition) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.last = Some(at.clone());
    }
}

fn same_series(a: &BinlogPosition, b: &BinlogPosition) -> bool {
    let series = |p: &BinlogPosition| p.file.rsplit_once('.').map(|(name, _)| name.to_owned());
    series(a).is_some() && series(a) == series(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, offset: u64) -> Position {
        Position::new(BinlogPosition::new(file, offset))
    }

    #[test]
    fn offsets_beyond_the_column_are_passed_over_in_file_mode() {
        let guard = OffsetGuard::default();
        for (offset, stored) in [(4, true), (1 << 31, true), ((1 << 32) - 1, true), (1 << 32, false), (1 << 40, false)] {
            assert_eq!(guard.check(&at("m.000001", offset), false).unwrap(), stored, "{offset}");
            assert!(guard.check(&at("m.000001", offset), true).unwrap());
        }
        assert_eq!([column_value(7), column_value(1 << 31), column_value(1 << 32)], [7, 1 << 31, u32::MAX]);
    }

    #[test]
    fn going_back_is_a_bug() {
        let guard = OffsetGuard::default();
        guard.saved(&at("m.000002", 500).at);
        for (file, offset, ok) in
            [("m.000002", 500, true), ("m.000002", 499, false), ("m.000001", 900, false), ("m.000010", 4, true), ("n.000001", 4, true)]
        {
            assert_eq!(guard.check(&at(file, offset), false).is_ok(), ok, "{file}:{offset}");
            assert!(guard.check(&at(file, offset), true).is_ok());
        }
    }
}
