//! A desktop of the gateway's own (MS-RDPBCGR 1.3.1.1, from Demand Active to Font Map): what its pages are shown on before
//! there is a target, and what is taken away again before the target's own begins.

use ironrdp_core::encode_vec;
use ironrdp_pdu::gcc::{
    ClientEarlyCapabilityFlags, ClientGccBlocks, HighColorDepth, SupportedColorDepths,
};
use ironrdp_pdu::rdp::capability_sets::{
    Bitmap, BitmapDrawingFlags, CapabilitySet, DemandActive, General, GeneralExtraFlags, Input,
    InputFlags, Order, OrderFlags, OrderSupportExFlags, Pointer, ServerDemandActive,
    VirtualChannel, VirtualChannelFlags,
};
use ironrdp_pdu::rdp::finalization_messages::{ControlAction, ControlPdu, FontPdu, SynchronizePdu};
use sallyport_dissect::rdp::share::{self as pdu, DataKind, ShareKind};
use sallyport_dissect::rdp::{capabilities, mcs};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::rdp::ids::Ids;
use crate::rdp::leg::{Leg, LegError};

/// The share of these desktops. Targets often use the same number, so a number alone tells no desktop from another.
pub const SHARE: u32 = 0x0001_03ea;
/// The server's own id in it.
pub const SERVER: u16 = 0x03ea;
/// The largest desktop of the gateway's own, in pixels.
const WIDEST: u16 = 1920;
const HIGHEST: u16 = 1200;
/// PDUs a client may send before it is ready.
const PDUS: usize = 64;
const WHAT: &str = "the gateway's own desktop";

/// What the client confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// Bits a pixel.
    pub depth: u16,
}

/// Begins a desktop, as large and as deep as the client wants it.
///
/// # Errors
/// If the client leaves or answers something else.
pub async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    ids: &Ids,
    client: &ClientGccBlocks,
) -> Result<Confirmed, LegError> {
    // A page needs no more, and whoever claims a huge screen must not get a picture of that size before anybody knows him.
    let width = client.core.desktop_width.clamp(1, WIDEST);
    let height = client.core.desktop_height.clamp(1, HIGHEST);
    send(leg, ids, &demand_active(width, height, depth(client))?).await?;
    let mut confirmed = None;
    for _ in 0..PDUS {
        let frame = leg.frame("before its desktop was ready").await?;
        // Input for nothing that is shown.
        if frame.first().is_some_and(|first| first & 3 == 0) {
            continue;
        }
        let data = match mcs::parse(&frame)? {
            mcs::DomainPdu::Data(data) if data.channel == ids.io => data.data,
            mcs::DomainPdu::Data(_) | mcs::DomainPdu::Other(_) => continue,
            mcs::DomainPdu::Ultimatum => {
                return Err(LegError::Closed("before its desktop was ready"));
            }
        };
        for found in pdu::parse(&frame[data.clone()]) {
            let found = found?;
            let bytes = &frame[data.clone()][found.place];
            match found.kind {
                ShareKind::ConfirmActive => {
                    let depth = capabilities::confirmed_depth(pdu::control_body(bytes));
                    confirmed = Some(Confirmed {
                        width,
                        height,
                        depth: depth.unwrap_or_default(),
                    });
                    finish(leg, ids).await?;
                }
                ShareKind::Data(DataKind::FontList, _) => {
                    send(leg, ids, &font_map()?).await?;
                    return confirmed
                        .ok_or_else(|| LegError::unexpected(WHAT, "it was not confirmed"));
                }
                ShareKind::Data(..)
                | ShareKind::DemandActive
                | ShareKind::DeactivateAll
                | ShareKind::Redirection
                | ShareKind::Flow
                | ShareKind::Other(_) => {}
            }
        }
    }
    Err(LegError::unexpected(WHAT, "the client is never ready"))
}

/// Takes the desktop away; another one is to follow.
///
/// # Errors
/// If the client is gone.
pub async fn end<S: AsyncWrite + Unpin>(leg: &mut Leg<S>, ids: &Ids) -> Result<(), LegError> {
    send(leg, ids, &pdu::deactivate_all(SERVER, SHARE)).await
}

/// Sends a PDU of the share.
pub async fn send<S: AsyncWrite + Unpin>(
    leg: &mut Leg<S>,
    ids: &Ids,
    pdu: &[u8],
) -> Result<(), LegError> {
    let mut frame = Vec::new();
    mcs::frame(mcs::Sender::Server, ids.user, ids.io, pdu, &mut frame);
    Ok(leg.send(&frame).await?)
}

