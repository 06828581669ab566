//! The life of the connections: made, kept an eye on, and made anew.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_core::{Change, Error, ErrorKind, KeyBuf, Marker, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::credentials::Credentials;
use crate::driver::{self, Command, Connection, Fault, Push, Pushes, fixed};
use crate::echoes::{IDENTITY, MOST};
use crate::facts::Facts;
use crate::names::{self, Named};
use crate::offset::server_time;
use crate::script::Scripts;
use crate::self_test;
use crate::shared::{Primary, Shared};

/// How long to wait before the next try to connect: first, and at most. A connection that stood for less than the latter
/// counts as one that failed.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How many checks of echoes run at once; what comes meanwhile is checked together.
const CHECKS: usize = 8;

/// A key that a push named, its name in the server, and what a script of ours stored there.
type Echo = (KeyBuf, String, Bytes);

/// The connection that carried the writes last: what is left of it must be ended before the next is trusted,
/// or what it still holds would land later.
#[derive(Debug)]
struct Former {
    run: String,
    id: i64,
}

/// The connection of the writes as it comes up.
pub(crate) struct Link {
    primary: Arc<Primary>,
    pushes: Pushes,
}

/// Makes the connection that carries the writes and tells of changes. With it comes another that was needed to test it,
/// unless that very run of the server has passed before.
async fn connect(
    shared: &Shared,
    former: Option<&Former>,
) -> Result<(Link, Option<Arc<Connection>>)> {
    let settings = &shared.settings;
    let credentials = settings.fetch_credentials().await?;
    let connecting = async {
        let connection = driver::open(settings, &credentials).await?;
        let facts = Facts::ask(&connection, settings.dial_timeout).await?;
        facts.check()?;
        let is_tested = shared.passed.is(facts.run());
        if !is_tested {
            self_test::judge_policy(shared, &facts)?;
        }
        // U52: the server may still hold a write of the former connection that nobody waits for any more. Its
        // number means something only to the server that gave it.
        if let Some(former) = former.filter(|former| former.run == facts.run()) {
            let id = driver::number(former.id);
            let kill = Command::new("CLIENT", [fixed("KILL"), fixed("ID"), id]);
            connection.call(kill, settings.dial_timeout).await?;
        }
        // Subscribed to before it begins, so that none is missed (F9: anew with each connection).
        let pushes = connection.pushes();
        let tracking = [
            fixed("TRACKING"),
            fixed("ON"),
            fixed("BCAST"),
            fixed("NOLOOP"),
            fixed("PREFIX"),
            names::prefix(&shared.namespace),
        ];
        connection
            .call(Command::new("CLIENT", tracking), settings.dial_timeout)
            .await?;
        let scripts = Scripts::load(&connection, settings.dial_timeout).await?;
        let generation = beat(shared, &connection, settings.dial_timeout).await?;
        shared.canary.expect(generation);
        let primary = Arc::new(Primary {
            connection,
            scripts,
            run: facts.run().to_owned(),
        });
        let mut other = None;
        if !is_tested {
            let reader = open_reader_at(shared, &primary.run).await?;
            self_test::pass(shared, &primary, &reader).await?;
            other = Some(reader);
        }
        Ok::<_, Error>((Link { primary, pushes }, other))
    };
    connecting.await.map_err(|error| explained(shared, &error))
}

/// The error with the server's name.
fn explained(shared: &Shared, error: &Error) -> Error {
    let message = format!("{} (redis at {})", error.message(), shared.settings.address);
    Error::new(error.kind(), message).with_status(error.status())
}

