//! What is traced, and where that goes.

use serde::{Deserialize, Serialize};

/// Settings of traces: the table `[traces]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceOptions {
    /// Where an OpenTelemetry collector takes OTLP over gRPC, such as "http://127.0.0.1:4317". Empty: nothing is traced.
    pub endpoint: String,
    /// The share of requests that is recorded, of those whose caller says nothing about it (no `traceparent`), 0 to 1. What a
    /// caller says is done, within `spans_per_s`.
    pub sample: f64,
    /// Most spans a second that this process records; a bid has eight. Requests beyond that are served and not recorded.
    pub spans_per_s: u32,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self { endpoint: String::new(), sample: 0.0, spans_per_s: 2_000 }
    }
}

impl TraceOptions {
    /// What cannot be used, by key, with the remedy.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_http = self.endpoint.starts_with("http://") && self.endpoint.len() > "http://".len();
        if !self.endpoint.is_empty() && !is_http {
            let text = "use the collector's address for OTLP over gRPC, such as \"http://127.0.0.1:4317\"";
            return Err(format!("traces.endpoint {:?}: {text}", self.endpoint));
        }
        if !(0.0..=1.0).contains(&self.sample) {
            return Err("traces.sample: use a share from 0 to 1, such as 0.001".into());
        }
        if self.spans_per_s == 0 {
            return Err(
                "traces.spans_per_s: use at least 1; to record nothing, leave traces.endpoint empty".into()
            );
        }
        Ok(())
    }

    /// Of 64 random bits, those below and this number are recorded; 0: none.
    pub(super) fn threshold(&self) -> u64 {
        // Saturates: 1.0 is all of them.
        (self.sample * u64::MAX as f64) as u64
    }
}
