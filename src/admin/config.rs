//! `/config`: shows the filter, and replaces it in the running daemon (contract §10.3). Never here: what the new filter means for
//! rows; whoever follows the `LiveFilter` knows.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::filter::LiveFilter;

/// The filter as it is; null when there are no rules.
pub fn show(filter: &LiveFilter) -> String {
    let current = filter.current();
    let text = if current.is_empty() { Value::Null } else { Value::String(current.to_string()) };
    json!({ "filter": text }).to_string() + "\n"
}

/// Carries out a body like `{"filter":"exclude: a.*"}`. Other keys, and a filter that is null, change nothing; an empty one takes
/// all rules away.
pub fn change(filter: &LiveFilter, body: &[u8]) -> (StatusCode, String) {
    let parsed: Value = match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Value::Object(members),
        Ok(_) => return refuse("error processing body: it is not a JSON object"),
        Err(error) => return refuse(&format!("error processing body: {error}")),
    };
    match parsed.get("filter") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => match filter.replace(text) {
            Ok(warnings) => {
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!("updated filter: {}; it is not stored, and a restart goes back to the configured one", filter.current());
            }
            Err(why) => return refuse(&format!("invalid filter: {why}")),
        },
        Some(_) => return refuse("error processing body: filter is not a text"),
    }
    (StatusCode::OK, show(filter))
}

pub fn refuse(message: &str) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, json!({ "error": { "code": 400, "message": message } }).to_string() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    #[test]
    fn bodies() {
        let filter = LiveFilter::new(Filter::default());
        assert_eq!(show(&filter), "{\"filter\":null}\n");
        let rows: [(&str, u16, &str); 9] = [
            (r#"{"filter":"exclude: a.*, include: b./x/"}"#, 200, "{\"filter\":\"exclude: a.*, include: b./x/\"}\n"),
            (r#"{"other":1}"#, 200, "{\"filter\":\"exclude: a.*, include: b./x/\"}\n"),
            (r#"{"filter":null}"#, 200, "{\"filter\":\"exclude: a.*, include: b./x/\"}\n"),
            (r#"{"filter":"nonsense"}"#, 400, "invalid filter: Unknown filter keyword: nonsense"),
            (r#"{"filter":3}"#, 400, "filter is not a text"),
            (r#"{"filter":"#, 400, "error processing body: "),
            ("[]", 400, "error processing body: "),
            (r#"{}"#, 200, "{\"filter\":\"exclude: a.*, include: b./x/\"}\n"),
            (r#"{"filter":""}"#, 200, "{\"filter\":null}\n"),
        ];
        for (body, code, part) in rows {
            let (status, answer) = change(&filter, body.as_bytes());
            assert!(status.as_u16() == code && answer.contains(part), "{body}: {status} {answer}");
            assert_eq!(answer.contains("{\"error\":{\"code\":400,\"message\":\""), code == 400, "{answer}");
        }
    }
}
