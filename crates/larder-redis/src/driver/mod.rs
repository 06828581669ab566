//! The driver's seam: one connection, its commands, its pushes and its end. Nothing outside this folder
//! names fred, so that another client can take its place.
//!
//! A [`Connection`] is used for as long as it stands and never comes back: whoever wants another opens
//! one. fred's own reconnection, replays and queues are switched off with that, and with them most of its
//! traps; `docs/decisions/0011-fred.md` has the rules that remain, each with the test that holds it.

mod command;
mod connect;
mod fault;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface, TrackingInterface};
use fred::types::client::Invalidation;
use fred::types::config::Options;
use fred::types::{ClusterHash, CustomCommand, Expiration, Resp3Frame, Value};
use tokio::sync::{Semaphore, broadcast};
use tokio::task::AbortHandle;
use tracing::Instrument as _;

pub(crate) use self::command::{Command, Reply, fixed, number};
pub(crate) use self::connect::open;
pub(crate) use self::fault::Fault;

/// So many reads in a row without an answer, and a connection counts as dead.
const SILENT_READS: u32 = 3;

/// A connection to the server. Closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    task: AbortHandle,
    alive: AtomicBool,
    /// Closed when the connection ends.
    ended: Arc<Semaphore>,
    /// What was given its full time in a row and had no answer.
    silent: AtomicU32,
    /// Whether something had no answer since the last that had one, be it for its caller's haste.
    doubtful: AtomicBool,
    /// The full time: a caller who gives less says nothing about the connection.
    patience: Duration,
    /// The server's number for it.
    id: AtomicI64,
}

/// Names that changed, as the server tells of them.
#[derive(Debug)]
pub(crate) struct Pushes(broadcast::Receiver<Invalidation>);

/// What [`Pushes::next`] answers.
#[derive(Debug)]
pub(crate) enum Push {
    /// These names have changed.
    Names(Vec<String>),
    /// Some were missed.
    Missed,
    /// There will be no more.
    Ended,
}

impl Pushes {
    /// The next push.
    ///
    /// Cancel safe: nothing is lost.
    pub(crate) async fn next(&mut self) -> Push {
        match self.0.recv().await {
            // A name that is no text is no name of ours.
            Ok(invalidation) => Push::Names(
                invalidation
                    .keys
                    .iter()
                    .filter_map(|key| key.as_str().map(str::to_owned))
                    .collect(),
            ),
            // F8: what was shed is not to be had any more.
            Err(broadcast::error::RecvError::Lagged(_)) => Push::Missed,
            Err(broadcast::error::RecvError::Closed) => Push::Ended,
        }
    }
}

impl Connection {
    /// Whether it is worth sending something.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// The server's number for this connection.
    pub(crate) fn id(&self) -> i64 {
        self.id.load(Ordering::Relaxed)
    }

    /// Ends when the connection does.
    ///
    /// Cancel safe.
    pub(crate) async fn ended(&self) {
        // There is never a permit, so this returns when there can't be one any more.
        let _ = self.ended.acquire().await;
    }

    /// The names that change from now on, if tracking is on.
    pub(crate) fn pushes(&self) -> Pushes {
        Pushes(self.client.invalidation_rx())
    }

    /// Ends the connection: what is on its way is answered by [`Fault::Lost`].
    pub(crate) fn close(&self) {
        self.alive.store(false, Ordering::Release);
        self.ended.close();
        // Stops the driver's task whatever it waits for, a full socket too (F3).
        self.task.abort();
    }

    /// Sends one command.
    pub(crate) async fn call(&self, command: Command, timeout: Duration) -> Result<Reply, Fault> {
        self.check()?;
        let span = tracing::debug_span!("larder.redis", command = command.name);
        let client = self.client.with_options(&options(timeout));
        let sent = send(&client, command).instrument(span).await;
        let reply = sent.unwrap_or_else(|error| Err(self.fault(&error)));
        self.heard(&reply, timeout);
        reply
    }

    /// Sends several commands at once; the outer error is for all of them.
    pub(crate) async fn pipeline(
        &self,
        commands: Vec<Command>,
        timeout: Duration,
    ) -> Result<Vec<Result<Reply, Fault>>, Fault> {
        self.check()?;
        let count = commands.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let pipeline = self.client.pipeline().with_options(&options(timeout));
        for command in commands {
            let queued = send(&pipeline, command).await;
            queued.map_err(|error| self.fault(&error))??;
        }
        let span = tracing::debug_span!("larder.redis", commands = count);
        let results = pipeline.try_all::<Value>().instrument(span).await;
        let mut replies: Vec<_> = results
            .into_iter()
            .map(|result| result.map_err(|error| self.fault(&error)).map(reply_of))
            .collect();
        // Trouble with the connection is told once for all of them, also where all of them is one.
        let trouble = replies.iter().find_map(|reply| match reply {
            Err(fault) if fault.is_uncertain() => Some(fault.clone()),
            _ => None,
        });
        let outcome = match trouble {
            Some(fault) => Err(fault),
            None if replies.len() == count => Ok(replies),
            None => Err(match replies.pop() {
                Some(Err(fault)) => fault,
                _ => Fault::Lost("an incomplete answer".into()),
            }),
        };
        self.heard(&outcome, timeout);
        outcome
    }

    fn check(&self) -> Result<(), Fault> {
        if self.is_alive() {
            Ok(())
        } else {
            Err(Fault::Lost("the connection is closed".into()))
        }
    }

