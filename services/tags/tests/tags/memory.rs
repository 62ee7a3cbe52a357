//! The store in memory and its file.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tagbid_tags::store::{Durability, Mark, MemoryStore, SnapshotError, Store, Stored};
use tagbid_types::DatasetId;

use crate::conformance::{
    DATASET, NOW, Writes, activate, conformance, event, offline_blob, point, read, set_suppressed, tags_of,
    user, version,
};
use crate::fixture::PATIENCE;

struct Opened(Arc<dyn Store>);

impl Opened {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0)
    }
}

async fn open() -> Opened {
    Opened(Arc::new(MemoryStore::open(None, Durability::Process).unwrap()))
}

conformance!(open);

/// The same with a file, and every write on the disk.
mod kept {
    use super::*;

    struct Opened(Arc<dyn Store>, #[expect(dead_code, reason = "deletes the file")] tempfile::TempDir);

    impl Opened {
        fn store(&self) -> Arc<dyn Store> {
            Arc::clone(&self.0)
        }
    }

    async fn open() -> Opened {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::open(Some(dir.path().join("tags")), Durability::Disk).unwrap();
        Opened(Arc::new(store), dir)
    }

    conformance!(open);
}

fn open_file(path: &Path) -> Result<MemoryStore, SnapshotError> {
    MemoryStore::open(Some(path.to_owned()), Durability::Process)
}

/// A file with an ordinary user, one with real-time tags and a suppressed one.
async fn saved(path: &Path) {
    let store = open_file(path).unwrap();
    activate(&store, &[7]).await;
    store.put_offline(DATASET, vec![(user(1), offline_blob(10))]).await.unwrap();
    store.merge_all(vec![(user(2), event(1, 5, 99))], NOW).await.unwrap();
    set_suppressed(&store, &[(user(3), true)]).await;
    store.save(NOW).await.unwrap();
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    saved(&path).await;

    let store = open_file(&path).unwrap();
    point(&store, &[version(DATASET, 1)]);
    assert_eq!(store.len(), 3);
    assert_eq!(read(&store, user(1)).await.offline[0].blob, offline_blob(10));
    assert_eq!(tags_of(&read(&store, user(2)).await), [(1, 99)]);
    assert!(read(&store, user(3)).await.suppressed);
    // The version is still there: nothing is lost, and the next write goes into it.
    assert_eq!(read(&store, user(9)).await, Stored::default());
    assert_eq!(store.put_offline(DATASET, vec![(user(4), offline_blob(1))]).await, Ok(1));
}

#[tokio::test]
async fn a_save_forgets_what_has_expired() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let store = open_file(&path).unwrap();
    store.merge_all(vec![(user(2), event(1, 5, 99))], NOW).await.unwrap();
    store.save(NOW.after(Duration::from_secs(86_400))).await.unwrap();
    assert!(store.is_empty());
    drop(store);
    assert!(open_file(&path).unwrap().is_empty());
}

