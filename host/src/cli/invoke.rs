//! `alyx invoke`: calls a function of the running server, or runs it once here.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::json;
use alyx_protocol::limits::DEPTH;
use alyx_protocol::worker::Auth;
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use crate::cli::logging::Style;
use crate::cli::output::print;
use crate::cli::{ConfigFile, Failure, logging};
use crate::config::Config;
use crate::http::error::ApiError;
use crate::invoker;
use crate::server::{Host, Mode, auth};

/// Largest input that is read from a file or stdin.
const INPUT: u64 = 16 * 1024 * 1024;
/// Longest wait for a server to take the connection and say what it is.
const CONNECT: Duration = Duration::from_secs(2);

/// What `alyx invoke` takes.
#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The function's name
    name: String,
    #[command(flatten)]
    config: ConfigFile,
    /// The input: JSON, @FILE, or - for stdin
    #[arg(long, default_value = "{}")]
    data: String,
    /// Bearer token of the user to call as
    #[arg(long)]
    token: Option<String>,
}

pub(crate) async fn run(options: Invoke) -> Result<(), Failure> {
    let config = options.config.load()?;
    let input = Bytes::from(read_input(&options.data)?);
    json::check(&input, DEPTH)
        .map_err(|e| Failure::usage(format!("--data is not acceptable JSON: {e}")))?;
    match connect(&config).await? {
        Some(server) => remote(server, &options, input).await,
        None => {
            let _flushes_when_dropped = logging::start(&config.logging, Style::Operator);
            local(&config, &options, input).await
        }
    }
}

fn read_input(data: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match data.strip_prefix('@') {
        Some(file) => std::fs::File::open(file).and_then(|f| f.take(INPUT).read_to_end(&mut bytes)),
        None if data == "-" => std::io::stdin().take(INPUT).read_to_end(&mut bytes),
        None => return Ok(data.as_bytes().to_vec()),
    };
    read.map_err(|e| Failure::usage(format!("cannot read --data {data}: {e}")))?;
    Ok(bytes)
}

/// A connection to the configured address; none when nobody listens there.
async fn connect(config: &Config) -> Result<Option<(String, TcpStream)>, Failure> {
    let address = format!("{}:{}", config.server.host, config.server.port);
    let stream = match timeout(CONNECT, TcpStream::connect(&address)).await {
        Ok(Ok(stream)) => stream,
        _ => return Ok(None),
    };
    let asked =
        timeout(CONNECT, send(stream, &address, Request::get("/health"), Bytes::new())).await;
    let name = match &asked {
        Ok(Ok((_, body))) => serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|v| v["name"].as_str().map(str::to_owned)),
        _ => None,
    };
    if name.as_deref() != Some("alyx") {
        let what = format!(
            "{address} answers but is not alyx; set server.port to where alyx listens, or to a free port"
        );
        return Err(Failure::failed(what));
    }
    let stream = TcpStream::connect(&address).await.map_err(Failure::failed)?;
    Ok(Some((address, stream)))
}

async fn send(
    stream: TcpStream,
    address: &str,
    request: hyper::http::request::Builder,
    body: Bytes,
) -> Result<(hyper::StatusCode, Bytes), Failure> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::failed)?;
    tokio::spawn(connection);
    let request =
        request.header(header::HOST, address).body(Full::new(body)).map_err(Failure::usage)?;
    let answer = sender.send_request(request).await.map_err(Failure::failed)?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(Failure::failed)?;
    Ok((status, body.to_bytes()))
}

async fn remote(
    (address, stream): (String, TcpStream),
    options: &Invoke,
    input: Bytes,
) -> Result<(), Failure> {
    let mut request = Request::post(format!("/api/functions/{}", options.name));
    request = request.header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = &options.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let (status, body) = send(stream, &address, request, input).await?;
    print(String::from_utf8_lossy(&body))?;
    if status.is_success() {
        Ok(())
    } else {
        Err(Failure::failed(format!("the call failed with status {status}")))
    }
}

async fn local(config: &Config, options: &Invoke, input: Bytes) -> Result<(), Failure> {
    let auth = match &options.token {
        Some(token) => Some(caller(config, token).await?),
        None => None,
    };
    let host = Host::start(config, Mode::Once).await?;
    let input = crate::http::input::check(input);
    let result = match (input, host.invoker.find(&options.name).await) {
        (Ok(input), Ok(function)) => {
            let trigger = serde_json::value::to_raw_value(&serde_json::json!({"type": "cli"}))
                .map_err(Failure::failed)?;
            let request_id = Uuid::now_v7().to_string();
            let request = invoker::Request { request_id, trigger, auth, trace: None, input };
            if let Ok(pool) = host.invoker.pool().runtime(&function.runtime) {
                pool.prepare(&function).await;
            }
            host.invoker.invoke(function, request).await.result.map_err(|e| ApiError::of(&e, true))
        }
        (Err(error), _) => Err(error),
        (_, Err(error)) => Err(ApiError::of(&error, true)),
    };
    host.stop(Duration::from_secs(2)).await;
    match result {
        Ok(value) => print(String::from_utf8_lossy(&value)),
        Err(error) => Err(failure(&error)),
    }
}

async fn caller(config: &Config, token: &str) -> Result<Arc<Auth>, Failure> {
    let gate = auth::gate_of_one_call(config).await?;
    gate.user(token).await.map_err(|error| failure(&error))
}

fn failure(error: &ApiError) -> Failure {
    Failure::failed(format!("{} ({}): {}", error.code, error.status.as_u16(), error.message))
}
