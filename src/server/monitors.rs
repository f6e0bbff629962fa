//! MONITOR, over all cores, and CLIENT PAUSE: what makes a core look at each command before it runs.

use super::core::Core;
use super::dispatch::parse_db;
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
        if command.spec.name == "exec" {
            self.show_transaction(conn);
        }
        self.show_one(conn, conn.session.db, command, args);
    }

    /// Shows what EXEC is about to run.
    fn show_transaction(&mut self, conn: &Conn) {
        let Some(multi) = conn.multi.as_ref().filter(|multi| !multi.aborted) else { return };
        // What is watched on other cores is known only there.
        if self.shard.any_changed(&conn.profile.watched) {
            return;
        }
        let mut db = conn.session.db;
        for (row, args) in &multi.queued {
            let (command, args) = (&self.commands[*row as usize], args.as_args());
            if command.spec.name == "select" {
                db = args.get(1).and_then(parse_db).filter(|&db| db < self.settings.databases).unwrap_or(db);
            }
            self.show_one(conn, db, command, args);
        }
    }

    fn show_one(&mut self, conn: &Conn, db: u16, command: &'static Command, args: Args) {
        if command.spec.flags.any(Flags(Flags::ADMIN.0 | Flags::SKIP_MONITOR.0)) {
            return;
        }
        if !self.is_monitored() {
            return self.set_attention();
        }
        let hidden = crate::observe::without_secrets(command.spec, args);
        let args = hidden.as_ref().map_or(args, |hidden| hidden.as_args());
        let mut line = vec![b'+'];
        line.extend(crate::observe::monitor_line(db, &conn.peer.remote_text(), args));
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
                monitor.outbox.push_aside_or(line, &[], |outbox| {
                    let (out, start) = outbox.target();
                    out.extend_from_slice(line);
                    outbox.commit(start, None);
                });
                self.after_output(at);
            }
        }
        self.monitors = monitors;
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Rig;

    #[test]
    fn what_a_transaction_runs_is_shown_when_it_runs() {
        let mut rig = Rig::new(2, &[]);
        let (monitor, client) = (rig.connect(1), rig.connect(0));
        assert_eq!(rig.ask(monitor, "MONITOR"), "+OK");
        let shown = |rig: &mut Rig, lines: &[&str]| -> Vec<String> {
            lines.iter().for_each(|line| drop(rig.ask(client, line)));
            let text = rig.take(monitor);
            text.split('+')
                .filter(|line| !line.is_empty())
                .map(|line| line[line.find('[').unwrap()..].to_string())
                .collect()
        };
        let words = |lines: Vec<String>| -> Vec<String> {
            lines
                .iter()
                .map(|line| format!("{}{}", &line[1..2], line[line.find(']').unwrap() + 1..].trim_end()))
                .collect()
        };
        let lines = shown(&mut rig, &["MULTI", "SET a 1", "SELECT 2", "GET a", "EXEC"]);
        let expected = ["0 \"MULTI\"", "0 \"SET\" \"a\" \"1\"", "2 \"SELECT\" \"2\"", "2 \"GET\" \"a\"", "0 \"EXEC\""];
        assert_eq!(words(lines), expected);
        let lines = shown(&mut rig, &["MULTI", "SET a", "EXEC"]);
        assert_eq!(words(lines), ["2 \"MULTI\"", "2 \"EXEC\""]);
    }
}
