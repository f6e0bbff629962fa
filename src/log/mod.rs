//! log
mod batch;
mod core;
mod cut;
mod error;
mod frame;
mod hex;
mod segment;
mod types;
pub use batch::encoded_bytes;
pub use self::core::*;
pub use cut::*;
pub use error::*;
pub use frame::*;
pub use segment::*;
pub use types::*;
