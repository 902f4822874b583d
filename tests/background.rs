//! `--daemon` with something wrong in the configuration: whoever typed it learns it on the terminal, and the exit code
//! tells it to scripts.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn start(dir: &Path, file: &str) -> Output {
    fs::write(dir.join("config.properties"), file).expect("file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_binlogd"));
    command.arg("--daemon").current_dir(dir).env_remove("LOG_DIR").env_remove("GTID_MODE").env_remove("NOTIFY_SOCKET");
    command.output().expect("binlogd runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn faults_are_told_before_anything_is_started() {
    let dir = tempfile::tempdir().expect("folder");
    let output = start(dir.path(), "host=h\nuser=u\nport=x\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("error: Invalid value for port, number required (config.properties:3)"), "{}", said(&output));
    assert!(!dir.path().join("logs").exists());
}

/// What only the background process can find out comes back as well.
#[test]
fn an_early_end_of_the_background_process_is_told() {
    let dir = tempfile::tempdir().expect("folder");
    fs::create_dir(dir.path().join("logs")).expect("folder");
    fs::write(dir.path().join("logs/MaxwellDaemon.out"), "of an earlier life\n").expect("file");
    let output = start(dir.path(), "host=h\nuser=u\nlog_file=nowhere/log\n");
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("log_file cannot be opened") && said.contains("hint: ") && !said.contains("earlier"), "{said}");
    assert!(output.stdout.is_empty());
    let kept = fs::read_to_string(dir.path().join("logs/MaxwellDaemon.out")).expect("output");
    assert!(kept.starts_with("of an earlier life\n") && kept.contains("log_file cannot be opened"), "{kept}");
}

#[test]
fn a_place_for_the_output_that_cannot_be_had_is_told() {
    let dir = tempfile::tempdir().expect("folder");
    fs::write(dir.path().join("logs"), "no folder").expect("file");
    let output = start(dir.path(), "host=h\nuser=u\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("LOG_DIR"), "{}", said(&output));
}
