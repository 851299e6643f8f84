//! The store on both databases: every test here runs on each.

mod access;
mod audit;
mod commands;
mod connection_passwords;
mod data;
mod harness;
mod latency;
mod nouns;
mod opening;
mod policy;
mod scripts;
mod sessions;
mod survey;
