//! S3: what is shown, logged and answered holds no secret.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use larder_core::Backend;
use larder_redis::{Credentials, Redis, Start};
use larder_testkit::{RedisServer, Subject};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::harness::{Opened, hasty};

const SECRET: &str = "hunter2";

/// Writes down every event and span with all that is in it.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn write(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut dyn Visit)) {
        let mut line = Line(format!("{} {}:", metadata.level(), metadata.target()));
        record(&mut line);
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line.0);
        log.push('\n');
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a String takes everything");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The log is the whole process's: what other tests log meanwhile must not show it either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_no_log_debug_or_error_shows_a_password() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let server = RedisServer::builder().password(SECRET).start();
    let mut shown = Vec::new();

    let builder = hasty(server.url());
    shown.push(format!("{builder:?}"));
    let opened = Opened::by(builder).await;
    shown.push(format!("{:?}", opened.redis));
    let findings = opened
        .redis
        .check(&larder_core::ReadOptions::default())
        .await;
    shown.push(format!("{findings:?} {:?}", opened.redis.stats()));
    server.kill();
    opened
        .ear
        .expect_told(&crate::harness::Heard::LinkDown)
        .await;
    let error = opened.set("a", "x").await.unwrap_err();
    shown.push(format!("{error} {error:?}"));
    server.restart();
    opened.ear.expect_a_new_link().await;
    opened.works().await;

    let address = server.address().to_string();
    for builder in [
        Redis::at(&address).username("nobody").password(SECRET),
        Redis::builder(format!("redis://{SECRET}@{address}")),
        Redis::builder(format!("redis:{SECRET}@{address}")),
        Redis::builder(format!("redis://:{SECRET}@{address}/{SECRET}")),
        Redis::at(&address).password(SECRET).db(200),
        Redis::at("localhost:1").password(SECRET),
        Redis::at("localhost:1")
            .password(SECRET)
            .start(Start::Degraded),
        Redis::at("localhost:1")
            .sentinel("primary", ["localhost:2"])
            .sentinel_credentials(Credentials::password(SECRET)),
    ] {
        shown.push(format!("{builder:?}"));
        match Opened::attempt(builder, &Subject::new_namespace()).await {
            Ok(opened) => {
                let error = opened.get("a").await.unwrap_err();
                shown.push(format!("{:?} {error} {error:?}", opened.redis));
            }
            Err(error) => shown.push(format!("{error} {error:?}")),
        }
    }
    shown.push(format!("{:?}", Credentials::new("shop", SECRET)));
    let logged = log.text();
    let lost = format!(
        "the connection is lost cache={:?}",
        opened.namespace.as_str()
    );
    assert!(logged.contains(&lost), "it was logged: {logged}");
    for text in shown.iter().chain([&logged]) {
        assert!(!text.contains(SECRET), "{text}");
    }
}
