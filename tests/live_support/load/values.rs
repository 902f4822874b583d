//! Random column values as SQL literals: text of several alphabets, decimals, fractions of seconds, JSON, bytes, NULL.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::live_support::sql::quote;

/// A column of every table of the load. Names beginning with `doc` or `j_` hold JSON.
pub struct Column {
    pub name: &'static str,
    pub definition: &'static str,
    literal: fn(&mut StdRng) -> String,
}

pub const COLUMNS: [Column; 9] = [
    Column { name: "txt", definition: "varchar(300) CHARACTER SET utf8mb4 NOT NULL", literal: any_text },
    Column { name: "lat", definition: "varchar(100) CHARACTER SET latin1 NULL", literal: latin_text },
    Column { name: "num", definition: "decimal(14,3) NULL", literal: decimal },
    Column { name: "at", definition: "datetime(6) NOT NULL", literal: moment },
    Column { name: "small", definition: "smallint NULL", literal: small },
    Column { name: "dbl", definition: "double NULL", literal: double },
    Column { name: "doc", definition: "json NULL", literal: json },
    Column { name: "bin", definition: "varbinary(60) NULL", literal: bytes },
    Column { name: "state", definition: "enum('new','paid','Größe') NOT NULL", literal: state },
];

/// Values of all columns, in their order.
pub fn all(rng: &mut StdRng) -> String {
    COLUMNS.iter().map(|c| (c.literal)(rng)).collect::<Vec<_>>().join(", ")
}

/// Assignments of a few columns.
pub fn some(rng: &mut StdRng) -> String {
    let chosen = COLUMNS.iter().filter(|_| rng.random_bool(0.35)).collect::<Vec<_>>();
    chosen.iter().map(|c| format!(", {} = {}", c.name, (c.literal)(rng))).collect()
}

const WORDS: [&str; 10] = ["tea", "Zoë", "größer", "東京", "привет", "😀", "it's", "a\\b", "\"q\"", "line\nbreak\t"];
const LATIN: [&str; 5] = ["café", "Ærø", "naïve", "€ 5", "plain"];

fn or_null(rng: &mut StdRng, literal: impl FnOnce(&mut StdRng) -> String) -> String {
    if rng.random_bool(0.15) { "NULL".to_owned() } else { literal(rng) }
}

fn words(rng: &mut StdRng, from: &[&str], most: usize) -> String {
    let count = rng.random_range(0..=most);
    (0..count).map(|_| *from.choose(rng).expect("words")).collect::<Vec<_>>().join(" ")
}

fn any_text(rng: &mut StdRng) -> String {
    quote(&words(rng, &WORDS, 20))
}

fn latin_text(rng: &mut StdRng) -> String {
    or_null(rng, |rng| quote(&words(rng, &LATIN, 8)))
}

fn decimal(rng: &mut StdRng) -> String {
    or_null(rng, |rng| format!("{}.{:03}", rng.random_range(-99_999_999_i64..=99_999_999_999), rng.random_range(0..1000)))
}

fn moment(rng: &mut StdRng) -> String {
    let day = format!("{:04}-{:02}-{:02}", rng.random_range(1600..2200), rng.random_range(1..=12), rng.random_range(1..=28));
    let (hour, minute, second) = (rng.random_range(0..24), rng.random_range(0..60), rng.random_range(0..60));
    format!("'{day} {hour:02}:{minute:02}:{second:02}.{:06}'", rng.random_range(0..1_000_000))
}

fn small(rng: &mut StdRng) -> String {
    or_null(rng, |rng| rng.random::<i16>().to_string())
}

fn double(rng: &mut StdRng) -> String {
    or_null(rng, |rng| format!("{}.25", rng.random_range(-1_000_000..1_000_000)))
}

fn json(rng: &mut StdRng) -> String {
    or_null(rng, |rng| {
        let text = serde_json::json!({
            "name": words(rng, &WORDS, 4),
            "list": [rng.random_range(-5..5), null_or(rng), true, words(rng, &WORDS, 1)],
            "deep": {"größe": rng.random_range(0..100_000)},
        });
        quote(&text.to_string())
    })
}

fn null_or(rng: &mut StdRng) -> Option<i64> {
    rng.random_bool(0.5).then(|| rng.random())
}

fn bytes(rng: &mut StdRng) -> String {
    // Not empty and without zero bytes at the end, which some servers strip.
    or_null(rng, |rng| {
        format!("x'{}'", (0..rng.random_range(1..40)).map(|_| format!("{:02x}", rng.random_range(1..=255))).collect::<String>())
    })
}

fn state(rng: &mut StdRng) -> String {
    quote(["new", "paid", "Größe"].choose(rng).expect("states"))
}
