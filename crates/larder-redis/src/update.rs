//! What decides and writes in one step: counters, conditional writes, other times.

use bytes::Bytes;
use larder_core::{
    Error, ErrorKind, Expiry, KeyBuf, Lifetime, Marker, Operation, Result, Timestamp, Update,
    Updated, View,
};

use crate::driver::{Fault, Reply, number};
use crate::script::{Call, Script};
use crate::shared::Shared;

impl Shared {
    /// What a script judges by: now, generation, schema.
    fn judging(&self, view: View) -> Vec<Bytes> {
        let now = self.offset.shift().to_store_millis(self.clock.now());
        let generation = view.generation.map_or_else(Bytes::new, |generation| {
            Bytes::copy_from_slice(&generation.as_u64().to_be_bytes())
        });
        let schema = view.schema.map_or_else(Bytes::new, |schema| {
            Bytes::copy_from_slice(&schema.to_be_bytes())
        });
        vec![number(now), generation, schema]
    }

    /// The script of an `expire`.
    pub(crate) fn expire_call(&self, key: &KeyBuf, expiry: Expiry, view: View) -> Call {
        // The creation stands in the entry; the script keeps it.
        let Lifetime {
            fresh_until,
            expires_at,
            ..
        } = expiry.apply(Lifetime::forever(Timestamp::EPOCH));
        let point = |point: Timestamp| {
            if point.is_forever() {
                Bytes::new()
            } else {
                number(self.offset.shift().to_store_millis(point))
            }
        };
        let keep = self.keep(Lifetime {
            created: Timestamp::EPOCH,
            fresh_until,
            expires_at,
        });
        let mut arguments = self.judging(view);
        arguments.extend([point(fresh_until), point(expires_at), keep.argument()]);
        call(Script::Expire, key, arguments)
    }

    /// The script of an update.
    pub(crate) fn update_call(&self, key: &KeyBuf, update: &Update, view: View) -> Result<Call> {
        let mut arguments = self.judging(view);
        let mut script = Script::Take;
        let entry = match update {
            Update::Increment { by, template } => {
                script = Script::Increment;
                Some((template.clone().with_counter(*by), number(*by)))
            }
            Update::SetIfAbsent(entry) => {
                script = Script::Replace;
                Some((entry.clone(), Bytes::new()))
            }
            Update::ReplaceIf { id, entry } => {
                script = Script::Replace;
                let id = Bytes::copy_from_slice(&id.as_u64().to_be_bytes());
                Some((entry.clone(), id))
            }
            Update::Take => {
                arguments.push(number(self.settings.max_value_bytes));
                None
            }
            _ => return Err(Error::unsupported(Operation::Update)),
        };
        if let Some((entry, last)) = entry {
            let bytes = self.encode(&key.as_key(), &entry)?;
            let keep = self.keep(entry.head().lifetime());
            arguments.extend([bytes, keep.argument(), last]);
        }
        Ok(call(script, key, arguments))
    }

    /// What an update did, by its script's answer.
    pub(crate) fn updated(&self, key: &KeyBuf, update: &Update, reply: Reply) -> Result<Updated> {
        let refused = |kind, message| Err(Error::new(kind, message));
        Ok(match (update, reply) {
            (Update::Increment { .. }, Reply::Bytes(sum)) => {
                let number = <[u8; 8]>::try_from(&*sum).map(i64::from_be_bytes);
                Updated::Counter(number.map_err(|_other_length| {
                    Error::new(ErrorKind::Unexpected, "a counter's number isn't one")
                })?)
            }
            (Update::Increment { .. }, Reply::Integer(1)) => {
                return refused(
                    ErrorKind::NotACounter,
                    "the key holds a value that is not a counter",
                );
            }
            (Update::Increment { .. }, Reply::Integer(2)) => {
                return refused(
                    ErrorKind::CounterOverflow,
                    "the sum leaves the range of a 64-bit integer",
                );
            }
            (_, Reply::Integer(3)) => {
                return refused(
                    ErrorKind::Unexpected,
                    "the key holds bytes that larder has not written, or a later one has: delete them, \
                     or replace them by a set",
                );
            }
            (Update::Take, Reply::Bytes(stored)) => {
                Updated::Taken(self.read_entry(&key.as_key(), &stored).ok())
            }
            (Update::Take, Reply::Integer(_)) => Updated::Taken(None),
            (_, Reply::Integer(1)) => Updated::Stored,
            (_, Reply::Integer(_)) => Updated::Refused,
            (_, other) => return Err(Error::from(other.out_of_place())),
        })
    }

    /// Performs an update and tells of it.
    pub(crate) async fn update(&self, key: KeyBuf, update: Update, view: View) -> Result<Updated> {
        let _permit = self.permit(self.settings.write_timeout).await?;
        let primary = self.primary()?;
        let call = self.update_call(&key, &update, view)?;
        let reply = self.run(&primary, &call).await;
        if reply.as_ref().is_err_and(Fault::is_uncertain) {
            self.tell(&key, None);
        }
        let updated = self.updated(&key, &update, reply?)?;
        self.tell_update(&key, &update, &updated);
        Ok(updated)
    }

    /// Tells what an update has written, if it has.
    pub(crate) fn tell_update(&self, key: &KeyBuf, update: &Update, updated: &Updated) {
        let id = match update {
            Update::Increment { template, .. } => Some(template.id()),
            Update::SetIfAbsent(entry) | Update::ReplaceIf { entry, .. } => Some(entry.id()),
            _ => None,
        };
        match updated {
            Updated::Counter(_) | Updated::Stored => self.tell(key, id),
            Updated::Taken(Some(_)) => self.tell(key, None),
            _ => {}
        }
    }

    /// Gives an entry other times and tells of it.
    pub(crate) async fn expire(&self, key: KeyBuf, expiry: Expiry, view: View) -> Result<bool> {
        let _permit = self.permit(self.settings.write_timeout).await?;
        let primary = self.primary()?;
        let reply = self
            .run(&primary, &self.expire_call(&key, expiry, view))
            .await;
        // 1.4: other times under the same id; whoever holds the entry must not keep it.
        if reply != Ok(Reply::Integer(0)) {
            self.tell(&key, None);
        }
        Ok(reply?.into_integer()? == 1)
    }
}

fn call(script: Script, key: &KeyBuf, arguments: Vec<Bytes>) -> Call {
    Call {
        script,
        keys: vec![
            key.as_key().stored_name().into(),
            Marker::generation(key.namespace()).stored_name().into(),
        ],
        arguments,
    }
}
