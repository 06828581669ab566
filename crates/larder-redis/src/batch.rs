//! Mixed operations in one round trip.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::{
    BatchOperation, BatchReply, EntryId, Error, Expiry, KeyBuf, Operation, Result, Timestamp,
    Update, View, WriteOptions,
};

use crate::driver::{Command, Fault, Reply};
use crate::finish::{Forget, finish};
use crate::keep::{Keep, set_command};
use crate::read::head_command;
use crate::script::Script;
use crate::shared::{Primary, Shared};
use crate::write::{HEAD, delete_commands};

/// An operation on its way.
enum Step {
    Get,
    Head,
    /// The entry that is there afterwards, if its time isn't over.
    Set(Option<EntryId>),
    Delete,
    Expire,
    Update(Update),
    /// Never sent.
    Wrong(Error),
}

impl Step {
    /// How many commands it takes.
    fn commands(&self) -> usize {
        match self {
            Self::Delete => 2,
            Self::Wrong(_) => 0,
            _ => 1,
        }
    }

    fn writes(&self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::Wrong(_))
    }
}

impl Shared {
    pub(crate) async fn batch(
        self: &Arc<Self>,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let all_gets = operations
            .iter()
            .all(|operation| matches!(operation, BatchOperation::Get(_)));
        if all_gets {
            return self.get_all(&operations, options.deadline).await;
        }
        let count = operations.len();
        let steps = operations
            .into_iter()
            .map(|operation| (operation.key().to_buf(), Intent::from(operation)))
            .collect();
        let within = self.within(options.deadline);
        let (shared, view) = (Arc::clone(self), options.view);
        let performing = async move { Ok(shared.perform(steps, view).await) };
        match finish(performing, within, Forget).await {
            Ok(replies) => replies,
            Err(error) => vec![Err(error); count],
        }
    }

