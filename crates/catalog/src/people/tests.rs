use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn key(n: u8) -> UserKey {
    UserKey([n; 16])
}

fn id(n: u8) -> Id {
    Id { key: key(n), mac: Some(1) }
}

/// The whole list, as a database keeps it.
#[derive(Clone, Debug, Default)]
struct Kept {
    rows: BTreeMap<UserKey, Listed>,
    position: u64,
}

impl Kept {
    /// One batch: what it told, by id.
    fn batch(&mut self, entries: &[(PeopleChange, Vec<u8>)]) -> (Vec<bool>, BTreeMap<UserKey, Listed>) {
        let mut people = People::new(self.rows.clone());
        let apply = |(change, ids): &(PeopleChange, Vec<u8>)| {
            let ids: Vec<_> = ids.iter().copied().map(id).collect();
            people.apply(*change, &ids).is_ok()
        };
        let done = entries.iter().map(apply).collect();
        let (first, changes) = (Revision(self.position + 1), people.changes());
        self.position += changes;
        let told = people.finish(first);
        assert_eq!(told.len() as u64, changes);
        let told: BTreeMap<_, _> = told.into_iter().map(|(_, key, row)| (key, row)).collect();
        self.rows.extend(told.clone());
        (done, told)
    }

    /// Who is one person with whom, the alone left out.
    fn persons(&self) -> BTreeSet<BTreeSet<UserKey>> {
        let mut persons: BTreeMap<u64, BTreeSet<UserKey>> = BTreeMap::new();
        for (key, row) in &self.rows {
            if let Some(person) = row.person {
                persons.entry(person).or_default().insert(*key);
            }
        }
        persons.into_values().collect()
    }

    fn suppressed(&self) -> BTreeSet<UserKey> {
        self.rows.iter().filter(|(_, row)| row.suppressed).map(|(key, _)| *key).collect()
    }
}

/// The same, as anybody would write it who has all of it in memory.
#[derive(Clone, Debug, Default)]
struct Oracle {
    persons: Vec<BTreeSet<UserKey>>,
    suppressed: BTreeSet<UserKey>,
    erased: BTreeSet<UserKey>,
}

impl Oracle {
    fn all_of(&self, ids: &[u8]) -> BTreeSet<UserKey> {
        let mut all: BTreeSet<_> = ids.iter().copied().map(key).collect();
        for person in &self.persons {
            if !person.is_disjoint(&all) {
                all.extend(person);
            }
        }
        all
    }

    fn apply(&mut self, change: PeopleChange, ids: &[u8]) -> bool {
        let all = self.all_of(ids);
        match change {
            PeopleChange::Suppress => {
                self.erased.extend(all.difference(&self.suppressed));
                self.suppressed.extend(all);
            }
            PeopleChange::Lift => {
                self.erased.extend(all.intersection(&self.suppressed));
                self.suppressed.retain(|key| !all.contains(key));
            }
            PeopleChange::Erase => {
                self.persons.retain(|person| person.is_disjoint(&all));
                self.erased.extend(all);
            }
            PeopleChange::Link if all.len() < 2 || all.len() > MAX_IDS => return false,
            PeopleChange::Link => {
                if !all.is_disjoint(&self.suppressed) {
                    self.erased.extend(all.difference(&self.suppressed));
                    self.suppressed.extend(&all);
                }
                self.persons.retain(|person| person.is_disjoint(&all));
                self.persons.push(all);
            }
            PeopleChange::Unlink => {
                let out: BTreeSet<_> = ids.iter().copied().map(key).collect();
                self.persons.iter_mut().for_each(|person| person.retain(|key| !out.contains(key)));
                self.persons.retain(|person| person.len() > 1);
            }
        }
        true
    }
}

fn entry() -> impl Strategy<Value = (PeopleChange, Vec<u8>)> {
    use PeopleChange::*;
    let change = prop_oneof![3 => Just(Link), 1 => Just(Suppress), 1 => Just(Lift), 1 => Just(Erase), 1 => Just(Unlink)];
    (change, vec(0..60_u8, 1..5))
}

