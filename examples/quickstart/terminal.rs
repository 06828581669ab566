//! What can be drawn with characters: a progress bar, tables, bars, numbers that read well.

use std::fmt::{self, Display, Write as _};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The length of a whole bar.
pub(crate) const BAR: usize = 40;

/// A progress bar on standard error; nothing where that is no terminal.
pub(crate) struct Progress {
    title: String,
    total: usize,
    done: AtomicUsize,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(title: &str, total: usize) -> Self {
        let progress = Self {
            title: title.to_owned(),
            total,
            done: AtomicUsize::new(0),
            shown: io::stderr().is_terminal(),
        };
        progress.draw(0);
        progress
    }

    /// Counts one read, and draws the bar at every hundredth of the way.
    pub(crate) fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(self.total.div_ceil(100)) {
            self.draw(done);
        }
    }

    fn draw(&self, done: usize) {
        if self.shown {
            let filled = BAR * done / self.total.max(1);
            let (full, empty) = ("█".repeat(filled), "░".repeat(BAR - filled));
            let percent = 100 * done / self.total.max(1);
            // A terminal that has gone is no reason to stop.
            let _ = write!(
                io::stderr().lock(),
                "\r{:<18} {full}{empty} {percent:>3} %",
                self.title
            );
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// Rows of a name and two values, the values in columns under their titles.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(left: &str, right: &str) -> Self {
        let table = Self {
            text: String::new(),
        };
        table.row("", left, right)
    }

    pub(crate) fn row(mut self, name: &str, left: &str, right: &str) -> Self {
        writeln!(self.text, "  {name:<20}{left:>20}{right:>16}").expect("memory takes everything");
        self
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A bar of whole and partial blocks; whatever isn't zero is seen.
pub(crate) fn bar(share: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share is from 0 to 1, the bar is short"
    )]
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).ceil() as usize;
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(7_u64), "7");
        assert_eq!(grouped(999_u64), "999");
        assert_eq!(grouped(1_000_u64), "1,000");
        assert_eq!(grouped(1_234_567_u64), "1,234,567");
    }

    #[test]
    fn a_bar_is_as_long_as_its_share_and_never_empty_for_something() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(0.000_01), "▏");
        assert_eq!(bar(0.5), "█".repeat(BAR / 2));
        assert_eq!(bar(1.0), "█".repeat(BAR));
    }

    #[test]
    fn columns_line_up() {
        let table = Table::new("without", "with").row("reads", "7", "200,000");
        let widths: Vec<usize> = table.to_string().lines().map(str::len).collect();
        assert_eq!(widths, [58, 58]);
    }
}
