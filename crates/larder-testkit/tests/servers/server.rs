//! A server's life, its users, and the client that looks at it from outside.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use larder_testkit::{RedisClient, RedisServer, Reply};

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_server_starts_empty_and_answers() {
    let server = RedisServer::start();
    assert_eq!(server.command(&["DBSIZE"]).integer(), 0);
    assert_eq!(server.command(&["PING"]).text(), "PONG");
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
    let info = server.command(&["INFO", "server"]).text();
    assert!(info.contains(&format!("process_id:{}\r", server.pid())));
}

#[test]
fn nothing_is_kept_on_disk() {
    let server = RedisServer::start();
    let saving = server.command(&["CONFIG", "GET", "save"]);
    assert_eq!(saving.value_of("save").unwrap(), "");
    let appending = server.command(&["CONFIG", "GET", "appendonly"]);
    assert_eq!(appending.value_of("appendonly").unwrap(), "no");
}

#[test]
fn a_dropped_server_is_gone_with_its_folder() {
    let server = RedisServer::start();
    let (pid, address) = (server.pid(), server.address());
    let folder = server.command(&["CONFIG", "GET", "dir"]);
    let folder = folder.value_of("dir").unwrap();
    assert!(Path::new(&folder).is_dir());
    drop(server);
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(!Path::new(&folder).exists(), "{folder} was left behind");
    assert!(!is_a_process(pid), "process {pid} was left behind");
}

/// Set for the process of the next test but one, which is killed.
const SAY_WHERE: &str = "LARDER_TEST_SAY_WHERE";

#[test]
fn a_killed_test_leaves_no_server_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("address");
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "server::starts_a_server_and_is_killed",
            "--ignored",
        ])
        .env(SAY_WHERE, &file)
        // Nobody removes its folder but the test.
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(!status.unwrap().success());
    let address = std::fs::read_to_string(file).expect("it has started a server");
    let started = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(started.elapsed() < PATIENCE, "a server was left behind");
        std::thread::yield_now();
    }
}

#[test]
#[ignore = "a_killed_test_leaves_no_server_behind runs it"]
fn starts_a_server_and_is_killed() {
    let server = RedisServer::start();
    let file = std::env::var_os(SAY_WHERE).expect("it isn't run by itself");
    std::fs::write(file, server.address().to_string()).unwrap();
    std::process::abort();
}

#[test]
fn servers_do_not_get_in_each_others_way() {
    let servers: Vec<RedisServer> = (0..4).map(|_| RedisServer::start()).collect();
    for (number, server) in servers.iter().enumerate() {
        server.command(&["SET", "number", &number.to_string()]);
    }
    for (number, server) in servers.iter().enumerate() {
        assert_eq!(
            server.command(&["GET", "number"]).text(),
            number.to_string()
        );
    }
}

#[test]
#[should_panic(expected = "apt-get install redis-server")]
fn a_missing_program_says_what_to_install() {
    RedisServer::builder()
        .binary("/no/such/redis-server")
        .start();
}

#[test]
#[should_panic(expected = "no-such-setting")]
fn a_wrong_setting_is_told_from_the_log() {
    RedisServer::builder()
        .argument("no-such-setting", "1")
        .start();
}

/// A server that finds its port taken when it is started for the first time.
const UNLUCKY: &str = r#"#!/bin/sh
if mkdir "$0.tried" 2>/dev/null; then
    echo "bind: Address already in use"
    exit 1
fi
exec redis-server "$@"
"#;

#[test]
fn a_port_that_somebody_else_took_is_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("unlucky");
    // Not written by this process: a program that anybody still has open for writing can't be started.
    let written = Command::new("sh")
        .args([
            "-c",
            "printf %s \"$1\" > \"$2\" && chmod +x \"$2\"",
            "sh",
            UNLUCKY,
        ])
        .arg(&program)
        .status();
    assert!(written.unwrap().success());
    let server = RedisServer::builder().binary(&program).start();
    assert!(folder.path().join("unlucky.tried").exists());
    assert_eq!(server.command(&["PING"]).text(), "PONG");
}

#[test]
fn a_setting_is_passed_on() {
    let server = RedisServer::builder().argument("maxmemory", "10mb").start();
    let limit = server.command(&["CONFIG", "GET", "maxmemory"]);
    assert_eq!(limit.value_of("maxmemory").unwrap(), "10485760");
}

#[test]
fn a_password_is_asked_for_and_given() {
    let server = RedisServer::builder()
        .password("it's \"a\" p#ss wörd")
        .start();
    assert_eq!(server.command(&["PING"]).text(), "PONG");
    let mut stranger = RedisClient::connect(server.address()).unwrap();
    let Reply::Error(refusal) = stranger.command(&["PING"]).unwrap() else {
        panic!("a stranger was let in")
    };
    assert!(refusal.starts_with("NOAUTH"), "{refusal}");
    let prefix = "redis://:it%27s%20%22a%22%20p%23ss%20w%C3%B6rd@127.0.0.1:";
    assert!(server.url().starts_with(prefix), "{}", server.url());
}

#[test]
fn a_user_may_do_what_the_rules_say() {
    let server = RedisServer::builder()
        .password("root")
        .user("shop", "s3cret", "~shop:* +@read")
        .start();
    server.command(&["SET", "shop:a", "1"]);
    let mut shop = RedisClient::connect(server.address()).unwrap();
    assert_eq!(
        shop.command(&["AUTH", "shop", "s3cret"]).unwrap().text(),
        "OK"
    );
    assert_eq!(shop.command(&["GET", "shop:a"]).unwrap().text(), "1");
    for forbidden in [vec!["GET", "other"], vec!["SET", "shop:a", "2"]] {
        let Reply::Error(refusal) = shop.command(&forbidden).unwrap() else {
            panic!("{forbidden:?} was done")
        };
        assert!(refusal.starts_with("NOPERM"), "{refusal}");
    }
    let url = format!("redis://shop:s3cret@{}", server.address());
    assert_eq!(server.url_as("shop"), url);
}

