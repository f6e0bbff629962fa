//! Several sorted sets made one: ZUNION, ZINTER, ZDIFF, the commands that store the result, and ZINTERCARD.

use super::source::{self, Source};
use super::{score, value};
use crate::command::errors;
use crate::command::expect::{Refused, integer, integer_or, refuse};
use crate::object::ZSet;
use crate::object::zset::ZSetLimits;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// What is made of the sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    Reply,
    Store,
    Count,
}

/// `ZUNION numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub fn zunion(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = reply(cx, args, Operation::Union, "zunion");
}

/// `ZINTER numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub fn zinter(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = reply(cx, args, Operation::Intersection, "zinter");
}

/// `ZDIFF numkeys key [key …] [WITHSCORES]`
pub fn zdiff(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = reply(cx, args, Operation::Difference, "zdiff");
}

/// `ZUNIONSTORE target numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub fn zunionstore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = store(cx, args, Operation::Union, "zunionstore");
}

/// `ZINTERSTORE target numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub fn zinterstore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = store(cx, args, Operation::Intersection, "zinterstore");
}

/// `ZDIFFSTORE target numkeys key [key …]`
pub fn zdiffstore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = store(cx, args, Operation::Difference, "zdiffstore");
}

/// `ZINTERCARD numkeys key [key …] [LIMIT limit]`
pub fn zintercard(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(request) = Request::parse(cx, args.tail(1), Operation::Intersection, Aim::Count, "zintercard") else {
        return;
    };
    let sources = request.sources(cx);
    let mut count = 0u64;
    intersect(&sources, request.aggregate, |_, _| {
        count += 1;
        request.limit == 0 || count < request.limit
    });
    cx.reply.int(count as i64);
}

fn reply(cx: &mut Cx<'_>, args: Args<'_>, operation: Operation, command: &str) -> Result<(), Refused> {
    let request = Request::parse(cx, args.tail(1), operation, Aim::Reply, command)?;
    let result = request.run(cx);
    value::reply_members(&mut cx.reply, result.iter(), request.with_scores);
    Ok(())
}

fn store(cx: &mut Cx<'_>, args: Args<'_>, operation: Operation, command: &'static str) -> Result<(), Refused> {
    let request = Request::parse(cx, args.tail(2), operation, Aim::Store, command)?;
    let result = request.run(cx);
    value::store(cx, args.at(1), result, command);
    Ok(())
}

