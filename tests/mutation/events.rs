//! Mutations that know the form of an event: its counts, bitmaps, types, metadata fields, status variables, labels.

use std::io::Write;

use binlogd::binlog::EventType;

use super::bytes::{self, lenenc, mutate, odd, read_lenenc};
use super::corpus::Event;
use super::statement;
use crate::dice::Dice;

/// Changes one event in one way; `donor` is another event, of which pieces are taken.
pub fn event(event: &mut Event, donor: &Event, dice: &mut Dice) {
    if dice.percent(6) {
        return header(event, dice);
    }
    let from = if dice.percent(20) { 0 } else { fixed_part(event) };
    if dice.percent(35) {
        return mutate(&mut event.body, from, &donor.body, dice);
    }
    match event.kind() {
        Some(EventType::TableMap) => table_map(event, donor, dice),
        Some(EventType::Query) => query(event, donor, dice),
        Some(EventType::GtidTagged) => mutate(&mut event.body, 0, &donor.body, dice),
        Some(kind) if kind.is_rows() => rows(event, donor, dice),
        _ => mutate(&mut event.body, from, &donor.body, dice),
    }
}

/// So many bytes at the front are ids and flags.
fn fixed_part(event: &Event) -> usize {
    match event.kind() {
        Some(EventType::Query) => 13,
        Some(EventType::Gtid | EventType::AnonymousGtid) => 17,
        Some(kind) if kind.is_rows() || kind == EventType::TableMap => 8,
        _ => 0,
    }
}

fn header(event: &mut Event, dice: &mut Dice) {
    const KINDS: [u8; 34] = [
        1, 2, 3, 4, 5, 13, 14, 15, 16, 17, 18, 19, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 38, 39, 40, 41, 42, 160, 162, 163,
        164,
    ];
    let h = &mut event.header;
    match dice.below(5) {
        0 => h.timestamp = odd(dice) as u32,
        1 => h.server_id = odd(dice) as u32,
        2 => h.flags ^= 1 << dice.below(16),
        3 => h.type_code = KINDS[dice.below(KINDS.len())],
        _ => h.type_code = dice.next() as u8,
    }
}

/// Post-header, names, types, metadata, null bits, optional fields.
struct TableMapParts {
    head: Vec<u8>,
    types: Vec<u8>,
    metadata: Vec<u8>,
    nulls: Vec<u8>,
    fields: Vec<(u8, Vec<u8>)>,
    columns: u64,
}

fn table_map_parts(body: &[u8]) -> Option<TableMapParts> {
    let mut at = 8;
    for _ in 0..2 {
        at += usize::from(*body.get(at)?) + 2;
    }
    let head = body.get(..at)?.to_vec();
    let (columns, n) = read_lenenc(&body[at..])?;
    at += n;
    let piece = |at: usize, length: u64| body.get(at..at.checked_add(usize::try_from(length).ok()?)?).map(<[u8]>::to_vec);
    let types = piece(at, columns)?;
    at += types.len();
    let (length, n) = read_lenenc(body.get(at..)?)?;
    at += n;
    let metadata = piece(at, length)?;
    at += metadata.len();
    let nulls = body.get(at..at + types.len().div_ceil(8))?.to_vec();
    at += nulls.len();
    let mut fields = Vec::new();
    while let Some(kind) = body.get(at) {
        let (length, n) = read_lenenc(&body[at + 1..])?;
        at += 1 + n;
        fields.push((*kind, piece(at, length)?));
        at += length as usize;
    }
    Some(TableMapParts { head, types, metadata, nulls, fields, columns })
}

impl TableMapParts {
    fn bytes(&self, wrong_length: Option<(usize, u64)>) -> Vec<u8> {
        let mut out = self.head.clone();
        lenenc(self.columns, &mut out);
        out.extend_from_slice(&self.types);
        lenenc(self.metadata.len() as u64, &mut out);
        out.extend_from_slice(&self.metadata);
        out.extend_from_slice(&self.nulls);
        for (i, (kind, value)) in self.fields.iter().enumerate() {
            out.push(*kind);
            let length = wrong_length.filter(|(at, _)| *at == i).map_or(value.len() as u64, |(_, length)| length);
            lenenc(length, &mut out);
            out.extend_from_slice(value);
        }
        out
    }
}

/// Type codes, known and unknown.
const TYPES: [u8; 34] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 140, 141, 242, 243, 244, 245, 246, 247, 248, 249, 252, 254,
    255,
];

