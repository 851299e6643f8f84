//! Fast-path updates (MS-RDPBCGR 2.2.9.1.2.1), out of their fragments.

use std::borrow::Cow;

use ironrdp_pdu::fast_path::UpdateCode;

use super::Fault;
use super::wire::le16;

/// The most bytes an update may have. A client announces the most it takes (2.2.7.2.6); those known announce less.
const MAX_UPDATE: usize = 16 << 20;

/// What an update is about, whole.
pub(super) struct Update<'a> {
    pub code: UpdateCode,
    pub data: Cow<'a, [u8]>,
}

/// Puts fragments together.
#[derive(Default)]
pub(super) struct Updates {
    /// The code of the update that is under way.
    open: Option<u8>,
    fragments: Vec<u8>,
}

impl Updates {
    /// Takes the next update of a fast-path PDU, off the front of `body`. `Ok(None)`: it was a fragment, or one that
    /// says nothing.
    pub fn next<'a>(&mut self, body: &mut &'a [u8]) -> Result<Option<Update<'a>>, Fault> {
        let bytes = std::mem::take(body);
        let short = Fault("a fast-path update is cut short");
        let header = *bytes.first().ok_or(short)?;
        if header >> 6 != 0 {
            return Err(Fault("a fast-path update is compressed"));
        }
        let length = usize::from(le16(bytes, 1).ok_or(short)?);
        let (data, rest) = bytes[3..].split_at_checked(length).ok_or(short)?;
        *body = rest;
        let code = header & 0xf;
        let Some(data) = self.assemble(code, header >> 4 & 3, data)? else {
            return Ok(None);
        };
        let code = update_code(code).ok_or(Fault("a fast-path update of an unknown kind"))?;
        Ok(Some(Update { code, data }))
    }

    fn assemble<'a>(
        &mut self,
        code: u8,
        fragment: u8,
        data: &'a [u8],
    ) -> Result<Option<Cow<'a, [u8]>>, Fault> {
        const SINGLE: u8 = 0;
        const LAST: u8 = 1;
        const FIRST: u8 = 2;
        if fragment == SINGLE || fragment == FIRST {
            let left_over = self.open.take().is_some();
            self.fragments = Vec::new();
            if left_over {
                return Err(Fault("an update's last fragment never came"));
            }
            if fragment == SINGLE {
                return Ok(Some(Cow::Borrowed(data)));
            }
            self.open = Some(code);
        } else if self.open != Some(code) {
            return Err(Fault("a fragment without the one before it"));
        }
        if self.fragments.len() + data.len() > MAX_UPDATE {
            *self = Self::default();
            return Err(Fault("an update is larger than any client takes"));
        }
        self.fragments.extend_from_slice(data);
        if fragment != LAST {
            return Ok(None);
        }
        self.open = None;
        Ok(Some(Cow::Owned(std::mem::take(&mut self.fragments))))
    }
}

fn update_code(code: u8) -> Option<UpdateCode> {
    Some(match code {
        0x0 => UpdateCode::Orders,
        0x1 => UpdateCode::Bitmap,
        0x2 => UpdateCode::Palette,
        0x3 => UpdateCode::Synchronize,
        0x4 => UpdateCode::SurfaceCommands,
        0x5 => UpdateCode::HiddenPointer,
        0x6 => UpdateCode::DefaultPointer,
        0x8 => UpdateCode::PositionPointer,
        0x9 => UpdateCode::ColorPointer,
        0xa => UpdateCode::CachedPointer,
        0xb => UpdateCode::NewPointer,
        0xc => UpdateCode::LargePointer,
        _ => return None,
    })
}
