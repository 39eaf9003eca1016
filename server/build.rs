//! Makes the folder that is embedded as the web page exist, so that the server builds before the page does.

use std::path::Path;
use std::{fs, io};

const PLACEHOLDER: &str = "<!doctype html><title>Cultivar</title><p>The web page was not built into this server: \
    run <code>make setup</code>. The API is at <a href=\"/api/openapi.json\">/api/openapi.json</a>.</p>\n";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../migrations");
    println!("cargo::rerun-if-changed=../web/dist");
    let dist = Path::new("../web/dist");
    let index = dist.join("index.html");
    if !index.exists() {
        fs::create_dir_all(dist)?;
        fs::write(&index, PLACEHOLDER)?;
    }
    Ok(())
}
