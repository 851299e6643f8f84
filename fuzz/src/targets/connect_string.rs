//! What stands in place of the user name: the first thing a stranger can say.

use sallyport_domain::connect_string::{parse, render};
use sallyport_domain::refusal::Refusal;

use crate::allocated;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let parsed = allocated::at_most(64 << 10, || parse(text));
    match parsed {
        Ok(parts) => assert_eq!(parse(&render(&parts)), Ok(parts), "written and read again"),
        Err(Refusal::BadConnectString { given, .. }) => {
            assert!(!given.chars().any(char::is_control), "shown on a terminal");
            assert!(given.chars().count() <= 900, "shown in a log");
        }
        Err(other) => panic!("refused for another reason: {other:?}"),
    }
}
