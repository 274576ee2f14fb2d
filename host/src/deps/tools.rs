//! The languages' own package managers: where they are, and for which platform they install.
//!
//! Finds; does not run them on packages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::config::secret::Variables;
use crate::deps::folders::name;
use crate::leash::Machine;
use crate::registry::imports::Language;
use crate::runtime::probe;
use crate::workshop::{Order, Printed, Workshop};

/// How long a tool may take to tell about itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// What of the host's environment the tools see: places, certificates, proxies and their own
/// settings. The host's secrets are not among it, since packages run code while they install.
const ENV: [&str; 14] = [
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "CC",
    "CXX",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];
const ENV_STARTS: [&str; 11] =
    ["NPM_", "NODE_", "PIP_", "GO", "CGO_", "GIT_", "SSH_", "SSL_", "XDG_", "PKG_CONFIG", "CARGO_"];
/// Of these, what says where something is on this machine, which is not so in an image.
const PLACES: [&str; 17] = [
    "HOME",
    "LANG",
    "LC_ALL",
    "USER",
    "LOGNAME",
    "CC",
    "CXX",
    "GOROOT",
    "GOPATH",
    "GOBIN",
    "GOENV",
    "GOCACHE",
    "GOMODCACHE",
    "GOTMPDIR",
    "NPM_CONFIG_CACHE",
    "NPM_CONFIG_PREFIX",
    "PIP_CACHE_DIR",
];
const PLACES_START: [&str; 4] = ["XDG_", "SSH_", "PKG_CONFIG", "CARGO_"];
/// What an interpreter is asked for: the platform that packages are built for.
const NODE_ABI: &str = "const h = process.report.getReport().header;
    console.log(['node', process.versions.modules, process.platform, process.arch,
        h.glibcVersionRuntime ? 'glibc' : 'other'].join('-'))";
const PYTHON_ABI: &str = "import sys, sysconfig
print('-'.join([sys.implementation.cache_tag, sysconfig.get_platform(),
    str(sysconfig.get_config_var('SOABI'))]))";

/// A language's interpreter or toolchain.
#[derive(Debug, Clone)]
pub struct Tool {
    pub program: PathBuf,
    /// Sets of one platform are no good on another.
    pub platform: String,
    /// Where it runs.
    pub workshop: Arc<dyn Workshop>,
    /// Whether that is an image, which has its own programs and sees what it is given.
    pub in_image: bool,
}

/// Whose tools are not those of this machine, by language.
pub type Workshops = Vec<(Language, Arc<dyn Workshop>)>;

/// What all tools are found with.
#[derive(Debug)]
pub struct Tools {
    path: Vec<PathBuf>,
    env: Vec<(String, String)>,
    home: Option<PathBuf>,
    elsewhere: Workshops,
    found: [OnceCell<Result<Tool, String>>; 3],
}

impl Tools {
    #[must_use]
    pub fn new(variables: &Variables, elsewhere: Workshops) -> Tools {
        let path = variables.get("PATH").map(|path| std::env::split_paths(path).collect());
        let passed = |name: &str| {
            let upper = name.to_ascii_uppercase();
            ENV.contains(&&*upper) || ENV_STARTS.iter().any(|start| upper.starts_with(start))
        };
        let env = variables.iter().filter(|(name, _)| passed(name));
        Tools {
            path: path.unwrap_or_default(),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            home: variables.get("HOME").map(PathBuf::from),
            elsewhere,
            found: Default::default(),
        }
    }

    /// The interpreter or toolchain of a language: on this machine looked for once, in an image as
    /// that is now.
    ///
    /// # Errors
    /// What to install.
    pub async fn find(&self, language: Language) -> Result<Tool, String> {
        if let Some((_, image)) = self.elsewhere.iter().find(|(other, _)| *other == language) {
            return in_image(language, image).await;
        }
        let cell = &self.found[language as usize];
        cell.get_or_init(|| self.look(language)).await.clone()
    }

    async fn look(&self, language: Language) -> Result<Tool, String> {
        let path = &self.path;
        let found = match language {
            Language::Node => probe::node(path).await,
            Language::Python => probe::python(path).await,
            Language::Go => probe::go(path).await,
        };
        let program = found.map_err(|error| error.to_string())?.program;
        let platform = name(language).to_owned();
        let tool = Tool { program, platform, workshop: Arc::new(Machine), in_image: false };
        let platform = match language {
            Language::Node => self.ask(&tool, &["-e", NODE_ABI]).await?,
            Language::Python => self.ask(&tool, &["-I", "-c", PYTHON_ABI]).await?,
            // Sources, the same everywhere.
            Language::Go => return Ok(tool),
        };
        Ok(Tool { platform, ..tool })
    }

    async fn ask(&self, tool: &Tool, arguments: &[&str]) -> Result<String, String> {
        ask(tool, &self.order(tool, &tool.program, arguments, Path::new("/"), &[])).await
    }

    /// An order to run a program of a tool, with what it sees of the environment and `more`.
    pub(crate) fn order<A: Into<OsString>>(
        &self,
        tool: &Tool,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        folder: &Path,
        more: &[(&str, &str)],
    ) -> Order {
        let env = self.env_for(tool, program, more);
        Order {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            folder: folder.to_owned(),
            reads: if tool.in_image { named(&env) } else { Vec::new() },
            env,
            ..Order::default()
        }
    }

