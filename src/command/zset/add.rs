//! ZADD and ZINCRBY.

use super::{score, value};
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::config::events;
use crate::object::ZSet;
use crate::object::zset::{Upsert, ZSetLimits};
use crate::resp::Args;
use crate::shard::Cx;

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member …]`
pub fn zadd(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_zadd(cx, args);
}

#[inline]
fn try_zadd(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (rules, at) = Rules::parse(args);
    let pairs = args.tail(at);
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return refuse(cx, errors::SYNTAX);
    }
    if rules.missing && rules.exists {
        return refuse(cx, "ERR XX and NX options at the same time are not compatible");
    }
    if rules.missing && (rules.greater || rules.less) || rules.greater && rules.less {
        return refuse(cx, "ERR GT, LT, and/or NX options at the same time are not compatible");
    }
    if rules.increment && pairs.len() > 2 {
        return refuse(cx, "ERR INCR option supports a single increment-element pair");
    }
    let done = add(cx, args.at(1), pairs, rules)?;
    if !rules.increment {
        cx.reply.int(done.shown(rules) as i64);
        return Ok(());
    }
    match done.score {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
    Ok(())
}

/// `ZINCRBY key increment member`
pub fn zincrby(cx: &mut Cx<'_>, args: Args<'_>) {
    let rules = Rules { increment: true, ..Rules::default() };
    let Ok(done) = add(cx, args.at(1), args.tail(2), rules) else { return };
    if let Some(score) = done.score {
        cx.reply.double(score);
    }
}

/// What ZADD's flags say.
#[derive(Clone, Copy, Default)]
pub struct Rules {
    /// `NX`: only members that are not there.
    pub missing: bool,
    /// `XX`: only members that are.
    pub exists: bool,
    /// `GT`: scores only rise.
    pub greater: bool,
    /// `LT`: scores only fall.
    pub less: bool,
    /// `CH`: the reply counts changed scores as well.
    pub count_changed: bool,
    /// `INCR`: the number is added to the score.
    pub increment: bool,
}

impl Rules {
    /// The flags, and where the pairs begin.
    #[inline]
    fn parse(args: Args<'_>) -> (Rules, usize) {
        let (mut rules, mut at) = (Rules::default(), 2);
        while at < args.len() {
            let flag = match args {
                _ if args.is(at, "NX") => &mut rules.missing,
                _ if args.is(at, "XX") => &mut rules.exists,
                _ if args.is(at, "GT") => &mut rules.greater,
                _ if args.is(at, "LT") => &mut rules.less,
                _ if args.is(at, "CH") => &mut rules.count_changed,
                _ if args.is(at, "INCR") => &mut rules.increment,
                _ => break,
            };
            *flag = true;
            at += 1;
        }
        (rules, at)
    }

    /// Whether the score is set whatever was there.
    #[inline]
    fn are_plain(self) -> bool {
        !(self.missing || self.exists || self.greater || self.less || self.increment)
    }

    /// The score that a member gets, `None` if it is left alone. NaN if infinities were added.
    #[inline]
    fn decide(self, old: Option<f64>, number: f64) -> Option<f64> {
        let Some(old) = old else { return (!self.exists).then_some(number) };
        if self.missing {
            return None;
        }
        let score = if self.increment { old + number } else { number };
        let refused = self.less && score >= old || self.greater && score <= old;
        (!refused).then_some(score)
    }
}

/// What became of the pairs.
#[derive(Default)]
pub struct Done {
    added: usize,
    updated: usize,
    /// The last member's score, unless the rules left it alone.
    score: Option<f64>,
}

impl Done {
    /// What the reply counts.
    #[inline]
    pub fn shown(&self, rules: Rules) -> usize {
        if rules.count_changed { self.added + self.updated } else { self.added }
    }

    #[inline]
    fn count(&mut self, upsert: Upsert) {
        match upsert {
            Upsert::Added => self.added += 1,
            Upsert::Updated => self.updated += 1,
            Upsert::Unchanged => {}
        }
    }
}

/// Adds pairs of score and member, with event and effect; the effect is the request.
#[inline]
pub fn add(cx: &mut Cx<'_>, key: &[u8], pairs: Args<'_>, rules: Rules) -> Result<Done, Refused> {
    // All numbers are read before anything changes. One needs no allocation.
    let (mut one, mut many) = ([0.0], Vec::new());
    let numbers = if pairs.len() == 2 {
        one[0] = score::demand(cx, pairs.at(0))?;
        &one[..]
    } else {
        for at in (0..pairs.len()).step_by(2) {
            many.push(score::demand(cx, pairs.at(at))?);
        }
        &many[..]
    };
    let member = |index: usize| pairs.at(2 * index + 1);
    let limits = value::limits(cx);
    let mut done = Done::default();
    match value::to_write(cx, key)? {
        None if rules.exists => return Ok(done),
        None => {
            let longest = (0..numbers.len()).map(|index| member(index).len()).max().unwrap_or(0);
            let mut zset = ZSet::for_size(numbers.len(), longest, limits);
            apply(&mut done, &mut zset, numbers, 0, member, rules, limits);
            value::put(cx, key, None, zset);
        }
        Some(found) => {
            let zset = value::of(cx.value(found));
            let mut first = 0;
            // Nothing is touched, and nothing logged, if all is as it should be already.
            let changes = loop {
                if first == numbers.len() {
                    break false;
                }
                let old = zset.score(member(first));
                match rules.decide(old, numbers[first]) {
                    Some(score) if score.is_nan() => {
                        return refuse(cx, "ERR resulting score is not a number (NaN)");
                    }
                    Some(score) if old != Some(score) => break true,
                    decided => done.score = decided,
                }
                first += 1;
            };
            if !changes {
                return Ok(done);
            }
            let mut object = cx.object_mut(key, found);
            apply(&mut done, value::of_mut(&mut object), numbers, first, member, rules, limits);
        }
    }
    cx.notify(events::ZSET, if rules.increment { "zincr" } else { "zadd" }, key);
    cx.effect_verbatim();
    Ok(done)
}

/// Adds the pairs from `first` on.
#[inline]
fn apply<'a>(
    done: &mut Done,
    zset: &mut ZSet,
    numbers: &[f64],
    first: usize,
    member: impl Fn(usize) -> &'a [u8],
    rules: Rules,
    limits: ZSetLimits,
) {
    for (index, &number) in numbers.iter().enumerate().skip(first) {
        let member = member(index);
        let score = match rules.are_plain() {
            true => Some(number),
            false => rules.decide(zset.score(member), number),
        };
        if let Some(score) = score {
            done.count(zset.insert(member, score, limits));
        }
        done.score = score;
    }
}
