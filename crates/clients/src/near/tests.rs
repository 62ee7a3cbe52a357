//! The cache before a store that changes, fails and is slow, against an oracle that remembers everything.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use proptest::prelude::*;
use tagbid_ports::{DatasetTags, Datasets, OtherKeys};
use tagbid_testkit::FakeClock;
use tagbid_types::DatasetId;

use super::flights::MAX_WAITERS;
use super::*;

const STALE: Duration = Duration::from_secs(2);
const MS: Duration = Duration::from_millis(1);
const DATASETS: [u32; 2] = [7, 9];

/// What the store has of a user at a moment, and whether it answers.
#[derive(Clone, Debug, Default)]
struct Truth {
    suppressed: bool,
    erased: bool,
    events: u32,
    versions: [u32; 2],
    fails: Option<SourceStatus>,
}

/// A store that is asked in no time but for `takes`, and remembers how it was.
struct Store {
    clock: Arc<FakeClock>,
    /// How it was from each moment on, by user.
    history: Mutex<Vec<(Monotonic, [Truth; USERS])>>,
    takes: Mutex<Duration>,
    asked: Mutex<usize>,
}

const USERS: usize = 3;

fn answer_of(truth: &Truth, request: &LookupRequest) -> TagAnswer {
    if let Some(status) = truth.fails {
        return TagAnswer::unknown(status);
    }
    let known = SourceStatus::Known;
    let frequency_status = if request.frequency { known } else { SourceStatus::Late };
    if truth.suppressed {
        let answer = TagAnswer::unknown(known);
        return TagAnswer { suppressed: true, frequency_status, ..answer };
    }
    let text = |text: String| Some(Bytes::from(text)).filter(|_| !truth.erased);
    let tags = |(dataset, version): (&u32, &u32)| DatasetTags {
        dataset: DatasetId(*dataset),
        version: *version,
        as_of: None,
        status: known,
        blob: text(format!("{dataset} in {version}")),
    };
    let offline = DATASETS.iter().zip(&truth.versions).map(tags);
    TagAnswer {
        suppressed: false,
        offline_status: known,
        offline: offline.filter(|one| request.datasets.contains(one.dataset)).collect(),
        realtime_status: known,
        realtime: text(format!("{} events", truth.events)),
        frequency_status,
        frequency: text(format!("{} shown", truth.events)).filter(|_| request.frequency),
    }
}

impl TagLookup for Store {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        *self.asked.lock().unwrap() += 1;
        let user = usize::from(request.user.0[0]);
        let truth = self.history.lock().unwrap().last().unwrap().1[user].clone();
        self.clock.advance(*self.takes.lock().unwrap());
        future::ready(answer_of(&truth, &request)).boxed()
    }
}

fn near(inner: Arc<dyn TagLookup>, clock: Arc<dyn Clock>, bytes: u64) -> Near {
    let state = State { shelf: Shelf::new(bytes, STALE), flights: Flights::default() };
    Near { inner, clock, stats: NearStats::default(), state: Mutex::new(state) }
}

