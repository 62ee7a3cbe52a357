//! What was refused: file, line, reason and the keyed hash of the id. Never the id.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// A CSV file that is made when the first line is refused.
pub(crate) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    pub(crate) count: u64,
}

impl Rejects {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None, count: 0 }
    }

    pub(crate) fn path(&self) -> Option<&PathBuf> {
        self.file.as_ref().map(|_| &self.path)
    }

    pub(crate) fn note(&mut self, file: &str, line: u64, reason: &str, key: &str) -> io::Result<()> {
        let to = match &mut self.file {
            Some(to) => to,
            None => {
                // A load that is resumed goes on with its file.
                let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
                let new = file.metadata()?.len() == 0;
                let to = self.file.insert(BufWriter::new(file));
                if new {
                    writeln!(to, "file,line,reason,user_key")?;
                }
                to
            }
        };
        self.count += 1;
        writeln!(to, "{},{line},{},{key}", quoted(file), quoted(reason))
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("\"{}\"", plain.replace('"', "\"\""))
}
