//! Measures what an append costs: `cargo run -p sallyport-recorder --example append [FOLDER]`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sallyport_domain::id::{ConnectionId, SessionId};
use sallyport_recorder::{Record, TapeError, TapeHeader, TapeReader, TapeWriter, verify};
use uuid::Uuid;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = dir.join(format!("append-{}", Uuid::new_v4()));
    for (size, count) in [
        (1, 200_000),
        (80, 200_000),
        (4096, 50_000),
        (32 << 10, 16_000),
        (256 << 10, 2_000),
    ] {
        measure(&dir, size, count)?;
    }
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn measure(dir: &std::path::Path, size: usize, count: u32) -> Result<(), TapeError> {
    let ids = (Uuid::new_v4(), Uuid::new_v4());
    let header = TapeHeader::new(
        SessionId::from(ids.0),
        ConnectionId::from(ids.1),
        chrono::Utc::now(),
    );
    let mut writer = TapeWriter::create(dir, &header)?;
    let data = vec![b'x'; size];
    let mut slowest = Duration::ZERO;
    let start = Instant::now();
    for _ in 0..count {
        let one = Instant::now();
        writer.append(&[Record::Output {
            channel: 0,
            stderr: false,
            data: &data,
        }])?;
        slowest = slowest.max(one.elapsed());
    }
    let took = start.elapsed();
    let path = writer.path().to_owned();
    let bytes = writer.bytes();
    writer.finish(None)?;
    let start = Instant::now();
    let good = verify(&path).is_ok_and(|report| report.is_whole());
    let verified = start.elapsed();
    let start = Instant::now();
    let mut reader = TapeReader::open(&path)?;
    while reader.next()?.is_some() {}
    let read = start.elapsed();
    let rate = |took: Duration| bytes as f64 / took.as_secs_f64() / 1e6;
    println!(
        "{size:>7} bytes: {:>8.2} us an append, {:>6.0} MB/s, slowest {slowest:?}; verify ({good}) {:.0} MB/s, read {:.0} MB/s",
        took.as_secs_f64() * 1e6 / f64::from(count),
        rate(took),
        rate(verified),
        rate(read),
    );
    std::fs::remove_file(path).map_err(|source| TapeError::Io {
        doing: "remove",
        path: dir.to_owned(),
        source,
    })
}
