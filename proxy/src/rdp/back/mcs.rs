//! The target's MCS connection: what the client said of itself, without what this leg does not do.

use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::gcc::{
    ChannelDef, ChannelName, ChannelOptions, ClientEarlyCapabilityFlags, ClientGccBlocks,
    ClientNetworkData, ClientSecurityData, ConnectionType, HighColorDepth, RedirectionFlags,
    SupportedColorDepths,
};
use ironrdp_pdu::mcs::{
    AttachUserRequest, ChannelJoinRequest, ConnectInitial, ConnectResponse, ErectDomainPdu,
    McsMessage,
};
use ironrdp_pdu::nego::{ResponseFlags, SecurityProtocol};
use ironrdp_pdu::x224::{X224, X224Data};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::rdp::ids::Ids;
use crate::rdp::leg::{Leg, LegError};

/// Channels whose server runs inside the user's session on the target. A target that takes the password only on its screen
/// says nothing when it lets somebody in, but then one of these begins to speak. One is always asked for, to hear that.
const PROBES: [ChannelName; 2] = [CLIPBOARD, ChannelName::from_static(b"rdpsnd\0\0")];
const CLIPBOARD: ChannelName = ChannelName::from_static(b"cliprdr\0");

/// Makes the target's MCS connection, with those of the client's channels that `wanted` says.
///
/// # Errors
/// If the target answers something else, or fewer channels than it was asked for.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    (selected, flags): (SecurityProtocol, ResponseFlags),
    client: &ClientGccBlocks,
    wanted: &[bool],
) -> Result<Ids, LegError> {
    const WHAT: &str = "MCS Connect Response";
    let all = client.channel_names().unwrap_or_default();
    let mut channels: Vec<ChannelDef> = all
        .into_iter()
        .zip(wanted)
        .filter_map(|(channel, wanted)| wanted.then_some(channel))
        .collect();
    let tells = channels
        .iter()
        .any(|channel| PROBES.contains(&channel.name));
    if !tells && !selected.intersects(SecurityProtocol::HYBRID | SecurityProtocol::HYBRID_EX) {
        channels.push(ChannelDef {
            name: CLIPBOARD,
            options: ChannelOptions::INITIALIZED,
        });
    }
    let count = channels.len();
    let blocks = mirrored(client, selected, flags, channels);
    let initial = ConnectInitial::with_gcc_blocks(blocks)
        .map_err(LegError::undecodable("MCS Connect Initial"))?;
    leg.send(&encode(&X224(X224Data {
        data: encode_vec(&initial)
            .map_err(LegError::unencodable("MCS Connect Initial"))?
            .into(),
    }))?)
    .await?;
    let frame = leg.frame("when asked for channels").await?;
    let X224(data): X224<X224Data<'_>> = decode(&frame).map_err(LegError::undecodable(WHAT))?;
    let response: ConnectResponse = decode(&data.data).map_err(LegError::undecodable(WHAT))?;
    let mut ids = response.channel_ids();
    ids.truncate(count);
    if ids.len() < count {
        return Err(LegError::unexpected(
            WHAT,
            "it has fewer channels than were asked for",
        ));
    }
    // 0: the target has no such channel (MS-RDPBCGR 2.2.1.4.4).
    let mut given = ids.into_iter().map(|id| (id != 0).then_some(id));
    let mut ids = Ids {
        io: response.global_channel_id(),
        user: 0,
        channels: wanted
            .iter()
            .map(|wanted| wanted.then(|| given.next().flatten()).flatten())
            .collect(),
    };
    // The probe's, which the client knows nothing of.
    ids.channels.extend(given);
    ids.user = attach(leg).await?;
    for channel in ids.to_join().collect::<Vec<_>>() {
        join(leg, ids.user, channel).await?;
    }
    Ok(ids)
}

fn encode<T: ironrdp_core::Encode>(pdu: &T) -> Result<Vec<u8>, LegError> {
    encode_vec(pdu).map_err(LegError::unencodable("MCS"))
}

