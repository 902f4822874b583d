//! What the real Maxwell made of one binlog under each of many combinations of options, and what we make of it: topic, partition, key
//! and value of every message, each partition in its order. `scripts/record.sh` made the recording; no server is needed here.

#[path = "golden/json.rs"]
#[allow(dead_code)]
mod json;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use binlogd::assemble::spill::SpillDir;
use binlogd::assemble::{AssembleOptions, Assembler, Bound, Captured, TableRequest};
use binlogd::config::cli::parse_in;
use binlogd::config::{Config, Invocation, Surroundings};
use binlogd::daemon::chain::{Chain, Flow, Hooks};
use binlogd::daemon::wire::output_options;
use binlogd::encode::Encoder;
use binlogd::encode::batch::{Batch, MessageKind, Topics};
use binlogd::encode::quirks;
use binlogd::error::{Error, Result};
use binlogd::position::{BinlogPosition, Position};
use binlogd::producer::kafka::partition_of;
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::{Schema, SchemaId};
use binlogd::source::file::BinlogFile;

const ARCHIVE: &str = "tests/fixtures/recorded.tar.zst";
/// Random parts are masked in the recording, and here.
const NO_UUID: &str = "00000000-0000-0000-0000-000000000000";
/// The database in which each table is named by the quirk that it shows.
const QUIRKS: &str = "quirks";

#[derive(serde::Deserialize)]
struct Recording {
    /// The name of the binlog file on its server.
    binlog_file: String,
    combinations: Vec<Combination>,
    texts: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Combination {
    name: String,
    kind: String,
    options: BTreeMap<String, String>,
    /// Numbers of partitions.
    topics: BTreeMap<String, i32>,
    /// By `TOPIC/PARTITION`: key, value, key, value, …, each a number of `texts`.
    messages: BTreeMap<String, Vec<usize>>,
}

impl Combination {
    /// Partitions of rows are drawn by lot.
    fn is_by_lot(&self) -> bool {
        let is_random = |option: &str| self.options.get(option).is_some_and(|way| way == "random");
        is_random("producer_partition_by") || is_random("producer_partition_by_fallback")
    }

    fn config(&self, quirks: bool) -> Config {
        let mut text = String::from("host=localhost\nuser=maxwell\npassword=x\nproducer=kafka\nkafka.bootstrap.servers=localhost:9092\n");
        text += &format!("maxwell_quirks={quirks}\n");
        for (option, value) in &self.options {
            // A blank at a value's beginning would be dropped.
            let blank = if value.starts_with(' ') { "\\" } else { "" };
            text += &format!("{option}={blank}{}\n", value.replace('\\', "\\\\"));
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("config.properties"), text).expect("a file");
        let around = Surroundings { directory: folder.path().to_path_buf(), ..Surroundings::default() };
        match parse_in(std::iter::empty(), &around) {
            Ok(Invocation::Run(config)) => *config,
            other => panic!("{}: {other:?}", self.name),
        }
    }
}

/// A message as it is compared; `place` is topic and partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    place: String,
    key: String,
    value: String,
}

impl Message {
    fn is_ddl(&self) -> bool {
        self.value.starts_with("{\"type\":")
    }

    /// Of a table of `quirks`, or the database itself.
    fn quirk(&self) -> Option<String> {
        let members = json::Members::of(&self.value)?;
        (members.text("database")? == QUIRKS).then(|| members.text("table").unwrap_or_default())
    }
}

/// Messages by their places, in order. Where partitions are drawn by lot rows have no place but their topic.
fn by_place(messages: Vec<Message>, by_lot: bool) -> BTreeMap<String, Vec<Message>> {
    let mut places: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for mut message in messages {
        // The order of two members of definitions depends on the Java process.
        if message.is_ddl() {
            message.value = json::ddl_in_one_order(&message.value).expect("JSON");
        } else if by_lot && let Some((topic, _)) = message.place.rsplit_once('/') {
            message.place = topic.to_owned();
        }
        places.entry(message.place.clone()).or_default().push(message);
    }
    if by_lot {
        places.values_mut().for_each(|messages| messages.sort());
    }
    places
}

