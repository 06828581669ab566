//! Arguments that two calls may differ in, and share an entry.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "{code}", tags = ["country:{country}"])]
async fn name(limit: usize, code: &str, country: &str) -> Result<String, std::io::Error> {
    Ok(format!("{code} {country} {limit}"))
}

#[cached(cache = names(), key = "{code}")]
async fn generic<T: Default, const N: usize>(code: &str) -> Result<String, std::io::Error> {
    let _ = T::default();
    Ok(code.repeat(N))
}

#[cached(cache = names(), key = "{id}")]
async fn shown<T: std::fmt::Display + Clone + Send + Sync + 'static>(
    id: T,
) -> Result<String, std::io::Error> {
    Ok(id.to_string())
}

fn main() {}
