//! Damaged events, and what the error says of each: the place, the server, the table, the column, its type and type bytes, and
//! what to do.

use std::path::Path;

use binlogd::binlog::EventType;

use super::chain::Player;
use super::corpus::{self, Event};

/// What is done to an event's body.
enum Damage {
    /// So many bytes are cut off its end.
    Cut(usize),
    /// These bytes come behind it.
    Add(&'static [u8]),
    /// The first place with these bytes gets those.
    Put(&'static [u8], &'static [u8]),
}

/// Recorded case, type of the event, which one of them, damage, and what the error has to say.
type Case = (&'static str, EventType, usize, Damage, &'static [&'static str]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("mysql-9.7/ints", EventType::WriteRowsV2, 0, Damage::Cut(1), &[
        "column value needs 8 bytes, 7 are left", "column g_ints.widths.bu of type bigint", "wire type 8", "mutated.000001:1440",
        "3511c417-e54e-11f1-b4f5-02fc00000001:739", "server 9.7.4-2",
    ]),
    ("mysql-5.6/ints", EventType::WriteRowsV2, 0, Damage::Cut(1), &[
        "column value needs 8 bytes, 7 are left", "column g_ints.widths.bu of type bigint", "wire type 8", "mutated.000001:1055",
        "server 5.6.24-log",
    ]),
    ("mariadb-10.11/ints", EventType::WriteRowsV1, 0, Damage::Cut(1), &[
        "column value needs 8 bytes, 7 are left", "column g_ints.widths.bu of type bigint", "wire type 8", "mutated.000001:1353", "7-104-663",
        "server 10.11.19-MariaDB",
    ]),
    ("mysql-9.7/json", EventType::WriteRowsV2, 0, Damage::Put(&[0x0c], &[0x3f]), &[
        "bad json: type byte 0x3f", "column g_json.j.d of type json", "wire type 245 metadata 04", "mutated.000001:1035", "server 9.7.4-2",
    ]),
    ("mysql-9.7/decimals", EventType::WriteRowsV2, 0, Damage::Cut(3), &[
        "column value needs 7 bytes, 4 are left", "column g_decimals.d.dd of type decimal", "wire type 246 metadata 0c 07", "mutated.000001:1259",
        "server 9.7.4-2",
    ]),
    ("mysql-9.7/ints", EventType::WriteRowsV2, 0, Damage::Add(&[0]), &[
        "a row cannot be read", "null bits of a row needs 2 bytes, 1 are left", "table g_ints.widths", "mutated.000001:1440", "server 9.7.4-2",
    ]),
    ("mariadb-10.11/enums", EventType::TableMap, 0, Damage::Cut(2), &[
        "a table map cannot be read", "mutated.000001:", "server 10.11.19-MariaDB",
    ]),
    ("mysql-9.7/compression", EventType::TransactionPayload, 0, Damage::Cut(2), &[
        "Transaction_payload", "mutated.000001:", "server 9.7.4-2",
    ]),
];

fn damaged(case: &str, kind: EventType, nth: usize, damage: &Damage) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures/golden").join(case);
    let recording = corpus::Recording::open(&folder.join("binlog"));
    let mut events: Vec<Event> = recording.prelude;
    events.extend(recording.groups.into_iter().flat_map(|g| g.events));
    let event = events.iter_mut().filter(|e| e.kind() == Some(kind)).nth(nth).unwrap_or_else(|| panic!("{case} has no such event"));
    match damage {
        Damage::Cut(bytes) => event.body.truncate(event.body.len() - bytes),
        Damage::Add(bytes) => event.body.extend_from_slice(bytes),
        Damage::Put(there, instead) => {
            let at = memchr::memmem::find(&event.body, there).unwrap_or_else(|| panic!("{case}: the bytes {there:x?} are not there"));
            event.body[at..at + instead.len()].copy_from_slice(instead);
        }
    }
    corpus::file(events.iter(), false)
}

#[test]
fn errors_say_what_is_damaged() {
    let mut player = Player::new();
    for (case, kind, nth, damage, says) in CASES {
        let file = damaged(case, *kind, *nth, damage);
        let error = player.error_of(&file).unwrap_or_else(|| panic!("{case}: the damage is not noticed"));
        let text = error.to_string();
        for word in *says {
            assert!(text.contains(word), "{case}: {word:?} is missing in: {text}");
        }
        assert!(error.hint_text().is_some(), "{case}: no hint: {text}");
    }
}
