//! Arguments that can not move into the load, or have no name.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), key = "{code}")]
async fn with_impl(code: impl std::fmt::Display) -> String {
    code.to_string()
}

#[cached(cache = names(), key = "all", ignore = [codes])]
async fn with_impl_inside(codes: &Vec<impl std::fmt::Display>) -> String {
    codes.len().to_string()
}

#[cached(cache = names(), key = "{code:?}")]
async fn with_borrow_inside(code: Option<&str>) -> String {
    code.unwrap_or_default().to_owned()
}

#[cached(cache = names(), key = "{code}")]
async fn with_lifetime<'a>(code: std::borrow::Cow<'a, str>) -> String {
    code.into_owned()
}

#[cached(cache = names(), key = "{code}")]
async fn with_double_borrow(code: &&str) -> String {
    (*code).to_owned()
}

#[cached(cache = names(), key = "{code}")]
async fn with_mutable_borrow(code: &mut String) -> String {
    std::mem::take(code)
}

#[cached(cache = names(), key = "{code}")]
async fn with_dyn(code: &(dyn std::fmt::Display + Send + Sync)) -> String {
    code.to_string()
}

#[cached(cache = names(), key = "{code}")]
async fn with_pattern((code, _): (u8, u8)) -> String {
    code.to_string()
}

#[cached(cache = names(), key = "all")]
async fn with_none(_: u8) -> String {
    String::new()
}

fn main() {}
