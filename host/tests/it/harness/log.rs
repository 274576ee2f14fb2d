//! The host's log, collected line by line as JSON while it runs.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::PATIENCE;

/// One line of the log.
#[derive(Debug, Clone)]
pub(crate) struct Line(pub(crate) Value);

impl Line {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.text("message")
    }

    pub(crate) fn level(&self) -> &str {
        self.text("level")
    }

    pub(crate) fn request_id(&self) -> &str {
        self.text("request_id")
    }

    /// What a function logged besides its message.
    pub(crate) fn fields(&self) -> Value {
        match &self.0["fields"] {
            Value::String(text) => serde_json::from_str(text).expect("fields are JSON"),
            other => other.clone(),
        }
    }

    /// The message of the call with this id.
    pub(crate) fn says(&self, request_id: &str, message: &str) -> bool {
        self.request_id() == request_id && self.message() == message
    }

    /// From a function, by whatever way: ctx.log, stdout, stderr.
    pub(crate) fn is_of_function(&self) -> bool {
        self.text("target") == "function"
    }
}

/// All lines so far; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    grew: watch::Receiver<usize>,
}

impl Log {
    /// Collects what comes out of `source` until it ends.
    pub(crate) fn collect(source: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (grow, grew) = watch::channel(0);
        let collected = lines.clone();
        std::thread::spawn(move || {
            for text in BufReader::new(source).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&text).unwrap_or_else(|_| json!({"message": text}));
                let mut lines = collected.lock().expect("nobody panics with the lock");
                lines.push(Line(line));
                grow.send_replace(lines.len());
            }
        });
        Log { lines, grew }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().expect("nobody panics with the lock").clone()
    }

    /// The lines that `matches` picks.
    pub(crate) fn all(&self, matches: impl Fn(&Line) -> bool) -> Vec<Line> {
        self.lines().into_iter().filter(matches).collect()
    }

    /// What functions logged in the call with this id.
    pub(crate) fn of_call(&self, request_id: &str) -> Vec<Line> {
        self.all(|line| line.is_of_function() && line.request_id() == request_id)
    }

    /// The first line that `matches` picks, once it is there.
    pub(crate) async fn wait_for(&self, what: &str, matches: impl Fn(&Line) -> bool) -> Line {
        self.try_wait_for(matches).await.unwrap_or_else(|| panic!("the log never had {what}"))
    }

    /// None when the log ended or nothing came in time.
    pub(crate) async fn try_wait_for(&self, matches: impl Fn(&Line) -> bool) -> Option<Line> {
        let mut grew = self.grew.clone();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            grew.borrow_and_update();
            let fresh: Vec<_> = {
                let lines = self.lines.lock().expect("nobody panics with the lock");
                lines[seen..].to_vec()
            };
            seen += fresh.len();
            if let Some(found) = fresh.into_iter().find(&matches) {
                return Some(found);
            }
            tokio::time::timeout_at(deadline, grew.changed()).await.ok()?.ok()?;
        }
    }
}
