//! Passwords in requests: MONITOR and the slow log must not show them.

use crate::command::spec::CommandSpec;
use crate::config::directive::SENSITIVE;
use crate::resp::{Args, OwnedArgs};

const REDACTED: &[u8] = b"(redacted)";

/// The request with its secrets replaced; `None` if there are none.
pub fn without_secrets(spec: &CommandSpec, args: Args) -> Option<OwnedArgs> {
    let is_secret: &dyn Fn(usize) -> bool = match spec.name {
        "auth" => &|index| index > 0,
        "hello" => &|index| follows(args, index, 1, "AUTH") || follows(args, index, 2, "AUTH"),
        "migrate" => &|index| {
            follows(args, index, 1, "AUTH") || follows(args, index, 1, "AUTH2") || follows(args, index, 2, "AUTH2")
        },
        "acl|setuser" => &|index| index > 2 && args.at(index).first().is_some_and(|first| b"><#!".contains(first)),
        "config|set" => &|index| {
            index > 2
                && index % 2 == 1
                && crate::config::directive(args.at(index - 1)).is_some_and(|row| row.has(SENSITIVE))
        },
        _ => return None,
    };
    let words = args.iter().enumerate().map(|(index, word)| if is_secret(index) { REDACTED } else { word });
    Some(OwnedArgs::new(words))
}

/// Whether `keyword` stands `distance` words before `index`.
fn follows(args: Args, index: usize, distance: usize, keyword: &str) -> bool {
    index > distance && args.is(index - distance, keyword)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::spec::resolve;

    #[test]
    fn no_password_is_shown() {
        for (request, shown) in [
            ("auth pw", "auth (redacted)"),
            ("auth user pw", "auth (redacted) (redacted)"),
            ("hello 3 AUTH user pw SETNAME me", "hello 3 AUTH (redacted) (redacted) SETNAME me"),
            ("config set requirepass pw maxclients 5", "config set requirepass (redacted) maxclients 5"),
            ("config set masterauth pw", "config set masterauth (redacted)"),
        ] {
            let request = OwnedArgs::new(request.split(' '));
            let spec = resolve(request.as_args()).unwrap();
            let redacted = without_secrets(spec, request.as_args()).unwrap();
            let words: Vec<_> = redacted.as_args().iter().map(|word| String::from_utf8_lossy(word)).collect();
            assert_eq!(words.join(" "), shown);
        }
        let get = OwnedArgs::new(["get", "auth"]);
        assert!(without_secrets(resolve(get.as_args()).unwrap(), get.as_args()).is_none());
    }
}
