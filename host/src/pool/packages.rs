//! What a function needs before a worker can take it in: its packages, and a build.
//!
//! Knows nothing of how either is made.

use std::path::PathBuf;
use std::sync::Arc;

use crate::pool::RuntimePool;
use crate::pool::error::Refusal;
use crate::registry::function::Function;
use crate::runtime::BuildFault;

/// What a worker is told of a function's files.
#[derive(Debug)]
pub(crate) struct Loadable {
    /// The entry, or what was built from it.
    pub(crate) path: PathBuf,
    /// Folders of packages.
    pub(crate) packages: Vec<PathBuf>,
}

impl RuntimePool {
    /// Waits until the function's packages are installed, if they are about to be.
    ///
    /// # Errors
    /// [`Refusal::Packages`] when they are not.
    pub async fn packages(&self, function: &Arc<Function>) -> Result<(), Refusal> {
        Ok(self.shared.deps.wait(function).await?)
    }

    /// Does what has to be done before the function can be loaded, however long that takes. A
    /// fault is told when the function is called.
    pub async fn prepare(&self, function: &Arc<Function>) {
        if self.packages(function).await.is_ok() {
            let _told_when_called = self.loadable(function).await;
        }
    }

    /// Builds the function, if its language asks for that.
    pub(crate) async fn loadable(&self, function: &Function) -> Result<Loadable, BuildFault> {
        let packages = self.shared.deps.packages(function);
        let path = self.runtime.loadable(function, packages.modules.as_deref()).await?;
        Ok(Loadable { path, packages: packages.paths })
    }
}
