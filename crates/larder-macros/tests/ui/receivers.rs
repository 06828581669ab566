//! Methods that do not take `&self`.

use larder::{Space, cached};

fn names() -> Space<String> {
    loop {}
}

#[derive(Clone)]
struct Service;

impl Service {
    #[cached(cache = names())]
    async fn by_value(self) -> String {
        String::new()
    }

    #[cached(cache = names())]
    async fn by_mutable_reference(&mut self) -> String {
        String::new()
    }

    #[cached(cache = names())]
    async fn by_pointer(self: std::sync::Arc<Self>) -> String {
        String::new()
    }

    #[cached(cache = names())]
    async fn without() -> Result<String, std::io::Error> {
        Ok(Self.by_value().await)
    }
}

fn main() {}
