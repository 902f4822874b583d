//! Random binary JSON and WKB, well-formed; the mutations come on top.

use crate::dice::Dice;

/// A JSON document as MySQL stores it; some have elements that share their bytes, which no server writes.
pub fn json(dice: &mut Dice) -> Vec<u8> {
    if dice.percent(5) {
        return shared(dice);
    }
    let (kind, body) = json_value(dice, 0);
    [vec![kind], body].concat()
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut n = bytes.len();
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out.extend_from_slice(bytes);
    out
}

fn json_value(dice: &mut Dice, depth: usize) -> (u8, Vec<u8>) {
    let random = |dice: &mut Dice, n: usize| (0..n).map(|_| dice.next() as u8).collect::<Vec<u8>>();
    if depth < 12 && dice.percent(if depth == 0 { 80 } else { 30 }) {
        return container(dice, depth);
    }
    match dice.below(10) {
        0 => (4, vec![dice.below(3) as u8]),
        1 => (5 + dice.below(2) as u8, random(dice, 2)),
        2 => (7 + dice.below(2) as u8, random(dice, 4)),
        3 => (9 + dice.below(2) as u8, random(dice, 8)),
        4 => (11, (dice.next() as i64 as f64 / 1e6).to_le_bytes().to_vec()),
        5 | 6 => {
            let count = dice.below(20);
            (12, counted(&(0..count).map(|_| b' ' + dice.below(95) as u8).collect::<Vec<_>>()))
        }
        7 => {
            // DECIMAL(10,4): one byte, four bytes, two bytes.
            let digits = [10, 4, 0x80, 1, 2, 3, 0, 5];
            (15, [&[246][..], &counted(&digits)].concat())
        }
        8 => (15, [&[[7, 10, 11, 12][dice.below(4)]][..], &counted(&random(dice, 8))].concat()),
        _ => {
            let count = dice.below(30);
            (15, [&[dice.next() as u8][..], &counted(&random(dice, count))].concat())
        }
    }
}

/// Arrays in arrays, all elements of each at one place: read by their offsets they are many times as large.
fn shared(dice: &mut Dice) -> Vec<u8> {
    let (mut kind, mut body) = (12, counted(b"text"));
    for _ in 0..1 + dice.below(12) {
        let count = 1 + dice.below(12);
        let offset = 8 + count * 5;
        let mut outer = [(count as u32).to_le_bytes(), ((offset + body.len()) as u32).to_le_bytes()].concat();
        for _ in 0..count {
            outer.push(kind);
            outer.extend_from_slice(&(offset as u32).to_le_bytes());
        }
        outer.extend_from_slice(&body);
        (kind, body) = (3, outer);
    }
    [vec![kind], body].concat()
}

fn container(dice: &mut Dice, depth: usize) -> (u8, Vec<u8>) {
    let (object, large) = (dice.percent(50), dice.percent(30));
    let count = dice.below(6);
    let values: Vec<(u8, Vec<u8>)> = (0..count).map(|_| json_value(dice, depth + 1)).collect();
    let keys: Vec<Vec<u8>> = (0..count).map(|i| format!("k{i}{}", dice.below(100)).into_bytes()).collect();
    let width = if large { 4 } else { 2 };
    let number = |n: usize| n.to_le_bytes()[..width].to_vec();
    let mut offset = 2 * width + count * (width + 1 + if object { width + 2 } else { 0 });
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    if object {
        for key in &keys {
            head.extend(number(offset));
            head.extend((key.len() as u16).to_le_bytes());
            tail.extend_from_slice(key);
            offset += key.len();
        }
    }
    for (kind, bytes) in &values {
        head.push(*kind);
        if matches!(kind, 4..=6) || large && matches!(kind, 7 | 8) {
            let mut slot = bytes.clone();
            slot.resize(width, 0);
            head.extend(slot);
        } else {
            head.extend(number(offset));
            tail.extend_from_slice(bytes);
            offset += bytes.len();
        }
    }
    let kind = u8::from(large) + if object { 0 } else { 2 };
    (kind, [number(count), number(offset), head, tail].concat())
}

/// An SRID and a geometry.
pub fn geometry(dice: &mut Dice) -> Vec<u8> {
    let mut out = (dice.below(3) as u32 * 4326).to_le_bytes().to_vec();
    let kind = 1 + dice.below(7) as u32;
    shape(kind, 0, &mut out, dice);
    out
}

fn shape(kind: u32, depth: usize, out: &mut Vec<u8>, dice: &mut Dice) {
    let little = dice.percent(90);
    let number = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
    out.push(u8::from(little));
    out.extend_from_slice(&number(kind));
    let points = |count: u32, out: &mut Vec<u8>, dice: &mut Dice| {
        for _ in 0..2 * count {
            let value = dice.next() as i32 as f64 / [1.0, 1000.0, 1e9][dice.below(3)];
            out.extend_from_slice(&if little { value.to_le_bytes() } else { value.to_be_bytes() });
        }
    };
    let count = if kind == 1 { 1 } else { dice.below(4) as u32 };
    match kind {
        1 => points(1, out, dice),
        2 => {
            out.extend_from_slice(&number(count));
            points(count, out, dice);
        }
        3 => {
            out.extend_from_slice(&number(count));
            for _ in 0..count {
                let inner = dice.below(5) as u32;
                out.extend_from_slice(&number(inner));
                points(inner, out, dice);
            }
        }
        _ => {
            out.extend_from_slice(&number(count));
            for _ in 0..count {
                let member = match kind {
                    4..=6 => kind - 3,
                    _ if depth < 6 => 1 + dice.below(7) as u32,
                    _ => 1,
                };
                shape(member, depth + 1, out, dice);
            }
        }
    }
}
