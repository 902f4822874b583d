//! Random tables, and random rows of them, encoded on both paths and on the slow one alone.

use std::sync::Arc;

use binlogd::assemble::TableSlot;
use binlogd::encode::{OutputOptions, Path};

use crate::dice::Dice;
use crate::rows::{self, Run, Value, absent, null};
use crate::values::{self, Kind};

pub struct Made {
    slot: Arc<TableSlot>,
    inserts: Vec<Vec<Value>>,
    /// Before and after in turn.
    updates: Vec<Vec<Value>>,
}

#[derive(Default)]
pub struct Outcome {
    pub messages: u64,
    pub errors: u64,
    pub differences: Vec<String>,
}

impl Made {
    pub fn roll(dice: &mut Dice) -> Self {
        let kinds: Vec<Kind> = (0..1 + dice.below(8)).map(|_| Kind::roll(dice)).collect();
        let names = ["c0", "c1", "c2", "c3", "foo_bar", "a\"b", "naïve😀", "id"];
        let columns = kinds.iter().zip(names).map(|(kind, name)| rows::column(name, kind.ty.clone(), kind.wire)).collect();
        let key: Vec<&str> = names[..kinds.len()].iter().filter(|_| dice.percent(25)).copied().collect();
        let mut slot = rows::slot(1, ["t", "t\"\\é"][dice.below(2)], columns, &key);
        if dice.percent(30) {
            slot.map.unsigned = Some(kinds.iter().map(|_| dice.percent(50)).collect());
        }
        if dice.percent(15) {
            // What Maxwell takes the table for: other character sets, another key.
            let mut seen = (*slot.table).clone();
            for column in &mut seen.columns {
                values::change_charset(&mut column.ty, dice);
            }
            seen.primary_key.truncate(1);
            slot.as_maxwell = Some(Arc::new(seen));
        }
        let image = |present: &[bool], dice: &mut Dice| -> Vec<Value> {
            kinds.iter().zip(present).map(|(kind, present)| if *present { value(kind, dice) } else { absent() }).collect()
        };
        let columns_of = |dice: &mut Dice| -> Vec<bool> {
            let partial = dice.percent(30);
            kinds.iter().map(|_| !partial || dice.percent(60)).collect()
        };
        let (only, before, after) = (columns_of(dice), columns_of(dice), columns_of(dice));
        let inserts = (0..1 + dice.below(3)).map(|_| image(&only, dice)).collect();
        let mut updates = Vec::new();
        for _ in 0..1 + dice.below(3) {
            let first = image(&before, dice);
            let second = image(&after, dice);
            // Most values stay; some change a little.
            let second = first.iter().zip(second).zip(&kinds).map(|((old, new), kind)| match (old, &new) {
                (Some(_), Some(_)) if dice.percent(50) => old.clone(),
                (Some(Some(bytes)), Some(_)) if dice.percent(40) => Some(Some(kind.nearby(bytes, dice))),
                _ => new,
            });
            let second = second.collect();
            updates.extend([first, second]);
        }
        Made { slot: Arc::new(slot), inserts, updates }
    }

    /// An encoder is done with after an error, so each kind of event has its own.
    pub fn compare(&self, output: &OutputOptions) -> Outcome {
        let mut outcome = Outcome::default();
        type Event = fn(&Arc<TableSlot>, &[Vec<Value>]) -> binlogd::assemble::TxnEvent;
        let events: [(Event, &[Vec<Value>]); 3] =
            [(rows::insert, &self.inserts), (rows::update, &self.updates), (rows::delete, &self.inserts)];
        for (event, images) in events {
            let on = |path| {
                let mut run = Run::new(OutputOptions { path, batch_bytes: 1 << 20, ..output.clone() });
                let result = run.transaction(vec![event(&self.slot, images)]);
                (result, run)
            };
            match on(Path::Both) {
                (Ok(stats), both) => {
                    outcome.messages += stats.rows;
                    outcome.differences.extend(self.alone(output, both, on(Path::Slow)));
                }
                (Err(error), _) => {
                    outcome.errors += 1;
                    match (crate::difference(&error), on(Path::Slow)) {
                        (Some(difference), _) => outcome.differences.push(difference),
                        (None, (Ok(_), _)) => outcome.differences.push(format!("the slow path alone goes on: {error}")),
                        (None, (Err(_), _)) => {}
                    }
                }
            }
        }
        outcome
    }

    /// The slow path alone, which the encoder does not compare, but for random keys and partitions.
    fn alone(
        &self,
        output: &OutputOptions,
        mut both: Run,
        slow: (binlogd::error::Result<binlogd::encode::EncodeStats>, Run),
    ) -> Option<String> {
        let (Ok(_), mut slow) = slow else { return Some("the slow path fails when it is alone".into()) };
        if output.partitioning.as_ref().is_some_and(|p| p.by == binlogd::encode::PartitionBy::Random) {
            return None;
        }
        let has_key = output.row_keys || !self.slot.shown().primary_key.is_empty();
        let (both, slow) = (both.finish(), slow.finish());
        for (a, b) in both.iter().zip(&slow) {
            for (m, n) in a.messages.iter().zip(&b.messages) {
                let same = m.value.of(&a.arena) == n.value.of(&b.arena)
                    && (!has_key || m.key.of(&a.arena) == n.key.of(&b.arena))
                    && m.partition_hash == n.partition_hash;
                if !same {
                    let value = String::from_utf8_lossy(n.value.of(&b.arena)).into_owned();
                    return Some(format!("the slow path makes something else when it is alone: {value}"));
                }
            }
        }
        let count = |batches: &[binlogd::encode::batch::Batch]| batches.iter().map(|b| b.messages.len()).sum::<usize>();
        (count(&both) != count(&slow)).then(|| "the slow path alone makes another number of messages".into())
    }
}

fn value(kind: &Kind, dice: &mut Dice) -> Value {
    if dice.percent(12) { null() } else { Some(Some(kind.value(dice))) }
}
