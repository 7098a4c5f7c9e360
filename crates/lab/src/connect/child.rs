//! The life of the stand-in: announce, run the program behind the proxy, and when the proxy is over send SIGTERM in a
//! tight loop until the program is gone.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::connect::args::{Args, Format};
use crate::connect::control::{Command as Order, Control};
use crate::connect::listener::{Cuts, serve};
use crate::connect::session::Session;

/// What the CLI exits with when its child was killed by a signal: -1, as the shell sees it.
const KILLED: u8 = 255;

/// Why the proxy is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    ChildEnded,
    Signalled,
    Proxy,
}

/// Runs the program behind the proxy; returns the exit code.
pub(crate) async fn run_proxied(args: Args) -> anyhow::Result<u8> {
    let session = Session::open(&args.source).await?;
    let bind = (args.listen_address.as_str(), args.listen_port);
    let listener = TcpListener::bind(bind).await.context("failed to listen")?;
    let address = listener.local_addr()?;
    let mut control = Control::open(args.control.as_deref()).context("failed to open the control socket")?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    announce(&args, &session, &address.ip().to_string(), address.port())?;
    let child = spawn(&args, &address.ip().to_string(), address.port())?;
    let (storm, mut exited) = watch_child(child);
    let cuts = Arc::new(Cuts::new(0));
    let mut proxy = Box::pin(serve(listener, session.route.clone(), session.connection_limit, cuts.clone()));
    let mut deadline = Box::pin(tokio::time::sleep(session.time_left()));
    let over = loop {
        tokio::select! {
            biased;
            _ = wait_exit(&mut exited) => break Over::ChildEnded,
            _ = interrupt.recv() => break Over::Signalled,
            _ = terminate.recv() => break Over::Signalled,
            order = control.next() => match order {
                Order::Cut => cuts.send_modify(|count| *count += 1),
                Order::Close | Order::Expire => break Over::Proxy,
            },
            () = &mut deadline => break Over::Proxy,
            _ = &mut proxy => break Over::Proxy,
        }
    };
    // The listener closes, and live connections are cut.
    drop(proxy);
    cuts.send_modify(|count| *count += 1);
    if over != Over::ChildEnded {
        let _ = storm.send(());
    }
    // Let the connections hear of the cut even while the storm runs.
    let status = wait_exit(&mut exited).await;
    session.tear_down().await;
    if over == Over::Signalled {
        print("\nTermination information:\n  Reason:              Received shutdown signal\n")?;
    }
    Ok(exit_code(status))
}

/// Waits for the child on a thread of its own; a word through the returned sender starts the storm of SIGTERM.
fn watch_child(mut child: Child) -> (oneshot::Sender<()>, watch::Receiver<Option<ExitStatus>>) {
    let (storm, mut stormed) = oneshot::channel();
    let (exited, status) = watch::channel(None);
    std::thread::spawn(move || {
        let pid = Pid::from_raw(child.id().cast_signed());
        let mut storming = false;
        loop {
            if let Ok(Some(found)) = child.try_wait() {
                exited.send_replace(Some(found));
                return;
            }
            if storming {
                // Not reaped yet, so the id is still the child's.
                let _ = kill(pid, Signal::SIGTERM);
            } else if stormed.try_recv().is_ok() {
                storming = true;
            } else {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    (storm, status)
}

async fn wait_exit(exited: &mut watch::Receiver<Option<ExitStatus>>) -> Option<ExitStatus> {
    exited.wait_for(Option::is_some).await.ok().and_then(|status| *status)
}

fn exit_code(status: Option<ExitStatus>) -> u8 {
    status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok()).unwrap_or(KILLED)
}

/// Same process group, same standard streams, the whole environment and the proxy's address.
fn spawn(args: &Args, ip: &str, port: u16) -> anyhow::Result<Child> {
    let port = port.to_string();
    let address = format!("{ip}:{port}");
    let values = [("ip", ip), ("port", port.as_str()), ("addr", address.as_str())];
    Command::new(&args.program)
        .args(args.passthrough.iter().map(|arg| fill_templates(arg, &values)))
        .env("BOUNDARY_PROXIED_IP", ip)
        .env("BOUNDARY_PROXIED_PORT", &port)
        .env("BOUNDARY_PROXIED_ADDR", &address)
        .spawn()
        .with_context(|| format!("failed to run {}", args.program.display()))
}

/// Replaces `{{boundary.ip}}`, `{{ boundary.port }}` and the like.
fn fill_templates(arg: &OsStr, values: &[(&str, &str)]) -> OsString {
    let mut bytes = arg.as_bytes().to_vec();
    for (name, value) in values {
        for template in [format!("{{{{boundary.{name}}}}}"), format!("{{{{ boundary.{name} }}}}")] {
            bytes = replace(&bytes, template.as_bytes(), value.as_bytes());
        }
    }
    OsString::from_vec(bytes)
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// What `boundary connect` prints before it starts the program.
fn announce(args: &Args, session: &Session, ip: &str, port: u16) -> anyhow::Result<()> {
    let expiration = session.expiration;
    let text = match args.format {
        Format::Json => {
            let line = json!({
                "address": ip, "port": port, "protocol": "tcp", "expiration": expiration.to_string(),
                "connection_limit": session.connection_limit, "session_id": session.id,
            });
            format!("{line}\n")
        }
        Format::Table => {
            let limit = session.connection_limit;
            let until = expiration.strftime("%a, %d %b %Y %H:%M:%S UTC");
            let id = &session.id;
            format!(
                "\nProxy listening information:\n  Address:             {ip}\n  Connection Limit:    {limit}\n  \
                 Expiration:          {until}\n  Port:                {port}\n  Protocol:            tcp\n  \
                 Session ID:          {id}\n"
            )
        }
    };
    print(&text)
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("failed to write to stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_with_and_without_spaces() {
        let values = [("ip", "127.0.0.1"), ("port", "9"), ("addr", "127.0.0.1:9")];
        let filled = |text: &str| fill_templates(OsStr::new(text), &values).into_string().unwrap();
        assert_eq!(filled("--to={{boundary.addr}}"), "--to=127.0.0.1:9");
        assert_eq!(filled("{{ boundary.ip }}|{{boundary.port}}|{{ boundary.port}}"), "127.0.0.1|9|{{ boundary.port}}");
        assert_eq!(filled("plain"), "plain");
    }
}
