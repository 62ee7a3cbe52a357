//! The store in a real Redis.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tagbid_ports::SuppressionChange;
use tagbid_runtime::{Drain, Tasks};
use tagbid_tags::store::{
    Mark, Pointer, RedisConfig, RedisStore, Servers, Store, StoreError, Stored, Written,
};
use tagbid_testkit::{Proxy, RedisServer, Way, wait_until_async};
use tagbid_types::{DatasetId, Revision};

use crate::conformance::{
    DATASET, NOW, Writes, activate, change, conformance, count_of, event, impression, offline_blob, read,
    read_now, set_suppressed, tags_of, user, version,
};

const PATIENCE: Duration = Duration::from_secs(30);

struct Opened {
    store: Arc<RedisStore>,
    url: String,
}

impl Opened {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// A connection past the store, to look at keys.
    fn keys(&self) -> redis::Connection {
        redis::Client::open(self.url.as_str()).unwrap().get_connection().unwrap()
    }
}

async fn open_at(url: &str) -> Opened {
    let config =
        RedisConfig { servers: Servers::One(url.into()), concurrency: 64, timeout: Duration::from_secs(2) };
    let store = Arc::new(RedisStore::start(config, &Tasks::new(Drain::default())).unwrap());
    store.point(Vec::new());
    wait_until_async("a connection to Redis", PATIENCE, async || read_now(&*store, user(1)).await.is_ok())
        .await;
    Opened { store, url: url.into() }
}

async fn open() -> Opened {
    open_at(tagbid_testkit::redis().url()).await
}

conformance!(open);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_between_the_reading_and_the_writing_of_a_user_wins() {
    let opened = open().await;
    opened.store.open_list().await.unwrap();
    let mut at = NOW.0 as u64 + 1_000_000;
    let mut met = 0;
    for round in 0..40_u8 {
        let user = |n: u8| tagbid_tagset::UserKey([[round, n]; 8].concat().try_into().unwrap());
        let mut change = |n| {
            at += 1;
            SuppressionChange::of(Revision(at), user(n), false)
        };
        let changes: Vec<_> = (0..100).map(&mut change).collect();
        // Nothing is there before, so that what was read and what is there are the same: nothing.
        let events = (0..100).map(|n| (user(n), event(1, 60, 9))).collect();
        let store = Arc::clone(&opened.store);
        let mut merging = tokio::task::JoinSet::new();
        merging.spawn(async move { store.merge_realtime(events, NOW).await });
        // A little later each time: one of them comes between.
        tokio::task::block_in_place(|| std::thread::sleep(Duration::from_micros(30) * round.into()));
        opened.store.suppress(&changes).await.unwrap();
        let merged = merging.join_next().await.unwrap().unwrap();
        met += merged.iter().filter(|one| **one == Ok(Written::Suppressed)).count();
        for n in 0..100 {
            assert_eq!(read(&*opened.store, user(n)).await, Stored::default(), "round {round}");
        }
    }
    println!("{met} of 4000 events met an erasure");
}

#[tokio::test]
async fn what_lies_in_the_way_of_one_user_is_replaced_or_refused_for_that_user_alone() {
    let opened = open().await;
    let of = |n: u8, kind: char| format!("{kind}:{{{}}}", user(n));
    let mut redis = opened.keys();
    let mut set = |n: u8, value: Vec<u8>| {
        for kind in ['r', 'f'] {
            redis::cmd("SET").arg(of(n, kind)).arg(&value).exec(&mut redis).unwrap();
        }
    };
    set(1, b"no blob".to_vec());
    set(2, vec![0x21; 5 << 20]);
    for kind in ['r', 'f'] {
        redis::cmd("RPUSH").arg(of(3, kind)).arg("a list").exec(&mut redis).unwrap();
    }

    let users = (1..=4).map(|n| (user(n), event(7, 1, 9))).collect();
    let merged = opened.store.merge_realtime(users, NOW).await;
    let impressions = (1..=4).map(|n| impression(user(n), 1)).collect();
    let counted = opened.store.count(impressions, NOW).await;
    for written in [merged, counted] {
        assert_eq!([&written[0], &written[1], &written[3]], [&Ok(Written::Stored); 3]);
        assert!(matches!(&written[2], Err(StoreError::Failed(why)) if why.contains("WRONGTYPE")));
    }
    for n in [1, 2, 4] {
        let stored = read(&*opened.store, user(n)).await;
        assert_eq!((tags_of(&stored), count_of(&stored)), (vec![(7, 9)], 1));
    }
}

