//! An event as a line of JSON.

use std::io::Write;

use serde_json::Value as Json;
use tagbid_eventlog::Logged;
use tagbid_types::Timestamp;
use tagbid_wire::ledger::day_text;

use super::columns::{COLUMNS, Value};

/// Writes one line; what an event does not have is left out.
pub(super) fn line(event: &Logged, out: &mut impl Write) -> anyhow::Result<()> {
    let mut separator = "{";
    for column in &COLUMNS {
        let Some(value) = (column.get)(event) else { continue };
        write!(out, "{separator}\"{}\":{}", column.name, json(value))?;
        separator = ",";
    }
    writeln!(out, "}}")?;
    Ok(())
}

fn json(value: Value<'_>) -> Json {
    match value {
        Value::Id(id) => id.into(),
        Value::Number(number) => number.into(),
        Value::Text(text) => text.into_owned().into(),
        Value::Time(at) => time(at).into(),
        Value::Day(day) => day_text(day).into(),
        Value::Flag(flag) => flag.into(),
    }
}

/// RFC 3339; microseconds since 1970 for a moment that no calendar has.
fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::columns::tests::rows;
    use super::*;

    #[test]
    fn lines_are_json_with_what_an_event_has() {
        let [made, billed, converted, nobodys] = rows().map(|row| {
            let mut out = Vec::new();
            line(&row, &mut out).unwrap();
            serde_json::from_slice::<Json>(&out).unwrap()
        });
        assert_eq!(made["kind"], "bid");
        assert_eq!(made["at"], "2026-11-22T09:00:00.25Z");
        assert_eq!(made["bid_at"], "2026-11-22T08:59:59.25Z");
        assert_eq!(made["auction"], "a \"quoted\" id");
        assert_eq!(made["bid"], "000000000000000000000000000000ff");
        assert_eq!(made["advertiser"], u64::MAX);
        assert_eq!(made["user"], "AQEBAQEBAQEBAQEBAQEBAQ");
        assert_eq!((&made["test"], &made["sample_millionths"]), (&true.into(), &10_000.into()));
        assert!(made.get("verdict").is_none() && made.get("source").is_none() && made.get("deal").is_none());
        assert_eq!((&billed["verdict"], &billed["quarantine"]), (&"quarantined".into(), &"price".into()));
        assert_eq!((&billed["price_micros"], &billed["excess_nanos"]), (&1_250_000.into(), &(-7).into()));
        assert_eq!((&billed["uncovered_nanos"], &billed["over_capacity"]), (&40.into(), &2.into()));
        assert_eq!(billed["budget_day"], "2026-11-22");
        assert_eq!((&billed["source"], &billed["source_position"]), (&"ledger.1".into(), &41.into()));
        assert!(billed.get("user").is_none());
        assert_eq!(
            (&converted["conversion"], &converted["value_nanos"]),
            (&"purchase".into(), &19_990_000_000_i64.into())
        );
        assert_eq!((&converted["attribution"], &converted["campaign"]), (&"click".into(), &2.into()));
        assert_eq!(
            (&nobodys["advertiser"], &nobodys["uncredited"]),
            (&u64::MAX.into(), &"click_expired".into())
        );
        assert!(nobodys.get("bid").is_none() && nobodys.get("currency").is_none());
    }
}
