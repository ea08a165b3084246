//! `account compose`: a list of events, whoever ran them.

use super::{NEIGHBOURS, answer};
use crate::failure::Failure;
use crate::output::Answer;
use reticent_accounting::{Delta, Event};
use serde_json::json;
use std::path::Path;

pub(super) fn run(file: &Path, delta: f64) -> Result<Answer, Failure> {
    let delta = Delta::new(delta)?;
    let text = std::fs::read_to_string(file).map_err(|e| Failure::usage(format!("cannot read {}: {e}", file.display())))?;
    let event = Event::Composed { events: parse(file, &text)? };
    let (mut words, mut json) = answer(&event, delta)?;
    words +=
        "  neighbours: add or remove one unit\n  assumes: every parameter fixed in advance, fresh randomness for each event\n  events:\n";
    if let Event::Composed { events } = &event {
        for one in events {
            words += &format!("    {one}\n");
        }
    }
    if let Some(map) = json.as_object_mut() {
        map.insert("delta".into(), delta.get().into());
        map.insert("neighbours".into(), json!(NEIGHBOURS));
        map.insert("event".into(), json!(event));
    }
    Ok(Answer::new(words, json))
}

fn parse(file: &Path, text: &str) -> Result<Vec<Event>, Failure> {
    let failed = |why: String| Failure::usage(format!("{} is no list of events: {why}", file.display()));
    let contents = if file.extension().is_some_and(|e| e == "toml") {
        // By way of JSON, whose numbers may be whole where a rate is meant.
        let table: toml::Table = text.parse().map_err(|e| failed(format!("{e}")))?;
        serde_json::to_value(table).map_err(|e| failed(e.to_string()))?
    } else {
        serde_json::from_str(text).map_err(|e| failed(e.to_string()))?
    };
    // Each by itself, so that the one that cannot be read is named.
    let list = match contents {
        serde_json::Value::Array(list) => list,
        serde_json::Value::Object(mut map) => match map.remove("events") {
            Some(serde_json::Value::Array(list)) => list,
            _ => return Err(failed("there is no list `events`".into())),
        },
        _ => return Err(failed("it is neither a list nor a table".into())),
    };
    list.into_iter()
        .enumerate()
        .map(|(i, value)| serde_json::from_value(value).map_err(|e| failed(format!("event {}: {e}", i + 1))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_hold_the_same_events() {
        let toml = "[[events]]\nkind = \"gaussian\"\nnoise_multiplier = 2\n[[events]]\nkind = \"laplace\"\nscale = 4.5\n";
        let json = r#"[{"kind":"gaussian","noise_multiplier":2.0},{"kind":"laplace","scale":4.5}]"#;
        let read = |name: &str, text: &str| parse(Path::new(name), text).ok().unwrap();
        assert_eq!(read("a.toml", toml), read("a.json", json));
        assert_eq!(read("a.json", &format!(r#"{{"events":{json}}}"#)), read("a.json", json));
        for bad in ["", "3", "{}", r#"[{"kind":"gauss"}]"#, r#"[{"kind":"gaussian","noise_multiplier":-1}]"#] {
            assert!(parse(Path::new("a.json"), bad).is_err(), "{bad}");
        }
    }
}
