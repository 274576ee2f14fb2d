//! Counters and histograms for `/metrics` (Prometheus text format).
//!
//! Knows nothing of what is measured. A function's handles are looked up once and kept, so that
//! a call costs a few atomic additions; the number of function labels is capped.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Functions that get a label of their own; the rest share `other`.
const FUNCTION_LABELS: usize = 500;
/// Parts of a call that are timed.
pub const PHASES: [&str; 4] = ["queue", "cold", "load", "run"];

type Labels = Vec<(&'static str, String)>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OpLabel {
    op: &'static str,
}

/// All metrics of one host.
pub struct Metrics {
    registry: Mutex<Registry>,
    functions: RwLock<HashMap<String, Arc<FunctionMetrics>>>,
    invocations: Family<Labels, Counter>,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    pool_size: Family<Labels, Gauge>,
    queue_depth: Family<Labels, Gauge>,
    starts: Family<Labels, Counter>,
    deaths: Family<Labels, Counter>,
    requests: Family<StatusLabel, Counter>,
    database: Family<OpLabel, Histogram, fn() -> Histogram>,
    log_dropped: Counter,
    protocol_errors: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn histogram() -> Histogram {
    // 100 us to 52 s.
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

fn fine_histogram() -> Histogram {
    // 10 us to 42 s.
    Histogram::new(exponential_buckets(0.000_01, 2.0, 22))
}

impl Metrics {
    #[must_use]
    pub fn new() -> Arc<Self> {
        let metrics = Metrics {
            registry: Mutex::new(Registry::with_prefix("alyx")),
            functions: RwLock::default(),
            invocations: Family::default(),
            durations: Family::new_with_constructor(histogram),
            pool_size: Family::default(),
            queue_depth: Family::default(),
            starts: Family::default(),
            deaths: Family::default(),
            requests: Family::default(),
            database: Family::new_with_constructor(fine_histogram),
            log_dropped: Counter::default(),
            protocol_errors: Counter::default(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&self) {
        let mut registry = self.registry.lock();
        registry.register("function_invocations", "Calls by outcome", self.invocations.clone());
        registry.register_with_unit(
            "function_duration",
            "Time of each part of a call",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register("function_pool_size", "Workers by state", self.pool_size.clone());
        registry.register("queue_depth", "Calls that wait for a worker", self.queue_depth.clone());
        registry.register("worker_starts", "Workers that said hello", self.starts.clone());
        registry.register("worker_deaths", "Workers that ended, by reason", self.deaths.clone());
        registry.register("http_requests", "Answers by status", self.requests.clone());
        registry.register_with_unit(
            "db",
            "Time of a database call, from the request of a worker to its answer",
            Unit::Seconds,
            self.database.clone(),
        );
        registry.register(
            "log_dropped",
            "Log lines over an invocation's budget",
            self.log_dropped.clone(),
        );
        registry.register(
            "protocol_errors",
            "Rules of the protocol that shims broke",
            self.protocol_errors.clone(),
        );
    }

    /// The handles of one function.
    #[must_use]
    pub fn function(&self, name: &str, runtime: &str) -> Arc<FunctionMetrics> {
        if let Some(known) = self.functions.read().get(name) {
            return known.clone();
        }
        let mut functions = self.functions.write();
        let label = if functions.len() < FUNCTION_LABELS { name } else { "other" };
        let made = Arc::new(FunctionMetrics::new(self, label, runtime));
        if label == name {
            functions.insert(name.to_owned(), made.clone());
        }
        made
    }

    /// The handles of one runtime's pool.
    #[must_use]
    pub fn pool(self: &Arc<Self>, runtime: &str) -> PoolMetrics {
        PoolMetrics { all: self.clone(), runtime: runtime.to_owned() }
    }

    /// Counts one HTTP answer.
    pub fn http(&self, status: u16) {
        self.requests.get_or_create(&StatusLabel { status: status.to_string() }).inc();
    }

    /// The text that a scraper reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let written = prometheus_client::encoding::text::encode(&mut text, &self.registry.lock());
        written.map_or_else(|_| String::new(), |()| text)
    }
}

/// One function's counters.
#[derive(Debug)]
pub struct FunctionMetrics {
    ok: Counter,
    error: Counter,
    phases: [Histogram; 4],
}

impl FunctionMetrics {
    fn new(all: &Metrics, function: &str, runtime: &str) -> Self {
        let labels = |name: &'static str, value: &str| {
            vec![
                ("function", function.to_owned()),
                ("runtime", runtime.to_owned()),
                (name, value.to_owned()),
            ]
        };
        let count = |status| all.invocations.get_or_create(&labels("status", status)).clone();
        let phases =
            PHASES.map(|phase| all.durations.get_or_create(&labels("phase", phase)).clone());
        FunctionMetrics { ok: count("ok"), error: count("error"), phases }
    }

    /// Notes one call; `phases` in the order of [`PHASES`]. A part that took no time is not noted.
    pub fn record(&self, ok: bool, phases: [Duration; 4]) {
        if ok { &self.ok } else { &self.error }.inc();
        for (histogram, took) in self.phases.iter().zip(phases) {
            if !took.is_zero() {
                histogram.observe(took.as_secs_f64());
            }
        }
    }
}

/// One runtime's counters.
#[derive(Debug, Clone)]
pub struct PoolMetrics {
    all: Arc<Metrics>,
    runtime: String,
}

impl PoolMetrics {
    fn labels(&self, name: &'static str, value: &str) -> Labels {
        vec![("runtime", self.runtime.clone()), (name, value.to_owned())]
    }

    pub(crate) fn started(&self) {
        self.all.starts.get_or_create(&self.labels("kind", "process")).inc();
    }

    pub(crate) fn died(&self, reason: &str) {
        self.all.deaths.get_or_create(&self.labels("reason", reason)).inc();
    }

    pub(crate) fn protocol_error(&self) {
        self.all.protocol_errors.inc();
    }

    /// Notes one call of the database.
    pub(crate) fn database(&self, op: &'static str, took: Duration) {
        self.all.database.get_or_create(&OpLabel { op }).observe(took.as_secs_f64());
    }

    pub(crate) fn log_dropped(&self, lines: u64) {
        self.all.log_dropped.inc_by(lines);
    }

    /// Notes how many workers are in which state, and how many calls wait.
    pub(crate) fn set(&self, workers: &[(&'static str, usize)], waiting: usize) {
        for (state, count) in workers {
            self.all.pool_size.get_or_create(&self.labels("state", state)).set(*count as i64);
        }
        let depth = vec![("runtime", self.runtime.clone())];
        self.all.queue_depth.get_or_create(&depth).set(waiting as i64);
    }
}
