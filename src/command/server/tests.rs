use crate::server::testing::Rig;
use std::sync::atomic::Ordering;

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let start = info.find(&format!(" {name}:")).unwrap_or_else(|| panic!("no field {name} in {info}")) + name.len() + 2;
    info[start..].split(' ').next().unwrap()
}

#[test]
fn info_adds_up_what_all_cores_have() {
    let mut rig = Rig::new(3, &[]);
    let clients = [0, 1, 2, 2].map(|core| rig.connect(core));
    for client in clients {
        rig.ask(client, "ping");
    }
    rig.ask(clients[0], "nonsense");
    rig.ask(clients[1], "select x");
    rig.ask(clients[3], "subscribe a b");
    rig.ask(clients[2], "subscribe a");
    let info = rig.ask(clients[0], "info");
    assert_eq!(field(&info, "redis_version"), "7.4.1");
    assert_eq!(field(&info, "loading"), "0");
    assert_eq!(field(&info, "total_connections_received"), "4");
    assert_eq!(field(&info, "pubsub_clients"), "2");
    assert_eq!(field(&info, "pubsub_channels"), "2");
    assert_eq!(field(&info, "total_error_replies"), "2");
    assert_eq!(field(&info, "errorstat_ERR"), "count=2");
    assert!(field(&info, "used_memory").parse::<u64>().unwrap() > 0);
    for head in [
        "# Server ",
        " # Clients ",
        " # Memory ",
        " # Persistence ",
        " # Stats ",
        " # Replication ",
        " # CPU ",
        " # Modules ",
        " # Errorstats ",
        " # Cluster ",
        " # Keyspace",
    ] {
        assert!(info.contains(head), "{head}");
    }
    let info = rig.ask(clients[0], "info commandstats latencystats cores");
    assert!(field(&info, "cmdstat_ping").starts_with("calls=4,usec="), "{info}");
    assert!(field(&info, "cmdstat_select").ends_with("rejected_calls=0,failed_calls=1"), "{info}");
    assert!(field(&info, "latency_percentiles_usec_ping").starts_with("p50="), "{info}");
    assert!(field(&info, "core2").starts_with("ops="), "{info}");
    assert_eq!(rig.ask(clients[0], "info nosuch"), "$0");
    assert_eq!(rig.ask(clients[0], "config resetstat"), "+OK");
    let info = rig.ask(clients[0], "info stats errorstats");
    assert_eq!(field(&info, "total_error_replies"), "0");
    assert!(!info.contains("errorstat_ERR"));
}

/// The fields that monitoring systems look for, as Redis 7.4 prints them.
#[test]
fn no_field_that_redis_prints_is_missing() {
    let mut rig = Rig::new(1, &[]);
    let client = rig.connect(0);
    let info = rig.ask(client, "info everything");
    for name in FIELDS.split_ascii_whitespace() {
        field(&info, name);
    }
}

