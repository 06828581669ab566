#![doc = include_str!("../README.md")]

mod checks;
mod entry;
mod explore;
mod mistakes;
mod model;
mod situation;
mod situations;
mod state;
mod steps;
mod variant;

pub use self::checks::{Breach, Promise};
pub use self::explore::{CI_LIMIT, Outcome, Verdict, explore};
pub use self::mistakes::{
    Alternative, Mistake, Unexpressed, alternatives, limits, mistakes, unexpressed,
};
pub use self::situation::Situation;
pub use self::situations::situations;
pub use self::variant::Variant;
