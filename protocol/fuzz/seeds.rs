//! Writes the golden examples as a seed corpus for the target `raw`: `seeds EXAMPLES CORPUS`.

use std::path::Path;
use std::{env, fs, io};

use serde_json::Value;

fn main() -> io::Result<()> {
    let mut args = env::args().skip(1);
    let (Some(examples), Some(corpus)) = (args.next(), args.next()) else {
        return Err(io::Error::other("usage: seeds EXAMPLES CORPUS"));
    };
    fs::create_dir_all(&corpus)?;
    for folder in fs::read_dir(examples)? {
        let folder = folder?;
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let content: Value = serde_json::from_slice(&fs::read(file.path())?)?;
            let name = format!("{}-{}", folder.file_name().display(), file.file_name().display());
            fs::write(Path::new(&corpus).join(name), seed(&content)?)?;
        }
    }
    Ok(())
}

/// The bytes of a framing example, or a message in a frame.
fn seed(content: &Value) -> io::Result<Vec<u8>> {
    if let Some(hex) = content["hex"].as_str() {
        let digits: Vec<u8> =
            hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        return Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect());
    }
    let json = content["message"].to_string();
    let frame = alyx_protocol::OutFrame::whole(json.as_bytes()).map_err(io::Error::other)?;
    Ok(frame.pieces().concat())
}
