//! DUMP.

use super::payload;
use crate::rdb::Encoder;
use crate::resp::Args;
use crate::shard::Cx;

/// `DUMP key`
pub fn dump(cx: &mut Cx<'_>, args: Args<'_>) {
    let Some(found) = cx.read(args.at(1)) else { return cx.reply.null() };
    let mut encoder = Encoder::new(cx.settings().rdbcompression);
    let mut bytes = Vec::new();
    payload::write(&mut encoder, &mut bytes, cx.value(found));
    cx.reply.bulk(&bytes);
}