#[tokio::test]
async fn what_has_expired_is_forgotten_without_a_file_too_and_snapshots_stay_whole() {
    let store = MemoryStore::open(None, Durability::default()).unwrap();
    activate(&store, &[7]).await;
    store.put_offline(DATASET, vec![(user(1), offline_blob(10))]).await.unwrap();
    let whole = version(DATASET, 2);
    store.mark(whole, Mark::Open).await.unwrap();
    store.load(whole, vec![(user(2), offline_blob(10))]).await.unwrap();
    store.merge_all(vec![(user(3), event(1, 5, 99))], NOW).await.unwrap();
    store.save(NOW.after(Duration::from_secs(86_000))).await.unwrap();
    assert_eq!(store.len(), 3);
    store.merge_all(vec![(user(3), event(2, 5, 99))], NOW).await.unwrap();
    store.save(NOW.after(Duration::from_secs(86_400))).await.unwrap();
    assert_eq!((store.len(), store.mark(whole, Mark::Seal).await), (1, Ok(1)), "its users are counted");
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_its_name_and_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    saved(&path).await;
    fs::remove_file(path.with_extension("journal.1")).unwrap();
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x40;
        for bad in [&flipped[..], &good[..at]] {
            fs::write(&path, bad).unwrap();
            let error = open_file(&path).unwrap_err();
            assert!(matches!(error, SnapshotError::Damaged { .. }), "byte {at}: {error}");
            assert!(error.to_string().contains("move it away to start empty"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named_at_the_start() {
    let error = open_file(Path::new("/nonexistent/dir/tags")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/dir"), "{error}");
}

/// The files of a store at one moment, as a process that is killed then leaves them.
fn killed(path: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_before_and_after_a_save() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let store = open_file(&path).unwrap();
    activate(&store, &[7]).await;
    store.put_offline(DATASET, vec![(user(1), offline_blob(10))]).await.unwrap();
    store.merge_all(vec![(user(2), event(1, 5, 99)), (user(4), event(1, 5, 9))], NOW).await.unwrap();
    set_suppressed(&store, &[(user(3), true), (user(4), true)]).await;
    set_suppressed(&store, &[(user(4), false)]).await;
    let heard = store.open_list().await.unwrap();
    let unsaved = killed(&path);
    store.save(NOW).await.unwrap();
    store.merge_all(vec![(user(2), event(2, 5, 50))], NOW).await.unwrap();
    let half = killed(&path);

    for (dir, tags) in [(unsaved, vec![(1, 99)]), (half, vec![(1, 99), (2, 50)])] {
        let store = open_file(&dir.path().join("tags")).unwrap();
        point(&store, &[version(DATASET, 1)]);
        assert_eq!(read(&store, user(1)).await.offline[0].blob, offline_blob(10));
        assert_eq!(tags_of(&read(&store, user(2)).await), tags);
        assert!(read(&store, user(3)).await.suppressed);
        assert_eq!(read(&store, user(4)).await, Stored::default());
        assert_eq!(store.open_list().await.unwrap(), heard);
    }
}

#[tokio::test]
async fn a_save_begins_a_new_journal_and_deletes_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let store = open_file(&path).unwrap();
    for age in 0..3 {
        store.merge_all(vec![(user(2), event(1, age, 99))], NOW).await.unwrap();
        store.save(NOW).await.unwrap();
    }
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["tags", "tags.journal.3"]);
    fs::remove_file(dir.path().join("tags.journal.3")).unwrap();
    drop(store);
    let error = open_file(&path).unwrap_err();
    assert!(matches!(error, SnapshotError::JournalMissing { .. }), "{error}");
}

/// A journal of three users and the lengths at which each of them is whole.
async fn journal(path: &Path) -> (Vec<u8>, Vec<usize>) {
    let store = open_file(path).unwrap();
    let mut whole = Vec::new();
    for n in 1..=3 {
        store.merge_all(vec![(user(n), event(1, 5, n))], NOW).await.unwrap();
        whole.push(fs::metadata(path.with_extension("journal.0")).unwrap().len() as usize);
    }
    (fs::read(path.with_extension("journal.0")).unwrap(), whole)
}

#[tokio::test]
async fn a_torn_end_of_a_journal_is_cut_off_and_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let (good, whole) = journal(&path).await;
    let file = path.with_extension("journal.0");
    for cut in 0..=good.len() {
        let zeros = [&good[..cut], &[0; 100]].concat();
        for torn in [&good[..cut], &zeros] {
            // Zeros that complete a record make it a wrong one, unless all of it is zeros.
            let started = whole.iter().chain([&22]).all(|end| cut != *end);
            if torn.len() > cut && started {
                continue;
            }
            fs::write(&file, torn).unwrap();
            let store = open_file(&path).unwrap();
            let kept = whole.iter().filter(|end| **end <= cut).count();
            assert_eq!(store.len(), kept, "cut at {cut} of {whole:?}");
            store.merge_all(vec![(user(9), event(1, 5, 9))], NOW).await.unwrap();
            drop(store);
            assert_eq!(open_file(&path).unwrap().len(), kept + 1, "what comes after a cut is read again");
        }
    }
}

#[tokio::test]
async fn a_damaged_journal_is_refused_with_its_name_and_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let (good, _) = journal(&path).await;
    let file = path.with_extension("journal.0");
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x40;
        fs::write(&file, flipped).unwrap();
        let error = open_file(&path).unwrap_err();
        assert!(matches!(error, SnapshotError::JournalDamaged { .. }), "byte {at}: {error}");
        assert!(
            error.to_string().contains("tags.journal.0") && error.to_string().contains("put an empty file")
        );
    }
    fs::write(&file, b"").unwrap();
    assert!(open_file(&path).unwrap().is_empty(), "the remedy works");
}

