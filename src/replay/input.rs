//! Bid requests out of files. A request is sent as the very bytes that the file has.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::answer::{Answered, Outcome};

/// A request to send.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// The file and its line, or the position in the file's array: "a.json:3", "a.json[3]".
    pub(super) origin: String,
    /// What the file says of where the request came from.
    pub(super) source: Option<String>,
    /// Position among all requests, from 0.
    pub(super) number: u64,
    /// The JSON.
    pub(super) body: Bytes,
}

/// Reads files one after the other into `requests`, and what cannot be read into `unread`. Ends early when nobody
/// receives any more. Blocks.
pub(super) fn read_all(files: &[PathBuf], requests: &mpsc::Sender<Input>, unread: &mpsc::Sender<Answered>) {
    let mut feed = Feed { requests, unread, number: 0 };
    for file in files {
        let name = file.display().to_string();
        let read = open(file).and_then(|reader| read_file(&name, reader, &mut feed));
        if let Err(error) = read {
            feed.reject(name, format!("cannot be read: {error}"));
        }
    }
}

/// Where requests and rejects go. Sending fails only when the replay has ended, and then nothing needs to be kept.
struct Feed<'f> {
    requests: &'f mpsc::Sender<Input>,
    unread: &'f mpsc::Sender<Answered>,
    number: u64,
}

impl Feed<'_> {
    fn reject(&self, origin: String, reason: String) {
        let _gone = self.unread.blocking_send(Answered {
            origin,
            source: None,
            outcome: Outcome::Unreadable(reason),
        });
    }

    /// One JSON value: a request, or a request with its source.
    fn value(&mut self, origin: String, text: &str) {
        match request(text) {
            Ok((source, body)) => {
                let input = Input { origin, source, number: self.number, body };
                self.number += 1;
                let _gone = self.requests.blocking_send(input);
            }
            Err(error) => self.reject(origin, error),
        }
    }
}

fn open(file: &Path) -> io::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let raw = File::open(file)?;
    Ok(if file.extension().is_some_and(|extension| extension == "gz") {
        Box::new(BufReader::new(MultiGzDecoder::new(raw)))
    } else {
        Box::new(BufReader::new(raw))
    })
}

/// A file whose first line is a whole JSON object is NDJSON and is read line by line, however long it is; any other
/// file is one JSON document. When it is not even that, its lines are tried one by one, so that a broken first line
/// costs only itself.
fn read_file(name: &str, mut reader: Box<dyn BufRead>, feed: &mut Feed<'_>) -> io::Result<()> {
    let mut first = Vec::new();
    reader.read_until(b'\n', &mut first)?;
    let first = without_bom(&first).to_vec();
    let is_object = first.trim_ascii_start().starts_with(b"{");
    if is_object && serde_json::from_slice::<&RawValue>(&first).is_ok() {
        return read_lines(name, first.as_slice().chain(reader), feed);
    }
    let mut whole = first;
    reader.read_to_end(&mut whole)?;
    match serde_json::from_slice::<Vec<&RawValue>>(&whole) {
        Ok(values) => {
            for (position, value) in values.into_iter().enumerate() {
                feed.value(format!("{name}[{position}]"), value.get());
            }
            Ok(())
        }
        Err(_) => read_object(name, &whole, feed),
    }
}

fn read_object(name: &str, whole: &[u8], feed: &mut Feed<'_>) -> io::Result<()> {
    match serde_json::from_slice::<&RawValue>(whole) {
        Ok(value) => feed.value(name.to_owned(), value.get()),
        Err(_)
            if whole.split(|b| *b == b'\n').any(|line| serde_json::from_slice::<&RawValue>(line).is_ok()) =>
        {
            return read_lines(name, whole, feed);
        }
        Err(error) => feed.reject(format!("{name}:{}", error.line()), format!("not JSON: {error}")),
    }
    Ok(())
}

fn read_lines(name: &str, mut reader: impl BufRead, feed: &mut Feed<'_>) -> io::Result<()> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let origin = format!("{name}:{number}");
        match std::str::from_utf8(text) {
            Ok(text) => feed.value(origin, text),
            Err(error) => feed.reject(origin, format!("not UTF-8: {error}")),
        }
    }
    Ok(())
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// A line of a corpus: where a request came from, and the request.
#[derive(Deserialize)]
struct Sourced<'t> {
    #[serde(default)]
    source: Option<String>,
    #[serde(borrow)]
    request: &'t RawValue,
}

/// What a corpus line never has beside its request, and a bid request nearly always has.
#[derive(Deserialize)]
struct Plain<'t> {
    #[serde(borrow, default)]
    imp: Option<&'t RawValue>,
}

fn request(text: &str) -> Result<(Option<String>, Bytes), String> {
    let plain: Plain<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "not a JSON object".to_owned(),
        _ => format!("not JSON: {error}"),
    })?;
    let sourced = serde_json::from_str::<Sourced<'_>>(text);
    Ok(match sourced {
        Ok(line) if plain.imp.is_none() => (line.source, copy(line.request.get())),
        _ => (None, copy(text)),
    })
}

fn copy(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
