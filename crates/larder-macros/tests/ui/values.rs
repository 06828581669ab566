//! Values that can not be cached.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "{code}")]
async fn nothing(code: &str) {
    drop(code);
}

#[cached(cache = names(), key = "{code}")]
async fn borrowed(code: &str) -> Result<&str, std::io::Error> {
    Ok(code)
}

#[cached(cache = names(), key = "{code}")]
async fn unnamed(code: &str) -> Result<impl std::fmt::Display, std::io::Error> {
    Ok(code.to_owned())
}

#[cached(cache = names(), key = "{code}")]
async fn with_unnamed_error(code: &str) -> Result<String, impl std::error::Error + use<>> {
    Ok::<_, std::io::Error>(code.to_owned())
}

#[cached(cache = names(), key = "{code}")]
async unsafe fn dangerous(code: &str) -> String {
    code.to_owned()
}

fn main() {}
