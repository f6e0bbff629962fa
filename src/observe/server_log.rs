//! The server's own log, in the form that Redis's users know: `PID:M 20 Nov 2026 16:31:53.886 * text`.

use super::syslog::SyslogLayer;
use crate::config::{LogLevel, Settings};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, filter, reload};

/// The file written to, or standard output.
#[derive(Clone)]
struct Target(Arc<Mutex<Option<File>>>);

static OPEN: OnceLock<(Target, Option<PathBuf>)> = OnceLock::new();

/// The way to change the level.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some(file) => file.write(bytes),
            None => io::stdout().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Target {
    type Writer = Target;

    fn make_writer(&'a self) -> Target {
        self.clone()
    }
}

/// Starts logging as the settings say. Call once.
///
/// # Errors
/// The log file cannot be opened.
pub fn start(settings: &Settings) -> io::Result<()> {
    let file = settings.logfile.as_deref().map(open).transpose()?;
    let target = Target(Arc::new(Mutex::new(file)));
    let (level, handle) = reload::Layer::new(filter_of(settings.loglevel));
    // glommio reports as errors what is none (it probes features); its panics say enough.
    let ours = filter::filter_fn(|metadata| metadata.target().starts_with("basalt"));
    let lines = tracing_subscriber::fmt::layer().event_format(Lines).with_writer(target.clone());
    let syslog = settings.syslog.enabled.then(|| SyslogLayer::open(&settings.syslog));
    let all = lines.and_then(syslog).with_filter(ours);
    let started = tracing_subscriber::registry().with(level).with(all).try_init();
    if started.is_ok() {
        let _ = LEVEL.set(handle);
        let _ = OPEN.set((target, settings.logfile.clone()));
    }
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("=== BASALT BUG: {panic}\n{}", std::backtrace::Backtrace::force_capture());
        default(panic);
    }));
    Ok(())
}

/// Logs from this level on (`CONFIG SET loglevel`).
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // Fails only when nothing is logged any more.
        let _ = handle.reload(filter_of(level));
    }
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

/// Opens the log file anew, after it was moved away (SIGHUP).
///
/// # Errors
/// It cannot be opened; the old one stays in use.
pub fn reopen() -> io::Result<()> {
    if let Some((target, Some(path))) = OPEN.get() {
        let file = open(path)?;
        *target.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(file);
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// One line an event.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mark = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        write!(out, "{}:M {} {mark} ", std::process::id(), local_time())?;
        let mut text = Text::default();
        event.record(&mut text);
        writeln!(out, "{}", text.line())
    }
}

/// An event's message, and its fields behind it.
#[derive(Default)]
pub(super) struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// Both in one line.
    pub(super) fn line(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// `20 Nov 2026 16:31:53.886`, in the local time zone.
fn local_time() -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let now_us = super::unix_us();
    let seconds = (now_us / 1_000_000) as libc::time_t;
    // SAFETY: `tm` is plain data, filled by the call; both pointers are to locals.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        tm
    };
    let month = MONTHS.get(tm.tm_mon as usize).unwrap_or(&"???");
    let (day, year, ms) = (tm.tm_mday, tm.tm_year + 1900, now_us / 1000 % 1000);
    format!("{day:02} {month} {year} {:02}:{:02}:{:02}.{ms:03}", tm.tm_hour, tm.tm_min, tm.tm_sec)
}
