//! Recordings: NDJSON, one `{"at_ms": 12.5, "request": {...}}` a line, in the order of their times; `.gz` is unpacked.
//!
//! `at_ms` are milliseconds from any moment, the same for all lines: the first request's time is the start. So the log
//! of a proxy or an exchange becomes a recording by naming its two members, for instance
//! `jq -c '{at_ms: (.timestamp * 1000), request: .body}'`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// Bytes of requests that a recording may have: all of it is in memory before the clock starts.
const MOST_BYTES: usize = 4 << 30;

/// What was read.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The requests, byte by byte as in the file.
    pub requests: Vec<Bytes>,
    /// Their times, from the first.
    pub times: Vec<Duration>,
}

/// Why a recording cannot be used.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not of the form.
    #[error("{file}:{line}: {problem}; each line is {{\"at_ms\": NUMBER, \"request\": {{...}}}}")]
    Line {
        /// The file.
        file: String,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// There is none.
    #[error("{0}: no requests in it")]
    Empty(String),
    /// It does not fit into memory.
    #[error("{0}: more than 4 GiB of requests; replay a part of it")]
    TooLong(String),
}

#[derive(Deserialize)]
struct Line<'t> {
    at_ms: f64,
    #[serde(borrow)]
    request: &'t RawValue,
}

/// Reads a recording.
pub fn read(file: &Path) -> Result<Recording, ReadError> {
    let name = file.display().to_string();
    let opened = File::open(file).map_err(|source| ReadError::Io { file: name.clone(), source })?;
    let packed = file.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(opened)) } else { Box::new(opened) };
    read_lines(&name, BufReader::new(reader))
}

fn read_lines(name: &str, reader: impl BufRead) -> Result<Recording, ReadError> {
    let (mut requests, mut times, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut first = None;
    let mut last = Duration::ZERO;
    for (number, text) in (1..).zip(reader.lines()) {
        let text = text.map_err(|source| ReadError::Io { file: name.to_owned(), source })?;
        if text.trim().is_empty() {
            continue;
        }
        let refused = |problem: String| ReadError::Line { file: name.to_owned(), line: number, problem };
        let line: Line<'_> = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        let after = line.at_ms - *first.get_or_insert(line.at_ms);
        let after = Duration::try_from_secs_f64(after / 1e3).ok().filter(|after| *after >= last);
        last =
            after.ok_or_else(|| refused("at_ms is before that of the line before: sort the file".into()))?;
        bytes += line.request.get().len();
        if bytes > MOST_BYTES {
            return Err(ReadError::TooLong(name.to_owned()));
        }
        requests.push(Bytes::copy_from_slice(line.request.get().as_bytes()));
        times.push(last);
    }
    if requests.is_empty() {
        Err(ReadError::Empty(name.to_owned()))
    } else {
        Ok(Recording { requests, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Recording, ReadError> {
        read_lines("a.ndjson", text.as_bytes())
    }

    #[test]
    fn times_count_from_the_first_request_and_bodies_are_kept_byte_by_byte() {
        let text = "{\"at_ms\":1000.5,\"request\":{\"id\" : \"1\"}}\n\n{\"request\":{\"id\":\"2\"},\"at_ms\":1002}\n";
        let recording = read(text).unwrap();
        assert_eq!(recording.requests, [&b"{\"id\" : \"1\"}"[..], b"{\"id\":\"2\"}"]);
        assert_eq!(recording.times, [Duration::ZERO, Duration::from_micros(1_500)]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let good = "{\"at_ms\":5,\"request\":{}}";
        let cases = [
            (format!("{good}\nnonsense"), "a.ndjson:2: "),
            (format!("{good}\n{{\"at_ms\":4,\"request\":{{}}}}"), "a.ndjson:2: at_ms is before"),
            ("{\"request\":{}}".to_owned(), "missing field `at_ms`"),
            (String::new(), "a.ndjson: no requests"),
        ];
        for (text, told) in cases {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
