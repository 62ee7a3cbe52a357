//! A real Redis Cluster that fails while it is used. Figures that a run saw are printed (`--nocapture`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tagbid_ports::{Datasets, LookupRequest, SourceStatus, UserKeys};
use tagbid_testkit::{Proxy, Way, redis_cluster, wait_until_async};
use tagbid_types::Clock;
use tagbid_wire::tags as wire;
use tokio::task::{JoinSet, block_in_place};
use tokio_stream::wrappers::ReceiverStream;

use crate::conformance::{DATASET, event, offline_blob};
use crate::fixture::{PATIENCE, ROLE, statuses};
use crate::stage::{
    DEADLINE, KNOWN, Load, Seen, Stage, USERS, is_right, never_known_while, slot, until_right, user,
};

/// How long users may be unknown after somebody else has their slots.
const RECOVERY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_fails_its_own_users_only_and_soon_is_replaced() {
    let stage = Stage::set().await;
    let victim = stage.primary(user(1));
    let (theirs, others) = stage.split(victim);
    let control = stage.control(Some(victim));
    let (hit, spared) = (Load::start(&stage.role, &theirs), Load::start(&stage.role, &others));

    block_in_place(|| stage.cluster.kill(victim));
    let killed = Instant::now();
    block_in_place(|| stage.cluster.wait_promoted(slot(user(1)), victim));
    let promotion = killed.elapsed();
    let recovery = until_right(&stage.role, &theirs).await;

    let (hit, spared, lag) = (hit.end().await, spared.end().await, control.end());
    println!(
        "primary killed: promoted after {promotion:?}, right answers {recovery:?} later; {hit:?}; others {spared:?}; {lag:?}"
    );
    assert!(recovery < lag.stretch(RECOVERY), "{recovery:?}, {lag:?}");
    assert!(hit.failed + hit.late > 0 && hit.right > 0, "{hit:?}");
    spared.assert_well(lag);

    // Writes and suppressions go on too.
    stage.role.service.writer().merge_realtime(vec![(user(1), event(1, 1, 9))]).await.unwrap();
    stage.role.suppress(user(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_under_load_cost_no_wrong_answer_and_no_write() {
    let stage = Stage::set().await;
    let all: Vec<u32> = (0..USERS).collect();
    let (control, load) = (stage.control(None), Load::start(&stage.role, &all));
    let from = stage.primary(user(1));
    let (moved, others) = stage.split(from);
    let to = stage.primary(user(others[0]));

    let began = Instant::now();
    for &n in &moved[..40] {
        // Half moved: lookups follow key by key, writes wait. One that is late may be tried again; what is told as known
        // is held to be right by the load.
        block_in_place(|| stage.cluster.open_slot(slot(user(n)), to));
        until_right(&stage.role, &[n]).await;
        let writer = stage.role.service.writer();
        let mut writes = JoinSet::new();
        writes.spawn(async move {
            let write = || writer.merge_realtime(vec![(user(n), event(n, 1, 9))]);
            let taken = async { while write().await.is_err() {} };
            tokio::time::timeout(PATIENCE, taken).await.unwrap();
        });
        block_in_place(|| stage.cluster.move_slot(slot(user(n)), to));
        writes.join_all().await;
        wait_until_async("the user to be read with what was written", PATIENCE, async || {
            let answer = stage.role.lookup(user(n)).await;
            is_right(n, &answer) && answer.realtime.is_some() != answer.suppressed
        })
        .await;
    }
    let took = began.elapsed();
    let (seen, lag) = (load.end().await, control.end());
    println!("40 slots moved in {took:?} under load: {seen:?}; {lag:?}");
    seen.assert_well(lag);
    until_right(&stage.role, &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_primary_is_left_alone_at_once_and_its_suppressions_stay() {
    let stage = Stage::set().await;
    let victim = stage.primary(user(1));
    let (mut theirs, others) = stage.split(victim);
    theirs.retain(|n| *n != 1);
    // Nobody takes its place before it was seen to be left alone, however slow the machine.
    let replica = block_in_place(|| stage.cluster.replicas_of(victim))[0];
    block_in_place(|| stage.cluster.node(replica).freeze());
    let control = stage.control(Some(victim));
    let (hit, spared) = (Load::start(&stage.role, &theirs), Load::start(&stage.role, &others));

    block_in_place(|| stage.cluster.node(victim).freeze());
    let frozen = Instant::now();
    wait_until_async("the node to be left alone", PATIENCE, async || {
        let asked = Instant::now();
        let answer = stage.role.lookup_within(user(1), DEADLINE).await;
        statuses(&answer) == [SourceStatus::Failed; 3] && asked.elapsed() < DEADLINE / 2
    })
    .await;
    let noticed = frozen.elapsed();
    let thawed = Instant::now();
    block_in_place(|| {
        stage.cluster.node(replica).thaw();
        stage.cluster.wait_promoted(slot(user(1)), victim)
    });
    let promotion = thawed.elapsed();
    let recovery = until_right(&stage.role, &theirs).await;
    // It wakes up as a primary of the past, and must not be believed.
    stage.role.suppress(user(1)).await;
    block_in_place(|| stage.cluster.node(victim).thaw());
    for _ in 0..200 {
        let answer = stage.role.lookup_within(user(1), DEADLINE).await;
        assert!(answer.suppressed || statuses(&answer) != KNOWN, "{answer:?}");
    }
    let (hit, spared, lag) = (hit.end().await, spared.end().await, control.end());
    println!(
        "primary frozen: left alone after {noticed:?}, promoted {promotion:?} after its replica went on, right answers {recovery:?} later; {hit:?}; others {spared:?}; {lag:?}"
    );
    assert!(recovery < lag.stretch(RECOVERY), "{recovery:?}, {lag:?}");
    spared.assert_well(lag);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_node_makes_its_own_users_late_and_nobody_else() {
    let cluster = redis_cluster();
    let slow = block_in_place(|| cluster.primary_of(slot(user(1))));
    let proxy = Proxy::start(cluster.node(slow).port()).unwrap();
    // The others tell everybody that it is reached there.
    block_in_place(|| cluster.announce(slow, proxy.port()));
    let stage = Stage::set_through(cluster).await;
    assert!(proxy.accepted() > 0);
    let (theirs, others) = stage.split(slow);
    let within = |n: u32, ms| stage.role.lookup_within(user(n), Duration::from_millis(ms));

    proxy.set(Way::Slow(Duration::from_millis(50)));
    let known = async |n: u32| is_right(n, &within(n, 1_000).await);
    wait_until_async("slow is not lost", PATIENCE, async || known(theirs[1]).await).await;
    let (control, spared) = (stage.control(Some(slow)), Load::start(&stage.role, &others));
    let mut seen = Seen::default();
    for &n in theirs.iter().cycle().take(100) {
        let began = Instant::now();
        let answer = within(n, 20).await;
        seen.add(n, &answer, began.elapsed());
    }
    proxy.set(Way::Clear);
    let recovery = until_right(&stage.role, &theirs).await;
    let (spared, lag) = (spared.end().await, control.end());
    println!(
        "+50 ms on one node, 20 ms to answer: {seen:?}, right answers {recovery:?} after its end; others {spared:?}; {lag:?}"
    );
    assert_eq!((seen.right, seen.uncertain), (0, 0), "{seen:?}");
    assert!(seen.late >= 3 && seen.failed > seen.late, "first late, then left alone: {seen:?}");
    spared.assert_well(lag);
    assert!(recovery < lag.stretch(RECOVERY), "{recovery:?}, {lag:?}");

    proxy.set(Way::Silent);
    let silent = within(theirs[1], 50).await;
    assert!(matches!(silent.offline_status, SourceStatus::Late | SourceStatus::Failed), "{silent:?}");
    proxy.set(Way::Broken);
    wait_until_async("the break to be noticed", PATIENCE, async || {
        within(theirs[1], 1_000).await.offline_status == SourceStatus::Failed
    })
    .await;
    wait_until_async("the others to be spared", PATIENCE, async || known(others[1]).await).await;
    proxy.set(Way::Clear);
    until_right(&stage.role, &theirs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lacks_a_suppression_and_is_promoted_hears_it_again() {
    let stage = Stage::set().await;
    let victim = stage.primary(user(0));
    let (theirs, others) = stage.split(victim);
    let replica = block_in_place(|| stage.cluster.replicas_of(victim))[0];
    // Of these the replica has the tags, and not the suppression.
    let late: Vec<u32> = theirs.iter().copied().filter(|n| n % 10 == 3).collect();
    block_in_place(|| {
        let url = format!("redis://127.0.0.1:{}", stage.cluster.node(victim).port());
        let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
        stage.cluster.node(replica).freeze();
        // Else they would wait for it in its socket.
        redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("replica").query::<()>(&mut redis).unwrap();
    });
    for &n in &late {
        stage.role.suppress(user(n)).await;
    }
    let role = Arc::clone(&stage.role);
    let watched = late.clone();
    let began = Instant::now();
    let mut recovery = Duration::ZERO;
    let watch = async {
        let mut uncertain = 0;
        loop {
            let mut again = 0;
            for &n in &watched {
                let answer = role.lookup_within(user(n), DEADLINE).await;
                let known = statuses(&answer).contains(&SourceStatus::Known);
                assert!(answer.suppressed || !known, "user {n} is known again: {answer:?}");
                uncertain += usize::from(answer.offline_status == SourceStatus::Uncertain);
                again += usize::from(answer.suppressed);
            }
            let promoted = block_in_place(|| stage.cluster.primary_of(slot(user(0)))) == replica;
            if promoted && again == watched.len() {
                break uncertain;
            }
        }
    };
    block_in_place(|| {
        stage.cluster.kill(victim);
        stage.cluster.node(replica).thaw();
    });
    let uncertain = tokio::time::timeout(PATIENCE, watch).await.unwrap();
    recovery += began.elapsed();
    println!(
        "promoted without {} suppressions: certain again {recovery:?} after the kill, {uncertain} answers uncertain",
        late.len()
    );
    assert!(uncertain > 0, "the replica had everything: nothing was tested");
    let rest: Vec<u32> = theirs.into_iter().chain(others).filter(|n| !late.contains(n)).collect();
    until_right(&stage.role, &rest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_comes_back_empty_knows_nobody_before_it_heard_the_list() {
    let mut stage = Stage::set().await;
    let victim = stage.primary(user(0));
    let (theirs, others) = stage.split(victim);
    let suppressed: Vec<u32> = theirs.iter().copied().filter(|n| n.is_multiple_of(10)).collect();
    // Sooner than the others would miss it.
    block_in_place(|| {
        stage.cluster.kill(victim);
        stage.cluster.restart(victim);
    });
    let seen = never_known_while(&stage, &suppressed, async || {
        until_right(&stage.role, &suppressed).await;
    })
    .await;
    println!("a primary that came back empty: {seen:?}");
    assert!(seen.uncertain > 0, "nothing was lost: {seen:?}");
    assert!(stage.role.service.ready());
    let tags = theirs.iter().map(|n| (user(*n), offline_blob(*n))).collect();
    stage.role.service.writer().put_offline(DATASET, tags).await.unwrap();
    until_right(&stage.role, &theirs).await;
    until_right(&stage.role, &others).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_five_megabytes_fails_its_user_and_delays_nobody_else() {
    let stage = Stage::set().await;
    let node = stage.primary(user(1));
    let (theirs, _) = stage.split(node);
    let url = format!("redis://127.0.0.1:{}", stage.cluster.node(node).port());
    let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
    let name = format!("r:{{{}}}", user(1));
    redis::cmd("SET").arg(name).arg(vec![b'x'; 5_000_000]).query::<()>(&mut redis).unwrap();

    let rest: Vec<u32> = theirs.iter().copied().filter(|n| *n != 1).collect();
    let (control, load) = (stage.control(None), Load::start(&stage.role, &rest));
    for _ in 0..20 {
        let answer = stage.role.lookup(user(1)).await;
        assert_eq!(statuses(&answer), [SourceStatus::Failed; 3]);
    }
    let (seen, lag) = (load.end().await, control.end());
    println!("a value of 5 MB in the way: {seen:?}; {lag:?}");
    seen.assert_well(lag);
    // A write puts it right.
    stage.role.service.writer().merge_realtime(vec![(user(1), event(1, 1, 9))]).await.unwrap();
    assert!(is_right(1, &stage.role.lookup(user(1)).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_nodes_refuse_writes_by_name_and_still_read_and_suppress() {
    let stage = Stage::set().await;
    let writer = stage.role.service.writer();
    writer.merge_realtime(vec![(user(1), event(1, 1, 9))]).await.unwrap();
    for url in stage.cluster.urls() {
        let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).query::<()>(&mut redis).unwrap();
    }
    let refused = writer.merge_realtime(vec![(user(2), event(1, 1, 9))]).await.unwrap_err();
    assert!(refused.to_string().contains("the store is full"), "{refused}");
    let all: Vec<u32> = (0..USERS).collect();
    until_right(&stage.role, &all).await;
    stage.role.suppress(user(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_other_nodes_are_answered_while_a_frozen_one_is_waited_for() {
    let stage = Stage::set().await;
    let frozen = stage.primary(user(1));
    let (theirs, others) = stage.split(frozen);
    let mut client = stage.role.client(ROLE).await;
    let users: Vec<_> =
        theirs.iter().take(20).chain(others.iter().take(40)).map(|n| UserKeys::only(user(*n))).collect();
    let (frames, outgoing) = tokio::sync::mpsc::channel(1);
    let mut stream = client.lookup_stream(ReceiverStream::new(outgoing)).await.unwrap().into_inner();

    block_in_place(|| stage.cluster.node(frozen).freeze());
    let began = Instant::now();
    frames.send(wire::frame(1, &users, 2_000_000, (true, Datasets::ALL))).await.unwrap();
    let mut known = Vec::new();
    while known.len() < 40 {
        let part = stream.message().await.unwrap().unwrap();
        assert!(!part.last, "{part:?}");
        known.extend(part.answers.into_iter().map(|one| (one.index, wire::from_answer(one))));
    }
    let first = began.elapsed();
    assert!(known.iter().all(|(index, answer)| *index >= 20 && statuses(answer) == KNOWN), "{known:?}");
    let rest = stream.message().await.unwrap().unwrap();
    println!(
        "a frame half of whose node is frozen: the others after {first:?}, all after {:?}",
        began.elapsed()
    );
    assert!(rest.last);
    assert_eq!(rest.answers.len(), 20);
    for one in rest.answers {
        let answer = wire::from_answer(one);
        assert!(matches!(answer.offline_status, SourceStatus::Late | SourceStatus::Failed), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lies_in_part_on_a_node_that_is_away_is_unknown_and_never_half_known() {
    let stage = Stage::set().await;
    let victim = stage.primary(user(1));
    let (theirs, others) = stage.split(victim);
    let plain = |n: &&u32| !n.is_multiple_of(10);
    let their: Vec<u32> = theirs.iter().filter(plain).copied().collect();
    let spared: Vec<u32> = others.iter().filter(plain).copied().collect();
    stage.role.link(&[user(spared[1]), user(their[1])]).await;
    let ask = async |request: LookupRequest| stage.role.service.lookup_source().open().lookup(request).await;
    let rotating = || LookupRequest { previous: Some(user(their[0])), ..stage.role.request(user(spared[0])) };
    let with_other = || {
        let mut asked = stage.role.request(user(spared[0]));
        assert!(asked.others.push(user(their[0])));
        asked
    };
    let linked = || stage.role.request(user(spared[1]));
    for request in [rotating(), with_other(), linked()] {
        let answer = ask(request).await;
        assert_eq!(statuses(&answer), KNOWN, "{answer:?}");
    }

    // A slot that lost its versions, and nothing of the list: of whoever is there in part, the dataset is unknown.
    let url = format!("redis://127.0.0.1:{}", stage.cluster.node(victim).port());
    let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
    let lost = slot(user(their[0]));
    let marks: Vec<String> = redis::cmd("KEYS").arg("versions:*").query(&mut redis).unwrap();
    let tag = |name: &&String| name.trim_start_matches("versions:{").trim_end_matches('}').to_owned();
    let mark = marks.iter().find(|name| tagbid_testkit::slot_of(&tag(name)) == lost).unwrap();
    redis::cmd("DEL").arg(mark).exec(&mut redis).unwrap();
    assert_eq!(statuses(&ask(rotating()).await)[..2], [SourceStatus::Failed, SourceStatus::Known]);

    let replicas = block_in_place(|| stage.cluster.replicas_of(victim));
    block_in_place(|| replicas.iter().chain([&victim]).for_each(|node| stage.cluster.node(*node).freeze()));
    for request in [rotating(), with_other(), linked()] {
        let deadline = stage.role.clock.monotonic().after(DEADLINE);
        let answer = ask(LookupRequest { deadline, ..request }).await;
        let unknown = |status: &SourceStatus| matches!(status, SourceStatus::Late | SourceStatus::Failed);
        assert!(statuses(&answer).iter().all(unknown) && !answer.suppressed, "{answer:?}");
    }
    until_right(&stage.role, &spared[2..]).await;
}
