//! Finding programs and users.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::KitError;

/// The program on the path.
pub(crate) fn on_path(program: &'static str) -> Result<PathBuf, KitError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/bin".into()])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
        .ok_or(KitError::Missing { program })
}

/// The directory of PostgreSQL's server programs. Debian keeps them off the path, one directory per major
/// version; the newest wins.
pub(crate) fn postgres_bin() -> Result<PathBuf, KitError> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .collect();
    versions.sort();
    if let Some((_, bin)) = versions.pop() {
        return Ok(bin);
    }
    let initdb = on_path("initdb")?;
    let real = fs::canonicalize(&initdb).unwrap_or(initdb);
    real.parent().map(Path::to_path_buf).ok_or(KitError::Missing { program: "initdb" })
}

/// User and group ids of the first of these users that exists.
pub(crate) fn user(names: &[&str]) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    names.iter().find_map(|name| ids_of(&passwd, name))
}

fn ids_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        found.then_some((uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:8::/:\npostgres:x:101:104:PG:/var:/bin/bash\n";
        assert_eq!(ids_of(passwd, "postgres"), Some((101, 104)));
        assert_eq!(ids_of(passwd, "post"), None);
    }

    #[test]
    fn a_missing_program_names_the_remedy() {
        let error = on_path("no-such-program-at-all").unwrap_err();
        assert_eq!(error.to_string(), "no-such-program-at-all not found: run `cargo xtask setup`");
    }
}
