//! Connections.

use crate::command::spec::row::*;

/// Allowed at any time, before AUTH too.
const ALWAYS: u32 = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | SENTINEL | ALLOW_BUSY;
const CLIENT: u32 = NOSCRIPT | LOADING | STALE | SENTINEL;
const CLIENT_ADMIN: u32 = CLIENT | ADMIN;

const CLIENT_TYPES: &[Arg] =
    &[word("normal", "NORMAL"), word("master", "MASTER"), word("replica", "REPLICA"), word("pubsub", "PUBSUB")];

const CLIENT_SUBCOMMANDS: &[CommandSpec] = &[
    cmd("client|caching", 3, NOSCRIPT | LOADING | STALE, CONNECTION)
        .doc("6.0.0", "Whether the keys of the next command are tracked, in OPTIN and OPTOUT mode.", "O(1)")
        .args(&[one_of("mode", &[word("yes", "YES"), word("no", "NO")])]),
    cmd("client|capa", -3, NOSCRIPT | LOADING | STALE, CONNECTION)
        .doc("8.0.0", "Tells the server what the client is able to do.", "O(1)")
        .args(&[string("capability").many()]),
    cmd("client|getname", 2, CLIENT, CONNECTION).doc("2.6.9", "The connection's name.", "O(1)"),
    cmd("client|getredir", 2, NOSCRIPT | LOADING | STALE, CONNECTION).doc(
        "6.0.0",
        "The connection that invalidation messages go to.",
        "O(1)",
    ),
    help("client|help", SENTINEL, CONNECTION, "5.0.0"),
    cmd("client|id", 2, CLIENT, CONNECTION).doc("5.0.0", "The connection's number.", "O(1)"),
    cmd("client|info", 2, CLIENT, CONNECTION).tips(RANDOM).doc("6.2.0", "One line about this connection.", "O(1)"),
    cmd("client|kill", -3, CLIENT_ADMIN, CONNECTION)
        .doc("2.4.0", "Closes connections.", "O(N) in the connections")
        .history(&[
            ("2.8.12", "Filters instead of an address."),
            ("2.8.12", "ID."),
            ("3.2.0", "TYPE master."),
            ("5.0.0", "TYPE replica as another word for slave."),
            ("6.2.0", "LADDR."),
            ("7.4.0", "MAXAGE."),
        ])
        .args(&[one_of(
            "filter",
            &[
                string("old-format").shown("ip:port").deprecated("2.8.12"),
                one_of(
                    "new-format",
                    &[
                        integer("client-id").after("ID").since("2.8.12").opt(),
                        one_of(
                            "client-type",
                            &[
                                word("normal", "NORMAL"),
                                word("master", "MASTER").since("3.2.0"),
                                word("slave", "SLAVE"),
                                word("replica", "REPLICA").since("5.0.0"),
                                word("pubsub", "PUBSUB"),
                            ],
                        )
                        .after("TYPE")
                        .since("2.8.12")
                        .opt(),
                        string("username").after("USER").opt(),
                        string("addr").shown("ip:port").after("ADDR").opt(),
                        string("laddr").shown("ip:port").after("LADDR").since("6.2.0").opt(),
                        one_of("skipme", &[word("yes", "YES"), word("no", "NO")]).after("SKIPME").opt(),
                        integer("maxage").after("MAXAGE").since("7.4.0").opt(),
                    ],
                )
                .many(),
            ],
        )]),
    cmd("client|list", -2, CLIENT_ADMIN, CONNECTION)
        .tips(RANDOM)
        .doc("2.4.0", "One line about each connection.", "O(N) in the connections")
        .history(&[
            ("2.8.12", "Field id."),
            ("5.0.0", "TYPE."),
            ("6.0.0", "Field user."),
            ("6.2.0", "ID; fields argv-mem, tot-mem, laddr, redir."),
            ("7.0.0", "Fields resp, multi-mem, rbs, rbp."),
            ("7.0.3", "Field ssub."),
            ("7.2.0", "Fields lib-name, lib-ver."),
            ("7.4.0", "Field watch."),
        ])
        .args(&[
            one_of("client-type", CLIENT_TYPES).after("TYPE").since("5.0.0").opt(),
            integer("client-id").after("ID").since("6.2.0").opt().many(),
        ]),
    cmd("client|no-evict", 3, CLIENT_ADMIN, CONNECTION)
        .doc("7.0.0", "Whether this connection may be closed to free memory.", "O(1)")
        .args(&[one_of("enabled", ON_OFF)]),
    cmd("client|no-touch", 3, NOSCRIPT | LOADING | STALE, CONNECTION)
        .doc("7.2.0", "Whether this connection's commands leave the keys' last use as it is.", "O(1)")
        .args(&[one_of("enabled", ON_OFF)]),
    cmd("client|pause", -3, CLIENT_ADMIN, CONNECTION)
        .doc("3.0.0", "Holds commands back for some milliseconds.", "O(1)")
        .history(&[("6.2.0", "WRITE and ALL.")])
        .args(&[
            integer("timeout"),
            one_of("mode", &[word("write", "WRITE"), word("all", "ALL")]).since("6.2.0").opt(),
        ]),
    cmd("client|reply", 3, CLIENT, CONNECTION)
        .doc("3.2.0", "Whether this connection gets replies.", "O(1)")
        .args(&[one_of("action", &[word("on", "ON"), word("off", "OFF"), word("skip", "SKIP")])]),
    cmd("client|setinfo", 4, CLIENT, CONNECTION)
        .tips(ALL_NODES)
        .doc("7.2.0", "Tells the server the client library's name or version.", "O(1)")
        .args(&[one_of("attr", &[string("libname").after("LIB-NAME"), string("libver").after("LIB-VER")])]),
    cmd("client|setname", 3, CLIENT, CONNECTION)
        .tips(ALL_NODES)
        .doc("2.6.9", "Names this connection.", "O(1)")
        .args(&[string("connection-name")]),
    cmd("client|tracking", -3, NOSCRIPT | LOADING | STALE, CONNECTION)
        .doc("6.0.0", "Whether the server tells when keys that were read change.", "O(1), or O(N) in the prefixes")
        .args(&[
            one_of("status", ON_OFF),
            integer("client-id").after("REDIRECT").opt(),
            string("prefix").after("PREFIX").opt().many_tokens(),
            word("bcast", "BCAST").opt(),
            word("optin", "OPTIN").opt(),
            word("optout", "OPTOUT").opt(),
            word("noloop", "NOLOOP").opt(),
        ]),
    cmd("client|trackinginfo", 2, NOSCRIPT | LOADING | STALE, CONNECTION).doc(
        "6.2.0",
        "How this connection tracks keys.",
        "O(1)",
    ),
    cmd("client|unblock", -3, CLIENT_ADMIN, CONNECTION)
        .doc("5.0.0", "Ends another connection's wait.", "O(log N) in the connections")
        .args(&[
            integer("client-id"),
            one_of("unblock-type", &[word("timeout", "TIMEOUT"), word("error", "ERROR")]).opt(),
        ]),
    cmd("client|unpause", 2, CLIENT_ADMIN, CONNECTION).doc(
        "6.2.0",
        "Goes on with the commands held back by CLIENT PAUSE.",
        "O(N) in the connections held back",
    ),
];

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("auth", -2, ALWAYS, CONNECTION)
        .doc("1.0.0", "Logs the connection in.", "O(N) in the user's passwords")
        .history(&[("6.0.0", "User names.")])
        .args(&[string("username").since("6.0.0").opt(), string("password")]),
    container("client", SENTINEL, "2.4.0", "Commands about connections.", CLIENT_SUBCOMMANDS).help(&[
        "CACHING (YES|NO)",
        "    Track, or do not track, the keys of the next command (OPTIN and OPTOUT).",
        "CAPA <option> [options...]",
        "    Announce what the client is able to do. Options are:",
        "    * REDIRECT",
        "      The client follows -REDIRECT errors.",
        "GETREDIR",
        "    Show the connection that invalidation messages are sent to.",
        "GETNAME",
        "    Show this connection's name.",
        "ID",
        "    Show this connection's number.",
        "INFO",
        "    Describe this connection.",
        "KILL <ip:port>",
        "    Close the connection from this address.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close all connections that match every option. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      From this address.",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      To this local address.",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Of this type.",
        "    * USER <username>",
        "      Logged in as this user.",
        "    * SKIPME (YES|NO)",
        "      Spare this connection itself (default: yes).",
        "    * ID <client-id>",
        "      With this number.",
        "    * MAXAGE <maxage>",
        "      At least this many seconds old.",
        "LIST [options ...]",
        "    Describe all connections. Options are:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Only those of this type.",
        "    * ID <client-id> [<client-id> ...]",
        "      Only those with these numbers.",
        "UNPAUSE",
        "    End CLIENT PAUSE.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold back all commands, or those that write, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Choose whether this connection gets replies.",
        "SETNAME <name>",
        "    Name this connection.",
        "SETINFO <option> <value>",
        "    Tell about the client library. Options are:",
        "    * LIB-NAME",
        "      Its name.",
        "    * LIB-VER",
        "      Its version.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    End the wait of a blocked connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Choose whether to be told when keys change that this connection has read.",
        "TRACKINGINFO",
        "    Show how this connection tracks keys.",
        "NO-EVICT (ON|OFF)",
        "    Choose whether this connection may be closed to free memory.",
        "NO-TOUCH (ON|OFF)",
        "    Choose whether this connection's commands leave the last use of keys unchanged.",
    ]),
    cmd("echo", 2, LOADING | STALE | FAST, CONNECTION)
        .doc("1.0.0", "Returns its argument.", "O(1)")
        .args(&[string("message")]),
    cmd("hello", -1, ALWAYS, CONNECTION)
        .doc("6.0.0", "Chooses the protocol, may log in and name the connection; describes the server.", "O(1)")
        .history(&[("6.2.0", "The version may be left out.")])
        .args(&[block(
            "arguments",
            &[
                integer("protover"),
                block("auth", &[string("username"), string("password")]).after("AUTH").opt(),
                string("clientname").after("SETNAME").opt(),
            ],
        )
        .opt()]),
    cmd("ping", -1, FAST | SENTINEL, CONNECTION)
        .tips(ALL_SHARDS)
        .doc("1.0.0", "Shows that the server answers.", "O(1)")
        .args(&[string("message").opt()]),
    cmd("quit", -1, ALWAYS, CONNECTION)
        .doc("1.0.0", "Closes the connection.", "O(1)")
        .deprecated("7.2.0", "just closing the connection"),
    cmd("reset", 1, ALWAYS, CONNECTION).doc("6.2.0", "Puts the connection back to how a new one is.", "O(1)"),
    cmd("select", 2, LOADING | STALE | FAST, CONNECTION)
        .doc("1.0.0", "Chooses the database.", "O(1)")
        .args(&[integer("index")]),
];
