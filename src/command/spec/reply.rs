//! The replies of COMMAND and its subcommands, and of every container's HELP.
//!
//! All functions write exactly one reply. `implemented` restricts them to the commands that this server has: it is asked
//! about commands and subcommands, and a container counts as itself.

use super::keys::{KeysError, for_each_key};
use super::{
    AclCategories, BeginSearch, COMMANDS, CommandSpec, FindKeys, KeySpec, LookupError, find_path, glob, resolve,
};
use crate::resp::{Args, Reply};

pub use super::docs::docs;

/// Which commands exist here.
pub type Implemented<'a> = &'a dyn Fn(&CommandSpec) -> bool;

/// The commands and subcommands that exist here, in the table's order.
pub(super) fn existing<'a>(
    specs: &'static [CommandSpec],
    implemented: Implemented<'a>,
) -> impl Iterator<Item = &'static CommandSpec> + Clone + 'a {
    specs.iter().filter(move |spec| implemented(spec))
}

/// The command or, as `config|get`, subcommand of that name if it exists here.
pub(super) fn existing_by_name(name: &[u8], implemented: Implemented) -> Option<&'static CommandSpec> {
    find_path(name).filter(|spec| spec.container.is_none_or(|c| implemented(c.spec())) && implemented(spec))
}

/// Answers COMMAND or one of its subcommands. `args` is the whole request, whose arity has been checked; a subcommand that
/// does not exist has been refused before (see [`resolve`]).
pub fn command(args: Args, reply: &mut Reply, implemented: Implemented) {
    let Some(name) = args.get(1) else { return all(reply, implemented) };
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    if is("COUNT") {
        count(reply, implemented);
    } else if is("INFO") {
        info(args.tail(2), reply, implemented);
    } else if is("DOCS") {
        docs(args.tail(2), reply, implemented);
    } else if is("LIST") {
        list(args.tail(2), reply, implemented);
    } else if is("GETKEYS") {
        get_keys(args.tail(2), false, reply, implemented);
    } else if is("GETKEYSANDFLAGS") {
        get_keys(args.tail(2), true, reply, implemented);
    } else if is("HELP") {
        help(args.at(0), reply);
    } else {
        reply.error(LookupError::UnknownSubcommand.text(args));
    }
}

/// COMMAND: every command as by COMMAND INFO.
pub fn all(reply: &mut Reply, implemented: Implemented) {
    reply.array(existing(&COMMANDS, implemented).count());
    existing(&COMMANDS, implemented).for_each(|spec| describe(spec, reply, implemented));
}

/// COMMAND COUNT: how many top-level commands there are.
pub fn count(reply: &mut Reply, implemented: Implemented) {
    reply.int(existing(&COMMANDS, implemented).count() as i64);
}

/// COMMAND INFO: the commands of these names, null for each that does not exist; without names, all commands.
pub fn info(names: Args, reply: &mut Reply, implemented: Implemented) {
    if names.is_empty() {
        return all(reply, implemented);
    }
    reply.array(names.len());
    for name in names.iter() {
        match existing_by_name(name, implemented) {
            Some(spec) => describe(spec, reply, implemented),
            None => reply.null(),
        }
    }
}

/// COMMAND LIST: the names of all commands and subcommands, or of those that the filter in `options` selects.
pub fn list(options: Args, reply: &mut Reply, implemented: Implemented) {
    let filter = match options.len() {
        0 => Filter::None,
        3 if options.is(0, "FILTERBY") && options.is(1, "MODULE") => Filter::Nothing,
        3 if options.is(0, "FILTERBY") && options.is(1, "ACLCAT") => match AclCategories::by_name(options.at(2)) {
            Some(category) => Filter::Category(category),
            None => Filter::Nothing,
        },
        3 if options.is(0, "FILTERBY") && options.is(1, "PATTERN") => Filter::Pattern(options.at(2)),
        _ => return reply.error("ERR syntax error"),
    };
    let start = reply.deferred_array();
    let mut count = 0;
    for command in existing(&COMMANDS, implemented) {
        let family = std::iter::once(command).chain(existing(command.subcommands, implemented));
        for spec in family.filter(|spec| filter.selects(spec)) {
            reply.bulk(spec.name.as_bytes());
            count += 1;
        }
    }
    reply.finish_array(start, count);
}

enum Filter<'a> {
    None,
    /// No command at all: there are no modules, and no commands in a category that does not exist.
    Nothing,
    Category(AclCategories),
    Pattern(&'a [u8]),
}

