//! Values of every type, out of a file.

use std::borrow::Cow;
use std::io::Read;

use super::error::Fault;
use super::input::Input;
use super::{legacy, stream};
use crate::intset::Intset;
use crate::listpack::{Element, Listpack, ListpackRef};
use crate::rdb::value::{HashField, HashValue, ListNode, SetValue, Value, ZSetValue};
use crate::rdb::{VERSION_VALKEY, opcode};

/// List nodes put together here are filled to this size, Redis's default.
const NODE_BYTES_MAX: usize = 8192;
/// Announced numbers of elements reserve memory for at most so many.
const RESERVE_ELEMENTS_MAX: u64 = 1024;
/// Field expiries are 48 bits wide in Redis.
const FIELD_EXPIRE_MS_MAX: u64 = (1 << 48) - 1;

/// How much to reserve for `count` announced elements.
pub(super) fn capacity(count: u64) -> usize {
    count.min(RESERVE_ELEMENTS_MAX) as usize
}

/// For counts that only end loops: whoever announces more than fit ends at the end of the input.
pub(super) fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The value that stands next; `None` if it has no elements. `deep` looks for duplicates.
pub(super) fn load<R: Read>(
    input: &mut Input<R>,
    type_byte: u8,
    version: u16,
    deep: bool,
) -> Result<Option<Value>, Fault> {
    let valkey = version == VERSION_VALKEY;
    Ok(match type_byte {
        opcode::STRING => Some(Value::String(input.string()?)),
        opcode::LIST => list(input)?.map(Value::List),
        opcode::LIST_ZIPLIST => {
            let packed = legacy::ziplist_to_listpack(&input.string()?)?;
            (!packed.is_empty()).then(|| Value::List(vec![ListNode::Packed(packed)]))
        }
        opcode::LIST_QUICKLIST | opcode::LIST_QUICKLIST_2 => quicklist(input, type_byte)?.map(Value::List),
        opcode::SET => set(input, deep)?,
        opcode::SET_INTSET => {
            let set = Intset::from_vec(input.string()?)?;
            (!set.is_empty()).then_some(Value::Set(SetValue::Intset(set)))
        }
        opcode::SET_LISTPACK => {
            let list = Listpack::from_vec(input.string()?)?;
            groups(list, 1, deep)?.map(|list| Value::Set(SetValue::Listpack(list)))
        }
        opcode::ZSET | opcode::ZSET_2 => zset(input, type_byte, deep)?,
        opcode::ZSET_ZIPLIST | opcode::ZSET_LISTPACK => {
            let bytes = input.string()?;
            let old = type_byte == opcode::ZSET_ZIPLIST;
            let list = if old { legacy::ziplist_to_listpack(&bytes)? } else { Listpack::from_vec(bytes)? };
            match groups(list, 2, deep || old)? {
                Some(list) => Some(Value::ZSet(ZSetValue::Listpack(in_score_order(list)?))),
                None => None,
            }
        }
        opcode::HASH => hash(input, deep, |_| Ok(None), |_| Ok(None))?,
        opcode::VALKEY_HASH_2 if valkey => hash(input, deep, |_| Ok(None), valkey_expire)?,
        opcode::HASH_METADATA_PRE_GA => hash(input, deep, |input| expire_or_none(0, input.len()?), |_| Ok(None))?,
        opcode::HASH_METADATA if !valkey => {
            let soonest = u64::from_le_bytes(input.array()?);
            let relative = |input: &mut Input<R>| match input.len()? {
                0 => Ok(None),
                relative => expire_or_none(soonest, relative - 1),
            };
            hash(input, deep, relative, |_| Ok(None))?
        }
        opcode::HASH_ZIPMAP | opcode::HASH_ZIPLIST => {
            let bytes = input.string()?;
            let list = match type_byte {
                opcode::HASH_ZIPMAP => legacy::zipmap_to_listpack(&bytes)?,
                _ => legacy::ziplist_to_listpack(&bytes)?,
            };
            groups(list, 2, true)?.map(|list| Value::Hash(HashValue::Listpack(list)))
        }
        opcode::HASH_LISTPACK => {
            let list = Listpack::from_vec(input.string()?)?;
            groups(list, 2, deep)?.map(|list| Value::Hash(HashValue::Listpack(list)))
        }
        opcode::HASH_LISTPACK_EX | opcode::HASH_LISTPACK_EX_PRE_GA if !valkey => {
            if type_byte == opcode::HASH_LISTPACK_EX {
                // The soonest expiry, which the listpack says as well.
                input.array::<8>()?;
            }
            let list = Listpack::from_vec(input.string()?)?;
            match groups(list, 3, deep)? {
                Some(list) => Some(Value::Hash(HashValue::ListpackTtl(in_expire_order(list)?))),
                None => None,
            }
        }
        opcode::STREAM_LISTPACKS | opcode::STREAM_LISTPACKS_2 | opcode::STREAM_LISTPACKS_3 => {
            Some(Value::Stream(Box::new(stream::load(input, type_byte)?)))
        }
        opcode::MODULE_PRE_GA => return Err(Fault::ModulePreGa),
        opcode::MODULE_2 => return Err(Fault::Module(module_name(input.len()?))),
        _ => return Err(Fault::Type(type_byte)),
    })
}