/// One beat of the heart: reads the server's clock, the namespace's generation, and whether the server is a primary
/// still, over the connection that tells of changes. Answers the generation as it is stored.
async fn beat(
    shared: &Shared,
    connection: &Connection,
    timeout: Duration,
) -> std::result::Result<Option<Bytes>, Fault> {
    let marker = Marker::generation(&shared.namespace).stored_name();
    let commands = vec![
        Command::fixed("TIME", &[]),
        shared.read_command(marker.into()),
        Command::fixed("INFO", &["replication"]),
    ];
    let asked = shared.clock.now();
    let replies = connection.pipeline(commands, timeout).await?;
    let answered = shared.clock.now();
    let [time, generation, facts] = <[_; 3]>::try_from(replies)
        .map_err(|_other_length| Fault::Lost("an incomplete answer".into()))?;
    if let [Ok(seconds), Ok(micros)] = &time?.into_list()?[..]
        && let (Some(seconds), Some(micros)) =
            (seconds.clone().into_bytes()?, micros.clone().into_bytes()?)
        && let Some(server) = server_time(&seconds, &micros)
    {
        shared.offset.look(asked, server, answered);
    }
    // A replica follows another, which doesn't tell us of its changes.
    if Facts::read(facts?)?.is_replica() {
        return Err(Fault::Lost("the server has become a replica".into()));
    }
    match generation {
        // No marker of ours, whatever it is.
        Err(fault) if fault.is_wrong_type() => Ok(None),
        generation => shared.stored(generation?),
    }
}

impl Link {
    /// Opens the first connection, and the other that it was tested with, for reads.
    pub(crate) async fn first(shared: &Shared) -> Result<(Self, Option<Arc<Connection>>)> {
        connect(shared, None).await
    }

    /// From now on operations use it, and what it tells is believed.
    pub(crate) fn up(&self, shared: &Shared) {
        shared.echoes.clear();
        shared.troubled(None);
        shared.set_primary(Some(Arc::clone(&self.primary)));
        shared.held.linked();
        shared.changes.publish(&Change::LinkUp);
        tracing::info!(
            cache = shared.namespace.as_str(),
            address = %shared.settings.address,
            "redis: connected"
        );
    }

    /// Serves it until it ends; answers why.
    async fn serve(&mut self, shared: &Arc<Shared>) -> Fault {
        let settings = &shared.settings;
        let connection = Arc::clone(&self.primary.connection);
        let mut ticks =
            tokio::time::interval_at(Instant::now() + settings.heartbeat, settings.heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beating = JoinSet::new();
        let (mut echoes, mut checks) = (Vec::new(), JoinSet::new());
        give_back(shared);
        loop {
            while checks.len() < CHECKS && !echoes.is_empty() {
                checks.spawn(check(Arc::clone(shared), std::mem::take(&mut echoes)));
            }
            tokio::select! {
                push = self.pushes.next() => match push {
                    Push::Names(names) => Self::heard(shared, names, &mut echoes),
                    Push::Missed => {
                        tracing::warn!(cache = shared.namespace.as_str(), "redis: changes were missed");
                        shared.changes.publish(&Change::Everything);
                    }
                    Push::Ended => return Fault::Lost("the connection ended".into()),
                },
                () = connection.ended() => return Fault::Lost("the connection ended".into()),
                // In a task of its own, so that pushes are handled while it waits for its answer.
                _ = ticks.tick(), if beating.is_empty() => {
                    let (shared, connection) = (Arc::clone(shared), Arc::clone(&connection));
                    beating.spawn(async move {
                        beat(&shared, &connection, shared.settings.heartbeat).await
                    });
                }
                Some(beaten) = beating.join_next() => match beaten {
                    Ok(Ok(generation)) => if shared.canary.is_lost(generation) {
                        tracing::warn!(
                            cache = shared.namespace.as_str(),
                            "redis: another generation than before, and nobody told of it: a FLUSHALL?"
                        );
                        shared.changes.publish(&Change::Everything);
                    },
                    Ok(Err(Fault::Timeout)) => return Fault::Lost("no answer to a heartbeat".into()),
                    Ok(Err(fault)) if fault.is_uncertain() => return fault,
                    // Who may not ask any more can't know whether it is told.
                    Ok(Err(fault)) if fault.is("NOPERM") || fault.is("NOAUTH") => return fault,
                    // Loading, busy: the connection stands.
                    Ok(Err(_)) => {}
                    Err(_) => return Fault::Lost("the heartbeat stopped".into()),
                },
                Some(_) = checks.join_next() => {}
            }
        }
    }

    /// Names that the server says have changed.
    fn heard(shared: &Shared, names: Vec<String>, echoes: &mut Vec<Echo>) {
        for name in names {
            match names::named(&shared.namespace, &name) {
                Named::Entry(key) => match shared.echoes.heard(&name) {
                    Some(identity) if echoes.len() < MOST => echoes.push((key, name, identity)),
                    _ => shared.tell(&key, None),
                },
                Named::Marker(marker) => {
                    if marker.tag_name().is_none() {
                        shared.canary.told();
                    }
                    shared.changes.publish(&Change::Marker(&marker));
                }
                Named::Other => {}
            }
        }
    }
}

/// Gives back the leases that nobody holds. The task outlives the connection by no more than the answers that it
/// waits for: what fails is tried again with the next connection.
fn give_back(shared: &Arc<Shared>) {
    let orphans = shared.orphans.take();
    if !orphans.is_empty() {
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let _ = shared.release_all(orphans).await;
        });
    }
}

