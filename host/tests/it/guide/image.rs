//! The guide's thumbnails, which need a package: Pillow.
//!
//! The host installs it, as `functions/requirements.txt` names it. That needs pip's index.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::blocks::Block;
use super::blog::{self, Person};

/// The newest that still has packages for Python 3.9.
const PILLOW: &str = "Pillow==11.3.0\n";

pub(super) async fn process_image(block: &Block) {
    let project = blog::with(blog::project(), block);
    let without = project.run(&["list", "--json"]).await;
    assert!(without.stdout.contains("No module named 'PIL'"), "{without:?}");
    let host = project.file("functions/requirements.txt", PILLOW).serve().await;
    host.ready().await;
    host.log
        .wait_for("that it is installed", |line| {
            line.message().starts_with("installed the packages of 'functions/requirements.txt'")
        })
        .await;
    let image = json!({"image": STANDARD.encode(ppm(640, 320))});
    let nobody = host.call("process_image", image.clone()).await;
    assert_eq!(nobody.error_message(500, "FUNCTION_ERROR"), "Authentication required");

    let ada = Person::register(&host, "Ada").await;
    let nothing = ada.call(&host, "process_image", json!({})).await;
    assert_eq!(nothing.error_message(500, "FUNCTION_ERROR"), "Image data required");
    let made = ada.call(&host, "process_image", image).await.value();
    let sizes = json!({
        "thumbnail": made["thumbnail"], "original_size": "640x320", "thumbnail_size": "200x100",
    });
    assert_eq!(made, sizes);
    let png = made["thumbnail"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let png = png.unwrap_or_else(|| panic!("no base64: {made}"));
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    // Width and height stand at the start of the first chunk.
    assert_eq!(png[16..24], [0, 0, 0, 200, 0, 0, 0, 100]);
}

/// A picture in the simplest format that there is.
fn ppm(width: usize, height: usize) -> Vec<u8> {
    let mut bytes = format!("P6 {width} {height} 255\n").into_bytes();
    bytes.extend((0..width * height * 3).map(|n| (n % 251) as u8));
    bytes
}
