//! A profile in pprof's protocol buffers (<https://github.com/google/pprof/blob/main/proto/profile.proto>): as much of it as
//! stacks of functions need.

use std::collections::{BTreeSet, HashMap};

use prost::Message;

use super::Samples;
use super::stacks::Code;

/// Nanoseconds of CPU that a sample stands for.
const PERIOD_NANOS: i64 = 1_000_000_000 / 99;

/// The whole.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Profile {
    #[prost(message, repeated, tag = "1")]
    pub(super) sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub(super) sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(super) location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub(super) function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub(super) string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    pub(super) duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub(super) period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub(super) period: i64,
    #[prost(int64, repeated, tag = "13")]
    pub(super) comment: Vec<i64>,
}

/// What is measured, and its unit; places in the string table, like all names.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct ValueType {
    #[prost(int64, tag = "1")]
    pub(super) kind: i64,
    #[prost(int64, tag = "2")]
    pub(super) unit: i64,
}

/// A stack, the innermost first.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub(super) location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub(super) value: Vec<i64>,
}

/// A place in the code. Ids count from 1.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Location {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(uint64, tag = "3")]
    pub(super) address: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) line: Vec<Line>,
}

/// Which function a place is in.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Line {
    #[prost(uint64, tag = "1")]
    pub(super) function_id: u64,
}

/// A function.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Function {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(int64, tag = "2")]
    pub(super) name: i64,
    #[prost(int64, tag = "3")]
    pub(super) system_name: i64,
}

/// Every text once.
struct Texts {
    table: Vec<String>,
    places: HashMap<String, i64>,
}

impl Texts {
    fn place(&mut self, text: &str) -> i64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = i64::try_from(self.table.len()).unwrap_or(0);
        self.table.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

/// Samples as counts and as CPU time.
pub(super) fn encode(samples: &Samples, code: &Code) -> Vec<u8> {
    let addresses: BTreeSet<u64> = samples.stacks.keys().flatten().copied().collect();
    let addresses: Vec<u64> = addresses.into_iter().collect();
    // The first text is empty, by the format.
    let mut texts = Texts { table: vec![String::new()], places: HashMap::new() };
    let (mut function, mut ids) = (Vec::new(), HashMap::new());
    let mut location = Vec::with_capacity(addresses.len());
    for ((id, address), name) in (1..).zip(&addresses).zip(code.names(&addresses)) {
        let name = texts.place(&name);
        let function_id = *ids.entry(name).or_insert_with(|| {
            let id = function.len() as u64 + 1;
            function.push(Function { id, name, system_name: name });
            id
        });
        location.push(Location { id, address: *address, line: vec![Line { function_id }] });
    }
    let id_of = |address: &u64| addresses.binary_search(address).map_or(0, |place| place as u64 + 1);
    let sample = samples.stacks.iter().map(|(stack, count)| {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        let value = vec![count, count.saturating_mul(PERIOD_NANOS)];
        Sample { location_id: stack.iter().map(id_of).collect(), value }
    });
    let sample = sample.collect();
    let mut kind = |kind: &str, unit: &str| ValueType { kind: texts.place(kind), unit: texts.place(unit) };
    let (counts, cpu) = (kind("samples", "count"), kind("cpu", "nanoseconds"));
    let comment = texts.place(&format!("{} samples found no room", samples.dropped));
    let profile = Profile {
        sample_type: vec![counts, cpu],
        sample,
        location,
        function,
        duration_nanos: i64::try_from(samples.took.as_nanos()).unwrap_or(i64::MAX),
        period_type: Some(cpu),
        period: PERIOD_NANOS,
        comment: vec![comment],
        string_table: texts.table,
    };
    profile.encode_to_vec()
}
