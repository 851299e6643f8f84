use proptest::prelude::*;

use super::*;

/// A header: command and version, family, body.
fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// 203.0.113.7:51234 to 10.0.0.5:22.
const IPV4: [u8; 12] = [203, 0, 113, 7, 10, 0, 0, 5, 0xc8, 0x22, 0, 22];

fn ipv6_body(source: &str, destination: &str) -> Vec<u8> {
    let octets = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [
        &octets(source)[..],
        &octets(destination)[..],
        &[0xc8, 0x22, 0, 22],
    ]
    .concat()
}

fn client(source: &str, destination: &str) -> Origin {
    Origin::Client {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

/// With a checksum field at the end, filled in as the specification says.
fn with_checksum(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = header(
        command,
        family,
        &[body, &[TYPE_CRC32C, 0, 4, 0, 0, 0, 0]].concat(),
    );
    let at = bytes.len() - 4;
    let crc = checksum(&bytes, 0..0);
    bytes[at..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn the_checksum_is_castagnolis() {
    // RFC 3720, appendix B.4.
    assert_eq!(checksum(&[0; 32], 0..0), 0x8a91_36aa);
    assert_eq!(checksum(&[0xff; 32], 0..0), 0x62a8_ab43);
    assert_eq!(checksum(&[0xff; 32], 0..32), 0x8a91_36aa);
}

#[test]
fn origins() {
    let unix = [b'/'; 216];
    let noop = [0x04, 0, 2, 9, 9];
    let unknown = [0xee, 0, 0];
    let authority = b"\x02\x00\x0bgateway.exa";
    for (name, bytes, expected) in [
        (
            "IPv4",
            header(0x21, 0x11, &IPV4),
            client("203.0.113.7:51234", "10.0.0.5:22"),
        ),
        (
            "IPv6",
            header(0x21, 0x21, &ipv6_body("2001:db8::7", "2001:db8::1")),
            client("[2001:db8::7]:51234", "[2001:db8::1]:22"),
        ),
        (
            "IPv4 in IPv6",
            header(
                0x21,
                0x21,
                &ipv6_body("::ffff:203.0.113.7", "::ffff:10.0.0.5"),
            ),
            client("203.0.113.7:51234", "10.0.0.5:22"),
        ),
        ("unix", header(0x21, 0x31, &unix), Origin::Unnamed),
        ("unspecified", header(0x21, 0x00, &[]), Origin::Unnamed),
        ("local", header(0x20, 0x00, &[]), Origin::Local),
        (
            "local, family ignored",
            header(0x20, 0x11, &[]),
            Origin::Local,
        ),
        (
            "local, body ignored",
            header(0x20, 0x21, &[0xff; 5]),
            Origin::Local,
        ),
        (
            "fields passed over",
            header(
                0x21,
                0x11,
                &[&IPV4[..], &noop, &unknown, authority].concat(),
            ),
            client("203.0.113.7:51234", "10.0.0.5:22"),
        ),
        (
            "a good checksum",
            with_checksum(0x21, 0x11, &[&IPV4[..], &noop].concat()),
            client("203.0.113.7:51234", "10.0.0.5:22"),
        ),
    ] {
        let len = bytes.len();
        assert_eq!(
            parse(&bytes),
            Ok(Progress::Whole {
                origin: expected,
                len
            }),
            "{name}"
        );
        let followed = [&bytes[..], b"SSH-2.0-x\r\n"].concat();
        assert_eq!(
            parse(&followed),
            Ok(Progress::Whole {
                origin: expected,
                len
            }),
            "{name}"
        );
    }
}

#[test]
fn what_is_refused() {
    let mut damaged = with_checksum(0x21, 0x11, &IPV4);
    damaged[20] ^= 1;
    let field = |bytes: &[u8]| header(0x21, 0x11, &[&IPV4[..], bytes].concat());
    for (bytes, expected) in [
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), BadHeader::Signature),
        (b"S".to_vec(), BadHeader::Signature),
        (
            b"PROXY TCP4 203.0.113.7 10.0.0.5 51234 22\r\n".to_vec(),
            BadHeader::Signature,
        ),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), BadHeader::Signature),
        (header(0x11, 0x11, &IPV4), BadHeader::Version(1)),
        (header(0x31, 0x11, &IPV4), BadHeader::Version(3)),
        (header(0x22, 0x11, &IPV4), BadHeader::Command(2)),
        (header(0x21, 0x41, &IPV4), BadHeader::Family(0x41)),
        (header(0x21, 0x13, &IPV4), BadHeader::Family(0x13)),
        (header(0x21, 0x01, &IPV4), BadHeader::Family(0x01)),
        (header(0x21, 0x12, &IPV4), BadHeader::Datagram),
        (header(0x21, 0x11, &IPV4[..11]), BadHeader::ShortAddresses),
        (header(0x21, 0x21, &[0; 35]), BadHeader::ShortAddresses),
        (header(0x21, 0x31, &[0; 215]), BadHeader::ShortAddresses),
        (header(0x21, 0x00, &[0; 5000]), BadHeader::TooLong(5016)),
        (field(&[1]), BadHeader::CutField),
        (field(&[1, 0]), BadHeader::CutField),
        (field(&[1, 0, 1]), BadHeader::CutField),
        (field(&[1, 0xff, 0xff, 0]), BadHeader::CutField),
        (field(&[TYPE_CRC32C, 0, 4, 1, 2, 3, 4]), BadHeader::Checksum),
        (field(&[TYPE_CRC32C, 0, 2, 1, 2]), BadHeader::Checksum),
        (damaged, BadHeader::Checksum),
    ] {
        assert_eq!(parse(&bytes), Err(expected), "{bytes:02x?}");
    }
}

#[test]
fn complaints_come_as_early_as_they_can() {
    assert_eq!(
        parse(&header(0x31, 0x11, &IPV4)[..13]),
        Err(BadHeader::Version(3))
    );
    assert_eq!(
        parse(&header(0x21, 0x77, &IPV4)[..14]),
        Err(BadHeader::Family(0x77))
    );
    assert_eq!(
        parse(&header(0x21, 0x00, &[0; 9000])[..16]),
        Err(BadHeader::TooLong(9016))
    );
}

proptest! {
    #[test]
    fn written_and_read(
        source in any::<(u32, u16)>(), destination in any::<(u32, u16)>(), fields in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        follows in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut body = [source.0.to_be_bytes(), destination.0.to_be_bytes()].concat();
        body.extend(source.1.to_be_bytes());
        body.extend(destination.1.to_be_bytes());
        for (kind, value) in fields {
            body.push(if kind == TYPE_CRC32C { 0 } else { kind });
            body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(value);
        }
        let socket = |(address, port)| SocketAddr::new(Ipv4Addr::from(address).into(), port);
        let bytes = with_checksum(0x21, 0x11, &body);
        let (origin, len) = (Origin::Client { source: socket(source), destination: socket(destination) }, bytes.len());
        let all = [bytes, follows].concat();
        prop_assert_eq!(parse(&all), Ok(Progress::Whole { origin, len }));
        for cut in 0..len {
            match parse(&all[..cut]) {
                Ok(Progress::Needs(n)) => prop_assert!(n > 0 && cut + n <= len),
                other => prop_assert!(false, "{other:?} of {cut} bytes"),
            }
        }
    }

    #[test]
    fn anything_may_come(tail in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&tail);
        let _ = parse(&[&SIGNATURE[..], &[0x21, 0x11], &tail].concat());
    }
}
