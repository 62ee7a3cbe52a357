//! Logs as fields on standard error, to people as text and to machines as JSON.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::metrics::encode_counter;

/// How to log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// What: "info", or directives such as "warn,tagbid_bidder=debug".
    pub filter: String,
    /// "text" or "json".
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::Text }
    }
}

/// Starts logging; once a process. Colours are for terminals only, and not where `NO_COLOR` is set
/// (<https://no-color.org>). Panics of any thread become error lines as well, and are counted.
pub fn start_logging(options: &LogOptions) -> Result<(), String> {
    let filter = EnvFilter::try_new(&options.filter).map_err(|error| format!("log.filter: {error}"))?;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = std::io::stderr().is_terminal() && !no_color;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    let lines = lines.with_writer(std::io::stderr);
    let started = match options.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("log: {error}"))?;
    count_panics();
    Ok(())
}

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts panics of any thread or task from now on, and logs where they were. In one place, because whoever catches
/// a panic (a connection, a task, tokio, tonic) would otherwise have to remember to.
pub fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            let location = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(location, "panicked");
            before(panic);
        }));
    });
}

/// Panics since they are counted, wherever they were.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// The metric of [`panics`].
#[derive(Debug)]
pub(crate) struct Panics;

impl Collector for Panics {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        encode_counter(&mut to, "tagbid_panics", "Panics of any thread, each a bug", panics())
    }
}
