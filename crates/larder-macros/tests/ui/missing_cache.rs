//! No cache is named.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(key = "{code}", ttl = "5m")]
async fn name(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

fn main() {}
