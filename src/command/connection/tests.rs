use crate::server::testing::Rig;

#[test]
fn errors_that_clients_match_on_when_they_connect() {
    let mut rig = Rig::new(1, &[("requirepass", "secret")]);
    let client = rig.connect(0);
    for (request, reply) in [
        ("ping", "-NOAUTH Authentication required."),
        (
            "hello 3",
            "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        ),
        ("hello 4", "-NOPROTO unsupported protocol version"),
        ("hello x", "-ERR Protocol version is not an integer or out of range"),
        ("hello 3 nonsense", "-ERR Syntax error in HELLO option 'nonsense'"),
        ("hello 3 auth default", "-ERR Syntax error in HELLO option 'auth'"),
        ("auth wrong", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("auth other secret", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("auth a b c", "-ERR syntax error"),
        ("auth default secret", "+OK"),
        ("ping", "+PONG"),
        ("reset", "+RESET"),
        ("ping", "-NOAUTH Authentication required."),
    ] {
        assert_eq!(rig.ask(client, request), reply, "{request}");
    }
    let hello = rig.ask(client, "hello 3 auth default secret setname me");
    assert!(hello.starts_with("%7 $6 server $5 redis $7 version $5 7.4.1 $5 proto :3 $2 id :"), "{hello}");
    assert!(hello.ends_with(" $4 mode $10 standalone $4 role $6 master $7 modules *0"), "{hello}");
    assert_eq!(rig.ask(client, "client getname"), "$2 me");
}

#[test]
fn a_client_sets_and_shows_what_it_is() {
    let mut rig = Rig::new(2, &[]);
    let client = rig.connect(1);
    for (request, reply) in [
        (
            "auth x",
            "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
        ),
        ("auth default anything", "+OK"),
        ("client getname", "$-1"),
        ("client setname a\nb", "-ERR Client names cannot contain spaces, newlines or special characters."),
        ("client setname worker", "+OK"),
        ("client setinfo lib-name redis-rs", "+OK"),
        ("client setinfo LIB-VER 1.0", "+OK"),
        ("client setinfo lib-x 1.0", "-ERR Unrecognized option 'lib-x'"),
        ("client setinfo lib-ver 1\t0", "-ERR lib-ver cannot contain spaces, newlines or special characters."),
        ("client maint_notifications on", "-ERR unknown subcommand 'maint_notifications'. Try CLIENT HELP."),
        ("client no-touch on", "+OK"),
        ("client no-evict maybe", "-ERR syntax error"),
        ("client trackinginfo", "*6 $5 flags *1 $3 off $8 redirect :-1 $8 prefixes *0"),
        ("client getredir", ":-1"),
        ("client tracking off", "+OK"),
        ("select 3", "+OK"),
        ("select 16", "-ERR DB index is out of range"),
        ("select x", "-ERR value is not an integer or out of range"),
        ("ping a b", "-ERR wrong number of arguments for 'ping' command"),
        ("ping hi", "$2 hi"),
        ("echo hi", "$2 hi"),
    ] {
        assert_eq!(rig.ask(client, request), reply, "{request}");
    }
    let id = rig.ask(client, "client id")[1..].to_owned();
    let info = rig.ask(client, "client info");
    let wanted = [
        format!("id={id} addr=127.0.0.1:50001 laddr=127.0.0.1:6379 "),
        " name=worker age=".into(),
        " flags=T db=3 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=".into(),
        " cmd=client|info user=default redir=-1 resp=2 lib-name=redis-rs lib-ver=1.0".into(),
    ];
    for part in wanted {
        assert!(info.contains(&part), "{part:?} in {info}");
    }
}

#[test]
fn clients_of_all_cores_are_listed_in_the_order_of_their_numbers() {
    let mut rig = Rig::new(3, &[]);
    let clients = [2, 0, 1, 0].map(|core| rig.connect(core));
    let list = rig.ask(clients[0], "client list");
    let ids: Vec<&str> =
        list.lines().map(|line| line.split(' ').find(|word| word.starts_with("id=")).unwrap()).collect();
    assert_eq!(ids, ["id=1", "id=2", "id=3", "id=4"]);
    assert_eq!(rig.ask(clients[1], "client list id 2 4").lines().count(), 2);
    assert_eq!(rig.ask(clients[1], "client list type pubsub"), "$0");
    for (request, reply) in [
        ("client list type x", "-ERR Unknown client type 'x'"),
        ("client list id x", "-ERR Invalid client ID"),
        ("client list foo", "-ERR syntax error"),
    ] {
        assert_eq!(rig.ask(clients[1], request), reply, "{request}");
    }
}

#[test]
fn clients_are_killed_wherever_they_are() {
    let mut rig = Rig::new(2, &[]);
    let [me, other, third] = [0, 1, 1].map(|core| rig.connect(core));
    for (request, reply) in [
        ("client kill 1.2.3.4:5", "-ERR No such client"),
        ("client kill id 0", "-ERR client-id should be greater than 0"),
        ("client kill id x", "-ERR client-id should be greater than 0"),
        ("client kill maxage 0", "-ERR maxage should be greater than 0"),
        ("client kill maxage 1.5", "-ERR maxage is not an integer or out of range"),
        ("client kill type x", "-ERR Unknown client type 'x'"),
        ("client kill user nobody", "-ERR No such user 'nobody'"),
        ("client kill id 1 skipme", "-ERR syntax error"),
        ("client kill maxage 1000000000", ":0"),
        ("client kill id 2", ":1"),
        ("client kill addr 127.0.0.1:50003 type normal", ":1"),
        ("client kill type normal", ":0"),
    ] {
        assert_eq!(rig.ask(me, request), reply, "{request}");
    }
    assert!(rig.is_closing(other) && rig.is_closing(third) && !rig.is_closing(me));
    assert_eq!(rig.ask(me, "client kill type normal skipme no"), ":1");
    assert!(rig.is_closing(me));
}

#[test]
fn who_kills_itself_still_gets_the_answer() {
    let mut rig = Rig::new(2, &[]);
    let client = rig.connect(1);
    assert_eq!(rig.ask(client, "client kill 127.0.0.1:50001"), "+OK");
    assert!(rig.is_closing(client));
}

#[test]
fn replies_that_are_not_wanted_are_not_sent() {
    let mut rig = Rig::new(2, &[]);
    let client = rig.connect(0);
    assert_eq!(rig.ask(client, "client reply skip"), "");
    assert_eq!(rig.ask(client, "client list"), "");
    assert_eq!(rig.ask(client, "ping"), "+PONG");
    assert_eq!(rig.ask(client, "client reply off"), "");
    assert_eq!(rig.ask(client, "ping"), "");
    assert_eq!(rig.ask(client, "client list"), "");
    assert_eq!(rig.ask(client, "client reply on"), "+OK");
    assert_eq!(rig.ask(client, "ping"), "+PONG");
}

#[test]
fn a_pause_holds_back_the_clients_of_all_cores() {
    let mut rig = Rig::new(2, &[]);
    let [first, second] = [0, 1].map(|core| rig.connect(core));
    assert_eq!(rig.ask(first, "client pause x"), "-ERR timeout is not an integer or out of range");
    assert_eq!(rig.ask(first, "client pause -1"), "-ERR timeout is negative");
    assert_eq!(rig.ask(first, "client pause 1 foo"), "-ERR CLIENT PAUSE mode must be WRITE or ALL");
    assert_eq!(rig.ask(first, "client pause 100000000 write"), "+OK");
    assert_eq!(rig.ask(second, "ping"), "+PONG");
    assert_eq!(rig.ask(second, "flushall"), "");
    assert!(rig.ask(first, "info clients").contains(" blocked_clients:1 "));
    assert_eq!(rig.ask(first, "client pause 100000000 all"), "+OK");
    assert_eq!(rig.ask(first, "client unpause"), "+OK");
    assert_eq!(rig.take(second), "+OK");
    assert_eq!(rig.ask(second, "ping"), "+PONG");
}

#[test]
fn reset_takes_everything_back() {
    let mut rig = Rig::new(2, &[]);
    let [client, other] = [0, 1].map(|core| rig.connect(core));
    for request in ["hello 3", "select 5", "client setname x", "client no-touch on", "subscribe a", "multi"] {
        rig.ask(client, request);
    }
    assert_eq!(rig.ask(client, "reset"), "+RESET");
    let info = rig.ask(client, "client info");
    assert!(info.contains(" name= ") && info.contains(" flags=N db=0 sub=0 "), "{info}");
    assert!(info.contains(" multi=-1 ") && info.contains(" resp=2 "), "{info}");
    assert_eq!(rig.ask(other, "publish a b"), ":0");
}
