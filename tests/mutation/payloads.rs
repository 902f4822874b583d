//! Compressed transactions by both readers: received whole, and unpacked while they are received. Whatever the bytes, both
//! give the same messages, or both an error.

use std::io::Write;

use binlogd::daemon::read::read_unpacking;
use binlogd::error::Error;

use super::chain::Player;

/// What was printed, without keeping it.
#[derive(Default, PartialEq, Eq)]
struct Printed {
    bytes: u64,
    crc: u32,
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.crc);
        hasher.update(bytes);
        (self.bytes, self.crc) = (self.bytes + bytes.len() as u64, hasher.finalize());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The first byte chooses the options, the rest is the file.
pub fn run(input: &[u8], player: &mut Player) -> Result<(), String> {
    let Some((mark, file)) = input.split_first() else { return Ok(()) };
    player.put(file);
    let read = |above: u32| {
        let mut printed = Printed::default();
        let ended = read_unpacking(player.options(*mark), player.spill.clone(), &mut printed, Some(above));
        (printed, ended)
    };
    let (whole, whole_ended) = read(u32::MAX);
    let (unpacked, unpacked_ended) = read(0);
    let told = |ended: &Result<(), Error>| ended.as_ref().map_or_else(|e| e.to_string(), |()| "no error".into());
    if whole_ended.is_ok() != unpacked_ended.is_ok() {
        return Err(format!("whole: {}; unpacked while read: {}", told(&whole_ended), told(&unpacked_ended)));
    }
    if whole != unpacked {
        let lengths = (whole.bytes, unpacked.bytes);
        return Err(format!("other messages, of {lengths:?} bytes: {}, {}", told(&whole_ended), told(&unpacked_ended)));
    }
    unpacked_ended.as_ref().err().map_or(Ok(()), |error| player.judge(error))
}
