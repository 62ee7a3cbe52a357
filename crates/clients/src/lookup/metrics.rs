//! What the lookup streams of all workers tell, node by node.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use tagbid_runtime::metrics::{HistogramSum, encode_counters, encode_histograms};

use super::Opened;
use super::link::Link;

/// Shows them to Prometheus. A worker's link is locked for as long as it takes to read two lengths.
pub(super) struct Exposition {
    opened: Opened,
}

impl Exposition {
    pub(super) fn new(opened: Opened) -> Self {
        Self { opened }
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Exposition").finish_non_exhaustive()
    }
}

type Nodes = BTreeMap<String, Vec<Arc<Link>>>;
type OfNode = [(&'static str, String); 1];

impl Collector for Exposition {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut nodes = Nodes::new();
        for link in opened.iter().filter_map(std::sync::Weak::upgrade) {
            nodes.entry(link.address().to_owned()).or_default().push(link);
        }
        encode_counts(&nodes, &mut to)?;
        let (links, alone) = ("Streams to a tags node that are open", "Streams whose node is left alone");
        encode_gauge(&nodes, &mut to, "tagbid_lookup_streams", links, |link| link.is_up().into())?;
        encode_gauge(&nodes, &mut to, "tagbid_lookup_left_alone", alone, |link| link.is_left_alone().into())?;
        let help = "Frames that a tags node has not answered yet";
        encode_gauge(&nodes, &mut to, "tagbid_lookup_frames_in_flight", help, |link| link.load().0 as u64)?;
        let help = "Users who wait for a frame to become free";
        encode_gauge(&nodes, &mut to, "tagbid_lookup_users_waiting", help, |link| link.load().1 as u64)?;
        let times = nodes.iter().map(|(node, links)| -> (OfNode, HistogramSum) {
            let times = links.iter().map(|link| &link.stats.answer_time);
            ([("node", node.clone())], HistogramSum::of(times))
        });
        let help = "From sending a frame of users to the first of its answers";
        encode_histograms(&mut to, "tagbid_lookup_frame_seconds", help, times)
    }
}

fn encode_counts(nodes: &Nodes, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Pick = fn(&Link) -> u64;
    let of = |name: &str, help: &str, label: &'static str, picks: &[(&'static str, Pick)], to: &mut _| {
        let series = nodes.iter().flat_map(|(node, links)| {
            picks.iter().map(move |(value, pick)| {
                let labels = [("node", node.clone()), (label, (*value).to_owned())];
                (labels, links.iter().map(|link| pick(link)).sum())
            })
        });
        encode_counters(to, name, help, series)
    };
    let frames: [(_, Pick); 2] =
        [("answered", |link| link.stats.answered.get()), ("missed", |link| link.stats.missed.get())];
    of("tagbid_lookup_frames", "Frames sent to a tags node, by what became of them", "result", &frames, to)?;
    let streams: [(_, Pick); 3] = [
        ("opened", |link| link.stats.opened.get()),
        ("lost", |link| link.stats.lost.get()),
        ("left_alone", |link| link.stats.left_alone.get()),
    ];
    of("tagbid_lookup_stream_changes", "What happened to streams to a tags node", "change", &streams, to)?;
    let away = nodes.iter().map(|(node, links)| -> (OfNode, u64) {
        ([("node", node.clone())], links.iter().map(|link| link.stats.turned_away.get()).sum())
    });
    let help = "Users who were late at once, because too many waited for a tags node";
    encode_counters(to, "tagbid_lookup_turned_away", help, away)
}

fn encode_gauge(
    nodes: &Nodes,
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    of: impl Fn(&Link) -> u64,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (node, links) in nodes {
        let labels: OfNode = [("node", node.clone())];
        let sum: u64 = links.iter().map(|link| of(link)).sum();
        family.encode_family(&labels)?.encode_gauge(&i64::try_from(sum).unwrap_or(i64::MAX))?;
    }
    Ok(())
}
