//! The configuration as its users meet it: files and arguments in, replies and files out.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tempfile::TempDir;

use super::directive::{Check, Directive, HIDDEN, IMMUTABLE, Kind, PROTECTED, Standing};
use super::registry::INDEX;
use super::*;

/// The settings of random tests: the seed is `SEED`, or a new one, and is printed.
pub(crate) fn seeded() -> ProptestConfig {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("SEED={seed}");
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::default() }
}

pub(crate) fn from_args(directory: &Path, args: &[&str], stdin: &str) -> Result<Config, StartError> {
    Config::from_args_in(directory.to_path_buf(), args.iter().map(OsString::from), &mut stdin.as_bytes())
}

/// A configuration read from a file with this text.
fn from_text(text: &[u8]) -> Result<Config, StartError> {
    let home = TempDir::new().unwrap();
    let file = home.path().join("redis.conf");
    std::fs::write(&file, text).unwrap();
    Config::from_args_in("/nowhere".into(), [file.into_os_string()], &mut std::io::empty())
}

pub(crate) fn options(args: &[&str]) -> Config {
    from_args(Path::new("/nowhere"), args, "").unwrap()
}

fn start_error(args: &[&str]) -> String {
    from_args(Path::new("/nowhere"), args, "").unwrap_err().to_string()
}

pub(crate) fn shown(config: &Config, name: &str) -> String {
    let found = config.get([name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8_lossy(&found[0].1).into_owned()
}

pub(crate) fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    config.set(&pairs, SetContext::default()).map_err(|error| error.to_string())
}

/// A value other than the default, as written in a file.
fn other_value(row: &Directive) -> String {
    let pick = |words: &[(&str, u32)], count: usize| {
        let other: Vec<&str> = words.iter().map(|(word, _)| *word).filter(|word| *word != row.default).collect();
        other[..count].join(" ")
    };
    match row.kind {
        Kind::Bool => if row.default == "yes" { "no" } else { "yes" }.into(),
        Kind::Integer { min, max } => if row.default == max.to_string() { min } else { max }.to_string(),
        Kind::Octal { max } => format!("{max:o}"),
        Kind::Hertz => "77".into(),
        Kind::Memory { min, .. } => memory::format(min + 1537),
        Kind::MemoryOrPercent => "7%".into(),
        Kind::Choice(words) => pick(words, 1),
        Kind::Bits(words) => format!("{} force", pick(words, 1)),
        Kind::Text(Check::TitleTemplate) => r#""{title} {{x} \x01""#.into(),
        Kind::Text(Check::Any) | Kind::Optional(Check::Any) => r#""a \"b\" \\ \x00\xff""#.into(),
        Kind::Text(_) | Kind::Optional(_) => "a-b.c".into(),
        Kind::Directory => "/".into(),
        Kind::Save => "1 0 2 5".into(),
        Kind::OutputBufferLimits => "normal 1kb 5 6 pubsub 1 2 3".into(),
        Kind::OomScoreAdjValues => "-1 0 2000".into(),
        Kind::KeyspaceEvents => "KEAnm".into(),
        Kind::Percentiles => "0 33.3 100".into(),
        Kind::Bind => r#"* -::1 "odd name""#.into(),
        Kind::ReplicaOf => "host 1".into(),
    }
}

#[test]
fn the_table_is_well_formed_and_feeds_the_settings() {
    for row in &INDEX.rows {
        for name in [&row.name].into_iter().chain(row.aliases) {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b)), "{name}");
        }
    }
    let settings = Settings::from(&Config::defaults("/srv"));
    assert!(settings.appendonly && settings.dir_is_default);
    assert_eq!(settings.appendfsync, AppendFsync::Always);
    assert_eq!(settings.dir, Path::new("/srv/data"));
    assert_eq!(settings.append_directory, Path::new("/srv/data/appendonlydir"));
    assert_eq!((settings.port, settings.databases, settings.cores, settings.hz), (6379, 16, 0, 10));
    assert_eq!(settings.save_points.len(), 3);
    assert_eq!(settings.save_points[1], SavePoint { seconds: 300, changes: 100 });
    assert_eq!((settings.requirepass, settings.logfile), (None, None));
    assert_eq!(settings.client_output_buffer_limits[Settings::REPLICA].hard_bytes, 256 << 20);
    assert_eq!(settings.slowlog_slower_than_us, Some(10_000));
    let local = BindHost::Ip([127, 0, 0, 1].into());
    assert_eq!(settings.bind[0], BindAddress { optional: false, host: local });
    assert_eq!(settings.bind[1], BindAddress { optional: true, host: BindHost::Ip("::1".parse().unwrap()) });
}

