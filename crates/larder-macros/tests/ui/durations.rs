//! Durations that are none.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "{code}", ttl = "5 minutes")]
async fn name_0(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", ttl = "soon")]
async fn name_1(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", ttl = "0s")]
async fn name_2(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", ttl = 300)]
async fn name_3(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", stale_for = "1h 30")]
async fn name_4(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", stale_for = "99999d")]
async fn name_5(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", ttl = "")]
async fn name_6(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

fn main() {}
