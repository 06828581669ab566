//! What is stored: a struct of about 500 bytes, as services keep them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// 11 fields, 13 allocations, about 500 bytes in `MessagePack`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Profile {
    id: u64,
    name: String,
    email: String,
    address: String,
    city: String,
    country: String,
    biography: String,
    tags: Vec<String>,
    score: f64,
    created_at: u64,
    active: bool,
}

const WORDS: &[&str] = &[
    "amber", "anchor", "bridge", "canyon", "copper", "engine", "forest", "garden", "harbor",
    "lantern", "market", "meadow", "mirror", "orbit", "paper", "quiet", "river", "saddle",
    "signal", "silver", "stone", "thunder", "velvet", "walnut", "window", "winter",
];

impl Profile {
    /// The same for the same number.
    pub(crate) fn sample(id: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(id);
        let mut text = |len: usize| {
            let mut text = String::with_capacity(len + 8);
            while text.len() < len {
                text.push_str(random.choice(WORDS).expect("there are words"));
                text.push(' ');
            }
            text.truncate(len);
            text.shrink_to_fit();
            text
        };
        Self {
            id,
            name: text(18),
            email: text(30),
            address: text(60),
            city: text(12),
            country: text(10),
            biography: text(200),
            tags: (0..6).map(|_| text(10)).collect(),
            score: random.f64() * 100.0,
            created_at: 1_700_000_000 + random.u64(..100_000_000),
            active: random.bool(),
        }
    }

    /// `count` different ones.
    pub(crate) fn samples(count: usize) -> Vec<Arc<Self>> {
        (0..)
            .take(count)
            .map(|id| Arc::new(Self::sample(id)))
            .collect()
    }

    /// Reads the value, so that each row pays for fetching it.
    pub(crate) fn touch(&self) -> u64 {
        self.id ^ self.biography.len() as u64
    }
}
