//! Impressions into users' counts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tagbid_ports::{CountError, CountOutcome, Impression, ImpressionCounter, MAX_COUNTED, MAX_IMPRESSIONS};
use tagbid_tagset::UserKey;
use tagbid_tagset::frequency::RECENT_EVENTS;
use tagbid_types::{Clock, Timestamp};

use crate::ingest::{CLOCK_SKEW, IngestStats};
use crate::store::{FREQUENCY_TTL_S, StoreError, Written};
use crate::writer::DirectWriter;

/// Counts straight in the store.
#[derive(Clone)]
pub(crate) struct DirectCounter {
    pub(crate) writer: DirectWriter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stats: Arc<IngestStats>,
}

#[async_trait]
impl ImpressionCounter for DirectCounter {
    async fn count(&self, impressions: Vec<Impression>) -> Result<Vec<CountOutcome>, CountError> {
        if impressions.len() > MAX_IMPRESSIONS {
            let problem = format!("{} impressions: send at most {MAX_IMPRESSIONS}", impressions.len());
            return Err(CountError::Refused(problem));
        }
        let now = self.clock.now();
        let mut of_user: HashMap<UserKey, usize> = HashMap::new();
        let (mut outcomes, mut good) = (Vec::with_capacity(impressions.len()), Vec::new());
        for one in impressions {
            let outcome = check(&one, now).or_else(|| {
                let before = of_user.entry(one.user).or_default();
                *before += 1;
                // So that no event of a call that is repeated has been forgotten over the others of it.
                (*before > RECENT_EVENTS).then(|| {
                    CountOutcome::Later(format!("over {RECENT_EVENTS} of one user: send the rest afterwards"))
                })
            });
            if outcome.is_none() {
                good.push(one);
            }
            outcomes.push(outcome);
        }
        let written = self.writer.count_each(good).await;
        let written = written.map_err(|error| CountError::Unavailable(error.to_string()))?;
        let crowded = written.iter().filter(|one| **one == Ok(Written::Crowded)).count();
        self.stats.crowded.add(crowded as u64);
        let mut written = written.into_iter().map(done);
        let missing = || CountOutcome::Later("the store did not say".into());
        let outcomes: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(|| written.next().unwrap_or_else(missing)))
            .collect();
        self.stats.counted(&outcomes);
        Ok(outcomes)
    }
}

/// Why an impression can never be counted; none: it can.
fn check(one: &Impression, now: Timestamp) -> Option<CountOutcome> {
    let refused = |why: &str| Some(CountOutcome::Refused(why.into()));
    if one.at.0 < 0 || one.at > now.after(CLOCK_SKEW) {
        return refused("seen lies before 1970 or over five minutes in the future: set the clock");
    }
    if now.since(one.at) > Duration::from_secs(FREQUENCY_TTL_S) {
        return refused("seen over 90 days ago: counts are not kept for longer");
    }
    let mut counted = one.counted.clone();
    counted.sort_unstable();
    counted.dedup();
    if one.capped.iter().any(|(capped, _)| !one.counted.contains(capped)) {
        return refused("capped: name entities that are counted");
    }
    if counted.is_empty() || counted.len() != one.counted.len() || counted.len() > MAX_COUNTED {
        return Some(CountOutcome::Refused(format!("counted: name 1 to {MAX_COUNTED} entities, each once")));
    }
    None
}

fn done(written: Result<Written, StoreError>) -> CountOutcome {
    match written {
        Ok(Written::Stored | Written::Crowded) => CountOutcome::Counted,
        Ok(Written::Repeated) => CountOutcome::Repeated,
        Ok(Written::Suppressed) => CountOutcome::Suppressed,
        Err(StoreError::Blob(_, problem)) => CountOutcome::Refused(problem.to_string()),
        Err(error) => CountOutcome::Later(error.to_string()),
    }
}
