//! The client's MCS connection (MS-RDPBCGR 2.2.1.3 to 2.2.1.9): what it is able to, which channels it wants, and the ids it
//! gets for them.

use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::gcc::{
    ClientGccBlocks, ConferenceCreateResponse, RdpVersion, ServerCoreData, ServerCoreOptionalData,
    ServerGccBlocks, ServerNetworkData, ServerSecurityData,
};
use ironrdp_pdu::mcs::{
    AttachUserConfirm, ChannelJoinConfirm, ConnectInitial, ConnectResponse, DomainParameters,
    McsMessage,
};
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::x224::{X224, X224Data};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::rdp::ids::Ids;
use crate::rdp::leg::{Leg, LegError};

/// The most static channels a client may ask for (MS-RDPBCGR 2.2.1.3.4).
const CHANNELS: usize = 31;
/// A channel that only attacks ask for (CVE-2019-0708).
const FORBIDDEN: &str = "MS_T120";
/// PDUs a client may send while it joins its channels.
const JOINING: usize = 3 + 2 * CHANNELS;

/// What a client is able to, and wants.
pub struct Asked {
    /// Its own description.
    pub blocks: ClientGccBlocks,
    /// The names of the channels it wants, in order.
    pub channels: Vec<String>,
    /// The ids it got.
    pub ids: Ids,
}

/// Reads Connect Initial and answers it.
///
/// # Errors
/// If it is none, or asks for what nobody has a use for.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    offered: SecurityProtocol,
) -> Result<Asked, LegError> {
    const STEP: &str = "before MCS Connect Initial";
    const WHAT: &str = "MCS Connect Initial";
    let frame = leg.frame(STEP).await?;
    let X224(data): X224<X224Data<'_>> = decode(&frame).map_err(LegError::undecodable(WHAT))?;
    let initial: ConnectInitial = decode(&data.data).map_err(LegError::undecodable(WHAT))?;
    let blocks = initial.conference_create_request.into_gcc_blocks();
    let channels = channels(&blocks)?;
    let ids = Ids::of_front(channels.len());
    let response = response(offered, &ids)?;
    leg.send(&response).await?;
    Ok(Asked {
        blocks,
        channels,
        ids,
    })
}

fn channels(blocks: &ClientGccBlocks) -> Result<Vec<String>, LegError> {
    const WHAT: &str = "the client's channels";
    let asked = blocks.channel_names().unwrap_or_default();
    if asked.len() > CHANNELS {
        return Err(LegError::unexpected(WHAT, "more than 31"));
    }
    let names = asked.iter().map(|channel| {
        let name = channel.name.as_str();
        name.map(str::to_owned)
            .ok_or_else(|| LegError::unexpected(WHAT, "one has a name that is no text"))
    });
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    match names
        .iter()
        .any(|name| name.eq_ignore_ascii_case(FORBIDDEN))
    {
        true => Err(LegError::unexpected(
            WHAT,
            "MS_T120 is not for clients (CVE-2019-0708)",
        )),
        false => Ok(names),
    }
}

fn response(offered: SecurityProtocol, ids: &Ids) -> Result<Vec<u8>, LegError> {
    const WHAT: &str = "MCS Connect Response";
    let blocks = ServerGccBlocks {
        core: ServerCoreData {
            version: RdpVersion::V5_PLUS,
            optional_data: ServerCoreOptionalData {
                client_requested_protocols: Some(offered),
                early_capability_flags: None,
            },
        },
        network: ServerNetworkData {
            channel_ids: ids.channels.iter().flatten().copied().collect(),
            io_channel: ids.io,
        },
        security: ServerSecurityData::no_security(),
        message_channel: None,
        multi_transport_channel: None,
    };
    let response = ConnectResponse {
        conference_create_response: ConferenceCreateResponse::new(ids.user, blocks)
            .map_err(LegError::undecodable(WHAT))?,
        called_connect_id: 1,
        domain_parameters: DomainParameters::target(),
    };
    let inner = encode_vec(&response).map_err(LegError::unencodable(WHAT))?;
    encode_vec(&X224(X224Data { data: inner.into() })).map_err(LegError::unencodable(WHAT))
}

/// Lets the client attach its user and join its channels, until all are joined.
///
/// # Errors
/// If it asks for a channel that it has not, or for something else.
pub async fn join<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    ids: &Ids,
) -> Result<(), LegError> {
    const WHAT: &str = "joining channels";
    let mut left: Vec<u16> = ids.to_join().collect();
    for _ in 0..JOINING {
        let frame = leg.frame("while it joined its channels").await?;
        let X224(message): X224<McsMessage<'_>> =
            decode(&frame).map_err(LegError::undecodable(WHAT))?;
        let answer = match message {
            McsMessage::ErectDomainRequest(_) => continue,
            McsMessage::AttachUserRequest(_) => McsMessage::AttachUserConfirm(AttachUserConfirm {
                result: 0,
                initiator_id: ids.user,
            }),
            McsMessage::ChannelJoinRequest(wanted)
                if ids.to_join().any(|id| id == wanted.channel_id) =>
            {
                left.retain(|id| *id != wanted.channel_id);
                McsMessage::ChannelJoinConfirm(ChannelJoinConfirm {
                    result: 0,
                    initiator_id: ids.user,
                    requested_channel_id: wanted.channel_id,
                    channel_id: wanted.channel_id,
                })
            }
            McsMessage::ChannelJoinRequest(wanted) => {
                let why = format!("there is no channel {}", wanted.channel_id);
                return Err(LegError::unexpected(WHAT, why));
            }
            McsMessage::DisconnectProviderUltimatum(_) => {
                return Err(LegError::Closed("while it joined its channels"));
            }
            McsMessage::AttachUserConfirm(_)
            | McsMessage::ChannelJoinConfirm(_)
            | McsMessage::SendDataRequest(_)
            | McsMessage::SendDataIndication(_) => {
                return Err(LegError::unexpected(WHAT, "something else came"));
            }
        };
        let answer = encode_vec(&X224(answer)).map_err(LegError::unencodable(WHAT))?;
        leg.send(&answer).await?;
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(LegError::unexpected(WHAT, "it never ends"))
}
