//! The attribute is not on a function.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[cached(cache = names())]
struct Name;

trait Naming {
    #[cached(cache = names())]
    async fn name(&self) -> String;
}

fn main() {}
