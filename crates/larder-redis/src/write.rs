//! Plain writes.

use bytes::Bytes;
use larder_core::{Deletion, EntryId, Error, KeyBuf, Result};

use crate::driver::{Command, Fault, Reply, fixed, number};
use crate::keep::{Keep, set_command};
use crate::shared::Shared;

/// So much of an entry is read along with its deletion: enough for the head of nearly all.
pub(crate) const HEAD: usize = 128;

impl Shared {
    /// Stores an entry and tells of it, also where nobody waits for that any more.
    pub(crate) async fn set(
        &self,
        key: KeyBuf,
        id: EntryId,
        entry: Bytes,
        keep: Keep,
    ) -> Result<()> {
        let _permit = self.permit(self.settings.write_timeout).await?;
        let primary = self.primary()?;
        let stored = key.as_key().stored_name().into();
        match self.write(&primary, set_command(stored, entry, keep)).await {
            Ok(_) => {
                self.tell(&key, Some(id).filter(|_| keep != Keep::Gone));
                Ok(())
            }
            Err(fault) => {
                self.tell(&key, None);
                Err(fault.into())
            }
        }
    }

    /// Removes whatever is there and tells of it.
    pub(crate) async fn delete(&self, key: KeyBuf) -> Result<Deletion> {
        let _permit = self.permit(self.settings.write_timeout).await?;
        let primary = self.primary()?;
        let replies = self.write_all(&primary, delete_commands(&key).into()).await;
        self.tell(&key, None);
        let deleted = replies.and_then(|replies| self.deleted(&key, replies));
        deleted.map_err(Error::from)
    }

    /// Whether an entry was there, by the answers to [`delete_commands`].
    pub(crate) fn deleted(
        &self,
        key: &KeyBuf,
        replies: Vec<std::result::Result<Reply, Fault>>,
    ) -> std::result::Result<Deletion, Fault> {
        let [head, removed] = <[_; 2]>::try_from(replies)
            .map_err(|_other_length| Fault::Lost("an incomplete answer".into()))?;
        let removed = removed?.into_integer()? > 0;
        let head = match head {
            Ok(reply) => reply.into_bytes()?.unwrap_or_default(),
            // Something that is no string was there, and is gone.
            Err(_) => Bytes::new(),
        };
        let was = match self.decode_head(&key.as_key(), &head) {
            Ok(head) => self.counts(&head),
            // A head longer than what was read; a placeholder has none.
            Err(larder_core::wire::Unreadable::Truncated) => head.len() >= HEAD,
            Err(_) => false,
        };
        Ok(Deletion::Delivered {
            existed: removed && was,
        })
    }
}

/// Reads what is there, and removes it: two plain commands in one round trip, so that nothing of them is
/// echoed.
pub(crate) fn delete_commands(key: &KeyBuf) -> [Command; 2] {
    let stored = Bytes::from(key.as_key().stored_name());
    [
        Command::new("GETRANGE", [stored.clone(), fixed("0"), number(HEAD - 1)]),
        Command::new("UNLINK", [stored]),
    ]
}
