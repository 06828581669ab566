//! Reads: entries, heads, listings.

use std::collections::HashSet;

use bytes::Bytes;
use larder_core::wire::{MAX_HEAD_LEN, Unreadable};
use larder_core::{
    Cursor, Entry, EntryKind, Error, ErrorKind, Head, Key, KeyBuf, Operation, Result, ScanPage,
    ScanRequest, Timestamp,
};

use crate::driver::{Command, Fault, Reply, fixed, number};
use crate::shared::Shared;
use crate::write::HEAD;

/// How many pages without a match are asked for before one is answered empty.
const EMPTY_PAGES: usize = 16;

/// Where a listing goes on.
struct Position {
    cursor: Bytes,
    /// Hashes of what was listed: the server may name a key twice.
    listed: HashSet<u64>,
}

impl Shared {
    pub(crate) async fn get(
        &self,
        key: &Key<'_>,
        deadline: Option<Timestamp>,
    ) -> Result<Option<Entry>> {
        let read = self.read_command(key.stored_name().into());
        match self.ask(deadline, read).await? {
            Reply::Foreign => Ok(self.foreign()),
            reply => Ok(self.decode(key, self.stored(reply)?.as_ref())),
        }
    }

    /// Something under the key that is no string, so nothing of ours.
    pub(crate) fn foreign<T>(&self) -> Option<T> {
        self.unreadable.add(1);
        self.misses.add(1);
        None
    }

    pub(crate) async fn head(
        &self,
        key: &Key<'_>,
        deadline: Option<Timestamp>,
    ) -> Result<Option<Head>> {
        let first = match self.ask(deadline, head_command(key, HEAD)).await? {
            Reply::Foreign => {
                self.unreadable.add(1);
                return Ok(None);
            }
            first => first.into_bytes()?.unwrap_or_default(),
        };
        Ok(self
            .head_of(key, first, deadline)
            .await?
            .filter(|head| self.counts(head)))
    }

    /// The head at the beginning of an entry; what is missing of it is read. Placeholders are heads too.
    pub(crate) async fn head_of(
        &self,
        key: &Key<'_>,
        first: Bytes,
        deadline: Option<Timestamp>,
    ) -> Result<Option<Head>> {
        if first.is_empty() {
            return Ok(None);
        }
        match self.decode_head(key, &first) {
            Ok(head) => Ok(Some(head)),
            Err(Unreadable::Truncated) if first.len() >= HEAD => {
                let whole = self.ask(deadline, head_command(key, MAX_HEAD_LEN)).await?;
                let whole = whole.into_bytes()?.unwrap_or_default();
                Ok(self.decode_head(key, &whole).ok())
            }
            Err(_) => {
                self.unreadable.add(1);
                Ok(None)
            }
        }
    }

    pub(crate) async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        deadline: Option<Timestamp>,
    ) -> Result<ScanPage> {
        let mut position = match cursor {
            None => Position {
                cursor: fixed("0"),
                listed: HashSet::new(),
            },
            Some(cursor) => cursor.downcast::<Position>().ok_or_else(|| {
                Error::new(ErrorKind::Unexpected, "a cursor of another backend")
                    .with_operation(Operation::Scan)
            })?,
        };
        let mut entries = Vec::new();
        for _ in 0..EMPTY_PAGES {
            let keys = self.scan_keys(request, &mut position, deadline).await?;
            entries = self.heads(keys, request.placeholders, deadline).await?;
            if !entries.is_empty() || &*position.cursor == b"0" {
                break;
            }
        }
        Ok(ScanPage {
            entries,
            next: (&*position.cursor != b"0").then(|| Cursor::new(position)),
        })
    }

    /// One step of the server's listing: keys that match and were not listed before.
    async fn scan_keys(
        &self,
        request: &ScanRequest,
        position: &mut Position,
        deadline: Option<Timestamp>,
    ) -> Result<Vec<KeyBuf>> {
        let arguments = [
            position.cursor.clone(),
            fixed("MATCH"),
            coarse_pattern(request).into(),
            fixed("COUNT"),
            number(request.page_size),
            fixed("TYPE"),
            fixed("string"),
        ];
        let reply = self.ask(deadline, Command::new("SCAN", arguments)).await?;
        let [cursor, names] = <[_; 2]>::try_from(reply.into_list()?).map_err(|_other_length| {
            Error::from(Fault::Refused(
                "ERR SCAN answers a cursor and names".to_owned(),
            ))
        })?;
        let cursor = cursor?.into_bytes()?.unwrap_or_default();
        position.cursor = Bytes::copy_from_slice(&cursor);
        let mut keys = Vec::new();
        for name in names?.into_list()? {
            let name = name?.into_bytes()?.unwrap_or_default();
            let key = std::str::from_utf8(&name)
                .ok()
                .and_then(|name| KeyBuf::from_stored_name(&request.namespace, name));
            if let Some(key) = key
                && request.lists(&key)
                && position.listed.insert(key.hash64())
            {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// The heads of keys, without those that are gone, over or not readable.
    async fn heads(
        &self,
        keys: Vec<KeyBuf>,
        placeholders: bool,
        deadline: Option<Timestamp>,
    ) -> Result<Vec<(KeyBuf, Head)>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let commands = keys
            .iter()
            .map(|key| head_command(&key.as_key(), HEAD))
            .collect();
        let replies = self.ask_all(deadline, commands).await?;
        let mut entries = Vec::with_capacity(keys.len());
        for (key, reply) in keys.into_iter().zip(replies) {
            // It may have become something that is no string.
            let reply = match reply {
                Err(fault) if fault.is_wrong_type() => continue,
                reply => reply?,
            };
            let first = reply.into_bytes()?.unwrap_or_default();
            let head = self.head_of(&key.as_key(), first, deadline).await?;
            let listed = head.filter(|head| {
                let wanted = placeholders || head.kind() != EntryKind::Placeholder;
                wanted && !head.lifetime().is_expired(self.clock.now())
            });
            if let Some(head) = listed {
                entries.push((key, head));
            }
        }
        Ok(entries)
    }
}

/// Reads so many bytes of an entry.
pub(crate) fn head_command(key: &Key<'_>, len: usize) -> Command {
    let stored = Bytes::from(key.stored_name());
    Command::new("GETRANGE", [stored, fixed("0"), number(len - 1)])
}

/// A pattern for the server that misses nothing: the pattern's literal beginning. Stored names are escaped, so
/// no more of it means the same there; the rest is matched here.
fn coarse_pattern(request: &ScanRequest) -> String {
    const SPECIAL: &[char] = &['*', '?', '[', ']', '\\', '^', '%', '{', '}', '~'];
    let pattern = request.pattern.as_str();
    let literal = pattern.split(SPECIAL).next().unwrap_or_default();
    format!("{}:{literal}*", request.namespace)
}

#[cfg(test)]
mod tests {
    use larder_core::{Namespace, Pattern};

    use super::*;

    #[test]
    fn the_servers_pattern_is_the_literal_beginning() {
        let ns = Namespace::new("app").unwrap();
        for (pattern, coarse) in [
            ("*", "app:*"),
            ("user:*", "app:user:*"),
            ("user:1", "app:user:1*"),
            ("~x*", "app:*"),
            ("a{b}*", "app:a*"),
            ("100%*", "app:100*"),
            ("a\\*b", "app:a*"),
        ] {
            let request = ScanRequest::new(ns.clone(), Pattern::new(pattern).unwrap());
            assert_eq!(coarse_pattern(&request), coarse, "{pattern}");
        }
    }
}
