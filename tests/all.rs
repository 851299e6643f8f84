//! The one end-to-end test binary.

mod cases;
mod edges;
mod tidy;
