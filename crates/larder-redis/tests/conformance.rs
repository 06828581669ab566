//! The contract, on a real server.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use larder_core::{SystemClock, TierContext};
use larder_redis::{Redis, RedisBuilder};
use larder_testkit::{RedisServer, Subject, Time};

/// One server for all the tests that run at the same time; it stops with the last of them.
fn server() -> Arc<RedisServer> {
    static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(RedisServer::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

async fn subject() -> Subject {
    opened(|settings| settings).await
}

async fn opened(change: impl FnOnce(RedisBuilder) -> RedisBuilder) -> Subject {
    let server = server();
    let namespace = Subject::new_namespace();
    let clock = SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration)));
    let context = TierContext::new(namespace.clone(), clock);
    let redis = change(Redis::builder(server.url())).connect(&context).await;
    Subject::new(redis.expect("a server that was just started"), Time::Real)
        .within(namespace)
        .keeping(server)
}

larder_testkit::conformance!(subject);

/// Other commands read and claim where the length of what is stored is limited.
mod limited {
    use larder_testkit::Subject;

    async fn subject() -> Subject {
        super::opened(|settings| settings.max_value_bytes(1 << 20)).await
    }

    larder_testkit::conformance!(subject);
}
