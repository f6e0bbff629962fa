use super::*;
use crate::resp::{OwnedArgs, Proto};

fn ask_proto(line: &str, proto: Proto, implemented: Implemented) -> String {
    let owned = OwnedArgs::new(line.split(' '));
    let mut out = Vec::new();
    command(owned.as_args(), &mut Reply::new(&mut out, proto), implemented);
    String::from_utf8(out).unwrap().replace("\r\n", " ")
}

fn ask(line: &str) -> String {
    ask_proto(line, Proto::Resp3, &|_| true)
}

#[test]
fn info_has_the_shape_that_cluster_clients_parse() {
    assert_eq!(
        ask("command info GET nosuch"),
        "*2 *10 $3 get :2 ~2 +readonly +fast :1 :1 :1 ~3 +@read +@string +@fast ~0 \
         ~1 %3 $5 flags ~2 +RO +access $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 \
         $9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 _ "
    );
    assert_eq!(ask_proto("command info nosuch", Proto::Resp2, &|_| true), "*1 $-1 ");
}

#[test]
fn getkeys_errors_are_those_that_clients_match_on() {
    for (request, expected) in [
        ("command getkeys ping", "-ERR The command has no key arguments "),
        ("command getkeys spublish a b", "-ERR The command has no key arguments "),
        ("command getkeys foo", "-ERR Invalid command specified "),
        ("command getkeys config foo", "-ERR Invalid command specified "),
        ("command getkeys get", "-ERR Invalid number of arguments specified for command "),
        ("command getkeys zunion 0 a", "-ERR Invalid arguments specified for command "),
        ("command getkeys eval x 0", "*0 "),
        ("command getkeys sort a store b", "*2 $1 a $1 b "),
        ("command getkeysandflags set a b", "*1 *2 $1 a ~2 +OW +update "),
        ("command list a b c", "-ERR syntax error "),
        ("command foo", "-ERR unknown subcommand 'foo'. Try COMMAND HELP. "),
    ] {
        assert_eq!(ask(request), expected, "{request}");
    }
}

#[test]
fn list_filters_name_subcommands_too() {
    assert_eq!(
        ask("command list filterby pattern xinfo*"),
        "*5 $5 xinfo $15 xinfo|consumers $12 xinfo|groups $10 xinfo|help $12 xinfo|stream "
    );
    assert_eq!(ask("command list filterby aclcat nosuch"), "*0 ");
    assert_eq!(ask("command list filterby module x"), "*0 ");
    assert!(ask("command list filterby aclcat TRANSACTION").starts_with("*5 "));
}

#[test]
fn a_command_that_does_not_exist_here_is_not_listed() {
    let without: Implemented = &|spec| !spec.name.starts_with("config") && spec.name != "xinfo|help";
    assert_eq!(ask_proto("command info config config|get", Proto::Resp3, without), "*2 _ _ ");
    assert_eq!(ask_proto("command docs config", Proto::Resp3, without), "%0 ");
    assert_eq!(ask_proto("command getkeys config get x", Proto::Resp3, without), "-ERR Invalid command specified ");
    assert!(!ask_proto("command list", Proto::Resp3, without).contains(" config"));
    assert!(ask_proto("command list filterby pattern xinfo*", Proto::Resp3, without).starts_with("*4 "));
    assert_eq!(ask_proto("command count", Proto::Resp3, without), format!(":{} ", COMMANDS.len() - 1));
}

#[test]
fn docs_are_flat_in_resp2() {
    assert!(ask("command docs get").starts_with("%1 $3 get %5 $7 summary "));
    assert!(ask_proto("command docs get", Proto::Resp2, &|_| true).starts_with("*2 $3 get *10 $7 summary "));
}

#[test]
fn help_starts_and_ends_as_clients_expect() {
    let help = ask("command help");
    assert!(help.starts_with(&format!(
        "*{} +COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are: ",
        super::super::find(b"command").unwrap().help.len() + 3
    )));
    assert!(help.ends_with("+HELP +    Show these lines. "));
}
