use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_735_689_600);

fn begin(load: &str) -> SnapshotChange {
    SnapshotChange::Begin { load: load.into(), as_of: NOW, epoch: RegistryEpoch::default() }
}

/// A dataset with so many loaded versions, the first ones activated one after the other.
fn dataset(loaded: u32, activated: u32) -> Snapshots {
    let mut all = Snapshots::default();
    for version in 1..=loaded {
        assert_eq!(all.apply(&begin(&format!("load {version}")), NOW), Ok(version));
        all.apply(&SnapshotChange::Loaded { version, users: 10 }, NOW).unwrap();
        if version <= activated {
            all.apply(&SnapshotChange::Activate(version), NOW).unwrap();
        }
    }
    all
}

fn state(all: &Snapshots, version: u32) -> Option<SnapshotState> {
    all.get(version).map(|one| one.state)
}

#[test]
fn a_version_is_loaded_activated_and_rolled_back() {
    let mut all = dataset(2, 2);
    assert_eq!((all.active, all.previous), (Some(2), Some(1)));
    all.apply(&SnapshotChange::RollBack(2), NOW).unwrap();
    assert_eq!((all.active, all.previous), (Some(1), Some(2)));
    all.apply(&SnapshotChange::RollBack(2), NOW).unwrap();
    assert_eq!(all.active, Some(1), "the same rollback again changes nothing");
    assert_eq!(
        all.apply(&SnapshotChange::RollBack(1), NOW),
        Err(SnapshotError::NoPrevious(1)),
        "nobody rolls back to the version that they rolled back"
    );
    all.apply(&SnapshotChange::Activate(2), NOW).unwrap();
    assert_eq!((all.active, all.previous), (Some(2), Some(1)));
}

#[test]
fn what_came_before_the_previous_version_is_dropped_and_newer_ones_stay() {
    let mut all = dataset(4, 2);
    all.apply(&SnapshotChange::Activate(3), NOW).unwrap();
    let states: Vec<_> = (1..=4).map(|version| state(&all, version).unwrap()).collect();
    use SnapshotState::{Dropping, Loaded};
    assert_eq!(states, [Dropping, Loaded, Loaded, Loaded]);
    all.apply(&SnapshotChange::Dropped(1), NOW).unwrap();
    assert_eq!(state(&all, 1), None);
}

#[test]
fn a_snapshot_that_waits_to_be_activated_outlives_a_write_of_single_users() {
    let mut all = dataset(1, 0);
    assert_eq!(all.apply(&begin(OPEN), NOW), Ok(2));
    all.apply(&SnapshotChange::Loaded { version: 2, users: 0 }, NOW).unwrap();
    all.apply(&SnapshotChange::Activate(2), NOW).unwrap();
    assert_eq!((all.active, state(&all, 1)), (Some(2), Some(SnapshotState::Loaded)));
    all.apply(&SnapshotChange::Activate(1), NOW).unwrap();
    assert_eq!((all.active, all.previous), (Some(1), Some(2)));
}

#[test]
fn what_cannot_be_done_is_refused_and_says_what_to_do() {
    let mut all = dataset(1, 1);
    all.apply(&begin("next"), NOW).unwrap();
    let refused = [
        (SnapshotChange::Activate(2), SnapshotError::NotLoaded(2)),
        (SnapshotChange::Activate(9), SnapshotError::Unknown(9)),
        (SnapshotChange::Drop(1), SnapshotError::Active(1)),
        (SnapshotChange::Drop(9), SnapshotError::Unknown(9)),
        (SnapshotChange::RollBack(1), SnapshotError::NoPrevious(1)),
        (SnapshotChange::RollBack(2), SnapshotError::NotActive { asked: 2, active: Some(1) }),
        (begin(""), SnapshotError::Name),
        (begin("monday\u{1b}[2J"), SnapshotError::Name),
    ];
    for (change, error) in refused {
        assert_eq!(all.clone().apply(&change, NOW), Err(error), "{change:?}");
    }
    all.apply(&begin("third"), NOW).unwrap();
    all.apply(&begin("fourth"), NOW).unwrap();
    assert_eq!(all.apply(&begin("fifth"), NOW), Err(SnapshotError::TooMany));
    all.apply(&SnapshotChange::Drop(2), NOW).unwrap();
    assert_eq!(
        all.apply(&SnapshotChange::Loaded { version: 2, users: 1 }, NOW),
        Err(SnapshotError::Dropping(2))
    );
    assert_eq!(all.apply(&begin("fifth"), NOW), Ok(5), "a number is never given out twice");
}

#[test]
fn a_load_that_is_begun_again_is_resumed() {
    let mut all = Snapshots::default();
    assert_eq!(all.apply(&begin("monday"), NOW), Ok(1));
    assert_eq!(all.apply(&begin("monday"), NOW), Ok(1));
    let other = SnapshotChange::Begin {
        load: "monday".into(),
        as_of: Timestamp::from_secs(1),
        epoch: RegistryEpoch::default(),
    };
    assert_eq!(all.apply(&other, NOW), Err(SnapshotError::OtherLoad { load: "monday".into(), version: 1 }));
}

fn any_change() -> impl Strategy<Value = SnapshotChange> {
    let version = 0..9_u32;
    prop_oneof![
        "[a-f]".prop_map(|load| begin(&load)),
        version.clone().prop_map(|version| SnapshotChange::Loaded { version, users: 3 }),
        version.clone().prop_map(SnapshotChange::Activate),
        version.clone().prop_map(SnapshotChange::RollBack),
        version.clone().prop_map(SnapshotChange::Drop),
        version.prop_map(SnapshotChange::Dropped),
    ]
}

proptest! {
    /// Whatever is told in whatever order: the active and the previous version are loaded and different, numbers ascend,
    /// a refusal changes nothing, and what was just done may be told again.
    #[test]
    fn readers_are_never_sent_to_a_version_that_is_not_whole(changes in prop::collection::vec(any_change(), 0..60)) {
        let mut all = Snapshots::default();
        for change in changes {
            let before = all.clone();
            match all.apply(&change, NOW) {
                Err(_) => prop_assert_eq!(&all, &before),
                Ok(_) => {
                    let once = all.clone();
                    prop_assert!(all.apply(&change, NOW).is_ok());
                    prop_assert_eq!(&all, &once, "{:?}", change);
                }
            }
            for version in [all.active, all.previous].into_iter().flatten() {
                prop_assert_eq!(state(&all, version), Some(SnapshotState::Loaded));
            }
            prop_assert!(all.active.is_none() || all.active != all.previous);
            prop_assert!(all.versions.is_sorted_by(|one, next| one.version < next.version));
            prop_assert!(all.versions.iter().all(|one| one.version <= all.last));
        }
    }
}