struct Fixture {
    binlog: PathBuf,
    recording: Recording,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn open() -> Self {
        let archive = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(ARCHIVE)).expect(ARCHIVE);
        let mut archive = tar::Archive::new(zstd::stream::Decoder::new(archive).expect("zstd"));
        let folder = tempfile::tempdir().expect("a folder");
        let (binlog, mut text) = (folder.path().join("binlog"), String::new());
        for entry in archive.entries().expect("a tar archive") {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a name").to_string_lossy().into_owned();
            match name.as_str() {
                "binlog" => drop(entry.unpack(&binlog).expect("unpacked")),
                "combinations.json" => drop(entry.read_to_string(&mut text).expect("text")),
                _ => {}
            }
        }
        Fixture { binlog, recording: serde_json::from_str(&text).expect("JSON"), _folder: folder }
    }

    fn maxwells(&self, combination: &Combination) -> Vec<Message> {
        let text = |number: usize| self.recording.texts[number].clone();
        let mut messages = Vec::new();
        for (place, numbers) in &combination.messages {
            let of_place = numbers.chunks_exact(2);
            messages.extend(of_place.map(|pair| Message { place: place.clone(), key: text(pair[0]), value: text(pair[1]) }));
        }
        messages
    }

    fn ours(&self, combination: &Combination, quirks: bool) -> Vec<Message> {
        let config = combination.config(quirks);
        let folder = tempfile::tempdir().expect("a folder");
        let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
        let filter = Arc::new(config.filter.clone());
        let assemble = AssembleOptions {
            schema_database: config.schema_database.clone(),
            client_id: config.client_id.clone(),
            filter: filter.clone(),
            row_queries: config.output.row_query,
            memory_bytes: 1 << 20,
            gtid_mode: config.gtid_mode,
            event_bytes_max: 1 << 24,
        };
        let schema = Schema { charset: "utf8mb4".into(), ..Schema::default() };
        let start = BinlogPosition::new(self.recording.binlog_file.as_str(), 4);
        let mut assembler = Assembler::new(assemble, spill, schema, None, start, 0);
        if quirks {
            assembler.see_as_maxwell();
        }
        let topics = Arc::new(Topics::new());
        let encoder = Encoder::new(output_options(&config), topics.clone());
        let mut chain = Chain::new(assembler, encoder, filter, config.output.ddl, None);
        let mut taker = Taker { combination, topics, messages: Vec::new() };
        let mut file = BinlogFile::open(&self.binlog).expect("a binlog");
        while let Some(event) = file.next_event().expect("a whole file") {
            let flow = chain.event(event, &mut taker).unwrap_or_else(|e| panic!("{}: {e}", combination.name));
            assert_eq!(flow, Flow::On, "{}", combination.name);
        }
        chain.flush(&mut taker).expect("the last batch");
        taker.messages
    }
}

/// The producer's part: names of topics, and partitions by the number that each topic has.
struct Taker<'a> {
    combination: &'a Combination,
    topics: Arc<Topics>,
    messages: Vec<Message>,
}

impl Hooks for Taker<'_> {
    fn save_schema(&mut self, _: Option<SchemaId>, _: &[SchemaChange], _: &Schema, _: &Position) -> Result<SchemaId> {
        Ok(1)
    }

    fn fetch_tables(&mut self, request: &TableRequest, _: &Schema) -> Result<(Vec<Captured>, Bound)> {
        Err(Error::bug(format!("every definition is in the recorded file, and yet: {}", request.why)))
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        for message in &batch.messages {
            let topic = self.topics.name(message.topic);
            let partitions = *self.combination.topics.get(&*topic).ok_or_else(|| Error::bug(format!("a message for the topic {topic}")))?;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
            let key = text(message.key.of(&batch.arena));
            self.messages.push(Message {
                place: format!("{topic}/{}", partition_of(message.partition_hash, partitions)),
                key: masked(key, message.kind == MessageKind::Ddl),
                value: text(message.value.of(&batch.arena)),
            });
        }
        Ok(())
    }
}

fn masked(mut key: String, is_ddl: bool) -> String {
    const MEMBER: &str = "\"_uuid\":\"";
    let at = match key.find(MEMBER) {
        _ if is_ddl => 0,
        Some(at) => at + MEMBER.len(),
        None => return key,
    };
    let (end, uuid) = (at + NO_UUID.len(), key.get(at..at + NO_UUID.len()).unwrap_or_default());
    assert!(uuid::Uuid::try_parse(uuid).is_ok_and(|uuid| uuid.get_version_num() == 4), "{key}");
    assert!(!is_ddl || end == key.len(), "{key}");
    key.replace_range(at..end, NO_UUID);
    key
}

/// The first difference of two lists of messages, or nothing.
fn difference(theirs: &BTreeMap<String, Vec<Message>>, ours: &BTreeMap<String, Vec<Message>>) -> Option<String> {
    let places: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    places.into_iter().find_map(|place| {
        let list = |of: &BTreeMap<String, Vec<Message>>| of.get(place).cloned().unwrap_or_default();
        let (theirs, ours) = (list(theirs), list(ours));
        let at = (0..theirs.len().max(ours.len())).find(|at| theirs.get(*at) != ours.get(*at))?;
        let show = |of: &[Message]| of.get(at).map_or("nothing".into(), |m| format!("{} {}", m.key, m.value));
        Some(format!(
            "{place}, message {at} of {}, ours are {}\n    Maxwell {}\n    ours    {}",
            theirs.len(),
            ours.len(),
            show(&theirs),
            show(&ours)
        ))
    })
}

