//! XA_prepare events, and the name of an XA transaction wherever one is written.

use std::fmt;

use crate::position::xa::XaName;

use super::{Cursor, DecodeError, RawEvent};

/// Name of an XA transaction (X/Open "xid"), as the client chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct XaId<'a> {
    pub format_id: i32,
    pub gtrid: &'a [u8],
    pub bqual: &'a [u8],
}

/// Longest of each part (`XA` statements, MySQL manual: "gtrid and bqual … up to 64 bytes").
const PART_SIZE_MAX: usize = 64;

/// The event that ends the rows of `XA PREPARE` or `XA COMMIT … ONE PHASE`
/// (MySQL `libs/mysql/binlog/event/control_events.h`, `XA_prepare_event`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XaPrepare<'a> {
    /// The transaction is committed here; otherwise a later `XA COMMIT` or `XA ROLLBACK` query decides.
    pub one_phase: bool,
    pub xid: XaId<'a>,
}

impl<'a> XaPrepare<'a> {
    pub fn parse(event: &'a RawEvent) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(&event.body);
        let one_phase = c.u8("one-phase mark")? != 0;
        let format_id = c.u32("xid format")?.cast_signed();
        let gtrid_size = c.u32("xid length")?;
        let bqual_size = c.u32("xid length")?;
        let xid = XaId { format_id, gtrid: part(&mut c, gtrid_size)?, bqual: part(&mut c, bqual_size)? };
        Ok(XaPrepare { one_phase, xid })
    }
}

fn part<'a>(c: &mut Cursor<'a>, size: u32) -> Result<&'a [u8], DecodeError> {
    match usize::try_from(size) {
        Ok(size) if size <= PART_SIZE_MAX => c.take(size, "xid"),
        _ => Err(DecodeError::invalid("xid length", format!("{size}, more than {PART_SIZE_MAX}"))),
    }
}

impl<'a> XaId<'a> {
    pub fn to_name(self) -> XaName {
        XaName { format_id: self.format_id, gtrid: self.gtrid.to_vec(), bqual: self.bqual.to_vec() }
    }

    /// Reads the form with one byte for each length, which MariaDB's GTID event has.
    pub(super) fn read_short(c: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let format_id = c.u32("xid format")?.cast_signed();
        let gtrid_size = c.u8("xid length")?;
        let bqual_size = c.u8("xid length")?;
        Ok(XaId { format_id, gtrid: part(c, gtrid_size.into())?, bqual: part(c, bqual_size.into())? })
    }
}

/// As both servers write it into `XA COMMIT` and `XA ROLLBACK` queries: `X'6272',X'',1`.
impl fmt::Display for XaId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [self.gtrid, self.bqual] {
            f.write_str("X'")?;
            part.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
            f.write_str("',")?;
        }
        write!(f, "{}", self.format_id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::{raw, refuses_cuts};
    use super::*;

    #[test]
    fn prepare() {
        let body = b"\x01\x03\0\0\0\x04\0\0\0\x01\0\0\0gtidq";
        let event = raw(38, body);
        let prepare = XaPrepare::parse(&event).unwrap();
        assert!(prepare.one_phase);
        assert_eq!(prepare.xid.to_string(), "X'67746964',X'71',3");
        refuses_cuts(38, body, body.len(), |e| XaPrepare::parse(e).map(|_| ()));
        let mut long = *body;
        long[5] = 65;
        XaPrepare::parse(&raw(38, &long)).unwrap_err();
    }
}
