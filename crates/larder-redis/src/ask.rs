//! Reads: asked, and asked again where that may help.

use std::time::{Duration, Instant};

use larder_core::{Clock, Error, Result, Timestamp};

use crate::config::Settings;
use crate::driver::{Command, Fault, Reply};
use crate::shared::Shared;

impl Shared {
    /// One read that is one command.
    pub(crate) async fn ask(
        &self,
        deadline: Option<Timestamp>,
        mut command: Command,
    ) -> Result<Reply> {
        let mut retries = Retries::new(self, deadline);
        loop {
            let within = self.budget(deadline, self.settings.read_timeout);
            let answer = async {
                let started = Instant::now();
                let _permit = self.permit(within).await?;
                let connection = self.reader()?;
                let left = after(within, started);
                match connection.call(retries.copy(&mut command), left).await {
                    Err(fault) if fault.is_wrong_type() => Ok(Reply::Foreign),
                    reply => reply.map_err(Error::from),
                }
            };
            match answer.await {
                Err(error) => retries.wait(error).await?,
                answer => return answer,
            }
        }
    }

    /// Several reads in one round trip.
    pub(crate) async fn ask_all(
        &self,
        deadline: Option<Timestamp>,
        commands: Vec<Command>,
    ) -> Result<Vec<std::result::Result<Reply, Fault>>> {
        let mut retries = Retries::new(self, deadline);
        loop {
            let within = self.budget(deadline, self.settings.read_timeout);
            let answer = async {
                let started = Instant::now();
                let _permit = self.permit(within).await?;
                let connection = self.reader()?;
                let left = after(within, started);
                let replies = connection.pipeline(commands.clone(), left).await;
                replies.map_err(Error::from)
            };
            match answer.await {
                Err(error) => retries.wait(error).await?,
                answer => return answer,
            }
        }
    }
}

/// What is left of a time after waiting for one's turn; all of it if that took none to speak of.
fn after(within: Duration, started: Instant) -> Duration {
    let waited = started.elapsed();
    if waited < Duration::from_millis(1) {
        within
    } else {
        within.saturating_sub(waited)
    }
}

/// What failed for a moment is tried again: reads alone, as often as is configured, within the deadline.
struct Retries<'a> {
    settings: &'a Settings,
    clock: &'a dyn Clock,
    ends: Timestamp,
    left: u32,
}

impl<'a> Retries<'a> {
    fn new(shared: &'a Shared, deadline: Option<Timestamp>) -> Self {
        Self {
            settings: &shared.settings,
            clock: &*shared.clock,
            ends: deadline.unwrap_or(Timestamp::FOREVER),
            left: shared.settings.max_retries,
        }
    }

    /// The command to send: itself, where it will never be sent again.
    fn copy(&self, command: &mut Command) -> Command {
        if self.left == 0 {
            std::mem::replace(command, Command::fixed("", &[]))
        } else {
            command.clone()
        }
    }

    /// Waits until the next try is due; answers the error if there is none.
    async fn wait(&mut self, error: Error) -> Result<()> {
        let delay = self.settings.retry_delay;
        let next = self.clock.now().saturating_add(delay);
        if self.left == 0 || !error.is_temporary() || next >= self.ends {
            return Err(error);
        }
        self.left -= 1;
        tokio::time::sleep(delay).await;
        Ok(())
    }
}
