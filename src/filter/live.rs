//! The filter in force, which can be replaced while the daemon runs. Whoever follows it compares one number a block, and takes
//! the lock only after a change. Never here: what a change means for what is already read; `Assembler::set_filter` says.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::Filter;

/// Shared by the HTTP server, which replaces it, and the pipeline, which follows it.
#[derive(Debug)]
pub struct LiveFilter {
    current: Mutex<Arc<Filter>>,
    changes: AtomicU64,
}

impl LiveFilter {
    pub fn new(filter: Filter) -> Self {
        LiveFilter { current: Mutex::new(Arc::new(filter)), changes: AtomicU64::new(0) }
    }

    pub fn current(&self) -> Arc<Filter> {
        self.lock().clone()
    }

    /// Grows with every replacement.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Puts the rules of this text in the place of the present ones; an empty text takes them all away. Answers warnings, or
    /// what is wrong with the text; nothing is changed then.
    pub fn replace(&self, text: &str) -> Result<Vec<String>, String> {
        let (filter, warnings) = Filter::parse(text)?;
        let mut current = self.lock();
        *current = Arc::new(filter.for_schema_database(current.schema_database()));
        self.changes.fetch_add(1, Ordering::Release);
        Ok(warnings)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Filter>> {
        // One pointer: whole whatever happened under the lock.
        self.current.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_keeps_the_schema_database_and_refuses_nonsense() {
        let live = LiveFilter::new(Filter::default().for_schema_database("own"));
        assert!(live.current().is_empty() && live.changes() == 0);
        assert_eq!(live.replace("exclude: a.*").unwrap(), Vec::<String>::new());
        assert_eq!((live.current().to_string().as_str(), live.changes()), ("exclude: a.*", 1));
        assert_eq!(live.current().schema_database(), "own");
        assert!(live.replace("nonsense").unwrap_err().contains("nonsense"));
        assert_eq!((live.current().to_string().as_str(), live.changes()), ("exclude: a.*", 1));
        live.replace("").unwrap();
        assert!(live.current().is_empty() && live.changes() == 2);
    }
}
