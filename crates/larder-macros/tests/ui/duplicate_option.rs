//! An option twice.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "{code}", ttl = "5m", key = "name:{code}")]
async fn name(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

fn main() {}
