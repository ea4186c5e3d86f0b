//! What is open and being worked on.

pub mod study;