fn table_map(event: &mut Event, donor: &Event, dice: &mut Dice) {
    let Some(mut parts) = table_map_parts(&event.body) else { return mutate(&mut event.body, 8, &donor.body, dice) };
    let mut wrong_length = None;
    let column = dice.below(parts.types.len().max(1));
    let fields = parts.fields.len();
    match dice.below(11) {
        0 if !parts.types.is_empty() => parts.types[column] = TYPES[dice.below(TYPES.len())],
        1 if parts.types.len() > 1 => {
            let other = dice.below(parts.types.len());
            parts.types.swap(column, other);
        }
        2 if !parts.metadata.is_empty() => mutate(&mut parts.metadata, 0, &[], dice),
        3 => parts.columns = if dice.percent(50) { parts.columns.wrapping_add(1) } else { odd(dice) },
        4 => {
            // One column more or less, in all places at once.
            if dice.percent(50) {
                parts.types.push(TYPES[dice.below(20)]);
            } else {
                parts.types.pop();
            }
            parts.columns = parts.types.len() as u64;
            parts.nulls.resize(parts.types.len().div_ceil(8), 0);
        }
        5 if fields > 0 => {
            let at = dice.below(fields);
            wrong_length = Some((at, odd(dice)));
        }
        6 if fields > 0 => parts.fields[dice.below(fields)].0 = dice.below(16) as u8,
        7 if fields > 0 => {
            parts.fields.remove(dice.below(fields));
        }
        8 if fields > 0 => {
            let field = parts.fields[dice.below(fields)].clone();
            parts.fields.insert(dice.below(fields), field);
        }
        9 if fields > 1 => {
            let (a, b) = (dice.below(fields), dice.below(fields));
            parts.fields.swap(a, b);
        }
        _ if fields > 0 => {
            let theirs = table_map_parts(&donor.body);
            let field = &mut parts.fields[dice.below(fields)];
            let lent = theirs.and_then(|t| t.fields.into_iter().find(|(kind, _)| *kind == field.0));
            match lent {
                Some((_, value)) if dice.percent(40) => field.1 = value,
                _ => mutate(&mut field.1, 0, &[], dice),
            }
        }
        _ => mutate(&mut parts.head, 6, &[], dice),
    }
    event.body = parts.bytes(wrong_length);
}

/// The places of a rows event: the bitmaps, and where the images begin.
fn rows_places(event: &Event) -> Option<(usize, usize, usize)> {
    let kind = event.kind()?;
    let mut at = 8;
    use EventType::*;
    if matches!(kind, WriteRowsV2 | UpdateRowsV2 | DeleteRowsV2 | PartialUpdateRows) {
        at += usize::from(u16::from_le_bytes(event.body.get(at..at + 2)?.try_into().ok()?)).max(2);
    }
    let width_at = at;
    let (columns, n) = read_lenenc(event.body.get(at..)?)?;
    at += n;
    let bitmap = usize::try_from(columns).ok()?.div_ceil(8);
    let bitmaps = at;
    let update = matches!(kind, UpdateRowsV1 | UpdateRowsV2 | PartialUpdateRows);
    at = at.checked_add(bitmap.checked_mul(if update { 2 } else { 1 })?)?;
    (at <= event.body.len()).then_some((width_at, bitmaps, at))
}

fn rows(event: &mut Event, donor: &Event, dice: &mut Dice) {
    let Some((width_at, bitmaps, images)) = rows_places(event) else { return mutate(&mut event.body, 8, &donor.body, dice) };
    let room = event.body.len() - images;
    match dice.below(10) {
        0 => event.header.type_code = [23, 24, 25, 30, 31, 32, 39][dice.below(7)],
        1 => event.body[dice.below(6)] = dice.below(4) as u8,
        2 => event.body[width_at] = event.body[width_at].wrapping_add([1, 255, 8, 0x80][dice.below(4)]),
        3 if images > bitmaps => event.body[bitmaps + dice.below(images - bitmaps)] ^= 1 << dice.below(8),
        // The null bits of the first image.
        4 if room > 0 => event.body[images] ^= 1 << dice.below(8),
        5 if room > 0 => {
            let piece = event.body[images..].to_vec();
            let times = 1 + dice.below(if room < 1000 { 40 } else { 2 });
            for _ in 0..times {
                event.body.extend_from_slice(&piece);
            }
        }
        6 => {
            let theirs = rows_places(donor).map_or(0, |(_, _, images)| images);
            event.body.truncate(images);
            event.body.extend_from_slice(&donor.body[theirs..]);
        }
        _ => mutate(&mut event.body, images, &donor.body, dice),
    }
}

