//! Running commands: shown before they run, their output streamed, no standard input.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder in the repository's root")
}

/// The cargo that runs this program.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments);
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = prepare(command);
    let status = command.status();
    let status = status.map_err(|error| format!("`{line}` didn't start: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{line}`: {status}"))
    }
}

/// Runs a command that may hang, such as one that asks the network; ends it when the time is over.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Result<(), String> {
    let line = prepare(command);
    let failed = |error: std::io::Error| format!("`{line}`: {error}");
    let started = Instant::now();
    let mut child = command.spawn().map_err(failed)?;
    loop {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("`{line}`: {status}")),
            None if started.elapsed() > limit => {
                child.kill().map_err(failed)?;
                child.wait().map_err(failed)?;
                return Err(format!("`{line}` took longer than {limit:?}"));
            }
            None => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Runs a command and answers its standard output. Not shown unless it fails.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    command.current_dir(root()).stdin(Stdio::null());
    let line = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{line}` didn't start: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}`: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("`{line}`: {error}"))
}

fn prepare(command: &mut Command) -> String {
    command.current_dir(root()).stdin(Stdio::null());
    let line = shown(command);
    println!("$ {line}");
    line
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy().into_owned();
        Some(format!("{}={}", name.to_string_lossy(), quoted(&value)))
    });
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    let arguments = command
        .get_args()
        .map(|argument| quoted(&argument.to_string_lossy()));
    variables
        .chain([program])
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    if word.contains([' ', '"', '*']) {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_so_that_it_can_be_repeated() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["doc", "--no-deps"]).env("FLAGS", "-D all");
        assert_eq!(shown(&command), "FLAGS='-D all' cargo doc --no-deps");
    }

    #[test]
    fn a_command_that_is_not_there_is_an_error_that_names_it() {
        let error = run(&mut Command::new("no-such-command")).unwrap_err();
        assert!(error.contains("`no-such-command` didn't start"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        let error = run(Command::new("false").arg("again")).unwrap_err();
        assert!(error.contains("`false again`: exit status"), "{error}");
        assert!(capture(&mut Command::new("false")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_hangs_is_ended() {
        let started = Instant::now();
        let error = run_within(
            Duration::from_millis(100),
            Command::new("sleep").arg("3600"),
        )
        .unwrap_err();
        assert!(error.contains("took longer"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
