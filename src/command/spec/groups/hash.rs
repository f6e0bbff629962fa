//! Hashes.

use crate::command::spec::row::*;

/// `FIELDS numfields field …`
const FIELDS: Arg = block("fields", &[integer("numfields"), string("field").many()]).after("FIELDS");
const PER_FIELD: &str = "O(N) in the fields given";

const EX: Arg = integer("seconds").after("EX");
const PX: Arg = integer("milliseconds").after("PX");
const EXAT: Arg = unix_time("unix-time-seconds").after("EXAT");
const PXAT: Arg = unix_time("unix-time-milliseconds").after("PXAT");

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("hdel", -3, WRITE | FAST, HASH)
        .keys(&[at(1, RW | DELETE)])
        .doc("2.0.0", "Deletes fields; an empty hash goes away.", PER_FIELD)
        .history(&[("2.4.0", "Several fields.")])
        .args(&[KEY, string("field").many()]),
    cmd("hexists", 3, READONLY | FAST, HASH)
        .keys(&[at(1, RO)])
        .doc("2.0.0", "Whether a field exists.", "O(1)")
        .args(&[KEY, string("field")]),
    cmd("hexpire", -6, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | UPDATE)])
        .doc("7.4.0", "Lets fields live for some seconds from now.", PER_FIELD)
        .args(&[KEY, integer("seconds"), EXPIRE_CONDITION, FIELDS]),
    cmd("hexpireat", -6, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | UPDATE)])
        .doc("7.4.0", "Lets fields live until a Unix time in seconds.", PER_FIELD)
        .args(&[KEY, unix_time("unix-time-seconds"), EXPIRE_CONDITION, FIELDS]),
    cmd("hexpiretime", -5, READONLY | FAST, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .doc("7.4.0", "The Unix times in seconds at which fields expire.", PER_FIELD)
        .args(&[KEY, FIELDS]),
    cmd("hget", 3, READONLY | FAST, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.0.0", "The value of a field.", "O(1)")
        .args(&[KEY, string("field")]),
    cmd("hgetall", 2, READONLY, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM_ORDER)
        .doc("2.0.0", "All fields with their values.", "O(N) in the fields")
        .args(&[KEY]),
    cmd("hgetdel", -5, WRITE | FAST, HASH)
        .keys(&[at(1, RW | ACCESS | DELETE)])
        .doc("8.0.0", "The values of fields, which are deleted.", PER_FIELD)
        .args(&[KEY, FIELDS]),
    cmd("hgetex", -5, WRITE | FAST, HASH)
        .keys(&[at(1, RW | ACCESS | UPDATE).note("RW and UPDATE since the expiry may change")])
        .doc("8.0.0", "The values of fields, whose expiry is set or removed.", PER_FIELD)
        .args(&[KEY, one_of("expiration", &[EX, PX, EXAT, PXAT, word("persist", "PERSIST")]).opt(), FIELDS]),
    cmd("hincrby", 4, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | ACCESS | UPDATE)])
        .doc("2.0.0", "Adds to the integer in a field; a missing one counts as 0.", "O(1)")
        .args(&[KEY, string("field"), integer("increment")]),
    cmd("hincrbyfloat", 4, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | ACCESS | UPDATE)])
        .doc("2.6.0", "Adds to the decimal number in a field; a missing one counts as 0.", "O(1)")
        .args(&[KEY, string("field"), double("increment")]),
    cmd("hkeys", 2, READONLY, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM_ORDER)
        .doc("2.0.0", "All fields.", "O(N) in the fields")
        .args(&[KEY]),
    cmd("hlen", 2, READONLY | FAST, HASH).keys(&[at(1, RO)]).doc("2.0.0", "The number of fields.", "O(1)").args(&[KEY]),
    cmd("hmget", -3, READONLY | FAST, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.0.0", "The values of several fields.", PER_FIELD)
        .args(&[KEY, string("field").many()]),
    cmd("hmset", -4, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | UPDATE)])
        .doc("2.0.0", "Sets several fields.", PER_FIELD)
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs")
        .args(&[KEY, block("data", &[string("field"), string("value")]).many()]),
    cmd("hpersist", -5, WRITE | FAST, HASH)
        .keys(&[at(1, RW | UPDATE)])
        .doc("7.4.0", "Removes the expiry of fields.", PER_FIELD)
        .args(&[KEY, FIELDS]),
    cmd("hpexpire", -6, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | UPDATE)])
        .doc("7.4.0", "Lets fields live for some milliseconds from now.", PER_FIELD)
        .args(&[KEY, integer("milliseconds"), EXPIRE_CONDITION, FIELDS]),
    cmd("hpexpireat", -6, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | UPDATE)])
        .doc("7.4.0", "Lets fields live until a Unix time in milliseconds.", PER_FIELD)
        .args(&[KEY, unix_time("unix-time-milliseconds"), EXPIRE_CONDITION, FIELDS]),
    cmd("hpexpiretime", -5, READONLY | FAST, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .doc("7.4.0", "The Unix times in milliseconds at which fields expire.", PER_FIELD)
        .args(&[KEY, FIELDS]),
    cmd("hpttl", -5, READONLY | FAST, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("7.4.0", "The milliseconds that fields have left.", PER_FIELD)
        .args(&[KEY, FIELDS]),
    cmd("hrandfield", -2, READONLY, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("6.2.0", "Fields picked at random.", "O(N) in the fields returned")
        .args(&[KEY, block("options", &[integer("count"), word("withvalues", "WITHVALUES").opt()]).opt()]),
    cmd("hscan", -3, READONLY, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("2.8.0", "Walks through the fields, some at each call.", "O(1) per call; O(N) for the whole walk")
        .args(&[KEY, integer("cursor"), MATCH, COUNT, word("novalues", "NOVALUES").opt()]),
    cmd("hset", -4, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | UPDATE)])
        .doc("2.0.0", "Sets fields.", PER_FIELD)
        .history(&[("4.0.0", "Several fields.")])
        .args(&[KEY, block("data", &[string("field"), string("value")]).many()]),
    cmd("hsetex", -6, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | UPDATE)])
        .doc("8.0.0", "Sets fields together with their expiry.", PER_FIELD)
        .args(&[
            KEY,
            one_of("condition", &[word("fnx", "FNX"), word("fxx", "FXX")]).opt(),
            one_of("expiration", &[EX, PX, EXAT, PXAT, word("keepttl", "KEEPTTL")]).opt(),
            block("fields", &[integer("numfields"), block("data", &[string("field"), string("value")]).many()])
                .after("FIELDS"),
        ]),
    cmd("hsetnx", 4, WRITE | DENYOOM | FAST, HASH)
        .keys(&[at(1, RW | INSERT)])
        .doc("2.0.0", "Sets a field if it does not exist.", "O(1)")
        .args(&[KEY, string("field"), string("value")]),
    cmd("hstrlen", 3, READONLY | FAST, HASH)
        .keys(&[at(1, RO)])
        .doc("3.2.0", "The length of a field's value in bytes.", "O(1)")
        .args(&[KEY, string("field")]),
    cmd("httl", -5, READONLY | FAST, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("7.4.0", "The seconds that fields have left.", PER_FIELD)
        .args(&[KEY, FIELDS]),
    cmd("hvals", 2, READONLY, HASH)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM_ORDER)
        .doc("2.0.0", "All values.", "O(N) in the fields")
        .args(&[KEY]),
];
