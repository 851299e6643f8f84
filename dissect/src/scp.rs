//! The legacy scp protocol: `scp -t` and `scp -f` on the target.
