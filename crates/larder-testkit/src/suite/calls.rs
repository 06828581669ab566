//! The calls that cases make, in one word each. An error that a case doesn't ask about fails it.

use larder_core::{
    BatchOperation, BatchReply, Deletion, Entry, Expiry, Fill, FillToken, Filled, Head, KeyBuf,
    Lease, LeaseMode, LeaseOptions, Lifetime, Namespace, Pattern, ReadOptions, Result, ScanRequest,
    Update, Updated, View, WriteOptions,
};

use crate::Subject;

impl Subject {
    pub(crate) async fn get(&self, text: &str) -> Option<Entry> {
        let answer = self
            .backend()
            .get(&self.key(text), &ReadOptions::default())
            .await;
        answer.unwrap_or_else(|error| panic!("get of {text:?} failed: {error}"))
    }

    pub(crate) async fn head(&self, text: &str) -> Option<Head> {
        let answer = self
            .backend()
            .head(&self.key(text), &ReadOptions::default())
            .await;
        answer.unwrap_or_else(|error| panic!("head of {text:?} failed: {error}"))
    }

    pub(crate) async fn set(&self, text: &str, entry: &Entry) {
        let key = self.key(text);
        let answer = self
            .backend()
            .set(&key, entry.clone(), &WriteOptions::default())
            .await;
        answer.unwrap_or_else(|error| panic!("set of {text:?} failed: {error}"));
    }

    /// Answers whether an entry was there.
    pub(crate) async fn delete(&self, text: &str) -> bool {
        let answer = self
            .backend()
            .delete(&self.key(text), &WriteOptions::default())
            .await;
        delivered("delete", text, answer)
    }

    /// Answers whether an entry was there.
    pub(crate) async fn invalidate(&self, text: &str) -> bool {
        let answer = self
            .backend()
            .invalidate(&self.key(text), &WriteOptions::default())
            .await;
        delivered("invalidate", text, answer)
    }

    /// Answers whether an entry was there to be given these times.
    pub(crate) async fn expire(&self, text: &str, lifetime: Lifetime) -> bool {
        self.expire_in(text, lifetime, View::default()).await
    }

    pub(crate) async fn expire_in(&self, text: &str, lifetime: Lifetime, view: View) -> bool {
        let options = WriteOptions::default().with_view(view);
        let answer = self
            .backend()
            .expire(&self.key(text), Expiry::new(lifetime), &options)
            .await;
        answer.unwrap_or_else(|error| panic!("expire of {text:?} failed: {error}"))
    }

    pub(crate) async fn update(&self, text: &str, update: Update) -> Result<Updated> {
        self.update_in(text, update, View::default()).await
    }

    pub(crate) async fn update_in(
        &self,
        text: &str,
        update: Update,
        view: View,
    ) -> Result<Updated> {
        let options = WriteOptions::default().with_view(view);
        self.backend()
            .update(&self.key(text), update, &options)
            .await
    }

    /// Adds to a counter that lives long where it begins.
    pub(crate) async fn increment(&self, text: &str, by: i64) -> Result<Updated> {
        let template = self.entry("");
        self.update(text, Update::Increment { by, template }).await
    }

    /// Answers whether a conditional write was done.
    pub(crate) async fn stores(&self, text: &str, update: Update, view: View) -> bool {
        match self.update_in(text, update, view).await {
            Ok(Updated::Stored) => true,
            Ok(Updated::Refused) => false,
            other => panic!("a conditional write of {text:?} answered {other:?}"),
        }
    }

    pub(crate) async fn take(&self, text: &str) -> Option<Entry> {
        match self.update(text, Update::Take).await {
            Ok(Updated::Taken(taken)) => taken,
            other => panic!("take of {text:?} answered {other:?}"),
        }
    }

