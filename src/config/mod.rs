//! The configuration: one static table of directives, a registry of their values, and the typed settings made from it.
//!
//! - [`table`] says what there is, [`directive`] what a row means, [`value`] how values are read, shown and written.
//! - [`Config`] is the registry: read from the command line ([`Config::from_args`], in `source`), asked and changed by
//!   CONFIG GET, SET and REWRITE.
//! - [`Settings`] are plain fields, made from a registry once and after each change, and shared as `Arc<Settings>`.
//!
//! Names, formats and error texts are Redis's: they are what users' files and tools hold on to.

mod choices;
pub mod directive;
mod error;
pub mod events;
mod include;
mod memory;
mod registry;
mod rewrite;
mod settings;
mod source;
pub mod table;
mod value;
pub mod words;

#[cfg(test)]
mod documentation;
#[cfg(test)]
pub(crate) mod tests;

pub use choices::{
    AclPubsubDefault, Allowed, AofOnError, AppendFsync, LogLevel, MaxmemoryPolicy, ShutdownOptions, Supervised,
};
pub use error::{Place, RewriteError, SetError, StartError};
pub use registry::{Change, Config, Rename, SetContext, directive};
pub use settings::{BindAddress, BindHost, ClientMemory, Settings, Syslog};
pub use value::{OutputBufferLimit, SavePoint, Value};