    /// Programs find those that came with them first; an image has a path of its own.
    fn env_for(&self, tool: &Tool, program: &Path, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut env = self.env.clone();
        env.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        if tool.in_image {
            env.retain(|(name, _)| !is_place(name));
        } else {
            let beside = program.parent().map(Path::to_owned);
            let path = beside.into_iter().chain(self.path.iter().cloned());
            let path = std::env::join_paths(path).unwrap_or_default();
            env.push(("PATH".into(), path.to_string_lossy().into_owned()));
        }
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        env
    }

    /// Where the user's own settings are.
    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// npm, the one that came with this Node.js if there is one.
    ///
    /// # Errors
    /// What to install.
    pub(crate) fn npm(&self, node: &Path) -> Result<PathBuf, String> {
        let beside = node.parent().map(|folder| folder.join("npm")).filter(|npm| npm.is_file());
        beside.or_else(|| probe::on_path(&self.path, "npm")).ok_or_else(|| {
            "no 'npm' on PATH; install it (Debian 13: apt-get install npm)".to_owned()
        })
    }
}

/// An image's name says what all programs in it are.
async fn in_image(language: Language, image: &Arc<dyn Workshop>) -> Result<Tool, String> {
    let identity = image.identity().await?;
    let (program, platform) = match language {
        Language::Node => ("node", identity),
        Language::Python => ("python3", identity),
        Language::Go => ("go", name(language).to_owned()),
    };
    Ok(Tool { program: program.into(), platform, workshop: image.clone(), in_image: true })
}

fn is_place(variable: &str) -> bool {
    let upper = variable.to_ascii_uppercase();
    PLACES.contains(&&*upper) || PLACES_START.iter().any(|start| upper.starts_with(start))
}

/// Files and folders that variables name: certificates, folders of packages.
fn named(env: &[(String, String)]) -> Vec<PathBuf> {
    let words = env.iter().flat_map(|(_, value)| value.split([',', '|', ' ']));
    let paths = words.map(|word| Path::new(word.strip_prefix("file://").unwrap_or(word)));
    let paths = paths.filter(|path| path.parent().is_some() && path.is_absolute());
    paths.filter(|path| path.exists()).map(Path::to_owned).collect()
}

/// What a program prints in one line.
pub(crate) async fn ask(tool: &Tool, order: &Order) -> Result<String, String> {
    let (mut told, mut complaint) = (String::new(), String::new());
    let mut listen = |printed: Printed| {
        let text = if printed.stdout { &mut told } else { &mut complaint };
        text.push_str(&printed.text);
        text.push('\n');
    };
    let ran = tool.workshop.run(order, PATIENCE, &mut listen).await;
    let shown = order.program.display();
    match ran {
        Ok(true) => Ok(told.trim().to_owned()),
        Ok(false) => Err(format!("'{shown}': {}", complaint.trim())),
        Err(error) => Err(format!("'{shown}' does not run: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(in_image: bool) -> Tool {
        let (program, platform) = ("/opt/go/bin/go".into(), String::new());
        Tool { program, platform, workshop: Arc::new(Machine), in_image }
    }

    fn env(given: &[(&str, &str)], tool: &Tool) -> Vec<(String, String)> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let tools = Tools::new(&given.collect(), Vec::new());
        let more = [("GOPROXY", "off")];
        let order = tools.order(tool, &tool.program, [""; 0], Path::new("/"), &more);
        let mut env = order.env;
        env.sort();
        env
    }

    const GIVEN: [(&str, &str); 8] = [
        ("PATH", "/bin"),
        ("HOME", "/home/me"),
        ("ALYX_JWT_SECRET", "s"),
        ("OPENAI_API_KEY", "s"),
        ("https_proxy", "p"),
        ("npm_config_registry", "r"),
        ("npm_config_cache", "/c"),
        ("GOPROXY", "g"),
    ];

    fn owned(env: &[(&str, &str)]) -> Vec<(String, String)> {
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tools_see_their_settings_and_no_secrets() {
        let expected = [
            ("GOPROXY", "off"),
            ("HOME", "/home/me"),
            ("PATH", "/opt/go/bin:/bin"),
            ("https_proxy", "p"),
            ("npm_config_cache", "/c"),
            ("npm_config_registry", "r"),
        ];
        assert_eq!(env(&GIVEN, &tool(false)), owned(&expected));
    }

    #[test]
    fn tools_of_an_image_are_not_told_where_things_are_on_the_machine() {
        let expected = [("GOPROXY", "off"), ("https_proxy", "p"), ("npm_config_registry", "r")];
        assert_eq!(env(&GIVEN, &tool(true)), owned(&expected));
    }

    #[test]
    fn files_that_variables_name_are_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().display();
        let env = owned(&[
            ("GOPROXY", &format!("https://p.example,file://{path}")),
            ("PIP_CERT", "/nowhere/at/all"),
            ("NPM_CONFIG_REGISTRY", "https://r.example/"),
            ("TZ", "/"),
        ]);
        assert_eq!(named(&env), [folder.path()]);
    }
}
