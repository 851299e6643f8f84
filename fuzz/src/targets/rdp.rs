//! What RDP peers send, as the relay reads it.

use sallyport_dissect::rdp::frame::Kind;
use sallyport_dissect::rdp::surface::FrameEnds;
use sallyport_dissect::rdp::{capabilities, frame, input, mcs, ntlm, share};

use crate::allocated;

/// What is kept of a stream is a few numbers for each PDU.
const KEPT: usize = 64 << 10;

pub fn run(data: &[u8]) {
    allocated::at_most(KEPT, || check(data));
}

fn check(data: &[u8]) {
    let mut at = 0;
    let mut ends = FrameEnds::default();
    for found in frame::whole(data) {
        let Ok((start, found)) = found else { break };
        assert_eq!(start, at, "PDUs lie one behind the other");
        at = start + found.len;
        let one = &data[start..at];
        match found.kind {
            Kind::FastPath => {
                ends.take(one);
                pointing_stays(one);
            }
            Kind::Tpkt => tpkt(one),
        }
    }
    // Most inputs would not get so far.
    share_layer(data);
    settles(data, |body| {
        capabilities::demand_active(body).map(|(body, _)| body)
    });
    for counted in [false, true] {
        settles(data, |body| capabilities::confirm_active(body, counted));
    }
    let _ = capabilities::confirmed_depth(data);
    let _ = ntlm::name(data);
    let _ = ntlm::name(&[b"NTLMSSP\0\x03\0\0\0", data].concat());
    let _ = FrameEnds::default().take(data);
    pointing_stays(data);
}

fn tpkt(one: &[u8]) {
    let Ok(mcs::DomainPdu::Data(data)) = mcs::parse(one) else {
        return;
    };
    let mut exchanged = one.to_vec();
    mcs::set_ids(&mut exchanged, 1001, 1003);
    let expected = mcs::SendData {
        initiator: 1001,
        channel: 1003,
        data: data.data.clone(),
    };
    assert_eq!(mcs::parse(&exchanged), Ok(mcs::DomainPdu::Data(expected)));
    share_layer(&one[data.data]);
}

fn share_layer(data: &[u8]) {
    let mut at = 0;
    for found in share::parse(data) {
        let Ok(found) = found else { return };
        assert_eq!(found.place.start, at);
        at = found.place.end;
        let mut pdu = data[found.place].to_vec();
        let _ = (
            share::source(&pdu),
            share::allows_output(&pdu),
            share::has_reconnect_cookie(&pdu),
        );
        share::set_source(&mut pdu, 1007);
        let len = pdu.len();
        let typed = input::slow_events(&pdu);
        written_is_read(&typed);
        input::mask_slow(&mut pdu);
        assert_eq!(pdu.len(), len);
        assert_eq!(input::slow_events(&pdu).len(), typed.len());
    }
}

/// The one set that is added: that frames are acknowledged.
const ADDED: usize = 8;

/// What was rewritten once is as it shall be.
fn settles<E>(body: &[u8], rewrite: impl Fn(&[u8]) -> Result<Vec<u8>, E>) {
    if let Ok(once) = rewrite(body) {
        assert!(once.len() <= body.len() + ADDED, "it only gets shorter");
        let twice = rewrite(&once);
        assert!(twice.is_ok_and(|twice| twice == once));
    }
}

/// Nothing typed is left, and everything else is.
fn pointing_stays(pdu: &[u8]) {
    let Ok(events) = input::events(pdu) else {
        return;
    };
    let mut masked = pdu.to_vec();
    input::mask(&mut masked, &events);
    let again = input::events(&masked);
    assert!(again.is_ok_and(|again| again.len() == events.len()));
    let events_alone: Vec<input::Event> = events.iter().map(|(event, _)| *event).collect();
    written_is_read(&events_alone);
    for (event, at) in events {
        match event {
            input::Event::Key(_) => assert_eq!(masked[at], 0),
            input::Event::Character(_) => assert_eq!(masked[at..at + 2], [0, 0]),
            input::Event::Mouse(_) => assert_eq!(masked[at..at + 6], pdu[at..at + 6]),
            input::Event::Locks(_) | input::Event::Timing => {}
        }
    }
}

/// What goes to a target says what was meant.
fn written_is_read(events: &[input::Event]) {
    let meant: Vec<input::Event> = events
        .iter()
        .copied()
        .filter(|event| !matches!(event, input::Event::Timing))
        .collect();
    let written = input::fast_path(events);
    let mut read = Vec::new();
    for found in frame::whole(&written) {
        let (start, found) = found.unwrap();
        let pdu = &written[start..start + found.len];
        read.extend(
            input::events(pdu)
                .unwrap()
                .into_iter()
                .map(|(event, _)| event),
        );
    }
    assert_eq!(read, meant);
}
