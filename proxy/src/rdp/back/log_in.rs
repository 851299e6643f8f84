//! With the stored credential, up to the first offer of a desktop.

use ironrdp_core::encode_vec;
use ironrdp_pdu::gcc::ClientGccBlocks;
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::rdp::ClientInfoPdu;
use ironrdp_pdu::rdp::client_info::{
    AddressFamily, ClientInfoFlags, CompressionType, Credentials, ExtendedClientOptionalInfo,
};
use sallyport_dissect::rdp::mcs as wire;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::{Zeroize, Zeroizing};

use super::{Back, Kdcs, Reached, licensing, mcs, nla};
use crate::rdp::ids::Ids;
use crate::rdp::leg::{Leg, LegError};

/// With what somebody logs in, and what her client is like.
pub struct Login<'a> {
    /// The host's name, for the protocol's own name of it.
    pub host: &'a str,
    /// The account.
    pub account: &'a str,
    /// Its password.
    pub password: &'a str,
    /// The client's description of itself.
    pub client: &'a ClientGccBlocks,
    /// What it sent as Client Info, without a credential.
    pub info: &'a ClientInfoPdu,
    /// Which of its static channels the target gets.
    pub wanted: &'a [bool],
    /// Where it comes from.
    pub source_ip: &'a str,
    /// Who gives tickets.
    pub kdcs: &'a Kdcs,
}

/// What came of a log-in.
pub enum LoggedIn {
    /// The target let us in.
    In(Box<Back>),
    /// The target refused the credential.
    Refused,
    /// Kerberos gave no ticket for the target, and why.
    NoTicket(String),
}

/// Logs in.
///
/// # Errors
/// If the target sends something else than it has to.
pub async fn log_in(reached: Reached, login: Login<'_>) -> Result<LoggedIn, LegError> {
    let Reached {
        mut leg,
        selected,
        flags,
        key,
        algorithms,
        verdict: _,
    } = reached;
    let is_in = selected.intersects(SecurityProtocol::HYBRID | SecurityProtocol::HYBRID_EX);
    if is_in {
        let credentials = (login.account, login.password);
        let proving = nla::authenticate(
            &mut leg,
            selected,
            &key.bits,
            login.host,
            credentials,
            login.kdcs,
        );
        let proven = proving.await?;
        match proven {
            nla::Nla::Accepted => {}
            nla::Nla::Refused => return Ok(LoggedIn::Refused),
            nla::Nla::NoTicket(why) => return Ok(LoggedIn::NoTicket(why)),
        }
    }
    let ids = mcs::connect(&mut leg, (selected, flags), login.client, login.wanted).await?;
    send_info(&mut leg, &ids, &login).await?;
    licensing::settle(&mut leg, &ids, login.account).await?;
    // Some targets close only now on somebody they do not let in: there is still a page to say so on.
    leg.await_frame("before it offered a desktop").await?;
    Ok(LoggedIn::In(Box::new(Back {
        leg,
        ids,
        is_in,
        algorithms,
    })))
}

async fn send_info<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    ids: &Ids,
    login: &Login<'_>,
) -> Result<(), LegError> {
    const WHAT: &str = "Client Info";
    let mut pdu = info(login);
    let encoded = encode_vec(&pdu);
    pdu.client_info.credentials.password.zeroize();
    let data = Zeroizing::new(encoded.map_err(LegError::unencodable(WHAT))?);
    let mut frame = Zeroizing::new(Vec::with_capacity(data.len() + 16));
    wire::frame(wire::Sender::Client, ids.user, ids.io, &data, &mut frame);
    Ok(leg.send(&frame).await?)
}

/// Client Info with the account's credentials instead of the user's, and without what would make the recording depend on
/// the client: compression, a way back past the gateway, programs of its own choice.
fn info(login: &Login<'_>) -> ClientInfoPdu {
    let mut pdu = login.info.clone();
    let info = &mut pdu.client_info;
    let (domain, user) = match login.account.split_once('\\') {
        Some((domain, user)) => (Some(domain.to_owned()), user),
        None => (None, login.account),
    };
    info.credentials = Credentials {
        username: user.to_owned(),
        password: login.password.to_owned(),
        domain,
    };
    info.password_cookie = None;
    info.flags
        .insert(ClientInfoFlags::AUTOLOGON | ClientInfoFlags::UNICODE);
    info.flags.remove(
        ClientInfoFlags::COMPRESSION
            | ClientInfoFlags::PASSWORD_IS_SC_PIN
            | ClientInfoFlags::USING_SAVED_CREDS
            | ClientInfoFlags::RAIL
            | ClientInfoFlags::HIDEF_RAIL_SUPPORTED,
    );
    info.compression_type = CompressionType::K8;
    info.alternate_shell.clear();
    info.work_dir.clear();
    let extra = &mut info.extra_info;
    extra.address_family = match login.source_ip.contains(':') {
        true => AddressFamily::INET_6,
        false => AddressFamily::INET,
    };
    login.source_ip.clone_into(&mut extra.address);
    extra.optional_data = without_cookie(&extra.optional_data);
    pdu
}

/// All but the cookie with which a client comes back to a session on the target.
fn without_cookie(data: &ExtendedClientOptionalInfo) -> ExtendedClientOptionalInfo {
    let Some(timezone) = data.timezone() else {
        return ExtendedClientOptionalInfo::default();
    };
    let with_timezone = ExtendedClientOptionalInfo::builder().timezone(timezone.clone());
    let Some(session) = data.session_id() else {
        return with_timezone.build();
    };
    let with_session = with_timezone.session_id(session);
    match data.performance_flags() {
        Some(flags) => with_session.performance_flags(flags).build(),
        None => with_session.build(),
    }
}
