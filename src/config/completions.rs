//! `binlogd completions bash|zsh|fish`: scripts that let a shell complete commands, options and their values, made from
//! the tables of commands and options.

use super::cli::Invocation;
use super::commands::{COMMANDS, Command, DAEMON, Given};
use super::fault::Findings;
use super::options::{self, Argument, Kind, Opt};

pub(super) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Options whose value is a path; the shell completes names of files there.
const PATHS: &[&str] = &["config", "log_file", "output_file", "spill_dir", "javascript", "jgroups_config"];
const PATH_ENDS: &[&str] = &["ssl_ca", "ssl_cert", "ssl_key"];

/// Help in a completion list is cut to this.
const HELP_WIDTH: usize = 90;

pub(super) fn command(mut given: Given) -> Result<Invocation, Findings> {
    let text = match given.words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bash"] => Some(bash()),
        ["zsh"] => Some(zsh()),
        ["fish"] => Some(fish()),
        _ => None,
    };
    let hint = "for bash: binlogd completions bash > /etc/bash_completion.d/binlogd".to_string();
    match text {
        Some(text) if given.findings.faults.is_empty() => Ok(Invocation::Print(text)),
        Some(_) => Err(given.findings),
        None => {
            given.findings.fault(format!("please specify one shell of {}", SHELLS.join(", ")), None, Some(hint));
            Err(given.findings)
        }
    }
}

/// What may be given to an option.
enum Values {
    Words(Vec<&'static str>),
    Files,
    Anything,
}

fn values(option: &Opt) -> Values {
    match option.kind {
        Kind::Bool => Values::Words(vec!["true", "false"]),
        Kind::Choice { values, .. } => Values::Words(values.to_vec()),
        _ if option.name == "help" => Values::Words(
            std::iter::once("all").chain(options::Group::ALL.iter().map(|g| g.section())).filter(|s| *s != "general").collect(),
        ),
        _ if PATHS.contains(&option.name) || PATH_ENDS.iter().any(|end| option.name.ends_with(end)) => Values::Files,
        _ => Values::Anything,
    }
}

/// The words that a command takes, read from what its help says: `bash|zsh|fish`, `show | set PLACE [options]`.
fn words_of(command: &Command) -> Vec<&'static str> {
    let choice = command.usage.split('[').next().unwrap_or_default();
    if !choice.contains('|') {
        return Vec::new();
    }
    choice.split('|').filter_map(|way| way.split_whitespace().next()).collect()
}

fn takes_files(command: &Command) -> bool {
    command.usage.contains("FILE")
}

fn options_of(command: &Command) -> impl Iterator<Item = &'static Opt> {
    options::all().filter(|o| o.on_command_line() && command.takes(o))
}

fn names(command: &Command) -> String {
    options_of(command).map(|o| format!("--{}", o.name)).collect::<Vec<_>>().join(" ")
}

fn short(help: &str) -> String {
    let plain = help.replace(['`', '\'', '"', '\\'], "");
    match plain.char_indices().nth(HELP_WIDTH) {
        Some((end, _)) => format!("{}…", plain[..end].trim_end()),
        None => plain,
    }
}

