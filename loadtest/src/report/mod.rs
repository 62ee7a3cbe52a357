//! What people and their tools read.

mod hgrm;
mod hlog;
mod html;
mod text;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::results::Results;

pub use hgrm::hgrm;
pub use hlog::hlog;
pub use html::html;
pub use text::text;

/// Writes every report beside each other: `name` with .json, .html, .hgrm, .raw.hgrm and .hlog. Gives their paths.
pub fn write_all(results: &Results, name: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(folder) = name.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let documents = [
        (".json", format!("{:#}\n", results.to_json()).into_bytes()),
        (".html", html(results).into_bytes()),
        (".hgrm", hgrm(&results.record.served()).into_bytes()),
        (".raw.hgrm", hgrm(&results.record.raw).into_bytes()),
        (".hlog", hlog(results)?),
    ];
    let written = documents.into_iter().map(|(end, document)| {
        let mut file = name.as_os_str().to_owned();
        file.push(end);
        let file = PathBuf::from(file);
        fs::write(&file, document).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    });
    written.collect()
}

/// Prints on standard output. Whoever reads it may have enough, as `head` does: that is no failure.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        told => told,
    }
}
