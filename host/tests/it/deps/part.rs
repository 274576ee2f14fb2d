//! A package called `part`, made by the test in each language's own format: no registry is asked.
//!
//! It knows its version, which functions return.

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::project::Ran;
use crate::harness::{Project, Runtime};

/// Makes archives without the programs that a machine may lack.
const ARCHIVE: &str = "import sys, tarfile, zipfile
kind, out, *members = sys.argv[1:]
pairs = list(zip(members[::2], members[1::2]))
if kind == 'tar':
    with tarfile.open(out, 'w:gz') as archive:
        for name, text in pairs:
            import io
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
else:
    with zipfile.ZipFile(out, 'w') as archive:
        for name, text in pairs:
            archive.writestr(name, text)
";

/// A function that returns the version of its `part`.
pub(crate) fn function(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Node => "import { version } from 'part';\nexport default () => version;\n",
        Runtime::Python => "import part\n\n\ndef handler(ctx):\n    return part.VERSION\n",
        Runtime::Go => {
            "package main\n\nimport (\n\t\"example.com/part\"\n\t\"github.com/watzon/alyx/pkg/runtime\"\n)\n\nfunc Handler(ctx *runtime.Context) (any, error) { return part.Version, nil }\n"
        }
    }
}

/// The name of a list in `folder`, as messages have it.
pub(crate) fn list(runtime: Runtime, folder: &str) -> String {
    let file = match runtime {
        Runtime::Node => "package.json",
        Runtime::Python => "requirements.txt",
        Runtime::Go => "go.mod",
    };
    format!("{folder}/{file}")
}

/// A project whose Go modules come from a folder of its own, and no Python package from elsewhere.
pub(crate) fn project() -> Project {
    offline(Project::new())
}

/// The same for a project that is made elsewhere.
pub(crate) fn offline(project: Project) -> Project {
    let proxy = format!("file://{}", project.path("tmp/proxy").display());
    project.env("GOPROXY", proxy).env("GOSUMDB", "off").env("PIP_NO_INDEX", "1")
}

/// The same with a function of this runtime, which uses `part` in its first version.
pub(crate) async fn with_function(project: Project, runtime: Runtime) -> Project {
    let project = project.file(&runtime.file(&runtime.function("uses")), function(runtime));
    publish(&project, runtime, "1.0.0").await;
    wants(&project, runtime, "functions", "1.0.0");
    project
}

/// Writes a list in `folder` that asks for this version.
pub(crate) fn wants(project: &Project, runtime: Runtime, folder: &str, version: &str) {
    // How a folder of one function says where the functions folder is.
    let up = if folder == "functions" { "." } else { ".." };
    let text = match runtime {
        Runtime::Node => format!(
            "{{\"type\": \"module\", \"dependencies\": {{\"part\": \"file:{up}/_vendor/part-{version}.tgz\"}}}}"
        ),
        Runtime::Python => format!("{up}/_vendor/part-{version}-py3-none-any.whl\n"),
        Runtime::Go => {
            format!("module functions\n\ngo 1.22\n\nrequire example.com/part v{version}\n")
        }
    };
    project.write(&list(runtime, folder), &text);
}

/// Makes this version of the package, where [`wants`] looks for it.
pub(crate) async fn publish(project: &Project, runtime: Runtime, version: &str) {
    match runtime {
        Runtime::Node => {
            npm(project, "part", version, &format!("export const version = '{version}';\n"), "{}")
                .await
        }
        Runtime::Python => {
            let info = format!("part-{version}.dist-info");
            let wheel =
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
            let about = format!("Metadata-Version: 2.1\nName: part\nVersion: {version}\n");
            let members = [
                ("part.py", format!("VERSION = '{version}'\n")),
                (&format!("{info}/METADATA"), about),
                (&format!("{info}/WHEEL"), wheel.to_owned()),
                (&format!("{info}/RECORD"), String::new()),
            ];
            let file = format!("functions/_vendor/part-{version}-py3-none-any.whl");
            archive(project, "zip", &file, &members).await;
        }
        Runtime::Go => {
            let code = format!("package part\n\nconst Version = \"{version}\"\n");
            module(project, "part", version, "", &code).await;
        }
    }
}

/// The module `example.com/<name>`, which requires others.
pub(crate) async fn module(
    project: &Project,
    name: &str,
    version: &str,
    requires: &str,
    code: &str,
) {
    let folder = format!("tmp/proxy/example.com/{name}/@v");
    let module = format!("module example.com/{name}\n\ngo 1.22\n\n{requires}");
    let info = format!("{{\"Version\": \"v{version}\"}}");
    project.write(&format!("{folder}/v{version}.info"), &info);
    project.write(&format!("{folder}/v{version}.mod"), &module);
    let inner = format!("example.com/{name}@v{version}");
    let members =
        [(&*format!("{inner}/go.mod"), module), (&format!("{inner}/code.go"), code.to_owned())];
    archive(project, "zip", &format!("{folder}/v{version}.zip"), &members).await;
}

/// A package for npm with `scripts` that run when it is installed.
pub(crate) async fn npm(project: &Project, name: &str, version: &str, code: &str, scripts: &str) {
    let about = format!(
        "{{\"name\": \"{name}\", \"version\": \"{version}\", \"type\": \"module\", \"exports\": \"./index.js\", \"scripts\": {scripts}}}"
    );
    let members = [("package/package.json", about), ("package/index.js", code.to_owned())];
    archive(project, "tar", &format!("functions/_vendor/{name}-{version}.tgz"), &members).await;
}

async fn archive(project: &Project, kind: &str, file: &str, members: &[(&str, String)]) {
    let path = project.path(file);
    fs::create_dir_all(path.parent().expect("below the project")).expect("can make folders");
    let mut command = Command::new("python3");
    command.args(["-c", ARCHIVE, kind]).arg(path);
    command.args(members.iter().flat_map(|(name, text)| [*name, text.as_str()]));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = Ran::of(command).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
