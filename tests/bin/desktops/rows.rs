//! The rows of RDP, in their order, with their goals.

use crate::rows::{Line, Row};
use crate::table::Goal::{AboveTimes, AtMost, WithinOf};
use crate::table::{DIRECT, Pick};

/// The rows of RDP.
pub const RDP: &[Line] = &[
    (
        Row::KeyXrdp,
        "key → pixel, xrdp (bitmaps), ms, median",
        Pick::Median,
        &[WithinOf(DIRECT, 1.0)],
    ),
    (Row::KeyXrdpP95, "the same, p95", Pick::P95, &[]),
    (
        Row::KeyShadow,
        "key → pixel, shadow (NLA, RemoteFX), ms, median",
        Pick::Median,
        &[WithinOf(DIRECT, 1.0)],
    ),
    (Row::KeyShadowP95, "the same, p95", Pick::P95, &[]),
    (
        Row::FramesXrdp,
        "frames shown of full-screen noise, xrdp, 1/s",
        Pick::Median,
        &[AboveTimes(DIRECT, 0.98)],
    ),
    (
        Row::FramesShadow,
        "frames shown of full-screen noise, shadow, 1/s",
        Pick::Median,
        &[AboveTimes(DIRECT, 0.98)],
    ),
    (
        Row::VideoRate,
        "stream of that noise, xrdp, MB/s",
        Pick::Median,
        &[],
    ),
    (
        Row::VideoCpu,
        "gateway CPU under it, without the picture track, % of a core",
        Pick::Median,
        &[],
    ),
    (
        Row::LiveCpu,
        "that at 35 MB/s, % of a core",
        Pick::Median,
        &[AtMost(8.0)],
    ),
    (
        Row::TrackCpu,
        "picture track under it, % of a core",
        Pick::Median,
        &[AtMost(30.0)],
    ),
    (
        Row::TrackLag,
        "picture track behind the tape, s",
        Pick::Median,
        &[],
    ),
    (
        Row::TrackWhole,
        "from the session's end to a whole picture track, s",
        Pick::Most,
        &[],
    ),
    (
        Row::VideoRateShadow,
        "stream of that noise, shadow, MB/s",
        Pick::Median,
        &[],
    ),
    (
        Row::TrackCpuShadow,
        "… picture track (RemoteFX), % of a core",
        Pick::Median,
        &[],
    ),
    (
        Row::TrackLagShadow,
        "… picture track behind the tape, s",
        Pick::Median,
        &[],
    ),
    (
        Row::TrackWholeShadow,
        "… from the session's end to a whole picture track, s",
        Pick::Most,
        &[],
    ),
    (
        Row::FramesBusy,
        "every core busy besides: frames, xrdp, 1/s",
        Pick::Median,
        &[],
    ),
    (
        Row::TrackCpuBusy,
        "… picture track, % of a core",
        Pick::Median,
        &[],
    ),
    (
        Row::TrackLagBusy,
        "… picture track behind the tape, s",
        Pick::Median,
        &[],
    ),
    (
        Row::TrackWholeBusy,
        "… from the session's and the load's end to a whole track, s",
        Pick::Most,
        &[],
    ),
    (
        Row::IdleDesktop,
        "memory of an idle desktop, nobody watching, MiB",
        Pick::Median,
        &[AtMost(6.0)],
    ),
    (
        Row::StreamStill,
        "idle desktop: stream, MB/h",
        Pick::Median,
        &[],
    ),
    (Row::TapeStill, "… tape, MB/h", Pick::Median, &[]),
    (Row::TrackStill, "… picture track, MB/h", Pick::Median, &[]),
    (
        Row::StreamOffice,
        "typing and scrolling: stream, MB/h",
        Pick::Median,
        &[],
    ),
    (Row::TapeOffice, "… tape, MB/h", Pick::Median, &[]),
    (Row::TrackOffice, "… picture track, MB/h", Pick::Median, &[]),
    (
        Row::StreamVideo,
        "full-screen noise: stream, MB/h",
        Pick::Median,
        &[],
    ),
    (Row::TapeVideo, "… tape, MB/h", Pick::Median, &[]),
    (Row::TrackVideo, "… picture track, MB/h", Pick::Median, &[]),
];
