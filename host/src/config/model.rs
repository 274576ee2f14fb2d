//! The shape of alyx.yaml as the host uses it.
//!
//! Knows nothing of files, defaults or variables: `keys` has the defaults, `check` fills them
//! in, and every field here is given.

use crate::config::collection::CollectionConfig;
use crate::config::secret::Secret;
use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerConfig,
    pub database: DatabaseConfig,
    pub auth: AuthConfig,
    /// In the order of the file, as are their fields.
    pub collections: IndexMap<String, CollectionConfig>,
    pub functions: FunctionsConfig,
    pub admin: AdminConfig,
    pub history: HistoryConfig,
    pub logging: LoggingConfig,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    pub host: String,
    /// 0 takes any free port.
    pub port: u16,
    /// Bytes.
    pub max_body_size: u64,
    pub cors: CorsConfig,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsConfig {
    pub allowed_origins: Vec<String>,
    pub allow_credentials: bool,
    #[serde(deserialize_with = "millis")]
    pub max_age: Duration,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    pub path: PathBuf,
    pub synchronous: Synchronous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Synchronous {
    Full,
    Normal,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    pub jwt: JwtConfig,
    pub allow_registration: bool,
    pub password: PasswordConfig,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// May be empty: only those who use auth need one.
    pub secret: Secret,
    pub issuer: String,
    pub audience: Option<String>,
    #[serde(deserialize_with = "millis")]
    pub access_ttl: Duration,
    #[serde(deserialize_with = "millis")]
    pub refresh_ttl: Duration,
    /// `http(s)://…`, else a path, absolute after loading.
    pub jwks: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordConfig {
    pub min_length: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionsConfig {
    pub enabled: bool,
    pub path: PathBuf,
    pub backend: Backend,
    pub network: Network,
    pub sandbox: SandboxMode,
    #[serde(deserialize_with = "millis")]
    pub timeout: Duration,
    /// The file's map with `ALYX_FUNCTIONS_ENV_*` already laid over it.
    pub env: BTreeMap<String, Secret>,
    pub dependencies: Dependencies,
    pub pool: PoolConfig,
    pub runtimes: BTreeMap<String, RuntimeConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    Auto,
    Docker,
    Podman,
    Process,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    Open,
    Proxy,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxMode {
    Auto,
    Strict,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dependencies {
    Auto,
    Off,
}

/// Per runtime.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    pub min_warm: usize,
    pub max_instances: usize,
    #[serde(deserialize_with = "millis")]
    pub idle_timeout: Duration,
    /// Bytes.
    pub memory_limit: u64,
    pub cpu_limit: f64,
    /// Calls in one worker at a time; none leaves it to the runtime.
    pub concurrency: Option<u32>,
    #[serde(deserialize_with = "millis")]
    pub queue_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeConfig {
    pub enabled: bool,
    pub image: Option<String>,
    /// Starts a worker without a container; none = what comes with Alyx.
    pub command: Option<Vec<String>>,
    /// With the dot: `.py`.
    pub extensions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    pub enabled: bool,
    pub path: String,
    pub token: Option<Secret>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryConfig {
    pub path: PathBuf,
    #[serde(deserialize_with = "millis")]
    pub retention: Duration,
    /// Bytes.
    pub max_payload: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggingConfig {
    pub level: Level,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Console,
    Json,
}

/// `check` hands durations over in milliseconds.
pub fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}
