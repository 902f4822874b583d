//! `output_naming_strategy`: how keys of messages are spelled (contract §4.10).

/// How envelope keys and column names are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    #[default]
    AsIs,
    /// `underscore_to_camelcase`
    UnderscoreToCamelcase,
}

impl Naming {
    pub fn apply(self, name: &str) -> String {
        match self {
            Naming::AsIs => name.to_owned(),
            Naming::UnderscoreToCamelcase => camelcase(name),
        }
    }
}

/// Leading underscores and a trailing one go; any other goes and the next character becomes upper case. A name of
/// underscores only stays as it is.
fn camelcase(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut chars = name.trim_start_matches('_').chars();
    while let Some(c) = chars.next() {
        if c != '_' {
            out.push(c);
        } else if let Some(next) = chars.next() {
            // Java's Character.toUpperCase maps one character to one, so a character that would become two stays.
            let mut upper = next.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) if next.is_lowercase() => out.push(single),
                _ => out.push(next),
            }
        }
    }
    if out.is_empty() { name.to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camelcase_as_maxwell_does() {
        for (name, want) in [
            ("server_id", "serverId"),
            ("_foo_bar", "fooBar"),
            ("foo__bar", "foo_bar"),
            ("foo_", "foo"),
            ("foo_1x", "foo1x"),
            ("__", "__"),
            ("", ""),
            ("plain", "plain"),
            ("a_ß", "aß"),
            ("primary_key_columns", "primaryKeyColumns"),
        ] {
            assert_eq!(Naming::UnderscoreToCamelcase.apply(name), want);
            assert_eq!(Naming::AsIs.apply(name), name);
        }
    }
}
