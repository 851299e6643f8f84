//! File names as bytes, and how they are written down.