const FIELDS: &str = "redis_version redis_git_sha1 redis_git_dirty redis_build_id redis_mode os arch_bits \
    monotonic_clock multiplexing_api atomicvar_api gcc_version process_id process_supervised run_id tcp_port \
    server_time_usec uptime_in_seconds uptime_in_days hz configured_hz lru_clock executable config_file \
    io_threads_active listener0 connected_clients cluster_connections maxclients client_recent_max_input_buffer \
    client_recent_max_output_buffer blocked_clients tracking_clients pubsub_clients watching_clients \
    clients_in_timeout_table total_watched_keys total_blocking_keys total_blocking_keys_on_nokey used_memory \
    used_memory_human used_memory_rss used_memory_rss_human used_memory_peak used_memory_peak_human \
    used_memory_peak_perc used_memory_overhead used_memory_startup used_memory_dataset used_memory_dataset_perc \
    allocator_allocated allocator_active allocator_resident allocator_muzzy total_system_memory \
    total_system_memory_human used_memory_lua used_memory_vm_eval used_memory_lua_human used_memory_scripts_eval \
    number_of_cached_scripts number_of_functions number_of_libraries used_memory_vm_functions used_memory_vm_total \
    used_memory_vm_total_human used_memory_functions used_memory_scripts used_memory_scripts_human maxmemory \
    maxmemory_human maxmemory_policy allocator_frag_ratio allocator_frag_bytes allocator_rss_ratio \
    allocator_rss_bytes rss_overhead_ratio rss_overhead_bytes mem_fragmentation_ratio mem_fragmentation_bytes \
    mem_not_counted_for_evict mem_replication_backlog mem_total_replication_buffers mem_clients_slaves \
    mem_clients_normal mem_cluster_links mem_aof_buffer mem_allocator mem_overhead_db_hashtable_rehashing \
    active_defrag_running lazyfree_pending_objects lazyfreed_objects loading async_loading current_cow_peak \
    current_cow_size current_cow_size_age current_fork_perc current_save_keys_processed current_save_keys_total \
    rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status \
    rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves rdb_last_cow_size rdb_last_load_keys_expired \
    rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress aof_rewrite_scheduled aof_last_rewrite_time_sec \
    aof_current_rewrite_time_sec aof_last_bgrewrite_status aof_rewrites aof_rewrites_consecutive_failures \
    aof_last_write_status aof_last_cow_size module_fork_in_progress module_fork_last_cow_size \
    total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes \
    total_net_output_bytes total_net_repl_input_bytes total_net_repl_output_bytes instantaneous_input_kbps \
    instantaneous_output_kbps instantaneous_input_repl_kbps instantaneous_output_repl_kbps rejected_connections \
    sync_full sync_partial_ok sync_partial_err expired_subkeys expired_keys expired_stale_perc \
    expired_time_cap_reached_count expire_cycle_cpu_milliseconds evicted_keys evicted_clients evicted_scripts \
    total_eviction_exceeded_time current_eviction_exceeded_time keyspace_hits keyspace_misses pubsub_channels \
    pubsub_patterns pubsubshard_channels latest_fork_usec total_forks migrate_cached_sockets \
    slave_expires_tracked_keys active_defrag_hits active_defrag_misses active_defrag_key_hits \
    active_defrag_key_misses total_active_defrag_time current_active_defrag_time tracking_total_keys \
    tracking_total_items tracking_total_prefixes unexpected_error_replies total_error_replies \
    dump_payload_sanitizations total_reads_processed total_writes_processed io_threaded_reads_processed \
    io_threaded_writes_processed client_query_buffer_limit_disconnections client_output_buffer_limit_disconnections \
    reply_buffer_shrinks reply_buffer_expands eventloop_cycles eventloop_duration_sum eventloop_duration_cmd_sum \
    instantaneous_eventloop_cycles_per_sec instantaneous_eventloop_duration_usec acl_access_denied_auth \
    acl_access_denied_cmd acl_access_denied_key acl_access_denied_channel role connected_slaves \
    master_failover_state master_replid master_replid2 master_repl_offset second_repl_offset repl_backlog_active \
    repl_backlog_size repl_backlog_first_byte_offset repl_backlog_histlen used_cpu_sys used_cpu_user \
    used_cpu_sys_children used_cpu_user_children used_cpu_sys_main_thread used_cpu_user_main_thread cluster_enabled";

#[test]
fn settings_take_effect_on_all_cores_at_once() {
    let mut rig = Rig::new(2, &[]);
    let [client, other] = [0, 1].map(|core| rig.connect(core));
    for (request, reply) in [
        ("config get maxclients", "*2 $10 maxclients $5 10000"),
        ("config set maxclients", "-ERR wrong number of arguments for 'config|set' command"),
        ("config set maxclients 5 nosuch", "-ERR wrong number of arguments for 'config|set' command"),
        ("config set nosuch 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"),
        (
            "config set port 1",
            "-ERR CONFIG SET failed (possibly related to argument 'port') - it can only be set at the start, in the \
             configuration file",
        ),
        ("config set slowlog-log-slower-than 7 requirepass pw", "+OK"),
        ("config get slowlog-log-slower-than", "*2 $23 slowlog-log-slower-than $1 7"),
    ] {
        assert_eq!(rig.ask(client, request), reply, "{request}");
    }
    // The rewrite runs on another thread: its answer may be there at once, or later.
    let mut reply = rig.ask(client, "config rewrite");
    while reply.is_empty() {
        reply = rig.take(client);
    }
    assert_eq!(reply, "-ERR The server is running without a config file");
    rig.with(1, |core| assert_eq!(core.settings.slowlog_slower_than_us, Some(7)));
    // Who is connected stays so, new clients need the password, and nobody does when it is gone.
    assert_eq!(rig.ask(other, "ping"), "+PONG");
    let [new, newer] = [1, 0].map(|core| rig.connect(core));
    assert_eq!(rig.ask(new, "ping"), "-NOAUTH Authentication required.");
    rig.ask(client, "config set requirepass ");
    assert_eq!(rig.ask(new, "ping"), "+PONG");
    assert_eq!(rig.ask(newer, "ping"), "+PONG");
}