#[tokio::test]
async fn a_save_that_fails_leaves_the_old_journal_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let store = open_file(&path).unwrap();
    store.merge_all(vec![(user(1), event(1, 5, 9))], NOW).await.unwrap();
    let next = path.with_extension("journal.1");
    std::os::unix::fs::symlink("/dev/full", &next).unwrap();
    store.save(NOW).await.unwrap_err();
    store.merge_all(vec![(user(2), event(1, 5, 9))], NOW).await.unwrap();

    fs::remove_file(&next).unwrap();
    assert_eq!(open_file(&killed(&path).path().join("tags")).unwrap().len(), 2);
    store.save(NOW).await.unwrap();
    assert_eq!(open_file(&killed(&path).path().join("tags")).unwrap().len(), 2);
}

#[tokio::test]
async fn two_processes_do_not_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let first = open_file(&path).unwrap();
    let error = open_file(&path).unwrap_err();
    assert!(error.to_string().contains("another process uses it"), "{error}");
    first.close(NOW).await.unwrap();
    open_file(&path).unwrap();
    let late = first.merge_all(vec![(user(1), event(1, 5, 9))], NOW).await;
    assert!(late.unwrap_err().to_string().contains("closed"));
}

/// Something that happens to a store.
#[derive(Clone, Debug)]
enum Step {
    Put { dataset: u32, user: u8, tag: u32 },
    Merge { user: u8, tag: u32, age_s: i64 },
    Suppress { user: u8, suppressed: bool },
    Save,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4_u32, 0..4_u8, 0..9_u32).prop_map(|(dataset, user, tag)| Step::Put { dataset, user, tag }),
        4 => (0..4_u8, 0..9_u32, 0..99_i64).prop_map(|(user, tag, age_s)| Step::Merge { user, tag, age_s }),
        2 => (0..4_u8, any::<bool>()).prop_map(|(user, suppressed)| Step::Suppress { user, suppressed }),
        1 => Just(Step::Save),
    ]
}

async fn take(store: &MemoryStore, step: Step) {
    match step {
        Step::Put { dataset, user: n, tag } => {
            let users = vec![(user(n), offline_blob(tag))];
            store.put_offline(DatasetId(dataset), users).await.unwrap();
        }
        Step::Merge { user: n, tag, age_s } => {
            store.merge_all(vec![(user(n), event(tag, age_s, 9))], NOW).await.unwrap();
        }
        Step::Suppress { user: n, suppressed } => set_suppressed(store, &[(user(n), suppressed)]).await,
        Step::Save => store.save(NOW).await.unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A process that is killed at any moment starts again with exactly what it had acknowledged.
    #[test]
    fn a_killed_store_comes_back_as_it_was(steps in prop::collection::vec(step(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("tags");
            let store = open_file(&path).unwrap();
            activate(&store, &[1, 2, 3]).await;
            for step in steps {
                take(&store, step).await;
            }
            let copy = killed(&path);
            let again = open_file(&copy.path().join("tags")).unwrap();
            point(&again, &[1, 2, 3].map(|dataset| version(DatasetId(dataset), 1)));
            let users: Vec<_> = (0..4).map(user).collect();
            assert_eq!(again.read(&users, true, PATIENCE).await, store.read(&users, true, PATIENCE).await);
            let heard = store.open_list().await.unwrap();
            let unheard = heard.0 == 0;
            assert!(unheard || again.open_list().await.unwrap() == heard);
            assert_eq!(again.stats().held, store.stats().held);
        });
    }
}