async fn attach<S: AsyncRead + AsyncWrite + Unpin>(leg: &mut Leg<S>) -> Result<u16, LegError> {
    let mut both = encode(&X224(McsMessage::ErectDomainRequest(ErectDomainPdu {
        sub_height: 0,
        sub_interval: 0,
    })))?;
    both.extend(encode(&X224(McsMessage::AttachUserRequest(
        AttachUserRequest,
    )))?);
    leg.send(&both).await?;
    match answer(leg).await? {
        McsMessage::AttachUserConfirm(confirm) => Ok(confirm.initiator_id),
        other => Err(unwanted("Attach User Confirm", &other)),
    }
}

async fn join<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    user: u16,
    channel: u16,
) -> Result<(), LegError> {
    let request = McsMessage::ChannelJoinRequest(ChannelJoinRequest {
        initiator_id: user,
        channel_id: channel,
    });
    leg.send(&encode(&X224(request))?).await?;
    match answer(leg).await? {
        McsMessage::ChannelJoinConfirm(confirm) if confirm.channel_id == channel => Ok(()),
        other => Err(unwanted("Channel Join Confirm", &other)),
    }
}

async fn answer<S: AsyncRead + Unpin>(leg: &mut Leg<S>) -> Result<McsMessage<'static>, LegError> {
    use ironrdp_core::IntoOwned;
    let frame = leg.frame("while channels were joined").await?;
    let X224(message): X224<McsMessage<'_>> =
        decode(&frame).map_err(LegError::undecodable("MCS"))?;
    Ok(message.into_owned())
}

fn unwanted(what: &'static str, came: &McsMessage<'_>) -> LegError {
    match came {
        McsMessage::DisconnectProviderUltimatum(_) => {
            LegError::Closed("while channels were joined")
        }
        McsMessage::ErectDomainRequest(_)
        | McsMessage::AttachUserRequest(_)
        | McsMessage::AttachUserConfirm(_)
        | McsMessage::ChannelJoinRequest(_)
        | McsMessage::ChannelJoinConfirm(_)
        | McsMessage::SendDataRequest(_)
        | McsMessage::SendDataIndication(_) => LegError::unexpected(what, "something else came"),
    }
}

/// What the client said of itself, as this leg says it.
fn mirrored(
    client: &ClientGccBlocks,
    selected: SecurityProtocol,
    flags: ResponseFlags,
    channels: Vec<ChannelDef>,
) -> ClientGccBlocks {
    let mut blocks = client.clone();
    blocks.security = ClientSecurityData::no_security();
    blocks.network = (!channels.is_empty()).then_some(ClientNetworkData { channels });
    blocks.message_channel = None;
    // UDP would pass the gateway by.
    blocks.multi_transport_channel = None;
    if !flags.contains(ResponseFlags::EXTENDED_CLIENT_DATA_SUPPORTED) {
        blocks.monitor = None;
        blocks.monitor_extended = None;
    }
    if let Some(cluster) = &mut blocks.cluster {
        cluster
            .flags
            .remove(RedirectionFlags::REDIRECTED_SESSION_FIELD_VALID);
        cluster.redirected_session_id = 0;
    }
    let core = &mut blocks.core.optional_data;
    // All before serverSelectedProtocol has to be there for it to have its place.
    core.post_beta2_color_depth
        .get_or_insert(ironrdp_pdu::gcc::ColorDepth::Bpp8);
    core.client_product_id.get_or_insert(1);
    core.serial_number.get_or_insert(0);
    core.high_color_depth
        .get_or_insert(HighColorDepth::Rgb565Bpp16);
    core.supported_color_depths
        .get_or_insert(SupportedColorDepths::BPP16);
    // That the client knows the graphics pipeline stays, whatever the target answered before: xrdp has it and does not say so.
    let early = core
        .early_capability_flags
        .get_or_insert(ClientEarlyCapabilityFlags::SUPPORT_ERR_INFO_PDU);
    early.remove(
        ClientEarlyCapabilityFlags::SUPPORT_NET_CHAR_AUTODETECT
            | ClientEarlyCapabilityFlags::SUPPORT_HEART_BEAT_PDU
            | ClientEarlyCapabilityFlags::SUPPORT_SKIP_CHANNELJOIN,
    );
    core.dig_product_id.get_or_insert_with(String::new);
    core.connection_type.get_or_insert(ConnectionType::Lan);
    core.server_selected_protocol = Some(selected);
    blocks
}
