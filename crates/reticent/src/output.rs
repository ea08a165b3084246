//! What a verb says: facts on stdout, talk on stderr.

use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The result of a verb: text for a person, the same facts for a program.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json }
    }

    /// For a verb that has said all there is to say while it ran.
    pub(crate) fn said() -> Self {
        Self { text: String::new(), json: Value::Null }
    }

    /// Prints the answer. A closed pipe is no error: whoever reads has what they wanted.
    pub(crate) fn print(mut self, as_json: bool) {
        let text = if as_json {
            if self.json.is_null() {
                return;
            }
            if let Value::Object(map) = &mut self.json {
                map.insert("schema_version".into(), 1.into());
            }
            format!("{:#}\n", self.json)
        } else if self.text.is_empty() || self.text.ends_with('\n') {
            self.text
        } else {
            self.text + "\n"
        };
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}

/// Says something on stderr.
pub(crate) fn say(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// Progress on stderr: a bar with an ETA on a terminal; elsewhere a line now and then once it takes long.
pub(crate) struct Progress {
    bar: indicatif::ProgressBar,
    label: String,
    total: u64,
    before: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    const SILENT: Duration = Duration::from_secs(5);

    pub(crate) fn new(label: &str, total: u64) -> Self {
        let bar = if std::io::stderr().is_terminal() { indicatif::ProgressBar::new(total) } else { indicatif::ProgressBar::hidden() };
        let style = indicatif::ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len} {eta} left").expect("the template is valid");
        bar.set_style(style);
        bar.set_message(label.to_owned());
        Self { bar, label: label.into(), total, before: 0, started: Instant::now(), said: Instant::now() }
    }

    /// What was done before: it took none of the time that the rest is judged by.
    pub(crate) fn from(&mut self, position: u64) {
        self.before = position;
        self.bar.set_position(position);
        self.bar.reset_eta();
    }

    pub(crate) fn at(&mut self, position: u64) {
        self.bar.set_position(position);
        if self.bar.is_hidden() && self.said.elapsed() > Self::SILENT && position > self.before && position < self.total {
            let left = self.started.elapsed().as_secs_f64() * (self.total - position) as f64 / (position - self.before) as f64;
            say(format!("{}: {position} of {}, about {left:.0} s left", self.label, self.total));
            self.said = Instant::now();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}
