//! What workers in containers reach at each setting of `functions.network`: past the engine and the
//! kernel's firewall, to a machine beside this one, to this machine and to each other.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::until_running;
use crate::harness::engine::Engine;
use crate::harness::{Host, PATIENCE, Project, eventually};

/// Says how a connection comes out: a listening worker, and one that tries to get there.
const REACH: &str = "import net from 'node:net';
import os from 'node:os';
const reach = ({ host, port }) => new Promise((done) => {
  const line = net.connect({ host, port });
  line.setTimeout(3000, () => { line.destroy(); done('timeout'); });
  line.on('connect', () => { line.destroy(); done('reached'); });
  line.on('error', (error) => done(error.code));
});
const listen = () => new Promise((done) => {
  const server = net.createServer((line) => line.end()).listen(0, '::', () => {
    const all = Object.values(os.networkInterfaces()).flat().filter((one) => !one.internal);
    done({ port: server.address().port, addresses: all.map((one) => one.address) });
  });
  server.on('error', () => server.listen(0, '0.0.0.0'));
});
export default (ctx) => (ctx.input.host ? reach(ctx.input) : listen());";
const METADATA: &str = "169.254.169.254";

/// What these tests look at and change, the firewall and the cables, there is once.
static TURN: Mutex<()> = Mutex::const_new(());

/// The machine beside this one, which ends with this.
struct Beside {
    child: Child,
    number: u32,
}

impl Beside {
    fn start() -> Self {
        let number = std::process::id() % 63;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/beside.sh");
        let mut command = Command::new("sh");
        command.arg(script).env("N", number.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let mut told = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut told).expect("text");
        assert_eq!(told, "serves\n", "the other machine does not start; it needs root");
        Beside { child, number }
    }

    fn public(&self) -> String {
        format!("203.0.113.{}", 4 * self.number + 2)
    }

    fn private(&self) -> String {
        format!("10.231.{}.2", self.number)
    }

    /// This machine's own address on the way there.
    fn own(&self) -> String {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
        socket.connect((self.public(), 9)).expect("there is a way");
        socket.local_addr().expect("it has one").ip().to_string()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _is_there = self.child.wait();
    }
}

fn project(engine: &Engine, network: &str) -> Project {
    let config = json!({"functions": {"network": network, "pool": {"max_instances": 1}}});
    engine.project().file("functions/reach.js", REACH).config(config)
}

async fn reach(host: &Host, to: &str, port: u16) -> Value {
    host.call("reach", json!({"host": to, "port": port})).await.value()
}

/// Of this machine: at all its addresses.
fn service() -> (TcpListener, u16) {
    let any = [SocketAddr::from(([0; 16], 0)), SocketAddr::from(([0; 4], 0))];
    let service = TcpListener::bind(&any[..]).expect("a free port");
    let port = service.local_addr().expect("bound").port();
    (service, port)
}

/// The gateway's address, and the name of the interface.
fn bridge(engine: &Engine) -> (String, String) {
    let network = engine.ask("GET", "networks/alyx");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let gateway = text(&network["IPAM"]["Config"][0]["Gateway"]);
    (gateway, text(&network["Labels"]["dev.alyx.bridge"]))
}

/// The interface's own address that needs no router.
fn link_local(bridge: &str) -> Option<String> {
    let all = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    let line = all.lines().find(|line| line.ends_with(bridge) && line.starts_with("fe80"))?;
    let digits = line.split(' ').next()?.as_bytes();
    let groups: Vec<_> = digits.chunks(4).map(String::from_utf8_lossy).collect();
    Some(format!("{}%eth0", groups.join(":")))
}

