//! The suite holds in real time too, where it sleeps and where borders can't be hit exactly.

use larder_core::SystemClock;
use larder_testkit::{ReferenceBackend, Subject, Time};

async fn subject() -> Subject {
    let clock = SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration)));
    Subject::new(ReferenceBackend::new(clock), Time::Real)
}

larder_testkit::conformance!(subject);
