//! Go: modules are downloaded once; builds then use no network.
//!
//! All sets of a project share one module cache, which the toolchain itself keeps whole. A set is
//! the list of the modules that it needs there.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::deps::blame::Fault;
use crate::deps::folders::remove;
use crate::deps::job::Job;
use crate::deps::list::go::RUNTIME;
use crate::workshop::Order;

/// Of what `go mod download -json` prints.
const MAX_JSON: usize = 8 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    path: String,
    version: Option<String>,
    dir: Option<String>,
    error: Option<String>,
}

/// The user's `go.mod` and `go.sum` are left as they are.
pub(crate) async fn install(job: &Job<'_>, partial: &Path) -> Result<(), Fault> {
    let folder = format!("{}/", partial.display());
    download(job, partial).await.map_err(|fault| fault.renamed(&folder, ""))
}

async fn download(job: &Job<'_>, partial: &Path) -> Result<(), Fault> {
    let folder = &job.list.folder;
    let modfile = partial.join("go.mod");
    for name in ["go.mod", "go.sum"] {
        match fs::copy(folder.join(name), partial.join(name)) {
            Err(error) if name == "go.mod" => return Err(Fault::new(error)),
            _ => {}
        }
    }
    let modules = job.folders.modules();
    fs::create_dir_all(&modules).map_err(Fault::new)?;
    let temporary = job.temporary(partial)?;
    // An image has no modules of the user's.
    let proxy = if job.tool.in_image { None } else { Some(proxy(job, partial).await) };
    let cache = modules.to_string_lossy();
    let mut env = vec![
        ("GOMODCACHE", &*cache),
        ("GOFLAGS", "-mod=mod"),
        ("GOTOOLCHAIN", "local"),
        ("GOWORK", "off"),
        ("GO111MODULE", "on"),
        ("TMPDIR", &temporary),
    ];
    env.extend(proxy.as_deref().map(|proxy| ("GOPROXY", proxy)));
    // The runtime comes with Alyx, whatever version an editor was told.
    let edits = [format!("-droprequire={RUNTIME}"), format!("-dropreplace={RUNTIME}")];
    let edit = ["mod".into(), "edit".into()].into_iter().chain(edits);
    let edit = edit.map(OsString::from).chain([modfile.clone().into()]);
    job.run(&order(job, edit, folder, &env, partial), |_| {}).await?;
    let named = fetch(job, partial, &env, None).await?;
    // A list written by hand names what functions import, and not what that needs in its turn.
    let list = match fetch(job, partial, &env, Some("all")).await {
        Ok(all) => all,
        Err(fault) => {
            let what = format!("modules that it does not name are missing: {}", fault.why);
            job.progress.warns(&job.list.label, &what);
            named
        }
    };
    fs::write(partial.join("modules"), list).map_err(Fault::new)?;
    for passing in ["go.mod", "go.sum", "tmp"] {
        remove(&partial.join(passing)).map_err(Fault::new)?;
    }
    Ok(())
}

/// An order for the toolchain, which fills the cache of all sets.
fn order<A: Into<OsString>>(
    job: &Job<'_>,
    arguments: impl IntoIterator<Item = A>,
    folder: &Path,
    env: &[(&str, &str)],
    partial: &Path,
) -> Order {
    let mut order = job.order(&job.tool.program, arguments, folder, env, partial);
    order.writes.push(job.folders.modules());
    order
}

/// Downloads what the set's own `go.mod` names, or the modules of a pattern; the list of their folders.
async fn fetch(
    job: &Job<'_>,
    partial: &Path,
    env: &[(&str, &str)],
    pattern: Option<&str>,
) -> Result<String, Fault> {
    let file = format!("-modfile={}", partial.join("go.mod").display());
    let arguments = ["mod", "download", "-json", &file].into_iter().chain(pattern);
    let order = order(job, arguments, &job.list.folder, env, partial);
    let mut json = String::new();
    let ended = job.run(&order, |line| {
        if json.len() + line.len() < MAX_JSON {
            json.push_str(line);
            json.push('\n');
        }
    });
    let ended = ended.await;
    let list = listed(&json, &job.folders.modules());
    // A module that is missing is told of twice; here its name is sure.
    ended.map_err(|fault| match list.as_ref().err() {
        Some(named) if named.package.is_some() => Fault { output: fault.output, ..named.clone() },
        _ => fault,
    })?;
    list
}

/// What the user's own module cache has needs no network.
async fn proxy(job: &Job<'_>, partial: &Path) -> String {
    let ask = async |name: &str| {
        let told = job.ask(&job.tool.program, &["env", name], partial).await;
        told.ok().filter(|told| !told.is_empty())
    };
    let proxy = ask("GOPROXY").await.unwrap_or_else(|| "https://proxy.golang.org,direct".into());
    match ask("GOMODCACHE").await {
        Some(cache) => format!("file://{cache}/cache/download,{proxy}"),
        None => proxy,
    }
}

/// The folders of all modules, one a line, relative to the cache.
fn listed(json: &str, cache: &Path) -> Result<String, Fault> {
    let mut list = String::new();
    for module in serde_json::Deserializer::from_str(json).into_iter::<Module>() {
        let module = module.map_err(|error| Fault::new(format!("go said no JSON: {error}")))?;
        if let Some(why) = module.error {
            let package = match module.version {
                Some(version) => format!("{}@{version}", module.path),
                None => module.path,
            };
            return Err(Fault { package: Some(package), ..Fault::new(why) });
        }
        let Some(dir) = module.dir else { continue };
        // One that is replaced by a folder of the project is no part of the cache.
        if let Ok(inner) = Path::new(&dir).strip_prefix(cache) {
            list.push_str(&inner.to_string_lossy());
            list.push('\n');
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_listed_by_their_folders_and_faults_named() {
        let json = "{\n\t\"Path\": \"a.example/b\",\n\t\"Dir\": \"/c/a.example/b@v1.0.0\"\n}\n{\"Path\": \"own\", \"Dir\": \"/p/own\"}";
        assert_eq!(listed(json, Path::new("/c")).unwrap(), "a.example/b@v1.0.0\n");
        let json = r#"{"Path": "a.example/b", "Version": "v1.0.0", "Error": "not found"}"#;
        let fault = listed(json, Path::new("/c")).unwrap_err();
        assert_eq!(fault.package.as_deref(), Some("a.example/b@v1.0.0"));
        assert_eq!(fault.why, "not found");
    }
}
