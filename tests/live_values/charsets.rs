//! Every character set of a server: the server's own conversion to utf8mb4 of every sequence of bytes that may be one
//! character, against our tables. What is no character must be none for both.

use std::fmt::Write;

use binlogd::binlog::codec::charset::Charset;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::runtime::Runtime;

/// Code points that go to the server at once.
const CHUNK: usize = 1 << 14;
const REPLACEMENT: char = '\u{fffd}';

#[derive(Default)]
pub struct Checked {
    pub charsets: usize,
    pub sequences: usize,
    pub wrong: Vec<String>,
}

pub fn check(rt: &Runtime, conn: &mut Conn) -> Checked {
    let mut checked = Checked::default();
    for sql in ["SET NAMES utf8mb4", "SET SESSION sql_mode = ''", "SET SESSION group_concat_max_len = 10000000"] {
        rt.block_on(conn.query_drop(sql)).expect("a session setting");
    }
    let sql = "SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary' ORDER BY 1";
    let charsets: Vec<(String, u64)> = rt.block_on(conn.query(sql)).expect("character sets");
    for (name, most) in charsets {
        let Some(charset) = Charset::named(&name) else {
            checked.wrong.push(format!("{name}: is not known"));
            continue;
        };
        let mut of = Of { rt, conn: &mut *conn, name: &name, charset, checked: &mut checked };
        match (name.as_str(), most) {
            ("utf8" | "utf8mb3" | "utf8mb4" | "ucs2" | "utf16" | "utf16le" | "utf32", _) => of.unicode(),
            (_, 1) => of.singles(),
            _ => {
                of.singles();
                of.pairs();
                if matches!(name.as_str(), "ujis" | "eucjpms") {
                    of.triples();
                }
                if name == "gb18030" {
                    of.fours();
                }
            }
        }
        checked.charsets += 1;
    }
    checked
}

/// One character set under test.
struct Of<'a> {
    rt: &'a Runtime,
    conn: &'a mut Conn,
    name: &'a str,
    charset: Charset,
    checked: &'a mut Checked,
}

