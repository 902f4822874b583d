//! Rotate events: the file that follows, real (last in its file) or artificial (first of every dump).

use super::cursor::utf8;
use super::{Cursor, DecodeError, RawEvent};

/// Whether it is artificial is in the header's flags, and in `next_position` 0; the position says nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotate<'a> {
    /// Offset in the named file where the next event stands.
    pub position: u64,
    pub file: &'a str,
}

impl<'a> Rotate<'a> {
    pub fn parse(event: &'a RawEvent) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let position = c.u64("rotate position")?;
        // Some servers end the name with a NUL.
        let name = c.take_rest();
        let name = name.split(|b| *b == 0).next().unwrap_or(name);
        if name.is_empty() {
            return Err(DecodeError::invalid("rotate file name", "it is empty"));
        }
        Ok(Rotate { position, file: utf8(name, "rotate file name")? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    #[test]
    fn names_the_next_file() {
        let body = b"\x04\0\0\0\0\0\0\0master.000012";
        assert_eq!(Rotate::parse(&raw(4, body)).unwrap(), Rotate { position: 4, file: "master.000012" });
        refuses_cuts(4, body, 9, |e| Rotate::parse(e).map(|_| ()));
    }
}
