//! Watching: whoever observes a store hears of every change before the change has returned.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use larder_core::{
    BatchOperation, Change, EntryId, Marker, Namespace, Observer, TagName, Update, View,
    WriteOptions,
};

use super::ability;
use crate::Subject;

/// What was heard of, until it is asked about.
struct Ear {
    namespace: Namespace,
    heard: Mutex<Vec<Heard>>,
}

struct Heard {
    of: String,
    id: Option<EntryId>,
}

const EVERYTHING: &str = "everything";

impl Observer for Ear {
    fn changed(&self, change: &Change<'_>) {
        let (of, id) = match change {
            Change::Key(key, id) if *key.namespace() == self.namespace => (key.text(), *id),
            Change::Marker(marker) if *marker.namespace() == self.namespace => {
                (marker.stored_name(), None)
            }
            Change::Everything => (EVERYTHING.to_owned(), None),
            _ => return,
        };
        self.heard().push(Heard { of, id });
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

    fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn expect(&self, subject: &Subject, of: &str, after: &str) {
        self.wait(subject, || {
            let heard = self.heard();
            let told = heard
                .iter()
                .any(|heard| heard.of == of || heard.of == EVERYTHING);
            let missed = || format!("{after} has returned and its observer hasn't heard of {of:?}");
            told.then_some(()).ok_or_else(missed)
        })
        .await;
        self.heard().clear();
    }

    /// The change is heard of, and with no other id than that of the entry there now. What counts is
    /// what was heard last, because a link may tell of an older change once more.
    async fn expect_id(&self, subject: &Subject, of: &str, after: &str) {
        let there = subject.get(of).await.map(|entry| entry.id());
        self.wait(subject, || {
            let heard = self.heard();
            let last = heard
                .iter()
                .rfind(|heard| heard.of == of || heard.of == EVERYTHING);
            match last.map(|last| last.id) {
                Some(None) => Ok(()),
                Some(id) if id == there => Ok(()),
                Some(id) => Err(format!(
                    "after {after} {id:?} was told for the id of {of:?}, where {there:?} is now"
                )),
                None => Err(format!(
                    "{after} has returned and its observer hasn't heard of {of:?}"
                )),
            }
        })
        .await;
        self.heard().clear();
    }

    /// In real time a change travels over a link, so it is given some time.
    async fn wait(&self, subject: &Subject, outcome: impl Fn() -> Result<(), String>) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(why) = outcome() {
            assert!(subject.is_real_time() && Instant::now() < deadline, "{why}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
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

    let batch = vec![BatchOperation::Set(subject.key("b"), subject.entry("x"))];
    assert!(subject.batch(batch).await[0].is_ok(), "a set in a batch");
    ear.expect(subject, "b", "a set in a batch").await;
    let batch = vec![BatchOperation::Delete(subject.key("b"))];
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

/// By the id that comes with a change a writer knows its own write: it is that of the entry there now, so
/// there is none once the entry is gone. It may always be left out.
pub async fn c2_an_id_that_is_told_is_that_of_the_entry_there_now(subject: &Subject) {
    if !ability::watch(subject) {
        return;
    }
    let (ear, can) = (Ear::listening(subject), subject.capability());
    let stored = subject.entry("x");
    subject.set("a", &subject.entry("old")).await;
    ear.expect_id(subject, "a", "a set of a new key").await;
    subject.set("a", &stored).await;
    ear.expect_id(subject, "a", "a set of a present key").await;
    if can.expire {
        let later = subject.lifetime(Subject::LONG * 2, Duration::ZERO);
        assert!(subject.expire("a", later).await, "an entry was there");
        ear.expect_id(subject, "a", "an expire").await;
    }
    if can.conditional {
        let (id, entry) = (stored.id(), subject.entry("y"));
        let replace = Update::ReplaceIf { id, entry };
        let stored = subject.stores("a", replace, View::default()).await;
        assert!(stored, "the id is that of the entry");
        ear.expect_id(subject, "a", "a replace_if").await;
        assert!(subject.take("a").await.is_some(), "an entry was there");
        ear.expect_id(subject, "a", "a take").await;
        let absent = Update::SetIfAbsent(subject.entry("z"));
        let stored = subject.stores("a", absent, View::default()).await;
        assert!(stored, "the key was absent");
        ear.expect_id(subject, "a", "a set_if_absent").await;
    }
    if can.lease {
        let token = subject.token_by("a", &subject.refreshing()).await;
        subject.fill(token, &subject.entry("loaded")).await;
        ear.expect_id(subject, "a", "a fill").await;
    }
    assert!(subject.delete("a").await, "an entry was there");
    ear.expect_id(subject, "a", "a delete").await;
    if can.counters {
        for _ in 0..2 {
            subject.increment("a", 1).await.expect("an increment");
            ear.expect_id(subject, "a", "an increment").await;
        }
    }
    let batch = vec![BatchOperation::Set(subject.key("a"), stored)];
    assert!(subject.batch(batch).await[0].is_ok(), "a set in a batch");
    ear.expect_id(subject, "a", "a set in a batch").await;
    assert!(subject.invalidate("a").await, "an entry was there");
    ear.expect_id(subject, "a", "an invalidate").await;
}
