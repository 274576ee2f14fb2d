//! Which paths there are, what the rest is told, and what browsers are told.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Project, RUNTIMES, eventually};

#[tokio::test]
async fn h3_an_unknown_function_is_not_found_with_a_suggestion() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let answer = host.call(&format!("prob_{runtime}"), json!({})).await;
        let message = answer.error_message(404, "FUNCTION_NOT_FOUND");
        let meant = format!("did you mean '{}'?", runtime.probe());
        assert!(message.contains(&meant), "{message}");
    }
    let message = host.call("zzzzzzzzzz", json!({})).await.error_message(404, "FUNCTION_NOT_FOUND");
    assert!(message.contains("'zzzzzzzzzz'") && !message.contains("did you mean"), "{message}");
}

#[tokio::test]
async fn h3_names_keep_their_case() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let upper = runtime.probe().to_uppercase();
        host.call(&upper, json!({})).await.error(404, "FUNCTION_NOT_FOUND");
    }
}

#[tokio::test]
async fn h3_no_path_leads_out_of_the_functions_folder() {
    let project = Project::with_probes().file("secret.js", "export default () => 'secret';");
    let host = project.serve().await;
    let paths = [
        "../secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "%2e%2e/secret",
        "..%5csecret",
        "....//secret",
        "probe_node/../probe_node",
        "probe_node%2f",
        "probe_node/",
        "probe_node/x",
        "/probe_node",
        "",
        "functions%2fprobe_node",
        "probe_node.js",
        "probe_node%00",
        "%ff",
        "%zz",
        "probe_node%20",
    ];
    for path in paths {
        let answer = host.post(path).json(&json!({})).send().await;
        let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
        assert!(matches!(&*code, "FUNCTION_NOT_FOUND" | "NOT_FOUND"), "{path}: {}", answer.text());
        answer.error(404, &code);
        assert!(!answer.text().contains("secret.js"), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn h3_a_name_is_the_same_however_it_is_encoded() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let encoded = runtime.probe().replace('o', "%6f").replace('_', "%5F");
        assert_eq!(host.call(&encoded, json!({"a": 1})).await.value(), json!({"a": 1}));
    }
}

#[tokio::test]
async fn h3_a_very_long_name_is_not_found() {
    let host = Project::with_probes().serve().await;
    host.call(&"x".repeat(5_000), json!({})).await.error(404, "FUNCTION_NOT_FOUND");
}

#[tokio::test]
async fn h3_other_methods_are_told_which_one_is_allowed() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for method in ["GET", "PUT", "PATCH", "DELETE", "BREW"] {
            let path = format!("/api/functions/{}", runtime.probe());
            let answer = host.request(method, &path).send().await;
            answer.error(405, "METHOD_NOT_ALLOWED");
            let allowed = answer.header("allow").unwrap_or_default();
            assert!(allowed.split(',').any(|m| m.trim() == "POST"), "{method}: Allow: {allowed}");
        }
    }
    let answer = host.request("POST", "/api/functions").send().await;
    answer.error(405, "METHOD_NOT_ALLOWED");
    assert!(answer.header("allow").is_some_and(|allowed| allowed.contains("GET")));
}

#[tokio::test]
async fn h3_an_unknown_path_says_where_functions_are() {
    let host = Project::with_probes().serve().await;
    for path in ["/", "/api", "/functions/probe_node", "/api/function/probe_node"] {
        let message = host.get(path).await.error_message(404, "NOT_FOUND");
        assert!(message.contains("/api/functions/"), "{path}: {message}");
    }
}

