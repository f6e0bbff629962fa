//! RENAME and RENAMENX.

use crate::command::errors;
use crate::config::events;
use crate::resp::Args;
use crate::shard::Cx;

/// `RENAME key newkey`
pub fn rename(cx: &mut Cx<'_>, args: Args<'_>) {
    match move_to(cx, args, true) {
        Some(_) => cx.reply.ok(),
        None => cx.reply.error(errors::NO_SUCH_KEY),
    }
}

/// `RENAMENX key newkey`
pub fn renamenx(cx: &mut Cx<'_>, args: Args<'_>) {
    match move_to(cx, args, false) {
        Some(renamed) => cx.reply.int(renamed as i64),
        None => cx.reply.error(errors::NO_SUCH_KEY),
    }
}

/// Gives a key another name. Says whether it has a new one now; `None` if there is no such key.
fn move_to(cx: &mut Cx<'_>, args: Args<'_>, replace: bool) -> Option<bool> {
    let (from, to) = (args.at(1), args.at(2));
    let found = cx.write(from)?;
    if from == to {
        return Some(false);
    }
    if let Some(other) = cx.write(to) {
        if !replace {
            return Some(false);
        }
        cx.delete(to, other);
    }
    let taken = cx.take(from, found);
    cx.place(cx.session.db, to, taken);
    cx.notify(events::GENERIC, "rename_from", from);
    cx.notify(events::GENERIC, "rename_to", to);
    cx.effect_verbatim();
    Some(true)
}
