//! Who owns which slots of a Redis Cluster, from what its nodes say.

use super::slots::SLOTS;

/// A primary, as a line of `CLUSTER NODES` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) host: String,
    pub(super) port: u16,
    /// Who claims a slot at the highest epoch has it: so the nodes themselves settle it after a failover.
    epoch: u64,
    slots: Vec<(usize, usize)>,
}

impl Claim {
    /// `ID HOST:PORT@BUS[,NAME] FLAGS PRIMARY PING PONG EPOCH LINK [SLOTS...]`; none of a replica, or of a node that
    /// nobody has met yet. A node that does not know its own address is where it was `asked`.
    fn parse(line: &str, asked: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_id, address, flags, _primary, _ping, _pong, epoch, _link, slots @ ..] = words.as_slice() else {
            return None;
        };
        let is = |flag| flags.split(',').any(|one| one == flag);
        if !is("master") || is("handshake") || is("noaddr") {
            return None;
        }
        let (host, port) = address.split_once('@')?.0.rsplit_once(':')?;
        // Slots on the move are in brackets, and among their owner's besides.
        let ranges = slots.iter().filter(|one| !one.starts_with('[')).filter_map(|one| {
            let (first, last) = one.split_once('-').unwrap_or((one, one));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        let slots: Vec<_> = ranges.collect();
        if is("fail") && slots.is_empty() {
            return None;
        }
        Some(Self {
            host: if host.is_empty() { asked } else { host }.to_owned(),
            port: port.parse().ok()?,
            epoch: epoch.parse().ok()?,
            slots,
        })
    }

    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What one node says.
pub(super) fn claims(text: &str, asked: &str) -> Vec<Claim> {
    text.lines().filter_map(|line| Claim::parse(line, asked)).collect()
}

/// The primaries, and for each slot the index of its own; none where nobody claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) primaries: Vec<(String, u16)>,
    pub(super) owners: Vec<Option<u16>>,
}

impl Layout {
    /// One server that owns everything.
    pub(super) fn alone(host: String, port: u16) -> Self {
        Self { primaries: vec![(host, port)], owners: vec![Some(0); SLOTS] }
    }

    /// What all nodes said, put together.
    pub(super) fn of(mut claims: Vec<Claim>) -> Self {
        claims.sort_by_key(|claim| (claim.address(), claim.epoch));
        let (mut primaries, mut owners) = (Vec::new(), vec![None; SLOTS]);
        let mut epochs = vec![0; SLOTS];
        for claim in claims {
            let this = (claim.host, claim.port);
            if primaries.last() != Some(&this) {
                primaries.push(this);
            }
            let Ok(index) = u16::try_from(primaries.len() - 1) else { break };
            for slot in claim.slots.into_iter().flat_map(|(first, last)| first..=last.min(SLOTS - 1)) {
                if let (Some(owner), Some(epoch)) = (owners.get_mut(slot), epochs.get_mut(slot))
                    && (owner.is_none() || *epoch < claim.epoch)
                {
                    (*owner, *epoch) = (Some(index), claim.epoch);
                }
            }
        }
        Self { primaries, owners }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "\
07c3 10.0.0.1:7001@17001,host-1 myself,master - 0 1426238317239 2 connected 0-8191 [93->-292f]
67ed :7002@17002 master - 0 1426238316232 3 connected 8192-16383
292f 10.0.0.3:7003@17003 slave 07c3 0 1426238316232 2 connected
9999 10.0.0.4:7004@17004 handshake,master - 0 0 0 connected
";
    const AFTER: &str = "\
07c3 10.0.0.1:7001@17001 master,fail - 1426238317239 1426238317239 2 disconnected
292f 10.0.0.3:7003@17003 myself,master - 0 1426238316232 7 connected 0-8190 8191
";

    fn owner(layout: &Layout, slot: usize) -> Option<u16> {
        layout.owners[slot].map(|index| layout.primaries[usize::from(index)].1)
    }

    #[test]
    fn primaries_and_their_slots_are_read() {
        let layout = Layout::of(claims(BEFORE, "10.0.0.2"));
        assert_eq!(layout.primaries, [("10.0.0.1".to_owned(), 7001), ("10.0.0.2".to_owned(), 7002)]);
        assert_eq!(
            [0, 93, 8191, 8192, 16_383].map(|slot| owner(&layout, slot)),
            [Some(7001), Some(7001), Some(7001), Some(7002), Some(7002)]
        );
    }

    #[test]
    fn whoever_has_heard_of_the_failover_is_right() {
        for order in [[BEFORE, AFTER], [AFTER, BEFORE]] {
            let layout = Layout::of(order.iter().flat_map(|text| claims(text, "10.0.0.2")).collect());
            assert_eq!(
                [0, 8191, 8192].map(|slot| owner(&layout, slot)),
                [Some(7003), Some(7003), Some(7002)]
            );
        }
    }

    #[test]
    fn slots_that_nobody_claims_have_no_owner() {
        let layout = Layout::of(claims(AFTER, ""));
        assert_eq!((owner(&layout, 8191), owner(&layout, 8192)), (Some(7003), None));
        assert_eq!(claims("nonsense\n\n1 2 3", ""), []);
    }
}
