//! The requests of a run: all encoded before the first is sent.

mod protobuf;
mod recorded;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tagbid_exchange::{Generator, OpenRtb, Traffic, world::World};

pub use protobuf::Protobuf;
pub use recorded::{ReadError, read as read_recording};

/// How requests are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// OpenRTB's JSON.
    #[default]
    Json,
    /// The IAB's protobuf.
    Protobuf,
}

impl Encoding {
    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }
}

/// A request, ready to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What is sent.
    pub body: Bytes,
    /// The same as JSON: what auctions read.
    pub json: Bytes,
    /// How long its exchange waits, where the request says it.
    pub tmax: Option<Duration>,
    /// The version that it speaks, for `x-openrtb-version`; none: it is not said.
    pub version: Option<OpenRtb>,
}

/// All requests of a run, sent in turn, over and over where more are due.
#[derive(Clone, Debug)]
pub struct Messages {
    /// The requests.
    pub list: Arc<[Message]>,
    /// When each was recorded, from the first; none: they were not.
    pub times: Option<Arc<[Duration]>>,
    /// Members of JSON requests that the IAB's protobuf has no field for, over all requests: they are not sent.
    pub left_out: u64,
}

impl Messages {
    /// `count` requests of the exchange's generator.
    pub fn generated(traffic: Traffic, seed: u64, count: usize, encoding: Encoding) -> anyhow::Result<Self> {
        let generator = Generator::new(Arc::new(World::standard()), traffic, seed);
        let requests = generator.take(count).map(|request| (request.body, Some(request.version)));
        Self::encode(requests, encoding)
    }

    /// The requests of a recording, with their times.
    pub fn recorded(file: &Path, encoding: Encoding) -> anyhow::Result<Self> {
        let recording = read_recording(file)?;
        let requests = recording.requests.into_iter().map(|request| (request, None));
        Ok(Self { times: Some(recording.times.into()), ..Self::encode(requests, encoding)? })
    }

    fn encode(
        requests: impl Iterator<Item = (Bytes, Option<OpenRtb>)>,
        encoding: Encoding,
    ) -> anyhow::Result<Self> {
        let protobuf = match encoding {
            Encoding::Json => None,
            Encoding::Protobuf => Some(Protobuf::new()?),
        };
        let mut left_out = 0;
        let list = requests.map(|(json, version)| {
            let body = match &protobuf {
                Some(protobuf) => {
                    let (body, missing) = protobuf.request(&json)?;
                    left_out += missing;
                    body
                }
                None => json.clone(),
            };
            Ok(Message { tmax: tmax(&json), body, json, version })
        });
        Ok(Self { list: list.collect::<anyhow::Result<_>>()?, times: None, left_out })
    }

    /// A stable hash (FNV-1a, 64 bits) over the bytes of all requests, in hexadecimal: two runs with the same one sent
    /// the same requests.
    pub fn fingerprint(&self) -> String {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let bytes = self.list.iter().flat_map(|message| message.body.iter());
        let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
        format!("{hash:016x}")
    }
}

/// `tmax`, where it is a number above zero; some senders write it as text.
fn tmax(json: &[u8]) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        tmax: Value,
    }
    let head: Head = serde_json::from_slice(json).ok()?;
    let millis = head.tmax.as_f64().or_else(|| head.tmax.as_str()?.trim().parse().ok())?;
    // OpenRTB's tmax is a 32-bit integer.
    (1.0..=f64::from(i32::MAX)).contains(&millis).then(|| Duration::from_millis(millis as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic() -> Traffic {
        Traffic { users: 100, ..Traffic::default() }
    }

    #[test]
    fn generated_requests_have_the_generators_own_fingerprint() {
        let messages = Messages::generated(traffic(), 3, 50, Encoding::Json).unwrap();
        let own = Generator::new(Arc::new(World::standard()), traffic(), 3).fingerprint(50);
        assert_eq!(messages.fingerprint(), format!("{own:016x}"));
        assert!(messages.list.iter().filter(|message| message.tmax.is_some()).count() > 30);
        assert!(messages.list.iter().all(|message| message.version.is_some()));
    }

    #[test]
    fn tmax_is_read_as_leniently_as_bidders_read_it() {
        let cases = [
            (r#"{"tmax":120}"#, Some(120)),
            (r#"{"imp":[{"tmax":3}],"tmax":"80"}"#, Some(80)),
            (r#"{"tmax":0}"#, None),
            (r#"{"tmax":null}"#, None),
            (r#"{"id":"1"}"#, None),
            ("no JSON", None),
        ];
        for (json, millis) in cases {
            assert_eq!(tmax(json.as_bytes()), millis.map(Duration::from_millis), "{json}");
        }
    }
}
