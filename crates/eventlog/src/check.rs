//! What no log can take.

use tagbid_ports::{AppendError, Event, EventBatch, Fact, MAX_APPEND, MAX_EVENT_TEXT, NoticeFact, Verdict};

/// What can never be appended.
pub(crate) fn check(batch: &EventBatch) -> Result<(), AppendError> {
    let refused = |problem: String| Err(AppendError::Refused(problem));
    if batch.records.len() > MAX_APPEND {
        return refused(format!("{} records; at most {MAX_APPEND} at once", batch.records.len()));
    }
    let mut last = batch.after;
    for (position, event) in &batch.records {
        if *position <= last {
            return refused(format!("position {position} after {last}: they have to rise, from `after` on"));
        }
        if let Some(name) = long_text(event) {
            return refused(format!(
                "position {position}: {name} is longer than {MAX_EVENT_TEXT} bytes: cut it"
            ));
        }
        last = *position;
    }
    Ok(())
}

/// The field of an event that is too long.
pub(crate) fn long_text(event: &Event) -> Option<&'static str> {
    let own = match &event.fact {
        Fact::Bid(fact) => [("deal", fact.deal.as_deref().unwrap_or_default()), ("", "")],
        Fact::Win(notice)
        | Fact::Billing(notice)
        | Fact::Loss(notice)
        | Fact::Impression(notice)
        | Fact::Click(notice) => [("quarantine", quarantine(notice)), ("", "")],
        Fact::Conversion(fact) => [("name", &*fact.name), ("reference", &*fact.reference)],
    };
    let ids = event.bid.iter().flat_map(|bid| [("auction", &*bid.auction), ("imp", &*bid.imp)]);
    ids.chain(own).find(|(_, text)| text.len() > MAX_EVENT_TEXT).map(|(name, _)| name)
}

fn quarantine(notice: &NoticeFact) -> &str {
    match &notice.verdict {
        Verdict::Quarantined(why) => why,
        _ => "",
    }
}
