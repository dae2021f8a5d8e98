//! TLS handshakes made by hand: old versions, weak ciphers, no TLS at all, and slow ones.

use std::time::Duration;

use e2e::{World, raw};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, interval, timeout},
};

use crate::programs::tls::{Authority, Served};

const TLS_1_2: u16 = 0x0303;
/// Ephemeral keys and authenticated encryption: ECDHE, ECDSA, AES-128-GCM.
const GOOD: u16 = 0xc02b;

/// A `ClientHello` of TLS 1.2 or older (RFC 5246, 7.4.1.2), with further extensions.
fn hello(version: u16, suites: &[u16], extensions: &[u8]) -> Vec<u8> {
    let listed: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let fixed: &[u8] = &[
        0, 10, 0, 6, 0, 4, 0, 29, 0, 23, // groups: X25519, P-256
        0, 11, 0, 2, 1, 0, // points as they are
        0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1, // signatures: ECDSA, PSS, PKCS1
    ];
    let all = [fixed, extensions].concat();
    let body =
        [&version.to_be_bytes()[..], &[7; 32], &[0], &length(&listed), &listed, &[1, 0], &length(&all), &all].concat();
    let handshake = [&[1, 0][..], &length(&body), &body].concat();
    [&[22, 3, 1][..], &length(&handshake), &handshake].concat()
}

fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).expect("it is short").to_be_bytes()
}

/// `supported_versions` with 1.3 and 1.2, and a key for X25519 (RFC 8446, 4.2).
fn both_versions() -> Vec<u8> {
    let versions = [0, 43, 0, 5, 4, 3, 4, 3, 3];
    let share = [&[0, 51, 0, 38, 0, 36, 0, 29, 0, 32][..], &[9; 32]].concat();
    [&versions[..], &share].concat()
}

/// The first record that comes back.
async fn answer(port: u16, said: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    stream.write_all(said).await.expect("it reads");
    let mut bytes = vec![0; 4096];
    let count = timeout(Duration::from_secs(10), stream.read(&mut bytes)).await.expect("it answers or hangs up");
    bytes.truncate(count.unwrap_or_default());
    bytes
}

fn is_server_hello(record: &[u8]) -> bool {
    matches!(record, [22, _, _, _, _, 2, ..])
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_1_2_and_1_3_with_fresh_keys_and_authenticated_encryption_are_spoken() {
    let world = World::build().mailers(0).start().await;
    let served = Served::start(&world, &Authority::new().issue(&world, "server"), None);
    assert!(is_server_hello(&answer(served.port, &hello(TLS_1_2, &[GOOD], &[])).await));
    let both = answer(served.port, &hello(TLS_1_2, &[0x1301, GOOD], &both_versions())).await;
    assert!(is_server_hello(&both) && both.windows(6).any(|it| it == [0, 43, 0, 2, 3, 4]), "1.3 is preferred");
    for (what, version, suites) in [
        ("SSL 3.0", 0x0300, &[GOOD][..]),
        ("TLS 1.0", 0x0301, &[GOOD]),
        ("TLS 1.1", 0x0302, &[GOOD]),
        ("no fresh keys", TLS_1_2, &[0x009c, 0x009d, 0x002f]),
        ("CBC", TLS_1_2, &[0xc009, 0xc00a, 0xc023, 0xc024]),
        ("RC4, 3DES, none, export", TLS_1_2, &[0xc007, 0xc008, 0xc006, 0x0003]),
        ("no certificate", TLS_1_2, &[0xc018, 0x006c]),
        ("no cipher of this world", TLS_1_2, &[0xfefe]),
    ] {
        let record = answer(served.port, &hello(version, suites, &[])).await;
        assert!(matches!(record.first(), Some(21) | None), "{what}: {record:02x?}");
    }
    for (what, said) in [("HTTP/2 in clear", raw::GREETING), ("HTTP/1.1", b"GET / HTTP/1.1\r\nhost: sandi\r\n\r\n")] {
        let record = answer(served.port, said).await;
        assert!(matches!(record.first(), Some(21) | None), "{what}: {record:02x?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_of_a_byte_a_second_is_ended_within_10_s() {
    let world = World::build().mailers(0).start().await;
    let served = Served::start(&world, &Authority::new().issue(&world, "server"), None);
    let begin = Instant::now();
    let slow = (0..50).map(|_| slowly(served.port));
    let ended = futures::future::join_all(slow).await;
    assert!(ended.iter().all(|it| *it), "all were closed");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(begin.elapsed() > Duration::from_secs(3), "there was time for a handshake");
}

/// True when the server hangs up before the handshake is said.
async fn slowly(port: u16) -> bool {
    let (mut reading, mut writing) = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens").into_split();
    let speak = async {
        let mut second = interval(Duration::from_secs(1));
        for byte in hello(TLS_1_2, &[GOOD], &[]) {
            second.tick().await;
            if writing.write_all(&[byte]).await.is_err() {
                return true;
            }
        }
        false
    };
    let listen = async { matches!(reading.read(&mut [0; 64]).await, Ok(0) | Err(_)) };
    tokio::select! {
        ended = speak => ended,
        ended = listen => ended,
    }
}
