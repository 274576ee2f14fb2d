//! A unit of one worker's credit, and the call that is made with it.
//!
//! The call ends in one of three ways: an answer, a deadline, or a caller who leaves. In the last
//! two the shim is told to cancel and has a grace to comply; if it does not, it is killed. The
//! credit comes back when the worker is done with the call, not when the caller is.

use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::ErrorCode;
use alyx_protocol::worker::{
    CancelParams, CancelReason, InvokeParams, Trace, invoke_frame, method,
};
use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use crate::invocation::Invocation;
use crate::pool::RuntimePool;
use crate::pool::error::{CallError, Death, KillReason};
use crate::pool::worker::{Context, Worker};
use crate::rpc::peer;
use crate::rpc::pending::{Answer, Call};
use crate::sandbox::Exit;

/// How long a cancelled call may go on.
pub const GRACE: Duration = Duration::from_secs(1);

/// The right to make one call on one worker. Comes back to the pool when dropped.
#[derive(Debug)]
pub struct Lease {
    pub(crate) pool: Arc<RuntimePool>,
    pub(crate) worker: Arc<Worker>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.release(self.worker.number);
    }
}

/// What a call waited for before it ran.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waited {
    pub queue: Duration,
    pub cold: Duration,
    pub load: Duration,
}

impl Lease {
    /// The worker's name, for logs.
    #[must_use]
    pub fn worker(&self) -> Arc<str> {
        self.worker.name.clone()
    }

    /// Splits the time since `asked` by what the worker was doing meanwhile.
    #[must_use]
    pub fn waited(&self, asked: Instant) -> Waited {
        let now = Instant::now();
        let overlap =
            |(from, to): (Instant, Instant)| to.min(now).saturating_duration_since(from.max(asked));
        let cold = overlap(self.worker.started);
        let load = self.worker.loaded.lock().map_or(Duration::ZERO, overlap);
        Waited {
            queue: now.saturating_duration_since(asked).saturating_sub(cold + load),
            cold,
            load,
        }
    }

    /// Runs the invocation; the value is the handler's result as JSON.
    ///
    /// # Errors
    /// [`CallError`]. Dropping the future cancels the call.
    pub async fn invoke(
        self,
        invocation: &Arc<Invocation>,
        input: Bytes,
    ) -> Result<Bytes, CallError> {
        let context: Context = Some(invocation.clone());
        let called =
            self.worker.peer.call(context, |id| invoke_frame(id, &params(invocation), input));
        let call = called.map_err(|error| match error {
            peer::CallError::TooLarge { size, limit } => CallError::TooLarge { size, limit },
            peer::CallError::Closed => {
                // The pool has yet to hear of its end, and must not give it out again meanwhile.
                self.pool.suspend(self.worker.number, true);
                CallError::NotDelivered
            }
        })?;
        let mut running = Running(Some((self, call)));
        let Some((_, call)) = running.0.as_mut() else { unreachable!("set on the line above") };
        match timeout_at(invocation.deadline, &mut call.answer).await {
            Ok(Ok(answer)) => {
                running.0 = None;
                output(answer)
            }
            Ok(Err(_connection_ended)) => Err(CallError::Died(running.lost().await)),
            Err(_elapsed) => {
                running.cancel(CancelReason::Deadline);
                Err(CallError::Deadline)
            }
        }
    }
}

fn params(invocation: &Invocation) -> InvokeParams<'_> {
    let left = invocation.deadline.saturating_duration_since(Instant::now());
    InvokeParams {
        function: &invocation.function.name,
        revision: &invocation.function.revision,
        request_id: &invocation.request_id,
        // Rounded up: the host's clock decides.
        deadline_ms: left.as_micros().div_ceil(1000) as u64,
        attempt: 1,
        trigger: &invocation.trigger,
        auth: invocation.auth.as_deref(),
        trace: invocation.trace.as_ref().map(|trace| Trace {
            traceparent: &trace.traceparent,
            tracestate: trace.tracestate.as_deref(),
        }),
    }
}

fn output(answer: Answer) -> Result<Bytes, CallError> {
    match answer {
        Ok(reply) => reply
            .member("output")
            .ok_or_else(|| CallError::Protocol("the answer to 'invoke' has no 'output'".into())),
        // The shim's own clock may be a little ahead of the host's.
        Err(error) if error.is(ErrorCode::Cancelled) || error.is(ErrorCode::DeadlineExceeded) => {
            Err(CallError::Deadline)
        }
        Err(error) => Err(CallError::Thrown(Box::new(error))),
    }
}

/// A call under way. Dropped before its answer, it is cancelled.
struct Running(Option<(Lease, Call)>);

impl Running {
    /// The connection has ended under the call: how did the worker?
    async fn lost(&mut self) -> Death {
        match self.0.take() {
            Some((lease, _)) => lease.worker.death().await,
            None => Death { exit: Exit::Unknown, killed: None, protocol: None },
        }
    }

    fn cancel(&mut self, reason: CancelReason) {
        let Some((lease, call)) = self.0.take() else { return };
        lease.pool.suspend(lease.worker.number, true);
        lease.worker.peer.notify(method::CANCEL, CancelParams { id: call.id, reason });
        let tasks = lease.pool.tasks.clone();
        tasks.spawn(async move {
            match timeout(GRACE, call.answer).await {
                Ok(_answered_or_dead) => lease.pool.suspend(lease.worker.number, false),
                Err(_) => lease.worker.kill(KillReason::Unresponsive),
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel(CancelReason::Client);
    }
}