fn list<R: Read>(input: &mut Input<R>) -> Result<Option<Vec<ListNode>>, Fault> {
    let mut nodes = Vec::new();
    let mut packed = Listpack::new();
    for _ in 0..input.len()? {
        let element = input.string()?;
        if packed.as_bytes().len() + element.len() > NODE_BYTES_MAX && !packed.is_empty() {
            nodes.push(ListNode::Packed(std::mem::take(&mut packed)));
        }
        if element.len() > NODE_BYTES_MAX {
            nodes.push(ListNode::Plain(element));
        } else {
            packed.append(&element);
        }
    }
    if !packed.is_empty() {
        nodes.push(ListNode::Packed(packed));
    }
    Ok((!nodes.is_empty()).then_some(nodes))
}

fn quicklist<R: Read>(input: &mut Input<R>, type_byte: u8) -> Result<Option<Vec<ListNode>>, Fault> {
    let count = input.len()?;
    let mut nodes = Vec::with_capacity(capacity(count));
    for _ in 0..count {
        let kind = if type_byte == opcode::LIST_QUICKLIST_2 { input.len()? } else { opcode::NODE_PACKED };
        let bytes = input.string()?;
        let packed = match kind {
            opcode::NODE_PLAIN => {
                nodes.push(ListNode::Plain(bytes));
                continue;
            }
            opcode::NODE_PACKED if type_byte == opcode::LIST_QUICKLIST_2 => Listpack::from_vec(bytes)?,
            opcode::NODE_PACKED => legacy::ziplist_to_listpack(&bytes)?,
            _ => return Err(Fault::ListNode(kind)),
        };
        if !packed.is_empty() {
            nodes.push(ListNode::Packed(packed));
        }
    }
    Ok((!nodes.is_empty()).then_some(nodes))
}

fn set<R: Read>(input: &mut Input<R>, deep: bool) -> Result<Option<Value>, Fault> {
    let count = input.len()?;
    let mut members = Vec::with_capacity(capacity(count));
    for _ in 0..count {
        members.push(input.string()?);
    }
    if deep {
        distinct(members.iter().map(|member| Cow::Borrowed(&member[..])))?;
    }
    Ok((!members.is_empty()).then_some(Value::Set(SetValue::Members(members))))
}

fn zset<R: Read>(input: &mut Input<R>, type_byte: u8, deep: bool) -> Result<Option<Value>, Fault> {
    let count = input.len()?;
    let mut members = Vec::with_capacity(capacity(count));
    for _ in 0..count {
        let member = input.string()?;
        let score =
            if type_byte == opcode::ZSET_2 { f64::from_le_bytes(input.array()?) } else { spelled_score(input)? };
        if score.is_nan() {
            return Err(Fault::Score);
        }
        members.push((member, score));
    }
    if deep {
        distinct(members.iter().map(|(member, _)| Cow::Borrowed(&member[..])))?;
    }
    Ok((!members.is_empty()).then_some(Value::ZSet(ZSetValue::Members(members))))
}

/// A score of the oldest form: a length byte and a decimal, or 253 NaN, 254 +inf, 255 -inf.
fn spelled_score<R: Read>(input: &mut Input<R>) -> Result<f64, Fault> {
    match input.byte()? {
        253 => Err(Fault::Score),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => {
            let mut text = [0; 252];
            for byte in &mut text[..usize::from(len)] {
                *byte = input.byte()?;
            }
            parse_score(&text[..usize::from(len)])
        }
    }
}

fn parse_score(text: &[u8]) -> Result<f64, Fault> {
    let score: f64 = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or(Fault::Score)?;
    if score.is_nan() { Err(Fault::Score) } else { Ok(score) }
}

/// Reads a hash whose fields have an expiry before the field or behind the value, or none.
fn hash<R: Read>(
    input: &mut Input<R>,
    deep: bool,
    before: impl Fn(&mut Input<R>) -> Result<Option<u64>, Fault>,
    behind: impl Fn(&mut Input<R>) -> Result<Option<u64>, Fault>,
) -> Result<Option<Value>, Fault> {
    let count = input.len()?;
    let mut fields = Vec::with_capacity(capacity(count));
    for _ in 0..count {
        let expire_before = before(input)?;
        let field = input.string()?;
        let value = input.string()?;
        let expire_ms = expire_before.or(behind(input)?);
        fields.push(HashField { field, value, expire_ms });
    }
    if deep {
        distinct(fields.iter().map(|field| Cow::Borrowed(&field.field[..])))?;
    }
    Ok((!fields.is_empty()).then_some(Value::Hash(HashValue::Fields(fields))))
}

