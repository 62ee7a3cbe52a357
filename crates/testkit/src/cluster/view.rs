//! What the nodes of a cluster say of it.

use std::time::Duration;

use crate::{KitError, RedisServer};

/// Hash slots of a Redis Cluster.
pub const SLOTS: u16 = 16_384;

/// How long one node may take to answer a question.
const ANSWER: Duration = Duration::from_secs(5);

/// The slot of a key, or of a hash tag: CRC16 (XMODEM), as the cluster specification has it.
pub fn slot_of(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

/// Asks one node.
pub(super) fn ask<T: redis::FromRedisValue>(node: &RedisServer, words: &[&str]) -> Result<T, KitError> {
    let failed = |error: redis::RedisError| KitError::Failed {
        what: "asking a node of the cluster",
        output: format!("{words:?} on port {}: {error}", node.port()),
    };
    let client = redis::Client::open(("127.0.0.1", node.port())).map_err(failed)?;
    let mut connection = client.get_connection_with_timeout(ANSWER).map_err(failed)?;
    connection.set_read_timeout(Some(ANSWER)).map_err(failed)?;
    let (first, rest) = words.split_first().unwrap_or((&"PING", &[]));
    redis::cmd(first).arg(rest).query(&mut connection).map_err(failed)
}

/// One line of `CLUSTER NODES`.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) port: Option<u16>,
    pub(super) flags: String,
    pub(super) primary: Option<String>,
    pub(super) epoch: u64,
    pub(super) linked: bool,
    pub(super) slots: Vec<(u16, u16)>,
}

impl Seen {
    pub(super) fn is(&self, flag: &str) -> bool {
        self.flags.split(',').any(|one| one == flag)
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, address, flags, primary, _ping, _pong, epoch, link, slots @ ..] = words.as_slice() else {
            return None;
        };
        // Slots on the move stand in brackets and are listed with their owner's too.
        let slots = slots.iter().filter(|one| !one.starts_with('[')).filter_map(|one| {
            let (first, last) = one.split_once('-').unwrap_or((one, one));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Some(Self {
            id: (*id).to_owned(),
            port: address.split_once('@').and_then(|(own, _)| own.rsplit_once(':')?.1.parse().ok()),
            flags: (*flags).to_owned(),
            primary: (*primary != "-").then(|| (*primary).to_owned()),
            epoch: epoch.parse().ok()?,
            linked: *link == "connected",
            slots: slots.collect(),
        })
    }
}

/// The cluster as one node sees it.
pub(super) fn view(node: &RedisServer) -> Result<Vec<Seen>, KitError> {
    let text: String = ask(node, &["CLUSTER", "NODES"])?;
    Ok(text.lines().filter_map(Seen::parse).collect())
}

/// Who owns each slot, by the youngest claim that any of these nodes has heard of.
pub(super) fn owners<'a>(nodes: impl Iterator<Item = &'a RedisServer>) -> Vec<Option<String>> {
    let mut claims: Vec<Seen> = nodes.filter_map(|node| view(node).ok()).flatten().collect();
    claims.sort_by_key(|seen| seen.epoch);
    let mut owners = vec![None; usize::from(SLOTS)];
    for seen in claims {
        for slot in seen.slots.iter().flat_map(|(first, last)| *first..=*last) {
            if let Some(owner) = owners.get_mut(usize::from(slot)) {
                *owner = Some(seen.id.clone());
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        // The specification's own check value: CRC16 of "123456789" is 0x31C3.
        assert_eq!(slot_of("123456789"), 0x31C3);
        assert_eq!(slot_of("foo"), 12_182);
    }

    #[test]
    fn a_line_of_cluster_nodes_is_read() {
        let line = "07c3 127.0.0.1:30004@31004,hostname4 myself,master - 0 1426238317239 4 connected 0-5460 7 [93->-292f]";
        let seen = Seen::parse(line).unwrap();
        assert!(seen.is("master") && seen.is("myself") && !seen.is("fail") && seen.linked);
        assert_eq!((seen.epoch, seen.slots, seen.primary), (4, vec![(0, 5460), (7, 7)], None));
        assert_eq!(seen.port, Some(30_004));
    }
}