/// Calls `look` with every combination, on as many threads as there are processors.
fn each(fixture: &Fixture, look: impl Fn(&Combination) -> Vec<String> + Sync) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get()) {
            scope.spawn(|| {
                while let Some(combination) = fixture.recording.combinations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = look(combination);
                    let told = found
                        .into_iter()
                        .map(|why| format!("{} ({}) {:?}: {why}", combination.name, combination.kind, combination.options));
                    failures.lock().expect("no panic").extend(told);
                }
            });
        }
    });
    failures.into_inner().expect("no panic")
}

fn told(failures: &[String]) -> String {
    format!("{} differ:\n{}", failures.len(), failures.iter().take(10).cloned().collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_recording_has_every_way_to_choose_a_partition() {
    let recording = Fixture::open().recording;
    assert!(recording.combinations.len() >= 240, "{} combinations", recording.combinations.len());
    let messages: usize = recording.combinations.iter().flat_map(|c| c.messages.values()).map(|numbers| numbers.len() / 2).sum();
    println!("{} combinations, {messages} messages, {} texts", recording.combinations.len(), recording.texts.len());
    let with = |wanted: &[(&str, &str)]| {
        let has = |c: &&Combination| wanted.iter().all(|(option, value)| c.options.get(*option).is_some_and(|v| v == value));
        recording.combinations.iter().filter(has).count()
    };
    for hash in ["default", "murmur3"] {
        for keys in ["hash", "array"] {
            let all = [("kafka_partition_hash", hash), ("kafka_key_format", keys)];
            for by in ["database", "table", "primary_key", "transaction_id", "thread_id", "random"] {
                assert!(with(&[&all[..], &[("producer_partition_by", by)]].concat()) >= 3, "{by} {all:?}");
                let column = [("producer_partition_by", "column"), ("producer_partition_by_fallback", by)];
                assert!(with(&[&all[..], &column].concat()) >= 3, "{column:?} {all:?}");
            }
        }
    }
}

#[test]
fn with_quirks_every_message_is_maxwells() {
    let fixture = Fixture::open();
    let failures = each(&fixture, |combination| {
        let by_lot = combination.is_by_lot();
        let (theirs, ours) = (fixture.maxwells(combination), fixture.ours(combination, true));
        difference(&by_place(theirs, by_lot), &by_place(ours, by_lot)).into_iter().collect()
    });
    assert!(failures.is_empty(), "{}", told(&failures));
}

/// What differs by default is in the tables that are there for it, and each of these is named by its entry in the table of quirks.
#[test]
fn by_default_only_listed_quirks_differ() {
    let fixture = Fixture::open();
    let (seen, differing) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    let failures = each(&fixture, |combination| {
        let by_lot = combination.is_by_lot();
        let split = |messages: Vec<Message>| -> (Vec<Message>, Vec<Message>) { messages.into_iter().partition(|m| m.quirk().is_none()) };
        let (theirs, their_quirks) = split(fixture.maxwells(combination));
        let (ours, our_quirks) = split(fixture.ours(combination, false));
        let mut failures: Vec<String> = difference(&by_place(theirs, by_lot), &by_place(ours, by_lot)).into_iter().collect();
        let by_table = |messages: Vec<Message>| {
            let mut tables: BTreeMap<String, BTreeSet<Message>> = BTreeMap::new();
            for message in by_place(messages, by_lot).into_values().flatten() {
                tables.entry(message.quirk().unwrap_or_default()).or_default().insert(message);
            }
            tables
        };
        let (theirs, ours) = (by_table(their_quirks), by_table(our_quirks));
        if !theirs.keys().eq(ours.keys()) {
            failures.push(format!("other tables of quirks: {:?}, ours {:?}", theirs.keys(), ours.keys()));
        }
        for (table, theirs) in &theirs {
            let ours = ours.get(table).cloned().unwrap_or_default();
            // Each table has rows in which Maxwell is right, too.
            if theirs.len() != ours.len() || theirs.is_disjoint(&ours) {
                failures.push(format!("{table}: nothing is the same\n    Maxwell {theirs:?}\n    ours    {ours:?}"));
            }
            seen.lock().expect("no panic").insert(table.clone());
            if *theirs != ours {
                differing.lock().expect("no panic").insert(table.clone());
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", told(&failures));
    // The database's own DDL messages differ in nothing.
    let mut seen = seen.into_inner().expect("no panic");
    assert!(seen.remove(""), "DDL messages of the database");
    assert_eq!(seen, differing.into_inner().expect("no panic"), "tables that differ");
    assert!(seen.len() >= 8, "{seen:?}");
    for table in &seen {
        assert!(quirks::named(table).is_some(), "{table} is in no list");
    }
}
