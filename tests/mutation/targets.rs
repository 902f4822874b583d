//! What is fed with mutated input: how an input is made, and what has to hold of it. An input is plain bytes, so that a
//! file that was saved for a failure is all that it takes to see it again.

use std::path::Path;

use binlogd::binlog::codec::Declared;
use binlogd::binlog::table_map::WireType;
use binlogd::binlog::{EventType, Flavor};
use binlogd::schema::ddl::Dialect;

use super::bytes::{self, mutate};
use super::chain::Player;
use super::corpus::{self, Event, Group, Recording};
use super::{codecs, ddl, documents, events, gtids, payloads};
use crate::dice::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Whole files: any event, their headers and their order.
    Event,
    TableMap,
    Rows,
    /// Compressed transactions (MySQL), compressed statements and rows (MariaDB).
    Payload,
    /// Compressed transactions (MySQL) by both readers.
    Payloads,
    /// Statements inside of files: status variables and SQL.
    Statement,
    Json,
    Geometry,
    /// Any other type of column.
    Value,
    Gtid,
    Charset,
    Ddl,
}

/// Each with its name and how many inputs `make test` tries.
pub const ALL: [(Target, &str, u64); 12] = [
    (Target::Event, "event", 4_000),
    (Target::TableMap, "table-map", 4_000),
    (Target::Rows, "rows", 5_000),
    (Target::Payload, "payload", 2_000),
    (Target::Payloads, "both-payload-readers", 1_000),
    (Target::Statement, "statement", 3_000),
    (Target::Json, "json", 40_000),
    (Target::Geometry, "geometry", 40_000),
    (Target::Value, "value", 100_000),
    (Target::Gtid, "gtid", 40_000),
    (Target::Charset, "charset", 40_000),
    (Target::Ddl, "ddl", 10_000),
];

/// What the inputs are made from.
pub struct Corpus {
    recordings: Vec<Recording>,
    /// Recording and group of every group with such events.
    rows: Vec<(usize, usize)>,
    statements: Vec<(usize, usize)>,
    texts: Vec<(Dialect, Vec<u8>)>,
}

impl Corpus {
    pub fn load(folder: &Path) -> Self {
        let recordings = corpus::all(folder);
        let places = |which: fn(&Group) -> bool| {
            let groups =
                recordings.iter().enumerate().flat_map(|(r, rec)| rec.groups.iter().enumerate().map(move |(g, group)| (r, g, group)));
            groups.filter(|(_, _, group)| which(group)).map(|(r, g, _)| (r, g)).collect::<Vec<_>>()
        };
        let (rows, statements) = (places(|g| g.rows), places(|g| g.statement));
        let dialect = |rec: &Recording| match rec.flavor {
            Flavor::MySql => Dialect::MySql,
            Flavor::MariaDb => Dialect::MariaDb,
        };
        let texts = recordings
            .iter()
            .flat_map(|rec| rec.groups.iter().flat_map(|g| &g.events).filter_map(Event::sql).map(|sql| (dialect(rec), sql)))
            .filter(|(_, sql)| sql.len() > 8)
            .collect();
        Corpus { recordings, rows, statements, texts }
    }

    fn donor(&self, dice: &mut Dice, wanted: Option<EventType>) -> Event {
        for _ in 0..20 {
            let (r, g) = self.rows[dice.below(self.rows.len())];
            let events = &self.recordings[r].groups[g].events;
            let event = &events[dice.below(events.len())];
            if wanted.is_none() || event.kind() == wanted {
                return event.clone();
            }
        }
        let (r, g) = self.rows[dice.below(self.rows.len())];
        self.recordings[r].groups[g].events[0].clone()
    }
}

impl Target {
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, n, _)| *n == name).map(|(target, ..)| *target)
    }

    pub fn name(self) -> &'static str {
        ALL.iter().find(|(target, ..)| *target == self).map_or("", |(_, name, _)| name)
    }

    /// Whether its inputs are files.
    pub fn is_file(self) -> bool {
        matches!(self, Target::Event | Target::TableMap | Target::Rows | Target::Payload | Target::Payloads | Target::Statement)
    }

    pub fn make(self, corpus: &Corpus, dice: &mut Dice) -> Vec<u8> {
        match self {
            _ if self.is_file() => file(self, corpus, dice),
            Target::Json => mutated(documents::json(dice), dice),
            Target::Geometry => mutated(documents::geometry(dice), dice),
            Target::Value => {
                let count = 4 + dice.below(40);
                let mut bytes: Vec<u8> =
                    (0..count).map(|_| if dice.percent(30) { bytes::odd(dice) as u8 } else { dice.next() as u8 }).collect();
                if dice.percent(30) {
                    // A length that fits.
                    bytes[3] = 11 + (bytes[3] & 0xf0);
                    bytes.insert(4, (count - 4) as u8);
                }
                bytes
            }
            Target::Gtid => gtids::input(dice),
            Target::Charset => {
                let count = 1 + dice.below(30);
                let mut bytes: Vec<u8> =
                    (0..count).map(|_| if dice.percent(30) { dice.next() as u8 & 0x7f } else { dice.next() as u8 }).collect();
                if dice.percent(30) {
                    mutate(&mut bytes, 1, &[], dice);
                }
                bytes
            }
            _ => ddl::input(&corpus.texts, dice),
        }
    }

    /// Feeds an input. `Err` says what must not be; a panic is one too.
    pub fn run(self, input: &[u8], player: &mut Player) -> Result<(), String> {
        match self {
            Target::Payloads => payloads::run(input, player),
            _ if self.is_file() => player.play(input),
            Target::Json => codecs::rendered(WireType::Json { pack: 4 }, Declared::Json, input),
            Target::Geometry => codecs::rendered(WireType::Geometry { pack: 4 }, Declared::Geometry, input),
            Target::Value => codecs::value(input),
            Target::Gtid => gtids::run(input),
            Target::Charset => codecs::charset(input),
            _ => ddl::run(input),
        }
    }
}

