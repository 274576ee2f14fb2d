use crate::harness::*;
use serde_json::json;

#[tokio::test]
async fn smoke() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"do": "echo", "value": 1})).await, 1);
        assert_eq!(host.probe(runtime, json!({})).await.value(), json!({}));
        host.worker_of(runtime).await;
    }
}
