//! Mutations of SQL text by its words.

use super::bytes;
use crate::dice::Dice;

/// Words, signs and half-finished quotes that statements are made of.
const WORDS: [&str; 62] = [
    "(",
    ")",
    ",",
    ";",
    ".",
    "`",
    "'",
    "\"",
    "/*",
    "*/",
    "/*!",
    "/*!50100 ",
    "/*M! ",
    "-- ",
    "#",
    "\\",
    "@",
    "0x",
    "b'1'",
    "N'x'",
    "1e400",
    "99999999999999999999",
    "-1",
    "65536",
    "NULL",
    "DEFAULT",
    "CREATE",
    "ALTER",
    "DROP",
    "RENAME",
    "TABLE",
    "DATABASE",
    "TO",
    "LIKE",
    "SELECT",
    "IF NOT EXISTS",
    "IF EXISTS",
    "ADD",
    "COLUMN",
    "CHANGE",
    "MODIFY",
    "FIRST",
    "AFTER",
    "PRIMARY KEY",
    "KEY",
    "UNIQUE",
    "ENUM",
    "SET",
    "VARCHAR",
    "DECIMAL(65,30)",
    "CHARACTER SET",
    "COLLATE",
    "utf8mb4",
    "binary",
    "CONVERT TO",
    "PARTITION BY",
    "GENERATED ALWAYS AS",
    "PERIOD FOR",
    "WITH SYSTEM VERSIONING",
    "UNSIGNED ZEROFILL",
    "OR REPLACE",
    "TEMPORARY",
];

/// Cuts a text into words, signs and blanks, each with its own piece of the text.
fn words(text: &[u8]) -> Vec<&[u8]> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
    text.chunk_by(|a, b| is_word(*a) && is_word(*b)).collect()
}

/// The text, changed in one to three ways.
pub fn mutate(text: &[u8], donor: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = text.to_vec();
    for _ in 0..1 + dice.below(3) {
        out = once(&out, donor, dice);
    }
    out
}

fn once(text: &[u8], donor: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut list = words(text);
    let lent = words(donor);
    if list.is_empty() {
        return donor.to_vec();
    }
    let at = dice.below(list.len());
    let word = WORDS[dice.below(WORDS.len())].as_bytes();
    match dice.below(11) {
        0 => list[at] = word,
        1 => list.insert(at, word),
        2 => {
            list.remove(at);
        }
        3 => {
            let count = 1 + dice.below(20.min(list.len() - at));
            list.drain(at..at + count);
        }
        4 => {
            let count = 1 + dice.below(20.min(list.len() - at));
            let piece = list[at..at + count].to_vec();
            let times = if dice.percent(95) { 1 } else { 200 };
            for _ in 0..times {
                list.splice(at..at, piece.iter().copied());
            }
        }
        5 => {
            let other = dice.below(list.len());
            list.swap(at, other);
        }
        6 => list.truncate(at),
        7 if !lent.is_empty() => {
            let start = dice.below(lent.len());
            let count = 1 + dice.below((lent.len() - start).min(30));
            list.splice(at..at, lent[start..start + count].iter().copied());
        }
        // Deep, but no deeper than a statement of the servers' own limit could be.
        8 if dice.percent(10) => {
            let piece: &[u8] = [&b"("[..], b"CASE ", b"/*!", b"IF(", b"NOT ", b"SET STATEMENT a=1 FOR "][dice.below(6)];
            let deep = vec![piece; 20_000];
            list.splice(at..at, deep);
        }
        _ => {
            let mut out = text.to_vec();
            bytes::mutate(&mut out, 0, donor, dice);
            return out;
        }
    }
    list.concat()
}
