//! The reply of COMMAND DOCS.

use super::reply::{Implemented, existing, existing_by_name, names};
use super::{Arg, COMMANDS, CommandSpec};
use crate::resp::{Args, Reply};

/// COMMAND DOCS: a map from name to documentation, for the commands of these names, leaving out those that do not exist;
/// without names, for all commands.
pub fn docs(wanted: Args, reply: &mut Reply, implemented: Implemented) {
    let start = reply.deferred_array();
    let mut count = 0;
    let mut one = |spec: &'static CommandSpec| {
        count += 1;
        reply.bulk(spec.name.as_bytes());
        document(spec, reply, implemented);
    };
    if wanted.is_empty() {
        existing(&COMMANDS, implemented).for_each(&mut one);
    } else {
        wanted.iter().filter_map(|name| existing_by_name(name, implemented)).for_each(&mut one);
    }
    reply.finish_map(start, count);
}

/// Writes the pairs of a map whose length shows at the end.
struct Pairs<'r, 'b> {
    reply: &'r mut Reply<'b>,
    start: usize,
    count: usize,
}

impl<'r, 'b> Pairs<'r, 'b> {
    fn new(reply: &'r mut Reply<'b>) -> Self {
        let start = reply.deferred_array();
        Pairs { reply, start, count: 0 }
    }

    fn name(&mut self, name: &str) -> &mut Reply<'b> {
        self.count += 1;
        self.reply.bulk(name.as_bytes());
        self.reply
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name).bulk(value.as_bytes());
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn finish(self) {
        self.reply.finish_map(self.start, self.count);
    }
}

fn document(spec: &CommandSpec, reply: &mut Reply, implemented: Implemented) {
    let mut pairs = Pairs::new(reply);
    pairs.text("summary", spec.summary);
    pairs.text("since", spec.since);
    pairs.text("group", spec.group.name());
    pairs.text("complexity", spec.complexity);
    if spec.doc_flags.names().next().is_some() {
        names(pairs.name("doc_flags"), spec.doc_flags.names());
    }
    pairs.optional("deprecated_since", spec.deprecated_since);
    pairs.optional("replaced_by", spec.replaced_by);
    if !spec.history.is_empty() {
        let reply = pairs.name("history");
        reply.set(spec.history.len());
        for (version, change) in spec.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    if !spec.args.is_empty() {
        arguments(spec.args, pairs.name("arguments"));
    }
    if existing(spec.subcommands, implemented).next().is_some() {
        let reply = pairs.name("subcommands");
        reply.map(existing(spec.subcommands, implemented).count());
        for sub in existing(spec.subcommands, implemented) {
            reply.bulk(sub.name.as_bytes());
            document(sub, reply, implemented);
        }
    }
    pairs.finish();
}

fn arguments(args: &[Arg], reply: &mut Reply) {
    reply.array(args.len());
    args.iter().for_each(|arg| argument(arg, reply));
}

fn argument(arg: &Arg, reply: &mut Reply) {
    let mut pairs = Pairs::new(reply);
    pairs.text("name", arg.name);
    pairs.text("type", arg.kind.name());
    pairs.optional("display_text", arg.display());
    if let Some(index) = arg.key_spec {
        pairs.name("key_spec_index").int(i64::from(index));
    }
    pairs.optional("token", arg.token);
    pairs.optional("since", arg.since);
    pairs.optional("deprecated_since", arg.deprecated_since);
    if arg.flags.names().next().is_some() {
        names(pairs.name("flags"), arg.flags.names());
    }
    if !arg.nested.is_empty() {
        arguments(arg.nested, pairs.name("arguments"));
    }
    pairs.finish();
}
