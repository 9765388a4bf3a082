//! The rules of support against second implementations, independent libraries and the peers themselves.
//!
//! No cluster: what is judged is `domain`. The oracles that are not ours are installed by `tests/oracles/`.
