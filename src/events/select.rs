//! Which events of which log.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tagbid_eventlog::Query;
use tagbid_ports::EventKind;
use tagbid_types::{AdvertiserId, BidId, CampaignId, CreativeId, ExchangeName, LineItemId, Timestamp};

/// Options of all commands.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// Directory of the log; default: events.dir of the settings.
    #[arg(long, value_name = "D")]
    dir: Option<PathBuf>,
    /// Events of this moment and later: RFC 3339 (2026-11-22T09:00:00Z), a day in UTC (2026-11-22), or how long ago (90s, 30m,
    /// 2h, 7d).
    #[arg(long, value_name = "T")]
    from: Option<Moment>,
    /// Events before this moment, written likewise.
    #[arg(long, value_name = "T")]
    to: Option<Moment>,
    /// Kinds of events: bid, win, billing, loss, impression, click, conversion; may be given several times.
    #[arg(long = "kind", value_name = "K")]
    kinds: Vec<EventKind>,
    /// Of bids to this exchange.
    #[arg(long, value_name = "NAME")]
    exchange: Option<ExchangeName>,
    /// Of this advertiser.
    #[arg(long, value_name = "ID")]
    advertiser: Option<AdvertiserId>,
    /// Of this campaign.
    #[arg(long, value_name = "ID")]
    campaign: Option<CampaignId>,
    /// Of this line item.
    #[arg(long, value_name = "ID")]
    line_item: Option<LineItemId>,
    /// Of this creative.
    #[arg(long, value_name = "ID")]
    creative: Option<CreativeId>,
    /// Of this bid: the 32 hex digits of its id.
    #[arg(long, value_name = "ID", value_parser = bid)]
    bid: Option<BidId>,
    /// Of the auction that its exchange calls so (its first 36 bytes).
    #[arg(long, value_name = "ID")]
    auction: Option<String>,
}

impl Selection {
    pub(super) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    pub(super) fn has_from(&self) -> bool {
        self.from.is_some()
    }

    /// The events that are wanted, if it is now `now`.
    pub(super) fn query(&self, now: Timestamp) -> Query {
        Query {
            from: self.from.map(|moment| moment.at(now)),
            to: self.to.map(|moment| moment.at(now)),
            kinds: self.kinds.clone(),
            exchange: self.exchange.clone(),
            advertiser: self.advertiser,
            campaign: self.campaign,
            line_item: self.line_item,
            creative: self.creative,
            bid: self.bid,
            auction: self.auction.clone(),
        }
    }
}

fn bid(text: &str) -> Result<BidId, String> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
    number.map(BidId).ok_or_else(|| "use the 32 hex digits of a bid's id".into())
}

/// A moment as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(span) => {
                Timestamp(now.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
            }
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(span) = ago(text) {
            return Ok(Self::Ago(span));
        }
        let moment: Option<jiff::Timestamp> = match text.len() {
            10 => {
                text.parse::<Date>().ok().and_then(|day| Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp()))
            }
            _ => text.parse().ok(),
        };
        let wanted = "use RFC 3339 such as 2026-11-22T09:00:00Z, a day such as 2026-11-22, or how long ago: 90s, 30m, 2h, 7d";
        moment.map(|moment| Self::At(Timestamp(moment.as_microsecond()))).ok_or_else(|| wanted.into())
    }
}

fn ago(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = Timestamp::from_secs(1_795_338_000);
        let at = |text: &str| text.parse::<Moment>().map(|moment| moment.at(now).secs());
        assert_eq!(at("2026-11-22T09:00:00Z"), Ok(1_795_338_000));
        assert_eq!(at("2026-11-22T10:00:00.5+01:00"), Ok(1_795_338_000));
        assert_eq!(at("2026-11-22"), Ok(1_795_305_600));
        assert_eq!(at("90s"), Ok(1_795_337_910));
        assert_eq!(at("7d"), Ok(1_794_733_200));
        for bad in ["", "yesterday", "7w", "-1h", "2026-13-01", "09:00"] {
            assert!(at(bad).unwrap_err().starts_with("use RFC 3339"), "{bad:?}");
        }
    }

    #[test]
    fn bids_are_named_by_their_whole_id() {
        assert_eq!(bid("000000000000000000000000000000ff"), Ok(BidId(255)));
        assert!(bid("ff").is_err() && bid("xyz").is_err());
    }
}