/// How the scores of one member become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn join(self, one: f64, other: f64) -> f64 {
        match self {
            // Infinities of both signs make 0.
            Aggregate::Sum => not_nan(one + other),
            // What is no number (0 times an infinity) is passed over, as Redis's comparisons do.
            Aggregate::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Aggregate::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A request, understood.
struct Request {
    operation: Operation,
    found: Vec<Option<Found>>,
    /// One per key.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// ZINTERCARD counts no further; 0 for no limit.
    limit: u64,
}

impl Request {
    /// Understands `numkeys key [key …] …` and finds the keys.
    fn parse(
        cx: &mut Cx<'_>,
        words: Args<'_>,
        operation: Operation,
        aim: Aim,
        command: &str,
    ) -> Result<Request, Refused> {
        let keys = match integer(cx, words.at(0))? {
            keys @ 1.. => keys as usize,
            _ => return refuse(cx, format!("ERR at least 1 input key is needed for '{command}' command")),
        };
        if keys > words.len() - 1 {
            return refuse(cx, errors::SYNTAX);
        }
        let names = Args::new(words.buffer(), &words.spans()[1..=keys]);
        let mut request = Request {
            operation,
            found: source::find(cx, names, aim == Aim::Store)?,
            weights: vec![1.0; keys],
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        let options = words.tail(1 + keys);
        let mut at = 0;
        while at < options.len() {
            at += request.option(cx, options.tail(at), aim)?;
        }
        Ok(request)
    }

    /// Understands the option that `words` begin with and says how many words it takes.
    fn option(&mut self, cx: &mut Cx<'_>, words: Args<'_>, aim: Aim) -> Result<usize, Refused> {
        const NEGATIVE: &str = "ERR LIMIT can't be negative";
        let weighs = self.operation != Operation::Difference && aim != Aim::Count;
        if weighs && words.len() > self.weights.len() && words.is(0, "WEIGHTS") {
            for (index, weight) in self.weights.iter_mut().enumerate() {
                *weight = score::demand_or(cx, words.at(index + 1), "ERR weight value is not a float")?;
            }
            return Ok(1 + self.weights.len());
        }
        if weighs && words.len() > 1 && words.is(0, "AGGREGATE") {
            self.aggregate = match words {
                _ if words.is(1, "SUM") => Aggregate::Sum,
                _ if words.is(1, "MIN") => Aggregate::Min,
                _ if words.is(1, "MAX") => Aggregate::Max,
                _ => return refuse(cx, errors::SYNTAX),
            };
            return Ok(2);
        }
        if aim == Aim::Reply && words.is(0, "WITHSCORES") {
            self.with_scores = true;
            return Ok(1);
        }
        if aim == Aim::Count && words.len() > 1 && words.is(0, "LIMIT") {
            self.limit = match integer_or(cx, words.at(1), NEGATIVE)? {
                limit @ 0.. => limit as u64,
                _ => return refuse(cx, NEGATIVE),
            };
            return Ok(2);
        }
        refuse(cx, errors::SYNTAX)
    }

    /// The keys' values with their weights, the smallest first unless their order matters. Sums of floats depend on it.
    fn sources<'a>(&self, cx: &'a Cx<'_>) -> Vec<(Source<'a>, f64)> {
        let values = self.found.iter().map(|found| Source::of(found.map(|found| cx.value(found))));
        let mut sources: Vec<_> = values.zip(self.weights.iter().copied()).collect();
        if self.operation != Operation::Difference {
            sources.sort_by_key(|(source, _)| source.len());
        }
        sources
    }

    fn run(&self, cx: &Cx<'_>) -> ZSet {
        let sources = self.sources(cx);
        let limits = value::limits(cx);
        match self.operation {
            Operation::Union => unite(&sources, self.aggregate, limits),
            Operation::Intersection => {
                let mut result = ZSet::new();
                intersect(&sources, self.aggregate, |member, score| {
                    result.insert(member, score, limits);
                    true
                });
                result
            }
            Operation::Difference => subtract(&sources, limits),
        }
    }
}

fn unite(sources: &[(Source<'_>, f64)], aggregate: Aggregate, limits: ZSetLimits) -> ZSet {
    let expected = sources.last().map_or(0, |(source, _)| source.len());
    let mut result = ZSet::for_size(expected, 0, limits);
    for &(source, weight) in sources {
        for (member, score) in source.iter() {
            let score = not_nan(score * weight);
            member.with_bytes(|member| {
                let score = result.score(member).map_or(score, |other| aggregate.join(other, score));
                result.insert(member, score, limits);
            });
        }
    }
    result
}

/// Shows the members that all have to `visit` until that says no.
fn intersect(sources: &[(Source<'_>, f64)], aggregate: Aggregate, mut visit: impl FnMut(&[u8], f64) -> bool) {
    let Some((&(first, weight), others)) = sources.split_first() else { return };
    for (member, score) in first.iter() {
        let go_on = member.with_bytes(|member| {
            let joined = others.iter().try_fold(not_nan(score * weight), |joined, (source, weight)| {
                Some(aggregate.join(joined, source.score(member)? * weight))
            });
            joined.is_none_or(|score| visit(member, score))
        });
        if !go_on {
            return;
        }
    }
}

fn subtract(sources: &[(Source<'_>, f64)], limits: ZSetLimits) -> ZSet {
    let mut result = ZSet::new();
    let Some(((first, _), others)) = sources.split_first() else { return result };
    for (member, score) in first.iter() {
        member.with_bytes(|member| {
            if !others.iter().any(|(source, _)| source.score(member).is_some()) {
                result.insert(member, score, limits);
            }
        });
    }
    result
}
