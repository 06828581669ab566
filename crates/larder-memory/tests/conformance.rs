//! The contract, with either policy and with idle expiry on.

use std::time::Duration;

use larder_memory::{Memory, MemoryBuilder, Policy};
use larder_testkit::{ManualClock, Subject, Time};

fn subject_of(builder: MemoryBuilder) -> Subject {
    let clock = ManualClock::new();
    let memory = builder
        .clock(clock.shared())
        .build()
        .expect("sound settings");
    Subject::new(memory, Time::Manual(clock))
}

mod tiny_lfu {
    async fn subject() -> larder_testkit::Subject {
        super::subject_of(larder_memory::Memory::builder())
    }

    larder_testkit::conformance!(subject);
}

mod lru_with_idle_expiry {
    use super::{Duration, Memory, Policy};

    async fn subject() -> larder_testkit::Subject {
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        super::subject_of(
            Memory::builder()
                .policy(Policy::Lru)
                .time_to_idle(900 * year),
        )
    }

    larder_testkit::conformance!(subject);
}
