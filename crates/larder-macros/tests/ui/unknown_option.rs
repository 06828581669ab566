//! Options that do not exist, one of them nearly.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "{code}", tll = "5m")]
async fn name(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", compression = "zstd")]
async fn other(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

fn main() {}
