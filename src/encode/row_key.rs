//! A key for rows of tables without a primary key: a hash of all their values, so that a row keeps its key from its insert to its
//! delete and a compacted topic can forget it. Never here: where the key stands in a message.

use sha2::{Digest, Sha256};

use super::image::Cell;

/// Bytes of the hash that are kept; written as twice as many hexadecimal digits.
const BYTES: usize = 16;

/// The hash of a row as text. `cells` are the values as they stand in the binlog, in the table's order; each counts with its
/// length, so that no two rows of the same columns run into each other. NULL is not an empty value, and a column that the
/// image lacks is neither.
pub fn text(cells: impl Iterator<Item = Cell>, images: &[u8]) -> [u8; 2 * BYTES] {
    let mut hash = Sha256::new();
    for cell in cells {
        match (cell, cell.value(images)) {
            (_, Some(value)) => {
                hash.update([2]);
                hash.update((value.len() as u64).to_le_bytes());
                hash.update(value);
            }
            (Cell::Absent, None) => hash.update([0]),
            (_, None) => hash.update([1]),
        }
    }
    let mut out = [0; 2 * BYTES];
    for (byte, digits) in hash.finalize().iter().zip(out.chunks_exact_mut(2)) {
        for (digit, place) in [byte >> 4, byte & 15].into_iter().zip(digits) {
            *place = digit + if digit < 10 { b'0' } else { b'a' - 10 };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_counts() {
        let images = b"abcab";
        let value = |start, len| Cell::Value { start, len };
        let hash = |cells: &[Cell]| String::from_utf8(text(cells.iter().copied(), images).to_vec()).expect("digits");
        let rows: &[&[Cell]] = &[
            &[value(0, 2), value(2, 1)],
            &[value(0, 1), value(1, 2)],
            &[value(0, 3)],
            &[value(0, 3), value(0, 0)],
            &[value(0, 3), Cell::Null],
            &[value(0, 3), Cell::Absent],
            &[Cell::Null, value(0, 3)],
            &[],
        ];
        let hashes: std::collections::BTreeSet<String> = rows.iter().map(|row| hash(row)).collect();
        assert_eq!(hashes.len(), rows.len());
        assert!(hashes.iter().all(|h| h.len() == 2 * BYTES));
        // The place does not count.
        assert_eq!(hash(&[value(0, 2)]), hash(&[value(3, 2)]));
        // SHA-256 of nothing, cut off.
        assert_eq!(hash(&[]), "e3b0c44298fc1c149afbf4c8996fb924");
    }
}
