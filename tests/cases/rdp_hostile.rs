//! RDP clients that mean harm, byte by byte: what is not RDP, what nobody asks for in good faith, floods.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sallyport_tests::harness::{Gateway, RdpHost, Xrdp, wait_until};

use super::hostility::say;
use super::rdp_common::{desktop, wait_nothing_open};

/// A Connection Request (MS-RDPBCGR 2.2.1.1) that offers TLS.
const TLS_REQUEST: [u8; 19] = [3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 1, 0, 0, 0];
/// The answer that chooses TLS (MS-RDPBCGR 2.2.1.2): type 2, with extended client data.
const TLS_CONFIRM: [u8; 8] = [2, 3, 8, 0, 1, 0, 0, 0];
/// The answer that insists on TLS: type 3, SSL_REQUIRED_BY_SERVER.
const TLS_REQUIRED: [u8; 8] = [3, 0, 8, 0, 1, 0, 0, 0];

/// A Connection Confirm without the ids in its X.224 header, which say nothing.
#[track_caller]
fn negotiation(answer: &[u8]) -> &[u8] {
    assert_eq!(answer.len(), 19, "{answer:x?}");
    assert_eq!(answer[..6], [3, 0, 0, 19, 14, 0xd0], "{answer:x?}");
    &answer[11..]
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(port: u16) -> TcpStream {
    let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp
}

/// As far as the choice of TLS.
#[track_caller]
fn before_tls(port: u16) -> TcpStream {
    let mut tcp = connect(port);
    tcp.write_all(&TLS_REQUEST).unwrap();
    let mut answer = [0; 19];
    tcp.read_exact(&mut answer).unwrap();
    assert_eq!(negotiation(&answer), TLS_CONFIRM);
    tcp
}

/// As far as TLS.
#[track_caller]
fn inside_tls(gateway: &Gateway) -> Tls {
    let tcp = before_tls(gateway.rdp_port);
    let pem = std::fs::read(gateway.certificate()).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, tcp)
}

/// What is answered until the gateway closes; fails if it does not.
#[track_caller]
fn rest(tls: &mut Tls) -> Vec<u8> {
    let mut answer = Vec::new();
    match tls.read_to_end(&mut answer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("it is not closed"),
        Ok(_) | Err(_) => answer,
    }
}

/// A length in BER's three bytes.
fn ber(len: usize) -> [u8; 3] {
    [0x82, (len >> 8) as u8, len as u8]
}

/// A length in PER's two bytes.
fn per(len: usize) -> [u8; 2] {
    [0x80 | (len >> 8) as u8, len as u8]
}

