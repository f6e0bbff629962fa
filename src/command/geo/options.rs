//! What a search is told.

use super::arguments;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::command::zset::value;
use crate::object::geo::{Position, Shape, Unit, decode};
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// Which command asks: they share most options.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// GEORADIUS and GEORADIUSBYMEMBER, which may store.
    Radius,
    /// The same, ending in `_RO`.
    RadiusReadOnly,
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

/// In which order results come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The nearest first.
    Ascending,
    /// The farthest first.
    Descending,
}

/// A search's options.
#[derive(Default)]
pub struct Options<'a> {
    /// Where to search from. None if it is a member's position and the key is not there.
    pub center: Option<Position>,
    /// The outline with its unit.
    pub shape: Option<(Shape, Unit)>,
    /// `WITHDIST`
    pub with_distance: bool,
    /// `WITHHASH`
    pub with_hash: bool,
    /// `WITHCOORD`
    pub with_position: bool,
    /// `COUNT`; 0 for all.
    pub count: usize,
    /// `ANY`: whichever are found first.
    pub any: bool,
    /// `ASC` or `DESC`.
    pub order: Option<Order>,
    /// The key to store the result under.
    pub target: Option<&'a [u8]>,
    /// Distances are stored, not positions.
    pub store_distance: bool,
    /// `FROMMEMBER` was given.
    pub from_member: bool,
    /// `FROMLONLAT` was given.
    pub from_position: bool,
}

impl<'a> Options<'a> {
    /// Understands the words behind the fixed arguments. `found` is the key that is searched.
    pub fn parse(
        &mut self,
        cx: &mut Cx<'_>,
        words: Args<'a>,
        form: Form,
        command: &[u8],
        found: Option<Found>,
    ) -> Result<(), Refused> {
        let mut at = 0;
        while at < words.len() {
            at += match self.common(cx, words.tail(at), form)? {
                0 => self.searching(cx, words.tail(at), form, found)?,
                taken => taken,
            };
        }
        if self.target.is_some() && (self.with_distance || self.with_hash || self.with_position) {
            let what = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return refuse(cx, format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"));
        }
        if matches!(form, Form::Search | Form::SearchStore) {
            if !self.from_member && !self.from_position {
                let text = &b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for "[..];
                return refuse(cx, [text, command].concat());
            }
            if self.shape.is_none() {
                let text = &b"ERR exactly one of BYRADIUS and BYBOX can be specified for "[..];
                return refuse(cx, [text, command].concat());
            }
        }
        if self.any && self.count == 0 {
            return refuse(cx, "ERR the ANY argument requires COUNT argument");
        }
        if self.count > 0 && !self.any && self.order.is_none() {
            // The nearest ones are meant, as any others would make no sense.
            self.order = Some(Order::Ascending);
        }
        Ok(())
    }

    /// Understands an option that all searches have; says how many words it takes, 0 if `words` begin with none.
    fn common(&mut self, cx: &mut Cx<'_>, words: Args<'a>, form: Form) -> Result<usize, Refused> {
        let value = words.get(1);
        if words.is(0, "WITHDIST") {
            self.with_distance = true;
        } else if words.is(0, "WITHHASH") {
            self.with_hash = true;
        } else if words.is(0, "WITHCOORD") {
            self.with_position = true;
        } else if words.is(0, "ANY") {
            self.any = true;
        } else if words.is(0, "ASC") {
            self.order = Some(Order::Ascending);
        } else if words.is(0, "DESC") {
            self.order = Some(Order::Descending);
        } else if words.is(0, "COUNT")
            && let Some(count) = value
        {
            self.count = match integer(cx, count)? {
                count @ 1.. => count as usize,
                _ => return refuse(cx, "ERR COUNT must be > 0"),
            };
            return Ok(2);
        } else if form == Form::Radius && value.is_some() && (words.is(0, "STORE") || words.is(0, "STOREDIST")) {
            self.target = value;
            self.store_distance = words.is(0, "STOREDIST");
            return Ok(2);
        } else if form == Form::SearchStore && words.is(0, "STOREDIST") {
            self.store_distance = true;
        } else {
            return Ok(0);
        }
        Ok(1)
    }

    /// Understands an option that only GEOSEARCH and GEOSEARCHSTORE have and says how many words it takes.
    fn searching(
        &mut self,
        cx: &mut Cx<'_>,
        words: Args<'a>,
        form: Form,
        found: Option<Found>,
    ) -> Result<usize, Refused> {
        if matches!(form, Form::Radius | Form::RadiusReadOnly) {
            return refuse(cx, errors::SYNTAX);
        }
        let is_circle = matches!(self.shape, Some((Shape::Circle { .. }, _)));
        let is_box = matches!(self.shape, Some((Shape::Box { .. }, _)));
        if words.is(0, "FROMMEMBER") && words.len() > 1 && !self.from_position {
            self.center = member_position(cx, found, words.at(1))?;
            self.from_member = true;
            Ok(2)
        } else if words.is(0, "FROMLONLAT") && words.len() > 2 && !self.from_member {
            self.center = Some(arguments::position(cx, words.at(1), words.at(2))?);
            self.from_position = true;
            Ok(3)
        } else if words.is(0, "BYRADIUS") && words.len() > 2 && !is_box {
            self.shape = Some(arguments::circle(cx, words.at(1), words.at(2))?);
            Ok(3)
        } else if words.is(0, "BYBOX") && words.len() > 3 && !is_circle {
            self.shape = Some(arguments::rectangle(cx, words.at(1), words.at(2), words.at(3))?);
            Ok(4)
        } else {
            refuse(cx, errors::SYNTAX)
        }
    }
}

/// Demands that a member be there, and gives its position. Nothing is known if the key itself is not there.
pub fn member_position(cx: &mut Cx<'_>, found: Option<Found>, member: &[u8]) -> Result<Option<Position>, Refused> {
    let Some(found) = found else { return Ok(None) };
    match value::of(cx.value(found)).score(member) {
        Some(score) => Ok(Some(decode(score))),
        None => refuse(cx, "ERR could not decode requested zset member"),
    }
}