#[tokio::test]
async fn keys_are_as_documented_and_expire() {
    let opened = open().await;
    activate(&*opened.store, &[7]).await;
    opened.store.put_offline(DATASET, vec![(user(0), offline_blob(1))]).await.unwrap();
    opened.store.merge_all(vec![(user(0), event(1, 400, 9))], NOW).await.unwrap();

    let mut redis = opened.keys();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut redis).unwrap();
    keys.sort();
    let of_user = "{AAAAAAAAAAAAAAAAAAAAAA}";
    assert_eq!(keys, [&format!("o:7:1:{of_user}"), &format!("r:{of_user}"), "versions", "{ds}:as_of"]);
    let left: i64 = redis::cmd("TTL").arg(format!("r:{of_user}")).query(&mut redis).unwrap();
    assert!((85_900..=86_000).contains(&left), "a day after the event, not after the write: {left} s");
    let left: i64 = redis::cmd("TTL").arg(format!("o:7:1:{of_user}")).query(&mut redis).unwrap();
    assert!((86_000..=86_400).contains(&left), "written user by user, it goes by itself: {left} s");
    let none = tagbid_tagset::offline::encode(NOW, &[]).unwrap();
    opened.store.put_offline(DATASET, vec![(user(0), none.into())]).await.unwrap();
    let left: i64 = redis::cmd("TTL").arg(format!("o:7:1:{of_user}")).query(&mut redis).unwrap();
    assert!(left <= 1, "there is nothing to be kept: {left} s");

    let whole = version(DATASET, 2);
    opened.store.mark(whole, Mark::Open).await.unwrap();
    opened.store.load(whole, vec![(user(0), offline_blob(1))]).await.unwrap();
    let left: i64 = redis::cmd("TTL").arg(format!("o:7:2:{of_user}")).query(&mut redis).unwrap();
    assert_eq!(left, -1, "a snapshot goes as a whole");
}

#[tokio::test]
async fn a_store_that_was_set_back_gets_another_life_so_that_no_other_node_takes_it_for_whole() {
    let opened = open().await;
    opened.store.open_list().await.unwrap();
    opened.store.suppress(&[change(5, user(1), true), change(9, user(2), true)]).await.unwrap();
    opened.store.trust_list();
    let mut redis = opened.keys();
    let whole: String = redis::cmd("GET").arg("suppression").query(&mut redis).unwrap();
    let (life, _) = whole.split_once(':').unwrap();
    // As in a backup from between.
    redis::cmd("SET").arg("suppression").arg(format!("{life}:5")).exec(&mut redis).unwrap();
    assert_eq!(opened.store.check_list().await, Err(StoreError::Forgot));
    assert_eq!(opened.store.open_list().await, Ok(Revision(5)));
    let begun: String = redis::cmd("GET").arg("suppression").query(&mut redis).unwrap();
    let (now, at) = begun.split_once(':').unwrap();
    assert!(now != life && at == "5", "{whole}, then {begun}");
}

/// How often Redis has run a command.
fn calls(opened: &Opened, command: &str) -> i64 {
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut opened.keys()).unwrap();
    let start = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_lookup_is_one_mget_however_many_datasets() {
    let server = RedisServer::start().unwrap();
    let opened = open_at(server.database().unwrap().url()).await;
    activate(&*opened.store, &[1, 2, 3, 4, 5, 6, 7, 8]).await;
    for dataset in 1..=8 {
        opened.store.put_offline(DatasetId(dataset), vec![(user(1), offline_blob(1))]).await.unwrap();
    }
    let (before, gets) = (calls(&opened, "mget"), calls(&opened, "get"));
    assert_eq!(read(&*opened.store, user(1)).await.offline.len(), 8);
    assert_eq!((calls(&opened, "mget") - before, calls(&opened, "get") - gets), (1, 0));
}

#[tokio::test]
async fn suppressing_erases_a_version_that_this_node_has_not_heard_of() {
    let writing = open().await;
    let suppressing = open_at(&writing.url).await;
    activate(&*writing.store, &[7]).await;
    writing.store.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    set_suppressed(&*suppressing.store, &[(user(1), true)]).await;
    set_suppressed(&*suppressing.store, &[(user(1), false)]).await;
    assert_eq!(read(&*writing.store, user(1)).await.offline, []);
}

