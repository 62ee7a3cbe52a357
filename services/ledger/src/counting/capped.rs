//! Which counts of users some cap looks at, and how far back: the tag store forgets those last.

use std::collections::BTreeMap;

use dashmap::DashMap;
use tagbid_budget::{Line, Owner};
use tagbid_catalog::{CapScope, CapWindow, Entity, FrequencyCap};
use tagbid_tagset::frequency::{Counted, Horizon, Window};

/// What is counted together, of all that is somebody's: the line items of a campaign, each for itself, are `(LineItem, campaign)`.
type Group = (u8, Owner);

/// The caps of the catalog. One that is archived has none.
#[derive(Debug, Default)]
pub(crate) struct Capped {
    /// How far back caps look at a group, by whose caps they are.
    groups: DashMap<Group, BTreeMap<Owner, Horizon>>,
    /// The groups that an owner's caps count.
    of: DashMap<Owner, Vec<Group>>,
}

impl Capped {
    /// Takes an entity in.
    pub(crate) fn learn(&self, entity: &Entity) {
        let (header, caps, chain) = match entity {
            Entity::Advertiser(one) => (&one.header, &one.caps, vec![Owner::Advertiser(one.id)]),
            Entity::Campaign(one) => {
                (&one.header, &one.caps, vec![Owner::Campaign(one.id), Owner::Advertiser(one.advertiser)])
            }
            Entity::LineItem(one) => {
                let above = [Owner::Campaign(one.campaign), Owner::Advertiser(one.advertiser)];
                (&one.header, &one.caps, [Owner::LineItem(one.id)].into_iter().chain(above).collect())
            }
            _ => return,
        };
        let Some(owner) = chain.first().copied() else { return };
        self.forget(owner);
        let caps = if header.archived { &[][..] } else { caps };
        let groups: Vec<Group> = caps.iter().filter_map(|cap| self.add(owner, &chain, cap)).collect();
        if !groups.is_empty() {
            self.of.insert(owner, groups);
        }
    }

    fn forget(&self, owner: Owner) {
        for group in self.of.remove(&owner).map(|(_, groups)| groups).unwrap_or_default() {
            self.groups.remove_if_mut(&group, |_, of| {
                of.remove(&owner);
                of.is_empty()
            });
        }
    }

    fn add(&self, owner: Owner, chain: &[Owner], cap: &FrequencyCap) -> Option<Group> {
        let scope = match cap.scope {
            CapScope::LineItem => 0,
            CapScope::Campaign => 1,
            CapScope::Advertiser => 2,
        };
        // The owner itself where it is the wider one of both.
        let whose = chain.iter().copied().find(|one| level(*one) >= scope)?;
        let horizon = match cap.window {
            CapWindow::Minute => Horizon::Within(Window::Minute),
            CapWindow::Hour => Horizon::Within(Window::Hour),
            CapWindow::Day => Horizon::Within(Window::Day),
            CapWindow::Week => Horizon::Within(Window::Week),
            CapWindow::Lifetime => Horizon::Ever,
        };
        let mut of = self.groups.entry((scope, whose)).or_default();
        let known = of.entry(owner).or_default();
        *known = horizon.max(*known);
        Some((scope, whose))
    }

    /// How far back caps look at what an impression of this line item counts for; what none looks at is left out.
    pub(crate) fn of(&self, line: &Line) -> Vec<(Counted, Horizon)> {
        let all = [
            Owner::LineItem(line.line_item),
            Owner::Campaign(line.campaign),
            Owner::Advertiser(line.advertiser),
        ];
        let counted = [
            Counted::LineItem(line.line_item),
            Counted::Campaign(line.campaign),
            Counted::Advertiser(line.advertiser),
        ];
        let horizon = |scope: u8| {
            let groups = all.iter().filter_map(|whose| self.groups.get(&(scope, *whose)));
            groups.filter_map(|of| of.values().max().copied()).max().unwrap_or_default()
        };
        let looked_at = (0..).zip(counted).map(|(scope, counted)| (counted, horizon(scope)));
        looked_at.filter(|(_, horizon)| *horizon != Horizon::None).collect()
    }
}

fn level(owner: Owner) -> u8 {
    match owner {
        Owner::LineItem(_) => 0,
        Owner::Campaign(_) => 1,
        Owner::Advertiser(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use tagbid_types::{AdvertiserId, CampaignId, LineItemId};

    use super::*;

    fn cap(scope: CapScope, window: CapWindow) -> FrequencyCap {
        FrequencyCap { scope, impressions: 1, window }
    }

    fn line(line_item: u64, campaign: u64) -> Line {
        let (line_item, campaign) = (LineItemId(line_item), CampaignId(campaign));
        Line { advertiser: AdvertiserId(1), campaign, line_item }
    }

    /// The caps of whoever is the first of the chain.
    fn set(capped: &Capped, chain: &[Owner], caps: &[FrequencyCap]) {
        capped.forget(chain[0]);
        let groups = caps.iter().filter_map(|one| capped.add(chain[0], chain, one)).collect();
        capped.of.insert(chain[0], groups);
    }

    #[test]
    fn the_longest_window_of_any_cap_counts_and_goes_with_its_cap() {
        let capped = Capped::default();
        let (a, k, l) = (
            Owner::Advertiser(AdvertiserId(1)),
            Owner::Campaign(CampaignId(2)),
            Owner::LineItem(LineItemId(3)),
        );
        assert_eq!(capped.of(&line(3, 2)), []);
        set(
            &capped,
            &[l, k, a],
            &[cap(CapScope::LineItem, CapWindow::Day), cap(CapScope::Campaign, CapWindow::Week)],
        );
        set(&capped, &[a], &[cap(CapScope::LineItem, CapWindow::Lifetime)]);
        set(&capped, &[k, a], &[cap(CapScope::Campaign, CapWindow::Hour)]);
        let (item, other) = (Counted::LineItem(LineItemId(3)), Counted::LineItem(LineItemId(4)));
        let campaign = (Counted::Campaign(CampaignId(2)), Horizon::Within(Window::Week));
        assert_eq!(capped.of(&line(3, 2)), [(item, Horizon::Ever), campaign]);
        assert_eq!(
            capped.of(&line(4, 2)),
            [(other, Horizon::Ever), campaign],
            "one cap counts them together"
        );
        set(&capped, &[a], &[]);
        set(&capped, &[l, k, a], &[cap(CapScope::LineItem, CapWindow::Day)]);
        let hour = (Counted::Campaign(CampaignId(2)), Horizon::Within(Window::Hour));
        assert_eq!(capped.of(&line(3, 2)), [(item, Horizon::Within(Window::Day)), hour]);
        assert_eq!(capped.of(&line(4, 2)), [hour]);
        assert_eq!(capped.of(&line(4, 5)), []);
        set(&capped, &[l, k, a], &[]);
        set(&capped, &[k, a], &[]);
        assert!(capped.groups.is_empty());
    }
}
