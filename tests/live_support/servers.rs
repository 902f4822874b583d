//! Starting, killing and restarting servers through `scripts/servers.sh`.

use std::process::Command;

use super::environment::variable;

/// Runs `servers.sh` with these words; its output is shown only if it fails. Blocks: for seconds, when a server starts.
fn script(words: &[&str]) -> Result<String, String> {
    let path = variable("BINLOGD_TEST_SERVERS_SH").ok_or("BINLOGD_TEST_SERVERS_SH is not set")?;
    let run = variable("BINLOGD_TEST_RUN_DIR").ok_or("BINLOGD_TEST_RUN_DIR is not set")?;
    let output = Command::new(path).args(["--dir", &run]).args(words).output().map_err(|e| format!("servers.sh: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("servers.sh {}: {text}{}", words.join(" "), String::from_utf8_lossy(&output.stderr)))
}

/// As `script`, off the async threads.
async fn run(words: &[&str]) -> Result<String, String> {
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    let task = tokio::task::spawn_blocking(move || script(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    task.await.expect("the script's task does not panic")
}

/// Whether servers can be started by the test itself.
pub fn can_start() -> bool {
    variable("BINLOGD_TEST_SERVERS_SH").is_some() && variable("BINLOGD_TEST_RUN_DIR").is_some()
}

/// A folder with the server's plugins that are not in its core package; `None` where they are in place, or cannot be had.
pub async fn plugins(kind: &str) -> Option<String> {
    let folder = run(&["plugins", kind]).await.expect("servers.sh plugins");
    Some(folder.trim().to_owned()).filter(|folder| !folder.is_empty())
}

/// Kills a server with -9.
pub async fn kill(name: &str) {
    run(&["stop", name, "--hard"]).await.expect("a running server can be killed");
}

/// Starts a server that was there before, with its data and on its port.
pub async fn start_again(name: &str) {
    run(&["start", name]).await.expect("a killed server starts again");
}

/// A server of the test's own, stopped when this is dropped.
pub struct Scratch {
    pub name: String,
    pub port: u16,
}

impl Scratch {
    /// Starts a server called `name` (`KIND-anything`) with these flags, or restarts it with them.
    pub async fn start(name: &str, flags: &[&str]) -> Scratch {
        // Whatever an earlier test left running has other flags.
        run(&["stop", name]).await.expect("a server can be stopped");
        let mut words = vec!["start".to_owned(), name.to_owned()];
        words.extend(flags.iter().map(|f| format!("--flag={f}")));
        run(&words.iter().map(String::as_str).collect::<Vec<_>>()).await.expect("a server of the test's own starts");
        let key = format!("BINLOGD_TEST_{}_PORT=", name.to_uppercase().replace('-', "_"));
        let environment = run(&["env"]).await.expect("servers.sh env");
        let port = environment.lines().find_map(|line| line.split_once(&key)).and_then(|(_, port)| port.parse().ok());
        Scratch { name: name.to_owned(), port: port.expect("servers.sh env names the server's port") }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = script(&["stop", &self.name]) {
            eprintln!("{e}");
        }
    }
}
