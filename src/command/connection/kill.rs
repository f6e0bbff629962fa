//! CLIENT KILL, PAUSE, UNPAUSE and UNBLOCK: commands about other connections.

use super::list::client_type;
use crate::command::Flow;
use crate::command::answer::{NOT_AN_INTEGER, SYNTAX_ERROR, error, integer, is, shown, subcommand_error, timeout_ms};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{ClientFilter, Core, Finding, Outcome, Query};

/// CLIENT KILL (ip:port | option value [option value ...])
pub fn kill(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let old_form = args.len() == 3;
    let mut filter = match parse(args, conn.id) {
        Ok(filter) => filter,
        Err(text) => return error(core, conn, text),
    };
    filter.asking = Some(conn.id);
    let (at, proto) = (conn.place, conn.session.proto);
    let takes_me = filter.selects(conn, core.now_ms);
    core.in_task(conn, move |handle| async move {
        let findings = handle.ask_all(|| Query::Kill(filter.clone())).await;
        let killed: u64 = findings.iter().map(Finding::count).sum();
        if takes_me {
            handle.with(|core| core.close_after_replies(at));
        }
        Outcome::write(proto, |reply| match (old_form, killed) {
            (false, killed) => reply.int(killed as i64),
            (true, 0) => reply.error("ERR No such client"),
            (true, _) => reply.ok(),
        })
    })
}

fn parse(args: Args, me: u64) -> Result<ClientFilter, String> {
    let mut filter = ClientFilter::default();
    if args.len() == 3 {
        filter.address = Some(args.at(2).to_vec());
        return Ok(filter);
    }
    let mut spare_me = true;
    let mut at = 2;
    while at < args.len() {
        let (option, Some(value)) = (args.at(at), args.get(at + 1)) else { return Err(SYNTAX_ERROR.into()) };
        match () {
            () if is(option, "id") => {
                let id = integer(value).filter(|&id| id > 0).ok_or("ERR client-id should be greater than 0")?;
                filter.ids = Some(vec![id as u64]);
            }
            () if is(option, "maxage") => {
                let age = integer(value).ok_or("ERR maxage is not an integer or out of range")?;
                if age <= 0 {
                    return Err("ERR maxage should be greater than 0".into());
                }
                filter.age_s_min = Some(age as u64);
            }
            () if is(option, "type") => filter.kind = Some(client_type(value)?),
            () if is(option, "addr") => filter.address = Some(value.to_vec()),
            () if is(option, "laddr") => filter.local_address = Some(value.to_vec()),
            // There is one user: naming it selects everybody.
            () if is(option, "user") && value == b"default" => {}
            () if is(option, "user") => return Err(format!("ERR No such user '{}'", shown(value))),
            () if is(option, "skipme") && is(value, "yes") => spare_me = true,
            () if is(option, "skipme") && is(value, "no") => spare_me = false,
            () => return Err(SYNTAX_ERROR.into()),
        }
        at += 2;
    }
    filter.except = spare_me.then_some(me);
    Ok(filter)
}

/// CLIENT PAUSE timeout [WRITE | ALL]
pub fn pause(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let writes_only = match args.get(3) {
        _ if args.len() > 4 => return error(core, conn, subcommand_error(args)),
        None => false,
        Some(mode) if is(mode, "all") => false,
        Some(mode) if is(mode, "write") => true,
        Some(_) => return error(core, conn, "ERR CLIENT PAUSE mode must be WRITE or ALL"),
    };
    let until_ms = match timeout_ms(args.at(2)) {
        Ok(ms) => core.now_ms.saturating_add(ms),
        Err(text) => return error(core, conn, text),
    };
    tell_all(core, conn, move || Query::Pause { until_ms, writes_only })
}

/// CLIENT UNPAUSE
pub fn unpause(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    tell_all(core, conn, || Query::Unpause)
}

fn tell_all(core: &mut Core, conn: &mut Conn, make: impl Fn() -> Query + 'static) -> Flow {
    let proto = conn.session.proto;
    core.in_task(conn, move |handle| async move {
        handle.ask_all(make).await;
        Outcome::write(proto, |reply| reply.ok())
    })
}

/// CLIENT UNBLOCK client-id [TIMEOUT | ERROR]
pub fn unblock(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let with_error = match args.get(3) {
        _ if args.len() > 4 => return error(core, conn, subcommand_error(args)),
        None => false,
        Some(reason) if is(reason, "timeout") => false,
        Some(reason) if is(reason, "error") => true,
        Some(_) => return error(core, conn, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    };
    let Some(id) = integer(args.at(2)) else { return error(core, conn, NOT_AN_INTEGER) };
    let id = u64::try_from(id).unwrap_or(0);
    let proto = conn.session.proto;
    core.in_task(conn, move |handle| async move {
        let findings = handle.ask_all(|| Query::Unblock { id, with_error }).await;
        let unblocked: u64 = findings.iter().map(Finding::count).sum();
        Outcome::write(proto, |reply| reply.int(unblocked as i64))
    })
}
