//! The transcript that the agent uploads when a session of ECS Exec has ended: what util-linux `script` makes of the recorded
//! output, cut into events. Sources: amazon-ssm-agent session/shell/shell_unix.go and
//! agentlogstocloudwatch/cloudwatchlogspublisher/cloudwatchlogsservice.go; `script` 2.38.1, measured.

use jiff::Timestamp;

use crate::aws::s3::Content;
use crate::gateway::session::Session;
use crate::shared::Shared;

/// The longest event, and the longest part of a line that the agent reads at once, bytes.
const EVENT_MAX: usize = 200_000;

/// Uploads the transcript of an ended session to where its ECS cluster's configuration says; a destination that is not there
/// gets nothing, without a word.
pub(crate) fn upload(shared: &Shared, session: &Session) {
    let logging = shared.exec_logging().clone();
    let Some(task) = shared.task(&session.plan.task_id) else { return };
    let text = script(&session.id, &session.transcript(), shared.clock.now());
    if let Some((bucket, key)) = logging.object_of(&session.id) {
        let (now, content) = (shared.clock.now(), Content { body: text.clone(), ..Content::default() });
        shared.buckets.with(&bucket, |bucket| bucket.put(&key, content, now).modified);
    }
    if let Some(group) = logging.group_of(&task.ecs_cluster) {
        let now = shared.clock.millis();
        let events = pieces(&text).into_iter().map(|piece| (now, piece));
        shared.log_groups.change(&group, |group| group.put(&session.id, events, now));
    }
}

/// Makes what `script` records of `cat` and the recorded output. Both stamps are of this moment: `script` runs when the session
/// is over. Its own terminal writes CR LF for each LF.
fn script(session_id: &str, output: &[u8], now: Timestamp) -> Vec<u8> {
    let stamp = now.strftime("%Y-%m-%d %H:%M:%S+00:00");
    let (container, _) = session_id.rsplit_once('-').unwrap_or((session_id, ""));
    let file = format!("/var/lib/amazon/ssm/{container}/session/orchestration/{session_id}/InteractiveCommands/ipcTempFile.log");
    let mut text = format!("Script started on {stamp} [COMMAND=\"cat {file}\" <not executed on terminal>]\n").into_bytes();
    for byte in output {
        if *byte == b'\n' {
            text.push(b'\r');
        }
        text.push(*byte);
    }
    text.extend_from_slice(format!("\nScript done on {stamp} [COMMAND_EXIT_CODE=\"0\"]\n").as_bytes());
    text
}

/// Cuts a transcript into the messages of events: whole lines as far as they fit, CR LF as LF, the last LF dropped.
fn pieces(text: &[u8]) -> Vec<String> {
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    for line in text.split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(EVENT_MAX)) {
        if piece.len() + line.len() > EVENT_MAX {
            pieces.push(message(&piece));
            piece.clear();
        }
        piece.extend_from_slice(line);
    }
    if !piece.is_empty() {
        pieces.push(message(&piece));
    }
    pieces
}

fn message(piece: &[u8]) -> String {
    let text = String::from_utf8_lossy(piece).replace("\r\n", "\n");
    text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_what_script_writes() {
        let now = "2026-11-21T13:20:47Z".parse().unwrap();
        let text = String::from_utf8(script("ecs-execute-command-abc", b"a\r\nb", now)).unwrap();
        let file = "/var/lib/amazon/ssm/ecs-execute-command/session/orchestration/ecs-execute-command-abc/InteractiveCommands";
        assert_eq!(
            text,
            format!(
                "Script started on 2026-11-21 13:20:47+00:00 [COMMAND=\"cat {file}/ipcTempFile.log\" <not executed on terminal>]\n\
                 a\r\r\nb\nScript done on 2026-11-21 13:20:47+00:00 [COMMAND_EXIT_CODE=\"0\"]\n"
            )
        );
        assert_eq!(pieces(b"a\r\r\nb\nend\n"), ["a\r\nb\nend"]);
    }

    #[test]
    fn events_are_cut_at_line_ends_and_long_lines_anywhere() {
        let line = format!("{}\n", "x".repeat(99_999));
        let cut = pieces(line.repeat(3).as_bytes());
        assert_eq!(cut.iter().map(String::len).collect::<Vec<_>>(), [199_999, 99_999]);
        let long = pieces("y".repeat(450_000).as_bytes());
        assert_eq!(long.iter().map(String::len).collect::<Vec<_>>(), [200_000, 200_000, 50_000]);
    }
}
