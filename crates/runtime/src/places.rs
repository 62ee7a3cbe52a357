//! How many connections a port has open, over all and for each peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The places of a port. An address is known for as long as it has a connection, and told to nobody.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    /// 0: no limit.
    per_peer: usize,
    taken: Mutex<Taken>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

impl Places {
    pub(crate) fn new(most: usize, per_peer: usize) -> Arc<Self> {
        Arc::new(Self { most, per_peer, taken: Mutex::default(), refused: AtomicU64::new(0) })
    }

    /// A place for a connection of this peer; none when there is none left, for it or at all.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = network(peer);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if taken.all >= self.most || (self.per_peer > 0 && own >= self.per_peer) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        taken.all += 1;
        taken.by_peer.insert(peer, own + 1);
        Some(Place { places: Arc::clone(self), peer })
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Connections that got no place.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn leave(&self, peer: IpAddr) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        match taken.by_peer.get_mut(&peer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => _ = taken.by_peer.remove(&peer),
        }
    }
}

/// A connection's place; it is free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.leave(self.peer);
    }
}

/// Whoever has an IPv6 address has its /64 (RFC 6177 section 2 calls that the least a site gets).
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn nobody_takes_all_places_and_what_is_left_is_free_again() {
        let places = Places::new(3, 2);
        let (first, second) = (places.take(from("192.0.2.1")), places.take(from("::ffff:192.0.2.1")));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(from("192.0.2.1")).is_none());
        let other = places.take(from("192.0.2.2"));
        assert!(other.is_some());
        assert!(places.take(from("192.0.2.3")).is_none(), "three in all");
        assert_eq!((places.open(), places.refused()), (3, 2));
        drop(first);
        assert!(places.take(from("192.0.2.1")).is_some());
        drop((second, other));
        assert_eq!(places.open(), 0);
        assert!(places.taken.lock().unwrap().by_peer.is_empty());
    }

    #[test]
    fn a_network_is_one_peer() {
        let places = Places::new(10, 1);
        let _one = places.take(from("2001:db8::1")).unwrap();
        assert!(places.take(from("2001:db8::2")).is_none());
        assert!(places.take(from("2001:db8:0:1::1")).is_some());
    }
}
