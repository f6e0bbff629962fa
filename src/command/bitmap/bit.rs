//! GETBIT and SETBIT.

use super::{bits, offset};
use crate::command::expect::{Refused, integer_or, refuse, string_to_read, string_to_write};
use crate::command::string::text;
use crate::config::events;
use crate::resp::Args;
use crate::shard::Cx;

const NOT_A_BIT: &str = "ERR bit is not an integer or out of range";

/// `GETBIT key offset`
pub fn getbit(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(bit) = offset::bit(cx, args.at(2)) else { return };
    let Ok(found) = string_to_read(cx, args.at(1)) else { return };
    let on = found.is_some_and(|found| bits::get(text::bytes(cx.value(found), &mut itoa::Buffer::new()), bit));
    cx.reply.int(on as i64);
}

/// `SETBIT key offset value`
pub fn setbit(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_setbit(cx, args);
}

fn try_setbit(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let bit = offset::bit(cx, args.at(2))?;
    let on = match integer_or(cx, args.at(3), NOT_A_BIT)? {
        number @ 0..=1 => number == 1,
        _ => return refuse(cx, NOT_A_BIT),
    };
    let found = string_to_write(cx, key)?;
    let len = (bit / 8) as usize + 1;
    let mut digits = itoa::Buffer::new();
    let bytes = found.map_or(&b""[..], |found| text::bytes(cx.value(found), &mut digits));
    let (was_on, grows) = (bits::get(bytes, bit), bytes.len() < len);
    if grows || was_on != on {
        text::change(cx, key, found, len, |bytes| bits::set(bytes, bit, on));
        cx.notify(events::STRING, "setbit", key);
        cx.effect_verbatim();
    }
    cx.reply.int(was_on as i64);
    Ok(())
}
