//! What the far tier is asked again for: whether a fill whose fence has moved, often by its own echo, still
//! stands.

use larder_core::{
    Backend, BatchOperation, BatchReply, Entry, Head, KeyBuf, Result, Store, WriteOptions,
};

use crate::batch::reading;
use crate::fence::Sample;
use crate::near::Near;

/// Inserts each entry that the far tier still has under its id, with the times it has there, if the fence
/// has stood since the new sample (1.2.8). One round trip for all; trouble means that nothing is kept.
pub(crate) async fn verify(
    near: &Near,
    far: &Store,
    doubtful: Vec<(KeyBuf, Sample, Entry)>,
    options: &WriteOptions,
) {
    let heads = heads(far, &doubtful, options).await;
    for ((key, sample, entry), head) in doubtful.into_iter().zip(heads) {
        if let Ok(Some(head)) = head
            && head.id() == entry.id()
        {
            // U14: an `expire` keeps the id.
            let entry = if head.lifetime() == entry.head().lifetime() {
                entry
            } else {
                entry.with_lifetime(head.lifetime())
            };
            near.promote(&key.as_key(), sample, entry);
        }
    }
}

async fn heads(
    far: &Store,
    doubtful: &[(KeyBuf, Sample, Entry)],
    options: &WriteOptions,
) -> Vec<Result<Option<Head>>> {
    match doubtful {
        [] => Vec::new(),
        [(key, ..)] => vec![far.head(&key.as_key(), &reading(options)).await],
        several => {
            let heads = several
                .iter()
                .map(|(key, ..)| BatchOperation::Head(key.as_key()));
            let replies = far.batch(heads.collect(), options).await;
            replies
                .into_iter()
                .map(|reply| reply.and_then(BatchReply::into_head))
                .collect()
        }
    }
}
