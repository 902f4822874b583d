//! This machine: the spill folder, the HTTP port, file descriptors, the output file.

use std::path::Path;

use rustix::fs::{Access, access, statvfs};
use tokio::sync::watch;

use crate::admin::http::{AdminServer, HttpOptions};
use crate::assemble::spill;
use crate::config::Config;
use crate::finding::Finding;
use crate::metrics::Metrics;
use crate::status::Status;

/// Connections to servers and brokers, spill files, log: with room to spare for a cluster of some hundred brokers.
const DESCRIPTORS_WISH: u64 = 1024;

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let mut found = spill_folder(config);
    found.push(http_port(config).await);
    found.push(descriptors());
    found
}

/// The nearest folder that is there; the ones below it are made at the start.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"))
}

fn may_write(folder: &Path) -> Result<(), String> {
    if !folder.is_dir() {
        return Err(format!("{} is not a folder", folder.display()));
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|e| format!("{} cannot be written: {e}", folder.display()))
}

fn spill_folder(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "spill_dir";
    let folder = &config.memory.spill_dir;
    let place = folder.display().to_string();
    // An empty path is the working directory.
    let there = match existing(folder) {
        p if p.as_os_str().is_empty() => Path::new("."),
        p => p,
    };
    if let Err(why) = may_write(there) {
        let finding = Finding::fault(CHECK, why).at(place).words("let `spill_dir` name a folder that the daemon's user may write");
        return vec![finding];
    }
    let limit = config.memory.spill_bytes_max;
    let mut found = Vec::new();
    match statvfs(there) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let text = format!("{} free, spill_limit is {}", size(free), size(limit));
            found.push(if free < limit {
                Finding::warning(CHECK, format!("{text}: a large transaction may find no room"))
                    .at(place.as_str())
                    .option(format!("spill_limit={}M", free >> 20))
                    .words("or free space there, or give a larger disk as `spill_dir`")
            } else {
                Finding::ok(CHECK, text).at(place.as_str())
            });
        }
        Err(e) => found.push(Finding::not_checked(CHECK, format!("the free space is not told: {e}")).at(place.as_str())),
    }
    if spill::is_in_memory(there) == Some(true) {
        let text = "it lies in memory (tmpfs), so that a large transaction takes the memory that spilling is to save";
        found.push(Finding::warning(CHECK, text).at(place).words("give a folder on a disk as `spill_dir`"));
    }
    found
}

fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 10 << 30 => format!("{}G", b >> 30),
        b => format!("{}M", b >> 20),
    }
}

async fn http_port(config: &Config) -> Finding {
    const CHECK: &str = "http_port";
    let Some(http) = &config.http else { return Finding::ok(CHECK, "no HTTP server is asked for") };
    let options = HttpOptions { bind_address: http.bind_address.clone(), port: http.port, path_prefix: http.path_prefix.clone() };
    let (_, status) = watch::channel(Status::default());
    // Taken and given back at once.
    match AdminServer::bind(&options, std::sync::Arc::new(Metrics::new()), status).await {
        Ok(_) => Finding::ok(CHECK, format!("{} is free", http.port)),
        Err(e) => Finding::error(CHECK, &e).words("if it is the running daemon of this configuration that has it, nothing is wrong"),
    }
}

/// From proc(5), `/proc/PID/limits`: name, soft limit, hard limit, unit, in columns.
fn descriptors() -> Finding {
    const CHECK: &str = "file descriptors";
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match soft_limit(&limits) {
        Some(limit) if limit < DESCRIPTORS_WISH => Finding::warning(CHECK, format!("{limit} may be open; {DESCRIPTORS_WISH} are better"))
            .words("raise LimitNOFILE of the service, or ulimit -n"),
        Some(limit) => Finding::ok(CHECK, format!("{limit} may be open")),
        None if limits.contains("Max open files") => Finding::ok(CHECK, "no limit"),
        None => Finding::not_checked(CHECK, "this system does not tell the limit"),
    }
}

fn soft_limit(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

pub(super) fn output_file(path: &Path) -> Finding {
    const CHECK: &str = "output_file";
    let place = path.display().to_string();
    let allowed = match std::fs::metadata(path) {
        Ok(file) if file.is_dir() => Err("it is a folder".to_owned()),
        Ok(_) => access(path, Access::WRITE_OK).map_err(|e| format!("it cannot be written: {e}")),
        Err(_) => may_write(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))),
    };
    match allowed {
        Ok(()) => Finding::ok(CHECK, "can be written").at(place),
        Err(why) => Finding::fault(CHECK, why).at(place).words("let `output_file` name a file that the daemon's user may write"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn limits_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            256                  4096                 files     \n";
        assert_eq!(soft_limit(text), Some(256));
        assert_eq!(soft_limit(&text.replace("256 ", "unlimited ")), None);
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn folders_are_judged_without_being_made() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        assert_eq!(existing(&below), dir.path());
        assert!(may_write(dir.path()).is_ok());
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(may_write(&file).is_err());
        assert_eq!(output_file(&dir.path().join("new")).state, State::Ok);
        assert_eq!(output_file(dir.path()).state, State::Fault);
        assert_eq!(output_file(&below).state, State::Fault, "its folder is not there, and the daemon does not make it");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
