//! The contract, over every stack that this crate makes.

use std::sync::Arc;
use std::time::Duration;

use larder_core::{Clock, Store, Ttl};
use larder_testkit::{ManualClock, ReferenceBackend, Subject, Time};
use larder_tiered::{TierLimits, Tiered};

use crate::node::memory;
use crate::remote::{Echo, Remote};

/// Memory in front of a connection to what `far` makes.
fn subject_over(far: impl FnOnce(Arc<dyn Clock>) -> Store) -> Subject {
    let (clock, namespace) = (ManualClock::new(), Subject::new_namespace());
    let store = Tiered::builder(&namespace, clock.shared())
        .tier(memory(&clock))
        .tier(Store::from(Remote::connect(
            &far(clock.shared()),
            Echo::Signed,
        )))
        .build()
        .expect("the right order");
    Subject::new(store, Time::Manual(clock)).within(namespace)
}

fn reference(clock: Arc<dyn Clock>) -> Store {
    Store::new(ReferenceBackend::new(clock))
}

mod memory_over_memory {
    async fn subject() -> larder_testkit::Subject {
        super::subject_over(|clock| {
            let memory = larder_memory::Memory::builder().clock(clock).build();
            super::Store::new(memory.expect("sound settings"))
        })
    }

    larder_testkit::conformance!(subject);
}

mod memory_over_the_reference {
    async fn subject() -> larder_testkit::Subject {
        super::subject_over(super::reference)
    }

    larder_testkit::conformance!(subject);
}

/// Three tiers, after some time: what the middle one keeps is believed. Its limit is that of all times, because
/// the suite compares them.
fn three_tiers() -> Subject {
    let (clock, namespace) = (ManualClock::new(), Subject::new_namespace());
    let limits = TierLimits::default().with_max_ttl(Ttl::MAX);
    let store = Tiered::builder(&namespace, clock.shared())
        .tier(memory(&clock))
        .tier_with(memory(&clock), limits)
        .tier(Store::from(Remote::connect(
            &reference(clock.shared()),
            Echo::Signed,
        )))
        .build()
        .expect("the right order");
    clock.advance(Duration::from_secs(10));
    Subject::new(store, Time::Manual(clock)).within(namespace)
}

mod memory_over_memory_over_the_reference {
    async fn subject() -> larder_testkit::Subject {
        super::three_tiers()
    }

    larder_testkit::conformance!(subject);
}
