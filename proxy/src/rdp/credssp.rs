//! TSRequests (MS-CSSP 2.2.1) on a leg, either way.

use bytes::BytesMut;
use sspi::credssp::TsRequest;
use tokio::io::{AsyncRead, AsyncWrite};

use super::leg::{Leg, LegError};

/// The longest TSRequest that is taken: a Kerberos ticket tells all groups of its user.
const LONGEST: usize = 64 << 10;

/// Reads one TSRequest, which is a DER sequence.
pub async fn request<S: AsyncRead + Unpin>(leg: &mut Leg<S>) -> Result<TsRequest, LegError> {
    const WHAT: &str = "CredSSP";
    let message = message(leg).await?;
    TsRequest::from_buffer(&message).map_err(|error| LegError::unexpected(WHAT, error))
}

async fn message<S: AsyncRead + Unpin>(leg: &mut Leg<S>) -> Result<BytesMut, LegError> {
    const WHAT: &str = "CredSSP";
    loop {
        let len = der_length(&leg.buffer).map_err(|why| LegError::unexpected(WHAT, why))?;
        if let Some(len) = len
            && len <= leg.buffer.len()
        {
            return Ok(leg.buffer.split_to(len));
        }
        if !leg.fill().await? {
            return Err(LegError::Closed("during NLA"));
        }
    }
}

/// How long the DER sequence is that begins here, header included; `None` if that cannot be told yet.
fn der_length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let (header, content) = match bytes {
        [] | [0x30] => return Ok(None),
        [0x30, short, ..] if *short < 0x80 => (2, usize::from(*short)),
        [0x30, 0x81, len, ..] => (3, usize::from(*len)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(*high) << 8 | usize::from(*low)),
        [0x30, 0x81 | 0x82, ..] => return Ok(None),
        _ => return Err("it is no TSRequest"),
    };
    match header + content {
        len if len > LONGEST => Err("a TSRequest is too long"),
        len => Ok(Some(len)),
    }
}

/// Sends one TSRequest.
pub async fn send<S: AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    request: &TsRequest,
) -> Result<(), LegError> {
    let mut bytes = Vec::new();
    request.encode_ts_request(&mut bytes)?;
    Ok(leg.send(&bytes).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_tells_its_length() {
        for (bytes, expected) in [
            (&[][..], Ok(None)),
            (&[0x30][..], Ok(None)),
            (&[0x30, 5][..], Ok(Some(7))),
            (&[0x30, 0x81][..], Ok(None)),
            (&[0x30, 0x81, 200][..], Ok(Some(203))),
            (&[0x30, 0x82, 1][..], Ok(None)),
            (&[0x30, 0x82, 1, 0][..], Ok(Some(260))),
        ] {
            assert_eq!(der_length(bytes), expected, "{bytes:?}");
        }
        for bad in [
            &[0x31, 1][..],
            &[0x30, 0x80],
            &[0x30, 0x83, 1, 1, 1],
            &[0x30, 0x82, 0xff, 0xff],
        ] {
            assert!(der_length(bad).is_err(), "{bad:?}");
        }
    }
}
