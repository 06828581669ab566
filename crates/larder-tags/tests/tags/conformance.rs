//! The contract, with the layer in between.

mod around_memory {
    use larder_testkit::{ManualClock, Subject, Time};

    use crate::stacks::{memory, tagged};

    async fn subject() -> Subject {
        let clock = ManualClock::new();
        Subject::new(tagged(&memory(&clock)), Time::Manual(clock))
    }

    larder_testkit::conformance!(subject);
}

mod around_the_reference {
    use larder_core::Store;
    use larder_testkit::{ManualClock, ReferenceBackend, Subject, Time};

    use crate::stacks::tagged;

    async fn subject() -> Subject {
        let clock = ManualClock::new();
        let reference = Store::new(ReferenceBackend::new(clock.shared()));
        Subject::new(tagged(&reference), Time::Manual(clock))
    }

    larder_testkit::conformance!(subject);
}

mod around_redis {
    use larder_testkit::{Subject, Time};

    use crate::stacks::{real_clock, redis, server, tagged};

    async fn subject() -> Subject {
        let (server, namespace) = (server(), Subject::new_namespace());
        let store = redis(&server.url(), &namespace, &real_clock()).await;
        Subject::new(tagged(&store), Time::Real)
            .within(namespace)
            .keeping(server)
    }

    larder_testkit::conformance!(subject);
}

mod around_memory_before_redis {
    use larder_testkit::{Subject, Time};

    use crate::stacks::{real_clock, server, tagged, tiered};

    async fn subject() -> Subject {
        let (server, namespace) = (server(), Subject::new_namespace());
        let store = tiered(&server.url(), &namespace, &real_clock()).await;
        Subject::new(tagged(&store), Time::Real)
            .within(namespace)
            .keeping(server)
    }

    larder_testkit::conformance!(subject);
}