#[test]
fn every_default_survives_get_set_and_a_file() {
    let mut config = Config::defaults("/nowhere");
    for row in &INDEX.rows {
        for name in [&row.name].into_iter().chain(row.aliases) {
            assert_eq!(shown(&config, name), shown(&config, row.name));
        }
        let value = shown(&config, row.name);
        if row.flags & (IMMUTABLE | PROTECTED) == 0 {
            assert_eq!(set(&mut config, &[(row.name, &value)]), Ok(vec![]), "{}", row.name);
        }
        let quote = if row.kind.takes_many() { "" } else { "\"" };
        let read = from_text(format!("{} {quote}{}{quote}", row.name, row.default).as_bytes()).unwrap();
        assert_eq!(shown(&read, row.name), value, "{}", row.name);
    }
    // Nothing but what is always written is written, and it reads as the defaults again.
    let written = String::from_utf8(config.rewritten(b"")).unwrap();
    assert_eq!(
        written,
        "# Generated by CONFIG REWRITE\nsave 3600 1\nsave 300 100\nsave 60 10000\ndir \"/nowhere/data\"\n"
    );
    assert_eq!(from_text(written.as_bytes()).unwrap().values, config.values);
}

#[test]
fn every_other_value_survives_a_rewrite() {
    for row in &INDEX.rows {
        let line = format!("{} {}", row.name, other_value(row));
        let read = from_text(line.as_bytes());
        if let Standing::Refused(reason) = row.standing {
            assert!(read.unwrap_err().to_string().ends_with(reason), "{line}");
            continue;
        }
        let config = read.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_ne!(config.value(row.name), Config::defaults("/nowhere").value(row.name), "{line}");
        for old in [b"".as_slice(), line.as_bytes()] {
            let again = from_text(&config.rewritten(old)).unwrap();
            assert_eq!(again.values, config.values, "{line}");
        }
        if row.standing == Standing::Honoured && row.name != "enable-protected-configs" {
            let default = Settings::from(&Config::defaults("/nowhere"));
            assert_ne!(Settings::from(&config), default, "{} is called honoured, but no setting knows it", row.name);
        }
        assert_eq!(config.warnings().len(), matches!(row.standing, Standing::Warn(_)) as usize, "{line}");
        if row.flags & (IMMUTABLE | PROTECTED) == 0 {
            let value = shown(&config, row.name);
            let mut other = Config::defaults("/nowhere");
            // Words with blanks in them, and `n` beside `A`, are lost on this way in Redis as well.
            if !matches!(row.kind, Kind::Bind | Kind::KeyspaceEvents | Kind::Text(_) | Kind::Optional(_)) {
                assert_eq!(set(&mut other, &[(row.name, &value)]), Ok(vec![row.name]), "{line}");
                assert_eq!(other.values, config.values, "{line}");
            }
        }
    }
}

#[test]
fn get_answers_as_redis_does() {
    let config = options(&["--maxmemory", "1kb", "--save", "900 1", "--oom-score-adj", "relative"]);
    for (name, value) in [
        ("maxmemory", "1024"),
        ("save", "900 1"),
        ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
        ("appendonly", "yes"),
        ("oom-score-adj", "yes"),
        ("latency-tracking-info-percentiles", "50 99 99.9"),
        ("bind", "127.0.0.1 -::1"),
        ("replicaof", ""),
        ("unixsocketperm", "0"),
        ("proto-max-bulk-len", "536870912"),
        ("dir", "/nowhere/data"),
    ] {
        assert_eq!(shown(&config, name), value);
    }
    let names = |patterns: &[&str]| -> Vec<String> {
        config.get(patterns.iter().map(|p| p.as_bytes())).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&["PORT", "port", "por?"]), ["PORT"]);
    assert_eq!(names(&["Slave-pri*", "nothing"]), ["slave-priority"]);
    assert_eq!(names(&["rdb-key-save-delay"]).len(), 1);
    let all = names(&["*"]);
    assert!(all.contains(&"slaveof".to_owned()) && all.contains(&"bgsave_cpulist".to_owned()));
    assert!(!all.iter().any(|name| directive(name.as_bytes()).unwrap().has(HIDDEN)));
}

