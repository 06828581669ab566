//! Watching: whoever observes a store hears of every change before the change has returned.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use larder_core::{Change, Marker, Namespace, Observer, TagName, Update, View, WriteOptions};

use super::ability;
use crate::Subject;

/// What was heard of, until it is asked about.
struct Ear {
    namespace: Namespace,
    heard: Mutex<Vec<String>>,
}

const EVERYTHING: &str = "everything";

impl Observer for Ear {
    fn changed(&self, change: &Change<'_>) {
        let what = match change {
            Change::Key(key, _) if *key.namespace() == self.namespace => key.text(),
            Change::Marker(marker) if *marker.namespace() == self.namespace => marker.stored_name(),
            Change::Everything => EVERYTHING.to_owned(),
            _ => return,
        };
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
    }
}

impl Ear {
    fn listening(subject: &Subject) -> Arc<Self> {
        let ear = Arc::new(Self {
            namespace: subject.namespace().clone(),
            heard: Mutex::default(),
        });
        let changes = subject
            .backend()
            .watch()
            .expect("the ability to watch was checked");
        changes.subscribe(Arc::downgrade(&ear) as std::sync::Weak<dyn Observer>);
        ear
    }

    fn has_heard(&self, of: &str) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().any(|what| what == of || what == EVERYTHING)
    }

    /// In real time a change travels over a link, so it is given some time.
    async fn expect(&self, subject: &Subject, of: &str, after: &str) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.has_heard(of) {
            assert!(
                subject.is_real_time() && Instant::now() < deadline,
                "{after} has returned and its observer hasn't heard of {of:?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// `set`, `delete`, `invalidate` and `expire` are heard of, single and in batches.
pub async fn c2_writes_are_heard_of(subject: &Subject) {
    if !ability::watch(subject) {
        return;
    }
    let ear = Ear::listening(subject);
    subject.set("a", &subject.entry("x")).await;
    ear.expect(subject, "a", "a set of a new key").await;
    subject.set("a", &subject.entry("y")).await;
    ear.expect(subject, "a", "a set of a present key").await;
    if subject.capability().expire {
        subject
            .expire("a", subject.lifetime(Subject::LONG * 2, Duration::ZERO))
            .await;
        ear.expect(subject, "a", "an expire").await;
    }
    subject.delete("a").await;
    ear.expect(subject, "a", "a delete").await;
    subject.set("a", &subject.entry("z")).await;
    ear.expect(subject, "a", "a set of a deleted key").await;
    subject.invalidate("a").await;
    ear.expect(subject, "a", "an invalidate").await;

    let batch = vec![larder_core::BatchOperation::Set(
        subject.key("b"),
        subject.entry("x"),
    )];
    assert!(subject.batch(batch).await[0].is_ok(), "a set in a batch");
    ear.expect(subject, "b", "a set in a batch").await;
    let batch = vec![larder_core::BatchOperation::Delete(subject.key("b"))];
    assert!(subject.batch(batch).await[0].is_ok(), "a delete in a batch");
    ear.expect(subject, "b", "a delete in a batch").await;
}

/// Counters and conditional writes are heard of.
pub async fn c2_updates_are_heard_of(subject: &Subject) {
    if !ability::watch(subject) {
        return;
    }
    let ear = Ear::listening(subject);
    if ability::counters(subject).await {
        for _ in 0..2 {
            subject.increment("counter", 1).await.expect("an increment");
            ear.expect(subject, "counter", "an increment").await;
        }
    }
    if ability::conditional(subject).await {
        let first = subject.entry("first");
        let absent = Update::SetIfAbsent(first.clone());
        assert!(
            subject.stores("value", absent, View::default()).await,
            "the key was absent"
        );
        ear.expect(subject, "value", "a set_if_absent").await;
        let replace = Update::ReplaceIf {
            id: first.id(),
            entry: subject.entry("second"),
        };
        assert!(
            subject.stores("value", replace, View::default()).await,
            "the id is that of the entry"
        );
        ear.expect(subject, "value", "a replace_if").await;
        assert!(subject.take("value").await.is_some(), "an entry was there");
        ear.expect(subject, "value", "a take").await;
    }
}

/// What was loaded is heard of once it is stored.
pub async fn c2_fills_are_heard_of(subject: &Subject) {
    if !ability::watch(subject) || !ability::lease(subject).await {
        return;
    }
    let token = subject.token("a").await;
    let ear = Ear::listening(subject);
    subject.fill(token, &subject.entry("loaded")).await;
    ear.expect(subject, "a", "a fill").await;
}

/// New versions of markers are heard of, each by its name.
pub async fn c4_bumps_are_heard_of(subject: &Subject) {
    if !ability::watch(subject) || !ability::markers(subject).await {
        return;
    }
    let ear = Ear::listening(subject);
    let name = TagName::new("country:GB").expect("a tag of the suite keeps the rules");
    let tag = Marker::tag(subject.namespace(), name);
    for marker in [tag, Marker::generation(subject.namespace())] {
        for _ in 0..2 {
            let bump = subject
                .backend()
                .bump(std::slice::from_ref(&marker), &WriteOptions::default())
                .await;
            bump.expect("a bump");
            ear.expect(subject, &marker.stored_name(), "a bump").await;
        }
    }
}
