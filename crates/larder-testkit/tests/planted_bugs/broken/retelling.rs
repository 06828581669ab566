//! What its bugs do to the ids that changes come with.

use std::sync::{Arc, Mutex, Weak};

use larder_core::{Backend, Change, Changes, EntryId, Observer};
use larder_testkit::ReferenceBackend;

use super::Bug;

#[derive(Debug)]
pub(super) struct Retelling {
    bug: Option<Bug>,
    pub(super) changes: Changes,
    last: Mutex<Option<EntryId>>,
}

impl Retelling {
    pub(super) fn of(inner: &ReferenceBackend, bug: Option<Bug>) -> Arc<Self> {
        let retelling = Arc::new(Self {
            bug,
            changes: Changes::new(),
            last: Mutex::default(),
        });
        let changes = inner.watch().expect("the reference tells of changes");
        changes.subscribe(Arc::downgrade(&retelling) as Weak<dyn Observer>);
        retelling
    }
}

impl Observer for Retelling {
    fn changed(&self, change: &Change<'_>) {
        let mut last = self.last.lock().unwrap();
        let retold = match (self.bug, *change) {
            (Some(Bug::TellsAnIdOfItsOwn), Change::Key(key, Some(_))) => {
                Change::Key(key, Some(EntryId::random()))
            }
            (Some(Bug::TellsTheIdOfWhatIsGone), Change::Key(key, None)) => Change::Key(key, *last),
            (_, change) => change,
        };
        if let Change::Key(_, Some(id)) = retold {
            *last = Some(id);
        }
        self.changes.publish(&retold);
    }
}
