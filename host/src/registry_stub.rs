use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use crate::config::{Config, secret::Secret};
#[derive(Debug, Clone)]
pub struct Problem(String);
impl std::fmt::Display for Problem { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) } }
#[derive(Debug, Clone)]
pub struct Function {
    pub key: Arc<(String, String)>,
    pub name: String, pub runtime: String, pub entry: PathBuf, pub root: PathBuf,
    pub timeout: Duration, pub memory: u64, pub cpu: f64, pub concurrency: Option<u32>,
    pub env: BTreeMap<String, Secret>, pub description: Option<String>, pub revision: String,
    pub problem: Option<Problem>,
}
#[derive(Debug, Clone, Default)]
pub struct Registry { all: BTreeMap<String, Arc<Function>> }
impl Registry {
    pub fn scan(config: &Config) -> Self {
        let mut all = BTreeMap::new();
        for e in std::fs::read_dir(&config.functions.path).unwrap().flatten() {
            let p = e.path();
            let runtime = match p.extension().and_then(|e| e.to_str()) { Some("js") => "node", Some("py") => "python", Some("go") => "go", _ => continue };
            let name = p.file_stem().unwrap().to_string_lossy().into_owned();
            let revision = format!("sha256:{}", hex::encode(&std::fs::read(&p).unwrap()[..20]));
            all.insert(name.clone(), Arc::new(Function { key: Arc::new((name.clone(), revision.clone())), name, runtime: runtime.into(), entry: p, root: config.functions.path.clone(), timeout: config.functions.timeout, memory: 1, cpu: 1.0, concurrency: None, env: BTreeMap::new(), description: None, revision, problem: None }));
        }
        Registry { all }
    }
    pub fn warnings(&self) -> &[String] { &[] }
    pub fn iter(&self) -> impl Iterator<Item=&Arc<Function>> { self.all.values() }
    pub fn get(&self, n: &str) -> Option<&Arc<Function>> { self.all.get(n) }
    pub fn suggest(&self, _n: &str) -> Option<&str> { None }
    pub fn rescan_one(&self, _n: &str) -> Option<Self> { None }
}
