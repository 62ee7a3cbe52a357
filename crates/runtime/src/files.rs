//! Paths of settings, looked at when the process starts: one that cannot be written would be found out later, when what
//! was to be kept is needed.

use std::fs::{self, File};
use std::path::Path;

/// Whether a file can be kept here: written beside its place and renamed into it. Makes its directory. An error says
/// what is wrong and what to use instead. Blocks.
pub fn writable_file(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if path.is_dir() {
        return Err(format!("{shown} is a directory; name a file in it"));
    }
    let Some(name) = path.file_name() else {
        return Err(format!("{shown} names no file; name one"));
    };
    let refused = |error: std::io::Error| {
        format!(
            "{shown} cannot be written: {error}; use a path that this user may write, in a directory that exists or \
             can be created"
        )
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(refused)?;
    let mut probe = name.to_owned();
    probe.push(format!(".probe-{}", std::process::id()));
    let probe = directory.join(probe);
    File::create(&probe).map_err(refused)?;
    fs::remove_file(&probe).map_err(refused)?;
    if path.exists() {
        File::options().read(true).append(true).open(path).map_err(refused)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_can_be_kept_leaves_nothing_behind_but_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        writable_file(&path).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("a/b")).unwrap().count(), 0);
        fs::write(&path, "kept").unwrap();
        writable_file(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    }

    #[test]
    fn a_directory_and_a_place_where_none_can_be_made_are_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let problem = writable_file(dir.path()).unwrap_err();
        assert!(problem.contains("is a directory; name a file in it"), "{problem}");
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let problem = writable_file(&file.join("below")).unwrap_err();
        assert!(problem.contains("use a path"), "{problem}");
    }
}
