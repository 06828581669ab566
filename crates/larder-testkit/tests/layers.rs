//! The layers keep the contract as long as no trouble is asked for.

use larder_core::{Layer, Store};
use larder_testkit::{ManualClock, ReferenceBackend, Subject, Time};

fn behind(layer: &dyn Layer) -> Subject {
    let clock = ManualClock::new();
    let store = Store::new(ReferenceBackend::new(clock.shared()));
    let layered = store.layer(layer).expect("it may stand anywhere");
    Subject::new(layered, Time::Manual(clock))
}

mod recording {
    async fn subject() -> larder_testkit::Subject {
        super::behind(&larder_testkit::RecordingLayer::new())
    }

    larder_testkit::conformance!(subject);
}

mod chaos {
    async fn subject() -> larder_testkit::Subject {
        super::behind(&larder_testkit::ChaosLayer::new())
    }

    larder_testkit::conformance!(subject);
}

mod chaos_without_peek {
    async fn subject() -> larder_testkit::Subject {
        super::behind(&larder_testkit::ChaosLayer::new().without_peek())
    }

    larder_testkit::conformance!(subject);
}
