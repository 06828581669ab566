//! The reference backend keeps the contract that it is the reference for.

use larder_testkit::{ManualClock, ReferenceBackend, Subject, Time};

async fn subject() -> Subject {
    let clock = ManualClock::new();
    Subject::new(ReferenceBackend::new(clock.shared()), Time::Manual(clock))
}

larder_testkit::conformance!(subject);