#[tokio::test]
async fn h11_the_list_has_names_and_runtimes_and_nothing_else() {
    let config = json!({"functions": {"env": {"TOKEN": "hunter2"}}});
    let host = Project::with_probes().config(config).serve().await;
    let answer = host.get("/api/functions").await;
    let expected: Value = json!({"functions": [
        {"name": "probe_go", "runtime": "go"},
        {"name": "probe_node", "runtime": "node"},
        {"name": "probe_python", "runtime": "python"},
    ]});
    assert_eq!(answer.value(), expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn h11_health_says_that_it_is_alive_and_when_it_is_ready() {
    let host = Project::with_probes().serve().await;
    for path in ["/health", "/health/live"] {
        assert_eq!(host.get(path).await.value()["status"], "ok", "{path}");
    }
    host.ready().await;
    let ready = host.get("/health/ready").await.value();
    for runtime in RUNTIMES {
        assert_eq!(ready["runtimes"][runtime.name()], "ready", "{ready}");
    }
}

#[tokio::test]
async fn h11_metrics_have_the_names_that_dashboards_use() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        host.value(runtime, json!({})).await;
        host.probe(runtime, json!({"do": "plain", "message": "m"})).await;
    }
    host.workers().first().expect("workers serve").signal(Signal::KILL);
    eventually("a death is counted", PATIENCE, async || {
        (host.metric("alyx_worker_deaths_total", &["reason="]).await >= 1.0).then_some(())
    })
    .await;
    let answer = host.get("/metrics").await;
    assert!(answer.header("content-type").is_some_and(|kind| kind.contains("text")));
    let text = answer.text();
    for name in [
        "alyx_function_invocations_total",
        "alyx_function_duration_seconds",
        "alyx_function_pool_size",
        "alyx_worker_starts_total",
        "alyx_worker_deaths_total",
        "alyx_queue_depth",
        "alyx_log_dropped_total",
        "alyx_protocol_errors_total",
        "alyx_http_requests_total",
    ] {
        assert!(text.contains(name), "no {name} in:\n{text}");
    }
    for runtime in RUNTIMES {
        let function = format!("function=\"{}\"", runtime.probe());
        for status in ["status=\"ok\"", "status=\"error\""] {
            let labels = [function.as_str(), &format!("runtime=\"{runtime}\""), status];
            let count = host.metric("alyx_function_invocations_total", &labels).await;
            assert!((count - 1.0).abs() < f64::EPSILON, "{runtime} {status}: {count}");
        }
        for phase in ["load", "run"] {
            let labels = [function.as_str(), &format!("phase=\"{phase}\"")];
            let count = host.metric("alyx_function_duration_seconds_count", &labels).await;
            assert!(count >= 1.0, "{runtime} {phase}: {count}");
        }
    }
}

#[tokio::test]
async fn h11_metrics_count_answers_and_workers() {
    let config = json!({"functions": {"pool": {"min_warm": 1}}});
    let host = Project::with_probes().config(config).serve().await;
    host.call("nobody", json!({})).await.error(404, "FUNCTION_NOT_FOUND");
    let not_found = host.metric("alyx_http_requests_total", &["status=\"404\""]).await;
    assert!((not_found - 1.0).abs() < f64::EPSILON, "{not_found}");
    for runtime in RUNTIMES {
        let label = format!("runtime=\"{runtime}\"");
        eventually(&format!("a start of {runtime} is counted"), PATIENCE, async || {
            (host.metric("alyx_worker_starts_total", &[&label]).await >= 1.0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn h12_a_preflight_is_answered_204_with_what_is_allowed() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let answer = host
            .request("OPTIONS", &format!("/api/functions/{}", runtime.probe()))
            .header("Origin", "https://app.example")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type, authorization")
            .send()
            .await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{runtime}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{runtime}");
        let of = |name| answer.header(name).unwrap_or_default().to_ascii_lowercase();
        assert!(of("access-control-allow-methods").contains("post"), "{runtime}");
        for wanted in ["content-type", "authorization"] {
            assert!(of("access-control-allow-headers").contains(wanted), "{runtime}: {wanted}");
        }
        assert_eq!(of("access-control-max-age"), "43200", "{runtime}: 12 hours by default");
    }
}

#[tokio::test]
async fn h12_answers_and_errors_carry_the_cors_headers() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for input in [json!({}), json!({"do": "plain", "message": "m"})] {
            let post = host.post(&runtime.probe()).header("Origin", "https://app.example");
            let answer = post.json(&input).send().await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{runtime}");
        }
    }
    let missing =
        host.request("GET", "/nowhere").header("Origin", "https://a.example").send().await;
    assert_eq!(missing.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn h12_only_configured_origins_are_named() {
    let cors = json!({
        "allowed_origins": ["https://app.example"], "allow_credentials": true, "max_age": "10m",
    });
    let host = Project::with_probes().config(json!({"server": {"cors": cors}})).serve().await;
    let preflight = async |origin: &str| {
        host.request("OPTIONS", "/api/functions/probe_node")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .send()
            .await
    };
    let ours = preflight("https://app.example").await;
    assert_eq!(ours.status, 204);
    assert_eq!(ours.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(ours.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(ours.header("access-control-max-age"), Some("600"));
    let theirs = preflight("https://evil.example").await;
    assert_eq!(theirs.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn h12_the_answer_varies_by_origin_where_it_names_one() {
    let cors = json!({"allowed_origins": ["https://a.example", "https://b.example"]});
    let host = Project::with_probes().config(json!({"server": {"cors": cors}})).serve().await;
    for origin in ["https://a.example", "https://b.example"] {
        let answer = host.post("probe_node").header("Origin", origin).json(&json!({})).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let vary = answer.header("vary").unwrap_or_default().to_ascii_lowercase();
        assert!(vary.contains("origin"), "Vary: {vary}");
    }
}
