//! `/diagnostic`: checks of the whole way, run at once and each bounded in time, in Maxwell's shape (contract §10.4). Never here:
//! what is checked; whoever offers the checks knows.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};

use crate::error::Result;

/// One check. All are mandatory: Maxwell knows others, but has none.
pub struct Check {
    pub name: &'static str,
    /// What is checked: an address.
    pub resource: String,
    /// A sentence when it went well.
    pub outcome: BoxFuture<'static, Result<String>>,
}

/// Whoever can say whether data gets through.
pub trait Diagnose: Send + Sync {
    fn checks(self: Arc<Self>) -> Vec<Check>;
}

/// Runs all checks. Answers the body, and whether all went well.
pub async fn run(checks: Vec<Check>, limit: Duration) -> (String, bool) {
    let results = join_all(checks.into_iter().map(|check| one(check, limit))).await;
    let success = results.iter().all(|(ok, _)| *ok);
    let checks: Vec<Value> = results.into_iter().map(|(_, body)| body).collect();
    (json!({ "success": success, "checks": checks }).to_string(), success)
}

async fn one(check: Check, limit: Duration) -> (bool, Value) {
    let outcome = tokio::time::timeout(limit, check.outcome).await;
    let (success, (key, text)) = match outcome {
        Ok(Ok(message)) => (true, ("message", message)),
        Ok(Err(error)) => (false, ("error", error.to_string())),
        Err(_) => (false, ("message", format!("check did not return after {} ms", limit.as_millis()))),
    };
    let mut body = Map::new();
    body.insert("name".into(), check.name.into());
    body.insert("success".into(), success.into());
    body.insert("mandatory".into(), true.into());
    body.insert("resource".into(), check.resource.into());
    body.insert(key.into(), text.into());
    (success, Value::Object(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[tokio::test(start_paused = true)]
    async fn shapes() {
        let good = Check { name: "a", resource: "h:1".into(), outcome: Box::pin(async { Ok("fine".into()) }) };
        assert_eq!(
            run(vec![good], Duration::from_secs(1)).await,
            (r#"{"success":true,"checks":[{"name":"a","success":true,"mandatory":true,"resource":"h:1","message":"fine"}]}"#.into(), true)
        );
        let bad = Check { name: "b", resource: "h:2".into(), outcome: Box::pin(async { Err(Error::transient("no")) }) };
        let slow = Check { name: "c", resource: "h:3".into(), outcome: Box::pin(std::future::pending()) };
        let (body, success) = run(vec![bad, slow], Duration::from_millis(1500)).await;
        assert!(!success);
        assert_eq!(
            body,
            r#"{"success":false,"checks":[{"name":"b","success":false,"mandatory":true,"resource":"h:2","error":"no"},{"name":"c","success":false,"mandatory":true,"resource":"h:3","message":"check did not return after 1500 ms"}]}"#
        );
    }
}
