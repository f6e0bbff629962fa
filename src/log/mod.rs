//! log
mod batch;
mod core;
mod cut;
mod directory;
mod error;
mod frame;
mod hex;
mod keeper;
mod manifest;
mod parse;
mod scan;
mod segment;
mod types;
pub use self::core::*;
pub use batch::encoded_bytes;
pub use cut::*;
pub use directory::*;
pub use error::*;
pub use frame::*;
pub use keeper::*;
pub use manifest::*;
pub use parse::*;
pub use scan::*;
pub use segment::*;
pub use types::*;

pub(crate) use batch::Batch;
