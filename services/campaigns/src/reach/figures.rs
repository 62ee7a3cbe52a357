//! From counts in a sample to figures for people: an estimate, how far to trust it, and nothing of small numbers.

use std::time::Duration;

use tagbid_ports::{RequestReach, Stratum, UserReach};
use tagbid_types::Timestamp;

/// Fewer users are not told.
const FEWEST_USERS: u64 = 1_000;

/// Fewer matching impressions in the sample are not told: beside being no basis for a share, they may be one person's.
const FEWEST_IMPRESSIONS: u64 = 10;

/// 95 % of a normal distribution lie within so many standard deviations.
const Z: f64 = 1.959_964;

/// Shares are told in parts of this.
const MILLION: f64 = 1e6;

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// How many users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserFigures {
    /// None: fewer than [`FEWEST_USERS`].
    pub(crate) users: Option<u64>,
    pub(crate) interval: Interval,
    pub(crate) sampled: u64,
    /// One user in so many is in the sample.
    pub(crate) scale: u64,
    pub(crate) age: Duration,
}

/// Which share of requests, in millionths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestFigures {
    /// None: fewer than [`FEWEST_IMPRESSIONS`] of the sample match.
    pub(crate) share: Option<u64>,
    pub(crate) interval: Interval,
    pub(crate) sampled: u64,
    /// How many the sample stands for.
    pub(crate) impressions: u64,
    pub(crate) since: Timestamp,
}

impl UserFigures {
    pub(crate) fn of(reach: &UserReach) -> Self {
        let Stratum { sampled, matching, scale } = reach.stratum;
        let estimate = matching.saturating_mul(scale);
        let told = estimate >= FEWEST_USERS;
        // What is not told shows in the interval neither: it is that of the most that is not told.
        let (low, high) = users_within(if told { matching } else { (FEWEST_USERS - 1) / scale }, scale);
        let low = round_down(low as u64);
        let interval = Interval {
            low: if told && low >= FEWEST_USERS { low } else { 0 },
            high: round_up(high.ceil() as u64).max(FEWEST_USERS),
        };
        Self { users: told.then(|| round(estimate)), interval, sampled, scale, age: reach.age }
    }
}

/// Between which numbers of users `matching` in a sample of one in `scale` are no surprise: the n for which `matching`
/// is within [`Z`] standard deviations of the mean of a binomial (n, 1/scale). (E. B. Wilson's score interval, Journal of
/// the American Statistical Association 22, 1927, solved for n.) With a scale of 1 it is the count itself.
fn users_within(matching: u64, scale: u64) -> (f64, f64) {
    let (found, scale) = (matching as f64, scale as f64);
    let left_out = 1.0 - 1.0 / scale;
    let middle = found + Z * Z * left_out / 2.0;
    let half = Z * (found * left_out + (Z * left_out / 2.0).powi(2)).sqrt();
    ((middle - half).max(0.0) * scale, (middle + half) * scale)
}

impl RequestFigures {
    /// None when the sample is empty.
    pub(crate) fn of(reach: &RequestReach) -> Option<Self> {
        let sum = |of: fn(&Stratum) -> u64| reach.strata.iter().map(of).sum::<u64>();
        let (sampled, matching) = (sum(|one| one.sampled), sum(|one| one.matching));
        if sampled == 0 {
            return None;
        }
        let weighed = |of: fn(&Stratum) -> f64| reach.strata.iter().map(of).sum::<f64>();
        let impressions = weighed(|one| one.sampled as f64 * one.scale as f64);
        let squares = weighed(|one| one.sampled as f64 * (one.scale as f64).powi(2));
        // Impressions that stand for many count like fewer equal ones would (L. Kish, Survey Sampling, 1965).
        let effective = impressions * impressions / squares;
        let told = matching >= FEWEST_IMPRESSIONS;
        let share = weighed(|one| one.matching as f64 * one.scale as f64) / impressions;
        let shown = if told { share } else { (FEWEST_IMPRESSIONS - 1).min(sampled) as f64 / sampled as f64 };
        let (low, high) = share_within(shown, effective);
        let low = if told { round_down((low * MILLION) as u64) } else { 0 };
        let interval = Interval { low, high: round_up((high * MILLION).ceil() as u64).min(MILLION as u64) };
        Some(Self {
            share: told.then(|| round((share * MILLION).round() as u64)),
            interval,
            sampled,
            impressions: round(impressions as u64),
            since: reach.since,
        })
    }
}

/// Wilson's score interval of a share that was found among so many.
fn share_within(share: f64, among: f64) -> (f64, f64) {
    let square = Z * Z / among;
    let middle = share + square / 2.0;
    let half = Z * (share * (1.0 - share) / among + square / (4.0 * among)).sqrt();
    (((middle - half) / (1.0 + square)).max(0.0), ((middle + half) / (1.0 + square)).min(1.0))
}

/// What one of the second digit is worth.
fn unit(number: u64) -> u64 {
    10_u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(1))
}

/// Two significant digits, the nearest.
fn round(number: u64) -> u64 {
    let unit = unit(number);
    (number.saturating_add(unit / 2)) / unit * unit
}

fn round_down(number: u64) -> u64 {
    let unit = unit(number);
    number / unit * unit
}

fn round_up(number: u64) -> u64 {
    let unit = unit(number);
    number.div_ceil(unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests;
