//! The arguments of SORT and SORT_RO behind the key.

use super::pattern::Pattern;
use crate::command::errors;
use crate::keyspace::parse_canonical_i64;
use crate::resp::Args;

/// What is wanted.
#[derive(Default)]
pub struct Options<'a> {
    /// What the elements are sorted by; `None`: by themselves.
    pub by: Option<Pattern<'a>>,
    /// What is shown of each element; nothing here: the element.
    pub gets: Vec<Pattern<'a>>,
    /// The first element shown, and how many; negative: from the first, all.
    pub limit: Option<(i64, i64)>,
    /// Largest first.
    pub descending: bool,
    /// Compared as text, not as numbers.
    pub alpha: bool,
    /// Where the result goes instead of to the client.
    pub store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Understands the whole request. STORE is no option of SORT_RO.
    pub fn parse(args: Args<'a>) -> Result<Options<'a>, &'static str> {
        let may_store = args.is(0, "SORT");
        let mut options = Options::default();
        let mut at = 2;
        while at < args.len() {
            let next = args.get(at + 1);
            match next {
                _ if args.is(at, "ASC") => options.descending = false,
                _ if args.is(at, "DESC") => options.descending = true,
                _ if args.is(at, "ALPHA") => options.alpha = true,
                Some(first) if args.is(at, "LIMIT") && at + 2 < args.len() => {
                    let number = |word| parse_canonical_i64(word).ok_or(errors::NOT_AN_INTEGER);
                    options.limit = Some((number(first)?, number(args.at(at + 2))?));
                    at += 2;
                }
                Some(target) if may_store && args.is(at, "STORE") => {
                    options.store = Some(target);
                    at += 1;
                }
                Some(pattern) if args.is(at, "BY") => {
                    options.by = Some(Pattern::new(pattern));
                    at += 1;
                }
                Some(pattern) if args.is(at, "GET") => {
                    options.gets.push(Pattern::new(pattern));
                    at += 1;
                }
                _ => return Err(errors::SYNTAX),
            }
            at += 1;
        }
        Ok(options)
    }

    /// Whether the elements stay in the order they are kept in: BY a pattern that names no key of theirs.
    pub fn keeps_order(&self) -> bool {
        self.by.as_ref().is_some_and(|by| !by.has_place())
    }

    /// Whether keys are read that the request does not name.
    pub fn reaches(&self) -> bool {
        self.by.iter().chain(&self.gets).any(Pattern::names_keys)
    }

    /// The part of `len` elements that is shown.
    pub fn window(&self, len: usize) -> std::ops::Range<usize> {
        let (start, count) = self.limit.unwrap_or((0, -1));
        let start = (start.max(0) as u64).min(len as u64) as usize;
        let end = if count < 0 { len } else { start.saturating_add(count as usize).min(len) };
        start..end
    }
}
