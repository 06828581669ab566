//! Tidiness: what a reader relies on and no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a Rust file.
const MAX_LINES: usize = 800;
/// The lines without tests at which it is time to split a file: a warning.
const MANY_LINES: usize = 400;

/// Written in halves, so that this file passes its own check.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("dbg", "!"),
];

/// Files of these kinds are read; test fixtures of other kinds keep their bytes.
const KINDS: &[&str] = &["rs", "md", "toml"];

/// What a file is found wanting in.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    problems: Vec<String>,
    warnings: Vec<String>,
}

/// Checks every file of the repository. Warnings are printed, problems are the error.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    if !files.iter().any(|file| has_extension(file, "rs")) {
        return Err(format!("no Rust file below {}", root.display()));
    }
    let mut problems = Vec::new();
    for file in &files {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let shown = file.strip_prefix(root).unwrap_or(file);
        let findings = findings(shown, &text, |link| {
            file.parent()
                .is_some_and(|folder| folder.join(link).exists())
        });
        problems.extend(findings.problems);
        for warning in findings.warnings {
            println!("warning: {warning}");
        }
    }
    println!("{} files read", files.len());
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// The files to check, without build output and hidden folders (but with `.ci`).
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name == ".ci" || !name.starts_with('.') && name != "target" {
                collect(&path, files)?;
            }
        } else if KINDS.iter().any(|kind| has_extension(&path, kind)) || path.ends_with(".ci/run") {
            files.push(path);
        }
    }
    Ok(())
}

/// What is wrong with one file. `exists` tells whether a link leads to a file.
fn findings(path: &Path, text: &str, exists: impl Fn(&str) -> bool) -> Findings {
    let mut findings = Findings::default();
    let at = |line: usize, what: &str| format!("{}:{line}: {what}", path.display());
    for (number, line) in (1..).zip(text.lines()) {
        if line.ends_with([' ', '\t']) {
            findings.problems.push(at(number, "trailing whitespace"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let last = text.lines().count();
        findings.problems.push(at(last, "no newline at the end"));
    }
    if has_extension(path, "rs") {
        rust(text, &at, &mut findings);
    }
    if has_extension(path, "md") && is_for_readers(path) {
        for (line, link) in links(text) {
            if !exists(&link) {
                findings
                    .problems
                    .push(at(line, &format!("no such file: {link}")));
            }
        }
    }
    findings
}

fn rust(text: &str, at: &impl Fn(usize, &str) -> String, findings: &mut Findings) {
    if !text.starts_with("//!") && !text.starts_with("#![doc = include_str!") {
        let what = "doesn't begin by saying what it is for (`//!` or `#![doc = include_str!(…)]`)";
        findings.problems.push(at(1, what));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for unfinished in UNFINISHED.iter().filter(|word| code.contains(**word)) {
            findings
                .problems
                .push(at(number, &format!("{unfinished} left behind")));
        }
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings
            .problems
            .push(at(1, &format!("{lines} lines, at most {MAX_LINES}")));
    }
    let code = text
        .lines()
        .position(|line| line == "mod tests {")
        .unwrap_or(lines);
    if code > MANY_LINES && lines <= MAX_LINES {
        findings.warnings.push(at(
            1,
            &format!("{code} lines before its tests: time to split it"),
        ));
    }
}

/// Pages that are read as files. A crate's own README is its documentation, where links name items;
/// rustdoc checks those.
fn is_for_readers(path: &Path) -> bool {
    path.starts_with("docs") || path.components().count() == 1
}

/// The links to files in a page, each with its line, outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            links.extend(links_in(line).map(|link| (number, link)));
        }
    }
    links
}

fn links_in(line: &str) -> impl Iterator<Item = String> {
    // What stands between backticks is every second piece.
    let prose: String = line.split('`').step_by(2).collect();
    let inline: Vec<String> = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .map(str::to_owned)
        .collect();
    let reference = prose
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .map(|(_, target)| target.trim().to_owned());
    inline
        .into_iter()
        .chain(reference)
        .filter(|target| !target.contains(':') && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        findings(Path::new(path), text, |link| link == "there.md").problems
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        assert_eq!(
            findings(
                Path::new("src/a.rs"),
                "//! What it is for.\nfn a() {}\n",
                |_| false
            ),
            Findings::default()
        );
        let by_its_readme = "#![doc = include_str!(\"../README.md\")]\nmod a;\n";
        assert!(problems("src/lib.rs", by_its_readme).is_empty());
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_for_is_found() {
        let found = problems("src/a.rs", "use std::fmt;\n");
        assert!(
            found[0].starts_with("src/a.rs:1: doesn't begin"),
            "{found:?}"
        );
    }

    #[test]
    fn unfinished_code_is_found_and_talk_of_it_is_not() {
        for word in UNFINISHED {
            let found = problems("src/a.rs", &format!("//! A.\nfn a() {{ {word}() }}\n"));
            assert_eq!(found, [format!("src/a.rs:2: {word} left behind")]);
            let talk = format!("//! A.\n// Once a {word}() stood here.\n");
            assert!(problems("src/a.rs", &talk).is_empty());
        }
    }

    #[test]
    fn trailing_whitespace_and_a_missing_newline_are_found() {
        assert_eq!(
            problems("a.toml", "a = 1 \n\tb = 2\t\nc = 3"),
            [
                "a.toml:1: trailing whitespace",
                "a.toml:2: trailing whitespace",
                "a.toml:3: no newline at the end"
            ]
        );
    }

    #[test]
    fn a_long_file_is_a_warning_and_a_longer_one_a_problem() {
        let file = |code: usize, tests: usize| {
            let text = format!(
                "//! A.\n{}mod tests {{\n{}}}\n",
                "fn a() {}\n".repeat(code),
                "// b\n".repeat(tests)
            );
            findings(Path::new("src/a.rs"), &text, |_| false)
        };
        assert_eq!(file(390, 300), Findings::default());
        let long = file(450, 100);
        assert!(long.problems.is_empty());
        assert_eq!(
            long.warnings,
            ["src/a.rs:1: 451 lines before its tests: time to split it"]
        );
        let longer = file(100, 700);
        assert_eq!(longer.problems, ["src/a.rs:1: 803 lines, at most 800"]);
    }

    #[test]
    fn a_link_to_a_missing_file_is_found() {
        let page = "See [this](there.md#part), [that](gone.md) and\n\n[ref]: lost.md\n";
        assert_eq!(
            problems("docs/page.md", page),
            [
                "docs/page.md:1: no such file: gone.md",
                "docs/page.md:3: no such file: lost.md"
            ]
        );
    }

    #[test]
    fn links_in_code_to_the_web_and_to_the_page_itself_are_left_alone() {
        let page = "`[a](gone.md)` [b](https://example.org/x) [c](#here)\n```\n[d](gone.md)\n```\n";
        assert!(problems("docs/page.md", page).is_empty());
        assert!(problems("crates/larder/README.md", "[`Cache`](Cache)\n").is_empty());
    }
}
