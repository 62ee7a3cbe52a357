//! Events from files or the standard input, a line each.

use std::fs::File;
use std::io;
use std::sync::Arc;

use serde::Deserialize;
use tagbid_clients::{EventToSend, RawId};
use tagbid_tagset::IdKind;
use tagbid_types::{DatasetId, Timestamp};
use tokio::sync::mpsc;

use crate::snapshots::lines::{FULL, JsonRef};
use crate::snapshots::{TextFile, kind};

/// What lines mean that do not say it.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) dataset: DatasetId,
    pub(super) kind: IdKind,
    pub(super) source: String,
    /// What ids of events begin with.
    pub(super) run: u64,
}

/// A line that was read.
#[derive(Debug)]
pub(super) struct Line {
    /// Of which file.
    pub(super) file: usize,
    /// From 1.
    pub(super) number: u64,
    /// The event, or what is wrong.
    pub(super) event: Result<EventToSend, String>,
}

/// Reads the files one after the other, "-" for the standard input, as far as there is room for lines: on a thread of its own,
/// because whoever writes into a pipe may take their time.
pub(super) fn read(
    files: &[String],
    defaults: &Defaults,
    now: impl Fn() -> Timestamp,
    lines: &mpsc::Sender<io::Result<Line>>,
) {
    for (place, name) in files.iter().enumerate() {
        let read = open(name).and_then(|mut text| {
            while let Some(line) = text.line()? {
                let number = text.number;
                let id = || format!("{:016x}-{place}-{number}", defaults.run);
                let event = line.and_then(|line| event(&line, defaults, now(), id));
                if lines.blocking_send(Ok(Line { file: place, number, event })).is_err() {
                    return Ok(());
                }
            }
            Ok(())
        });
        if let Err(error) = read {
            let _nobody_listens =
                lines.blocking_send(Err(io::Error::new(error.kind(), format!("{name}: {error}"))));
            return;
        }
    }
}

fn open(name: &str) -> io::Result<TextFile> {
    match name {
        "-" => Ok(TextFile::over(Box::new(io::stdin()), false)),
        _ => Ok(TextFile::new(File::open(name)?, &name.to_ascii_lowercase(), &Arc::default())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEvent {
    kind: Option<String>,
    source: Option<String>,
    id: String,
    tag: JsonRef,
    weight: Option<u32>,
    /// Seconds since 1970.
    time: Option<f64>,
    event: Option<String>,
    #[serde(default)]
    also: Vec<JsonId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonId {
    kind: String,
    #[serde(default)]
    source: String,
    id: String,
}

fn event(
    text: &str,
    defaults: &Defaults,
    now: Timestamp,
    id: impl FnOnce() -> String,
) -> Result<EventToSend, String> {
    // The parser's words quote nothing of the line, which holds an id.
    let event: JsonEvent = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            "not an event: write kind, source, id, tag, weight, time, event, also".to_owned()
        }
        _ => format!("not JSON, at column {}", error.column()),
    })?;
    let also = event.also.into_iter().map(|one| {
        let kind = kind(&one.kind).map_err(|problem| format!("also: {problem}"))?;
        Ok(RawId { kind, source: one.source, id: one.id })
    });
    let user = RawId {
        kind: event.kind.as_deref().map_or(Ok(defaults.kind), kind)?,
        source: event.source.unwrap_or_else(|| defaults.source.clone()),
        id: event.id,
    };
    Ok(EventToSend {
        id: event.event.unwrap_or_else(id),
        user,
        dataset: defaults.dataset,
        tag: event.tag.into(),
        at: event.time.map_or(now, |seconds| Timestamp((seconds * 1e6) as i64)),
        weight: event.weight.unwrap_or(FULL),
        also: also.collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    use tagbid_clients::TagRef;

    use super::*;

    const NOW: Timestamp = Timestamp(77);

    fn defaults() -> Defaults {
        Defaults { dataset: DatasetId(4), kind: IdKind::Ifa, source: String::new(), run: 10 }
    }

    fn parse(text: &str) -> Result<EventToSend, String> {
        event(text, &defaults(), NOW, || "a-3".into())
    }

    #[test]
    fn an_event_says_as_much_as_it_needs() {
        let user = |kind, source: &str, id: &str| RawId { kind, source: source.into(), id: id.into() };
        let short = EventToSend {
            id: "a-3".into(),
            user: user(IdKind::Ifa, "", "a"),
            dataset: DatasetId(4),
            tag: TagRef::Name("Runners".into()),
            at: NOW,
            weight: 255,
            also: vec![],
        };
        assert_eq!(parse(r#"{"id": "a", "tag": "Runners"}"#), Ok(short.clone()));
        let long = r#"{"kind": "eid", "source": "x.com", "id": "b", "tag": 7, "weight": 80, "time": 1.5, "event": "e1",
            "also": [{"kind": "ifa", "id": "c"}]}"#;
        let expected = EventToSend {
            id: "e1".into(),
            user: user(IdKind::Eid, "x.com", "b"),
            tag: TagRef::Id(7),
            at: Timestamp(1_500_000),
            weight: 80,
            also: vec![user(IdKind::Ifa, "", "c")],
            ..short
        };
        assert_eq!(parse(long), Ok(expected));
    }

    #[test]
    fn a_bad_line_is_told_without_what_stands_in_it() {
        for text in [
            r#"{"id": "secret""#,
            r#"{"id": "secret"}"#,
            r#"{"id": "secret", "tag": "x", "tags": []}"#,
            r#"{"kind": "secret", "id": "a", "tag": "x"}"#,
            r#"{"id": "a", "tag": "x", "also": [{"kind": "secret", "id": "b"}]}"#,
        ] {
            let problem = parse(text).unwrap_err();
            assert!(!problem.contains("secret") && !problem.is_empty(), "{problem}");
        }
    }

    #[test]
    fn lines_are_numbered_by_file_and_events_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let files = [
            file("one.ndjson", "{\"id\": \"a\", \"tag\": 1}\n\nbad\n"),
            file("two.ndjson", "{\"id\": \"a\", \"tag\": 1}"),
            dir.path().join("none.ndjson").display().to_string(),
        ];
        let (sender, mut lines) = mpsc::channel(10);
        read(&files, &defaults(), || NOW, &sender);
        drop(sender);
        let mut next = || lines.blocking_recv().unwrap();
        let [first, bad, second] = [(); 3].map(|()| next().unwrap());
        assert_eq!(
            (first.file, first.number, first.event.unwrap().id),
            (0, 1, "000000000000000a-0-1".into())
        );
        assert_eq!((bad.file, bad.number, bad.event.is_err()), (0, 3, true));
        assert_eq!(
            (second.file, second.number, second.event.unwrap().id),
            (1, 1, "000000000000000a-1-1".into())
        );
        assert!(next().unwrap_err().to_string().contains("none.ndjson"));
    }
}
