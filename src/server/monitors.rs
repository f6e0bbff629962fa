//! MONITOR, over all cores, and CLIENT PAUSE: what makes a core look at each command before it runs.

use super::core::Core;
use super::query::Query;
use crate::command::Command;
use crate::command::spec::Flags;
use crate::net::{Conn, ConnRef, Special};
use crate::resp::Args;
use crate::shard::message::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Core {
    /// Makes a connection monitor; the other cores are to be told to attend.
    fn begin_monitoring(&mut self, conn: &mut Conn) {
        if !conn.special.has(Special::MONITOR) {
            conn.special.set(Special::MONITOR, true);
            self.monitors.push(conn.place);
            self.everyone.monitors[self.me()].fetch_add(1, Ordering::SeqCst);
            self.set_attention();
        }
    }

    /// As [`Core::begin_monitoring`], for a connection that is not in hand.
    pub(crate) fn monitor_at(&mut self, at: ConnRef) {
        if let Some(mut conn) = self.conns.take(at) {
            self.begin_monitoring(&mut conn);
            self.conns.restore(conn);
        }
    }

    /// Ends that. The other cores find out when they next have something to show.
    pub(crate) fn end_monitoring(&mut self, conn: &mut Conn) {
        if conn.special.has(Special::MONITOR) {
            conn.special.set(Special::MONITOR, false);
            self.monitors.retain(|&at| at != conn.place);
            self.everyone.monitors[self.me()].fetch_sub(1, Ordering::SeqCst);
            self.set_attention();
        }
    }

    /// Whether anybody monitors, on any core.
    pub(super) fn is_monitored(&self) -> bool {
        self.everyone.monitors.iter().any(|count| count.load(Ordering::SeqCst) > 0)
    }

    /// Lets go of the connections that waited for the end of a pause.
    pub(super) fn end_pause(&mut self) {
        self.set_attention();
        for at in std::mem::take(&mut self.awaiting_pause) {
            if let Some(conn) = self.conns.get(at) {
                conn.awaits_space = false;
                conn.awaits_drain = false;
                self.resume.push(at);
            }
        }
    }

    /// Shows a command to all who monitor, wherever they are.
    pub(super) fn show_to_monitors(&mut self, conn: &Conn, command: &'static Command, args: Args) {
        if command.spec.flags.any(Flags(Flags::ADMIN.0 | Flags::SKIP_MONITOR.0)) {
            return;
        }
        if !self.is_monitored() {
            return self.set_attention();
        }
        let hidden = crate::observe::without_secrets(command.spec, args);
        let args = hidden.as_ref().map_or(args, |hidden| hidden.as_args());
        let mut line = vec![b'+'];
        line.extend(crate::observe::monitor_line(conn.session.db, &conn.peer.remote_text(), args));
        line.extend_from_slice(b"\r\n");
        let line: Arc<[u8]> = line.into();
        self.show_line(&line);
        for core in 0..self.cores() {
            if core != self.me() && self.everyone.monitors[core].load(Ordering::SeqCst) > 0 {
                self.tell(core, Request::Query(Query::Show(line.clone())));
            }
        }
    }

    /// Shows a line to those who monitor here.
    pub(super) fn show_line(&mut self, line: &[u8]) {
        let monitors = std::mem::take(&mut self.monitors);
        for &at in &monitors {
            if let Some(monitor) = self.conns.get(at) {
                let (out, start) = monitor.outbox.target();
                out.extend_from_slice(line);
                monitor.outbox.commit(start, None);
                self.after_output(at);
            }
        }
        self.monitors = monitors;
    }
}