#[test]
fn the_command_table_shows_only_what_is_there() {
    let mut rig = Rig::new(1, &[]);
    let client = rig.connect(0);
    let info = rig.ask(client, "command info ping config|get xadd nosuch");
    assert!(info.starts_with("*4 *10 $4 ping :-1 "), "{info}");
    assert!(info.ends_with(" $-1"), "{info}");
    let count: usize = rig.ask(client, "command count")[1..].parse().unwrap();
    assert!(count > 30);
    let list = rig.ask(client, "command list");
    assert!(list.contains(" $10 config|get ") && list.contains(" $6 config "));
    assert!(rig.ask(client, "config help").starts_with("*11 +CONFIG <subcommand> "), "help");
}

#[test]
fn monitors_see_all_cores_and_no_passwords() {
    let mut rig = Rig::new(2, &[("requirepass", "pw")]);
    let [monitor, near, far] = [0, 0, 1].map(|core| rig.connect(core));
    for client in [monitor, near, far] {
        assert_eq!(rig.ask(client, "auth pw"), "+OK");
    }
    assert_eq!(rig.ask(monitor, "monitor"), "+OK");
    rig.ask(near, "echo \"x\"");
    let line = rig.take(monitor);
    assert!(line.ends_with(" [0 127.0.0.1:50002] \"echo\" \"\\\"x\\\"\""), "{line}");
    rig.ask(far, "auth pw");
    let line = rig.take(monitor);
    assert!(line.ends_with(" [0 127.0.0.1:50003] \"auth\" \"(redacted)\""), "{line}");
    rig.ask(far, "config get maxclients");
    assert_eq!(rig.take(monitor), "");
    rig.disconnect(monitor);
    rig.ask(far, "ping");
    rig.ask(near, "ping");
    assert!(rig.everyone.monitors.iter().all(|count| count.load(Ordering::SeqCst) == 0));
}

#[test]
fn slow_commands_and_delays_are_kept() {
    let mut rig = Rig::new(2, &[("slowlog-log-slower-than", "0")]);
    let [client, far] = [0, 1].map(|core| rig.connect(core));
    rig.ask(far, "client setname slow");
    rig.ask(far, "ping");
    assert_eq!(rig.ask(client, "slowlog get -2"), "-ERR count should be greater than or equal to -1");
    let entries = rig.ask(client, "slowlog get 2");
    assert!(entries.starts_with("*2 *6 :"), "{entries}");
    assert!(entries.contains(" *1 $4 ping $15 127.0.0.1:50002 $4 slow"), "{entries}");
    rig.ask(client, "config set slowlog-log-slower-than -1");
    assert_eq!(rig.ask(client, "slowlog reset"), "+OK");
    assert_eq!(rig.ask(client, "slowlog len"), ":0");
    rig.everyone.latency.add("command", 100, 30);
    rig.everyone.latency.add("command", 101, 20);
    assert_eq!(rig.ask(client, "latency latest"), "*1 *4 $7 command :101 :20 :30");
    assert_eq!(rig.ask(client, "latency history command"), "*2 *2 :100 :30 *2 :101 :20");
    assert_eq!(rig.ask(client, "latency history none"), "*0");
    assert_eq!(rig.ask(client, "latency graph none"), "-ERR No samples available for event 'none'");
    assert!(rig.ask(client, "latency graph command").contains("high 30 ms, low 20 ms"));
    assert!(rig.ask(client, "latency doctor").contains("command: 2 delays"));
    assert_eq!(rig.ask(client, "latency reset x command"), ":1");
    assert_eq!(rig.ask(client, "latency reset"), ":0");
    let histogram = rig.ask(client, "latency histogram ping nosuch");
    assert!(histogram.starts_with("*2 $4 ping *4 $5 calls :1 $14 histogram_usec *2 :"), "{histogram}");
}

