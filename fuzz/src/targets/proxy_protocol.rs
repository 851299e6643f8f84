//! The header of a balancer, which anybody on the network can send.

use sallyport_dissect::proxy_protocol::{LONGEST, Progress, parse};

use crate::allocated;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub fn run(data: &[u8]) {
    allocated::at_most(0, || check(data));
    // Most inputs would not get past the signature.
    check(&[SIGNATURE, data].concat());
}

/// However few bytes have come, the answer fits to what comes later.
fn check(bytes: &[u8]) {
    let all = parse(bytes);
    for cut in 0..bytes.len() {
        match parse(&bytes[..cut]) {
            Ok(Progress::Needs(n)) => {
                assert!(n > 0 && cut + n <= LONGEST);
                if let Ok(Progress::Whole { len, .. }) = all {
                    assert!(cut + n <= len, "asks for what is not the header's");
                }
            }
            settled => assert_eq!(settled, all, "more bytes changed the answer"),
        }
    }
}