    pub(crate) async fn batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
    ) -> Vec<Result<BatchReply>> {
        let asked = operations.len();
        let replies = self
            .backend()
            .batch(operations, &WriteOptions::default())
            .await;
        assert_eq!(
            replies.len(),
            asked,
            "a batch has one reply for each operation"
        );
        replies
    }

    /// The keys' texts with their heads, over all pages.
    pub(crate) async fn scan(&self, pattern: &str, page_size: usize) -> Vec<(String, Head)> {
        self.scan_of(self.namespace(), pattern, page_size).await
    }

    pub(crate) async fn scan_of(
        &self,
        namespace: &Namespace,
        pattern: &str,
        page_size: usize,
    ) -> Vec<(String, Head)> {
        let pattern = Pattern::new(pattern).expect("a pattern of the suite keeps the rules");
        let request = ScanRequest::new(namespace.clone(), pattern).with_page_size(page_size);
        let (mut listed, mut cursor) = (Vec::new(), None);
        // A backend may answer empty pages, but a listing that never ends must fail here.
        for _ in 0..100_000 {
            let page = self
                .backend()
                .scan(&request, cursor, &ReadOptions::default())
                .await;
            let page = page.unwrap_or_else(|error| panic!("scan of {request:?} failed: {error}"));
            listed.extend(
                page.entries
                    .into_iter()
                    .map(|(key, head)| (text_of(&key, namespace), head)),
            );
            cursor = page.next;
            if cursor.is_none() {
                return listed;
            }
        }
        panic!("scan of {request:?} has no last page")
    }

    pub(crate) async fn lease(&self, text: &str) -> Lease {
        self.lease_by(text, &self.leasing()).await
    }

    pub(crate) async fn lease_by(&self, text: &str, options: &LeaseOptions) -> Lease {
        let mut answers = self.backend().lease(&[self.key(text)], options).await;
        assert_eq!(answers.len(), 1, "a lease of one key has one answer");
        let answer = answers.pop().expect("counted above");
        answer.unwrap_or_else(|error| panic!("lease of {text:?} failed: {error}"))
    }

    /// A lease that doesn't end by itself while the case runs.
    pub(crate) fn leasing(&self) -> LeaseOptions {
        LeaseOptions::until(self.now().saturating_add(Self::LONG))
    }

    /// A lease that is granted, whatever fresh entry is there.
    pub(crate) fn refreshing(&self) -> LeaseOptions {
        self.leasing().with_mode(LeaseMode::Refresh)
    }

    /// The token of a lease that must be granted.
    pub(crate) async fn token(&self, text: &str) -> FillToken {
        self.token_by(text, &self.leasing()).await
    }

    pub(crate) async fn token_by(&self, text: &str, options: &LeaseOptions) -> FillToken {
        match self.lease_by(text, options).await {
            Lease::Granted { token, .. } => token,
            other => panic!("a lease of {text:?} should be granted; it answered {other:?}"),
        }
    }

    pub(crate) async fn fill(&self, token: FillToken, entry: &Entry) -> Filled {
        let text = token.key().text();
        let fills = vec![Fill {
            token,
            entry: entry.clone(),
        }];
        let mut answers = self.backend().fill(fills, &WriteOptions::default()).await;
        assert_eq!(answers.len(), 1, "a fill of one key has one answer");
        let answer = answers.pop().expect("counted above");
        answer.unwrap_or_else(|error| panic!("fill of {text:?} failed: {error}"))
    }

    pub(crate) async fn release(&self, token: FillToken) {
        let answer = self
            .backend()
            .release(vec![token], &WriteOptions::default())
            .await;
        answer.unwrap_or_else(|error| panic!("release failed: {error}"));
    }
}

/// The same token once more, as a careless retry would send it.
pub(crate) fn again(token: &FillToken) -> FillToken {
    let mut copy =
        FillToken::granted(&token.key(), token.seen()).with_stamps(token.stamps().to_vec());
    if let Some(fence) = token.fence() {
        copy = copy.with_fence(fence);
    }
    if let Some(extension) = token.extension() {
        copy = copy.with_extension(std::sync::Arc::clone(extension));
    }
    copy
}

fn delivered(operation: &str, text: &str, answer: Result<Deletion>) -> bool {
    match answer {
        Ok(Deletion::Delivered { existed }) => existed,
        other => panic!("{operation} of {text:?} should be delivered; it answered {other:?}"),
    }
}

#[track_caller]
fn text_of(key: &KeyBuf, namespace: &Namespace) -> String {
    assert_eq!(
        key.namespace(),
        namespace,
        "a scan lists keys of its own namespace"
    );
    key.text().to_owned()
}