#[test]
fn whole_databases_are_emptied_and_exchanged() {
    let mut rig = Rig::new(2, &[]);
    let [client, far] = [0, 1].map(|core| rig.connect(core));
    let fill = |rig: &Rig| {
        for core in 0..2 {
            rig.with(core, |core| {
                let key = format!("key{}", core.me()).into_bytes();
                let hash = crate::keyspace::hash_key(&key);
                core.shard.keyspace_mut().db_mut(0).insert(hash, &key, crate::keyspace::Value::Int(1), None);
            });
        }
    };
    let sizes = |rig: &Rig, db: u16| [0, 1].map(|core| rig.with(core, |core| core.shard.db(db).len()));
    fill(&rig);
    assert!(rig.ask(client, "randomkey").starts_with("$4 key"));
    assert_eq!(rig.ask(client, "info keyspace").split(' ').nth(3), Some("db0:keys=2,expires=0,avg_ttl=0,subexpiry=0"));
    for (request, reply) in [
        ("swapdb x 1", "-ERR invalid first DB index"),
        ("swapdb 0 x", "-ERR invalid second DB index"),
        ("swapdb 0 16", "-ERR DB index is out of range"),
        ("flushall now", "-ERR syntax error"),
        ("flushdb async sync", "-ERR syntax error"),
        ("swapdb 0 3", "+OK"),
    ] {
        assert_eq!(rig.ask(client, request), reply, "{request}");
    }
    assert_eq!((sizes(&rig, 0), sizes(&rig, 3)), ([0, 0], [1, 1]));
    assert_eq!(rig.ask(far, "flushdb"), "+OK");
    assert_eq!(sizes(&rig, 3), [1, 1]);
    // Both at the same time: one waits for the other.
    rig.send(client, &["flushall", "async"]);
    rig.send(far, &["swapdb", "3", "4"]);
    assert_eq!(rig.take(client), "+OK");
    assert_eq!(rig.take(far), "+OK");
    assert_eq!((sizes(&rig, 3), sizes(&rig, 4)), ([0, 0], [0, 0]));
    assert_eq!(rig.ask(client, "randomkey"), "$-1");
}

#[test]
fn memory_is_told_of() {
    let mut rig = Rig::new(2, &[]);
    let client = rig.connect(0);
    for key in ["a", "b", "c", "d"] {
        assert_eq!(rig.ask(client, &format!("memory usage {key} samples 5")), "$-1");
    }
    assert_eq!(rig.ask(client, "memory usage a samples -1"), "-ERR syntax error");
    assert_eq!(rig.ask(client, "memory usage a samples x"), "-ERR value is not an integer or out of range");
    assert_eq!(rig.ask(client, "memory usage a foo"), "-ERR syntax error");
    rig.ask(client, "hello 3");
    let stats = rig.ask(client, "memory stats");
    assert!(stats.starts_with("%33 $14 peak.allocated :"), "{stats}");
    assert!(rig.ask(client, "memory doctor").starts_with('='));
    assert_eq!(rig.ask(client, "memory purge"), "+OK");
    assert!(rig.ask(client, "memory malloc-stats").contains("jemalloc"));
}

#[test]
fn debug_needs_leave() {
    let mut rig = Rig::new(1, &[]);
    let client = rig.connect(0);
    assert_eq!(
        rig.ask(client, "debug sleep 0"),
        "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the server."
    );
    assert_eq!(
        rig.ask(client, "config set enable-debug-command yes"),
        "-ERR CONFIG SET failed (possibly related to argument 'enable-debug-command') - can't set immutable config"
    );
}

