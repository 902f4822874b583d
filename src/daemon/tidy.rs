//! The task that keeps the stored schema versions in order while the daemon runs: compaction (`max_schemas`) and the
//! compact copy that makes a restart quick. It shares nothing with the keeper but the pool of connections.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::store::{Store, Tidied};

use super::shutdown::Shutdown;

/// How often it looks, as Maxwell's compaction does.
const EVERY: Duration = Duration::from_secs(5);

/// Runs until the stop.
///
/// # Errors
/// Transient when the run has to start again. Errors of the store are told and tried again: nothing waits for this task.
pub async fn run(store: Arc<dyn Store>, versions_max: Option<u32>, mut shutdown: Shutdown) -> Result<()> {
    let mut told = String::new();
    while !shutdown.sleep(EVERY).await {
        let tidied = tokio::select! { biased;
            () = shutdown.requested() => return Ok(()),
            tidied = store.tidy(versions_max) => tidied,
        };
        match tidied {
            Ok(Tidied::Done) => told.clear(),
            Ok(Tidied::StartAgain) => {
                return Err(Error::transient("the stored definitions were changed while this process used a copy of them")
                    .hint("the next start reads them as they are now"));
            }
            Err(error) => {
                let text = error.to_string();
                if text != told {
                    tracing::error!(%error, "the stored schema versions could not be put in order; trying again");
                    told = text;
                }
            }
        }
    }
    Ok(())
}
