//! The servers that other tests trust: they answer, they are apart, and they never outlive their test process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tagbid_testkit::{
    Durability, PostgresServer, RedisServer, postgres, redis, redis_cluster, slot_of, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends inline commands to the Redis behind `url`, in its database, and returns all answers.
fn ask_redis(url: &str, commands: &str) -> String {
    let (address, database) = url.strip_prefix("redis://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "SELECT {database}\r\n{commands}\r\nQUIT\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.replace("\r\n", " ")
}

fn ask_postgres(url: &str, sql: &str) -> String {
    let output = Command::new("psql").args(["-X", "-A", "-t", "-q", url, "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn two_tests_share_a_redis_server_and_no_key() {
    let (mine, yours) = (redis(), redis());
    assert_eq!(mine.url().rsplit_once('/').unwrap().0, yours.url().rsplit_once('/').unwrap().0);

    assert_eq!(ask_redis(mine.url(), "SET tag 7"), "+OK +OK +OK ");
    assert_eq!(ask_redis(mine.url(), "GET tag"), "+OK $1 7 +OK ");
    assert_eq!(ask_redis(yours.url(), "GET tag"), "+OK $-1 +OK ");
}

#[test]
fn two_tests_share_a_postgres_server_and_no_table() {
    let (mine, yours) = (postgres(), postgres());
    assert_eq!(mine.url().rsplit_once('/').unwrap().0, yours.url().rsplit_once('/').unwrap().0);

    ask_postgres(mine.url(), "CREATE TABLE tags (id int)");
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'tags'";
    assert_eq!(ask_postgres(mine.url(), tables), "1");
    assert_eq!(ask_postgres(yours.url(), tables), "0");
}

#[test]
fn a_killed_redis_refuses_and_comes_back_empty_on_the_same_port() {
    let mut server = RedisServer::start().unwrap();
    let database = server.database().unwrap();
    ask_redis(database.url(), "SET tag 7");

    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());

    server.restart().unwrap();
    assert_eq!(ask_redis(database.url(), "GET tag"), "+OK $-1 +OK ");
}

#[test]
fn a_frozen_redis_answers_once_it_is_thawed() {
    let server = RedisServer::start().unwrap();
    server.freeze();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = [0; 5];
    assert!(stream.read(&mut answer).is_err());

    server.thaw();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG");
}

#[test]
fn a_durable_postgres_keeps_what_it_committed_through_a_crash() {
    let mut server = PostgresServer::start(Durability::On).unwrap();
    let database = server.database().unwrap();
    assert_eq!(ask_postgres(database.url(), "SHOW fsync"), "on");
    ask_postgres(database.url(), "CREATE TABLE spent (nanos bigint); INSERT INTO spent VALUES (42)");

    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());

    server.restart().unwrap();
    assert_eq!(ask_postgres(database.url(), "SELECT nanos FROM spent"), "42");
}

/// One server of a process under test, as `testkit-servers` prints it.
struct Seen {
    port: u16,
    pid: u32,
}

fn start_holder() -> (Child, Vec<Seen>) {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_testkit-servers"))
        .arg("cluster")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let seen = BufReader::new(holder.stdout.take().unwrap())
        .lines()
        .take(8)
        .map(|line| {
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let port = words[1].rsplit_once(':').unwrap().1.split('/').next().unwrap();
            Seen { port: port.parse().unwrap(), pid: words[2].parse().unwrap() }
        })
        .collect();
    (holder, seen)
}

/// Directories of servers whose processes are these.
fn directories_of(pids: &[u32]) -> Vec<PathBuf> {
    let holds = |dir: &Path| {
        let pid = std::fs::read_to_string(dir.join("pid")).unwrap_or_default();
        pid.trim().parse().is_ok_and(|pid| pids.contains(&pid))
    };
    temporary().into_iter().filter(|dir| holds(dir)).collect()
}

fn temporary() -> Vec<PathBuf> {
    std::fs::read_dir(std::env::temp_dir()).unwrap().flatten().map(|entry| entry.path()).collect()
}

#[test]
fn kill_9_of_the_test_process_leaves_no_server_no_child_and_no_directory_behind() {
    // One of these may tell of an earlier process that had the same number.
    let before = temporary();
    let (mut holder, seen) = start_holder();
    assert_eq!(seen.len(), 8);
    for server in &seen {
        assert!(TcpStream::connect(("127.0.0.1", server.port)).is_ok());
    }
    let pids: Vec<u32> = seen.iter().map(|server| server.pid).collect();
    let mut directories = directories_of(&pids);
    directories.retain(|directory| !before.contains(directory));
    assert_eq!(directories.len(), 8);

    // On Unix this is SIGKILL: no destructor and no exit handler runs.
    holder.kill().unwrap();
    holder.wait().unwrap();

    for server in &seen {
        wait_until("the server to be gone", PATIENCE, || {
            !Path::new(&format!("/proc/{}", server.pid)).exists()
        });
        assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
    }
    for directory in &directories {
        wait_until("the directory to be gone", PATIENCE, || !directory.exists());
    }
}

#[test]
fn a_cluster_moves_slots_survives_a_primary_and_is_whole_for_the_next_test() {
    let mut cluster = redis_cluster();
    let slot = slot_of("tag");
    let ask = |node: usize, commands: &str| {
        ask_redis(&format!("redis://127.0.0.1:{}/0", cluster.node(node).port()), commands)
    };
    // On a loaded machine nodes take each other for dead for a moment, and say that the cluster is down.
    let answers = |node: usize, commands: &str, wanted: &str| {
        wait_until(commands, PATIENCE, || ask(node, commands) == wanted);
    };
    let first = cluster.primary_of(slot);
    answers(first, "SET tag 7", "+OK +OK +OK ");

    let second = cluster.primary_of((slot + 6_000) % 16_384);
    assert_ne!(second, first);
    cluster.move_slot(slot, second);
    answers(second, "GET tag", "+OK $1 7 +OK ");
    assert!(ask(first, "GET tag").contains(&format!("MOVED {slot}")));

    let replicas = cluster.replicas_of(second);
    assert_eq!(replicas.len(), 1);
    cluster.kill(second);
    let third = cluster.wait_promoted(slot, second);
    assert_eq!(third, replicas[0]);
    answers(third, "GET tag", "+OK $1 7 +OK ");

    let added = cluster.add_node();
    cluster.move_slot(slot, added);
    drop(cluster);

    let cluster = redis_cluster();
    assert_eq!(cluster.len(), 6);
    let owner = cluster.primary_of(slot);
    let url = format!("redis://127.0.0.1:{}/0", cluster.node(owner).port());
    assert_eq!(ask_redis(&url, "GET tag"), "+OK $-1 +OK ");
}
