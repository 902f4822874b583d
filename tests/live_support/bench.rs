//! A daemon that writes into a file, seen through its lives: which rows came, which schema version was used, what it says.

use std::time::Duration;

use super::clock::eventually;
use super::daemon::{Config, Daemon, Site, code};
use super::message::Message;
use super::sql::SqlServer;

const LIMIT: Duration = Duration::from_secs(60);

pub struct Bench {
    pub server: SqlServer,
    pub site: Site,
    pub data: String,
    pub schema: String,
    pub config: Config,
}

/// A place in the binlog as the server tells it.
pub struct End {
    pub file: String,
    pub offset: u64,
    pub gtids: String,
}

impl Bench {
    /// Fresh databases with a table `t (id, word)`.
    pub async fn new(name: &str, server: SqlServer) -> Bench {
        let site = Site::new(&format!("{name}-{}", server.name));
        let (data, schema) = (format!("{name}_data"), format!("maxwell_{name}"));
        server.fresh_databases(&data, &schema).await;
        server.run(&[&format!("CREATE TABLE {data}.t (id int PRIMARY KEY, word varchar(20)) CHARACTER SET utf8mb4")]).await;
        let config = Config::for_server(&server, &schema)
            .with("filter", format!("exclude: *.*, include: {data}.*"))
            .with("producer", "file")
            .with("output_file", site.dir.join("lines.json").display());
        Bench { server, site, data, schema, config }
    }

    /// Runs statements in the data database, in which `DB` stands for its name.
    pub async fn run(&self, statements: &[&str]) {
        let statements: Vec<String> = statements.iter().map(|s| s.replace("DB", &self.data)).collect();
        self.server.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    pub async fn insert(&self, id: u32) {
        self.run(&[&format!("INSERT INTO DB.t (id) VALUES ({id})")]).await;
    }

    /// Where the binlog ends now.
    pub async fn end(&self) -> End {
        let sql = if self.server.is_mariadb() { "SHOW BINLOG STATUS" } else { "SHOW BINARY LOG STATUS" };
        let row = self.server.rows(sql).await.remove(0);
        let gtids = match self.server.is_mariadb() {
            true => self.server.rows("SELECT @@gtid_binlog_state").await.remove(0).remove(0),
            false => row[4].clone(),
        };
        let text = |column: usize| row[column].clone().expect("a value");
        End { file: text(0), offset: text(1).parse().expect("an offset"), gtids: gtids.unwrap_or_default().replace('\n', "") }
    }

    /// The output so far, as `table.id` with the names of columns.
    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.site.dir.join("lines.json")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let message = Message::read(line.as_bytes());
                let names: Vec<&str> = message.data.0.iter().map(|(name, _)| &**name).filter(|name| *name != "id").collect();
                format!("{}({})", message.data.number("id").expect("an id"), names.join(","))
            })
            .collect()
    }

    /// One life of the daemon: started with these words and with `options`, until these rows came, and stopped. Gives
    /// what it logged.
    pub async fn life(&self, options: &[(&str, &str)], words: &[&str], expected: &[&str]) -> String {
        let (mut daemon, log_before, lines_before) = self.start(options, words);
        eventually(&format!("{expected:?} with {options:?} {words:?}"), LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            let read = daemon.log_text()[log_before..].contains("following the binlog");
            (read && self.lines().len() >= lines_before + expected.len()).then_some(())
        })
        .await;
        // One that is not expected would come now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(daemon.stop().await, 0, "exit code after SIGTERM\n{}", daemon.log_tail());
        let log = daemon.log_text()[log_before..].to_owned();
        assert_eq!(self.lines()[lines_before..], *expected, "with {options:?} {words:?}\n{log}");
        log
    }

    /// A life that is stopped only by the caller.
    pub fn start(&self, options: &[(&str, &str)], words: &[&str]) -> (Daemon, usize, usize) {
        let config = options.iter().fold(self.config.clone(), |config, (name, value)| config.with(name, value));
        let lines = self.lines().len();
        let before = std::fs::read_to_string(self.site.dir.join("binlogd.log")).map_or(0, |text| text.len());
        (Daemon::start(&self.site, "binlogd", &config, words), before, lines)
    }

    /// Waits until a daemon has read its own heartbeat.
    pub async fn beating(&self, daemon: &mut Daemon) {
        let sql = format!("SELECT 1 FROM {}.positions WHERE last_heartbeat_read > 0", self.schema);
        eventually("the daemon reads its own heartbeat", LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            self.server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
        })
        .await;
    }

    /// Runs a command to its end: exit code, standard output, standard error.
    pub async fn command(&self, options: &[(&str, &str)], words: &[&str]) -> (i32, String, String) {
        let config = options.iter().fold(self.config.clone(), |config, (name, value)| config.with(name, value));
        let file = self.site.dir.join("command.properties");
        config.write(&file);
        for end in ["log", "out"] {
            let _ = std::fs::remove_file(self.site.dir.join(format!("command.{end}")));
        }
        let mut all: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        all.push(format!("--config={}", file.display()));
        let mut daemon = Daemon::start_with_words(&self.site, "command", &all);
        let status = daemon.end(LIMIT).await.unwrap_or_else(|| panic!("{words:?} did not end\n{}", daemon.log_tail()));
        (code(status), daemon.stdout_text(), daemon.log_text())
    }

    pub async fn clean(&self) {
        self.server.drop_databases(&self.data, &self.schema).await;
    }
}
