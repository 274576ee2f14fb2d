//! The images of the configuration, as `alyx runtimes list` shows them.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::cli::Failure;
use crate::config::Config;
use crate::config::model::RuntimeConfig;
use crate::engine::Engine;
use crate::images::Target;
use crate::images::listed::{Fit, Image, look};

/// Letters of an image's id that are shown.
const ID: usize = 12;

/// One image of the configuration.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    image: String,
    found: Option<(Image, Fit)>,
    /// What to do when it cannot be used.
    mend: Option<String>,
}

/// All images of the configuration.
pub(crate) async fn rows(config: &Config, engine: &Engine) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (name, runtime) in &config.functions.runtimes {
        for (target, name, image) in images(name, runtime) {
            let found = look(engine, &image).await.map_err(Failure::failed)?;
            let found = found.map(|image| {
                let fit = image.fit(target);
                (image, fit)
            });
            if found.is_none() && target == Some(Target::GoBuild) {
                continue;
            }
            let mend = mend(target, found.as_ref().map(|(_, fit)| fit), &image);
            rows.push(Row { name, image, found, mend });
        }
    }
    Ok(rows)
}

/// The images of one runtime, with the names that `build` knows them by.
fn images(name: &str, runtime: &RuntimeConfig) -> Vec<(Option<Target>, String, String)> {
    let targets = Target::ALL.into_iter().filter(|target| target.runtime() == name);
    let ours: Vec<_> = targets
        .filter_map(|target| Some((Some(target), target.to_string(), target.image(runtime)?)))
        .collect();
    if !ours.is_empty() {
        return ours;
    }
    runtime.image.iter().map(|image| (None, name.to_owned(), image.clone())).collect()
}

fn mend(target: Option<Target>, fit: Option<&Fit>, image: &str) -> Option<String> {
    let build = |target: Target| format!("alyx runtimes build {target}");
    match (fit, target) {
        (Some(Fit::Same), _) | (Some(Fit::Speaks), None) => None,
        (_, Some(target)) => Some(build(target)),
        (None, None) => Some(format!("build or pull '{image}'")),
        (Some(Fit::Foreign { .. } | Fit::Unknown), None) => {
            Some("ask who makes it for an image as runtimes/README.md describes".into())
        }
    }
}

impl Row {
    fn status(&self) -> String {
        match &self.found {
            Some((_, fit)) => fit.to_string(),
            None => "missing".into(),
        }
    }

    fn as_value(&self, engine: &Engine) -> Value {
        let image = self.found.as_ref().map(|(image, _)| image);
        let fits = self.found.as_ref().and_then(|(_, fit)| match fit {
            Fit::Same | Fit::Speaks => Some(true),
            Fit::Foreign { .. } => Some(false),
            Fit::Unknown => None,
        });
        json!({
            "runtime": self.name,
            "image": self.image,
            "engine": engine.to_string(),
            "present": image.is_some(),
            "status": self.status(),
            "fits": fits,
            "id": image.map(|image| &image.id),
            "size": image.map(|image| image.size),
            "shim": image.and_then(|image| image.shim.as_ref()),
            "mend": self.mend,
        })
    }
}

pub(crate) fn as_json(rows: &[Row], engine: &Engine) -> String {
    let all: Vec<_> = rows.iter().map(|row| row.as_value(engine)).collect();
    serde_json::to_string_pretty(&all).unwrap_or_default()
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["RUNTIME", "IMAGE", "ID", "SIZE", "SHIM", "STATUS"]);
    for row in rows {
        let image = row.found.as_ref().map(|(image, _)| image);
        let mend = row.mend.as_deref().map(|mend| format!("\n→ {mend}")).unwrap_or_default();
        table.add_row([
            row.name.clone(),
            row.image.clone(),
            image.and_then(|image| image.id.get(..ID)).unwrap_or_default().to_owned(),
            image.map(|image| format!("{} MB", image.size >> 20)).unwrap_or_default(),
            image.and_then(|image| image.shim.clone()).unwrap_or_default(),
            row.status() + &mend,
        ]);
    }
    table.to_string()
}
