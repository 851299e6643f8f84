//! A command line as a POSIX shell splits it into words.
