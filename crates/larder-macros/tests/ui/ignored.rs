//! Arguments that can not be ignored.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "{code}", ignore = [code])]
async fn name(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", ignore = [db])]
async fn unknown(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "all", ignore = [code, code])]
async fn twice(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[derive(Clone)]
struct Service;

impl Service {
    #[cached(cache = names(), ignore = [self])]
    async fn name(&self) -> String {
        String::new()
    }
}

fn main() {}
