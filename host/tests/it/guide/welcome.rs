//! The guide's call of another service, with a service of the test in its place.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::blocks::Block;
use super::blog::{self, Person};
use crate::harness::Host;

/// The one thing that is replaced in the guide's text.
const ORIGIN: &str = "https://api.sendgrid.com";
pub(super) const KEY: &str = "SG.key";

pub(super) async fn send_welcome(block: &Block) {
    assert_eq!(block.text.matches(ORIGIN).count(), 1, "one address in:\n{}", block.text);
    let (mail, address) = Mail::serve().await;
    let text = block.text.replace(ORIGIN, &format!("http://{address}"));
    let project = blog::project().config(json!({"functions": {
        // The mail service is on this machine, which workers in containers may not reach.
        "backend": "process", "env": {"SENDGRID_API_KEY": KEY},
    }}));
    let host = project.file(block.file().expect("a name"), &text).serve().await;
    check_send_welcome(&host, &mail).await;
}

/// Also for the sample project, which takes the address from its environment.
pub(super) async fn check_send_welcome(host: &Host, mail: &Mail) {
    let grace = Person::register(host, "Grace").await;
    let input = json!({"userId": grace.id});
    let sent = host.call("sendWelcome", input.clone()).await.value();
    assert_eq!(sent, json!({"sent": true}));
    let letters = mail.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let (head, body) = &letters[0];
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/v3/mail/send"));
    assert_eq!(head.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(head.headers["content-type"], "application/json");
    let expected = json!({
        "personalizations": [{"to": [{"email": grace.email}]}],
        "from": {"email": "hello@myapp.com"},
        "subject": "Welcome to MyApp!",
        "content": [{"type": "text/html", "value": "<h1>Welcome, Grace!</h1>"}],
    });
    let body: Value = serde_json::from_slice(body).expect("the letter is JSON");
    assert_eq!(body, expected);

    mail.refuse.store(true, Ordering::Relaxed);
    let answer = host.call("sendWelcome", input).await;
    assert_eq!(answer.error_message(500, "FUNCTION_ERROR"), "Failed to send email");
    let unknown = host.call("sendWelcome", json!({"userId": "nobody"})).await;
    assert_eq!(unknown.error_message(500, "FUNCTION_ERROR"), "User not found");
    assert_eq!(mail.letters().len(), 2, "nothing is sent to nobody");
}

/// A service that takes everything, keeps it, and on demand answers 500.
#[derive(Debug, Default)]
pub(super) struct Mail {
    letters: Mutex<Vec<(Arc<Parts>, Bytes)>>,
    refuse: AtomicBool,
}

impl Mail {
    /// Serves until the test ends.
    pub(super) async fn serve() -> (Arc<Mail>, SocketAddr) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let mail = Arc::new(Mail::default());
        let router = Router::new().fallback(take).with_state(mail.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        (mail, address)
    }

    fn letters(&self) -> Vec<(Arc<Parts>, Bytes)> {
        self.letters.lock().expect("nobody panics with the lock").clone()
    }
}

async fn take(State(mail): State<Arc<Mail>>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a whole letter");
    mail.letters.lock().expect("nobody panics with the lock").push((Arc::new(head), body));
    let refuses = mail.refuse.load(Ordering::Relaxed);
    if refuses { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::ACCEPTED }
}
