//! A secret for tokens, made once for a project that has none, so that users can be tried at once.
//!
//! Lies in the project's own folder for tools, readable by its owner alone. `alyx serve` does not
//! use it: production is to have one of its own.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::auth::secret;
use crate::config::Config;
use crate::config::secret::Secret;

/// Below the project's folder.
const FILE: &str = ".alyx/jwt-secret";
/// A secret is short.
const LONGEST: u64 = 4096;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum DevSecretError {
    #[error("cannot keep a secret for tokens in '{file}': {source}; set ALYX_JWT_SECRET instead", file = .file.display())]
    Io { file: PathBuf, source: io::Error },
    #[error("'{file}' holds no secret that may sign; delete it, and a new one is made", file = .0.display())]
    Unfit(PathBuf),
    #[error("the system has no randomness to give: {0}")]
    Randomness(getrandom::Error),
}

/// Gives the configuration a secret unless it has one, or another issuer's keys. True when it was
/// made just now.
///
/// # Errors
/// [`DevSecretError`]
pub fn provide(config: &mut Config) -> Result<bool, DevSecretError> {
    if !is_wanted(config) || adopt(config)? {
        return Ok(false);
    }
    let file = config.folder.join(FILE);
    let secret = secret::generate().map_err(DevSecretError::Randomness)?;
    let failed = |source| DevSecretError::Io { file: file.clone(), source };
    write(&file, &secret).map_err(failed)?;
    config.settings.auth.jwt.secret = secret;
    Ok(true)
}

/// Takes the secret that [`provide`] has made, if there is one and the configuration has none.
///
/// # Errors
/// [`DevSecretError`]
pub fn adopt(config: &mut Config) -> Result<bool, DevSecretError> {
    let file = config.folder.join(FILE);
    if !is_wanted(config) {
        return Ok(false);
    }
    let found = match read(&file) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(DevSecretError::Io { file, source }),
    };
    if secret::check(&found).is_err() {
        return Err(DevSecretError::Unfit(file));
    }
    config.settings.auth.jwt.secret = found;
    Ok(true)
}

fn is_wanted(config: &Config) -> bool {
    config.auth.jwt.secret.expose().trim().is_empty() && config.auth.jwt.jwks.is_none()
}

fn read(file: &Path) -> io::Result<Secret> {
    let mut text = String::new();
    let opened = fs::File::open(file)?;
    opened.set_permissions(PermissionsExt::from_mode(0o600))?;
    opened.take(LONGEST).read_to_string(&mut text)?;
    Ok(Secret::new(text.trim()))
}

/// Nobody else can read the file at any moment.
fn write(file: &Path, secret: &Secret) -> io::Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder)?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(ignore, "*\n")?;
    }
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    made.write_all(secret.expose().as_bytes())?;
    made.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path, variables: &[(&str, &str)]) -> Config {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(None, folder, variables).unwrap()
    }

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, mut second) = (config(folder.path(), &[]), config(folder.path(), &[]));
        assert!(!adopt(&mut first).unwrap());
        assert!(provide(&mut first).unwrap());
        assert!(!provide(&mut second).unwrap());
        assert_eq!(first.auth.jwt.secret, second.auth.jwt.secret);
        assert!(secret::check(&first.auth.jwt.secret).is_ok());
        let file = folder.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(folder.path().join(".alyx/.gitignore")).unwrap(), "*\n");
        fs::write(&file, "short").unwrap();
        let error = provide(&mut config(folder.path(), &[])).unwrap_err().to_string();
        assert!(error.contains(".alyx/jwt-secret' holds no secret"), "{error}");
    }

    #[test]
    fn a_configured_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for variable in ["ALYX_AUTH_JWT_SECRET", "ALYX_AUTH_JWT_JWKS"] {
            let mut config = config(folder.path(), &[(variable, "given")]);
            assert!(!provide(&mut config).unwrap());
        }
        assert!(!folder.path().join(".alyx").exists());
    }
}