fn bash() -> String {
    let mut by_option = String::new();
    for option in options::all().filter(|o| o.on_command_line()) {
        let what = match values(option) {
            Values::Words(words) => format!("values='{}'", words.join(" ")),
            Values::Files => "files=1".to_owned(),
            Values::Anything => "values=''".to_owned(),
        };
        let optional = if option.argument == Argument::Optional { " optional=1" } else { "" };
        by_option.push_str(&format!("    --{}) {what}{optional} ;;\n", option.name));
    }
    let mut by_command = String::new();
    for command in COMMANDS {
        let files = if takes_files(command) { " files=1" } else { "" };
        by_command.push_str(&format!(
            "    {}) words='{}' options='{}'{files} ;;\n",
            command.word,
            words_of(command).join(" "),
            names(command)
        ));
    }
    let commands: Vec<&str> = COMMANDS.iter().map(|c| c.word).collect();
    format!(
        r#"# bash completion of binlogd, made by: binlogd completions bash
_binlogd() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before='' option='' values='' words='' options='' files='' optional='' begin=''
  COMPREPLY=()
  (( COMP_CWORD > 0 )) && before=${{COMP_WORDS[COMP_CWORD-1]}}
  # bash takes --name=value apart at the =.
  if [[ $word == = ]]; then
    option=$before word=''
  elif [[ $before == = ]] && (( COMP_CWORD > 1 )); then
    option=${{COMP_WORDS[COMP_CWORD-2]}}
  elif [[ $word == --*=* ]]; then
    option=${{word%%=*}} begin=${{word%%=*}}= word=${{word#*=}}
  elif [[ $before == --* && $word != -* ]]; then
    option=$before
  fi
  case $option in
{by_option}    *) option='' ;;
  esac
  if [[ -n $option && ! ( -n $optional && $option == "$before" && $word == '' ) ]]; then
    if [[ -n $files ]]; then
      COMPREPLY=($(compgen -f -- "$word"))
    else
      COMPREPLY=($(compgen -P "$begin" -W "$values" -- "$word"))
    fi
    return
  fi
  files=''
  case ${{COMP_WORDS[1]}} in
{by_command}    *) options='{daemon}' ;;
  esac
  if (( COMP_CWORD == 1 )); then words='{commands}'; fi
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    if [[ -n $files ]]; then COMPREPLY+=($(compgen -f -- "$word")); fi
  fi
}}
complete -o bashdefault -F _binlogd binlogd
"#,
        daemon = names(&DAEMON),
        commands = commands.join(" "),
    )
}

fn zsh() -> String {
    let specification = |option: &Opt| {
        let help = short(option.help).replace('[', "(").replace(']', ")").replace(':', "\\:");
        let action = match values(option) {
            Values::Words(words) => format!("({})", words.join(" ")),
            Values::Files => "_files".to_owned(),
            Values::Anything => String::new(),
        };
        match option.argument {
            Argument::Required => format!("      '--{}=[{help}]:value:{action}'", option.name),
            Argument::Optional => format!("      '--{}=-[{help}]::value:{action}'", option.name),
        }
    };
    let arguments = |command: &Command| {
        let mut lines: Vec<String> = options_of(command).map(specification).collect();
        let words = words_of(command);
        if !words.is_empty() {
            lines.push(format!("      '*:word:({})'", words.join(" ")));
        } else if takes_files(command) {
            lines.push("      '*:file:_files'".to_owned());
        }
        lines.join(" \\\n")
    };
    let mut out = String::from("#compdef binlogd\n# zsh completion of binlogd, made by: binlogd completions zsh\n_binlogd() {\n");
    let commands: Vec<&str> = COMMANDS.iter().map(|c| c.word).collect();
    out.push_str(&format!(
        "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n    compadd {}\n    return\n  fi\n",
        commands.join(" ")
    ));
    out.push_str("  case $words[2] in\n");
    for command in COMMANDS {
        out.push_str(&format!(
            "    {word})\n      shift words\n      (( CURRENT-- ))\n      _arguments \\\n{} ;;\n",
            arguments(command),
            word = command.word
        ));
    }
    out.push_str(&format!("    *)\n      _arguments \\\n{} ;;\n  esac\n}}\n_binlogd \"$@\"\n", arguments(&DAEMON)));
    out
}

