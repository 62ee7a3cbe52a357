//! How far a command has come, in a file beside the one that it reads: the same command goes on from there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Which files a note is about: length in bytes, and when it was last written, in microseconds since 1970. A position in a
/// file means nothing in another one, whatever its name.
pub(crate) type Stamps = Vec<(u64, u64)>;

/// Of these files as they are now.
pub(crate) fn stamps(files: &[PathBuf]) -> anyhow::Result<Stamps> {
    let stamp = |file: &PathBuf| {
        let named = || file.display().to_string();
        let about = fs::metadata(file).with_context(named)?;
        let written = about.modified().with_context(named)?;
        let since = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok((about.len(), u64::try_from(since.as_micros())?))
    };
    files.iter().map(stamp).collect()
}

/// What was noted; nothing where there is no note.
pub(crate) fn read<T: DeserializeOwned>(place: &Path) -> anyhow::Result<Option<T>> {
    match fs::read(place) {
        Ok(text) => {
            let noted = serde_json::from_slice(&text);
            noted.map(Some).with_context(|| format!("{}: delete it to begin anew", place.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| place.display().to_string()),
    }
}

/// Notes, whole or not at all.
pub(crate) fn write(place: &Path, note: &impl Serialize) -> anyhow::Result<()> {
    let named = || place.display().to_string();
    let beside = place.with_extension("saving");
    fs::write(&beside, serde_json::to_vec(note)?).with_context(named)?;
    fs::rename(&beside, place).with_context(named)
}

/// Nothing is left to go on with.
pub(crate) fn forget(place: &Path) -> anyhow::Result<()> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| place.display().to_string())
        }
        _ => Ok(()),
    }
}
