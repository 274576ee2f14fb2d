//! Runs many cases, each in a process of its own, and puts together what they found.
//!
//! Smoke cases go first: when one of them fails the rest would only repeat it. Knows nothing of
//! the command line or of report files.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::{Case, Level, Loads};
use crate::failure::Failure;
use crate::fixtures::Fixtures;
use crate::known::KnownFailing;
use crate::player::{Played, play};
use crate::report::{CaseResult, Report, Status};
use crate::starter::{StartError, Starter};
use crate::suite::Written;
use crate::transport::Transport;

/// Everything a run needs.
#[derive(Debug)]
pub struct Plan {
    pub suite: String,
    pub starter: Starter,
    pub fixtures: Arc<Fixtures>,
    /// Whether the runtime loads the author's files or what `prepare` builds of them.
    pub loads: Loads,
    /// Whether a handler can do several things at once.
    pub parallel: bool,
    pub cases: Vec<Written>,
    pub transports: Vec<Transport>,
    pub known: KnownFailing,
    /// Cases at once.
    pub jobs: usize,
    /// Go on although a smoke case failed.
    pub keep_going: bool,
}

/// Why a run found nothing at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the shim did not start: {0}")]
    NotStarted(StartError),
    #[error("the harness failed: {0}")]
    Harness(String),
}

/// Runs the plan.
///
/// # Errors
/// [`RunError`] when the shim does not start, or the harness itself fails.
pub async fn run(plan: Plan) -> Result<Report, RunError> {
    let (started, started_at) = (Instant::now(), SystemTime::now());
    does_it_start(&plan).await?;
    let plan = Arc::new(plan);
    let (smoke, rest): (Vec<_>, Vec<_>) = jobs(&plan).into_iter().partition(|(w, _)| w.case.smoke);
    let mut shim = Value::Null;
    let mut cases = all(&plan, smoke, &mut shim).await?;
    let broken = cases.iter().any(|case| case.status == Status::Fail);
    let not_run = if broken && !plan.keep_going { rest.len() } else { 0 };
    if not_run == 0 {
        cases.extend(all(&plan, rest, &mut shim).await?);
    }
    Ok(Report {
        suite: plan.suite.clone(),
        suite_version: env!("CARGO_PKG_VERSION"),
        spec: "1.0",
        shim,
        started_at_ms: started_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis()),
        ms: started.elapsed().as_millis(),
        cases,
        stale_entries: Vec::new(),
        not_run,
    })
}

/// One start without any case, so that a wrong command is not told as a hundred failures.
async fn does_it_start(plan: &Plan) -> Result<(), RunError> {
    let Some(transport) = plan.transports.first() else {
        return Err(RunError::Harness("no transport was chosen".into()));
    };
    match plan.starter.start(*transport, "start-probe").await {
        Ok((mut process, streams)) => {
            drop(streams);
            process.kill().await;
            Ok(())
        }
        Err(error @ StartError::Door(_)) => Err(RunError::Harness(error.to_string())),
        Err(error) => Err(RunError::NotStarted(error)),
    }
}

type Job = (Written, Transport);

fn jobs(plan: &Plan) -> Vec<Job> {
    let fits = |case: &Case, transport: Transport| {
        case.transports.is_empty() || case.transports.contains(&transport)
    };
    let mut jobs = Vec::new();
    for transport in &plan.transports {
        let here = plan.cases.iter().filter(|written| fits(&written.case, *transport));
        jobs.extend(here.map(|written| (written.clone(), *transport)));
    }
    jobs
}

async fn all(
    plan: &Arc<Plan>,
    jobs: Vec<Job>,
    shim: &mut Value,
) -> Result<Vec<CaseResult>, RunError> {
    let room = Arc::new(Semaphore::new(plan.jobs.max(1)));
    let mut running = JoinSet::new();
    for (index, (written, transport)) in jobs.into_iter().enumerate() {
        let (plan, room) = (plan.clone(), room.clone());
        running.spawn(async move {
            let _turn = room.acquire_owned().await;
            (index, one(&plan, &written.case, transport).await)
        });
    }
    let mut done = Vec::new();
    while let Some(joined) = running.join_next().await {
        let (index, (result, runtime)) =
            joined.map_err(|e| RunError::Harness(format!("a case ended with {e}")))?;
        if shim.is_null() {
            *shim = runtime.unwrap_or_default();
        }
        done.push((index, result));
    }
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

async fn one(plan: &Plan, case: &Case, transport: Transport) -> (CaseResult, Option<Value>) {
    let started = Instant::now();
    let played = match not_for(case, plan) {
        Some(reason) => Played { skipped: Some(reason), ..Played::default() },
        None => play(case, transport, &plan.starter, &plan.fixtures).await,
    };
    let runtime = played.runtime.clone();
    (judged(plan, case, transport, played, started.elapsed()), runtime)
}

fn not_for(case: &Case, plan: &Plan) -> Option<String> {
    if case.needs.parallel && !plan.parallel {
        return Some("handlers of this runtime do one thing at a time".into());
    }
    match (case.needs.loads, plan.loads) {
        (Some(Loads::Source), Loads::Binary) => Some("the runtime compiles before it loads".into()),
        (Some(Loads::Binary), Loads::Source) => Some("the runtime loads source".into()),
        _ => None,
    }
}

fn judged(
    plan: &Plan,
    case: &Case,
    transport: Transport,
    played: Played,
    took: Duration,
) -> CaseResult {
    let known = plan.known.entry(&case.id, transport);
    let status = match (&played.skipped, &played.failure, known, case.level) {
        (Some(_), ..) => Status::Skip,
        (None, None, None, _) => Status::Pass,
        (None, None, Some(_), _) => Status::Stale,
        (None, Some(_), Some(_), _) => Status::Known,
        (None, Some(_), None, Level::Must) => Status::Fail,
        (None, Some(_), None, Level::Should) => Status::Warn,
    };
    let stale = || Failure::new("passes; remove it from the list of known failures");
    let tells = played.failure.is_some();
    let parity = case.parity && case.id.starts_with("fn/");
    CaseResult {
        id: case.id.clone(),
        title: case.title.clone(),
        transport,
        level: case.level,
        req: case.req.clone(),
        status,
        ms: took.as_millis(),
        failure: if status == Status::Stale { Some(stale()) } else { played.failure },
        reason: played.skipped.or_else(|| known.map(|entry| entry.reason.clone())),
        frames: if tells { played.frames } else { Vec::new() },
        process_output: if tells { played.process_output } else { String::new() },
        outputs: if parity { played.outputs } else { Vec::new() },
    }
}
