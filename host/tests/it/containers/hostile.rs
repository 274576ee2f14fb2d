//! Functions that mean harm, in containers: what they use up is their own.

use serde_json::json;

use crate::harness::engine::Engine;

/// What each does, and what may come of it.
const ALLOCATE: &str =
    "export default () => { const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1)); };";
const FORK: &str = "import { spawn } from 'node:child_process';
export default async () => {
  let refused = 0;
  const all = [];
  for (let n = 0; n < 800; n++) {
    const child = spawn('sleep', ['30']);
    all.push(child);
    await new Promise((done) => {
      child.on('error', () => { refused++; done(); });
      child.on('spawn', done);
    });
    if (refused > 5) break;
  }
  for (const child of all) child.kill('SIGKILL');
  return refused;
};";
const FILL: &str = "import { appendFileSync } from 'node:fs';
export default () => {
  try { for (let n = 0; n < 200; n++) appendFileSync('/tmp/full', Buffer.alloc(1 << 20)); }
  catch (error) { return error.code; }
};";
const REACH: &str = "import { connect } from 'node:net';
const reach = (host, port) => new Promise((done) => {
  const socket = connect({ host, port, timeout: 2000 });
  socket.on('connect', () => done('reached'));
  socket.on('timeout', () => done('timeout'));
  socket.on('error', (error) => done(error.code));
});
export default async (ctx) => reach(ctx.input.host, ctx.input.port);";

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_memory_tasks_and_disk_of_a_worker_are_its_own() {
    for engine in Engine::all() {
        let project = engine.project().file("functions/allocate.js", ALLOCATE);
        let project = project.file("functions/fork.js", FORK).file("functions/fill.js", FILL);
        let project = project.config(json!({"functions": {"pool": {"memory_limit": "128mb"}}}));
        let host = project.serve().await;
        let answer = host.call("allocate", json!({})).await;
        assert_eq!(answer.status, 502, "{}: {}", engine.name, answer.text());
        assert!(answer.text().contains("OUT_OF_MEMORY"), "{}: {}", engine.name, answer.text());
        assert_eq!(host.call("fill", json!({})).await.value(), "ENOSPC", "{}", engine.name);
        let refused = host.call("fork", json!({})).await;
        assert!(refused.status == 502 || refused.value().as_i64() > Some(0), "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_services_of_this_machine_and_metadata_are_out_of_reach() {
    let service = std::net::TcpListener::bind("0.0.0.0:0").expect("a free port");
    let port = service.local_addr().expect("bound").port();
    for engine in Engine::all() {
        for network in ["none", "proxy"] {
            let config = json!({"functions": {"network": network}});
            let project = engine.project().file("functions/reach.js", REACH).config(config);
            let host = project.serve().await;
            for (to, port) in [("127.0.0.1", port), ("169.254.169.254", 80), ("172.17.0.1", port)] {
                let outcome = host.call("reach", json!({"host": to, "port": port})).await.value();
                assert_ne!(outcome, "reached", "{} {network} {to}", engine.name);
            }
        }
    }
}
