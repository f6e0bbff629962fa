//! DEL and UNLINK.

use crate::config::events;
use crate::resp::Args;
use crate::shard::Cx;

/// `DEL key [key …]`, `UNLINK key [key …]`
pub fn delete(cx: &mut Cx<'_>, args: Args<'_>) {
    let mut deleted = 0;
    for key in args.tail(1).iter() {
        if let Some(found) = cx.write(key) {
            cx.delete(key, found);
            cx.notify(events::GENERIC, "del", key);
            deleted += 1;
        }
    }
    if deleted > 0 {
        cx.effect_verbatim();
    }
    cx.reply.int(deleted);
}
