//! Which node a user belongs to: the one with the highest score. A node that comes or goes moves only its own share
//! of the users.

use tagbid_tagset::UserKey;

/// What stands for a node in scores: FNV-1a of its address, the same in every bidder.
pub(super) fn seed(address: &str) -> u64 {
    address
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The user's score of a node. The key is a MAC and thus random; the mixing (the finaliser of splitmix64) spreads the
/// few differing bits of seeds.
pub(super) fn score(user: UserKey, seed: u64) -> u64 {
    let (low, high) = {
        let key = u128::from_le_bytes(user.0);
        (key as u64, (key >> 64) as u64)
    };
    let mut mixed = low ^ high.rotate_left(32) ^ seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(user: UserKey, nodes: &[&str]) -> usize {
        let best = nodes.iter().enumerate().max_by_key(|(_, node)| score(user, seed(node)));
        best.unwrap().0
    }

    #[test]
    fn users_spread_evenly_and_only_a_lost_nodes_users_move() {
        let nodes = ["http://a:8081", "http://b:8081", "http://c:8081"];
        let mut shares = [0; 3];
        for n in 0..30_000_u128 {
            // Keys as random as MACs are.
            let user = UserKey((n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_le_bytes());
            let of_three = owner(user, &nodes);
            shares[of_three] += 1;
            if of_three < 2 {
                assert_eq!(owner(user, &nodes[..2]), of_three);
            }
        }
        assert!(shares.iter().all(|share| (9_000..11_000).contains(share)), "{shares:?}");
    }
}
