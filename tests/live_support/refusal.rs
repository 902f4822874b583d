//! A daemon that is given something wrong, and how it says so.

use std::time::Duration;

use super::daemon::{Config, Daemon, Site, code};

/// How long a refusal may take. Only a bound for what hangs: waiting for a broker or a topic is set to 3 s.
const REFUSAL: Duration = Duration::from_secs(60);

/// How the line of the error begins that ends the daemon.
const LOGGED: &str = "ERROR binlogd - ";

/// What a refused start must say.
pub struct Refusal<'a> {
    pub name: &'a str,
    pub code: i32,
    /// Words of the error's line, the last ones from its hint (what to do).
    pub words: &'a [&'a str],
}

impl Refusal<'_> {
    /// Starts the daemon and checks its end. Gives all that it said.
    pub async fn check(&self, site: &Site, config: &Config, words: &[&str]) -> String {
        let mut daemon = Daemon::start(site, self.name, config, words);
        self.check_end(&mut daemon).await
    }

    /// Checks the end of a daemon that was started.
    pub async fn check_end(&self, daemon: &mut Daemon) -> String {
        let Some(status) = daemon.end(REFUSAL).await else {
            panic!("{}: the daemon did not end within {} s\n{}", self.name, REFUSAL.as_secs(), daemon.log_tail());
        };
        let text = daemon.log_text();
        let told = errors(&text);
        assert_eq!(code(status), self.code, "{}: exit code\n{text}", self.name);
        assert!(!text.contains("panicked at"), "{}: a panic\n{text}", self.name);
        assert_eq!(told.len(), 1, "{}: one error is told, not {}\n{text}", self.name, told.len());
        for word in self.words {
            assert!(told[0].contains(word), "{}: no {word:?} in: {}", self.name, told[0]);
        }
        println!("{}: exit code {}, {}", self.name, self.code, told[0]);
        text
    }
}

/// The lines that tell why the daemon ended: of the logger (the state of the brokers has lines of its own), or of the
/// configuration before there is one.
fn errors(text: &str) -> Vec<&str> {
    let line = |line: &'static str| move |text: &&str| text.contains(line);
    let (logged, plain): (Vec<&str>, Vec<&str>) =
        (text.lines().filter(line(LOGGED)).collect(), text.lines().filter(|line| line.starts_with("error: ")).collect());
    logged.into_iter().chain(plain).map(|line| line.split_once(LOGGED).map_or(line, |(_, rest)| rest)).collect()
}
