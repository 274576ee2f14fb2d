//! The functions on disk: a snapshot of name → function, taken whole or for one name.
//!
//! Knows nothing of workers, calls or watching files; whoever swaps snapshots is the caller.

pub mod function;
pub mod discover;
pub mod manifest;
pub mod assemble;
pub mod imports;
pub mod content;
pub mod resolve;
pub mod tree;
pub mod revision;
pub mod scan;
pub mod frame;

use crate::config::model::FunctionsConfig;
use crate::config::secret::Variables;
use crate::config::suggest::closest;
use crate::registry::function::Function;
use crate::registry::scan::Scanner;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the functions folder held at one moment. Functions with a problem are in it too.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    functions: BTreeMap<String, Arc<Function>>,
    /// To be logged once.
    pub warnings: Vec<String>,
}

impl Registry {
    /// Reads the whole folder. One that is missing gives an empty registry and a warning.
    pub fn scan(config: &FunctionsConfig, variables: &Variables) -> Registry {
        Scanner::default().scan(config, variables).registry
    }

    /// Reads one function anew; none when it is gone.
    pub fn rescan_one(
        config: &FunctionsConfig,
        variables: &Variables,
        name: &str,
    ) -> Option<Function> {
        Scanner::scan_one(config, variables, name)
    }

    /// A snapshot in which one function is as given, or gone.
    #[must_use]
    pub fn replacing(&self, name: &str, function: Option<Function>) -> Registry {
        let mut next = self.clone();
        match function {
            Some(function) => next.functions.insert(name.to_owned(), Arc::new(function)),
            None => next.functions.remove(name),
        };
        next
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.functions.get(name)
    }

    /// Sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    pub fn len(&self) -> usize {
        self.functions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// The function that a wrong name was probably meant to be.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        // Nobody's slip is longer than the longest name, and comparing costs length × length.
        let name: String = name.chars().take(function::LONGEST_NAME).collect();
        closest(&name, self.functions.keys().map(String::as_str))
    }
}

#[cfg(test)]
mod tests;