fn query(event: &mut Event, donor: &Event, dice: &mut Dice) {
    const HEAD: usize = 13;
    let body = &event.body;
    if body.len() < HEAD {
        return mutate(&mut event.body, 0, &donor.body, dice);
    }
    let status = usize::from(u16::from_le_bytes([body[11], body[12]]));
    let sql = HEAD + status + usize::from(body[8]) + 1;
    if sql > body.len() {
        return mutate(&mut event.body, 0, &donor.body, dice);
    }
    match dice.below(6) {
        // Lengths and the error code.
        0 => event.body[8 + dice.below(5)] = odd(dice) as u8,
        1 if status > 0 => {
            let mut block = body[HEAD..HEAD + status].to_vec();
            mutate(&mut block, 0, &donor.body, dice);
            let length = (block.len() as u16).to_le_bytes();
            event.body.splice(HEAD..HEAD + status, block);
            event.body[11..13].copy_from_slice(&length);
        }
        _ => {
            let lent = donor.sql().unwrap_or_default();
            let text = statement::mutate(&body[sql..], &lent, dice);
            event.body.truncate(sql);
            event.body.extend_from_slice(&text);
        }
    }
}

/// Packs events into one as MySQL's `binlog_transaction_compression` does.
pub fn payload(events: &[Event], dice: &mut Dice) -> Event {
    let mut inner = Vec::new();
    for event in events {
        let size = (19 + event.body.len()) as u32;
        inner.extend_from_slice(&event.bytes(size, 0));
    }
    let announced = if dice.percent(95) { inner.len() as u64 } else { odd(dice) };
    if dice.percent(20) {
        mutate(&mut inner, 0, &[], dice);
    }
    let (method, mut data) = if dice.percent(70) { (0, zstd::encode_all(&inner[..], 1).expect("memory")) } else { (255, inner) };
    if dice.percent(15) {
        mutate(&mut data, 0, &[], dice);
    }
    let mut body = Vec::new();
    let mut field = |kind: u64, value: u64| {
        let mut number = Vec::new();
        lenenc(value, &mut number);
        lenenc(kind, &mut body);
        lenenc(number.len() as u64, &mut body);
        body.extend_from_slice(&number);
    };
    field(2, if dice.percent(98) { method } else { odd(dice) });
    field(3, announced);
    if dice.percent(5) {
        field(dice.below(8) as u64, odd(dice));
    }
    field(1, if dice.percent(97) { data.len() as u64 } else { odd(dice) });
    body.push(0);
    body.extend_from_slice(&data);
    let mut event = Event { header: events[0].header, body };
    event.header.type_code = EventType::TransactionPayload as u8;
    event
}

/// Packs a statement or rows event as MariaDB's `log_bin_compress` does; others stay.
pub fn mariadb_compressed(event: &mut Event, dice: &mut Dice) {
    use EventType::*;
    let (code, head) = match event.kind() {
        Some(Query) if event.body.len() > 13 => {
            let status = usize::from(u16::from_le_bytes([event.body[11], event.body[12]]));
            (MariaQueryCompressed, 13 + status + usize::from(event.body[8]) + 1)
        }
        Some(kind) => {
            let code = match kind {
                WriteRowsV1 => MariaWriteRowsCompressedV1,
                UpdateRowsV1 => MariaUpdateRowsCompressedV1,
                DeleteRowsV1 => MariaDeleteRowsCompressedV1,
                WriteRowsV2 => MariaWriteRowsCompressed,
                UpdateRowsV2 => MariaUpdateRowsCompressed,
                DeleteRowsV2 => MariaDeleteRowsCompressed,
                _ => return,
            };
            let Some((_, _, images)) = rows_places(event) else { return };
            (code, images)
        }
        None => return,
    };
    if head > event.body.len() {
        return;
    }
    let tail = event.body.split_off(head);
    let length = if dice.percent(95) { tail.len() as u32 } else { odd(dice) as u32 };
    let size = if dice.percent(95) { 4 } else { dice.below(8) };
    event.body.push(0x80 | size as u8);
    event.body.extend_from_slice(&length.to_be_bytes()[4 - size.min(4)..]);
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&tail).expect("memory");
    let mut stream = encoder.finish().expect("memory");
    if dice.percent(15) {
        bytes::mutate(&mut stream, 0, &[], dice);
    }
    event.body.extend_from_slice(&stream);
    event.header.type_code = code as u8;
}
