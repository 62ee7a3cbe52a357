//! What each role of a process says of itself: a family of metrics has one series a role, and one process may run all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::metrics::encode_gauges;

/// Says whether a role is ready, and if not, what it waits for.
pub type Readiness = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What a role's series of a gauge shows now; none: nothing.
pub type RoleGauge = Box<dyn Fn() -> Option<f64> + Send + Sync>;

/// A gauge with its explanation, and who shows what.
type Family = (&'static str, Vec<(&'static str, RoleGauge)>);

/// The roles of a process.
#[derive(Default)]
pub(super) struct Roles {
    checks: Mutex<Vec<(&'static str, Readiness)>>,
    gauges: Mutex<BTreeMap<&'static str, Family>>,
}

impl Roles {
    pub(super) fn check(&self, role: &'static str, check: Readiness) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((role, check));
    }

    pub(super) fn gauge(&self, name: &'static str, help: &'static str, role: &'static str, value: RoleGauge) {
        let mut gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.entry(name).or_insert_with(|| (help, Vec::new())).1.push((role, value));
    }

    pub(super) fn waiting(&self) -> Vec<String> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.iter().filter_map(|(role, check)| check().err().map(|why| format!("{role}: {why}"))).collect()
    }

    pub(super) fn is_ready(&self, role: &str) -> bool {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.iter().all(|(name, check)| *name != role || check().is_ok())
    }
}

/// Shows them to Prometheus.
pub(super) struct ByRole(pub(super) Arc<Roles>);

impl fmt::Debug for ByRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByRole")
    }
}

impl Collector for ByRole {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let checks = self.0.checks.lock().unwrap_or_else(PoisonError::into_inner);
        // A role may wait for several things; it has one series.
        let mut ready: BTreeMap<&str, bool> = BTreeMap::new();
        for (role, check) in checks.iter() {
            *ready.entry(role).or_insert(true) &= check().is_ok();
        }
        let ready = ready.into_iter().map(|(role, ready)| ([("role", role)], if ready { 1.0 } else { 0.0 }));
        let help = "1 while the role has all that it needs to answer; /readyz says what it waits for";
        encode_gauges(&mut to, "tagbid_ready", help, ready)?;
        let gauges = self.0.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, (help, series)) in gauges.iter() {
            let series = series.iter().filter_map(|(role, value)| Some(([("role", *role)], value()?)));
            encode_gauges(&mut to, name, help, series)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Admin;

    #[test]
    fn a_family_has_a_series_for_each_role_and_its_name_once() {
        let admin = Admin::new(String::new());
        admin.ready_when("tags", Box::new(|| Ok(())));
        admin.ready_when("ledger", Box::new(|| Err("its database".into())));
        admin.ready_when("ledger", Box::new(|| Ok(())));
        for (role, age) in [("tags", Some(1.5)), ("ledger", Some(3.0)), ("bidder", None)] {
            admin.gauge_of_role("tagbid_test_age_seconds", "Age", role, Box::new(move || age));
        }
        let text = admin.metrics().unwrap();
        for line in [
            "tagbid_ready{role=\"tags\"} 1.0",
            "tagbid_ready{role=\"ledger\"} 0.0",
            "tagbid_test_age_seconds{role=\"tags\"} 1.5",
            "tagbid_test_age_seconds{role=\"ledger\"} 3.0",
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
        assert_eq!(text.matches("# TYPE tagbid_test_age_seconds").count(), 1);
        assert_eq!(text.matches("tagbid_ready{role=\"ledger\"}").count(), 1);
        assert!(!text.contains("role=\"bidder\"") && text.ends_with("# EOF\n"));
        assert_eq!(admin.waiting(), ["ledger: its database"]);
    }
}
