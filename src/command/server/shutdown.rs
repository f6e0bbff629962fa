//! SHUTDOWN.

use crate::command::Flow;
use crate::command::answer::{SYNTAX_ERROR, error, is};
use crate::config::ShutdownOptions;
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{Core, Outcome, end_server};

/// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]. There is no reply unless it is refused: the connection ends with the
/// server.
pub fn shutdown(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let mut options = ShutdownOptions::default();
    let mut abort = false;
    for word in args.tail(1).iter() {
        match () {
            () if is(word, "nosave") => options.nosave = true,
            () if is(word, "save") => options.save = true,
            () if is(word, "now") => options.now = true,
            () if is(word, "force") => options.force = true,
            () if is(word, "abort") => abort = true,
            () => return error(core, conn, SYNTAX_ERROR),
        }
    }
    let others = options != ShutdownOptions::default();
    if (abort && others) || (options.nosave && options.save) {
        return error(core, conn, SYNTAX_ERROR);
    }
    if abort {
        // Once it has begun nothing is waited for that could still be called off.
        return error(core, conn, "ERR No shutdown in progress.");
    }
    tracing::warn!(client = conn.id, "User requested shutdown...");
    *core.everyone.shutdown.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = options;
    core.in_task(conn, move |handle| async move {
        match end_server(&handle, options).await {
            Ok(()) => Outcome::write(Default::default(), |_| {}),
            Err(_) => Outcome::write(Default::default(), |reply| {
                reply.error("ERR Errors trying to SHUTDOWN. Check logs.");
            }),
        }
    })
}
