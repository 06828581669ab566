//! Placeholders that name no argument.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "name:{cod}", ignore = [code])]
async fn name(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}", tags = ["all", "country:{country}"])]
async fn tagged(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{0}")]
async fn numbered(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code.len()}")]
async fn computed(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code")]
async fn open(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code:width$}")]
async fn wide(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "")]
async fn empty(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = KEY)]
async fn constant(code: &str) -> Result<String, std::io::Error> {
    Ok(code.to_owned())
}

#[derive(Clone)]
struct Service;

impl Service {
    #[cached(cache = names(), key = "{self}")]
    async fn name(&self) -> String {
        String::new()
    }
}

fn main() {}