/// The deepest of what the client offers that pages can be painted in.
fn depth(client: &ClientGccBlocks) -> u16 {
    let core = &client.core.optional_data;
    let wants_32 = core
        .early_capability_flags
        .is_some_and(|flags| flags.contains(ClientEarlyCapabilityFlags::WANT_32_BPP_SESSION));
    let supported = core
        .supported_color_depths
        .unwrap_or(SupportedColorDepths::empty());
    if wants_32 && supported.contains(SupportedColorDepths::BPP32) {
        return 32;
    }
    match core.high_color_depth {
        Some(HighColorDepth::Bpp24) => 24,
        Some(HighColorDepth::Rgb555Bpp16) => 15,
        Some(HighColorDepth::Rgb565Bpp16 | HighColorDepth::Bpp8 | HighColorDepth::Bpp4) | None => {
            16
        }
    }
}

/// The sets that have to be there, and no more.
fn demand_active(width: u16, height: u16, depth: u16) -> Result<Vec<u8>, LegError> {
    let general = General {
        extra_flags: GeneralExtraFlags::FASTPATH_OUTPUT_SUPPORTED
            | GeneralExtraFlags::NO_BITMAP_COMPRESSION_HDR
            | GeneralExtraFlags::LONG_CREDENTIALS_SUPPORTED,
        ..General::default()
    };
    let bitmap = Bitmap {
        pref_bits_per_pix: depth,
        desktop_width: width,
        desktop_height: height,
        desktop_resize_flag: true,
        drawing_flags: BitmapDrawingFlags::ALLOW_SKIP_ALPHA,
    };
    let order = Order::new(
        OrderFlags::NEGOTIATE_ORDER_SUPPORT | OrderFlags::ZERO_BOUNDS_DELTAS_SUPPORT,
        OrderSupportExFlags::empty(),
        0,
        0,
    );
    let pointer = Pointer {
        color_pointer_cache_size: 25,
        pointer_cache_size: 25,
    };
    let input = Input {
        input_flags: InputFlags::SCANCODES
            | InputFlags::MOUSEX
            | InputFlags::UNICODE
            | InputFlags::FASTPATH_INPUT
            | InputFlags::FASTPATH_INPUT_2,
        keyboard_layout: 0,
        keyboard_type: None,
        keyboard_subtype: 0,
        keyboard_function_key: 0,
        keyboard_ime_filename: String::new(),
    };
    let channel = VirtualChannel {
        flags: VirtualChannelFlags::NO_COMPRESSION,
        chunk_size: None,
    };
    let offer = ServerDemandActive {
        pdu: DemandActive {
            source_descriptor: "SALLYPORT".to_owned(),
            capability_sets: vec![
                CapabilitySet::General(general),
                CapabilitySet::Bitmap(bitmap),
                CapabilitySet::Order(order),
                CapabilitySet::Pointer(pointer),
                CapabilitySet::Input(input),
                CapabilitySet::VirtualChannel(channel),
            ],
        },
    };
    let mut body = SHARE.to_le_bytes().to_vec();
    body.extend(encode_vec(&offer).map_err(LegError::unencodable(WHAT))?);
    Ok(pdu::control(ShareKind::DemandActive, SERVER, &body))
}

/// Synchronize, Control cooperate, Control granted (MS-RDPBCGR 2.2.1.19 to 2.2.1.21).
async fn finish<S: AsyncWrite + Unpin>(leg: &mut Leg<S>, ids: &Ids) -> Result<(), LegError> {
    let synchronize = SynchronizePdu {
        target_user_id: ids.user,
    };
    let control = |action, grant_id, control_id| ControlPdu {
        action,
        grant_id,
        control_id,
    };
    let cooperate = control(ControlAction::Cooperate, 0, 0);
    let granted = control(ControlAction::GrantedControl, ids.user, u32::from(SERVER));
    let synchronize = encode_vec(&synchronize).map_err(LegError::unencodable(WHAT))?;
    let cooperate = encode_vec(&cooperate).map_err(LegError::unencodable(WHAT))?;
    let granted = encode_vec(&granted).map_err(LegError::unencodable(WHAT))?;
    for (kind, body) in [
        (DataKind::Synchronize, synchronize),
        (DataKind::Control, cooperate),
        (DataKind::Control, granted),
    ] {
        send(leg, ids, &pdu::data(kind, SERVER, SHARE, &body)).await?;
    }
    Ok(())
}

fn font_map() -> Result<Vec<u8>, LegError> {
    let map = encode_vec(&FontPdu::default()).map_err(LegError::unencodable(WHAT))?;
    Ok(pdu::data(DataKind::FontMap, SERVER, SHARE, &map))
}
