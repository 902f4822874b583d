//! The Xid event: an ordinary transaction's commit.

use super::{Cursor, DecodeError, RawEvent};

/// The server's number of the transaction that ends here.
pub fn parse(event: &RawEvent) -> Result<u64, DecodeError> {
    Cursor::new(&event.body).u64("xid")
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};

    #[test]
    fn xid() {
        let body = 77_777_777_777u64.to_le_bytes();
        assert_eq!(super::parse(&raw(16, &body)).unwrap(), 77_777_777_777);
        refuses_cuts(16, &body, 8, super::parse);
    }
}
