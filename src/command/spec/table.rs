//! The whole table: every group's rows in one array, numbered at compile time.

use super::command::{CommandId, CommandSpec, Group};
use super::groups;

const GROUPS: &[(Group, &[CommandSpec])] = &[
    (Group::String, groups::string::COMMANDS),
    (Group::Hash, groups::hash::COMMANDS),
    (Group::List, groups::list::COMMANDS),
    (Group::Set, groups::set::COMMANDS),
    (Group::SortedSet, groups::sorted_set::COMMANDS),
    (Group::SortedSet, groups::sorted_set_ranges::COMMANDS),
    (Group::Stream, groups::stream::COMMANDS),
    (Group::Bitmap, groups::bitmap::COMMANDS),
    (Group::HyperLogLog, groups::hyperloglog::COMMANDS),
    (Group::Geo, groups::geo::COMMANDS),
    (Group::Generic, groups::generic::COMMANDS),
    (Group::Transactions, groups::transactions::COMMANDS),
    (Group::Scripting, groups::scripting::COMMANDS),
    (Group::PubSub, groups::pubsub::COMMANDS),
    (Group::Connection, groups::connection::COMMANDS),
    (Group::Server, groups::server::COMMANDS),
    (Group::Cluster, groups::cluster::COMMANDS),
];

/// Numbers of top-level commands and of subcommands.
const COUNTS: (usize, usize) = {
    let (mut commands, mut subcommands) = (0, 0);
    let mut group = 0;
    while group < GROUPS.len() {
        let rows = GROUPS[group].1;
        commands += rows.len();
        let mut row = 0;
        while row < rows.len() {
            subcommands += rows[row].subcommands.len();
            row += 1;
        }
        group += 1;
    }
    (commands, subcommands)
};

/// How many commands and subcommands there are; every [`CommandId`] is below.
pub const TOTAL: usize = COUNTS.0 + COUNTS.1;

/// Every top-level command, at its [`CommandId`].
pub static COMMANDS: [CommandSpec; COUNTS.0] = numbered_commands();

/// Every subcommand, at its [`CommandId`] less the number of top-level commands.
pub static SUBCOMMANDS: [CommandSpec; COUNTS.1] = numbered_subcommands();

const fn numbered_commands() -> [CommandSpec; COUNTS.0] {
    let mut table = [CommandSpec::new("", 0, 0, 0); COUNTS.0];
    let (mut next, mut next_sub) = (0, 0);
    let mut group = 0;
    while group < GROUPS.len() {
        let (family, rows) = GROUPS[group];
        let mut row = 0;
        while row < rows.len() {
            table[next] = rows[row];
            table[next].id = CommandId(next as u16);
            table[next].group = family;
            let subs = rows[row].subcommands.len();
            let (_, from_here) = SUBCOMMANDS.split_at(next_sub);
            table[next].subcommands = from_here.split_at(subs).0;
            next += 1;
            next_sub += subs;
            row += 1;
        }
        group += 1;
    }
    table
}

const fn numbered_subcommands() -> [CommandSpec; COUNTS.1] {
    let mut table = [CommandSpec::new("", 0, 0, 0); COUNTS.1];
    let (mut parent, mut next) = (0, 0);
    let mut group = 0;
    while group < GROUPS.len() {
        let (family, rows) = GROUPS[group];
        let mut row = 0;
        while row < rows.len() {
            let mut sub = 0;
            while sub < rows[row].subcommands.len() {
                table[next] = rows[row].subcommands[sub];
                table[next].id = CommandId((COUNTS.0 + next) as u16);
                table[next].container = Some(CommandId(parent as u16));
                table[next].group = family;
                next += 1;
                sub += 1;
            }
            parent += 1;
            row += 1;
        }
        group += 1;
    }
    table
}

const _: () = assert!(TOTAL < u16::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_row() {
        for spec in COMMANDS.iter().chain(&SUBCOMMANDS) {
            assert!(std::ptr::eq(spec.id.spec(), spec), "{}", spec.name);
        }
    }

    #[test]
    fn a_subcommand_is_named_after_its_container() {
        for command in &COMMANDS {
            assert!(!command.name.contains('|') && command.container.is_none(), "{}", command.name);
            for sub in command.subcommands {
                assert_eq!(sub.name.split_once('|').unwrap().0, command.name);
                assert_eq!(sub.container, Some(command.id));
                assert!(std::ptr::eq(command.subcommand(sub.own_name().as_bytes()).unwrap(), sub));
            }
        }
    }

    #[test]
    fn names_are_lower_case_and_unique_and_rows_complete() {
        let mut seen = std::collections::HashSet::new();
        for spec in COMMANDS.iter().chain(&SUBCOMMANDS) {
            assert_eq!(spec.name, spec.name.to_ascii_lowercase());
            assert!(seen.insert(spec.name), "{} twice", spec.name);
            assert!(!spec.summary.is_empty() && !spec.since.is_empty() && !spec.complexity.is_empty(), "{}", spec.name);
            assert_ne!(spec.arity, 0, "{}", spec.name);
            assert_eq!(spec.doc_flags.deprecated, spec.deprecated_since.is_some(), "{}", spec.name);
        }
    }

    #[test]
    fn every_container_has_help() {
        for command in COMMANDS.iter().filter(|c| c.is_container()) {
            assert!(command.subcommand(b"HELP").is_some() && !command.help.is_empty(), "{}", command.name);
        }
    }
}
