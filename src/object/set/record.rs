//! A member in a table: its length as a varint, then its bytes.

use crate::object::table::{Header, Shape, Table, read_varint};

/// The shape of a set's records.
pub struct Member;

impl Shape for Member {
    #[inline]
    fn record_len(tail: &[u8]) -> usize {
        let (len, head) = read_varint(tail);
        head + len as usize
    }

    #[inline]
    fn key(tail: &[u8]) -> &[u8] {
        member(tail)
    }
}

#[inline]
pub(super) fn member(tail: &[u8]) -> &[u8] {
    let (len, head) = read_varint(tail);
    &tail[head..][..len as usize]
}

/// Adds a member; says whether it is new.
#[inline]
pub(super) fn insert(table: &mut Table<Member>, member: &[u8]) -> bool {
    table.insert(member, &[Header::new().varint(member.len() as u64).as_bytes(), member])
}
