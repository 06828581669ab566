//! Mistakes, each planted in the situation that shows it, and choices that aren't mistakes. The codes U and H
//! are the protocol's old ones, which comments in the code name; those that begin with D belong to distrust.

mod distrust;
mod leases;
mod limits;
mod links;
mod loads;
mod reads;
mod safe;
mod versions;

use crate::checks::Promise;
use crate::variant::Variant;

pub use self::limits::{Unexpressed, limits, unexpressed};
pub use self::safe::{Alternative, alternatives};

/// A choice that is not safe, and where that is seen.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// As documents and comments call it.
    pub code: &'static str,
    /// In words.
    pub what: &'static str,
    /// The situation that shows it.
    pub situation: &'static str,
    /// The promise that is broken there first.
    pub breaks: Promise,
    plant: fn(&mut Variant),
}

impl Mistake {
    /// The protocol with this mistake in it.
    pub fn variant(&self) -> Variant {
        let mut variant = Variant::default();
        (self.plant)(&mut variant);
        variant
    }
}

/// One row of a table of mistakes.
const fn mistake(
    code: &'static str,
    what: &'static str,
    plant: fn(&mut Variant),
    situation: &'static str,
    breaks: Promise,
) -> Mistake {
    Mistake {
        code,
        what,
        situation,
        breaks,
        plant,
    }
}

/// All of them.
pub fn mistakes() -> Vec<Mistake> {
    [
        reads::MISTAKES,
        loads::MISTAKES,
        versions::MISTAKES,
        links::MISTAKES,
        leases::MISTAKES,
        distrust::MISTAKES,
    ]
    .concat()
}