#[tokio::test]
async fn a_redis_that_was_emptied_has_lost_its_versions_whoever_tells_it_the_list() {
    let opened = open().await;
    let store = &opened.store;
    let (open, loaded) = (version(DATASET, 1), version(DatasetId(9), 3));
    activate(&**store, &[7]).await;
    store.mark(loaded, Mark::Open).await.unwrap();
    store.load(loaded, vec![(user(1), offline_blob(3))]).await.unwrap();
    store.mark(loaded, Mark::Seal).await.unwrap();
    store.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    let pointer = |version, open| Pointer { version, as_of: NOW, open };
    store.point(vec![pointer(open, true), pointer(loaded, false)]);
    assert_eq!(read(&**store, user(1)).await.offline.len(), 2);

    redis::cmd("FLUSHDB").query::<()>(&mut opened.keys()).unwrap();
    for n in [1, 2] {
        let found = read(&**store, user(n)).await;
        assert_eq!((found.offline, found.lost), (vec![], vec![DATASET, DatasetId(9)]), "not \"no tags\"");
    }
    // What is written user by user begins anew; a snapshot has to be loaded again.
    store.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    assert_eq!(read(&**store, user(1)).await.lost, [DatasetId(9)]);
    let put = store.put_offline(DatasetId(9), vec![(user(1), offline_blob(1))]).await;
    assert_eq!(put, Err(StoreError::Lost(loaded)));
    assert_eq!(store.mark(loaded, Mark::Seal).await, Err(StoreError::Lost(loaded)));
}

#[tokio::test]
async fn a_blob_in_the_way_that_is_none_is_replaced() {
    let opened = open().await;
    let name = "r:{AQEBAQEBAQEBAQEBAQEBAQ}";
    let _: () = redis::cmd("SET").arg(name).arg("garbage").query(&mut opened.keys()).unwrap();
    assert_eq!(read(&*opened.store, user(1)).await.realtime, Some(Bytes::from_static(b"garbage")));
    opened.store.merge_all(vec![(user(1), event(1, 1, 5))], NOW).await.unwrap();
    assert_eq!(tags_of(&read(&*opened.store, user(1)).await), [(1, 5)]);
}

