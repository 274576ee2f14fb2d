//! Where packages are installed and functions built for workers in containers: in the image that
//! the workers are made from, and for Go in one with the toolchain.
//!
//! Go's may be missing where the machine itself has a toolchain. Knows nothing of packages.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::images::Target;
use crate::images::listed::look;
use crate::runtime::probe;
use crate::sandbox::container::Containers;
use crate::sandbox::container::tools::ImageTools;
use crate::server::place::Place;

/// The tools of a runtime whose workers are containers.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) image: String,
    pub(crate) workshop: Arc<ImageTools>,
}

/// The tools of all runtimes whose workers are containers, and that have some.
pub(crate) async fn of(
    config: &Config,
    containers: &Arc<Containers>,
    places: &HashMap<String, Place>,
) -> HashMap<String, Tools> {
    let mut all = HashMap::new();
    for (name, place) in places {
        let (Place::Container(image), Some(target)) = (place, Target::of(name)) else { continue };
        let (image, target) = match target {
            Target::Go => (builder(config), Target::GoBuild),
            other => (Some(image.clone()), other),
        };
        let Some(image) = image else { continue };
        if target == Target::GoBuild && is_better_here(config, containers, &image).await {
            continue;
        }
        let workshop = containers.tools(name, &image, target.name());
        all.insert(name.clone(), Tools { image, workshop });
    }
    all
}

fn builder(config: &Config) -> Option<String> {
    let go = config.functions.runtimes.get(Target::Go.name())?;
    Target::GoBuild.image(go)
}

/// Whether this machine has the toolchain that the engine has not.
async fn is_better_here(config: &Config, containers: &Containers, image: &str) -> bool {
    let path = config.variables.get("PATH").map(|path| std::env::split_paths(path).collect());
    let path: Vec<PathBuf> = path.unwrap_or_default();
    if probe::on_path(&path, "go").is_none() {
        return false;
    }
    let Ok(engine) = containers.engine().await else { return false };
    let is_missing = matches!(look(&engine, image).await, Ok(None));
    if is_missing {
        tracing::info!(
            "Go functions are built by the toolchain of this machine: there is no image '{image}'; 'alyx runtimes build go-build' makes it"
        );
    }
    is_missing
}
