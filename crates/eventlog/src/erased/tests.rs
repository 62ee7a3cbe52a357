use std::io::Write;

use super::*;

const BEGINNING: Timestamp = Timestamp(i64::MIN);

fn erasure(user: u8, until: i64) -> Erasure {
    Erasure { user: UserKey([user; 16]), until: Timestamp(until) }
}

fn hides(hidden: &Hidden, user: u8, at: i64) -> bool {
    hidden.hides(&UserKey([user; 16]), Timestamp(at))
}

#[test]
fn what_is_hidden_is_hidden_for_every_reader_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = ErasedFile::open(dir.path(), true).unwrap();
    let mut view = ErasedView::new(dir.path());
    assert!(view.now().unwrap().is_empty());

    file.hide(&[erasure(1, 100), erasure(2, i64::MAX)], Revision(7), BEGINNING).unwrap();
    let hidden = view.now().unwrap();
    assert!(hides(hidden, 1, 100) && !hides(hidden, 1, 101) && hides(hidden, 2, i64::MAX));
    assert!(!hides(hidden, 3, 0));

    file.hide(&[erasure(2, 50)], Revision(9), BEGINNING).unwrap();
    assert!(!hides(view.now().unwrap(), 2, 51), "the latest entry holds");
    drop(file);
    let file = ErasedFile::open(dir.path(), false).unwrap();
    assert_eq!((file.revision(), file.len()), (Revision(9), 2));
    assert!(hides(file.hidden(), 1, 100));
}

#[test]
fn a_damaged_file_hides_everybody_until_the_list_was_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = ErasedFile::open(dir.path(), true).unwrap();
    file.hide(&[erasure(1, 100), erasure(2, 100)], Revision(7), BEGINNING).unwrap();
    drop(file);
    let place = path(dir.path());
    let mut bytes = fs::read(&place).unwrap();
    bytes[MAGIC.len() + 3] ^= 1;
    fs::write(&place, &bytes).unwrap();

    let mut view = ErasedView::new(dir.path());
    assert!(hides(view.now().unwrap(), 9, 1_000));
    let mut file = ErasedFile::open(dir.path(), false).unwrap();
    assert_eq!(file.revision(), Revision(0), "the list is wanted from the beginning");
    file.hide(&[erasure(1, 100), erasure(2, 100)], Revision(8), BEGINNING).unwrap();
    assert!(hides(view.now().unwrap(), 9, 1_000), "and until its end everybody is hidden");
    file.complete().unwrap();
    let hidden = view.now().unwrap();
    assert!(!hides(hidden, 9, 0) && hides(hidden, 1, 100) && hides(hidden, 2, 100));

    fs::remove_file(&place).unwrap();
    assert!(hides(view.now().unwrap(), 9, 0), "no file, no key");
    assert!(!ErasedFile::open(dir.path(), false).unwrap().hidden().is_whole());
}

#[test]
fn an_entry_that_was_not_written_whole_was_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = ErasedFile::open(dir.path(), true).unwrap();
    file.hide(&[erasure(1, 100)], Revision(7), BEGINNING).unwrap();
    drop(file);
    let mut torn = OpenOptions::new().append(true).open(path(dir.path())).unwrap();
    torn.write_all(&[1; ENTRY - 1]).unwrap();
    let mut view = ErasedView::new(dir.path());
    assert!(!hides(view.now().unwrap(), 9, 0));
    let mut file = ErasedFile::open(dir.path(), false).unwrap();
    file.hide(&[erasure(2, 100)], Revision(8), BEGINNING).unwrap();
    let hidden = view.now().unwrap();
    assert!(hides(hidden, 1, 100) && hides(hidden, 2, 100) && !hides(hidden, 9, 0));
}

#[test]
fn what_the_disk_refused_is_hidden_here_at_once_and_elsewhere_when_it_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = ErasedFile::open(dir.path(), true).unwrap();
    let mut view = ErasedView::new(dir.path());
    file.hide(&[erasure(1, 100)], Revision(7), BEGINNING).unwrap();
    // A handle that cannot be written to stands for a disk that cannot.
    file.file = File::open(path(dir.path())).unwrap();
    file.hide(&[erasure(2, 100)], Revision(8), BEGINNING).unwrap_err();
    assert!(hides(file.hidden(), 2, 100) && !hides(view.now().unwrap(), 2, 100));
    assert_eq!(file.revision(), Revision(7), "the list is asked for it again");
    // Somebody saw a write that failed: what is written in its place must not be taken for it.
    let mut seen = OpenOptions::new().append(true).open(path(dir.path())).unwrap();
    seen.write_all(&entry(&erasure(3, 100), Revision(8))).unwrap();
    assert!(hides(view.now().unwrap(), 3, 100));

    file.hide(&[erasure(2, 100), erasure(4, 100)], Revision(8), BEGINNING).unwrap();
    let hidden = view.now().unwrap();
    assert!([1, 2, 4].iter().all(|user| hides(hidden, *user, 100)) && !hides(hidden, 3, 100));
    assert_eq!(file.revision(), Revision(8));
}

#[test]
fn who_is_forgotten_needs_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = ErasedFile::open(dir.path(), true).unwrap();
    let many: Vec<_> = (0..5_000_u32)
        .map(|n| {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&n.to_le_bytes());
            Erasure { user: UserKey(key), until: Timestamp(i64::from(n)) }
        })
        .collect();
    file.hide(&many, Revision(7), BEGINNING).unwrap();
    file.forget_until(Timestamp(4_998)).unwrap();
    assert_eq!(fs::metadata(path(dir.path())).unwrap().len(), (MAGIC.len() + 2 * ENTRY) as u64);
    let mut view = ErasedView::new(dir.path());
    let hidden = view.now().unwrap();
    assert!(hidden.hides(&many[4_999].user, Timestamp(4_999)) && !hidden.hides(&many[0].user, Timestamp(0)));
    drop(file);
    assert_eq!(ErasedFile::open(dir.path(), false).unwrap().revision(), Revision(7));
}

#[test]
fn who_was_erased_before_any_key_needs_no_room_and_the_place_in_the_list_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = ErasedFile::open(dir.path(), true).unwrap();
    file.hide(&[erasure(1, i64::MAX), erasure(2, 49), erasure(3, 51)], Revision(7), Timestamp(50)).unwrap();
    assert_eq!(file.len(), 2);
    // Who was suppressed and is not any more: the shorter time holds.
    file.hide(&[erasure(1, 40)], Revision(8), Timestamp(50)).unwrap();
    assert!(!hides(file.hidden(), 1, 41));
    file.hide(&[erasure(4, 0)], Revision(9), Timestamp(50)).unwrap();
    file.complete().unwrap();
    drop(file);
    let file = ErasedFile::open(dir.path(), false).unwrap();
    assert_eq!((file.revision(), file.len()), (Revision(9), 2));
}
