//! MariaDB's binlog checkpoint: the oldest file that crash recovery may still need. It says nothing about data.

use super::cursor::utf8;
use super::{Cursor, DecodeError, RawEvent};

/// Name of the oldest file that the server still needs to recover.
pub fn parse(event: &RawEvent) -> Result<&str, DecodeError> {
    let mut c = Cursor::new(&event.body);
    let len = c.u32("checkpoint file name")?;
    let len = usize::try_from(len).map_err(|_| DecodeError::invalid("checkpoint file name", format!("length {len}")))?;
    utf8(c.take(len, "checkpoint file name")?, "checkpoint file name")
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};

    #[test]
    fn names_a_file() {
        let body = b"\x04\0\0\0a.01";
        assert_eq!(super::parse(&raw(161, body)).unwrap(), "a.01");
        refuses_cuts(161, body, body.len(), |e| super::parse(e).map(str::to_owned));
    }
}
