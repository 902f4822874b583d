//! Heartbeats of the dump thread: the server is alive and has nothing to send. They are in no file and move no position.

use super::cursor::utf8;
use super::{Cursor, DecodeError, EventType, RawEvent};

/// Where the dump thread stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat<'a> {
    pub file: &'a str,
    /// Version 1 has it in the event header only, modulo 2^32; version 2 in full.
    pub position: u64,
}

/// Fields of version 2 (`libs/mysql/binlog/event/codecs/binary.h`, class `Heartbeat`): type, length, value; all
/// length-encoded integers.
mod field {
    pub const END: u64 = 0;
    pub const FILE: u64 = 1;
    pub const POSITION: u64 = 2;
}

impl<'a> Heartbeat<'a> {
    pub fn parse(event: &'a RawEvent) -> Result<Self, DecodeError> {
        match event.event_type() {
            Some(EventType::HeartbeatV2) => Self::parse_v2(event),
            _ => Ok(Heartbeat { file: utf8(&event.body, "heartbeat file name")?, position: u64::from(event.header.next_position) }),
        }
    }

    fn parse_v2(event: &'a RawEvent) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let mut heartbeat = Heartbeat { file: "", position: u64::from(event.header.next_position) };
        while !c.is_empty() {
            let kind = c.lenenc("heartbeat field")?;
            if kind == field::END {
                break;
            }
            let value = c.lenenc_bytes("heartbeat field")?;
            match kind {
                field::FILE => heartbeat.file = utf8(value, "heartbeat file name")?,
                field::POSITION => heartbeat.position = Cursor::new(value).lenenc("heartbeat position")?,
                _ => {}
            }
        }
        Ok(heartbeat)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::raw;
    use super::*;

    #[test]
    fn both_versions() {
        let v1 = raw(27, b"master.000003");
        assert_eq!(Heartbeat::parse(&v1).unwrap(), Heartbeat { file: "master.000003", position: 0 });
        let v2 = raw(41, b"\x01\x0dmaster.000003\x09\x02zz\x02\x09\xfe\0\0\0\0\x01\0\0\0\0");
        assert_eq!(Heartbeat::parse(&v2).unwrap(), Heartbeat { file: "master.000003", position: 1 << 32 });
        Heartbeat::parse(&raw(41, b"\x01\x0dmaster")).unwrap_err();
    }
}
