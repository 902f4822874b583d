//! `--daemon`, as Maxwell's launcher does it: the process starts itself once more in the background, with standard output
//! and error appended to `MaxwellDaemon.out`, and waits until that one has read its configuration.
//!
//! Which of the two a process is says a variable with the number of the process that started it. They talk through a
//! socket that takes the place of standard input.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

const STARTED_BY: &str = "BINLOGD_STARTED_BY";
const READY: &[u8] = b"ready";
/// Of what a background process that ended at once has written, so much is shown.
const SHOWN_MAX: u64 = 64 << 10;

/// Whether this process was started by another one that waits for it.
pub fn is_background() -> bool {
    let by = std::env::var(STARTED_BY).ok().and_then(|pid| pid.parse().ok());
    by == Some(std::os::unix::process::parent_id())
}

/// How the start ended.
pub enum Started {
    /// It runs; what to tell the user.
    Runs(String),
    /// It ended at once with this exit code; what it wrote.
    Ended { code: u8, output: String },
}

/// Starts this program once more, with the same arguments.
pub fn start() -> Result<Started> {
    let path = output_file(std::env::var_os("LOG_DIR").map(PathBuf::from));
    let output = open(&path)?;
    let before = output.metadata().map(|m| m.len()).unwrap_or_default();
    let failed = |e: std::io::Error| Error::definite("binlogd cannot be started in the background").source(e);
    let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(STARTED_BY, std::process::id().to_string())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output)
        .spawn()
        .map_err(failed)?;
    let mut answer = Vec::new();
    // Ends with the word, or when the process ends and its end of the socket is closed.
    let _ = ours.read_to_end(&mut answer);
    if answer == READY {
        let pid = child.id();
        return Ok(Started::Runs(format!("binlogd runs in the background as process {pid}; its output goes to {}\n", path.display())));
    }
    let status = child.wait().map_err(failed)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code > 0).unwrap_or(1);
    Ok(Started::Ended { code, output: written_since(&path, before) })
}

/// `${LOG_DIR:-logs}/MaxwellDaemon.out`; the folder `logs` is looked for where `config.properties` is, in the working
/// directory.
fn output_file(log_dir: Option<PathBuf>) -> PathBuf {
    log_dir.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| PathBuf::from("logs")).join("MaxwellDaemon.out")
}

fn open(path: &Path) -> Result<File> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| OpenOptions::new().create(true).append(true).open(path)).map_err(|e| {
        Error::definite("the output of the background process cannot be written")
            .detail(path.display())
            .source(e)
            .hint("set the environment variable LOG_DIR to a folder that the user may write to")
    })
}

fn written_since(path: &Path, before: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(before))?;
        file.take(SHOWN_MAX).read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) => format!("what it wrote cannot be read: {}: {e}\n", path.display()),
    }
}

/// Cuts the background process loose: from the terminal, and from the process that waits for it.
pub fn ready() -> Result<()> {
    let failed = |e: std::io::Error| Error::definite("the background process cannot leave its terminal").source(e);
    // Refused only to a leader of a group, which a process that was just started is not.
    rustix::process::setsid().map_err(|e| failed(e.into()))?;
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let null = File::open("/dev/null").map_err(failed)?;
    rustix::stdio::dup2_stdin(null).map_err(|e| failed(e.into()))?;
    // The one who waits may have been killed; that is no reason to end as well.
    let _ = UnixStream::from(stdin).write_all(READY);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_goes_where_maxwells_launcher_puts_it() {
        for (dir, want) in [
            (None, "logs/MaxwellDaemon.out"),
            (Some(""), "logs/MaxwellDaemon.out"),
            (Some("/var/log/maxwell"), "/var/log/maxwell/MaxwellDaemon.out"),
        ] {
            assert_eq!(output_file(dir.map(PathBuf::from)), PathBuf::from(want));
        }
        assert!(!is_background());
    }
}
