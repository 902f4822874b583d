//! Which way a row becomes a message: straight from bytes to bytes (`fast`), through owned values (`row`), or both, so that
//! one can be held against the other.

use super::fast::{self, Oddities, RowBody, RowContext, RowMessage, Scratch};
use super::image::Fault;
use super::partition::PartitionPlan;
use super::row::{KeyOf, message};

/// `--path` of `binlogd read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Path {
    #[default]
    Fast,
    Slow,
    /// The fast path's messages; an error at the first that the slow path makes otherwise.
    Both,
}

impl Path {
    pub fn named(name: &str) -> Option<Self> {
        [("fast", Path::Fast), ("slow", Path::Slow), ("both", Path::Both)].into_iter().find(|(n, _)| *n == name).map(|(_, path)| path)
    }
}

/// The message of the error that `Path::Both` ends with.
pub const DIFFERENCE: &str = "the fast and the slow path make different messages of one row";

/// Why there is no message.
#[derive(Debug)]
pub enum PathFault {
    Fault(Fault),
    Differ(Box<Difference>),
}

/// What either path made of a row: its value, key and partition, or its error.
#[derive(Debug)]
pub struct Difference {
    pub fast: String,
    pub slow: String,
}

impl From<Fault> for PathFault {
    fn from(fault: Fault) -> Self {
        PathFault::Fault(fault)
    }
}

/// Writes one row's message at the end of `out`.
pub fn write_row(
    path: Path,
    cx: &RowContext<'_>,
    xoffset: u64,
    scratch: &mut Scratch,
    oddities: &mut Oddities,
    out: &mut Vec<u8>,
) -> Result<RowMessage, PathFault> {
    let commit = fast::begin(cx, xoffset, out);
    let start = out.len();
    let RowBody { key_start, partition_hash } = match path {
        Path::Fast => fast::write_body(cx, scratch, oddities, out)?,
        Path::Slow => slow_body(cx, scratch, oddities, out)?,
        Path::Both => {
            let fast = fast::write_body(cx, scratch, oddities, out);
            let mut other = Vec::new();
            let slow = slow_body(cx, scratch, &mut Oddities::default(), &mut other);
            same(cx, (fast, out.get(start..).unwrap_or_default()), (slow, &mut other), start)?
        }
    };
    Ok(RowMessage { key_start, partition_hash, commit })
}

/// Writes the key that the row had before this update at the end of `out`, if it was another one than `new`, the message's
/// key. Answers its partition hash. Columns that the before image lacks (MINIMAL and NOBLOB images) are taken as unchanged.
pub fn write_old_key(
    path: Path,
    cx: &RowContext<'_>,
    new: std::ops::Range<usize>,
    scratch: &mut Scratch,
    oddities: &mut Oddities,
    out: &mut Vec<u8>,
) -> Result<Option<i32>, PathFault> {
    let start = out.len();
    let partition_hash = match path {
        Path::Fast => fast::write_old_key(cx, scratch, oddities, out)?,
        Path::Slow => slow_old_key(cx, scratch, out)?,
        Path::Both => {
            // A key alone is a body whose key begins at once.
            let body = |start| move |partition_hash| RowBody { key_start: start, partition_hash };
            let fast = fast::write_old_key(cx, scratch, oddities, out).map(body(start));
            let mut other = Vec::new();
            let slow = slow_old_key(cx, scratch, &mut other).map(body(0));
            same(cx, (fast, out.get(start..).unwrap_or_default()), (slow, &mut other), start)?.partition_hash
        }
    };
    if out.get(start..) == out.get(new) {
        out.truncate(start);
        return Ok(None);
    }
    Ok(Some(partition_hash))
}

fn slow_body(cx: &RowContext<'_>, scratch: &Scratch, oddities: &mut Oddities, out: &mut Vec<u8>) -> Result<RowBody, Fault> {
    let row = cx.plan.row_reader(cx.options).read(cx, scratch, KeyOf::After, oddities)?;
    Ok(message::write_body(cx, &row, scratch, out))
}

fn slow_old_key(cx: &RowContext<'_>, scratch: &Scratch, out: &mut Vec<u8>) -> Result<i32, Fault> {
    // Oddities were counted with the message.
    let row = cx.plan.row_reader(cx.options).read(cx, scratch, KeyOf::Before, &mut Oddities::default())?;
    Ok(message::write_old_key(cx, &row, scratch, out))
}

/// The fast path's result if both are alike. Its bytes begin at `start` of the arena.
fn same(
    cx: &RowContext<'_>,
    (fast, fast_bytes): (Result<RowBody, Fault>, &[u8]),
    (slow, slow_bytes): (Result<RowBody, Fault>, &mut [u8]),
    start: usize,
) -> Result<RowBody, PathFault> {
    let shown = |body: &RowBody, bytes: &[u8], start: usize| {
        let (value, key) = bytes.split_at(body.key_start.saturating_sub(start).min(bytes.len()));
        format!("{} key {} partition {}", String::from_utf8_lossy(value), String::from_utf8_lossy(key), body.partition_hash)
    };
    let (fast_text, slow_text) = match (&fast, &slow) {
        (Ok(body), Ok(other)) => {
            adopt_uuid(cx, (body.key_start - start, fast_bytes), (other.key_start, slow_bytes));
            let same_hash = body.partition_hash == other.partition_hash || is_random(&cx.plan.partition);
            if fast_bytes == slow_bytes && body.key_start - start == other.key_start && same_hash {
                return Ok(*body);
            }
            (shown(body, fast_bytes, start), shown(other, slow_bytes, 0))
        }
        (Ok(body), Err(fault)) => (shown(body, fast_bytes, start), fault.error.to_string()),
        (Err(fault), Ok(body)) => (fault.error.to_string(), shown(body, slow_bytes, 0)),
        // A bad value is bad for both, whichever of several each met first.
        (Err(_), Err(_)) => return fast.map_err(PathFault::Fault),
    };
    Err(PathFault::Differ(Box::new(Difference { fast: fast_text, slow: slow_text })))
}

/// Two random keys differ; the slow path's gets the fast path's number.
fn adopt_uuid(cx: &RowContext<'_>, (fast_key, fast): (usize, &[u8]), (slow_key, slow): (usize, &mut [u8])) {
    const DIGITS: usize = 36;
    let Some(key) = cx.plan.key.as_ref().filter(|key| key.uuid) else { return };
    let at = |key_start: usize| key_start + key.head.len() + 1..key_start + key.head.len() + 1 + DIGITS;
    if let (Some(number), Some(place)) = (fast.get(at(fast_key)), slow.get_mut(at(slow_key))) {
        place.copy_from_slice(number);
    }
}

fn is_random(plan: &PartitionPlan) -> bool {
    match plan {
        PartitionPlan::Random => true,
        PartitionPlan::Columns(_, fallback) => is_random(fallback),
        _ => false,
    }
}
