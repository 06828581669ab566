//! The function is not async.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "{code}")]
fn name(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

fn main() {}
