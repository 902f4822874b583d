//! What arrived, checked key by key, and the evidence when the check fails.
//!
//! At least once a message may come again, also late: what a killed daemon had sent can lie in the socket of a broker that stands
//! still, and be written behind its successor's messages. Such a copy is the same byte by byte and came before, so what holds is
//! this: along each key the *first* arrivals of all versions are in the order of the commits, without a gap.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

use super::cluster::{Cluster, NAMES};
use crate::live_support::delivery::Arrived;
use crate::live_support::environment::variable;
use crate::live_support::ledger::{self, Report, Seen};
use crate::live_support::load::journal::{RowKey, Transaction, rank};
use crate::live_support::topic::Record;

/// Keys whose story is told when the check fails.
const TOLD: usize = 3;

struct Arrival {
    seen: Seen,
    offset: i64,
    /// It came before.
    again: bool,
}

#[derive(Default)]
pub struct Arrivals {
    all: Vec<Arrival>,
    /// The newest version of each key.
    pub newest: HashMap<RowKey, Vec<u8>>,
    /// Repeats that are not the same.
    different: Vec<String>,
}

/// The figures of a check that found no fault.
pub struct Checked {
    pub report: Report,
    pub messages: usize,
    /// Messages that came again.
    pub again: usize,
    /// How often a copy came late, among its successors.
    pub late: usize,
}

impl Arrivals {
    /// Records in the order of each partition.
    pub fn read(database: &str, records: Vec<Record>) -> Arrivals {
        let (mut arrivals, mut reader) = (Arrivals::default(), Arrived::default());
        let mut bytes: HashMap<(RowKey, u64), Vec<u8>> = HashMap::new();
        for record in records {
            let (offset, value) = (record.offset, record.value.clone());
            reader.take(database, record);
            let seen = reader.seen.pop().expect("a message was taken");
            let place = (seen.key.clone(), rank(seen.op, seen.version));
            let first = bytes.get(&place);
            if first.is_some_and(|first| *first != value) {
                arrivals.different.push(format!("{place:?} came again with other bytes"));
            }
            let again = first.is_some();
            if !again {
                bytes.insert(place, value);
            }
            arrivals.all.push(Arrival { seen, offset, again });
        }
        let mut newest: HashMap<RowKey, (u64, Vec<u8>)> = HashMap::new();
        for ((key, rank), value) in bytes {
            let known = newest.entry(key).or_default();
            if rank >= known.0 {
                *known = (rank, value);
            }
        }
        arrivals.newest = newest.into_iter().map(|(key, (_, value))| (key, value)).collect();
        arrivals
    }

    /// `once`: nothing may come again.
    pub async fn check(&self, transactions: &[Transaction], once: bool, cluster: &Cluster, topic: &str) -> Result<Checked, String> {
        let firsts: Vec<Seen> = self.all.iter().filter(|a| once || !a.again).map(|a| a.seen.clone()).collect();
        let again = self.all.iter().filter(|a| a.again).count();
        let (report, mut faults) = match ledger::check(transactions, &firsts) {
            Ok(report) => (report, String::new()),
            Err(faults) => (Report::default(), faults),
        };
        if once && again > 0 {
            faults.push_str(&format!("\n{again} messages came again"));
        }
        for different in self.different.iter().take(TOLD) {
            faults.push_str(&format!("\n{different}"));
        }
        if !faults.is_empty() {
            return Err(format!("{faults}\n{}", self.evidence(&faults, cluster, topic).await));
        }
        Ok(Checked { report, messages: self.all.len(), again, late: self.late() })
    }

    /// How often a key's sequence goes on behind a gap: after a late copy.
    fn late(&self) -> usize {
        let mut known: HashMap<&RowKey, (Vec<u64>, usize)> = HashMap::new();
        let mut late = 0;
        for Arrival { seen, .. } in &self.all {
            let (ranks, next) = known.entry(&seen.key).or_default();
            let rank = rank(seen.op, seen.version);
            let at = ranks.iter().position(|r| *r == rank).unwrap_or(ranks.len());
            if at == ranks.len() {
                ranks.push(rank);
            }
            late += usize::from(at > *next);
            *next = at + 1;
        }
        late
    }

    /// Everything that arrived of the keys that the faults name (or that came again): where, and from which client.
    async fn evidence(&self, faults: &str, cluster: &Cluster, topic: &str) -> String {
        let mut keys: Vec<&RowKey> = Vec::new();
        for Arrival { seen, again, .. } in &self.all {
            if keys.len() < TOLD
                && !keys.contains(&&seen.key)
                && (faults.contains(&format!("{:?} ", seen.key)) || (*again && faults.contains("came again")))
            {
                keys.push(&seen.key);
            }
        }
        let mut text = String::new();
        let mut dumps: HashMap<i32, Vec<String>> = HashMap::new();
        for key in keys {
            text.push_str(&format!("\n{key:?}:"));
            for Arrival { seen, offset, again } in self.all.iter().filter(|a| a.seen.key == *key) {
                let dump = dumps.entry(seen.partition).or_insert_with(|| dump(cluster, topic, seen.partition));
                let batch = dump
                    .iter()
                    .find(|line| number(line, "baseOffset").zip(number(line, "lastOffset")).is_some_and(|(a, b)| (a..=b).contains(offset)));
                let batch = batch.map_or("(its batch was not found)", |line| line);
                text.push_str(&format!(
                    "\n  {:?} {} partition {} offset {offset}{}; {batch}",
                    seen.op,
                    seen.version,
                    seen.partition,
                    if *again { " again" } else { "" }
                ));
            }
        }
        text
    }
}

/// The batches of a partition as its leader's log has them (producer id, epoch, sequence, time), a line for each.
fn dump(cluster: &Cluster, topic: &str, partition: i32) -> Vec<String> {
    let leader = cluster.leaders.of(partition).min(NAMES.len() - 1);
    let folder = cluster.logs_of(leader, topic, partition);
    let files = std::fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    files.sort();
    let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let libs = format!("{}/kafka/libs/*", variable("BINLOGD_SERVERS_DIR").unwrap_or_default());
    let output = Command::new("java").args(["-cp", &libs, "kafka.tools.DumpLogSegments", "--files", &files.join(",")]).output();
    match output {
        Ok(output) => {
            String::from_utf8_lossy(&output.stdout).lines().filter(|l| l.starts_with("baseOffset: ")).map(str::to_owned).collect()
        }
        Err(error) => vec![format!("no log of {}: {error}", folder.display())],
    }
}

/// The number behind a name in a line of the dump.
fn number(line: &str, name: &str) -> Option<i64> {
    line.split(' ').skip_while(|word| word.trim_end_matches(':') != name).nth(1)?.parse().ok()
}
