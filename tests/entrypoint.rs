//! The container's entry point, run by the system's shell with a program in binlogd's place that prints what it was given.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Container {
    dir: tempfile::TempDir,
}

impl Container {
    fn new() -> Container {
        let dir = tempfile::tempdir().expect("folder");
        let stub = dir.path().join("bin/binlogd");
        fs::create_dir(dir.path().join("bin")).expect("folder");
        fs::write(&stub, "#!/bin/sh\nprintf '%s\\n' binlogd \"$@\"\nexit 7\n").expect("stub");
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("mode");
        // A name that *.* would match, if words were taken for patterns.
        fs::write(dir.path().join("a.b"), "").expect("file");
        Container { dir }
    }

    /// What is run for these words and variables: the stub's words, after its name.
    fn run_as(&self, script: &Path, words: &[&str], variables: &[(&str, &str)]) -> (Vec<String>, Option<i32>) {
        let path = format!("{}:/usr/bin:/bin", self.dir.path().join("bin").display());
        let mut command = Command::new("sh");
        command.arg(script).args(words).env_clear().env("PATH", path).envs(variables.iter().copied());
        let output = command.current_dir(self.dir.path()).output().expect("sh");
        assert!(output.stderr.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect(), output.status.code())
    }

    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
        self.run_as(&script(), words, variables).0
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/docker-entrypoint.sh")
}

const MYSQL: [(&str, &str); 3] = [("MYSQL_USERNAME", "mx"), ("MYSQL_PASSWORD", "p w$1*"), ("MYSQL_HOST", "db")];

#[test]
fn maxwells_variables_become_options() {
    let container = Container::new();
    let with = |more: &[(&'static str, &'static str)]| MYSQL.iter().chain(more).copied().collect::<Vec<_>>();
    let login = ["binlogd", "--user=mx", "--password=p w$1*", "--host=db"];
    for (variables, want) in [
        (with(&[("KAFKA_BROKERS", "k1:9092,k2:9092")]), vec!["--producer=kafka", "--kafka.bootstrap.servers=k1:9092,k2:9092"]),
        (with(&[("KAFKA_HOST", "k"), ("KAFKA_PORT", "9093")]), vec!["--producer=kafka", "--kafka.bootstrap.servers=k:9093"]),
        (with(&[("KAFKA_HOST", "k")]), vec!["--producer=kafka", "--kafka.bootstrap.servers=k:9092"]),
        (with(&[("KAFKA_BROKERS", "b:1"), ("KAFKA_HOST", "k")]), vec!["--producer=kafka", "--kafka.bootstrap.servers=b:1"]),
        (with(&[]), vec!["--producer=kafka"]),
        (with(&[("MAXWELL_PRODUCER", "stdout"), ("KAFKA_BROKERS", "k:1")]), vec!["--producer=stdout"]),
        (
            with(&[("MAXWELL_PRODUCER", "stdout"), ("MAXWELL_OPTIONS", "--filter=exclude:*.*,include:a.*  --output_ddl *.*")]),
            vec!["--producer=stdout", "--filter=exclude:*.*,include:a.*", "--output_ddl", "*.*"],
        ),
    ] {
        let want: Vec<&str> = login.into_iter().chain(want).collect();
        for words in [&[] as &[&str], &["bin/maxwell-docker"], &["/app/bin/maxwell-docker"], &["maxwell-docker"]] {
            assert_eq!(container.run(words, &variables), want, "{words:?} {variables:?}");
        }
    }
    let more = container.run(&["bin/maxwell-docker", "--client_id=c d"], &[("MAXWELL_PRODUCER", "stdout")]);
    assert_eq!(more, ["binlogd", "--producer=stdout", "--client_id=c d"]);
}

#[test]
fn first_words_choose_what_runs() {
    let container = Container::new();
    for (words, want) in [
        (&["bin/maxwell", "--user=a", "--producer=stdout"] as &[&str], &["binlogd", "--user=a", "--producer=stdout"] as &[&str]),
        (&["/app/bin/maxwell", "--daemon"], &["binlogd", "--daemon"]),
        (&["--config=/etc/c d"], &["binlogd", "--config=/etc/c d"]),
        (&["binlogd", "--help", "all"], &["binlogd", "--help", "all"]),
        (&["read", "a.000001"], &["binlogd", "read", "a.000001"]),
        (&["check", "--config=f"], &["binlogd", "check", "--config=f"]),
        (&["position", "show"], &["binlogd", "position", "show"]),
        (&["echo", "else"], &["else"]),
    ] {
        assert_eq!(container.run(words, &MYSQL), want, "{words:?}");
    }
    // Without words and variables nothing overrides the properties file.
    assert_eq!(container.run(&[], &[]), ["binlogd"]);
    assert_eq!(container.run(&["bin/maxwell-docker"], &[]), ["binlogd", "--producer=kafka"]);
    let (_, code) = container.run_as(&script(), &["bin/maxwell"], &[]);
    assert_eq!(code, Some(7), "the program takes the script's place, and its exit code counts");
    assert_eq!(container.run(&["bin/maxwell", "x"], &[("BINLOGD", "echo")]), ["x"]);
}

/// A command line such as `bash -c "bin/maxwell-docker"` calls the script by Maxwell's names.
#[test]
fn the_scripts_own_name_counts() {
    let container = Container::new();
    let names = [("maxwell-docker", vec!["binlogd", "--host=db", "--producer=none", "x"]), ("maxwell", vec!["binlogd", "x"])];
    for (name, want) in names {
        let link = container.dir.path().join("bin").join(name);
        std::os::unix::fs::symlink(script(), &link).expect("link");
        let (ran, _) = container.run_as(&link, &["x"], &[("MYSQL_HOST", "db"), ("MAXWELL_PRODUCER", "none")]);
        assert_eq!(ran, want, "{name}");
    }
}

/// What the script passes on is understood: the daemon takes these options.
#[test]
fn binlogd_understands_it() {
    let container = Container::new();
    let variables = [("KAFKA_BROKERS", "k:1"), ("MAXWELL_OPTIONS", "--output_ddl=true --kafka_topic=t")];
    let all: Vec<(&str, &str)> = MYSQL.into_iter().chain(variables).collect();
    let words = container.run(&[], &all);
    let around = binlogd::config::Surroundings { directory: container.dir.path().to_path_buf(), ..Default::default() };
    match binlogd::config::cli::parse_in(words[1..].iter().map(Into::into), &around) {
        Ok(binlogd::config::Invocation::Run(config)) => {
            assert!(config.output.ddl && config.notes.is_empty());
            assert_eq!((config.store.user.as_str(), config.store.password.reveal()), ("mx", "p w$1*"));
        }
        other => panic!("{other:?}"),
    }
}
