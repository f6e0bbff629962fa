//! SAVE, BGSAVE and BGREWRITEAOF.

use crate::command::Flow;
use crate::command::answer::{SYNTAX_ERROR, answer, error, is};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{Core, Outcome, RewriteRefusal, SaveRefusal, begin_rewrite, begin_snapshot, save_and_wait};

/// SAVE. Only this client waits.
pub fn save(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if core.everyone.saves.snapshots.is_running() {
        return error(core, conn, SaveRefusal::Saving.text());
    }
    core.in_task(conn, |handle| async move {
        match save_and_wait(&handle).await {
            Ok(()) => Outcome::write(Default::default(), |reply| reply.ok()),
            Err(text) => Outcome::write(Default::default(), |reply| reply.error(text)),
        }
    })
}

/// BGSAVE [SCHEDULE]
pub fn bgsave(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let schedule = args.len() == 2 && is(args.at(1), "schedule");
    if args.len() > 1 && !schedule {
        return error(core, conn, SYNTAX_ERROR);
    }
    let everyone = core.everyone.clone();
    if everyone.saves.snapshots.is_running() {
        return error(core, conn, SaveRefusal::Saving.text());
    }
    // A transaction is at no instant between two commands.
    let in_exec = conn.outbox.is_captured();
    if in_exec || everyone.saves.rewrites.is_running() {
        if !in_exec && !schedule {
            return error(core, conn, SaveRefusal::Rewriting.text());
        }
        everyone.saves.snapshots.schedule(true);
        return answer(core, conn, |reply| reply.simple("Background saving scheduled"));
    }
    core.in_task(conn, |handle| async move {
        match begin_snapshot(&handle).await {
            Ok(_) => Outcome::write(Default::default(), |reply| reply.simple("Background saving started")),
            Err(refusal) => Outcome::write(Default::default(), |reply| reply.error(refusal.text())),
        }
    })
}

/// BGREWRITEAOF
pub fn bgrewriteaof(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    // A rewrite of a transaction begins when that has ended: its task cannot stop the cores before.
    match begin_rewrite(core) {
        Ok(()) => answer(core, conn, |reply| reply.simple("Background append only file rewriting started")),
        Err(RewriteRefusal::Scheduled) => {
            answer(core, conn, |reply| reply.simple("Background append only file rewriting scheduled"))
        }
        Err(RewriteRefusal::Rewriting) => {
            error(core, conn, "ERR Background append only file rewriting already in progress")
        }
    }
}
