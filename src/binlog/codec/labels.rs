//! ENUM and SET: numbers to labels, escaped once when the codec is compiled.

use std::sync::Arc;

use super::DecodeError;
use super::escape::{self, Astral};
use super::int::little_endian;

/// The labels of a column in the order of its definition.
#[derive(Debug, Clone)]
pub struct Labels {
    labels: Arc<[Label]>,
}

#[derive(Debug, Clone)]
struct Label {
    text: Box<str>,
    /// Quoted and escaped.
    json: Box<[u8]>,
}

impl Labels {
    pub fn new(labels: &[String]) -> Self {
        let label = |text: &String| {
            let mut json = Vec::new();
            escape::write_string(text.as_bytes(), Astral::Escaped, &mut json);
            Label { text: text.as_str().into(), json: json.into() }
        };
        Labels { labels: labels.iter().map(label).collect() }
    }

    /// ENUM as a JSON string. Index 0, which the server stores for a value it did not know, is the empty string.
    pub fn write_enum_json(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        out.extend_from_slice(self.find(value)?.map_or(b"\"\"", |label| &label.json));
        Ok(())
    }

    pub fn write_enum_text(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        out.extend_from_slice(self.find(value)?.map_or(b"", |label| label.text.as_bytes()));
        Ok(())
    }

    fn find(&self, value: &[u8]) -> Result<Option<&Label>, DecodeError> {
        let number = little_endian(value)?;
        let Some(index) = number.checked_sub(1) else { return Ok(None) };
        match usize::try_from(index).ok().and_then(|i| self.labels.get(i)) {
            Some(label) => Ok(Some(label)),
            None => Err(DecodeError::invalid("enum", format!("label number {number} of {}", self.labels.len()))),
        }
    }

    /// SET as a JSON array of strings.
    pub fn write_set_json(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        out.push(b'[');
        self.each_member(value, |label, first| {
            if !first {
                out.push(b',');
            }
            out.extend_from_slice(&label.json);
        })?;
        out.push(b']');
        Ok(())
    }

    /// SET as the text of a Java list: `[a, b]`.
    pub fn write_set_text(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        out.push(b'[');
        self.each_member(value, |label, first| {
            if !first {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(label.text.as_bytes());
        })?;
        out.push(b']');
        Ok(())
    }

    fn each_member(&self, value: &[u8], mut sink: impl FnMut(&Label, bool)) -> Result<(), DecodeError> {
        let mut bits = little_endian(value)?;
        let mut first = true;
        while bits != 0 {
            let number = bits.trailing_zeros() as usize;
            let Some(label) = self.labels.get(number) else {
                return Err(DecodeError::invalid("set", format!("bit {number} of {} labels", self.labels.len())));
            };
            sink(label, first);
            first = false;
            bits &= bits - 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Labels::new(&["a".into(), "say \"hi\"".into(), "it's".into(), String::new(), "😀".into()])
    }

    fn text(result: impl FnOnce(&mut Vec<u8>) -> Result<(), DecodeError>) -> String {
        let mut out = Vec::new();
        result(&mut out).expect("valid");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn enums() {
        let labels = labels();
        for (value, json, plain) in [
            (&[1u8][..], r#""a""#, "a"),
            (&[2, 0], r#""say \"hi\"""#, "say \"hi\""),
            (&[4], r#""""#, ""),
            (&[5], r#""\uD83D\uDE00""#, "😀"),
            (&[0], r#""""#, ""),
        ] {
            assert_eq!(text(|out| labels.write_enum_json(value, out)), json);
            assert_eq!(text(|out| labels.write_enum_text(value, out)), plain);
        }
        let error = labels.write_enum_json(&[6], &mut Vec::new()).expect_err("too large");
        assert_eq!(error.to_string(), "bad enum: label number 6 of 5");
    }

    #[test]
    fn as_many_as_there_can_be() {
        let all: Vec<String> = (0..65_535).map(|n| format!("{n}")).collect();
        let labels = Labels::new(&all);
        assert_eq!(text(|out| labels.write_enum_json(&[0xff, 0xff], out)), r#""65534""#);
        assert_eq!(text(|out| labels.write_enum_json(&[0, 1], out)), r#""255""#);
        let set = Labels::new(&all[..64]);
        assert!(text(|out| set.write_set_text(&[0xff; 8], out)).ends_with(", 62, 63]"));
    }

    #[test]
    fn sets() {
        let labels = labels();
        for (value, json, plain) in
            [(&[0u8][..], "[]", "[]"), (&[0b101], r#"["a","it's"]"#, "[a, it's]"), (&[2, 0], r#"["say \"hi\""]"#, "[say \"hi\"]")]
        {
            assert_eq!(text(|out| labels.write_set_json(value, out)), json);
            assert_eq!(text(|out| labels.write_set_text(value, out)), plain);
        }
        assert!(labels.write_set_json(&[0x20], &mut Vec::new()).is_err());
    }
}
