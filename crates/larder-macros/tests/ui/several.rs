//! Several mistakes are told at once.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names(), kee = "{code}")]
fn name(code: impl std::fmt::Display, (country, _): (u8, u8)) {
    drop((code, country));
}

fn main() {}