/// The expiry `base + relative`; 0 is none.
fn expire_or_none(base: u64, relative: u64) -> Result<Option<u64>, Fault> {
    match base.checked_add(relative) {
        Some(0) => Ok(None),
        Some(expire_ms) if expire_ms <= FIELD_EXPIRE_MS_MAX => Ok(Some(expire_ms)),
        _ => Err(Fault::FieldExpire),
    }
}

fn valkey_expire<R: Read>(input: &mut Input<R>) -> Result<Option<u64>, Fault> {
    match input.i64_le()? {
        -1 => Ok(None),
        expire_ms => u64::try_from(expire_ms).map(Some).map_err(|_| Fault::FieldExpire),
    }
}

/// Checks that no member or field stands twice.
fn distinct<'a>(members: impl Iterator<Item = Cow<'a, [u8]>>) -> Result<(), Fault> {
    let mut seen = hashbrown::HashSet::with_capacity(members.size_hint().0);
    for member in members {
        if seen.contains(&member) {
            return Err(Fault::Duplicate(member.escape_ascii().to_string()));
        }
        seen.insert(member);
    }
    Ok(())
}

/// Checks that a compact collection has whole groups and, if asked, no group's first element twice.
fn groups(list: Listpack, group: usize, duplicates: bool) -> Result<Option<Listpack>, Fault> {
    let count = list.len();
    if !count.is_multiple_of(group) {
        return Err(Fault::Groups { count, group });
    }
    if duplicates {
        distinct(list.iter().step_by(group).map(|first| first.to_bytes()))?;
    }
    Ok((count > 0).then_some(list))
}

/// Checks the scores of member, score, …, and puts them in ascending order if they are not.
fn in_score_order(list: Listpack) -> Result<Listpack, Fault> {
    let mut ascending = true;
    let mut before: Option<(f64, Element<'_>)> = None;
    for (member, score) in list.view().pairs() {
        let score = match score {
            Element::Int(score) => score as f64,
            Element::Str(text) => parse_score(text)?,
        };
        if let Some((score_before, member_before)) = before {
            ascending &= score_before < score
                || (score_before == score && member_before.with_bytes(|a| member.with_bytes(|b| a < b)));
        }
        before = Some((score, member));
    }
    if ascending {
        return Ok(list);
    }
    let mut pairs: Vec<(f64, Vec<u8>, Element<'_>)> = Vec::with_capacity(list.len() / 2);
    for (member, score) in list.view().pairs() {
        let number = score.with_bytes(parse_score)?;
        pairs.push((number, member.to_bytes().into_owned(), score));
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let mut sorted = Listpack::with_capacity(list.as_bytes().len());
    for (_, member, score) in &pairs {
        sorted.append(member);
        sorted.append(*score);
    }
    Ok(sorted)
}

/// Checks the expiries of field, value, expiry, …, and puts the soonest first and those without one last.
fn in_expire_order(list: Listpack) -> Result<Listpack, Fault> {
    let key = |expire: Element<'_>| match expire {
        Element::Int(0) => Ok(u64::MAX),
        Element::Int(expire_ms @ 1..) if expire_ms as u64 <= FIELD_EXPIRE_MS_MAX => Ok(expire_ms as u64),
        _ => Err(Fault::FieldExpire),
    };
    let mut expires = Vec::with_capacity(list.len() / 3);
    for expire in list.iter().skip(2).step_by(3) {
        expires.push(key(expire)?);
    }
    if expires.is_sorted() {
        return Ok(list);
    }
    let view: ListpackRef<'_> = list.view();
    let mut triples = Vec::with_capacity(expires.len());
    let mut elements = view.iter();
    while let (Some(field), Some(value), Some(expire)) = (elements.next(), elements.next(), elements.next()) {
        triples.push((key(expire)?, field, value, expire));
    }
    triples.sort_by_key(|triple: &(u64, _, _, _)| triple.0);
    let mut sorted = Listpack::with_capacity(list.as_bytes().len());
    for (_, field, value, expire) in triples {
        sorted.append(field);
        sorted.append(value);
        sorted.append(expire);
    }
    Ok(sorted)
}

/// The nine characters in the upper 54 bits of a module type's number.
pub(super) fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|place| char::from(LETTERS[(id >> (10 + 6 * place)) as usize & 63])).collect()
}
