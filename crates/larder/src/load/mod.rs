//! The load engine: one origin call however many ask, never a late one, never a lost one.
//!
//! | file | what it has |
//! | --- | --- |
//! | `policy.rs` | what callers choose: timeouts, stand-ins, early refreshes, waiting |
//! | `loaded.rs` | what a loader is told and what it may say |
//! | `outcome.rs` | where a value came from |
//! | `origin.rs` | a loader as the engine runs it: for one key or for many |
//! | `flights.rs` | the loads in progress: who leads, who waits, who is overtaken by an invalidation |
//! | `claim.rs` | what stands before a load: a lease, somebody else's lease, an entry |
//! | `flight.rs` | one load, from its claim to its landing, in a task of its own |
//! | `landing.rs` | what becomes of a result: stored, re-armed, returned alone, refused |
//! | `alone.rs` | a load past the cache |
//! | `waiting.rs` | a caller's side: how long it waits, and what it takes instead |
//! | `early.rs`, `budget.rs`, `cooling.rs` | refreshes before the time is over, how many of them, and none of those that have just failed |
//! | `cycle.rs` | loaders that wait for each other |
//! | `guarded.rs`, `lease_end.rs` | what a loader or a task does that ends badly |
//! | `retry.rs` | loaders that try again |

mod alone;
mod budget;
mod claim;
mod cooling;
mod cycle;
mod early;
mod flight;
mod flights;
mod guarded;
mod landing;
mod lease_end;
mod loaded;
mod origin;
mod outcome;
mod policy;
mod retry;
mod waiting;

pub(crate) use self::alone::{alone, outcome_alone};
pub use self::budget::RefreshLimits;
pub(crate) use self::budget::{Budget, Permit};
pub(crate) use self::cooling::Cooling;
pub(crate) use self::early::{Early, is_due};
pub(crate) use self::flight::{Flight, Purpose};
pub(crate) use self::flights::{Boarding, Flights, Landed, Leader, Seat, Tagging, Waiting};
pub(crate) use self::guarded::{Ended, guarded};
pub(crate) use self::landing::nothing_to_modify;
pub(crate) use self::lease_end::LeaseEnd;
pub use self::loaded::{LoadContext, Loaded};
pub(crate) use self::loaded::{Say, What};
pub use self::origin::{LoadOne, Simple, WithContext};
pub(crate) use self::origin::{Many, One, Origin, Places, Wanted};
pub use self::outcome::{Outcome, Source};
pub use self::policy::LoadPolicy;
pub(crate) use self::policy::Policy;
pub use self::retry::Retry;
pub(crate) use self::waiting::{Caller, turned_away, wait};

/// What a load has one of for each of its keys: nearly always there is one, which is then kept in place.
pub(crate) type List<T> = smallvec::SmallVec<[T; 1]>;
