//! All situations, by group. A name is `group/situation`; it says what meets whom.

mod distrust;
mod leases;
mod links;
mod loads;
mod reads;
mod versions;

use crate::situation::Situation;

/// All of them, in the order of the protocol's parts.
pub fn situations() -> Vec<Situation> {
    [
        reads::situations(),
        loads::situations(),
        versions::situations(),
        leases::situations(),
        links::situations(),
        distrust::situations(),
    ]
    .concat()
}
