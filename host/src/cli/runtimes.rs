//! `alyx runtimes build|list`: the images that functions run in, made or looked for.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::runtimes_progress::shown;
use crate::cli::{ConfigFile, Failure, runtimes_list};
use crate::config::Config;
use crate::config::model::Backend;
use crate::config::suggest::closest;
use crate::engine::{Engine, Kind};
use crate::images::Target;
use crate::images::build::{self, Order};
use crate::images::error::ImageError;
use crate::images::listed::Image;
use crate::server::backend::places;

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
        Command::List(List { from }) => {
            let config = from.config.load()?;
            let engine = from.find(&config).await?;
            let rows = runtimes_list::rows(&config, &engine).await?;
            print(&if from.json {
                runtimes_list::as_json(&rows, &engine)
            } else {
                runtimes_list::table(&rows)
            });
            Ok(())
        }
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

/// The output of the command, which is what stdout is for.
#[expect(clippy::print_stdout, reason = "the command's own output")]
fn print(text: &str) {
    println!("{text}");
}