#[test]
fn a_single_server_is_no_cluster_and_has_no_replicas() {
    let mut rig = Rig::new(2, &[]);
    let client = rig.connect(1);
    for (request, reply) in [
        ("cluster info", "-ERR This instance has cluster support disabled"),
        ("cluster addslots 1", "-ERR This instance has cluster support disabled"),
        ("readonly", "-ERR This instance has cluster support disabled"),
        ("asking", "-ERR This instance has cluster support disabled"),
        ("role", "*3 $6 master :0 *0"),
        ("replicaof no one", "+OK"),
        ("wait 0 100", ":0"),
        ("wait x 100", "-ERR value is not an integer or out of range"),
        ("wait 1 -1", "-ERR timeout is negative"),
        ("waitaof 0 0 0", "*2 :0 :0"),
        ("waitaof 2 0 0", "-ERR value is out of range, must be between 0 and 1"),
        ("waitaof 1 0 0", "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."),
        ("module list", "*0"),
        ("shutdown abort", "-ERR No shutdown in progress."),
        ("shutdown save nosave", "-ERR syntax error"),
        ("shutdown foo", "-ERR syntax error"),
    ] {
        assert_eq!(rig.ask(client, request), reply, "{request}");
    }
    assert!(rig.ask(client, "lolwut").contains("Redis ver. 7.4.1 "));
    assert!(rig.ask(client, "time").starts_with("*2 $10 "));
}

#[test]
fn the_end_is_told_to_all_cores() {
    let mut rig = Rig::new(2, &[]);
    let client = rig.connect(1);
    assert_eq!(rig.ask(client, "shutdown nosave now"), "");
    assert!(rig.everyone.ending.load(Ordering::Acquire));
    assert!(rig.everyone.shutdown.lock().unwrap().nosave);
    rig.with(0, |core| assert!(core.is_ended()));
    rig.with(1, |core| assert!(core.is_ended()));
}

#[test]
fn transactions_may_hold_commands_that_ask_all_cores() {
    let mut rig = Rig::new(2, &[]);
    let client = rig.connect(0);
    for request in ["multi", "ping", "flushall", "client list", "publish a b", "dbsize"] {
        rig.ask(client, request);
    }
    let reply = rig.ask(client, "exec");
    assert!(reply.starts_with("*") || reply.starts_with("-EXECABORT"), "{reply}");
    for request in ["multi", "ping", "flushall", "client list", "info cpu"] {
        rig.ask(client, request);
    }
    let reply = rig.ask(client, "exec");
    assert!(reply.starts_with("*4 +PONG +OK $"), "{reply}");
}

#[test]
fn debug_protocol_shows_every_kind_of_reply() {
    let mut rig = Rig::new(1, &[]);
    rig.allow_debug();
    let client = rig.connect(0);
    for (hello, kind, reply) in [
        ("2", "double", "$5 3.141"),
        ("2", "map", "*6 :0 :0 :1 :1 :2 :0"),
        ("2", "null", "$-1"),
        ("2", "attrib", "$39 Some real reply following the attribute"),
        ("2", "push", "-ERR RESP2 is not supported by this command"),
        ("3", "string", "$11 Hello World"),
        ("3", "integer", ":12345"),
        ("3", "double", ",3.141"),
        ("3", "bignum", "(1234567999999999999999999999999999999"),
        ("3", "null", "_"),
        ("3", "array", "*3 :0 :1 :2"),
        ("3", "set", "~3 :0 :1 :2"),
        ("3", "map", "%3 :0 #f :1 #t :2 #f"),
        ("3", "attrib", "|1 $14 key-popularity *2 $7 key:123 :90 $39 Some real reply following the attribute"),
        ("3", "push", ">2 $16 server-cpu-usage :42 $40 Some real reply following the push reply"),
        ("3", "verbatim", "=29 txt:This is a verbatim\nstring"),
        ("3", "true", "#t"),
        ("3", "false", "#f"),
    ] {
        rig.ask(client, &format!("HELLO {hello}"));
        assert_eq!(rig.ask(client, &format!("DEBUG PROTOCOL {kind}")), reply);
    }
    assert!(rig.ask(client, "DEBUG PROTOCOL nonsense").starts_with("-ERR Wrong protocol type name. Please use"));
}

#[test]
fn debug_object_tells_of_the_nodes_of_a_long_list() {
    let mut rig = Rig::new(1, &[("list-max-listpack-size", "2")]);
    rig.allow_debug();
    let client = rig.connect(0);
    rig.ask(client, "RPUSH short a b");
    rig.ask(client, "RPUSH long a b c d e");
    assert!(!rig.ask(client, "DEBUG OBJECT short").contains("ql_"));
    let text = rig.ask(client, "DEBUG OBJECT long");
    assert!(text.contains(" ql_nodes:3 ql_avg_node:1.67 ql_listpack_max:2 ql_compressed:0 "), "{text}");
}