fn firewall(arguments: &[&str]) -> String {
    let output = Command::new("iptables").arg("-w").args(arguments).output().expect("iptables");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Rules that lead to those of the bridge.
fn jumps(bridge: &str) -> Vec<String> {
    let jump = format!("-i {bridge} -j {bridge}-");
    firewall(&["-S"]).lines().filter(|l| l.contains(&jump)).map(str::to_owned).collect()
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_an_open_network_is_the_internet_and_nothing_near() {
    let _turn = TURN.lock().await;
    let (beside, (_service, port)) = (Beside::start(), service());
    for engine in Engine::all() {
        // Names are asked for at a private address.
        let project = project(&engine, "open")
            .file("resolv.conf", &format!("nameserver {}\n", beside.private()));
        let names = project.path("resolv.conf").display().to_string();
        let see = format!("mount --bind '{names}' /etc/resolv.conf && exec \"$@\"");
        let host = project.through(&["unshare", "--mount", "sh", "-c", &see, "sh"]).serve().await;
        let (public, private) = (beside.public(), beside.private());
        for (to, port) in [(&*public, 8000), ("some.where.example", 8000), (&*private, 53)] {
            assert_eq!(reach(&host, to, port).await, "reached", "{} {to}", engine.name);
        }
        let (gateway, interface) = bridge(&engine);
        let own = beside.own();
        for (to, port) in [(METADATA, 80), (&private, 8000), (&gateway, port), (&own, port)] {
            let outcome = reach(&host, to, port).await;
            assert_eq!(outcome, "ECONNREFUSED", "{} {to}:{port}", engine.name);
        }
        if let Some(address) = link_local(&interface) {
            assert_ne!(reach(&host, &address, port).await, "reached", "{}", engine.name);
        }
        let said = host.log.lines().iter().any(|l| l.message().contains("can reach"));
        assert!(!said, "{}: {:#?}", engine.name, host.log.lines());
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_workers_of_an_open_network_do_not_reach_each_other() {
    let _turn = TURN.lock().await;
    for engine in Engine::all() {
        let (one, other) =
            tokio::join!(project(&engine, "open").serve(), project(&engine, "open").serve());
        let listening = one.call("reach", json!({})).await.value();
        let port = u16::try_from(listening["port"].as_u64().expect("a port")).expect("a port");
        let addresses = listening["addresses"].as_array().expect("a list");
        assert!(!addresses.is_empty(), "{}: {listening}", engine.name);
        for address in addresses {
            let address = address.as_str().expect("text");
            let zone = if address.starts_with("fe80") { "%eth0" } else { "" };
            let to = format!("{address}{zone}");
            assert_eq!(reach(&one, &to, port).await, "reached", "its own {to}");
            assert_ne!(reach(&other, &to, port).await, "reached", "{} {to}", engine.name);
        }
        // However many hosts there are, the rules are set once.
        let (_, interface) = bridge(&engine);
        assert_eq!(jumps(&interface).len(), 2, "{:#?}", jumps(&interface));
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_rules_that_somebody_removes_are_set_again_with_the_next_worker() {
    let _turn = TURN.lock().await;
    let (_service, port) = service();
    for engine in Engine::all() {
        let host = project(&engine, "open").serve().await;
        reach(&host, METADATA, 80).await;
        let (gateway, interface) = bridge(&engine);
        for jump in jumps(&interface) {
            let words: Vec<_> = jump.split(' ').skip(1).collect();
            firewall(&[&["-D"], &words[..]].concat());
        }
        assert_eq!(reach(&host, &gateway, port).await, "reached", "{}", engine.name);
        let old = until_running(&engine, &host, 1).await[0]["Id"].clone();
        engine.text("POST", &format!("containers/{}/kill", old.as_str().expect("an id")));
        eventually("another worker", PATIENCE, async || {
            let running = engine.running(&host);
            (running.len() == 1 && running[0]["Id"] != old).then_some(())
        })
        .await;
        assert_eq!(reach(&host, &gateway, port).await, "ECONNREFUSED", "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_what_cannot_be_refused_is_said_once() {
    let _turn = TURN.lock().await;
    for engine in Engine::all() {
        let project = project(&engine, "open").env("PATH", "/nowhere");
        let host = project.serve().await;
        let about = |line: &crate::harness::log::Line| line.message().contains("can reach");
        let said = host.log.wait_for("the warning", about).await;
        for part in ["private addresses", "metadata", "services of this machine", "iptables"] {
            assert!(said.message().contains(part), "no '{part}' in {}", said.message());
        }
        let old = until_running(&engine, &host, 1).await[0]["Id"].clone();
        engine.text("POST", &format!("containers/{}/kill", old.as_str().expect("an id")));
        reach(&host, METADATA, 80).await;
        let count = host.log.lines().iter().filter(|line| about(line)).count();
        assert_eq!(count, 1, "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_without_an_open_network_nothing_is_reached_but_through_the_proxy() {
    let _turn = TURN.lock().await;
    let (beside, (_service, port)) = (Beside::start(), service());
    for engine in Engine::all() {
        let open = project(&engine, "open").serve().await;
        let listening = open.call("reach", json!({})).await.value();
        let worker = listening["addresses"][0].as_str().expect("an address");
        let its_port = u16::try_from(listening["port"].as_u64().expect("a port")).expect("a port");
        let (gateway, own, public) = (bridge(&engine).0, beside.own(), beside.public());
        for network in ["none", "proxy"] {
            let host = project(&engine, network).serve().await;
            for (to, port) in [
                ("127.0.0.1", port),
                (&*gateway, port),
                (&*own, port),
                (METADATA, 80),
                (worker, its_port),
                (&*public, 8000),
            ] {
                let outcome = reach(&host, to, port).await;
                assert_ne!(outcome, "reached", "{} {network} {to}", engine.name);
            }
        }
    }
}