    /// One command for all of them.
    async fn get_all(
        &self,
        operations: &[BatchOperation<'_>],
        deadline: Option<Timestamp>,
    ) -> Vec<Result<BatchReply>> {
        if operations.is_empty() {
            return Vec::new();
        }
        let names = operations
            .iter()
            .map(|operation| operation.key().stored_name().into())
            .collect();
        match self.read_all(deadline, names).await {
            Ok(found) => operations
                .iter()
                .zip(found)
                .map(|(operation, stored)| {
                    let entry = self.decode(operation.key(), stored?.as_ref());
                    Ok(BatchReply::Entry(entry))
                })
                .collect(),
            Err(error) => vec![Err(error); operations.len()],
        }
    }

    async fn perform(&self, steps: Vec<(KeyBuf, Intent)>, view: View) -> Vec<Result<BatchReply>> {
        let begun = async {
            let permit = self.permit(self.settings.write_timeout).await?;
            Ok::<_, Error>((permit, self.primary()?))
        };
        let (_permit, primary) = match begun.await {
            Ok(begun) => begun,
            Err(error) => return steps.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut by_text = Vec::new();
        let mut commands = Vec::new();
        let mut sent = Vec::with_capacity(steps.len());
        for (key, intent) in steps {
            let step = self.prepare(&primary, &key, intent, view, &mut commands, &mut by_text);
            sent.push((key, step));
        }
        let replies = match self.write_all(&primary, commands).await {
            Ok(replies) => replies,
            Err(fault) => {
                for (key, step) in &sent {
                    if step.writes() {
                        self.tell(key, None);
                    }
                }
                let failed = |step| match step {
                    Step::Wrong(error) => Err(error),
                    _ => Err(Error::from(fault.clone())),
                };
                return sent.into_iter().map(|(_, step)| failed(step)).collect();
            }
        };
        let mut replies = replies.into_iter();
        let mut answers = Vec::with_capacity(sent.len());
        for (key, step) in sent {
            let mine: Vec<_> = replies.by_ref().take(step.commands()).collect();
            answers.push(self.answer(&key, step, mine).await);
        }
        answers
    }

    /// Adds the commands of one operation.
    fn prepare(
        &self,
        primary: &Primary,
        key: &KeyBuf,
        intent: Intent,
        view: View,
        commands: &mut Vec<Command>,
        by_text: &mut Vec<Script>,
    ) -> Step {
        // The first call of each script carries its text: a server that had forgotten it would refuse that one
        // call, and what comes after it in the batch would see another order.
        let mut call = |call: crate::script::Call| {
            let first = !by_text.contains(&call.script);
            if first {
                by_text.push(call.script);
            }
            commands.push(primary.scripts.call(&call, first));
        };
        let stored = || Bytes::from(key.as_key().stored_name());
        match intent {
            Intent::Get => {
                commands.push(self.read_command(stored()));
                Step::Get
            }
            Intent::Head => {
                commands.push(head_command(&key.as_key(), HEAD));
                Step::Head
            }
            Intent::Set(entry) => match self.encode(&key.as_key(), &entry) {
                Ok(bytes) => {
                    let keep = self.keep(entry.head().lifetime());
                    commands.push(set_command(stored(), bytes, keep));
                    Step::Set(Some(entry.id()).filter(|_| keep != Keep::Gone))
                }
                Err(error) => Step::Wrong(error),
            },
            Intent::Delete => {
                commands.extend(delete_commands(key));
                Step::Delete
            }
            Intent::Expire(expiry) => {
                call(self.expire_call(key, expiry, view));
                Step::Expire
            }
            Intent::Update(update) => match self.update_call(key, &update, view) {
                Ok(ready) => {
                    call(ready);
                    Step::Update(update)
                }
                Err(error) => Step::Wrong(error),
            },
            Intent::Unknown => Step::Wrong(Error::unsupported(Operation::Batch)),
        }
    }

    /// What one operation came to, by the replies to its commands.
    async fn answer(
        &self,
        key: &KeyBuf,
        step: Step,
        mut replies: Vec<std::result::Result<Reply, Fault>>,
    ) -> Result<BatchReply> {
        let mut reply = || {
            let reply = replies.pop();
            reply.unwrap_or_else(|| Err(Fault::Lost("an incomplete answer".into())))
        };
        match step {
            Step::Wrong(error) => Err(error),
            Step::Get => match reply() {
                Err(fault) if fault.is_wrong_type() => Ok(BatchReply::Entry(self.foreign())),
                reply => {
                    let stored = self.stored(reply?)?;
                    Ok(BatchReply::Entry(
                        self.decode(&key.as_key(), stored.as_ref()),
                    ))
                }
            },
            Step::Head => match reply() {
                Err(fault) if fault.is_wrong_type() => Ok(BatchReply::Head(self.foreign())),
                reply => {
                    let first = reply?.into_bytes()?.unwrap_or_default();
                    let head = self.head_of(&key.as_key(), first, None).await?;
                    Ok(BatchReply::Head(head.filter(|head| self.counts(head))))
                }
            },
            Step::Set(id) => {
                let stored = reply();
                self.tell(key, id.filter(|_| stored.is_ok()));
                stored?;
                Ok(BatchReply::Stored)
            }
            Step::Delete => {
                self.tell(key, None);
                Ok(BatchReply::Deleted(self.deleted(key, replies)?))
            }
            Step::Expire => {
                let done = reply()?.into_integer()? == 1;
                if done {
                    self.tell(key, None);
                }
                Ok(BatchReply::Expired(done))
            }
            Step::Update(update) => {
                let updated = self.updated(key, &update, reply()?)?;
                self.tell_update(key, &update, &updated);
                Ok(BatchReply::Updated(updated))
            }
        }
    }
}

/// An operation without its key.
enum Intent {
    Get,
    Head,
    Set(larder_core::Entry),
    Delete,
    Expire(Expiry),
    Update(Update),
    Unknown,
}

impl From<BatchOperation<'_>> for Intent {
    fn from(operation: BatchOperation<'_>) -> Self {
        match operation {
            BatchOperation::Get(_) => Self::Get,
            BatchOperation::Head(_) => Self::Head,
            BatchOperation::Set(_, entry) => Self::Set(entry),
            BatchOperation::Delete(_) | BatchOperation::Invalidate(_) => Self::Delete,
            BatchOperation::Expire(_, expiry) => Self::Expire(expiry),
            BatchOperation::Update(_, update) => Self::Update(update),
            _ => Self::Unknown,
        }
    }
}
