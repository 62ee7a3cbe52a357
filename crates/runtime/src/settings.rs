//! Configuration: defaults, then TOML files, then the environment, then flags; the later wins. Every key has one
//! name everywhere: `bidder.catalog_max_age_s` in flags (`--set`), a table and key in the file, and
//! `TAGBID__BIDDER__CATALOG_MAX_AGE_S` in the environment.

use std::path::{Path, PathBuf};

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, File, FileFormat};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A configuration that cannot be used. Each variant names the key or the file and what to do.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read or is no TOML.
    #[error("configuration file {path}: {problem}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A `--set` that is not KEY=VALUE.
    #[error("--set {0:?}: use KEY=VALUE, such as --set bidder.workers=2")]
    Flag(String),
    /// A key that does not exist, or a value that does not fit it.
    #[error("configuration key {key:?}: {problem}")]
    Key {
        /// Its dotted name.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The TOML files, such as one of settings and one of secrets. Of two that say the same key the later is believed; lists
    /// are not joined.
    pub files: Vec<PathBuf>,
    /// Variables of the environment that begin with `TAGBID__`; injected so that tests need not change their own.
    pub environment: Vec<(String, String)>,
    /// `KEY=VALUE` flags.
    pub flags: Vec<String>,
}

impl Sources {
    /// The process's own environment, with these files and flags.
    pub fn of_process(files: Vec<PathBuf>, flags: Vec<String>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(key, _)| key.starts_with("TAGBID__"));
        Self { files, environment: environment.collect(), flags }
    }

    /// The settings: `T`'s own defaults where no source says otherwise. `T` should deny unknown fields, so that a
    /// misspelt key is an error and not a default in disguise.
    pub fn load<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        let mut builder = Config::builder();
        for path in &self.files {
            builder = builder.add_source(read(path)?);
        }
        for (name, text) in &self.environment {
            builder = set(builder, &key_of(name), text)?;
        }
        for flag in &self.flags {
            let (key, text) = flag.split_once('=').ok_or_else(|| SettingsError::Flag(flag.into()))?;
            builder = set(builder, key, text)?;
        }
        let merged = builder
            .build()
            .map_err(|error| SettingsError::Key { key: String::new(), problem: error.to_string() })?;
        serde_path_to_error::deserialize(merged).map_err(|error| SettingsError::Key {
            key: error.path().to_string(),
            problem: error.inner().to_string(),
        })
    }
}

/// `TAGBID__BIDDER__WORKERS` is `bidder.workers`.
fn key_of(name: &str) -> String {
    name.trim_start_matches("TAGBID__").to_lowercase().replace("__", ".")
}

/// Parsed by itself, so that an error names the file that it is in.
fn read(path: &Path) -> Result<Config, SettingsError> {
    let problem = |problem: String| SettingsError::File { path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    let parsed = Config::builder().add_source(File::from_str(&text, FileFormat::Toml)).build();
    parsed.map_err(|error| problem(error.to_string()))
}

/// Applies one key and value of environment or flags. Lists, tables and quoted text are read as TOML; everything
/// else is text, which becomes a number or a flag only where the key is one: a token of digits stays as it is.
fn set(
    builder: ConfigBuilder<DefaultState>,
    key: &str,
    text: &str,
) -> Result<ConfigBuilder<DefaultState>, SettingsError> {
    let problem =
        |problem: config::ConfigError| SettingsError::Key { key: key.into(), problem: problem.to_string() };
    let value = if text.trim_start().starts_with(['[', '{', '"', '\'']) {
        let document = format!("value = {text}");
        let parsed = Config::builder().add_source(File::from_str(&document, FileFormat::Toml)).build();
        parsed.and_then(|config| config.get::<config::Value>("value")).map_err(problem)?
    } else {
        config::Value::new(None, config::ValueKind::String(text.into()))
    };
    builder.set_override(key.trim(), value).map_err(problem)
}

/// The settings in force as TOML, for `--dump-config`. Secrets mask themselves when serialised.
pub fn dump<T: Serialize>(settings: &T) -> String {
    toml::to_string_pretty(settings).unwrap_or_else(|error| format!("# not representable: {error}\n"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::auth::Secret;

    #[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        part: Part,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Part {
        number: u32,
        word: String,
        list: Vec<String>,
    }

    impl Default for Part {
        fn default() -> Self {
            Self { number: 1, word: "default".into(), list: vec![] }
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn later_sources_win_key_by_key() {
        let file = file("[part]\nnumber = 2\nword = 'file'\n");
        let sources = Sources {
            files: vec![file.path().into()],
            environment: vec![
                ("TAGBID__PART__NUMBER".into(), "3".into()),
                ("TAGBID__PART__WORD".into(), "007".into()),
            ],
            flags: vec!["part.list=['a', 'b']".into()],
        };
        let whole: Whole = sources.load().unwrap();
        assert_eq!(whole.part, Part { number: 3, word: "007".into(), list: vec!["a".into(), "b".into()] });
    }

    #[test]
    fn files_are_laid_over_each_other_table_by_table() {
        let (settings, secrets) = (
            file("[part]\nnumber = 2\nword = 'settings'\nlist = ['a', 'b']\n"),
            file("[part]\nword = 'secret'\nlist = ['c']\n"),
        );
        let files = vec![settings.path().into(), secrets.path().into()];
        let whole: Whole = Sources { files, ..Sources::default() }.load().unwrap();
        assert_eq!(whole.part, Part { number: 2, word: "secret".into(), list: vec!["c".into()] });
    }

    #[test]
    fn of_several_files_the_broken_one_is_named() {
        let (good, bad) = (file("[part]\nnumber = 2\n"), file("[part\n"));
        let files = vec![good.path().into(), bad.path().into()];
        let problem = Sources { files, ..Sources::default() }.load::<Whole>().unwrap_err().to_string();
        assert!(problem.contains(bad.path().to_str().unwrap()), "{problem}");
    }

    #[test]
    fn without_sources_the_defaults_stand() {
        assert_eq!(Sources::default().load::<Whole>().unwrap(), Whole::default());
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        let problem = |flag: &str| {
            let sources = Sources { flags: vec![flag.into()], ..Sources::default() };
            sources.load::<Whole>().unwrap_err().to_string()
        };
        assert!(problem("part.numbr=3").contains("numbr"), "{}", problem("part.numbr=3"));
        assert!(problem("part.number=many").contains("part.number"), "{}", problem("part.number=many"));
        assert!(problem("part").contains("KEY=VALUE"));
        let missing = Sources { files: vec!["/no/such/file".into()], ..Sources::default() };
        assert!(missing.load::<Whole>().unwrap_err().to_string().contains("/no/such/file"));
    }

    #[test]
    fn a_dump_masks_secrets() {
        #[derive(Serialize)]
        struct WithSecret {
            token: Secret,
        }
        let dumped = dump(&WithSecret { token: Secret::new("hunter2") });
        assert!(dumped.contains("***") && !dumped.contains("hunter2"), "{dumped}");
    }
}
