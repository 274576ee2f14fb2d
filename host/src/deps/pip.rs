//! Python: pip installs into a folder that goes on the path of the functions.
//!
//! Packages come built, as wheels; what has none for this Python is built here, and that is said.

use std::path::{Path, PathBuf};

use crate::deps::blame::Fault;
use crate::deps::folders::remove;
use crate::deps::job::Job;

const OPTIONS: [&str; 7] = [
    "install",
    "--no-input",
    "--no-color",
    "--disable-pip-version-check",
    "--no-warn-script-location",
    "--progress-bar=off",
    "--target",
];
/// What pip says when there is no wheel, or no such package at all.
const NOTHING_FITS: &str = "No matching distribution found";

pub(crate) async fn install(
    job: &Job<'_>,
    partial: &Path,
    wanted: Option<&[String]>,
) -> Result<(), Fault> {
    let pip = find(job, partial).await?;
    let requirements = match wanted {
        None => job.list.folder.join("requirements.txt"),
        Some(wanted) => {
            let file = partial.join("requirements.txt");
            std::fs::write(&file, wanted.join("\n")).map_err(Fault::new)?;
            file
        }
    };
    let target = partial.join("site-packages");
    let built = run(job, &pip, partial, &target, &requirements, true).await;
    match built {
        Err(fault) if fault.why.contains(NOTHING_FITS) => {
            let package = fault.package.unwrap_or_default();
            let what = format!(
                "no wheel of '{package}' for this Python; trying to build what has none from source"
            );
            job.progress.warns(&job.list.label, &what);
            clear(&target)?;
            run(job, &pip, partial, &target, &requirements, false).await?;
        }
        outcome => outcome?,
    }
    // A list whose packages all belong to other platforms installs nothing.
    std::fs::create_dir_all(&target).map_err(Fault::new)?;
    for passing in ["tmp", "pip", "requirements.txt"] {
        clear(&partial.join(passing))?;
    }
    Ok(())
}

async fn run(
    job: &Job<'_>,
    python: &Path,
    partial: &Path,
    target: &Path,
    requirements: &Path,
    only_built: bool,
) -> Result<(), Fault> {
    let choice = if only_built { "--only-binary=:all:" } else { "--prefer-binary" };
    // Isolated: a function may be called 'email', and pip needs the library's.
    let arguments = ["-I", "-m", "pip"].iter().chain(&OPTIONS).map(|option| option.as_ref());
    let rest = [target.as_os_str(), choice.as_ref(), "-r".as_ref(), requirements.as_os_str()];
    let temporary = Job::temporary(partial)?;
    // What people set for installs by hand does not hold for a folder of the host's.
    let env = [
        ("TMPDIR", &*temporary),
        ("PIP_USER", "0"),
        ("PIP_REQUIRE_VIRTUALENV", "0"),
        ("PIP_ROOT_USER_ACTION", "ignore"),
    ];
    // Relative paths in the list start from its folder.
    let order = job.tools.order(python, arguments.chain(rest), &job.list.folder, &env);
    job.order(&order, |_| {}).await
}

/// A Python that has pip: the functions' own, or else an environment of it for the moment.
async fn find(job: &Job<'_>, partial: &Path) -> Result<PathBuf, Fault> {
    let python = &job.tool.program;
    let has_pip = |python: PathBuf| async move {
        job.tools.ask(&python, &["-I", "-m", "pip", "--version"]).await.map(|_| python)
    };
    let Err(why) = has_pip(python.clone()).await else { return Ok(python.clone()) };
    let folder = partial.join("pip");
    let arguments = ["-I", "-m", "venv", "--clear"].map(AsRef::as_ref).into_iter();
    let order =
        job.tools.order(python, arguments.chain([folder.as_os_str()]), &job.list.folder, &[]);
    let made = job.order(&order, |_| {}).await;
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