/// Reads what stands under keys whose pushes may be echoes of our own scripts. What isn't byte for byte what the
/// script wrote is news (U11, U12), and so is what can't be read.
async fn check(shared: Arc<Shared>, echoes: Vec<Echo>) {
    let last = driver::number(IDENTITY - 1);
    let heads = echoes
        .iter()
        .map(|(_, name, _)| {
            let name = Bytes::from(name.clone());
            Command::new("GETRANGE", [name, fixed("0"), last.clone()])
        })
        .collect();
    let replies = shared.ask_all(None, heads).await.unwrap_or_default();
    let mut replies = replies.into_iter();
    for (key, _, identity) in echoes {
        let stands = match replies.next() {
            Some(Ok(reply)) => reply.into_bytes() == Ok(Some(identity)),
            _ => false,
        };
        if !stands {
            shared.tell(&key, None);
        }
    }
}

/// Keeps the connection of the writes: serves it, and makes another when it ends. The first, if there is one,
/// is up already.
pub(crate) async fn keep_primary(shared: Arc<Shared>, first: Option<Link>) {
    let mut link = first;
    let mut former: Option<Former> = None;
    let mut pause = BACKOFF.0;
    loop {
        if let Some(mut link) = link.take() {
            let since = Instant::now();
            let connection = Arc::clone(&link.primary.connection);
            let fault = Serving {
                shared: &shared,
                connection: &connection,
            };
            let why = link.serve(&shared).await;
            drop(fault);
            tracing::warn!(
                cache = shared.namespace.as_str(),
                address = %shared.settings.address,
                why = %Error::from(why).message(),
                "redis: the connection is lost"
            );
            former = Some(Former {
                run: link.primary.run.clone(),
                id: connection.id(),
            });
            pause = after(since, pause).await;
        }
        match connect(&shared, former.as_ref()).await {
            Ok((next, _)) => {
                next.up(&shared);
                link = Some(next);
            }
            Err(error) => {
                refused(&shared, &error);
                shared.troubled(Some(error));
                pause = backoff(pause).await;
            }
        }
    }
}

/// Says that there is no connection: loudly, and once, where trying again won't help.
fn refused(shared: &Shared, error: &Error) {
    let cache = shared.namespace.as_str();
    let is_known = shared
        .trouble()
        .is_some_and(|known| known.message() == error.message());
    if error.is_temporary() || is_known {
        tracing::debug!(cache, %error, "redis: no connection");
    } else {
        tracing::warn!(cache, %error, "redis: no connection until that is put right");
    }
}

/// A connection being served. However that ends, it is over then and said to be.
struct Serving<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.connection.close();
        self.shared.set_primary(None);
        self.shared.changes.publish(&Change::LinkDown);
    }
}

