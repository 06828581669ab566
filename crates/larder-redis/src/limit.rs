//! Reads that take no more of what is stored than the limit allows (S1).
//!
//! No string in Redis is over 512 MiB. Where that is the limit too, as it is unless somebody lowers it, the plain
//! commands do. Below it every read is a `GETRANGE` of one byte more than the limit, by which what is over it is
//! known.

use bytes::Bytes;
use larder_core::{Error, Result, Timestamp};

use crate::driver::{Command, Fault, Reply, fixed, number};
use crate::keep::Keep;
use crate::shared::{Primary, Shared};

/// The longest string of Redis.
pub(crate) const LONGEST: usize = 512 << 20;

/// What became of a `SET` that only stores where nothing is.
pub(crate) enum Claimed {
    Stored,
    /// What was there instead; `None` if it had gone again, or has no bytes.
    Met(Option<Bytes>),
}

impl Shared {
    fn is_limited(&self) -> bool {
        self.settings.max_value_bytes < LONGEST
    }

    /// Reads what is stored under a name.
    pub(crate) fn read_command(&self, name: Bytes) -> Command {
        if self.is_limited() {
            let last = number(self.settings.max_value_bytes);
            Command::new("GETRANGE", [name, fixed("0"), last])
        } else {
            Command::new("GET", [name])
        }
    }

    /// What is stored, by the answer to [`Shared::read_command`].
    pub(crate) fn stored(&self, reply: Reply) -> std::result::Result<Option<Bytes>, Fault> {
        // The answer to a range of nothing: nothing is stored, or no bytes are.
        let nothing = |bytes: &Bytes| bytes.is_empty() && self.is_limited();
        Ok(reply.into_bytes()?.filter(|bytes| !nothing(bytes)))
    }

    /// What is stored under names, in one round trip. What is no string counts as nothing.
    pub(crate) async fn read_all(
        &self,
        deadline: Option<Timestamp>,
        names: Vec<Bytes>,
    ) -> Result<Vec<Result<Option<Bytes>>>> {
        let count = names.len();
        let replies = if self.is_limited() {
            let reads = names.into_iter().map(|name| self.read_command(name));
            self.ask_all(deadline, reads.collect()).await?
        } else {
            let answer = self.ask(deadline, Command::new("MGET", names)).await?;
            answer.into_list()?
        };
        if replies.len() != count {
            return Err(Fault::Lost("an incomplete answer".into()).into());
        }
        let stored = |reply| match reply {
            Err(fault) if Fault::is_wrong_type(&fault) => Ok(None),
            reply => reply
                .and_then(|reply| self.stored(reply))
                .map_err(Error::from),
        };
        Ok(replies.into_iter().map(stored).collect())
    }

    /// Stores each of these under its name where nothing is, or learns what is there, in one round trip. What is no
    /// string is a fault.
    pub(crate) async fn claim_all(
        &self,
        primary: &Primary,
        claims: impl Iterator<Item = (Bytes, Bytes, Keep)>,
    ) -> std::result::Result<Vec<std::result::Result<Claimed, Fault>>, Fault> {
        let limited = self.is_limited();
        let mut commands = Vec::new();
        for (name, bytes, keep) in claims {
            let mut set = vec![name.clone(), bytes, fixed("NX")];
            match keep {
                Keep::Millis(millis) => set.extend([fixed("PX"), number(millis)]),
                Keep::Forever => {}
                Keep::Gone => set.extend([fixed("PX"), number(1)]),
            }
            if limited {
                commands.extend([Command::new("SET", set), self.read_command(name)]);
            } else {
                set.push(fixed("GET"));
                commands.push(Command::new("SET", set));
            }
        }
        let mut replies = self.write_all(primary, commands).await?.into_iter();
        let mut outcomes = Vec::new();
        while let Some(set) = replies.next() {
            let range = if limited { replies.next() } else { None };
            outcomes.push(match (set, range) {
                // With GET, the former value: none.
                (Ok(Reply::Nil), None) => Ok(Claimed::Stored),
                (Ok(there), None) => there.into_bytes().map(Claimed::Met),
                (Ok(Reply::Nil), Some(range)) => {
                    range.and_then(|there| self.stored(there)).map(Claimed::Met)
                }
                (Ok(_), Some(_)) => Ok(Claimed::Stored),
                (Err(fault), _) => Err(fault),
            });
        }
        Ok(outcomes)
    }
}