impl Of<'_> {
    fn singles(&mut self) {
        let (high, low) = (digits("a", 16), digits("b", 16));
        let of = "a.v * 16 + b.v";
        self.compare(of, of, &format!("{high}, {low}"), "0", "1", &mut (0..=0xff_u8).map(|b| vec![b]));
    }

    fn pairs(&mut self) {
        let from = format!("{}, {}, {}, {}", digits("a", 8), digits("b", 16), digits("c", 16), digits("d", 16));
        let (first, second) = ("128 + a.v * 16 + b.v", "c.v * 16 + d.v");
        let mut all = (0x80..=0xff_u8).flat_map(|a| (0..=0xff_u8).map(move |b| vec![a, b]));
        self.compare(&format!("{first}, {second}"), second, &from, first, "1", &mut all);
    }

    fn triples(&mut self) {
        let from = format!("{}, {}, {}, {}", digits("a", 8), digits("b", 16), digits("c", 8), digits("d", 16));
        let (second, third) = ("128 + a.v * 16 + b.v", "128 + c.v * 16 + d.v");
        let mut all = (0x80..=0xff_u8).flat_map(|a| (0x80..=0xff_u8).map(move |b| vec![0x8f, a, b]));
        self.compare(&format!("143, {second}, {third}"), third, &from, second, "1", &mut all);
    }

    /// GB18030's sequences of four, of which the second and the fourth byte are digits.
    fn fours(&mut self) {
        let from = format!("{}, {}, {}, {}", digits("b", 10), digits("c", 8), digits("d", 16), digits("e", 10));
        let third = "129 + c.v * 16 + d.v";
        for first in 0x81..=0xfe_u8 {
            let bytes = format!("{first}, 48 + b.v, {third}, 48 + e.v");
            let order = format!("b.v * 10000 + ({third}) * 10 + e.v");
            let digit = 0x30..=0x39_u8;
            let mut all = digit.clone().flat_map(|b| {
                let digit = digit.clone();
                (0x81..=0xfe_u8).flat_map(move |c| digit.clone().map(move |d| vec![first, b, c, d]))
            });
            self.compare(&bytes, &order, &from, "0", "c.v * 16 + d.v < 126", &mut all);
        }
    }

    /// Asks for sequences of these bytes, one row for each `group`, and holds them against ours, which come in the same order.
    fn compare(&mut self, bytes: &str, order: &str, from: &str, group: &str, which: &str, ours: &mut dyn Iterator<Item = Vec<u8>>) {
        let name = self.name;
        let sql = format!(
            "SELECT {group} AS g, GROUP_CONCAT(IFNULL(HEX(CONVERT(CHAR({bytes} USING {name}) USING utf8mb4)), '') ORDER BY {order} SEPARATOR ' ') \
             FROM {from} WHERE {which} GROUP BY g ORDER BY g"
        );
        let rows: Vec<(u64, String)> = self.rt.block_on(self.conn.query(&sql)).unwrap_or_else(|e| panic!("{name}: {e}: {sql}"));
        let (mut text, mut hex) = (Vec::new(), String::new());
        for theirs in rows.iter().flat_map(|(_, row)| row.split(' ')) {
            let sequence = ours.next().expect("as many of ours");
            self.checked.sequences += 1;
            text.clear();
            self.charset.write_text(&sequence, &mut text);
            hex.clear();
            text.iter().for_each(|b| hex.push_str(&HEX[usize::from(*b) * 2..usize::from(*b) * 2 + 2]));
            if hex != theirs {
                self.judge(&sequence, theirs, &String::from_utf8(text.clone()).expect("UTF-8"));
            }
        }
        assert!(ours.next().is_none(), "{name}: the server has left some out");
    }

    /// Where ours has U+FFFD, the server shows a question mark, or what stands before.
    fn judge(&mut self, sequence: &[u8], theirs: &str, ours: &str) {
        let bytes: Vec<u8> = (0..theirs.len()).step_by(2).filter_map(|i| u8::from_str_radix(theirs.get(i..i + 2)?, 16).ok()).collect();
        let theirs = String::from_utf8(bytes).expect("UTF-8");
        let head = ours.split(REPLACEMENT).next().unwrap_or_default();
        if ours.contains(REPLACEMENT) && (theirs == head || theirs.contains('?') && theirs.starts_with(head)) {
            return;
        }
        self.checked.wrong.push(format!("{}: {sequence:02x?} is {theirs:?} on the server, ours {ours:?}", self.name));
    }

    /// All code points that it can hold, in large pieces: each is something.
    fn unicode(&mut self) {
        let most = if matches!(self.name, "utf8" | "utf8mb3" | "ucs2") { '\u{ffff}' } else { char::MAX };
        let all: Vec<char> = ('\0'..=most).collect();
        for chunk in all.chunks(CHUNK) {
            let want: String = chunk.iter().collect();
            let bytes = encoded(&want, self.name);
            let mut hex = String::with_capacity(2 * bytes.len());
            bytes.iter().for_each(|b| hex.push_str(&HEX[usize::from(*b) * 2..usize::from(*b) * 2 + 2]));
            let sql = format!("SELECT CAST(CONVERT(_{} X'{hex}' USING utf8mb4) AS BINARY)", self.name);
            let theirs: Option<Vec<u8>> = self.rt.block_on(self.conn.query_first(sql)).expect("a conversion");
            let mut ours = Vec::new();
            self.charset.write_text(&bytes, &mut ours);
            self.checked.sequences += chunk.len();
            if theirs.as_deref() != Some(want.as_bytes()) || ours != want.as_bytes() {
                let whose = if ours == want.as_bytes() { "the server's" } else { "ours" };
                self.checked.wrong.push(format!("{}: {whose} differ between {:?} and {:?}", self.name, chunk.first(), chunk.last()));
            }
        }
    }
}

/// All bytes in two digits each.
static HEX: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    let mut all = String::new();
    (0..=0xff_u8).for_each(|b| write!(all, "{b:02X}").expect("a string takes all"));
    all
});

/// A table of the numbers from 0 on in a column called `v`.
fn digits(name: &str, count: u8) -> String {
    let numbers: Vec<String> = (0..count).map(|n| format!("SELECT {n} AS v")).collect();
    format!("({}) AS {name}", numbers.join(" UNION ALL "))
}

fn encoded(text: &str, charset: &str) -> Vec<u8> {
    let units = text.encode_utf16();
    match charset {
        "ucs2" | "utf16" => units.flat_map(u16::to_be_bytes).collect(),
        "utf16le" => units.flat_map(u16::to_le_bytes).collect(),
        "utf32" => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
        _ => text.as_bytes().to_vec(),
    }
}