/// Makes the connections for reads, as far as they can be had at the first try; one may be there already.
pub(crate) async fn open_readers(shared: &Arc<Shared>, reader: Option<Arc<Connection>>) {
    let mut opening = JoinSet::new();
    let mut lanes = 0..shared.lanes();
    if let (Some(reader), Ok(primary)) = (reader, shared.primary())
        && let Some(lane) = lanes.next()
    {
        shared.add_reader(lane, reader, &primary.run);
    }
    for lane in lanes {
        let shared = Arc::clone(shared);
        opening.spawn(async move {
            if let Ok((reader, run)) = open_reader(&shared).await {
                shared.add_reader(lane, reader, &run);
            }
        });
    }
    while opening.join_next().await.is_some() {}
}

/// A connection for reads, and the run of the server that it leads to.
async fn open_reader(shared: &Shared) -> Result<(Arc<Connection>, String)> {
    let settings = &shared.settings;
    let credentials = settings.fetch_credentials().await?;
    let reader = driver::open(settings, &credentials).await?;
    let facts = Facts::ask(&reader, settings.dial_timeout).await?;
    Ok((reader, facts.run().to_owned()))
}

/// A connection for reads that leads to this run of the server.
pub(crate) async fn open_reader_at(shared: &Shared, run: &str) -> Result<Arc<Connection>> {
    match open_reader(shared).await? {
        (reader, its) if its == run => Ok(reader),
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            "two connections lead to different servers, so one can't tell of the other's changes: a failover, or \
             an address that several servers share",
        )),
    }
}

/// Keeps one of the connections for reads.
pub(crate) async fn keep_reader(shared: Arc<Shared>, lane: usize) {
    let mut pause = BACKOFF.0;
    loop {
        if let Some(reader) = shared.lane(lane) {
            let since = Instant::now();
            watch_over(&shared, &reader).await;
            shared.set_reader(lane, None);
            pause = after(since, pause).await;
        }
        let added = match open_reader(&shared).await {
            Ok((reader, run)) => shared.add_reader(lane, reader, &run),
            Err(_) => false,
        };
        if !added {
            pause = backoff(pause).await;
        }
    }
}

/// Returns when a connection for reads has ended. Where reads are left without an answer it is asked for a sign
/// of life: all of them may be in more of a hurry than a dead connection can be told from a slow one by.
async fn watch_over(shared: &Shared, reader: &Connection) {
    let heartbeat = shared.settings.heartbeat;
    loop {
        tokio::select! {
            () = reader.ended() => return,
            () = tokio::time::sleep(heartbeat) => {}
        }
        if reader.is_doubtful() {
            let ping = Command::fixed("PING", &[]);
            if reader.call(ping, heartbeat).await == Err(Fault::Timeout) {
                reader.close();
            }
        }
    }
}

/// Waits if a connection that was made at `since` has ended too soon, and answers the next pause.
async fn after(since: Instant, pause: Duration) -> Duration {
    if since.elapsed() < BACKOFF.1 {
        backoff(pause).await
    } else {
        BACKOFF.0
    }
}

/// Waits, between half of the pause and all of it, and answers the next.
async fn backoff(pause: Duration) -> Duration {
    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    (pause * 2).min(BACKOFF.1)
}

/// Authenticates every standing connection again, as often as the provider of the credentials asks for.
pub(crate) async fn refresh_credentials(shared: Arc<Shared>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        match shared.settings.fetch_credentials().await {
            Ok(credentials) => authenticate(&shared, &credentials).await,
            Err(error) => {
                tracing::warn!(cache = shared.namespace.as_str(), %error, "redis: no new credentials");
            }
        }
    }
}

async fn authenticate(shared: &Shared, credentials: &Credentials) {
    let (username, password) = credentials.exposed();
    let Some(password) = password else { return };
    let arguments: Vec<Bytes> = username
        .into_iter()
        .chain([password])
        .map(Bytes::from)
        .collect();
    for connection in shared.standing() {
        let auth = Command::new("AUTH", arguments.clone());
        let answer = connection.call(auth, shared.settings.dial_timeout).await;
        if let Err(fault) = answer {
            let error = Error::from(fault);
            tracing::warn!(cache = shared.namespace.as_str(), %error, "redis: new credentials are refused");
        }
    }
}
