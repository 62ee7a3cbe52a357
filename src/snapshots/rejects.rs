//! What was refused: file, line, reason and the keyed hash of the id. Never the id.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How much of a report is certain: what a command that goes on keeps of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reported {
    /// Lines that were refused.
    pub(crate) count: u64,
    /// Bytes of the report.
    bytes: u64,
}

/// A CSV file that is made when the first line is refused, in place of an earlier command's.
pub(crate) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    so_far: Reported,
}

impl Rejects {
    /// Goes on from what was reported: what an attempt that was killed wrote after that, it will write again.
    pub(crate) fn resume(path: PathBuf, from: Reported) -> io::Result<Self> {
        let mut rejects = Self { path, file: None, so_far: Reported { bytes: 0, ..from } };
        if from.count > 0 {
            let file = OpenOptions::new().create(true).append(true).open(&rejects.path)?;
            let kept = file.metadata()?.len().min(from.bytes);
            file.set_len(kept)?;
            rejects.begin(file, kept)?;
        }
        Ok(rejects)
    }

    /// Where the report is, if somebody was refused.
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        self.file.as_ref().map(|_| &self.path)
    }

    /// Lines that were refused.
    pub(crate) fn count(&self) -> u64 {
        self.so_far.count
    }

    /// What the report is when everything has been written out.
    pub(crate) fn so_far(&self) -> Reported {
        self.so_far
    }

    /// Adds a line.
    pub(crate) fn note(&mut self, file: &str, line: u64, reason: &str, key: &str) -> io::Result<()> {
        if self.file.is_none() {
            self.begin(File::create(&self.path)?, 0)?;
        }
        self.write(&format!("{},{line},{},{key}\n", quoted(file), quoted(reason)))?;
        self.so_far.count += 1;
        Ok(())
    }

    /// Writes everything out.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }

    fn begin(&mut self, file: File, kept: u64) -> io::Result<()> {
        (self.file, self.so_far.bytes) = (Some(BufWriter::new(file)), kept);
        if kept == 0 { self.write("file,line,reason,user_key\n") } else { Ok(()) }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.so_far.bytes += text.len() as u64;
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(text.as_bytes()))
    }
}

fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("\"{}\"", plain.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_was_cut_short_has_each_line_once_and_a_new_one_none_of_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.rejects.csv");
        let open = |from| Rejects::resume(path.clone(), from).unwrap();
        let lines = || std::fs::read_to_string(&path).unwrap().lines().skip(1).count();
        let mut killed = open(Reported::default());
        killed.note("users", 1, "bad", "").unwrap();
        let noted = killed.so_far();
        killed.note("users", 2, "bad", "").unwrap();
        killed.flush().unwrap();
        assert_eq!((lines(), killed.path().is_some()), (2, true));

        let mut again = open(noted);
        assert_eq!((lines(), again.count()), (1, 1), "the second will come again");
        again.note("users", 2, "bad", "").unwrap();
        again.flush().unwrap();
        assert_eq!((lines(), again.count()), (2, 2));

        std::fs::remove_file(&path).unwrap();
        open(noted).flush().unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "file,line,reason,user_key\n",
            "somebody took it away"
        );
        let mut other = open(Reported::default());
        other.note("users", 7, "bad", "").unwrap();
        other.flush().unwrap();
        assert_eq!(lines(), 1);
    }
}
