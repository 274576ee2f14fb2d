//! `alyx runtimes build|list`: the images that functions run in, made or looked for.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::cli::runtimes_progress::shown;
use crate::cli::{ConfigFile, Failure};
use crate::config::Config;
use crate::config::model::{Backend, RuntimeConfig};
use crate::config::suggest::closest;
use crate::engine::{Engine, Kind};
use crate::images::Target;
use crate::images::build::{self, Order};
use crate::images::error::ImageError;
use crate::images::listed::{Fit, Image, look};
use crate::server::backend::places;

/// Letters of an image's id that are shown.
const ID: usize = 12;

/// What `alyx runtimes` takes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the images of Node.js, Python and Go from the sources in this program
    #[command(
        after_help = "Example:\n  alyx runtimes build\n  alyx runtimes build node --base registry.example.com/node:24\n  alyx runtimes build --base node=my-node:24 --base python=my-python:3.13"
    )]
    Build(Build),
    /// List the images of the configuration, and whether the engine has them
    #[command(after_help = "Example:\n  alyx runtimes list --engine podman --json")]
    List(List),
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    #[command(flatten)]
    from: From,
    /// What to build: node, python, go, or go-build, the toolchain [default: the first three]
    #[arg(value_name = "RUNTIME")]
    runtimes: Vec<String>,
    /// Image to build on, for all that is named or, with a name before it, for that one
    #[arg(long, value_name = "[RUNTIME=]IMAGE")]
    base: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    from: From,
}

#[derive(Debug, Args)]
struct From {
    #[command(flatten)]
    config: ConfigFile,
    /// Engine to ask [default: functions.backend, or the first that answers]
    #[arg(long, value_enum)]
    engine: Option<Choice>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Choice {
    Docker,
    Podman,
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Build(options) => run_build(options).await,
        Command::List(options) => run_list(options).await,
    }
}

impl From {
    async fn find(&self, config: &Config) -> Result<Engine, Failure> {
        let wanted = match (self.engine, config.functions.backend) {
            (Some(Choice::Docker), _) | (None, Backend::Docker) => Some(Kind::Docker),
            (Some(Choice::Podman), _) | (None, Backend::Podman) => Some(Kind::Podman),
            (None, Backend::Auto | Backend::Process) => None,
        };
        Engine::find(wanted, &places(config)).await.map_err(Failure::failed)
    }
}

async fn run_build(options: Build) -> Result<(), Failure> {
    let config = options.from.config.load()?;
    let orders = orders(&config, &options.runtimes, &options.base)?;
    let engine = options.from.find(&config).await?;
    let progress = shown();
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for order in &orders {
        progress.begins(order, &engine);
        let began = Instant::now();
        let outcome = build::build(&engine, order, &*progress).await;
        let took = began.elapsed();
        progress.ends(order, took, outcome.as_ref().err());
        rows.push(built(order, &engine, &outcome, took));
        if outcome.is_err() {
            failed.push(order.target.name());
        }
    }
    if options.from.json {
        print(&serde_json::to_string_pretty(&rows).unwrap_or_default());
    }
    match failed.as_slice() {
        [] => Ok(()),
        failed => Err(Failure::failed(format!("images are not built: {}", failed.join(", ")))),
    }
}

/// What to build, on what, under which names.
fn orders(config: &Config, names: &[String], bases: &[String]) -> Result<Vec<Order>, Failure> {
    let chosen = chosen(config, names)?;
    let (named, plain): (Vec<_>, Vec<_>) =
        bases.iter().map(|base| base.split_once('=').ok_or(base)).partition(Result::is_ok);
    let named: Vec<_> = named.into_iter().flatten().collect();
    let plain = plain.into_iter().filter_map(Result::err).next_back();
    if let (Some(base), true) = (plain, names.is_empty()) {
        let message = format!(
            "--base {base} is for which runtime? Name it: alyx runtimes build node --base {base}"
        );
        return Err(Failure::usage(message));
    }
    for (name, _) in &named {
        target(config, name)?;
    }
    let orders = chosen.into_iter().map(|(target, image)| {
        let own = named.iter().rfind(|(name, _)| *name == target.name()).map(|(_, base)| *base);
        let base = own.or(plain.map(String::as_str)).map_or_else(|| target.base(), str::to_owned);
        Order { target, image, base }
    });
    Ok(orders.collect())
}

/// The targets of these names, or those that the runtimes run in that are switched on, and their
/// images.
fn chosen(config: &Config, names: &[String]) -> Result<Vec<(Target, String)>, Failure> {
    for name in names {
        target(config, name)?;
    }
    let mut chosen = Vec::new();
    for target in Target::ALL {
        let Some(runtime) = config.functions.runtimes.get(target.runtime()) else { continue };
        let is_usual = runtime.enabled && target != Target::GoBuild;
        let is_named = names.iter().any(|name| name == target.name());
        if !(is_named || names.is_empty() && is_usual) {
            continue;
        }
        let key = format!("functions.runtimes.{}.image", target.runtime());
        let nameless = || Failure::usage(format!("{key} is not set: it names the image"));
        chosen.push((target, target.image(runtime).ok_or_else(nameless)?));
    }
    Ok(chosen)
}

fn target(config: &Config, name: &str) -> Result<Target, Failure> {
    if let Some(target) = Target::of(name) {
        return Ok(target);
    }
    if config.functions.runtimes.contains_key(name) {
        return Err(Failure::usage(format!(
            "runtime '{name}' does not come with Alyx, so its image is built by who makes it; runtimes/README.md says what has to be in it"
        )));
    }
    let known = Target::ALL.map(Target::name);
    let meant = closest(name, known).map(|meant| format!("; did you mean '{meant}'?"));
    let meant = meant.unwrap_or_else(|| format!("; there are {}", known.join(", ")));
    Err(Failure::usage(format!("there is no runtime '{name}'{meant}")))
}

fn built(
    order: &Order,
    engine: &Engine,
    outcome: &Result<Image, ImageError>,
    took: Duration,
) -> Value {
    let image = outcome.as_ref().ok();
    json!({
        "runtime": order.target.name(),
        "image": order.image,
        "base": order.base,
        "engine": engine.to_string(),
        "status": if image.is_some() { "built" } else { "failed" },
        "id": image.map(|image| &image.id),
        "size": image.map(|image| image.size),
        "shim": image.and_then(|image| image.shim.as_ref()),
        "took_ms": took.as_millis() as u64,
        "error": outcome.as_ref().err().map(ToString::to_string),
    })
}

/// One image of the configuration.
struct Row {
    name: String,
    image: String,
    found: Option<(Image, Fit)>,
    /// What to do when it cannot be used.
    mend: Option<String>,
}

async fn run_list(options: List) -> Result<(), Failure> {
    let config = options.from.config.load()?;
    let engine = options.from.find(&config).await?;
    let mut rows = Vec::new();
    for (name, runtime) in &config.functions.runtimes {
        for (target, name, image) in images(name, runtime) {
            let found = look(&engine, &image).await.map_err(Failure::failed)?;
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
    if options.from.json {
        let all: Vec<_> = rows.iter().map(|row| row.as_value(&engine)).collect();
        print(&serde_json::to_string_pretty(&all).unwrap_or_default());
    } else {
        print(&table(&rows).to_string());
    }
    Ok(())
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

fn table(rows: &[Row]) -> Table {
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
    table
}

/// The output of the command, which is what stdout is for.
#[expect(clippy::print_stdout, reason = "the command's own output")]
fn print(text: &str) {
    println!("{text}");
}