fn fish() -> String {
    let commands = COMMANDS.iter().map(|c| c.word).collect::<Vec<_>>().join(" ");
    let mut out = String::from("# fish completion of binlogd, made by: binlogd completions fish\ncomplete -c binlogd -f\n");
    for command in COMMANDS {
        out.push_str(&format!("complete -c binlogd -n __fish_use_subcommand -a {} -d '{}'\n", command.word, short(command.about)));
    }
    for command in std::iter::once(&DAEMON).chain(COMMANDS) {
        let when = match command.word {
            "" => format!("not __fish_seen_subcommand_from {commands}"),
            word => format!("__fish_seen_subcommand_from {word}"),
        };
        for option in options_of(command) {
            let action = match values(option) {
                Values::Words(words) => format!(" -x -a '{}'", words.join(" ")),
                Values::Files => " -r -F".to_owned(),
                Values::Anything => " -x".to_owned(),
            };
            out.push_str(&format!("complete -c binlogd -n '{when}' -l {}{action} -d '{}'\n", option.name, short(option.help)));
        }
        let words = words_of(command);
        if !words.is_empty() {
            out.push_str(&format!("complete -c binlogd -n '{when}' -a '{}'\n", words.join(" ")));
        }
        if takes_files(command) {
            out.push_str(&format!("complete -c binlogd -n '{when}' -F\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn paths_are_options() {
        for name in PATHS {
            assert!(options::find(name).is_some(), "{name}");
        }
    }

    /// What bash offers behind these words, of which the last one is half typed.
    fn offered(words: &[&str]) -> Vec<String> {
        let quoted: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
        let script = format!(
            "{}\nCOMP_WORDS=(binlogd {})\nCOMP_CWORD={}\n_binlogd\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            bash(),
            quoted.join(" "),
            words.len()
        );
        let mut child = Command::new("bash")
            .args(["--norc", "-s"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash");
        child.stdin.take().expect("pipe").write_all(script.as_bytes()).expect("script");
        let output = child.wait_with_output().expect("bash");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().filter(|l| !l.is_empty()).map(String::from).collect()
    }

    #[test]
    fn bash_completes() {
        if Command::new("bash").arg("--version").output().is_err() {
            println!("SKIPPED bash_completes: there is no bash");
            return;
        }
        for (words, want) in [
            (&["--ouptu"] as &[&str], &[] as &[&str]),
            (&["--output_x"], &["--output_xoffset"]),
            (&["re"], &["read"]),
            (&["--ssl", "=", "VER"], &["VERIFY_CA", "VERIFY_IDENTITY"]),
            (&["--ssl", "="], &["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]),
            (&["--replication_ssl=DIS"], &["--replication_ssl=DISABLED"]),
            (&["--log_level", "de"], &["debug"]),
            (&["--output_ddl", "f"], &["false"]),
            (&["--output_ddl", "--output_x"], &["--output_xoffset"]),
            (&["--password", "x"], &[]),
            (&["--config", "/dev/nul"], &["/dev/null"]),
            (&["--help", "rab"], &["rabbitmq"]),
            (&["read", "--binlog"], &["--binlog_name"]),
            (&["read", "/dev/nul"], &["/dev/null"]),
            (&["--binlog_n"], &[]),
            (&["read", "--hos"], &[]),
            (&["completions", "f"], &["fish"]),
            (&["position", "s"], &["show", "set"]),
        ] {
            assert_eq!(offered(words), want, "{words:?}");
        }
        assert!(offered(&[""]).contains(&"completions".to_owned()));
    }

    #[test]
    fn zsh_and_fish_know_every_option() {
        let (zsh, fish) = (zsh(), fish());
        for option in options_of(&DAEMON) {
            assert!(zsh.contains(&format!("'--{}=", option.name)), "{}", option.name);
            assert!(fish.contains(&format!(" -l {} ", option.name)), "{}", option.name);
        }
        for line in zsh.lines().chain(fish.lines()) {
            assert_eq!(line.matches('\'').count() % 2, 0, "{line}");
        }
        for (shell, text) in [("zsh", zsh), ("fish", fish)] {
            // Where the shell is installed, it says whether it understands the script.
            if Command::new(shell).arg("--version").output().is_err() {
                println!("{shell} is not installed; its script was not read by it");
                continue;
            }
            let file = tempfile::NamedTempFile::new().expect("file");
            std::fs::write(file.path(), text).expect("file");
            let output = Command::new(shell).arg("-n").arg(file.path()).output().expect("shell");
            assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
