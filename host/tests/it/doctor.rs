//! `alyx doctor`: what it finds, and what it says to do about it.

use serde_json::{Value, json};

use crate::harness::project::Ran;
use crate::harness::{Project, Runtime};

fn finding<'a>(ran: &'a Value, what: &str) -> &'a Value {
    let all = ran.as_array().expect("a list of findings");
    all.iter().find(|f| f["what"] == what).unwrap_or_else(|| panic!("no '{what}' in {ran:#}"))
}

async fn examined(project: &Project) -> (Ran, Value) {
    let ran = project.run(&["doctor", "--json"]).await;
    let findings = ran.json();
    (ran, findings)
}

#[tokio::test]
async fn c1_doctor_says_what_is_there() {
    let open = json!({"functions": {"network": "open"}});
    let (ran, findings) = examined(&Project::with_probes().config(open)).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for runtime in ["runtime node", "runtime python", "runtime go"] {
        assert_eq!(finding(&findings, runtime)["state"], "good", "{findings:#}");
    }
    let confinement = finding(&findings, "confinement");
    assert_eq!(confinement["state"], "good", "{confinement}");
    assert!(
        confinement["detail"]
            .as_str()
            .is_some_and(|d| d.contains("L3") && d.contains("Landlock ABI"))
    );
    assert!(finding(&findings, "network")["mend"].as_str().is_some_and(|m| m.contains("proxy")));
}

#[tokio::test]
async fn c1_doctor_says_what_is_missing_and_what_mends_it() {
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/without_namespaces.py");
    let project = Project::with_probes().through(&["python3", filter]);
    let (ran, findings) = examined(&project).await;
    assert_eq!(ran.code, Some(0), "it works all the same: {ran:?}");
    let confinement = finding(&findings, "confinement");
    assert_eq!(confinement["state"], "weak", "{confinement}");
    let namespaces = finding(&findings, "namespaces");
    assert!(namespaces["detail"].as_str().is_some_and(|d| d.contains("EPERM")), "{namespaces}");
    assert!(namespaces["mend"].as_str().is_some_and(|m| !m.is_empty()), "{namespaces}");
}

#[tokio::test]
async fn c1_doctor_fails_when_something_that_is_needed_is_not_there() {
    let project = Project::new().with(Runtime::Go, "probe").env("PATH", "/nowhere");
    let project = project.config(json!({"functions": {
        "backend": "process", "runtimes": {"node": {"enabled": false}},
    }}));
    let (ran, findings) = examined(&project).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let go = finding(&findings, "runtime go");
    assert_eq!(go["state"], "broken", "{go}");
    assert!(go["detail"].as_str().is_some_and(|d| d.contains("install Go")), "{go}");
    assert_eq!(finding(&findings, "runtime node")["detail"], "switched off");
    assert_eq!(finding(&findings, "runtime python")["state"], "good", "nobody needs it");
    assert!(ran.stderr.contains("1 finding"), "{ran:?}");
}

#[tokio::test]
async fn c1_doctor_reads_as_a_table() {
    let ran = Project::with_probes().run(&["doctor"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in ["good", "runtime python", "confinement", "container engine"] {
        assert!(ran.stdout.contains(part), "no '{part}' in {}", ran.stdout);
    }
}
