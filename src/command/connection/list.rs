//! CLIENT INFO and LIST.

use crate::command::Flow;
use crate::command::answer::{SYNTAX_ERROR, answer, error, integer, is, shown};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{ClientFilter, ClientType, Core, Finding, Outcome, Query, describe_client};

/// CLIENT INFO
pub fn info(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let line = describe_client(conn, core.now_ms, Some(args)) + "\n";
    answer(core, conn, |reply| reply.verbatim("txt", line.as_bytes()))
}

/// CLIENT LIST [TYPE type] [ID id [id ...]]
pub fn list(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let filter = match parse(args) {
        Ok(filter) => filter,
        Err(text) => return error(core, conn, text),
    };
    let proto = conn.session.proto;
    core.in_task(conn, move |handle| async move {
        let mut lines = Vec::new();
        for found in handle.ask_all(|| Query::Clients(filter.clone())).await {
            if let Finding::Clients(some) = found {
                lines.extend(some);
            }
        }
        lines.sort_unstable_by_key(|&(id, _)| id);
        let text: String = lines.into_iter().map(|(_, line)| line + "\n").collect();
        Outcome::write(proto, |reply| reply.verbatim("txt", text.as_bytes()))
    })
}

fn parse(args: Args) -> Result<ClientFilter, String> {
    let mut filter = ClientFilter::default();
    if args.len() == 4 && is(args.at(2), "type") {
        filter.kind = Some(client_type(args.at(3))?);
    } else if args.len() > 3 && is(args.at(2), "id") {
        let ids = args.tail(3).iter().map(|word| integer(word).ok_or_else(|| "ERR Invalid client ID".to_owned()));
        filter.ids = Some(ids.map(|id| id.map(|id| id as u64)).collect::<Result<_, _>>()?);
    } else if args.len() != 2 {
        return Err(SYNTAX_ERROR.into());
    }
    Ok(filter)
}

/// A kind of client by its name, or Redis's error.
pub fn client_type(name: &[u8]) -> Result<ClientType, String> {
    ClientType::by_name(name).ok_or_else(|| format!("ERR Unknown client type '{}'", shown(name)))
}
