//! The verdict over many samples.
