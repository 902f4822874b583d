//! The spill folder: makes files, counts their bytes against one bound, and clears away what a killed process left.
//!
//! Several daemons may share a folder. Each holds a lock file `binlogd-spill-KEY.lock` as long as it lives; files of a
//! key whose lock can be had are stale. Spill files are unlinked as soon as they are open where the system allows it,
//! so a kill leaves at most the few that were just being made. Never here: what is in the files.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

const PREFIX: &str = "binlogd-spill-";
const LOCK_SUFFIX: &str = ".lock";
const FILE_SUFFIX: &str = ".events";

/// What a spill file can do. A trait so that tests can let it fail.
pub trait SpillFile: Read + Write + Seek + Send + fmt::Debug {}

impl<F: Read + Write + Seek + Send + fmt::Debug> SpillFile for F {}

/// Makes spill files.
pub trait SpillFiles: Send + Sync + fmt::Debug {
    fn create(&self) -> io::Result<Box<dyn SpillFile>>;
}

/// The folder with its bound; clones share both.
#[derive(Debug, Clone)]
pub struct SpillDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: Box<dyn SpillFiles>,
    /// For error texts.
    path: PathBuf,
    bytes_max: u64,
    /// Bytes of all files that exist now.
    bytes: AtomicU64,
}

impl SpillDir {
    /// Opens the folder, makes it if it is missing, and removes files of daemons that are no longer alive. All spill
    /// files together may take `bytes_max`.
    ///
    /// # Errors
    /// Definite when the folder cannot be made, read or written.
    pub fn open(path: &Path, bytes_max: u64) -> Result<SpillDir> {
        let at = |e: io::Error| {
            let text = format!("the spill folder {} cannot be used", path.display());
            Error::definite(text).source(e).hint("`spill_dir` must name a folder that the daemon may write")
        };
        std::fs::create_dir_all(path).map_err(at)?;
        let removed = remove_stale(path).map_err(at)?;
        if removed > 0 {
            tracing::info!(removed, dir = %path.display(), "removed spill files of an earlier run");
        }
        let files = OwnFiles::lock(path).map_err(at)?;
        Ok(Self::with_files(Box::new(files), path, bytes_max))
    }

    /// A folder whose files come from elsewhere.
    pub fn with_files(files: Box<dyn SpillFiles>, path: &Path, bytes_max: u64) -> SpillDir {
        SpillDir { inner: Arc::new(Inner { files, path: path.to_owned(), bytes_max, bytes: AtomicU64::new(0) }) }
    }

    pub fn bytes_max(&self) -> u64 {
        self.inner.bytes_max
    }

    /// Bytes of all spill files that exist now.
    pub fn bytes(&self) -> u64 {
        self.inner.bytes.load(Ordering::Relaxed)
    }

    /// As `is_in_memory` of its path.
    pub fn is_in_memory(&self) -> Option<bool> {
        is_in_memory(&self.inner.path)
    }

    pub(super) fn create(&self) -> Result<Box<dyn SpillFile>> {
        self.inner.files.create().map_err(|e| match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.write_error(e),
            _ => {
                let text = format!("no spill file can be made in {}", self.inner.path.display());
                Error::definite(text).source(e).hint("`spill_dir` must name a folder that the daemon may write")
            }
        })
    }

    pub(super) fn write_error(&self, e: io::Error) -> Error {
        let dir = self.inner.path.display();
        let full = matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let text = if full { format!("the disk under {dir} is full") } else { format!("a spill file in {dir} cannot be written") };
        Error::transient(text).source(e).hint("free space there, or give a larger disk as `spill_dir`")
    }

    /// Takes bytes of the bound, or nothing if they are not left.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.inner.bytes_max);
        self.inner.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    pub(super) fn give_back(&self, bytes: u64) {
        let before = self.inner.bytes.fetch_sub(bytes, Ordering::Relaxed);
        assert!(before >= bytes, "more spill bytes given back than were taken");
    }
}

/// Whether a folder lies in memory (tmpfs, ramfs), so that spilling there saves none. `None` where the system does not
/// tell. From `/proc/self/mountinfo` (proc(5)), found by the folder's device number.
pub fn is_in_memory(folder: &Path) -> Option<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = file_system(&mounts, device_of(folder)?)?;
    Some(matches!(kind, "tmpfs" | "ramfs"))
}

/// Files of this process in a real folder.
#[derive(Debug)]
struct OwnFiles {
    dir: PathBuf,
    key: String,
    next: AtomicU64,
    lock_path: PathBuf,
    /// Held open, and with it locked, as long as the folder is in use.
    _lock: File,
}

impl OwnFiles {
    fn lock(dir: &Path) -> io::Result<Self> {
        loop {
            let key = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
            let lock_path = dir.join(format!("{PREFIX}{key}{LOCK_SUFFIX}"));
            let lock = OpenOptions::new().write(true).create_new(true).open(&lock_path)?;
            // Another daemon that starts now may have taken the new file for a stale one: then a new name is tried.
            match lock.try_lock() {
                Ok(()) if lock_path.try_exists()? => {
                    return Ok(OwnFiles { dir: dir.to_owned(), key, next: AtomicU64::new(0), lock_path, _lock: lock });
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
    }
}

impl SpillFiles for OwnFiles {
    fn create(&self) -> io::Result<Box<dyn SpillFile>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{PREFIX}{}-{number}{FILE_SUFFIX}", self.key));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(Box::new(file)),
            // A system that keeps the names of open files: the file goes when it is dropped.
            Err(_) => Ok(Box::new(NamedFile { file, path })),
        }
    }
}

impl Drop for OwnFiles {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_file(&self.lock_path) {
            tracing::debug!(error = %e, "the spill folder's lock file was not removed");
        }
    }
}

