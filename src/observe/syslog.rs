//! The server's log to syslog too (`syslog-enabled`).

use super::server_log::Text;
use crate::config::Syslog;
use std::ffi::CString;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Sends every event to syslog.
pub struct SyslogLayer;

impl SyslogLayer {
    /// Opens the way to syslog. Call once: the C library keeps the name for good.
    pub fn open(settings: &Syslog) -> SyslogLayer {
        let ident = CString::new(settings.ident.clone()).unwrap_or_default();
        let facility = match settings.facility {
            0 => libc::LOG_USER,
            local => libc::LOG_LOCAL0 + ((local - 1) << 3),
        };
        // SAFETY: the name is leaked, since `openlog` keeps the pointer and reads it at every line.
        unsafe { libc::openlog(ident.into_raw(), libc::LOG_PID | libc::LOG_NDELAY | libc::LOG_NOWAIT, facility) };
        SyslogLayer
    }
}

impl<S: Subscriber> Layer<S> for SyslogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let priority = match *event.metadata().level() {
            Level::TRACE | Level::DEBUG => libc::LOG_DEBUG,
            Level::INFO => libc::LOG_NOTICE,
            Level::WARN => libc::LOG_WARNING,
            Level::ERROR => libc::LOG_ERR,
        };
        let mut text = Text::default();
        event.record(&mut text);
        if let Ok(line) = CString::new(text.line()) {
            // SAFETY: both are C strings that live through the call; the format takes exactly one string.
            unsafe { libc::syslog(priority, c"%s".as_ptr(), line.as_ptr()) };
        }
    }
}
