//! Values as they come out of a file: compact forms stay blobs, already checked.

use super::stream::StreamData;
use super::view::{ListNodeView, ValueView};
use crate::intset::Intset;
use crate::listpack::{Element, Listpack};

/// One value, never empty (except strings and streams).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string. Integers are spelled out.
    String(Vec<u8>),
    /// A list, node by node.
    List(Vec<ListNode>),
    /// A set.
    Set(SetValue),
    /// A hash.
    Hash(HashValue),
    /// A sorted set.
    ZSet(ZSetValue),
    /// A stream.
    Stream(Box<StreamData>),
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListNode {
    /// Several elements, not empty.
    Packed(Listpack),
    /// One large element.
    Plain(Vec<u8>),
}

/// A set in one of its forms. Free of duplicates only if they were looked for: see [`super::Options::deep`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetValue {
    /// Only integers.
    Intset(Intset),
    /// Members one after another.
    Listpack(Listpack),
    /// Members in the file's order.
    Members(Vec<Vec<u8>>),
}

/// A hash in one of its forms. Free of duplicates only if they were looked for: see [`super::Options::deep`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashValue {
    /// Field, value, field, value.
    Listpack(Listpack),
    /// Field, value, expiry in Unix ms (0: none), field, … The soonest expiry first, those without one last.
    ListpackTtl(Listpack),
    /// Fields in the file's order.
    Fields(Vec<HashField>),
}

/// One field of a large hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashField {
    /// Its name.
    pub field: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// When it expires, in Unix ms.
    pub expire_ms: Option<u64>,
}

/// A sorted set in one of its forms. No score is NaN. Free of duplicates only if they were looked for: see
/// [`super::Options::deep`].
#[derive(Clone, Debug, PartialEq)]
pub enum ZSetValue {
    /// Member, score, member, score; ascending.
    Listpack(Listpack),
    /// Members and scores in the file's order (often descending).
    Members(Vec<(Vec<u8>, f64)>),
}

impl Value {
    /// Calls `with` on the view that [`super::Encoder`] takes.
    pub fn with_view<R>(&self, with: impl FnOnce(ValueView<'_>) -> R) -> R {
        match self {
            Value::String(bytes) => with(ValueView::String(bytes)),
            Value::List(nodes) => with(ValueView::List {
                nodes: nodes.len(),
                iter: &mut nodes.iter().map(|node| match node {
                    ListNode::Packed(list) => ListNodeView::Packed(list.as_bytes()),
                    ListNode::Plain(bytes) => ListNodeView::Plain(bytes),
                }),
            }),
            Value::Set(SetValue::Intset(set)) => with(ValueView::SetIntset(set.as_bytes())),
            Value::Set(SetValue::Listpack(list)) => with(ValueView::SetListpack(list.as_bytes())),
            Value::Set(SetValue::Members(members)) => with(ValueView::Set {
                len: members.len(),
                iter: &mut members.iter().map(|member| Element::Str(member)),
            }),
            Value::Hash(HashValue::Listpack(list)) => with(ValueView::HashListpack(list.as_bytes())),
            Value::Hash(HashValue::ListpackTtl(list)) => with(ValueView::HashListpackTtl {
                expire_ms_min: expire_ms_min(list.iter().skip(2).step_by(3).filter_map(|expire| expire.as_int())),
                bytes: list.as_bytes(),
            }),
            Value::Hash(HashValue::Fields(fields)) => {
                if fields.iter().any(|f| f.expire_ms.is_some()) {
                    with(ValueView::HashTtl {
                        len: fields.len(),
                        expire_ms_min: fields.iter().filter_map(|f| f.expire_ms).min().unwrap_or(0),
                        iter: &mut fields.iter().map(|f| (Element::Str(&f.field), Element::Str(&f.value), f.expire_ms)),
                    })
                } else {
                    with(ValueView::Hash {
                        len: fields.len(),
                        iter: &mut fields.iter().map(|f| (Element::Str(&f.field), Element::Str(&f.value))),
                    })
                }
            }
            Value::ZSet(ZSetValue::Listpack(list)) => with(ValueView::ZSetListpack(list.as_bytes())),
            Value::ZSet(ZSetValue::Members(members)) => with(ValueView::ZSet {
                len: members.len(),
                iter: &mut members.iter().map(|(member, score)| (Element::Str(member), *score)),
            }),
            Value::Stream(stream) => with(ValueView::Stream(&**stream)),
        }
    }
}

/// The soonest of `expires` that is set at all (not 0); 0 if none is.
fn expire_ms_min(expires: impl Iterator<Item = i64>) -> u64 {
    expires.filter(|expire| *expire > 0).min().map_or(0, |expire| expire as u64)
}