fn mutated(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let donor = bytes.clone();
    for _ in 0..dice.below(4) {
        mutate(&mut bytes, 0, &donor, dice);
    }
    bytes
}

/// A small file: the statements that made the tables, and one or two groups of which events are mutated.
fn file(target: Target, corpus: &Corpus, dice: &mut Dice) -> Vec<u8> {
    let among = if target == Target::Statement { &corpus.statements } else { &corpus.rows };
    let packs = matches!(target, Target::Payload | Target::Payloads);
    let mut place = among[dice.below(among.len())];
    while target == Target::Payloads && corpus.recordings[place.0].flavor == Flavor::MariaDb {
        place = among[dice.below(among.len())];
    }
    let (r, g) = place;
    let recording = &corpus.recordings[r];
    let from = if dice.percent(90) { g } else { g.saturating_sub(dice.below(3)) };
    let mut list: Vec<Event> = recording.prelude.clone();
    list.extend(recording.groups[..from].iter().filter(|group| group.statement).flat_map(|group| group.events.iter().cloned()));
    let first = if target == Target::Event && dice.percent(5) { 0 } else { list.len() };
    list.extend(recording.groups[from..=g].iter().flat_map(|group| group.events.iter().cloned()));
    let wanted = |event: &Event| match target {
        Target::TableMap => event.kind() == Some(EventType::TableMap),
        Target::Rows => event.is_rows(),
        Target::Statement => event.kind() == Some(EventType::Query),
        _ => true,
    };
    let places: Vec<usize> = (first..list.len()).filter(|i| wanted(&list[*i])).collect();
    let mutations = if packs { dice.below(2) } else { 1 + dice.below(3) };
    for _ in 0..mutations {
        if let Some(at) = dice.of(&places) {
            let kind = list[*at].kind();
            let donor = corpus.donor(dice, kind);
            events::event(&mut list[*at], &donor, dice);
        }
    }
    if packs {
        pack(recording, &mut list, first, dice);
    }
    if target == Target::Event && dice.percent(50) {
        reorder(corpus, &mut list, first, dice);
    }
    let mut bytes = corpus::file(list.iter(), dice.percent(10));
    match dice.below(30) {
        // Damage that the checksum has to find, and a file that is cut.
        0 => mutate(&mut bytes, 0, &[], dice),
        1 => bytes.truncate(dice.below(bytes.len())),
        _ => {}
    }
    bytes.insert(0, dice.next() as u8);
    bytes
}

fn pack(recording: &Recording, list: &mut Vec<Event>, first: usize, dice: &mut Dice) {
    if recording.flavor == Flavor::MariaDb {
        for event in &mut list[first..] {
            if dice.percent(80) {
                events::mariadb_compressed(event, dice);
            }
        }
        return;
    }
    let start = list[first..].iter().position(|e| e.sql().is_some_and(|sql| sql == b"BEGIN")).map(|i| first + i);
    let Some(start) = start else {
        // Recorded as a payload: its own bytes.
        if let Some(event) = list[first..].iter_mut().find(|e| e.kind() == Some(EventType::TransactionPayload)) {
            mutate(&mut event.body, 0, &[], dice);
        }
        return;
    };
    let mut inner: Vec<Event> = list.drain(start..).collect();
    if dice.percent(40) {
        let at = dice.below(inner.len());
        let donor = inner[dice.below(inner.len())].clone();
        events::event(&mut inner[at], &donor, dice);
    }
    let mut outer = events::payload(&inner, dice);
    if dice.percent(5) {
        // A payload in a payload.
        let nested = [inner[0].clone(), outer];
        outer = events::payload(&nested, dice);
    }
    list.push(outer);
}

/// Events that go, come twice, change places, or come from elsewhere.
fn reorder(corpus: &Corpus, list: &mut Vec<Event>, first: usize, dice: &mut Dice) {
    for _ in 0..1 + dice.below(3) {
        let room = list.len() - first;
        if room == 0 {
            return;
        }
        let (a, b) = (first + dice.below(room), first + dice.below(room));
        match dice.below(5) {
            0 => {
                list.remove(a);
            }
            1 => {
                let event = list[a].clone();
                list.insert(b, event);
            }
            2 => list.swap(a, b),
            3 => list.insert(a, corpus.donor(dice, None)),
            _ => list[a] = corpus.donor(dice, None),
        }
    }
}
