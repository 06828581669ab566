//! Both plug-ins keep the contract: every case of the suite, on each.

#[path = "../custom_backend.rs"]
#[expect(dead_code, reason = "the example's main")]
mod custom_backend;
#[path = "../custom_layer.rs"]
#[expect(dead_code, reason = "the example's main")]
mod custom_layer;

mod directory {
    use std::path::PathBuf;

    use larder_testkit::{ManualClock, Subject, Time};

    use super::custom_backend::Directory;

    /// A folder that is gone when the test is over.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            // A write whose caller went away may still be under way; what is left is in cargo's own folder.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn subject() -> Subject {
        let name = format!("larder-plugins-{:016x}", fastrand::u64(..));
        let folder = Folder(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        let clock = ManualClock::new();
        let backend = Directory {
            root: folder.0.clone(),
            clock: clock.shared(),
        };
        Subject::new(backend, Time::Manual(clock)).keeping(folder)
    }

    larder_testkit::conformance!(subject);
}

mod slow_layer {
    use std::time::Duration;

    use larder_core::Store;
    use larder_testkit::{ManualClock, ReferenceBackend, Subject, Time};

    use super::custom_layer::SlowLayer;

    async fn subject() -> Subject {
        let clock = ManualClock::new();
        let slow = SlowLayer::new(Duration::from_millis(100), clock.shared());
        let store = Store::new(ReferenceBackend::new(clock.shared()));
        let layered = store.layer(&slow).expect("it may stand anywhere");
        Subject::new(layered, Time::Manual(clock))
    }

    larder_testkit::conformance!(subject);
}
