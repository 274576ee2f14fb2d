//! Python: pip installs into a folder that goes on the path of the functions.
//!
//! Packages come built, as wheels; what has none for this Python is built here, and that is said.

use std::path::{Path, PathBuf};

use crate::deps::blame::Fault;
use crate::deps::folders::remove;
use crate::deps::job::Job;
use crate::deps::npm::copy_package;

const OPTIONS: [&str; 7] = [
    "install",
    "--no-input",
    "--no-color",
    "--disable-pip-version-check",
    "--no-warn-script-location",
    "--progress-bar=off",
    "--target",
];
/// Where packages of the project are copied to.
const COPIES: &str = "sources";
/// What Python says when it is asked to run it in vain.
const NO_PIP: &str = "No module named pip";
/// What pip says when there is no wheel, or no such package at all.
const NOTHING_FITS: &str = "No matching distribution found";

pub(crate) async fn install(
    job: &Job<'_>,
    partial: &Path,
    wanted: Option<&[String]>,
    local: &[PathBuf],
) -> Result<(), Fault> {
    let pip = find(job, partial).await?;
    let sources = sources(job, partial, local)?;
    let requirements = match wanted {
        None => job.list.folder.join("requirements.txt"),
        Some(wanted) => {
            let file = partial.join("requirements.txt");
            std::fs::write(&file, wanted.join("\n")).map_err(Fault::new)?;
            file
        }
    };
    let target = partial.join("site-packages");
    let place =
        Place { partial, target: &target, requirements: &requirements, sources: &sources, local };
    let built = run(job, &pip, &place, true).await;
    match built {
        Err(fault) if fault.why.contains(NOTHING_FITS) => {
            let package = fault.package.unwrap_or_default();
            let what = format!(
                "no wheel of '{package}' for this Python; trying to build what has none from source"
            );
            job.progress.warns(&job.list.label, &what);
            clear(&target)?;
            run(job, &pip, &place, false).await?;
        }
        outcome => outcome?,
    }
    // A list whose packages all belong to other platforms installs nothing.
    std::fs::create_dir_all(&target).map_err(Fault::new)?;
    for passing in ["tmp", "pip", COPIES, "requirements.txt"] {
        clear(&partial.join(passing))?;
    }
    Ok(())
}

/// What pip reads and writes.
struct Place<'a> {
    partial: &'a Path,
    target: &'a Path,
    requirements: &'a Path,
    sources: &'a [(PathBuf, PathBuf)],
    local: &'a [PathBuf],
}

/// Packages of the project that are built where they lie: where that may not be written, in copies.
fn sources(
    job: &Job<'_>,
    partial: &Path,
    local: &[PathBuf],
) -> Result<Vec<(PathBuf, PathBuf)>, Fault> {
    let folders = local.iter().filter(|path| job.tool.in_image && path.is_dir()).enumerate();
    let mut copies = Vec::new();
    for (number, folder) in folders {
        let copy = partial.join(COPIES).join(number.to_string());
        let failed = |error| Fault::new(format!("cannot copy '{}': {error}", folder.display()));
        copy_package(folder, &copy).map_err(failed)?;
        copies.push((copy, folder.clone()));
    }
    Ok(copies)
}

async fn run(
    job: &Job<'_>,
    python: &Path,
    place: &Place<'_>,
    only_built: bool,
) -> Result<(), Fault> {
    let Place { partial, target, requirements, sources, local } = *place;
    let choice = if only_built { "--only-binary=:all:" } else { "--prefer-binary" };
    // Isolated: a function may be called 'email', and pip needs the library's.
    let temporary = job.temporary(partial)?;
    let arguments = ["-I", "-m", "pip"].iter().chain(&OPTIONS).map(|option| option.as_ref());
    let rest = [target.as_os_str(), choice.as_ref(), "-r".as_ref(), requirements.as_os_str()];
    // What people set for installs by hand does not hold for a folder of the host's.
    let env = [
        ("TMPDIR", &*temporary),
        ("PIP_USER", "0"),
        ("PIP_REQUIRE_VIRTUALENV", "0"),
        ("PIP_ROOT_USER_ACTION", "ignore"),
    ];
    // Relative paths in the list start from its folder.
    let mut order = job.order(python, arguments.chain(rest), &job.list.folder, &env, partial);
    order.copies = sources.to_vec();
    let elsewhere = local.iter().filter(|path| !path.starts_with(&job.list.root));
    order.reads.extend(elsewhere.filter(|path| path.is_file()).cloned());
    let advice = "build it on a base that has: alyx runtimes build python --base IMAGE";
    job.run(&order, |_| {}).await.map_err(|fault| match fault.why.contains(NO_PIP) {
        true => Fault::new(format!("the image's Python has no pip; {advice}")),
        false => fault,
    })
}

/// A Python that has pip: the functions' own, or else an environment of it for the moment. An image
/// has pip or has not, as the first run shows.
async fn find(job: &Job<'_>, partial: &Path) -> Result<PathBuf, Fault> {
    let python = &job.tool.program;
    if job.tool.in_image {
        return Ok(python.clone());
    }
    let has_pip = |python: PathBuf| async move {
        job.ask(&python, &["-I", "-m", "pip", "--version"], partial).await.map(|_| python)
    };
    let Err(why) = has_pip(python.clone()).await else { return Ok(python.clone()) };
    let folder = partial.join("pip");
    let arguments = ["-I", "-m", "venv", "--clear"].map(AsRef::as_ref).into_iter();
    let arguments = arguments.chain([folder.as_os_str()]);
    let order = job.order(python, arguments, &job.list.folder, &[], partial);
    let made = job.run(&order, |_| {}).await;
    let found = match made {
        Ok(()) => has_pip(folder.join("bin/python")).await.map_err(Fault::new),
        Err(fault) => Err(fault),
    };
    found.map_err(|fault| {
        let shown = python.display();
        let why = why.lines().last().unwrap_or_default();
        let advice = "install it (Debian 13: apt-get install python3-pip) and try again";
        Fault {
            output: fault.output,
            ..Fault::new(format!("{shown} has no pip ({why}); {advice}"))
        }
    })
}

fn clear(path: &Path) -> Result<(), Fault> {
    remove(path).map_err(Fault::new)
}
