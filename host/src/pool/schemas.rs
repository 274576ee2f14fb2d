//! What functions say of their input and output, as their loads have told.
//!
//! Kept by revision, for all workers alike. Knows nothing of what a schema means.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::registry::function::Function;
use crate::schema::FunctionSchema;

/// Revisions of one function that are remembered: the one that serves, the one before it, and
/// some that are loaded ahead and may never serve.
const REVISIONS: usize = 4;

type Known = (Arc<str>, Arc<FunctionSchema>);

/// The schemas of all functions that have been loaded.
#[derive(Debug, Default)]
pub struct Schemas(RwLock<HashMap<String, SmallVec<[Known; REVISIONS]>>>);

impl Schemas {
    /// The schema of this revision; none while it has not been loaded. A function that says
    /// nothing of itself has an empty one.
    #[must_use]
    pub fn get(&self, function: &Function) -> Option<Arc<FunctionSchema>> {
        let all = self.0.read();
        let known = all.get(&function.name)?.iter().find(|known| known.0 == function.revision)?;
        Some(known.1.clone())
    }

    /// Notes what the load of this revision has told.
    pub(crate) fn put(&self, function: &Function, schema: FunctionSchema) {
        let mut all = self.0.write();
        let known = all.entry(function.name.clone()).or_default();
        known.retain(|(revision, _)| *revision != function.revision);
        known.truncate(REVISIONS - 1);
        known.insert(0, (function.revision.clone(), Arc::new(schema)));
    }
}