    /// F2: a connection that takes commands and answers none is dead, whatever its socket says.
    fn heard<T>(&self, outcome: &Result<T, Fault>, timeout: Duration) {
        match outcome {
            Err(Fault::Timeout) => {
                self.doubtful.store(true, Ordering::Relaxed);
                if timeout >= self.patience
                    && self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_READS
                {
                    self.close();
                }
            }
            Err(Fault::Lost(_)) => {}
            _ if self.doubtful.load(Ordering::Relaxed) => {
                self.silent.store(0, Ordering::Relaxed);
                self.doubtful.store(false, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Whether something had no answer since the last that had one.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Relaxed)
    }

    fn fault(&self, error: &fred::error::Error) -> Fault {
        let fault = fault(error);
        if matches!(fault, Fault::Lost(_)) && !self.client.is_connected() {
            self.close();
        }
        fault
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends a command, or puts it into a pipeline. fred flushes the socket after each command that it knows as a custom
/// one, so that callers beside one another never share a packet: what is sent often goes by its own name.
async fn send<C: ClientLike + KeysInterface>(
    client: &C,
    command: Command,
) -> Result<Result<Reply, Fault>, fred::error::Error> {
    let Command { name, arguments } = command;
    let value: Value = match (name, &arguments[..]) {
        ("GET", [key]) => client.get(key.clone()).await?,
        ("MGET", _) => client.mget(arguments).await?,
        ("UNLINK", [key]) => client.unlink(key.clone()).await?,
        ("SET", [key, entry]) => {
            let (key, entry) = (key.clone(), entry.clone());
            client.set(key, entry, None, None, false).await?
        }
        ("SET", [key, entry, word, millis]) if word == "PX" => {
            let Some(millis) = parsed(millis) else {
                return Ok(Err(no_number()));
            };
            let (key, entry, expiry) = (key.clone(), entry.clone(), Expiration::PX(millis));
            client.set(key, entry, Some(expiry), None, false).await?
        }
        ("GETRANGE", [key, first, last]) => {
            let (Some(first), Some(last)) = (parsed(first), parsed(last)) else {
                return Ok(Err(no_number()));
            };
            client.getrange(key.clone(), first, last).await?
        }
        _ => {
            let arguments: Vec<Value> = arguments.into_iter().map(Value::Bytes).collect();
            let frame = client.custom_raw(custom(name), arguments).await?;
            return Ok(reply(frame));
        }
    };
    Ok(Ok(reply_of(value)))
}

fn parsed<N: std::str::FromStr>(number: &[u8]) -> Option<N> {
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn no_number() -> Fault {
    Fault::Refused("ERR a number that is none".to_owned())
}

/// F1, F5: every command has a deadline, and none waits for a connection to come.
fn options(timeout: Duration) -> Options {
    Options {
        // Zero would mean none.
        timeout: Some(timeout.max(Duration::from_millis(1))),
        max_attempts: Some(1),
        max_redirections: Some(0),
        fail_fast: true,
        ..Options::default()
    }
}

fn custom(name: &'static str) -> CustomCommand {
    CustomCommand::new_static(name, ClusterHash::Custom(0), false)
}

fn fault(error: &fred::error::Error) -> Fault {
    use fred::error::ErrorKind;
    let details = error.details();
    match error.kind() {
        ErrorKind::Timeout => Fault::Timeout,
        ErrorKind::IO
        | ErrorKind::Canceled
        | ErrorKind::Routing
        | ErrorKind::Protocol
        | ErrorKind::Config
        | ErrorKind::Backpressure
        | ErrorKind::Sentinel => Fault::Lost(details.to_owned().into()),
        _ if begins_with_a_code(details) => Fault::Refused(details.to_owned()),
        _ => Fault::Lost(details.to_owned().into()),
    }
}

/// A server's error begins with a word in capitals.
fn begins_with_a_code(details: &str) -> bool {
    let word = details.split(' ').next().unwrap_or_default();
    word.len() > 1
        && word
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

fn reply(frame: Resp3Frame) -> Result<Reply, Fault> {
    Ok(match frame {
        Resp3Frame::BlobString { data, .. }
        | Resp3Frame::SimpleString { data, .. }
        | Resp3Frame::VerbatimString { data, .. }
        | Resp3Frame::BigNumber { data, .. } => Reply::Bytes(data),
        Resp3Frame::Number { data, .. } => Reply::Integer(data),
        Resp3Frame::Boolean { data, .. } => Reply::Integer(data.into()),
        Resp3Frame::Null => Reply::Nil,
        Resp3Frame::Array { data, .. } | Resp3Frame::Push { data, .. } => {
            Reply::List(data.into_iter().map(reply).collect())
        }
        Resp3Frame::SimpleError { data, .. } => return Err(Fault::Refused(data.to_string())),
        Resp3Frame::BlobError { data, .. } => {
            let message = String::from_utf8_lossy(&data).into_owned();
            return Err(Fault::Refused(message));
        }
        _ => {
            let message = "ERR the server answered something that no command of ours asks for";
            return Err(Fault::Refused(message.to_owned()));
        }
    })
}

fn reply_of(value: Value) -> Reply {
    match value {
        Value::Integer(number) => Reply::Integer(number),
        Value::Boolean(yes) => Reply::Integer(yes.into()),
        Value::Bytes(bytes) => Reply::Bytes(bytes),
        Value::String(text) => Reply::Bytes(text.into_inner()),
        Value::Double(number) => Reply::Bytes(number.to_string().into()),
        Value::Queued => Reply::Bytes(fixed("QUEUED")),
        Value::Array(parts) => {
            Reply::List(parts.into_iter().map(|part| Ok(reply_of(part))).collect())
        }
        Value::Null | Value::Map(_) => Reply::Nil,
    }
}
