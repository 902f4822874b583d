//! Mutations of bytes that know nothing of what the bytes mean.

use crate::dice::Dice;

/// Values at which lengths and signs turn over.
const ODD: [u64; 22] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    0x7f,
    0x80,
    0xfa,
    0xfb,
    0xfc,
    0xfd,
    0xfe,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
];

/// Changes the bytes from `from` on in one way. `donor` lends pieces.
pub fn mutate(bytes: &mut Vec<u8>, from: usize, donor: &[u8], dice: &mut Dice) {
    let from = from.min(bytes.len());
    let room = bytes.len() - from;
    if room == 0 {
        let count = 1 + dice.below(8);
        bytes.extend((0..count).map(|_| dice.next() as u8));
        return;
    }
    let at = from + dice.below(room);
    let length = |dice: &mut Dice, most: usize| 1 + if dice.percent(80) { dice.below(most.min(8)) } else { dice.below(most) };
    match dice.below(12) {
        0 | 1 => bytes[at] ^= 1 << dice.below(8),
        2 => bytes[at] = dice.next() as u8,
        3 => bytes[at] = odd(dice) as u8,
        4 => bytes[at] = bytes[at].wrapping_add(1),
        5 => bytes[at] = bytes[at].wrapping_sub(1),
        6 => {
            // A number of two, four or eight bytes.
            let width = [2, 4, 8][dice.below(3)].min(bytes.len() - at);
            let value = if dice.percent(70) { odd(dice) } else { dice.next() };
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        7 => {
            let count = length(dice, bytes.len() - at);
            bytes.drain(at..at + count);
        }
        8 => {
            let count = length(dice, bytes.len() - at).min(4096);
            let piece = bytes[at..at + count].to_vec();
            let times = if dice.percent(90) { 1 } else { 1 + dice.below(20) };
            bytes.splice(at..at, std::iter::repeat_n(piece, times).flatten());
        }
        9 => {
            let count = length(dice, 16);
            let fill = (dice.percent(30)).then(|| odd(dice) as u8);
            let piece: Vec<u8> = (0..count).map(|_| fill.unwrap_or_else(|| dice.next() as u8)).collect();
            bytes.splice(at..at, piece);
        }
        10 => bytes.truncate(at),
        _ if donor.is_empty() => bytes[at] = !bytes[at],
        _ => {
            let start = dice.below(donor.len());
            let count = length(dice, donor.len() - start).min(1024);
            let end = if dice.percent(50) { at } else { (at + count).min(bytes.len()) };
            bytes.splice(at..end, donor[start..start + count].iter().copied());
        }
    }
}

/// One of the odd numbers, or one beside it.
pub fn odd(dice: &mut Dice) -> u64 {
    ODD[dice.below(ODD.len())].wrapping_add((dice.below(3) as u64).wrapping_sub(1))
}

/// A length-encoded number as the servers write it.
pub fn lenenc(value: u64, out: &mut Vec<u8>) {
    match value {
        0..=250 => out.push(value as u8),
        251..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&value.to_le_bytes()[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&value.to_le_bytes()[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// Reads a length-encoded number; how many bytes it takes.
pub fn read_lenenc(bytes: &[u8]) -> Option<(u64, usize)> {
    let number = |n: usize| {
        let bytes = bytes.get(1..=n)?;
        Some((bytes.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b)), n + 1))
    };
    match *bytes.first()? {
        n @ 0..=250 => Some((u64::from(n), 1)),
        0xfc => number(2),
        0xfd => number(3),
        0xfe => number(8),
        _ => None,
    }
}