#[test]
fn set_errors_are_redis_s_to_the_letter() {
    let config = Config::defaults("/nowhere");
    let failed = |argument: &str, reason: &str| {
        format!("ERR CONFIG SET failed (possibly related to argument '{argument}') - {reason}")
    };
    let long = "argument must be between 0 and 9223372036854775807 inclusive";
    for (name, value, reason) in [
        ("databases", "4", "can't set immutable config"),
        ("dbfilename", "a", "can't set protected config"),
        ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
        ("port", "70000", "argument must be between 0 and 65535 inclusive"),
        ("timeout", "007", "argument couldn't be parsed into an integer"),
        ("timeout", "+7", "argument couldn't be parsed into an integer"),
        ("timeout", "", "argument couldn't be parsed into an integer"),
        ("hash-max-listpack-entries", "-1", long),
        ("lua-time-limit", "-1", long),
        ("maxmemory", "1.5gb", "argument must be a memory value"),
        ("repl-backlog-size", "0", "argument must be between 1 and 9223372036854775807 inclusive"),
        ("maxmemory-clients", "5x", "argument must be a memory or percent value"),
        ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
        ("appendfsync", "foo", "argument(s) must be one of the following: everysec, always, no"),
        ("loglevel", "", "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"),
        ("shutdown-on-sigint", "foo", "argument(s) must be one of the following: default, save, nosave, now, force"),
        ("shutdown-on-sigint", "SAVE nosave", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
        ("save", "900 1 x", "Invalid save parameters"),
        ("save", "900  1", "Invalid save parameters"),
        ("save", "0 1", "Invalid save parameters"),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        ("oom-score-adj-values", "1 2 3000", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
        ("notify-keyspace-events", "Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."),
        ("client-output-buffer-limit", "slave 1 1", "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit", "master 1 1 1", "Invalid client class specified in buffer limit configuration."),
        (
            "client-output-buffer-limit",
            "slave 1mb x 1",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
        ("latency-tracking-info-percentiles", "nan", "Invalid latency-tracking-info-percentiles parameters"),
        (
            "latency-tracking-info-percentiles",
            "101",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        ),
        ("proc-title-template", "{foo}", "template format is invalid or contains unknown variables"),
        ("cluster-announce-hostname", "a b", "Hostnames may only contain alphanumeric characters, hyphens or dots"),
        ("tls-port", "6380", "there is no TLS yet"),
    ] {
        assert_eq!(set(&mut config.clone(), &[(name, value)]), Err(failed(name, reason)), "{name} {value}");
    }
    assert_eq!(
        set(&mut config.clone(), &[("Foo", "1"), ("databases", "2")]),
        Err("ERR Unknown option or number of arguments for CONFIG SET - 'Foo'".into())
    );
    assert_eq!(set(&mut config.clone(), &[("hz", "1"), ("HZ", "2")]), Err(failed("HZ", "duplicate parameter")));
    assert_eq!(
        set(&mut config.clone(), &[("HZ", "x")]).unwrap_err(),
        failed("hz", "argument couldn't be parsed into an integer")
    );
    let open = options(&["--enable-protected-configs", "local"]);
    let dir =
        |value: &str, context| open.clone().set(&[(b"dir", value.as_bytes())], context).map_err(|e| e.to_string());
    let local = SetContext { local: true, loading: false };
    assert_eq!(dir("/", SetContext::default()), Err(failed("dir", "can't set protected config")));
    assert_eq!(dir("/", local), Ok(vec!["dir"]));
    assert_eq!(dir("/no/such", local), Err(failed("dir", "No such file or directory")));
    assert_eq!(
        dir("/", SetContext { loading: true, ..local }),
        Err("LOADING Redis is loading the dataset in memory".into())
    );
}

#[test]
fn a_failed_set_changes_nothing_and_a_prepared_one_can_be_dropped() {
    let mut config = Config::defaults("/nowhere");
    let before = config.values.clone();
    assert!(set(&mut config, &[("hz", "20"), ("port", "x")]).is_err());
    assert_eq!(config.values, before);
    let change = config.prepare(&[(b"HZ", b"100000"), (b"save", b""), (b"port", b"6379")], Default::default()).unwrap();
    assert_eq!(change.names(), ["hz", "save"]);
    let next = change.settings(&config);
    assert_eq!((next.hz, next.save_points.len()), (500, 0));
    assert_eq!(config.values, before);
    assert_eq!(config.commit(change), ["hz", "save"]);
    assert_eq!(Settings::from(&config), next);
    set(&mut config, &[("client-output-buffer-limit", "replica 1mb 2kb 3")]).unwrap();
    let limits = "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60";
    assert_eq!(shown(&config, "client-output-buffer-limit"), limits);
}

#[test]
fn start_errors_name_the_line() {
    let block = |line: usize, text: &str, reason: &str| {
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "\n*** FATAL CONFIG FILE ERROR (Basalt {version}) ***\nReading the configuration file, at line {line}\n>>> '{text}'\n{reason}"
        )
    };
    let bad = "Bad directive or wrong number of arguments";
    for (args, line, text, reason) in [
        (&["--port", "abc"][..], 2, r#"port "abc""#, "argument couldn't be parsed into an integer"),
        (&["--port"], 2, "port", "wrong number of arguments"),
        (&["--daemonize", "no", "--port", "1", "x"], 3, r#"port "1" "x""#, "wrong number of arguments"),
        (&["--foo", "1"], 2, r#"foo "1""#, bad),
        (&["--save", "900", "1", "x"], 2, r#"save "900" "1" "x""#, "Invalid save parameters"),
        (&["--include"], 2, "include", bad),
        (&["--cluster-enabled", "yes"], 2, r#"cluster-enabled "yes""#, "there is no cluster mode yet"),
        (&["--replicaof", "h", "1"], 2, r#"replicaof "h" "1""#, "there is no replication yet"),
        (&["--slaveof", "h", "x"], 2, r#"slaveof "h" "x""#, "Invalid master port"),
        (&["--loadmodule", "m.so"], 2, r#"loadmodule "m.so""#, "modules can't be loaded"),
        (&["--sentinel", "x"], 2, r#"sentinel "x""#, "sentinel directive while not in sentinel mode"),
        (&["--dir", "/no/such"], 2, r#"dir "/no/such""#, "No such file or directory"),
        (&["--maxmemory \"1"], 2, "maxmemory \"1", "Unbalanced quotes in configuration line"),
        (&["--dbfilename", "a/b"], 2, r#"dbfilename "a/b""#, "dbfilename can't be a path, just a filename"),
        (&["--appenddirname", ""], 2, r#"appenddirname """#, "appenddirname can't be empty"),
        (&["--cores", "257"], 2, r#"cores "257""#, "argument must be between 0 and 256 inclusive"),
    ] {
        assert_eq!(start_error(args), block(line, text, reason));
    }
    let secret = start_error(&["--user", "default", "on", ">secret", "~*"]);
    assert!(secret.contains("users can't be restricted yet"), "{secret}");
    assert_eq!(
        start_error(&["missing.conf"]),
        "Fatal error, can't open config file '/nowhere/missing.conf': No such file or directory"
    );
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("main.conf"), "# first\n\ninclude part.conf\n").unwrap();
    std::fs::write(home.path().join("part.conf"), "hz 1\r\n  hz 10 20\r\n").unwrap();
    let error = from_args(home.path(), &["main.conf"], "").unwrap_err().to_string();
    assert!(error.starts_with(&block(2, "hz 10 20", "wrong number of arguments")), "{error}");
    assert!(error.contains("part.conf"), "{error}");
}

#[test]
fn file_stdin_and_options_come_one_after_the_other() {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("a.conf"), "port 1\nhz 1\ntimeout 1").unwrap();
    let config = from_args(home.path(), &["a.conf", "--timeout", "3", "-"], "hz 2\ntimeout 2").unwrap();
    assert_eq!(["port", "hz", "timeout"].map(|name| shown(&config, name)), ["1", "2", "3"]);
    assert_eq!(config.file(), Some(home.path().join("a.conf").as_path()));
    let config = from_args(home.path(), &["-", "--hz 5", "--requirepass", "--odd"], "PORT 7").unwrap();
    assert_eq!(["port", "hz", "requirepass"].map(|name| shown(&config, name)), ["7", "5", "--odd"]);
    assert_eq!(config.file(), None);
    assert_eq!(shown(&options(&[]), "port"), "6379");
}

#[test]
fn save_lines_add_up_after_the_first() {
    for (text, expected) in [
        ("", "3600 1 300 100 60 10000"),
        ("save 900 1", "900 1"),
        ("save 900 1\nsave 300 10\nsave 60 5 30 6", "900 1 300 10 60 5 30 6"),
        ("save 900 1\nsave \"\"\nsave 300 10", "300 10"),
        ("save \"\"", ""),
        ("save \"900 1 300 10\"", "900 1 300 10"),
    ] {
        assert_eq!(shown(&from_text(text.as_bytes()).unwrap(), "save"), expected, "{text}");
    }
    for args in [&["--save", ""][..], &["--save", "--hz", "1"], &["--hz", "1", "--save"]] {
        assert_eq!(shown(&options(args), "save"), "", "{args:?}");
    }
    assert_eq!(shown(&options(&["--save", "900", "1", "--save", "60", "2"]), "save"), "900 1 60 2");
}

#[test]
fn stock_files_start() {
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join("lib")).unwrap();
    let mut stock = String::from("# A file as packages ship it\n\ninclude pre.d/*.conf\n");
    for row in INDEX.rows.iter().filter(|row| row.flags & HIDDEN == 0 && !row.kind.takes_many()) {
        stock += &format!("################ {} ################\n#\n# {} \"{}\"\n", row.name, row.name, row.default);
        if row.name != "dir" && !row.default.is_empty() {
            stock += &format!("{} \"{}\"\n\n", row.name, row.default);
        }
    }
    stock += "bind 127.0.0.1 -::1\ndaemonize yes\nsupervised auto\npidfile /run/redis/redis-server.pid\n\
        loglevel notice\nlogfile /var/log/redis/redis-server.log\ndir lib\nsave 900 1\nsave 300 10\n\
        proc-title-template \"{title} {listen-addr} {server-mode}\"\noom-score-adj-values 0 200 800\nlist-max-ziplist-entries 512\n\
        client-output-buffer-limit normal 0 0 0\nclient-output-buffer-limit replica 256mb 64mb 60\n\
        client-output-buffer-limit pubsub 32mb 8mb 60\nlazyfree-lazy-user-del yes\ncommandlog-execution-slower-than 10000\n\
        appendonly no\nappendfsync everysec\nhash-max-ziplist-entries 100\nlua-time-limit 5000\nslave-read-only yes\n";
    std::fs::write(home.path().join("redis.conf"), stock).unwrap();
    let config = from_args(home.path(), &["redis.conf", "--supervised", "systemd", "--daemonize", "no"], "").unwrap();
    let settings = Settings::from(&config);
    assert_eq!(settings.dir, home.path().join("lib"));
    assert_eq!(settings.pidfile.as_deref(), Some(Path::new("/run/redis/redis-server.pid")));
    assert_eq!((settings.appendonly, settings.appendfsync), (false, AppendFsync::Everysec));
    assert_eq!((settings.hash_max_listpack_entries, settings.save_points.len()), (100, 2));
    assert_eq!(config.warnings().len(), 0);
}

#[test]
fn includes_follow_patterns_and_stop_at_a_loop() {
    let home = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    std::fs::create_dir(home.path().join("conf.d")).unwrap();
    write("conf.d/1.conf", "hz 1\nport 1");
    write("conf.d/2.conf", "hz 2");
    write("conf.d/.hidden.conf", "hz 3");
    write("conf.d/note.txt", "no directive");
    write("main.conf", "timeout 9\ninclude conf.?/*.conf\ninclude none/*.conf\nport 5\n");
    let config = from_args(home.path(), &["main.conf"], "").unwrap();
    assert_eq!(["hz", "port", "timeout"].map(|name| shown(&config, name)), ["2", "5", "9"]);
    write("loop.conf", "include loop.conf");
    let error = from_args(home.path(), &["loop.conf"], "").unwrap_err().to_string();
    assert!(error.contains("files include each other more than 16 levels deep"), "{error}");
    let error = from_args(home.path(), &["--include", "gone.conf"], "").unwrap_err().to_string();
    assert!(error.starts_with("Fatal error, can't open config file") && error.contains("gone.conf"), "{error}");
}

#[test]
fn lines_that_are_no_directives() {
    let text = b"rename-command FLUSHALL \"\"\nRename-Command config c0nfig\nlist-max-ziplist-entries 5\n\
        user default on nopass ~* &* +@all\nreplicaof no one\n";
    let config = from_text(text).unwrap();
    let renames: Vec<(&[u8], &[u8])> = config.renames().iter().map(|r| (&r.from[..], &r.to[..])).collect();
    assert_eq!(renames, [(&b"FLUSHALL"[..], &b""[..]), (b"config", b"c0nfig")]);
    let error = StartError::at(&config.renames()[1].place, "No such command in rename-command").to_string();
    assert!(error.contains("at line 2\n>>> 'Rename-Command config c0nfig'\nNo such"), "{error}");
    let written = String::from_utf8(config.rewritten(text)).unwrap();
    let tail = String::from_utf8(config.rewritten(b"")).unwrap();
    let kept = String::from_utf8(text.to_vec()).unwrap().replace("list-max", "# ??? list-max");
    assert_eq!(written, kept + &tail);
}

#[test]
fn a_relative_dir_starts_at_the_one_given_last() {
    let home = TempDir::new().unwrap();
    std::fs::create_dir_all(home.path().join("a/b")).unwrap();
    let dir = |args: &[&str]| shown(&from_args(home.path(), args, "").unwrap(), "dir");
    let at = |path: &str| home.path().join(path).display().to_string();
    assert_eq!(dir(&["--dir", "a"]), at("a"));
    assert_eq!(dir(&["--dir", "./a", "--dir", "b"]), at("a/b"));
    assert_eq!(dir(&["--dir", "./data"]), at("data"));
}

/// A line of a file like those that servers are shipped with.
fn stock_line() -> impl Strategy<Value = Vec<u8>> {
    let names: Vec<&'static str> = INDEX.rows.iter().map(|row| row.name).filter(|name| *name != "dir").collect();
    let value = prop_oneof![
        any::<Vec<u8>>(),
        "[0-9]{1,20}(k|kb|mb|gb|%)?".prop_map(String::into_bytes),
        "(yes|no|save|nosave|normal 1 2 3|[a-zK$\"'\\\\ ]{0,12})".prop_map(String::into_bytes),
    ];
    (proptest::sample::select(names), value).prop_map(|(name, value)| [name.as_bytes(), b" ", &value].concat())
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn any_text_is_read_or_refused(text: Vec<u8>) {
        let _ = from_text(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn any_line_that_is_read_survives_a_rewrite(line in stock_line()) {
        if let Ok(config) = from_text(&line) {
            let written = config.rewritten(&line);
            prop_assert_eq!(&from_text(&written).unwrap().values, &config.values);
            prop_assert_eq!(config.rewritten(&written), written);
            let _ = Settings::from(&config);
        }
    }

    #[test]
    fn any_arguments_are_taken(args in proptest::collection::vec("(--)?[a-z\"' -]{0,9}", 0..6)) {
        let args = args.into_iter().map(|arg| OsString::from_vec(arg.into_bytes()));
        let _ = Config::from_args_in("/nowhere".into(), args, &mut std::io::empty()).map_err(|error| error.to_string());
    }

    #[test]
    fn any_pair_is_set_or_refused(name in prop_oneof![Just("save"), Just("bind"), Just("hz"), Just("x")], value: Vec<u8>) {
        let config = Config::defaults("/nowhere");
        if let Ok(change) = config.prepare(&[(name.as_bytes(), &value)], SetContext::default()) {
            change.settings(&config);
        }
    }
}
