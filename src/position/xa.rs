//! XA transactions: their names, and where the rows of a prepared one stand in the binlog.

use std::fmt;

use super::{BinlogPosition, Gtid, Position};

/// Name of an XA transaction (X/Open "xid"), as the client chose it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct XaName {
    pub format_id: i32,
    pub gtrid: Vec<u8>,
    pub bqual: Vec<u8>,
}

/// Longest of each part, in bytes (MySQL manual, "XA Transaction SQL Statements").
const PART_SIZE_MAX: usize = 64;

impl XaName {
    /// Reads what `Display` writes: the form that both servers log, `X'6272',X'',1` (MySQL `sql/xa.h`, `serialize_xid`).
    /// Blanks around it are passed over, and so are words behind it.
    pub fn parse(text: &[u8]) -> Option<XaName> {
        let (gtrid, rest) = hex_literal(text)?;
        let (bqual, rest) = hex_literal(rest.trim_ascii_start().strip_prefix(b",")?)?;
        let number = rest.trim_ascii_start().strip_prefix(b",")?.trim_ascii_start();
        let end = number.iter().position(|b| !(b.is_ascii_digit() || *b == b'-')).unwrap_or(number.len());
        let format_id = std::str::from_utf8(number.get(..end)?).ok()?.parse().ok()?;
        Some(XaName { format_id, gtrid, bqual })
    }
}

/// `X'6272'` and what follows it.
fn hex_literal(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"X'").or_else(|| text.strip_prefix(b"x'"))?;
    let end = text.iter().position(|b| *b == b'\'')?;
    let (digits, rest) = (text.get(..end)?, text.get(end + 1..)?);
    if digits.len() % 2 != 0 || digits.len() > 2 * PART_SIZE_MAX {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let bytes: Option<Vec<u8>> = digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    Some((bytes?, rest))
}

impl fmt::Display for XaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.gtrid, &self.bqual] {
            f.write_str("X'")?;
            part.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
            f.write_str("',")?;
        }
        write!(f, "{}", self.format_id)
    }
}

/// Where a prepared transaction stands: one group of one file, from the GTID event to the prepare event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XaPlace {
    pub name: XaName,
    pub start: BinlogPosition,
    /// Where the prepare event ends, in the same file.
    pub end: u64,
    /// Of the prepare, which is a group by itself.
    pub gtid: Option<Gtid>,
}

impl XaPlace {
    pub fn end(&self) -> BinlogPosition {
        BinlogPosition { offset: self.end, ..self.start.clone() }
    }
}

impl fmt::Display for XaPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

/// A prepared transaction that a commit or a rollback has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XaDecided {
    pub place: XaPlace,
    /// End of the deciding statement.
    pub end: BinlogPosition,
    /// Its GTID.
    pub gtid: Option<Gtid>,
}

impl XaDecided {
    /// Whether a process that begins at `position` does not meet the decision again.
    pub fn is_behind(&self, position: &Position) -> bool {
        is_executed(self.gtid.as_ref(), &self.end, position)
    }
}

impl XaPlace {
    /// Whether a process that begins at `position` does not meet the prepare again.
    pub fn is_behind(&self, position: &Position) -> bool {
        is_executed(self.gtid.as_ref(), &self.end(), position)
    }
}

/// By the GTID where both sides have one, because files have other names behind a failover.
fn is_executed(gtid: Option<&Gtid>, end: &BinlogPosition, position: &Position) -> bool {
    match (gtid, &position.gtids) {
        // Of the other flavor it is none of this stream's.
        (Some(gtid), Some(set)) => set.contains(gtid).unwrap_or(false),
        _ => !position.at.is_before(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Gtids;

    #[test]
    fn names_are_read_as_they_are_written() {
        let name = XaName { format_id: 3, gtrid: b"br\xff".to_vec(), bqual: Vec::new() };
        assert_eq!(name.to_string(), "X'6272ff',X'',3");
        for text in ["X'6272ff',X'',3", "  x'6272FF' , X'' , 3 ONE PHASE", " X'6272ff',X'',3;"] {
            assert_eq!(XaName::parse(text.as_bytes()), Some(name.clone()), "{text}");
        }
        let negative = XaName::parse(b"X'',X'71',-1").expect("a name");
        assert_eq!((negative.format_id, negative.bqual), (-1, b"q".to_vec()));
        let long = format!("X'{}',X'',1", "00".repeat(65));
        for text in ["", "X'6',X'',1", "X'6g',X'',1", "X'62'", "X'62',X''", "X'62',X'',", "'62',X'',1", "X'62',X'',99999999999", &long] {
            assert_eq!(XaName::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_was_executed_is_told_by_gtids_first() {
        let name = XaName { format_id: 1, gtrid: b"a".to_vec(), bqual: Vec::new() };
        let gtid = |n| Gtid::parse(&format!("7-1-{n}")).expect("a GTID");
        let place = XaPlace { name, start: BinlogPosition::new("m.000009", 100), end: 300, gtid: Some(gtid(5)) };
        let at = |file: &str, offset, gtids: Option<&str>| Position {
            at: BinlogPosition::new(file, offset),
            gtids: gtids.map(|g| Gtids::parse(g).expect("a set")),
            heartbeat: 0,
        };
        for (position, behind) in [
            (at("m.000009", 300, None), true),
            (at("m.000009", 299, None), false),
            (at("m.000010", 4, None), true),
            // The new server's files have other numbers.
            (at("m.000002", 4, Some("7-1-5")), true),
            (at("m.000012", 4, Some("7-1-4")), false),
        ] {
            assert_eq!(place.is_behind(&position), behind, "{position:?}");
            let decided = XaDecided { place: place.clone(), end: place.end(), gtid: place.gtid.clone() };
            assert_eq!(decided.is_behind(&position), behind, "{position:?}");
        }
    }
}
