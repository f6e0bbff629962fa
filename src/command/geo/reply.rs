//! Distances and coordinates as replies.

use crate::object::geo::{Position, write_distance};
use crate::resp::Reply;

/// Writes a distance: a bulk string with four digits behind the point.
pub fn distance(reply: &mut Reply<'_>, distance: f64) {
    let mut text = Vec::with_capacity(24);
    write_distance(distance, &mut text);
    reply.bulk(&text);
}

/// Writes longitude and latitude.
pub fn position(reply: &mut Reply<'_>, position: Position) {
    reply.array(2);
    coordinate(reply, position.longitude);
    coordinate(reply, position.latitude);
}

/// Writes a number with up to 17 digits behind the point.
fn coordinate(reply: &mut Reply<'_>, degrees: f64) {
    let text = format!("{degrees:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let text = if text == "-0" { "0" } else { text };
    if reply.is_resp3() {
        reply.raw(b",");
        reply.raw(text.as_bytes());
        reply.raw(b"\r\n");
    } else {
        reply.bulk(text.as_bytes());
    }
}
