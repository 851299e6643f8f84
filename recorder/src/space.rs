//! May new recordings begin here?

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use rustix::io::Errno;

use crate::TapeError;

/// Is the folder (made if missing) writable, with at least `need` bytes free? Asked before a
/// session begins, so that it is refused rather than cut.
pub fn check_space(dir: &Path, need: u64) -> Result<(), TapeError> {
    if !dir.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| TapeError::io("make", dir, e))?;
    }
    let io = |errno: Errno| TapeError::io("check", dir, errno.into());
    let fs = statvfs(dir).map_err(io)?;
    if fs.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(io(Errno::ROFS));
    }
    access(dir, Access::WRITE_OK | Access::EXEC_OK).map_err(io)?;
    let free = fs.f_bavail.saturating_mul(fs.f_frsize);
    if free < need {
        return Err(TapeError::LowSpace {
            path: dir.to_owned(),
            free,
            need,
        });
    }
    Ok(())
}