#[test]
fn the_default_user_can_be_given_rules() {
    let server = RedisServer::builder()
        .user("default", "pass", "~* &* +@all")
        .start();
    assert_eq!(server.command(&["ACL", "WHOAMI"]).text(), "default");
    assert!(server.url().starts_with("redis://:pass@"));
}

#[test]
fn a_unix_socket_leads_to_the_same_server() {
    let server = RedisServer::builder().unix_socket().start();
    let mut client = RedisClient::connect_unix(server.socket()).unwrap();
    client.command(&["SET", "a", "1"]).unwrap();
    assert_eq!(server.command(&["GET", "a"]).text(), "1");
    let url = format!("redis+unix://{}", server.socket().display());
    assert_eq!(server.unix_url(), url);
}

#[test]
fn a_paused_server_takes_connections_and_answers_when_it_is_resumed() {
    let server = RedisServer::start();
    server.pause();
    server.pause();
    let mut client = RedisClient::connect(server.address()).unwrap();
    client.send(&["PING"]).unwrap();
    assert!(state_of(server.pid()).is_none_or(|state| state == 'T'));
    assert!(server.is_running());
    server.resume();
    assert_eq!(client.receive().unwrap().text(), "PONG");
}

#[test]
fn a_paused_server_can_be_killed() {
    let server = RedisServer::start();
    server.pause();
    server.kill();
    assert!(!server.is_running());
}

#[test]
fn a_killed_server_comes_back_empty_on_the_same_port() {
    let server = RedisServer::builder()
        .password("root")
        .unix_socket()
        .start();
    server.command(&["SET", "a", "1"]);
    let (port, pid) = (server.port(), server.pid());
    let mut client = server.client();
    server.kill();
    client.command(&["PING"]).unwrap_err();
    server.try_client().unwrap_err();

    server.restart();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert!(server.command(&["GET", "a"]).is_nil());
    RedisClient::connect_unix(server.socket()).unwrap();

    // One that runs, too.
    server.command(&["SET", "a", "2"]);
    server.restart();
    assert!(server.command(&["GET", "a"]).is_nil());
}

#[test]
fn a_server_that_ended_by_itself_is_noticed() {
    let server = RedisServer::start();
    // It answers by closing the connection.
    server
        .client()
        .command(&["SHUTDOWN", "NOSAVE"])
        .unwrap_err();
    let started = Instant::now();
    while server.is_running() {
        assert!(started.elapsed() < PATIENCE, "it still runs");
        std::thread::yield_now();
    }
}

#[test]
#[should_panic(expected = "GET a: WRONGTYPE")]
fn a_refused_command_fails_the_test() {
    let server = RedisServer::start();
    server.command(&["RPUSH", "a", "1"]);
    server.command(&["GET", "a"]);
}

#[test]
fn the_client_reads_every_kind_of_reply() {
    let server = RedisServer::start();
    let mut client = server.client();
    let mut ask = |words: &[&str]| client.command(words).unwrap();
    assert_eq!(ask(&["SET", "a", "x\r\ny"]), Reply::Simple("OK".to_owned()));
    assert_eq!(ask(&["GET", "a"]).bytes().unwrap(), b"x\r\ny");
    assert_eq!(ask(&["GET", "none"]).bytes(), None);
    assert_eq!(ask(&["STRLEN", "a"]), Reply::Integer(4));
    assert_eq!(ask(&["MGET", "a", "none"]).array().len(), 2);
    assert_eq!(ask(&["KEYS", "*"]).texts(), ["a"]);
    assert!(matches!(ask(&["NONSENSE"]), Reply::Error(_)));
    assert_eq!(ask(&["BLPOP", "list", "0.01"]), Reply::Nil);
}

#[test]
fn the_client_sends_bytes_and_pipelines() {
    let server = RedisServer::start();
    let value = vec![0, 13, 10, 255];
    let set = vec![b"SET".to_vec(), b"a".to_vec(), value.clone()];
    let get = vec![b"GET".to_vec(), b"a".to_vec()];
    let replies = server.client().pipeline(&[set, get]).unwrap();
    assert_eq!(replies[1].clone().bytes(), Some(value));
}

#[test]
fn the_client_hears_messages() {
    let server = RedisServer::start();
    let mut listener = server.client();
    listener.command(&["SUBSCRIBE", "news"]).unwrap();
    assert_eq!(server.command(&["PUBLISH", "news", "hello"]).integer(), 1);
    let message = listener.receive().unwrap().texts();
    assert_eq!(message, ["message", "news", "hello"]);
}

#[test]
fn redis_cli_talks_to_the_same_server() {
    let server = RedisServer::builder().password("root").start();
    assert_eq!(server.redis_cli(&["SET", "a", "1"]).trim(), "OK");
    assert_eq!(server.command(&["GET", "a"]).text(), "1");
}

/// Where the system tells: `T` is stopped.
fn state_of(pid: u32) -> Option<char> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    status.rsplit_once(") ")?.1.chars().next()
}

fn is_a_process(pid: u32) -> bool {
    state_of(pid).is_some()
}
