//! GTID sets as text and as bytes, and GTID events.

use binlogd::binlog::event::EventHeader;
use binlogd::binlog::gtid::GtidEvent;
use binlogd::binlog::mariadb_gtid::MariadbGtidEvent;
use binlogd::binlog::{RawEvent, previous_gtids};
use binlogd::position::{Gtid, GtidSet, Gtids};

use super::bytes::{self, mutate};
use crate::dice::Dice;

pub fn input(dice: &mut Dice) -> Vec<u8> {
    let kind = dice.below(6) as u8;
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let number = |dice: &mut Dice| if dice.percent(80) { dice.below(100) as u64 } else { bytes::odd(dice) };
    let mut text = String::new();
    for i in 0..1 + dice.below(4) {
        if i > 0 {
            text.push(',');
        }
        if kind < 2 {
            text.push_str(uuid);
            for _ in 0..1 + dice.below(4) {
                if dice.percent(20) {
                    text.push_str(":tag_");
                }
                let (a, b) = (number(dice), number(dice));
                text.push_str(&if dice.percent(50) { format!(":{a}") } else { format!(":{a}-{b}") });
            }
        } else {
            text.push_str(&format!("{}-{}-{}", number(dice), number(dice), number(dice)));
        }
    }
    let mut body = match kind {
        0..3 => text.into_bytes(),
        3 => text.parse::<GtidSet>().map(|set| set.encode()).unwrap_or_else(|_| {
            let set: GtidSet = format!("{uuid}:1-5:7,{uuid}:tag:3-9").parse().expect("a set");
            set.encode()
        }),
        _ => (0..dice.below(60)).map(|_| if dice.percent(50) { dice.below(16) as u8 } else { dice.next() as u8 }).collect(),
    };
    for _ in 0..dice.below(3) {
        mutate(&mut body, 0, &[], dice);
    }
    body.insert(0, kind);
    body
}

pub fn run(input: &[u8]) -> Result<(), String> {
    let Some((kind, body)) = input.split_first() else { return Ok(()) };
    match kind {
        0..3 => {
            let text = String::from_utf8_lossy(body);
            let _ = Gtid::parse(&text);
            let Ok(set) = Gtids::parse(&text) else { return Ok(()) };
            // A source without intervals is an empty set, to the server too; its text does not tell whose.
            if set.is_empty() {
                return Ok(());
            }
            let again = Gtids::parse(&set.to_string()).map_err(|e| format!("{set} cannot be read back: {e}"))?;
            if set != again {
                return Err(format!("{set} comes back as {again}"));
            }
            let mut merged = set.clone();
            merged.merge(&again).map_err(|e| e.to_string())?;
            if merged != set || !set.is_subset(&merged).map_err(|e| e.to_string())? {
                return Err(format!("{set} and itself are {merged}"));
            }
            if let Gtids::MySql(set) = &set {
                let encoded = previous_gtids::parse_set(&set.encode()).map_err(|e| format!("{set} is not decoded: {e}"))?;
                if encoded != *set || !set.subtract(&encoded).is_empty() || set.union(&encoded) != *set {
                    return Err(format!("{set} is decoded as {encoded}"));
                }
            }
        }
        3 => {
            let _ = previous_gtids::parse_set(body);
        }
        kind => {
            let type_code = if *kind == 4 { [33, 34, 42, 162][usize::from(body.first().copied().unwrap_or(0) & 3)] } else { 42 };
            let header = EventHeader { timestamp: 0, type_code, server_id: 1, size: 0, next_position: 0, flags: 0 };
            let event = RawEvent { header, body: body.to_vec().into() };
            let _ = GtidEvent::parse(&event);
            let _ = MariadbGtidEvent::parse(&event);
            let _ = previous_gtids::parse(&event);
        }
    }
    Ok(())
}