proptest! {
    /// After any batches the list has the persons and the suppressed of the plain model, it has told everybody of whom
    /// it says something else than before, and erased exactly whom the model did.
    #[test]
    fn the_list_is_that_of_the_plain_model(batches in vec(vec(entry(), 1..6), 1..12)) {
        let (mut kept, mut oracle) = (Kept::default(), Oracle::default());
        for batch in batches {
            let (before, position) = (kept.clone(), kept.position);
            oracle.erased.clear();
            let (done, told) = kept.batch(&batch);
            let expected: Vec<_> = batch.iter().map(|(change, ids)| oracle.apply(*change, ids)).collect();
            prop_assert_eq!(done, expected);
            prop_assert_eq!(kept.persons(), oracle.persons.iter().cloned().collect());
            prop_assert_eq!(&kept.suppressed(), &oracle.suppressed);
            let erased = told.iter().filter(|(_, row)| row.erased.0 > position).map(|(key, _)| *key);
            prop_assert_eq!(erased.collect::<BTreeSet<_>>(), oracle.erased.clone());
            let person = |kept: &Kept, key| kept.persons().into_iter().find(|person| person.contains(key));
            for key in kept.rows.keys().filter(|key| !told.contains_key(key)) {
                prop_assert_eq!(person(&kept, key), person(&before, key), "nobody told {:?}", key);
            }
        }
    }

    /// The order of links, and how they are cut into batches, does not matter.
    #[test]
    fn links_in_any_order_make_the_same_persons(
        links in vec(vec(0..20_u8, 2..4), 1..12).prop_filter("two ids each", |all| {
            all.iter().all(|ids| ids.iter().collect::<BTreeSet<_>>().len() > 1)
        }),
        turn in any::<prop::sample::Index>(),
    ) {
        let entries: Vec<_> = links.into_iter().map(|ids| (PeopleChange::Link, ids)).collect();
        let (mut one, mut other) = (Kept::default(), Kept::default());
        one.batch(&entries);
        let mut turned = entries.clone();
        turned.rotate_left(turn.index(entries.len()));
        turned.reverse();
        for entry in turned {
            other.batch(&[entry]);
        }
        prop_assert_eq!(one.persons(), other.persons());
    }
}

#[test]
fn what_is_linked_later_to_somebody_suppressed_is_suppressed_too() {
    let mut kept = Kept::default();
    kept.batch(&[(PeopleChange::Link, vec![1, 2]), (PeopleChange::Suppress, vec![1])]);
    assert_eq!(kept.suppressed(), BTreeSet::from([key(1), key(2)]));
    let (_, told) = kept.batch(&[(PeopleChange::Link, vec![2, 3])]);
    assert_eq!(kept.suppressed(), BTreeSet::from([key(1), key(2), key(3)]));
    assert_eq!(told.len(), 3, "the others have one more: {told:?}");
    let (_, again) = kept.batch(&[(PeopleChange::Link, vec![3, 1]), (PeopleChange::Suppress, vec![2])]);
    assert!(again.is_empty(), "what is known already is no change: {again:?}");
}

#[test]
fn a_person_has_a_bound_and_an_id_alone_is_no_link() {
    let mut kept = Kept::default();
    let (done, _) =
        kept.batch(&[(PeopleChange::Link, (0..32).collect()), (PeopleChange::Link, vec![31, 32])]);
    assert_eq!(done, [true, false]);
    assert_eq!(kept.persons().first().unwrap().len(), MAX_IDS);
    assert_eq!(kept.batch(&[(PeopleChange::Link, vec![40, 40])]).0, [false]);
    assert_eq!(People::default().apply(PeopleChange::Link, &[id(1)]), Err(PeopleError::Alone));
}

#[test]
fn who_is_erased_while_suppressed_stays_suppressed() {
    let mut kept = Kept::default();
    kept.batch(&[(PeopleChange::Suppress, vec![1])]);
    let (_, told) = kept.batch(&[(PeopleChange::Erase, vec![1, 2])]);
    let said =
        |suppressed, erased| Listed { suppressed, erased: Revision(erased), person: None, mac: Some(1) };
    assert_eq!(told, BTreeMap::from([(key(1), said(true, 2)), (key(2), said(false, 3))]));
}