/// MCS Connect Initial (MS-RDPBCGR 2.2.1.3) of a client that wants these static channels.
fn connect_initial(channels: &[&str]) -> Vec<u8> {
    let mut core = vec![1, 0xc0, 216, 0, 4, 0, 8, 0];
    // 800x600, 8 bits a pixel, RNS_UD_SAS_DEL, US keyboard, build.
    core.extend([
        0x20, 3, 0x58, 2, 1, 0xca, 3, 0xaa, 9, 4, 0, 0, 0xce, 0xe, 0, 0,
    ]);
    core.extend([b'h', 0, b'i', 0]);
    core.resize(8 + 16 + 32, 0);
    // Type, subtype and function keys of the keyboard; no input method.
    core.extend([4, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0]);
    core.resize(core.len() + 64, 0);
    // 8 bits after all, product, serial; 24 bits, all of them supported, error information.
    core.extend([1, 0xca, 1, 0, 0, 0, 0, 0, 24, 0, 7, 0, 1, 0]);
    core.resize(core.len() + 64 + 2, 0);
    // TLS was chosen.
    core.extend([1, 0, 0, 0]);
    core.resize(216, 0);
    let mut blocks = core;
    blocks.extend([2, 0xc0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let net = 8 + 12 * channels.len() as u16;
    blocks.extend([3, 0xc0]);
    blocks.extend(net.to_le_bytes());
    blocks.extend((channels.len() as u32).to_le_bytes());
    for channel in channels {
        let mut name = channel.as_bytes().to_vec();
        name.resize(8, 0);
        blocks.extend(name);
        blocks.extend([0, 0, 0, 0xc0]);
    }
    // GCC Conference Create Request: T.124's object, one conference, "Duca".
    let mut request = vec![0, 8, 0, 16, 0, 1, 0xc0, 0, b'D', b'u', b'c', b'a'];
    request.extend(per(blocks.len()));
    request.extend(blocks);
    let mut gcc = vec![0, 5, 0, 0x14, 0x7c, 0, 1];
    gcc.extend(per(request.len()));
    gcc.extend(request);
    // Selectors, upward flag, then the target, least and most domain parameters.
    let mut mcs = vec![4, 1, 1, 4, 1, 1, 1, 1, 0xff];
    for parameters in [
        [34, 2, 0, 1, 0, 1, 0xffff, 2],
        [1, 1, 1, 1, 0, 1, 0x420, 2],
        [0xffff, 0xfc17, 0xffff, 1, 0, 1, 0xffff, 2],
    ] {
        let mut sequence = Vec::new();
        for number in parameters {
            let bytes = u32::to_be_bytes(number);
            // Two's complement: 0xffff would be negative in two bytes, and is taken for 65535 all the same.
            let used = if number > 0xff { 2 } else { 1 };
            sequence.extend([2, used as u8]);
            sequence.extend(&bytes[4 - used..]);
        }
        mcs.extend([0x30, sequence.len() as u8]);
        mcs.extend(sequence);
    }
    mcs.push(4);
    mcs.extend(ber(gcc.len()));
    mcs.extend(gcc);
    let mut initial = vec![0x7f, 0x65];
    initial.extend(ber(mcs.len()));
    initial.extend(mcs);
    tpkt(&initial)
}

/// In an X.224 Data TPDU, in a TPKT.
fn tpkt(data: &[u8]) -> Vec<u8> {
    let len = (data.len() + 7) as u16;
    let mut framed = vec![3, 0];
    framed.extend(len.to_be_bytes());
    framed.extend([2, 0xf0, 0x80]);
    framed.extend(data);
    framed
}

#[test]
fn what_is_not_rdp_is_cut_off_early() {
    let xrdp = Xrdp::start();
    let gateway = Gateway::builder()
        .rdp_host(RdpHost::new("desk", xrdp.port()))
        .start();
    let port = gateway.rdp_port;
    let idle = gateway.rss_kib();
    let mut oversized = vec![3, 0, 0xff, 0xff, 14, 0xe0];
    oversized.resize(0xffff, b'A');
    let mut with_more = TLS_REQUEST.to_vec();
    with_more.extend([0x16, 3, 1]);
    let mut cookie = vec![3, 0, 0, 60, 55, 0xe0, 0, 0, 0, 0, 0];
    cookie.extend(b"Cookie: mstshash=without-an-end-without-an-end-wi");
    for (what, bytes) in [
        ("noise", super::noise(8 << 20, 1)),
        ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "TLS at once",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(50),
        ),
        ("a TPKT of 64 KiB", oversized),
        ("a TPKT of four bytes", vec![3, 0, 0, 4]),
        ("a TPKT of nothing", vec![3, 0, 0, 0]),
        (
            "an X.224 length beyond its TPKT",
            vec![3, 0, 0, 11, 0xff, 0xe0, 0, 0, 0, 0, 0],
        ),
        ("a cookie without an end", cookie),
        ("data instead of a request", tpkt(&[0x64, 0, 0])),
        ("more than a request", with_more),
    ] {
        let (answer, took) = say(port, &bytes);
        assert!(took < Duration::from_secs(10), "{what}: {took:?}");
        assert!(answer.is_empty(), "{what}: {answer:x?}");
    }
    for _ in 0..50 {
        drop(connect(port));
    }
    let grown = gateway.rss_kib().saturating_sub(idle);
    assert!(grown < 8 << 10, "{grown} KiB more");
    drop(desktop(gateway.xfreerdp("alice+desk")));
    wait_nothing_open(&gateway, &gateway.api("bob"), &[xrdp.port()]);
}

#[test]
fn who_offers_nothing_safe_is_told_what_is_wanted() {
    let gateway = Gateway::start();
    let port = gateway.rdp_port;
    let mut only_rdp = TLS_REQUEST;
    only_rdp[15] = 0;
    let mut unknown = TLS_REQUEST;
    unknown[15] = 0x40;
    for (what, request) in [
        (
            "without negotiation",
            &[3, 0, 0, 11, 6, 0xe0, 0, 0, 0, 0, 0][..],
        ),
        ("RDP's own security", &only_rdp),
        ("something unknown", &unknown),
    ] {
        let (answer, took) = say(port, request);
        assert!(took < Duration::from_secs(10), "{what}: {took:?}");
        assert_eq!(negotiation(&answer), TLS_REQUIRED, "{what}");
    }
    before_tls(port);
}

#[test]
fn channels_that_nobody_asks_for_in_good_faith() {
    let gateway = Gateway::start();
    let mut tls = inside_tls(&gateway);
    tls.write_all(&connect_initial(&["rdpdr", "cliprdr"]))
        .unwrap();
    let mut answer = [0; 9];
    tls.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..2], [3, 0], "{answer:x?}");
    assert_eq!(answer[4..], [2, 0xf0, 0x80, 0x7f, 0x66], "{answer:x?}");
    drop(tls);

    let many: Vec<String> = (0..32).map(|n| format!("chan{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for channels in [
        &["rdpdr", "MS_T120"][..],
        &["ms_t120"],
        &["MS_T120", "MS_T120"],
        &many,
    ] {
        let mut tls = inside_tls(&gateway);
        tls.write_all(&connect_initial(channels)).unwrap();
        let answer = rest(&mut tls);
        assert!(answer.is_empty(), "{channels:?}: {answer:x?}");
    }
    assert!(gateway.log().contains("CVE-2019-0708"), "{}", gateway.log());
    wait_nothing_open(&gateway, &gateway.api("bob"), &[]);
}