impl Filter<'_> {
    fn selects(&self, spec: &CommandSpec) -> bool {
        match *self {
            Filter::None => true,
            Filter::Nothing => false,
            Filter::Category(category) => spec.categories.any(category),
            Filter::Pattern(pattern) => glob::command_name_matches(pattern, spec.name.as_bytes()),
        }
    }
}

/// COMMAND GETKEYS or, with `flags`, GETKEYSANDFLAGS: the keys in the request `request`.
pub fn get_keys(request: Args, flags: bool, reply: &mut Reply, implemented: Implemented) {
    let spec = match known(request, implemented) {
        Ok(spec) => spec,
        Err(text) => return reply.error(text),
    };
    let start = reply.deferred_array();
    let result = for_each_key(spec, request, |at, key_flags| {
        if flags {
            reply.array(2);
        }
        reply.bulk(request.at(at));
        if flags {
            names(reply, key_flags.names());
        }
    });
    match result {
        Ok(count) => reply.finish_array(start, count),
        Err(KeysError) => {
            reply.truncate(start);
            reply.error(format!("ERR {KeysError}"));
        }
    }
}

/// The command that `request` is for, if it exists here, has keys and suits the arity; else the error.
fn known(request: Args, implemented: Implemented) -> Result<&'static CommandSpec, &'static str> {
    let spec = match resolve(request) {
        Ok(spec) => Some(spec),
        Err(LookupError::Arity(name)) => find_path(name.as_bytes()),
        Err(_) => None,
    };
    let spec = spec.and_then(|spec| existing_by_name(spec.name.as_bytes(), implemented));
    let spec = spec.ok_or("ERR Invalid command specified")?;
    if !spec.has_keys() {
        return Err("ERR The command has no key arguments");
    }
    if !spec.accepts(request.len()) {
        return Err("ERR Invalid number of arguments specified for command");
    }
    Ok(spec)
}

/// The HELP of a container, for which `name` is what the client called it.
pub fn help(name: &[u8], reply: &mut Reply) {
    let Some(spec) = super::find(name) else { return reply.array(0) };
    let title = String::from_utf8_lossy(name).to_ascii_uppercase();
    reply.array(spec.help.len() + 3);
    reply.simple(&format!("{title} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    spec.help.iter().for_each(|line| reply.simple(line));
    reply.simple("HELP");
    reply.simple("    Show these lines.");
}

/// One command in the form of COMMAND INFO.
fn describe(spec: &CommandSpec, reply: &mut Reply, implemented: Implemented) {
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.int(i64::from(spec.arity));
    names(reply, spec.flags.names());
    reply.int(i64::from(spec.key_range.first));
    reply.int(i64::from(spec.key_range.last));
    reply.int(i64::from(spec.key_range.step));
    reply.set(spec.categories.names().count());
    for name in spec.categories.names() {
        reply.simple(&format!("@{name}"));
    }
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|key_spec| describe_keys(key_spec, reply));
    reply.set(existing(spec.subcommands, implemented).count());
    existing(spec.subcommands, implemented).for_each(|sub| describe(sub, reply, implemented));
}

fn describe_keys(spec: &KeySpec, reply: &mut Reply) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    names(reply, spec.flags.names());
    reply.bulk(b"begin_search");
    match spec.begin {
        BeginSearch::Index(index) => step(reply, "index", &[("index", index)]),
        BeginSearch::Keyword { keyword, start_from } => {
            kind(reply, "keyword");
            reply.map(2);
            reply.bulk(b"keyword");
            reply.bulk(keyword.as_bytes());
            reply.bulk(b"startfrom");
            reply.int(i64::from(start_from));
        }
        BeginSearch::Unknown => step(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        FindKeys::Range { last, step: by, limit } => {
            step(reply, "range", &[("lastkey", last), ("keystep", by), ("limit", limit)]);
        }
        FindKeys::KeyNum { num, first, step: by } => {
            step(reply, "keynum", &[("keynumidx", num), ("firstkey", first), ("keystep", by)]);
        }
        FindKeys::Unknown => step(reply, "unknown", &[]),
    }
}

/// One half of a key specification: its kind and its numbers.
fn step(reply: &mut Reply, name: &str, numbers: &[(&str, i16)]) {
    kind(reply, name);
    reply.map(numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.int(i64::from(*number));
    }
}

fn kind(reply: &mut Reply, name: &str) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(name.as_bytes());
    reply.bulk(b"spec");
}

/// A set of simple strings.
pub(super) fn names(reply: &mut Reply, names: impl Iterator<Item = &'static str> + Clone) {
    reply.set(names.clone().count());
    names.for_each(|name| reply.simple(name));
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
