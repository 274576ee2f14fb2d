//! What a handler is told of the request.

use serde_json::json;

use crate::harness::{Project, RUNTIMES, new_id};

#[tokio::test]
async fn n8_method_headers_query_id_and_ip_arrive() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let id = new_id();
        let path = format!(
            "/api/functions/{}?q=a+b%20c&tag=1&tag=%22&empty=&flag&%C3%BC=%F0%9F%8C%8D",
            runtime.probe()
        );
        let answer = host
            .request("POST", &path)
            .header("X-Custom-Header", "Some Value")
            .header("User-Agent", "it/1.0")
            .header("X-Request-Id", &id)
            .json(&json!({"do": "request"}))
            .send()
            .await;
        let request = answer.value();
        assert_eq!(request["method"], "POST", "{runtime}");
        assert_eq!(request["id"], id.as_str(), "{runtime}");
        assert_eq!(request["ip"], "127.0.0.1", "{runtime}");
        let query = json!({"q": "a b c", "tag": ["1", "\""], "empty": "", "flag": "", "ü": "🌍"});
        assert_eq!(request["query"], query, "{runtime}");
        let headers = request["headers"].as_object().expect("headers are an object");
        assert_eq!(headers["x-custom-header"], "Some Value", "{runtime}");
        assert_eq!(headers["user-agent"], "it/1.0", "{runtime}");
        assert_eq!(headers["content-type"], "application/json", "{runtime}");
        assert!(headers.keys().all(|name| *name == name.to_lowercase()), "{runtime}: {headers:?}");
    }
}

#[tokio::test]
async fn n8_a_request_without_a_query_has_an_empty_one() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let request = host.value(runtime, json!({"do": "request"})).await;
        assert_eq!(request["query"], json!({}), "{runtime}");
    }
}

#[tokio::test]
async fn n8_a_header_that_came_twice_keeps_both_values() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let call = host.post(&runtime.probe()).header("X-Tag", "one").header("x-tag", "two");
        let request = call.json(&json!({"do": "request"})).send().await.value();
        assert_eq!(request["headers"]["x-tag"], "one, two", "{runtime}");
    }
}

#[tokio::test]
async fn n8_names_from_the_prototype_are_ordinary_names() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let path =
            format!("/api/functions/{}?__proto__=1&constructor=2&toString=3", runtime.probe());
        let request =
            host.request("POST", &path).json(&json!({"do": "request"})).send().await.value();
        let query = json!({"__proto__": "1", "constructor": "2", "toString": "3"});
        assert_eq!(request["query"], query, "{runtime}");
    }
}

#[tokio::test]
async fn n8_the_deadline_is_the_functions_timeout() {
    let config = json!({"functions": {"timeout": "40s"}});
    let host = Project::with_probes().config(config).serve().await;
    for runtime in RUNTIMES {
        host.value(runtime, json!({})).await;
        let left = host.value(runtime, json!({"do": "remaining"})).await;
        let left = left.as_f64().expect("milliseconds are a number");
        assert!((35_000.0..=40_001.0).contains(&left), "{runtime}: {left}");
    }
}

#[tokio::test]
async fn n8_a_function_knows_its_name() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let name = host.value(runtime, json!({"do": "function"})).await;
        assert_eq!(name, runtime.probe());
    }
}

#[tokio::test]
async fn n4_without_a_token_nobody_is_authenticated() {
    let host = Project::new().with_all("anonymous").serve().await;
    for runtime in RUNTIMES {
        let value = host.call(&runtime.function("anonymous"), json!({})).await.value();
        assert_eq!(value, true, "{runtime}");
    }
}