#[test]
fn what_is_wrong_inside_tls_ends_the_connection() {
    // What is not seen to be wrong, because it makes no difference, ends as well: nothing follows.
    let gateway = Gateway::builder()
        .env("SALLYPORT_LIMITS_LOGIN_GRACE", "3s")
        .start();
    let whole = connect_initial(&["rdpdr"]);
    let mut beyond = whole.clone();
    beyond[9..12].copy_from_slice(&[0x82, 0xff, 0xff]);
    let mut blocks = whole.clone();
    // The length of the core data, beyond everything.
    let core = whole.windows(4).position(|four| four == [1, 0xc0, 216, 0]);
    blocks[core.unwrap() + 2..][..2].copy_from_slice(&[0xff, 0xff]);
    let mut zero = whole.clone();
    zero[core.unwrap() + 2..][..2].copy_from_slice(&[0, 0]);
    for (what, bytes) in [
        ("noise", super::noise(1 << 20, 2)),
        ("a Connection Request", TLS_REQUEST.to_vec()),
        ("MCS data", tpkt(&[0x64, 0, 1, 3, 0xeb, 0x70, 0x80, 0xff])),
        ("an ultimatum", tpkt(&[0x21, 0x80])),
        ("input", vec![4, 4, 0, 0x1e]),
        ("nothing in a TPKT", vec![3, 0, 0, 7, 2, 0xf0, 0x80]),
        ("a length beyond the PDU", beyond),
        ("a block beyond the PDU", blocks),
        ("a block without a length", zero),
        ("it twice", [whole.clone(), whole.clone()].concat()),
    ] {
        println!("{what}");
        let mut tls = inside_tls(&gateway);
        let start = Instant::now();
        let _ = tls.write_all(&bytes);
        let answer = rest(&mut tls);
        assert!(answer.len() < 4096, "{what}: {} bytes", answer.len());
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
    }
    wait_nothing_open(&gateway, &gateway.api("bob"), &[]);
}

/// Sends byte by byte, a few a second, until the connection is cut; how long that took.
fn drip(mut stream: impl Write, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    for byte in bytes.iter().cycle() {
        if stream
            .write_all(&[*byte])
            .and_then(|()| stream.flush())
            .is_err()
            || start.elapsed() > Duration::from_secs(30)
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    start.elapsed()
}

#[test]
fn who_comes_byte_by_byte_has_the_same_time_as_all() {
    let gateway = Gateway::builder()
        .env("SALLYPORT_LIMITS_LOGIN_GRACE", "4s")
        .start();
    let cookie = [
        &[3, 0, 1, 0xf4, 0xfa, 0xe0, 0, 0, 0, 0, 0][..],
        &[b'A'; 480],
    ]
    .concat();
    std::thread::scope(|scope| {
        let slow = [
            scope.spawn(|| drip(connect(gateway.rdp_port), &cookie)),
            scope.spawn(|| {
                // A TLS record that never ends.
                let tcp = before_tls(gateway.rdp_port);
                drip(tcp, &[&[0x16, 3, 1, 2, 0][..], &[1; 400]].concat())
            }),
            scope.spawn(|| drip(inside_tls(&gateway), &connect_initial(&["rdpdr"]))),
            scope.spawn(|| {
                // Nothing at all, inside TLS.
                let mut tls = inside_tls(&gateway);
                let start = Instant::now();
                tls.write_all(&[3]).unwrap();
                rest(&mut tls);
                start.elapsed()
            }),
        ];
        for (n, slow) in slow.into_iter().enumerate() {
            let took = slow.join().unwrap();
            let grace = Duration::from_secs(2)..Duration::from_secs(12);
            assert!(grace.contains(&took), "{n}: {took:?}");
        }
    });
    wait_nothing_open(&gateway, &gateway.api("bob"), &[]);
}

#[test]
fn who_says_nothing_takes_no_room_from_others() {
    let gateway = Gateway::builder()
        .env("SALLYPORT_LIMITS_LOGIN_GRACE", "8s")
        .env("SALLYPORT_LIMITS_MAX_UNAUTHENTICATED", "60")
        .start();
    let port = gateway.rdp_port;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(1)
        .build()
        .unwrap();
    let socket = async |from: u32| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let from = Ipv4Addr::from_bits(from);
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let gateway = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        socket.connect(gateway).await.unwrap()
    };
    // Ten sources, each with as many connections as it gets.
    let silent = runtime.block_on(async {
        let mut silent = Vec::new();
        for n in 0..200 {
            silent.push(socket(0x7f03_0000 + n % 10).await);
        }
        silent
    });
    wait_until("all have knocked", Duration::from_secs(5), || {
        gateway.sockets_at(&[port]) <= 60
    });
    let answer = runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut other = socket(0x7f03_0063).await;
        other.write_all(&TLS_REQUEST).await.unwrap();
        let mut answer = [0; 19];
        other.read_exact(&mut answer).await.map(|_| answer)
    });
    assert_eq!(negotiation(&answer.unwrap()), TLS_CONFIRM);
    wait_until("they are all shown out", Duration::from_secs(20), || {
        gateway.sockets_at(&[port]) == 0
    });
    drop(silent);
}
