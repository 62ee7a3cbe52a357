//! Time by stage of the bid path, out of the server's own metrics.

use std::collections::BTreeMap;

use crate::server::Server;

/// The bidder's histogram of stages.
const METRIC: &str = "tagbid_bid_stage_seconds";

/// Seconds and counts by stage, in the order of the exposition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stages(BTreeMap<String, (f64, f64)>);

impl Stages {
    /// So far. A server without an admin port has none.
    pub(super) fn of(server: &Server) -> anyhow::Result<Self> {
        if server.admin.is_none() {
            return Ok(Self::default());
        }
        let answer = server.ask_admin("/metrics")?;
        Ok(Self::read(&String::from_utf8_lossy(&answer.body)))
    }

    /// Reads the sums and counts out of an OpenMetrics text.
    fn read(text: &str) -> Self {
        let mut stages = Self::default();
        for line in text.lines().filter_map(|line| line.strip_prefix(METRIC)) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Some(stage) = name.split("stage=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
                continue;
            };
            let value = value.parse().unwrap_or(0.0);
            let entry = stages.0.entry(stage.to_owned()).or_default();
            if name.starts_with("_sum{") {
                entry.0 = value;
            } else if name.starts_with("_count{") {
                entry.1 = value;
            }
        }
        stages
    }

    /// What came after `before`.
    pub(super) fn since(mut self, before: &Self) -> Self {
        for (stage, (sum, count)) in &mut self.0 {
            if let Some((sum_before, count_before)) = before.0.get(stage) {
                *sum -= sum_before;
                *count -= count_before;
            }
        }
        self
    }

    /// Mean microseconds of each stage, the costliest first.
    pub(super) fn means_us(&self) -> Vec<(&str, f64)> {
        let mut means: Vec<(&str, f64)> = self
            .0
            .iter()
            .filter(|(_, (_, count))| *count > 0.0)
            .map(|(stage, (sum, count))| (stage.as_str(), sum / count * 1e6))
            .collect();
        means.sort_by(|a, b| b.1.total_cmp(&a.1));
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP tagbid_bid_stage_seconds Time spent in a stage of the bid path.
tagbid_bid_stage_seconds_bucket{le=\"0.00001\",stage=\"decode\"} 3
tagbid_bid_stage_seconds_sum{stage=\"decode\"} 0.0004
tagbid_bid_stage_seconds_count{stage=\"decode\"} 40
tagbid_bid_stage_seconds_sum{stage=\"match\"} 0.002
tagbid_bid_stage_seconds_count{stage=\"match\"} 40
tagbid_bid_requests_total 40
";

    #[test]
    fn means_are_of_the_time_between_two_scrapes() {
        let before = Stages::read(&TEXT.replace("0.0004", "0.0001").replace("} 40", "} 10"));
        let between = Stages::read(TEXT).since(&before);
        let means: Vec<_> =
            between.means_us().into_iter().map(|(stage, us)| (stage, us.round() as i64)).collect();
        assert_eq!(means, [("decode", 10), ("match", 0)]);
        assert_eq!(Stages::read(TEXT).means_us()[0].0, "match");
    }
}
