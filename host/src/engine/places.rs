//! Where the socket of a container engine may be.
//!
//! Knows the usual places and the variables that name others. Asks nobody.

use std::path::PathBuf;

use crate::engine::Kind;
use crate::engine::error::EngineError;

/// What of the environment says where an engine is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// `DOCKER_HOST`, of either engine.
    docker_host: Option<String>,
    /// `CONTAINER_HOST`, of Podman.
    container_host: Option<String>,
    runtime_dir: Option<PathBuf>,
    home: Option<PathBuf>,
    user: u32,
}

impl Places {
    /// From the host's variables and its user id.
    #[must_use]
    pub fn new<'a>(variable: impl Fn(&str) -> Option<&'a str>, user: u32) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        Places {
            docker_host: set("DOCKER_HOST").map(str::to_owned),
            container_host: set("CONTAINER_HOST").map(str::to_owned),
            runtime_dir: set("XDG_RUNTIME_DIR").map(PathBuf::from),
            home: set("HOME").map(PathBuf::from),
            user,
        }
    }

    /// Sockets to try, in order. Who names one means that one and no other.
    ///
    /// # Errors
    /// [`EngineError::Address`] for an engine of another machine.
    pub(crate) fn of(&self, wanted: Option<Kind>) -> Result<Vec<PathBuf>, EngineError> {
        let named = match wanted {
            Some(Kind::Podman) => [self.container_host(), self.docker_host()],
            Some(Kind::Docker) => [self.docker_host(), None],
            None => [self.docker_host(), self.container_host()],
        };
        let named: Vec<_> = named.into_iter().flatten().collect();
        if !named.is_empty() {
            return named.into_iter().map(|(variable, value)| socket(variable, value)).collect();
        }
        Ok(match wanted {
            Some(Kind::Docker) => self.docker(),
            Some(Kind::Podman) => self.podman(),
            None => [self.docker(), self.podman()].concat(),
        })
    }

    fn docker_host(&self) -> Option<(&'static str, &str)> {
        Some(("DOCKER_HOST", self.docker_host.as_deref()?))
    }

    fn container_host(&self) -> Option<(&'static str, &str)> {
        Some(("CONTAINER_HOST", self.container_host.as_deref()?))
    }

    fn docker(&self) -> Vec<PathBuf> {
        let own = self.runtime_dir().join("docker.sock");
        let desktop = self.home.iter().flat_map(|home| {
            [".docker/run/docker.sock", ".docker/desktop/docker.sock"].map(|path| home.join(path))
        });
        // An ordinary user's own engine before the one of the machine.
        let all = [own].into_iter().chain(desktop).chain(["/var/run/docker.sock".into()]);
        all.collect()
    }

    fn podman(&self) -> Vec<PathBuf> {
        let own = self.runtime_dir().join("podman/podman.sock");
        let system = PathBuf::from("/run/podman/podman.sock");
        if self.user == 0 { vec![system, own] } else { vec![own, system] }
    }

    fn runtime_dir(&self) -> PathBuf {
        let usual = || PathBuf::from(format!("/run/user/{}", self.user));
        self.runtime_dir.clone().unwrap_or_else(usual)
    }
}

fn socket(variable: &'static str, value: &str) -> Result<PathBuf, EngineError> {
    let path = value.strip_prefix("unix://").unwrap_or(value);
    if path.starts_with('/') {
        return Ok(PathBuf::from(path));
    }
    Err(EngineError::Address { variable, value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &'static str)], user: u32) -> Places {
        Places::new(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| *v), user)
    }

    #[test]
    fn a_named_socket_is_the_only_one() {
        let places = places(&[("DOCKER_HOST", "unix:///a.sock"), ("HOME", "/h")], 0);
        assert_eq!(places.of(None).unwrap(), [PathBuf::from("/a.sock")]);
        assert_eq!(places.of(Some(Kind::Podman)).unwrap(), [PathBuf::from("/a.sock")]);
    }

    #[test]
    fn podman_has_a_variable_of_its_own() {
        let variables = [("DOCKER_HOST", "unix:///d"), ("CONTAINER_HOST", "unix:///p")];
        let places = places(&variables, 0);
        assert_eq!(places.of(Some(Kind::Podman)).unwrap()[0], PathBuf::from("/p"));
        assert_eq!(places.of(Some(Kind::Docker)).unwrap(), [PathBuf::from("/d")]);
    }

    #[test]
    fn an_ordinary_user_has_sockets_of_its_own() {
        let found = places(&[("HOME", "/home/u")], 1000).of(None).unwrap();
        let shown: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            shown,
            [
                "/run/user/1000/docker.sock",
                "/home/u/.docker/run/docker.sock",
                "/home/u/.docker/desktop/docker.sock",
                "/var/run/docker.sock",
                "/run/user/1000/podman/podman.sock",
                "/run/podman/podman.sock",
            ]
        );
    }

    #[test]
    fn an_engine_of_another_machine_is_refused_with_what_to_set() {
        let places = places(&[("DOCKER_HOST", "tcp://10.0.0.1:2375")], 0);
        let error = places.of(None).unwrap_err().to_string();
        assert!(error.contains("tcp://10.0.0.1:2375") && error.contains("unix://"), "{error}");
    }
}
