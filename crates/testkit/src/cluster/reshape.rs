//! Moving slots, adding and removing nodes, while others use the cluster.

use super::RedisCluster;
use super::view::{Seen, ask, view};
use crate::error::or_fail;
use crate::{KitError, RedisServer};

/// Keys that one MIGRATE takes along.
const KEYS: &str = "100";

impl RedisCluster {
    /// Moves a slot with all its keys, as `redis-cli --cluster reshard` does.
    ///
    /// # Panics
    /// When a node refuses.
    #[track_caller]
    pub fn move_slot(&self, slot: u16, to: usize) {
        let from = self.primary_of(slot);
        if from != to {
            or_fail(self.begin_move(slot, from, to));
            or_fail(self.migrate(slot, from, to));
            or_fail(self.finish_move(slot, from, to));
        }
    }

    /// Begins to move a slot and stops there: who asks the old node for keys that it does not have is sent to the new
    /// one (ASK). [`RedisCluster::move_slot`] goes on from there.
    ///
    /// # Panics
    /// When a node refuses.
    #[track_caller]
    pub fn open_slot(&self, slot: u16, to: usize) {
        or_fail(self.begin_move(slot, self.primary_of(slot), to));
    }

    fn begin_move(&self, slot: u16, from: usize, to: usize) -> Result<(), KitError> {
        let slot = slot.to_string();
        ask::<()>(self.node(to), &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.ids[from]])?;
        ask(self.node(from), &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.ids[to]])
    }

    fn migrate(&self, slot: u16, from: usize, to: usize) -> Result<(), KitError> {
        let (slot, port) = (slot.to_string(), self.node(to).port().to_string());
        loop {
            let keys: Vec<String> = ask(self.node(from), &["CLUSTER", "GETKEYSINSLOT", &slot, KEYS])?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            // NOKEY: they expired meanwhile.
            ask::<String>(self.node(from), &words)?;
        }
    }

    fn finish_move(&self, slot: u16, from: usize, to: usize) -> Result<(), KitError> {
        let slot = slot.to_string();
        // The new owner first: it must know before anybody is sent to it for good.
        for index in [to, from] {
            ask::<()>(self.node(index), &["CLUSTER", "SETSLOT", &slot, "NODE", &self.ids[to]])?;
        }
        Ok(())
    }

    /// Finishes or takes back what tests left half moved.
    pub(super) fn settle_slots(&self) -> Result<(), KitError> {
        for node in &self.nodes {
            let text: String = ask(node, &["CLUSTER", "NODES"])?;
            let open = text.split(' ').filter_map(|word| word.trim_end().strip_prefix('['));
            let slots: Vec<&str> =
                open.filter_map(|word| word.split_once('-').map(|(slot, _)| slot)).collect();
            for slot in slots {
                ask::<()>(node, &["CLUSTER", "SETSLOT", slot, "STABLE"])?;
            }
        }
        Ok(())
    }

    /// Has a node tell the others, and clients, that it is reached on another port, such as a proxy's; until the cluster
    /// is repaired. Waits until all of them know.
    ///
    /// # Panics
    /// When they do not hear of it.
    #[track_caller]
    pub fn announce(&self, node: usize, port: u16) {
        let announced = format!(":{port}@");
        let all = || {
            self.answering().all(|one| {
                ask::<String>(one, &["CLUSTER", "NODES"]).is_ok_and(|text| text.contains(&announced))
            })
        };
        let set = ask::<()>(self.node(node), &["CONFIG", "SET", "cluster-announce-port", &port.to_string()]);
        or_fail(set.and_then(|()| self.wait_for("waiting for the others to hear of a port", all)));
    }

    /// Adds a primary without slots; its index.
    ///
    /// # Panics
    /// When it does not get in.
    #[track_caller]
    pub fn add_node(&mut self) -> usize {
        let added = RedisServer::start_node().and_then(|node| {
            self.ids.push(ask(&node, &["CLUSTER", "MYID"])?);
            self.nodes.push(node);
            let newest = self.nodes.len() - 1;
            for other in &self.nodes[..newest] {
                self.meet(&self.nodes[newest], other)?;
            }
            self.wait_met()?;
            let well = |info: String| info.contains("cluster_state:ok");
            self.wait_for("waiting for the new node to serve", || {
                ask(&self.nodes[newest], &["CLUSTER", "INFO"]).is_ok_and(well)
            })?;
            Ok(newest)
        });
        or_fail(added)
    }

    /// Moves all slots of a node to another primary.
    pub(super) fn empty_node(&self, index: usize) -> Result<(), KitError> {
        let seen = view(&self.nodes[index])?;
        let Some(ours) = seen.iter().find(|one| one.is("myself")) else { return Ok(()) };
        let taker = seen.iter().find(|one| one.id != ours.id && !one.slots.is_empty());
        let taker = taker.and_then(|one| self.ids.iter().position(|id| *id == one.id));
        for slot in ours.slots.iter().flat_map(|(first, last)| *first..=*last) {
            let Some(taker) = taker else { break };
            self.begin_move(slot, index, taker)?;
            self.migrate(slot, index, taker)?;
            self.finish_move(slot, index, taker)?;
        }
        Ok(())
    }

    /// Gives each of the first primaries with slots a replica again: a node that comes back follows whoever took the
    /// last of its slots.
    pub(super) fn spread_replicas(&self) -> Result<(), KitError> {
        let primaries: Vec<String> =
            self.claims()?.into_iter().filter(|one| !one.slots.is_empty()).map(|one| one.id).collect();
        let mut free: Vec<usize> =
            (0..2 * super::PRIMARIES).filter(|index| !primaries.contains(&self.ids[*index])).collect();
        let mut alone = Vec::new();
        for primary in &primaries {
            let follows = |index: &usize| {
                let seen = view(&self.nodes[*index]).unwrap_or_default();
                seen.iter().any(|one| one.is("myself") && one.primary.as_ref() == Some(primary))
            };
            match free.iter().position(follows) {
                Some(place) => drop(free.swap_remove(place)),
                None => alone.push(primary),
            }
        }
        for (primary, replica) in alone.into_iter().zip(free) {
            ask::<()>(&self.nodes[replica], &["CLUSTER", "REPLICATE", primary])?;
        }
        Ok(())
    }

    /// What each node says of itself.
    pub(super) fn claims(&self) -> Result<Vec<Seen>, KitError> {
        let all = self.nodes.iter().map(view).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().flatten().filter(|one| one.is("myself")).collect())
    }

    /// Ends a node without slots and has the others forget it.
    pub(super) fn remove_node(&mut self, index: usize) -> Result<(), KitError> {
        let removed = self.nodes.remove(index);
        let id = self.ids.remove(index);
        removed.kill();
        for node in &self.nodes {
            ask::<()>(node, &["CLUSTER", "FORGET", &id])?;
        }
        Ok(())
    }
}
