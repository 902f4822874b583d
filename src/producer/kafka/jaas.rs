//! Java's `sasl.jaas.config`: `MODULE required NAME="VALUE" …;` as words. What the options mean is in `security` and `oauth`.
//! Never here: a value in a text for the user.

/// The login modules that there is something for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    Plain,
    Scram,
    OAuthBearer,
}

const MODULES: &[(&str, Module)] =
    &[("PlainLoginModule", Module::Plain), ("ScramLoginModule", Module::Scram), ("OAuthBearerLoginModule", Module::OAuthBearer)];

/// Options of Java's login modules that nothing corresponds to. Others are not named in faults: a password with a blank or a quote
/// too many may look like an option.
const NO_EQUIVALENT: &[&str] = &["tokenauth", "useKeyTab", "keyTab", "storeKey", "principal", "serviceName", "useTicketCache"];

const FORM: &str = "must read: MODULE required NAME=\"VALUE\" …;";

pub(super) struct Jaas {
    pub module: Module,
    options: Vec<(String, String)>,
}

impl Jaas {
    pub fn parse(text: &str) -> Result<Jaas, String> {
        let words = words(text).ok_or(FORM)?;
        let [module, _flag, options @ ..] = words.as_slice() else { return Err(FORM.into()) };
        let class = module.rsplit('.').next().unwrap_or_default();
        let Some((_, module)) = MODULES.iter().find(|(name, _)| *name == class) else {
            // A slip may have put something else there, such as the password.
            let class = if class.ends_with("LoginModule") { class } else { "its login module" };
            let known: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
            return Err(format!("{class} is not built in; {} are", known.join(", ")));
        };
        let options: Option<Vec<_>> =
            options.iter().map(|o| o.split_once('=')).map(|o| o.map(|(k, v)| (k.to_owned(), v.to_owned()))).collect();
        Ok(Jaas { module: *module, options: options.ok_or(FORM)? })
    }

    /// Takes an option out; an empty one counts as missing.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.options.iter().position(|(n, _)| n == name)?;
        Some(self.options.remove(at).1).filter(|value| !value.is_empty())
    }

    /// Takes all options out that begin so; gives the rest of their names.
    pub fn take_all(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (taken, left) = std::mem::take(&mut self.options).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.options = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(name, value)| (name.get(prefix.len()..).unwrap_or_default().to_owned(), value)).collect()
    }

    /// What nobody has taken is not known. `known` is a list for the user.
    pub fn finish(self, known: &str) -> Result<(), String> {
        match self.options.first() {
            None => Ok(()),
            Some((name, _)) if NO_EQUIVALENT.contains(&name.as_str()) => Err(format!("the option {name} is not known; {known} are")),
            Some(_) => Err(format!("an option is not known; {known} are")),
        }
    }
}

/// Words up to the closing semicolon; quotes may hold anything, with a backslash before a quote or backslash. A word may be
/// `name="quoted"` as well.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => {
                let into = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        '\\' => into.push(chars.next()?),
                        other => into.push(other),
                    }
                }
            }
            ';' => {
                words.extend(word.take());
                return chars.all(char::is_whitespace).then_some(words);
            }
            c if c.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_options() {
        let text = "a.ScramLoginModule  required\n username='u;1' password=\"a \\\"b\\\\\" x_1=2 x_2=3 empty=\"\" ; ";
        let mut jaas = Jaas::parse(text).ok().unwrap();
        assert_eq!(jaas.module, Module::Scram);
        assert_eq!(jaas.take("username").as_deref(), Some("u;1"));
        assert_eq!(jaas.take("password").as_deref(), Some("a \"b\\"));
        assert_eq!(jaas.take("empty"), None);
        assert_eq!(jaas.take_all("x_"), [("1".to_owned(), "2".to_owned()), ("2".to_owned(), "3".to_owned())]);
        assert!(jaas.finish("a and b").is_ok());
    }

    #[test]
    fn faults_name_no_values() {
        for (text, words) in [
            (r#"a.PlainLoginModule required username="u" password="p""#, "must read"),
            (r#"a.PlainLoginModule required username="u" secret words;"#, "must read"),
            ("a.Krb5LoginModule required useKeyTab=true;", "Krb5LoginModule is not built in; PlainLoginModule, ScramLoginModule"),
            ("secret required;", "its login module is not built in"),
            ("", "must read"),
        ] {
            let fault = Jaas::parse(text).err().unwrap();
            assert!(fault.contains(words) && !fault.contains("secret"), "{fault}");
        }
        let finish = |text| Jaas::parse(text).ok().unwrap().finish("username and password").unwrap_err();
        assert_eq!(finish("a.PlainLoginModule required tokenauth=true;"), "the option tokenauth is not known; username and password are");
        assert_eq!(finish("a.PlainLoginModule required secret=true;"), "an option is not known; username and password are");
    }
}
