//! Parts of one whole: line items of one budget, bidders of one line item.

/// Shares out a capacity: to each as much as it can use, and where that is too much for all, nobody gets more while another
/// that could use it has less. What nobody can use is left.
pub(super) fn fair(capacity: i64, usable: &[i64]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..usable.len()).collect();
    let of = |place: &usize| usable.get(*place).copied().unwrap_or(0).max(0);
    order.sort_by_key(of);
    let mut parts = vec![0; usable.len()];
    let (mut left, mut others) = (capacity.max(0), i64::try_from(usable.len()).unwrap_or(i64::MAX));
    for place in order {
        let part = of(&place).min(left / others.max(1));
        if let Some(slot) = parts.get_mut(place) {
            *slot = part;
        }
        (left, others) = (left - part, others - 1);
    }
    parts
}

/// The part of a mean demand that one is taken to have at least, so that a bidder with nothing to bid with finds out what it
/// could use.
const FLOOR: i64 = 20;

/// Splits a whole by demand. Rounding leaves a little over.
pub(super) fn by_demand(whole: i64, demands: &[i64]) -> Vec<i64> {
    let sum: i128 = demands.iter().map(|demand| i128::from((*demand).max(0))).sum();
    let count = i128::try_from(demands.len()).unwrap_or(i128::MAX).max(1);
    let floor = (sum / count / i128::from(FLOOR)).max(1);
    let weight = |demand: &i64| i128::from((*demand).max(0)) + floor;
    let all: i128 = demands.iter().map(weight).sum();
    let part = |demand: &i64| i128::from(whole.max(0)).saturating_mul(weight(demand)) / all.max(1);
    demands.iter().map(|demand| i64::try_from(part(demand)).unwrap_or(i64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_little_gets_it_and_the_others_share_the_rest() {
        assert_eq!(fair(100, &[i64::MAX, 10, i64::MAX]), [45, 10, 45]);
        assert_eq!(fair(100, &[20, 10]), [20, 10]);
        assert_eq!(fair(100, &[]), [0; 0]);
        assert_eq!(fair(-5, &[1, 2]), [0, 0]);
    }

    #[test]
    fn a_bidder_without_demand_gets_a_little() {
        assert_eq!(by_demand(1_000, &[0, 0]), [500, 500]);
        let parts = by_demand(1_000, &[900, 100, 0]);
        assert!(parts[0] > 800 && parts[1] > 90 && parts[2] > 10 && parts[2] < 50, "{parts:?}");
        assert_eq!(by_demand(i64::MAX, &[1]), [i64::MAX]);
    }
}