fn question(user: u8, deadline: Monotonic) -> LookupRequest {
    let user = UserKey([user; 16]);
    LookupRequest {
        user,
        previous: None,
        others: OtherKeys::NONE,
        frequency: true,
        datasets: Datasets::ALL,
        deadline,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask { user: u8, frequency: bool, datasets: Datasets },
    Wait(u64),
    Change { user: usize, what: u8 },
    Fail(Option<SourceStatus>),
    Takes(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let some = prop_oneof![
        Just(Datasets::ALL),
        Just(Datasets::NONE),
        Just([DatasetId(7)].into_iter().collect::<Datasets>()),
        Just([DatasetId(9)].into_iter().collect::<Datasets>()),
    ];
    let users = u8::try_from(USERS).unwrap();
    let failure = prop_oneof![
        3 => Just(None),
        1 => Just(Some(SourceStatus::Late)),
        1 => Just(Some(SourceStatus::Failed)),
        1 => Just(Some(SourceStatus::Uncertain)),
    ];
    prop_oneof![
        8 => (0..users, any::<bool>(), some)
            .prop_map(|(user, frequency, datasets)| Step::Ask { user, frequency, datasets }),
        4 => prop_oneof![0..100_u64, 200..300_u64, 1_500..3_000_u64].prop_map(Step::Wait),
        4 => (0..USERS, 0..6_u8).prop_map(|(user, what)| Step::Change { user, what }),
        2 => failure.prop_map(Step::Fail),
        1 => (0..100_u64).prop_map(Step::Takes),
    ]
}

fn change(all: &mut [Truth; USERS], user: usize, what: u8) {
    match what {
        0 => all[user].suppressed = true,
        1 => (all[user].suppressed, all[user].erased) = (false, true),
        2 => (all[user].events, all[user].erased) = (all[user].events + 1, false),
        // Another version of a dataset is activated: for everybody at once.
        3 => all.iter_mut().for_each(|one| one.versions[0] += 1),
        4 => all.iter_mut().for_each(|one| one.versions[1] += 1),
        _ => all[user].erased = true,
    }
}

/// How a user was at every moment of this span.
fn between(store: &Store, user: usize, from: Monotonic, to: Monotonic) -> Vec<Truth> {
    let history = store.history.lock().unwrap();
    let ends = history.iter().skip(1).map(|(at, _)| *at).chain([Monotonic(u64::MAX)]);
    let spans = history.iter().zip(ends).filter(|((begins, _), ends)| *begins <= to && *ends >= from);
    spans.map(|((_, all), _)| all[user].clone()).collect()
}

proptest! {
    /// An answer is what the store said at one moment of the last 250 ms, to exactly this question; or, while the store
    /// does not answer, its offline tags of one moment within the age limit at which the user was not suppressed, and
    /// nothing else. A store that forgot who is suppressed is never covered for, and the bytes stay within their bound.
    #[test]
    fn an_answer_was_true_a_moment_ago(steps in prop::collection::vec(step(), 1..200), small in any::<bool>()) {
        let clock = Arc::new(FakeClock::default());
        let begin = vec![(Monotonic(0), Default::default())];
        let store = Arc::new(Store {
            clock: Arc::clone(&clock),
            history: Mutex::new(begin),
            takes: Mutex::default(),
            asked: Mutex::default(),
        });
        let bytes = if small { 700 } else { 1 << 20 };
        let near = near(Arc::clone(&store) as _, Arc::clone(&clock) as _, bytes);
        let edit = |edit: &dyn Fn(&mut [Truth; USERS])| {
            let mut history = store.history.lock().unwrap();
            let mut all = history.last().unwrap().1.clone();
            edit(&mut all);
            history.push((clock.monotonic(), all));
        };
        for step in steps {
            match step {
                Step::Wait(ms) => clock.advance(MS * u32::try_from(ms).unwrap()),
                Step::Takes(ms) => *store.takes.lock().unwrap() = MS * u32::try_from(ms).unwrap(),
                Step::Change { user, what } => edit(&|all| change(all, user, what)),
                Step::Fail(status) => edit(&|all| all.iter_mut().for_each(|one| one.fails = status)),
                Step::Ask { user, frequency, datasets } => {
                    let asked = clock.monotonic();
                    let request = LookupRequest { frequency, datasets, ..question(user, asked.after(STALE)) };
                    let answer = near.lookup(request).now_or_never().unwrap();
                    let fresh = Monotonic(asked.0.saturating_sub(FRESH.as_micros() as u64 - 1));
                    let old = Monotonic(asked.0.saturating_sub(STALE.as_micros() as u64 - 1));
                    let at = |from| between(&store, user.into(), from, asked);
                    if answer.offline_status == SourceStatus::Stale {
                        prop_assert!(matches!(answer.realtime_status, SourceStatus::Late | SourceStatus::Failed));
                        prop_assert_eq!((&answer.realtime, &answer.frequency, answer.suppressed), (&None, &None, false));
                        let as_known = |one: &DatasetTags| DatasetTags { status: SourceStatus::Known, ..one.clone() };
                        let known: Vec<_> = answer.offline.iter().map(as_known).collect();
                        let was = |truth: &Truth| !truth.suppressed && answer_of(truth, &request).offline == known;
                        prop_assert!(at(old).iter().filter(|truth| truth.fails.is_none()).any(was), "{:?}", answer);
                    } else {
                        prop_assert!(at(fresh).iter().any(|truth| answer_of(truth, &request) == answer), "{:?}", answer);
                    }
                }
            }
            prop_assert!(near.state().shelf.size().1 <= bytes);
        }
    }
}

/// A lookup that answers when the test says so.
#[derive(Default)]
struct Held {
    questions: Mutex<VecDeque<(LookupRequest, oneshot::Sender<TagAnswer>)>>,
}

impl TagLookup for Held {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        let (reply, answer) = oneshot::channel();
        self.questions.lock().unwrap().push_back((request, reply));
        answer.map(|answer| answer.unwrap_or_default()).boxed()
    }
}

impl Held {
    fn next(&self) -> Option<(LookupRequest, oneshot::Sender<TagAnswer>)> {
        self.questions.lock().unwrap().pop_front()
    }
}

fn held() -> (Arc<Held>, Arc<FakeClock>, Near) {
    let (held, clock) = (Arc::new(Held::default()), Arc::new(FakeClock::default()));
    let near = near(Arc::clone(&held) as _, Arc::clone(&clock) as _, 1 << 20);
    (held, clock, near)
}

fn known(text: &'static str) -> TagAnswer {
    let known = TagAnswer::unknown(SourceStatus::Known);
    TagAnswer { realtime: Some(Bytes::from_static(text.as_bytes())), ..known }
}

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_hundred_who_ask_about_one_user_are_one_question() {
    let (held, clock, near) = held();
    let request = question(1, clock.monotonic().after(PATIENCE));
    let asking = future::join_all((0..MAX_WAITERS + 1).map(|_| near.lookup(request)));
    let answering = async {
        let (_, reply) = held.next().unwrap();
        assert!(held.next().is_none(), "one question is under way");
        reply.send(known("once")).unwrap();
    };
    let (answers, ()) = future::join(asking, answering).await;
    assert!(answers.iter().all(|answer| *answer == known("once")));
    assert_eq!(near.lookup(request).now_or_never(), Some(known("once")), "and it is kept");
}

#[tokio::test]
async fn everybody_who_waits_leaves_at_their_own_deadline() {
    let (held, clock, near) = held();
    let leading = near.lookup(question(1, clock.monotonic().after(PATIENCE)));
    let waiting = near.lookup(question(1, clock.monotonic().after(MS * 5)));
    let answering = async {
        let (_, reply) = held.next().unwrap();
        assert_eq!(waiting.await, TagAnswer::unknown(SourceStatus::Late));
        reply.send(known("later")).unwrap();
    };
    assert_eq!(future::join(leading, answering).await.0, known("later"));
}

#[tokio::test]
async fn whoever_waited_for_somebody_with_less_time_asks_again() {
    let late = TagAnswer::unknown(SourceStatus::Late);
    for late in [TagAnswer { offline_status: SourceStatus::Known, ..late.clone() }, late] {
        let (held, clock, near) = held();
        let leading = near.lookup(question(1, clock.monotonic().after(MS)));
        let waiting = near.lookup(question(1, clock.monotonic().after(PATIENCE)));
        let answering = async {
            held.next().unwrap().1.send(late.clone()).unwrap();
            loop {
                if let Some((_, reply)) = held.next() {
                    return reply.send(known("again")).unwrap();
                }
                tokio::task::yield_now().await;
            }
        };
        let all = tokio::time::timeout(PATIENCE, future::join3(leading, waiting, answering)).await;
        let (first, second, ()) = all.unwrap();
        assert_eq!((first, second), (late, known("again")));
    }
}

#[tokio::test]
async fn an_answer_that_is_none_in_one_part_is_not_kept() {
    let (held, clock, near) = held();
    let request = question(1, clock.monotonic().after(PATIENCE));
    let whole = TagAnswer::unknown(SourceStatus::Known);
    for status in [SourceStatus::Late, SourceStatus::Failed, SourceStatus::Uncertain] {
        let realtime = TagAnswer { realtime_status: status, ..whole.clone() };
        let offline = TagAnswer { offline_status: status, ..whole.clone() };
        for partly in [realtime, offline] {
            for _ in 0..2 {
                let mut asking = near.lookup(request);
                assert!((&mut asking).now_or_never().is_none(), "it is kept: {partly:?}");
                held.next().unwrap().1.send(partly.clone()).unwrap();
                assert_eq!(asking.await, partly);
            }
        }
    }
}

#[tokio::test]
async fn whoever_waited_for_somebody_who_left_asks_themselves() {
    let (held, clock, near) = held();
    let request = question(1, clock.monotonic().after(PATIENCE));
    let mut leading = near.lookup(request);
    assert!((&mut leading).now_or_never().is_none());
    let mut waiting = near.lookup(request);
    assert!((&mut waiting).now_or_never().is_none());
    drop(leading);
    assert!((&mut waiting).now_or_never().is_none());
    held.next().unwrap();
    held.next().unwrap().1.send(known("mine")).unwrap();
    assert_eq!(waiting.await, known("mine"));
}

#[test]
fn who_wants_more_than_is_being_asked_for_asks_for_it() {
    let mut flights = Flights::default();
    let all = question(1, Monotonic(0));
    let one = LookupRequest { datasets: [DatasetId(7)].into_iter().collect(), frequency: false, ..all };
    assert_eq!(flights.board(&one, 0), Boarded::Leads);
    assert_eq!((flights.board(&one, 1), flights.board(&all, 2)), (Boarded::Joined, Boarded::Alone));
    assert_eq!(flights.board(&LookupRequest { previous: Some(UserKey([2; 16])), ..one }, 3), Boarded::Leads);
    while flights.board(&one, 6) == Boarded::Joined {}
    assert_eq!(flights.board(&one, 4), Boarded::Alone, "one question holds up so many at most");
    assert_eq!(flights.land(&who(&one)).len(), MAX_WAITERS);
    assert_eq!(flights.board(&all, 5), Boarded::Leads);
}

#[test]
fn what_is_kept_holds_no_more_memory_than_it_counts() {
    let message = Bytes::from(vec![1; 1 << 20]);
    let answer = TagAnswer { realtime: Some(message.slice(..100)), ..known("") };
    let mut shelf = Shelf::new(1 << 20, STALE);
    let request = question(1, Monotonic(0));
    shelf.keep(&request, Monotonic(0), &answer);
    let kept = shelf.fresh(&request, Monotonic(0)).unwrap();
    assert_eq!(kept, answer);
    assert_ne!(kept.realtime.unwrap().as_ptr(), message.as_ptr());
    // As many bytes as are allowed and no more, however many users come by.
    for n in 0..100_000_u32 {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&n.to_le_bytes());
        shelf.keep(&LookupRequest { user: UserKey(key), ..request }, Monotonic(0), &answer);
    }
    let (users, bytes) = shelf.size();
    assert!(users > 1_000 && bytes <= 1 << 20, "{users} users in {bytes} bytes");
}

#[test]
fn an_answer_from_before_does_not_take_the_place_of_a_later_one() {
    let mut shelf = Shelf::new(1 << 20, STALE);
    let request = question(1, Monotonic(u64::MAX));
    let of = |suppressed| answer_of(&Truth { suppressed, ..Truth::default() }, &request);
    shelf.keep(&request, Monotonic(20), &of(true));
    // It was asked for sooner, and came later.
    shelf.keep(&request, Monotonic(10), &of(false));
    assert!(shelf.fresh(&request, Monotonic(30)).unwrap().suppressed);
    assert_eq!(shelf.stale(&request, Monotonic(30)), None, "nor may it be of use while nobody answers");
}
