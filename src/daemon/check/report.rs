//! The report of `binlogd check`, as text for people and as one JSON object for programs.

use serde_json::json;

use crate::finding::{Finding, Mend, State, exit_code};

/// Width of the column with the state.
const STATE_WIDTH: usize = 8;

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Fault => "fault",
        State::NotChecked => "",
    }
}

/// One line for each finding, below it a line for each thing that mends it, and a line with the sums.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let place = if finding.place.is_empty() { String::new() } else { format!(" ({})", finding.place) };
        let not_checked = if finding.is(State::NotChecked) { "not checked: " } else { "" };
        let text = finding.text.replace('\n', " ");
        out.push_str(&format!("{:STATE_WIDTH$} {}: {not_checked}{text}{place}\n", word(finding.state), finding.check));
        for mend in &finding.mends {
            let text = mend.text().replace('\n', " ");
            out.push_str(&format!("{:STATE_WIDTH$}   {:<7} {text}\n", "", format!("{}:", mend.kind())));
        }
    }
    let count = |state| findings.iter().filter(|f| f.is(state)).count();
    let (warnings, faults) = (count(State::Warning), count(State::Fault));
    let many = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let (warnings, faults) = (many(warnings, "warning"), many(faults, "fault"));
    out.push_str(&format!("{} ok, {warnings}, {faults}, {} not checked\n", count(State::Ok), count(State::NotChecked)));
    out
}

/// `{"exit_code":…,"checks":[{"state","check","text","place","mend":[{"kind","text"}]}]}`
pub(super) fn json(findings: &[Finding]) -> String {
    let mend = |m: &Mend| json!({"kind": m.kind(), "text": m.text()});
    let checks: Vec<_> = findings
        .iter()
        .map(|f| {
            let state = if f.is(State::NotChecked) { "not checked" } else { word(f.state) };
            let mends: Vec<_> = f.mends.iter().map(mend).collect();
            json!({"state": state, "check": f.check, "text": f.text, "place": f.place, "mend": mends})
        })
        .collect();
    format!("{}\n", json!({"exit_code": exit_code(findings), "checks": checks}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let findings = [
            Finding::ok("version", "MySQL 9.7.4").at("m@db:3306"),
            Finding::fault("right X", "user lacks it").sql("GRANT X ON *.* TO 'm'@'%';").words("then try again").exit_code(2),
            Finding::not_checked("topic t", "no broker can be asked"),
        ];
        assert_eq!(
            text(&findings),
            "ok       version: MySQL 9.7.4 (m@db:3306)\n\
             fault    right X: user lacks it\n           sql:    GRANT X ON *.* TO 'm'@'%';\n           do:     then try again\n         topic t: \
             not checked: no broker can be asked\n1 ok, 0 warnings, 1 fault, 1 not checked\n"
        );
        let parsed: serde_json::Value = serde_json::from_str(&json(&findings)).unwrap();
        assert_eq!((&parsed["exit_code"], &parsed["checks"][1]["mend"][0]["kind"]), (&json!(2), &json!("sql")));
        assert_eq!(parsed["checks"][2]["state"], "not checked");
    }
}
