//! `rsync --server` on the target: which way, and where to.
