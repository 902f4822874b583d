//! Incident events: the server tells its replicas that changes may be missing from the binlog.

use std::borrow::Cow;

use super::{Cursor, DecodeError, RawEvent};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident<'a> {
    /// 1 is "lost events", the only one that servers write.
    pub number: u16,
    /// Why, in the server's words.
    pub message: Cow<'a, str>,
}

impl<'a> Incident<'a> {
    pub fn parse(event: &'a RawEvent) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let number = c.u16("incident number")?;
        let len = c.u8("incident message")?;
        let message = c.take(usize::from(len), "incident message")?;
        Ok(Incident { number, message: String::from_utf8_lossy(message) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    #[test]
    fn number_and_message() {
        let body = b"\x01\0\x04lost";
        assert_eq!(Incident::parse(&raw(26, body)).unwrap(), Incident { number: 1, message: "lost".into() });
        refuses_cuts(26, body, body.len(), |e| Incident::parse(e).map(|_| ()));
    }
}
