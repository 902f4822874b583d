//! Patterns written for `java.util.regex`, compiled with the `regex` crate, or with `fancy-regex` where they use
//! look-around, back references, atomic groups or possessive quantifiers.
//!
//! The predefined classes `\d \w \s` are ASCII in Java and Unicode in the crates, and `\Q…\E` is Java's alone, so these
//! are rewritten first. Left as the crates have it: `$` matches at the very end only (in Java also before a last line
//! break), and `.` matches every character but `\n`.

use regex::bytes;

/// A compiled pattern. Searching is Java's `find`: unanchored.
#[derive(Debug, Clone)]
pub enum Compiled {
    Plain(bytes::Regex),
    Fancy(Box<fancy_regex::Regex>),
}

/// Steps that a back-tracking pattern may take on one value.
const BACKTRACK_STEPS_MAX: usize = 1_000_000;

impl Compiled {
    /// Whether the pattern is found in the text. `None`: the pattern took too many steps on it.
    pub fn find(&self, text: &[u8]) -> Option<bool> {
        match self {
            Compiled::Plain(regex) => Some(regex.is_match(text)),
            Compiled::Fancy(regex) => regex.is_match(&String::from_utf8_lossy(text)).ok(),
        }
    }
}

/// Compiles a Java pattern. The error is one line.
pub fn compile(java: &str) -> Result<Compiled, String> {
    let translated = translate(java);
    let plain = if translated.possessive { None } else { Some(bytes::Regex::new(&translated.pattern)) };
    let plain_error = match plain {
        Some(Ok(regex)) => return Ok(Compiled::Plain(regex)),
        Some(Err(regex::Error::CompiledTooBig(limit))) => return Err(format!("the compiled pattern is larger than {limit} bytes")),
        Some(Err(e)) => Some(last_line(&e.to_string())),
        None => None,
    };
    match fancy_regex::RegexBuilder::new(&translated.pattern).backtrack_limit(BACKTRACK_STEPS_MAX).build() {
        Ok(regex) => Ok(Compiled::Fancy(Box::new(regex))),
        Err(e) => Err(plain_error.unwrap_or_else(|| last_line(&e.to_string()))),
    }
}

/// The crate draws its errors over several lines; the last one says what is wrong.
fn last_line(error: &str) -> String {
    let line = error.lines().last().unwrap_or(error).trim();
    line.strip_prefix("error: ").unwrap_or(line).to_string()
}

struct Translated {
    pattern: String,
    /// A quantifier is followed by `+`: the `regex` crate would read it as a second repetition.
    possessive: bool,
}

fn translate(java: &str) -> Translated {
    let mut out = String::with_capacity(java.len() + 16);
    let mut possessive = false;
    let mut class_depth = 0usize;
    let mut after_quantifier = false;
    let mut chars = java.chars();
    while let Some(c) = chars.next() {
        let was_quantifier = std::mem::take(&mut after_quantifier);
        match c {
            '\\' => match chars.next() {
                Some('Q') => quote_until_end_mark(&mut chars, &mut out),
                Some(escaped) => escape(escaped, class_depth > 0, &mut out),
                None => out.push('\\'),
            },
            '[' => {
                class_depth += 1;
                out.push(c);
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                out.push(c);
            }
            '*' | '+' | '?' | '}' if class_depth == 0 => {
                possessive |= was_quantifier && c == '+';
                // `(?` opens a group, and `a+?` is lazy: neither can be followed by a possessive mark.
                after_quantifier = !was_quantifier && !out.ends_with('(');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    Translated { pattern: out, possessive }
}

/// `\Q…\E`: everything between is literal; without `\E` up to the end.
fn quote_until_end_mark(chars: &mut std::str::Chars<'_>, out: &mut String) {
    let rest = chars.as_str();
    let (literal, after) = rest.split_once(r"\E").unwrap_or((rest, ""));
    out.push_str(&regex::escape(literal));
    *chars = after.chars();
}

fn escape(escaped: char, in_class: bool, out: &mut String) {
    const DIGIT: &str = "0-9";
    const WORD: &str = "A-Za-z0-9_";
    const SPACE: &str = r" \t\n\x0B\x0C\r";
    let (set, negated) = match escaped {
        'd' => (DIGIT, false),
        'D' => (DIGIT, true),
        'w' => (WORD, false),
        'W' => (WORD, true),
        's' => (SPACE, false),
        'S' => (SPACE, true),
        other => {
            out.push('\\');
            out.push(other);
            return;
        }
    };
    match (negated, in_class) {
        (false, true) => out.push_str(set),
        (false, false) => out.extend(["[", set, "]"]),
        (true, _) => out.extend(["[^", set, "]"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_as_java_does() {
        for (pattern, text, want) in [
            ("a", "bab", true),
            ("^a$", "ab", false),
            (r"\d", "٣", false),
            (r"^\w+$", "é", false),
            (r"^[\w.]+$", "a.b", true),
            (r"^[\D]$", "7", false),
            (r"\S", "\u{2003}", true),
            (r"\Qa.b\E+", "a.bb", true),
            (r"\Qa.b\E+", "axb", false),
            (r"\Q(", "(", true),
            ("^(?!tmp_)", "tmp_a", false),
            ("^(?!tmp_)", "orders", true),
            (r"^(.)\1$", "aa", true),
            (r"^(.)\1$", "ab", false),
            ("^a++a$", "aaa", false),
            ("^a+?a$", "aaa", true),
            ("^(?:a|b)+$", "abab", true),
            (r"a\/b", "a/b", true),
            ("[a-z&&[^b]]", "b", false),
            ("", "", true),
        ] {
            let compiled = compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert_eq!(compiled.find(text.as_bytes()), Some(want), "/{pattern}/ in {text}");
        }
    }

    #[test]
    fn what_no_crate_reads_is_an_error_of_one_line() {
        for pattern in ["(", "[", "*", r"\p{javaLowerCase}", "(?d)a", "a{2,1}", r"a\"] {
            let error = compile(pattern).err().unwrap_or_else(|| panic!("{pattern} was accepted"));
            assert!(!error.contains('\n') && !error.is_empty(), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_runaway_pattern_gives_up() {
        let compiled = compile(r"^(a+)+\1$").expect("back reference");
        assert_eq!(compiled.find("a".repeat(64).as_bytes().iter().copied().chain(*b"b").collect::<Vec<_>>().as_slice()), None);
    }
}
