//! The languages' own package managers: where they are, and for which platform they install.
//!
//! Finds; does not run them on packages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::config::secret::Variables;
use crate::deps::folders::name;
use crate::leash::Order;
use crate::registry::imports::Language;
use crate::runtime::probe;

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
}

/// What all tools are found with.
#[derive(Debug)]
pub struct Tools {
    path: Vec<PathBuf>,
    env: Vec<(String, String)>,
    found: [OnceCell<Result<Tool, String>>; 3],
}

impl Tools {
    #[must_use]
    pub fn new(variables: &Variables) -> Tools {
        let path = variables.get("PATH").map(|path| std::env::split_paths(path).collect());
        let passed = |name: &str| {
            let upper = name.to_ascii_uppercase();
            ENV.contains(&&*upper) || ENV_STARTS.iter().any(|start| upper.starts_with(start))
        };
        let env = variables.iter().filter(|(name, _)| passed(name));
        Tools {
            path: path.unwrap_or_default(),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            found: Default::default(),
        }
    }

    /// The interpreter or toolchain of a language; looked for once.
    ///
    /// # Errors
    /// What to install.
    pub async fn find(&self, language: Language) -> Result<&Tool, &str> {
        let cell = &self.found[language as usize];
        cell.get_or_init(|| self.look(language)).await.as_ref().map_err(String::as_str)
    }

    async fn look(&self, language: Language) -> Result<Tool, String> {
        let path = &self.path;
        let found = match language {
            Language::Node => probe::node(path).await,
            Language::Python => probe::python(path).await,
            Language::Go => probe::go(path).await,
        };
        let program = found.map_err(|error| error.to_string())?.program;
        let platform = match language {
            Language::Node => self.ask(&program, &["-e", NODE_ABI]).await?,
            Language::Python => self.ask(&program, &["-I", "-c", PYTHON_ABI]).await?,
            // Sources, the same everywhere.
            Language::Go => name(language).to_owned(),
        };
        Ok(Tool { program, platform })
    }

    /// What a program prints in one line.
    pub(crate) async fn ask(&self, program: &Path, arguments: &[&str]) -> Result<String, String> {
        let shown = program.display();
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.env_for(program, &[]));
        let asked = command.stdin(Stdio::null()).kill_on_drop(true).output();
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(output)) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            }
            Ok(Ok(output)) => {
                Err(format!("'{shown}': {}", String::from_utf8_lossy(&output.stderr).trim()))
            }
            Ok(Err(error)) => Err(format!("'{shown}' does not run: {error}")),
            Err(_) => Err(format!("'{shown}' gave no answer in {PATIENCE:?}")),
        }
    }

    /// An order to run a tool, with what the tool sees of the environment and `more`.
    pub(crate) fn order<A: Into<OsString>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        folder: &Path,
        more: &[(&str, &str)],
    ) -> Order {
        Order {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            folder: folder.to_owned(),
            env: self.env_for(program, more),
        }
    }

    /// Programs find those that came with them first.
    fn env_for(&self, program: &Path, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let beside = program.parent().map(Path::to_owned);
        let path = beside.into_iter().chain(self.path.iter().cloned());
        let path = std::env::join_paths(path).unwrap_or_default().to_string_lossy().into_owned();
        let mut env = self.env.clone();
        env.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        env.push(("PATH".into(), path));
        env
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_see_their_settings_and_no_secrets() {
        let given = [
            ("PATH", "/bin"),
            ("ALYX_JWT_SECRET", "s"),
            ("OPENAI_API_KEY", "s"),
            ("https_proxy", "p"),
            ("npm_config_registry", "r"),
            ("PIP_INDEX_URL", "i"),
            ("GOPROXY", "g"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let tools = Tools::new(&given.into_iter().collect());
        let order = tools.order(
            Path::new("/opt/go/bin/go"),
            [""; 0],
            Path::new("/"),
            &[("GOPROXY", "off")],
        );
        let mut env = order.env;
        env.sort();
        let expected = [
            ("GOPROXY", "off"),
            ("PATH", "/opt/go/bin:/bin"),
            ("PIP_INDEX_URL", "i"),
            ("https_proxy", "p"),
            ("npm_config_registry", "r"),
        ];
        assert_eq!(env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
