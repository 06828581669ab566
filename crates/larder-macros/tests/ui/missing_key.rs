//! Arguments and no key.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names())]
async fn name(code: &str, country: &str) -> Result<String, std::io::Error> {
    Ok(format!("{code} {country}"))
}

fn main() {}
