//! Hash slots: which keys of a Redis Cluster live, move and are lost together.

use std::sync::LazyLock;

use tagbid_tagset::UserKey;

/// Hash slots of a Redis Cluster.
pub(super) const SLOTS: usize = 16_384;

/// CRC16 (XMODEM, polynomial 0x1021), as the cluster specification has it, by bytes.
const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The slot of all keys with this hash tag.
pub(super) fn slot_of(tag: &[u8]) -> usize {
    let step = |crc: u16, byte: &u8| {
        let place = usize::from((crc >> 8) as u8 ^ byte);
        (crc << 8) ^ CRC.get(place).copied().unwrap_or_default()
    };
    usize::from(tag.iter().fold(0, step)) % SLOTS
}

/// The slot of everything that is kept of a user.
pub(super) fn slot_of_user(user: UserKey) -> usize {
    slot_of(user.text().as_str().as_bytes())
}

/// A short hash tag for each slot.
pub(super) fn tags() -> &'static [String] {
    static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let (mut tags, mut missing) = (vec![String::new(); SLOTS], SLOTS);
        // Every slot has a number below 200,000: CRC16 spreads them evenly.
        for number in 0_u32.. {
            let tag = number.to_string();
            if let Some(place) = tags.get_mut(slot_of(tag.as_bytes()))
                && place.is_empty()
            {
                *place = tag;
                missing -= 1;
                if missing == 0 {
                    break;
                }
            }
        }
        tags
    });
    &TAGS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        // Its own check value, and what redis-server answers to CLUSTER KEYSLOT.
        assert_eq!(slot_of(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b""), 0);
    }

    #[test]
    fn every_slot_has_a_tag_of_its_own() {
        assert_eq!(tags().len(), SLOTS);
        for (slot, tag) in tags().iter().enumerate() {
            assert_eq!(slot_of(tag.as_bytes()), slot, "{tag}");
        }
        assert!(tags().iter().all(|tag| !tag.is_empty() && tag.len() <= 6));
    }
}
