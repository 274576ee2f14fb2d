//! The calls of one connection that have no answer yet.
//!
//! Each call carries a context of the caller's choice, so that what a shim sends on behalf of a
//! call (logs, syscalls) can be told whose it is. Knows nothing of what a call asks for.

use std::collections::HashMap;

use alyx_protocol::limits::STRAY_ANSWERS;
use alyx_protocol::{Members, RpcError};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use tokio::sync::oneshot;

/// What comes back for one call.
pub type Answer = Result<Reply, RpcError>;

/// The members of a result, each a slice of the frame it came in.
#[derive(Debug)]
pub struct Reply(SmallVec<[(Bytes, Bytes); 1]>);

impl Reply {
    /// Slices the members out of `frame`, which they borrow from.
    pub(crate) fn slice(frame: &Bytes, members: &Members<'_>) -> Self {
        let slice = |part: &str| match part.as_bytes() {
            [] => Bytes::new(),
            inside if frame.as_ptr_range().contains(&inside.as_ptr()) => frame.slice_ref(inside),
            unescaped => Bytes::copy_from_slice(unescaped),
        };
        Reply(members.iter().map(|(key, value)| (slice(key), slice(value.get()))).collect())
    }

    /// The JSON of one member.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Bytes> {
        self.0.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The whole result as a type of the protocol.
    ///
    /// # Errors
    /// serde's, naming the member that does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let mut object = serde_json::Map::new();
        for (key, value) in &self.0 {
            let key = String::from_utf8_lossy(key).into_owned();
            object.insert(key, serde_json::from_slice(value)?);
        }
        serde_json::from_value(object.into())
    }
}

/// A call under way: its id on the wire and where its answer will arrive.
///
/// The receiver fails when the connection ends first.
#[derive(Debug)]
pub struct Call {
    pub id: u64,
    pub answer: oneshot::Receiver<Answer>,
}

/// The table of unanswered calls. Ids count up from 1 and are never used again.
#[derive(Debug)]
pub struct Pending<C>(Mutex<Table<C>>);

#[derive(Debug)]
struct Table<C> {
    open: bool,
    last: u64,
    calls: HashMap<u64, (oneshot::Sender<Answer>, C)>,
    strays: u32,
}

impl<C: Clone> Pending<C> {
    pub(crate) fn new() -> Self {
        Pending(Mutex::new(Table { open: true, last: 0, calls: HashMap::new(), strays: 0 }))
    }

    /// Notes a new call; none when the connection has ended.
    pub(crate) fn begin(&self, context: C) -> Option<Call> {
        let (sender, answer) = oneshot::channel();
        let mut table = self.0.lock();
        if !table.open {
            return None;
        }
        table.last += 1;
        let id = table.last;
        table.calls.insert(id, (sender, context));
        Some(Call { id, answer })
    }

    /// Forgets a call whose frame could not be sent.
    pub(crate) fn withdraw(&self, id: u64) {
        self.0.lock().calls.remove(&id);
    }

    /// Whose call this is; none once it has been answered.
    #[must_use]
    pub fn context(&self, id: u64) -> Option<C> {
        self.0.lock().calls.get(&id).map(|(_, context)| context.clone())
    }

    /// Hands an answer to its caller. A caller who has left is no fault of the shim's.
    ///
    /// # Errors
    /// [`StrayAnswer`] for an id that is not waiting: it was answered before or never asked.
    pub(crate) fn answer(&self, id: u64, answer: Answer) -> Result<(), StrayAnswer> {
        let mut table = self.0.lock();
        if let Some((sender, _)) = table.calls.remove(&id) {
            drop(table);
            let _caller_left = sender.send(answer);
            return Ok(());
        }
        table.strays += 1;
        Err(StrayAnswer { id, never_asked: id > table.last, fatal: table.strays >= STRAY_ANSWERS })
    }

    /// Ends all waiting calls; their receivers fail.
    pub(crate) fn close(&self) {
        let mut table = self.0.lock();
        table.open = false;
        table.calls = HashMap::new();
    }

    /// How many calls have no answer yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().calls.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An answer that nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StrayAnswer {
    pub(crate) id: u64,
    pub(crate) never_asked: bool,
    /// Too many on this connection: end it.
    pub(crate) fatal: bool,
}
