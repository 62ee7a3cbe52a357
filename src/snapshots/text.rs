//! Files of lines, packed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest line: 512 tags with long names.
const MAX_LINE: u64 = 1 << 20;

/// Bytes after which a file that has shown no user since is none of users: a small file may unpack to a thousand times its
/// size, all of it one line, or empty ones.
const MAX_NOTHING: u64 = 64 << 20;

/// A file whose bytes are counted as they are read, before they are unpacked.
struct Counted(File, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// What a packed file has in it.
struct Unpacked(flate2::read::MultiGzDecoder<Counted>);

impl Read for Unpacked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                let problem = format!("it is no gzip file, or was cut off; pack it again ({error})");
                io::Error::new(error.kind(), problem)
            }
            _ => error,
        })
    }
}

/// A file that is read line by line.
pub(crate) struct TextFile {
    from: BufReader<Box<dyn Read + Send>>,
    /// Number of the last line that was read, from 1.
    pub(crate) number: u64,
    /// Named as CSV.
    pub(crate) is_csv: bool,
    /// Bytes since the last line that was one.
    nothing: u64,
}

impl TextFile {
    /// Of that name, in lower case: packed with gzip or not. Counts the bytes that are read of it.
    pub(crate) fn new(file: File, name: &str, bytes: &Arc<AtomicU64>) -> Self {
        let file = Counted(file, Arc::clone(bytes));
        let (name, from): (_, Box<dyn Read + Send>) = match name.strip_suffix(".gz") {
            Some(inner) => (inner, Box::new(Unpacked(flate2::read::MultiGzDecoder::new(file)))),
            None => (name, Box::new(file)),
        };
        Self::over(from, name.ends_with(".csv"))
    }

    pub(super) fn over(from: Box<dyn Read + Send>, is_csv: bool) -> Self {
        Self { from: BufReader::with_capacity(1 << 16, from), number: 0, is_csv, nothing: 0 }
    }

    /// The next line that is not empty, or why it cannot be read; none after the last.
    pub(crate) fn line(&mut self) -> io::Result<Option<Result<String, String>>> {
        loop {
            let mut line = Vec::new();
            if self.from.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.nothing += line.len() as u64;
            if line.len() as u64 > MAX_LINE {
                if !line.ends_with(b"\n") {
                    self.skip_line()?;
                }
                return Ok(Some(Err(format!("longer than {MAX_LINE} bytes"))));
            }
            // Spreadsheets write a byte order mark.
            let mark = if self.number == 1 { line.strip_prefix(b"\xef\xbb\xbf") } else { None };
            let text = mark.unwrap_or(&line).trim_ascii();
            if text.is_empty() {
                self.still_something()?;
            } else {
                self.nothing = 0;
                let text = String::from_utf8(text.to_vec());
                return Ok(Some(text.map_err(|_| "not UTF-8: convert the file".to_owned())));
            }
        }
    }

    fn still_something(&self) -> io::Result<()> {
        match self.nothing > MAX_NOTHING {
            true => Err(io::Error::other(format!(
                "line {}: {} MiB without a line that could be a user: this is no file of users",
                self.number,
                MAX_NOTHING >> 20
            ))),
            false => Ok(()),
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let (skip, ended) = match self.from.fill_buf()? {
                [] => return Ok(()),
                buffer => match buffer.iter().position(|byte| *byte == b'\n') {
                    Some(end) => (end + 1, true),
                    None => (buffer.len(), false),
                },
            };
            self.from.consume(skip);
            self.nothing += skip as u64;
            self.still_something()?;
            if ended {
                return Ok(());
            }
        }
    }
}