#[derive(Debug)]
struct NamedFile {
    file: File,
    path: PathBuf,
}

impl Read for NamedFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read(buf)
    }
}

impl Write for NamedFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for NamedFile {
    fn seek(&mut self, pos: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(pos)
    }
}

impl Drop for NamedFile {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_file(&self.path) {
            tracing::warn!(error = %e, path = %self.path.display(), "a spill file was not removed");
        }
    }
}

/// Removes the files of every key whose lock is free, and files whose lock is gone. Returns how many spill files.
fn remove_stale(dir: &Path) -> io::Result<usize> {
    let names: Vec<String> =
        std::fs::read_dir(dir)?.filter_map(|e| e.ok()?.file_name().into_string().ok()).filter(|n| n.starts_with(PREFIX)).collect();
    let mut removed = 0;
    for name in names.iter().filter(|n| n.ends_with(FILE_SUFFIX)) {
        let Some(key) = key_of_file(name) else { continue };
        if is_alive(&dir.join(format!("{PREFIX}{key}{LOCK_SUFFIX}")))? {
            continue;
        }
        removed += usize::from(gone(std::fs::remove_file(dir.join(name)))?);
    }
    for name in names.iter().filter(|n| n.ends_with(LOCK_SUFFIX)) {
        let path = dir.join(name);
        if let Some(_locked) = lock_if_stale(&path)? {
            gone(std::fs::remove_file(&path))?;
        }
    }
    Ok(removed)
}

/// `PID-RANDOM` in `binlogd-spill-PID-RANDOM-NUMBER.events`.
fn key_of_file(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?.strip_suffix(FILE_SUFFIX)?.rsplit_once('-').map(|(key, _)| key)
}

fn is_alive(lock_path: &Path) -> io::Result<bool> {
    Ok(lock_path.try_exists()? && lock_if_stale(lock_path)?.is_none())
}

/// The lock file, locked, if no living process holds it.
fn lock_if_stale(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        // Another user's: not ours to judge.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(e) => return Err(e),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Whether this call removed the file; another daemon may have been faster.
fn gone(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// `major:minor` of the device that a path lies on, as mountinfo writes it (makedev(3), 64-bit Linux).
#[cfg(target_os = "linux")]
fn device_of(path: &Path) -> Option<(u64, u64)> {
    let dev = std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(path).ok()?);
    let major = (dev >> 32 & 0xffff_f000) | (dev >> 8 & 0xfff);
    let minor = (dev >> 12 & 0xffff_ff00) | (dev & 0xff);
    Some((major, minor))
}

#[cfg(not(target_os = "linux"))]
fn device_of(_: &Path) -> Option<(u64, u64)> {
    None
}

/// The file system type of a device: the third field is `major:minor`, the type is the first after ` - `.
fn file_system(mounts: &str, (major, minor): (u64, u64)) -> Option<&str> {
    let device = format!("{major}:{minor}");
    let line = mounts.lines().find(|l| l.split(' ').nth(2) == Some(&device))?;
    line.split_once(" - ")?.1.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_have_no_name_and_the_lock_goes_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let spill = SpillDir::open(dir.path(), 100).unwrap();
        let mut file = spill.create().unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(names(dir.path()).len(), 1, "the lock only");
        drop((file, spill));
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn stale_files_go_and_living_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in
            ["binlogd-spill-77-0000000a-3.events", "binlogd-spill-77-0000000a.lock", "binlogd-spill-78-0000000b-0.events", "other.events"]
        {
            std::fs::write(at(name), b"x").unwrap();
        }
        let alive = at("binlogd-spill-79-0000000c.lock");
        let lock = File::create(&alive).unwrap();
        lock.try_lock().unwrap();
        std::fs::write(at("binlogd-spill-79-0000000c-1.events"), b"x").unwrap();
        assert_eq!(remove_stale(dir.path()).unwrap(), 2);
        assert_eq!(names(dir.path()), ["binlogd-spill-79-0000000c-1.events", "binlogd-spill-79-0000000c.lock", "other.events"]);
        drop(lock);
        assert_eq!(remove_stale(dir.path()).unwrap(), 1);
        assert_eq!(names(dir.path()), ["other.events"]);
    }

    #[test]
    fn the_bound_is_shared_by_clones() {
        let dir = tempfile::tempdir().unwrap();
        let spill = SpillDir::open(dir.path(), 100).unwrap();
        let other = spill.clone();
        assert!(spill.take(60));
        assert!(!other.take(41));
        assert!(other.take(40));
        spill.give_back(60);
        assert_eq!(other.bytes(), 40);
    }

    #[test]
    fn an_unusable_folder_is_one_clear_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let error = SpillDir::open(&file, 1).unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().contains("spill_dir"), "{error}");
    }

    #[test]
    fn file_systems_are_found_by_device() {
        let mounts = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n40 35 0:33 / /run rw - tmpfs tmpfs rw,size=1\n";
        assert_eq!(file_system(mounts, (98, 0)), Some("ext3"));
        assert_eq!(file_system(mounts, (0, 33)), Some("tmpfs"));
        assert_eq!(file_system(mounts, (1, 1)), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_told_from_disk() {
        let shm = Path::new("/dev/shm");
        let is_tmpfs = std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" /dev/shm ");
        if is_tmpfs && let Ok(spill) = SpillDir::open(shm, 1) {
            assert_eq!(spill.is_in_memory(), Some(true));
        }
    }
}
