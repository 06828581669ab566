//! Tables on the terminal, and the same tables in `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// A table with a title.
pub(crate) struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    missed: usize,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(title: &str, header: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            header: header.iter().map(|cell| (*cell).to_owned()).collect(),
            rows: Vec::new(),
            missed: 0,
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a row whose last cell says whether its target was met; `None` where it has no target.
    pub(crate) fn judged_row(
        &mut self,
        cells: impl IntoIterator<Item = String>,
        met: Option<bool>,
    ) {
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "–",
        };
        self.missed += usize::from(met == Some(false));
        self.row(cells.into_iter().chain([verdict.to_owned()]));
    }

    /// How many targets were missed.
    pub(crate) fn missed(&self) -> usize {
        self.missed
    }

    /// The table in Markdown, with columns that line up in a terminal too.
    pub(crate) fn markdown(&self) -> String {
        let lines = || [&self.header].into_iter().chain(&self.rows);
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let widths = lines().map(|line| line[column].chars().count());
                widths.max().unwrap_or_default().max(3)
            })
            .collect();
        let mut text = format!("### {}\n\n", self.title);
        for (index, line) in lines().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if index == 0 {
                for width in &widths {
                    let _ = write!(text, "| {} ", "-".repeat(*width));
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// Three significant digits or so.
pub(crate) fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// What a group measured, and what beside larder took part.
pub(crate) struct Measured {
    pub(crate) tables: Vec<Table>,
    /// Names of crates, whose versions are looked up in the lock file.
    pub(crate) crates: &'static [&'static str],
    /// Anything else, with its version.
    pub(crate) server: Option<String>,
}

impl From<Vec<Table>> for Measured {
    fn from(tables: Vec<Table>) -> Self {
        Self {
            tables,
            crates: &["moka", "tokio"],
            server: None,
        }
    }
}

/// Puts the tables of a group between its marks in `docs/benchmarks.md`, with what they were measured on.
pub(crate) fn publish(group: &str, measured: &Measured) -> Result<(), String> {
    let path = root().join("docs/benchmarks.md");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let page = fs::read_to_string(&path).map_err(failed)?;
    let mut text = format!(
        "`cargo xtask bench {group}`, on {}.\n",
        facts(&root().join("Cargo.lock"), measured)?
    );
    for table in &measured.tables {
        text.push('\n');
        text.push_str(&table.markdown());
    }
    let page = between(&page, group, &text).ok_or_else(|| {
        format!(
            "{}: no {} … {} in it",
            path.display(),
            begin(group),
            end(group)
        )
    })?;
    fs::write(&path, page).map_err(failed)
}

fn begin(group: &str) -> String {
    format!("<!-- {group}: written by cargo xtask bench -->")
}

fn end(group: &str) -> String {
    format!("<!-- {group}: end -->")
}

fn between(page: &str, group: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(&begin(group))?;
    let (_, after) = rest.split_once(&end(group))?;
    Some(format!(
        "{before}{}\n\n{text}\n{}{after}",
        begin(group),
        end(group)
    ))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the workspace")
        .to_owned()
}

/// What a reader needs to know to judge the numbers; no date, so that a page changes only if they do.
fn facts(lock: &Path, measured: &Measured) -> Result<String, String> {
    let lock = fs::read_to_string(lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let versions = measured.crates.iter().map(|name| {
        let version = version(&lock, name).unwrap_or("of unknown version");
        format!("{name} {version}")
    });
    let versions: Vec<String> = versions.chain(measured.server.clone()).collect();
    Ok(format!(
        "{cores} cores of {}, {}, {}",
        model(),
        compiler(),
        versions.join(", ")
    ))
}

fn model() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = cpus.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == "model name").then(|| value.trim().to_owned())
    });
    named.unwrap_or_else(|| format!("an unnamed {} processor", std::env::consts::ARCH))
}

fn compiler() -> String {
    let asked = Command::new("rustc").arg("--version").output();
    let version = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    version.unwrap_or_else(|_| "an unknown rustc".to_owned())
}

fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, package) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    package.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_replaces_its_own_part_of_the_page() {
        let page = format!("# A\n\n{}\nold\n{}\n\nkept\n", begin("load"), end("load"));
        let page = between(&page, "load", "new\n").expect("the marks are there");
        assert!(page.starts_with("# A\n\n<!-- load") && page.ends_with("-->\n\nkept\n"));
        assert!(page.contains("\nnew\n") && !page.contains("old"));
        assert_eq!(between(&page, "load", "new\n"), Some(page.clone()));
        assert_eq!(between(&page, "memory", "new\n"), None);
    }

    #[test]
    fn a_version_is_found_in_the_lock_file() {
        let lock = "[[package]]\nname = \"moka-x\"\nversion = \"9\"\n\n[[package]]\nname = \"moka\"\nversion = \"0.12.16\"\n";
        assert_eq!(version(lock, "moka"), Some("0.12.16"));
        assert_eq!(version(lock, "fred"), None);
    }
}