#[tokio::test]
async fn a_killed_redis_is_said_to_be_down_and_found_again() {
    let mut server = RedisServer::start().unwrap();
    let opened = open_at(server.database().unwrap().url()).await;
    server.kill();
    wait_until_async("the loss to be noticed", PATIENCE, async || {
        read_now(&*opened.store, user(1)).await == Err(StoreError::Down)
    })
    .await;
    server.restart().unwrap();
    wait_until_async("the connection to come back", PATIENCE, async || {
        opened.store.merge_all(vec![(user(1), event(1, 1, 5))], NOW).await.is_ok()
    })
    .await;
    assert_eq!(tags_of(&read(&*opened.store, user(1)).await), [(1, 5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_did_not_answer_is_asked_by_everybody_as_soon_as_it_does() {
    let server = RedisServer::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let opened = open_at(&format!("redis://127.0.0.1:{}/0", proxy.port())).await;
    let asked = async |within| opened.store.read(&[user(1)], false, within).await.remove(0);
    proxy.set(Way::Silent);
    wait_until_async("the server to be left alone", PATIENCE, async || {
        asked(Duration::from_millis(20)).await == Err(StoreError::Down)
    })
    .await;
    proxy.set(Way::Clear);
    wait_until_async("an answer", PATIENCE, async || asked(PATIENCE).await.is_ok()).await;
    // Not one in a second, as while it is only tried.
    for _ in 0..20 {
        assert_eq!(asked(PATIENCE).await, Ok(Stored::default()));
    }
}

#[tokio::test]
async fn a_full_redis_refuses_writes_and_still_reads() {
    let server = RedisServer::start().unwrap();
    let opened = open_at(server.database().unwrap().url()).await;
    opened.store.merge_all(vec![(user(1), event(1, 1, 5))], NOW).await.unwrap();
    opened.store.open_list().await.unwrap();
    let set = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).query::<()>(&mut opened.keys());
    set.unwrap();
    let refused = opened.store.merge_all(vec![(user(1), event(2, 1, 5))], NOW).await;
    assert_eq!(refused, Err(StoreError::Full));
    assert_eq!(tags_of(&read(&*opened.store, user(1)).await), [(1, 5)]);
    set_suppressed(&*opened.store, &[(user(1), true), (user(2), true)]).await;
    assert!(read(&*opened.store, user(2)).await.suppressed, "a suppression does not wait for memory");
}

#[tokio::test]
async fn a_redis_that_lost_data_refuses_reads_and_writes_until_it_is_told_again() {
    let server = RedisServer::start().unwrap();
    let opened = open_at(server.database().unwrap().url()).await;
    let store = &opened.store;
    activate(&**store, &[7]).await;
    store.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    set_suppressed(&**store, &[(user(1), true)]).await;
    store.trust_list();
    assert!(read(&**store, user(1)).await.suppressed);
    let sentinel = redis::cmd("GET").arg("suppression").query::<String>(&mut opened.keys()).unwrap();
    let (life, _) = sentinel.split_once(':').unwrap();

    for (loss, left) in [
        ("nothing", None),
        ("another life", Some("7:9999999".to_owned())),
        ("a backup", Some(format!("{life}:0"))),
    ] {
        let mut redis = opened.keys();
        redis::cmd("FLUSHALL").query::<()>(&mut redis).unwrap();
        if let Some(left) = left {
            redis::cmd("SET").arg("suppression").arg(left).query::<()>(&mut redis).unwrap();
        }
        for n in [1, 2] {
            assert_eq!(read_now(&**store, user(n)).await, Err(StoreError::Forgot), "{loss}");
        }
        let put = store.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await;
        assert_eq!(put, Err(StoreError::Forgot), "{loss}");
        let merged = store.merge_all(vec![(user(1), event(1, 1, 5))], NOW).await;
        assert_eq!(merged, Err(StoreError::Forgot), "{loss}");
        assert_eq!(store.check_list().await, Err(StoreError::Forgot), "{loss}");
    }
    let told = store.suppress(&[change(9_999_999, user(1), true)]).await;
    assert_eq!(told, Err(StoreError::Forgot));

    assert_eq!(store.open_list().await, Ok(Revision(0)));
    store.suppress(&[change(8_888_888, user(1), true)]).await.unwrap();
    assert_eq!(read_now(&**store, user(1)).await, Err(StoreError::Forgot), "not before all has been told");
    store.trust_list();
    let nothing_else = Stored { suppressed: true, ..Stored::default() };
    assert_eq!(read(&**store, user(1)).await, nothing_else);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_at_the_start() {
    let one = |url: &str| Servers::One(url.into());
    let cluster = |urls: &[&str]| Servers::Cluster(urls.iter().map(|url| url.to_string()).collect());
    let cases = [
        (one("http://x"), "write redis://"),
        (cluster(&[]), "name at least one node"),
        (cluster(&["redis://x:1", "redis://x:2/3"]), "no database 3: leave the number out"),
        (cluster(&["unix:///tmp/redis"]), "over TCP"),
    ];
    for (servers, remedy) in cases {
        let config = RedisConfig { servers, concurrency: 1, timeout: PATIENCE };
        let problem = RedisStore::start(config, &Tasks::new(Drain::default())).err().unwrap().to_string();
        assert!(problem.contains(remedy), "{problem}");
    }
}

#[tokio::test]
async fn a_version_that_is_written_user_by_user_is_begun_anew_after_a_loss_and_counted() {
    let server = RedisServer::start().unwrap();
    let opened = open_at(server.database().unwrap().url()).await;
    let store = &opened.store;
    let open = version(DATASET, 1);
    store.mark(open, Mark::Open).await.unwrap();
    store.mark(open, Mark::Seal).await.unwrap();
    store.point(vec![Pointer { version: open, as_of: NOW, open: true }]);
    store.put_offline(DATASET, vec![(user(1), offline_blob(1)), (user(2), offline_blob(1))]).await.unwrap();
    assert_eq!(store.stats().begun_anew, 0);

    redis::cmd("DEL").arg("versions").arg(format!("o:7:1:{{{}}}", user(2))).exec(&mut opened.keys()).unwrap();
    assert_eq!(read(&**store, user(1)).await.lost, [DATASET], "nobody knows");
    store.put_offline(DATASET, vec![(user(3), offline_blob(1))]).await.unwrap();
    assert_eq!(store.stats().begun_anew, 1);
    assert_eq!(read(&**store, user(2)).await, Stored::default(), "not written again: no tags, as documented");
    assert_eq!(store.mark(open, Mark::Check).await, Ok(1));
}
