//! Three sessions that write by turns, each with an SQL mode, a time zone, a character set and a row image of its own: what
//! a session has set must not show in what its rows say.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::runtime::Runtime;

use super::columns::Server;
use super::ddl_oracle::model::options;
use super::dice::Dice;

const SESSIONS: usize = 3;
/// None is strict: what does not fit is bent. Those that a server does not know are refused, and the last one stays.
const MODES: [&str; 8] = [
    "",
    "ALLOW_INVALID_DATES",
    "NO_ZERO_DATE,ALLOW_INVALID_DATES",
    "NO_ZERO_IN_DATE",
    "ANSI_QUOTES,PIPES_AS_CONCAT",
    "NO_AUTO_VALUE_ON_ZERO,PAD_CHAR_TO_FULL_LENGTH",
    "TIME_ROUND_FRACTIONAL",
    "TIME_TRUNCATE_FRACTIONAL",
];
const ZONES: [&str; 4] = ["+00:00", "+05:30", "-08:00", "+13:00"];
/// Of the connection, into which the server converts a statement's literals; names of columns are in the client's, which is UTF-8.
const CHARSETS: [&str; 4] = ["utf8mb4", "utf8", "latin1", "cp1251"];

pub struct Sessions {
    conns: Vec<Conn>,
    images: Vec<&'static str>,
    at: usize,
}

impl Sessions {
    pub fn open(rt: &Runtime, port: u16) -> Self {
        let conns = (0..SESSIONS).map(|_| rt.block_on(Conn::new(options(port))).expect("root can connect")).collect();
        Sessions { conns, images: vec!["FULL"; SESSIONS], at: 0 }
    }

    /// New settings for all of them, and the database they write to.
    pub fn shuffle(&mut self, rt: &Runtime, server: &Server, database: &str, number: usize, dice: &mut Dice) {
        let images: &[&'static str] = match (server.mariadb, server.version) {
            (true, 110_500..) if !server.for_maxwell => &["FULL", "MINIMAL", "NOBLOB", "FULL_NODUP"],
            _ => &["FULL", "MINIMAL", "NOBLOB"],
        };
        // One image for all in two of three tables: what partial images leave out is compared nowhere.
        let mixed = dice.percent(33);
        for (i, conn) in self.conns.iter_mut().enumerate() {
            let image = if mixed { images[dice.below(images.len())] } else { images[number % images.len()] };
            self.images[i] = image;
            let mut set = |sql: String| rt.block_on(conn.query_drop(&sql));
            set(format!("USE {database}")).expect("the database is there");
            set("SET NAMES utf8mb4".to_owned()).expect("a character set");
            set(format!("SET character_set_connection = {}", dice.pick(&CHARSETS))).expect("a character set");
            set(format!("SET SESSION time_zone = '{}'", dice.pick(&ZONES))).expect("a time zone");
            set(format!("SET SESSION binlog_row_image = {image}")).expect("a row image");
            // Whatever an earlier table left must not be strict.
            set("SET SESSION sql_mode = ''".to_owned()).expect("an SQL mode");
            let _ = set(format!("SET SESSION sql_mode = '{}'", dice.pick(&MODES)));
        }
    }

    /// Another session's turn.
    pub fn turn(&mut self, dice: &mut Dice) {
        self.at = dice.below(self.conns.len());
    }

    pub fn current(&mut self) -> &mut Conn {
        &mut self.conns[self.at]
    }

    /// Whether some image may leave columns out.
    pub fn are_partial(&self) -> bool {
        self.images.iter().any(|image| !image.starts_with("FULL"))
    }

    pub fn images(&self) -> String {
        self.images.join("/")
    }
}
